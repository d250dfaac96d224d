/* SPDX-License-Identifier: Apache-2.0 */
/* Stages after the freeze: needs_qa, integration, e2e, review, publish. Every bound gate must answer, for the very tree
 * the stage is about; a stage without gates is passed through and its move says "not configured". */
#include "step_inside.h"

#define CRITIC_THRESHOLD_PERMILLE 500 /* when the policy names none */

/* The gates bound to the present stage; NULL when there are none. */
static const struct vh_json *
bound_gates(struct vh_stepping *step)
{
    struct vh_json *gates = NULL;
    viv_status status = step->task.stage_gates.len
                            ? vh_json_read(step->arena, step->task.stage_gates, &gates, NULL)
                            : VIV_OK;
    step->broken = step->broken ? step->broken : status;
    return gates && gates->count ? gates : NULL;
}

struct viv_str
vh_step_gate_at(struct vh_stepping *step, int64_t index)
{
    const struct vh_json *gates = bound_gates(step);
    const struct vh_json *bound = gates ? gates->child : NULL;
    for (int64_t i = 0; bound && i < index; i++) {
        bound = bound->next;
    }
    return bound ? bound->text : (struct viv_str){ NULL, 0 };
}

static enum vh_phase
gate_phase(int64_t state)
{
    return state == VH_STATE_NEEDS_QA ? VH_PHASE_GATE_QA
           : state == VH_STATE_INTEGRATION ? VH_PHASE_GATE_INTEGRATION
                                           : VH_PHASE_GATE_E2E;
}

/* The tree a stage's gates must have seen. */
static struct viv_str
stage_tree(const struct vh_task *task)
{
    return task->state == VH_STATE_NEEDS_QA ? task->tree : task->merged_tree;
}

static enum vh_phase
after_e2e(struct vh_stepping *step)
{
    const struct vh_json *critics = vh_json_get(vh_step_policy(step), "critics");
    return critics && critics->count ? VH_PHASE_REVIEW : VH_PHASE_PUBLISH;
}

/* Move into a stage. Integration begins with the merge; its gates follow. */
viv_status
vh_step_enter_gates(struct vh_stepping *step, enum vh_state state)
{
    const struct vh_json *gates = vh_json_get(vh_json_get(vh_step_policy(step), "gates"), vh_task_state_name(state));
    bool some = gates && gates->count > 0;
    struct viv_str reason = some ? (struct viv_str){ NULL, 0 } : VH_STR("not configured: no gate is bound here");
    enum vh_phase phase = state == VH_STATE_INTEGRATION ? VH_PHASE_INTEGRATE : gate_phase(state);
    if (!some && state == VH_STATE_E2E) {
        phase = after_e2e(step);
    }
    viv_status status = vh_step_move(step, state, phase, reason, 0);
    if (status || some || state != VH_STATE_NEEDS_QA) {
        return status;
    }
    return vh_step_enter_gates(step, VH_STATE_INTEGRATION);
}

