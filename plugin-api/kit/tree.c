/* SPDX-License-Identifier: Apache-2.0 */
/* Reading is jansson's; its own writer is not used because it writes \u001F where the log has
 * \u001f, and because the answer must lie in the call's memory. */
#include "tree.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

viv_status
viv_tree_fail(struct viv_error *err, viv_status status, const char *where, const char *format, ...)
{
    if (!err) {
        return status;
    }
    err->status = status;
    (void)snprintf(err->where, sizeof err->where, "%s", where);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    for (char *c = err->text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
    return status;
}

/* jansson recurses up to 2,048 deep; the bound of the contract is checked before it starts. */
uint32_t
viv_tree_depth(struct viv_str text)
{
    uint32_t depth = 0;
    uint32_t deepest = 0;
    int quoted = 0;
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = 1;
        } else if (c == '{' || c == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

static json_t *
load(struct viv_str text, json_error_t *ret_fault)
{
    return json_loadb(text.data ? text.data : "", (size_t)text.len,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, ret_fault);
}

viv_status
viv_tree_read(struct viv_str text, const char *name, struct json_t **ret_value,
              struct viv_error *err)
{
    if (text.len > VIV_QUEUE_BYTES_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "json", "%s has %llu bytes, allowed %u", name,
                             (unsigned long long)text.len, VIV_QUEUE_BYTES_MAX);
    }
    uint32_t depth = viv_tree_depth(text);
    if (depth > VIV_JSON_DEPTH_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "json", "%s is nested %u deep, allowed %u", name,
                             depth, VIV_JSON_DEPTH_MAX);
    }
    json_error_t fault;
    json_t *value = load(text, &fault);
    /* A parser that runs out of memory says anything, or nothing: it is asked twice. */
    value = value ? value : load(text, &fault);
    if (!value && (!fault.text[0] || json_error_code(&fault) == json_error_out_of_memory)) {
        return viv_tree_fail(err, VIV_E_MEMORY, "json", "%s does not fit into memory", name);
    }
    if (!value) {
        return viv_tree_fail(err, VIV_E_INVALID, "json", "%s is not JSON: %s at byte %d", name,
                             fault.text, fault.position);
    }
    *ret_value = value;
    return VIV_OK;
}

/* Writes into `data`, or only counts while that is NULL. */
struct sink {
    struct viv_call *call;
    char *data;
    uint64_t len;
    viv_status status;
};

static void
put(struct sink *sink, const char *data, uint64_t len)
{
    if (sink->data && len > 0) {
        memcpy(sink->data + sink->len, data, (size_t)len);
    }
    sink->len += len;
}

static void
put_text(struct sink *sink, const char *data, size_t len)
{
    static const char letters[] = "btnvfr";
    put(sink, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        char form[8] = {data[i], 0};
        if (c == '"' || c == '\\') {
            (void)snprintf(form, sizeof form, "\\%c", c);
        } else if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
            (void)snprintf(form, sizeof form, "\\%c", letters[c - 0x08]);
        } else if (c < 0x20) {
            (void)snprintf(form, sizeof form, "\\u%04x", c);
        }
        put(sink, form, c == 0 ? 6 : strlen(form));
    }
    put(sink, "\"", 1);
}

static int
by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void put_value(struct sink *sink, const json_t *value);

/* Counting needs no order, so only the second pass pays for sorting. */
static void
put_object(struct sink *sink, const json_t *value)
{
    size_t count = json_object_size(value);
    const char **names =
        sink->data ? sink->call->alloc(sink->call, (count + 1) * sizeof *names) : NULL;
    if (sink->data && !names) {
        sink->status = VIV_E_MEMORY;
        return;
    }
    json_t *object = json_incref((json_t *)(uintptr_t)value);
    const char *name = NULL;
    json_t *member = NULL;
    size_t at = 0;
    put(sink, "{", 1);
    json_object_foreach(object, name, member)
    {
        if (names) {
            names[at++] = name;
            continue;
        }
        put(sink, ",:", at++ > 0 ? 2 : 1);
        put_text(sink, name, strlen(name));
        put_value(sink, member);
    }
    if (names) {
        qsort(names, count, sizeof *names, by_name);
    }
    for (size_t i = 0; names && i < count && sink->status == VIV_OK; i++) {
        put(sink, ",", i > 0);
        put_text(sink, names[i], strlen(names[i]));
        put(sink, ":", 1);
        put_value(sink, json_object_get(object, names[i]));
    }
    json_decref(object);
    put(sink, "}", 1);
}

