/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON: the two-letter escapes where JSON has them, \u00xx for the other control characters. */
#include "write.h"

#include <string.h>

#include "text.h"

void
viv_kit_json_init(struct viv_kit_json *json, struct viv_kit_memory memory, uint64_t max)
{
    memset(json, 0, sizeof *json);
    viv_kit_buf_init(&json->buf, memory, max);
}

static void
blame(struct viv_kit_json *json, const char *problem)
{
    if (!json->problem) {
        json->problem = problem;
    }
}

static void
quoted(struct viv_kit_buf *buf, struct viv_str text)
{
    static const char letters[] = "btn?fr"; /* 8 to 13 */
    static const char digits[] = "0123456789abcdef";
    viv_kit_buf_add(buf, "\"", 1);
    uint64_t done = 0;
    for (uint64_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.data[i];
        uint32_t len = viv_kit_utf8((struct viv_str){ text.data + i, text.len - i });
        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        viv_kit_buf_add(buf, text.data + done, i - done);
        if (len == 0) {
            viv_kit_buf_text(buf, "\xef\xbf\xbd");
        } else if (c >= 0x20) {
            viv_kit_buf_add(buf, (char[]){ '\\', (char)c }, 2);
        } else if (c >= 8 && c <= 13 && c != 11) {
            viv_kit_buf_add(buf, (char[]){ '\\', letters[c - 8] }, 2);
        } else {
            viv_kit_buf_add(buf, (char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
        }
        done = ++i;
    }
    viv_kit_buf_add(buf, text.data + done, text.len - done);
    viv_kit_buf_add(buf, "\"", 1);
}

/* Comma, key and colon before any value. */
static void
before(struct viv_kit_json *json, const char *key)
{
    uint32_t in_object = json->depth > 0 && json->open[json->depth - 1] == '{';
    if (in_object != (key != NULL)) {
        blame(json, key ? "a key outside an object" : "a member without a key");
    }
    if (json->depth == 0 && json->begun) {
        blame(json, "a second value at the top");
    }
    if (json->begun && json->depth > 0) {
        viv_kit_buf_add(&json->buf, ",", 1);
    }
    if (in_object && key) {
        if (json->begun && strcmp(json->keys[json->depth - 1], key) >= 0) {
            blame(json, "keys out of order");
        }
        json->keys[json->depth - 1] = key;
        quoted(&json->buf, viv_kit_str(key));
        viv_kit_buf_add(&json->buf, ":", 1);
    }
    json->begun = 1;
}

static void
enter(struct viv_kit_json *json, const char *key, char bracket)
{
    before(json, key);
    if (json->depth == VIV_KIT_JSON_DEPTH) {
        blame(json, "nested too deeply");
        return;
    }
    viv_kit_buf_add(&json->buf, &bracket, 1);
    json->open[json->depth++] = bracket;
    json->begun = 0;
}

void
viv_kit_json_object(struct viv_kit_json *json, const char *key)
{
    enter(json, key, '{');
}

void
viv_kit_json_list(struct viv_kit_json *json, const char *key)
{
    enter(json, key, '[');
}

void
viv_kit_json_end(struct viv_kit_json *json)
{
    if (json->depth == 0) {
        blame(json, "an end without a begin");
        return;
    }
    json->depth--;
    viv_kit_buf_add(&json->buf, json->open[json->depth] == '{' ? "}" : "]", 1);
    json->begun = 1;
}

void
viv_kit_json_integer(struct viv_kit_json *json, const char *key, int64_t integer)
{
    if (integer > VIV_KIT_INTEGER_MAX || integer < -VIV_KIT_INTEGER_MAX) {
        blame(json, "an integer beyond 2^53-1");
    }
    before(json, key);
    viv_kit_buf_integer(&json->buf, integer);
}

void
viv_kit_json_text(struct viv_kit_json *json, const char *key, struct viv_str text)
{
    before(json, key);
    quoted(&json->buf, text);
}

void
viv_kit_json_path(struct viv_kit_json *json, const char *key, struct viv_str path)
{
    /* An escaped name holds no control byte and no broken UTF-8; quote and backslash are left to do. */
    before(json, key);
    viv_kit_buf_add(&json->buf, "\"", 1);
    uint64_t start = 0;
    for (uint64_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.data[i] != '"' && path.data[i] != '\\')
            continue;
        viv_kit_path_escape(&json->buf, (struct viv_str){ path.data + start, i - start });
        if (i < path.len) {
            viv_kit_buf_add(&json->buf, (char[]){ '\\', path.data[i] }, 2);
        }
        start = i + 1;
    }
    viv_kit_buf_add(&json->buf, "\"", 1);
}

viv_status
viv_kit_json_finish(struct viv_kit_json *json, struct viv_str *ret_text, struct viv_error *err)
{
    if (!json->problem && (json->depth > 0 || !json->begun)) {
        blame(json, "the document is not complete");
    }
    if (json->problem && !json->buf.failed)
        return viv_kit_fail(err, VIV_E_INTERNAL, "json", "the skill wrote wrong JSON: %s", json->problem);
    return viv_kit_buf_finish(&json->buf, ret_text, err);
}
