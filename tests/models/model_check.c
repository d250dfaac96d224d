/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold, told from the events of each step and from what the model itself saw happen, not from what the core
 * noted about it. Numbers in brackets are those of the invariants in docs/durability.md. */
#include "model_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/moves.h"
#include <viv/limits.h>

void
model_trace(const char *format, ...)
{
    static int wanted = -1;
    if (wanted < 0) {
        wanted = getenv("MODEL_TRACE") != NULL;
    }
    if (wanted) {
        va_list list;
        va_start(list, format);
        vprintf(format, list);
        va_end(list);
        putchar('\n');
    }
}

void
model_break(struct model *m, const char *format, ...)
{
    if (!m->broken) {
        va_list list;
        va_start(list, format);
        printf("model: broken: ");
        vprintf(format, list);
        va_end(list);
        putchar('\n');
        m->broken = 1;
    }
}

int
model_number(const char *id)
{
    for (int i = 0; i < model_config.tasks; i++) {
        if (strcmp(id, model_ids[i]) == 0) {
            return i;
        }
    }
    return -1;
}

const struct vh_task *
model_task(const struct model *m, int task)
{
    return view_task(m->view, model_ids[task]);
}

static bool
is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* ---- one event ---- */

/* [I5] A move is in the table; [one outcome] what ended stays ended, unless a person says otherwise. */
static void
check_move(struct model *m, const char *command, int task, const struct view_event *event)
{
    struct model_fate *fate = &m->fate[task];
    enum vh_state to = vh_task_state_of(vh_str(event->kind + 5));
    enum vh_state from = vh_task_state_of(vh_str(view_text_of(event->from)));
    if (!vh_moves_allowed(from, to)) {
        model_break(m, "a move outside of the table, %s to %s", vh_task_state_name(from), vh_task_state_name(to));
    }
    bool retried = is(command, "retry.requested") && fate->ended != VH_STATE_READY;
    bool undone = is(command, "rollback.finished") && fate->ended == VH_STATE_READY &&
                  to == VH_STATE_ROLLED_BACK;
    if (fate->ended && !retried && !undone) {
        model_break(m, "%s, a task that had ended as %s becomes %s", model_ids[task],
                    vh_task_state_name(fate->ended), vh_task_state_name(to));
    }
    struct vh_task moved = { .state = to };
    fate->ended = vh_task_ended(&moved) ? (uint8_t)to : 0;
    fate->ready += to == VH_STATE_READY;
    if (fate->ready > 1) {
        model_break(m, "%s got ready twice", model_ids[task]);
    }
    if (to == VH_STATE_NEEDS_QA || to == VH_STATE_INTEGRATION || to == VH_STATE_E2E || retried) {
        fate->losses = 0;
    }
    if (retried) {
        fate->rejections = 0;
        fate->retries++;
    }
}

/* [I9] A hold is opened once and closed once, for what was held at most. */
static void
check_money(struct model *m, int task, const struct view_event *event)
{
    struct model_fate *fate = &m->fate[task];
    int32_t micro = event->micro;
    if (is(event->kind, "budget.held")) {
        if (fate->held) {
            model_break(m, "a second hold of %s beside an open one", model_ids[task]);
        }
        fate->held = micro;
    } else if (is(event->kind, "budget.settled")) {
        if (!fate->held) {
            model_break(m, "a hold of %s is settled that is not open", model_ids[task]);
        } else if (micro < 0 || micro > fate->held) {
            model_break(m, "%d settled of a hold of %d", micro, fate->held);
        }
        fate->held = 0;
    }
}

