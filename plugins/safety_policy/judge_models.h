/* SPDX-License-Identifier: Apache-2.0 */
/* Which models a task may be sent to: those of the user's policy that `routing.allow` of each layer
 * names. What a request says is never looked at: texts grant nothing and exempt from nothing. */
#ifndef SAFETY_POLICY_JUDGE_MODELS_H
#define SAFETY_POLICY_JUDGE_MODELS_H

#include "policy.h"

/* "models" of a capability set: names, sorted, as a new list. */
struct json_t *models_of(const struct policy *policy, uint32_t *failed);

/* One call to the model `name`, under the policy in force and the task's capability set. */
void models_judge(const struct policy *policy, const struct json_t *capability, struct viv_str name,
                  struct report *report);

#endif
