/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of runners and records of crashes, under one lock that is never held while a runner starts, ends or works.
 *
 *   FREE -> STARTING (take: none idle) -> USED -> IDLE (give: healthy) -> USED (take) ...
 *   USED -> FREE (give: dead, folder, bound reached)   IDLE -> FREE (retire, or pushed out by another plugin)
 *
 * A start that fails frees its slot. Read pool.h first. */
#include "pool.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "runner/protocol.h"

#define DEFAULT_RUNNERS 32
#define DEFAULT_IDLE 4
#define DEFAULT_IDLE_NS INT64_C(60000000000)
/* A warm runner gives way to a fresh one after this much work: its life's processor limit is an hour. */
#define WORK_NS_MAX INT64_C(1800000000000)
#define KEY_BYTES 192
#define RECORDS_MAX 256
#define WHY_BYTES 256

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_USED, SLOT_IDLE };

struct slot {
    enum slot_state state;
    uint32_t reserved;
    struct vh_runner *runner;
    struct vh_arena *arena;
    int64_t idle_us;
    char key[KEY_BYTES];
};

struct record {
    char key[KEY_BYTES];
    char why[WHY_BYTES];
    int64_t crash_us[VH_POOL_CRASHES_MAX]; /* newest first */
    uint32_t count;
    bool held; /* in quarantine until a person lets it out */
};

struct vh_pool {
    struct vh_zygote *zygote;
    struct vh_pool_limits limits;
    pthread_mutex_t lock;
    struct slot slots[VH_RUNNERS_MAX];
    struct record records[RECORDS_MAX];
};

struct vh_pool *
vh_pool_create(struct vh_zygote *zygote, struct vh_arena *arena, const struct vh_pool_limits *limits)
{
    struct vh_pool *pool = vh_arena_alloc(arena, sizeof *pool);
    if (!pool) {
        return NULL;
    }
    pool->zygote = zygote;
    pool->limits = *limits;
    pool->limits.runners = limits->runners ? limits->runners : DEFAULT_RUNNERS;
    if (pool->limits.runners > VH_RUNNERS_MAX) {
        pool->limits.runners = VH_RUNNERS_MAX;
    }
    pool->limits.idle = limits->idle ? limits->idle : DEFAULT_IDLE;
    pool->limits.idle_ns = limits->idle_ns ? limits->idle_ns : DEFAULT_IDLE_NS;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

/* ---- crashes ---- */

static struct record *
find_record(struct vh_pool *pool, const char *key)
{
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        if (strcmp(pool->records[i].key, key) == 0) {
            return &pool->records[i];
        }
    }
    return NULL;
}

/* An empty one, else the oldest that holds nobody. NULL when all hold somebody. */
static struct record *
new_record(struct vh_pool *pool, const char *key)
{
    struct record *best = NULL;
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        struct record *record = &pool->records[i];
        if (record->held || (best && best->crash_us[0] <= record->crash_us[0])) {
            continue;
        }
        best = record;
    }
    if (best) {
        memset(best, 0, sizeof *best);
        snprintf(best->key, sizeof best->key, "%s", key);
    }
    return best;
}

static bool
at_fault(enum vh_runner_failure failure)
{
    return failure == VH_RUNNER_CRASHED || failure == VH_RUNNER_EXITED || failure == VH_RUNNER_HUNG ||
           failure == VH_RUNNER_LIED;
}

/* Returns whether it is held now. Called under the lock. */
static bool
note_crash(struct vh_pool *pool, const char *key, const char *why, int64_t now_us)
{
    struct record *record = find_record(pool, key);
    record = record ? record : new_record(pool, key);
    if (!record) {
        vh_log(VH_LOG_ERROR, "pool", "%d plugins are in quarantine, no room to count the crash of another",
               RECORDS_MAX);
        return false;
    }
    memmove(&record->crash_us[1], &record->crash_us[0], sizeof record->crash_us - sizeof record->crash_us[0]);
    record->crash_us[0] = now_us;
    record->count++;
    snprintf(record->why, sizeof record->why, "%s", why ? why : "no reason known");
    if (!record->held && record->count >= VH_POOL_CRASHES_MAX &&
        now_us - record->crash_us[VH_POOL_CRASHES_MAX - 1] <= VH_POOL_CRASH_WINDOW_US) {
        record->held = true;
        vh_log(VH_LOG_WARNING, "pool", "quarantine after %d failures in ten minutes: %s", VH_POOL_CRASHES_MAX,
               record->why);
    }
    return record->held;
}

