/* SPDX-License-Identifier: Apache-2.0 */
/* The circuit breaker: counts what calls to models cost and how they end, and stops all work by the policy's `breaker`.
 * Until a person lets work go on, no call begins either: what runs already may not spend on. */
#ifndef VH_MODEL_BREAKER_H
#define VH_MODEL_BREAKER_H

#include "run/models.h"

#define VH_MODEL_BREAKER_FAILURES_MAX 1000 /* the most that a policy may say */
#define VH_MODEL_BREAKER_WHY_MAX 300

/* Since the host began or somebody let work go on. */
struct vh_model_breaker {
    int64_t spent_micro;
    int64_t failures;                                    /* in a row */
    int64_t failed_at_ns[VH_MODEL_BREAKER_FAILURES_MAX]; /* a ring */
    int64_t failed;
    bool tripped;
    char why[VH_MODEL_BREAKER_WHY_MAX];
};

/* A call that has ended. Only VH_MODEL_GOOD ends a row of failures. */
struct vh_model_counted {
    struct viv_str name;
    int64_t cost_micro;
    enum vh_model_end end;
};

/* Whether it trips by this call; `why` says it then. `rules` is the policy's `breaker` or NULL. */
bool vh_model_breaker_count(struct vh_model_breaker *breaker, const struct vh_json *rules,
                            const struct vh_model_counted *call, int64_t now_ns);

/* The host's own, [any] thread. VIV_E_UNAVAILABLE: it has tripped, and no call may begin. */
void vh_model_breaker(struct vh_work *work, const struct vh_model_counted *call);
viv_status vh_model_breaker_check(struct vh_run *run, struct viv_error *err);
/* Somebody let work go on. */
void vh_model_breaker_reset(struct vh_run *run);

#endif
