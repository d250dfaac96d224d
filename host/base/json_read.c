/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reader of canonical JSON and the import of foreign JSON by jansson. */
#include "json.h"

#include <endian.h>
#include <jansson.h>
#include <string.h>

#include "error.h"
#include "json_load.h"
#include "str.h"
#include <viv/limits.h>

/* Each of these begins at `at` and gives where it ended, or NULL. What is found goes to `*ret_value`; NULL: it is only
 * looked at, and takes no memory. */
static const char *read_value(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value);

static const char *
bad(struct vh_json_reader *r, const char *at, const char *problem)
{
    r->at = at;
    r->problem = problem;
    return NULL;
}

static const char *
no_memory(struct vh_json_reader *r, const char *at)
{
    r->memory = true;
    return bad(r, at, "out of memory");
}

static bool
is(const struct vh_json_reader *r, const char *at, char c)
{
    return at < r->end && *at == c;
}

static int
hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape after the backslash; -1 when it is not the canonical form of its character. */
static int
read_escape(const struct vh_json_reader *r, const char **at)
{
    static const char letters[] = "\"\\btnfr";
    static const char values[] = "\"\\\b\t\n\f\r";
    if (*at >= r->end) {
        return -1;
    }
    char c = *(*at)++;
    for (int i = 0; letters[i]; i++) {
        if (c == letters[i]) {
            return values[i];
        }
    }
    if (c != 'u' || r->end - *at < 4 || (*at)[0] != '0' || (*at)[1] != '0') {
        return -1;
    }
    int high = hex((*at)[2]);
    int low = hex((*at)[3]);
    *at += 4;
    int value = high * 16 + low;
    bool short_form = value == 8 || value == 9 || value == 10 || value == 12 || value == 13;
    return high < 0 || low < 0 || value >= 0x20 || short_form ? -1 : value;
}

struct looked {
    bool escaped;
    bool control; /* a character that must be escaped */
    bool wide;    /* something other than ASCII */
};

/* How many of eight characters stand before the first that is a quote, a backslash, a control character or beyond
 * ASCII. */
