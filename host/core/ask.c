/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include "base/error.h"
#include "base/str.h"

static const struct vh_json *
stage_gates(const struct vh_json *policy, int64_t state)
{
    return vh_json_get(vh_json_get(policy, "gates"), vh_task_state_name(state));
}

enum vh_phase
vh_ask_phase(const struct vh_task *task, const struct vh_json *policy)
{
    if (task->phase != VH_PHASE_GATE_E2E) {
        return (enum vh_phase)task->phase;
    }
    const struct vh_json *gates = stage_gates(policy, VH_STATE_E2E);
    if (task->gate_index < (gates ? (int64_t)gates->count : 0)) {
        return VH_PHASE_GATE_E2E;
    }
    const struct vh_json *critics = vh_json_get(policy, "critics");
    return critics && critics->count ? VH_PHASE_REVIEW : VH_PHASE_PUBLISH;
}

viv_status
vh_ask_next(const struct vh_state_ops *state, struct vh_arena *arena, struct viv_str task_id, struct vh_ask *ret_ask,
            struct viv_error *err)
{
    struct vh_ask ask = { .what = VH_PHASE_IDLE };
    struct viv_str text = { NULL, 0 };
    struct vh_json *policy = NULL;
    viv_status status = state->get_task(state->data, arena, task_id, &ask.task, err);
    if (status == VIV_OK) {
        status = state->get_fact(state->data, arena, "policy", &text, err);
    }
    if (status == VIV_OK && text.len) {
        status = vh_json_read(arena, text, &policy, err);
    }
    if (status) {
        return status;
    }
    if (ask.task.leased) {
        ask.what = vh_ask_phase(&ask.task, policy);
    }
    bool before_merge = ask.what == VH_PHASE_GATE_QA;
    ask.tree = before_merge ? ask.task.tree : ask.task.merged_tree;
    if (ask.what == VH_PHASE_GATE_QA || ask.what == VH_PHASE_GATE_INTEGRATION || ask.what == VH_PHASE_GATE_E2E) {
        const struct vh_json *gates = stage_gates(policy, ask.task.state);
        const struct vh_json *gate = gates ? gates->child : NULL;
        for (int64_t i = 0; gate && i < ask.task.gate_index; i++) {
            gate = gate->next;
        }
        if (!gate) {
            return vh_error_set(err, VIV_E_STATE, "core", "task '%.*s' waits for a gate that is not bound any more",
                                VH_STR_ARGS(task_id));
        }
        ask.gate = gate->text;
    }
    *ret_ask = ask;
    return VIV_OK;
}
