/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a model's answer is read as something it did not say, half a tool call is run, or a budget is
 * settled with too little. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model_wire/test_bench.h"

static const char stream_ask[] =
    "{\"base_url\":\"http://h:1\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":50,\"stream\":1,"
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}";
static const char whole_ask[] =
    "{\"base_url\":\"http://h:1\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":50,"
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}";

#define START                                                                                                  \
    "event: message_start\ndata: "                                                                             \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":"                     \
    "\"assistant\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_" \
    "tokens\":5,"                                                                                              \
    "\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n"
#define OPEN(index, block)                                                                 \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" index \
    ",\"content_block\":" block "}\n\n"
#define DELTA(index, delta)                                                                                          \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" index ",\"delta\":" delta "}\n" \
                                                                                                               "\n"
#define CLOSE(index) "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" index "}\n\n"
#define TEXT(text) "{\"type\":\"text_delta\",\"text\":\"" text "\"}"
#define INPUT(text) "{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}"
#define ENDED(reason, usage)                                                                       \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
    "\",\"stop_sequence\":null},\"usage\":" usage "}\n\n"
#define STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define TOOL "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"read\",\"input\":{}}"
#define A OPEN("0", "{\"type\":\"text\",\"text\":\"\"}") DELTA("0", TEXT("a"))
#define SAID(text, stop) "{\"content\":[{\"text\":\"" text "\",\"type\":\"text\"}],\"stop\":\"" stop "\"}"
#define NOTHING "{\"content\":[],\"stop\":\"cut\"}"
#define FIRST "{\"cache_write_tokens\":5,\"cached_tokens\":20,\"input_tokens\":10}"

static const char stream[] = START PING OPEN("0", "{\"type\":\"thinking\",\"thinking\":\"\"}")
    DELTA("0", "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}")
        DELTA("0", "{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}") CLOSE("0")
            OPEN("1", "{\"type\":\"text\",\"text\":\"\"}") PING DELTA("1", TEXT("Gr\\u00fc\xc3\x9f"))
                DELTA("1", TEXT("e"))
                    CLOSE("1") "event: new_thing\ndata: {\"type\":\"new_thing\",\"x\":[1.5,null]}\n\n" OPEN("2", TOOL)
                        DELTA("2", INPUT("")) DELTA("2", INPUT("{\\\"path\\\": "))
                            DELTA("2", INPUT("\\\"a\\\", \\\"n\\\": 1.50}")) CLOSE("2")
                                OPEN("3", "{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"list\",\"input\":{}}")
                                    CLOSE("3") ENDED("tool_use", "{\"output_tokens\":40}") STOP;
static const char stream_message[] =
    "{\"content\":[{\"text\":\"Gr\xc3\xbc\xc3\x9f"
    "e\",\"type\":\"text\"},"
    "{\"id\":\"toolu_1\",\"input_json\":\"{\\\"path\\\": \\\"a\\\", \\\"n\\\": "
    "1.50}\",\"name\":\"read\",\"type\":\"tool_call\"},"
    "{\"id\":\"toolu_2\",\"input_json\":\"{}\",\"name\":\"list\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}";
static const char stream_usage[] =
    "{\"cache_write_tokens\":5,\"cached_tokens\":20,\"input_tokens\":10,\"output_tokens\":40}";

static const char whole[] = "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{"
                            "\"type\":\"text\",\"text\":\"Hello\"},"
                            "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"read\",\"input\": {\"path\" : "
                            "\"a\",\"n\":1.50, \"x\":[{\"input\":null}]} }],"
                            "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,"
                            "\"cache_creation_input_tokens\":0,"
                            "\"cache_read_input_tokens\":0,\"output_tokens\":9}}";
static const char whole_message[] =
    "{\"content\":[{\"text\":\"Hello\",\"type\":\"text\"},{\"id\":\"toolu_1\",\"input_json\":\"{\\\"path\\\" : "
    "\\\"a\\\",\\\"n\\\":1.50, "
    "\\\"x\\\":[{\\\"input\\\":null}]}\",\"name\":\"read\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}";

