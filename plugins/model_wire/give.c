/* SPDX-License-Identifier: Apache-2.0 */
/* An answer in the interface's words. No call is given whose arguments did not come whole: nobody may run half of
 * one. */
#include "answer.h"

#include <kit.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "messages.h"

static struct viv_str
arguments_of(const struct wire_block *block)
{
    struct viv_str text = { block->text.data, block->text.len };
    return wire_request_blank(text) ? viv_kit_str("{}") : text; /* a tool without parameters */
}

static uint32_t
id_taken(const struct wire_answer *answer, uint32_t end, struct viv_str id)
{
    for (uint32_t i = 0; i < end; i++) {
        if (answer->blocks[i].kind == WIRE_CALL && viv_kit_compare(answer->blocks[i].id, id) == 0)
            return 1;
    }
    return 0;
}

/* Some servers give no ids, or one to all: the next request needs them to be there and different. */
static void
name_call(struct wire_answer *answer, uint32_t at)
{
    struct wire_block *block = &answer->blocks[at];
    char made[32];
    for (uint32_t number = at + 1; !wire_is_word(block->id) || id_taken(answer, at, block->id); number++) {
        (void)snprintf(made, sizeof made, "call_%u", number);
        block->id = wire_answer_keep(answer, viv_kit_str(made));
        if (answer->broken)
            return;
    }
}

static uint32_t
is_whole(const struct wire_answer *answer, const struct wire_block *block)
{
    char why[160];
    if (answer->stop == WIRE_STOP_LENGTH && block->text.len == 0)
        return 0; /* it ended before the first of its arguments */
    return block->whole && wire_is_name(block->name) && wire_json_is_object(arguments_of(block), why, sizeof why);
}

/* Drops what is no whole call. In an answer that was not cut, such a call breaks it. */
static void
check_calls(struct wire_answer *answer, uint32_t whole)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        struct wire_block *block = &answer->blocks[i];
        if (block->kind != WIRE_CALL)
            continue;
        if (is_whole(answer, block)) {
            name_call(answer, i);
            continue;
        }
        if (whole && answer->stop != WIRE_STOP_LENGTH) {
            wire_answer_break(answer,
                              "tool call %u of the answer, '%.*s', has no name that a tool may have, or arguments "
                              "that are no JSON object",
                              i + 1, (int)(block->name.len < 64 ? block->name.len : 64),
                              block->name.data ? block->name.data : "");
        }
        block->kind = WIRE_OTHER;
    }
}

static uint32_t
has_calls(const struct wire_answer *answer)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        if (answer->blocks[i].kind == WIRE_CALL)
            return 1;
    }
    return 0;
}

static const char *
stop_of(const struct wire_answer *answer, uint32_t class)
{
    if (class != VIV_MODEL_OK)
        return "cut";
    if (answer->stop == WIRE_STOP_LENGTH)
        return "length";
    if (answer->stop == WIRE_STOP_REFUSED)
        return "refused";
    return has_calls(answer) ? "tool" : "end";
}

static viv_status
write_message(const struct wire_answer *answer, uint32_t class, struct viv_str *ret_text)
{
    struct viv_kit_json json;
    viv_kit_json_init(&json, viv_kit_memory_of(answer->call), 8 * (uint64_t)WIRE_CONTENT_MAX);
    viv_kit_json_object(&json, NULL);
    viv_kit_json_list(&json, "content");
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct wire_block *block = &answer->blocks[i];
        if (block->kind == WIRE_OTHER || (block->kind == WIRE_TEXT && block->text.len == 0))
            continue;
        viv_kit_json_object(&json, NULL);
        if (block->kind == WIRE_CALL) {
            viv_kit_json_text(&json, "id", block->id);
            viv_kit_json_text(&json, "input_json", arguments_of(block));
            viv_kit_json_text(&json, "name", block->name);
        } else {
            viv_kit_json_text(&json, "text", (struct viv_str){ block->text.data, block->text.len });
        }
        viv_kit_json_text(&json, "type", viv_kit_str(block->kind == WIRE_CALL ? "tool_call" : "text"));
        viv_kit_json_end(&json);
    }
    viv_kit_json_end(&json);
    viv_kit_json_text(&json, "stop", viv_kit_str(stop_of(answer, class)));
    viv_kit_json_end(&json);
    return viv_kit_json_finish(&json, ret_text, NULL);
}

/* Input is known with the first words; output only from an answer that came to its end. A report that says a request
 * had no input at all, or that content cost nothing, is none. */
static viv_status
write_usage(const struct wire_answer *answer, struct viv_str *ret_text)
{
    struct viv_kit_json json;
    int64_t input = answer->input_tokens;
    int64_t cached = answer->cached_tokens;
    int64_t written = answer->cache_write_tokens;
    uint32_t none = input < 0 || input + (cached > 0 ? cached : 0) + (written > 0 ? written : 0) == 0;
    uint32_t output =
        answer->finished && answer->output_tokens >= 0 && (answer->output_tokens > 0 || answer->bytes == 0);
    viv_kit_json_init(&json, viv_kit_memory_of(answer->call), 1024);
    viv_kit_json_object(&json, NULL);
    if (!none && written >= 0) {
        viv_kit_json_integer(&json, "cache_write_tokens", written);
    }
    if (!none && cached >= 0) {
        viv_kit_json_integer(&json, "cached_tokens", cached);
    }
    if (!none) {
        viv_kit_json_integer(&json, "input_tokens", input);
    }
    if (output) {
        viv_kit_json_integer(&json, "output_tokens", answer->output_tokens);
    }
    viv_kit_json_end(&json);
    return viv_kit_json_finish(&json, ret_text, NULL);
}

/* What an answer with these faults is, if nothing else is known of it. */
static uint32_t
class_of(const struct wire_answer *answer, uint32_t class)
{
    if (answer->failed)
        return answer->begun ? VIV_MODEL_CUT : answer->failed_class;
    return answer->broken ? VIV_MODEL_BROKEN : class;
}

viv_status
wire_answer_give(struct wire_answer *answer, uint32_t class, struct viv_model_complete_answer *ret_answer)
{
    check_calls(answer, class_of(answer, class) == VIV_MODEL_OK);
    class = class_of(answer, class);
    struct viv_str message = viv_kit_str("{\"content\":[],\"stop\":\"cut\"}");
    struct viv_str usage = viv_kit_str("{}");
    viv_status status = write_message(answer, class, &message);
    status = status ? status : write_usage(answer, &usage);
    if (status != VIV_OK) { /* what was paid for is told all the same */
        wire_answer_say(answer->problem, "the answer does not fit into memory");
        class = VIV_MODEL_BROKEN;
        message = viv_kit_str("{\"content\":[],\"stop\":\"cut\"}");
    }
    uint64_t len = strlen(answer->problem);
    char *problem = class == VIV_MODEL_OK ? NULL : answer->call->alloc(answer->call, len + 1);
    if (problem) {
        memcpy(problem, answer->problem, (size_t)len + 1);
    }
    ret_answer->outcome = class;
    ret_answer->begun = answer->begun;
    ret_answer->message_json = message;
    ret_answer->usage_json = usage;
    ret_answer->problem = problem                 ? (struct viv_str){ problem, len }
                          : class == VIV_MODEL_OK ? viv_kit_str("")
                                                  : viv_kit_str("no memory to say what is wrong");
    return VIV_OK;
}
