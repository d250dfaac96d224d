/* SPDX-License-Identifier: Apache-2.0 */
/* The state in arrays: for replay, simulation, rebuild checks and tests. Everything lives in one arena; rows are
 * kept in the same canonical form as in the store, so both can be compared byte for byte. */
#ifndef VH_MEMORY_H
#define VH_MEMORY_H

#include "base/buf.h"
#include "core/state.h"

struct vh_memory;

/* NULL when memory is out. Ends with the arena. */
struct vh_memory *vh_memory_create(struct vh_arena *arena);
/* The table of getters and putters over it. */
struct vh_state_ops vh_memory_state(struct vh_memory *memory);

/* One savepoint at a time: what was put since the mark stays, or goes again. */
viv_status vh_memory_mark(struct vh_memory *memory, struct viv_error *err);
void vh_memory_keep(struct vh_memory *memory);
void vh_memory_undo(struct vh_memory *memory);

/* Every row of every table in key order, one line each: "table\tkey\tvalue\n". What `log rebuild` compares. */
void vh_memory_dump(const struct vh_memory *memory, struct vh_buf *buf);

#endif
