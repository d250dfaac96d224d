/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a model's answer is read as something it did not say, half a tool call is run, a call is made twice
 * that was paid for once, or a budget is settled with too little. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model_wire/test_bench.h"
#include "model_openai_manifest.h"

static const char stream_ask[] =
    "{\"base_url\":\"http://h:1/v1/\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":50,"
    "\"stream\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
    "\"text\":\"hi\"}]}]}";
static const char whole_ask[] =
    "{\"base_url\":\"http://h:1/v1/\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":50,"
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}";

/* Text and two calls, the way of OpenAI: pieces by index, usage apart. */
static const char stream[] =
    ": hello\n\n"
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
    "\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\\u00fc\\u00df\"},\"finish_reason\":null}]}\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"e \xf0\x9f\x98\x80\"}}],\"new\":[1.5,true,null]}\n\n"
    "event: odd\nid: 7\nretry: 3\nnothing\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
    "\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"read\",\"arguments\":\"\"}}]}}]}\n\n"
    "data: "
    "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"pa\"}}]}}]"
    "}"
    "\r\r"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
    "\"th\\\": \\\"a\\\", \\\"n\\\": 1.50}\"}}]}}]}\n\n"
    "data: "
    "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\","
    "\"function\":{\"name\":\"list\",\"arguments\":\"\"}}]}}]}\n\n"
    "data: {\"choices\":[{\"index\":0,\n"
    "data: \"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":9,\"total_tokens\":39,"
    "\"prompt_tokens_details\":{\"cached_tokens\":20},\"completion_tokens_details\":{\"reasoning_tokens\":4}}}\n\n"
    "data: [DONE]\n\n";
static const char stream_message[] =
    "{\"content\":[{\"text\":\"Gr\xc3\xbc\xc3\x9f"
    "e \xf0\x9f\x98\x80\",\"type\":\"text\"},"
    "{\"id\":\"call_a\",\"input_json\":\"{\\\"path\\\": \\\"a\\\", \\\"n\\\": "
    "1.50}\",\"name\":\"read\",\"type\":\"tool_call\"},"
    "{\"id\":\"call_b\",\"input_json\":\"{}\",\"name\":\"list\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}";
static const char stream_usage[] = "{\"cached_tokens\":20,\"input_tokens\":10,\"output_tokens\":9}";

static const char whole[] =
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":"
    "\"Hello\",\"refusal\":null,\"tool_calls\":[{\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":"
    "\"read\","
    "\"arguments\":\"{\\\"path\\\":\\\"a\\\"}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":"
    "{\"prompt_tokens\":30,\"completion_tokens\":9,\"total_tokens\":39}}";

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
    assert_true(bench.answer.sent && bench.answer.begun);
    assert_string_equal(bench.host.http.url, "http://h:1/v1/chat/completions");
    assert_string_equal(bench.host.http.headers, "content-type: application/json\naccept: text/event-stream\n"
                                                 "authorization: Bearer <k>\n");
    assert_string_equal(bench.host.http.body,
                        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":50,"
                        "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_int_equal(bench.host.http.first_byte_ns, INT64_C(300000000000));
    assert_int_equal(bench.host.http.idle_ns, INT64_C(120000000000));
    bench_close(&bench);
}

