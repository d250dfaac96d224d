/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin for models does not get along with a provider as it is on a network: the built files, asked
 * over sockets, both wires, as a stream and whole, with everything that a script can do wrong. */
#include "../support/cm.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/draft/model.h>

#include "fake_host.h"
#include "loopback.h"

#define WHOLE 1
#define STREAM 2
#define BOTH 3

static struct endpoint endpoint;

struct wire {
    const char *file;
    const char *base; /* behind the port */
    const struct viv_plugin *plugin;
    const struct viv_model *model;
    void *self;
};

static struct wire wires[] = { { .file = "model_openai.so", .base = "/v1" },
                               { .file = "model_anthropic.so", .base = "" } };

struct asking {
    struct fake_host host;
    struct fake_call call;
    struct loopback loopback;
    struct viv_model_complete_answer answer;
    struct viv_error err;
    viv_status status;
};

static void
load(struct wire *wire, struct asking *asking)
{
    char path[4096];
    struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    struct viv_refusal refusal = { .size = (uint32_t)sizeof refusal, .rev = 1 };
    viv_plugin_entry_fn entry = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", PLUGIN_FOLDER, wire->file);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    *(void **)&entry = dlsym(library, "viv_plugin_entry");
    wire->plugin = entry(&offer, &refusal);
    assert_non_null(wire->plugin);
    wire->model = wire->plugin->offers[0].table;
    assert_int_equal(wire->plugin->create(&asking->host.host, wire->plugin->defaults, &wire->self, &asking->err),
                     VIV_OK);
}

static void
begin(struct asking *asking)
{
    fake_host_init(&asking->host);
    fake_call_init(&asking->call, &asking->host);
    loopback_init(&asking->loopback);
    asking->host.http.http = asking->loopback.http;
    asking->host.http.http.host_data = &asking->loopback;
    for (size_t i = 0; i < 2; i++) {
        load(&wires[i], asking);
    }
}

static void
end(struct asking *asking)
{
    for (size_t i = 0; i < 2; i++) {
        wires[i].plugin->destroy(wires[i].self);
    }
    fake_call_finish(&asking->call);
    fake_host_finish(&asking->host);
}

static void
ask(struct asking *asking, const struct wire *wire, const char *request)
{
    struct viv_model_complete_request complete = { (uint32_t)sizeof complete, 1, fake_str(request) };
    fake_call_finish(&asking->call);
    fake_call_init(&asking->call, &asking->host);
    asking->answer = (struct viv_model_complete_answer){ .size = (uint32_t)sizeof asking->answer, .rev = 1 };
    asking->err = (struct viv_error)VIV_ERROR_INIT;
    asking->status = wire->model->complete(wire->self, &asking->call.call, &complete, &asking->answer, &asking->err);
}

static void
ask_turn(struct asking *asking, const struct wire *wire, const char *name, uint32_t stream, const char *model)
{
    char request[1024];
    (void)snprintf(
        request, sizeof request,
        "{\"base_url\":\"http://127.0.0.1:%d%s\",\"secret\":\"k\",\"model\":\"%s\",\"max_tokens\":10,\"stream\":%u,"
        "\"system\":\"S\",\"tools\":[{\"name\":\"read\",\"description\":\"d\",\"schema_json\":\"{\\\"type\\\":"
        "\\\"object\\\"}\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"<%s>\"}]}]}",
        endpoint.port, wire->base, model, stream, name);
    ask(asking, wire, request);
}

