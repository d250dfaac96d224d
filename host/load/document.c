/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_load.h"
#include "base/str.h"
#include "nearest.h"
#include <viv/limits.h>

/* Nesting of brackets outside strings; the parser recurses, so this comes first. */
static int
depth_of(struct viv_str text)
{
    int depth = 0, most = 0;
    bool quoted = false;
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '[' || c == '{')) {
            depth++;
            most = depth > most ? depth : most;
        } else if (!quoted && (c == ']' || c == '}')) {
            depth--;
        }
    }
    return most;
}

static void
release(void *data)
{
    json_decref(data);
}

viv_status
vh_document_own(struct vh_arena *arena, struct json_t *value, struct viv_error *err)
{
    if (!value) {
        return vh_error_set(err, VIV_E_MEMORY, "document", "no memory for a document");
    }
    if (vh_arena_on_end(arena, release, value)) {
        json_decref(value);
        return vh_error_set(err, VIV_E_MEMORY, "document", "no memory for a document");
    }
    return VIV_OK;
}

viv_status
vh_document_read(struct vh_arena *arena, struct viv_str text, size_t max_bytes, const char *what,
                 struct json_t **ret_value, struct viv_error *err)
{
    if (text.len > max_bytes) {
        return vh_error_set(err, VIV_E_LIMIT, what, "%s has %llu bytes, allowed %zu", what,
                            (unsigned long long)text.len, max_bytes);
    }
    int depth = depth_of(text);
    if (depth > VIV_JSON_DEPTH_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, what, "%s is nested %d deep, allowed %d", what, depth,
                            VIV_JSON_DEPTH_MAX);
    }
    uint64_t nul = vh_str_nul(text);
    if (nul) {
        return vh_error_set(err, VIV_E_INVALID, what, "byte %llu of %s is NUL, allowed: JSON text",
                            (unsigned long long)nul, what);
    }
    json_error_t fault;
    bool memory = false;
    json_t *value = vh_json_load(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault, &memory);
    if (memory) {
        return vh_error_set(err, VIV_E_MEMORY, what, "no memory to read %s", what);
    }
    if (!value) {
        (void)vh_error_set(err, VIV_E_INVALID, what, "%s is no JSON, line %d: %s", what, fault.line, fault.text);
        if (err) {
            err->line = fault.line > 0 ? (uint32_t)fault.line : 0;
        }
        return VIV_E_INVALID;
    }
    viv_status status = vh_document_own(arena, value, err);
    if (status == VIV_OK) {
        *ret_value = value;
    }
    return status;
}

struct viv_str
vh_document_print(struct vh_arena *arena, const struct json_t *value)
{
    char *text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    char *copy = text ? vh_arena_text(arena, text) : NULL;
    free(text); /* made by the library, with the library's allocator */
    return vh_str(copy);
}

viv_status
vh_document_keys(struct json_t *object, const char *const *known, const char *what, struct viv_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach (object, key, value) {
        bool found = false;
        for (size_t i = 0; known[i] && !found; i++) {
            found = strcmp(known[i], key) == 0;
        }
        if (!found) {
            const char *near = vh_nearest(known, key);
            return vh_error_set(err, VIV_E_INVALID, "document", "%s has the unknown key '%s'; %s '%s'", what, key,
                                near ? "nearest known key:" : "known keys begin with", near ? near : known[0]);
        }
    }
    return VIV_OK;
}

const char *
vh_document_show(const struct json_t *value, char *buffer, size_t size)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        snprintf(buffer, size, "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        snprintf(buffer, size, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(buffer, size, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(buffer, size, "%s", json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        snprintf(buffer, size, "null");
        break;
    case JSON_ARRAY:
        snprintf(buffer, size, "a list of %zu", json_array_size(value));
        break;
    case JSON_OBJECT:
        snprintf(buffer, size, "an object of %zu", json_object_size(value));
        break;
    }
    return buffer;
}
