/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text in an arena, made with its maximum. Errors stick: append on, look at `failed` once at the end. */
#ifndef VH_BUF_H
#define VH_BUF_H

#include <stdbool.h>
#include "arena.h"

struct vh_buf {
    struct vh_arena *arena;
    char *data; /* always ends in NUL when len > 0 */
    size_t len;
    size_t size;
    size_t max;
    bool failed; /* memory out or maximum reached; what is there is then incomplete */
    bool no_memory; /* it failed, and memory was the reason */
};

void vh_buf_init(struct vh_buf *buf, struct vh_arena *arena, size_t max);
void vh_buf_add(struct vh_buf *buf, const void *bytes, size_t len);
void vh_buf_text(struct vh_buf *buf, const char *text);
void vh_buf_str(struct vh_buf *buf, struct viv_str text);
void vh_buf_char(struct vh_buf *buf, char c);
void vh_buf_format(struct vh_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct viv_str vh_buf_view(const struct vh_buf *buf);

#endif
