/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an answer is not the canonical text that the host hashes, or a hostile document is read wrong. */
#include "../../support/cm.h"

#include <string.h>

#include "base/json.h"
#include "kit_fake.h"

static struct kit_fake fake;

static struct viv_kit_memory
memory(void)
{
    return viv_kit_memory_of(kit_fake_call(&fake, false));
}

static void
writes_canonical_text(void **state)
{
    (void)state;
    struct viv_kit_json json;
    struct viv_str text;
    viv_kit_json_init(&json, memory(), 4096);
    viv_kit_json_object(&json, NULL);
    viv_kit_json_list(&json, "a");
    viv_kit_json_integer(&json, NULL, -VIV_KIT_INTEGER_MAX);
    viv_kit_json_text(&json, NULL,
                      (struct viv_str){ "\"\\\b\t\n\f\r\x01\x0b\x1f\x7f\xc3\xa9\xff\xed\xa0\x80", 17 });
    viv_kit_json_object(&json, NULL);
    viv_kit_json_end(&json);
    viv_kit_json_end(&json);
    viv_kit_json_path(&json, "b", (struct viv_str){ "a\n\"%\\\xff\xc3\xa9", 8 });
    viv_kit_json_end(&json);
    assert_int_equal(viv_kit_json_finish(&json, &text, NULL), VIV_OK);
    assert_true(viv_kit_is(
        text, "{\"a\":[-9007199254740991,\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u000b\\u001f\x7f\xc3\xa9\xef\xbf\xbd"
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",{}],\"b\":\"a%0A\\\"%25\\\\%FF\xc3\xa9\"}"));
    struct vh_json *value = NULL;
    assert_int_equal(vh_json_read(fake.arena, text, &value, NULL), VIV_OK);
}

static void
wrong_use_is_named(void **state)
{
    (void)state;
    static const char *const problems[] = { "keys out of order",      "keys out of order",
                                            "a member without a key", "a key outside an object",
                                            "not complete",           "beyond 2^53-1",
                                            "an end without",         "nested too deeply",
                                            "not complete",           "a second value" };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        struct viv_kit_json json;
        struct viv_str text;
        struct viv_error err = VIV_ERROR_INIT;
        viv_kit_json_init(&json, memory(), 4096);
        if (i < 4 || i == 8) {
            viv_kit_json_object(&json, NULL);
        }
        if (i < 2) {
            viv_kit_json_integer(&json, "b", 1);
            viv_kit_json_integer(&json, i == 0 ? "a" : "b", 1);
        }
        if (i == 2) {
            viv_kit_json_integer(&json, NULL, 1);
        }
        if (i == 3) {
            viv_kit_json_list(&json, "a");
            viv_kit_json_integer(&json, "b", 1);
            viv_kit_json_end(&json);
        }
        if (i == 5) {
            viv_kit_json_integer(&json, NULL, VIV_KIT_INTEGER_MAX + 1);
        }
        if (i == 6) {
            viv_kit_json_end(&json);
        }
        for (int depth = 0; i == 7 && depth < VIV_KIT_JSON_DEPTH + 1; depth++) {
            viv_kit_json_list(&json, NULL);
        }
        for (int depth = 0; i == 9 && depth < 2; depth++) {
            viv_kit_json_integer(&json, NULL, 1);
        }
        if (i < 4) {
            viv_kit_json_end(&json);
        }
        assert_int_equal(viv_kit_json_finish(&json, &text, &err), VIV_E_INTERNAL);
        if (!strstr(err.text, problems[i])) {
            fail_msg("%zu: %s", i, err.text);
        }
    }
}

static void
bounds_hold(void **state)
{
    (void)state;
    struct viv_kit_json json;
    struct viv_str text = { NULL, 0 };
    struct viv_error err = VIV_ERROR_INIT;
    viv_kit_json_init(&json, memory(), 300);
    viv_kit_json_list(&json, NULL);
    for (int i = 0; i < 200; i++) {
        viv_kit_json_integer(&json, NULL, i);
    }
    viv_kit_json_end(&json);
    assert_int_equal(viv_kit_json_finish(&json, &text, &err), VIV_E_MEMORY);
    assert_non_null(strstr(err.text, "allowed 300"));
    assert_true(text.len == 0 && json.buf.len <= 300);
}

