/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a review over parsed documents. The same documents give the same findings and score.
 * No host, no I/O. */
#ifndef CRITIC_RUBRIC_RUBRIC_H
#define CRITIC_RUBRIC_RUBRIC_H

#include "findings.h"

/* What is reviewed; each may be NULL when its document was empty, and may be hostile. */
struct rubric_input {
    const struct json_t *intent;
    const struct json_t *change; /* {"paths":[{"path","change","size","added"}]} */
    const struct json_t *gates;
    const struct json_t *result; /* {"summary","output","exit_code","claimed"} */
    const struct json_t *trace;  /* [{"kind","path","argv","exit_code"}], or {"effects":[...]} */
};

void rubric_review(const struct rubric_input *input, struct findings *findings);

/* 1000 less the weights, not below 0. */
uint32_t rubric_score(const struct findings *findings, int64_t error_weight,
                      int64_t warning_weight);

#endif
