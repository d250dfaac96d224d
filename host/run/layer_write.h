/* SPDX-License-Identifier: Apache-2.0 */
/* Writing entries of a tree below an empty folder. Used by layer.c and the staging of a move. */
#ifndef VH_LAYER_WRITE_H
#define VH_LAYER_WRITE_H

#include "tree.h"

struct vh_layer_writer {
    const struct vh_target *target;
    struct vh_arena *arena;
    int root;
    int64_t time_s;
    struct viv_str *folder; /* made so far, parents first */
    size_t folder_count;
    size_t folder_room;
    int dir; /* the folder of the entry before, or -1 */
    struct viv_str dir_path;
    uint64_t bytes;
    const struct vh_tree_entry *const *want; /* while blobs come in */
};

void vh_layer_writer_init(struct vh_layer_writer *writer, const struct vh_target *target, struct vh_arena *arena,
                          int root, int64_t time_s);

/* Files, links and (empty) submodule folders, sorted by path. */
viv_status vh_layer_write(struct vh_layer_writer *writer, const struct vh_tree_entry *const *want, size_t count,
                          struct viv_error *err);

/* The mark by which an overlay hides what lies below. */
viv_status vh_layer_whiteout(struct vh_layer_writer *writer, struct viv_str path, struct viv_error *err);

/* Give the folders their time, deepest first. Call once at the end; also closes what is open. */
viv_status vh_layer_writer_finish(struct vh_layer_writer *writer, struct viv_error *err);

/* One blob, `size` bytes at `at` of `fd`, to a new file or link. */
struct vh_layer_blob {
    uint32_t mode;
    int fd;
    uint64_t at;
    uint64_t size;
};
viv_status vh_layer_put(const struct vh_target *target, int dir, const char *name, const struct vh_layer_blob *blob,
                        struct viv_error *err);

/* False for a path that no honest tree holds: "", ".", "..", ".git" or a part over 255 bytes. */
bool vh_layer_good_path(struct viv_str path);

#endif
