/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a refusal is taken for another one, a provider is asked again too soon or never, or an event of a
 * stream is read as two. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/draft/model.h>

#include "answer.h"
#include "body.h"
#include "failure.h"
#include "fake_host.h"
#include "json.h"
#include "sse.h"

#define SECOND INT64_C(1000000000)

static void
each_refusal_has_its_class(void **state)
{
    (void)state;
    static const struct {
        uint32_t status;
        const char *body;
        uint32_t class;
    } rows[] = {
        { 400, "{}", VIV_MODEL_INVALID },
        { 400, "{\"error\":{\"code\":\"context_length_exceeded\"}}", VIV_MODEL_TOO_LONG },
        { 400,
          "{\"error\":{\"message\":\"This model's maximum Context Length is 8192 "
          "tokens\",\"type\":\"invalid_request_error\"}}",
          VIV_MODEL_TOO_LONG },
        { 400,
          "{\"error\":{\"message\":\"the request exceeds the available context "
          "size\",\"type\":\"exceed_context_size_error\",\"code\":400}}",
          VIV_MODEL_TOO_LONG },
        { 401, "{\"error\":{\"message\":\"context length\"}}", VIV_MODEL_AUTH },
        { 402,
          "{\"error\":{\"message\":\"Insufficient "
          "Balance\",\"type\":\"unknown_error\",\"code\":\"invalid_request_error\"}}",
          VIV_MODEL_QUOTA },
        { 403, "<html>", VIV_MODEL_AUTH },
        { 404, "{\"error\":{\"code\":\"model_not_found\",\"type\":\"invalid_request_error\"}}", VIV_MODEL_INVALID },
        { 404, "{\"error\":\"model 'x' not found\"}", VIV_MODEL_INVALID },
        { 408, "", VIV_MODEL_OVERLOADED },
        { 409, "", VIV_MODEL_OVERLOADED },
        { 413, "{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"tokens per minute\"}}",
          VIV_MODEL_TOO_LONG },
        { 422, "{\"object\":\"error\",\"message\":{\"detail\":[]},\"type\":\"invalid_request_error\"}",
          VIV_MODEL_INVALID },
        { 422, "{\"detail\":\"no\"}", VIV_MODEL_INVALID },
        { 429, "{}", VIV_MODEL_RATE_LIMITED },
        { 429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}", VIV_MODEL_QUOTA },
        { 429,
          "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\",\"message\":\"Request too large for "
          "m\"}}",
          VIV_MODEL_TOO_LONG },
        { 429, "{\"error\":{\"type\":\"invalid_request_error\"}}", VIV_MODEL_RATE_LIMITED },
        { 451, "", VIV_MODEL_INVALID },
        { 498, "", VIV_MODEL_OVERLOADED },
        { 500, "{\"error\":{\"type\":\"invalid_request_error\"}}", VIV_MODEL_OVERLOADED },
        { 501, "", VIV_MODEL_INVALID },
        { 503, "<html>", VIV_MODEL_OVERLOADED },
        { 529, "", VIV_MODEL_OVERLOADED },
        { 304, "", VIV_MODEL_BROKEN },
        { 0, "{\"error\":{\"type\":\"invalid_request_error\"}}", VIV_MODEL_INVALID },
        { 0, "{\"error\":{\"code\":502,\"message\":\"m\"}}", VIV_MODEL_OVERLOADED },
        { 0, "{\"error\":{}}", VIV_MODEL_OVERLOADED },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char problem[WIRE_PROBLEM_MAX], why[160];
        struct wire_failure failure = { .http_status = rows[i].status };
        json_t *root = wire_json_parse(fake_str(rows[i].body), why, sizeof why);
        (void)wire_failure_read(root, &failure);
        uint32_t class = wire_failure_class(&failure);
        if (class != rows[i].class) {
            print_error("%u %s\n", rows[i].status, rows[i].body);
        }
        assert_int_equal(class, rows[i].class);
        wire_failure_say(&failure, class, problem);
        assert_true(strncmp(problem, "the provider ", 13) == 0);
        json_decref(root);
    }
}

