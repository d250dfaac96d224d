/* SPDX-License-Identifier: Apache-2.0 */
/* Plain folders as targets: a snapshot is a commit in the private git directory; its reference refs/viv/folder/KEY
 * plays the branch. Files are read again only when device, inode, size or times differ from the last snapshot.
 * Never part of a snapshot: .git folders at any depth, the home, special files (listed as skipped), what
 * may not be read (listed as unreadable). */
#ifndef VH_FOLDER_H
#define VH_FOLDER_H

#include "base.h"

/* Bring refs/viv/folder/KEY to what the folder holds now. The same content gives the same tree; no new commit is
 * made when nothing changed. VIV_E_LIMIT names both values and `--scope DIR`. `base->path` gets what was skipped. */
viv_status vh_folder_snapshot(struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
                              struct vh_base *base, struct viv_error *err);

#endif
