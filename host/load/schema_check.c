/* SPDX-License-Identifier: Apache-2.0 */
/* A value against a compiled schema, and the flat table. Recursion is bounded by the schema's own depth. */
#include "schema_check.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "document.h"
#include "nearest.h"
#include <viv/limits.h>

static const char *const type_words[] = { [VH_SCHEMA_OBJECT] = "an object",
                                          [VH_SCHEMA_ARRAY] = "a list",
                                          [VH_SCHEMA_STRING] = "a string",
                                          [VH_SCHEMA_INTEGER] = "an integer",
                                          [VH_SCHEMA_BOOLEAN] = "true or false" };

static bool
has_type(const struct vh_schema *schema, const json_t *value)
{
    switch (schema->type) {
    case VH_SCHEMA_OBJECT:
        return json_is_object(value);
    case VH_SCHEMA_ARRAY:
        return json_is_array(value);
    case VH_SCHEMA_STRING:
        return json_is_string(value);
    case VH_SCHEMA_INTEGER:
        return json_is_integer(value);
    case VH_SCHEMA_BOOLEAN:
        return json_is_boolean(value);
    }
    return false;
}

/* Characters, not bytes, as JSON Schema has it. The parser has checked that it is UTF-8. */
static int64_t
characters(const json_t *value)
{
    int64_t count = 0;
    const char *text = json_string_value(value);
    for (size_t i = 0; i < json_string_length(value); i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

static viv_status
check_enum(const struct vh_schema *schema, json_t *value, const char *place, struct viv_error *err)
{
    char list[200] = "";
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(schema->allowed); i++) {
        json_t *allowed = json_array_get(schema->allowed, i);
        if (json_equal(allowed, value)) {
            return VIV_OK;
        }
        char shown[64];
        int put = snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "",
                           vh_document_show(allowed, shown, sizeof shown));
        at = put > 0 && at + (size_t)put < sizeof list ? at + (size_t)put : sizeof list - 1;
    }
    char shown[64];
    return vh_error_set(err, VIV_E_INVALID, "input", "'%s' is '%s', allowed: %s", place,
                        vh_document_show(value, shown, sizeof shown), list);
}

static viv_status
check_bounds(const struct vh_schema *schema, const json_t *value, const char *place, struct viv_error *err)
{
    const char *unit = "";
    int64_t size = 0;
    if (schema->type == VH_SCHEMA_INTEGER) {
        size = json_integer_value(value);
    } else if (schema->type == VH_SCHEMA_STRING) {
        size = characters(value);
        unit = " characters";
    } else if (schema->type == VH_SCHEMA_ARRAY) {
        size = (int64_t)json_array_size(value);
        unit = " items";
    } else {
        return VIV_OK;
    }
    if (size < schema->min || size > schema->max) {
        return vh_error_set(err, VIV_E_INVALID, "input", "'%s' %s %lld%s, allowed %lld to %lld", place,
                            *unit ? "has" : "is", (long long)size, unit, (long long)schema->min,
                            (long long)schema->max);
    }
    return VIV_OK;
}

static viv_status
unknown_property(const struct vh_schema *schema, const char *key, const char *place, struct viv_error *err)
{
    const char *names[VH_SCHEMA_PROPERTIES_MAX + 1] = { NULL };
    for (uint32_t i = 0; i < schema->property_count; i++) {
        names[i] = schema->properties[i].name;
    }
    const char *near = vh_nearest(names, key);
    return vh_error_set(err, VIV_E_INVALID, "input", "'%s' has the unknown member '%s'%s%s%s", place, key,
                        near ? "; nearest known: '" : "; known members: ", near ? near : names[0] ? names[0] : "none",
                        near ? "'" : names[0] && names[1] ? ", ..." : "");
}

static const struct vh_schema_property *
find_property(const struct vh_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->property_count; i++) {
        if (strcmp(schema->properties[i].name, name) == 0) {
            return &schema->properties[i];
        }
    }
    return NULL;
}

static viv_status
check_members(const struct vh_schema *schema, json_t *object, const char *place, struct viv_error *err)
{
    const char *key;
    json_t *value;
    const char *base = strcmp(place, "/") == 0 ? "" : place;
    json_object_foreach (object, key, value) {
        const struct vh_schema_property *property = find_property(schema, key);
        if (!property) {
            return unknown_property(schema, key, place, err);
        }
        char inner[256];
        snprintf(inner, sizeof inner, "%s/%s", base, key);
        viv_status status = vh_schema_check_value(&property->schema, value, inner, err);
        if (status) {
            return status;
        }
    }
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const struct vh_schema_property *property = &schema->properties[i];
        if (property->required && !property->schema.default_value && !json_object_get(object, property->name)) {
            return vh_error_set(err, VIV_E_INVALID, "input", "'%s/%s' is missing, it must be %s", base, property->name,
                                type_words[property->schema.type]);
        }
    }
    return VIV_OK;
}

