/* SPDX-License-Identifier: Apache-2.0 */
/* Small functions on text and file names; see text.h for the escaping of names. */
#include "text.h"

#include <string.h>
#include <viv/limits.h>

uint32_t
viv_kit_is(struct viv_str text, const char *literal)
{
    uint64_t len = strlen(literal);
    return text.len == len && (len == 0 || memcmp(text.data, literal, (size_t)len) == 0);
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

uint32_t
viv_kit_is_folded(struct viv_str text, const char *literal)
{
    if (text.len != strlen(literal))
        return 0;
    for (uint64_t i = 0; i < text.len; i++) {
        if (lower(text.data[i]) != lower(literal[i]))
            return 0;
    }
    return 1;
}

struct viv_str
viv_kit_str(const char *text)
{
    return (struct viv_str){ text, text ? strlen(text) : 0 };
}

int32_t
viv_kit_compare(struct viv_str a, struct viv_str b)
{
    uint64_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, (size_t)len) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct viv_str
viv_kit_base_name(struct viv_str path)
{
    uint64_t at = path.len;
    while (at > 0 && path.data[at - 1] != '/') {
        at--;
    }
    return (struct viv_str){ path.len ? path.data + at : NULL, path.len - at };
}

struct viv_str
viv_kit_extension(struct viv_str path)
{
    struct viv_str name = viv_kit_base_name(path);
    for (uint64_t at = name.len; at > 1; at--) {
        if (name.data[at - 1] == '.')
            return (struct viv_str){ name.data + at, name.len - at };
    }
    return (struct viv_str){ "", 0 };
}

uint32_t
viv_kit_utf8(struct viv_str text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    if (text.len == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    uint32_t len = at[0] >= 0xc2 && at[0] <= 0xdf ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (at[0] < 0xc2 || at[0] > 0xf4 || text.len < len)
        return 0;
    for (uint32_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Over-long forms, surrogates, and what lies beyond U+10FFFF. */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f))
        return 0;
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

uint32_t
viv_kit_path_safe(struct viv_str path)
{
    if (path.len > VIV_PATH_MAX || (path.len > 0 && path.data[0] == '/'))
        return 0;
    uint64_t start = 0;
    for (uint64_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.data[i] == '\0')
            return 0;
        if (i < path.len && path.data[i] != '/')
            continue;
        if (i - start == 2 && path.data[start] == '.' && path.data[start + 1] == '.')
            return 0;
        start = i + 1;
    }
    return 1;
}

void
viv_kit_path_escape(struct viv_kit_buf *buf, struct viv_str path)
{
    static const char digits[] = "0123456789ABCDEF";
    uint64_t done = 0;
    for (uint64_t i = 0; i < path.len;) {
        unsigned char c = (unsigned char)path.data[i];
        uint32_t len = viv_kit_utf8((struct viv_str){ path.data + i, path.len - i });
        if (len > 0 && c >= 0x20 && c != 0x7f && c != '%') {
            i += len;
            continue;
        }
        viv_kit_buf_add(buf, path.data + done, i - done);
        viv_kit_buf_add(buf, (char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
        done = ++i;
    }
    viv_kit_buf_add(buf, path.data + done, path.len - done);
}

static int32_t
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct viv_str
viv_kit_path_unescape(struct viv_kit_memory memory, struct viv_str text)
{
    if (text.len == 0 || !memchr(text.data, '%', (size_t)text.len))
        return text;
    char *bytes = memory.alloc(memory.data, text.len);
    uint64_t len = 0;
    for (uint64_t i = 0; bytes && i < text.len; i++) {
        if (text.data[i] != '%') {
            bytes[len++] = text.data[i];
            continue;
        }
        int32_t high = i + 2 < text.len ? hex(text.data[i + 1]) : -1;
        int32_t low = i + 2 < text.len ? hex(text.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return (struct viv_str){ NULL, 0 };
        bytes[len++] = (char)(high * 16 + low);
        i += 2;
    }
    return (struct viv_str){ bytes, bytes ? len : 0 };
}

void
viv_kit_plain(struct viv_kit_buf *buf, struct viv_str text, uint64_t max)
{
    uint64_t written = 0;
    for (uint64_t i = 0; i < text.len;) {
        struct viv_str rest = { text.data + i, text.len - i };
        uint32_t len = viv_kit_utf8(rest);
        uint32_t cost = len > 0 ? len : 3;
        if (written + cost > max)
            return;
        viv_kit_buf_add(buf, len > 0 ? rest.data : "\xef\xbf\xbd", cost);
        written += cost;
        i += len > 0 ? len : 1;
    }
}
