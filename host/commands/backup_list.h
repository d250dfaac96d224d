/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a backup (keep/backup.h), which may have come from anywhere: nothing in it is believed. */
#ifndef VH_BACKUP_LIST_H
#define VH_BACKUP_LIST_H

#include "keep/backup.h"

/* What backup.json says. VIV_E_VERSION, VIV_E_CORRUPT. */
viv_status vh_backup_list_read(struct vh_arena *arena, struct viv_str text, struct vh_backup *ret_backup,
                               struct viv_error *err);
/* Copy what it lists from the folder `from` to `to`. VIV_E_CORRUPT names a file that is missing, other, too many, or no
 * file. */
viv_status vh_backup_list_take(const struct vh_seam *seam, struct vh_arena *arena, int from, int to,
                               const struct vh_backup *backup, struct viv_error *err);

#endif
