/* SPDX-License-Identifier: Apache-2.0 */
/* Which repository a folder lies in, read from the files as git would: no program runs. For target.c. */
#ifndef VH_REPOSITORY_H
#define VH_REPOSITORY_H

#include "target.h"

/* Absolute and without links, by way of a descriptor: what is opened is what is named. */
viv_status vh_repository_folder(const struct vh_seam *seam, struct vh_arena *arena, const char *path,
                                const char **ret_path, struct viv_error *err);
/* Fills root, prefix, git_dir, common_dir and linked when `path`, which is absolute, lies in a working tree. Of the
 * target's tools the seam must be there. VIV_E_INVALID: bare, inside a git directory, `.git` leads nowhere. */
viv_status vh_repository_find(struct vh_target *target, struct vh_arena *arena, const char *path, bool *ret_found,
                              struct viv_error *err);

#endif
