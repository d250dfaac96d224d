/* SPDX-License-Identifier: Apache-2.0 */
/* Growing bytes in lent memory. The old piece is left behind at each growth; doubling wastes at most as much again. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *
alloc_from_call(void *data, uint64_t size)
{
    struct viv_call *call = data;
    return call->alloc(call, size);
}

struct viv_kit_memory
viv_kit_memory_of(struct viv_call *call)
{
    return (struct viv_kit_memory){ alloc_from_call, call };
}

void
viv_kit_buf_init(struct viv_kit_buf *buf, struct viv_kit_memory memory, uint64_t max)
{
    memset(buf, 0, sizeof *buf);
    buf->memory = memory;
    buf->max = max;
}

char *
viv_kit_buf_room(struct viv_kit_buf *buf, uint64_t more)
{
    if (buf->failed)
        return NULL;
    if (more > buf->max || buf->len > buf->max - more) {
        buf->failed = 1;
        return NULL;
    }
    uint64_t need = buf->len + more;
    if (need > buf->size) {
        uint64_t size = buf->size < 128 ? 256 : buf->size * 2;
        if (size < need) {
            size = need;
        }
        if (size > buf->max) {
            size = buf->max;
        }
        char *data = buf->memory.alloc(buf->memory.data, size);
        if (!data) {
            buf->failed = 1;
            return NULL;
        }
        if (buf->len > 0) {
            memcpy(data, buf->data, (size_t)buf->len);
        }
        buf->data = data;
        buf->size = size;
    }
    return buf->data + buf->len;
}

void
viv_kit_buf_add(struct viv_kit_buf *buf, const void *bytes, uint64_t len)
{
    if (len == 0)
        return;
    char *room = viv_kit_buf_room(buf, len);
    if (room) {
        memcpy(room, bytes, (size_t)len);
        buf->len += len;
    }
}

void
viv_kit_buf_text(struct viv_kit_buf *buf, const char *text)
{
    viv_kit_buf_add(buf, text, strlen(text));
}

void
viv_kit_buf_str(struct viv_kit_buf *buf, struct viv_str text)
{
    viv_kit_buf_add(buf, text.data, text.len);
}

void
viv_kit_buf_integer(struct viv_kit_buf *buf, int64_t integer)
{
    char digits[24];
    uint32_t at = sizeof digits;
    uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (integer < 0) {
        digits[--at] = '-';
    }
    viv_kit_buf_add(buf, digits + at, sizeof digits - at);
}

viv_status
viv_kit_buf_finish(const struct viv_kit_buf *buf, struct viv_str *ret_text, struct viv_error *err)
{
    if (buf->failed) {
        return viv_kit_fail(err, VIV_E_MEMORY, "buf", "an answer of over %llu bytes does not fit, allowed %llu",
                            (unsigned long long)buf->len, (unsigned long long)buf->max);
    }
    *ret_text = (struct viv_str){ buf->data, buf->len };
    return VIV_OK;
}

viv_status
viv_kit_fail(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
{
    if (!err)
        return status;
    err->status = status;
    size_t len = strlen(where);
    if (len >= sizeof err->where) {
        len = sizeof err->where - 1;
    }
    memcpy(err->where, where, len);
    err->where[len] = '\0';
    va_list args;
    va_start(args, format);
    if (vsnprintf(err->text, sizeof err->text, format, args) < 0) {
        err->text[0] = '\0';
    }
    va_end(args);
    return status;
}
