/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile runner makes the host read past a buffer, or a value changes on its way. The first byte
 * chooses the shape, the rest is the buffer. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runner/marshal.h"

#define BUFFER_MAX (1u << 20)

static struct viv_value rows[VH_MARSHAL_VALUES_MAX];
static union {
    uint64_t align;
    char bytes[4096];
} one, two;

static struct vh_marshal_shape
shape_of(size_t which)
{
    const struct vh_marshal_shape own[] = { vh_marshal_start, vh_marshal_frame, vh_marshal_effect_request,
                                            vh_marshal_effect_outcome };
    which = which % 64;
    if (which < 4) {
        return own[which];
    }
    which -= 4;
    for (uint32_t i = 0; i < viv_interface_count; i++) {
        uint32_t count = viv_interfaces[i].method_count;
        if (which < 2 * (size_t)count) {
            const struct viv_method *method = &viv_interfaces[i].methods[which / 2];
            return which % 2 ? vh_marshal_answer(method) : vh_marshal_request(method);
        }
        which -= 2 * (size_t)count;
    }
    return own[0];
}

size_t
fuzz_seed(size_t which, uint8_t *bytes, size_t room)
{
    const struct viv_value items[] = {
        { .name = VH_STR("service"), .type = VIV_VALUE_TEXT, .text = VH_STR("viv.log/1") },
        { .name = VH_STR("option.n"), .type = VIV_VALUE_INTEGER, .index = 3, .integer = INT64_MIN },
    };
    static uint64_t buffer[4096];
    if (which >= 64) {
        return 0;
    }
    struct vh_marshal_shape shape = shape_of(which);
    memset(&one, 0, sizeof one);
    for (uint32_t i = 0; i < shape.count; i++) {
        const struct viv_field *field = &shape.fields[i];
        struct viv_str text = VH_STR("a text");
        if (field->kind == VIV_FIELD_STR) {
            memcpy(one.bytes + field->offset, &text, sizeof text);
        } else if (field->kind == VIV_FIELD_VALUES) {
            const struct viv_value *first = items;
            uint32_t numbers[2] = { 2, sizeof *items };
            memcpy(one.bytes + field->offset, &first, sizeof first);
            memcpy(one.bytes + field->offset + sizeof first, numbers, sizeof numbers);
        }
    }
    uint64_t len = vh_marshal_encode(&shape, &one, buffer, sizeof buffer);
    bytes[0] = (uint8_t)which;
    FUZZ_MUST(len && len < room, "seed %zu does not fit", which);
    memcpy(bytes + 1, buffer, (size_t)len);
    return (size_t)len + 1;
}

/* What was read can be written, and is the same when it is read again. */
static void
there_and_back(const struct vh_marshal_shape *shape)
{
    static struct viv_value more[VH_MARSHAL_VALUES_MAX];
    uint64_t size = vh_marshal_size(shape, &one);
    if (size == 0 || size > BUFFER_MAX) {
        return; /* one text named by many cells grows over the area */
    }
    uint64_t *first = calloc(1, (size_t)size);
    uint64_t *second = calloc(1, (size_t)size);
    FUZZ_MUST(first && second, "no memory");
    FUZZ_MUST(vh_marshal_encode(shape, &one, first, size) == size, "it takes another size than it said");
    FUZZ_MUST(vh_marshal_encode(shape, &one, first, size - 1) == 0, "it fits into less than it takes");
    FUZZ_MUST(vh_marshal_encode(shape, &one, first, size) == size, "it takes another size than it said");
    const char *bad = vh_marshal_decode(shape, first, size, more, &two);
    FUZZ_MUST(!bad, "what was written does not hold together: %s", bad ? bad : "");
    FUZZ_MUST(vh_marshal_encode(shape, &two, second, size) == size && memcmp(first, second, (size_t)size) == 0,
              "a value changes on its way");
    free(first);
    free(second);
}

/* Every number and every text is what its cell says. */
static void
as_written(const struct vh_marshal_shape *shape, const char *buffer)
{
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct viv_field *field = &shape->fields[i];
        uint64_t cell[2];
        memcpy(cell, buffer + i * sizeof cell, sizeof cell);
        if (field->kind == VIV_FIELD_U32) {
            uint32_t number;
            memcpy(&number, one.bytes + field->offset, sizeof number);
            FUZZ_MUST(number == cell[0], "field '%s' is %u, written as %llu", field->name, number,
                      (unsigned long long)cell[0]);
        } else if (field->kind == VIV_FIELD_I64) {
            FUZZ_MUST(memcmp(one.bytes + field->offset, cell, 8) == 0, "field '%s' changed", field->name);
        } else if (field->kind == VIV_FIELD_STR) {
            struct viv_str text;
            memcpy(&text, one.bytes + field->offset, sizeof text);
            FUZZ_MUST(text.len == cell[1] && (!text.len || text.data == buffer + cell[0]), "field '%s' lies elsewhere",
                      field->name);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BUFFER_MAX) {
        return 0;
    }
    struct vh_marshal_shape shape = shape_of(data[0]);
    FUZZ_MUST(shape.size <= sizeof one, "a struct has %u bytes", shape.size);
    void *buffer = malloc(size > 1 ? size - 1 : 1); /* aligned, and nothing behind it */
    FUZZ_MUST(buffer, "no memory");
    memcpy(buffer, data + 1, size - 1);
    const char *bad = vh_marshal_decode(&shape, buffer, size - 1, rows, &one);
    if (bad) {
        fuzz_line(bad, "the name of a field");
        fuzz_count.refused++;
    } else {
        as_written(&shape, buffer);
        there_and_back(&shape);
        fuzz_count.accepted++;
    }
    free(buffer);
    return 0;
}
