/* SPDX-License-Identifier: Apache-2.0 */
/* What a review found: each finding names its rule and cites what it rests on. Errors and warnings
 * are counted also when no more are kept. */
#ifndef CRITIC_RUBRIC_FINDINGS_H
#define CRITIC_RUBRIC_FINDINGS_H

#include <viv/viv.h>

#define FINDINGS_MAX 100

struct json_t;

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct findings {
    struct json_t *list;
    uint32_t failed; /* memory ran out */
    uint32_t errors;
    uint32_t warnings;
    uint32_t kept;
};

void findings_begin(struct findings *findings);
void findings_drop(struct findings *findings);

/* `path` may be empty; `line` 0 is none. */
void findings_add(struct findings *findings, const char *rule, enum severity severity,
                  struct viv_str path, int64_t line, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif
