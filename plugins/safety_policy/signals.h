/* SPDX-License-Identifier: Apache-2.0 */
/* What a text asks for, as far as phrases show. A signal never denies, never grants and is never an
 * exemption: it raises the task to a person, because what a task can do is decided by its
 * capability set, not by its words. */
#ifndef SAFETY_POLICY_SIGNALS_H
#define SAFETY_POLICY_SIGNALS_H

#include <viv/viv.h>

enum signal_family {
    SIGNAL_CONSTITUTION,
    SIGNAL_WORKSPACE,
    SIGNAL_NETWORK,
    SIGNAL_PROMPT,
    SIGNAL_DESTRUCTIVE,
    SIGNAL_FAMILIES
};

#define SIGNALS_MAX 16
#define SIGNALS_TALKS "asks to talk to the network" /* one reason of SIGNAL_NETWORK */

struct signal_hit {
    enum signal_family family;
    uint32_t reserved;
    const char *reason;
    char phrase[80]; /* as it reads after folding */
};

/* Search one text; gives the number of hits, at most SIGNALS_MAX. VIV_E_MEMORY alone can fail. */
viv_status signals_find(struct viv_call *call, struct viv_str text, struct signal_hit *ret_hits,
                        uint32_t *ret_count);

/* "content.constitution" and so on. */
const char *signals_id(enum signal_family family);

#endif