static size_t
plain_of_eight(const char *text)
{
    static const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t eight;
    memcpy(&eight, text, sizeof eight);
    eight = le64toh(eight); /* so that what is borrowed is borrowed from those behind */
    uint64_t quote = eight ^ each * '"', slash = eight ^ each * '\\';
    uint64_t found = ((eight - each * 0x20) | (quote - each) | (slash - each) | eight) & each * 0x80;
    return found ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

/* Where the closing quote of the string that starts at `at` is, or r->end when there is none. */
static const char *
string_end(const struct vh_json_reader *r, const char *at, struct looked *ret_looked)
{
    struct looked looked = { 0 };
    while (at < r->end) {
        size_t plain = r->end - at < 8 ? 0 : plain_of_eight(at);
        at += plain;
        if (plain == 8) {
            continue;
        }
        unsigned char c = (unsigned char)*at;
        if (c == '"') {
            break;
        }
        looked.control = looked.control || c < 0x20;
        looked.wide = looked.wide || c >= 0x80;
        looked.escaped = looked.escaped || c == '\\';
        at += c == '\\' ? 2 : 1;
    }
    *ret_looked = looked;
    return at < r->end ? at : r->end;
}

/* Decode up to `end` into `to`, which has room for it; NULL: only look. */
static const char *
decode(struct vh_json_reader *r, const char *at, const char *end, char *to, size_t *ret_len)
{
    size_t len = 0;
    while (at < end) {
        unsigned char c = (unsigned char)*at++;
        int value = c == '\\' ? read_escape(r, &at) : c;
        if (value < 0 || c < 0x20) {
            return bad(r, at, "a character is not in its canonical form");
        }
        if (to) {
            to[len] = (char)value;
        }
        len++;
    }
    *ret_len = len;
    return end;
}

/* The text between quotes. Without escapes it is a view of the input; with them a copy no longer than the string, so
 * that reading takes memory in proportion to the document. */
const char *
vh_json_take_string(struct vh_json_reader *r, const char *at, struct viv_str *ret_text)
{
    if (!at || !is(r, at, '"')) {
        return bad(r, at, "a string was expected");
    }
    struct looked looked;
    const char *end = string_end(r, ++at, &looked);
    struct viv_str text = { at, (uint64_t)(end - at) };
    if (looked.control) {
        while ((unsigned char)*at >= 0x20) {
            at++; /* the byte at fault is named */
        }
        return bad(r, at, "a character is not in its canonical form");
    }
    if (looked.escaped) {
        char *copy = ret_text ? vh_arena_alloc(r->arena, (size_t)text.len + 1) : NULL;
        size_t len = 0;
        if (ret_text && !copy) {
            return no_memory(r, at);
        }
        if (!decode(r, at, end, copy, &len)) {
            return NULL;
        }
        text = copy ? (struct viv_str){ copy, len } : text;
    }
    if (end == r->end) {
        return bad(r, end, "a string does not end");
    }
    if (looked.wide && !vh_str_utf8(text)) { /* with its escapes or without: those are ASCII */
        return bad(r, end + 1, "a string is not UTF-8");
    }
    if (ret_text) {
        *ret_text = text;
    }
    return end + 1;
}

const char *
vh_json_take_integer(struct vh_json_reader *r, const char *at, int64_t *ret_integer)
{
    if (!at) {
        return NULL;
    }
    const char *start = at;
    bool negative = is(r, at, '-');
    const char *first = at += negative;
    int64_t value = 0;
    while (at < r->end && *at >= '0' && *at <= '9' && at - first < 17) {
        value = value * 10 + (*at++ - '0');
    }
    if (at == first || (*first == '0' && (at - first > 1 || negative)) || value > VH_JSON_INTEGER_MAX) {
        return bad(r, start, "a value is not a canonical integer, string, array or object");
    }
    *ret_integer = negative ? -value : value;
    return at;
}

/* An empty value of a kind, when one is wanted. */
static bool
make(struct vh_json_reader *r, enum vh_json_type type, struct vh_json **ret_value)
{
    if (ret_value) {
        *ret_value = vh_arena_alloc(r->arena, sizeof **ret_value);
        if (*ret_value) {
            (*ret_value)->type = type;
        }
    }
    return !ret_value || *ret_value;
}

static const char *
read_object(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value)
{
    struct vh_json *value = NULL;
    struct viv_str before = { NULL, 0 }, key;
    if (!make(r, VH_JSON_OBJECT, ret_value)) {
        return no_memory(r, at);
    }
    if (is(r, at, '}')) {
        return at + 1;
    }
    for (;; at++) {
        at = vh_json_take_string(r, at, &key);
        if (!at) {
            return NULL;
        }
        if (before.data && vh_str_compare(before, key) >= 0) {
            return bad(r, at, "keys are not sorted and unique");
        }
        if (!is(r, at, ':')) {
            return bad(r, at, "a colon was expected");
        }
        at = read_value(r, at + 1, depth, ret_value ? &value : NULL);
        if (!at) {
            return NULL;
        }
        before = key;
        if (ret_value) {
            vh_json_push(*ret_value, value);
            value->key = key;
        }
        if (!is(r, at, ',')) {
            return is(r, at, '}') ? at + 1 : bad(r, at, "an object does not end");
        }
    }
}

static const char *
read_array(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value)
{
    struct vh_json *value = NULL;
    if (!make(r, VH_JSON_ARRAY, ret_value)) {
        return no_memory(r, at);
    }
    if (is(r, at, ']')) {
        return at + 1;
    }
    for (;; at++) {
        at = read_value(r, at, depth, ret_value ? &value : NULL);
        if (!at) {
            return NULL;
        }
        if (ret_value) {
            vh_json_push(*ret_value, value);
        }
        if (!is(r, at, ',')) {
            return is(r, at, ']') ? at + 1 : bad(r, at, "an array does not end");
        }
    }
}

static const char *
read_value(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value)
{
    int64_t integer;
    struct viv_str text;
    if (depth >= VIV_JSON_DEPTH_MAX) {
        return bad(r, at, "too deeply nested");
    }
    if (is(r, at, '{')) {
        return read_object(r, at + 1, depth + 1, ret_value);
    }
    if (is(r, at, '[')) {
        return read_array(r, at + 1, depth + 1, ret_value);
    }
    bool string = is(r, at, '"');
    at = string ? vh_json_take_string(r, at, ret_value ? &text : NULL) : vh_json_take_integer(r, at, &integer);
    if (!at || !ret_value) {
        return at;
    }
    if (!make(r, string ? VH_JSON_STRING : VH_JSON_INTEGER, ret_value)) {
        return no_memory(r, at);
    }
    if (string) {
        (*ret_value)->text = text;
    } else {
        (*ret_value)->integer = integer;
    }
    return at;
}

const char *
vh_json_take_object(struct vh_json_reader *r, const char *at, int depth, struct vh_json **ret_value)
{
    return at && is(r, at, '{') ? read_value(r, at, depth, ret_value) : NULL;
}

viv_status
vh_json_read(struct vh_arena *arena, struct viv_str text, struct vh_json **ret_value, struct viv_error *err)
{
    const char *start = text.len ? text.data : "";
    struct vh_json_reader r = { .arena = arena, .end = start + text.len };
    struct vh_json *value = NULL;
    const char *end = read_value(&r, start, 0, &value);
    if (end && end != r.end) {
        end = bad(&r, end, "something follows the value");
    }
    if (!end) {
        viv_status status = r.memory ? VIV_E_MEMORY : VIV_E_CORRUPT;
        return vh_error_set(err, status, "json", "%s at byte %zu", r.problem, (size_t)(r.at - start));
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
