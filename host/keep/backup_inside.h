/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the backup: what backup.c and backup_copy.c share. Nobody else includes it but the test. */
#ifndef VH_BACKUP_INSIDE_H
#define VH_BACKUP_INSIDE_H

#include "keep/backup.h"

struct vh_backup_root {
    const char *path; /* a file, or a folder with all below it */
    int part;         /* 0: not copied by itself */
};
extern const struct vh_backup_root vh_backup_roots[];
extern const size_t vh_backup_root_count;

/* Names that come and go and are never part of a backup. */
bool vh_backup_passing(const char *path, const char *name);
/* Whether a backup may hold a file of this path: it lies below a root and leads nowhere else. */
bool vh_backup_belongs(const char *path);
viv_status vh_backup_add(struct vh_arena *arena, struct vh_backup *backup, const struct vh_backup_file *file,
                         struct viv_error *err);
const struct vh_backup_file *vh_backup_find(const struct vh_backup *backup, const char *path);

#endif
