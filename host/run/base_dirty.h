/* SPDX-License-Identifier: Apache-2.0 */
/* Uncommitted work and brought paths of a repository as a tree. Used by base.c only. */
#ifndef VH_BASE_DIRTY_H
#define VH_BASE_DIRTY_H

#include "base.h"

/* Sets `seen`, `seen_time_s` and the list of paths of `base`, whose other members are complete. */
viv_status vh_base_dirty(const struct vh_target *target, struct vh_arena *arena,
                         const struct vh_base_options *options, struct vh_base *base,
                         struct vh_conflicts *ret_conflicts, struct viv_error *err);

/* Refuse when more was found than is allowed: both values, and the cure. */
viv_status vh_base_bounds(const struct vh_base_options *options, uint64_t files, uint64_t bytes,
                          struct viv_error *err);

#endif
