/* SPDX-License-Identifier: Apache-2.0 */
/* A long life by seed, and what must hold after each of its commands (durable execution's invariants I4, I5, I6, I8,
 * I9, I11, I12). The commands are made by tests/unit/core/test_sequences.c. */
#ifndef SUPPORT_SEQUENCE_H
#define SUPPORT_SEQUENCE_H

#include "life.h"
#include <viv/limits.h>

#define SIGHTS (1u << 14)

struct sequence {
    struct life life;
    uint64_t random;
    uint64_t seed;
    int submitted;
    int command;
    int64_t accepted;
    /* what was last seen of each task */
    struct sight {
        char id[VIV_ID_MAX + 1];
        int64_t state;
        int64_t attempt;
        int64_t lease;
    } sights[SIGHTS];
    /* the log */
    struct vh_arena *arena;
    struct vh_arena *scratch; /* of one command and its checks */
    struct viv_str *lines;
    size_t count;
};

/* Moves of the lines since `from_line`, the tasks they name, and the accounts. Fails the test with the seed, the last
 * events and the task's row. */
void sequence_check_touched(struct sequence *run, size_t from_line);
/* Every task there is. */
void sequence_check_all(struct sequence *run);

#endif
