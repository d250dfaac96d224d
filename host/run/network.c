/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <host.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"
#include "run/egress.h"
#include "run/policy_merge.h"

#define CONNECTIONS_MAX 64 /* at the same time */
#define WAITING_MAX 64 /* connections that nobody has taken yet */
#define LISTED_MAX 16 /* hosts and refusals in one event */

#define QUOTE_(text) #text
#define QUOTE(text) QUOTE_(text)
#define PROXY "=http://127.0.0.1:" QUOTE(VH_SANDBOX_DOOR_PORT)

/* Each name in both spellings: programs look for one or the other. The task's own loopback needs no way out. */
static const char *const variables[] = {
    "HTTP_PROXY" PROXY,  "http_proxy" PROXY, "HTTPS_PROXY" PROXY,
    "https_proxy" PROXY, "ALL_PROXY" PROXY,  "all_proxy" PROXY,
    "NO_PROXY=localhost,127.0.0.1,::1", "no_proxy=localhost,127.0.0.1,::1",
};

viv_status
vh_network_host(struct viv_str host, struct viv_error *err)
{
    const char *fault = viv_kit_host_fault(host, 0);
    return fault ? vh_error_set(err, VIV_E_INVALID, "network", "host '%.*s' %s", (int)(host.len > 100 ? 100 : host.len),
                                host.data ? host.data : "", fault)
                 : VIV_OK;
}

viv_status
vh_network_hosts(const struct vh_json *hosts, struct viv_error *err)
{
    if (hosts->type != VH_JSON_ARRAY || hosts->count > VH_NETWORK_HOSTS_MAX) {
        return vh_error_set(err, VIV_E_INVALID, "network", "'hosts' is %s, allowed: a list of at most %d texts like "
                            "example.org:443", hosts->type != VH_JSON_ARRAY ? "no list" : "too long",
                            VH_NETWORK_HOSTS_MAX);
    }
    viv_status status = VIV_OK;
    for (const struct vh_json *h = hosts->child; h && status == VIV_OK; h = h->next) {
        status = vh_network_host(h->type == VH_JSON_STRING ? h->text : (struct viv_str){ NULL, 0 }, err);
    }
    return status;
}

/* ---- what may be reached ---- */

static const struct vh_json *
checks_of(const struct vh_work *work)
{
    const struct vh_json *gates = vh_run_setting(work->policy, "gates");
    for (const struct vh_json *stage = gates ? gates->child : NULL; stage; stage = stage->next) {
        if (vh_str_equal(stage->key, work->stage)) {
            return stage;
        }
    }
    return NULL;
}

static bool
has_some(const struct vh_json *hosts)
{
    return hosts && hosts->type == VH_JSON_ARRAY && hosts->count > 0;
}

bool
vh_network_wanted(struct vh_work *work)
{
    if (vh_str_is(work->stage, "execute")) {
        return has_some(vh_json_get(vh_run_tree(work, work->ask.task.capability, "{}"), "hosts"));
    }
    if (vh_str_is(work->stage, "prepare")) {
        return has_some(vh_run_setting(work->policy, "prepare.hosts"));
    }
    const struct vh_json *checks = checks_of(work);
    for (const struct vh_json *c = checks ? checks->child : NULL; c; c = c->next) {
        if (has_some(vh_json_get(c, "hosts"))) {
            return true;
        }
    }
    return false;
}

/* The check of the present stage that this command is, word for word. */
static const struct vh_json *
check_of(const struct vh_work *work, const struct vh_json *spec)
{
    const struct vh_json *stages = vh_json_get(spec, "stages"), *checks = checks_of(work);
    const struct vh_json *argv = stages && stages->count == 1 ? vh_json_get(stages->child, "argv") : NULL;
    for (const struct vh_json *c = checks && argv ? checks->child : NULL; c; c = c->next) {
        const struct vh_json *run = vh_json_get(c, "run");
        const struct vh_json *a = argv->child, *b = run ? run->child : NULL;
        while (a && b && vh_str_equal(a->text, b->text)) {
            a = a->next;
            b = b->next;
        }
        if (run && !a && !b) {
            return c;
        }
    }
    return NULL;
}

/* The hosts of one command, and how many bytes; NULL: none. */
static const struct vh_json *
hosts_of(struct vh_work *work, const struct vh_json *spec, bool by_policy, int64_t *ret_bytes)
{
    const struct vh_json *hosts = NULL, *bytes = vh_run_setting(work->policy, "network.bytes");
    if (vh_str_is(work->stage, "execute")) {
        const struct vh_json *capability = vh_run_tree(work, work->ask.task.capability, "{}");
        hosts = vh_json_get(capability, "hosts");
        bytes = vh_json_get(capability, "network_bytes");
    } else if (by_policy) {
        hosts = vh_str_is(work->stage, "prepare") ? vh_run_setting(work->policy, "prepare.hosts")
                                                  : vh_json_get(check_of(work, spec), "hosts");
    }
    int64_t most = bytes && bytes->type == VH_JSON_INTEGER ? bytes->integer : 0;
    *ret_bytes = most > 0 ? most : VH_POLICY_NETWORK_BYTES;
    return has_some(hosts) ? hosts : NULL;
}

/* ---- the door ---- */

