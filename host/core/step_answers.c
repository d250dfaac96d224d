/* SPDX-License-Identifier: Apache-2.0 */
/* Opinions and outcomes up to the frozen result. A failed answer gets its interface's fail value here; nothing else
 * branches on how a plugin failed. Stages after the freeze: step_gates.c. */
#include "step_inside.h"

static bool
infrastructure(struct vh_stepping *step)
{
    return vh_str_is(vh_step_failure(step), "infrastructure");
}

/* Fence, record, and treat an infrastructure failure alike everywhere. `*ret_done` says that nothing more follows. */
static viv_status
take(struct vh_stepping *step, enum vh_phase phase, bool *ret_done)
{
    *ret_done = false;
    viv_status status = vh_step_fence(step, phase);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status == VIV_OK && infrastructure(step)) {
        *ret_done = true;
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    return status;
}

/* decompose: a failure leaves the bare goal as the intent, which the handler put into the answer. */
viv_status
vh_step_intent_captured(struct vh_stepping *step)
{
    bool done = false;
    viv_status status = take(step, VH_PHASE_INTAKE, &done);
    if (status || done || !vh_step_int(step, "unclear", 0) || step->task.answers.len) {
        return status;
    }
    const struct vh_json *questions = vh_json_get(step->command->data, "questions");
    struct vh_json *data = vh_step_object(step);
    vh_json_set(data, "questions", questions ? vh_json_clone(step->arena, questions) : vh_json_array(step->arena));
    status = vh_step_emit(step, "intent.unclear", step->task.id, data);
    if (status) {
        return status;
    }
    return vh_step_ask(step, "unclear", vh_step_str(step, "digest"), VH_STR("the request is unclear"),
                       VH_STATE_PENDING, VH_PHASE_IDLE);
}

/* Bounds, ids and cycles of a plan: a step may depend only on steps before it in the list. */
static viv_status
check_plan(struct vh_stepping *step, const struct vh_json *steps)
{
    if (steps->count > VIV_PLAN_STEPS_MAX) {
        return vh_error_set(step->err, VIV_E_LIMIT, "plan", "the plan has %u steps, allowed %d", steps->count,
                            VIV_PLAN_STEPS_MAX);
    }
    for (const struct vh_json *s = steps->child; s; s = s->next) {
        if (!vh_str_id(vh_json_str(s, "id")) || vh_json_str(s, "goal").len == 0) {
            return vh_error_set(step->err, VIV_E_INVALID, "plan", "a step lacks a usable id or a goal");
        }
        for (const struct vh_json *o = steps->child; o != s; o = o->next) {
            if (vh_str_equal(vh_json_str(o, "id"), vh_json_str(s, "id"))) {
                return vh_error_set(step->err, VIV_E_INVALID, "plan", "step id '%.*s' is there twice",
                                    VH_STR_ARGS(vh_json_str(s, "id")));
            }
        }
        const struct vh_json *depends = vh_json_get(s, "depends");
        for (const struct vh_json *d = depends ? depends->child : NULL; d; d = d->next) {
            const struct vh_json *o = steps->child;
            while (o != s && !vh_str_equal(vh_json_str(o, "id"), d->text)) {
                o = o->next;
            }
            if (o == s) {
                return vh_error_set(step->err, VIV_E_INVALID, "plan",
                                    "step '%.*s' depends on '%.*s', which is not a step before it",
                                    VH_STR_ARGS(vh_json_str(s, "id")), VH_STR_ARGS(d->text));
            }
        }
    }
    return VIV_OK;
}

/* A plan made again after a retry gets children of its own: the old ones keep their ids for ever. */
static struct viv_str
child_id(struct vh_stepping *step, const struct vh_task *parent, struct viv_str id)
{
    if (parent->attempt == 1) {
        return vh_step_text(step, "%.*s.%.*s", VH_STR_ARGS(parent->id), VH_STR_ARGS(id));
    }
    return vh_step_text(step, "%.*s.%.*s-%lld", VH_STR_ARGS(parent->id), VH_STR_ARGS(id), (long long)parent->attempt);
}

static viv_status
add_child(struct vh_stepping *step, const struct vh_task *parent, const struct vh_json *item)
{
    struct viv_str id = child_id(step, parent, vh_json_str(item, "id"));
    if (!id.data || !vh_str_id(id)) {
        return vh_error_set(step->err, VIV_E_INVALID, "plan", "child id '%.*s' is too long, allowed %d bytes",
                            VH_STR_ARGS(id), VIV_ID_MAX);
    }
    struct vh_task there;
    viv_status status = step->state->get_task(step->state->data, step->arena, id, &there, step->err);
    if (status != VIV_E_NOT_FOUND) {
        return status ? status
                      : vh_error_set(step->err, VIV_E_INVALID, "plan",
                                     "child '%.*s' exists already; ids are never used twice", VH_STR_ARGS(id));
    }
    struct vh_json *data = vh_step_object(step);
    struct vh_json *depends = vh_json_array(step->arena);
    const struct vh_json *list = vh_json_get(item, "depends");
    for (const struct vh_json *d = list ? list->child : NULL; d; d = d->next) {
        vh_json_push(depends, vh_json_string(step->arena, child_id(step, parent, d->text)));
    }
    vh_json_set_int(step->arena, data, "attempts_max", parent->attempts_max);
    vh_json_set(data, "depends", depends);
    vh_json_set_str(step->arena, data, "goal", vh_json_str(item, "goal"));
    vh_json_set_str(step->arena, data, "parent", parent->id);
    if (parent->scope.len) {
        vh_json_set_str(step->arena, data, "scope", parent->scope);
    }
    vh_json_set_str(step->arena, data, "target", parent->target);
    status = vh_step_emit(step, "task.child", id, data);
    if (status == VIV_OK) {
        status = vh_step_load(step, id);
    }
    bool waits = list && list->count;
    return status ? status
                  : vh_step_move(step, waits ? VH_STATE_BLOCKED : VH_STATE_PENDING, VH_PHASE_IDLE,
                                 (struct viv_str){ NULL, 0 }, 0);
}

