/* SPDX-License-Identifier: Apache-2.0 */
#include "model_breaker.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "run/model_call.h"
#include "run/switch.h"

#define COST_MICRO INT64_C(100000000)
#define FAILURES 5
#define WINDOW_NS INT64_C(300000000000)

/* Failures within the window. */
static int64_t
recent(const struct vh_model_breaker *breaker, int64_t now_ns, int64_t window_ns)
{
    int64_t count = 0;
    for (int64_t i = 0; i < VH_MODEL_BREAKER_FAILURES_MAX && i < breaker->failed; i++) {
        count += now_ns - breaker->failed_at_ns[i] <= window_ns;
    }
    return count;
}

static void
add(struct vh_model_breaker *breaker, const struct vh_model_counted *call, int64_t now_ns)
{
    breaker->spent_micro += call->cost_micro;
    if (call->end == VH_MODEL_GOOD) {
        breaker->failures = 0;
    } else if (call->end == VH_MODEL_FAILED) {
        breaker->failures++;
        breaker->failed_at_ns[breaker->failed++ % VH_MODEL_BREAKER_FAILURES_MAX] = now_ns;
    }
}

bool
vh_model_breaker_count(struct vh_model_breaker *breaker, const struct vh_json *rules,
                       const struct vh_model_counted *call, int64_t now_ns)
{
    int64_t most_micro = vh_json_int(rules, "cost_micro", COST_MICRO);
    int64_t most = vh_json_int(rules, "failures", FAILURES);
    add(breaker, call, now_ns);
    int64_t within = recent(breaker, now_ns, vh_json_int(rules, "window_ns", WINDOW_NS));
    int64_t failures = breaker->failures > within ? breaker->failures : within;
    bool costs = breaker->spent_micro >= most_micro, fails = call->end == VH_MODEL_FAILED && failures >= most;
    if (breaker->tripped || (!costs && !fails)) {
        return false;
    }
    breaker->tripped = true;
    if (costs) {
        snprintf(breaker->why, sizeof breaker->why, "calls to models cost %lld.%06lld, the policy's breaker.cost "
                 "is %lld.%06lld", (long long)(breaker->spent_micro / 1000000),
                 (long long)(breaker->spent_micro % 1000000), (long long)(most_micro / 1000000),
                 (long long)(most_micro % 1000000));
    } else {
        snprintf(breaker->why, sizeof breaker->why, "%lld calls to models failed, the last to '%.*s'; the "
                 "policy's breaker.failures is %lld", (long long)failures, VH_STR_ARGS(call->name),
                 (long long)most);
    }
    return true;
}

void
vh_model_breaker(struct vh_work *work, const struct vh_model_counted *call)
{
    struct vh_model_source *source = work->run->models;
    const struct vh_json *rules = vh_run_setting(work->policy, "breaker");
    const struct vh_seam *seam = work->run->seam;
    char why[VH_MODEL_BREAKER_WHY_MAX] = "";
    pthread_mutex_lock(&source->lock);
    bool trips = vh_model_breaker_count(&source->breaker, rules, call, seam->monotonic_ns(seam->data));
    if (trips) {
        memcpy(why, source->breaker.why, sizeof why);
    }
    pthread_mutex_unlock(&source->lock);
    if (trips) {
        vh_switch_trip(work->run, work->arena, why);
    }
}

viv_status
vh_model_breaker_check(struct vh_run *run, struct viv_error *err)
{
    pthread_mutex_lock(&run->models->lock);
    viv_status status = run->models->breaker.tripped
                            ? vh_error_set(err, VIV_E_UNAVAILABLE, "model", "circuit breaker: %s; no call begins until "
                                           "'vivhost resume'",
                                           run->models->breaker.why)
                            : VIV_OK;
    pthread_mutex_unlock(&run->models->lock);
    return status;
}

void
vh_model_breaker_reset(struct vh_run *run)
{
    if (run->models) {
        pthread_mutex_lock(&run->models->lock);
        struct vh_model_breaker *breaker = &run->models->breaker;
        breaker->spent_micro = breaker->failures = breaker->failed = 0;
        breaker->tripped = false;
        pthread_mutex_unlock(&run->models->lock);
    }
}
