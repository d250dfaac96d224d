/* SPDX-License-Identifier: Apache-2.0 */
/* A host is given or it is not: nobody is asked, since what may be reached is policy, not opinion.
 * Every host that is asked for is looked at and reported. */
#include "judge_network.h"

#include <host.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK

static int
shown(struct viv_str text)
{
    return (int)(text.len < 100 ? text.len : 100);
}

static struct viv_str
text_of(const json_t *item)
{
    return (struct viv_str){json_string_value(item), json_string_length(item)};
}

static int
has(const json_t *list, struct viv_str host)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct viv_str old = text_of(json_array_get(list, i));
        if (old.data && viv_kit_host_covers(old, host)) {
            return 1;
        }
    }
    return 0;
}

static void
give(struct network *network, struct viv_str host, uint32_t rule)
{
    if (!host.data || viv_kit_host_fault(host, rule) || policy_bars_host(network->policy, host) ||
        has(network->hosts, host) || json_array_size(network->hosts) >= POLICY_HOSTS_MAX) {
        return;
    }
    viv_tree_push(network->hosts, viv_tree_str(host), &network->failed);
}

/* What policies that may grant give to every task that asks for nothing. */
static void
give_default(struct network *network)
{
    const struct policy *policy = network->policy;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        const json_t *list = json_object_get(json_object_get(layer->json, "network"), "default");
        for (size_t j = 0; layer->may_grant && j < json_array_size(list); j++) {
            give(network, text_of(json_array_get(list, j)), 1);
        }
    }
}

void
network_read(const struct policy *policy, const struct json_t *task, struct network *ret_network)
{
    const json_t *ruled = json_object_get(json_object_get(task, "intent"), "network");
    *ret_network = (struct network){.policy = policy,
                                    .task = task,
                                    .asked = json_object_get(task, "hosts"),
                                    .hosts = json_array()};
    ret_network->failed = ret_network->hosts == NULL;
    ret_network->full_profile = rules_is(viv_tree_text(task, "profile"), "full");
    ret_network->ruled_out = json_is_integer(ruled) && json_integer_value(ruled) == 0;
    if (!ret_network->full_profile || ret_network->ruled_out) {
        return;
    }
    if (!ret_network->asked) {
        give_default(ret_network);
    }
    for (size_t i = 0; i < json_array_size(ret_network->asked); i++) {
        give(ret_network, text_of(json_array_get(ret_network->asked, i)), 0);
    }
}

void
network_drop(struct network *network)
{
    json_decref(network->hosts);
    network->hosts = NULL;
}

static void
report_barred(struct viv_str host, const char *scope, struct report *report)
{
    char cure[240];
    if (rules_is((struct viv_str){scope, strlen(scope)}, "project")) {
        (void)snprintf(cure, sizeof cure,
                       "add \"%.*s\" to network.allow of the project's policy, or run 'vivhost trust'",
                       shown(host), host.data);
        report_add(report, "network.not-allowed", DENY, cure,
                   "'%.*s' is not in network.allow of the project's policy, which narrows yours",
                   shown(host), host.data);
        return;
    }
    (void)snprintf(cure, sizeof cure, "network: {allow: [\"%.*s\"]} in your own policy", shown(host),
                   host.data);
    report_add(report, "network.not-allowed", DENY, cure,
               "the task asks for '%.*s', which no network.allow lists", shown(host), host.data);
}

static void
report_host(const struct network *network, const json_t *item, struct report *report)
{
    struct viv_str host = text_of(item);
    const char *fault = host.data ? viv_kit_host_fault(host, 0) : "is no text";
    if (fault) {
        report_add(report, "task.network", DENY, "name what is to be reached, like example.org:443",
                   "host '%.*s' %s", shown(host), host.data ? host.data : "", fault);
        return;
    }
    if (network->ruled_out) {
        report_add(report, "network.intent", DENY, "submit a request that does not rule it out",
                   "the request itself rules the network out, and '%.*s' is asked for", shown(host),
                   host.data);
    }
    if (!network->full_profile) {
        struct viv_str name = viv_tree_text(network->task, "sandbox");
        report_add(report, "network.profile", DENY,
                   "run it where user namespaces are; 'vivhost doctor' says what is missing",
                   "the task asks for '%.*s', and the profile '%.*s' of this machine has no network",
                   shown(host), host.data, name.data ? shown(name) : 7,
                   name.data ? name.data : "reduced");
    }
    const char *scope = policy_bars_host(network->policy, host);
    if (scope) {
        report_barred(host, scope, report);
    }
}

void
network_report(const struct network *network, struct report *report)
{
    size_t count = json_array_size(network->asked);
    if (network->asked && (!json_is_array(network->asked) || count > POLICY_HOSTS_MAX)) {
        report_add(report, "task.network", DENY, "name fewer hosts",
                   "the task's hosts are %zu, allowed: a list of at most %d", count, POLICY_HOSTS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        report_host(network, json_array_get(network->asked, i), report);
    }
    if (count == 0 && viv_tree_integer(network->task, "network", 0) != 0) {
        report_add(report, "task.network", ASK, "name what is to be reached: --net HOST:PORT",
                   "the task wishes for the network and names no host");
    }
}

void
network_put(const struct network *network, struct json_t *capability, uint32_t *failed)
{
    size_t count = json_array_size(network->hosts);
    *failed |= network->failed;
    viv_tree_set(capability, "hosts", json_deep_copy(network->hosts), failed);
    viv_tree_set(capability, "network", json_integer(count > 0), failed);
    if (count > 0) {
        viv_tree_set(capability, "network_bytes", json_integer(policy_traffic(network->policy)), failed);
    }
}
