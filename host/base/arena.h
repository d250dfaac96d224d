/* SPDX-License-Identifier: Apache-2.0 */
/* Memory by life: a process, a plugin, a task, a call. Everything in an arena goes at once; a child goes with its
 * parent; clean-up handlers run newest first. The only file of the host that calls malloc. Not thread-safe: one
 * arena belongs to one thread at a time; children of one parent may not be made from two threads. */
#ifndef VH_ARENA_H
#define VH_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <viv/core.h>

struct vh_arena;

/* `max_bytes` bounds what the arena and its children take together; 0 means no bound but its parent's.
 * NULL when memory is out. */
struct vh_arena *vh_arena_create(struct vh_arena *parent, size_t max_bytes);
void vh_arena_destroy(struct vh_arena *arena);
/* As ended and made anew, without a word to the system: for what is done once for each of very many. */
void vh_arena_reset(struct vh_arena *arena);

/* Zeroed and aligned for any type; NULL at the bound or out of memory, and from an arena that could not be made
 * (NULL). size 0 gives a valid pointer. */
void *vh_arena_alloc(struct vh_arena *arena, size_t size);
void *vh_arena_array(struct vh_arena *arena, size_t count, size_t size);
void *vh_arena_copy(struct vh_arena *arena, const void *bytes, size_t size);

/* Copies that end in NUL. */
char *vh_arena_text(struct vh_arena *arena, const char *text);
char *vh_arena_text_of(struct vh_arena *arena, struct viv_str text);
char *vh_arena_format(struct vh_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Run `clean` with `data` when the arena ends. Returns 0, or -1 when memory is out. */
int vh_arena_on_end(struct vh_arena *arena, void (*clean)(void *data), void *data);

size_t vh_arena_used(const struct vh_arena *arena);

/* Give what ended arenas and libraries left to the system. For who has nothing to do: it takes a moment. */
void vh_arena_trim(void);

/* How often there was no memory for this thread so far; bounds of arenas do not count. */
uint64_t vh_arena_lacks(void);

/* Tests: let the n-th allocation from now fail, once (n > 0) or from then on (n < 0); 0 switches off.
 * Returns how many allocations were asked for since the last call. Thread-local. */
uint64_t vh_arena_fail_at(int64_t n);

#endif
