/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the state in arrays: rows by (table, key), found by hash, with one savepoint. memory.c puts the getters and
 * putters on top. Nobody else includes it. */
#ifndef VH_MEMORY_ROWS_H
#define VH_MEMORY_ROWS_H

#include "core/memory.h"

enum vh_memory_which { VH_MEMORY_TASKS, VH_MEMORY_SCOPES, VH_MEMORY_EFFECTS, VH_MEMORY_FACTS, VH_MEMORY_EDGES,
                       VH_MEMORY_TABLES };

struct vh_memory_row {
    struct vh_memory_row *next; /* in its bucket, or in the list of spare rows */
    struct viv_str key;
    struct viv_str value; /* overwritten in place: whoever gives it out copies it */
    size_t key_room;
    size_t value_room;
    int64_t claim_at_us; /* of a task: from when a worker may take it; VH_MEMORY_NEVER */
};

#define VH_MEMORY_NEVER INT64_MAX

struct vh_memory_table {
    struct vh_memory_row **buckets;
    size_t bucket_count;
    size_t count;
};

/* One change since the mark; `old` is empty with NULL data when the row was made. */
struct vh_memory_change {
    struct vh_memory_change *next;
    enum vh_memory_which which;
    struct vh_memory_row *row;
    struct viv_str old;
    int64_t claim_at_us;
};

struct vh_memory {
    struct vh_arena *arena;
    struct vh_memory_table tables[VH_MEMORY_TABLES];
    struct vh_memory_row *spare; /* rows that an undo took away */
    struct vh_memory_row **order; /* tasks by number */
    size_t order_count;
    size_t order_room;
    struct vh_arena *journal; /* between mark and keep or undo */
    struct vh_memory_change *changes;
    size_t mark_order;
};

struct vh_memory_row *vh_memory_rows_find(const struct vh_memory *memory, enum vh_memory_which which,
                                          struct viv_str key);
viv_status vh_memory_rows_put(struct vh_memory *memory, enum vh_memory_which which, struct viv_str key,
                              struct viv_str value, struct viv_error *err);

#endif
