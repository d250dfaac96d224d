/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways behind a walk: walk_grant.c by descriptors, walk_effects.c by effects. walk.c owns what is common:
 * sticky errors, the list of skipped files, pieces. Not for authors. */
#ifndef VIV_KIT_WALK_INSIDE_H
#define VIV_KIT_WALK_INSIDE_H

#include <viv/limits.h>

#include "walk.h"

/* One folder being walked: its names, read whole and sorted, and how far we are. Buffers are used again by the next
 * folder at the same depth. */
struct viv_walk_level {
    struct viv_kit_buf names;
    const void **order;
    uint64_t order_size;
    uint64_t count;
    uint64_t at;
    uint64_t path_len; /* of the folder's own path in walk->path */
    int32_t fd;
    uint32_t reserved;
};

struct viv_walk_entry {
    struct viv_str path;
    int64_t bytes;
    int64_t modified_us;
};

struct viv_walk_skipped {
    struct viv_str path;
    const char *reason;
};

struct viv_kit_walk {
    struct viv_call *call;
    const struct viv_effects *effects;
    struct viv_kit_memory memory;
    viv_status status; /* the sticky one */
    uint32_t flags;
    struct viv_error error;
    uint64_t files;
    uint64_t skipped_count;
    uint64_t limit; /* bytes of a file, when one was over it; else 0 */
    struct viv_walk_skipped skipped[VIV_KIT_SKIPPED_MAX];

    /* By grant. `level_count` is how many are open; the top one's name `at - 1` is where the walk stands. */
    struct viv_walk_level *levels;
    uint32_t level_count;
    int32_t file_fd;
    int64_t file_bytes; /* size when opened */
    int64_t file_changed_ns;
    const char *file_name;

    /* By effects. */
    const void **entries;
    uint64_t entry_count;
    uint64_t entry_at;

    /* The open file. */
    const char *file_problem; /* why its bytes must not be used */
    struct viv_str file_path;
    struct viv_str file_output; /* by effects: all of it */
    uint64_t file_read;
    uint32_t file_done;
    uint32_t reserved;
    char *piece;
    struct viv_kit_buf load;

    char path[VIV_PATH_MAX + 1];
};

/* End the walk with this status; keeps the first. `about` is quoted behind the problem unless its data is NULL. */
void viv_walk_end(struct viv_kit_walk *walk, viv_status status, const char *problem, struct viv_str about);
/* Status of an effect that ends the walk: not one file's trouble. */
uint32_t viv_walk_fatal(viv_status status);

/* Whether a root that is not there is for this walk an empty folder; then it is noted. */
uint32_t viv_walk_missing(struct viv_kit_walk *walk, struct viv_str root);

void viv_walk_grant_open(struct viv_kit_walk *walk, struct viv_str root);
uint32_t viv_walk_grant_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file);
void viv_walk_grant_close(struct viv_kit_walk *walk);
uint32_t viv_walk_grant_file_open(struct viv_kit_walk *walk);
/* Up to `size` bytes into `to`; sets file_done or file_problem. */
uint64_t viv_walk_grant_read(struct viv_kit_walk *walk, char *to, uint64_t size);
void viv_walk_grant_file_close(struct viv_kit_walk *walk);

void viv_walk_effects_open(struct viv_kit_walk *walk, struct viv_str root);
uint32_t viv_walk_effects_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file);
uint32_t viv_walk_effects_file_open(struct viv_kit_walk *walk);

#endif
