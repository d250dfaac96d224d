/* SPDX-License-Identifier: Apache-2.0 */
/* Mark by one walk over the log, name what goes, then sweep. A crash in between leaves bytes that the next walk finds
 * to be prunable again. */
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The table's own memory is the sweep's too, so it is counted; without memory a mark is left out and seen below. */
#define uthash_malloc(size) vh_arena_alloc(sweep->arena, size)
#define uthash_free(pointer, size) ((void)(pointer))
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(mark) (sweep->failed = true)
#include <uthash.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/reader.h"

#define PAGE_EVENTS 5000
#define NAMES_IN_EVENT 200
#define FOLDER "store/blobs"

struct mark {
    struct vh_hash digest;
    bool needed;
    int64_t last_us; /* of the newest output of an ended task */
    UT_hash_handle hh;
};

struct sweep {
    const struct vh_collect *collect;
    struct vh_arena *arena;
    struct mark *marks;
    int64_t after;
    int64_t seen; /* events of this page */
    struct vh_json *names;
    int64_t names_bytes;
    struct vh_collected *result;
    struct viv_error *err;
    bool failed; /* memory */
};

static struct mark *
mark_of(struct sweep *sweep, struct viv_str hex)
{
    struct vh_hash digest;
    struct mark *mark = NULL;
    if (!vh_hash_parse(hex, &digest)) {
        return NULL;
    }
    HASH_FIND(hh, sweep->marks, &digest, sizeof digest, mark);
    if (!mark) {
        mark = vh_arena_alloc(sweep->arena, sizeof *mark);
        sweep->failed = sweep->failed || !mark;
        if (mark) {
            mark->digest = digest;
            HASH_ADD(hh, sweep->marks, digest, sizeof digest, mark);
        }
    }
    return mark;
}

/* Every text that looks like a digest may name contents. */
static void
need_all(struct sweep *sweep, const struct vh_json *value, int depth)
{
    if (value->type == VH_JSON_STRING) {
        struct mark *mark = mark_of(sweep, value->text);
        if (mark) {
            mark->needed = true;
        }
        return;
    }
    for (const struct vh_json *c = value->child; c && depth < VIV_JSON_DEPTH_MAX; c = c->next) {
        need_all(sweep, c, depth + 1);
    }
}

/* False: it could not be read. */
static bool
task_ended(struct vh_store *store, struct vh_arena *arena, struct viv_str id, bool *ret_ended)
{
    struct vh_task task;
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = state.get_task(state.data, arena, id, &task, NULL);
    *ret_ended = status == VIV_OK && vh_task_ended(&task);
    return status == VIV_OK || status == VIV_E_NOT_FOUND;
}

struct page {
    struct sweep *sweep;
    struct vh_store *store;
};

static bool
mark_output(struct page *page, struct vh_arena *arena, const struct vh_event *event)
{
    struct sweep *sweep = page->sweep;
    struct viv_str names[] = { vh_json_str(event->data, "output_digest"), vh_json_str(event->data, "output_kept") };
    bool ended = false, known = task_ended(page->store, arena, event->task, &ended);
    for (size_t i = 0; i < 2; i++) {
        struct mark *mark = mark_of(sweep, names[i]);
        if (mark && !ended) {
            mark->needed = true;
        } else if (mark && mark->last_us < event->time_us) {
            mark->last_us = event->time_us;
        }
    }
    return known;
}

static bool
mark_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct page *page = data;
    struct sweep *sweep = page->sweep;
    struct vh_event event;
    (void)hash;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool good = arena && vh_event_decode(arena, line, &event, NULL) == VIV_OK;
    if (good && vh_str_is(event.kind, "effect.finished")) {
        good = mark_output(page, arena, &event);
    } else if (good && !vh_str_is(event.kind, "content.pruned")) {
        need_all(sweep, event.data, 0);
    }
    vh_arena_destroy(arena);
    sweep->failed = sweep->failed || !good;
    sweep->after = seq;
    return good && ++sweep->seen < PAGE_EVENTS;
}

static viv_status
mark_page(void *data, struct vh_store *store, struct viv_error *err)
{
    struct page page = { data, store };
    page.sweep->seen = 0;
    return vh_reader_events(store, page.sweep->after, (struct viv_str){ NULL, 0 }, mark_event, &page, err);
}

static viv_status
mark_all(struct sweep *sweep)
{
    viv_status status = VIV_OK;
    do {
        status = sweep->collect->read(sweep->collect->data, mark_page, sweep);
    } while (status == VIV_OK && !sweep->failed && sweep->seen == PAGE_EVENTS);
    if (status == VIV_OK && sweep->failed) {
        status = vh_error_set(sweep->err, VIV_E_CORRUPT, "gc",
                              "event %lld could not be read or memory is out; nothing is collected",
                              (long long)sweep->after);
    }
    return status;
}

/* ---- sweep ---- */

