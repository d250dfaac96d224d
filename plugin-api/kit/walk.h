/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a folder, in one order, whatever way leads to them: a read-only folder grant (call->root_fd) or, without
 * one, effects. A skill written against this does not know which it has, and its answer is the same.
 *
 * - Regular files only, sorted by the bytes of their whole path; symbolic links are never followed; folders named
 *   ".git" are left out. A path that names a file is walked as that one file.
 * - What cannot be read is noted with its reason and the walk goes on; a refused list, an ask, a cancel, no memory or
 *   a bound ends it. Errors stick: the loop ends, viv_kit_walk_close() answers.
 * - Bounds: VIV_KIT_WALK_FILES_MAX files, VIV_KIT_WALK_DEPTH_MAX folders deep, paths of VIV_PATH_MAX bytes.
 *
 *     struct viv_kit_walk *walk = NULL;
 *     status = viv_kit_walk_open(call, lent->effects, root, 0, &walk, err);
 *     while (status == VIV_OK && viv_kit_walk_next(walk, &file)) {
 *         if (!viv_kit_file_open(walk, &file)) continue;
 *         while ((piece = viv_kit_file_piece(walk)).len > 0) ...;
 *         if (viv_kit_file_close(walk)) ...the pieces were the whole file, and it held still...;
 *     }
 *     status = viv_kit_walk_close(walk, err);   (closes descriptors, also after an error; NULL accepted)
 *
 * By effects a file over VIV_OUTPUT_MAX cannot be read whole and is noted; by a grant any size can. */
#ifndef VIV_KIT_WALK_H
#define VIV_KIT_WALK_H

#include <viv/host.h>

#include "write.h"

#define VIV_KIT_WALK_FILES_MAX 1000000
#define VIV_KIT_WALK_DEPTH_MAX 128 /* each holds a descriptor open */
#define VIV_KIT_SKIPPED_MAX 100    /* listed by name; all are counted */
#define VIV_KIT_PIECE_BYTES 65536

#define VIV_KIT_WALK_SIZES UINT32_C(1) /* fill `bytes` and `modified_us`; costs a system call a file */
/* A path that is not there is noted as skipped and has no files. git keeps no empty folders: one of the person's is not
 * there for a skill. Without this flag it is an error, VIV_E_NOT_FOUND. */
#define VIV_KIT_WALK_EMPTY UINT32_C(2)

struct viv_kit_walk;

struct viv_kit_file {
    struct viv_str path; /* from the workspace's root; valid until the next viv_kit_walk_next() */
    int64_t bytes;       /* -1 when not asked for */
    int64_t modified_us; /* UTC microseconds since 1970 */
};

viv_status viv_kit_walk_open(struct viv_call *call, const struct viv_effects *effects, struct viv_str root,
                             uint32_t flags, struct viv_kit_walk **ret_walk, struct viv_error *err);
/* 1 and a file, or 0: the end or an error. */
uint32_t viv_kit_walk_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file);
viv_status viv_kit_walk_close(struct viv_kit_walk *walk, struct viv_error *err);

/* The end of a skill: close the walk, then give both texts or neither. When files were skipped the text begins with a
 * line that says so: how many, the first names with their reasons, the limit. */
viv_status viv_kit_walk_finish(struct viv_kit_walk *walk, struct viv_kit_json *json, const struct viv_kit_buf *text,
                               struct viv_str *ret_json, struct viv_str *ret_text, struct viv_error *err);

/* The one file the walk stands on. 0: noted as skipped (or the walk ended), go on with the next. */
uint32_t viv_kit_file_open(struct viv_kit_walk *walk, const struct viv_kit_file *file);
/* Next bytes, valid until the next call; empty at the end. */
struct viv_str viv_kit_file_piece(struct viv_kit_walk *walk);
/* 0: the read failed or the file changed meanwhile; it was noted, and what was read must not be used. */
uint32_t viv_kit_file_close(struct viv_kit_walk *walk);
/* All of it at once, at most `max` bytes, valid until the next load; 0: noted as skipped. */
uint32_t viv_kit_file_load(struct viv_kit_walk *walk, const struct viv_kit_file *file, uint64_t max,
                           struct viv_str *ret_bytes);

/* Note a file as skipped for a reason of the skill's own; `reason` is a literal. */
void viv_kit_walk_skip(struct viv_kit_walk *walk, struct viv_str path, const char *reason);
uint64_t viv_kit_walk_skipped(const struct viv_kit_walk *walk);
/* Members "skipped" (a list of {"path","reason"}) and "skipped_count" of the object that is open. Before close. */
void viv_kit_walk_write_skipped(const struct viv_kit_walk *walk, struct viv_kit_json *json);

/* A NUL among the first 8,000 bytes: not text. The rule of git and grep. */
uint32_t viv_kit_binary(struct viv_str bytes);

#endif
