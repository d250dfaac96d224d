/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tasks between the fold of a whole log and the state behind it: a row is read and written as text once, not
 * for each of its events. What is put stays here until its place is wanted or all is flushed; behind is then the same
 * as without a cache, byte for byte. For vh_fold_through alone: what decides must not look at the state meanwhile. */
#ifndef VH_CACHE_H
#define VH_CACHE_H

#include "core/state.h"

struct vh_cache;

#define VH_CACHE_ROWS 256 /* of some KiB each, more where a task has long texts */

/* `rows` tasks at most, a power of two. NULL when memory is out. Ends with the arena, unflushed; after a failed call
 * it is good for nothing else. */
struct vh_cache *vh_cache_create(struct vh_arena *arena, const struct vh_state_ops *behind, size_t rows);
/* get_task and put_task, nothing else. */
struct vh_state_ops vh_cache_tasks(struct vh_cache *cache);
/* What was put and is not behind yet goes there. */
viv_status vh_cache_flush(struct vh_cache *cache, struct viv_error *err);

#endif
