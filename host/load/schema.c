/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling a schema. Checking a value against it: schema_check.c. */
#include "schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "document.h"
#include "schema_check.h"

#define NAME_LENGTH_MAX 64 /* of a property: it becomes a name in a flat table and in bindings */

struct compiler {
    struct vh_arena *arena;
    struct viv_error *err;
    bool flat;
};

static viv_status compile(struct compiler *c, json_t *document, const char *place, int depth,
                          struct vh_schema *ret_schema);

static const char *const type_names[] = { "object", "array", "string", "integer", "boolean", NULL };

static viv_status
read_type(struct compiler *c, json_t *document, const char *place, struct vh_schema *schema)
{
    json_t *type = json_object_get(document, "type");
    const char *name = json_string_value(type);
    for (uint32_t i = 0; name && type_names[i]; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            schema->type = (enum vh_schema_type)(VH_SCHEMA_OBJECT + i);
            return VIV_OK;
        }
    }
    char shown[64];
    return vh_error_set(c->err, VIV_E_INVALID, "schema",
                        "type of '%s' is '%s', allowed: object, array, string, integer, boolean", place,
                        type ? vh_document_show(type, shown, sizeof shown) : "(missing)");
}

/* Which keys may stand beside each type. */
static viv_status
check_keys(struct compiler *c, json_t *document, const char *place, enum vh_schema_type type)
{
    static const char *const keys[][12] = {
        [VH_SCHEMA_OBJECT] = { "type", "description", "title", "default", "$schema", "properties", "required",
                               "additionalProperties" },
        [VH_SCHEMA_ARRAY] = { "type", "description", "title", "default", "items", "minItems", "maxItems" },
        [VH_SCHEMA_STRING] = { "type", "description", "title", "default", "enum", "minLength", "maxLength" },
        [VH_SCHEMA_INTEGER] = { "type", "description", "title", "default", "enum", "minimum", "maximum" },
        [VH_SCHEMA_BOOLEAN] = { "type", "description", "title", "default" },
    };
    char what[128];
    snprintf(what, sizeof what, "'%s' (%s)", place, type_names[type - VH_SCHEMA_OBJECT]);
    return vh_document_keys(document, keys[type], what, c->err);
}

static viv_status
read_bound(struct compiler *c, json_t *document, const char *place, const char *key, int64_t lowest, int64_t highest,
           int64_t *bound)
{
    json_t *value = json_object_get(document, key);
    if (!value) {
        return VIV_OK;
    }
    char shown[64];
    if (!json_is_integer(value) || json_integer_value(value) < lowest || json_integer_value(value) > highest) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema", "%s of '%s' is '%s', allowed: integers from %lld to %lld",
                            key, place, vh_document_show(value, shown, sizeof shown), (long long)lowest,
                            (long long)highest);
    }
    *bound = json_integer_value(value);
    return VIV_OK;
}

static viv_status
read_bounds(struct compiler *c, json_t *document, const char *place, struct vh_schema *schema)
{
    static const char *const low[] = { [VH_SCHEMA_ARRAY] = "minItems",
                                       [VH_SCHEMA_STRING] = "minLength",
                                       [VH_SCHEMA_INTEGER] = "minimum" };
    static const char *const high[] = { [VH_SCHEMA_ARRAY] = "maxItems",
                                        [VH_SCHEMA_STRING] = "maxLength",
                                        [VH_SCHEMA_INTEGER] = "maximum" };
    if (schema->type == VH_SCHEMA_OBJECT || schema->type == VH_SCHEMA_BOOLEAN) {
        return VIV_OK;
    }
    bool number = schema->type == VH_SCHEMA_INTEGER;
    int64_t lowest = number ? INT64_MIN : 0, highest = number ? INT64_MAX : VH_SCHEMA_INPUT_MAX;
    schema->min = lowest;
    schema->max = highest;
    viv_status status = read_bound(c, document, place, low[schema->type], lowest, highest, &schema->min);
    return status ? status
                  : read_bound(c, document, place, high[schema->type], schema->min, highest, &schema->max);
}

static viv_status
read_enum(struct compiler *c, json_t *document, const char *place, struct vh_schema *schema)
{
    json_t *allowed = json_object_get(document, "enum");
    if (!allowed) {
        return VIV_OK;
    }
    size_t count = json_array_size(allowed);
    bool fits = count > 0;
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(allowed, i);
        fits = fits && (schema->type == VH_SCHEMA_STRING ? json_is_string(value) : json_is_integer(value));
    }
    if (!fits) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema", "enum of '%s' must be a list of values of its type",
                            place);
    }
    schema->allowed = allowed;
    return VIV_OK;
}

static int
by_name(const void *a, const void *b)
{
    const struct vh_schema_property *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static viv_status
mark_required(struct compiler *c, json_t *required, const char *place, struct vh_schema_property *properties,
              uint32_t count)
{
    if (required && !json_is_array(required)) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema", "required of '%s' must be a list of names", place);
    }
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        struct vh_schema_property key = { .name = name ? name : "" };
        struct vh_schema_property *found = count ? bsearch(&key, properties, count, sizeof key, by_name) : NULL;
        if (!found) {
            return vh_error_set(c->err, VIV_E_INVALID, "schema", "required of '%s' names '%s', which is no property",
                                place, key.name);
        }
        found->required = true;
    }
    return VIV_OK;
}

