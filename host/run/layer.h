/* SPDX-License-Identifier: Apache-2.0 */
/* Trees on disk, read-only by use: HOME/trees/TREE/{root,list,stamp}. An entry is whole, or a layer over another
 * entry that its stamp names: only changed files, and whiteouts (character device 0/0) for what is gone. Overlay
 * mounts stack them. An entry is built under another name, synced and renamed, so it is there whole or not at all
 * (layers, which are cheap to make again, are not synced: only the start of the machine that made one believes in it);
 * `list` is always the complete list of the tree. What must be whole although a layer of it is there already is
 * HOME/trees/whole-TREE. Files carry the time of their commit. */
#ifndef VH_LAYER_H
#define VH_LAYER_H

#include "tree.h"

/* Folders for `lowerdir=`, newest first, absolute. */
struct vh_layers {
    const char **path;
    size_t count;
    struct vh_git_id bottom; /* the last one */
};

/* Put `tree` in the cache unless it is there. `near` is a tree that may be there already and differs little; then
 * only a layer over it is written, up to VIV_LAYERS_MAX; where it is "" or of no use, the tree that was wanted last.
 * NULL asks for one whole folder, for those who copy instead of mounting: the stack then has one element. What is
 * found or made is not collected before the target's user leaves. */
viv_status vh_layer_materialise(const struct vh_target *target, struct vh_arena *arena,
                                const struct vh_git_id *tree, const struct vh_git_id *near, int64_t time_s,
                                struct vh_layers *ret_layers, struct viv_error *err);

/* The list of a cached tree from disk, else by git. */
viv_status vh_layer_list(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                         struct vh_tree *ret_tree, struct viv_error *err);

/* Look at each file of an entry: VIV_E_CORRUPT names the first that is missing or altered. */
viv_status vh_layer_verify(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                           struct viv_error *err);

/* At start: remove what a crash left half made, and layers of an earlier start of the machine. */
viv_status vh_layer_clean(const struct vh_git_tools *tools, struct vh_arena *arena, struct viv_error *err);

/* For the files of the cache only: the kernel's name for this start of the machine, "" where it has none. */
#define VH_LAYER_BOOT 48
void vh_layer_boot(const struct vh_seam *seam, char ret_boot[VH_LAYER_BOOT]);

#endif
