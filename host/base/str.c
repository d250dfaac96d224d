/* SPDX-License-Identifier: Apache-2.0 */
/* Texts given by pointer and length: order, UTF-8, identifiers. What allocates is in arena.c and buf.c. */
#include "str.h"

#include <viv/limits.h>

int
vh_str_compare(struct viv_str a, struct viv_str b)
{
    size_t common = (size_t)(a.len < b.len ? a.len : b.len);
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

uint64_t
vh_str_hash(struct viv_str key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ (hash >> 29);
}

/* Length of the sequence at `p`, or 0 when it is not well formed. */
static size_t
sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (!len || len > left) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

bool
vh_str_utf8(struct viv_str text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    for (size_t at = 0, len; at < text.len; at += len) {
        uint64_t eight;
        len = sizeof eight;
        if (text.len - at >= len) {
            memcpy(&eight, p + at, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                continue; /* nothing but ASCII */
            }
        }
        len = sequence(p + at, (size_t)text.len - at);
        if (!len) {
            return false;
        }
    }
    return true;
}

/* Controls of the first and the second set, separators of lines, and what turns the direction of a text: a terminal
 * acts on them, or shows another order than is there. */
static bool
steers(const unsigned char *p, size_t len)
{
    uint32_t point = len == 1 ? p[0] : len == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu)
                   : len == 3 ? (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu) : 0x10000;
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c || point == 0x200e || point == 0x200f ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

void
vh_str_clean(char *text)
{
    size_t left = strlen(text);
    while (left) {
        size_t len = sequence((const unsigned char *)text, left);
        bool bad = len == 0 || steers((const unsigned char *)text, len);
        len = len ? len : 1;
        if (bad) {
            memset(text, '?', len);
        }
        text += len;
        left -= len;
    }
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
vh_str_id(struct viv_str text)
{
    if (text.len == 0 || text.len > VIV_ID_MAX || !is_word(text.data[0])) {
        return false;
    }
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i];
        if (!is_word(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
        if (c == '.' && text.data[i - 1] == '.') {
            return false;
        }
    }
    bool lock = text.len >= 5 && memcmp(text.data + text.len - 5, ".lock", 5) == 0;
    return !lock && text.data[text.len - 1] != '.';
}
