/* SPDX-License-Identifier: Apache-2.0 */
/* What the core sees of the world: a small table of getters and putters over the projections. In production SQL inside
 * a savepoint serves it (keep/projection.c); in replay, simulation and model checking, arrays do (memory.c). Getters
 * put what they find into the arena given. Putters are called by fold.c alone. */
#ifndef VH_STATE_H
#define VH_STATE_H

#include "core/task.h"

/* An account: settled + reserved never exceeds limit. */
struct vh_scope {
    struct viv_str name;
    int64_t limit_micro;
    int64_t settled_micro;
    int64_t reserved_micro;
};

/* One effect by its identity (task, round, ordinal). Ordinals begin anew when an attempt is forgotten, which happens
 * within one attempt and under one lease, too: the round says how often it did. */
struct vh_effect_row {
    struct viv_str task;
    int64_t round;
    int64_t ordinal;
    struct viv_str kind;
    struct viv_str digest; /* of the request */
    struct viv_str state;  /* started, finished, refused, asked */
    int64_t lease;
    struct viv_str hold;   /* money held for it: {"micro","scopes":[names],"seq": of "budget.held"}; empty: none */
};

struct vh_ids {
    struct viv_str *id;
    size_t count;
};

struct vh_state_ops {
    void *data;

    /* VIV_E_NOT_FOUND without text when there is none. */
    viv_status (*get_task)(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task,
                           struct viv_error *err);
    viv_status (*get_scope)(void *data, struct vh_arena *arena, struct viv_str name, struct vh_scope *ret_scope,
                            struct viv_error *err);
    viv_status (*get_effect)(void *data, struct vh_arena *arena, struct viv_str task, int64_t round,
                             int64_t ordinal, struct vh_effect_row *ret_effect, struct viv_error *err);
    /* Small facts by name: "seed", "epoch", "policy", "home", "tasks", "project", "places", "caps", "learned". Missing
     * gives empty text. */
    viv_status (*get_fact)(void *data, struct vh_arena *arena, const char *name, struct viv_str *ret_text,
                           struct viv_error *err);
    /* In order of submission. */
    viv_status (*dependents)(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids,
                             struct viv_error *err);
    viv_status (*dependencies)(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids,
                               struct viv_error *err);
    viv_status (*children)(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids,
                           struct viv_error *err);
    /* The first task without a live lease whose phase wants an answer and whose retry time has come. Empty: none. */
    viv_status (*next_claimable)(void *data, struct vh_arena *arena, int64_t now_us, struct viv_str *ret_id,
                                 struct viv_error *err);

    viv_status (*put_task)(void *data, const struct vh_task *task, struct viv_error *err);
    viv_status (*put_scope)(void *data, const struct vh_scope *scope, struct viv_error *err);
    viv_status (*put_effect)(void *data, const struct vh_effect_row *effect, struct viv_error *err);
    viv_status (*put_fact)(void *data, const char *name, struct viv_str text, struct viv_error *err);
    viv_status (*put_edge)(void *data, struct viv_str task, struct viv_str dependency, struct viv_error *err);
};

/* The stored form of the small rows, the same in every implementation; { NULL, 0 } when memory is out. */
struct viv_str vh_state_scope_text(struct vh_arena *arena, const struct vh_scope *scope);
struct viv_str vh_state_effect_key(struct vh_arena *arena, const struct vh_effect_row *effect);
struct viv_str vh_state_effect_text(struct vh_arena *arena, const struct vh_effect_row *effect);
/* Fills kind, digest, state, lease and hold. */
viv_status vh_state_effect_read(struct vh_arena *arena, struct viv_str text, struct vh_effect_row *effect,
                                struct viv_error *err);

/* Whether a worker could take the task now; the one rule both implementations of next_claimable follow. */
static inline bool
vh_state_claimable(const struct vh_task *task)
{
    if (task->leased) {
        return false;
    }
    if (task->state == VH_STATE_PENDING) {
        return true;
    }
    if (task->phase == VH_PHASE_SETTLE) {
        return true; /* whatever the state: a hold is never left behind */
    }
    if (task->following && vh_task_ended(task)) {
        return true; /* nor those that wait for it */
    }
    return task->phase != VH_PHASE_IDLE && task->state != VH_STATE_AWAITING && task->state != VH_STATE_BLOCKED;
}

#endif
