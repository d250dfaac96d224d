/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096u
#define ALIGNMENT 16u

/* A block for each allocation, with nothing behind it: a sanitizer then sees what reads or writes on. */
#ifdef VH_ARENA_EXACT
#define EXACT 1
#else
#define EXACT 0
#endif

struct block {
    struct block *next;
    size_t used;
    size_t size;
    size_t reserved; /* keeps the bytes that follow aligned to 16 */
};

struct cleanup {
    struct cleanup *next;
    void (*clean)(void *data);
    void *data;
};

struct vh_arena {
    struct vh_arena *parent;
    struct vh_arena *children;
    struct vh_arena *next; /* sibling */
    struct vh_arena *previous;
    struct block *blocks;
    struct cleanup *cleanups;
    size_t used;
    size_t max_bytes;
};

static _Thread_local int64_t fail_at;
static _Thread_local uint64_t asked;
static _Thread_local uint64_t lacks;

static int
told_to_fail(void)
{
    int fails = fail_at == 1 || fail_at == -1;
    asked++;
    lacks += (uint64_t)fails;
    if (fail_at > 0) {
        fail_at--;
    } else if (fail_at < -1) {
        fail_at++;
    }
    return fails;
}

uint64_t
vh_arena_lacks(void)
{
    return lacks;
}

uint64_t
vh_arena_fail_at(int64_t n)
{
    uint64_t count = asked;
    asked = 0;
    fail_at = n;
    return count;
}

static int
charge(struct vh_arena *arena, size_t size)
{
    for (struct vh_arena *a = arena; a; a = a->parent) {
        if (a->max_bytes && (size > a->max_bytes || a->used > a->max_bytes - size)) {
            return -1;
        }
    }
    for (struct vh_arena *a = arena; a; a = a->parent) {
        a->used += size;
    }
    return 0;
}

struct vh_arena *
vh_arena_create(struct vh_arena *parent, size_t max_bytes)
{
    if (told_to_fail()) {
        return NULL;
    }
    struct vh_arena *arena = calloc(1, sizeof *arena);
    if (!arena) {
        lacks++;
        return NULL;
    }
    arena->max_bytes = max_bytes;
    arena->parent = parent;
    if (parent) {
        arena->next = parent->children;
        if (arena->next) {
            arena->next->previous = arena;
        }
        parent->children = arena;
    }
    return arena;
}

/* All that is in it, but for one block that is not a large one, to be used again. */
static void
empty(struct vh_arena *arena, struct block **ret_kept)
{
    while (arena->children) {
        vh_arena_destroy(arena->children);
    }
    for (struct cleanup *c = arena->cleanups; c; c = c->next) {
        c->clean(c->data);
    }
    for (struct vh_arena *a = arena->parent; a; a = a->parent) {
        a->used -= arena->used;
    }
    while (arena->blocks) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        if (ret_kept && !*ret_kept && block->size == BLOCK_BYTES - sizeof *block) {
            *ret_kept = block;
        } else {
            free(block);
        }
    }
}

static void
unlink_from_parent(struct vh_arena *arena)
{
    if (!arena->parent) {
        return;
    }
    if (arena->previous) {
        arena->previous->next = arena->next;
    } else {
        arena->parent->children = arena->next;
    }
    if (arena->next) {
        arena->next->previous = arena->previous;
    }
}

void
vh_arena_destroy(struct vh_arena *arena)
{
    if (arena) {
        empty(arena, NULL);
        unlink_from_parent(arena);
        free(arena);
    }
}

void
vh_arena_reset(struct vh_arena *arena)
{
    struct block *kept = NULL;
    empty(arena, EXACT ? NULL : &kept);
    if (kept) {
        memset(kept + 1, 0, kept->used);
        kept->used = 0;
        kept->next = NULL;
    }
    arena->blocks = kept;
    arena->cleanups = NULL;
    arena->used = 0;
}

static void *
from_new_block(struct vh_arena *arena, size_t size)
{
    size_t least = EXACT ? 0 : BLOCK_BYTES - sizeof(struct block);
    size_t block_size = size > least ? size : least;
    struct block *block = calloc(1, sizeof *block + block_size);
    if (!block) {
        lacks++;
        return NULL;
    }
    block->size = block_size;
    block->used = size;
    /* A large block goes behind the head, so that the room left in the head stays usable. */
    if (arena->blocks && block_size == size) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block + 1;
}

void *
vh_arena_alloc(struct vh_arena *arena, size_t size)
{
    if (!arena || told_to_fail() || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t wanted = size;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size == 0) {
        size = ALIGNMENT;
    }
    if (charge(arena, size)) {
        return NULL;
    }
    struct block *head = arena->blocks;
    if (!EXACT && head && head->size - head->used >= size) {
        void *memory = (char *)(head + 1) + head->used;
        head->used += size;
        return memory;
    }
    void *memory = from_new_block(arena, EXACT ? wanted : size);
    if (!memory) {
        for (struct vh_arena *a = arena; a; a = a->parent) {
            a->used -= size;
        }
    }
    return memory;
}

void *
vh_arena_array(struct vh_arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size) {
        return NULL;
    }
    return vh_arena_alloc(arena, count * size);
}

void *
vh_arena_copy(struct vh_arena *arena, const void *bytes, size_t size)
{
    void *copy = vh_arena_alloc(arena, size);
    if (copy && size) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

char *
vh_arena_text(struct vh_arena *arena, const char *text)
{
    return vh_arena_copy(arena, text, strlen(text) + 1);
}

char *
vh_arena_text_of(struct vh_arena *arena, struct viv_str text)
{
    if (text.len >= SIZE_MAX / 2) {
        return NULL;
    }
    char *copy = vh_arena_alloc(arena, (size_t)text.len + 1);
    if (copy && text.len) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    return copy;
}

char *
vh_arena_format(struct vh_arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = len < 0 ? NULL : vh_arena_alloc(arena, (size_t)len + 1);
    if (text) {
        va_start(list, format);
        vsnprintf(text, (size_t)len + 1, format, list);
        va_end(list);
    }
    return text;
}

int
vh_arena_on_end(struct vh_arena *arena, void (*clean)(void *data), void *data)
{
    struct cleanup *cleanup = vh_arena_alloc(arena, sizeof *cleanup);
    if (!cleanup) {
        return -1;
    }
    *cleanup = (struct cleanup){ arena->cleanups, clean, data };
    arena->cleanups = cleanup;
    return 0;
}

void
vh_arena_trim(void)
{
    (void)malloc_trim(0);
}

size_t
vh_arena_used(const struct vh_arena *arena)
{
    return arena ? arena->used : 0;
}
