/* SPDX-License-Identifier: Apache-2.0 */
/* Heap sort: a runner's filter knows few system calls, and libc's qsort asks for the machine's memory. */
#include "text.h"

static void
sink(const void **items, uint64_t at, uint64_t count, int32_t (*compare)(const void *, const void *))
{
    const void *item = items[at];
    for (uint64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && compare(items[child], items[child + 1]) < 0) {
            child++;
        }
        if (compare(item, items[child]) >= 0)
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

void
viv_kit_sort(const void **items, uint64_t count, int32_t (*compare)(const void *a, const void *b))
{
    for (uint64_t i = count / 2; i > 0; i--) {
        sink(items, i - 1, count, compare);
    }
    for (uint64_t left = count; left > 1; left--) {
        const void *top = items[0];
        items[0] = items[left - 1];
        items[left - 1] = top;
        sink(items, 0, left - 1, compare);
    }
}
