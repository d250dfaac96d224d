/* SPDX-License-Identifier: Apache-2.0 */
/* The most tokens a request can be counted for. No tokenizer in use makes more tokens than its input has bytes, so
 * bytes are counted, each with what may become of it before the tokenizer sees it: Unicode's compatibility forms
 * (NFKC), the escapes of JSON where a template prints a value as JSON, blanks where it indents. Then the framing. */
#include <jansson.h>
#include <kit.h>
#include <string.h>

#include "json.h"
#include "request.h"

/* Reserves in tokens, each several times what is known of any provider. */
#define FRAME_REQUEST 1024 /* a provider's own system text, dates, the first words of the answer */
#define FRAME_TOOLS 2048   /* how tools are to be used; 530 is the most that was ever documented */
#define FRAME_TOOL 128
#define FRAME_MESSAGE 32
#define FRAME_BLOCK 32
#define INDENT 4      /* columns for each level, as templates print schemas */
#define INDENT_FROM 3 /* levels around it */

static uint32_t
code_point(const char *at, uint32_t len)
{
    static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t point = (unsigned char)at[0] & masks[len];
    for (uint32_t i = 1; i < len; i++) {
        point = point << 6 | ((unsigned char)at[i] & 0x3f);
    }
    return point;
}

/* How many bytes one byte of this character can become in any normal form of Unicode. The ranges were made from its
 * tables; test_bound.py holds them to those that Python brings. */
static uint32_t
weight_of(uint32_t point)
{
    if (point < 0x80 || (point >= 0x3400 && point < 0xa000))
        return 1;
    return (point >= 0x2000 && point < 0x3400) || (point >= 0xf900 && point < 0x10000) ||
                   (point >= 0x1d000 && point < 0x20000)
               ? 11
               : 3;
}

/* One character: `len` its bytes. */
static int64_t
character(struct viv_str text, uint64_t at, uint32_t *ret_len)
{
    uint32_t len = viv_kit_utf8((struct viv_str){ text.data + at, text.len - at });
    *ret_len = len ? len : 1;
    return len ? (int64_t)len * weight_of(code_point(text.data + at, len)) : 3; /* becomes U+FFFD */
}

/* Inside quotes, and those inside quotes once more: a backslash and a letter, or two of them, u and four digits. */
static int64_t
escaped(struct viv_str text, uint64_t at, uint32_t *ret_len)
{
    int64_t sum = character(text, at, ret_len);
    unsigned char c = (unsigned char)text.data[at];
    if (c && strchr("\"\\", c))
        return 2;
    if (c && strchr("\n\t\r\b\f", c))
        return 3;
    if (c < 0x20 || c == 0x7f || strchr("<>&'", c))
        return 7;
    int64_t digits = c < 0x80 ? 1 : *ret_len < 4 ? 7 : 14;
    return sum > digits ? sum : digits;
}

int64_t
wire_bound_escaped(struct viv_str text)
{
    int64_t sum = 2;
    uint32_t len = 0;
    for (uint64_t i = 0; i < text.len; i += len) {
        sum += escaped(text, i, &len);
    }
    return sum;
}

/* Printed anew: a line for each member and item, indented; and all of it once more as a text in JSON. */
int64_t
wire_bound_json(struct viv_str json)
{
    int64_t sum = 0;
    int64_t depth = INDENT_FROM;
    uint32_t quoted = 0;
    uint32_t len = 0;
    for (uint64_t i = 0; i < json.len; i += len) {
        char c = json.data[i];
        sum += escaped(json, i, &len);
        if (quoted) {
            if (c == '\\' && i + 1 < json.len) {
                i += len;
                sum += escaped(json, i, &len);
            }
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        sum += c == ':' ? 1 : 0;
        if (strchr("{[,}]", c)) {
            sum += 2 + INDENT * (depth > 0 ? depth : 0);
        }
    }
    return sum;
}

static int64_t
bound_block(const json_t *block)
{
    static const char *const texts[] = { "text", "id", "name" };
    int64_t sum = FRAME_BLOCK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sum += wire_bound_escaped(wire_json_text(block, texts[i]));
    }
    return sum + wire_bound_json(wire_json_text(block, "input_json"));
}

int64_t
wire_request_bound(const struct wire_request *request)
{
    int64_t sum = FRAME_REQUEST + wire_bound_escaped(request->system);
    for (size_t i = 0; i < json_array_size(request->messages); i++) {
        const json_t *content = json_object_get(json_array_get(request->messages, i), "content");
        sum += FRAME_MESSAGE;
        for (size_t j = 0; j < json_array_size(content); j++) {
            sum += bound_block(json_array_get(content, j));
        }
    }
    sum += request->tools ? FRAME_TOOLS : 0;
    for (size_t i = 0; i < json_array_size(request->tools); i++) {
        const json_t *tool = json_array_get(request->tools, i);
        sum += FRAME_TOOL + wire_bound_escaped(wire_json_text(tool, "name")) +
               wire_bound_escaped(wire_json_text(tool, "description")) +
               wire_bound_json(wire_json_text(tool, "schema_json"));
    }
    return sum;
}
