/* SPDX-License-Identifier: Apache-2.0 */
/* The door as one run sees it: every effect goes through here, is counted, and what was refused is sorted into what the
 * model may be told and what ends the run. Read next: tools.h. */
#ifndef EXECUTOR_MODEL_DOOR_H
#define EXECUTOR_MODEL_DOOR_H

#include <viv/viv.h>

/* Outcomes lie in the call's memory until it ends; a quarter stays free for the last ones and the result. */
#define DOOR_BYTES_MAX (VIV_CALL_ARENA_MAX / 4 * 3)

struct door {
    const struct viv_effects *effects;
    struct viv_call *call;
    uint64_t bytes;      /* of the call's memory, taken by outcomes */
    uint32_t denied;     /* effects the door denied in this run */
    uint32_t reserved;
    char rule[464];      /* what the last denial said */
};

/* One effect; `kind` VIV_EFFECT_MODEL is not counted as denied. VIV_E_CANCELLED when the work should stop. */
viv_status door_pass(struct door *door, const struct viv_effect_request *request,
                     struct viv_effect_outcome *ret_outcome, struct viv_error *err);

/* Whether the model may be told of this failure and try something else. Any other ends the run: a person must decide,
 * time or memory is out, the host cannot record. */
uint32_t door_tells(viv_status status);

#endif
