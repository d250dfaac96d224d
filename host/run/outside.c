/* SPDX-License-Identifier: Apache-2.0 */
#include "outside.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "run/effect.h"

#define OWN_NS INT64_C(60000000000)

/* Whether a start that failed was the plugin's doing: one that is not ready in time is. */
static enum vh_runner_failure
start_failure(viv_status status)
{
    bool ours = status != VIV_E_TIMEOUT && strcmp(vh_run_class(status), "infrastructure") == 0;
    return ours ? VH_RUNNER_LOST : VH_RUNNER_REFUSED;
}

viv_status
vh_outside_call(struct vh_run *run, struct vh_arena *arena, const struct vh_outside_call *call, void *ret_answer,
                struct vh_runner_result *ret_result, struct viv_error *err)
{
    struct vh_runner *runner = NULL;
    struct vh_runner_call wire = call->wire;
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_pool_take(run->pool, call->plan, call->key, call->depth, wire.now_us, &runner, &fault);
    if (status) {
        *ret_result = (struct vh_runner_result){ .failure = start_failure(status) };
        return vh_error_set(err, status, fault.where, "%s", fault.text);
    }
    wire.cancel_fd = -1;
    wire.deadline_ns = run->seam->monotonic_ns(run->seam->data) + (call->limit_ns ? call->limit_ns : OWN_NS);
    status = vh_runner_call(runner, &wire, ret_answer, ret_result, arena, &fault);
    if (status == VIV_OK && ret_result->plugin_status) {
        status = vh_error_set(&fault, ret_result->plugin_status, "plugin", "plugin '%s': %s", call->plan->id,
                              ret_result->plugin_error.text);
    }
    if (vh_pool_give(run->pool, runner, ret_result->failure, status ? fault.text : "", wire.now_us)) {
        vh_log(VH_LOG_WARNING, "plugin", "'%s' is in quarantine: %s", call->plan->id, fault.text);
    }
    return status ? vh_error_set(err, status, fault.where, "%s", fault.text) : VIV_OK;
}

viv_status
vh_outside_effect(void *data, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
                  struct vh_arena *arena, struct viv_error *err)
{
    return vh_effect_perform(data, arena, request, ret_outcome, err);
}
