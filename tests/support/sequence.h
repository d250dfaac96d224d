/* SPDX-License-Identifier: Apache-2.0 */
/* A long life by seed. The commands are made by tests/unit/core/test_sequences.c; life.c looks at every invariant after
 * each event. */
#ifndef SUPPORT_SEQUENCE_H
#define SUPPORT_SEQUENCE_H

#include "life.h"

struct sequence {
    struct life life;
    uint64_t random;
    uint64_t seed;
    int submitted;
    int command;
    int64_t accepted;
    /* the log */
    struct vh_arena *arena;
    struct vh_arena *scratch; /* of one command */
    struct viv_str *lines;
    size_t count;
};

/* What `life.broken` of a sequence is to be: fails the test with the seed and the last events. `data` is the
 * sequence. */
void sequence_broken(void *data, const char *text);

#endif
