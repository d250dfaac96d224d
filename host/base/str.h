/* SPDX-License-Identifier: Apache-2.0 */
/* Small functions on struct viv_str. */
#ifndef VH_STR_H
#define VH_STR_H

#include <stdbool.h>
#include <string.h>
#include <viv/core.h>

#define VH_STR(literal) ((struct viv_str){ (literal), sizeof(literal) - 1 })
#define VH_STR_ARGS(text) (int)(text).len, (text).len ? (text).data : ""

static inline struct viv_str
vh_str(const char *text)
{
    return (struct viv_str){ text, text ? strlen(text) : 0 };
}

static inline bool
vh_str_equal(struct viv_str a, struct viv_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, (size_t)a.len) == 0);
}

static inline bool
vh_str_is(struct viv_str a, const char *text)
{
    /* Most texts that are not the same differ in their first byte; then their length need not be counted. */
    return (a.len == 0 || a.data[0] == text[0]) && vh_str_equal(a, vh_str(text));
}

static inline bool
vh_str_starts(struct viv_str a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && (len == 0 || memcmp(a.data, prefix, len) == 0);
}

/* Order by bytes, shorter first when one starts the other. */
int vh_str_compare(struct viv_str a, struct viv_str b);

/* For tables in memory; not stored anywhere. */
uint64_t vh_str_hash(struct viv_str text);

/* Well-formed UTF-8 without surrogates and over-long forms. */
bool vh_str_utf8(struct viv_str text);

/* Replace control characters and what is not well-formed UTF-8 by '?', in place. Messages quote file names, and a file
 * name may be any bytes; a message must be one line that can be stored. */
void vh_str_clean(char *text);

/* Where the first NUL is, from 1; 0 when there is none. jansson reads over NULs between values; nobody else does, so a
 * text that has one is not what it seems. */
static inline uint64_t
vh_str_nul(struct viv_str text)
{
    const char *nul = text.len ? (const char *)memchr(text.data, '\0', (size_t)text.len) : NULL;
    return nul ? (uint64_t)(nul - text.data) + 1 : 0;
}

/* A word safe as identifier, file name and part of a git reference: [A-Za-z0-9][A-Za-z0-9._-]*, at most VIV_ID_MAX, no
 * "..", no "." or ".lock" at its end. VH_STR_ID_WORDS says so in a message. */
#define VH_STR_ID_WORDS                                                                                                \
    "letters, digits, '.', '_', '-', the first a letter or digit, no '..', no '.' or '.lock' at the end"
bool vh_str_id(struct viv_str text);

#endif
