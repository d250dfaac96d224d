/* SPDX-License-Identifier: Apache-2.0 */
/* From what a task starts: the tip of the line joined with the tip of the branch, and, where the policy lets the
 * task see it, uncommitted work as a tree of its own. The user's index and files are only read. Ignored files are
 * never part of it, but for the paths in `bring`. For a plain folder the same by a snapshot in the private git
 * directory (folder.h). Read next: layer.h, which puts a tree on disk. */
#ifndef VH_BASE_H
#define VH_BASE_H

#include "target.h"

struct vh_base_options {
    bool uncommitted;         /* the policy lets the task see uncommitted work */
    const char *const *bring; /* patterns of ignored paths to take a snapshot of, see base_bring.h */
    size_t bring_count;
    struct viv_str scope;     /* as core/scope.h spells it; of a plain folder nothing else is read. Empty: none */
    bool scope_only;          /* what is seen of a repository is only what lies in the scope */
    int64_t time_s;           /* the batch's time, for commits made here */
    uint64_t files_max;       /* 0: VIV_BASE_FILES_MAX */
    uint64_t bytes_max;       /* 0: VIV_BASE_BYTES_MAX */
};

struct vh_base_path {
    struct viv_str path;
    const char *what; /* "modified", "added", "deleted", "brought", "skipped", "unreadable" */
};

struct vh_base {
    struct vh_git_id commit; /* what the task's commit stands on; "" in an empty repository */
    struct vh_git_id tree;   /* its tree */
    struct vh_git_id seen;   /* what the task sees: `tree`, or with uncommitted work and brought paths, or less */
    struct vh_git_id brought; /* a tree of what `seen` holds of brought paths, "" when that is nothing */
    struct vh_git_id line;   /* tip of the line when captured, "" before the first task */
    struct vh_git_id tip;    /* tip of the branch, "" while unborn */
    int64_t time_s;          /* of the commit; files of the base carry it */
    int64_t seen_time_s;
    struct vh_base_path *path; /* uncommitted work, sorted; left out: "skipped", "unreadable" */
    size_t count;
};

/* VIV_E_CONFLICT: line and branch cannot be joined, `ret_conflicts` names the paths. VIV_E_LIMIT names found and
 * allowed values and `--scope DIR`. The target is refreshed first. */
viv_status vh_base_capture(struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
                           struct vh_base *ret_base, struct vh_conflicts *ret_conflicts, struct viv_error *err);

/* Sets `commit` from `line` and `tip`: the one that contains the other, or a commit that joins them. */
viv_status vh_base_join(const struct vh_target *target, struct vh_arena *arena, struct vh_base *base,
                        struct vh_conflicts *ret_conflicts, struct viv_error *err);

/* The tree and time of a commit. */
viv_status vh_base_of_commit(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *commit,
                             struct vh_git_id *ret_tree, int64_t *ret_time_s, struct viv_error *err);

#endif
