/* SPDX-License-Identifier: Apache-2.0 */
/* Counting one file that is in memory. Pure; no host. */
#include "counts.h"

#include <string.h>

static uint32_t
starts(const char *at, const char *end, const char *mark)
{
    size_t len = mark ? strlen(mark) : 0;
    return len > 0 && (size_t)(end - at) >= len && memcmp(at, mark, len) == 0;
}

static uint32_t
holds(const char *at, const char *end, const char *mark)
{
    return memmem(at, (size_t)(end - at), mark, strlen(mark)) != NULL;
}

void
counts_of_file(const struct language *language, struct viv_str bytes, struct counts *counts)
{
    const char *end = bytes.data + bytes.len;
    uint32_t inside = 0; /* a block comment */
    counts->files++;
    for (const char *at = bytes.data; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        while (at < stop && (*at == ' ' || *at == '\t' || *at == '\r')) {
            at++;
        }
        counts->lines++;
        if (at == stop) {
            counts->blank++;
        } else if (inside) {
            counts->comment++;
            inside = !holds(at, stop, language->close);
        } else if (starts(at, stop, language->line)) {
            counts->comment++;
        } else if (starts(at, stop, language->open)) {
            counts->comment++;
            inside = !holds(at + strlen(language->open), stop, language->close);
        }
        at = next;
    }
}

void
counts_add(struct counts *to, const struct counts *more)
{
    to->files += more->files;
    to->lines += more->lines;
    to->blank += more->blank;
    to->comment += more->comment;
}
