/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are gathered to commands: an input event and what follows from it. A command is stepped in a savepoint of the
 * state; when the step agrees, what it folded stays, otherwise the log's own events are folded instead, so that one
 * difference does not make a hundred. */
#include "replay.h"

#include "base/error.h"
#include "base/str.h"
#include "core/chain.h"
#include "core/fold.h"
#include "core/memory.h"
#include "core/step.h"

#define GROUP_MAX (VH_STEP_EVENTS_MAX + 1)

struct recorded {
    struct vh_arena *arena; /* of the two below */
    struct vh_event event;
    struct viv_str line;
};

struct vh_replay {
    struct vh_arena *arena;
    struct vh_memory *memory;
    struct vh_state_ops state;
    struct viv_str task;
    struct vh_hash head;
    int64_t seq; /* of the last line */
    int64_t time_us;
    struct recorded *group; /* the command that is gathered */
    size_t count;
    struct vh_arena *scratch; /* while it is decided */
    bool ended; /* nothing can follow from here */
    struct vh_replay_result result;
};

viv_status
vh_replay_begin(struct vh_arena *arena, struct viv_str task, struct vh_replay **ret_replay, struct viv_error *err)
{
    struct vh_replay *replay = vh_arena_alloc(arena, sizeof *replay);
    struct vh_memory *memory = replay ? vh_memory_create(arena) : NULL;
    struct recorded *group = memory ? vh_arena_array(arena, GROUP_MAX, sizeof *group) : NULL;
    char *name = group ? vh_arena_text_of(arena, task) : NULL;
    if (!name) {
        return vh_error_set(err, VIV_E_MEMORY, "replay", "no memory to replay");
    }
    *replay = (struct vh_replay){ .arena = arena,
                                  .memory = memory,
                                  .state = vh_memory_state(memory),
                                  .task = { name, task.len },
                                  .group = group };
    replay->result.what = "";
    *ret_replay = replay;
    return VIV_OK;
}

static viv_status
no_memory(const struct vh_replay *replay, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "replay", "no memory at event %lld", (long long)replay->seq);
}

/* The difference with the lowest number is the one that is told; an altered record explains what it leads to. */
static viv_status
found(struct vh_replay *replay, const struct vh_replay_result *difference, struct viv_error *err)
{
    struct vh_replay_result *result = &replay->result;
    result->differences++;
    bool better = difference->finding == VH_REPLAY_ALTERED && result->finding == VH_REPLAY_DIVERGES;
    if (result->seq && (result->seq < difference->seq || (result->seq == difference->seq && !better))) {
        return VIV_OK;
    }
    char *recorded = vh_arena_text_of(replay->arena, difference->recorded);
    char *decided = vh_arena_text_of(replay->arena, difference->decided);
    if (!recorded || !decided) {
        return no_memory(replay, err);
    }
    result->finding = difference->finding;
    result->seq = difference->seq;
    result->cause = difference->cause;
    result->what = difference->what;
    result->recorded = (struct viv_str){ recorded, difference->recorded.len };
    result->decided = (struct viv_str){ decided, difference->decided.len };
    return VIV_OK;
}

static viv_status
altered(struct vh_replay *replay, int64_t cause, struct viv_str line, const char *what, struct viv_error *err)
{
    struct vh_replay_result difference = {
        .finding = VH_REPLAY_ALTERED, .seq = replay->seq, .cause = cause, .what = what, .recorded = line
    };
    return found(replay, &difference, err);
}

static const char *
differs_in(const struct vh_event *a, const struct vh_event *b)
{
    return !vh_str_equal(a->kind, b->kind)   ? "kind"
           : !vh_str_equal(a->task, b->task) ? "task"
           : a->time_us != b->time_us        ? "time_us"
           : a->attempt != b->attempt        ? "attempt"
           : a->cause != b->cause            ? "cause"
           : a->batch != b->batch            ? "batch"
           : !vh_str_equal(a->key, b->key)   ? "key"
                                             : "data";
}

