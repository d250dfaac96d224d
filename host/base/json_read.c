/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reader of canonical JSON and the import of foreign JSON by jansson. */
#include "json.h"

#include <jansson.h>

#include "error.h"
#include "json_load.h"
#include "str.h"
#include <viv/limits.h>

struct reader {
    struct vh_arena *arena;
    const char *data;
    size_t len;
    size_t at;
    const char *problem;
    bool memory;
};

static struct vh_json *read_value(struct reader *r, int depth);

static struct vh_json *
bad(struct reader *r, const char *problem)
{
    if (!r->problem) {
        r->problem = problem;
    }
    return NULL;
}

static bool
take(struct reader *r, char c)
{
    if (r->at < r->len && r->data[r->at] == c) {
        r->at++;
        return true;
    }
    return false;
}

static int
hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape after the backslash; -1 when it is not the canonical form of its character. */
static int
read_escape(struct reader *r)
{
    static const char letters[] = "\"\\btnfr";
    static const char values[] = "\"\\\b\t\n\f\r";
    if (r->at >= r->len) {
        return -1;
    }
    char c = r->data[r->at++];
    for (int i = 0; letters[i]; i++) {
        if (c == letters[i]) {
            return values[i];
        }
    }
    if (c != 'u' || r->len - r->at < 4 || r->data[r->at] != '0' || r->data[r->at + 1] != '0') {
        return -1;
    }
    int high = hex(r->data[r->at + 2]);
    int low = hex(r->data[r->at + 3]);
    r->at += 4;
    int value = high * 16 + low;
    bool short_form = value == 8 || value == 9 || value == 10 || value == 12 || value == 13;
    return high < 0 || low < 0 || value >= 0x20 || short_form ? -1 : value;
}

struct looked {
    bool escaped;
    bool control; /* a character that must be escaped */
    bool wide;    /* something other than ASCII */
};

/* Where the closing quote of the string that starts at `r->at` is, or r->len when there is none. */
static size_t
string_end(const struct reader *r, struct looked *ret_looked)
{
    size_t at = r->at;
    unsigned char c, all = 0;
    *ret_looked = (struct looked){ 0 };
    for (; at < r->len && (c = (unsigned char)r->data[at]) != '"'; at++) {
        all |= c;
        ret_looked->control = ret_looked->control || c < 0x20;
        if (c == '\\') {
            ret_looked->escaped = true;
            at++;
        }
    }
    ret_looked->wide = all >= 0x80;
    return at < r->len ? at : r->len;
}

/* Decode up to `end` into `to`, which has room for it. False when a character is not in its canonical form. */
static bool
decode(struct reader *r, size_t end, char *to, size_t *ret_len)
{
    size_t len = 0;
    while (r->at < end) {
        unsigned char c = (unsigned char)r->data[r->at++];
        int value = c == '\\' ? read_escape(r) : c;
        if (value < 0 || c < 0x20) {
            return false;
        }
        to[len++] = (char)value;
    }
    *ret_len = len;
    return true;
}

/* The text between quotes. Without escapes it is a view of the input; with them a copy no longer than the string, so
 * that reading takes memory in proportion to the document. */
static bool
read_string(struct reader *r, struct viv_str *ret_text)
{
    if (!take(r, '"')) {
        bad(r, "a string was expected");
        return false;
    }
    struct looked looked;
    size_t start = r->at;
    size_t end = string_end(r, &looked);
    struct viv_str text = { r->data + start, end - start };
    if (looked.control) {
        while ((unsigned char)r->data[r->at] >= 0x20) {
            r->at++; /* the byte at fault is named */
        }
        bad(r, "a character is not in its canonical form");
        return false;
    }
    if (looked.escaped) {
        char *copy = vh_arena_alloc(r->arena, end - start + 1);
        size_t len = 0;
        if (!copy) {
            r->memory = true;
            bad(r, "out of memory");
            return false;
        }
        if (!decode(r, end, copy, &len)) {
            bad(r, "a character is not in its canonical form");
            return false;
        }
        text = (struct viv_str){ copy, len };
    }
    r->at = end;
    if (!take(r, '"')) {
        bad(r, "a string does not end");
        return false;
    }
    if (looked.wide && !vh_str_utf8(text)) {
        bad(r, "a string is not UTF-8");
        return false;
    }
    *ret_text = text;
    return true;
}

