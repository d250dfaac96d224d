/* SPDX-License-Identifier: Apache-2.0 */
/* Words that say a text is not finished. Whole words only: "todos" and "mastodon" are none. Read
 * next: leftovers.c. */
#ifndef CRITIC_RUBRIC_LEFTOVERS_H
#define CRITIC_RUBRIC_LEFTOVERS_H

#include <viv/viv.h>

struct leftover {
    struct viv_str word;
    int64_t line; /* from 1, in the text given */
};

/* The next leftover at or after byte `*at`, which moves behind it; 0 when there is none. */
uint32_t leftovers_next(struct viv_str text, uint64_t *at, int64_t *line,
                        struct leftover *ret_leftover);

#endif