/* Compare place `i` of what was recorded and what was decided; either may have ended before. */
static viv_status
compare(struct vh_replay *replay, size_t i, const struct vh_decision *decision, struct viv_str refusal, bool *ret_same,
        struct viv_error *err)
{
    const struct recorded *recorded = i < replay->count ? &replay->group[i] : NULL;
    const struct vh_event *decided = i < decision->count ? &decision->events[i] : NULL;
    struct viv_str text = decided ? vh_event_encode(replay->scratch, decided) : refusal;
    struct viv_str none = { NULL, 0 };
    if (decided && !text.data) {
        return no_memory(replay, err);
    }
    if (recorded && decided && vh_str_equal(recorded->line, text)) {
        return VIV_OK;
    }
    *ret_same = false;
    bool mine = replay->task.len == 0 || (recorded && vh_str_equal(recorded->event.task, replay->task)) ||
                (decided && vh_str_equal(decided->task, replay->task));
    struct vh_replay_result difference = {
        .finding = VH_REPLAY_DIVERGES,
        .seq = replay->group[0].event.seq + (int64_t)i,
        .cause = replay->group[0].event.seq,
        .what = recorded && decided ? differs_in(&recorded->event, decided) : recorded ? "one more" : "one less",
        .recorded = recorded ? recorded->line : none,
        .decided = text,
    };
    return mine ? found(replay, &difference, err) : VIV_OK;
}

static viv_status
compare_all(struct vh_replay *replay, const struct vh_decision *decision, viv_status decided, struct viv_str refusal,
            bool *ret_same, struct viv_error *err)
{
    size_t count = decision->count > replay->count ? decision->count : replay->count;
    viv_status status = VIV_OK;
    *ret_same = true;
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        status = compare(replay, i, decision, refusal, ret_same, err);
    }
    if (status == VIV_OK && decided && *ret_same) {
        /* all that was recorded was decided, and then the step refused: the log lacks what should follow */
        status = compare(replay, count, decision, refusal, ret_same, err);
    }
    return status;
}

static viv_status
follow_log(struct vh_replay *replay, struct viv_error *err)
{
    struct viv_error why = VIV_ERROR_INIT;
    for (size_t i = 0; i < replay->count; i++) {
        viv_status status = vh_fold(&replay->state, replay->scratch, &replay->group[i].event, &why);
        if (status == VIV_E_MEMORY) {
            return no_memory(replay, err);
        }
        if (status) {
            replay->ended = true;
            return VIV_OK; /* the difference that led here is told already */
        }
    }
    return VIV_OK;
}

static void
forget_group(struct vh_replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        vh_arena_destroy(replay->group[i].arena);
    }
    replay->count = 0;
}

static viv_status
decide_in(struct vh_replay *replay, struct viv_error *err)
{
    struct vh_command command;
    struct vh_decision decision = { 0 };
    struct viv_error refusal = VIV_ERROR_INIT;
    const struct vh_event *input = &replay->group[0].event;
    bool same = true;
    viv_status status = vh_memory_mark(replay->memory, err);
    if (status) {
        return status;
    }
    vh_step_command_of(input, &command);
    struct vh_step_place place = { input->time_us, input->seq, input->batch };
    viv_status decided = vh_step(&replay->state, replay->scratch, &command, &place, &decision, &refusal);
    replay->result.commands++;
    status = decided == VIV_E_MEMORY ? no_memory(replay, err)
                                     : compare_all(replay, &decision, decided, vh_str(refusal.text), &same, err);
    if (status == VIV_OK && same && decided == VIV_OK) {
        vh_memory_keep(replay->memory);
        return VIV_OK;
    }
    vh_memory_undo(replay->memory);
    return status ? status : follow_log(replay, err);
}

/* The command gathered so far is whole: decide it again. */
static viv_status
decide(struct vh_replay *replay, struct viv_error *err)
{
    if (replay->count == 0) {
        return VIV_OK;
    }
    replay->scratch = vh_arena_create(replay->arena, 0);
    viv_status status = replay->scratch ? decide_in(replay, err) : no_memory(replay, err);
    vh_arena_destroy(replay->scratch);
    forget_group(replay);
    return status;
}

