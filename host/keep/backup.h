/* SPDX-License-Identifier: Apache-2.0 */
/* A backup is a folder: the database as it was committed at one moment, what of the home's store cannot be made again,
 * and, written last, `backup.json`, which names every file with its size and SHA-256. A folder without it is a backup
 * that was not finished. Everything else (trees, work, the exported log, indexes and caches, journals of moves, locks,
 * the settings of the private repository) is made anew in a restored home. Who makes one: run/control_backup.c; who
 * reads one: commands/backup_list.c. Nothing here follows a link. */
#ifndef VH_BACKUP_H
#define VH_BACKUP_H

#include "base/fs.h"
#include "base/hash.h"

#define VH_BACKUP_NAME "backup.json"
#define VH_BACKUP_VERSION 1
#define VH_BACKUP_FILES_MAX 4000000
#define VH_BACKUP_BYTES_MAX ((size_t)1 << 30) /* of backup.json */

struct vh_backup_file {
    struct viv_str path; /* of the home and of the backup */
    int64_t bytes;
    struct vh_hash hash;
};

struct vh_backup {
    struct viv_str home;    /* the home's id */
    struct viv_str project; /* where it was */
    int64_t seq;            /* last event in it */
    int64_t time_us;
    struct vh_hash head;
    struct vh_backup_file *file; /* by path, each once */
    size_t count;
    size_t room;
    int64_t bytes;
};

/* What is copied, and when: references of the private repository before its objects, so that none leads nowhere. */
enum vh_backup_part { VH_BACKUP_LINE = 1, VH_BACKUP_PLUGINS, VH_BACKUP_REST };

/* Whether a backup may hold a file of this path: it belongs to a part and leads nowhere else. */
bool vh_backup_belongs(const char *path);
viv_status vh_backup_add(struct vh_arena *arena, struct vh_backup *backup, const struct vh_backup_file *file,
                         struct viv_error *err);

/* Copy the file `path` of the folder `from` to the same path in `to`; -1 only reads it. VIV_E_NOT_FOUND. */
viv_status vh_backup_copy(const struct vh_seam *seam, int from, int to, const char *path,
                          struct vh_backup_file *ret_file, struct viv_error *err);
/* Copy one part of the home `from` to the folder `to`, and note the files; for what follows they live in `arena`. */
viv_status vh_backup_copy_part(const struct vh_seam *seam, struct vh_arena *arena, int from, int to,
                               enum vh_backup_part part, struct vh_backup *backup, struct viv_error *err);
/* Note the database, sync everything, then write backup.json. */
viv_status vh_backup_seal(const struct vh_seam *seam, struct vh_arena *arena, int folder, struct vh_backup *backup,
                          struct viv_error *err);

#endif
