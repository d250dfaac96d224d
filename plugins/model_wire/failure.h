/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider's refusal means: its HTTP status, the words of its body, what its headers say of waiting. */
#ifndef MODEL_WIRE_FAILURE_H
#define MODEL_WIRE_FAILURE_H

#include <viv/viv.h>
#include <viv/draft/http.h>

struct json_t; /* jansson's value */
struct wire_answer;

/* Words of an error's body; texts live as long as what they were read from. */
struct wire_failure {
    uint32_t http_status; /* 0: it came inside an answer */
    struct viv_str type;
    struct viv_str code;
    struct viv_str message;
};

/* From an error's value: both wires' forms, and those of servers that resemble them. `root` may be NULL. 0: none. */
uint32_t wire_failure_read(const struct json_t *root, struct wire_failure *failure);

/* VIV_MODEL_RATE_LIMITED to VIV_MODEL_QUOTA, or VIV_MODEL_BROKEN for what is no refusal. */
uint32_t wire_failure_class(const struct wire_failure *failure);

/* An error that came inside an answer. */
void wire_failure_take(struct wire_answer *answer, const struct json_t *root);

/* One line into `problem` of WIRE_PROBLEM_MAX bytes. A message about a key is left out: it may hold one. */
void wire_failure_say(const struct wire_failure *failure, uint32_t class, char *problem);

/* One limit, as x-ratelimit-reset-NAME, x-ratelimit-remaining-NAME, anthropic-ratelimit-NAME-reset and so on name it.
 */
struct wire_limit {
    char name[24];
    int64_t reset_ns; /* a span; -1: not given as one */
    int64_t reset_us; /* a point in time; -1: not given as one */
    uint32_t empty;   /* nothing is left */
    uint32_t reserved;
};

#define WIRE_LIMITS_MAX 8

/* Headers that say when to come back, gathered one by one. What was not given is -1. */
struct wire_wait {
    int64_t after_ns; /* retry-after-ms, else retry-after */
    int64_t after_us; /* retry-after as a point in time */
    int64_t date_us;  /* when the answer was made, by the provider's clock */
    struct wire_limit limits[WIRE_LIMITS_MAX];
    uint32_t count;
    uint32_t exact; /* after_ns came in milliseconds */
};

void wire_wait_init(struct wire_wait *wait);
void wire_wait_header(struct wire_wait *wait, struct viv_str name, struct viv_str value);
/* Nanoseconds from 0 to a day. `now_us` is used where the answer said no date of its own. */
int64_t wire_wait_ns(const struct wire_wait *wait, int64_t now_us);

#endif