static void
pieces_of_any_size_are_one_answer(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    bench_in_pieces(&bench, stream_ask, sse(stream));
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

/* A body that is no stream says nothing before its last byte. */
static void
a_whole_answer_cut_anywhere_is_cut(void **state)
{
    (void)state;
    struct bench bench;
    struct fake_answer answer = json(whole);
    bench_open(&bench, NULL);
    assert_int_equal(bench_ask(&bench, whole_ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_OK, NULL, "{\"input_tokens\":30,\"output_tokens\":9}");
    assert_int_equal(bench.host.http.first_byte_ns, 0);
    answer.end = VIV_E_IO;
    for (answer.body.len = 0; answer.body.len < sizeof whole - 1; answer.body.len++) {
        assert_int_equal(bench_ask(&bench, whole_ask, answer), VIV_OK);
        bench_expect(&bench, answer.body.len ? VIV_MODEL_CUT : VIV_MODEL_UNREACHABLE,
                     "{\"content\":[],\"stop\":\"cut\"}", "{}");
    }
    answer.end = VIV_OK;
    for (answer.body.len = 0; answer.body.len < sizeof whole - 1; answer.body.len++) {
        assert_int_equal(bench_ask(&bench, whole_ask, answer), VIV_OK);
        bench_expect(&bench, VIV_MODEL_BROKEN, "{\"content\":[],\"stop\":\"cut\"}", "{}");
        assert_int_equal(bench.answer.begun, 1);
    }
    bench_close(&bench);
}

struct ending {
    const char *body;
    uint32_t outcome;
    const char *message;
    const char *usage;
    const char *problem;
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

#define D(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define F(reason) "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define SAID(text, stop) "{\"content\":[{\"text\":\"" text "\",\"type\":\"text\"}],\"stop\":\"" stop "\"}"
#define CALL(arguments)                                                                                       \
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\"," \
    "\"arguments\":\"" arguments "\"}}]}}]}\n\n"
#define U(usage) "data: {\"choices\":[],\"usage\":" usage "}\n\n"
#define NOTHING "{\"content\":[],\"stop\":\"cut\"}"
#define CALLED(id, name, input) \
    "{\"id\":\"" id "\",\"input_json\":\"" input "\",\"name\":\"" name "\",\"type\":\"tool_call\"}"

static const struct ending endings[] = {
    { D("a") F("stop"), VIV_MODEL_OK, SAID("a", "end"), "{}", NULL }, /* no [DONE] */
    { D("a") F("length") "data: [DONE]\n\n", VIV_MODEL_OK, SAID("a", "length"), "{}", NULL },
    { D("a") F("content_filter"), VIV_MODEL_OK, SAID("a", "refused"), "{}", NULL },
    { "data: {\"choices\":[{\"delta\":{\"refusal\":\"No.\"}}]}\n\n" F("stop"), VIV_MODEL_OK, SAID("No.", "refused"),
      "{}", NULL },
    { D("a") "data: [DONE]\n\n", VIV_MODEL_CUT, SAID("a", "cut"), "{}", "the answer ended in its middle" },
    { "data: [DONE]\n\n", VIV_MODEL_UNREACHABLE, NOTHING, "{}", "the answer ended before its content" },
    { D("a") F("surprise"), VIV_MODEL_CUT, SAID("a", "cut"), "{}",
      "ended its answer for 'surprise', which is not known" },
    { D("a") "data: [DONE]\n\n" D("b") F("stop"), VIV_MODEL_CUT, SAID("a", "cut"), "{}", NULL },
    { D("a") F("stop") "data: [DONE]\n\ndata: {\n\n", VIV_MODEL_OK, SAID("a", "end"), "{}", NULL },
    { D("a") "\x01\xff\xfe garbage \xc3\x28\n\n" D("b") F("stop"), VIV_MODEL_OK, SAID("ab", "end"), "{}", NULL },
    { D("a") "data: {\"choices\":[{\"del\n\n" D("b"), VIV_MODEL_BROKEN, SAID("a", "cut"), "{}",
      "an event of the answer cannot be read: it ends" },
    { D("a") "data: 7\n\n", VIV_MODEL_BROKEN, SAID("a", "cut"), "{}", "it is no object" },
    { D("a\xff"), VIV_MODEL_BROKEN, NOTHING, "{}", "it is not UTF-8" },
    { "data: {\"a\":1,\"a\":2}\n\n", VIV_MODEL_BROKEN, NOTHING, "{}", "a member is there twice" },
    { "data: {\"a\":1e999}\n\n", VIV_MODEL_BROKEN, NOTHING, "{}", "a number is out of range" },
    { "data: {\"a\":99999999999999999999}\n\n", VIV_MODEL_BROKEN, NOTHING, "{}", "a number is out of range" },
    { D("a\\u0000b") F("stop"), VIV_MODEL_OK,
      SAID("a\xef\xbf\xbd"
           "b",
           "end"),
      "{}", NULL },
    /* errors in a stream */
    { "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n", VIV_MODEL_OVERLOADED, NOTHING, "{}",
      "the provider ends its answer with an error, server_error: m" },
    { "event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"insufficient_quota\"}}\n\n", VIV_MODEL_QUOTA,
      NOTHING, "{}", NULL },
    { "data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n", VIV_MODEL_RATE_LIMITED, NOTHING, "{}", NULL },
    { D("a") "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n" D("b"), VIV_MODEL_CUT,
      SAID("a", "cut"), "{}", "server_error: m" },
    /* tool calls */
    { CALL("{}") F("tool_calls"), VIV_MODEL_OK, "{\"content\":[" CALLED("i", "f", "{}") "],\"stop\":\"tool\"}", "{}",
      NULL },
    { CALL("{}") F("stop"), VIV_MODEL_OK, "{\"content\":[" CALLED("i", "f", "{}") "],\"stop\":\"tool\"}", "{}",
      NULL },
    { D("a") CALL("{\\\"a\\\":") F("tool_calls"), VIV_MODEL_BROKEN, SAID("a", "cut"), "{}",
      "tool call 2 of the answer, 'f', has no name that a tool may have, or arguments that are no JSON object" },
    { CALL("[1]") F("tool_calls"), VIV_MODEL_BROKEN, NOTHING, "{}", "arguments that are no JSON object" },
    { CALL("{\\\"a\\\":1,\\\"a\\\":2}") F("tool_calls"), VIV_MODEL_BROKEN, NOTHING, "{}",
      "arguments that are no JSON object" },
    { CALL("{\\\"a\\\":") F("length"), VIV_MODEL_OK, "{\"content\":[],\"stop\":\"length\"}", "{}", NULL },
    { CALL("") F("length"), VIV_MODEL_OK, "{\"content\":[],\"stop\":\"length\"}", "{}", NULL },
    { CALL("{}"), VIV_MODEL_CUT, NOTHING, "{}", NULL }, /* more arguments may have followed */
    { "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"\","
      "\"function\":{\"name\":\"g\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
      VIV_MODEL_OK,
      "{\"content\":[" CALLED("call_1", "f", "{}") "," CALLED("call_2", "g", "{}") "],\"stop\":\"tool\"}", "{}",
      NULL },
    { "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{"
      "\"id\":\"y\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
      VIV_MODEL_OK, "{\"content\":[" CALLED("x", "f", "{}") "," CALLED("y", "g", "{}") "],\"stop\":\"tool\"}", "{}",
      NULL },
    { "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{"
      "\"index\":1,\"function\":{\"name\":\"g\"}}]},\"finish_reason\":\"stop\"}]}\n\n",
      VIV_MODEL_OK,
      "{\"content\":[" CALLED("call_1", "f", "{}") "," CALLED("call_2", "g", "{}") "],\"stop\":\"tool\"}", "{}",
      NULL },
    { "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"../"
      "f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\n",
      VIV_MODEL_BROKEN, NOTHING, "{}", "'../f', has no name that a tool may have" },
    { "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]"
      "}}]}\n\n",
      VIV_MODEL_BROKEN, NOTHING, "{}", "arguments that are no text" },
    /* usage */
    { D("a") F("stop") U("{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":20}"), VIV_MODEL_OK, NULL,
      "{\"input_tokens\":9,\"output_tokens\":11}", NULL },
    { D("a") F("stop")
          U("{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":10}}"),
      VIV_MODEL_OK, NULL, "{\"output_tokens\":3}", NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":"
                         "2,\"cache_write_tokens\":3}}"),
      VIV_MODEL_OK, NULL, "{\"cache_write_tokens\":3,\"cached_tokens\":2,\"input_tokens\":4,\"output_tokens\":3}",
      NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_cache_hit_tokens\":4}"), VIV_MODEL_OK,
      NULL, "{\"cached_tokens\":4,\"input_tokens\":5,\"output_tokens\":3}", NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":-9,\"completion_tokens\":\"3\"}"), VIV_MODEL_OK, NULL, "{}", NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":9.5,\"completion_tokens\":1000000000000}"), VIV_MODEL_OK, NULL, "{}",
      NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":0,\"completion_tokens\":0}"), VIV_MODEL_OK, NULL, "{}",
      NULL }, /* nothing is free */
    { D("a") F("stop") U("[]") U("7"), VIV_MODEL_OK, NULL, "{}", NULL },
    { D("a") F("stop") U("{\"prompt_tokens\":9,\"completion_tokens\":3}")
          U("{\"prompt_tokens\":8,\"completion_tokens\":4}"),
      VIV_MODEL_OK, NULL, "{\"input_tokens\":8,\"output_tokens\":4}", NULL },
    { "data: "
      "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n",
      VIV_MODEL_CUT, NULL, "{\"input_tokens\":9}", NULL }, /* so far */
    { D("a") "data: "
             "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":9,"
             "\"completion_tokens\":1}}}\n\n",
      VIV_MODEL_OK, NULL, "{\"input_tokens\":9,\"output_tokens\":1}", NULL },
    /* reasoning is no content, and was paid for */
    { "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n", VIV_MODEL_CUT, NOTHING, "{}", NULL },
    { "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n" D("a") F("stop"), VIV_MODEL_OK, SAID("a", "end"),
      "{}", NULL },
    { "data: "
      "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"text\":\"hm\"},{\"type\":\"text\",\"text\":"
      "\"b\"}]}}]}\n\n" F("stop"),
      VIV_MODEL_OK, SAID("b", "end"), "{}", NULL },
};