/* All gates of the present stage have answered well. */
static viv_status
leave_stage(struct vh_stepping *step)
{
    if (step->task.state == VH_STATE_NEEDS_QA) {
        return vh_step_enter_gates(step, VH_STATE_INTEGRATION);
    }
    if (step->task.state == VH_STATE_INTEGRATION) {
        return vh_step_enter_gates(step, VH_STATE_E2E);
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_text(step->arena, data, "phase", vh_task_phase_name(after_e2e(step)));
    return vh_step_emit(step, "task.phase", step->task.id, data);
}

viv_status
vh_step_gate_passed(struct vh_stepping *step, struct viv_str gate, const char *by)
{
    const struct vh_json *gates = bound_gates(step);
    struct vh_json *data = vh_step_object(step);
    vh_json_set_text(step->arena, data, "by", by);
    vh_json_set_str(step->arena, data, "gate", gate);
    vh_json_set_text(step->arena, data, "stage", vh_task_state_name(step->task.state));
    vh_json_set_str(step->arena, data, "tree", stage_tree(&step->task));
    viv_status status = vh_step_emit(step, "gate.passed", step->task.id, data);
    if (status || (gates && step->task.gate_index < (int64_t)gates->count)) {
        return status;
    }
    return leave_stage(step);
}

static viv_status
gate_failed(struct vh_stepping *step, struct viv_str gate, const char *how, const struct vh_json *findings)
{
    struct vh_json *data = vh_step_object(step);
    vh_json_set_str(step->arena, data, "gate", gate);
    vh_json_set_text(step->arena, data, "how", how);
    vh_json_set_text(step->arena, data, "stage", vh_task_state_name(step->task.state));
    viv_status status = vh_step_emit(step, "gate.failed", step->task.id, data);
    if (status) {
        return status;
    }
    if (strcmp(how, "inconclusive") == 0) {
        return vh_step_ask(step, "gate-inconclusive", stage_tree(&step->task), vh_step_failure_text(step),
                           (enum vh_state)step->task.state, (enum vh_phase)step->task.phase);
    }
    struct vh_json *none = vh_json_array(step->arena);
    return vh_step_reject(step, findings ? findings : none);
}

viv_status
vh_step_gate_answered(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_IDLE);
    if (status) {
        return status;
    }
    struct vh_task *task = &step->task;
    struct viv_str bound = vh_step_gate_at(step, task->gate_index);
    struct viv_str gate = vh_step_str(step, "gate");
    if (task->phase != (int64_t)gate_phase(task->state) || bound.len == 0 || !vh_str_equal(bound, gate)) {
        return vh_error_set(step->err, VIV_E_STATE, "gate", "task '%.*s' does not wait for gate '%.*s'",
                            VH_STR_ARGS(task->id), VH_STR_ARGS(gate));
    }
    status = vh_step_input(step);
    if (status) {
        return status;
    }
    if (vh_str_is(vh_step_failure(step), "infrastructure")) {
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    struct viv_str outcome = vh_step_failure(step).len ? VH_STR("inconclusive") : vh_step_str(step, "outcome");
    if (!vh_str_equal(vh_step_str(step, "tree"), stage_tree(task))) {
        outcome = VH_STR("inconclusive");
    }
    if (vh_str_is(outcome, "passed") || vh_str_is(outcome, "not_configured")) {
        return vh_step_gate_passed(step, gate, vh_str_is(outcome, "passed") ? "gate" : "not configured");
    }
    bool failed = vh_str_is(outcome, "failed");
    return gate_failed(step, gate, failed ? "failed" : "inconclusive",
                       vh_json_get(step->command->data, "findings"));
}

viv_status
vh_step_integration_made(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_INTEGRATE);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status) {
        return status;
    }
    struct viv_str failure = vh_step_failure(step);
    if (vh_str_is(failure, "infrastructure")) {
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    if (failure.len || step->task.merged_tree.len == 0) {
        struct viv_str text = failure.len ? vh_step_failure_text(step) : VH_STR("the merge names no tree");
        return vh_step_ask(step, "conflict", vh_step_str(step, "digest"), text, VH_STATE_INTEGRATION,
                           VH_PHASE_INTEGRATE);
    }
    return bound_gates(step) ? VIV_OK : leave_stage(step);
}

/* critic: a failure or a score out of range abstains; without a score a person decides. */
viv_status
vh_step_review_made(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_REVIEW);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status) {
        return status;
    }
    struct viv_str failure = vh_step_failure(step);
    if (vh_str_is(failure, "infrastructure")) {
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    int64_t score = vh_step_int(step, "score_permille", -1);
    if (failure.len || score < 0 || score > 1000) {
        struct viv_str text = failure.len ? vh_step_failure_text(step) : VH_STR("the score is not within 0 to 1000");
        return vh_step_ask(step, "critic-abstained", step->task.merged_tree, text, VH_STATE_E2E, VH_PHASE_PUBLISH);
    }
    int64_t threshold = vh_json_int(vh_step_policy(step), "critic_threshold_permille", CRITIC_THRESHOLD_PERMILLE);
    if (score >= threshold) {
        bool ask = vh_step_int(step, "ask_result", 0) && !vh_step_approved(step, "result", step->task.merged_tree);
        return ask ? vh_step_ask(step, "result", step->task.merged_tree,
                                 VH_STR("a person reads this result before it is published"), VH_STATE_E2E,
                                 VH_PHASE_PUBLISH)
                   : VIV_OK;
    }
    const struct vh_json *findings = vh_json_get(step->command->data, "findings");
    struct vh_json *none = vh_json_array(step->arena);
    return vh_step_reject(step, findings ? findings : none);
}

/* ready, or: the line moved (integrate again), a person edited the same file (conflict). */
viv_status
vh_step_publish_finished(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_PUBLISH);
    struct viv_str published = vh_step_str(step, "published");
    if (status == VIV_OK && published.len && !vh_str_equal(published, step->task.merged_commit)) {
        return vh_error_set(step->err, VIV_E_CONFLICT, "publish",
                            "task '%.*s' is to publish '%.*s', which its gates passed, not '%.*s'",
                            VH_STR_ARGS(step->task.id), VH_STR_ARGS(step->task.merged_commit), VH_STR_ARGS(published));
    }
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status) {
        return status;
    }
    struct viv_str failure = vh_step_failure(step);
    if (vh_str_is(failure, "moved")) {
        return vh_step_enter_gates(step, VH_STATE_INTEGRATION);
    }
    if (vh_str_is(failure, "infrastructure")) {
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    if (failure.len) {
        return vh_step_ask(step, "conflict", vh_step_str(step, "digest"), vh_step_failure_text(step), VH_STATE_E2E,
                           VH_PHASE_PUBLISH);
    }
    return vh_step_finish(step, VH_STATE_READY, (struct viv_str){ NULL, 0 }, 0);
}
