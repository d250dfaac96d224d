/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of two: untrusted input, private data and outside effects together need a person. Two of
 * them are allowed, and said. */
#ifndef SAFETY_POLICY_JUDGE_TWO_H
#define SAFETY_POLICY_JUDGE_TWO_H

#include "policy.h"

/* What is known of a task when it is admitted. */
struct two {
    const struct policy *policy;
    uint32_t has_hosts;    /* it may receive from them, and send to them */
    uint32_t has_signals;  /* a content check found something in its texts */
    uint32_t shows_models; /* models may be shown files */
    uint32_t reserved;
};

/* The entry "rule-of-two": asks when all three are there, else allows and names what is. */
void two_report(const struct two *two, struct report *report);

/* A pattern of paths.private that some path readable under this policy may match, or NULL. What
 * cannot be ruled out counts as readable. */
const char *two_private(const struct policy *policy);

#endif