static struct viv_str
rules_json(struct vh_work *work, const struct vh_json *hosts, int64_t bytes_max)
{
    struct vh_json *rules = vh_json_object(work->arena);
    const char *name = vh_arena_format(work->arena, "%.*s/%.*s", VH_STR_ARGS(work->ask.task.id),
                                       VH_STR_ARGS(work->stage));
    vh_json_set(rules, "allow", vh_json_clone(work->arena, hosts));
    vh_json_set_int(work->arena, rules, "bytes_max", bytes_max);
    vh_json_set_int(work->arena, rules, "connections_max", CONNECTIONS_MAX);
    vh_json_set_text(work->arena, rules, "name", name);
    return name && rules ? vh_json_print(work->arena, rules) : (struct viv_str){ NULL, 0 };
}

/* Nobody serves it any more: who connects is refused at once and does not wait. It can listen again. */
static void
shut(int door)
{
    (void)shutdown(door, SHUT_RDWR); /* it does not listen, then */
}

/* From here on connections wait to be taken. */
static viv_status
let_in(const struct vh_work *work, int door, struct viv_error *err)
{
    if (listen(door, WAITING_MAX) == 0) {
        return VIV_OK;
    }
    if (errno != EADDRINUSE) {
        return vh_error_errno(err, VIV_E_IO, "network", "a task's way out does not open");
    }
    return vh_error_set(err, VIV_E_EXISTS, "network",
                        "port %d, the way out of commands, is taken by what a command of '%.*s' left behind; let it "
                        "end or use another port", VH_SANDBOX_DOOR_PORT, VH_STR_ARGS(work->stage));
}

/* What the stage's commands have used before counts; one byte is left of nothing, so that the proxy refuses and says
 * so, instead of a command that may not need it. */
viv_status
vh_network_open(struct vh_work *work, const struct vh_keeper *keeper, const struct vh_json *spec, bool by_policy,
                struct vh_network *ret_network, struct viv_error *err)
{
    int64_t most = 0;
    struct vh_network network = { .env = variables, .env_count = sizeof variables / sizeof *variables };
    const struct vh_json *hosts = hosts_of(work, spec, by_policy, &most);
    *ret_network = (struct vh_network){ 0 };
    if (!hosts) {
        return VIV_OK;
    }
    if (!work->run->egress) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "network",
                            "the command may reach hosts, and viv-egress is not beside vivhost; install it");
    }
    int door = vh_keeper_door(keeper);
    if (door < 0) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "network",
                            "the command may reach hosts, and the profile '%s' of this machine has no network; run it "
                            "where user namespaces are, or take 'hosts' away",
                            vh_sandbox_variant_name(work->run->profile.variant));
    }
    network.bytes_max = most > work->network_bytes ? most - work->network_bytes : 1;
    struct viv_str rules = rules_json(work, hosts, network.bytes_max);
    if (!rules.data) {
        return vh_error_set(err, VIV_E_MEMORY, "network", "no memory for a command's hosts");
    }
    int listener = fcntl(door, F_DUPFD_CLOEXEC, 3);
    if (listener < 0) {
        return vh_error_errno(err, VIV_E_IO, "network", "no descriptor for a command's way out");
    }
    network.socket = door;
    viv_status status = let_in(work, door, err);
    if (status) {
        work->run->seam->close(work->run->seam->data, listener);
        return status;
    }
    status = vh_egress_open(work->run->egress, listener, rules, &network.door, err); /* takes the descriptor */
    if (status) {
        shut(door);
        return status;
    }
    *ret_network = network;
    return VIV_OK;
}

/* At most so many of a list; how many there were says the number beside it. */
static void
put_list(struct vh_arena *arena, struct vh_json *record, const char *name, const struct vh_json *list)
{
    struct vh_json *kept = vh_json_array(arena);
    uint32_t count = 0;
    for (const struct vh_json *item = list ? list->child : NULL; item; item = item->next, count++) {
        if (count < LISTED_MAX) {
            vh_json_push(kept, vh_json_clone(arena, item));
        }
    }
    if (count) {
        vh_json_set(record, name, kept);
    }
    if (count > LISTED_MAX) {
        char *all = vh_arena_format(arena, "%s_all", name);
        vh_json_set_int(arena, record, all ? all : "", count);
    }
}

struct vh_json *
vh_network_close(struct vh_work *work, const struct vh_network *network)
{
    static const char *const numbers[] = { "bytes_in", "bytes_out", "connections" };
    struct viv_str text = { NULL, 0 };
    struct vh_json *counts = NULL, *record = vh_json_object(work->arena);
    if (network->bytes_max == 0) {
        return NULL;
    }
    viv_status status = vh_egress_close(work->run->egress, network->door, work->arena, &text, NULL);
    shut(network->socket);
    if (status || vh_json_import(work->arena, text, &counts, NULL)) {
        vh_json_set_int(work->arena, record, "lost", 1); /* nobody knows: all of it counts as used */
        work->network_bytes += network->bytes_max;
        return record;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        vh_json_set_int(work->arena, record, numbers[i], vh_json_int(counts, numbers[i], 0));
    }
    put_list(work->arena, record, "hosts", vh_json_get(counts, "hosts"));
    put_list(work->arena, record, "refused", vh_json_get(counts, "refused"));
    work->network_bytes += vh_json_int(counts, "bytes_in", 0) + vh_json_int(counts, "bytes_out", 0);
    return record;
}