static viv_status
check_held(struct vh_pool *pool, const char *key, const char *id, struct viv_error *err)
{
    const struct record *record = find_record(pool, key);
    if (!record || !record->held) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_DENIED, "quarantine",
                        "plugin '%s' is in quarantine after %d failures in ten minutes, allowed %d; the last: %s; "
                        "install a repaired version or release it",
                        id, VH_POOL_CRASHES_MAX, VH_POOL_CRASHES_MAX - 1, record->why);
}

bool
vh_pool_quarantined(struct vh_pool *pool, const char *key, struct viv_error *err)
{
    pthread_mutex_lock(&pool->lock);
    viv_status status = check_held(pool, key, key, err);
    pthread_mutex_unlock(&pool->lock);
    return status != VIV_OK;
}

void
vh_pool_release(struct vh_pool *pool, const char *key)
{
    pthread_mutex_lock(&pool->lock);
    struct record *record = find_record(pool, key);
    if (record) {
        memset(record, 0, sizeof *record);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- slots ---- */

/* What a slot held, to be ended outside the lock. */
struct leaving {
    struct vh_runner *runner;
    struct vh_arena *arena;
};

static struct leaving
leave(struct slot *slot, enum slot_state state)
{
    struct leaving leaving = {slot->runner, slot->arena};
    slot->runner = NULL;
    slot->arena = NULL;
    slot->state = state;
    return leaving;
}

static void
finish(struct leaving leaving)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (leaving.runner && vh_runner_end(leaving.runner, &err) != VIV_OK) {
        vh_log(VH_LOG_WARNING, "pool", "%s", err.text);
    }
    vh_arena_destroy(leaving.arena);
}

struct found {
    struct slot *mine; /* idle, of this key */
    struct slot *empty;
    struct slot *other; /* idle longest, of any key */
    uint32_t used;      /* slots that are not free */
    uint32_t idle;      /* of this key */
};

static struct found
look(struct vh_pool *pool, const char *key)
{
    struct found found = {0};
    for (size_t i = 0; i < VH_RUNNERS_MAX; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_FREE) {
            found.empty = found.empty ? found.empty : slot;
            continue;
        }
        found.used++;
        if (slot->state != SLOT_IDLE) {
            continue;
        }
        if (!found.other || slot->idle_us < found.other->idle_us) {
            found.other = slot;
        }
        if (strcmp(slot->key, key) == 0) {
            found.idle++;
            if (!found.mine || slot->idle_us >= found.mine->idle_us) {
                found.mine = slot; /* the one used last: its caches are warm */
            }
        }
    }
    return found;
}

static viv_status
start_in(struct vh_pool *pool, struct slot *slot, const struct vh_runner_plan *plan, const char *key, int64_t now_us,
         struct viv_error *err)
{
    enum vh_runner_failure failure = VH_RUNNER_LOST;
    struct viv_error why = VIV_ERROR_INIT;
    struct vh_runner *runner = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? vh_runner_start(pool->zygote, arena, plan, &runner, &failure, &why)
                              : vh_error_set(&why, VIV_E_MEMORY, "pool", "no memory for a runner");
    pthread_mutex_lock(&pool->lock);
    slot->state = status == VIV_OK ? SLOT_USED : SLOT_FREE;
    slot->runner = status == VIV_OK ? runner : NULL;
    slot->arena = status == VIV_OK ? arena : NULL;
    if (status != VIV_OK && at_fault(failure)) {
        note_crash(pool, key, why.text, now_us);
    }
    pthread_mutex_unlock(&pool->lock);
    if (status != VIV_OK) {
        vh_arena_destroy(arena);
        return vh_error_set(err, status, why.where, "%s", why.text);
    }
    return VIV_OK;
}

