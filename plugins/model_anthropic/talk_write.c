/* SPDX-License-Identifier: Apache-2.0 */
/* A request in this wire's words. Texts of nothing but blanks are left out, since the provider refuses them. */
#include <jansson.h>
#include <text.h>

#include "../model_wire/json.h"
#include "talk.h"

/* What is before this block is to be kept by the provider for the next request. */
static void
put_mark(struct wire_body *body, uint32_t marked)
{
    if (!marked)
        return;
    wire_body_open(body, "cache_control", '{');
    wire_body_text(body, "type", viv_kit_str("ephemeral"));
    wire_body_close(body, '}');
}

static void
put_text(struct wire_body *body, struct viv_str text, uint32_t marked)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "type", viv_kit_str("text"));
    wire_body_text(body, "text", text);
    put_mark(body, marked);
    wire_body_close(body, '}');
}

static void
put_call(struct wire_body *body, const json_t *block, uint32_t marked)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "type", viv_kit_str("tool_use"));
    wire_body_text(body, "id", wire_json_text(block, "id"));
    wire_body_text(body, "name", wire_json_text(block, "name"));
    wire_body_raw(body, "input", wire_json_text(block, "input_json"));
    put_mark(body, marked);
    wire_body_close(body, '}');
}

static void
put_result(struct wire_body *body, const json_t *block, uint32_t marked)
{
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "type", viv_kit_str("tool_result"));
    wire_body_text(body, "tool_use_id", wire_json_text(block, "id"));
    wire_body_text(body, "content", wire_json_text(block, "text"));
    if (wire_json_count(block, "error") == 1) {
        wire_body_word(body, "is_error", "true");
    }
    put_mark(body, marked);
    wire_body_close(body, '}');
}

static uint32_t
is_left_out(const json_t *block)
{
    return viv_kit_is(wire_json_text(block, "type"), "text") && wire_request_blank(wire_json_text(block, "text"));
}

static void
put_block(struct wire_body *body, const json_t *block, uint32_t marked)
{
    struct viv_str type = wire_json_text(block, "type");
    if (viv_kit_is(type, "text")) {
        put_text(body, wire_json_text(block, "text"), marked);
    } else if (viv_kit_is(type, "tool_call")) {
        put_call(body, block, marked);
    } else {
        put_result(body, block, marked);
    }
}

/* `marked`: its last block is. */
static void
put_message(struct wire_body *body, const json_t *message, uint32_t marked)
{
    const json_t *content = json_object_get(message, "content");
    size_t last = 0;
    for (size_t i = 0; i < json_array_size(content); i++) {
        last = is_left_out(json_array_get(content, i)) ? last : i;
    }
    wire_body_open(body, NULL, '{');
    wire_body_text(body, "role", wire_json_text(message, "role"));
    wire_body_open(body, "content", '[');
    for (size_t i = 0; i <= last; i++) {
        const json_t *block = json_array_get(content, i);
        if (!is_left_out(block)) {
            put_block(body, block, marked && i == last);
        }
    }
    wire_body_close(body, ']');
    wire_body_close(body, '}');
}

static void
put_system(struct wire_body *body, const struct wire_request *request)
{
    if (wire_request_blank(request->system))
        return;
    wire_body_open(body, "system", '[');
    put_text(body, request->system, request->cache);
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
        wire_body_text(body, "name", wire_json_text(tool, "name"));
        if (wire_json_text(tool, "description").len > 0) {
            wire_body_text(body, "description", wire_json_text(tool, "description"));
        }
        wire_body_raw(body, "input_schema", wire_json_text(tool, "schema_json"));
        wire_body_close(body, '}');
    }
    wire_body_close(body, ']');
}

void
talk_write(const struct wire_request *request, const void *config, struct wire_body *body)
{
    size_t count = json_array_size(request->messages);
    (void)config;
    wire_body_text(body, "model", request->model);
    wire_body_integer(body, "max_tokens", request->max_tokens);
    put_system(body, request);
    wire_body_open(body, "messages", '[');
    for (size_t i = 0; i < count; i++) {
        put_message(body, json_array_get(request->messages, i), request->cache && i + 1 == count);
    }
    wire_body_close(body, ']');
    put_tools(body, request->tools);
    if (request->stop) {
        wire_body_open(body, "stop_sequences", '[');
        for (size_t i = 0; i < json_array_size(request->stop); i++) {
            const json_t *one = json_array_get(request->stop, i);
            wire_body_text(body, NULL, (struct viv_str){ json_string_value(one), json_string_length(one) });
        }
        wire_body_close(body, ']');
    }
    wire_body_word(body, "stream", request->stream ? "true" : "false");
}
