/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of every event, whatever the handlers of step*.c think: the cheap ones of the
 * invariants that docs/durability.md numbers. One that is broken is a mistake of this program, not
 * of whoever sent the command: the step fails with VIV_E_INTERNAL, nothing of the command is kept,
 * and the sequencer admits no further work. Told from the row before, the event and the row after,
 * so that a mistake in a handler does not repeat itself here. */
#ifndef VH_INVARIANT_H
#define VH_INVARIANT_H

#include "core/event.h"
#include "core/state.h"

/* One event about a task that existed before: `before` and `after` are its row around the fold. */
struct vh_invariant {
    const struct vh_state_ops *state; /* after the fold */
    struct vh_arena *arena;
    const struct vh_task *before;
    const struct vh_event *event;
    const struct vh_task *after;
    struct viv_error *err;
};

viv_status vh_invariant_event(const struct vh_invariant *now);

/* Before an event about an effect is folded: its identity is new, or is that of one that was started. */
viv_status vh_invariant_effect(const struct vh_invariant *now);

/* The last row of a command: somebody will move it. Those that wait for other tasks are looked at
 * in tests only. */
viv_status vh_invariant_rest(const struct vh_task *task, struct viv_error *err);

#endif
