/* SPDX-License-Identifier: Apache-2.0 */
/* What people say: cancel, retry, approve, refuse, answer, roll back. */
#include "step_inside.h"

static viv_status
load(struct vh_stepping *step)
{
    return vh_step_load(step, step->command->task);
}

static viv_status
wrong_state(struct vh_stepping *step, const char *verb, const char *allowed)
{
    return vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' is %s and cannot be %s, allowed: %s",
                        VH_STR_ARGS(step->task.id), vh_task_state_name(step->task.state), verb, allowed);
}

static viv_status
still_settling(struct vh_stepping *step)
{
    return vh_error_set(step->err, VIV_E_BUSY, "task", "task '%.*s' is still being settled; try again",
                        VH_STR_ARGS(step->task.id));
}

viv_status
vh_step_cancel_requested(struct vh_stepping *step)
{
    viv_status status = load(step);
    if (status) {
        return status;
    }
    if (!vh_moves_allowed(step->task.state, VH_STATE_CANCELLED)) {
        return wrong_state(step, "cancelled", "any task that has not ended");
    }
    if (vh_step_publishing(step)) {
        bool asked = step->task.state == VH_STATE_AWAITING;
        return vh_error_set(step->err, VIV_E_BUSY, "task",
                            "task '%.*s' is %s and cannot be cancelled now; %sroll it back when it is ready",
                            VH_STR_ARGS(step->task.id), asked ? "perhaps published" : "being published",
                            asked ? "approve it to have that looked at, and " : "");
    }
    status = vh_step_input(step);
    return status ? status : vh_step_finish(step, VH_STATE_CANCELLED, VH_STR("cancelled by a person"), 0);
}

/* Where a retried task goes: it waits for dependencies that are on their way, and is refused behind one that ended. */
static viv_status
retry_to(struct vh_stepping *step, enum vh_state *ret_to)
{
    struct vh_ids ids = { 0 };
    viv_status status =
        step->state->dependencies(step->state->data, step->arena, step->task.id, &ids, step->err);
    *ret_to = VH_STATE_PENDING;
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        struct vh_task other;
        status = step->state->get_task(step->state->data, step->arena, ids.id[i], &other, step->err);
        if (status == VIV_OK && vh_task_ended(&other) && other.state != VH_STATE_READY) {
            return vh_error_set(step->err, VIV_E_STATE, "task",
                                "task '%.*s' depends on '%.*s', which is %s; retry that first",
                                VH_STR_ARGS(step->task.id), VH_STR_ARGS(other.id), vh_task_state_name(other.state));
        }
        if (status == VIV_OK && other.state != VH_STATE_READY) {
            *ret_to = VH_STATE_BLOCKED;
        }
    }
    return status;
}

/* A step of the plan that was being published when the plan ended goes on by itself; were the plan made again
 * meanwhile, the step would count for it. */
static viv_status
check_children(struct vh_stepping *step)
{
    struct vh_ids ids = { 0 };
    viv_status status = step->state->children(step->state->data, step->arena, step->task.id, &ids, step->err);
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        struct vh_task child;
        status = step->state->get_task(step->state->data, step->arena, ids.id[i], &child, step->err);
        if (status == VIV_OK && !vh_task_ended(&child)) {
            return vh_error_set(step->err, VIV_E_BUSY, "task", "task '%.*s' waits for its step '%.*s', which is %s; "
                                                               "try again",
                                VH_STR_ARGS(step->task.id), VH_STR_ARGS(child.id), vh_task_state_name(child.state));
        }
    }
    return status;
}

viv_status
vh_step_retry_requested(struct vh_stepping *step)
{
    viv_status status = load(step);
    if (status) {
        return status;
    }
    if (!vh_moves_allowed(step->task.state, VH_STATE_PENDING) ||
        (step->task.state != VH_STATE_FAILED && step->task.state != VH_STATE_CANCELLED)) {
        return wrong_state(step, "retried", "failed, cancelled");
    }
    if (vh_step_settling(step)) {
        return still_settling(step);
    }
    if (step->task.parent.len) {
        return vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' is a step of plan '%.*s'; retry that",
                            VH_STR_ARGS(step->task.id), VH_STR_ARGS(step->task.parent));
    }
    enum vh_state to = VH_STATE_PENDING;
    status = check_children(step);
    status = status ? status : retry_to(step, &to);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    return status ? status : vh_step_move(step, to, VH_PHASE_IDLE, VH_STR("retried by a person"), VH_MOVE_AGAIN);
}

