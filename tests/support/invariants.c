/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "invariants_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "core/chain.h"
#include "core/fold.h"
#include <viv/limits.h>

#define ROOM ((size_t)1 << 30)

bool
invariants_broken(struct invariants *all, const char *name, const char *format, ...)
{
    char what[600];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    const struct vh_event *event = all->event;
    if (event) {
        snprintf(all->text, sizeof all->text, "%s: event %lld '%.*s'%s%.*s%s: %s", name,
                 (long long)event->seq, VH_STR_ARGS(event->kind),
                 event->task.len ? " of task '" : "", VH_STR_ARGS(event->task),
                 event->task.len ? "'" : "", what);
    } else {
        snprintf(all->text, sizeof all->text, "%s: %s", name, what);
    }
    return false;
}

struct viv_str
invariants_keep(struct invariants *all, struct viv_str text)
{
    char *copy = vh_arena_text_of(all->arena, text);
    assert_non_null(copy);
    return (struct viv_str){copy, text.len};
}

static size_t
bucket_of(struct viv_str key)
{
    uint32_t at = 2166136261u;
    for (uint64_t i = 0; i < key.len; i++) {
        at = (at ^ (unsigned char)key.data[i]) * 16777619u;
    }
    return at % WITNESS_BUCKETS;
}

struct witness *
invariants_find(const struct invariants *all, struct viv_str id)
{
    struct witness *task = all->buckets[bucket_of(id)];
    while (task && !vh_str_equal(task->id, id)) {
        task = task->next;
    }
    return task;
}

struct witness *
invariants_add(struct invariants *all, struct viv_str id)
{
    struct witness *task = vh_arena_alloc(all->arena, sizeof *task);
    struct witness **bucket = &all->buckets[bucket_of(id)];
    assert_non_null(task);
    *task = (struct witness){.next = *bucket, .id = invariants_keep(all, id), .attempt = 1};
    *bucket = task;
    *all->last = task;
    all->last = &task->newer;
    return task;
}

struct invariants *
invariants_create(struct vh_arena *arena)
{
    struct invariants *all = vh_arena_alloc(arena, sizeof *all);
    assert_non_null(all);
    all->arena = arena;
    all->memory = vh_memory_create(arena);
    all->state = vh_memory_state(all->memory);
    all->last = &all->first;
    return all;
}

/* ---- I2: order and chain ---- */

static bool
same_actor(const struct vh_actor *a, const struct vh_actor *b)
{
    return vh_str_equal(a->role, b->role) && vh_str_equal(a->name, b->name) && a->uid == b->uid &&
           a->pid == b->pid;
}

static bool
check_order(struct invariants *all, const struct vh_event *event)
{
    const struct vh_event *input = &all->input;
    if (event->seq != all->seq + 1 || event->time_us < all->time_us || event->batch < all->batch) {
        return invariants_broken(
            all, "I2",
            "number %lld, time %lld, batch %lld after number %lld, time %lld, batch %lld",
            (long long)event->seq, (long long)event->time_us, (long long)event->batch,
            (long long)all->seq, (long long)all->time_us, (long long)all->batch);
    }
    bool is_input = vh_event_kind_of(event->kind)->input;
    bool follows = input->seq && event->cause == input->seq && event->time_us == input->time_us &&
                   event->batch == input->batch && same_actor(&event->actor, &input->actor);
    return is_input
               ? event->cause == event->seq ||
                     invariants_broken(all, "I2", "an input event is not its own cause")
               : follows || invariants_broken(
                                all, "I2", "it does not follow from the input event %lld before it",
                                (long long)input->seq);
}

static bool
check_chain(struct invariants *all, struct viv_str line, const struct vh_hash *hash)
{
    if (!hash) {
        return true;
    }
    assert_true(vh_chain_add(&all->head, line));
    return memcmp(all->head.bytes, hash->bytes, VH_HASH_BYTES) == 0 ||
           invariants_broken(all, "I2",
                             "its hash does not follow from its bytes and the hash before");
}

/* ---- I15 ---- */

static bool
check_key(struct invariants *all, const struct vh_event *event)
{
    struct witness_key **bucket = &all->keys[bucket_of(event->key)];
    if (event->key.len == 0) {
        return true;
    }
    for (const struct witness_key *key = *bucket; key; key = key->next) {
        if (vh_str_equal(key->key, event->key)) {
            return invariants_broken(all, "I15", "key '%.*s' had its answer in event %lld",
                                     VH_STR_ARGS(event->key), (long long)key->seq);
        }
    }
    struct witness_key *key = vh_arena_alloc(all->arena, sizeof *key);
    *key = (struct witness_key){*bucket, invariants_keep(all, event->key), event->seq};
    *bucket = key;
    return true;
}

