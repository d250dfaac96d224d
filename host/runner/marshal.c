/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding by field tables. The wire: one `struct cell` a field; texts and value rows follow, each
 * aligned to 8. Read marshal.h first; viv_interfaces.h has the tables of the methods. */
#include "marshal.h"

#include <string.h>

struct cell {
    uint64_t a; /* the number; or offset */
    uint64_t b; /* length; or count */
};

struct wire_value {
    struct cell name;
    uint32_t type;
    uint32_t index;
    int64_t integer;
    struct cell text;
};

/* `head` keeps the 4-byte pair of values next to its pointer, as interface.py lays it out. */
struct values_head {
    const struct viv_value *values;
    uint32_t count;
    uint32_t stride;
};

#define FIELD(type, member, kind)                                                                                    \
    {                                                                                                                \
#member, kind, offsetof(struct type, member), 0, 0                                                           \
    }
#define SHAPE(name, fields, type)                                                                                    \
    const struct vh_marshal_shape name = {fields, sizeof fields / sizeof *fields, sizeof(struct type)}

static const struct viv_field start_fields[] = {
    FIELD(vh_start, id, VIV_FIELD_STR),       FIELD(vh_start, version, VIV_FIELD_STR),
    FIELD(vh_start, items, VIV_FIELD_VALUES), FIELD(vh_start, memory_bytes, VIV_FIELD_I64),
    FIELD(vh_start, cpu_s, VIV_FIELD_I64),    FIELD(vh_start, files, VIV_FIELD_I64),
    FIELD(vh_start, has_root, VIV_FIELD_U32), FIELD(vh_start, no_constructors, VIV_FIELD_U32),
};
SHAPE(vh_marshal_start, start_fields, vh_start);

static const struct viv_field frame_fields[] = {
    FIELD(vh_frame, trace_id, VIV_FIELD_STR),      FIELD(vh_frame, task_id, VIV_FIELD_STR),
    FIELD(vh_frame, goal, VIV_FIELD_STR),          FIELD(vh_frame, intent_json, VIV_FIELD_STR),
    FIELD(vh_frame, target, VIV_FIELD_STR),        FIELD(vh_frame, base_tree, VIV_FIELD_STR),
    FIELD(vh_frame, feedback_json, VIV_FIELD_STR), FIELD(vh_frame, attempt, VIV_FIELD_U32),
    FIELD(vh_frame, has_task, VIV_FIELD_U32),
};
SHAPE(vh_marshal_frame, frame_fields, vh_frame);

static const struct viv_field request_fields[] = {
    FIELD(viv_effect_request, kind, VIV_FIELD_U32),  FIELD(viv_effect_request, flags, VIV_FIELD_U32),
    FIELD(viv_effect_request, path, VIV_FIELD_STR),  FIELD(viv_effect_request, target, VIV_FIELD_STR),
    FIELD(viv_effect_request, bytes, VIV_FIELD_STR), FIELD(viv_effect_request, spec_json, VIV_FIELD_STR),
};
SHAPE(vh_marshal_effect_request, request_fields, viv_effect_request);

static const struct viv_field outcome_fields[] = {
    FIELD(viv_effect_outcome, exit_code, VIV_FIELD_U32),   FIELD(viv_effect_outcome, flags, VIV_FIELD_U32),
    FIELD(viv_effect_outcome, duration_ns, VIV_FIELD_I64), FIELD(viv_effect_outcome, output, VIV_FIELD_STR),
    FIELD(viv_effect_outcome, errors, VIV_FIELD_STR),      FIELD(viv_effect_outcome, output_digest, VIV_FIELD_STR),
    FIELD(viv_effect_outcome, detail_json, VIV_FIELD_STR),
};
SHAPE(vh_marshal_effect_outcome, outcome_fields, viv_effect_outcome);

struct vh_marshal_shape
vh_marshal_request(const struct viv_method *method)
{
    return (struct vh_marshal_shape){method->request, method->request_count, method->request_size};
}

struct vh_marshal_shape
vh_marshal_answer(const struct viv_method *method)
{
    return (struct vh_marshal_shape){method->answer, method->answer_count, method->answer_size};
}

static const void *
member(const void *data, const struct viv_field *field)
{
    return (const char *)data + field->offset;
}

static struct viv_str
member_str(const void *data, const struct viv_field *field)
{
    struct viv_str text;
    memcpy(&text, member(data, field), sizeof text);
    return text;
}

static struct values_head
member_values(const void *data, const struct viv_field *field)
{
    struct values_head head;
    memcpy(&head, member(data, field), sizeof head);
    return head;
}

static struct viv_value
row(const struct values_head *head, uint32_t index)
{
    struct viv_value value;
    memcpy(&value, (const char *)head->values + (size_t)index * head->stride, sizeof value);
    return value;
}

/* Where the writer stands. `at` counts on when nothing fits, so that the size can be asked for with no buffer. */
struct writer {
    char *buffer;
    uint64_t capacity;
    uint64_t at;
    int failed;
};

static uint64_t
take(struct writer *writer, uint64_t len)
{
    uint64_t start = writer->at;
    if (len > VH_AREA_BYTES || start > VH_AREA_BYTES) {
        writer->failed = 1;
        return 0;
    }
    writer->at = (start + len + 7) & ~UINT64_C(7);
    if (writer->buffer && writer->at > writer->capacity) {
        writer->failed = 1;
    }
    return start;
}

static struct cell
put(struct writer *writer, const void *bytes, uint64_t len)
{
    uint64_t start = take(writer, len);
    if (writer->buffer && !writer->failed && len) {
        memcpy(writer->buffer + start, bytes, (size_t)len);
    }
    return (struct cell){len ? start : 0, len};
}

