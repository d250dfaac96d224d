/* SPDX-License-Identifier: Apache-2.0 */
/* The parser is jansson's; it recurses, so depth is looked at first. Raw bytes are found by the kit's reader. */
#include "json.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

struct json_t *
wire_json_parse(struct viv_str text, char *why, uint64_t size)
{
    uint32_t depth = viv_tree_depth(text);
    if (depth > VIV_JSON_DEPTH_MAX) {
        (void)snprintf(why, size, "it is nested %u deep, allowed %d", depth, VIV_JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t fault;
    json_t *value = json_loadb(text.data ? text.data : "", (size_t)text.len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    if (!value) {
        /* What the parser quotes of the text stays out: it may be long, or no UTF-8. */
        (void)snprintf(why, size, "%s at byte %d",
                       json_error_code(&fault) == json_error_duplicate_key            ? "a member is there twice"
                       : json_error_code(&fault) == json_error_out_of_memory          ? "no memory"
                       : json_error_code(&fault) == json_error_numeric_overflow       ? "a number is out of range"
                       : json_error_code(&fault) == json_error_invalid_utf8           ? "it is not UTF-8"
                       : json_error_code(&fault) == json_error_premature_end_of_input ? "it ends too early"
                                                                                      : "it is not JSON",
                       fault.position);
    }
    return value;
}

struct viv_str
wire_json_text(const struct json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    return json_is_string(member) ? (struct viv_str){ json_string_value(member), json_string_length(member) }
                                  : (struct viv_str){ NULL, 0 };
}

int64_t
wire_json_count(const struct json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    json_int_t count = json_is_integer(member) ? json_integer_value(member) : -1;
    return count >= 0 && count <= WIRE_COUNT_MAX ? (int64_t)count : -1;
}

/* Step into one member or item; the reader then stands before its value. */
static uint32_t
step(struct viv_kit_read *in, const char *name)
{
    struct viv_str key;
    if (name[0] != '#') {
        viv_kit_read_object(in);
        while (viv_kit_read_key(in, &key)) {
            if (viv_kit_is(key, name))
                return 1;
            viv_kit_read_skip(in);
        }
        return 0;
    }
    viv_kit_read_list(in);
    for (unsigned long rest = strtoul(name + 1, NULL, 10); viv_kit_read_item(in); rest--) {
        if (rest == 0)
            return 1;
        viv_kit_read_skip(in);
    }
    return 0;
}

struct viv_str
wire_json_slice(struct viv_call *call, struct viv_str text, const char *const *path)
{
    struct viv_kit_read in;
    viv_kit_read_init(&in, viv_kit_memory_of(call), text);
    for (; *path; path++) {
        if (!step(&in, *path))
            return (struct viv_str){ NULL, 0 };
    }
    (void)viv_kit_read_peek(&in); /* to the first byte */
    const char *start = in.at;
    viv_kit_read_skip(&in);
    return in.failed ? (struct viv_str){ NULL, 0 } : (struct viv_str){ start, (uint64_t)(in.at - start) };
}

uint32_t
wire_json_is_object(struct viv_str text, char *why, uint64_t size)
{
    json_t *value = wire_json_parse(text, why, size);
    uint32_t good = json_is_object(value);
    if (value && !good) {
        (void)snprintf(why, size, "it is no object");
    }
    json_decref(value);
    return good;
}
