/* SPDX-License-Identifier: Apache-2.0 */
/* Marks are compared as they are written, since "todo" is also an ordinary word of some programs;
 * phrases without case. */
#include "leftovers.h"

#include <string.h>
#include <strings.h>

static const char *const marks[] = {"TO"
                                    "DO",
                                    "FIX"
                                    "ME",
                                    "XX"
                                    "X",
                                    "TB"
                                    "D",
                                    "HA"
                                    "CK"};
static const char *const phrases[] = {
    "lorem ipsum",
    "place"
    "holder",
    "not implemented",
    "not yet implemented",
    "your code here",
    "implement me",
    "rest of the code",
    "rest of the file",
    "remains unchanged",
    "existing code here",
    "insert code here",
    "add your",
    "raise notimplementederror",
    "unimplemented!()",
    "to"
    "do!()",
};

static int
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int
stands_alone(struct viv_str text, uint64_t at, uint64_t len)
{
    return (at == 0 || !is_word(text.data[at - 1])) &&
           (at + len == text.len || !is_word(text.data[at + len]) ||
            !is_word(text.data[at + len - 1]));
}

static uint64_t
match(struct viv_str text, uint64_t at)
{
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t len = strlen(marks[i]);
        if (text.len - at >= len && memcmp(text.data + at, marks[i], len) == 0 &&
            stands_alone(text, at, len)) {
            return len;
        }
    }
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        size_t len = strlen(phrases[i]);
        if (text.len - at >= len && strncasecmp(text.data + at, phrases[i], len) == 0 &&
            stands_alone(text, at, len)) {
            return len;
        }
    }
    return 0;
}

uint32_t
leftovers_next(struct viv_str text, uint64_t *at, int64_t *line, struct leftover *ret_leftover)
{
    for (; *at < text.len; ++*at) {
        *line += text.data[*at] == '\n';
        if (*at > 0 && is_word(text.data[*at - 1]))
            continue;
        uint64_t len = match(text, *at);
        if (len > 0) {
            *ret_leftover = (struct leftover){{text.data + *at, len}, *line};
            *at += len;
            return 1;
        }
    }
    return 0;
}
