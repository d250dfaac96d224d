/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of moves. A task leaves a state only along one of these edges; what is not here cannot happen. */
#ifndef VH_MOVES_H
#define VH_MOVES_H

#include "core/task.h"

struct vh_move {
    enum vh_state from;
    enum vh_state to;
    const char *why; /* for people and for docs/reference/states.md */
};

extern const struct vh_move vh_moves[];
extern const size_t vh_moves_count;

bool vh_moves_allowed(int64_t from, int64_t to);

#endif