/* ---- I3: the row tells the same ---- */

static bool
same_number(struct invariants *all, const char *name, int64_t row, int64_t witness)
{
    return row == witness ||
           invariants_broken(all, "I3", "the row has %s %lld, the events say %lld", name,
                             (long long)row, (long long)witness);
}

static bool
check_recoveries(struct invariants *all, const struct vh_task *row)
{
    return row->recoveries <= VIV_RECOVERIES_MAX + 1 ||
           invariants_broken(all, "I11", "recovery %lld in a row, allowed %d",
                             (long long)row->recoveries, VIV_RECOVERIES_MAX + 1);
}

static bool
check_row(struct invariants *all, const struct witness *task, struct vh_arena *arena)
{
    struct vh_task row;
    if (all->state.get_task(all->state.data, arena, task->id, &row, NULL)) {
        return invariants_broken(all, "I3", "it has no row");
    }
    bool same_state =
        row.state == task->state ||
        invariants_broken(all, "I3", "the row is %s, the events say %s",
                          vh_task_state_name(row.state), vh_task_state_name(task->state));
    return same_state && check_recoveries(all, &row) &&
           same_number(all, "attempt", row.attempt, task->attempt) &&
           same_number(all, "attempts_max", row.attempts_max, task->most) &&
           same_number(all, "lease", row.lease, task->lease) &&
           same_number(all, "leased", row.leased, task->leased) &&
           same_number(all, "held_micro", row.held_micro, task->held) &&
           same_number(all, "effects", row.effects, task->effects) &&
           (vh_str_equal(row.published, task->published) ||
            invariants_broken(all, "I3", "the row has '%.*s' published, the events say '%.*s'",
                              VH_STR_ARGS(row.published), VH_STR_ARGS(task->published)));
}

static bool
check_scopes(struct invariants *all, struct vh_arena *arena)
{
    for (const struct witness_scope *s = all->scopes; s; s = s->next) {
        struct vh_scope row = {0};
        (void)all->state.get_scope(all->state.data, arena, s->name, &row,
                                   NULL); /* unknown: nothing in it */
        if (row.settled_micro != s->settled || row.reserved_micro != s->reserved) {
            return invariants_broken(
                all, "I3",
                "account '%.*s' has %lld settled and %lld reserved in its row, the "
                "events say %lld and %lld",
                VH_STR_ARGS(s->name), (long long)row.settled_micro, (long long)row.reserved_micro,
                (long long)s->settled, (long long)s->reserved);
        }
    }
    return true;
}

/* ---- I12 ---- */

static bool
waits_for_others(const struct invariants *all, const struct vh_task *row, struct vh_arena *arena)
{
    struct vh_ids ids = {0};
    const struct vh_state_ops *ops = &all->state;
    bool blocked = row->state == VH_STATE_BLOCKED;
    viv_status status = blocked ? ops->dependencies(ops->data, arena, row->id, &ids, NULL)
                                : ops->children(ops->data, arena, row->id, &ids, NULL);
    assert_int_equal(status, VIV_OK);
    for (size_t i = 0; i < ids.count; i++) {
        struct vh_task other;
        assert_int_equal(ops->get_task(ops->data, arena, ids.id[i], &other, NULL), VIV_OK);
        if (!vh_task_ended(&other) || other.following || other.leased) {
            return true;
        }
    }
    return false;
}

static bool
has_next(const struct invariants *all, const struct vh_task *row, struct vh_arena *arena)
{
    if (row->leased || vh_state_claimable(row)) {
        return true; /* its worker, or any worker once its time has come */
    }
    if (vh_task_ended(row)) {
        return row->phase == VH_PHASE_IDLE;
    }
    if (row->state == VH_STATE_AWAITING) {
        return row->awaiting.len > 0; /* a person, who has a question to answer */
    }
    bool may_wait = row->state == VH_STATE_BLOCKED || row->state == VH_STATE_EXPANDED;
    return may_wait && waits_for_others(all, row, arena);
}

static void
check_rest(struct invariants *all, const struct witness *task)
{
    struct vh_task row;
    struct vh_arena *arena = vh_arena_create(all->arena, 0);
    all->event = NULL;
    assert_int_equal(all->state.get_task(all->state.data, arena, task->id, &row, NULL), VIV_OK);
    if (!has_next(all, &row, arena)) {
        (void)invariants_broken(
            all, "I12", "task '%.*s' is %s, wants '%s' and nobody will ever touch it again",
            VH_STR_ARGS(task->id), vh_task_state_name(row.state), vh_task_phase_name(row.phase));
    }
    vh_arena_destroy(arena);
}