/* Depth is that of the tree, which the reader or the builder bounds. */
static void
put_value(struct sink *sink, const json_t *value)
{
    if (sink->status != VIV_OK) {
        return;
    }
    if (json_is_object(value)) {
        put_object(sink, value);
    } else if (json_is_array(value)) {
        put(sink, "[", 1);
        for (size_t i = 0; i < json_array_size(value); i++) {
            put(sink, ",", i > 0);
            put_value(sink, json_array_get(value, i));
        }
        put(sink, "]", 1);
    } else if (json_is_string(value)) {
        put_text(sink, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        long long integer = json_integer_value(value);
        char digits[32];
        put(sink, digits, (uint64_t)snprintf(digits, sizeof digits, "%lld", integer));
        if (integer > VIV_TREE_INTEGER_MAX || integer < -VIV_TREE_INTEGER_MAX) {
            sink->status = VIV_E_INVALID;
        }
    } else {
        sink->status = VIV_E_INVALID;
    }
}

viv_status
viv_tree_write(struct viv_call *call, const struct json_t *value, uint32_t failed,
               struct viv_str *ret_text, struct viv_error *err)
{
    if (failed || !value) {
        return viv_tree_fail(err, VIV_E_MEMORY, "json", "the answer does not fit into memory");
    }
    struct sink sink = {.call = call};
    put_value(&sink, value);
    if (sink.status == VIV_E_INVALID) {
        return viv_tree_fail(err, VIV_E_INVALID, "json",
                             "a value has no canonical form, allowed: objects, arrays, texts, "
                             "integers within 2^53-1");
    }
    sink.data = call->alloc(call, sink.len + 1);
    uint64_t len = sink.len;
    sink.len = 0;
    if (!sink.data) {
        return viv_tree_fail(err, VIV_E_MEMORY, "json",
                             "the answer of %llu bytes does not fit into the call's memory",
                             (unsigned long long)len);
    }
    put_value(&sink, value);
    if (sink.status != VIV_OK) {
        return viv_tree_fail(err, sink.status, "json",
                             "the answer does not fit into the call's memory");
    }
    *ret_text = (struct viv_str){sink.data, sink.len};
    return VIV_OK;
}

/* Length of the UTF-8 sequence at `at`, 0 when there is none. */
static uint32_t
sequence(struct viv_str text, uint64_t at)
{
    const unsigned char *c = (const unsigned char *)text.data + at;
    uint32_t len = c[0] < 0x80   ? 1
                   : c[0] < 0xc2 ? 0
                   : c[0] < 0xe0 ? 2
                   : c[0] < 0xf0 ? 3
                   : c[0] < 0xf5 ? 4
                                 : 0;
    if (len == 0 || len > text.len - at) {
        return 0;
    }
    for (uint32_t i = 1; i < len; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f)) {
        return 0;
    }
    return len;
}

uint32_t
viv_tree_utf8(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len;) {
        uint32_t len = sequence(text, i);
        if (len == 0) {
            return 0;
        }
        i += len;
    }
    return 1;
}

struct json_t *
viv_tree_str(struct viv_str text)
{
    char *repaired = malloc((size_t)text.len * 3 + 1);
    if (!repaired) {
        return NULL;
    }
    size_t len = 0;
    for (uint64_t i = 0; i < text.len;) {
        uint32_t step = sequence(text, i);
        int whole = step > 0 && text.data[i] != '\0';
        memcpy(repaired + len, whole ? text.data + i : "\xef\xbf\xbd", whole ? step : 3);
        len += whole ? step : 3;
        i += step > 0 ? step : 1;
    }
    json_t *value = json_stringn_nocheck(repaired, len);
    free(repaired);
    return value;
}

struct json_t *
viv_tree_literal(const char *text)
{
    return viv_tree_str((struct viv_str){text, strlen(text)});
}

struct json_t *
viv_tree_format(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return viv_tree_literal(text);
}

void
viv_tree_set(struct json_t *object, const char *key, struct json_t *value, uint32_t *failed)
{
    *failed |= json_object_set_new_nocheck(object, key, value) != 0;
}

void
viv_tree_push(struct json_t *array, struct json_t *value, uint32_t *failed)
{
    *failed |= json_array_append_new(array, value) != 0;
}

struct viv_str
viv_tree_text(const struct json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    if (!json_is_string(member)) {
        return (struct viv_str){NULL, 0};
    }
    return (struct viv_str){json_string_value(member), json_string_length(member)};
}

int64_t
viv_tree_integer(const struct json_t *object, const char *key, int64_t fallback)
{
    const json_t *member = json_object_get(object, key);
    return json_is_integer(member) ? (int64_t)json_integer_value(member) : fallback;
}

struct viv_str
viv_tree_copy(struct viv_call *call, struct viv_str text)
{
    char *copy = call->alloc(call, text.len + 1);
    if (!copy) {
        return (struct viv_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    return (struct viv_str){copy, text.len};
}
