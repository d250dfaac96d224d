/* SPDX-License-Identifier: Apache-2.0 */
/* Object names of files that need not be read again: HOME/store/folder-KEY.cache. A file is the same when device,
 * inode, size and both times are; one changed a moment ago is never remembered, since a second change could leave
 * all of these as they are. A damaged cache is ignored: it only saves time. Used by folder.c. */
#ifndef VH_FOLDER_CACHE_H
#define VH_FOLDER_CACHE_H

#include "tree.h"

struct vh_folder_known {
    uint64_t dev;
    uint64_t ino;
    uint64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
    char id[VH_GIT_HEX + 7]; /* no padding: records are written as they are */
};

struct vh_folder_cache {
    struct vh_folder_known *known; /* sorted by device and inode */
    size_t count;
    size_t room;
    struct vh_git_id commit; /* the snapshot that these made */
    char list[VH_GIT_HEX];   /* SHA-256 over its paths, modes and object names */
};

viv_status vh_folder_cache_read(const struct vh_target *target, struct vh_arena *arena,
                                struct vh_folder_cache *ret_cache, struct viv_error *err);
viv_status vh_folder_cache_write(const struct vh_target *target, struct vh_arena *arena,
                                 struct vh_folder_cache *cache, struct viv_error *err);

/* The name of the content, or NULL. */
const char *vh_folder_cache_find(const struct vh_folder_cache *cache, const struct stat *stat);

/* Remember, unless it changed within the last moments before `now_us`. `room` must have been made. */
void vh_folder_cache_add(struct vh_folder_cache *cache, const struct stat *stat, const struct vh_git_id *id,
                         int64_t now_us);

#endif
