/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of command rules share: judge a shell text or an exec document under a policy,
 * look for rule ids. Each function fails the test by itself when something is wrong. */
#ifndef SAFETY_POLICY_TEST_BENCH_H
#define SAFETY_POLICY_TEST_BENCH_H

#include <stddef.h>

#include "exec.h"
#include "fake_host.h"

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define ALLOW VIV_VERDICT_ALLOW

struct bench {
    struct fake_host host;
    struct fake_call call;
    struct policy *policy;
    struct report report;
};

struct row {
    const char *text;
    const char *id;
    viv_verdict verdict;
};

/* From an empty report under a policy, to its end. */
void bench_begin(struct bench *bench, const char *policy);
void bench_end(struct bench *bench);

/* Judge an exec document, or `sh -c TEXT`; the report grows. `full`: in the full profile. */
void bench_judge(struct bench *bench, const struct json_t *spec, uint32_t full);
viv_verdict bench_shell(struct bench *bench, const char *text, uint32_t full);

/* Whether the report has an entry of this id. */
int bench_has(const struct bench *bench, const char *id);

/* Each text must give the verdict and, unless NULL, an entry with the id. */
void bench_rows(const struct row *rows, size_t count, uint32_t full);

/* A policy's text to its JSON, in `json`; empty when it is refused. */
viv_status bench_compile(const char *text, uint32_t scope, uint32_t trusted, char *json, size_t size,
                         struct viv_error *err);

/* bench_begin(), then the task judged; gives its capability set. */
struct json_t *bench_task(struct bench *bench, const char *policy, const char *task);

#endif
