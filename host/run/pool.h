/* SPDX-License-Identifier: Apache-2.0 */
/* Warm runners by plugin, bounded, and the quarantine of plugins that crash. Nothing here waits for a runner in
 * use: a take gets an idle one, a new one, or VIV_E_BUSY at once, so calls nested in calls cannot lock each other
 * out. Thread-safe. Time is passed in. */
#ifndef VH_POOL_H
#define VH_POOL_H

#include "runner.h"

struct vh_pool;

struct vh_pool_limits {
    uint32_t runners; /* at a time, used and idle; 0: 32, at most VH_RUNNERS_MAX */
    uint32_t idle;    /* kept idle of one key; 0: 4 */
    int64_t idle_ns;  /* an idle one older than this is retired; 0: 60 s */
};

#define VH_POOL_CRASHES_MAX 3
#define VH_POOL_CRASH_WINDOW_US INT64_C(600000000)

/* NULL when memory is out. `zygote` outlives the pool; end the pool before it. */
struct vh_pool *vh_pool_create(struct vh_zygote *zygote, struct vh_arena *arena, const struct vh_pool_limits *limits);
void vh_pool_end(struct vh_pool *pool);

/* A runner for `plan`. `key` names what may share one: digest of the plugin and of its options. `depth` is 0 for a
 * task's own call, one more for each skill that calls a skill. VIV_E_DENIED: in quarantine, with the last reason;
 * VIV_E_LIMIT: nested too deep; VIV_E_BUSY; else as vh_runner_start. A failed start is noted as a crash when it
 * was one. */
viv_status vh_pool_take(struct vh_pool *pool, const struct vh_runner_plan *plan, const char *key, uint32_t depth,
                        int64_t now_us, struct vh_runner **ret_runner, struct viv_error *err);

/* Give it back after a call. A dead one is ended and, when `failure` was its own fault, noted with `why`; a folder
 * runner is ended; others are kept warm within the bounds. Returns true when the plugin is now in quarantine. */
bool vh_pool_give(struct vh_pool *pool, struct vh_runner *runner, enum vh_runner_failure failure, const char *why,
                  int64_t now_us);

/* End idle runners that are too old. Returns how many are left idle. */
uint32_t vh_pool_retire(struct vh_pool *pool, int64_t now_us);

/* Whether `key` is in quarantine, with the reason; and letting it out again by a person's decision. */
bool vh_pool_quarantined(struct vh_pool *pool, const char *key, struct viv_error *err);
void vh_pool_release(struct vh_pool *pool, const char *key);

#endif