static void
reads_what_it_must(void **state)
{
    (void)state;
    struct viv_kit_read in;
    struct viv_str key;
    viv_kit_read_init(&in, memory(),
                      viv_kit_str(" { \"a\" : [ 1 , -2, true, false ], \"s\\u00e9\\ud83d\\ude00\\n\" : \"\\\"\\/\" "
                                  ",\"x\":{\"y\":[{},[],1.5e3,null]}, \"z\":9 } "));
    viv_kit_read_object(&in);
    assert_true(viv_kit_read_key(&in, &key) && viv_kit_is(key, "a"));
    viv_kit_read_list(&in);
    int64_t wanted[] = { 1, -2, 1, 0 };
    for (int i = 0; viv_kit_read_item(&in); i++) {
        assert_int_equal(viv_kit_read_integer(&in), wanted[i]);
    }
    assert_true(viv_kit_read_key(&in, &key) && viv_kit_is(key, "s\xc3\xa9\xf0\x9f\x98\x80\n"));
    assert_true(viv_kit_is(viv_kit_read_text(&in), "\"/"));
    assert_true(viv_kit_read_key(&in, &key) && viv_kit_is(key, "x"));
    viv_kit_read_skip(&in);
    assert_true(viv_kit_read_key(&in, &key) && viv_kit_is(key, "z"));
    assert_int_equal(viv_kit_read_peek(&in), 'i');
    assert_int_equal(viv_kit_read_integer(&in), 9);
    assert_false(viv_kit_read_key(&in, &key));
    assert_true(viv_kit_read_done(&in));
}

static void
broken_documents_fail(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "\"a",
        "\"a\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a\nb\"",
        "\"a\n\"",
        "\"\xff\"",
        "\"\\\xc3\xa9\"",
        "tru",
        "nul",
        "+1",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "'a'",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct viv_kit_read in;
        viv_kit_read_init(&in, memory(), viv_kit_str(bad[i]));
        viv_kit_read_skip(&in);
        if (viv_kit_read_done(&in)) {
            fail_msg("'%s' was read", bad[i]);
        }
    }
    static const char *const not_integers[] = { "1.5", "1e3", "-", "1234567890123456789", "\"1\"", "[]", "null" };
    for (size_t i = 0; i < sizeof not_integers / sizeof *not_integers; i++) {
        struct viv_kit_read in;
        viv_kit_read_init(&in, memory(), viv_kit_str(not_integers[i]));
        (void)viv_kit_read_integer(&in);
        assert_true(in.failed);
    }
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    struct viv_kit_read in;
    viv_kit_read_init(&in, memory(), (struct viv_str){ deep, sizeof deep });
    viv_kit_read_skip(&in);
    assert_true(in.failed && in.depth == VIV_KIT_READ_DEPTH);
    viv_kit_read_init(&in, (struct viv_kit_memory){ NULL, NULL }, viv_kit_str("\"\\n\""));
    assert_int_equal(viv_kit_read_text(&in).len, 0);
    assert_true(in.failed);
}

static void
values_are_found(void **state)
{
    (void)state;
    const struct viv_str name = viv_kit_str("names");
    const struct viv_value rows[] = {
        { .name = viv_kit_str("flag"), .type = VIV_VALUE_BOOL, .integer = 1 },
        { .name = viv_kit_str("n"), .type = VIV_VALUE_INTEGER, .integer = -5 },
        { .name = name, .type = VIV_VALUE_LIST, .integer = 2 },
        { .name = name, .type = VIV_VALUE_TEXT, .index = 0, .text = viv_kit_str("x") },
        { .name = name, .type = VIV_VALUE_TEXT, .index = 1, .text = viv_kit_str("y") },
        { .name = viv_kit_str("zero"), .type = VIV_VALUE_INTEGER },
    };
    const struct viv_kit_values in = { rows, 6, sizeof *rows };
    assert_int_equal(viv_kit_integer(in, "n", 0), -5);
    assert_int_equal(viv_kit_integer(in, "missing", 7), 7);
    assert_int_equal(viv_kit_bool(in, "flag", 0), 1);
    assert_int_equal(viv_kit_bool(in, "zero", 1), 0);
    assert_true(viv_kit_is(viv_kit_text(in, "n", "no text"), "no text"));
    assert_int_equal(viv_kit_list(in, "names"), 2);
    assert_true(viv_kit_is(viv_kit_item(in, "names", 1)->text, "y"));
    assert_null(viv_kit_item(in, "names", 2));
    assert_int_equal(viv_kit_list(in, "missing"), 0);
    assert_true(viv_kit_has(in, "zero") && !viv_kit_has(in, "zer"));
    /* A host with larger rows: members are appended, the stride tells. */
    struct {
        struct viv_value row;
        uint64_t later;
    } wide[2] = { { rows[0], 1 }, { rows[1], 2 } };
    assert_int_equal(viv_kit_integer((struct viv_kit_values){ &wide[0].row, 2, sizeof *wide }, "n", 0), -5);
}

static int
set_up(void **state)
{
    (void)state;
    kit_fake_init(&fake);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    kit_fake_finish(&fake);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_canonical_text), cmocka_unit_test(wrong_use_is_named),
        cmocka_unit_test(bounds_hold),           cmocka_unit_test(reads_what_it_must),
        cmocka_unit_test(broken_documents_fail), cmocka_unit_test(values_are_found),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
