/* SPDX-License-Identifier: Apache-2.0 */
/* What a person changes about the home itself: plugins put in and taken out, queue files brought
 * in. Done first, then recorded; what was done and not recorded by a crash is found by the registry
 * and says so in `plugin list`. */
#include "control_inside.h"

#include <fcntl.h>

#include "load/trust.h"
#include "run/collect.h"
#include "run/quota.h"
#include <viv_interfaces.h>

#define PROBLEMS_MAX 1000

viv_status
vh_control_record(struct vh_controlling *c, const char *kind, struct vh_json *data)
{
    for (const struct vh_json *m = data ? data->child : NULL; m; m = m->next) {
        char *key = vh_arena_text_of(c->arena, m->key);
        vh_json_set(c->response, key ? key : "?", vh_json_clone(c->arena, m));
    }
    return vh_control_send(c, kind, (struct viv_str){NULL, 0}, data);
}

/* "path": absolute, of the plugin's file. */
viv_status
vh_control_install(struct vh_controlling *c)
{
    struct vh_plugin_file file = {.path = NULL};
    char *path = vh_arena_text_of(c->arena, vh_json_str(c->request, "path"));
    if (!path || path[0] != '/') {
        return vh_error_set(&c->err, VIV_E_INVALID, "plugin",
                            "'path' must be the absolute path of a plugin's file");
    }
    if (!c->run->sequencer) {
        return vh_error_set(&c->err, VIV_E_UNAVAILABLE, "control",
                            "this process only reads the home");
    }
    struct vh_json *data = vh_json_object(c->arena);
    pthread_mutex_lock(c->run->registry_lock);
    viv_status status =
        vh_registry_install(c->run->registry, &c->run->rules, AT_FDCWD, path, &file, &c->err);
    if (status == VIV_OK) {
        bool skill = file.manifest->kind == VH_MANIFEST_SKILL;
        vh_json_set_text(c->arena, data, "digest", vh_arena_text(c->arena, file.digest_hex));
        vh_json_set_text(c->arena, data, "id", vh_arena_text(c->arena, file.manifest->id));
        vh_json_set_text(c->arena, data, "kind", skill ? "skill" : "plugin");
        vh_json_set_text(c->arena, data, "trust", vh_trust_name(file.trust));
        vh_json_set_text(c->arena, data, "version",
                         vh_arena_text(c->arena, file.manifest->version));
    }
    pthread_mutex_unlock(c->run->registry_lock);
    return status ? status : vh_control_record(c, "plugin.installed", data);
}

static const char *
version_text(struct vh_controlling *c, const struct vh_registry_entry *entry)
{
    return vh_arena_format(c->arena, "%u.%u.%u", entry->version[0], entry->version[1],
                           entry->version[2]);
}

/* "id", and "version" when there are several. */
viv_status
vh_control_remove(struct vh_controlling *c)
{
    struct vh_registry_entry entry;
    char *id = vh_arena_text_of(c->arena, vh_json_str(c->request, "id"));
    struct viv_str version = vh_json_str(c->request, "version");
    char *wanted = version.len ? vh_arena_text_of(c->arena, version) : NULL;
    if (!c->run->sequencer) {
        return vh_error_set(&c->err, VIV_E_UNAVAILABLE, "control",
                            "this process only reads the home");
    }
    struct vh_json *data = vh_json_object(c->arena);
    pthread_mutex_lock(c->run->registry_lock);
    viv_status status = vh_registry_find(c->run->registry, id ? id : "", wanted, &entry, &c->err);
    if (status == VIV_OK) {
        char hex[VH_HASH_HEX];
        vh_hash_hex(&entry.digest, hex);
        vh_json_set_text(c->arena, data, "digest", vh_arena_text(c->arena, hex));
        vh_json_set_text(c->arena, data, "id", vh_arena_text_of(c->arena, entry.id));
        vh_json_set_text(c->arena, data, "version", version_text(c, &entry));
        struct vh_hash digest = entry.digest;
        status = entry.flags & VH_REGISTRY_USER
                     ? vh_error_set(&c->err, VIV_E_DENIED, "plugin",
                                    "'%s' is not in this home but in your store, which all your projects see; to "
                                    "remove it there: vivhost plugin remove --user %s", id, id)
                     : vh_registry_remove(c->run->registry, &digest, &c->err);
    }
    pthread_mutex_unlock(c->run->registry_lock);
    return status ? status : vh_control_record(c, "plugin.removed", data);
}

/* "file": digest of a queue file whose bytes are in the content store; "tasks": how many it holds.
 */
viv_status
vh_control_import(struct vh_controlling *c)
{
    struct vh_hash hash;
    struct viv_str file = vh_json_str(c->request, "file");
    struct vh_json *data = vh_json_object(c->arena);
    if (!vh_hash_parse(file, &hash)) {
        return vh_error_set(&c->err, VIV_E_INVALID, "queue", "'file' must be a SHA-256 in hex");
    }
    vh_json_set_int(c->arena, data, "bytes", vh_json_int(c->request, "bytes", 0));
    vh_json_set_str(c->arena, data, "file", file);
    vh_json_set_int(c->arena, data, "tasks", vh_json_int(c->request, "tasks", 0));
    return vh_control_send(c, "queue.imported", (struct viv_str){NULL, 0}, data);
}

