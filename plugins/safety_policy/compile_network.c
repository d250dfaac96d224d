/* SPDX-License-Identifier: Apache-2.0 */
/* What may be reached: `network`, and the hosts of gates and prepare. An entry has one spelling
 * (kit/host.h); what a name means is looked at when it is dialled. */
#include "compile.h"

#include <host.h>
#include <jansson.h>
#include <tree.h>

#include "policy.h"

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

static json_t *
read_host(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT) {
        return compile_fault(compile, value, "a host is %s, allowed: a text like example.org:443",
                             value->kind == YAML_LIST ? "a list" : "a mapping");
    }
    const char *fault = viv_kit_host_fault(value->text, 1);
    if (fault) {
        return compile_fault(compile, value, "host '%.*s' %s", shown(value->text),
                             value->text.data ? value->text.data : "", fault);
    }
    return compile_text(compile, value);
}

struct json_t *
compile_hosts(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, read_host, POLICY_HOSTS_MAX);
}

static const struct yaml_value *
member(const struct yaml_value *map, const char *key)
{
    for (const struct yaml_value *one = map->child; one; one = one->next) {
        if (rules_is(one->key, key)) {
            return one;
        }
    }
    return NULL;
}

static int
is_allowed(const struct yaml_value *allow, struct viv_str host)
{
    for (const struct yaml_value *rule = allow ? allow->child : NULL; rule; rule = rule->next) {
        if (viv_kit_host_covers(rule->text, host)) {
            return 1;
        }
    }
    return 0;
}

/* What every task gets without asking must be among what may be asked for. */
static void
check_default(struct compile *compile, const struct yaml_value *value)
{
    const struct yaml_value *list = member(value, "default");
    const struct yaml_value *allow = member(value, "allow");
    for (const struct yaml_value *host = list ? list->child : NULL; host; host = host->next) {
        if (!is_allowed(allow, host->text)) {
            (void)compile_fault(compile, host,
                                "host '%.*s' of network.default is not in network.allow; add it "
                                "there too",
                                shown(host->text), host->text.data);
            return;
        }
    }
}

struct json_t *
compile_network(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"allow", "allow", compile_hosts, 0, 0},
        {"default", "default", compile_hosts, COMPILE_GRANTS, 0},
        {"bytes", "bytes", compile_traffic, 0, 0},
    };
    json_t *network = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "network");
    if (network) {
        check_default(compile, value);
    }
    if (compile->status != VIV_OK) {
        json_decref(network);
        return NULL;
    }
    return network;
}
