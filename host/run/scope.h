/* SPDX-License-Identifier: Apache-2.0 */
/* A task's scope where files are: the folder on disk, the part of a tree in it, and a result that
 * keeps to it. In a repository the task sees the whole tree and may change only what lies in the
 * scope; of a plain folder nothing else is read or shown. How it is written: core/scope.h. */
#ifndef VH_RUN_SCOPE_H
#define VH_RUN_SCOPE_H

#include "change.h"
#include "core/scope.h"

/* Whether the folder is there, beneath `root`: no part of it a link, none that tasks never see.
 * VIV_E_NOT_FOUND, VIV_E_INVALID, VIV_E_DENIED name the part, what was found and what is allowed.
 */
viv_status vh_scope_folder(const struct vh_seam *seam, struct vh_arena *arena, const char *root, struct viv_str scope,
                           struct viv_error *err);

/* The tree that holds what `tree` holds in the scope, at its place, and nothing else; `tree` itself
 * without a scope. */
viv_status vh_scope_narrow(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                           struct viv_str scope, struct vh_git_id *ret_tree, struct viv_error *err);

/* VIV_E_DENIED names the first path that lies outside, and how many do. */
viv_status vh_scope_change(struct vh_arena *arena, struct viv_str scope, const struct vh_change *change,
                           struct viv_error *err);

#endif
