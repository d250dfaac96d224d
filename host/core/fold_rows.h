/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the fold: what fold.c (entry, facts, money) and fold_task.c (one row per kind) share. Nobody else
 * includes it. */
#ifndef VH_FOLD_ROWS_H
#define VH_FOLD_ROWS_H

#include "core/fold.h"

struct vh_folding {
    const struct vh_state_ops *state;
    const struct vh_state_ops *tasks; /* of rows of tasks; all others are state's */
    struct vh_arena *arena;
    const struct vh_event *event;
    struct viv_error *err;
    struct vh_task task; /* the event's task, put back when the row's function worked */
    bool failed; /* an allocation failed on the way; the row must not be put back */
};

typedef viv_status (*vh_fold_fn)(struct vh_folding *fold);

/* NULL when no row is about a task's row. */
vh_fold_fn vh_fold_row(struct viv_str kind);
/* Row of the kinds that leave no mark on a task. */
viv_status vh_fold_nothing(struct vh_folding *fold);
bool vh_fold_is_new_task(vh_fold_fn function);
bool vh_fold_is_move(vh_fold_fn function);

struct viv_str vh_fold_str(const struct vh_folding *fold, const char *key);
int64_t vh_fold_int(const struct vh_folding *fold, const char *key);
/* Canonical JSON of a member; empty when it is missing. */
struct viv_str vh_fold_json(struct vh_folding *fold, const char *key);

viv_status vh_fold_effect_started(struct vh_folding *fold);
viv_status vh_fold_effect_refused(struct vh_folding *fold);
viv_status vh_fold_effect_asked(struct vh_folding *fold);
viv_status vh_fold_effect_finished(struct vh_folding *fold);
/* Money of one effect, named by its ordinal in "effect"; the task's own hold is another. */
viv_status vh_fold_effect_held(struct vh_folding *fold);
viv_status vh_fold_capped(struct vh_folding *fold);
viv_status vh_fold_learned(struct vh_folding *fold);
viv_status vh_fold_effect_settled(struct vh_folding *fold);
/* The event's accounts: so much more reserved, so much more settled. */
viv_status vh_fold_scopes(struct vh_folding *fold, int64_t reserve, int64_t settle);
viv_status vh_fold_budget_held(struct vh_folding *fold);
viv_status vh_fold_budget_settled(struct vh_folding *fold);

#endif