static struct fake_answer
sse(const char *body)
{
    return (struct fake_answer){ .status = 200, .headers = BENCH_SSE, .body = fake_str(body) };
}

static struct fake_answer
json(const char *body)
{
    return (struct fake_answer){ .status = 200, .headers = BENCH_JSON, .body = fake_str(body) };
}

static void
a_stream_is_read(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    assert_int_equal(bench_ask(&bench, stream_ask, sse(stream)), VIV_OK);
    bench_expect(&bench, VIV_MODEL_OK, stream_message, stream_usage);
    assert_string_equal(bench.host.http.url, "http://h:1/v1/messages");
    assert_string_equal(bench.host.http.headers, "content-type: application/json\naccept: text/event-stream\n"
                                                 "anthropic-version: 2023-06-01\nx-api-key: <k>\n");
    assert_string_equal(
        bench.host.http.body,
        "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"hi\"}]}],\"stream\":true}");
    bench_close(&bench);
}

static void
pieces_of_any_size_are_one_answer(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    bench_in_pieces(&bench, stream_ask, sse(stream));
    assert_int_equal(bench_ask(&bench, whole_ask, json(whole)), VIV_OK);
    bench_expect(&bench, VIV_MODEL_OK, whole_message,
                 "{\"cache_write_tokens\":0,\"cached_tokens\":0,\"input_tokens\":10,\"output_tokens\":9}");
    bench_in_pieces(&bench, whole_ask, json(whole));
    bench_close(&bench);
}

static void
an_answer_cut_anywhere_is_cut(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    bench_cut(&bench, stream_ask, sse(stream));
    bench_close(&bench);
}

struct ending {
    const char *body;
    uint32_t outcome;
    const char *message;
    const char *usage;
    const char *problem;
};