static void
a_refusal_is_one_line_without_keys(void **state)
{
    (void)state;
    char problem[WIRE_PROBLEM_MAX];
    char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    struct wire_failure failure = { 500, fake_str("a\nb"), fake_str(""), { long_text, sizeof long_text } };
    wire_failure_say(&failure, VIV_MODEL_OVERLOADED, problem);
    assert_int_equal(strlen(problem), strlen("the provider answers with status 500, a b: ") + 200);
    failure.message = fake_str("bad \xff\x01\x7f end");
    wire_failure_say(&failure, VIV_MODEL_OVERLOADED, problem);
    assert_string_equal(problem, "the provider answers with status 500, a b: bad ?   end");
    failure.message = fake_str("Incorrect key: sk-123");
    wire_failure_say(&failure, VIV_MODEL_AUTH, problem);
    assert_string_equal(problem, "the provider answers with status 500, a b");
}

/* "name: value" lines. */
static int64_t
wait_of(const char *lines, int64_t now_us)
{
    struct wire_wait wait;
    wire_wait_init(&wait);
    while (*lines) {
        const char *colon = strchr(lines, ':');
        const char *end = strchr(lines, '\n');
        wire_wait_header(&wait, (struct viv_str){ lines, (uint64_t)(colon - lines) },
                         (struct viv_str){ colon + 1, (uint64_t)(end - colon - 1) });
        lines = end + 1;
    }
    return wire_wait_ns(&wait, now_us);
}

static void
each_header_says_when_to_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int64_t ns;
    } rows[] = {
        { "", 0 },
        { "Retry-After: 20\n", 20 * SECOND },
        { "retry-after: 0\n", 0 },
        { "retry-after: 1.5\n", SECOND * 3 / 2 },
        { "retry-after-ms: 250\nretry-after: 1\n", SECOND / 4 },
        { "retry-after: 1\nretry-after-ms: 250.5\n", SECOND / 4 + 500000 },
        { "retry-after: -5\n", 0 },
        { "retry-after: soon\n", 0 },
        { "retry-after: 99999999999999999999\n", 86400 * SECOND },
        { "retry-after: Fri, 27 Nov 2026 06:22:03 GMT\ndate: Fri, 27 Nov 2026 06:21:03 GMT\n", 60 * SECOND },
        { "retry-after: Fri, 27 Nov 2026 06:20:03 GMT\ndate: Fri, 27 Nov 2026 06:21:03 GMT\n", 0 },
        { "retry-after: Fri, 27 Nov 2026 06:22:03 GMT\n", 61 * SECOND }, /* by the call's clock */
        { "retry-after: Fri, 27 Foo 2026 06:22:03 GMT\n", 0 },
        { "x-ratelimit-reset-requests: 1s\n", SECOND },
        { "x-ratelimit-reset-tokens: 6m0s\n", 360 * SECOND },
        { "x-ratelimit-reset-tokens: 7.66s\n", 7660 * (SECOND / 1000) },
        { "x-ratelimit-reset-tokens: 2m59.56s\n", 179560 * (SECOND / 1000) },
        { "x-ratelimit-reset-tokens: 20ms\n", SECOND / 50 },
        { "x-ratelimit-reset-tokens: 1h2m\n", 3720 * SECOND },
        { "x-ratelimit-reset-tokens: 1x\n", 0 },
        { "x-ratelimit-reset-tokens: s\n", 0 },
        { "x-ratelimit-reset-tokens: 1m2\n", 0 },
        { "x-ratelimit-reset-tokens: 9d\n", 86400 * SECOND },
        { "x-ratelimit-reset-requests: 10s\nx-ratelimit-reset-tokens: 3s\n", 3 * SECOND },
        { "x-ratelimit-reset-requests: 10s\nx-ratelimit-reset-tokens: 3s\nx-ratelimit-remaining-requests: 0\n",
          10 * SECOND },
        { "x-ratelimit-remaining-requests: 0\nretry-after: 2\nx-ratelimit-reset-requests: 10s\n", 2 * SECOND },
        { "anthropic-ratelimit-tokens-reset: 2026-11-27T06:21:05Z\ndate: Fri, 27 Nov 2026 06:21:03 GMT\n",
          2 * SECOND },
        { "anthropic-ratelimit-input-tokens-reset: 2026-11-27T08:21:05.5+02:00\ndate: Fri, 27 Nov 2026 06:21:03 "
          "GMT\n",
          2 * SECOND },
        { "anthropic-ratelimit-tokens-reset: 2026-13-27T06:21:05Z\n", 0 },
        { "anthropic-ratelimit-tokens-reset: 2026-11-27T06:21:05\n", 0 },
        { "anthropic-ratelimit-tokens-reset: 9999-12-31T23:59:59Z\n", 86400 * SECOND },
        { "x-ratelimit-reset-a: 9s\nx-ratelimit-reset-b: 9s\nx-ratelimit-reset-c: 9s\nx-ratelimit-reset-d: "
          "9s\nx-ratelimit-reset-e: 9s\n"
          "x-ratelimit-reset-f: 9s\nx-ratelimit-reset-g: 9s\nx-ratelimit-reset-h: 9s\nx-ratelimit-reset-i: 1s\n",
          9 * SECOND },
        { "x-ratelimit-reset-a-name-that-is-longer-than-any-limit: 9s\n", 0 },
    };
    const int64_t now_us = INT64_C(1795760462000000); /* 06:21:02 */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (wait_of(rows[i].lines, now_us) != rows[i].ns) {
            print_error("%s\n", rows[i].lines);
        }
        assert_int_equal(wait_of(rows[i].lines, now_us), rows[i].ns);
    }
}

