/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a provider takes the host's memory or process, is understood as saying what it did not, or says
 * another thing when the network cuts its words elsewhere. The input is an answer: a line "WIRE STATUS", the lines of
 * its head, an empty line, its body. It is read whole, in pieces of a size that its length gives, and cut at its
 * middle. The same bytes are a request too, and JSON that a tool would be given. */
#include "fuzz.h"

#include <string.h>
#include <tree.h>

#include "../../plugins/model_anthropic/talk.h"
#include "../../plugins/model_openai/chat.h"
#include "../../plugins/model_wire/json.h"
#include "base/str.h"
#include "fake_host.h"

#define REQUEST                                                                                                    \
    "{\"base_url\":\"http://h\",\"model\":\"m\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":[" \
    "{\"type\":\"text\",\"text\":\"hi\"}]}],\"stream\":1}"

static void
write_nothing(const struct wire_request *request, const void *config, struct wire_body *body)
{
    (void)request;
    (void)config;
    (void)body;
}

static const struct wire_dialect dialects[] = {
    { "/a", "authorization", "Bearer ", NULL, NULL, write_nothing, chat_event, chat_whole },
    { "/b", "x-api-key", "", NULL, NULL, write_nothing, talk_event, talk_whole },
};

struct result {
    struct fake_call call;
    struct viv_model_complete_answer answer;
};

static void
answer(struct fake_host *host, const struct wire_dialect *dialect, struct fake_answer given, struct result *ret)
{
    struct wire_plugin plugin = { .dialect = dialect, .http = &host->http.http, .clock = &host->clock };
    struct viv_model_complete_request request = { (uint32_t)sizeof request, 1, fake_str(REQUEST) };
    struct viv_error err = VIV_ERROR_INIT;
    host->http.answers[0] = given;
    host->http.scripted = 1;
    host->http.requested = 0;
    fake_call_init(&ret->call, host);
    ret->answer = (struct viv_model_complete_answer){ .size = (uint32_t)sizeof ret->answer, .rev = 1 };
    viv_status status = wire_complete(&plugin, &ret->call.call, &request, &ret->answer, &err);
    FUZZ_MUST(status == VIV_OK, "what was sent has no answer: %s", err.text);
    FUZZ_MUST(ret->answer.outcome <= VIV_MODEL_BROKEN && ret->answer.sent == 1, "outcome %u", ret->answer.outcome);
    FUZZ_MUST(ret->answer.retry_after_ns >= 0 && ret->answer.retry_after_ns <= INT64_C(86400000000000),
              "an odd wait");
}

/* Canonical, with calls that the next request may hold; a problem in words when it is no answer. */
static void
look(const struct viv_model_complete_answer *found)
{
    struct vh_arena *arena = fuzz_arena();
    struct vh_json *message = NULL, *usage = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    char why[160];
    FUZZ_MUST(vh_json_read(arena, found->message_json, &message, &err) == VIV_OK, "message: %s", err.text);
    FUZZ_MUST(vh_json_read(arena, found->usage_json, &usage, &err) == VIV_OK, "usage: %s", err.text);
    const struct vh_json *content = vh_json_get(message, "content");
    for (const struct vh_json *block = content ? content->child : NULL; block; block = block->next) {
        if (vh_str_is(vh_json_str(block, "type"), "tool_call")) {
            FUZZ_MUST(wire_json_is_object(vh_json_str(block, "input_json"), why, sizeof why), "arguments: %s", why);
            FUZZ_MUST(vh_json_str(block, "id").len > 0 && vh_json_str(block, "name").len > 0,
                      "a call without a name");
        }
    }
    bool cut = vh_str_is(vh_json_str(message, "stop"), "cut");
    FUZZ_MUST(cut == (found->outcome != VIV_MODEL_OK), "outcome %u, cut %d", found->outcome, cut);
    for (const struct vh_json *count = usage->child; count; count = count->next) {
        FUZZ_MUST(count->integer >= 0 && count->integer <= WIRE_COUNT_MAX, "a count out of range");
    }
    if (found->outcome != VIV_MODEL_OK) {
        fuzz_line(vh_arena_text_of(arena, found->problem), "what is wrong");
    }
    vh_arena_destroy(arena);
}

static void
answers(struct viv_str text, const struct wire_dialect *dialect, uint32_t status)
{
    struct fake_host host;
    static struct result whole, pieces, half;
    struct viv_str head = fuzz_part(&text, "\n\n");
    char headers[2048];
    size_t len = head.len < sizeof headers - 2 ? (size_t)head.len : sizeof headers - 2;
    memcpy(headers, head.data ? head.data : "", len);
    memcpy(headers + len, "\n", 2);
    fake_host_init(&host);
    struct fake_answer given = { .status = status, .headers = headers, .body = text };
    answer(&host, dialect, given, &whole);
    given.piece = 1 + text.len % 61;
    answer(&host, dialect, given, &pieces);
    given.body.len = text.len / 2;
    given.end = VIV_E_IO;
    answer(&host, dialect, given, &half);
    look(&whole.answer);
    look(&half.answer);
    FUZZ_MUST(whole.answer.outcome == pieces.answer.outcome, "%u whole, %u in pieces", whole.answer.outcome,
              pieces.answer.outcome);
    FUZZ_MUST(vh_str_equal(whole.answer.message_json, pieces.answer.message_json), "another message in pieces");
    FUZZ_MUST(vh_str_equal(whole.answer.usage_json, pieces.answer.usage_json), "another usage in pieces");
    fuzz_count.accepted += whole.answer.outcome == VIV_MODEL_OK;
    fuzz_count.refused += whole.answer.outcome != VIV_MODEL_OK;
    fake_call_finish(&whole.call);
    fake_call_finish(&pieces.call);
    fake_call_finish(&half.call);
    fake_host_finish(&host);
}

/* The number behind the blank; what is none is 200. */
static uint32_t
status_of(struct viv_str line)
{
    uint32_t status = 0;
    for (uint64_t i = 0; i < line.len; i++) {
        char c = line.data[i];
        status = c >= '0' && c <= '9' && status < 100 ? status * 10 + (uint32_t)(c - '0') : status;
    }
    return status >= 100 && status < 600 ? status : 200;
}

static void
requests(struct viv_str text)
{
    struct wire_request request;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = wire_request_read(text, &request, &err);
    if (status != VIV_OK) {
        fuzz_message(status, &err);
    } else {
        int64_t bound = wire_request_bound(&request);
        FUZZ_MUST(bound > 0 && bound <= WIRE_COUNT_MAX, "bound %lld", (long long)bound);
        wire_request_close(&request);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct viv_str text = fuzz_text(data, size);
    requests(text);
    struct viv_str first = fuzz_part(&text, "\n");
    answers(text, &dialects[first.len > 0 && first.data[0] == 'a'], status_of(first));
    return 0;
}
