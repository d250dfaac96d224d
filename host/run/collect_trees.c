/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting the cache of trees. All of it can be made again, so what counts is that no task works on what goes
 * (tree_users.h), and that no layer stays without the one below it: an entry that another one names stays until that
 * one went. Entries get the name of something unfinished first, which nothing uses, and are removed afterwards, when
 * work may look entries up again. */
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/quota.h"

#define TREES "trees"
#define PREPARED "trees/prepared"
#define GONE ".new-gone-"
#define STAMP_MAX 4096

struct entry {
    const char *name;
    const char *parent; /* "" when it is whole */
    int64_t used_us;    /* INT64_MAX when it cannot be looked at */
    bool gone;
};

struct sweep {
    const struct vh_collect *collect;
    struct vh_arena *arena;
    struct vh_collected *result;
    struct viv_error *err;
    struct entry *entry; /* trees and layers, by name */
    size_t count;
};

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "gc", "no memory to collect trees");
}

/* When it was used last; INT64_MAX when it cannot be looked at. */
static int64_t
used_us(const struct sweep *sweep, const char *path)
{
    struct stat stat;
    const struct vh_run *run = sweep->collect->run;
    if (run->seam->stat(run->seam->data, run->home, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return INT64_MAX;
    }
    return (int64_t)stat.st_mtim.tv_sec * 1000000 + stat.st_mtim.tv_nsec / 1000;
}

static viv_status
list(const struct sweep *sweep, const char *folder, struct vh_fs_names *ret_names)
{
    const struct vh_run *run = sweep->collect->run;
    viv_status status = vh_fs_list(run->seam, sweep->arena, run->home, folder, ret_names, sweep->err);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

static viv_status
count_bytes(struct sweep *sweep, const char *path)
{
    int64_t bytes = 0;
    viv_status status = vh_quota_measure(sweep->collect->run, path, &bytes, sweep->err);
    sweep->result->tree_bytes += bytes;
    return status;
}

/* One that is unused goes out of sight, or is only counted. Its size is counted when it is removed. */
static viv_status
drop(struct sweep *sweep, const char *folder, const char *name)
{
    const struct vh_run *run = sweep->collect->run;
    const char *path = vh_arena_format(sweep->arena, "%s/%s", folder, name);
    const char *gone = vh_arena_format(sweep->arena, TREES "/" GONE "%s", name);
    if (!path || !gone) {
        return no_memory(sweep->err);
    }
    sweep->result->trees++;
    if (sweep->collect->only_count) {
        return count_bytes(sweep, path);
    }
    if (run->seam->rename(run->seam->data, run->home, path, run->home, gone, 0)) {
        return vh_error_errno(sweep->err, VIV_E_IO, "gc", "cannot put '%s' aside", path);
    }
    return VIV_OK;
}

/* ---- layers ---- */

/* `name` NULL: something beside them. A damaged stamp makes a layer useless, so it has no parent; one that cannot be
 * read now may have one. */
static viv_status
look(struct sweep *sweep, const char *name, struct entry *ret_entry)
{
    struct viv_str text;
    struct vh_json *stamp = NULL;
    const struct vh_run *run = sweep->collect->run;
    const char *path = vh_arena_format(sweep->arena, TREES "/%s/stamp", name);
    *ret_entry = (struct entry){ .parent = "" };
    viv_status status = path ? vh_fs_read(run->seam, sweep->arena, run->home, path, STAMP_MAX, &text, sweep->err)
                             : no_memory(sweep->err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    status = vh_json_read(sweep->arena, text, &stamp, sweep->err);
    *ret_entry = (struct entry){ .name = name, .parent = "", .used_us = used_us(sweep, path) };
    if (status == VIV_OK) {
        ret_entry->parent = vh_arena_text_of(sweep->arena, vh_json_str(stamp, "parent"));
    }
    return status == VIV_E_MEMORY ? status : ret_entry->parent ? VIV_OK : no_memory(sweep->err);
}

static int
by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static viv_status
look_all(struct sweep *sweep)
{
    struct vh_fs_names names = { 0 };
    viv_status status = list(sweep, TREES, &names);
    sweep->entry = vh_arena_array(sweep->arena, names.count + 1, sizeof *sweep->entry);
    if (!sweep->entry) {
        return status ? status : no_memory(sweep->err);
    }
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = names.name[i][0] == '.' ? VIV_OK : look(sweep, names.name[i], &sweep->entry[sweep->count]);
        sweep->count += sweep->entry[sweep->count].name != NULL;
    }
    return status;
}

/* One round: those that no other one stands on, and nobody. False when there is none left. */
static viv_status
drop_tops(struct sweep *sweep, int64_t before_us, bool *ret_more)
{
    viv_status status = VIV_OK;
    struct entry *entry = sweep->entry;
    bool *under = vh_arena_array(sweep->arena, sweep->count + 1, sizeof *under);
    *ret_more = false;
    if (!under) {
        return no_memory(sweep->err);
    }
    for (size_t i = 0; i < sweep->count; i++) {
        struct entry key = { .name = entry[i].parent };
        const struct entry *parent = bsearch(&key, entry, sweep->count, sizeof *entry, by_name);
        if (parent && !entry[i].gone) {
            under[parent - entry] = true;
        }
    }
    for (size_t i = 0; i < sweep->count && status == VIV_OK; i++) {
        if (entry[i].used_us < before_us && !entry[i].gone && !under[i] &&
            !vh_tree_users_need(sweep->collect->run->trees, entry[i].name)) {
            status = drop(sweep, TREES, entry[i].name);
            entry[i].gone = *ret_more = true;
        }
    }
    return status;
}

static viv_status
drop_layers(struct sweep *sweep, int64_t before_us)
{
    bool more = true;
    viv_status status = VIV_OK;
    while (more && status == VIV_OK) {
        status = drop_tops(sweep, before_us, &more);
    }
    return status;
}

/* ---- what 'prepare' made ---- */

static viv_status
drop_prepared(struct sweep *sweep)
{
    struct vh_fs_names names = { 0 };
    const struct vh_run *run = sweep->collect->run;
    viv_status status = list(sweep, PREPARED, &names);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *path = vh_arena_format(sweep->arena, PREPARED "/%s", names.name[i]);
        if (!path) {
            return no_memory(sweep->err);
        }
        if (used_us(sweep, path) < sweep->collect->before_us &&
            !vh_tree_users_need(run->trees, path + strlen(TREES "/"))) {
            status = drop(sweep, PREPARED, names.name[i]);
        }
    }
    return status;
}

/* What was put aside, now or before a crash. The names are on disk before the first file goes. */
static viv_status
remove_aside(struct sweep *sweep)
{
    struct vh_fs_names names = { 0 };
    const struct vh_run *run = sweep->collect->run;
    viv_status status = list(sweep, TREES, &names);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        if (strncmp(names.name[i], GONE, strlen(GONE)) == 0) {
            const char *path = vh_arena_format(sweep->arena, TREES "/%s", names.name[i]);
            status = path ? count_bytes(sweep, path) : no_memory(sweep->err);
            status = status ? status : vh_fs_remove_tree(run->seam, run->home, path, sweep->err);
        }
    }
    return status;
}