static struct vh_json *
read_integer(struct reader *r)
{
    size_t start = r->at;
    bool negative = take(r, '-');
    int64_t value = 0;
    size_t digits = 0;
    bool zero_first = r->at < r->len && r->data[r->at] == '0';
    while (r->at < r->len && r->data[r->at] >= '0' && r->data[r->at] <= '9' && digits < 17) {
        value = value * 10 + (r->data[r->at++] - '0');
        digits++;
    }
    if (digits == 0 || (zero_first && (digits > 1 || negative)) || value > VH_JSON_INTEGER_MAX) {
        r->at = start;
        return bad(r, "a value is not a canonical integer, string, array or object");
    }
    struct vh_json *node = vh_json_integer(r->arena, negative ? -value : value);
    r->memory = r->memory || !node;
    return node ? node : bad(r, "out of memory");
}

static struct vh_json *
read_object(struct reader *r, int depth)
{
    struct vh_json *object = vh_json_object(r->arena);
    if (!object) {
        r->memory = true;
        return bad(r, "out of memory");
    }
    if (take(r, '}')) {
        return object;
    }
    do {
        struct viv_str key;
        if (!read_string(r, &key)) {
            return NULL;
        }
        if (object->last && vh_str_compare(object->last->key, key) >= 0) {
            return bad(r, "keys are not sorted and unique");
        }
        struct vh_json *value = take(r, ':') ? read_value(r, depth) : bad(r, "a colon was expected");
        if (!value) {
            return NULL;
        }
        value->key = key;
        if (object->last) {
            object->last->next = value;
        } else {
            object->child = value;
        }
        object->last = value;
        object->count++;
    } while (take(r, ','));
    return take(r, '}') ? object : bad(r, "an object does not end");
}

static struct vh_json *
read_array(struct reader *r, int depth)
{
    struct vh_json *array = vh_json_array(r->arena);
    if (!array) {
        r->memory = true;
        return bad(r, "out of memory");
    }
    if (take(r, ']')) {
        return array;
    }
    do {
        struct vh_json *value = read_value(r, depth);
        if (!value) {
            return NULL;
        }
        vh_json_push(array, value);
    } while (take(r, ','));
    return take(r, ']') ? array : bad(r, "an array does not end");
}

static struct vh_json *
read_value(struct reader *r, int depth)
{
    if (depth >= VIV_JSON_DEPTH_MAX) {
        return bad(r, "too deeply nested");
    }
    if (take(r, '{')) {
        return read_object(r, depth + 1);
    }
    if (take(r, '[')) {
        return read_array(r, depth + 1);
    }
    if (r->at < r->len && r->data[r->at] == '"') {
        struct viv_str text;
        if (!read_string(r, &text)) {
            return NULL;
        }
        struct vh_json *node = vh_json_string(r->arena, text);
        r->memory = r->memory || !node;
        return node ? node : bad(r, "out of memory");
    }
    return read_integer(r);
}

viv_status
vh_json_read(struct vh_arena *arena, struct viv_str text, struct vh_json **ret_value, struct viv_error *err)
{
    struct reader r = { .arena = arena, .data = text.data, .len = (size_t)text.len };
    struct vh_json *value = read_value(&r, 0);
    if (value && r.at != r.len) {
        value = bad(&r, "something follows the value");
    }
    if (!value) {
        viv_status status = r.memory ? VIV_E_MEMORY : VIV_E_CORRUPT;
        return vh_error_set(err, status, "json", "%s at byte %zu", r.problem ? r.problem : "unreadable", r.at);
    }
    *ret_value = value;
    return VIV_OK;
}

/* ---- foreign JSON ---- */

struct import {
    struct vh_arena *arena;
    struct viv_error *err;
    viv_status status;
};

