/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a skill gets an input its manifest forbids, or the same input is laid out in two ways. */
#include "load_test.h"

#include "base/buf.h"
#include "load/document.h"
#include "load/schema.h"

static const struct vh_schema *
compile(struct vh_arena *arena, const char *text, bool flat, struct viv_error *err)
{
    struct json_t *document = NULL;
    const struct vh_schema *schema = NULL;
    assert_int_equal(vh_document_read(arena, vh_str(text), 100000, "schema", &document, err), VIV_OK);
    return vh_schema_compile(arena, document, "inputSchema", flat, &schema, err) ? NULL : schema;
}

static const char good[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"root\":{\"type\":\"string\",\"default\":\".\",\"maxLength\":5},"
    "\"names\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},\"maxItems\":3,\"minItems\":1},"
    "\"depth\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":64,\"default\":8},"
    "\"hidden\":{\"type\":\"boolean\",\"default\":false},"
    "\"mode\":{\"type\":\"string\",\"enum\":[\"count\",\"list\"]}},"
    "\"required\":[\"mode\"],\"additionalProperties\":false}";

struct row {
    const char *name;
    uint32_t type;
    uint32_t index;
    int64_t integer;
    const char *text;
};

static void
laid_out_flat(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "depth", VIV_VALUE_INTEGER, 0, 8, NULL }, { "hidden", VIV_VALUE_BOOL, 0, 1, NULL },
        { "mode", VIV_VALUE_TEXT, 0, 0, "count" },  { "names", VIV_VALUE_LIST, 0, 2, NULL },
        { "names", VIV_VALUE_TEXT, 0, 0, "z" },     { "names", VIV_VALUE_TEXT, 1, 0, "a" },
        { "root", VIV_VALUE_TEXT, 0, 0, "." },
    };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_schema *schema = compile(arena, good, true, &err);
    struct vh_schema_values values;
    assert_non_null(schema);
    assert_int_equal(vh_schema_values(arena, schema,
                                      VH_STR("{\"names\":[\"z\",\"a\"],\"hidden\":true,\"mode\":\"count\"}"), &values,
                                      &err),
                     VIV_OK);
    assert_int_equal(values.count, sizeof rows / sizeof *rows);
    for (uint32_t i = 0; i < values.count; i++) {
        assert_true(vh_str_is(values.rows[i].name, rows[i].name));
        assert_int_equal(values.rows[i].type, rows[i].type);
        assert_int_equal(values.rows[i].index, rows[i].index);
        assert_int_equal(values.rows[i].integer, rows[i].integer);
        assert_true(rows[i].text ? vh_str_is(values.rows[i].text, rows[i].text) : values.rows[i].text.len == 0);
    }
    assert_string_equal(values.json.data, "{\"depth\":8,\"hidden\":true,\"mode\":\"count\",\"names\":[\"z\",\"a\"],"
                                          "\"root\":\".\"}");
    vh_arena_destroy(arena);
}

struct bad {
    const char *text;
    const char *words;
};

static void
inputs_outside_are_refused(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        { "{}", "'/mode' is missing, it must be a string" },
        { "[]", "'/' is 'a list of 0', allowed: an object" },
        { "{\"mode\":\"count\",\"mode\":\"list\"}", "duplicate object key" },
        { "{\"mode\":\"cuont\"}", "'/mode' is 'cuont', allowed: count, list" },
        { "{\"mode\":1}", "'/mode' is '1', allowed: a string" },
        { "{\"mode\":\"list\",\"depth\":65}", "'/depth' is 65, allowed 0 to 64" },
        { "{\"mode\":\"list\",\"depth\":1.5}", "'/depth' is '1.5', allowed: an integer" },
        { "{\"mode\":\"list\",\"depth\":true}", "'/depth' is 'true', allowed: an integer" },
        { "{\"mode\":\"list\",\"root\":\"123456\"}", "'/root' has 6 characters, allowed 0 to 5" },
        { "{\"mode\":\"list\",\"names\":[]}", "'/names' has 0 items, allowed 1 to 3" },
        { "{\"mode\":\"list\",\"names\":[\"a\",2]}", "'/names/1' is '2', allowed: a string" },
        { "{\"mode\":\"list\",\"names\":[\"\"]}", "'/names/0' has 0 characters, allowed 1 to 1048576" },
        { "{\"mode\":\"list\",\"rot\":\"a\"}", "'/' has the unknown member 'rot'; nearest known: 'root'" },
        { "{\"mode\":\"list\"", "the input is no JSON" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_schema_values values = { 0 };
        viv_status status =
            vh_schema_values(arena, compile(arena, good, true, &err), vh_str(bad[i].text), &values, &err);
        if (status != VIV_E_INVALID || values.rows || !strstr(err.text, bad[i].words)) {
            fail_msg("%s: status %d, '%s', allowed '%s'", bad[i].text, status, err.text, bad[i].words);
        }
        vh_arena_destroy(arena);
    }
}

