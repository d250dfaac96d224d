/* SPDX-License-Identifier: Apache-2.0 */
/* What the core wants to know next about a task that a worker holds: an opinion of a plugin or the outcome of an
 * effect.
 * A function of the state alone, so replay asks the same. run/pipeline.c has one handler per value of `what`. */
#ifndef VH_ASK_H
#define VH_ASK_H

#include "core/state.h"

struct vh_ask {
    enum vh_phase what;  /* IDLE: nothing, the worker lets go */
    struct viv_str gate; /* id of the gate that is asked, for the three gate phases */
    struct viv_str tree; /* the tree a gate, the critic or the publication is about */
    struct vh_task task;
};

viv_status vh_ask_next(const struct vh_state_ops *state, struct vh_arena *arena, struct viv_str task_id,
                       struct vh_ask *ret_ask, struct viv_error *err);

#endif
