/* SPDX-License-Identifier: Apache-2.0 */
/* log/execution_log.jsonl: the log as people and tools read it, one line per event:
 *   {"event":<canonical event>,"hash":"<hex>"}
 * It keeps no cursor of its own: on start it finds the last whole line whose hash is the database's at that number,
 * cuts the file there and goes on. A file that knows more than the database means a restored old database or
 * tampering, and is refused. */
#ifndef VH_EXPORT_H
#define VH_EXPORT_H

#include "base/fs.h"
#include "keep/store.h"

/* Bring the file `path` (below `dir`) up to date from `store`, a connection of the caller's thread. `ret_seq` is the
 * last exported event. VIV_E_CORRUPT when the file is ahead of or beside the log. */
viv_status vh_export_update(const struct vh_seam *seam, struct vh_store *store, int dir, const char *path,
                            int64_t *ret_seq, struct viv_error *err);

/* Append events after `after` to an open file that vh_export_update has brought up to `after`. */
viv_status vh_export_append(const struct vh_seam *seam, struct vh_store *store, int fd, int64_t after,
                            int64_t *ret_seq, struct viv_error *err);

#endif
