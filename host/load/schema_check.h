/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the schema. Not for others; see schema.h. */
#ifndef VH_SCHEMA_CHECK_H
#define VH_SCHEMA_CHECK_H

#include "schema.h"

/* `place` names the value in messages: "/names". */
viv_status vh_schema_check_value(const struct vh_schema *schema, struct json_t *value, const char *place,
                                 struct viv_error *err);

#endif