viv_status
vh_schema_check_value(const struct vh_schema *schema, struct json_t *value, const char *place, struct viv_error *err)
{
    if (!has_type(schema, value)) {
        char shown[64];
        return vh_error_set(err, VIV_E_INVALID, "input", "'%s' is '%s', allowed: %s", place,
                            vh_document_show(value, shown, sizeof shown), type_words[schema->type]);
    }
    viv_status status = check_bounds(schema, value, place, err);
    if (status == VIV_OK && schema->allowed) {
        status = check_enum(schema, value, place, err);
    }
    if (status == VIV_OK && schema->type == VH_SCHEMA_OBJECT) {
        return check_members(schema, value, place, err);
    }
    for (size_t i = 0; schema->type == VH_SCHEMA_ARRAY && status == VIV_OK && i < json_array_size(value); i++) {
        char inner[256];
        snprintf(inner, sizeof inner, "%s/%zu", place, i);
        status = vh_schema_check_value(schema->items, json_array_get(value, i), inner, err);
    }
    return status;
}

viv_status
vh_schema_check(struct vh_arena *arena, const struct vh_schema *schema, struct viv_str json, struct viv_error *err)
{
    json_t *value = NULL;
    viv_status status = vh_document_read(arena, json, VIV_OUTPUT_MAX, "the document", &value, err);
    return status ? status : vh_schema_check_value(schema, value, "/", err);
}

/* The input with what is missing filled in. */
static viv_status
fill_defaults(struct vh_arena *arena, const struct vh_schema *schema, json_t *object, json_t **ret_full,
              struct viv_error *err)
{
    json_t *full = json_copy(object);
    viv_status status = vh_document_own(arena, full, err);
    for (uint32_t i = 0; status == VIV_OK && i < schema->property_count; i++) {
        const struct vh_schema_property *property = &schema->properties[i];
        json_t *value = property->schema.default_value;
        if (value && !json_object_get(full, property->name) && json_object_set(full, property->name, value)) {
            status = vh_error_set(err, VIV_E_MEMORY, "input", "no memory for an input");
        }
    }
    if (status == VIV_OK) {
        *ret_full = full;
    }
    return status;
}

static struct viv_str
text_of(const json_t *value)
{
    return (struct viv_str){ json_string_value(value), json_string_length(value) };
}

static void
add_row(struct viv_value *rows, uint32_t *count, struct viv_value row)
{
    if (*count < VIV_VALUES_MAX) {
        rows[*count] = row;
    }
    *count += 1;
}

static void
add_rows(const struct vh_schema_property *property, const json_t *value, struct viv_value *rows, uint32_t *count)
{
    struct viv_value row = { .name = vh_str(property->name) };
    switch (property->schema.type) {
    case VH_SCHEMA_STRING:
        row.type = VIV_VALUE_TEXT;
        row.text = text_of(value);
        break;
    case VH_SCHEMA_INTEGER:
        row.type = VIV_VALUE_INTEGER;
        row.integer = json_integer_value(value);
        break;
    case VH_SCHEMA_BOOLEAN:
        row.type = VIV_VALUE_BOOL;
        row.integer = json_is_true(value);
        break;
    case VH_SCHEMA_ARRAY:
        row.type = VIV_VALUE_LIST;
        row.integer = (int64_t)json_array_size(value);
        break;
    case VH_SCHEMA_OBJECT: /* not in a flat schema */
        return;
    }
    add_row(rows, count, row);
    for (size_t i = 0; row.type == VIV_VALUE_LIST && i < json_array_size(value); i++) {
        struct viv_value item = { .name = row.name, .type = VIV_VALUE_TEXT, .index = (uint32_t)i };
        item.text = text_of(json_array_get(value, i));
        add_row(rows, count, item);
    }
}

viv_status
vh_schema_values(struct vh_arena *arena, const struct vh_schema *schema, struct viv_str json,
                 struct vh_schema_values *ret_values, struct viv_error *err)
{
    json_t *object = NULL, *full = NULL;
    viv_status status = vh_document_read(arena, json, VH_SCHEMA_INPUT_MAX, "the input", &object, err);
    status = status ? status : vh_schema_check_value(schema, object, "/", err);
    status = status ? status : fill_defaults(arena, schema, object, &full, err);
    if (status) {
        return status;
    }
    struct viv_value *rows = vh_arena_array(arena, VIV_VALUES_MAX, sizeof *rows);
    struct viv_str text = vh_document_print(arena, full);
    if (!rows || !text.data) {
        return vh_error_set(err, VIV_E_MEMORY, "input", "no memory for an input");
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const json_t *value = json_object_get(full, schema->properties[i].name);
        if (value) {
            add_rows(&schema->properties[i], value, rows, &count);
        }
    }
    if (count > VIV_VALUES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "input", "the input has %u values and list items, allowed %d", count,
                            VIV_VALUES_MAX);
    }
    *ret_values = (struct vh_schema_values){ rows, count, text };
    return VIV_OK;
}
