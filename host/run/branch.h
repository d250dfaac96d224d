/* SPDX-License-Identifier: Apache-2.0 */
/* Moving what is checked out, or a plain folder, to a commit of the line: files, index and reference together, only
 * on paths the person has not touched, never losing a byte a person wrote.
 *
 *   journal -> index.lock -> compare -> stage -> exchange each path, check what came out -> new index in the lock
 *           -> reference by compare-and-set -> rename the lock -> journal gone
 *
 * Up to the reference a crash goes back, from it on forward; vh_branch_recover does either. A
 * failure in the middle is undone at once; what cannot be, the next move of the same target does first. The caller is
 * the only one who moves it. Read next: move.h. */
#ifndef VH_BRANCH_H
#define VH_BRANCH_H

#include "target.h"
#include "tree.h"

enum vh_branch_outcome {
    VH_BRANCH_MOVED = 1,
    VH_BRANCH_ALREADY,  /* it has the commit */
    VH_BRANCH_DETACHED, /* HEAD is detached: nothing moves */
};

struct vh_branch_request {
    const char *task;
    struct vh_git_id commit; /* where to; must descend from the branch's tip */
    struct vh_git_id seen;   /* tree the task saw, when it saw uncommitted work; "" otherwise */
    struct vh_tree files;    /* sorted: what files become in place of what the commit has; mode 0: nothing */
    bool exact;              /* a file that is already as it shall become counts as touched as well */
};

/* VIV_E_CONFLICT: the person touched a path (listed with both versions), the branch has commits that `commit` lacks
 * (none listed), or it moved meanwhile; nothing is changed then. VIV_E_BUSY: another git holds the index, or a merge
 * or rebase is going on. */
viv_status vh_branch_move(struct vh_target *target, struct vh_arena *arena, const struct vh_branch_request *request,
                          enum vh_branch_outcome *ret_outcome, struct vh_conflicts *ret_conflicts,
                          struct viv_error *err);

/* The comparison alone: what vh_branch_move would refuse now. */
viv_status vh_branch_check(struct vh_target *target, struct vh_arena *arena, const struct vh_branch_request *request,
                           struct vh_conflicts *ret_conflicts, struct viv_error *err);

struct vh_branch_recovered {
    size_t forward;
    size_t back;
    struct viv_str *left; /* files a person changed in between: left as they are */
    size_t left_count;
};

/* At start, before any other work: finish or undo every move that a crash cut short. Harmless when there is none,
 * and when it is itself cut short. */
viv_status vh_branch_recover(const struct vh_git_tools *tools, struct vh_arena *arena,
                             struct vh_branch_recovered *ret_recovered, struct viv_error *err);

#endif
