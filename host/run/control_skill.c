/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins, routes and calls. A call is one skill's answer without a task: read-only, on the immutable tree the project
 * stands at, recorded as `calls.made`. */
#include "control_inside.h"

#include <fcntl.h>
#include <string.h>

#include "run/policy.h"
#include "run/router.h"
#include "run/skill.h"

#define TEXT_MAX 65536
#define UNREADABLE_NAMES 5

static const char *
place_of(const struct vh_registry_entry *entry)
{
    return entry->flags & VH_REGISTRY_BUNDLED ? "bundled" : entry->flags & VH_REGISTRY_USER ? "user" : "home";
}

/* Why it is not the one that serves, if so. */
static void
add_standing(struct vh_controlling *c, struct vh_json *item, const struct vh_registry_entry *entry)
{
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_registry_entry first;
    char *id = vh_arena_text_of(c->arena, entry->id);
    if (vh_registry_check(c->run->registry, entry, &fault)) {
        vh_json_set_text(c->arena, item, "refused", vh_arena_text(c->arena, fault.text));
    } else if (id && vh_registry_find(c->run->registry, id, NULL, &first, NULL) == VIV_OK &&
               (memcmp(&first.digest, &entry->digest, sizeof first.digest) != 0 || first.flags != entry->flags)) {
        vh_json_set_text(c->arena, item, "behind", vh_arena_format(c->arena, "%u.%u.%u %s", first.version[0],
                                                                   first.version[1], first.version[2],
                                                                   place_of(&first)));
    }
}

/* What lies in a store and is no plugin that could be listed. */
static viv_status
add_refused(struct vh_controlling *c)
{
    const struct vh_registry_refusal *refusal = NULL;
    struct vh_json *list = vh_json_array(c->arena);
    viv_status status = vh_registry_refusals(c->run->registry, c->arena, &refusal, &c->err);
    for (; status == VIV_OK && refusal; refusal = refusal->next) {
        struct vh_json *item = vh_json_object(c->arena);
        vh_json_set_text(c->arena, item, "from", refusal->flags & VH_REGISTRY_USER ? "user" : "home");
        vh_json_set_text(c->arena, item, "path", refusal->path);
        vh_json_set_text(c->arena, item, "reason", refusal->reason);
        vh_json_push(list, item);
    }
    vh_json_set(c->response, "refused", list);
    return status;
}

static void
add_entry(struct vh_controlling *c, struct vh_json *list, const struct vh_registry_entry *entry)
{
    struct vh_json *item = vh_json_object(c->arena);
    const struct vh_manifest *manifest = NULL;
    char *hex = vh_arena_alloc(c->arena, VH_HASH_HEX);
    if (hex) {
        vh_hash_hex(&entry->digest, hex);
    }
    vh_json_set_int(c->arena, item, "bundled", (entry->flags & VH_REGISTRY_BUNDLED) != 0);
    vh_json_set_text(c->arena, item, "digest", hex ? hex : "");
    vh_json_set_str(c->arena, item, "id", entry->id);
    vh_json_set_text(c->arena, item, "from", place_of(entry));
    vh_json_set_text(c->arena, item, "kind", entry->flags & VH_REGISTRY_SKILL ? "skill" : "plugin");
    vh_json_set_text(c->arena, item, "version", vh_arena_format(c->arena, "%u.%u.%u", entry->version[0],
                                                                entry->version[1], entry->version[2]));
    add_standing(c, item, entry);
    if (vh_registry_manifest(c->run->registry, c->arena, entry, &manifest, NULL) == VIV_OK) {
        struct vh_json *interfaces = vh_json_array(c->arena);
        for (uint32_t i = 0; i < manifest->interface_count; i++) {
            vh_json_push(interfaces, vh_json_string(c->arena, vh_str(manifest->interfaces[i].id)));
        }
        struct vh_json *templates = vh_json_array(c->arena);
        for (uint32_t i = 0; i < manifest->template_count; i++) {
            vh_json_push(templates, vh_json_string(c->arena, vh_str(manifest->templates[i].text)));
        }
        vh_json_set(item, "templates", templates);
        vh_json_set_text(c->arena, item, "description", manifest->description);
        vh_json_set(item, "interfaces", interfaces);
        if (vh_json_int(c->request, "manifest", 0)) {
            struct vh_plugin_file file;
            bool known = !vh_registry_inspect(c->run->registry, c->arena, &c->run->rules, entry, &file, NULL);
            vh_json_set_str(c->arena, item, "manifest", manifest->text);
            vh_json_set_text(c->arena, item, "trust", known ? vh_trust_name(file.trust) : "unusable");
        }
    }
    vh_json_push(list, item);
}