viv_status
vh_step_plan_answered(struct vh_stepping *step)
{
    bool done = false;
    const struct vh_json *steps = vh_json_get(step->command->data, "steps");
    bool plan = steps && steps->type == VH_JSON_ARRAY && steps->count > 0 && vh_step_failure(step).len == 0;
    viv_status status = plan ? check_plan(step, steps) : VIV_OK;
    if (status == VIV_OK) {
        status = take(step, VH_PHASE_PLAN, &done);
    }
    if (status || done || !plan) {
        return status;
    }
    struct vh_task parent = step->task;
    status = vh_step_move(step, VH_STATE_EXPANDED, VH_PHASE_IDLE, VH_STR("the task became a plan"), VH_MOVE_RELEASE);
    for (const struct vh_json *s = steps->child; s && status == VIV_OK; s = s->next) {
        status = add_child(step, &parent, s);
    }
    return status ? status : vh_step_load(step, parent.id);
}

/* safety: anything but a clear allow stops the task; zero and failure are deny. */
viv_status
vh_step_safety_report(struct vh_stepping *step)
{
    bool done = false;
    viv_status status = take(step, VH_PHASE_SAFETY, &done);
    if (status || done) {
        return status;
    }
    int64_t verdict = vh_step_failure(step).len ? VIV_VERDICT_DENY : vh_step_int(step, "verdict", VIV_VERDICT_DENY);
    struct viv_str digest = vh_step_str(step, "digest");
    if (verdict == VIV_VERDICT_ALLOW || (verdict == VIV_VERDICT_ASK && vh_step_approved(step, "safety", digest))) {
        return VIV_OK;
    }
    struct viv_str reason = vh_step_str(step, "reason");
    if (verdict == VIV_VERDICT_ASK) {
        return vh_step_ask(step, "safety", digest, reason, VH_STATE_PENDING, VH_PHASE_IDLE);
    }
    if (vh_step_failure(step).len) {
        reason = vh_step_failure_text(step);
    }
    return vh_step_fail(step, vh_step_text(step, "safety: %.*s", VH_STR_ARGS(reason.len ? reason : VH_STR("denied"))));
}

viv_status
vh_step_route_chosen(struct vh_stepping *step)
{
    bool done = false;
    viv_status status = take(step, VH_PHASE_ROUTE, &done);
    if (status || done || vh_step_str(step, "route").len) {
        return status;
    }
    struct viv_str reason = vh_step_str(step, "reason");
    return vh_step_fail(step, reason.len ? reason : VH_STR("nothing can do this task"));
}

viv_status
vh_step_base_captured(struct vh_stepping *step)
{
    bool done = false;
    viv_status status = take(step, VH_PHASE_BASE, &done);
    if (status || done || vh_step_failure(step).len == 0) {
        return status;
    }
    if (vh_str_is(vh_step_failure(step), "conflict")) {
        return vh_step_ask(step, "conflict", vh_step_str(step, "digest"), vh_step_failure_text(step), VH_STATE_PENDING,
                           VH_PHASE_IDLE);
    }
    return vh_step_fail(step, vh_step_failure_text(step));
}

/* The intent record of one effect. The kind follows from the verdict: a client cannot name a start what was denied. */
viv_status
vh_step_effect(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_IDLE);
    status = status ? status : vh_step_switched(step, true, VIV_E_CANCELLED);
    if (status) {
        return status;
    }
    if (step->task.phase == VH_PHASE_SETTLE || step->task.phase == VH_PHASE_IDLE) {
        return vh_error_set(step->err, VIV_E_STATE, "effect",
                            "task '%.*s' is %s; its work is over, no effect may start",
                            VH_STR_ARGS(step->task.id), vh_task_state_name(step->task.state));
    }
    if (vh_step_int(step, "ordinal", -1) != step->task.effects) {
        return vh_error_set(step->err, VIV_E_STATE, "effect",
                            "effect %lld of task '%.*s' is not the next, which is %lld",
                            (long long)vh_step_int(step, "ordinal", -1), VH_STR_ARGS(step->task.id),
                            (long long)step->task.effects);
    }
    int64_t verdict = vh_step_int(step, "verdict", VIV_VERDICT_DENY);
    struct viv_str digest = vh_step_str(step, "digest");
    if (verdict == VIV_VERDICT_ASK && vh_step_approved(step, "effect", digest)) {
        verdict = VIV_VERDICT_ALLOW;
    }
    if (verdict == VIV_VERDICT_ALLOW) {
        return vh_step_effect_start(step);
    }
    int64_t last = step->task.effects - 1;
    bool asks = verdict == VIV_VERDICT_ASK;
    status = vh_step_input_as(step, asks ? "effect.asked" : "effect.refused", step->command->data);
    status = status ? status : vh_step_effect_lost(step, last, VH_STEP_NOT_TOLD);
    return status || !asks ? status
                  : vh_step_ask(step, "effect", digest, vh_step_str(step, "reason"), VH_STATE_PENDING, VH_PHASE_IDLE);
}

