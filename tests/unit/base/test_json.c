/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two programs could read the same log record as two different things. */
#include "../../support/cm.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

static void
one_text_per_value(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *object = vh_json_object(arena);
    vh_json_set_int(arena, object, "z", -5);
    vh_json_set_text(arena, object, "a", "q\"\\\n\x01 \xc3\xa4");
    struct vh_json *list = vh_json_array(arena);
    vh_json_push(list, vh_json_integer(arena, 0));
    vh_json_set(object, "m", list);
    struct viv_str text = vh_json_print(arena, object);
    assert_string_equal(text.data, "{\"a\":\"q\\\"\\\\\\n\\u0001 \xc3\xa4\",\"m\":[0],\"z\":-5}");
    struct vh_json *back = NULL;
    assert_int_equal(vh_json_read(arena, text, &back, NULL), VIV_OK);
    assert_true(vh_str_equal(vh_json_print(arena, back), text));
    assert_int_equal(vh_json_int(back, "z", 0), -5);
    vh_arena_destroy(arena);
}

static void
other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " 1", "1 ", "01", "-0", "1.0", "9007199254740992", "true", "null", "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"a\":1}", "{\"a\" :1}", "[1,]", "[1", "\"\\u0041\"", "\"\\u000a\"", "\"\\/\"", "\"a\nb\"",
        "\"\xff\"", "\"\xed\xa0\x80\"", "{", "\"", "[[1]", "1e3",
    };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_json *value = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(vh_json_read(arena, vh_str(bad[i]), &value, &err), VIV_E_CORRUPT);
        assert_non_null(strstr(err.text, "at byte"));
    }
    char deep[400];
    memset(deep, '[', sizeof deep);
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_json_read(arena, (struct viv_str){ deep, sizeof deep }, &value, &err), VIV_E_CORRUPT);
    assert_string_equal(err.text, "too deeply nested at byte 64");
    vh_arena_destroy(arena);
}

static void
import_is_strict(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str foreign = VH_STR("{ \"b\": true, \"a\": [1, \"x\"], \"n\": null }");
    assert_int_equal(vh_json_import(arena, foreign, &value, &err), VIV_OK);
    assert_string_equal(vh_json_print(arena, value).data, "{\"a\":[1,\"x\"],\"b\":1}");
    assert_int_equal(vh_json_import(arena, VH_STR("{\"cost\": 0.5}"), &value, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "value of 'cost' is a number with a fraction, allowed: integers");
    assert_int_equal(vh_json_import(arena, VH_STR("{\"a\":1,\"a\":2}"), &value, &err), VIV_E_INVALID);
    assert_int_equal(vh_json_import(arena, VH_STR("{\"a\":1\0,\"b\":2}"), &value, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "byte 7 is NUL, allowed: JSON text"); /* jansson reads over it */
    vh_arena_destroy(arena);
}

static void
memory_runs_out(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str text = VH_STR("{\"a\":[1,2,\"x\\n\"],\"b\":{\"c\":3}}");
    for (int64_t n = 1; n < 100; n++) {
        struct vh_json *value = NULL;
        vh_arena_fail_at(n);
        viv_status status = vh_json_read(arena, text, &value, NULL);
        vh_arena_fail_at(0);
        if (status == VIV_OK) {
            assert_true(n > 5);
            vh_arena_destroy(arena);
            return;
        }
        assert_int_equal(status, VIV_E_MEMORY);
    }
    fail_msg("reading never succeeded");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_text_per_value),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(import_is_strict),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