/* [I11] Attempts and recoveries are bounded, counted here. */
static void
check_bounds(struct model *m, int task, int before, const struct view_event *event)
{
    struct model_fate *fate = &m->fate[task];
    const struct vh_task *was = view_task(before, model_ids[task]);
    bool settling = was && was->phase == VH_PHASE_SETTLE;
    bool rejected = is(event->kind, "task.rejected");
    bool waits = strncmp(view_text_of(event->reason), "budget", 6) == 0;
    if (rejected) {
        fate->losses = 0;
        fate->rejections++;
    }
    if (is(event->kind, "lease.expired") && settling) {
        fate->unsettled++;
    } else if (is(event->kind, "lease.expired") || (is(event->kind, "task.delayed") && !waits)) {
        fate->losses++;
    }
    if (is(event->kind, "budget.settled")) {
        fate->unsettled = 0;
    }
    if (fate->rejections > model_config.attempts) {
        model_break(m, "attempt %d of %s was judged, allowed are %d", fate->rejections, model_ids[task],
                    model_config.attempts);
    }
    bool again = is(event->kind, "task.delayed") && fate->losses > VIV_RECOVERIES_MAX;
    if (again || fate->losses > VIV_RECOVERIES_MAX + 1 || fate->unsettled > VIV_RECOVERIES_MAX + 1) {
        model_break(m, "%s was lost or delayed %d times in a row and goes on, allowed are %d", model_ids[task],
                    fate->losses > fate->unsettled ? fate->losses : fate->unsettled, VIV_RECOVERIES_MAX);
    }
}

static void
check_event(struct model *m, const char *command, int before, const struct view_event *event)
{
    int task = model_number(view_text_of(event->task));
    if (task < 0) {
        return;
    }
    if (is(event->kind, "effect.started") && m->fate[task].ended &&
        !(m->fate[task].ended == VH_STATE_READY && is(view_text_of(event->effect), "rollback"))) {
        model_break(m, "an effect of %s starts after its end", model_ids[task]);
    }
    if (is(event->kind, "publish.finished") && m->fate[task].ended) {
        model_break(m, "%s is published after its end", model_ids[task]);
    }
    check_bounds(m, task, before, event);
    check_money(m, task, event);
    if (strncmp(event->kind, "task.", 5) == 0 && event->from) {
        check_move(m, command, task, event);
    }
}

/* ---- one step ---- */

/* An approval returns to where the question came from. */
static void
check_approval(struct model *m, int number, int before, const struct view_result *result)
{
    const struct vh_task *task = view_task(before, model_ids[number]);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "task.%s", vh_task_state_name(task->resume_state));
    const struct view_event *move = result->count > 1 ? &result->events[1] : NULL;
    if (!move || !is(move->kind, wanted) ||
        vh_task_phase_of(vh_str(view_text_of(move->phase))) != (enum vh_phase)task->resume_phase) {
        model_break(m, "approved, and %s does not return to %s", model_ids[number], wanted);
    }
}

/* [I8] */
static void
check_dependencies(struct model *m, int task)
{
    const struct vh_task *row = model_task(m, task);
    bool begun = row && row->state != VH_STATE_BLOCKED && !vh_task_ended(row);
    const struct vh_task *other = model_config.shape == MODEL_CHAIN && task > 0 ? model_task(m, task - 1) : NULL;
    if (begun && row->leased && other && other->state != VH_STATE_READY && other->state != VH_STATE_ROLLED_BACK) {
        model_break(m, "%s runs before %s is ready", model_ids[task], model_ids[task - 1]);
    }
}

void
model_check_step(struct model *m, const char *kind, const char *task, int before, const struct view_result *result)
{
    for (uint32_t i = 0; i < result->count && !m->broken; i++) {
        check_event(m, kind, before, &result->events[i]);
    }
    if (is(kind, "approval.given")) {
        check_approval(m, model_number(task), before, result);
    }
    for (int i = 0; i < model_config.tasks; i++) {
        const struct vh_task *was = view_task(before, model_ids[i]);
        const struct vh_task *is = model_task(m, i);
        if (!was || !is) {
            continue;
        }
        if (is->lease < was->lease || is->lease > was->lease + 1 || is->attempt < was->attempt) {
            model_break(m, "lease or attempt of %s out of order", model_ids[i]);
        }
        if (is->attempt > model_config.attempts + m->fate[i].retries) {
            model_break(m, "attempt %lld of %s", (long long)is->attempt, model_ids[i]);
        }
        check_dependencies(m, i);
    }
}

/* ---- the line ---- */