/* What a turn of plugins.json must become. Texts are parts of message, usage and problem; NULL: any. */
static const struct row {
    const char *name;
    uint32_t modes;
    uint32_t outcome;
    const char *message;
    const char *usage;
    const char *problem;
} rows[] = {
    { "plain", BOTH, VIV_MODEL_OK,
      "{\"content\":[{\"text\":\"Hello w\xc3\xb6rld \xf0\x9f\x98\x80.\",\"type\":\"text\"}],\"stop\":\"end\"}",
      "\"cached_tokens\":40", NULL },
    { "tools", BOTH, VIV_MODEL_OK, "\"name\":\"read\",\"type\":\"tool_call\"}",
      "\"input_tokens\":11,\"output_tokens\":22", NULL },
    { "tools", BOTH, VIV_MODEL_OK,
      "\"input_json\":\"{}\",\"name\":\"list\",\"type\":\"tool_call\"}],\"stop\":\"tool\"}", NULL, NULL },
    { "bad-arguments", BOTH, VIV_MODEL_BROKEN, NULL, NULL, "arguments that are no JSON object" },
    { "length", BOTH, VIV_MODEL_OK, "\"stop\":\"length\"", NULL, NULL },
    { "filter", BOTH, VIV_MODEL_OK, "\"stop\":\"refused\"", NULL, NULL },
    { "rate", BOTH, VIV_MODEL_RATE_LIMITED, NULL, NULL, "status 429" },
    { "overloaded", BOTH, VIV_MODEL_OVERLOADED, NULL, NULL, "status 529" },
    { "quota", BOTH, VIV_MODEL_QUOTA, NULL, NULL, NULL },
    { "long", BOTH, VIV_MODEL_TOO_LONG, NULL, NULL, "prompt is too long" },
    { "redirect", BOTH, VIV_MODEL_BROKEN, NULL, NULL, "redirects are not followed" },
    { "slow", BOTH, VIV_MODEL_OK, "abc def ghi", NULL, NULL },
    { "split", BOTH, VIV_MODEL_OK, "\xc3\xa4\xc3\xb6\xc3\xbc \xf0\x9f\x98\x80", NULL, NULL },
    { "pings", STREAM, VIV_MODEL_OK, "abc", NULL, NULL },
    { "start", BOTH, VIV_MODEL_UNREACHABLE, NULL, "{}", "there was no answer" },
    { "cut", BOTH, VIV_MODEL_CUT, "\"stop\":\"cut\"", NULL, "the answer ended in its middle" },
    { "reset", STREAM, VIV_MODEL_UNREACHABLE, NULL, NULL, NULL },
    { "garbage", STREAM, VIV_MODEL_OK, "abc", NULL, NULL },
    { "malformed", BOTH, VIV_MODEL_BROKEN, NULL, NULL, "cannot be read" },
    { "oversized", STREAM, VIV_MODEL_BROKEN, NULL, NULL, "one event of the answer has over" },
    { "oversized", WHOLE, VIV_MODEL_BROKEN, NULL, NULL, "more than 'max_tokens' can be" },
    { "error-frame", STREAM, VIV_MODEL_CUT, "abc", NULL, "overloaded_error" },
    { "error-first", STREAM, VIV_MODEL_RATE_LIMITED, "[]", NULL, "rate_limit_error" },
    { "no-usage", BOTH, VIV_MODEL_OK, "abc", "{}", NULL },
    { "odd-usage", BOTH, VIV_MODEL_OK, "abc", NULL, NULL },
    { "usage-twice", STREAM, VIV_MODEL_OK, "abc", "\"input_tokens\":5,\"output_tokens\":6", NULL },
    { "usage-twice", WHOLE, VIV_MODEL_BROKEN, NULL, "{}", "a member is there twice" },
    { "no-stop", STREAM, VIV_MODEL_OK, "abc", "output_tokens", NULL },
    { "stop-twice", STREAM, VIV_MODEL_OK, "abc", NULL, NULL },
    { "bad-size", STREAM, VIV_MODEL_CUT, "abc", NULL, NULL },
    { "no-end", STREAM, VIV_MODEL_OK, "abc", "output_tokens", NULL },
    { "off", BOTH, VIV_MODEL_OK, "abc", NULL, NULL },
    { "endless", STREAM, VIV_MODEL_BROKEN, NULL, NULL, "more than 'max_tokens' can be" },
};

static int
has(struct viv_str text, const char *part)
{
    char *copy = calloc(1, (size_t)text.len + 1);
    memcpy(copy, text.data, (size_t)text.len);
    int found = !part || (strcmp(part, "{}") == 0 ? strcmp(copy, part) == 0 : strstr(copy, part) != NULL);
    if (!found) {
        print_error("'%s' has no '%s'\n", copy, part);
    }
    free(copy);
    return found;
}

