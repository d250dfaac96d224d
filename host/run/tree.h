/* SPDX-License-Identifier: Apache-2.0 */
/* A git tree as one sorted list of paths, the names of contents computed in this process, and reading many blobs in
 * one run of git. Paths are raw bytes; they sort as bytes, which is git's own order for whole paths. */
#ifndef VH_TREE_H
#define VH_TREE_H

#include "git.h"

#define VH_TREE_FILE 0100644u
#define VH_TREE_PROGRAM 0100755u
#define VH_TREE_LINK 0120000u
#define VH_TREE_MODULE 0160000u /* a submodule: an empty folder, never touched */

struct vh_tree_entry {
    struct viv_str path; /* ends in NUL */
    uint32_t mode;
    struct vh_git_id id;
};

struct vh_tree {
    struct vh_tree_entry *entry;
    size_t count;
};

/* The list of a tree or commit; "" gives the empty list. */
viv_status vh_tree_list(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                        struct vh_tree *ret_tree, struct viv_error *err);
/* From the text that `ls-tree -r -z` writes. */
viv_status vh_tree_parse(struct vh_arena *arena, struct viv_str text, struct vh_tree *ret_tree,
                         struct viv_error *err);

const struct vh_tree_entry *vh_tree_find(const struct vh_tree *tree, struct viv_str path);
/* Index of the first entry not before "path/"; `ret_end` one behind the last below it. Equal when there is none. */
size_t vh_tree_below(const struct vh_tree *tree, struct viv_str path, size_t *ret_end);

/* What differs between two lists, sorted. `old`/`now` NULL when the path is not there. */
struct vh_tree_change {
    const struct vh_tree_entry *old;
    const struct vh_tree_entry *now;
};
struct vh_tree_diff {
    struct vh_tree_change *change;
    size_t count;
};
viv_status vh_tree_diff(struct vh_arena *arena, const struct vh_tree *old, const struct vh_tree *now,
                        struct vh_tree_diff *ret_diff, struct viv_error *err);

/* Content to object name and SHA-256 at once. `digest` may be NULL. The format is told by `hex_len` 40 or 64. */
struct vh_tree_content {
    struct vh_git_id id;
    char digest[VH_GIT_HEX];
    uint64_t size;
    uint32_t mode;          /* VH_TREE_FILE, _PROGRAM or _LINK */
    struct viv_str target;  /* of a link */
    struct stat stat;
};
/* Look at `name` in the folder `dir` without following links. VIV_E_NOT_FOUND; VIV_E_INVALID for what is neither
 * file nor link; VIV_E_CONFLICT when it changed while it was read. `copy_fd` > 0 receives the bytes as well. */
viv_status vh_tree_look(const struct vh_target *target, struct vh_arena *arena, int dir, const char *name,
                        int copy_fd, struct vh_tree_content *ret_content, struct viv_error *err);

/* Write each wanted blob: called in the order given with a descriptor to read `size` bytes at `at` from. */
struct vh_tree_sink {
    void *data;
    viv_status (*blob)(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err);
};
viv_status vh_tree_blobs(const struct vh_target *target, struct vh_arena *arena,
                         const struct vh_tree_entry *const *want, size_t count, const struct vh_tree_sink *sink,
                         struct viv_error *err);

/* Open the folder that holds `path` under `root` without following any link; `ret_name` points at the last part.
 * With `make`, missing folders are made. VIV_E_NOT_FOUND, VIV_E_CONFLICT when a part is not a folder. */
viv_status vh_tree_parent(const struct vh_target *target, int root, struct viv_str path, bool make, int *ret_dir,
                          const char **ret_name, struct viv_error *err);

/* A path as text for JSON, messages and people: bytes that are not printable UTF-8, and '%', become %XX. */
struct viv_str vh_tree_escape(struct vh_arena *arena, struct viv_str path);
struct viv_str vh_tree_unescape(struct vh_arena *arena, struct viv_str text);

#endif