#define OBJECT(inside) "{\"type\":\"object\",\"properties\":{\"a\":" inside "}}"

static void
schemas_outside_the_subset_are_refused(void **state)
{
    (void)state;
    static const struct bad bad[] = {
        { "1", "inputSchema: '/' is not a schema object" },
        { "{\"type\":\"string\"}", "type of '/' must be object" },
        { "{\"type\":\"object\",\"oneOf\":[]}", "'/' (object) has the unknown key 'oneOf'" },
        { "{\"type\":\"object\",\"additionalProperties\":true}", "additionalProperties only as false" },
        { "{\"type\":\"object\",\"required\":[\"a\"]}", "required of '/' names 'a', which is no property" },
        { OBJECT("{\"type\":\"number\"}"), "type of '/a' is 'number', allowed: object, array, string" },
        { OBJECT("{}"), "type of '/a' is '(missing)'" },
        { OBJECT("{\"type\":[\"string\",\"null\"]}"), "type of '/a' is 'a list of 2'" },
        { OBJECT("{\"type\":\"string\",\"minimum\":1}"), "unknown key 'minimum'" },
        { OBJECT("{\"type\":\"string\",\"minLength\":-1}"), "minLength of '/a' is '-1', allowed: integers from 0" },
        { OBJECT("{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}"),
          "maximum of '/a' is '2', allowed: integers from 3" },
        { OBJECT("{\"type\":\"integer\",\"enum\":[\"a\"]}"), "enum of '/a' must be a list of values of its type" },
        { OBJECT("{\"type\":\"integer\",\"maximum\":2,\"default\":3}"), "default: '/a' is 3, allowed" },
        { OBJECT("{\"type\":\"object\"}"), "'/a' cannot be laid out flat" },
        { OBJECT("{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"), "'/a' cannot be laid out flat" },
        { OBJECT("{\"type\":\"array\"}"), "'/a/*' is not a schema object" },
        { "{\"type\":\"object\",\"properties\":{\"a/b\":{\"type\":\"string\"}}}",
          "property name 'a/b' must be letters" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct viv_error err = VIV_ERROR_INIT;
        const struct vh_schema *schema = compile(arena, bad[i].text, true, &err);
        if (schema || !strstr(err.text, bad[i].words)) {
            fail_msg("%s: '%s', allowed '%s'", bad[i].text, err.text, bad[i].words);
        }
        vh_arena_destroy(arena);
    }
}

static void
outputs_may_nest(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_schema *schema = compile(
        arena,
        OBJECT("{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}}"),
        false, &err);
    assert_non_null(schema);
    assert_int_equal(vh_schema_check(arena, schema, VH_STR("{\"a\":[{\"n\":1},{}]}"), &err), VIV_OK);
    assert_int_equal(vh_schema_check(arena, schema, VH_STR("{\"a\":[{\"n\":1},{\"n\":\"x\"}]}"), &err),
                     VIV_E_INVALID);
    assert_string_equal(err.text, "'/a/1/n' is 'x', allowed: an integer");
    char text[2000] = "";
    for (int i = 0; i < 10; i++) {
        strcat(text, "{\"type\":\"object\",\"properties\":{\"a\":");
    }
    strcat(text, "{\"type\":\"string\"}}}}}}}}}}}}}}}}}}}}}");
    assert_null(compile(arena, text, false, &err));
    assert_non_null(strstr(err.text, "is nested 9 deep, allowed 8"));
    vh_arena_destroy(arena);
}

static void
values_are_bounded(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_schema *schema =
        compile(arena, OBJECT("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"), true, &err);
    struct vh_schema_values values;
    struct vh_buf buf;
    for (int count = 63; count <= 64; count++) {
        vh_buf_init(&buf, arena, 4096);
        vh_buf_text(&buf, "{\"a\":[");
        for (int i = 0; i < count; i++) {
            vh_buf_text(&buf, i ? ",\"x\"" : "\"x\"");
        }
        vh_buf_text(&buf, "]}");
        viv_status status = vh_schema_values(arena, schema, vh_buf_view(&buf), &values, &err);
        assert_int_equal(status, count == 63 ? VIV_OK : VIV_E_LIMIT);
    }
    assert_string_equal(err.text, "the input has 65 values and list items, allowed 64");
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laid_out_flat),
        cmocka_unit_test(inputs_outside_are_refused),
        cmocka_unit_test(schemas_outside_the_subset_are_refused),
        cmocka_unit_test(outputs_may_nest),
        cmocka_unit_test(values_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