static viv_status
check_property_shape(struct compiler *c, const char *place, const struct vh_schema *schema)
{
    bool list_of_text = schema->type == VH_SCHEMA_ARRAY && schema->items->type == VH_SCHEMA_STRING;
    if (c->flat && (schema->type == VH_SCHEMA_OBJECT || (schema->type == VH_SCHEMA_ARRAY && !list_of_text))) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema",
                            "'%s' cannot be laid out flat, allowed in an input: string, integer, boolean, list of "
                            "strings",
                            place);
    }
    return VIV_OK;
}

static bool
is_plain_name(const char *name)
{
    size_t len = strlen(name);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return len > 0 && len <= NAME_LENGTH_MAX && strspn(name, letters) == len;
}

static viv_status
read_properties(struct compiler *c, json_t *document, const char *place, int depth, struct vh_schema *schema)
{
    json_t *from = json_object_get(document, "properties");
    json_t *more = json_object_get(document, "additionalProperties");
    size_t count = json_object_size(from);
    if ((from && !json_is_object(from)) || (more && !json_is_false(more))) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema",
                            "'%s' must have an object of properties, and additionalProperties only as false", place);
    }
    if (count > VH_SCHEMA_PROPERTIES_MAX) {
        return vh_error_set(c->err, VIV_E_LIMIT, "schema", "'%s' has %zu properties, allowed %d", place, count,
                            VH_SCHEMA_PROPERTIES_MAX);
    }
    struct vh_schema_property *properties = vh_arena_array(c->arena, count, sizeof *properties);
    if (!properties) {
        return vh_error_set(c->err, VIV_E_MEMORY, "schema", "no memory for a schema");
    }
    const char *name;
    json_t *value;
    uint32_t at = 0;
    json_object_foreach (from, name, value) {
        char inner[256];
        snprintf(inner, sizeof inner, "%s/%s", depth ? place : "", name);
        if (!is_plain_name(name)) {
            return vh_error_set(c->err, VIV_E_INVALID, "schema", "property name '%s' must be letters, digits and _",
                                name);
        }
        properties[at].name = name;
        viv_status status = compile(c, value, inner, depth + 1, &properties[at].schema);
        status = status ? status : check_property_shape(c, inner, &properties[at].schema);
        if (status) {
            return status;
        }
        at++;
    }
    qsort(properties, count, sizeof *properties, by_name);
    schema->properties = properties;
    schema->property_count = (uint32_t)count;
    return mark_required(c, json_object_get(document, "required"), place, properties, (uint32_t)count);
}

static viv_status
read_items(struct compiler *c, json_t *document, const char *place, int depth, struct vh_schema *schema)
{
    json_t *from = json_object_get(document, "items");
    struct vh_schema *items = vh_arena_alloc(c->arena, sizeof *items);
    if (!items) {
        return vh_error_set(c->err, VIV_E_MEMORY, "schema", "no memory for a schema");
    }
    schema->items = items;
    char inner[256];
    snprintf(inner, sizeof inner, "%s/*", place);
    return compile(c, from, inner, depth + 1, items);
}

static viv_status
read_default(struct compiler *c, json_t *document, const char *place, struct vh_schema *schema)
{
    json_t *value = json_object_get(document, "default");
    if (!value) {
        return VIV_OK;
    }
    viv_status status = vh_schema_check_value(schema, value, place, c->err);
    if (status) {
        return vh_error_extend(c->err, status, "default");
    }
    schema->default_value = value;
    return VIV_OK;
}

static viv_status
compile(struct compiler *c, json_t *document, const char *place, int depth, struct vh_schema *ret_schema)
{
    if (!json_is_object(document)) {
        return vh_error_set(c->err, VIV_E_INVALID, "schema", "'%s' is not a schema object", place);
    }
    if (depth > VH_SCHEMA_DEPTH_MAX) {
        return vh_error_set(c->err, VIV_E_LIMIT, "schema", "'%s' is nested %d deep, allowed %d", place, depth,
                            VH_SCHEMA_DEPTH_MAX);
    }
    struct vh_schema schema = { 0 };
    viv_status status = read_type(c, document, place, &schema);
    status = status ? status : check_keys(c, document, place, schema.type);
    status = status ? status : read_bounds(c, document, place, &schema);
    status = status ? status : read_enum(c, document, place, &schema);
    if (status == VIV_OK && schema.type == VH_SCHEMA_OBJECT) {
        status = read_properties(c, document, place, depth, &schema);
    } else if (status == VIV_OK && schema.type == VH_SCHEMA_ARRAY) {
        status = read_items(c, document, place, depth, &schema);
    }
    status = status ? status : read_default(c, document, place, &schema);
    if (status == VIV_OK) {
        *ret_schema = schema;
    }
    return status;
}

viv_status
vh_schema_compile(struct vh_arena *arena, struct json_t *document, const char *what, bool flat,
                  const struct vh_schema **ret_schema, struct viv_error *err)
{
    struct compiler c = { arena, err, flat };
    struct vh_schema *schema = vh_arena_alloc(arena, sizeof *schema);
    if (!schema) {
        return vh_error_set(err, VIV_E_MEMORY, "schema", "no memory for a schema");
    }
    viv_status status = compile(&c, document, "/", 0, schema);
    if (status == VIV_OK && schema->type != VH_SCHEMA_OBJECT) {
        status = vh_error_set(err, VIV_E_INVALID, "schema", "type of '/' must be object");
    }
    if (status) {
        return vh_error_extend(err, status, "%s", what);
    }
    *ret_schema = schema;
    return VIV_OK;
}
