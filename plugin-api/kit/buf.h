/* SPDX-License-Identifier: Apache-2.0 */
/* Memory from whoever calls, and bytes that grow in it. Nothing is ever freed here: the memory's owner ends it all at
 * once. Errors stick: append on, look at `failed` once at the end. */
#ifndef VIV_KIT_BUF_H
#define VIV_KIT_BUF_H

#include <viv/call.h>

/* Where memory comes from: a call's arena, the host's, or a fixed buffer. `alloc` gives zeroed bytes aligned for any
 * type, or NULL when there is no more. */
struct viv_kit_memory {
    void *(*alloc)(void *data, uint64_t size);
    void *data;
};

struct viv_kit_memory viv_kit_memory_of(struct viv_call *call);

struct viv_kit_buf {
    struct viv_kit_memory memory;
    char *data;
    uint64_t len;
    uint64_t size;
    uint64_t max;
    uint32_t failed; /* memory out or `max` reached; what is there is then incomplete */
    uint32_t reserved;
};

/* The pieces are borrowed until the call returns. `max` bounds `len`. */
void viv_kit_buf_init(struct viv_kit_buf *buf, struct viv_kit_memory memory, uint64_t max);
void viv_kit_buf_add(struct viv_kit_buf *buf, const void *bytes, uint64_t len);
void viv_kit_buf_text(struct viv_kit_buf *buf, const char *text);
void viv_kit_buf_str(struct viv_kit_buf *buf, struct viv_str text);
void viv_kit_buf_integer(struct viv_kit_buf *buf, int64_t integer);

/* Room for `more` bytes after `len`: a place to read into, or NULL (and `failed`). Add to `len` what was used. */
char *viv_kit_buf_room(struct viv_kit_buf *buf, uint64_t more);

/* VIV_E_MEMORY or VIV_OK; the view lives as long as the memory. */
viv_status viv_kit_buf_finish(const struct viv_kit_buf *buf, struct viv_str *ret_text, struct viv_error *err);

/* Fill `err` (may be NULL) and return `status`. `where` names the part; one line, small first letter, no full stop. */
viv_status viv_kit_fail(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
