/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers as one flat buffer, by the field tables of viv_interfaces.h. Pure, libc only, linked by the
 * host and by runners. The buffer is a row of 16-byte cells, one a field, followed by what they point to; offsets
 * count from the start of the buffer. Decoding checks every offset, length and count against the buffer, and never
 * reads past it; texts of the decoded struct point into the buffer. Ranges and UTF-8 are the host's to check. */
#ifndef VH_RUNNER_MARSHAL_H
#define VH_RUNNER_MARSHAL_H

#include <viv_interfaces.h>

#include "protocol.h"

/* Rows of values in one buffer: the typed inputs of a skill with their list items, or the items of a start. */
#define VH_MARSHAL_VALUES_MAX (VIV_VALUES_MAX * 4)

/* Fields of the structs that are not methods' own. */
struct vh_marshal_shape {
    const struct viv_field *fields;
    uint32_t count;
    uint32_t size; /* of the struct */
};
extern const struct vh_marshal_shape vh_marshal_start;
extern const struct vh_marshal_shape vh_marshal_frame;
extern const struct vh_marshal_shape vh_marshal_effect_request;
extern const struct vh_marshal_shape vh_marshal_effect_outcome;

struct vh_marshal_shape vh_marshal_request(const struct viv_method *method);
struct vh_marshal_shape vh_marshal_answer(const struct viv_method *method);

/* Bytes `data` takes when encoded, a multiple of 8; 0 when it is out of bounds (too many values, lengths that
 * overflow). */
uint64_t vh_marshal_size(const struct vh_marshal_shape *shape, const void *data);

/* Write `data` into `buffer`. Returns the bytes used; 0 when they do not fit. */
uint64_t vh_marshal_encode(const struct vh_marshal_shape *shape, const void *data, void *buffer, uint64_t capacity);

/* Fill `ret_data` (shape->size bytes, size and rev included) from `buffer`, which must be 8-byte aligned and must
 * not change meanwhile. `values` is room for VH_MARSHAL_VALUES_MAX values and may be NULL when the shape has none.
 * Returns NULL, or the name of the field that does not hold together; `ret_data` is then not to be used. */
const char *vh_marshal_decode(const struct vh_marshal_shape *shape, const void *buffer, uint64_t len,
                              struct viv_value *values, void *ret_data);

#endif
