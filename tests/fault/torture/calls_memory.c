/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libc that give memory. Read torture.h first. */
#define _GNU_SOURCE
#include "torture.h"

#include <errno.h>
#include <stddef.h>

/* Under these names a sanitizer, where there is one, keeps its own. */
extern void *__interceptor_malloc(size_t size) __attribute__((weak));
extern void *__interceptor_calloc(size_t count, size_t size) __attribute__((weak));
extern void *__interceptor_realloc(void *memory, size_t size) __attribute__((weak));
extern void *__interceptor_memalign(size_t alignment, size_t size) __attribute__((weak));

/* Under these names glibc keeps its own for those who stand in. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define REAL(name) (__interceptor_##name ? __interceptor_##name : __libc_##name)

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **ret_memory, size_t alignment, size_t size);

void *
malloc(size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "malloc") ? NULL : REAL(malloc)(size);
}

void *
calloc(size_t count, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "calloc") ? NULL : REAL(calloc)(count, size);
}

void *
realloc(void *memory, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "realloc") ? NULL : REAL(realloc)(memory, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return torture_fails(TORTURE_BIT(TORTURE_ALLOC), "aligned_alloc") ? NULL : REAL(memalign)(alignment, size);
}

int
posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory = torture_fails(TORTURE_BIT(TORTURE_ALLOC), "posix_memalign") ? NULL
                                                                             : REAL(memalign)(alignment, size);
    if (!memory) {
        return ENOMEM;
    }
    *ret_memory = memory;
    return 0;
}
