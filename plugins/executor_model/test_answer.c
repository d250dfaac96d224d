/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile or broken answer of a model could bring the host down, or do what the next request can no
 * longer tell. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "test_bench.h"

/* One answer, then done; what the model is told at place `at` of the next request. */
static void
told_of(const char *message, uint32_t at, const char *told, int error)
{
    struct bench bench;
    bench_open(&bench);
    bench_message(&bench, message);
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    assert_int_equal(bench.answer.done, 1);
    bench_told(&bench, 1, at, told, error);
    bench_close(&bench);
}

#define AGAIN "Nothing was done. Use tools to work; when the work is complete, call done."
#define CALL(id, name, input)                                                                                          \
    "{\"type\":\"tool_call\",\"id\":\"" id "\",\"name\":\"" name "\",\"input_json\":\"" input "\"}"

static void
what_is_no_answer_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        const char *told;
    } cases[] = {
        { "{}", AGAIN },
        { "[]", AGAIN },
        { "7", AGAIN },
        { "{\"content\":{},\"stop\":7}", AGAIN },
        { "{\"content\":[7,[],{},{\"type\":7},{\"type\":\"text\",\"text\":7},{\"type\":\"text\",\"text\":\" \\n\"}]}",
          AGAIN },
        { "{\"content\":[{\"type\":\"picture\",\"text\":\"a\"}]}", AGAIN },
        { "", "Your answer could not be read: it is not JSON: unexpected token near end of file at byte 0. " AGAIN },
        { "{\"content\":[{\"type\":\"text\",\"text\":\"\\u0000\"}]}",
          "Your answer could not be read: it is not JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near "
          "'\"\\u0000\"' at byte 42. " AGAIN },
        { "{\"content\":[],\"content\":[]}",
          "Your answer could not be read: it is not JSON: duplicate object key near '\"content\"' at byte 23. " AGAIN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        told_of(cases[i].message, 0, cases[i].told, -1);
    }
}

static void
arguments_that_are_none_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        const char *told;
    } cases[] = {
        { CALL("a", "run", "{"), "nothing was done: the text of the arguments is not JSON: " },
        { CALL("a", "run", "7"), "nothing was done: the arguments are no object; allowed: a JSON object" },
        { CALL("a", "run", "null"), "nothing was done: the arguments are no object; allowed: a JSON object" },
        { CALL("a", "run", "{\\\"command\\\":\\\"a\\\\u0000b\\\"}"),
          "nothing was done: the text of the arguments is not JSON: \\u0000 is not allowed" },
        { CALL("a", "run", "{\\\"a\\\":1,\\\"a\\\":2}"),
          "nothing was done: the text of the arguments is not JSON: duplicate object key" },
        { CALL("a", "run", "{\\\"a\\\":1e999}"), "nothing was done: the text of the arguments is not JSON: " },
        { "{\"type\":\"tool_call\",\"name\":\"run\"}", "nothing was done: the text of the arguments is not JSON: " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        char message[512];
        bench_open(&bench);
        (void)snprintf(message, sizeof message, "{\"content\":[%s],\"stop\":\"tool\"}", cases[i].block);
        bench_message(&bench, message);
        bench_done(&bench);
        assert_int_equal(bench_run(&bench), VIV_OK);
        json_t *request = bench_request(&bench, 1);
        const json_t *messages = json_object_get(request, "messages");
        const json_t *call = json_array_get(json_object_get(json_array_get(messages, 1), "content"), 0);
        const json_t *told = json_array_get(json_object_get(json_array_get(messages, 2), "content"), 0);
        bench_has(json_string_value(json_object_get(told, "text")), cases[i].told);
        assert_string_equal(json_string_value(json_object_get(call, "input_json")), "{}");
        json_decref(request);
        bench_close(&bench);
    }
}

