/* SPDX-License-Identifier: Apache-2.0 */
/* Which models a task's work may be sent to; and the rule of two: what has been told by strangers, can read what is
 * private and can speak to the outside needs a person. */
#ifndef SAFETY_POLICY_JUDGE_MODELS_H
#define SAFETY_POLICY_JUDGE_MODELS_H

#include "policy.h"

/* Those the user's policy names and every layer with `routing.allow` lists, sorted, as a new JSON value. NULL with
 * `*failed` untouched: the policy names no models. */
struct json_t *models_of(const struct policy *policy, uint32_t *failed);

/* An effect of kind "model". */
void models_judge_effect(const struct policy *policy, const struct json_t *capability, struct viv_str name,
                         struct report *report);

/* What a task has of the three. */
struct models_two {
    uint32_t untrusted; /* it hears from hosts, or its text carries a signal */
    uint32_t outside;   /* it has hosts, or a model is to work on it */
    uint32_t reserved[2];
};
/* Adds "task.rule-of-two": ask for all three, allow with what is there otherwise. */
void models_rule_of_two(const struct policy *policy, const struct models_two *two, struct report *report);

#endif
