/* SPDX-License-Identifier: Apache-2.0 */
/* What a path is, before any policy: outside, internal, secret, or a critical surface. The host has
 * normalised it already; here it is looked at again, because a second reader that agrees is worth
 * more than one that is trusted. */
#ifndef SAFETY_POLICY_PATHS_H
#define SAFETY_POLICY_PATHS_H

#include <viv/viv.h>

enum paths_access { PATHS_READ, PATHS_WRITE };

/* A built-in rule that a path meets. Texts are literals. */
struct paths_rule {
    const char *id;
    viv_verdict verdict;
    uint32_t by_policy; /* a grant for exactly this path in the user's policy lifts it */
    const char *reason; /* goes on after the path: "'x' is ..." */
};

/* Why a text is no path inside the root, or NULL: goes on after the path. */
const char *paths_fault(struct viv_str path);

/* The path without "." and empty components, in the call's memory; the root is empty text. NULL
 * data: no memory. */
struct viv_str paths_normal(struct viv_call *call, struct viv_str path);

/* The rules a normalised path meets, at most `max`; gives their number. `with_gates`: gates are
 * configured, so files that builds run count as critical. */
uint32_t paths_rules(struct viv_str path, enum paths_access access, uint32_t with_gates,
                     struct paths_rule *ret_rules, uint32_t max);

#endif
