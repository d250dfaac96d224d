/* SPDX-License-Identifier: Apache-2.0 */
/* One function per kind of event about a task: what it does to the task's row. Nothing is decided here; the events were
 * decided by step*.c. Read event.c for the list of kinds. */
#include "fold_rows.h"

#include "base/error.h"
#include "base/str.h"

struct viv_str
vh_fold_str(const struct vh_folding *fold, const char *key)
{
    return vh_json_str(fold->event->data, key);
}

int64_t
vh_fold_int(const struct vh_folding *fold, const char *key)
{
    return vh_json_int(fold->event->data, key, 0);
}

struct viv_str
vh_fold_json(struct vh_folding *fold, const char *key)
{
    const struct vh_json *member = vh_json_get(fold->event->data, key);
    struct viv_str text = member ? vh_json_print(fold->arena, member) : (struct viv_str){ NULL, 0 };
    fold->failed = fold->failed || (member && !text.data);
    return text;
}

/* The answer is that there is none: the same is wanted again, if anything is. */
static bool
failed(const struct vh_folding *fold)
{
    return vh_json_get(fold->event->data, "failure") != NULL;
}

/* `list` is the JSON text of an array or empty. */
static viv_status
append(struct vh_folding *fold, struct viv_str *list, const struct vh_json *item)
{
    struct vh_json *array = NULL;
    if (list->len) {
        viv_status status = vh_json_read(fold->arena, *list, &array, fold->err);
        if (status) {
            return status;
        }
    } else {
        array = vh_json_array(fold->arena);
    }
    vh_json_push(array, vh_json_clone(fold->arena, item));
    *list = vh_json_print(fold->arena, array);
    return list->data ? VIV_OK : vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for a list");
}

/* What an attempt left behind goes; what was asked, meant, judged and said stays. */
static void
clear_attempt(struct vh_task *task)
{
    static const struct viv_str none = { NULL, 0 };
    task->route = task->route_input = task->base_tree = task->base_commit = task->base = none;
    task->result = task->tree = task->commit = task->change = none;
    task->merged_tree = task->merged_commit = task->line_tip = task->gates = task->stage_gates = none;
    task->gate_index = task->effects = task->outside = task->score_permille = 0;
    task->round++;
}

static viv_status
submitted(struct vh_folding *fold)
{
    struct viv_str count = { NULL, 0 };
    viv_status status = fold->state->get_fact(fold->state->data, fold->arena, "tasks", &count, fold->err);
    if (status) {
        return status;
    }
    int64_t number = 1;
    for (uint64_t i = 0; i < count.len; i++) {
        number = (i ? number * 10 : 0) + (count.data[i] - '0');
    }
    number += count.len ? 1 : 0;
    char *text = vh_arena_format(fold->arena, "%lld", (long long)number);
    if (!text) {
        return vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for a number");
    }
    fold->task = (struct vh_task){
        .id = fold->event->task,
        .goal = vh_fold_str(fold, "goal"),
        .command = vh_fold_json(fold, "command"),
        .skill = vh_fold_str(fold, "skill"),
        .input = vh_fold_json(fold, "input"),
        .target = vh_fold_str(fold, "target"),
        .scope = vh_fold_str(fold, "scope"),
        .parent = vh_fold_str(fold, "parent"),
        .spec = vh_fold_json(fold, "spec"),
        .number = number,
        .attempts_max = vh_fold_int(fold, "attempts_max"),
        .attempt = 1,
    };
    const struct vh_json *depends = vh_json_get(fold->event->data, "depends");
    for (const struct vh_json *d = depends ? depends->child : NULL; d && status == VIV_OK; d = d->next) {
        status = fold->state->put_edge(fold->state->data, fold->event->task, d->text, fold->err);
    }
    return status ? status : fold->state->put_fact(fold->state->data, "tasks", vh_str(text), fold->err);
}

static viv_status
claimed(struct vh_folding *fold)
{
    struct vh_task *task = &fold->task;
    task->lease = vh_fold_int(fold, "lease");
    task->leased = 1;
    task->epoch = vh_fold_int(fold, "epoch");
    task->expires_us = vh_fold_int(fold, "expires_us");
    task->worker = vh_fold_str(fold, "worker");
    return VIV_OK;
}