/* ---- collect ---- */

static viv_status
read_for(void *data, vh_sequencer_reader reader, void *reading)
{
    return vh_control_read(data, reader, reading);
}

static viv_status
record_pruned(void *data, struct vh_json *event)
{
    return vh_control_send(data, "content.pruned", (struct viv_str){NULL, 0}, event);
}

/* "keep_days": outputs of commands that ended in so many last days stay; "only_count": 1 removes nothing. One at a
 * time: two would name the same twice. */
viv_status
vh_control_collect(struct vh_controlling *c)
{
    struct vh_collected done;
    int64_t days = vh_json_int(c->request, "keep_days", -1);
    if (vh_json_get(c->request, "key")) {
        return vh_error_set(&c->err, VIV_E_INVALID, "gc", "'collect' may record several events and takes no 'key'");
    }
    if (days < 0 || days > VH_COLLECT_DAYS_MAX) {
        return vh_error_set(&c->err, VIV_E_INVALID, "gc", "'keep_days' is %lld, allowed 0 to %d", (long long)days,
                            VH_COLLECT_DAYS_MAX);
    }
    struct vh_collect collect = {
        .run = c->run,
        .read = read_for,
        .record = record_pruned,
        .data = c,
        .before_us = c->run->seam->wall_us(c->run->seam->data) - days * INT64_C(86400000000),
        .only_count = vh_json_int(c->request, "only_count", 0) != 0,
    };
    pthread_mutex_lock(c->run->collect_lock);
    viv_status status = vh_collect(&collect, &done, &c->err);
    status = status ? status : vh_collect_trees(&collect, &done, &c->err);
    pthread_mutex_unlock(c->run->collect_lock);
    if (status == VIV_OK) {
        vh_json_set_int(c->arena, c->response, "bytes", done.bytes);
        vh_json_set_int(c->arena, c->response, "kept", done.kept);
        vh_json_set_int(c->arena, c->response, "pruned", done.pruned);
        vh_json_set_int(c->arena, c->response, "strays", done.strays);
        vh_json_set_int(c->arena, c->response, "tree_bytes", done.tree_bytes);
        vh_json_set_int(c->arena, c->response, "trees", done.trees);
    }
    return status;
}

/* ---- audit ---- */

static void
add_problem(struct vh_controlling *c, struct vh_json *list, const struct vh_registry_entry *entry,
            const char *text)
{
    struct vh_json *item = vh_json_object(c->arena);
    vh_json_set_text(c->arena, item, "id", vh_arena_text_of(c->arena, entry->id));
    vh_json_set_text(c->arena, item, "problem", vh_arena_text(c->arena, text));
    vh_json_set_text(c->arena, item, "version", version_text(c, entry));
    vh_json_push(list, item);
}

static void
audit_one(struct vh_controlling *c, struct vh_json *list, const struct vh_registry_entry *entry)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_plugin_file file = {.path = NULL};
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status =
        arena ? vh_registry_inspect(c->run->registry, arena, &c->run->rules, entry, &file, &err)
              : vh_error_set(&err, VIV_E_MEMORY, "plugin", "no memory to look at it");
    if (status == VIV_OK && (entry->flags & VH_REGISTRY_USER)) {
        status = vh_registry_check_id(c->run->registry, &file, &err);
    }
    if (status) {
        add_problem(c, list, entry, err.text);
    } else if (file.trust == VH_TRUST_UNSIGNED && !(entry->flags & VH_REGISTRY_SKILL) &&
               entry->interfaces != UINT64_C(1) << VIV_INDEX_GATE) {
        add_problem(c, list, entry,
                    "not signed by your key, so it never runs inside the host: a gate of it is asked in "
                    "a process of its own, nothing else of it is asked");
    }
    vh_arena_destroy(arena);
}

/* Every plugin's file read and judged again. "problems": those that cannot be used, and why. */
viv_status
vh_control_audit(struct vh_controlling *c)
{
    const struct vh_registry_refusal *refusal = NULL;
    uint32_t damaged = 0;
    struct vh_json *list = vh_json_array(c->arena);
    pthread_mutex_lock(c->run->registry_lock);
    vh_registry_look(c->run->registry);
    uint32_t count = vh_registry_count(c->run->registry);
    for (uint32_t i = 0; i < count && list->count < PROBLEMS_MAX; i++) {
        struct vh_registry_entry entry;
        vh_registry_at(c->run->registry, i, &entry);
        audit_one(c, list, &entry);
    }
    viv_status status = vh_registry_refusals(c->run->registry, c->arena, &refusal, &c->err);
    pthread_mutex_unlock(c->run->registry_lock);
    vh_json_set_text(c->arena, c->response, "damage", refusal ? refusal->reason : "");
    for (; refusal; refusal = refusal->next) {
        damaged++;
    }
    vh_json_set_int(c->arena, c->response, "damaged", damaged);
    vh_json_set_int(c->arena, c->response, "plugins", count);
    vh_json_set(c->response, "problems", list);
    struct vh_quota quota;
    status = status ? status : vh_quota_look(c->run, true, &quota, &c->err);
    if (status == VIV_OK) {
        vh_json_set_int(c->arena, c->response, "disk_bound", quota.bound);
        vh_json_set_int(c->arena, c->response, "disk_bytes", quota.used);
    }
    return status;
}
