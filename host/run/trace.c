/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "base/error.h"
#include "base/str.h"
#include "keep/reader.h"

#define ENTRIES_MAX 2000

struct collect {
    struct vh_work *work;
    struct vh_json *list;
    struct vh_json *open; /* the entry of the last start */
};

static void
start(struct collect *c, const struct vh_event *event)
{
    struct vh_arena *arena = c->work->arena;
    const struct vh_json *what = vh_json_get(event->data, "what");
    struct vh_json *entry = vh_json_object(arena);
    vh_json_set(entry, "by", vh_json_clone(arena, vh_json_get(event->data, "by")));
    vh_json_set(entry, "effect", vh_json_clone(arena, vh_json_get(event->data, "effect")));
    vh_json_set_int(arena, entry, "ordinal", vh_json_int(event->data, "ordinal", 0));
    if (vh_json_get(event->data, "stage")) {
        vh_json_set(entry, "stage", vh_json_clone(arena, vh_json_get(event->data, "stage")));
    }
    vh_json_set_text(arena, entry, "state", "started");
    if (what) {
        vh_json_set(entry, "what", vh_json_clone(arena, what));
    }
    vh_json_push(c->list, entry);
    c->open = entry;
}

static void
finish(struct collect *c, const struct vh_event *event)
{
    struct vh_arena *arena = c->work->arena;
    if (c->open && vh_json_int(c->open, "ordinal", -1) == vh_json_int(event->data, "ordinal", -2)) {
        vh_json_set_text(arena, c->open, "state", "finished");
        vh_json_set_int(arena, c->open, "exit_code", vh_json_int(event->data, "exit_code", 0));
        vh_json_set_int(arena, c->open, "status", vh_json_int(event->data, "status", 0));
    }
}

static viv_status
take(void *data, const struct vh_event *event, struct viv_error *err)
{
    struct collect *c = data;
    (void)err;
    if (vh_str_is(event->kind, "task.claimed")) {
        c->list = vh_json_array(c->work->arena); /* what a lost lease did is not part of this run */
        c->open = NULL;
    } else if (vh_str_is(event->kind, "effect.started") && c->list && c->list->count < ENTRIES_MAX) {
        start(c, event);
    } else if (vh_str_is(event->kind, "effect.finished")) {
        finish(c, event);
    }
    return VIV_OK;
}

static viv_status
read_events(void *data, struct vh_store *store, struct viv_error *err)
{
    struct collect *c = data;
    return vh_reader_walk(store, 0, c->work->ask.task.id, take, c, err);
}

viv_status
vh_trace_of(struct vh_work *work, struct vh_json **ret_trace, struct viv_error *err)
{
    struct collect c = { .work = work, .list = vh_json_array(work->arena) };
    viv_status status = vh_sequencer_read(work->run->sequencer, read_events, &c, err);
    if (status == VIV_OK && !c.list) {
        status = vh_error_set(err, VIV_E_MEMORY, "trace", "no memory for the trace");
    }
    *ret_trace = c.list;
    return status;
}
