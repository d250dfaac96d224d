/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, bytes of a hostile runner make the host read past a buffer, or values change on their way. Run under
 * the address sanitizer it is the proof of the first. */
#include "../../support/cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runner/marshal.h"

static uint64_t
next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
there_and_back(void **state)
{
    (void)state;
    const struct viv_value items[] = {
        {.name = VH_STR("service"), .type = VIV_VALUE_TEXT, .text = VH_STR("viv.log/1")},
        {.name = VH_STR("option.n"), .type = VIV_VALUE_INTEGER, .index = 3, .integer = INT64_MIN},
    };
    struct vh_start start = {.size = sizeof start,
                             .rev = 1,
                             .id = VH_STR("a.b"),
                             .items = items,
                             .items_count = 2,
                             .items_stride = sizeof *items,
                             .memory_bytes = -1,
                             .files = INT64_MAX,
                             .has_root = UINT32_MAX};
    uint64_t buffer[128];
    uint64_t size = vh_marshal_size(&vh_marshal_start, &start);
    assert_int_equal(vh_marshal_encode(&vh_marshal_start, &start, buffer, sizeof buffer), size);
    assert_int_equal(vh_marshal_encode(&vh_marshal_start, &start, buffer, size), size);
    assert_int_equal(vh_marshal_encode(&vh_marshal_start, &start, buffer, size - 1), 0);
    struct viv_value values[VH_MARSHAL_VALUES_MAX];
    struct vh_start back;
    assert_null(vh_marshal_decode(&vh_marshal_start, buffer, size, values, &back));
    assert_true(vh_str_is(back.id, "a.b"));
    assert_int_equal(back.version.len, 0);
    assert_int_equal(back.items_count, 2);
    assert_true(vh_str_is(back.items[0].text, "viv.log/1"));
    assert_true(vh_str_is(back.items[1].name, "option.n"));
    assert_int_equal(back.items[1].index, 3);
    assert_true(back.items[1].integer == INT64_MIN && back.memory_bytes == -1 && back.files == INT64_MAX);
    assert_int_equal(back.has_root, UINT32_MAX);
}

static void
bounds(void **state)
{
    (void)state;
    struct viv_value many[VH_MARSHAL_VALUES_MAX + 1];
    memset(many, 0, sizeof many);
    struct vh_start start = {
        .size = sizeof start, .items = many, .items_count = VH_MARSHAL_VALUES_MAX, .items_stride = sizeof *many};
    assert_true(vh_marshal_size(&vh_marshal_start, &start) > 0);
    start.items_count++;
    assert_int_equal(vh_marshal_size(&vh_marshal_start, &start), 0);
    start.items_count = 1;
    start.items_stride = 8;
    assert_int_equal(vh_marshal_size(&vh_marshal_start, &start), 0);
    start.items_count = 0;
    start.id = (struct viv_str){"", UINT64_MAX};
    assert_int_equal(vh_marshal_size(&vh_marshal_start, &start), 0);
    start.id = (struct viv_str){"", VH_AREA_BYTES};
    start.version = start.id;
    assert_int_equal(vh_marshal_size(&vh_marshal_start, &start), 0);
}

/* Every shape of every method, from bytes that are nearly right: what decodes lies wholly inside. */
static void
shape_holds(const struct vh_marshal_shape *shape, uint64_t *seed)
{
    uint64_t len = next(seed) % 40 * 8;
    uint64_t *buffer = malloc(len ? (size_t)len : 1);
    for (uint64_t i = 0; i < len / 8; i++) {
        uint64_t kind = next(seed) % 8;
        buffer[i] = kind == 0 ? next(seed) : kind == 1 ? UINT64_MAX - next(seed) % 16 : next(seed) % (len + 9);
    }
    static struct viv_value values[VH_MARSHAL_VALUES_MAX];
    char data[512];
    assert_true(shape->size <= sizeof data);
    if (!vh_marshal_decode(shape, buffer, len, values, data)) {
        for (uint32_t i = 0; i < shape->count; i++) {
            struct viv_str text;
            memcpy(&text, data + shape->fields[i].offset, sizeof text);
            if (shape->fields[i].kind == VIV_FIELD_STR && text.len) {
                assert_true(text.data >= (char *)buffer && text.data + text.len <= (char *)buffer + len);
            }
        }
        (void)vh_marshal_size(shape, data);
    }
    free(buffer);
}

static void
nearly_right_bytes(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        shape_holds(&vh_marshal_effect_request, &seed);
        shape_holds(&vh_marshal_effect_outcome, &seed);
        shape_holds(&vh_marshal_start, &seed);
        const struct viv_interface *interface = &viv_interfaces[next(&seed) % viv_interface_count];
        const struct viv_method *method = &interface->methods[next(&seed) % interface->method_count];
        struct vh_marshal_shape request = vh_marshal_request(method), answer = vh_marshal_answer(method);
        shape_holds(&request, &seed);
        shape_holds(&answer, &seed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(bounds),
        cmocka_unit_test(nearly_right_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
