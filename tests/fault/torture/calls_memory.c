/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libc that give memory. Read torture.h first. */
#define _GNU_SOURCE
#include "torture.h"

#include <errno.h>
#include <stddef.h>

/* Under these names glibc keeps its own for those who stand in. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **ret_memory, size_t alignment, size_t size);

void *
malloc(size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "malloc") ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "calloc") ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "realloc") ? NULL : __libc_realloc(memory, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "aligned_alloc") ? NULL : __libc_memalign(alignment, size);
}

int
posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory = torture_fails(TORTURE_BIT(TORTURE_ALLOC), "posix_memalign") ? NULL
                                                                             : __libc_memalign(alignment, size);
    if (!memory) {
        return ENOMEM;
    }
    *ret_memory = memory;
    return 0;
}
