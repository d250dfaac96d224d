/* SPDX-License-Identifier: Apache-2.0 */
/* Searching one file that is in memory, and listing its lines. */
#include "search.h"

#include <string.h>

#define LINE_BYTES_MAX 200 /* of a line shown */

static unsigned char
lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static const char *
find_folded(const char *at, const char *end, struct viv_str text)
{
    for (; (uint64_t)(end - at) >= text.len; at++) {
        uint64_t i = 0;
        while (i < text.len && lower(at[i]) == lower(text.data[i])) {
            i++;
        }
        if (i == text.len)
            return at;
    }
    return NULL;
}

static const char *
find(const struct search *search, const char *at, const char *end)
{
    if (search->ignore_case)
        return find_folded(at, end, search->text);
    return memmem(at, (size_t)(end - at), search->text.data, (size_t)search->text.len);
}

static int64_t
newlines(const char *at, const char *end)
{
    int64_t count = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

static void
list_line(struct viv_kit_json *json, struct viv_kit_buf *text, struct viv_str path, int64_t number,
          struct viv_str line)
{
    char room[LINE_BYTES_MAX];
    struct viv_kit_buf shown = { .data = room, .size = sizeof room, .max = sizeof room };
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    viv_kit_plain(&shown, line, sizeof room);
    viv_kit_json_object(json, NULL);
    viv_kit_json_integer(json, "line", number);
    viv_kit_json_path(json, "path", path);
    viv_kit_json_text(json, "text", (struct viv_str){ room, shown.len });
    viv_kit_json_end(json);
    viv_kit_path_escape(text, path);
    viv_kit_buf_text(text, ":");
    viv_kit_buf_integer(text, number);
    viv_kit_buf_text(text, ":");
    viv_kit_buf_add(text, room, shown.len);
    viv_kit_buf_text(text, "\n");
}

/* `counted` is how far newlines were counted. */
void
search_file(struct search *search, struct viv_str path, struct viv_str bytes, struct viv_kit_json *json,
            struct viv_kit_buf *text)
{
    const char *end = bytes.data + bytes.len;
    const char *counted = bytes.data;
    const char *line_end = NULL; /* of the last line that was listed */
    int64_t number = 1;
    uint32_t found = 0;
    for (const char *at = bytes.data; at < end && (at = find(search, at, end)) != NULL; at += search->text.len) {
        found = 1;
        search->occurrences++;
        if (line_end && at < line_end)
            continue;
        const char *start = memrchr(bytes.data, '\n', (size_t)(at - bytes.data));
        start = start ? start + 1 : bytes.data;
        line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        number += newlines(counted, start);
        counted = start;
        if (search->lines++ < search->limit) {
            list_line(json, text, path, number, (struct viv_str){ start, (uint64_t)(line_end - start) });
        }
    }
    search->files += found;
}
