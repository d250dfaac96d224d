/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a queue file written: one that came from a file with its own bytes and a new status, any other made from
 * the task's row. */
#ifndef VH_QUEUE_WRITE_H
#define VH_QUEUE_WRITE_H

#include "base/buf.h"
#include "base/json.h"

enum vh_queue_list { VH_QUEUE_TASKS, VH_QUEUE_COMPLETED, VH_QUEUE_FAILED };

/* Status word of contract 1.1 for a task's row, and the list it stands in. */
const char *vh_queue_write_status(const struct vh_json *task, enum vh_queue_list *ret_list);

/* The entry's own bytes, but for the value of "status". */
void vh_queue_write_kept(struct vh_buf *buf, struct viv_str entry, const char *status);
/* From the row of a task that did not come from a file. */
void vh_queue_write_task(struct vh_buf *buf, struct vh_arena *arena, const struct vh_json *task, const char *status);

/* A text as a JSON string with quotes. */
void vh_queue_write_text(struct vh_buf *buf, struct vh_arena *arena, struct viv_str text);

#endif
