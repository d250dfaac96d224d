/* SPDX-License-Identifier: Apache-2.0 */
/* Calls into plugins in a process of their own: a runner of the pool, one call, the runner given back. Whatever it does
 * costs the call and the runner. Skills (skill.c) and gates nobody answers for (ask_result.c) are called so. Read next:
 * runner.h. */
#ifndef VH_OUTSIDE_H
#define VH_OUTSIDE_H

#include "run/run.h"

struct vh_outside_call {
    const struct vh_runner_plan *plan;
    const char *key; /* of runners it may share */
    uint32_t depth;
    int64_t limit_ns;           /* of the plugin's own time; 0: 60 s */
    struct vh_runner_call wire; /* without deadline and descriptor */
};

/* VIV_OK: it answered, within bounds. Else as vh_pool_take and vh_runner_call say, or what the method returned;
 * ret_result->failure is VH_RUNNER_LOST or VH_RUNNER_CANCELLED when that is not the plugin's doing. */
viv_status vh_outside_call(struct vh_run *run, struct vh_arena *arena, const struct vh_outside_call *call,
                           void *ret_answer, struct vh_runner_result *ret_result, struct viv_error *err);

/* A service for `wire`: its effects go through the door. `data` is a struct vh_effect_origin with the manifest. */
viv_status vh_outside_effect(void *data, const struct viv_effect_request *request,
                             struct viv_effect_outcome *ret_outcome, struct vh_arena *arena, struct viv_error *err);

#endif
