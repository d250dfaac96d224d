/* SPDX-License-Identifier: Apache-2.0 */
/* `log archive`: old events leave the database for files. Each file is on the disk before the log says so, and the
 * rows go in the transaction in which it says so; what a crash leaves is a file that the next call writes again. */
#include "control_inside.h"

#include "keep/segments.h"
#include "keep/export.h"

#define DAYS_MAX 36500
#define SHRINK_TRIES 20

struct archiving {
    struct vh_controlling *c;
    struct vh_store *store; /* to read */
    int64_t before_us;
    int64_t segments;
    int64_t bytes;
};

/* Whether the events after `last` make a segment whose last one is old enough. */
static viv_status
is_due(struct archiving *a, int64_t last, bool *ret_due)
{
    struct vh_event event;
    struct viv_str line;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    *ret_due = false;
    viv_status status = arena ? vh_store_line(a->store, arena, last + VH_SEGMENT_EVENTS, &line, &a->c->err)
                              : vh_error_set(&a->c->err, VIV_E_MEMORY, "archive", "no memory to archive");
    status = status ? status : vh_event_decode(arena, line, &event, &a->c->err);
    *ret_due = status == VIV_OK && event.time_us < a->before_us;
    vh_arena_destroy(arena);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

static viv_status
archive_one(struct archiving *a, int64_t last)
{
    struct vh_segment segment;
    struct vh_controlling *c = a->c;
    viv_status status = vh_segment_write(c->run->seam, a->store, c->run->home, last + 1, &segment, &c->err);
    VH_PLACE(c->run->seam, "archive.before-record");
    if (status == VIV_OK) {
        status = vh_control_send(c, "log.archived", (struct viv_str){ NULL, 0 }, vh_archive_json(c->arena, &segment));
    }
    VH_PLACE(c->run->seam, "archive.recorded");
    a->segments += status == VIV_OK;
    a->bytes += status ? 0 : segment.bytes;
    return status;
}

static viv_status
archive_all(struct archiving *a)
{
    struct vh_controlling *c = a->c;
    int64_t last = 0;
    bool due = false;
    viv_status status;
    do {
        status = vh_archive_end(a->store, &last, NULL, &c->err);
        status = status ? status : is_due(a, last, &due);
        status = status || !due ? status : archive_one(a, last);
    } while (status == VIV_OK && due && !(c->stop && atomic_load(c->stop)));
    if (status == VIV_OK && last) { /* also after a call that a crash ended */
        status = vh_export_trim(c->run->seam, a->store, c->run->home, "log/execution_log.jsonl", &c->err);
    }
    vh_json_set_int(c->arena, c->response, "archived", last);
    vh_json_set_int(c->arena, c->response, "bytes", a->bytes);
    vh_json_set_int(c->arena, c->response, "events", a->segments * VH_SEGMENT_EVENTS);
    vh_json_set_int(c->arena, c->response, "segments", a->segments);
    return status;
}

static viv_status
shrink(void *data, struct vh_store *store, struct viv_error *err)
{
    (void)data;
    return vh_store_open_batch(store) ? VIV_E_STATE : vh_store_shrink(store, err);
}

/* Between two batches. */
static viv_status
shrink_it(struct vh_controlling *c)
{
    viv_status status = VIV_E_STATE;
    for (int i = 0; i < SHRINK_TRIES && status == VIV_E_STATE; i++) {
        status = vh_sequencer_flush(c->run->sequencer, &c->err);
        status = status ? status : vh_sequencer_read(c->run->sequencer, shrink, c, &c->err);
    }
    return status == VIV_E_STATE ? vh_error_set(&c->err, VIV_E_BUSY, "archive", "archived, but not shrunk: the host "
                                                "has too much to do; try again later")
                                 : status;
}

/* "keep_days": segments all of whose events are older leave the database; "shrink": 1 gives its room back. */
viv_status
vh_control_archive(struct vh_controlling *c)
{
    const struct vh_run *run = c->run;
    struct archiving a = { .c = c };
    int64_t days = vh_json_int(c->request, "keep_days", -1);
    if (!run->sequencer) {
        return vh_error_set(&c->err, VIV_E_UNAVAILABLE, "control", "this process only reads the home");
    }
    if (days < 0 || days > DAYS_MAX || vh_json_get(c->request, "key")) {
        return vh_error_set(&c->err, VIV_E_INVALID, "archive", "'keep_days' is %lld, allowed 0 to %d, and no 'key'",
                            (long long)days, DAYS_MAX);
    }
    a.before_us = run->seam->wall_us(run->seam->data) - days * INT64_C(86400000000);
    const char *path = vh_arena_format(c->arena, "%s/vivarium.db", run->home_path);
    viv_status status = path ? vh_store_open_read(c->arena, path, &a.store, &c->err)
                             : vh_error_set(&c->err, VIV_E_MEMORY, "archive", "no memory to archive");
    if (status == VIV_OK) {
        pthread_mutex_lock(run->collect_lock); /* one at a time, and none while a backup copies */
        status = archive_all(&a);
        pthread_mutex_unlock(run->collect_lock);
        vh_store_close(a.store);
    }
    return status || !vh_json_int(c->request, "shrink", 0) ? status : shrink_it(c);
}
