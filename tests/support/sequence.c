/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "sequence.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/moves.h"

static void
broken(const struct sequence *run, const char *what, struct viv_str id)
{
    for (size_t i = run->count > 50 ? run->count - 50 : 0; i < run->count; i++) {
        fprintf(stderr, "%.*s\n", VH_STR_ARGS(run->lines[i]));
    }
    struct vh_task task;
    (void)run->life.state.get_task(run->life.state.data, run->arena, id, &task, NULL); /* it was there before */
    struct viv_str row = vh_task_encode(run->arena, &task);
    fail_msg("seed %llu, command %d, task '%.*s': %s\n%.*s", (unsigned long long)run->seed, run->command,
             VH_STR_ARGS(id), what, VH_STR_ARGS(row));
}

/* ---- invariants ---- */

/* I6: what got ready was judged by every gate that was bound, for exactly the tree that was published. */
static void
check_ready(struct sequence *run, const struct vh_task *task, struct vh_arena *arena)
{
    struct vh_json *gates = NULL;
    size_t e2e = 0;
    if (task->published.len == 0) {
        return; /* a plan has no tree of its own */
    }
    if (task->gates.len) {
        assert_int_equal(vh_json_read(arena, task->gates, &gates, NULL), VIV_OK);
    }
    for (const struct vh_json *g = gates ? gates->child : NULL; g; g = g->next) {
        bool last = vh_str_equal(vh_json_str(g, "tree"), task->merged_tree);
        e2e += last && vh_str_is(vh_json_str(g, "stage"), "e2e");
    }
    if (task->stage_gates.len > 2 && e2e == 0) {
        broken(run, "ready without an e2e verdict on the published tree", task->id);
    }
    if (task->merged_tree.len == 0) {
        broken(run, "ready without a tree", task->id);
    }
}

/* I12: somebody will move this task. */
static bool
has_next(struct sequence *run, const struct vh_task *task, struct vh_arena *arena)
{
    if (vh_task_ended(task) && task->phase == VH_PHASE_IDLE) {
        return true;
    }
    if (task->leased || vh_state_claimable(task)) {
        return true; /* its worker, or any worker once its time has come */
    }
    if (task->state == VH_STATE_AWAITING) {
        return task->awaiting.len > 0; /* a person, who has a question to answer */
    }
    struct vh_ids ids = { 0 };
    const struct vh_state_ops *ops = &run->life.state;
    viv_status status = task->state == VH_STATE_BLOCKED ? ops->dependencies(ops->data, arena, task->id, &ids, NULL)
                                                        : ops->children(ops->data, arena, task->id, &ids, NULL);
    assert_int_equal(status, VIV_OK);
    for (size_t i = 0; i < ids.count; i++) {
        struct vh_task other;
        assert_int_equal(ops->get_task(ops->data, arena, ids.id[i], &other, NULL), VIV_OK);
        if (!vh_task_ended(&other)) {
            return true; /* follows the one it waits for */
        }
    }
    return false;
}

/* I8: nothing that waits for another has begun. */
static void
check_started(struct sequence *run, const struct vh_task *task, struct vh_arena *arena)
{
    struct vh_ids ids = { 0 };
    const struct vh_state_ops *ops = &run->life.state;
    assert_int_equal(ops->dependencies(ops->data, arena, task->id, &ids, NULL), VIV_OK);
    for (size_t i = 0; i < ids.count; i++) {
        struct vh_task other;
        assert_int_equal(ops->get_task(ops->data, arena, ids.id[i], &other, NULL), VIV_OK);
        if (other.state != VH_STATE_READY && other.state != VH_STATE_ROLLED_BACK) {
            broken(run, "runs before what it depends on", task->id);
        }
    }
}

