/* SPDX-License-Identifier: Apache-2.0 */
/* The two judgements of viv.safety/1 over parsed documents. Nothing here touches the world. */
#ifndef SAFETY_POLICY_JUDGE_H
#define SAFETY_POLICY_JUDGE_H

#include "policy.h"

struct json_t;

/* Used where no policy sets a limit. */
struct judge_defaults {
    int64_t task_micro;
    int64_t time_ns;
};

/* Every check on a task, always all of them; the capability set as a new JSON value. Both documents
 * may be hostile. */
viv_status judge_task(struct viv_call *call, const struct policy *policy,
                      const struct judge_defaults *defaults, const struct json_t *task,
                      struct report *report, struct json_t **ret_capability, struct viv_error *err);

/* One effect against built-in rules, policy and capability set. */
viv_status judge_effect(struct viv_call *call, const struct policy *policy,
                        const struct json_t *capability, const struct json_t *effect,
                        struct report *report, struct viv_error *err);

#endif
