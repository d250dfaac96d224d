/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that the policy brings: ignored files of a repository's working tree,
 * which tasks and gates see and no result holds. */
#ifndef VH_BASE_BRING_H
#define VH_BASE_BRING_H

#include "base_dirty.h"

/* Note what the options bring and HEAD does not have. A pattern is a path from the root; '*' and
 * '?' stand for characters of a name, "**" as a whole part for any folders; a folder brings all in
 * it. VIV_E_INVALID, VIV_E_LIMIT. */
viv_status vh_base_bring(struct vh_base_collect *collect);

/* From the sorted list and the tree made of it: `base->brought`, a tree of what is only brought. */
viv_status vh_base_brought(struct vh_base_collect *collect, const struct vh_git_id *tree, struct vh_base *base);

/* `tree` with what was brought where it has nothing else: what a gate works in. */
viv_status vh_base_with_brought(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                                const struct vh_git_id *tree, struct vh_git_id *ret_tree, struct viv_error *err);

#endif