static struct sight *
sight_of(struct sequence *run, struct viv_str id)
{
    uint32_t at = 2166136261u;
    for (uint64_t i = 0; i < id.len; i++) {
        at = (at ^ (unsigned char)id.data[i]) * 16777619u;
    }
    while (run->sights[at % SIGHTS].id[0] && !vh_str_is(id, run->sights[at % SIGHTS].id)) {
        at++;
    }
    struct sight *sight = &run->sights[at % SIGHTS];
    snprintf(sight->id, sizeof sight->id, "%.*s", VH_STR_ARGS(id));
    return sight;
}

static void
check_task(struct sequence *run, struct viv_str id, struct vh_arena *arena)
{
    struct vh_task task;
    if (run->life.state.get_task(run->life.state.data, arena, id, &task, NULL)) {
        return;
    }
    struct sight *sight = sight_of(run, id);
    int64_t before = sight->state;
    bool first = task.state == VH_STATE_RUNNING && before == VH_STATE_PENDING;
    if (task.attempt > task.attempts_max || task.attempt < sight->attempt || task.lease < sight->lease) {
        broken(run, "attempt or lease out of order", id); /* I4, I11 */
    }
    if (task.lease - sight->lease > 1) {
        broken(run, "two leases in one command", id);
    }
    if (task.recoveries > VIV_RECOVERIES_MAX + 1) {
        broken(run, "too many recoveries", id);
    }
    if (task.held_micro && task.phase == VH_PHASE_IDLE && task.state != VH_STATE_AWAITING && !task.leased) {
        broken(run, "money set aside and nobody to settle it", id);
    }
    if (task.state == VH_STATE_READY && before != VH_STATE_READY) {
        check_ready(run, &task, arena);
    }
    if (first) {
        check_started(run, &task, arena);
    }
    if (!has_next(run, &task, arena)) {
        broken(run, "nobody will ever touch it again", id);
    }
    sight->state = task.state;
    sight->attempt = task.attempt;
    sight->lease = task.lease;
}

/* I5: each move of the last command is in the table, told from its events alone. */
static void
check_moves(struct sequence *run, size_t from_line)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = from_line; i < run->count; i++) {
        struct vh_event event;
        assert_int_equal(vh_event_decode(arena, run->lines[i], &event, NULL), VIV_OK);
        struct viv_str from = vh_json_str(event.data, "from");
        if (from.len && vh_str_starts(event.kind, "task.")) {
            struct viv_str to = { event.kind.data + 5, event.kind.len - 5 };
            if (!vh_moves_allowed(vh_task_state_of(from), vh_task_state_of(to))) {
                broken(run, "a move outside of the table", event.task);
            }
        }
    }
    vh_arena_destroy(arena);
}

static void
check_accounts(struct sequence *run)
{
    static const char *const scopes[] = { "home", "small" };
    for (size_t i = 0; i < 2; i++) {
        struct vh_scope scope = { 0 };
        (void)run->life.state.get_scope(run->life.state.data, run->scratch, vh_str(scopes[i]), &scope, NULL);
        if (scope.settled_micro + scope.reserved_micro > scope.limit_micro || scope.reserved_micro < 0 ||
            scope.settled_micro < 0) {
            broken(run, "an account beyond its limit", vh_str(scopes[i])); /* I9 */
        }
    }
}

/* Tasks that the new events name, and those that follow from them. */
void
sequence_check_touched(struct sequence *run, size_t from_line)
{
    check_moves(run, from_line);
    for (size_t i = from_line; i < run->count; i++) {
        struct vh_event event;
        assert_int_equal(vh_event_decode(run->scratch, run->lines[i], &event, NULL), VIV_OK);
        if (event.task.len) {
            check_task(run, event.task, run->scratch);
        }
    }
    check_accounts(run);
}

void
sequence_check_all(struct sequence *run)
{
    for (int i = 0; i < run->submitted; i++) {
        char name[40];
        for (int c = -1; c < 4; c++) {
            snprintf(name, sizeof name, c < 0 ? "t%d" : c % 2 ? "t%d.s1%s" : "t%d.s0%s", i, c < 2 ? "" : "-2");
            check_task(run, vh_str(name), run->scratch);
        }
    }
}
