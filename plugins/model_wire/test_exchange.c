/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a call that was paid for counts as one that never left, a call is made again that must not be, or a
 * flood from a provider takes the host's memory. Asked through the plugin of chat completions; the exchange is
 * shared. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "sse.h"
#include "test_bench.h"

static const char ask[] =
    "{\"base_url\":\"http://h:1/v1\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":2000000,\"stream\":1,"
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}";
static const char good[] = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";

static void
what_was_not_sent_is_a_status(void **state)
{
    (void)state;
    static const viv_status statuses[] = { VIV_E_DENIED,   VIV_E_INVALID, VIV_E_CANCELLED,  VIV_E_MEMORY,
                                           VIV_E_INTERNAL, VIV_E_LIMIT,   VIV_E_UNSUPPORTED };
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "the network ended with %d", statuses[i]);
        assert_int_equal(bench_ask(&bench, ask, (struct fake_answer){ .unsent = 1, .end = statuses[i] }),
                         statuses[i]);
        assert_string_equal(bench.err.text, text);
    }
    assert_int_equal(bench_ask(&bench, ask, (struct fake_answer){ .unsent = 1 }), VIV_E_INTERNAL);
    bench_close(&bench);
}

static void
what_was_sent_is_always_an_answer(void **state)
{
    (void)state;
    static const struct {
        viv_status end;
        uint32_t unsent;
        uint32_t outcome;
        const char *problem;
    } ends[] = {
        { VIV_E_UNAVAILABLE, 1, VIV_MODEL_UNREACHABLE, "there was no answer: the network ended with -17" },
        { VIV_E_TIMEOUT, 1, VIV_MODEL_UNREACHABLE, "there was no answer: the network ended with -9" },
        { VIV_E_UNAVAILABLE, 0, VIV_MODEL_UNREACHABLE, "there was no answer: the network ended with -17" },
        { VIV_E_IO, 0, VIV_MODEL_UNREACHABLE, "there was no answer: the network ended with -12" },
        { VIV_E_CANCELLED, 0, VIV_MODEL_CUT, "there was no answer: the network ended with -10" },
        { VIV_E_DENIED, 0, VIV_MODEL_BROKEN, "there was no answer: the network ended with -4" },
        { VIV_OK, 0, VIV_MODEL_BROKEN, "there was no answer" },
    };
    struct bench bench;
    bench_open(&bench, NULL);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct fake_answer answer = { .unsent = ends[i].unsent, .end = ends[i].end };
        assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
        bench_expect(&bench, ends[i].outcome, "{\"content\":[],\"stop\":\"cut\"}", "{}");
        assert_string_equal(bench_problem(&bench), ends[i].problem);
        assert_int_equal(bench.answer.sent, !ends[i].unsent);
        assert_int_equal(bench.answer.begun, 0);
    }
    bench_close(&bench);
}

static void
a_cancelled_call_is_cut_and_not_made_again(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    struct fake_answer answer = { .status = 200, .headers = BENCH_SSE, .body = fake_str(good), .cancels = 1 };
    assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_CUT, "{\"content\":[],\"stop\":\"cut\"}", "{}");
    assert_int_equal(bench.host.http.stopped, 1);
    bench_close(&bench);
}

static void
refusals_have_class_and_time(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    struct fake_answer answer = {
        .status = 429,
        .headers = BENCH_JSON "retry-after: 7\n",
        .body = fake_str("{\"error\":{\"type\":\"requests\",\"code\":\"rate_limit_exceeded\",\"message\":"
                         "\"slow\\ndown\"}}")
    };
    assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_RATE_LIMITED, "{\"content\":[],\"stop\":\"cut\"}", "{}");
    assert_string_equal(bench_problem(&bench), "the provider answers with status 429, requests: slow down");
    assert_int_equal(bench.answer.retry_after_ns, INT64_C(7000000000));
    assert_true(bench.answer.sent && !bench.answer.begun);
    answer = (struct fake_answer){ .status = 401,
                                   .body = fake_str("{\"error\":{\"code\":\"invalid_api_key\",\"message\":"
                                                    "\"wrong key sk-12345\"}}"),
                                   .end = VIV_E_IO };
    assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_AUTH, NULL, NULL);
    assert_string_equal(bench_problem(&bench), "the provider answers with status 401, invalid_api_key");
    answer = (struct fake_answer){ .status = 429, .headers = "content-encoding: gzip\n", .body = fake_str("\x1f\x8b") };
    assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_RATE_LIMITED, NULL, NULL);
    answer = (struct fake_answer){ .status = 307, .headers = "location: http://169.254.169.254/\n" };
    assert_int_equal(bench_ask(&bench, ask, answer), VIV_OK);
    bench_expect(&bench, VIV_MODEL_BROKEN, NULL, NULL);
    assert_string_equal(bench_problem(&bench),
                        "the provider answers with status 307; redirects are not followed: set "
                        "'base_url' to where it leads");
    bench_close(&bench);
}

static char *
flood(const char *head, char c, uint64_t len, const char *tail)
{
    char *text = malloc(strlen(head) + (size_t)len + strlen(tail) + 1);
    strcpy(text, head);
    memset(text + strlen(head), c, (size_t)len);
    strcpy(text + strlen(head) + len, tail);
    return text;
}

