/* SPDX-License-Identifier: Apache-2.0 */
/* Judges an exec document: every program of every pipeline, what wrappers and shells run inside,
 * where redirections go. */
#ifndef SAFETY_POLICY_EXEC_H
#define SAFETY_POLICY_EXEC_H

#include "policy.h"

struct json_t;

#define EXEC_DEPTH_MAX 8

struct exec_judge {
    struct viv_call *call;
    const struct policy *policy;
    const struct json_t *capability; /* NULL before there is one */
    struct report *report;
    uint32_t full_profile; /* the sandbox is whole: what cannot be read may still run */
    uint32_t has_hosts;    /* the task may reach some, and the proxy holds it to them */
    uint32_t guess;        /* words come from unread text: a finding is at most a question */
    uint32_t depth;
    uint32_t memory; /* ran out: no verdict may be given */
};

/* {"stages":[{"argv":[...],"env":{}}],...}, {"pipelines":[{"stages":...}]} or {"shell":"text"}. */
void exec_judge_spec(struct exec_judge *judge, const struct json_t *spec);

/* One path, by built-in rules, policy and capability: judge_effect.c. */
void exec_judge_path(struct exec_judge *judge, struct viv_str path, enum paths_access access);

#endif