/* What the chain and the order say of a line that could be read. */
static viv_status
check(struct vh_replay *replay, const struct recorded *recorded, const struct vh_hash *hash, struct viv_error *err)
{
    const struct vh_event *event = &recorded->event;
    bool mine = replay->task.len == 0 || vh_str_equal(event->task, replay->task);
    if (event->seq != replay->seq) {
        replay->ended = true;
        return altered(replay, event->cause, recorded->line, "seq", err);
    }
    struct vh_hash head = replay->head;
    if (!vh_chain_add(&head, recorded->line)) {
        return vh_error_set(err, VIV_E_INTERNAL, "replay", "SHA-256 failed");
    }
    bool follows = !hash || memcmp(head.bytes, hash->bytes, VH_HASH_BYTES) == 0;
    replay->head = hash ? *hash : head;
    viv_status status = follows || !mine ? VIV_OK : altered(replay, event->cause, recorded->line, "hash", err);
    if (status == VIV_OK && follows && mine && event->time_us < replay->time_us) {
        status = altered(replay, event->cause, recorded->line, "time_us", err);
    }
    replay->time_us = event->time_us;
    return status;
}

static viv_status
take(struct vh_replay *replay, struct recorded *recorded, const struct vh_hash *hash, struct viv_error *err)
{
    bool first = recorded->event.cause == recorded->event.seq || replay->count == GROUP_MAX;
    viv_status status = first ? decide(replay, err) : VIV_OK;
    if (status || replay->ended) {
        vh_arena_destroy(recorded->arena);
        return status;
    }
    replay->group[replay->count++] = *recorded;
    replay->seq++;
    replay->result.events++;
    return check(replay, recorded, hash, err);
}

viv_status
vh_replay_line(struct vh_replay *replay, struct viv_str line, const struct vh_hash *hash, struct viv_error *err)
{
    if (replay->ended) {
        return VIV_OK;
    }
    struct recorded recorded = { .arena = vh_arena_create(replay->arena, 0) };
    char *copy = recorded.arena ? vh_arena_text_of(recorded.arena, line) : NULL;
    if (!copy) {
        return no_memory(replay, err);
    }
    recorded.line = (struct viv_str){ copy, line.len };
    viv_status status = vh_event_decode(recorded.arena, recorded.line, &recorded.event, err);
    if (status == VIV_OK) {
        return take(replay, &recorded, hash, err);
    }
    vh_arena_destroy(recorded.arena);
    if (status == VIV_E_MEMORY) {
        return status;
    }
    status = decide(replay, err);
    replay->seq++;
    replay->ended = true;
    return status ? status : altered(replay, replay->seq, line, "unreadable", err);
}

viv_status
vh_replay_exported(struct vh_replay *replay, struct viv_str line, struct viv_error *err)
{
    static const char before[] = "{\"event\":";
    static const char between[] = ",\"hash\":\"";
    static const char after[] = "\"}";
    const size_t tail = sizeof between - 1 + VH_HASH_HEX - 1 + sizeof after - 1;
    struct vh_hash hash;
    if (line.len > sizeof before - 1 + tail && vh_str_starts(line, before) &&
        memcmp(line.data + line.len - tail, between, sizeof between - 1) == 0 &&
        memcmp(line.data + line.len - 2, after, 2) == 0 &&
        vh_hash_parse((struct viv_str){ line.data + line.len - 2 - (VH_HASH_HEX - 1), VH_HASH_HEX - 1 }, &hash)) {
        struct viv_str event = { line.data + sizeof before - 1, line.len - tail - (sizeof before - 1) };
        return vh_replay_line(replay, event, &hash, err);
    }
    return vh_replay_line(replay, line, NULL, err); /* not one of ours: found unreadable or out of order there */
}

viv_status
vh_replay_finish(struct vh_replay *replay, struct vh_replay_result *ret_result, struct viv_error *err)
{
    viv_status status = replay->ended ? VIV_OK : decide(replay, err);
    forget_group(replay);
    if (status == VIV_OK) {
        *ret_result = replay->result;
    }
    return status;
}
