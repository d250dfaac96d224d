/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a queue file. Only queue_file.c and queue_entry.c include this, after jansson, which no header does. */
#ifndef VH_QUEUE_ENTRY_H
#define VH_QUEUE_ENTRY_H

#include "queue_file.h"
#include "queue_scan.h"

/* Fill `entry` from its tree; `entry->bytes` is set. `entry->id` is set as soon as it is known to be harmless. */
viv_status vh_queue_entry_read(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
                               struct viv_error *err);

/* "a list", "nothing", ...: what was found, in words. */
const char *vh_queue_type(const json_t *value);

#endif