struct heard {
    char text[4096];
    viv_status answer;
};

static viv_status
hear(void *owner, struct viv_str name, struct viv_str data)
{
    struct heard *heard = owner;
    size_t len = strlen(heard->text);
    (void)snprintf(heard->text + len, sizeof heard->text - len, "[%.*s|%.*s]", (int)name.len, name.data,
                   (int)data.len, data.data ? data.data : "");
    return heard->answer;
}

static viv_status
feed(struct heard *heard, struct fake_call *call, const char *text, uint64_t piece, uint32_t *ret_over)
{
    struct wire_sse sse;
    viv_status status = VIV_OK;
    uint64_t len = strlen(text);
    wire_sse_init(&sse, viv_kit_memory_of(&call->call));
    sse.event = hear;
    sse.owner = heard;
    heard->text[0] = '\0';
    for (uint64_t at = 0; at < len && status == VIV_OK; at += piece) {
        status = wire_sse_feed(&sse, (struct viv_str){ text + at, piece < len - at ? piece : len - at });
    }
    *ret_over = sse.over;
    return status;
}

static void
events_come_out_as_the_format_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *events;
    } rows[] = {
        { "data: a\n\n", "[|a]" },
        { "data:a\r\n\r\n", "[|a]" },
        { "data:  a\r\r", "[| a]" },
        { "\xef\xbb\xbf"
          "data: a\n\n",
          "[|a]" },
        { "data: a\ndata: b\n\n", "[|a\nb]" },
        { "data\n\n", "[|]" },
        { "data:\n\n", "[|]" },
        { "event: e\ndata: a\n\ndata: b\n\n", "[e|a][|b]" },
        { "event: e\n\ndata: b\n\n", "[|b]" }, /* an event without data is none */
        { ": c\nid: 1\nretry: 5\nfoo: x\ndata: a\n\n", "[|a]" },
        { "data: a\n", "" },
        { "data: a", "" },
        { "\n\n\n", "" },
        { "event: 0123456789012345678901234567890123456789012345678901234567890123456789\ndata: a\n\n", "[|a]" },
        { "datax: b\ndata : c\n\n", "" },
    };
    struct fake_host host;
    struct fake_call call;
    struct heard heard = { .answer = VIV_OK };
    uint32_t over = 0;
    fake_host_init(&host);
    fake_call_init(&call, &host);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (uint64_t piece = 1; piece < 24; piece++) {
            assert_int_equal(feed(&heard, &call, rows[i].text, piece, &over), VIV_OK);
            assert_string_equal(heard.text, rows[i].events);
            assert_int_equal(over, 0);
        }
    }
    heard.answer = VIV_E_CANCELLED;
    assert_int_equal(feed(&heard, &call, "data: a\n\ndata: b\n\n", 100, &over), VIV_E_CANCELLED);
    assert_string_equal(heard.text, "[|a]");
    fake_call_finish(&call);
    fake_host_finish(&host);
}

