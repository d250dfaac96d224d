/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
vh_buf_init(struct vh_buf *buf, struct vh_arena *arena, size_t max)
{
    /* Half of all addresses is more than there is; below it no sum here can overflow. */
    *buf = (struct vh_buf){ .arena = arena, .max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4 };
}

static bool
reserve(struct vh_buf *buf, size_t more)
{
    if (buf->failed || more > buf->max || buf->len > buf->max - more) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->size) {
        return true;
    }
    size_t size = buf->size ? buf->size : 128;
    while (size < need) {
        size *= 2;
    }
    char *data = vh_arena_alloc(buf->arena, size);
    if (!data) {
        buf->failed = buf->no_memory = true;
        return false;
    }
    if (buf->len) {
        memcpy(data, buf->data, buf->len);
    }
    buf->data = data;
    buf->size = size;
    return true;
}

void
vh_buf_add(struct vh_buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len)) {
        return;
    }
    if (len) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void
vh_buf_text(struct vh_buf *buf, const char *text)
{
    vh_buf_add(buf, text, strlen(text));
}

void
vh_buf_str(struct vh_buf *buf, struct viv_str text)
{
    vh_buf_add(buf, text.data, (size_t)text.len);
}

void
vh_buf_char(struct vh_buf *buf, char c)
{
    if (buf->failed || buf->len + 1 >= buf->size || buf->len >= buf->max) {
        vh_buf_add(buf, &c, 1);
        return;
    }
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}

void
vh_buf_format(struct vh_buf *buf, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (len < 0 || !reserve(buf, (size_t)len)) {
        buf->failed = true;
        return;
    }
    va_start(list, format);
    vsnprintf(buf->data + buf->len, (size_t)len + 1, format, list);
    va_end(list);
    buf->len += (size_t)len;
}

struct viv_str
vh_buf_view(const struct vh_buf *buf)
{
    return (struct viv_str){ buf->data, buf->len };
}