static struct cell
put_values(struct writer *writer, const struct values_head *head)
{
    if (head->count == 0) {
        return (struct cell){0, 0};
    }
    if (head->count > VH_MARSHAL_VALUES_MAX || head->stride < sizeof(struct viv_value)) {
        writer->failed = 1;
        return (struct cell){0, 0};
    }
    uint64_t start = take(writer, head->count * sizeof(struct wire_value));
    for (uint32_t i = 0; i < head->count && !writer->failed; i++) {
        struct viv_value value = row(head, i);
        struct wire_value wire = {put(writer, value.name.data, value.name.len), value.type, value.index,
                                  value.integer, put(writer, value.text.data, value.text.len)};
        if (writer->buffer && !writer->failed) {
            memcpy(writer->buffer + start + i * sizeof wire, &wire, sizeof wire);
        }
    }
    return (struct cell){start, head->count};
}

static struct cell
put_field(struct writer *writer, const struct viv_field *field, const void *data)
{
    struct cell cell = {0, 0};
    if (field->kind == VIV_FIELD_U32) {
        uint32_t number;
        memcpy(&number, member(data, field), sizeof number);
        cell.a = number;
    } else if (field->kind == VIV_FIELD_I64) {
        memcpy(&cell.a, member(data, field), sizeof cell.a);
    } else if (field->kind == VIV_FIELD_STR) {
        struct viv_str text = member_str(data, field);
        cell = put(writer, text.data, text.len);
    } else {
        struct values_head head = member_values(data, field);
        cell = put_values(writer, &head);
    }
    return cell;
}

static uint64_t
write_all(const struct vh_marshal_shape *shape, const void *data, struct writer *writer)
{
    uint64_t cells = take(writer, shape->count * sizeof(struct cell));
    for (uint32_t i = 0; i < shape->count && !writer->failed; i++) {
        struct cell cell = put_field(writer, &shape->fields[i], data);
        if (writer->buffer && !writer->failed) {
            memcpy(writer->buffer + cells + i * sizeof cell, &cell, sizeof cell);
        }
    }
    return writer->failed ? 0 : writer->at;
}

uint64_t
vh_marshal_size(const struct vh_marshal_shape *shape, const void *data)
{
    return write_all(shape, data, &(struct writer){0});
}

uint64_t
vh_marshal_encode(const struct vh_marshal_shape *shape, const void *data, void *buffer, uint64_t capacity)
{
    return write_all(shape, data, &(struct writer){.buffer = buffer, .capacity = capacity});
}

struct reader {
    const char *buffer;
    uint64_t len;
    struct viv_value *values;
    uint32_t values_left;
};

static int
get_str(const struct reader *reader, struct cell cell, struct viv_str *ret_text)
{
    if (cell.a > reader->len || cell.b > reader->len - cell.a) {
        return 0;
    }
    *ret_text = (struct viv_str){cell.b ? reader->buffer + cell.a : "", cell.b};
    return 1;
}

static int
get_values(struct reader *reader, struct cell cell, struct values_head *ret_head)
{
    *ret_head = (struct values_head){reader->values, 0, (uint32_t)sizeof(struct viv_value)};
    if (cell.b > reader->values_left || cell.a > reader->len ||
        cell.b * sizeof(struct wire_value) > reader->len - cell.a) {
        return 0;
    }
    for (uint32_t i = 0; i < cell.b; i++) {
        struct wire_value wire;
        memcpy(&wire, reader->buffer + cell.a + i * sizeof wire, sizeof wire);
        struct viv_value *value = &reader->values[i];
        *value = (struct viv_value){.type = wire.type, .index = wire.index, .integer = wire.integer};
        if (!get_str(reader, wire.name, &value->name) || !get_str(reader, wire.text, &value->text)) {
            return 0;
        }
    }
    ret_head->count = (uint32_t)cell.b;
    reader->values += cell.b;
    reader->values_left -= (uint32_t)cell.b;
    return 1;
}

static int
get_field(struct reader *reader, const struct viv_field *field, struct cell cell, void *ret_data)
{
    void *to = (char *)ret_data + field->offset;
    if (field->kind == VIV_FIELD_U32) {
        uint32_t number = (uint32_t)cell.a;
        memcpy(to, &number, sizeof number);
        return cell.a <= UINT32_MAX;
    }
    if (field->kind == VIV_FIELD_I64) {
        memcpy(to, &cell.a, sizeof cell.a);
        return 1;
    }
    if (field->kind == VIV_FIELD_STR) {
        struct viv_str text;
        int good = get_str(reader, cell, &text);
        if (good) {
            memcpy(to, &text, sizeof text);
        }
        return good;
    }
    struct values_head head;
    int good = get_values(reader, cell, &head);
    if (good) {
        memcpy(to, &head, sizeof head);
    }
    return good;
}

const char *
vh_marshal_decode(const struct vh_marshal_shape *shape, const void *buffer, uint64_t len, struct viv_value *values,
                  void *ret_data)
{
    struct reader reader = {buffer, len, values, values ? VH_MARSHAL_VALUES_MAX : 0};
    uint32_t head[2] = {shape->size, 1};
    memset(ret_data, 0, shape->size);
    memcpy(ret_data, head, sizeof head);
    if (shape->count * sizeof(struct cell) > len) {
        return "length";
    }
    for (uint32_t i = 0; i < shape->count; i++) {
        struct cell cell;
        memcpy(&cell, reader.buffer + i * sizeof cell, sizeof cell);
        if (!get_field(&reader, &shape->fields[i], cell, ret_data)) {
            return shape->fields[i].name;
        }
    }
    return NULL;
}
