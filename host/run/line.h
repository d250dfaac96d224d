/* SPDX-License-Identifier: Apache-2.0 */
/* The line of ready work of a target: refs/viv/line/BRANCH, one commit per ready task, moved by compare-and-set
 * only, named by refs/heads/viv/TASK. For a plain folder the same names live in the private git directory. */
#ifndef VH_LINE_H
#define VH_LINE_H

#include "target.h"

/* Where the line stands; "" before the first task. */
viv_status vh_line_tip(const struct vh_target *target, struct vh_arena *arena, struct vh_git_id *ret_tip,
                       struct viv_error *err);

/* One transaction: line from `expected` ("" = must not exist) to `commit`, viv/TASK names it, the held reference
 * goes. Done already is VIV_OK. VIV_E_CONFLICT: the line stands elsewhere; merge and gate again. VIV_E_EXISTS: a
 * branch of that name is in the way. */
viv_status vh_line_advance(const struct vh_target *target, struct vh_arena *arena, const char *task,
                           const struct vh_git_id *expected, const struct vh_git_id *commit, struct viv_error *err);

/* The same change on top of `tip`: one commit with the message, author and trailers of `commit` and the merged
 * tree, held as the other was. Same input, same commit. VIV_E_CONFLICT lists both versions of each path. */
struct vh_line_merged {
    struct vh_git_id commit;
    struct vh_git_id tree;
    struct vh_conflicts conflicts; /* filled when VIV_E_CONFLICT is returned, the rest otherwise */
};
viv_status vh_line_merge(const struct vh_target *target, struct vh_arena *arena, const char *task,
                         const struct vh_git_id *tip, const struct vh_git_id *commit,
                         struct vh_line_merged *ret_merged, struct viv_error *err);

/* After a crash: the commit on the line, or held for `task`, whose Viv-Effect trailer is `effect`; "" when there is
 * none. `ret_on_line` tells which. */
viv_status vh_line_probe(const struct vh_target *target, struct vh_arena *arena, const char *task,
                         const char *effect, struct vh_git_id *ret_commit, bool *ret_on_line, struct viv_error *err);

/* merge-tree of two commits. VIV_E_CONFLICT with the list. */
viv_status vh_line_join(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *ours,
                        const struct vh_git_id *theirs, struct vh_git_id *ret_tree,
                        struct vh_conflicts *ret_conflicts, struct viv_error *err);

/* Whether `older` is `newer` or one of its ancestors. "" is everybody's ancestor. */
viv_status vh_line_contains(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *newer,
                            const struct vh_git_id *older, bool *ret_contains, struct viv_error *err);

#endif
