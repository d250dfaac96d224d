/* SPDX-License-Identifier: Apache-2.0 */
/* Read-only queries over a store: what the command line shows. Every call works on one connection, one thread. */
#ifndef VH_READER_H
#define VH_READER_H

#include "keep/store.h"

/* One event as stored. `line` and `hash` are valid until the next call of `each`. Return false to stop. */
typedef bool (*vh_reader_each)(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash);

/* Events after `after` in order, archived ones first, all as they were at one moment; `task` empty for all. Archived
 * ones are read from their files: VIV_E_NOT_FOUND and VIV_E_CORRUPT name the file that is not as it must be. */
viv_status vh_reader_events(struct vh_store *store, int64_t after, struct viv_str task, vh_reader_each each,
                            void *data, struct viv_error *err);

/* The same, decoded; an event's texts live until `each` returns, whose status ends the walk when it is not VIV_OK. */
viv_status vh_reader_walk(struct vh_store *store, int64_t after, struct viv_str task,
                          viv_status (*each)(void *data, const struct vh_event *event, struct viv_error *err),
                          void *data, struct viv_error *err);

/* Tasks in order of submission; `state` empty for all, `after` the number of the last one seen. The row lives in
 * `arena`. Return false to stop. */
viv_status vh_reader_tasks(struct vh_store *store, struct vh_arena *arena, struct viv_str state, int64_t after,
                           bool (*each)(void *data, const struct vh_task *task), void *data, struct viv_error *err);

/* Accounts in order of their names, after `after`. The name lives in `arena`. Return false to stop. */
viv_status vh_reader_scopes(struct vh_store *store, struct vh_arena *arena, struct viv_str after,
                            bool (*each)(void *data, const struct vh_scope *scope), void *data, struct viv_error *err);

/* How many tasks wait for a worker or are with one. */
viv_status vh_reader_open_tasks(struct vh_store *store, int64_t *ret_count, struct viv_error *err);

/* Canonical dump of all projections, the form of vh_memory_dump plus the idempotency keys. */
viv_status vh_reader_dump(struct vh_store *store, struct vh_buf *buf, struct viv_error *err);

/* Every column of every row of the projections, with its type: what a statement may find or sort by is in columns of
 * its own, beside the row's document. */
viv_status vh_reader_rows(struct vh_store *store, struct vh_buf *buf, struct viv_error *err);

#endif
