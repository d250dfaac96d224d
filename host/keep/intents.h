/* SPDX-License-Identifier: Apache-2.0 */
/* Effects that were announced and have no outcome, as the events of a log come by. */
#ifndef VH_INTENTS_H
#define VH_INTENTS_H

#include "keep/verify.h"

#define VH_INTENTS_MAX 512 /* that are open at once; the oldest of more counts as one that stays open */

struct vh_intents {
    struct vh_unmatched open[VH_INTENTS_MAX]; /* oldest first */
    size_t count;
    struct vh_verify_result *result; /* its `unmatched` and `first` are filled */
};

/* Whether an event of this kind says anything here. */
bool vh_intents_want(struct viv_str kind);
void vh_intents_add(struct vh_intents *intents, const struct vh_event *event);
/* What is open now stays open, but for what the lease of a running host still holds: `live` NULL for none. */
viv_status vh_intents_end(struct vh_intents *intents, const struct vh_state_ops *live, struct viv_error *err);

#endif