const char *
invariants_rest(struct invariants *all)
{
    while (all->touched && !*all->text) {
        struct witness *task = all->touched;
        all->touched = task->also;
        task->touched = false;
        check_rest(all, task);
    }
    return all->text;
}

const char *
invariants_rest_all(struct invariants *all)
{
    for (const struct witness *task = all->first; task && !*all->text; task = task->newer) {
        check_rest(all, task);
    }
    return all->text;
}

/* ---- one event ---- */

/* What is kept of the input event while others follow from it. */
static void
note_input(struct invariants *all, const struct vh_event *event)
{
    all->input = *event;
    all->input.kind = vh_str(vh_event_kind_of(event->kind)->name);
    all->input.actor.role = invariants_keep(all, event->actor.role);
    all->input.actor.name = invariants_keep(all, event->actor.name);
    all->input.data = vh_json_clone(all->arena, event->data);
}

static bool
note_home(struct invariants *all, const struct vh_event *event)
{
    int64_t epoch = vh_json_int(event->data, "epoch", 0);
    if (vh_str_is(event->kind, "policy.loaded")) {
        all->policy = vh_json_clone(all->arena, event->data);
    } else if (vh_str_is(event->kind, "host.started")) {
        if (epoch != all->epoch + 1) {
            return invariants_broken(all, "I4", "epoch %lld after %lld", (long long)epoch,
                                     (long long)all->epoch);
        }
        all->epoch = epoch;
    }
    return true;
}

/* A task begins under an id that was never used, behind tasks that are there: no cycle can be made.
 */
static bool
begin_task(struct invariants *all, const struct vh_event *event)
{
    if (invariants_find(all, event->task)) {
        return invariants_broken(all, "I5", "the id was used before");
    }
    const struct vh_json *depends = vh_json_get(event->data, "depends");
    for (const struct vh_json *d = depends ? depends->child : NULL; d; d = d->next) {
        if (!invariants_find(all, d->text)) {
            return invariants_broken(all, "I8", "it depends on '%.*s', which is not there yet",
                                     VH_STR_ARGS(d->text));
        }
    }
    struct witness *task = invariants_add(all, event->task);
    task->depends = depends ? vh_json_clone(all->arena, depends) : NULL;
    task->most = vh_json_int(event->data, "attempts_max", 0);
    return true;
}

static bool
check_event(struct invariants *all, const struct vh_event *event, struct viv_str line,
            const struct vh_hash *hash)
{
    struct witness *task = invariants_find(all, event->task);
    bool begins = vh_str_is(event->kind, "task.submitted") || vh_str_is(event->kind, "task.child");
    if (!check_order(all, event) || !check_chain(all, line, hash) || !check_key(all, event)) {
        return false;
    }
    if (event->seq == event->cause) {
        note_input(all, event);
    }
    if (begins) {
        return begin_task(all, event);
    }
    if (event->task.len == 0 || vh_str_is(event->kind, "plugin.blamed")) {
        return note_home(all, event);
    }
    return task ? invariants_task(all, task)
                : invariants_broken(all, "I5", "there is no such task");
}

const char *
invariants_line(struct invariants *all, struct viv_str line, const struct vh_hash *hash)
{
    struct vh_event event;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(all->arena, 0);
    if (*all->text) {
        return all->text;
    }
    if (vh_event_decode(arena, line, &event, &err)) {
        (void)invariants_broken(all, "I2", "an event that cannot be read, %s", err.text);
        return all->text;
    }
    all->event = NULL;
    if (event.seq == event.cause) {
        (void)invariants_rest(all); /* the command before is whole */
    }
    all->event = &event;
    if (!*all->text && check_event(all, &event, line, hash)) {
        all->seq = event.seq;
        all->time_us = event.time_us;
        all->batch = event.batch;
        if (vh_fold(&all->state, arena, &event, &err)) {
            (void)invariants_broken(all, "I3", "it cannot be folded, %s", err.text);
        }
    }
    const struct witness *task = invariants_find(all, event.task);
    if (!*all->text && task) {
        (void)(check_row(all, task, arena) && check_scopes(all, arena));
    }
    all->event = NULL;
    vh_arena_destroy(arena);
    return all->text;
}

const struct vh_memory *
invariants_memory(const struct invariants *all)
{
    return all->memory;
}

int64_t
invariants_in_state(const struct invariants *all, enum vh_state state)
{
    int64_t count = 0;
    for (const struct witness *task = all->first; task; task = task->newer) {
        count += task->state == (int64_t)state;
    }
    return count;
}
