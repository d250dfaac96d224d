/* SPDX-License-Identifier: Apache-2.0 */
/* Undo exactly what one task did, by a new commit on the line, and in the checkout or folder when it went there. */
#ifndef VH_ROLLBACK_H
#define VH_ROLLBACK_H

#include "branch.h"
#include "line.h"

struct vh_rollback_request {
    const char *task;        /* whose work goes */
    struct vh_git_id commit; /* its commit on the line */
    struct vh_git_id seen;   /* the tree the task saw, when that held uncommitted work; "" otherwise */
    struct vh_git_id base;   /* with `seen`: what was committed of it */
    const char *effect;      /* identity of the rollback itself */
    const char *log_head;
    int64_t time_s;
};

struct vh_rolled {
    struct vh_git_id commit;        /* the rollback's own */
    enum vh_branch_outcome outcome; /* of the files; 0: the task's work had never reached them */
    size_t given_back;              /* files that hold again what the person had not committed */
    struct viv_str kept_on;         /* branches that hold the work still, results too, one a line; in the arena */
    struct vh_conflicts conflicts;
};

/* Each path of the task gets back its content, mode and link target from before; everything else stays. A file in
 * which the person had uncommitted work when the task began gets that back, uncommitted, while the commit restores
 * what was committed. Refused (VIV_E_CONFLICT, listed with both object names) when one of those paths is no longer
 * what the task left, on the line or in the files; nothing is changed then. Should the person write to one in the
 * very moment between looking and moving, the answer is VIV_E_CONFLICT with `commit` set: the line is rolled back,
 * the files are not. Doing it twice gives the same commit. */
viv_status vh_rollback(struct vh_target *target, struct vh_arena *arena, const struct vh_rollback_request *request,
                       struct vh_rolled *ret_rolled, struct viv_error *err);

#endif
