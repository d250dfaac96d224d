/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting the cache of trees. All of it can be made again, so what counts is that no task works on what goes, and
 * that no layer stays without the one below it: an entry that another one names stays until that one went. Entries get
 * the name of something unfinished first, which nothing uses, and are removed afterwards. */
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/quota.h"

#define TREES "trees"
#define PREPARED "trees/prepared"
#define GONE ".new-gone-"
#define STAMP_MAX 4096

struct entry {
    const char *name;
    const char *parent; /* "" when it is whole */
    bool old, gone;
};

struct sweep {
    const struct vh_collect *collect;
    struct vh_arena *arena;
    struct vh_collected *result;
    struct viv_error *err;
};

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "gc", "no memory to collect trees");
}

/* Whether it was used before the time; false when it cannot be looked at. */
static bool
is_old(const struct sweep *sweep, const char *path)
{
    struct stat stat;
    const struct vh_run *run = sweep->collect->run;
    return run->seam->stat(run->seam->data, run->home, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           (int64_t)stat.st_mtim.tv_sec * 1000000 + stat.st_mtim.tv_nsec / 1000 < sweep->collect->before_us;
}

static viv_status
list(const struct sweep *sweep, const char *folder, struct vh_fs_names *ret_names)
{
    const struct vh_run *run = sweep->collect->run;
    viv_status status = vh_fs_list(run->seam, sweep->arena, run->home, folder, ret_names, sweep->err);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

/* One that is unused goes out of sight, or is only counted. */
static viv_status
drop(struct sweep *sweep, const char *folder, const char *name)
{
    int64_t bytes = 0;
    const struct vh_run *run = sweep->collect->run;
    const char *path = vh_arena_format(sweep->arena, "%s/%s", folder, name);
    const char *gone = vh_arena_format(sweep->arena, TREES "/" GONE "%s", name);
    viv_status status = path && gone ? vh_quota_measure(run, path, &bytes, sweep->err) : no_memory(sweep->err);
    if (status == VIV_OK && !sweep->collect->only_count &&
        run->seam->rename(run->seam->data, run->home, path, run->home, gone, 0)) {
        status = vh_error_errno(sweep->err, VIV_E_IO, "gc", "cannot put '%s' aside", path);
    }
    sweep->result->trees += status == VIV_OK;
    sweep->result->tree_bytes += bytes;
    return status;
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
    *ret_entry = (struct entry){ .name = name, .parent = "", .old = is_old(sweep, path) };
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

/* One round: those that no other one stands on. False when there is none left. */
static viv_status
drop_tops(struct sweep *sweep, struct entry *entry, size_t count, bool *ret_more)
{
    viv_status status = VIV_OK;
    bool *under = vh_arena_array(sweep->arena, count + 1, sizeof *under);
    *ret_more = false;
    if (!under) {
        return no_memory(sweep->err);
    }
    for (size_t i = 0; i < count; i++) {
        struct entry key = { .name = entry[i].parent };
        const struct entry *parent = bsearch(&key, entry, count, sizeof *entry, by_name);
        if (parent && !entry[i].gone) {
            under[parent - entry] = true;
        }
    }
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        if (entry[i].old && !entry[i].gone && !under[i]) {
            status = drop(sweep, TREES, entry[i].name);
            entry[i].gone = *ret_more = true;
        }
    }
    return status;
}

static viv_status
drop_layers(struct sweep *sweep)
{
    size_t count = 0;
    bool more = true;
    struct vh_fs_names names = { 0 };
    viv_status status = list(sweep, TREES, &names);
    struct entry *entry = vh_arena_array(sweep->arena, names.count + 1, sizeof *entry);
    for (size_t i = 0; i < names.count && entry && status == VIV_OK; i++) {
        status = names.name[i][0] == '.' ? VIV_OK : look(sweep, names.name[i], &entry[count]);
        count += entry[count].name != NULL;
    }
    while (entry && more && status == VIV_OK) {
        status = drop_tops(sweep, entry, count, &more);
    }
    return status || entry ? status : no_memory(sweep->err);
}

/* ---- what 'prepare' made ---- */

static viv_status
drop_prepared(struct sweep *sweep)
{
    struct vh_fs_names names = { 0 };
    viv_status status = list(sweep, PREPARED, &names);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *path = vh_arena_format(sweep->arena, PREPARED "/%s", names.name[i]);
        status = !path ? no_memory(sweep->err)
                       : is_old(sweep, path) ? drop(sweep, PREPARED, names.name[i]) : VIV_OK;
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
            status = path ? vh_fs_remove_tree(run->seam, run->home, path, sweep->err) : no_memory(sweep->err);
        }
    }
    return status;
}

static viv_status
put_aside(struct sweep *sweep)
{
    const struct vh_run *run = sweep->collect->run;
    viv_status status = drop_layers(sweep);
    status = status ? status : drop_prepared(sweep);
    if (status == VIV_OK && sweep->result->trees && !sweep->collect->only_count) {
        status = vh_fs_sync_folder(run->seam, run->home, TREES, sweep->err);
        if (status == VIV_OK && vh_fs_exists(run->seam, run->home, PREPARED)) {
            status = vh_fs_sync_folder(run->seam, run->home, PREPARED, sweep->err);
        }
    }
    return status;
}

viv_status
vh_collect_trees(const struct vh_collect *collect, struct vh_collected *collected, struct viv_error *err)
{
    struct vh_run *run = collect->run;
    struct sweep sweep = { collect, vh_arena_create(NULL, 0), collected, err };
    viv_status status = sweep.arena ? VIV_OK : no_memory(err);
    if (status == VIV_OK && pthread_rwlock_trywrlock(run->trees_lock)) {
        collected->trees_busy = true;
    } else if (status == VIV_OK) {
        status = put_aside(&sweep);
        pthread_rwlock_unlock(run->trees_lock);
    }
    VH_PLACE(run->seam, "gc.before-trees");
    if (status == VIV_OK && !collect->only_count) {
        status = remove_aside(&sweep);
        vh_quota_forget(run);
    }
    vh_arena_destroy(sweep.arena);
    return status;
}
