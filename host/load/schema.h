/* SPDX-License-Identifier: Apache-2.0 */
/* The subset of JSON Schema that a skill's inputSchema and outputSchema may use, compiled once and checked often, and
 * the flat table of typed values that a skill gets instead of JSON.
 *
 * Keys: type (object, array, string, integer, boolean), properties, required, additionalProperties (false is also the
 * default), items, enum (of strings or integers), minimum, maximum, minLength, maxLength, minItems, maxItems,
 * description, title, default. An input is an object of strings, integers, booleans and arrays of strings; an output
 * may nest objects and arrays to VH_SCHEMA_DEPTH_MAX. Anything else is refused by name. */
#ifndef VH_SCHEMA_H
#define VH_SCHEMA_H

#include "base/arena.h"
#include <stdbool.h>
#include <viv/status.h>
#include <viv/value.h>

#define VH_SCHEMA_DEPTH_MAX 8
#define VH_SCHEMA_PROPERTIES_MAX 64
#define VH_SCHEMA_INPUT_MAX (1u << 20) /* bytes of one input document */

struct json_t;

enum vh_schema_type {
    VH_SCHEMA_OBJECT = 1,
    VH_SCHEMA_ARRAY,
    VH_SCHEMA_STRING,
    VH_SCHEMA_INTEGER,
    VH_SCHEMA_BOOLEAN
};

struct vh_schema {
    enum vh_schema_type type;
    uint32_t property_count;
    const struct vh_schema_property *properties; /* sorted by name */
    const struct vh_schema *items;
    int64_t min; /* of the value, the length in characters, or the number of items */
    int64_t max;
    struct json_t *allowed;       /* the enum's array, or NULL */
    struct json_t *default_value; /* or NULL */
};

struct vh_schema_property {
    const char *name;
    bool required;
    struct vh_schema schema;
};

/* Compile a schema document. `what` names it in messages ("inputSchema"). `flat` asks for an input's shape. The
 * document must live as long as the schema. VIV_E_INVALID, VIV_E_LIMIT. */
viv_status vh_schema_compile(struct vh_arena *arena, struct json_t *document, const char *what, bool flat,
                             const struct vh_schema **ret_schema, struct viv_error *err);

/* Whether a JSON text satisfies the schema. VIV_E_INVALID names the place, the value found and the value allowed. */
viv_status vh_schema_check(struct vh_arena *arena, const struct vh_schema *schema, struct viv_str json,
                           struct viv_error *err);

struct vh_schema_values {
    const struct viv_value *rows;
    uint32_t count;
    struct viv_str json; /* the same input with defaults filled in, keys sorted */
};

/* Check an input and lay it out flat: sorted by name, then index. A list is one row VIV_VALUE_LIST (index 0, integer =
 * number of items) followed by its items with index 0, 1, ... Absent properties without a default have no row. */
viv_status vh_schema_values(struct vh_arena *arena, const struct vh_schema *schema, struct viv_str json,
                            struct vh_schema_values *ret_values, struct viv_error *err);

#endif
