/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include "base/error.h"
#include "base/str.h"

viv_status
vh_ask_next(const struct vh_state_ops *state, struct vh_arena *arena, struct viv_str task_id, struct vh_ask *ret_ask,
            struct viv_error *err)
{
    struct vh_ask ask = { .what = VH_PHASE_IDLE };
    struct vh_json *gates = NULL;
    viv_status status = state->get_task(state->data, arena, task_id, &ask.task, err);
    if (status == VIV_OK && ask.task.stage_gates.len) {
        status = vh_json_read(arena, ask.task.stage_gates, &gates, err);
    }
    if (status) {
        return status;
    }
    if (ask.task.leased) {
        bool follow = ask.task.phase == VH_PHASE_IDLE && ask.task.following && vh_task_ended(&ask.task);
        ask.what = follow ? VH_PHASE_FOLLOW : (enum vh_phase)ask.task.phase;
    }
    bool before_merge = ask.what == VH_PHASE_GATE_QA;
    ask.tree = before_merge ? ask.task.tree : ask.task.merged_tree;
    if (ask.what == VH_PHASE_GATE_QA || ask.what == VH_PHASE_GATE_INTEGRATION || ask.what == VH_PHASE_GATE_E2E) {
        const struct vh_json *gate = gates ? gates->child : NULL;
        for (int64_t i = 0; gate && i < ask.task.gate_index; i++) {
            gate = gate->next;
        }
        if (!gate) {
            return vh_error_set(err, VIV_E_STATE, "core", "task '%.*s' waits for a gate and none is bound",
                                VH_STR_ARGS(task_id));
        }
        ask.gate = gate->text;
    }
    *ret_ask = ask;
    return VIV_OK;
}
