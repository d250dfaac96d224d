/* SPDX-License-Identifier: Apache-2.0 */
/* event -> state. The only function that changes a projection: the live host calls it in the transaction that appends
 * the event, `log rebuild` calls it over the log, replay calls it on arrays. It decides nothing. */
#ifndef VH_FOLD_H
#define VH_FOLD_H

#include "core/event.h"
#include "core/state.h"

/* VIV_E_CORRUPT when the event cannot follow the state that is there. `arena` is scratch. */
viv_status vh_fold(const struct vh_state_ops *state, struct vh_arena *arena, const struct vh_event *event,
                   struct viv_error *err);
/* The same with rows of tasks taken from elsewhere: see cache.h. */
viv_status vh_fold_through(const struct vh_state_ops *state, const struct vh_state_ops *tasks, struct vh_arena *arena,
                           const struct vh_event *event, struct viv_error *err);

#endif
