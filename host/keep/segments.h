/* SPDX-License-Identifier: Apache-2.0 */
/* What the database knows of archived events: for each segment the file it must be, for each task where its events
 * are. Both are written in the transaction in which `log.archived` is appended and the rows leave. */
#ifndef VH_SEGMENTS_H
#define VH_SEGMENTS_H

#include "keep/segment.h"

/* The tables, as SQL that makes them. */
extern const char vh_archive_tables[];

/* Last archived event and its hash; 0 when nothing is archived. `ret_head` may be NULL. */
viv_status vh_archive_end(struct vh_store *store, int64_t *ret_last, struct vh_hash *ret_head, struct viv_error *err);

/* The data of `log.archived`. */
struct vh_json *vh_archive_json(struct vh_arena *arena, const struct vh_segment *segment);

/* The events of these data leave the table. VIV_E_CONFLICT when they are not the first that are in it. */
viv_status vh_archive_take(struct vh_store *store, const struct vh_json *data, struct viv_error *err);

/* The segment that begins with this event; VIV_E_NOT_FOUND without text. */
viv_status vh_archive_at(struct vh_store *store, int64_t first, struct vh_segment *ret_segment,
                         struct viv_error *err);
/* Whether the database has just the segment of these data. */
viv_status vh_archive_has(struct vh_store *store, const struct vh_json *data, bool *ret_has, struct viv_error *err);

/* Archived events after `after`, in order, of one task when `task` is not empty. */
viv_status vh_archive_events(struct vh_store *store, int64_t after, struct viv_str task, vh_reader_each each,
                             void *data, bool *ret_stopped, struct viv_error *err);
/* The line of one of them; VIV_E_NOT_FOUND. */
viv_status vh_archive_line(struct vh_store *store, struct vh_arena *arena, int64_t seq, struct viv_str *ret_line,
                           struct viv_error *err);

#endif
