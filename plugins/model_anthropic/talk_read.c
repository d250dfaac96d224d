/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of this wire. A stream opens blocks by their index, fills and closes them; message_delta says why it
 * ended and what it cost. Events and blocks that are not known are passed over: the wire promises new ones. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <text.h>

#include "../model_wire/failure.h"
#include "../model_wire/json.h"
#include "talk.h"

/* What was read from the cache and written to it is not part of the input here. A later count replaces an earlier
 * one. The first event counts an output that has not been made yet, so it takes none. */
static void
take_usage(struct wire_answer *answer, const json_t *usage, uint32_t with_output)
{
    const struct {
        const char *name;
        int64_t *place;
    } counts[] = {
        { "input_tokens", &answer->input_tokens },
        { "cache_read_input_tokens", &answer->cached_tokens },
        { "cache_creation_input_tokens", &answer->cache_write_tokens },
        { "output_tokens", with_output ? &answer->output_tokens : NULL },
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t count = wire_json_count(usage, counts[i].name);
        if (counts[i].place && count >= 0) {
            *counts[i].place = count;
        }
    }
}

static void
take_stop(struct wire_answer *answer, struct viv_str reason)
{
    static const struct {
        const char *word;
        enum wire_stop stop;
    } words[] = {
        { "end_turn", WIRE_STOP_END },    { "stop_sequence", WIRE_STOP_END },
        { "tool_use", WIRE_STOP_END },    { "max_tokens", WIRE_STOP_LENGTH },
        { "refusal", WIRE_STOP_REFUSED }, { "model_context_window_exceeded", WIRE_STOP_LENGTH },
    };
    if (reason.len == 0)
        return;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (viv_kit_is(reason, words[i].word)) {
            answer->stop = words[i].stop;
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

/* `input` is the block's own, as bytes; a stream says an empty one and sends the rest in pieces. */
static void
open_block(struct wire_answer *answer, const json_t *value, int64_t index, struct viv_str input)
{
    struct viv_str type = wire_json_text(value, "type");
    enum wire_kind kind = viv_kit_is(type, "text")       ? WIRE_TEXT
                          : viv_kit_is(type, "tool_use") ? WIRE_CALL
                                                         : WIRE_OTHER;
    struct wire_block *block = wire_answer_open(answer, kind, index);
    if (!block)
        return;
    if (kind == WIRE_TEXT) {
        wire_answer_add(answer, block, wire_json_text(value, "text"));
    } else if (kind == WIRE_CALL) {
        answer->begun = 1;
        block->id = wire_answer_keep(answer, wire_json_text(value, "id"));
        block->name = wire_answer_keep(answer, wire_json_text(value, "name"));
        wire_answer_add(answer, block, input);
    } else {
        answer->begun = 1; /* thinking, and whatever comes to be: it is paid for */
    }
}

static void
take_start(struct wire_answer *answer, const json_t *root, struct viv_str data, int64_t index)
{
    static const char *const path[] = { "content_block", "input", NULL };
    const json_t *value = json_object_get(root, "content_block");
    uint32_t filled = json_object_size(json_object_get(value, "input")) > 0;
    struct viv_str input = { NULL, 0 };
    if (!json_is_object(value) || index < 0) {
        wire_answer_break(answer, "an event of the answer begins a block that is none");
        return;
    }
    if (filled) {
        input = wire_json_slice(answer->call, data, path);
    }
    open_block(answer, value, index, input);
}

static void
take_delta(struct wire_answer *answer, const json_t *root, int64_t index)
{
    static const char *const texts[] = { "text", "partial_json", "thinking" };
    const json_t *delta = json_object_get(root, "delta");
    struct wire_block *block = index >= 0 ? wire_answer_find(answer, index) : NULL;
    if (!block) {
        wire_answer_break(answer, "an event of the answer goes on with a block that did not begin");
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        wire_answer_add(answer, block, wire_json_text(delta, texts[i]));
    }
}

static void
take_close(struct wire_answer *answer, int64_t index)
{
    struct wire_block *block = index >= 0 ? wire_answer_find(answer, index) : NULL;
    if (block) {
        block->whole = 1;
    }
}

void
talk_event(struct wire_answer *answer, struct viv_str name, struct viv_str data)
{
    json_t *root = wire_answer_parse(answer, data, "an event");
    struct viv_str type = wire_json_text(root, "type");
    int64_t index = wire_json_count(root, "index");
    type = type.len ? type : name;
    if (!root)
        return;
    if (viv_kit_is(type, "message_start")) {
        take_usage(answer, json_object_get(json_object_get(root, "message"), "usage"), 0);
    } else if (viv_kit_is(type, "content_block_start")) {
        take_start(answer, root, data, index);
    } else if (viv_kit_is(type, "content_block_delta")) {
        take_delta(answer, root, index);
    } else if (viv_kit_is(type, "content_block_stop")) {
        take_close(answer, index);
    } else if (viv_kit_is(type, "message_delta")) {
        take_usage(answer, json_object_get(root, "usage"), 1);
        take_stop(answer, wire_json_text(json_object_get(root, "delta"), "stop_reason"));
    } else if (viv_kit_is(type, "message_stop")) {
        answer->ended = 1;
    } else if (viv_kit_is(type, "error")) {
        wire_failure_take(answer, root);
    }
    json_decref(root);
}

static void
take_blocks(struct wire_answer *answer, const json_t *content, struct viv_str text)
{
    char item[24];
    const char *path[] = { "content", item, "input", NULL };
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        struct viv_str input = { NULL, 0 };
        if (json_object_get(block, "input")) {
            (void)snprintf(item, sizeof item, "#%zu", i);
            input = wire_json_slice(answer->call, text, path);
        }
        open_block(answer, block, (int64_t)i, input);
    }
}

void
talk_whole(struct wire_answer *answer, struct viv_str text)
{
    json_t *root = wire_answer_parse(answer, text, "the body");
    if (root && viv_kit_is(wire_json_text(root, "type"), "error")) {
        wire_failure_take(answer, root);
    } else if (root) {
        take_blocks(answer, json_object_get(root, "content"), text);
        take_usage(answer, json_object_get(root, "usage"), 1);
        take_stop(answer, wire_json_text(root, "stop_reason"));
        if (!answer->finished && !answer->failed) {
            wire_answer_break(answer, "the answer has no stop_reason");
        }
    }
    json_decref(root);
}
