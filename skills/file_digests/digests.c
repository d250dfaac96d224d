/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting by digest brings equal files together; all orders are total, so that the answer is always the same. */
#include "digests.h"

#include <string.h>

uint32_t
digests_add(struct digests *digests, struct viv_str path, int64_t bytes, struct viv_kit_sha256 *sum)
{
    struct viv_kit_memory memory = digests->memory;
    if (digests->count == digests->size) {
        uint64_t size = digests->size ? digests->size * 2 : 256;
        const void **files = memory.alloc(memory.data, size * sizeof *files);
        if (!files)
            return 0;
        if (digests->count > 0) {
            memcpy(files, digests->files, digests->count * sizeof *files);
        }
        digests->files = files;
        digests->size = size;
    }
    struct digest *file = memory.alloc(memory.data, sizeof *file + path.len);
    if (!file)
        return 0;
    char *copy = (char *)(file + 1);
    memcpy(copy, path.data, (size_t)path.len);
    file->path = (struct viv_str){ copy, path.len };
    file->bytes = bytes;
    viv_kit_sha256_hex(sum, file->hex);
    digests->files[digests->count++] = file;
    digests->total_bytes += bytes;
    return 1;
}

static int32_t
compare_files(const void *one, const void *other)
{
    const struct digest *a = one;
    const struct digest *b = other;
    int order = memcmp(a->hex, b->hex, sizeof a->hex);
    return order != 0 ? order : viv_kit_compare(a->path, b->path);
}

static int32_t
compare_groups(const void *one, const void *other)
{
    const struct group *a = one;
    const struct group *b = other;
    if (a->wasted_bytes != b->wasted_bytes)
        return a->wasted_bytes > b->wasted_bytes ? -1 : 1;
    return viv_kit_compare(a->files[0]->path, b->files[0]->path);
}

uint32_t
digests_group(struct digests *digests)
{
    struct viv_kit_memory memory = digests->memory;
    uint64_t count = digests->count;
    const void **sorted = memory.alloc(memory.data, (count + 1) * sizeof *sorted);
    struct group *groups = memory.alloc(memory.data, (count / 2 + 1) * sizeof *groups);
    digests->groups = memory.alloc(memory.data, (count / 2 + 1) * sizeof *digests->groups);
    if (!sorted || !groups || !digests->groups)
        return 0;
    if (count > 0) {
        memcpy(sorted, digests->files, count * sizeof *sorted);
    }
    viv_kit_sort(sorted, count, compare_files);
    const struct digest *const *files = (const struct digest *const *)sorted;
    for (uint64_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && memcmp(files[start]->hex, files[end]->hex, 64) == 0;) {
            end++;
        }
        if (end - start < 2 || files[start]->bytes == 0)
            continue;
        struct group *group = &groups[digests->group_count];
        *group = (struct group){ files + start, end - start, files[start]->bytes * (int64_t)(end - start - 1) };
        digests->groups[digests->group_count++] = group;
        digests->wasted_bytes += group->wasted_bytes;
    }
    viv_kit_sort(digests->groups, digests->group_count, compare_groups);
    return 1;
}
