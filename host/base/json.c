/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "error.h"
#include "str.h"
#include <viv/limits.h>

static struct vh_json *
node(struct vh_arena *arena, enum vh_json_type type)
{
    struct vh_json *value = vh_arena_alloc(arena, sizeof *value);
    if (value) {
        value->type = type;
    }
    return value;
}

struct vh_json *
vh_json_object(struct vh_arena *arena)
{
    return node(arena, VH_JSON_OBJECT);
}

struct vh_json *
vh_json_array(struct vh_arena *arena)
{
    return node(arena, VH_JSON_ARRAY);
}

struct vh_json *
vh_json_string(struct vh_arena *arena, struct viv_str text)
{
    struct vh_json *value = node(arena, VH_JSON_STRING);
    if (value) {
        value->text = text;
    }
    return value;
}

struct vh_json *
vh_json_integer(struct vh_arena *arena, int64_t integer)
{
    struct vh_json *value = node(arena, VH_JSON_INTEGER);
    if (value) {
        value->integer = integer;
    }
    return value;
}

/* Members stay sorted by key, so that writing is a walk; the common case appends. */
void
vh_json_set(struct vh_json *object, const char *key, struct vh_json *value)
{
    if (!object) {
        return;
    }
    if (!value || value->failed) {
        object->failed = true;
        return;
    }
    value->key = vh_str(key);
    struct vh_json **place = &object->child;
    if (object->last && vh_str_compare(object->last->key, value->key) < 0) {
        place = &object->last->next;
    }
    while (*place && vh_str_compare((*place)->key, value->key) < 0) {
        place = &(*place)->next;
    }
    if (*place && vh_str_equal((*place)->key, value->key)) {
        value->next = (*place)->next;
    } else {
        value->next = *place;
        object->count++;
    }
    *place = value;
    if (!value->next) {
        object->last = value;
    }
}

void
vh_json_set_str(struct vh_arena *arena, struct vh_json *object, const char *key, struct viv_str text)
{
    vh_json_set(object, key, vh_json_string(arena, text));
}

void
vh_json_set_text(struct vh_arena *arena, struct vh_json *object, const char *key, const char *text)
{
    vh_json_set(object, key, text ? vh_json_string(arena, vh_str(text)) : NULL);
}

void
vh_json_set_int(struct vh_arena *arena, struct vh_json *object, const char *key, int64_t integer)
{
    vh_json_set(object, key, vh_json_integer(arena, integer));
}

void
vh_json_push(struct vh_json *array, struct vh_json *value)
{
    if (!array) {
        return;
    }
    if (!value || value->failed) {
        array->failed = true;
        return;
    }
    value->next = NULL;
    if (array->last) {
        array->last->next = value;
    } else {
        array->child = value;
    }
    array->last = value;
    array->count++;
}

static struct viv_str
copy_str(struct vh_arena *arena, struct viv_str text, bool *failed)
{
    char *copy = vh_arena_text_of(arena, text);
    *failed = *failed || !copy;
    return (struct viv_str){ copy, copy ? text.len : 0 };
}

/* Depth is bounded by what the readers accept. */
struct vh_json *
vh_json_clone(struct vh_arena *arena, const struct vh_json *value)
{
    struct vh_json *copy = value ? node(arena, value->type) : NULL;
    if (!copy) {
        return NULL;
    }
    copy->failed = value->failed;
    copy->integer = value->integer;
    copy->text = copy_str(arena, value->text, &copy->failed);
    for (const struct vh_json *child = value->child; child; child = child->next) {
        struct vh_json *twin = vh_json_clone(arena, child);
        bool failed = false;
        struct viv_str key = copy_str(arena, child->key, &failed);
        if (failed) {
            twin = NULL;
        }
        if (value->type == VH_JSON_OBJECT) {
            vh_json_set(copy, key.data ? key.data : "", twin);
        } else {
            vh_json_push(copy, twin);
        }
    }
    return copy;
}

const struct vh_json *
vh_json_get(const struct vh_json *object, const char *key)
{
    if (!object || object->type != VH_JSON_OBJECT) {
        return NULL;
    }
    for (const struct vh_json *member = object->child; member; member = member->next) {
        if (vh_str_is(member->key, key)) {
            return member;
        }
    }
    return NULL;
}

struct viv_str
vh_json_str(const struct vh_json *object, const char *key)
{
    const struct vh_json *member = vh_json_get(object, key);
    return member && member->type == VH_JSON_STRING ? member->text : (struct viv_str){ NULL, 0 };
}

int64_t
vh_json_int(const struct vh_json *object, const char *key, int64_t fallback)
{
    const struct vh_json *member = vh_json_get(object, key);
    return member && member->type == VH_JSON_INTEGER ? member->integer : fallback;
}

/* Canonical escapes: the two-letter forms where JSON has them, \u00xx for other control characters. */
static void
write_string(struct viv_str text, struct vh_buf *buf)
{
    static const char letters[] = "btnvfr";
    vh_buf_char(buf, '"');
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        vh_buf_add(buf, text.data + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\') {
            vh_buf_char(buf, '\\');
            vh_buf_char(buf, (char)c);
        } else if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
            vh_buf_char(buf, '\\');
            vh_buf_char(buf, letters[c - 0x08]);
        } else {
            vh_buf_format(buf, "\\u%04x", c);
        }
    }
    if (text.len > start) {
        vh_buf_add(buf, text.data + start, (size_t)text.len - start);
    }
    vh_buf_char(buf, '"');
}

/* Not by printf, which costs more than the rest of an event's text. */
static void
write_integer(int64_t integer, struct vh_buf *buf)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (integer < 0) {
        digits[--at] = '-';
    }
    vh_buf_add(buf, digits + at, sizeof digits - at);
}

void
vh_json_write(const struct vh_json *value, struct vh_buf *buf)
{
    if (!value || value->failed) {
        buf->failed = true;
        return;
    }
    switch (value->type) {
    case VH_JSON_STRING:
        if (!vh_str_utf8(value->text)) {
            buf->failed = true;
        }
        write_string(value->text, buf);
        return;
    case VH_JSON_INTEGER:
        if (value->integer > VH_JSON_INTEGER_MAX || value->integer < -VH_JSON_INTEGER_MAX) {
            buf->failed = true;
        }
        write_integer(value->integer, buf);
        return;
    case VH_JSON_OBJECT:
    case VH_JSON_ARRAY:
        break;
    }
    bool object = value->type == VH_JSON_OBJECT;
    vh_buf_char(buf, object ? '{' : '[');
    for (const struct vh_json *child = value->child; child; child = child->next) {
        if (child != value->child) {
            vh_buf_char(buf, ',');
        }
        if (object) {
            if (!vh_str_utf8(child->key)) {
                buf->failed = true;
            }
            write_string(child->key, buf);
            vh_buf_char(buf, ':');
        }
        vh_json_write(child, buf);
    }
    vh_buf_char(buf, object ? '}' : ']');
}

/* Depth is bounded by what the readers accept. */
bool
vh_json_canonical(const struct vh_json *value)
{
    if (!value || value->failed || !vh_str_utf8(value->text) || !vh_str_utf8(value->key) ||
        value->integer > VH_JSON_INTEGER_MAX || value->integer < -VH_JSON_INTEGER_MAX) {
        return false;
    }
    for (const struct vh_json *child = value->child; child; child = child->next) {
        if (!vh_json_canonical(child)) {
            return false;
        }
    }
    return true;
}

struct viv_str
vh_json_print(struct vh_arena *arena, const struct vh_json *value)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VIV_QUEUE_BYTES_MAX);
    vh_json_write(value, &buf);
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}
