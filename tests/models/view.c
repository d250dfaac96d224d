/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of the core from one state to another. Rows, states, getters and putters: view_rows.c. */
#include "view_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* Steps that were made, by state and command. */
static struct memo {
    int32_t view;
    int32_t command;
    struct view_result result;
} *memos;
static uint32_t memo_count;
static uint32_t memo_room;
static int64_t times[2];
static struct vh_arena *scratch; /* of what was asked last */

void
view_times(int64_t time_us, int64_t later_us)
{
    times[0] = time_us;
    times[1] = later_us;
}

static struct memo *
memo_place(int view, int command)
{
    uint64_t hash = ((uint64_t)(uint32_t)view << 32 | (uint32_t)command) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(hash >> 33) & (memo_room - 1);
    while (memos[at].command && (memos[at].view != view || memos[at].command != command)) {
        at = (at + 1) & (memo_room - 1);
    }
    return &memos[at];
}

static void
make_memo_room(void)
{
    if (memo_count < memo_room / 2) {
        return;
    }
    struct memo *old = memos;
    uint32_t old_room = memo_room;
    memo_room = memo_room ? memo_room * 2 : 65536;
    memos = calloc(memo_room, sizeof *memos);
    if (!memos) {
        view_die("out of memory");
    }
    for (uint32_t i = 0; i < old_room; i++) {
        if (old[i].command) {
            *memo_place(old[i].view, old[i].command) = old[i];
        }
    }
    free(old);
}

static int32_t
text_in(const struct vh_json *data, const char *key)
{
    return view_text_from(vh_json_str(data, key));
}

static const struct view_event *
keep_events(const struct vh_decision *decision)
{
    struct view_event *events = calloc(decision->count, sizeof *events);
    for (size_t i = 0; events && i < decision->count; i++) {
        const struct vh_event *event = &decision->events[i];
        events[i] = (struct view_event){
            .kind = vh_event_kind_of(event->kind)->name,
            .task = view_text_from(event->task),
            .from = text_in(event->data, "from"),
            .phase = text_in(event->data, "phase"),
            .effect = text_in(event->data, "effect"),
            .reason = text_in(event->data, "reason"),
            .micro = (int32_t)vh_json_int(event->data, "micro", -1),
        };
    }
    if (!events) {
        view_die("out of memory");
    }
    return events;
}

static struct view_result
make(int view, const char *kind, const char *task, const char *json)
{
    struct view_result result = { .view = view };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_decision decision;
    /* No row holds the number of an event, so that all begin at 1. */
    struct vh_step_place place = { times[strcmp(kind, "task.claimed") == 0], 1, 1 };
    struct vh_command command = { .kind = vh_str(kind),
                                  .task = vh_str(task),
                                  .actor = { VH_STR("person"), VH_STR("model"), 1, 1 } };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (vh_json_import(arena, vh_str(json), &command.data, &err)) {
        fprintf(stderr, "%s: %s\n", err.text, json);
        view_die("a command that is no JSON");
    }
    view_load(view);
    result.status = vh_step(&view_ops, arena, &command, &place, &decision, &err);
    if (result.status == VIV_OK) {
        result.view = view_save();
        result.count = (uint32_t)decision.count;
        result.events = keep_events(&decision);
    } else {
        result.text = view_text(err.text);
    }
    vh_arena_destroy(arena);
    return result;
}

const struct view_result *
view_step(int view, const char *kind, const char *task, const char *json)
{
    char text[640];
    if (snprintf(text, sizeof text, "%s %s %s", kind, task, json) >= (int)sizeof text) {
        view_die("a command that is too long");
    }
    int command = view_text(text);
    make_memo_room();
    struct memo *memo = memo_place(view, command);
    if (!memo->command) {
        *memo = (struct memo){ view, command, make(view, kind, task, json) };
        memo_count++;
    }
    return &memo->result;
}

const struct vh_task *
view_task(int view, const char *id)
{
    int row = view_row(view, VIEW_TASKS, id);
    return row ? view_task_of_row(row) : NULL;
}

struct vh_scope
view_scope(int view, const char *name)
{
    int row = view_row(view, VIEW_SCOPES, name);
    return row ? *view_scope_of_row(row) : (struct vh_scope){ 0 };
}

struct vh_ask
view_ask(int view, const char *id)
{
    struct vh_ask ask = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    vh_arena_destroy(scratch);
    scratch = vh_arena_create(NULL, 0);
    view_load(view);
    if (vh_ask_next(&view_ops, scratch, vh_str(id), &ask, &err)) {
        fprintf(stderr, "%s\n", err.text);
        view_die("nothing can be asked of a task");
    }
    return ask;
}
