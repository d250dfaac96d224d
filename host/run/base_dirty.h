/* SPDX-License-Identifier: Apache-2.0 */
/* Uncommitted work and brought paths of a repository as a tree. Used by base*.c and folder.c only. */
#ifndef VH_BASE_DIRTY_H
#define VH_BASE_DIRTY_H

#include "base.h"
#include "tree.h"

/* Paths of the working tree that are not as in HEAD, one after the other. */
struct vh_base_collect {
    const struct vh_target *target;
    struct vh_arena *arena;
    const struct vh_base_options *options;
    struct viv_error *err;
    struct vh_base_path *path;
    size_t count;
    size_t room;
    uint64_t files;
    uint64_t bytes;
    int root;
    struct vh_tree head; /* when paths are brought: of HEAD, and of the commit the task stands on */
    struct vh_tree line;
    uint64_t looked; /* names compared with a pattern */
    bool bringing;
};

/* Sets `seen`, `seen_time_s` and the list of paths of `base`, whose other members are complete. */
viv_status vh_base_dirty(const struct vh_target *target, struct vh_arena *arena,
                         const struct vh_base_options *options, struct vh_base *base,
                         struct vh_conflicts *ret_conflicts, struct viv_error *err);

/* Refuse when more was found than is allowed: both values, and the cure. */
#define VH_BASE_CURE "name a smaller part with --scope DIR"
viv_status vh_base_bounds(const struct vh_base_options *options, uint64_t files, uint64_t bytes, const char *cure,
                          struct viv_error *err);

/* Add a path; and one that is looked at first: counted if it is a file or link, else noted as deleted or left out. */
viv_status vh_base_note(struct vh_base_collect *collect, struct viv_str path, const char *what);
viv_status vh_base_note_file(struct vh_base_collect *collect, struct viv_str path, const char *what);

#endif
