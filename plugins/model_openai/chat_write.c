/* SPDX-License-Identifier: Apache-2.0 */
/* A request in this wire's words. One answer, never more: `n` is not said. */
#include <jansson.h>
#include <string.h>
#include <text.h>

#include "../model_wire/json.h"
#include "chat.h"
#include "model_openai_manifest.h"

uint32_t
chat_host_in(struct viv_str url, struct viv_str hosts)
{
    const char *slashes = "://";
    uint64_t start = 0;
    while (start + 3 <= url.len && memcmp(url.data + start, slashes, 3) != 0) {
        start++;
    }
    start += 3;
    uint64_t end = start;
    while (end < url.len && url.data[end] != '/' && url.data[end] != ':') {
        end++;
    }
    for (uint64_t i = 0; i < hosts.len;) {
        uint64_t from = i;
        while (i < hosts.len && hosts.data[i] != ' ') {
            i++;
        }
        uint32_t same = i - from == end - start;
        for (uint64_t j = 0; same && j < i - from; j++) {
            char a = hosts.data[from + j];
            char b = url.data[start + j];
            same = (a >= 'A' && a <= 'Z' ? a + 32 : a) == (b >= 'A' && b <= 'Z' ? b + 32 : b);
        }
        if (same && i > from)
            return 1;
        i++;
    }
    return 0;
}

static void
simple_message(struct wire_body *body, const char *role, struct viv_str text)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "role", viv_kit_str(role));
    wire_body_text(body, "content", text);
    wire_body_close(body, '}');
}

static uint32_t
is_type(const json_t *block, const char *type)
{
    return viv_kit_is(wire_json_text(block, "type"), type);
}

/* How many blocks are of this type. */
static size_t
count_of(const json_t *content, const char *type)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(content); i++) {
        count += is_type(json_array_get(content, i), type);
    }
    return count;
}

/* One text goes as a text, which every server takes; several as parts. */
static void
put_texts(struct wire_body *body, const json_t *content)
{
    size_t count = count_of(content, "text");
    if (count > 1) {
        wire_body_open(body, "content", '[');
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        if (!is_type(block, "text"))
            continue;
        if (count == 1) {
            wire_body_text(body, "content", wire_json_text(block, "text"));
            continue;
        }
        wire_body_open(body, NULL, '{');
        wire_body_text(body, "type", viv_kit_str("text"));
        wire_body_text(body, "text", wire_json_text(block, "text"));
        wire_body_close(body, '}');
    }
    if (count > 1) {
        wire_body_close(body, ']');
    }
}

static void
put_user(struct wire_body *body, const json_t *content)
{
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        if (!is_type(block, "tool_result"))
            continue;
        wire_body_open(body, NULL, '{');
        wire_body_text(body, "role", viv_kit_str("tool"));
        wire_body_text(body, "tool_call_id", wire_json_text(block, "id"));
        wire_body_text(body, "content", wire_json_text(block, "text"));
        wire_body_close(body, '}');
    }
    if (count_of(content, "text") == 0)
        return;
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "role", viv_kit_str("user"));
    put_texts(body, content);
    wire_body_close(body, '}');
}

static void
put_call(struct wire_body *body, const json_t *block)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "id", wire_json_text(block, "id"));
    wire_body_text(body, "type", viv_kit_str("function"));
    wire_body_open(body, "function", '{');
    wire_body_text(body, "name", wire_json_text(block, "name"));
    wire_body_text(body, "arguments", wire_json_text(block, "input_json"));
    wire_body_close(body, '}');
    wire_body_close(body, '}');
}

static void
put_assistant(struct wire_body *body, const json_t *content)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "role", viv_kit_str("assistant"));
    if (count_of(content, "text") > 0) {
        put_texts(body, content);
    } else {
        wire_body_word(body, "content", "null");
    }
    if (count_of(content, "tool_call") > 0) {
        wire_body_open(body, "tool_calls", '[');
        for (size_t i = 0; i < json_array_size(content); i++) {
            const json_t *block = json_array_get(content, i);
            if (is_type(block, "tool_call")) {
                put_call(body, block);
            }
        }
        wire_body_close(body, ']');
    }
    wire_body_close(body, '}');
}

static void
put_messages(struct wire_body *body, const struct wire_request *request)
{
    wire_body_open(body, "messages", '[');
    if (request->system.len > 0) {
        simple_message(body, "system", request->system);
    }
    for (size_t i = 0; i < json_array_size(request->messages); i++) {
        const json_t *content = json_object_get(json_array_get(request->messages, i), "content");
        if (i % 2 == 0) {
            put_user(body, content);
        } else {
            put_assistant(body, content);
        }
    }
    wire_body_close(body, ']');
}

static void
put_tools(struct wire_body *body, const json_t *tools)
{
    if (!tools)
        return;
    wire_body_open(body, "tools", '[');
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        wire_body_open(body, NULL, '{');
        wire_body_text(body, "type", viv_kit_str("function"));
        wire_body_open(body, "function", '{');
        wire_body_text(body, "name", wire_json_text(tool, "name"));
        if (wire_json_text(tool, "description").len > 0) {
            wire_body_text(body, "description", wire_json_text(tool, "description"));
        }
        wire_body_raw(body, "parameters", wire_json_text(tool, "schema_json"));
        wire_body_close(body, '}');
        wire_body_close(body, '}');
    }
    wire_body_close(body, ']');
}

void
chat_write(const struct wire_request *request, const void *config, struct wire_body *body)
{
    const struct model_openai_config *settings = config;
    uint32_t completion = chat_host_in(request->base_url, settings->completion_hosts);
    wire_body_text(body, "model", request->model);
    put_messages(body, request);
    put_tools(body, request->tools);
    wire_body_integer(body, completion ? "max_completion_tokens" : "max_tokens", request->max_tokens);
    if (request->stop) {
        wire_body_open(body, "stop", '[');
        for (size_t i = 0; i < json_array_size(request->stop); i++) {
            const json_t *one = json_array_get(request->stop, i);
            wire_body_text(body, NULL, (struct viv_str){ json_string_value(one), json_string_length(one) });
        }
        wire_body_close(body, ']');
    }
    wire_body_word(body, "stream", request->stream ? "true" : "false");
    if (request->stream && !chat_host_in(request->base_url, settings->plain_hosts)) {
        wire_body_open(body, "stream_options", '{');
        wire_body_word(body, "include_usage", "true");
        wire_body_close(body, '}');
    }
}
