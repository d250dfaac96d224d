/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, half a record could pass for a whole one. */
#include "../../support/cm.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

static void
pieces_become_one_text(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 100000);
    vh_buf_text(&buf, "a");
    vh_buf_str(&buf, VH_STR("bc"));
    vh_buf_str(&buf, (struct viv_str){ NULL, 0 });
    vh_buf_char(&buf, 'd');
    vh_buf_format(&buf, "%03d", 7);
    assert_string_equal(buf.data, "abcd007");
    for (size_t i = 0; i < 10000; i++) {
        vh_buf_char(&buf, 'x');
    }
    assert_false(buf.failed);
    assert_int_equal(vh_buf_view(&buf).len, 10007);
    assert_int_equal(buf.data[10007], 0);
    assert_memory_equal(buf.data, "abcd007xxx", 10);
    vh_arena_destroy(arena);
}

static void
the_maximum_sticks(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 4);
    vh_buf_text(&buf, "abcd");
    assert_false(buf.failed);
    vh_buf_char(&buf, 'e');
    assert_true(buf.failed);
    assert_string_equal(buf.data, "abcd");
    vh_buf_text(&buf, "");
    assert_true(buf.failed);
    vh_buf_init(&buf, arena, 4);
    vh_buf_format(&buf, "%s", "abcde");
    assert_true(buf.failed);
    assert_int_equal(buf.len, 0);
    vh_arena_destroy(arena);
}

static void
no_maximum_overflows(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, SIZE_MAX);
    vh_buf_text(&buf, "a");
    vh_buf_add(&buf, "b", SIZE_MAX);
    assert_true(buf.failed);
    vh_buf_init(&buf, arena, SIZE_MAX);
    vh_buf_add(&buf, "b", SIZE_MAX / 2 + 2);
    assert_true(buf.failed);
    vh_arena_destroy(arena);
}

static void
memory_running_out_sticks(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 1000);
    vh_arena_fail_at(1);
    vh_buf_text(&buf, "lost");
    vh_arena_fail_at(0);
    vh_buf_text(&buf, "never");
    assert_true(buf.failed && buf.no_memory);
    assert_int_equal(buf.len, 0);
    vh_buf_init(&buf, arena, 3);
    vh_buf_text(&buf, "over");
    assert_true(buf.failed && !buf.no_memory);
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_become_one_text),
        cmocka_unit_test(the_maximum_sticks),
        cmocka_unit_test(no_maximum_overflows),
        cmocka_unit_test(memory_running_out_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