static void
look(struct asking *asking, const struct row *row)
{
    const struct viv_model_complete_answer *answer = &asking->answer;
    assert_int_equal(asking->status, VIV_OK);
    if (answer->outcome != row->outcome) {
        print_error("%s: %.*s\n", row->name, (int)answer->problem.len, answer->problem.data);
    }
    assert_int_equal(answer->outcome, row->outcome);
    assert_true(has(answer->message_json, row->message));
    assert_true(has(answer->usage_json, row->usage));
    assert_true(has(answer->problem, row->problem));
    assert_int_equal(answer->sent, 1);
    assert_int_equal(answer->retry_after_ns, strcmp(row->name, "rate") == 0 ? INT64_C(3000000000) : 0);
}

static void
every_turn_has_its_outcome(void **state)
{
    (void)state;
    struct asking asking;
    begin(&asking);
    for (uint64_t most = 0; most <= 7; most += 7) {
        asking.loopback.most = most;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            for (uint32_t j = 0; j < 4; j++) {
                uint32_t stream = j & 1;
                if (!(rows[i].modes & (stream ? STREAM : WHOLE)) || (most && strcmp(rows[i].name, "oversized") == 0))
                    continue;
                ask_turn(&asking, &wires[j >> 1], rows[i].name, stream, "m");
                look(&asking, &rows[i]);
            }
        }
    }
    end(&asking);
}

/* A slow machine may run out of time before the first text: both are right, and neither is a whole answer. */
static void
a_stalled_stream_ends(void **state)
{
    (void)state;
    struct asking asking;
    begin(&asking);
    asking.loopback.idle_ms_max = 1000;
    for (size_t i = 0; i < 2; i++) {
        ask_turn(&asking, &wires[i], "stall", 1, "m");
        assert_int_equal(asking.status, VIV_OK);
        assert_int_equal(asking.answer.outcome, asking.answer.begun ? VIV_MODEL_CUT : VIV_MODEL_UNREACHABLE);
        assert_true(has(asking.answer.problem, "nothing came in time"));
    }
    end(&asking);
}

static void
a_conversation_with_tools_goes_over_both_wires(void **state)
{
    (void)state;
    struct asking asking;
    begin(&asking);
    for (uint32_t j = 0; j < 4; j++) {
        char request[1024];
        (void)snprintf(request, sizeof request,
                       "{\"base_url\":\"http://"
                       "127.0.0.1:%d%s\",\"secret\":\"k\",\"model\":\"m\",\"max_tokens\":10,\"stream\":%u,"
                       "\"cache\":1,\"system\":\"S\",\"stop\":[\"END\"],\"messages\":[{\"role\":\"user\",\"content\":"
                       "[{\"type\":\"text\","
                       "\"text\":\"q\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_call\",\"id\":\"i\","
                       "\"name\":\"read\","
                       "\"input_json\":\"{\\\"n\\\":1.50}\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_"
                       "result\",\"id\":\"i\","
                       "\"text\":\"the bytes <answered>\"}]}]}",
                       endpoint.port, wires[j >> 1].base, j & 1);
        ask(&asking, &wires[j >> 1], request);
        assert_int_equal(asking.answer.outcome, VIV_MODEL_OK);
        assert_true(has(asking.answer.message_json, "Thanks."));
    }
    end(&asking);
}