/* Bound to what the person saw: another digest means the question has changed since. */
static viv_status
check_question(struct vh_stepping *step)
{
    viv_status status = load(step);
    if (status) {
        return status;
    }
    if (step->task.state != VH_STATE_AWAITING) {
        return wrong_state(step, "decided", "awaiting_approval");
    }
    if (vh_step_settling(step)) {
        return still_settling(step);
    }
    struct viv_str seen = vh_step_str(step, "digest");
    if (!vh_str_equal(seen, step->task.awaiting_digest)) {
        return vh_error_set(step->err, VIV_E_CONFLICT, "task",
                            "the question of task '%.*s' has changed to '%.*s'; look again with 'vivhost inbox'",
                            VH_STR_ARGS(step->task.id), VH_STR_ARGS(step->task.awaiting_digest));
    }
    return VIV_OK;
}

viv_status
vh_step_approval_given(struct vh_stepping *step)
{
    viv_status status = check_question(step);
    if (status) {
        return status;
    }
    struct viv_str why = step->task.awaiting;
    enum vh_state to = (enum vh_state)step->task.resume_state;
    enum vh_phase phase = (enum vh_phase)step->task.resume_phase;
    if (vh_str_is(why, "unclear")) {
        return vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' waits for answers: vivhost task answer "
                                                    "%.*s ...",
                            VH_STR_ARGS(step->task.id), VH_STR_ARGS(step->task.id));
    }
    bool gate = vh_str_is(why, "gate-inconclusive");
    int64_t index = step->task.gate_index;
    status = vh_step_input(step);
    if (status == VIV_OK) {
        status = vh_step_move(step, to, phase, VH_STR("approved by a person"), 0);
    }
    if (status || !gate) {
        return status;
    }
    struct viv_str name = vh_step_gate_at(step, index);
    return name.len ? vh_step_gate_passed(step, name, "person") : VIV_OK;
}

viv_status
vh_step_approval_refused(struct vh_stepping *step)
{
    viv_status status = check_question(step);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    struct viv_str note = vh_step_str(step, "note");
    return status ? status
                  : vh_step_fail(step, vh_step_text(step, "rejected by a person%s%.*s", note.len ? ": " : "",
                                                    VH_STR_ARGS(note)));
}

viv_status
vh_step_answer_given(struct vh_stepping *step)
{
    viv_status status = load(step);
    if (status) {
        return status;
    }
    if (step->task.state != VH_STATE_AWAITING || !vh_str_is(step->task.awaiting, "unclear")) {
        return wrong_state(step, "answered", "awaiting_approval with open questions");
    }
    if (vh_step_settling(step)) {
        return still_settling(step);
    }
    status = vh_step_input(step);
    return status ? status : vh_step_move(step, VH_STATE_PENDING, VH_PHASE_IDLE, VH_STR("answered by a person"), 0);
}

viv_status
vh_step_rollback_requested(struct vh_stepping *step)
{
    viv_status status = load(step);
    if (status) {
        return status;
    }
    if (step->task.state == VH_STATE_READY && step->task.phase == VH_PHASE_ROLLBACK) {
        return vh_error_set(step->err, VIV_E_BUSY, "task", "task '%.*s' is being rolled back already",
                            VH_STR_ARGS(step->task.id));
    }
    if (step->task.state == VH_STATE_READY && step->task.phase != VH_PHASE_IDLE) {
        return still_settling(step);
    }
    if (step->task.state != VH_STATE_READY) {
        return wrong_state(step, "rolled back", "ready");
    }
    return vh_step_input(step);
}

/* Refused rollbacks leave the task ready; the event says why. */
/* It may have been done before the answer was lost: tried again it finds out. After too many tries a person asks. */
static viv_status
rollback_again(struct vh_stepping *step)
{
    if (step->task.recoveries >= VIV_RECOVERIES_MAX) {
        return VIV_OK;
    }
    viv_status status = vh_step_delay(step, vh_step_failure_text(step));
    struct vh_json *data = vh_step_object(step);
    vh_json_set_text(step->arena, data, "phase", vh_task_phase_name(VH_PHASE_ROLLBACK));
    return status ? status : vh_step_emit(step, "task.phase", step->task.id, data);
}

viv_status
vh_step_rollback_finished(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_ROLLBACK);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status == VIV_OK && vh_str_is(vh_step_failure(step), "infrastructure")) {
        return rollback_again(step);
    }
    if (status || vh_step_failure(step).len) {
        return status;
    }
    /* Tasks that still wait, for this and for others, would wait for ever. */
    return vh_step_finish(step, VH_STATE_ROLLED_BACK, VH_STR("rolled back by a person"), 0);
}
