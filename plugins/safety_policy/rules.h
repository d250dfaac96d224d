/* SPDX-License-Identifier: Apache-2.0 */
/* Command rules of a policy: first words, or a PCRE2 pattern over the words joined by one blank. */
#ifndef SAFETY_POLICY_RULES_H
#define SAFETY_POLICY_RULES_H

#include <viv/viv.h>

struct json_t;

/* Words of one program. */
struct argv {
    const struct viv_str *words;
    uint32_t count;
    uint32_t reserved;
};

struct rule {
    const struct json_t *json; /* borrowed: id, verdict, reason, match or pattern */
    void *code;                /* compiled pattern or NULL */
    viv_verdict verdict;
    uint32_t reserved;
};

/* Prepare a rule of the JSON form. VIV_E_INVALID: the pattern is none; `problem` then says why. */
viv_status rules_make(const struct json_t *json, struct rule *ret_rule, char *problem,
                      uint64_t problem_size);
void rules_drop(struct rule *rule);

/* Whether it matches. A search that cannot be finished within its bounds counts as a match of a
 * deny or ask rule and as none of an allow rule. */
uint32_t rules_match(struct viv_call *call, const struct rule *rule, const struct argv *argv);

/* Last component of a program's name. */
struct viv_str rules_program(const struct argv *argv);

/* Whether a word equals a literal, or one of blank-separated literals. */
uint32_t rules_is(struct viv_str word, const char *literal);
uint32_t rules_is_one(struct viv_str word, const char *list);
uint32_t rules_starts(struct viv_str word, const char *prefix);

#endif