static viv_status
lease_expired(struct vh_folding *fold)
{
    fold->task.leased = 0;
    fold->task.worker = (struct viv_str){ NULL, 0 };
    fold->task.recoveries++;
    return VIV_OK;
}

static viv_status
intent_captured(struct vh_folding *fold)
{
    fold->task.intent = vh_fold_json(fold, "intent");
    fold->task.phase = VH_PHASE_PLAN;
    return VIV_OK;
}

static viv_status
plan_answered(struct vh_folding *fold)
{
    const struct vh_json *steps = vh_json_get(fold->event->data, "steps");
    fold->task.children_left = steps ? (int64_t)steps->count : 0;
    fold->task.phase = VH_PHASE_SAFETY;
    return VIV_OK;
}

static viv_status
safety_report(struct vh_folding *fold)
{
    fold->task.capability = vh_fold_json(fold, "capability");
    fold->task.phase = VH_PHASE_BUDGET;
    return VIV_OK;
}

static viv_status
budget_estimated(struct vh_folding *fold)
{
    fold->task.phase = VH_PHASE_ROUTE;
    return VIV_OK;
}

static viv_status
route_chosen(struct vh_folding *fold)
{
    fold->task.route = vh_fold_str(fold, "route");
    fold->task.route_input = vh_fold_json(fold, "input");
    fold->task.phase = VH_PHASE_BASE;
    return VIV_OK;
}

static viv_status
base_captured(struct vh_folding *fold)
{
    fold->task.base_tree = vh_fold_str(fold, "tree");
    fold->task.base_commit = vh_fold_str(fold, "commit");
    fold->task.base = vh_fold_json(fold, "base");
    fold->task.phase = VH_PHASE_EXECUTE;
    return VIV_OK;
}

/* A skill that failed is a miss: the route goes on without it. */
static viv_status
execute_finished(struct vh_folding *fold)
{
    fold->task.result = vh_fold_json(fold, "result");
    fold->task.phase = VH_PHASE_FREEZE;
    const struct vh_json *missed = vh_json_get(fold->event->data, "missed");
    if (!missed) {
        return VIV_OK;
    }
    clear_attempt(&fold->task);
    fold->task.phase = VH_PHASE_ROUTE;
    return append(fold, &fold->task.missed, missed);
}

static viv_status
change_frozen(struct vh_folding *fold)
{
    fold->task.tree = vh_fold_str(fold, "tree");
    fold->task.commit = vh_fold_str(fold, "commit");
    fold->task.change = vh_fold_str(fold, "change");
    return VIV_OK;
}

/* One verdict for the list that says which gate passed which tree. */
static viv_status
add_verdict(struct vh_folding *fold, struct viv_str outcome, struct viv_str by)
{
    struct vh_json *entry = vh_json_object(fold->arena);
    if (by.len) {
        vh_json_set_str(fold->arena, entry, "by", by);
    }
    vh_json_set_str(fold->arena, entry, "gate", vh_fold_str(fold, "gate"));
    vh_json_set_str(fold->arena, entry, "outcome", outcome);
    vh_json_set_text(fold->arena, entry, "stage", vh_task_state_name(fold->task.state)); /* not what the answer says */
    vh_json_set_str(fold->arena, entry, "tree", vh_fold_str(fold, "tree"));
    if (!entry || entry->failed) {
        return vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for a gate's answer");
    }
    return append(fold, &fold->task.gates, entry);
}

static viv_status
gate_answered(struct vh_folding *fold)
{
    return add_verdict(fold, vh_fold_str(fold, "outcome"), (struct viv_str){ NULL, 0 });
}

/* A person's word stands beside the answer that asked for it. */
static viv_status
gate_passed(struct vh_folding *fold)
{
    struct viv_str by = vh_fold_str(fold, "by");
    fold->task.gate_index++;
    return vh_str_is(by, "person") ? add_verdict(fold, VH_STR("passed"), by) : VIV_OK;
}

static viv_status
integration_made(struct vh_folding *fold)
{
    fold->task.merged_tree = vh_fold_str(fold, "tree");
    fold->task.merged_commit = vh_fold_str(fold, "commit");
    fold->task.line_tip = vh_fold_str(fold, "line_tip");
    fold->task.phase = failed(fold) ? VH_PHASE_INTEGRATE : VH_PHASE_GATE_INTEGRATION;
    fold->task.gate_index = 0;
    return VIV_OK;
}

static viv_status
review_made(struct vh_folding *fold)
{
    fold->task.score_permille = vh_fold_int(fold, "score_permille");
    fold->task.phase = failed(fold) ? VH_PHASE_REVIEW : VH_PHASE_PUBLISH;
    return VIV_OK;
}

static viv_status
publish_finished(struct vh_folding *fold)
{
    fold->task.published = failed(fold) ? (struct viv_str){ NULL, 0 } : vh_fold_str(fold, "published");
    return VIV_OK;
}

static viv_status
rollback_finished(struct vh_folding *fold)
{
    fold->task.rollback_commit = vh_fold_str(fold, "commit");
    fold->task.phase = VH_PHASE_IDLE;
    fold->task.leased = 0;
    fold->task.worker = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

static viv_status
rollback_requested(struct vh_folding *fold)
{
    fold->task.phase = VH_PHASE_ROLLBACK;
    fold->task.recoveries = 0;
    return VIV_OK;
}

static viv_status
rejected(struct vh_folding *fold)
{
    clear_attempt(&fold->task);
    if (fold->task.attempt < fold->task.attempts_max) {
        fold->task.attempt++; /* the last attempt stays the last one that ran */
    }
    fold->task.recoveries = 0;
    const struct vh_json *reasons = vh_json_get(fold->event->data, "reasons");
    return reasons ? append(fold, &fold->task.feedback, reasons) : VIV_OK;
}

static viv_status
asked(struct vh_folding *fold)
{
    fold->task.awaiting = vh_fold_str(fold, "why");
    fold->task.awaiting_digest = vh_fold_str(fold, "digest");
    fold->task.resume_state = vh_task_state_of(vh_fold_str(fold, "resume_state"));
    fold->task.resume_phase = vh_task_phase_of(vh_fold_str(fold, "resume_phase"));
    fold->task.used_micro = vh_fold_int(fold, "used_micro");
    return VIV_OK;
}

static viv_status
delayed(struct vh_folding *fold)
{
    fold->task.retry_at_us = vh_fold_int(fold, "retry_at_us");
    fold->task.recoveries = vh_fold_int(fold, "recoveries");
    if (vh_fold_int(fold, "release")) {
        fold->task.leased = 0;
        fold->task.worker = (struct viv_str){ NULL, 0 };
    }
    return VIV_OK;
}

static viv_status
approval_given(struct vh_folding *fold)
{
    struct viv_str digest = vh_fold_str(fold, "digest");
    char *text = digest.len ? vh_arena_format(fold->arena, "%.*s:%.*s", VH_STR_ARGS(fold->task.awaiting),
                                              VH_STR_ARGS(digest))
                            : NULL;
    struct vh_json *item = text ? vh_json_string(fold->arena, vh_str(text)) : NULL;
    fold->task.awaiting = fold->task.awaiting_digest = (struct viv_str){ NULL, 0 };
    if (digest.len && !item) {
        return vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for an approval");
    }
    return item ? append(fold, &fold->task.approved, item) : VIV_OK;
}

static viv_status
answer_given(struct vh_folding *fold)
{
    fold->task.answers = vh_fold_json(fold, "answers");
    fold->task.awaiting = fold->task.awaiting_digest = (struct viv_str){ NULL, 0 };
    fold->task.intent = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

static viv_status
followers_left(struct vh_folding *fold)
{
    fold->task.following = vh_fold_int(fold, "from") + 1;
    return VIV_OK;
}

static viv_status
followers_done(struct vh_folding *fold)
{
    fold->task.following = 0;
    fold->task.leased = 0;
    fold->task.worker = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

static viv_status
retry_requested(struct vh_folding *fold)
{
    clear_attempt(&fold->task);
    fold->task.following = 0; /* it has not ended any more */
    fold->task.attempt++;
    fold->task.attempts_max = fold->task.attempts_max >= fold->task.attempt ? fold->task.attempts_max
                                                                            : fold->task.attempt;
    fold->task.recoveries = fold->task.retry_at_us = 0;
    fold->task.failure = fold->task.awaiting = fold->task.awaiting_digest = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

static viv_status
phase_set(struct vh_folding *fold)
{
    fold->task.phase = vh_task_phase_of(vh_fold_str(fold, "phase"));
    return VIV_OK;
}

static viv_status
person_refused(struct vh_folding *fold)
{
    fold->task.awaiting = fold->task.awaiting_digest = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

viv_status
vh_fold_nothing(struct vh_folding *fold)
{
    (void)fold;
    return VIV_OK;
}

/* task.<state>: the only place where a state changes. */
static viv_status
moved(struct vh_folding *fold)
{
    struct vh_task *task = &fold->task;
    struct viv_str name = { fold->event->kind.data + 5, fold->event->kind.len - 5 };
    task->state = vh_task_state_of(name);
    task->phase = vh_task_phase_of(vh_fold_str(fold, "phase"));
    if (vh_fold_int(fold, "release")) {
        task->leased = 0;
        task->worker = (struct viv_str){ NULL, 0 };
    }
    if (vh_fold_int(fold, "again")) {
        clear_attempt(task);
    }
    if (vh_json_get(fold->event->data, "gates")) {
        task->stage_gates = vh_fold_json(fold, "gates");
    }
    if (task->state == VH_STATE_NEEDS_QA || task->state == VH_STATE_INTEGRATION || task->state == VH_STATE_E2E) {
        task->recoveries = 0; /* a stage further: what failed before is behind it */
        task->gate_index = vh_fold_int(fold, "gate_index");
    }
    if (task->state == VH_STATE_FAILED) {
        task->failure = vh_fold_str(fold, "reason");
    }
    return VIV_OK;
}

static const struct row {
    const char *kind;
    vh_fold_fn fold;
} rows[] = {
    { "task.submitted", submitted },
    { "task.child", submitted },
    { "task.claimed", claimed },
    { "lease.expired", lease_expired },
    { "intent.captured", intent_captured },
    { "intent.unclear", vh_fold_nothing },
    { "plan.answered", plan_answered },
    { "safety.report", safety_report },
    { "budget.estimated", budget_estimated },
    { "budget.held", vh_fold_budget_held },
    { "budget.refused", vh_fold_nothing },
    { "budget.settled", vh_fold_budget_settled },
    { "ledger.posted", vh_fold_nothing },
    { "route.chosen", route_chosen },
    { "base.captured", base_captured },
    { "effect.started", vh_fold_effect_started },
    { "effect.refused", vh_fold_effect_refused },
    { "effect.asked", vh_fold_effect_asked },
    { "effect.finished", vh_fold_effect_finished },
    { "execute.finished", execute_finished },
    { "change.frozen", change_frozen },
    { "gate.answered", gate_answered },
    { "gate.passed", gate_passed },
    { "gate.failed", vh_fold_nothing },
    { "integration.made", integration_made },
    { "review.made", review_made },
    { "publish.finished", publish_finished },
    { "settle.priced", vh_fold_nothing },
    { "followers.counted", vh_fold_nothing },
    { "followers.left", followers_left },
    { "followers.done", followers_done },
    { "rollback.requested", rollback_requested },
    { "rollback.finished", rollback_finished },
    { "cancel.requested", person_refused },
    { "retry.requested", retry_requested },
    { "approval.given", approval_given },
    { "approval.refused", person_refused },
    { "answer.given", answer_given },
    { "task.rejected", rejected },
    { "task.asked", asked },
    { "task.delayed", delayed },
    { "task.phase", phase_set },
    { "plugin.blamed", vh_fold_nothing },
    { "command.refused", vh_fold_nothing },
};

vh_fold_fn
vh_fold_row(struct viv_str kind)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (vh_str_is(kind, rows[i].kind)) {
            return rows[i].fold;
        }
    }
    if (vh_str_starts(kind, "task.") &&
        vh_task_state_of((struct viv_str){ kind.data + 5, kind.len - 5 }) != VH_STATE_NONE) {
        return moved;
    }
    return NULL;
}

bool
vh_fold_is_new_task(vh_fold_fn function)
{
    return function == submitted;
}

bool
vh_fold_is_move(vh_fold_fn function)
{
    return function == moved;
}