static const struct ending endings[] = {
    { START A CLOSE("0") ENDED("end_turn", "{\"output_tokens\":4}"), VIV_MODEL_OK, SAID("a", "end"), NULL,
      NULL }, /* no message_stop */
    { START A ENDED("stop_sequence", "{\"output_tokens\":4}") STOP, VIV_MODEL_OK, SAID("a", "end"), NULL, NULL },
    { START A ENDED("max_tokens", "{\"output_tokens\":4}") STOP, VIV_MODEL_OK, SAID("a", "length"), NULL, NULL },
    { START A ENDED("model_context_window_exceeded", "{}") STOP, VIV_MODEL_OK, SAID("a", "length"), FIRST, NULL },
    { START A ENDED("refusal", "{\"output_tokens\":4}") STOP, VIV_MODEL_OK, SAID("a", "refused"), NULL, NULL },
    { START ENDED("refusal", "{\"output_tokens\":0}") STOP, VIV_MODEL_OK, "{\"content\":[],\"stop\":\"refused\"}",
      NULL, NULL },
    { START A ENDED("pause_turn", "{\"output_tokens\":4}") STOP, VIV_MODEL_CUT, SAID("a", "cut"), FIRST,
      "for 'pause_turn', which is not known" },
    { START A CLOSE("0") STOP, VIV_MODEL_CUT, SAID("a", "cut"), FIRST, "the answer ended in its middle" },
    { START, VIV_MODEL_UNREACHABLE, NOTHING, FIRST, "the answer ended before its content" },
    { START A ENDED("end_turn", "{\"output_tokens\":4}") STOP STOP A, VIV_MODEL_OK, SAID("a", "end"), NULL, NULL },
    { START DELTA("0", TEXT("a")), VIV_MODEL_BROKEN, NOTHING, FIRST, "goes on with a block that did not begin" },
    { START "data: {\"type\":\"content_block_start\",\"index\":-1,\"content_block\":{}}\n\n", VIV_MODEL_BROKEN,
      NOTHING, FIRST, "begins a block that is none" },
    { START "data: {\"type\":\"content_block_start\",\"index\":0}\n\n", VIV_MODEL_BROKEN, NOTHING, FIRST,
      "begins a block that is none" },
    { START A "data: [DONE]\n\n", VIV_MODEL_BROKEN, SAID("a", "cut"), FIRST, "it is not JSON at byte" },
    /* errors in a stream */
    { "event: error\ndata: "
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
      VIV_MODEL_OVERLOADED, NOTHING, "{}",
      "the provider ends its answer with an error, overloaded_error: Overloaded" },
    { "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"}}\n\n",
      VIV_MODEL_RATE_LIMITED, NOTHING, "{}", NULL },
    { START "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"new_error\",\"message\":\"m\"}}\n\n",
      VIV_MODEL_OVERLOADED, NOTHING, FIRST, NULL },
    { START A
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n",
      VIV_MODEL_CUT, SAID("a", "cut"), FIRST, "overloaded_error: m" },
    /* tool calls */
    { START OPEN("0", TOOL) DELTA("0", INPUT("{\\\"a\\\":")) CLOSE("0") ENDED("tool_use", "{}") STOP,
      VIV_MODEL_BROKEN, NOTHING, FIRST, "tool call 1 of the answer, 'read'" },
    { START OPEN("0", TOOL) DELTA("0", INPUT("{\\\"a\\\":")) CLOSE("0") ENDED("max_tokens", "{}") STOP, VIV_MODEL_OK,
      "{\"content\":[],\"stop\":\"length\"}", FIRST, NULL },
    { START OPEN("0", TOOL) CLOSE("0") ENDED("max_tokens", "{}") STOP, VIV_MODEL_OK,
      "{\"content\":[],\"stop\":\"length\"}", FIRST, NULL },
    { START OPEN("0", TOOL) DELTA("0", INPUT("{\\\"a\\\":1}")), VIV_MODEL_CUT, NOTHING, FIRST, NULL },
    { START OPEN("0", TOOL) DELTA("0", INPUT("{\\\"a\\\":1}")) CLOSE("0"), VIV_MODEL_CUT,
      "{\"content\":[{\"id\":\"toolu_1\",\"input_json\":\"{\\\"a\\\":1}\",\"name\":\"read\",\"type\":\"tool_call\"}],"
      "\"stop\":\"cut\"}",
      FIRST, NULL },
    { START OPEN("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\": 2.0}}") CLOSE("0")
          ENDED("tool_use", "{}"),
      VIV_MODEL_OK,
      "{\"content\":[{\"id\":\"t\",\"input_json\":\"{\\\"a\\\": "
      "2.0}\",\"name\":\"f\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}",
      FIRST, NULL },
    /* usage */
    { A ENDED("end_turn", "{\"output_tokens\":4}"), VIV_MODEL_OK, NULL, "{\"output_tokens\":4}", NULL },
    { START A ENDED("end_turn", "{\"input_tokens\":11,\"cache_read_input_tokens\":0,\"output_tokens\":4}"),
      VIV_MODEL_OK, NULL, "{\"cache_write_tokens\":5,\"cached_tokens\":0,\"input_tokens\":11,\"output_tokens\":4}",
      NULL },
    { START A ENDED("end_turn",
                    "{\"output_tokens\":-4,\"input_tokens\":1e3,\"cache_read_input_tokens\":9000000000000}"),
      VIV_MODEL_OK, NULL, FIRST, NULL },
    { START A ENDED("end_turn", "{\"output_tokens\":0}"), VIV_MODEL_OK, NULL, FIRST, NULL }, /* nothing is free */
    { START A ENDED("end_turn", "null"), VIV_MODEL_OK, NULL, FIRST, NULL },
};