/* Choose under the lock. VIV_OK: `ret_slot` is USED with a runner, or STARTING without one. */
static viv_status
choose(struct vh_pool *pool, const struct vh_runner_plan *plan, const char *key, struct slot **ret_slot,
       struct leaving *ret_leaving, struct viv_error *err)
{
    viv_status status = check_held(pool, key, plan->id, err);
    if (status != VIV_OK) {
        return status;
    }
    struct found found = look(pool, key);
    bool dead = found.mine && !vh_runner_quiet(found.mine->runner);
    if (found.mine && !dead && plan->root_fd < 0) {
        found.mine->state = SLOT_USED;
        *ret_slot = found.mine;
        return VIV_OK;
    }
    struct slot *slot = dead ? found.mine : found.used < pool->limits.runners ? found.empty : found.other;
    if (!slot) {
        return vh_error_set(err, VIV_E_BUSY, "pool", "all %u runners are in use, none can be had for '%s'",
                            pool->limits.runners, plan->id);
    }
    *ret_leaving = leave(slot, SLOT_STARTING);
    snprintf(slot->key, sizeof slot->key, "%s", key);
    *ret_slot = slot;
    return VIV_OK;
}

viv_status
vh_pool_take(struct vh_pool *pool, const struct vh_runner_plan *plan, const char *key, uint32_t depth, int64_t now_us,
             struct vh_runner **ret_runner, struct viv_error *err)
{
    if (depth > VIV_SKILL_DEPTH_MAX || strlen(key) >= KEY_BYTES || key[0] == '\0') {
        return vh_error_set(err, VIV_E_LIMIT, "pool",
                            "'%s' is called at depth %u with a key of %zu bytes, allowed %d and %d", plan->id, depth,
                            strlen(key), VIV_SKILL_DEPTH_MAX, KEY_BYTES - 1);
    }
    struct slot *slot = NULL;
    struct leaving leaving = {NULL, NULL};
    pthread_mutex_lock(&pool->lock);
    viv_status status = choose(pool, plan, key, &slot, &leaving, err);
    bool starting = status == VIV_OK && slot->state == SLOT_STARTING;
    pthread_mutex_unlock(&pool->lock);
    finish(leaving);
    if (starting) {
        status = start_in(pool, slot, plan, key, now_us, err);
    }
    if (status == VIV_OK) {
        *ret_runner = slot->runner;
    }
    return status;
}

static struct slot *
slot_of(struct vh_pool *pool, const struct vh_runner *runner)
{
    for (size_t i = 0; i < VH_RUNNERS_MAX; i++) {
        if (pool->slots[i].runner == runner) {
            return &pool->slots[i];
        }
    }
    return NULL;
}

bool
vh_pool_give(struct vh_pool *pool, struct vh_runner *runner, enum vh_runner_failure failure, const char *why,
             int64_t now_us)
{
    struct leaving leaving = {NULL, NULL};
    bool held = false;
    vh_runner_trim(runner);
    pthread_mutex_lock(&pool->lock);
    struct slot *slot = slot_of(pool, runner);
    if (slot) {
        held = at_fault(failure) && note_crash(pool, slot->key, why, now_us);
        bool keep = vh_runner_alive(runner) && !vh_runner_folder(runner) && vh_runner_used_ns(runner) < WORK_NS_MAX &&
                    look(pool, slot->key).idle < pool->limits.idle;
        slot->idle_us = now_us;
        if (keep) {
            slot->state = SLOT_IDLE;
        } else {
            leaving = leave(slot, SLOT_FREE);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    finish(leaving);
    return held;
}

uint32_t
vh_pool_retire(struct vh_pool *pool, int64_t now_us)
{
    uint32_t left = 0;
    for (size_t i = 0; i < VH_RUNNERS_MAX; i++) {
        struct slot *slot = &pool->slots[i];
        struct leaving leaving = {NULL, NULL};
        pthread_mutex_lock(&pool->lock);
        if (slot->state == SLOT_IDLE && now_us - slot->idle_us > pool->limits.idle_ns / 1000) {
            leaving = leave(slot, SLOT_FREE);
        }
        left += slot->state == SLOT_IDLE;
        pthread_mutex_unlock(&pool->lock);
        finish(leaving);
    }
    return left;
}

void
vh_pool_end(struct vh_pool *pool)
{
    if (!pool) {
        return;
    }
    for (size_t i = 0; i < VH_RUNNERS_MAX; i++) {
        finish(leave(&pool->slots[i], SLOT_FREE));
    }
    pthread_mutex_destroy(&pool->lock);
}
