/* SPDX-License-Identifier: Apache-2.0 */
/* File name patterns. On a mismatch only the last * is tried again, one byte further, which is enough for one component
 * and bounds the time by pattern x name. */
#include "text.h"

/* One set "[...]": whether `c` is in it; `at` moves behind the set. An open set is a plain '['. */
static uint32_t
in_set(struct viv_str pattern, uint64_t *at, unsigned char c)
{
    uint64_t i = *at + 1;
    uint32_t negated = i < pattern.len && (pattern.data[i] == '!' || pattern.data[i] == '^');
    i += negated;
    uint32_t found = 0;
    for (uint64_t first = i; i < pattern.len; i++) {
        unsigned char low = (unsigned char)pattern.data[i];
        if (low == ']' && i > first) {
            *at = i + 1;
            return found != negated;
        }
        unsigned char high = low;
        if (i + 2 < pattern.len && pattern.data[i + 1] == '-' && pattern.data[i + 2] != ']') {
            high = (unsigned char)pattern.data[i + 2];
            i += 2;
        }
        found |= (uint32_t)(c >= low && c <= high);
    }
    *at += 1;
    return c == '[';
}

/* Whether the pattern's element at `at` takes `c`; `at` moves behind it. */
static uint32_t
takes(struct viv_str pattern, uint64_t *at, unsigned char c)
{
    char p = pattern.data[*at];
    if (p == '[')
        return in_set(pattern, at, c);
    if (p == '\\' && *at + 1 < pattern.len) {
        p = pattern.data[++*at];
    } else if (p == '?') {
        p = (char)c;
    }
    *at += 1;
    return (unsigned char)p == c;
}

uint32_t
viv_kit_glob(struct viv_str pattern, struct viv_str name)
{
    uint64_t p = 0;
    uint64_t star = 0; /* behind the last *, 0 before the first */
    uint64_t resume = 0;
    for (uint64_t n = 0; n < name.len;) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            resume = n;
            continue;
        }
        if (p < pattern.len && takes(pattern, &p, (unsigned char)name.data[n])) {
            n++;
            continue;
        }
        if (star == 0)
            return 0;
        p = star;
        n = ++resume;
    }
    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.len;
}
