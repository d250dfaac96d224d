/* SPDX-License-Identifier: Apache-2.0 */
/* A whole message is valid in the sense of docs/contract/model.schema.json; that is looked at in each request. */
#include "../../tests/support/cm.h"

#include "test_bench.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void
bench_init(struct bench *bench)
{
    struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    memset(bench, 0, sizeof *bench);
    fake_host_init(&bench->host);
    fake_call_init(&bench->call, &bench->host);
    bench->plugin = viv_plugin_entry(&offer, NULL);
    assert_non_null(bench->plugin);
    bench->table = bench->plugin->offers[0].table;
    memcpy(&bench->config, bench->plugin->defaults, sizeof bench->config);
    bench->request.size = (uint32_t)sizeof bench->request;
    bench->request.rev = 1;
}

void
bench_open(struct bench *bench)
{
    bench_init(bench);
    assert_int_equal(bench->plugin->create(&bench->host.host, &bench->config, &bench->self, NULL), VIV_OK);
}

void
bench_close(struct bench *bench)
{
    bench->plugin->destroy(bench->self);
    fake_call_finish(&bench->call);
    fake_host_finish(&bench->host);
    for (uint32_t i = 0; i < bench->kept_count; i++) {
        free(bench->kept[i]);
    }
}

static const char *
keep(struct bench *bench, char *text)
{
    assert_non_null(text);
    assert_true(bench->kept_count < sizeof bench->kept / sizeof *bench->kept);
    bench->kept[bench->kept_count++] = text;
    return text;
}

void
bench_effect(struct bench *bench, struct fake_effect effect)
{
    fake_host_effect(&bench->host, effect);
}

void
bench_message(struct bench *bench, const char *message)
{
    bench_effect(bench, (struct fake_effect){ .output = message, .detail = BENCH_DETAIL });
}

static void
message_of(struct bench *bench, json_t *block, const char *stop)
{
    json_t *message = json_pack("{s:[o], s:s}", "content", block, "stop", stop);
    bench_message(bench, keep(bench, json_dumps(message, JSON_COMPACT)));
    json_decref(message);
}

void
bench_call(struct bench *bench, const char *name, const char *input)
{
    message_of(bench,
               json_pack("{s:s, s:s, s:s, s:s}", "type", "tool_call", "id", "its own", "name", name, "input_json",
                         input),
               "tool");
}

void
bench_done(struct bench *bench)
{
    bench_call(bench, "done", "{\"summary\":\"all is well\",\"claimed\":[\"a.c\"]}");
}

void
bench_text(struct bench *bench, const char *text, const char *stop)
{
    message_of(bench, json_pack("{s:s, s:s}", "type", "text", "text", text), stop);
}

viv_status
bench_run(struct bench *bench)
{
    bench->answer = (struct viv_executor_execute_answer){ .size = (uint32_t)sizeof bench->answer, .rev = 1 };
    bench->err = (struct viv_error)VIV_ERROR_INIT;
    return bench->table->execute(bench->self, &bench->call.call, &bench->request, &bench->answer, &bench->err);
}

/* Roles in turn, and each call answered by the next message, once and in order. */
static void
check_messages(const json_t *messages)
{
    assert_int_equal(json_array_size(messages) % 2, 1);
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        const json_t *content = json_object_get(message, "content");
        const json_t *next = json_object_get(json_array_get(messages, i + 1), "content");
        assert_string_equal(json_string_value(json_object_get(message, "role")), i % 2 ? "assistant" : "user");
        assert_in_range(json_array_size(content), 1, 256);
        size_t answered = 0;
        for (size_t j = 0; i % 2 && j < json_array_size(content); j++) {
            const json_t *id = json_object_get(json_array_get(content, j), "id");
            if (id) {
                assert_true(json_equal(id, json_object_get(json_array_get(next, answered++), "id")));
            }
        }
    }
}

struct json_t *
bench_request(const struct bench *bench, uint32_t number)
{
    assert_true(number < bench->host.requested && number < FAKE_EFFECTS_MAX);
    assert_int_equal(bench->host.requests[number].kind, VIV_EFFECT_MODEL);
    json_t *request = json_loads(bench->host.requests[number].spec_json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(request);
    check_messages(json_object_get(request, "messages"));
    return request;
}

void
bench_told(const struct bench *bench, uint32_t number, uint32_t at, const char *text, int error)
{
    json_t *request = bench_request(bench, number);
    const json_t *messages = json_object_get(request, "messages");
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const json_t *block = json_array_get(json_object_get(last, "content"), at);
    const json_t *failed = json_object_get(block, "error");
    assert_non_null(block);
    assert_int_equal(failed ? (int)json_integer_value(failed) : -1, error);
    assert_string_equal(json_string_value(json_object_get(block, "text")), text);
    json_decref(request);
}

void
bench_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part)) {
        fail_msg("'%s' is not in '%s'", part, text ? text : "");
    }
}

void
bench_ended(const struct bench *bench, const char *summary)
{
    json_t *result = json_loadb(bench->answer.result_json.data, bench->answer.result_json.len, 0, NULL);
    assert_non_null(result);
    assert_int_equal(bench->answer.done, 0);
    bench_has(json_string_value(json_object_get(result, "summary")), summary);
    json_decref(result);
}