/* "kind": "skill" or "plugin"; "id": one; "manifest": 1 for the whole text and whose bytes they are. */
viv_status
vh_control_plugins(struct vh_controlling *c)
{
    struct vh_json *list = vh_json_array(c->arena);
    struct viv_str kind = vh_json_str(c->request, "kind");
    struct viv_str id = vh_json_str(c->request, "id");
    pthread_mutex_lock(c->run->registry_lock);
    vh_registry_look(c->run->registry);
    viv_status status = id.len ? VIV_OK : add_refused(c);
    for (uint32_t i = 0; i < vh_registry_count(c->run->registry); i++) {
        struct vh_registry_entry entry;
        vh_registry_at(c->run->registry, i, &entry);
        bool skill = (entry.flags & VH_REGISTRY_SKILL) != 0;
        if ((kind.len == 0 || vh_str_is(kind, skill ? "skill" : "plugin")) &&
            (id.len == 0 || vh_str_equal(id, entry.id))) {
            add_entry(c, list, &entry);
        }
    }
    pthread_mutex_unlock(c->run->registry_lock);
    if (id.len && list && list->count == 0) {
        struct vh_registry_entry entry;
        char *text = vh_arena_text_of(c->arena, id);
        return vh_registry_find(c->run->registry, text ? text : "", NULL, &entry, &c->err);
    }
    vh_json_set(c->response, "plugins", list);
    return status;
}

viv_status
vh_control_route(struct vh_controlling *c)
{
    struct vh_route route;
    pthread_mutex_lock(c->run->registry_lock);
    vh_registry_look(c->run->registry);
    viv_status status = vh_router_words(c->run->router, c->run->registry, c->arena, vh_json_str(c->request, "goal"),
                                        (struct viv_str){ NULL, 0 }, &route, &c->err);
    pthread_mutex_unlock(c->run->registry_lock);
    if (status) {
        return status;
    }
    vh_json_set(c->response, "candidates", route.candidates);
    vh_json_set_str(c->arena, c->response, "input", route.input_json);
    vh_json_set_str(c->arena, c->response, "reason", route.reason);
    vh_json_set_str(c->arena, c->response, "skill", route.skill);
    return VIV_OK;
}

/* What the person may not read the skill did not see: its answer says so. */
static struct viv_str
with_unreadable(struct vh_controlling *c, const struct vh_base *base, struct viv_str text)
{
    struct vh_buf buf;
    size_t count = 0;
    vh_buf_init(&buf, c->arena, TEXT_MAX + UNREADABLE_NAMES * (3 * VIV_PATH_MAX + 8) + 128);
    vh_buf_str(&buf, text);
    for (size_t i = 0; i < base->count; i++) {
        if (strcmp(base->path[i].what, "unreadable") != 0 || count++ >= UNREADABLE_NAMES) {
            continue;
        }
        vh_buf_text(&buf, count == 1 ? "\nleft out, cannot be read: '" : ", '");
        vh_buf_str(&buf, vh_tree_escape(c->arena, base->path[i].path));
        vh_buf_char(&buf, '\'');
    }
    if (count > UNREADABLE_NAMES) {
        vh_buf_format(&buf, " and %zu more", count - UNREADABLE_NAMES);
    }
    return count && !buf.failed ? vh_buf_view(&buf) : text;
}

/* The project's tree as one immutable folder. */
static viv_status
named_tree(struct vh_controlling *c, struct viv_str scope, struct vh_tree_user *user, int *ret_fd,
           struct vh_base *ret_base)
{
    struct vh_target target;
    struct vh_base base;
    struct vh_layers layers;
    struct vh_conflicts conflicts = { 0 };
    const struct vh_seam *seam = c->run->seam;
    struct vh_base_options options = { .uncommitted = true, .scope = scope, .scope_only = true,
                                       .time_s = seam->wall_us(seam->data) / 1000000 };
    viv_status status = vh_target_open(&c->run->tools, c->arena, c->run->project, &target, &c->err);
    target.user = user;
    if (status == VIV_OK) {
        status = vh_base_capture(&target, c->arena, &options, &base, &conflicts, &c->err);
    }
    if (status == VIV_OK) {
        status = vh_layer_materialise(&target, c->arena, &base.seen, NULL, base.seen_time_s, &layers, &c->err);
    }
    if (status) {
        return status;
    }
    if (layers.count != 1) {
        return vh_error_set(&c->err, VIV_E_INTERNAL, "call", "the tree came in %zu layers", layers.count);
    }
    *ret_fd = seam->open(seam->data, AT_FDCWD, layers.path[0], O_RDONLY | O_DIRECTORY, 0);
    *ret_base = base;
    return *ret_fd < 0 ? vh_error_errno(&c->err, VIV_E_IO, "call", "cannot open the project's tree") : VIV_OK;
}

