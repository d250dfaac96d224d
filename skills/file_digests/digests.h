/* SPDX-License-Identifier: Apache-2.0 */
/* Files with their digests, and which of them are the same. Pure but for reading through the walk. */
#ifndef FILE_DIGESTS_DIGESTS_H
#define FILE_DIGESTS_DIGESTS_H

#include "kit.h"

struct digest {
    struct viv_str path;
    int64_t bytes;
    char hex[64]; /* no NUL */
};

/* Files of one content: `files[0]` to `files[count - 1]`, by path. */
struct group {
    const struct digest *const *files;
    uint64_t count;
    int64_t wasted_bytes; /* of all but one of them */
};

struct digests {
    struct viv_kit_memory memory;
    const void **files; /* struct digest, in the walk's order */
    uint64_t count;
    uint64_t size;
    const void **groups; /* struct group, most wasted bytes first */
    uint64_t group_count;
    int64_t total_bytes;
    int64_t wasted_bytes;
};

/* Add the file with its digest. 0: no memory. */
uint32_t digests_add(struct digests *digests, struct viv_str path, int64_t bytes, struct viv_kit_sha256 *sum);

/* Find the groups. Empty files are never duplicates of each other. 0: no memory. */
uint32_t digests_group(struct digests *digests);

#endif