viv_status
vh_step_effect_finished(struct vh_stepping *step)
{
    struct vh_effect_row row;
    viv_status status = vh_step_fence(step, VH_PHASE_IDLE);
    if (status) {
        return status;
    }
    status = step->state->get_effect(step->state->data, step->arena, step->task.id, step->task.round,
                                     vh_step_int(step, "ordinal", -1), &row, step->err);
    if (status && status != VIV_E_NOT_FOUND) {
        return status;
    }
    bool open = status == VIV_OK && vh_str_is(row.state, "started") && row.lease == step->task.lease;
    if (!open) {
        return vh_error_set(step->err, VIV_E_STATE, "effect", "effect %lld of task '%.*s' was not started",
                            (long long)vh_step_int(step, "ordinal", -1), VH_STR_ARGS(step->task.id));
    }
    if (!vh_str_equal(row.kind, vh_step_str(step, "effect")) ||
        !vh_str_equal(row.digest, vh_step_str(step, "digest"))) {
        return vh_error_set(step->err, VIV_E_CONFLICT, "effect",
                            "effect %lld of task '%.*s' was started as '%.*s' of '%.*s', the outcome is of another",
                            (long long)row.ordinal, VH_STR_ARGS(step->task.id), VH_STR_ARGS(row.kind),
                            VH_STR_ARGS(row.digest));
    }
    status = vh_step_input(step);
    return status || row.hold.len == 0 ? status : vh_step_effect_settle(step, &row);
}

/* executor: an error fails the attempt. skill: a miss, routed past, unless something left the workspace. */
viv_status
vh_step_execute_finished(struct vh_stepping *step)
{
    bool done = false;
    bool missed = vh_step_str(step, "missed").len > 0;
    bool outside = false;
    viv_status status = vh_step_fence(step, VH_PHASE_EXECUTE);
    if (status == VIV_OK) {
        outside = step->task.outside != 0;
        status = take(step, VH_PHASE_EXECUTE, &done);
    }
    if (status || done) {
        return status;
    }
    if (missed) {
        return outside ? vh_step_ask(step, "skill-failed-outside", vh_step_str(step, "digest"),
                                     VH_STR("a skill failed after an effect left the workspace"), VH_STATE_PENDING,
                                     VH_PHASE_IDLE)
                       : VIV_OK;
    }
    if (vh_step_failure(step).len == 0 && vh_step_int(step, "done", 0)) {
        return VIV_OK;
    }
    struct viv_str text = vh_step_failure(step).len ? vh_step_failure_text(step) : vh_step_str(step, "reason");
    struct vh_json *reasons = vh_json_array(step->arena);
    vh_json_push(reasons, vh_json_string(step->arena, text.len ? text : VH_STR("the work was not completed")));
    return vh_step_reject(step, reasons);
}

/* The verdict over the changed paths comes with the freeze: a critical surface waits for a person. */
viv_status
vh_step_change_frozen(struct vh_stepping *step)
{
    bool done = false;
    viv_status status = take(step, VH_PHASE_FREEZE, &done);
    if (status || done) {
        return status;
    }
    struct vh_json *reasons = vh_json_array(step->arena);
    if (vh_step_failure(step).len) {
        vh_json_push(reasons, vh_json_string(step->arena, vh_step_failure_text(step)));
        return vh_step_reject(step, reasons);
    }
    int64_t verdict = vh_step_int(step, "verdict", VIV_VERDICT_DENY);
    struct viv_str reason = vh_step_str(step, "reason");
    if (step->task.tree.len == 0) {
        verdict = VIV_VERDICT_DENY;
        reason = VH_STR("the frozen result names no tree");
    }
    if (verdict != VIV_VERDICT_ALLOW && verdict != VIV_VERDICT_ASK) {
        vh_json_push(reasons, vh_json_string(step->arena, reason.len ? reason : VH_STR("the change is denied")));
        return vh_step_reject(step, reasons);
    }
    status = vh_step_enter_gates(step, VH_STATE_NEEDS_QA);
    if (status || verdict == VIV_VERDICT_ALLOW || vh_step_approved(step, "critical-surface", step->task.tree)) {
        return status;
    }
    return vh_step_ask(step, "critical-surface", step->task.tree, reason, (enum vh_state)step->task.state,
                       (enum vh_phase)step->task.phase);
}
