/* SPDX-License-Identifier: Apache-2.0 */
/* An OPEN request, decoded, and what setting it up has come to. Texts point into the mapped body.
 */
#ifndef VL_PLAN_H
#define VL_PLAN_H

#include "channel.h"

struct plan_bind {
    const char *source;
    const char *target;
    bool writable;
    int tree; /* detached mount of the source, -1 before */
};

struct plan {
    struct body body;
    enum vw_variant variant;
    uint32_t minimum;
    uint64_t cpu_s, memory_bytes, processes, files_open, file_bytes, tmp_bytes;
    bool door; /* a way out is wanted */
    const char *upper, *work, *scratch, *copy;
    const char *lowers[VW_LOWERS_MAX];
    size_t lower_count;
    struct plan_bind binds[VW_BINDS_MAX];
    size_t bind_count;
};

/* 0, or -1 with errno EINVAL. */
int plan_read(const struct message *message, struct plan *ret_plan);

#endif