/* A stream of any length takes no more memory than its longest event. */
static void
memory_of_a_stream_is_that_of_one_event(void **state)
{
    (void)state;
    struct fake_host host;
    struct fake_call call;
    struct heard heard = { .answer = VIV_OK };
    struct wire_sse sse;
    fake_host_init(&host);
    fake_call_init(&call, &host);
    wire_sse_init(&sse, viv_kit_memory_of(&call.call));
    sse.event = hear;
    sse.owner = &heard;
    for (uint32_t i = 0; i < 100000; i++) {
        heard.text[0] = '\0';
        assert_int_equal(wire_sse_feed(&sse, fake_str("data: 0123456789012345678901234567890123456789\n\n")), VIV_OK);
    }
    assert_true(call.used_bytes < 4096);
    fake_call_finish(&call);
    fake_host_finish(&host);
}

static void
a_body_is_json(void **state)
{
    (void)state;
    struct fake_host host;
    struct fake_call call;
    struct wire_body body = { .begun = 0 };
    struct viv_str text = { NULL, 0 };
    fake_host_init(&host);
    fake_call_init(&call, &host);
    viv_kit_buf_init(&body.buf, viv_kit_memory_of(&call.call), 4096);
    wire_body_open(&body, NULL, '{');
    wire_body_text(&body, "a", (struct viv_str){ "\"\\\n\x01\0z\xff", 7 });
    wire_body_open(&body, "b", '[');
    wire_body_integer(&body, NULL, -5);
    wire_body_word(&body, NULL, "true");
    wire_body_open(&body, NULL, '{');
    wire_body_close(&body, '}');
    wire_body_close(&body, ']');
    wire_body_raw(&body, "c", fake_str("{\"x\":1.50}"));
    wire_body_close(&body, '}');
    assert_int_equal(viv_kit_buf_finish(&body.buf, &text, NULL), VIV_OK);
    assert_int_equal(
        text.len, strlen("{\"a\":\"\\\"\\\\\\n\\u0001\\u0000z\xef\xbf\xbd\",\"b\":[-5,true,{}],\"c\":{\"x\":1.50}}"));
    assert_memory_equal(text.data,
                        "{\"a\":\"\\\"\\\\\\n\\u0001\\u0000z\xef\xbf\xbd\",\"b\":[-5,true,{}],\"c\":{\"x\":1.50}}",
                        (size_t)text.len);
    fake_call_finish(&call);
    fake_host_finish(&host);
}

static void
slices_are_bytes_as_they_were(void **state)
{
    (void)state;
    static const char text[] = "{\"a\" : [ 1, {\"in\\u0070ut\" : { \"x\":1.50 } , \"z\":null}, \"s\"], \"b\":true}";
    static const char *const input[] = { "a", "#1", "input", NULL };
    static const char *const item[] = { "a", "#2", NULL };
    static const char *const beyond[] = { "a", "#3", NULL };
    static const char *const wrong[] = { "b", "x", NULL };
    static const struct {
        const char *const *path;
        const char *slice;
    } rows[] = { { input, "{ \"x\":1.50 }" }, { item, "\"s\"" }, { beyond, "" }, { wrong, "" } };
    struct fake_host host;
    struct fake_call call;
    fake_host_init(&host);
    fake_call_init(&call, &host);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_str slice = wire_json_slice(&call.call, fake_str(text), rows[i].path);
        assert_int_equal(slice.len, strlen(rows[i].slice));
        if (slice.len) {
            assert_memory_equal(slice.data, rows[i].slice, (size_t)slice.len);
        }
    }
    fake_call_finish(&call);
    fake_host_finish(&host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_its_class),
        cmocka_unit_test(a_refusal_is_one_line_without_keys),
        cmocka_unit_test(each_header_says_when_to_come_back),
        cmocka_unit_test(events_come_out_as_the_format_says),
        cmocka_unit_test(memory_of_a_stream_is_that_of_one_event),
        cmocka_unit_test(a_body_is_json),
        cmocka_unit_test(slices_are_bytes_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
