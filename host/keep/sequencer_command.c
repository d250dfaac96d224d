/* SPDX-License-Identifier: Apache-2.0 */
/* One command: its key, its step in a savepoint, its refusal. On the sequencer's thread only. */
#include "sequencer_inside.h"

#include "base/error.h"
#include "base/str.h"
#include "keep/request.h"

#define CLOCK_BACK_US INT64_C(1000000) /* smaller steps back are noise and only clamped */

/* The first answer again, read from the event it led to. */
static viv_status
repeat_answer(struct vh_sequencer *s, struct vh_arena *arena, int64_t seq, struct vh_request *request)
{
    struct viv_str line;
    struct vh_event event;
    viv_status status = vh_store_line(s->store, arena, seq, &line, &request->err);
    if (status == VIV_OK) {
        status = vh_event_decode(arena, line, &event, &request->err);
    }
    if (status) {
        return status;
    }
    request->answer.seq = seq;
    request->answer.repeated = true;
    request->answer.kind = vh_event_kind_of(event.kind)->name;
    char *task = vh_arena_text_of(request->arena, event.task);
    if (!task) {
        return vh_error_set(&request->err, VIV_E_MEMORY, "command", "no memory for an answer");
    }
    request->answer.task = vh_str(task);
    if (vh_str_is(event.kind, "command.refused")) {
        struct viv_str text = vh_json_str(event.data, "text");
        return vh_error_set(&request->err, (viv_status)vh_json_int(event.data, "status", VIV_E_INTERNAL), "command",
                            "%.*s", VH_STR_ARGS(text));
    }
    return VIV_OK;
}

/* One command in its savepoint. What is wanted next, where that was asked for, is part of it: whoever is told that a
 * command failed may rely on it, a claim above all. */
viv_status
vh_sequencer_run_step(struct vh_sequencer *s, const struct vh_command *command, struct vh_arena *arena,
         const struct vh_hash *digest, struct vh_arena *ask_arena, struct vh_answer *ret_answer, struct viv_error *err)
{
    struct vh_state_ops state = vh_store_state(s->store);
    struct vh_decision decision;
    viv_status status = vh_store_mark(s->store, err);
    if (status) {
        return status;
    }
    struct vh_step_place place = { s->time_us, vh_store_seq(s->store) + 1, vh_store_batch(s->store) };
    status = vh_step(&state, arena, command, &place, &decision, err);
    if (status == VIV_OK) {
        status = vh_store_append(s->store, arena, decision.events, decision.count, digest, err);
    }
    if (status == VIV_OK && ask_arena && decision.task.len) {
        status = vh_sequencer_next_ask(s, decision.task, ask_arena, &ret_answer->ask, err);
    }
    if (status) {
        struct viv_error undo = VIV_ERROR_INIT;
        return vh_store_undo(s->store, &undo) ? vh_error_set(err, VIV_E_STORE, "store", "%s", undo.text) : status;
    }
    ret_answer->seq = decision.events[0].seq;
    ret_answer->kind = vh_event_kind_of(decision.events[0].kind)->name;
    ret_answer->task = decision.task;
    return vh_store_keep(s->store, err);
}

/* A decision is refused for good; a lack of memory or of a working part is no decision. */
static bool
is_decision(viv_status status)
{
    return status != VIV_E_STORE && status != VIV_E_MEMORY && status != VIV_E_INTERNAL && status != VIV_E_IO;
}

/* Some input events say other things than their command did (a claim names what was claimed): they carry the digest of
 * the command, so that a rebuild finds the same key. */
static viv_status
keep_request(struct vh_command *command, struct vh_arena *arena, const struct vh_hash *digest, struct viv_error *err)
{
    if (!vh_request_carried(command->kind)) {
        return VIV_OK;
    }
    char hex[VH_HASH_HEX];
    vh_hash_hex(digest, hex);
    char *text = vh_arena_text(arena, hex);
    struct vh_json *data = vh_json_clone(arena, command->data);
    if (!text || !data || data->failed) {
        return vh_error_set(err, VIV_E_MEMORY, "command", "no memory for a command");
    }
    vh_json_set_text(arena, data, "request", text);
    command->data = data;
    return data->failed ? vh_error_set(err, VIV_E_MEMORY, "command", "no memory for a command") : VIV_OK;
}