static int
commits_of(const struct model *m, int task)
{
    int count = 0;
    for (const char *c = view_text_of(m->line); *c; c++) {
        count += *c == 'a' + task;
        count -= *c == 'A' + task; /* taken back */
    }
    return count;
}

/* [I6] Published is what every gate passed, that very tree; [I10] once; and [I7] nothing of a task that has ended. */
void
model_check_publication(struct model *m, int task)
{
    const struct vh_task *row = model_task(m, task);
    const struct model_fate *fate = &m->fate[task];
    if (fate->ended) {
        model_break(m, "%s comes onto the line after it ended as %s", model_ids[task],
                    vh_task_state_name(fate->ended));
    }
    if (commits_of(m, task) > 1) {
        model_break(m, "%s is on the line twice", model_ids[task]);
    }
    char tree[80];
    snprintf(tree, sizeof tree, "T%s", view_text_of(m->line));
    int merged = view_text(tree);
    bool all = fate->passed[1] == merged && fate->passed[2] == merged && fate->passed[3] == merged;
    if (!all) {
        model_break(m, "%s is published and not every gate passed that tree", model_ids[task]);
    } else if (!row || fate->passed[0] == 0 || !vh_str_is(row->tree, view_text_of(fate->passed[0]))) {
        model_break(m, "%s is published and the first stage judged another result", model_ids[task]);
    }
}

/* ---- every state ---- */

/* [I9] */
static void
check_account(struct model *m)
{
    struct vh_scope scope = view_scope(m->view, "home");
    int64_t held = 0, cost = 0;
    for (int i = 0; i < model_config.tasks; i++) {
        const struct vh_task *row = model_task(m, i);
        held += m->fate[i].held;
        cost += row ? row->cost_micro : 0;
        if (row && row->held_micro != m->fate[i].held) {
            model_break(m, "%s says it holds %lld, it holds %d", model_ids[i], (long long)row->held_micro,
                        m->fate[i].held);
        }
        if (row && vh_task_ended(row) && row->phase == VH_PHASE_IDLE && m->fate[i].held) {
            model_break(m, "%s ended and its hold is open for ever", model_ids[i]);
        }
    }
    if (scope.settled_micro + scope.reserved_micro > scope.limit_micro) {
        model_break(m, "the account has %lld settled and %lld reserved of %lld", (long long)scope.settled_micro,
                    (long long)scope.reserved_micro, (long long)scope.limit_micro);
    }
    if (scope.reserved_micro != held || scope.settled_micro != cost) {
        model_break(m, "the account is not the sum of its tasks");
    }
}

/* [I7] What failed or was cancelled is not on the line, unless a person who was told it might be said so. */
static void
check_line(struct model *m)
{
    for (int i = 0; i < model_config.tasks; i++) {
        uint8_t ended = m->fate[i].ended;
        if ((ended == VH_STATE_FAILED || ended == VH_STATE_CANCELLED || ended == VH_STATE_ROLLED_BACK) &&
            commits_of(m, i) > 0 && !m->fate[i].unsure) {
            model_break(m, "%s ended as %s and is on the line", model_ids[i], vh_task_state_name(ended));
        }
        if (ended == VH_STATE_READY && commits_of(m, i) == 0 && model_task(m, i)->phase != VH_PHASE_ROLLBACK &&
            model_task(m, i)->children_left == 0 && model_task(m, i)->published.len) {
            model_break(m, "%s is ready and not on the line", model_ids[i]);
        }
    }
}

/* [I12] Somebody will move it, without anything going wrong first. */
static void
check_next(struct model *m)
{
    bool next = model_rests(m);
    for (int w = 0; w < MODEL_WORKERS; w++) {
        next = next || m->worker[w].task;
    }
    for (int i = 0; i < model_config.tasks && !next; i++) {
        const struct vh_task *row = model_task(m, i);
        next = row && (row->state == VH_STATE_AWAITING || row->leased || vh_state_claimable(row));
    }
    if (!next) {
        model_break(m, "not every task has ended, and nobody will move one");
    }
}

void
model_check_state(struct model *m)
{
    check_account(m);
    check_line(m);
    check_next(m);
}