static void
names_and_ids_are_made_fit(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_message(&bench, "{\"content\":[" CALL("", "run\\u0007\\u001b[2J", "{}") "," CALL(
                              "same", "list files", "{}") "," CALL("same", "", "{}") "],\"stop\":\"tool\"}");
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    json_t *request = bench_request(&bench, 1);
    const json_t *messages = json_object_get(request, "messages");
    char *content = json_dumps(json_object_get(json_array_get(messages, 1), "content"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        content, "[{\"id\":\"c00001000\",\"input_json\":\"{}\",\"name\":\"unknown\",\"type\":\"tool_call\"},"
                 "{\"id\":\"c00001001\",\"input_json\":\"{}\",\"name\":\"unknown\",\"type\":\"tool_call\"},"
                 "{\"id\":\"c00001002\",\"input_json\":\"{}\",\"name\":\"unknown\",\"type\":\"tool_call\"}]");
    free(content);
    json_decref(request);
    bench_has(bench.host.requests[1].spec_json, "there is no tool 'unknown', allowed: read_file");
    bench_close(&bench);
}

/* Deeper than the parser should go, in the answer and in the text of its arguments. */
static void
depth_is_bounded(void **state)
{
    (void)state;
    char deep[1024], message[2048];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    (void)snprintf(message, sizeof message, "{\"content\":%s}", deep);
    told_of(message, 0, "Your answer could not be read: it is nested 101 deep, allowed 64. " AGAIN, -1);
    (void)snprintf(message, sizeof message, "{\"content\":[" CALL("a", "run", "{\\\"a\\\":%s}") "]}", deep);
    told_of(message, 0,
            "nothing was done: the text of the arguments is nested 101 deep, allowed 64; allowed: a JSON object", 1);
    memset(message, '[', sizeof message);
    message[sizeof message - 1] = '\0';
    told_of(message, 0, "Your answer could not be read: it is nested 2047 deep, allowed 64. " AGAIN, -1);
}

static char *
long_text(size_t len)
{
    char *text = malloc(len + 128);
    assert_non_null(text);
    size_t at = (size_t)sprintf(text, "{\"content\":[{\"type\":\"text\",\"text\":\"");
    memset(text + at, 'x', len);
    strcpy(text + at + len, "\"}],\"stop\":\"end\"}");
    return text;
}

static void
long_answers_are_cut_or_not_read(void **state)
{
    (void)state;
    struct bench bench;
    char *huge = long_text(10 << 20);
    char *large = long_text(3 << 20);
    bench_open(&bench);
    bench_message(&bench, large);
    bench_call(&bench, "fly", "{}");
    bench_message(&bench, huge);
    bench_message(&bench, huge);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "2 answers in a row had no tool call, the last could not be read: it has 10485812 bytes, "
                        "allowed 4194304");
    assert_true(strlen(bench.host.requests[1].spec_json) < (128 << 10));
    bench_has(bench.host.requests[1].spec_json, "x\\n[3080192 bytes left out]\\nx");
    assert_true(bench.answer.result_json.len < 20000);
    free(huge);
    free(large);
    bench_close(&bench);
}

static void
a_thousand_calls_are_sixty_four(void **state)
{
    (void)state;
    struct bench bench;
    char *message = malloc(1 << 20);
    assert_non_null(message);
    size_t at = (size_t)sprintf(message, "{\"content\":[");
    for (int i = 0; i < 1000; i++) {
        at += (size_t)sprintf(message + at, "%s" CALL("same", "fly", "{}"), i ? "," : "");
    }
    for (int i = 0; i < 300; i++) {
        at += (size_t)sprintf(message + at, ",{\"type\":\"text\",\"text\":\"a\"}");
    }
    strcpy(message + at, "],\"stop\":\"tool\"}");
    bench_open(&bench);
    bench_message(&bench, message);
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_told(&bench, 1, 64, "936 calls of your message were not done: allowed are 64 in one message.", -1);
    json_t *request = bench_request(&bench, 1);
    const json_t *messages = json_object_get(request, "messages");
    assert_int_equal(json_array_size(json_object_get(json_array_get(messages, 1), "content")), 64 + 64);
    assert_int_equal(json_array_size(json_object_get(json_array_get(messages, 2), "content")), 65);
    json_decref(request);
    free(message);
    bench_close(&bench);
}

/* Whatever the bytes are, the run ends in order, and every request it made was one. */
static struct fake_effect
mutated(struct fake_host *host, const struct viv_effect_request *request)
{
    static char text[512];
    unsigned *seed = host->answer_data;
    if (request->kind != VIV_EFFECT_MODEL)
        return (struct fake_effect){ .output = "some text", .detail = "{\"entries\":[]}" };
    (void)snprintf(text, sizeof text,
                   "{\"content\":[{\"type\":\"text\",\"text\":\"a\\ud83d\\ude00b\"}," CALL(
                       "a", "read_file", "{\\\"path\\\":\\\"a\\\",\\\"lines\\\":3}") "," CALL(
                       "b", "list_files", "{\\\"recursive\\\":true}") "],\"stop\":\"tool\"}");
    size_t len = strlen(text);
    for (int i = 0; i < 3; i++) {
        *seed = *seed * 1103515245u + 12345u;
        text[(*seed >> 8) % len] = (char)(*seed >> 20 | 1u);
    }
    return (struct fake_effect){ .output = text, .detail = BENCH_DETAIL };
}

static void
no_bytes_bring_it_down(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int i = 0; i < 200; i++) {
        struct bench bench;
        bench_open(&bench);
        bench.config.steps = 12;
        bench.host.answer = mutated;
        bench.host.answer_data = &seed;
        assert_int_equal(bench_run(&bench), VIV_OK);
        for (uint32_t j = 0; j < bench.host.requested; j++) {
            if (bench.host.requests[j].kind == VIV_EFFECT_MODEL) {
                json_decref(bench_request(&bench, j));
            }
        }
        bench_close(&bench);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_answer_is_told),        cmocka_unit_test(arguments_that_are_none_are_told),
        cmocka_unit_test(names_and_ids_are_made_fit),       cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(long_answers_are_cut_or_not_read), cmocka_unit_test(a_thousand_calls_are_sixty_four),
        cmocka_unit_test(no_bytes_bring_it_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