static const struct ending wholes[] = {
    { "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\"}",
      VIV_MODEL_OK, SAID("a", "end"), "{}", NULL },
    { "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":null}",
      VIV_MODEL_BROKEN, SAID("a", "cut"), "{}", "the answer has no stop_reason" },
    { "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":\"x\"}],"
      "\"stop_reason\":\"tool_use\"}",
      VIV_MODEL_BROKEN, NOTHING, "{}", "arguments that are no JSON object" },
    { "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}],\"stop_reason\":"
      "\"tool_use\"}",
      VIV_MODEL_OK,
      "{\"content\":[{\"id\":\"t\",\"input_json\":\"{}\",\"name\":\"f\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}",
      "{}", NULL },
    { "{\"type\":\"message\",\"content\":7,\"stop_reason\":\"end_turn\"}", VIV_MODEL_OK,
      "{\"content\":[],\"stop\":\"end\"}", "{}", NULL },
    { "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}", VIV_MODEL_OVERLOADED, NOTHING,
      "{}", "api_error: m" },
    { "[]", VIV_MODEL_BROKEN, NOTHING, "{}", "it is no object" },
    { "{\"usage\":{},\"usage\":{}}", VIV_MODEL_BROKEN, NOTHING, "{}", "a member is there twice" },
};

static void
play(struct bench *bench, const char *request, struct fake_answer answer, const struct ending *e)
{
    assert_int_equal(bench_ask(bench, request, answer), VIV_OK);
    if (bench->answer.outcome != e->outcome) {
        print_error("of %s\n", e->body);
    }
    bench_expect(bench, e->outcome, e->message, e->usage);
    if (e->problem && !strstr(bench_problem(bench), e->problem)) {
        fail_msg("'%s' does not say '%s'", bench_problem(bench), e->problem);
    }
}

static void
every_ending_has_its_outcome(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        play(&bench, stream_ask, sse(endings[i].body), &endings[i]);
    }
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        play(&bench, whole_ask, json(wholes[i].body), &wholes[i]);
        play(&bench, stream_ask, json(wholes[i].body), &wholes[i]);
    }
    bench_close(&bench);
}

static void
refusals_have_class_and_time(void **state)
{
    (void)state;
    static const struct {
        uint32_t status;
        const char *headers;
        const char *body;
        uint32_t outcome;
        int64_t seconds;
    } refusals[] = {
        { 529, "", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}",
          VIV_MODEL_OVERLOADED, 0 },
        { 429,
          "date: Fri, 27 Nov 2026 06:21:03 GMT\nanthropic-ratelimit-requests-remaining: "
          "10\nanthropic-ratelimit-requests-reset: "
          "2026-11-27T06:21:05Z\nanthropic-ratelimit-tokens-remaining: 0\nanthropic-ratelimit-tokens-reset: "
          "2026-11-27T06:22:03Z\n",
          "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"}}", VIV_MODEL_RATE_LIMITED,
          60 },
        { 400, "",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: "
          "210000 tokens > 200000\"}}",
          VIV_MODEL_TOO_LONG, 0 },
        { 400, "",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is "
          "too low\"}}",
          VIV_MODEL_QUOTA, 0 },
        { 401, "", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"m\"}}",
          VIV_MODEL_AUTH, 0 },
    };
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct fake_answer answer = { .status = refusals[i].status,
                                      .headers = refusals[i].headers,
                                      .body = fake_str(refusals[i].body) };
        assert_int_equal(bench_ask(&bench, stream_ask, answer), VIV_OK);
        bench_expect(&bench, refusals[i].outcome, NOTHING, "{}");
        assert_int_equal(bench.answer.retry_after_ns, refusals[i].seconds * INT64_C(1000000000));
    }
    bench_close(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_read),
        cmocka_unit_test(pieces_of_any_size_are_one_answer),
        cmocka_unit_test(an_answer_cut_anywhere_is_cut),
        cmocka_unit_test(every_ending_has_its_outcome),
        cmocka_unit_test(refusals_have_class_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
