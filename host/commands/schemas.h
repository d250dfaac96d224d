/* SPDX-License-Identifier: Apache-2.0 */
/* The published JSON Schemas as compiled in; the table is made at build from docs/contract by tools/gen/schemas.py. */
#ifndef VH_SCHEMAS_H
#define VH_SCHEMAS_H

#include <stddef.h>

struct vh_schema_text {
    const char *name; /* of the file, without .schema.json */
    const char *title;
    const unsigned char *text;
    size_t len;
};

extern const struct vh_schema_text vh_schema_texts[]; /* ends in a NULL name */

#endif
