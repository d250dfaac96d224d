/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, money of a queue file is read wrong, or the bytes of an entry are not the bytes another program wrote,
 * so that an export loses or invents something. */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "commands/queue_file.h"
#include "commands/queue_scan.h"

static void
money_is_read_from_its_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        viv_status status;
        int64_t micro;
    } rows[] = {
        { "0", VIV_OK, 0 }, { "-0.0", VIV_OK, 0 }, { "0e999", VIV_OK, 0 }, { "0.05", VIV_OK, 50000 },
        { "0.1", VIV_OK, 100000 }, { "0.10", VIV_OK, 100000 }, { "1", VIV_OK, 1000000 },
        { "1.000000", VIV_OK, 1000000 }, { "1.0000000", VIV_OK, 1000000 }, { "1.0000001", VIV_E_INVALID, 0 },
        { "0.000001", VIV_OK, 1 }, { "0.0000001", VIV_E_INVALID, 0 }, { "1e-6", VIV_OK, 1 },
        { "1E-7", VIV_E_INVALID, 0 }, { "10e-7", VIV_OK, 1 }, { "100.0e-8", VIV_OK, 1 }, { "1.5e2", VIV_OK, 150000000 },
        { "1e+3", VIV_OK, 1000000000 }, { "-0.5", VIV_OK, -500000 },
        { "9007199254.740991", VIV_OK, INT64_C(9007199254740991) }, { "9007199254.740992", VIV_E_LIMIT, 0 },
        { "1e300", VIV_E_LIMIT, 0 }, { "99999999999999999999999", VIV_E_LIMIT, 0 }, { "0.3", VIV_OK, 300000 },
        { "1.1", VIV_OK, 1100000 }, { "abc", VIV_E_INVALID, 0 }, { "", VIV_E_INVALID, 0 }, { "-", VIV_E_INVALID, 0 },
        { ".5", VIV_E_INVALID, 0 }, { "5.", VIV_E_INVALID, 0 }, { "1e", VIV_E_INVALID, 0 },
        { "\"1\"", VIV_E_INVALID, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t micro = 0;
        viv_status status = vh_scan_micro(vh_str(rows[i].text), &micro);
        if (status != rows[i].status || micro != rows[i].micro) {
            fail_msg("'%s' gave %d, %lld", rows[i].text, status, (long long)micro);
        }
    }
}

static void
every_cent_up_to_a_hundred(void **state)
{
    (void)state;
    for (int cents = 0; cents <= 10000; cents++) {
        char text[16];
        int64_t micro = -1;
        snprintf(text, sizeof text, "%d.%02d", cents / 100, cents % 100);
        assert_int_equal(vh_scan_micro(vh_str(text), &micro), VIV_OK);
        assert_int_equal(micro, (int64_t)cents * 10000);
    }
}

static void
parts_are_found_byte_for_byte(void **state)
{
    (void)state;
    struct viv_str text = VH_STR(" { \"a\" : [1, \"]}\\\"\" , {\"a\":2}],\"b\":\"x,y\" ,\"c\":-1.50e+3}\n");
    static const char *const wanted[][2] = { { "a", "[1, \"]}\\\"\" , {\"a\":2}]" }, { "b", "\"x,y\"" },
                                             { "c", "-1.50e+3" } };
    struct vh_scan scan = vh_scan_begin(text);
    struct viv_str key, value;
    for (size_t i = 0; i < 3; i++) {
        assert_true(vh_scan_member(&scan, &key, &value));
        assert_true(vh_str_is(key, wanted[i][0]));
        assert_true(vh_str_is(value, wanted[i][1]));
        assert_true(vh_scan_find(text, wanted[i][0], &value));
        assert_true(vh_str_is(value, wanted[i][1]));
    }
    assert_false(vh_scan_member(&scan, &key, &value));
    assert_false(vh_scan_find(text, "d", &value));
    assert_int_equal(vh_scan_depth(text), 3);
    assert_int_equal(vh_scan_depth(VH_STR("\"[[[[\"")), 0);
}

/* Cut and altered at every byte: any answer is right but a crash; a file that is taken has ids that are safe names. */
static void
torn_and_altered_files_are_judged(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"version\":\"1.1\",\"x\":{\"y\":[1.5,null]},\"tasks\":[{\"id\":\"a\",\"prompt\":\"p\",\"max_budget\":0.10},"
        "{\"id\":\"b\",\"command\":\"c\",\"depends_on\":[\"a\"],\"status\":\"s\"}],"
        "\"completed\":[{\"id\":\"o\"}],\"failed\":[]}";
    static const char bytes[] = "\"{}[]:,\\0\x80\xff ";
    size_t len = sizeof whole - 1, taken = 0;
    for (size_t at = 0; at < len; at++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            struct vh_arena *arena = vh_arena_create(NULL, 0);
            struct vh_queue queue;
            struct viv_error err = VIV_ERROR_INIT;
            char *copy = malloc(len); /* its very size, so that a sanitizer sees a step too far */
            assert_non_null(copy);
            memcpy(copy, whole, len);
            copy[at] = bytes[b];
            size_t size = b + 1 == sizeof bytes ? at : len; /* the last round cuts */
            viv_status status = vh_queue_file_read(arena, (struct viv_str){ copy, size }, &queue, &err);
            if (status == VIV_OK) {
                taken++;
                for (uint32_t i = 0; i < queue.count; i++) {
                    assert_true(vh_str_id(queue.entry[i].id));
                    assert_ptr_equal(vh_queue_file_find(&queue, queue.entry[i].id), &queue.entry[i]);
                }
            } else {
                assert_true(err.text[0] != '\0');
            }
            (void)vh_scan_entry_at((struct viv_str){ copy, size }, at);
            free(copy);
            vh_arena_destroy(arena);
        }
    }
    assert_true(taken > 50);
}

/* Wide and deep chains come out behind what they wait for, in time that grows with the file. */
static void
long_chains_are_ordered(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char *text = vh_arena_alloc(arena, (size_t)COUNT * 96);
    size_t len = (size_t)sprintf(text, "{\"version\":\"1.1\",\"tasks\":[");
    for (int i = 0; i < COUNT; i++) {
        len += (size_t)sprintf(text + len, "%s{\"id\":\"t%d\",\"prompt\":\"p\",\"depends_on\":[", i ? "," : "", i);
        if (i + 1 < COUNT) {
            len += (size_t)sprintf(text + len, "\"t%d\"", i + 1);
        }
        len += (size_t)sprintf(text + len, "]}");
    }
    len += (size_t)sprintf(text + len, "]}");
    struct vh_queue queue;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_queue_file_read(arena, (struct viv_str){ text, len }, &queue, &err)) {
        fail_msg("%s", err.text);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(queue.order[i]->index, COUNT - 1 - i);
    }
    vh_arena_destroy(arena);
}

/* jansson reads over a NUL between values; what is exported again would end there. */
static void
a_nul_is_no_json(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_queue queue;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str text = VH_STR("{\"version\":\"1.1\"\0,\"tasks\":[]}");
    assert_int_equal(vh_queue_file_read(arena, text, &queue, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "byte 17 of the file is NUL, allowed: JSON text");
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_read_from_its_text),     cmocka_unit_test(every_cent_up_to_a_hundred),
        cmocka_unit_test(parts_are_found_byte_for_byte),   cmocka_unit_test(torn_and_altered_files_are_judged),
        cmocka_unit_test(long_chains_are_ordered),         cmocka_unit_test(a_nul_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