static struct vh_json *import_value(struct import *in, json_t *from, const char *key, int depth);

static struct vh_json *
refuse(struct import *in, viv_status status, const char *key, const char *problem)
{
    if (in->status == VIV_OK) {
        in->status = vh_error_set(in->err, status, "json", "value of '%s' %s", key, problem);
    }
    return NULL;
}

static struct vh_json *
import_container(struct import *in, json_t *from, const char *key, int depth)
{
    struct vh_json *to = json_is_object(from) ? vh_json_object(in->arena) : vh_json_array(in->arena);
    if (!to) {
        return refuse(in, VIV_E_MEMORY, key, "does not fit into memory");
    }
    if (json_is_array(from)) {
        size_t index;
        json_t *item;
        json_array_foreach(from, index, item) {
            struct vh_json *value = import_value(in, item, key, depth + 1);
            if (!value) {
                return NULL;
            }
            vh_json_push(to, value);
        }
        return to;
    }
    const char *name;
    json_t *item;
    json_object_foreach(from, name, item) {
        if (json_is_null(item)) {
            continue;
        }
        char *copy = vh_arena_text(in->arena, name);
        struct vh_json *value = copy ? import_value(in, item, name, depth + 1)
                                     : refuse(in, VIV_E_MEMORY, name, "does not fit into memory");
        if (!value) {
            return NULL;
        }
        vh_json_set(to, copy, value);
    }
    return to;
}

static struct vh_json *
import_value(struct import *in, json_t *from, const char *key, int depth)
{
    struct vh_json *value = NULL;
    if (depth >= VIV_JSON_DEPTH_MAX) {
        return refuse(in, VIV_E_INVALID, key, "is nested too deeply, allowed: 64 levels");
    }
    switch (json_typeof(from)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return import_container(in, from, key, depth);
    case JSON_STRING: {
        char *copy = vh_arena_text_of(in->arena, (struct viv_str){ json_string_value(from), json_string_length(from) });
        value = copy ? vh_json_string(in->arena, (struct viv_str){ copy, json_string_length(from) }) : NULL;
        break;
    }
    case JSON_INTEGER: {
        json_int_t integer = json_integer_value(from);
        if (integer > VH_JSON_INTEGER_MAX || integer < -VH_JSON_INTEGER_MAX) {
            return refuse(in, VIV_E_INVALID, key, "is outside plus or minus 9007199254740991");
        }
        value = vh_json_integer(in->arena, integer);
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        value = vh_json_integer(in->arena, json_is_true(from));
        break;
    case JSON_REAL:
        return refuse(in, VIV_E_INVALID, key, "is a number with a fraction, allowed: integers");
    case JSON_NULL:
        return refuse(in, VIV_E_INVALID, key, "is null, allowed: object, array, string, integer, boolean");
    }
    return value ? value : refuse(in, VIV_E_MEMORY, key, "does not fit into memory");
}

viv_status
vh_json_import(struct vh_arena *arena, struct viv_str text, struct vh_json **ret_value, struct viv_error *err)
{
    json_error_t fault;
    uint64_t nul = vh_str_nul(text);
    if (nul) {
        return vh_error_set(err, VIV_E_INVALID, "json", "byte %llu is NUL, allowed: JSON text",
                            (unsigned long long)nul);
    }
    bool memory = false;
    json_t *root = vh_json_load(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault, &memory);
    if (memory) {
        return vh_error_set(err, VIV_E_MEMORY, "json", "no memory to read JSON");
    }
    if (!root) {
        vh_error_set(err, VIV_E_INVALID, "json", "line %d, column %d: %s", fault.line, fault.column, fault.text);
        if (err) {
            err->line = (uint32_t)(fault.line > 0 ? fault.line : 0);
        }
        return VIV_E_INVALID;
    }
    struct import in = { .arena = arena, .err = err };
    struct vh_json *value = import_value(&in, root, "the document", 0);
    json_decref(root);
    if (!value) {
        return in.status;
    }
    *ret_value = value;
    return VIV_OK;
}