/* The events are on disk before the first name of them goes. */
static viv_status
prune_named(struct sweep *sweep)
{
    char path[128];
    const struct vh_seam *seam = sweep->collect->run->seam;
    struct vh_json *data = vh_json_object(sweep->arena);
    vh_json_set_int(sweep->arena, data, "before_us", sweep->collect->before_us);
    vh_json_set_int(sweep->arena, data, "bytes", sweep->names_bytes);
    vh_json_set(data, "digests", sweep->names);
    viv_status status = sweep->collect->record(sweep->collect->data, data);
    VH_PLACE(seam, "gc.before-unlink");
    for (const struct vh_json *n = sweep->names->child; n && status == VIV_OK; n = n->next) {
        snprintf(path, sizeof path, FOLDER "/%.2s/%.64s", n->text.data, n->text.data);
        if (seam->unlink(seam->data, sweep->collect->run->home, path, 0) && errno != ENOENT) {
            status = vh_error_errno(sweep->err, VIV_E_IO, "gc", "cannot remove '%s'", path);
        }
    }
    sweep->names = vh_json_array(sweep->arena);
    sweep->names_bytes = 0;
    return status;
}

/* Names that are no digest are leftovers of a write that a crash ended. */
static viv_status
sweep_one(struct sweep *sweep, const char *path, const char *name)
{
    struct stat stat;
    struct vh_hash digest;
    struct mark *mark = NULL;
    const struct vh_collect *collect = sweep->collect;
    const struct vh_seam *seam = collect->run->seam;
    if (seam->stat(seam->data, collect->run->home, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? VIV_OK /* gone meanwhile */
                               : vh_error_errno(sweep->err, VIV_E_IO, "gc", "cannot look at '%s'", path);
    }
    bool is_name = vh_hash_parse(vh_str(name), &digest);
    if (is_name) {
        HASH_FIND(hh, sweep->marks, &digest, sizeof digest, mark);
    }
    bool fresh = (int64_t)stat.st_mtime + VH_COLLECT_GRACE_S > seam->wall_us(seam->data) / 1000000;
    if (fresh || (mark && (mark->needed || mark->last_us >= collect->before_us))) {
        sweep->result->kept++;
        return VIV_OK;
    }
    sweep->result->bytes += stat.st_size;
    *(mark ? &sweep->result->pruned : &sweep->result->strays) += 1;
    if (collect->only_count) {
        return VIV_OK;
    }
    if (!mark) {
        return seam->unlink(seam->data, collect->run->home, path, 0) && errno != ENOENT
                   ? vh_error_errno(sweep->err, VIV_E_IO, "gc", "cannot remove '%s'", path)
                   : VIV_OK;
    }
    vh_json_push(sweep->names, vh_json_string(sweep->arena, vh_str(vh_arena_text(sweep->arena, name))));
    sweep->names_bytes += stat.st_size;
    return sweep->names->count == NAMES_IN_EVENT ? prune_named(sweep) : VIV_OK;
}

static viv_status
sweep_folder(struct sweep *sweep, const char *folder)
{
    struct vh_fs_names names;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(sweep->err, VIV_E_MEMORY, "gc", "no memory to collect");
    }
    const struct vh_run *run = sweep->collect->run;
    viv_status status = vh_fs_list(run->seam, arena, run->home, folder, &names, sweep->err);
    for (size_t i = 0; status == VIV_OK && i < names.count; i++) {
        const char *path = vh_arena_format(arena, "%s/%s", folder, names.name[i]);
        status = path ? sweep_one(sweep, path, names.name[i])
                      : vh_error_set(sweep->err, VIV_E_MEMORY, "gc", "no memory to collect");
    }
    vh_arena_destroy(arena);
    return status;
}

static viv_status
sweep_all(struct sweep *sweep)
{
    struct vh_fs_names folders = { 0 };
    const struct vh_run *run = sweep->collect->run;
    viv_status status = vh_fs_list(run->seam, sweep->arena, run->home, FOLDER, &folders, sweep->err);
    if (status == VIV_E_NOT_FOUND) {
        return VIV_OK; /* nothing was ever stored */
    }
    for (size_t i = 0; status == VIV_OK && i < folders.count; i++) {
        const char *folder = vh_arena_format(sweep->arena, FOLDER "/%s", folders.name[i]);
        status = folder ? sweep_folder(sweep, folder)
                        : vh_error_set(sweep->err, VIV_E_MEMORY, "gc", "no memory to collect");
    }
    return status == VIV_OK && sweep->names->count ? prune_named(sweep) : status;
}

viv_status
vh_collect(const struct vh_collect *collect, struct vh_collected *ret_collected, struct viv_error *err)
{
    struct vh_collected result = { 0 };
    struct sweep sweep = { .collect = collect, .arena = vh_arena_create(NULL, 0), .result = &result, .err = err };
    sweep.names = sweep.arena ? vh_json_array(sweep.arena) : NULL;
    if (!sweep.names) {
        vh_arena_destroy(sweep.arena);
        return vh_error_set(err, VIV_E_MEMORY, "gc", "no memory to collect");
    }
    viv_status status = mark_all(&sweep);
    status = status ? status : sweep_all(&sweep);
    vh_arena_destroy(sweep.arena);
    if (status == VIV_OK) {
        *ret_collected = result;
    }
    return status;
}