static void
every_ending_has_its_outcome(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        play(&bench, stream_ask, sse(endings[i].body), &endings[i]);
    }
    bench_close(&bench);
}

/* What a server says though it was asked otherwise. */
static const struct ending wholes[] = {
    { "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}", VIV_MODEL_OK, SAID("a", "end"),
      "{}", NULL },
    { "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
      "\"completion_tokens\":0}}",
      VIV_MODEL_OK, "{\"content\":[],\"stop\":\"end\"}", "{\"input_tokens\":3,\"output_tokens\":0}", NULL },
    { "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", VIV_MODEL_BROKEN, SAID("a", "cut"), "{}",
      "has no choice with a finish_reason" },
    { "{\"choices\":[]}", VIV_MODEL_BROKEN, NOTHING, "{}", "has no choice with a finish_reason" },
    { "{\"choices\":7}", VIV_MODEL_BROKEN, NOTHING, "{}", NULL },
    { "{\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}", VIV_MODEL_OVERLOADED, NOTHING, "{}",
      "server_error: m" },
    { "{\"error\":\"model is loading\"}", VIV_MODEL_OVERLOADED, NOTHING, "{}", "model is loading" },
    { "<html>", VIV_MODEL_BROKEN, NOTHING, "{}", "the body of the answer cannot be read: it is not JSON" },
    { "", VIV_MODEL_BROKEN, NOTHING, "{}", "the body of the answer cannot be read" },
    { "{\"usage\":{},\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{}}",
      VIV_MODEL_BROKEN, NOTHING, "{}", "a member is there twice" },
};