static viv_status
sync_names(struct sweep *sweep)
{
    const struct vh_run *run = sweep->collect->run;
    viv_status status = vh_fs_sync_folder(run->seam, run->home, TREES, sweep->err);
    if (status == VIV_OK && vh_fs_exists(run->seam, run->home, PREPARED)) {
        status = vh_fs_sync_folder(run->seam, run->home, PREPARED, sweep->err);
    }
    return status;
}

static viv_status
put_aside(struct sweep *sweep)
{
    viv_status status = look_all(sweep);
    status = status ? status : drop_layers(sweep, sweep->collect->before_us);
    return status ? status : drop_prepared(sweep);
}

viv_status
vh_collect_trees(const struct vh_collect *collect, struct vh_collected *collected, struct viv_error *err)
{
    struct vh_run *run = collect->run;
    struct sweep sweep = { .collect = collect, .arena = vh_arena_create(NULL, 0), .result = collected, .err = err };
    if (!sweep.arena) {
        return no_memory(err);
    }
    pthread_rwlock_wrlock(&run->trees->lock);
    viv_status status = put_aside(&sweep);
    pthread_rwlock_unlock(&run->trees->lock);
    if (status == VIV_OK && collected->trees && !collect->only_count) {
        status = sync_names(&sweep);
    }
    VH_PLACE(run->seam, "gc.before-trees");
    if (status == VIV_OK && !collect->only_count) {
        status = remove_aside(&sweep);
        vh_quota_forget(run);
    }
    vh_arena_destroy(sweep.arena);
    return status;
}

/* ---- too many ---- */

static int
by_use(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Leave three quarters of the bound: what was used before the first of those that stay goes. */
static viv_status
put_oldest_aside(struct sweep *sweep)
{
    viv_status status = look_all(sweep);
    int64_t *used = vh_arena_array(sweep->arena, sweep->count + 1, sizeof *used);
    if (status || !used) {
        return status ? status : no_memory(sweep->err);
    }
    if (sweep->count <= VIV_TREES_MAX) {
        return VIV_OK;
    }
    for (size_t i = 0; i < sweep->count; i++) {
        used[i] = sweep->entry[i].used_us;
    }
    qsort(used, sweep->count, sizeof *used, by_use);
    return drop_layers(sweep, used[sweep->count - VIV_TREES_MAX * 3 / 4]);
}

static viv_status
collect_over(struct sweep *sweep)
{
    struct vh_run *run = sweep->collect->run;
    if (pthread_rwlock_trywrlock(&run->trees->lock)) {
        return VIV_OK; /* somebody looks entries up: after the next task */
    }
    viv_status status = put_oldest_aside(sweep);
    atomic_store(&run->trees->made, 0);
    pthread_rwlock_unlock(&run->trees->lock);
    if (status == VIV_OK && sweep->result->trees) {
        status = sync_names(sweep);
        status = status ? status : remove_aside(sweep);
        vh_quota_forget(run);
    }
    return status;
}

void
vh_collect_trees_over(struct vh_run *run)
{
    if (atomic_load(&run->trees->made) < VIV_TREES_MAX / 4 || pthread_mutex_trylock(run->collect_lock)) {
        return;
    }
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_collected collected = { 0 };
    struct vh_collect collect = { .run = run };
    struct sweep sweep = { .collect = &collect, .arena = vh_arena_create(NULL, 0), .result = &collected, .err = &err };
    viv_status status = sweep.arena ? collect_over(&sweep) : no_memory(&err);
    if (status) {
        vh_log(VH_LOG_WARNING, "trees", "%s; the cache of trees is larger than it should be", err.text);
    }
    vh_arena_destroy(sweep.arena);
    pthread_mutex_unlock(run->collect_lock);
}
