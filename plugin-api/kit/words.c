/* SPDX-License-Identifier: Apache-2.0 */
/* A command line shown to people; never given to a shell. */
#include "tree.h"

#include <jansson.h>
#include <string.h>

struct line {
    char *data;
    uint64_t size; /* room, one byte of it for NUL */
    uint64_t len;
};

static void
put(struct line *line, char c)
{
    if (line->len + 1 < line->size) {
        line->data[line->len] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    line->len++;
}

static int
needs_quotes(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%^";
    return word[0] == '\0' || word[strspn(word, plain)] != '\0';
}

static void
put_word(struct line *line, const char *word)
{
    if (!needs_quotes(word)) {
        for (; *word; word++) {
            put(line, *word);
        }
        return;
    }
    put(line, '\'');
    for (; *word; word++) {
        if (*word == '\'') {
            put(line, '\'');
            put(line, '\\');
            put(line, '\'');
        }
        put(line, *word);
    }
    put(line, '\'');
}

/* Cut before the last characters that still fit with the dots, never inside one. */
static void
cut(struct line *line)
{
    uint64_t at = line->size - 1 > 3 ? line->size - 4 : 0;
    while (at > 0 && ((unsigned char)line->data[at] & 0xc0) == 0x80) {
        at--;
    }
    if (line->size > 4) {
        memcpy(line->data + at, "...", 3);
        at += 3;
    }
    line->data[at] = '\0';
}

void
viv_tree_words(const struct json_t *argv, char *buffer, uint64_t size)
{
    struct line line = {buffer, size, 0};
    if (size == 0)
        return;
    for (size_t i = 0; i < json_array_size(argv); i++) {
        const char *word = json_string_value(json_array_get(argv, i));
        if (i > 0) {
            put(&line, ' ');
        }
        put_word(&line, word ? word : "?");
    }
    if (line.len < size) {
        buffer[line.len] = '\0';
    } else {
        cut(&line);
    }
}