static void
what_comes_decides_how_it_is_read(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        play(&bench, whole_ask, json(wholes[i].body), &wholes[i]);
        play(&bench, stream_ask, json(wholes[i].body), &wholes[i]);
    }
    assert_int_equal(bench_ask(&bench, whole_ask, sse(stream)), VIV_OK);
    bench_expect(&bench, VIV_MODEL_OK, stream_message, stream_usage);
    struct fake_answer packed = json(whole);
    packed.headers = "Content-Type: application/json\nContent-Encoding: gzip\n";
    assert_int_equal(bench_ask(&bench, whole_ask, packed), VIV_OK);
    bench_expect(&bench, VIV_MODEL_BROKEN, NOTHING, "{}");
    assert_string_equal(bench_problem(&bench), "the answer is packed as 'gzip', which was not asked for");
    bench_close(&bench);
}

static void
hosts_have_their_own_words(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *tail;
    } hosts[] = {
        { "https://api.openai.com/v1",
          "\"max_completion_tokens\":50,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
        { "https://API.OpenAI.com:443/v1",
          "\"max_completion_tokens\":50,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
        { "https://api.mistral.ai/v1", "\"max_tokens\":50,\"stream\":true}" },
        { "https://api.openai.com.evil.example/v1",
          "\"max_tokens\":50,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
        { "http://127.0.0.1:11434/v1",
          "\"max_tokens\":50,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
    };
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "{\"base_url\":\"%s\",\"model\":\"m\",\"max_tokens\":50,\"stream\":1,\"messages\":"
                       "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}",
                       hosts[i].url);
        assert_int_equal(bench_ask(&bench, request, sse(stream)), VIV_OK);
        assert_non_null(strstr(bench.host.http.body, hosts[i].tail));
        assert_null(strstr(bench.host.http.headers, "authorization")); /* no secret is named */
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
        cmocka_unit_test(a_whole_answer_cut_anywhere_is_cut),
        cmocka_unit_test(every_ending_has_its_outcome),
        cmocka_unit_test(what_comes_decides_how_it_is_read),
        cmocka_unit_test(hosts_have_their_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
