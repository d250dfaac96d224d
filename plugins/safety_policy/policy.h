/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in force, ready to be asked: one compiled policy, or an array of them (the user's, the
 * project's). Each layer is asked by itself and the strictest answer counts, so nobody has to merge
 * them. */
#ifndef SAFETY_POLICY_POLICY_H
#define SAFETY_POLICY_POLICY_H

#include "paths.h"
#include "report.h"
#include "rules.h"

#define POLICY_LAYERS_MAX 8
#define POLICY_RULES_MAX 256
#define POLICY_HOSTS_MAX 64 /* of one list, and of one task */
#define POLICY_TRAFFIC_BYTES INT64_C(104857600) /* when no policy sets network.bytes */

struct policy_layer {
    const struct json_t *json;
    struct rule *rules;
    uint32_t rule_count;
    uint16_t may_grant; /* the user's, or a project's that a person trusts */
    uint16_t
        may_allow; /* its command rules may lift: also the user's with an untrusted project's merged
                    * into it, since compile() lets no untrusted file hold an allow rule */
};

struct policy {
    char *text; /* as it was given; the same text is not parsed twice */
    uint64_t len;
    struct json_t *root;
    struct policy_layer layers[POLICY_LAYERS_MAX];
    uint32_t layer_count;
    uint32_t with_gates; /* a layer that may grant configures gates */
};

/* Parse and prepare. VIV_E_INVALID names what is wrong. Ends with policy_close(). */
viv_status policy_open(struct viv_str text, struct policy **ret_policy, struct viv_error *err);
void policy_close(struct policy *policy);

/* Smallest integer limits.NAME of all layers; `fallback` when none sets it. */
int64_t policy_limit(const struct policy *policy, const char *name, int64_t fallback);

/* Bytes over the network: the smallest network.bytes, as with limits. */
int64_t policy_traffic(const struct policy *policy);

/* Whether a task may reach a host, "HOST:PORT" or a rule: a layer that may grant lists it in
 * network.allow, and each other layer that has the list lists it too. NULL, or the scope of the
 * policy that does not list it, "user" or "project". */
const char *policy_bars_host(const struct policy *policy, struct viv_str host);

/* All layers on one program: adds what denies or asks; gives 1 when a layer that may grant allows
 * it. */
uint32_t policy_judge_argv(struct viv_call *call, const struct policy *policy,
                           const struct argv *argv, struct report *report);

/* All layers on one normalised path. */
void policy_judge_path(const struct policy *policy, struct viv_str path, enum paths_access access,
                       struct report *report);

/* Whether a layer that may grant allows exactly this path by name. */
uint32_t policy_names_path(const struct policy *policy, struct viv_str path,
                           enum paths_access access);

/* Whether a word of a configured gate command is this path. */
uint32_t policy_gate_runs(const struct policy *policy, struct viv_str path);

#endif
