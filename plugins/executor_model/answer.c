/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are replaced always: providers differ in what they take back, and nine letters and digits suit all we know. */
#include "answer.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

struct reading {
    struct answer *answer;
    uint32_t step;
    uint32_t texts;
    uint32_t failed;
};

/* Characters may be cut in two at the seam; viv_tree_str() makes those U+FFFD. */
struct json_t *
answer_excerpt(struct viv_str text, uint64_t max)
{
    if (text.len <= max)
        return viv_tree_str(text);
    uint64_t half = max / 2;
    json_t *head = viv_tree_str((struct viv_str){ text.data, half });
    json_t *tail = viv_tree_str((struct viv_str){ text.data + text.len - half, half });
    json_t *whole = head && tail ? json_sprintf("%s\n[%llu bytes left out]\n%s", json_string_value(head),
                                                (unsigned long long)(text.len - 2 * half), json_string_value(tail))
                                 : NULL;
    json_decref(head);
    json_decref(tail);
    return whole;
}

static uint32_t
is_name(struct viv_str name)
{
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return 0;
    }
    return name.len > 0 && name.len <= 64;
}

static uint32_t
is_blank(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if (!memchr(" \t\r\n", text.data[i], 4))
            return 0;
    }
    return 1;
}

static void
keep_text(struct reading *reading, struct viv_str text)
{
    struct answer *answer = reading->answer;
    if (is_blank(text) || reading->texts == ANSWER_TEXTS_MAX)
        return;
    reading->texts++;
    json_t *kept = answer_excerpt(text, ANSWER_TEXT_MAX);
    json_t *block = json_object();
    viv_tree_set(block, "type", viv_tree_literal("text"), &reading->failed);
    viv_tree_set(block, "text", json_incref(kept), &reading->failed);
    viv_tree_push(answer->content, block, &reading->failed);
    json_decref(answer->text);
    answer->text = kept;
}

/* The arguments as an object, or why they are none. */
static void
read_input(struct reading *reading, const json_t *block, json_t *call)
{
    struct viv_error fault = VIV_ERROR_INIT;
    json_t *input = NULL;
    viv_status status = viv_tree_read(viv_tree_text(block, "input_json"), "the text of the arguments", &input, &fault);
    reading->failed |= status == VIV_E_MEMORY;
    if (json_is_object(input)) {
        viv_tree_set(call, "input", input, &reading->failed);
        return;
    }
    json_decref(input);
    viv_tree_set(call, "problem",
                 viv_tree_format("nothing was done: %s; allowed: a JSON object",
                                 status ? fault.text : "the arguments are no object"),
                 &reading->failed);
}

static void
keep_call(struct reading *reading, const json_t *block)
{
    struct answer *answer = reading->answer;
    size_t number = json_array_size(answer->calls);
    if (number == ANSWER_CALLS_MAX) {
        answer->dropped++;
        return;
    }
    struct viv_str name = viv_tree_text(block, "name");
    json_t *call = json_object();
    json_t *kept = json_object();
    json_t *id = viv_tree_format("c%05u%03zu", reading->step % 100000, number);
    viv_tree_set(call, "id", json_incref(id), &reading->failed);
    viv_tree_set(call, "name", is_name(name) ? viv_tree_str(name) : viv_tree_literal("unknown"), &reading->failed);
    read_input(reading, block, call);
    viv_tree_set(kept, "type", viv_tree_literal("tool_call"), &reading->failed);
    viv_tree_set(kept, "id", id, &reading->failed);
    viv_tree_set(kept, "name", json_incref(json_object_get(call, "name")), &reading->failed);
    viv_tree_set(kept, "input_json",
                 json_object_get(call, "input") ? viv_tree_str(viv_tree_text(block, "input_json"))
                                                : viv_tree_literal("{}"),
                 &reading->failed);
    viv_tree_push(answer->content, kept, &reading->failed);
    viv_tree_push(answer->calls, call, &reading->failed);
}

static enum answer_stop
stop_of(const json_t *message)
{
    struct viv_str stop = viv_tree_text(message, "stop");
    return viv_kit_is(stop, "length") || viv_kit_is(stop, "cut") ? ANSWER_CUT
           : viv_kit_is(stop, "refused")                         ? ANSWER_REFUSED
                                                                 : ANSWER_END;
}

static void
read_content(struct reading *reading, const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        struct viv_str type = viv_tree_text(block, "type");
        if (viv_kit_is(type, "text")) {
            keep_text(reading, viv_tree_text(block, "text"));
        } else if (viv_kit_is(type, "tool_call")) {
            keep_call(reading, block);
        }
    }
    reading->answer->stop = stop_of(message);
}

static viv_status
parse(struct viv_str text, json_t **ret_message, struct viv_error *err)
{
    if (text.len > ANSWER_BYTES_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "answer", "it has %llu bytes, allowed %u",
                             (unsigned long long)text.len, ANSWER_BYTES_MAX);
    }
    return viv_tree_read(text, "it", ret_message, err);
}

viv_status
answer_read(struct viv_str message_json, uint32_t step, struct answer *ret_answer, struct viv_error *err)
{
    struct viv_error fault = VIV_ERROR_INIT;
    struct reading reading = { .answer = ret_answer, .step = step };
    json_t *message = NULL;
    *ret_answer = (struct answer){ .content = json_array(), .calls = json_array() };
    viv_status status = parse(message_json, &message, &fault);
    if (status != VIV_OK && status != VIV_E_MEMORY) {
        (void)snprintf(ret_answer->problem, sizeof ret_answer->problem, "%.290s", fault.text);
    }
    read_content(&reading, message);
    json_decref(message);
    if (json_array_size(ret_answer->content) == 0) { /* a message of an assistant says something */
        json_t *block = json_object();
        viv_tree_set(block, "type", viv_tree_literal("text"), &reading.failed);
        viv_tree_set(block, "text", viv_tree_literal("(nothing)"), &reading.failed);
        viv_tree_push(ret_answer->content, block, &reading.failed);
    }
    if (reading.failed || status == VIV_E_MEMORY || !ret_answer->calls) {
        answer_close(ret_answer);
        return viv_tree_fail(err, VIV_E_MEMORY, "answer", "the answer does not fit into memory");
    }
    return VIV_OK;
}

void
answer_close(struct answer *answer)
{
    json_decref(answer->content);
    json_decref(answer->calls);
    json_decref(answer->text);
    *answer = (struct answer){ 0 };
}
