/* SPDX-License-Identifier: Apache-2.0 */
/* What of the network a task asks for, and what it gets: hosts that a policy allows, in the whole
 * sandbox alone, and none where the request itself rules the network out. */
#ifndef SAFETY_POLICY_JUDGE_NETWORK_H
#define SAFETY_POLICY_JUDGE_NETWORK_H

#include "policy.h"

struct network {
    const struct policy *policy;
    const struct json_t *task;
    const struct json_t *asked; /* "hosts" of the task; NULL: it names none, so the policy's default counts */
    struct json_t *hosts;       /* what it gets */
    uint32_t full_profile;
    uint32_t ruled_out; /* by the request */
    uint32_t failed;    /* memory ran out */
    uint32_t reserved;
};

/* Read without saying anything. Ends with network_drop(). */
void network_read(const struct policy *policy, const struct json_t *task, struct network *ret_network);
void network_drop(struct network *network);

/* Each host that was asked for and is not given, with the rule that speaks against it. */
void network_report(const struct network *network, struct report *report);

/* "hosts", "network" and "network_bytes" of a capability set. */
void network_put(const struct network *network, struct json_t *capability, uint32_t *failed);

#endif