static void
keys_models_and_places_may_be_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int port; /* 0: the endpoint's */
        const char *path;
        const char *members;
        viv_status status;
        uint32_t outcome;
        uint32_t sent;
        const char *problem;
    } cases[] = {
        { "127.0.0.1", 0, "", "\"secret\":\"other\",\"model\":\"m\"", VIV_OK, VIV_MODEL_AUTH, 1, "status 401" },
        { "127.0.0.1", 0, "", "\"model\":\"m\"", VIV_OK, VIV_MODEL_AUTH, 1, "status 401" },
        { "127.0.0.1", 0, "", "\"secret\":\"k\",\"model\":\"x\"", VIV_OK, VIV_MODEL_INVALID, 1, "status 404" },
        { "127.0.0.1", 0, "/nowhere", "\"secret\":\"k\",\"model\":\"m\"", VIV_OK, VIV_MODEL_INVALID, 1,
          "status 404" },
        { "127.0.0.1", 1, "", "\"secret\":\"k\",\"model\":\"m\"", VIV_OK, VIV_MODEL_UNREACHABLE, 0,
          "nobody listens" },
        { "example.invalid", 0, "", "\"model\":\"m\"", VIV_E_DENIED, 0, 0, NULL },
    };
    struct asking asking;
    begin(&asking);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const struct wire *wire = &wires[i & 1];
        char request[1024];
        (void)snprintf(
            request, sizeof request,
            "{\"base_url\":\"http://%s:%d%s%s\",%s,\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":["
            "{\"type\":\"text\",\"text\":\"<plain>\"}]}]}",
            cases[i / 2].host, cases[i / 2].port ? cases[i / 2].port : endpoint.port, wire->base, cases[i / 2].path,
            cases[i / 2].members);
        ask(&asking, wire, request);
        assert_int_equal(asking.status, cases[i / 2].status);
        assert_int_equal(asking.answer.outcome, cases[i / 2].outcome);
        assert_int_equal(asking.answer.sent, cases[i / 2].sent);
        assert_true(asking.status != VIV_OK || has(asking.answer.problem, cases[i / 2].problem));
        assert_true(asking.status == VIV_OK || strstr(asking.err.text, "only 127.0.0.1 is allowed"));
    }
    end(&asking);
}

struct gathered {
    char text[65536];
    size_t len;
};

static viv_status
take_head(void *data, uint32_t status, const struct viv_http_header *headers, uint32_t count)
{
    (void)data;
    (void)headers;
    (void)count;
    return status == 200 ? VIV_OK : VIV_E_INVALID;
}

static viv_status
take_body(void *data, struct viv_str piece)
{
    struct gathered *gathered = data;
    assert_true(gathered->len + piece.len < sizeof gathered->text);
    memcpy(gathered->text + gathered->len, piece.data, (size_t)piece.len);
    gathered->len += (size_t)piece.len;
    return VIV_OK;
}

static int64_t
number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* What the endpoint says that it reported is what the plugins understood, to the token. */
static void
sums_agree_with_the_endpoint(void **state)
{
    (void)state;
    static struct gathered gathered;
    struct asking asking;
    int64_t input = 0, cached = 0, output = 0;
    begin(&asking);
    for (uint32_t j = 0; j < 8; j++) {
        ask_turn(&asking, &wires[j & 1], j & 4 ? "plain" : "tools", j >> 1 & 1, "sum");
        assert_int_equal(asking.answer.outcome, VIV_MODEL_OK);
        json_t *usage = json_loadb(asking.answer.usage_json.data, (size_t)asking.answer.usage_json.len, 0, NULL);
        input += number(usage, "input_tokens") + number(usage, "cached_tokens") + number(usage, "cache_write_tokens");
        cached += number(usage, "cached_tokens");
        output += number(usage, "output_tokens");
        json_decref(usage);
    }
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/mock/report", endpoint.port);
    struct viv_http_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .method = fake_str("GET"), .url = fake_str(url)
    };
    struct viv_http_sink sink = { (uint32_t)sizeof sink, 1, &gathered, take_head, take_body };
    uint32_t sent = 0;
    const struct viv_http *http = &asking.loopback.http;
    assert_int_equal(http->exchange(http, &asking.call.call, &request, &sink, &sent, &asking.err), VIV_OK);
    json_t *report = json_loadb(gathered.text, gathered.len, 0, NULL);
    const json_t *told = json_object_get(json_object_get(json_object_get(report, "models"), "sum"), "reported");
    assert_int_equal(number(told, "input"), input);
    assert_int_equal(number(told, "cached"), cached);
    assert_int_equal(number(told, "output"), output);
    assert_int_equal(output, 4 * 7 + 4 * 22);
    json_decref(report);
    end(&asking);
}

static int
start(void **state)
{
    (void)state;
    endpoint_start(&endpoint, PYTHON, MOCK_MODEL, SCRIPT);
    return endpoint.port ? 0 : -1;
}

static int
stop(void **state)
{
    (void)state;
    endpoint_stop(&endpoint);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_has_its_outcome),
        cmocka_unit_test(a_stalled_stream_ends),
        cmocka_unit_test(a_conversation_with_tools_goes_over_both_wires),
        cmocka_unit_test(keys_models_and_places_may_be_wrong),
        cmocka_unit_test(sums_agree_with_the_endpoint),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
