/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign JSON with all its types kept (base/json.h knows no booleans), bounded, owned by an arena. For the files of
 * load/ that look at manifests, schemas and settings. */
#ifndef VH_DOCUMENT_H
#define VH_DOCUMENT_H

#include "base/arena.h"
#include <viv/status.h>

struct json_t;

/* Parse one JSON value of any type. `what` names it in messages. Bounded in bytes and in depth; duplicate keys, NUL
 * characters and text that is not UTF-8 are refused. The value lives as long as the arena. VIV_E_INVALID,
 * VIV_E_LIMIT. */
viv_status vh_document_read(struct vh_arena *arena, struct viv_str text, size_t max_bytes, const char *what,
                            struct json_t **ret_value, struct viv_error *err);

/* Text of a value: keys sorted, no blanks. { NULL, 0 } when memory is out. */
struct viv_str vh_document_print(struct vh_arena *arena, const struct json_t *value);

/* Let the arena own one more reference's end. VIV_E_MEMORY ends it at once. */
viv_status vh_document_own(struct vh_arena *arena, struct json_t *value, struct viv_error *err);

/* Refuse members that are not among `known` (ends in NULL), with the nearest known one. `what` names the object. */
viv_status vh_document_keys(struct json_t *object, const char *const *known, const char *what, struct viv_error *err);

/* How a value is shown in a message: its text, cut; "true", "a list", "an object". In the caller's buffer. */
const char *vh_document_show(const struct json_t *value, char *buffer, size_t size);

#endif
