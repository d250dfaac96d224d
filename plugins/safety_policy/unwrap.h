/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that run their arguments: what do they run. Judging `env nice curl` must judge curl. */
#ifndef SAFETY_POLICY_UNWRAP_H
#define SAFETY_POLICY_UNWRAP_H

#include "rules.h"

#define UNWRAP_MAX 16

enum unwrap_kind {
    UNWRAP_WORDS,  /* `from` to `to` is a command of its own */
    UNWRAP_TEXT,   /* `text` is for a shell */
    UNWRAP_STDIN,  /* it runs what it reads */
    UNWRAP_UNREAD, /* it runs something that cannot be told from its words */
    UNWRAP_FILE,   /* `text` is a file it writes */
};

struct unwrapped {
    enum unwrap_kind kind;
    uint32_t from;
    uint32_t to;
    uint32_t reserved;
    struct viv_str text;
};

/* What the program runs; gives the number, 0 for one that runs nothing of its arguments. */
uint32_t unwrap_find(const struct argv *argv, struct unwrapped *ret_list);

#endif
