/* SPDX-License-Identifier: Apache-2.0 */
/* File work above the seam: whole reads with a bound, atomic replacement, walks, removal of trees. `dir` is a
 * directory descriptor or AT_FDCWD. Symbolic links are followed only where the name says so. */
#ifndef VH_FS_H
#define VH_FS_H

#include <stdbool.h>
#include "arena.h"
#include "seam.h"
#include <viv/status.h>

/* Read a regular file whole. VIV_E_NOT_FOUND, VIV_E_LIMIT (names both sizes), VIV_E_INVALID (not a regular file),
 * VIV_E_IO. A NUL follows the bytes. */
viv_status vh_fs_read(const struct vh_seam *seam, struct vh_arena *arena, int dir, const char *path, size_t max,
                      struct viv_str *ret_bytes, struct viv_error *err);
viv_status vh_fs_read_fd(const struct vh_seam *seam, struct vh_arena *arena, int fd, size_t max,
                         struct viv_str *ret_bytes, struct viv_error *err);

/* Write to a new name, sync, rename over `path`, sync the folder: after a crash either the old or the new is there. */
viv_status vh_fs_replace(const struct vh_seam *seam, int dir, const char *path, struct viv_str bytes, mode_t mode,
                         struct viv_error *err);

/* All bytes to a descriptor, in spite of short writes and interrupts. */
viv_status vh_fs_write_all(const struct vh_seam *seam, int fd, struct viv_str bytes, struct viv_error *err);

/* The mode of an open file, whatever stands at its name by now. */
viv_status vh_fs_set_mode(const struct vh_seam *seam, int fd, mode_t mode, struct viv_error *err);

/* Make a folder and its missing parents. */
viv_status vh_fs_make_folders(const struct vh_seam *seam, int dir, const char *path, mode_t mode,
                              struct viv_error *err);

/* The same, and each folder it makes is synced into the one above: for what must be found after a power cut, since the
 * sync of a file, or of the folder it is in, need not reach the names of the folders above. */
viv_status vh_fs_keep_folders(const struct vh_seam *seam, int dir, const char *path, mode_t mode,
                              struct viv_error *err);

/* Sync a folder's entries. */
viv_status vh_fs_sync_folder(const struct vh_seam *seam, int dir, const char *path, struct viv_error *err);

/* Names in one folder, sorted by bytes, without "." and "..". */
struct vh_fs_names {
    const char **name;
    size_t count;
};
viv_status vh_fs_list(const struct vh_seam *seam, struct vh_arena *arena, int dir, const char *path,
                      struct vh_fs_names *ret_names, struct viv_error *err);

/* Remove a tree without following links. Folders that forbid it (mode 000) are opened up first. A missing tree is
 * no error. */
viv_status vh_fs_remove_tree(const struct vh_seam *seam, int dir, const char *path, struct viv_error *err);

/* For what only saves work: what cannot be looked at counts as absent. */
bool vh_fs_exists(const struct vh_seam *seam, int dir, const char *path);
/* For decisions: what cannot be looked at is an error. `path` NULL: VIV_E_MEMORY, it could not be written down. */
viv_status vh_fs_there(const struct vh_seam *seam, int dir, const char *path, bool *ret_there, struct viv_error *err);

#endif
