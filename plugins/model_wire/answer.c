/* SPDX-License-Identifier: Apache-2.0 */
/* Filling. What comes of it: give.c. */
#include "answer.h"

#include <jansson.h>
#include <kit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

void
wire_answer_init(struct wire_answer *answer, struct viv_call *call, int64_t max_tokens)
{
    uint64_t most = 4096 + 256 * (uint64_t)max_tokens;
    memset(answer, 0, sizeof *answer);
    answer->call = call;
    answer->bytes_max = most < WIRE_CONTENT_MAX ? most : WIRE_CONTENT_MAX;
    answer->input_tokens = -1;
    answer->cached_tokens = -1;
    answer->cache_write_tokens = -1;
    answer->output_tokens = -1;
}

/* One line of UTF-8, whatever was quoted. */
static void
clean(char *problem, const char *text)
{
    uint64_t len = 0;
    struct viv_str rest = viv_kit_str(text);
    while (rest.len > 0) {
        uint32_t step = viv_kit_utf8(rest);
        uint32_t wide = step ? step : 1;
        unsigned char c = (unsigned char)rest.data[0];
        if (len + wide >= WIRE_PROBLEM_MAX)
            break;
        if (step == 0 || c < 0x20 || c == 0x7f) {
            problem[len++] = step ? ' ' : '?';
        } else {
            memcpy(problem + len, rest.data, step);
            len += step;
        }
        rest = (struct viv_str){ rest.data + wide, rest.len - wide };
    }
    problem[len] = '\0';
}

static void
say(char *problem, const char *format, va_list arguments)
{
    char text[1024];
    if (vsnprintf(text, sizeof text, format, arguments) < 0) {
        text[0] = '\0';
    }
    clean(problem, text);
}

void
wire_answer_say(char *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(problem, format, arguments);
    va_end(arguments);
}

void
wire_answer_break(struct wire_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!answer->broken && !answer->failed) {
        say(answer->problem, format, arguments);
    }
    va_end(arguments);
    answer->broken = 1;
}

void
wire_answer_fail(struct wire_answer *answer, uint32_t class, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!answer->broken && !answer->failed) {
        say(answer->problem, format, arguments);
        answer->failed_class = class;
    }
    va_end(arguments);
    answer->failed = 1;
}

struct wire_block *
wire_answer_open(struct wire_answer *answer, enum wire_kind kind, int64_t index)
{
    if (!answer->blocks) {
        answer->blocks = answer->call->alloc(answer->call, sizeof *answer->blocks * WIRE_BLOCKS_MAX);
    }
    if (!answer->blocks) {
        wire_answer_break(answer, "the answer does not fit into memory");
        return NULL;
    }
    if (answer->count == WIRE_BLOCKS_MAX) {
        wire_answer_break(answer, "the answer has more than %d blocks", WIRE_BLOCKS_MAX);
        return NULL;
    }
    struct wire_block *block = &answer->blocks[answer->count++];
    *block = (struct wire_block){ .kind = kind, .index = index };
    viv_kit_buf_init(&block->text, viv_kit_memory_of(answer->call), WIRE_CONTENT_MAX);
    return block;
}

struct wire_block *
wire_answer_find(struct wire_answer *answer, int64_t index)
{
    for (uint32_t i = answer->count; i > 0; i--) {
        if (answer->blocks[i - 1].index == index)
            return &answer->blocks[i - 1];
    }
    return NULL;
}

void
wire_answer_add(struct wire_answer *answer, struct wire_block *block, struct viv_str text)
{
    answer->bytes += text.len;
    if (!block || text.len == 0)
        return;
    if (answer->bytes > answer->bytes_max) {
        wire_answer_break(answer, "the answer goes on after %llu bytes, more than 'max_tokens' can be",
                          (unsigned long long)answer->bytes_max);
        return;
    }
    answer->begun = 1;
    if (block->kind == WIRE_OTHER)
        return;
    /* NUL is a character of JSON, and none that a text may have. */
    for (uint64_t i = 0; i < text.len;) {
        const char *nul = memchr(text.data + i, '\0', (size_t)(text.len - i));
        uint64_t len = nul ? (uint64_t)(nul - text.data) - i : text.len - i;
        viv_kit_buf_add(&block->text, text.data + i, len);
        if (nul) {
            viv_kit_buf_text(&block->text, "\xef\xbf\xbd");
        }
        i += len + (nul != NULL);
    }
    if (block->text.failed) {
        wire_answer_break(answer, "the answer does not fit into memory");
    }
}

struct viv_str
wire_answer_keep(struct wire_answer *answer, struct viv_str text)
{
    char *copy = text.len ? answer->call->alloc(answer->call, text.len) : NULL;
    if (text.len && !copy) {
        wire_answer_break(answer, "the answer does not fit into memory");
        return (struct viv_str){ NULL, 0 };
    }
    if (text.len) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    return (struct viv_str){ copy, text.len };
}

struct json_t *
wire_answer_parse(struct wire_answer *answer, struct viv_str text, const char *what)
{
    char why[160];
    json_t *value = wire_json_parse(text, why, sizeof why);
    if (value && !json_is_object(value)) {
        (void)snprintf(why, sizeof why, "it is no object");
        json_decref(value);
        value = NULL;
    }
    if (!value) {
        wire_answer_break(answer, "%s of the answer cannot be read: %s", what, why);
    }
    return value;
}
