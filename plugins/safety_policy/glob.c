/* SPDX-License-Identifier: Apache-2.0 */
/* All positions of the pattern that may be reached are kept at once, so no pattern can make the
 * search explode. */
#include "glob.h"

#include <string.h>

#include "paths.h"

struct glob {
    struct viv_str pattern;
    unsigned char now[GLOB_MAX + 1];
    unsigned char next[GLOB_MAX + 1];
};

uint32_t
glob_is_valid(struct viv_str pattern)
{
    return pattern.len > 0 && pattern.len <= GLOB_MAX && !paths_fault(pattern);
}

static int
is_double(struct viv_str pattern, uint64_t at)
{
    return at + 1 < pattern.len && pattern.data[at] == '*' && pattern.data[at + 1] == '*';
}

/* Mark a position and all that it reaches without a byte: a star may match nothing, and where a
 * component begins
 * (`fresh`) "**" and a slash too. */
static void
reach(const struct glob *glob, unsigned char *set, uint64_t at, uint32_t fresh)
{
    struct viv_str pattern = glob->pattern;
    while (at <= pattern.len && !set[at]) {
        set[at] = 1;
        if (at == pattern.len || pattern.data[at] != '*')
            return;
        if (!is_double(pattern, at)) {
            at++;
            continue;
        }
        if (fresh && at + 2 < pattern.len && pattern.data[at + 2] == '/' && !set[at + 3]) {
            reach(glob, set, at + 3, fresh); /* goes forward only, so at most GLOB_MAX / 3 deep */
        }
        at += 2;
    }
}

static void
step(struct glob *glob, char c)
{
    struct viv_str pattern = glob->pattern;
    memset(glob->next, 0, pattern.len + 1);
    for (uint64_t at = 0; at < pattern.len; at++) {
        if (!glob->now[at])
            continue;
        char p = pattern.data[at];
        if (p == '*') {
            if (c != '/' || is_double(pattern, at)) {
                reach(glob, glob->next, at, c == '/');
            }
        } else if (p == c || (p == '?' && c != '/')) {
            reach(glob, glob->next, at + 1, c == '/');
        }
    }
    memcpy(glob->now, glob->next, pattern.len + 1);
}

/* Most patterns are plain names; they need no search. */
static uint32_t
match_plain(struct viv_str pattern, struct viv_str text)
{
    return text.len >= pattern.len && memcmp(pattern.data, text.data, (size_t)pattern.len) == 0 &&
           (text.len == pattern.len || text.data[pattern.len] == '/');
}

/* Whether the pattern ends at the end of the text or where one of its folders ends. */
static uint32_t
match_from_start(struct viv_str pattern, struct viv_str text)
{
    if (!memchr(pattern.data, '*', (size_t)pattern.len) &&
        !memchr(pattern.data, '?', (size_t)pattern.len)) {
        return match_plain(pattern, text);
    }
    struct glob glob = {.pattern = pattern};
    reach(&glob, glob.now, 0, 1);
    for (uint64_t i = 0; i < text.len; i++) {
        if (text.data[i] == '/' && glob.now[pattern.len]) {
            return 1;
        }
        step(&glob, text.data[i]);
    }
    return glob.now[pattern.len];
}

uint32_t
glob_match(struct viv_str pattern, struct viv_str path)
{
    if (!glob_is_valid(pattern)) {
        return 1;
    }
    while (pattern.len > 1 && pattern.data[pattern.len - 1] == '/') {
        pattern.len--;
    }
    while (pattern.len > 2 && pattern.data[0] == '.' && pattern.data[1] == '/') {
        pattern.data += 2;
        pattern.len -= 2;
    }
    if (memchr(pattern.data, '/', (size_t)pattern.len)) {
        return match_from_start(pattern, path);
    }
    for (uint64_t at = 0; at <= path.len;) {
        const char *slash =
            at < path.len ? memchr(path.data + at, '/', (size_t)(path.len - at)) : NULL;
        uint64_t end = slash ? (uint64_t)(slash - path.data) : path.len;
        if (match_from_start(pattern, (struct viv_str){path.data + at, end - at})) {
            return 1;
        }
        at = end + 1;
    }
    return 0;
}
