/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of this wire. A stream's chunk and a whole answer's choice differ in one name, `delta` or `message`, and
 * in whether a call comes in pieces. Only the first choice counts: no second was asked for. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <text.h>

#include "../model_wire/failure.h"
#include "../model_wire/json.h"
#include "chat.h"

/* Cached input is part of the prompt here. Reasoning that a server counts apart shows in the total alone. A report
 * that cannot be true is none. */
static void
take_usage(struct wire_answer *answer, const json_t *usage)
{
    if (!json_is_object(usage))
        return;
    const json_t *details = json_object_get(usage, "prompt_tokens_details");
    int64_t prompt = wire_json_count(usage, "prompt_tokens");
    int64_t output = wire_json_count(usage, "completion_tokens");
    int64_t total = wire_json_count(usage, "total_tokens");
    int64_t cached = wire_json_count(details, "cached_tokens");
    int64_t written = wire_json_count(details, "cache_write_tokens");
    cached = cached >= 0 ? cached : wire_json_count(usage, "prompt_cache_hit_tokens");
    int64_t parts = (cached > 0 ? cached : 0) + (written > 0 ? written : 0);
    if (prompt >= 0 && parts <= prompt) {
        answer->input_tokens = prompt - parts;
        answer->cached_tokens = cached;
        answer->cache_write_tokens = written;
    }
    if (output >= 0) {
        answer->output_tokens = prompt >= 0 && total - prompt > output ? total - prompt : output;
    }
}

static void
take_finish(struct wire_answer *answer, const json_t *choice)
{
    static const struct {
        const char *word;
        enum wire_stop stop;
    } words[] = {
        { "stop", WIRE_STOP_END },
        { "tool_calls", WIRE_STOP_END },
        { "function_call", WIRE_STOP_END },
        { "eos", WIRE_STOP_END },
        { "eos_token", WIRE_STOP_END },
        { "end_turn", WIRE_STOP_END },
        { "stop_sequence", WIRE_STOP_END },
        { "length", WIRE_STOP_LENGTH },
        { "max_tokens", WIRE_STOP_LENGTH },
        { "model_length", WIRE_STOP_LENGTH },
        { "content_filter", WIRE_STOP_REFUSED },
        { "refusal", WIRE_STOP_REFUSED },
    };
    struct viv_str reason = wire_json_text(choice, "finish_reason");
    if (reason.len == 0)
        return;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (viv_kit_is(reason, words[i].word)) {
            answer->stop = answer->stop == WIRE_STOP_REFUSED ? WIRE_STOP_REFUSED : words[i].stop;
            answer->finished = 1;
            for (uint32_t j = 0; j < answer->count; j++) {
                answer->blocks[j].whole = 1;
            }
            return;
        }
    }
    wire_answer_fail(answer, VIV_MODEL_OVERLOADED, "the provider ended its answer for '%.*s', which is not known",
                     (int)(reason.len < 64 ? reason.len : 64), reason.data);
}

/* How blocks are found again; calls have the wire's index, if it says one. */
#define INDEX_TEXT (-1)
#define INDEX_OTHER (-2)
#define INDEX_NONE (-3)

/* The text block, made when the first text comes. */
static void
take_text(struct wire_answer *answer, struct viv_str text, enum wire_kind kind)
{
    int64_t index = kind == WIRE_TEXT ? INDEX_TEXT : INDEX_OTHER;
    if (text.len == 0)
        return;
    struct wire_block *block = wire_answer_find(answer, index);
    wire_answer_add(answer, block ? block : wire_answer_open(answer, kind, index), text);
}

/* Content is a text, or parts with texts. */
static void
take_content(struct wire_answer *answer, const json_t *content)
{
    if (json_is_string(content)) {
        take_text(answer, (struct viv_str){ json_string_value(content), json_string_length(content) }, WIRE_TEXT);
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        take_text(answer, wire_json_text(part, "text"),
                  viv_kit_is(wire_json_text(part, "type"), "text") ? WIRE_TEXT : WIRE_OTHER);
    }
}

/* The call that a piece goes on with, or NULL: it begins one. Servers differ: an index; one index for all calls, told
 * apart by ids; no index, and an id or a name only where a call begins. */