static viv_status
record_call(struct vh_controlling *c, const struct vh_skill_result *result, struct viv_str scope,
            const struct vh_git_id *tree, viv_status status)
{
    struct vh_json *data = vh_json_object(c->arena);
    char *input = vh_arena_alloc(c->arena, VH_HASH_HEX);
    char *output = vh_arena_alloc(c->arena, VH_HASH_HEX);
    const struct vh_json *given = vh_json_get(c->request, "input");
    if (input && output) {
        vh_hash_text(given ? vh_json_print(c->arena, given) : VH_STR("{}"), input);
        vh_hash_text(result->output_json, output);
        vh_json_set_text(c->arena, data, "input_digest", input);
        vh_json_set_text(c->arena, data, "output_digest", output);
    }
    vh_json_set_int(c->arena, data, "calls", 1);
    vh_json_set_int(c->arena, data, "own_ns", result->own_ns);
    if (scope.len) {
        vh_json_set_str(c->arena, data, "scope", scope);
    }
    vh_json_set_str(c->arena, data, "skill", vh_json_str(c->request, "skill"));
    vh_json_set_int(c->arena, data, "status", status);
    vh_json_set_text(c->arena, data, "tree", vh_arena_text(c->arena, tree->hex));
    struct viv_error kept = c->err;
    viv_status recorded = vh_control_send(c, "calls.made", (struct viv_str){ NULL, 0 }, data);
    if (status) {
        c->err = kept;
        return status;
    }
    return recorded;
}

static bool
reads_all(struct vh_controlling *c)
{
    struct vh_run_policy *policy = vh_policy_now(c->run);
    bool all = vh_policy_reads_all(policy, c->arena, (struct viv_str){ NULL, 0 });
    vh_policy_give(c->run, policy);
    return all;
}

viv_status
vh_control_call(struct vh_controlling *c)
{
    int fd = -1;
    struct vh_base base = { .path = NULL };
    struct vh_skill_result result = { .own_ns = 0 };
    const struct vh_json *input = vh_json_get(c->request, "input");
    if (!c->run->pool) {
        return vh_error_set(&c->err, VIV_E_UNAVAILABLE, "call", "this host has no runners");
    }
    if (atomic_load(&c->run->held)) {
        return vh_error_set(&c->err, VIV_E_BUSY, "call", "all work is held, calls with it; 'vivhost status' says by "
                            "whom, 'vivhost resume' goes on");
    }
    struct viv_str scope = { NULL, 0 };
    viv_status status = vh_control_scope_said(c, &scope);
    if (status) {
        return status;
    }
    struct vh_tree_user user;
    vh_tree_user_enter(&user, c->run->trees, c->arena);
    status = named_tree(c, scope, &user, &fd, &base);
    if (status) {
        vh_tree_user_leave(&user);
        return status;
    }
    struct vh_skill_call call = {
        .skill = vh_json_str(c->request, "skill"),
        .input_json = input ? vh_json_print(c->arena, input) : VH_STR("{}"),
        .root_fd = reads_all(c) ? fd : -1,
        .now_us = c->run->seam->wall_us(c->run->seam->data),
        .cancel = &c->run->halted,
    };
    status = vh_skill_run(c->run, c->arena, &call, &result, &c->err);
    c->run->seam->close(c->run->seam->data, fd);
    vh_tree_user_leave(&user);
    status = record_call(c, &result, scope, &base.seen, status);
    if (status) {
        return status;
    }
    struct vh_json *output = NULL;
    status = vh_json_import(c->arena, result.output_json, &output, &c->err);
    if (status == VIV_E_MEMORY) {
        return status;
    }
    if (status == VIV_OK) {
        vh_json_set(c->response, "output", output);
    }
    vh_json_set_int(c->arena, c->response, "own_ns", result.own_ns);
    vh_json_set_text(c->arena, c->response, "skill", result.id);
    vh_json_set_str(c->arena, c->response, "text",
                    with_unreadable(c, &base, vh_run_clean(c->arena, result.text, TEXT_MAX)));
    vh_json_set_text(c->arena, c->response, "version", result.version);
    return VIV_OK;
}