/* A refused command with a key leaves its refusal behind. */
static viv_status
record_refusal(struct vh_sequencer *s, struct vh_request *request, struct vh_arena *arena, const struct vh_hash *digest,
               viv_status status)
{
    struct vh_command refusal;
    struct vh_answer ignored = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    vh_step_refuse(arena, request->command, status, request->err.text, &refusal);
    char hex[VH_HASH_HEX];
    vh_hash_hex(digest, hex);
    vh_json_set_text(arena, refusal.data, "request", hex); /* the key's digest can be rebuilt from the log */
    viv_status recorded = vh_sequencer_run_step(s, &refusal, arena, digest, NULL, &ignored, &err);
    if (recorded == VIV_E_STORE) {
        request->err = err;
        return recorded;
    }
    return status;
}

viv_status
vh_sequencer_next_ask(struct vh_sequencer *s, struct viv_str task, struct vh_arena *arena, struct vh_ask *ret_ask,
         struct viv_error *err)
{
    struct vh_state_ops state = vh_store_state(s->store);
    return vh_ask_next(&state, arena, task, ret_ask, err);
}

viv_status
vh_sequencer_run_command(struct vh_sequencer *s, struct vh_request *request, struct vh_arena *arena)
{
    struct vh_command with_request = *request->command;
    const struct vh_command *command = &with_request;
    struct vh_hash digest = { { 0 } };
    int64_t seen = 0;
    if (command->key.len) {
        viv_status status = vh_request_digest(arena, command->kind, command->task, command->data, &digest,
                                              &request->err);
        if (status == VIV_OK) {
            status = vh_store_key(s->store, command->key, &digest, &seen, &request->err);
        }
        if (status || seen) {
            return status ? status : repeat_answer(s, arena, seen, request);
        }
        status = keep_request(&with_request, arena, &digest, &request->err);
        if (status) {
            return status;
        }
    }
    /* Before anything is done: afterwards nothing may fail. */
    char *task = vh_arena_alloc(request->arena, VIV_ID_MAX + 1);
    if (!task) {
        return vh_error_set(&request->err, VIV_E_MEMORY, "command", "no memory for an answer");
    }
    viv_status status = vh_sequencer_run_step(s, command, arena, &digest, request->want_ask ? request->arena : NULL,
                                               &request->answer, &request->err);
    if (status) {
        return command->key.len && is_decision(status) ? record_refusal(s, request, arena, &digest, status) : status;
    }
    size_t len = request->answer.task.len < VIV_ID_MAX ? (size_t)request->answer.task.len : VIV_ID_MAX;
    if (len) {
        memcpy(task, request->answer.task.data, len);
    }
    request->answer.task = (struct viv_str){ task, len };
    return VIV_OK;
}

/* Recorded time: the wall clock, never less than before. While the wall clock is behind, recorded time goes on by what
 * really passes: leases end and retries come due, however far it was set back. */
void
vh_sequencer_tick(struct vh_sequencer *s)
{
    int64_t wall = s->seam->wall_us(s->seam->data);
    int64_t passed_us = (s->seam->monotonic_ns(s->seam->data) - s->tick_ns) / 1000; /* never negative */
    s->tick_ns += passed_us * 1000;
    if (wall >= s->time_us) {
        s->time_us = wall;
        s->clock_noted = false;
        return;
    }
    int64_t back_us = s->time_us - wall;
    s->time_us += passed_us;
    if (s->clock_noted || back_us < CLOCK_BACK_US) {
        return;
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *data = arena ? vh_json_object(arena) : NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_answer ignored = { 0 };
    struct vh_hash none = { { 0 } };
    if (data) {
        vh_json_set_int(arena, data, "back_us", back_us);
        struct vh_command note = { .kind = VH_STR("clock.stepped"), .actor = s->self, .data = data };
        s->clock_noted = vh_sequencer_run_step(s, &note, arena, &none, NULL, &ignored, &err) == VIV_OK;
    }
    vh_arena_destroy(arena);
}