static struct wire_block *
find_call(struct wire_answer *answer, int64_t index, struct viv_str id, struct viv_str name)
{
    struct wire_block *last = answer->count ? &answer->blocks[answer->count - 1] : NULL;
    struct wire_block *found = index >= 0 ? wire_answer_find(answer, index) : last;
    if (!found || found->kind != WIRE_CALL)
        return NULL;
    if (id.len > 0 && found->id.len > 0)
        return viv_kit_compare(found->id, id) == 0 ? found : NULL;
    return index < 0 && name.len > 0 && found->name.len > 0 ? NULL : found;
}

static void
take_call(struct wire_answer *answer, const json_t *piece, uint32_t whole)
{
    const json_t *function = json_object_get(piece, "function");
    struct viv_str id = wire_json_text(piece, "id");
    struct viv_str name = wire_json_text(function, "name");
    int64_t index = wire_json_count(piece, "index");
    const json_t *arguments = json_object_get(function, "arguments");
    if (!json_is_object(function) || (arguments && !json_is_string(arguments) && !json_is_null(arguments))) {
        wire_answer_break(answer, "a tool call of the answer has no function, or arguments that are no text");
        return;
    }
    struct wire_block *block = whole ? NULL : find_call(answer, index, id, name);
    if (!block) {
        for (uint32_t i = 0; i < answer->count; i++) {
            answer->blocks[i].whole = 1; /* the next one has begun */
        }
        block = wire_answer_open(answer, WIRE_CALL, index >= 0 ? index : INDEX_NONE);
    }
    if (!block)
        return;
    answer->begun = 1;
    block->id = block->id.len ? block->id : wire_answer_keep(answer, id);
    block->name = block->name.len ? block->name : wire_answer_keep(answer, name);
    wire_answer_add(answer, block, wire_json_text(function, "arguments"));
}

/* `said` is a delta or a message. */
static void
take_said(struct wire_answer *answer, const json_t *said, uint32_t whole)
{
    const json_t *calls = json_object_get(said, "tool_calls");
    struct viv_str refusal = wire_json_text(said, "refusal");
    take_text(answer, wire_json_text(said, "reasoning_content"), WIRE_OTHER);
    take_text(answer, wire_json_text(said, "reasoning"), WIRE_OTHER);
    take_content(answer, json_object_get(said, "content"));
    if (refusal.len > 0) {
        answer->stop = WIRE_STOP_REFUSED;
        take_text(answer, refusal, WIRE_TEXT);
    }
    for (size_t i = 0; i < json_array_size(calls); i++) {
        take_call(answer, json_array_get(calls, i), whole);
    }
}

static void
take_root(struct wire_answer *answer, const json_t *root, const char *said, uint32_t whole)
{
    const json_t *choices = json_object_get(root, "choices");
    const json_t *choice = json_array_get(choices, 0);
    const json_t *error = json_object_get(root, "error");
    if (error && !json_is_null(error)) {
        wire_failure_take(answer, root);
        return;
    }
    take_usage(answer, json_object_get(json_object_get(root, "x_groq"), "usage"));
    take_usage(answer, json_object_get(root, "usage"));
    if (!choice)
        return;
    take_said(answer, json_object_get(choice, said), whole);
    take_finish(answer, choice);
}

void
chat_event(struct wire_answer *answer, struct viv_str name, struct viv_str data)
{
    (void)name; /* this wire has none; "error" says so in its data too */
    if (wire_request_blank(data))
        return;
    if (viv_kit_is(data, "[DONE]")) {
        answer->ended = 1;
        return;
    }
    json_t *root = wire_answer_parse(answer, data, "an event");
    if (root) {
        take_root(answer, root, "delta", 0);
    }
    json_decref(root);
}

void
chat_whole(struct wire_answer *answer, struct viv_str text)
{
    json_t *root = wire_answer_parse(answer, text, "the body");
    if (root) {
        take_root(answer, root, "message", 1);
        if (!answer->finished && !answer->failed) {
            wire_answer_break(answer, "the answer has no choice with a finish_reason");
        }
    }
    json_decref(root);
}
