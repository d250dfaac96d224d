/* SPDX-License-Identifier: Apache-2.0 */
/* log/execution_log.jsonl: the log as people and tools read it, one line per event:
 *   {"event":<canonical event>,"hash":"<hex>"}
 * It keeps no cursor of its own: on start its last lines are compared with the log byte for byte. What a crash tore
 * (the beginning of a line, or zeros) is cut off and written again. Anything else that differs is refused and left as
 * it is: a file that knows more than the database (a restored old database), an altered or a foreign line. It begins
 * with the first event, or after a segment that was archived (segment.h). */
#ifndef VH_EXPORT_H
#define VH_EXPORT_H

#include "base/fs.h"
#include "base/buf.h"
#include "keep/store.h"

#define VH_EXPORT_LINE_MAX ((size_t)80 << 20)

/* One line with its newline. */
void vh_export_line(struct vh_buf *buf, struct viv_str line, const struct vh_hash *hash);

/* Bring the file `path` (below `dir`) up to date from `store`, a connection of the caller's thread. `ret_seq` is the
 * last exported event. VIV_E_CORRUPT when the file is ahead of or beside the log, VIV_E_INVALID
 * when it is no regular file. */
viv_status vh_export_update(const struct vh_seam *seam, struct vh_store *store, int dir, const char *path,
                            int64_t *ret_seq, struct viv_error *err);

/* Append events after `after` to an open file that vh_export_update has brought up to `after`. */
viv_status vh_export_append(const struct vh_seam *seam, struct vh_store *store, int fd, int64_t after,
                            int64_t *ret_seq, struct viv_error *err);

/* Leave out of the file what is archived: a new one with the rest takes its place. The exporter may append meanwhile;
 * what it wrote to the old file it writes again. */
viv_status vh_export_trim(const struct vh_seam *seam, struct vh_store *store, int dir, const char *path,
                          struct viv_error *err);

#endif