static void
answer_with(struct bench *bench, const char *request, uint32_t status, const char *headers, char *body)
{
    struct fake_answer answer = { .status = status, .headers = headers, .body = fake_str(body), .piece = 65536 };
    assert_int_equal(bench_ask(bench, request, answer), VIV_OK);
    free(body);
}

static void
floods_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, NULL);
    answer_with(&bench, ask, 200, BENCH_SSE, flood("data: ", 'x', WIRE_LINE_MAX, "\n\n"));
    bench_expect(&bench, VIV_MODEL_BROKEN, NULL, "{}");
    assert_string_equal(bench_problem(&bench), "one event of the answer has over 2097152 bytes");
    assert_int_equal(bench.host.http.stopped, 1);
    answer_with(&bench, ask, 200, BENCH_SSE, flood("data: ", '[', 100000, "\n\n"));
    bench_expect(&bench, VIV_MODEL_BROKEN, NULL, "{}");
    assert_string_equal(bench_problem(&bench),
                        "an event of the answer cannot be read: it is nested 100000 deep, allowed 64");
    answer_with(&bench, ask, 200, BENCH_JSON, flood("{\"a\":\"", 'x', 8u << 20, "\"}"));
    assert_int_equal(bench.answer.outcome, VIV_MODEL_CUT);
    assert_int_equal(bench.host.http.stopped, 3);
    answer_with(&bench, ask, 500, BENCH_JSON, flood("", ' ', 1u << 20, ""));
    bench_expect(&bench, VIV_MODEL_OVERLOADED, NULL, "{}");
    assert_int_equal(bench.host.http.stopped, 4);
    assert_true(bench.call.used_bytes < 1u << 20);
    bench_close(&bench);
}

static void
an_endless_answer_ends(void **state)
{
    (void)state;
    static const char little[] =
        "{\"base_url\":\"http://h:1/v1\",\"model\":\"m\",\"max_tokens\":1,\"stream\":1,\"messages\":"
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}";
    struct bench bench;
    bench_open(&bench, NULL);
    answer_with(&bench, little, 200, BENCH_SSE,
                flood("data: {\"choices\":[{\"delta\":{\"content\":\"", 'x', 4353, "\"}}]}\n\n"));
    bench_expect(&bench, VIV_MODEL_BROKEN, "{\"content\":[],\"stop\":\"cut\"}", "{}");
    assert_string_equal(bench_problem(&bench), "the answer goes on after 4352 bytes, more than 'max_tokens' can be");
    answer_with(
        &bench, little, 200, BENCH_SSE,
        flood("data: {\"choices\":[{\"delta\":{\"content\":\"", 'x', 4352, "\"},\"finish_reason\":\"stop\"}]}\n\n"));
    bench_expect(&bench, VIV_MODEL_OK, NULL, "{}");
    bench_close(&bench);
}

static void
blocks_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    char *body = calloc(1, 64 * 1024);
    bench_open(&bench, NULL);
    for (uint32_t i = 0; i <= WIRE_BLOCKS_MAX; i++) {
        (void)sprintf(body + strlen(body),
                      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%u,\"id\":\"i%u\","
                      "\"function\":{\"name\":\"f\"}}]}}]}\n\n",
                      i, i);
    }
    answer_with(&bench, ask, 200, BENCH_SSE, body);
    bench_expect(&bench, VIV_MODEL_BROKEN, NULL, "{}");
    assert_string_equal(bench_problem(&bench), "the answer has more than 256 blocks");
    bench_close(&bench);
}

/* Every allocation of the call's memory fails in turn: before the request leaves that is a status, then an answer. */
static void
memory_may_end_anywhere(void **state)
{
    (void)state;
    static const char body[] = "data: "
                               "{\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":0,\"id\":"
                               "\"i\",\"function\":{\"name\":\"f\","
                               "\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    struct bench bench;
    uint32_t refused = 0, broken = 0, whole = 0;
    bench_open(&bench, NULL);
    for (uint64_t at = 1; !whole; at++) {
        struct fake_call *call = &bench.call;
        struct viv_model_complete_request request = { (uint32_t)sizeof request, 1, fake_str(ask) };
        struct viv_model_complete_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
        struct viv_error err = VIV_ERROR_INIT;
        fake_call_finish(call);
        fake_call_init(call, &bench.host);
        call->fail_at = at;
        bench.host.http.answers[0] =
            (struct fake_answer){ .status = 200, .headers = BENCH_SSE, .body = fake_str(body) };
        bench.host.http.scripted = 1;
        bench.host.http.requested = 0;
        viv_status status = bench.model->complete(bench.self, &call->call, &request, &answer, &err);
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
        assert_int_equal(status == VIV_OK, bench.host.http.requested == 1);
        refused += status != VIV_OK;
        broken += status == VIV_OK && answer.outcome == VIV_MODEL_BROKEN;
        whole += status == VIV_OK && answer.outcome == VIV_MODEL_OK;
        assert_true(status != VIV_OK || answer.sent);
        assert_true(status != VIV_OK || answer.message_json.len > 0);
        assert_true(at < 200);
    }
    assert_true(refused > 2 && broken > 2);
    bench_close(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_sent_is_a_status),
        cmocka_unit_test(what_was_sent_is_always_an_answer),
        cmocka_unit_test(a_cancelled_call_is_cut_and_not_made_again),
        cmocka_unit_test(refusals_have_class_and_time),
        cmocka_unit_test(floods_are_bounded),
        cmocka_unit_test(an_endless_answer_ends),
        cmocka_unit_test(blocks_are_bounded),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
