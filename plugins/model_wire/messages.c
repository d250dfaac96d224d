/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation: user and assistant in turn, user first and last; every tool call of an assistant is answered at the
 * begin of the next message, once. Both wires want that, and say it less clearly. */
#include "messages.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "json.h"
#include "request.h"

/* Where we are, for messages. */
struct place {
    struct viv_error *err;
    size_t message;
    size_t block;
    const json_t *calls; /* content of the assistant's message before */
};

static viv_status
refuse(const struct place *place, const char *what)
{
    return viv_tree_fail(place->err, VIV_E_INVALID, "request", "messages/%zu/content/%zu: %s", place->message,
                         place->block, what);
}

uint32_t
wire_is_name(struct viv_str name)
{
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return 0;
    }
    return name.len > 0 && name.len <= WIRE_NAME_MAX;
}

static viv_status
check_tool(const json_t *tools, size_t at, struct viv_error *err)
{
    static const char *const known[] = { "name", "description", "schema_json" };
    const json_t *tool = json_array_get(tools, at);
    char where[32], why[160];
    struct viv_str name, text;
    (void)snprintf(where, sizeof where, "tools/%zu", at);
    viv_status status = wire_known(tool, where, known, 3, err);
    status = status ? status : wire_text(tool, "name", WIRE_NAME_MAX, &name, err);
    status = status ? status : wire_text(tool, "description", WIRE_REQUEST_MAX, &text, err);
    status = status ? status : wire_text(tool, "schema_json", WIRE_REQUEST_MAX, &text, err);
    if (status != VIV_OK)
        return status;
    if (!wire_is_name(name)) {
        return viv_tree_fail(err, VIV_E_INVALID, "request",
                             "%s: its name is missing or wrong, allowed 1 to %d of a-z, "
                             "A-Z, 0-9, _ and -",
                             where, WIRE_NAME_MAX);
    }
    if (!wire_json_is_object(text, why, sizeof why)) {
        return viv_tree_fail(err, VIV_E_INVALID, "request", "%s: 'schema_json' is no JSON object in a text: %s",
                             where, why);
    }
    for (size_t i = 0; i < at; i++) {
        if (viv_kit_compare(name, wire_json_text(json_array_get(tools, i), "name")) == 0) {
            return viv_tree_fail(err, VIV_E_INVALID, "request", "%s: the name '%.*s' is there twice", where,
                                 (int)name.len, name.data);
        }
    }
    return VIV_OK;
}

viv_status
wire_tools_check(const struct json_t *tools, struct viv_error *err)
{
    viv_status status = VIV_OK;
    if (tools && (!json_is_array(tools) || json_array_size(tools) > WIRE_TOOLS_MAX))
        return viv_tree_fail(err, VIV_E_INVALID, "request", "'tools' is no list of at most %d tools", WIRE_TOOLS_MAX);
    for (size_t i = 0; status == VIV_OK && i < json_array_size(tools); i++) {
        status = check_tool(tools, i, err);
    }
    return status;
}

static uint32_t
is_type(const json_t *block, const char *type)
{
    return viv_kit_is(wire_json_text(block, "type"), type);
}

/* How often `content` has a block of this type and id, among its first `end`. */
static uint32_t
count_id(const json_t *content, size_t end, const char *type, struct viv_str id)
{
    uint32_t count = 0;
    for (size_t i = 0; i < end && i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        count += is_type(block, type) && viv_kit_compare(wire_json_text(block, "id"), id) == 0;
    }
    return count;
}

static viv_status
check_text(const struct place *place, const json_t *block)
{
    static const char *const known[] = { "type", "text" };
    struct viv_str text;
    viv_status status = wire_known(block, "a text", known, 2, place->err);
    status = status ? status : wire_text(block, "text", WIRE_REQUEST_MAX, &text, place->err);
    return status || text.len > 0 ? status : refuse(place, "its text is empty");
}

static viv_status
check_call(const struct place *place, const json_t *block, const json_t *content)
{
    static const char *const known[] = { "type", "id", "name", "input_json" };
    char why[160];
    struct viv_str id, name, input;
    viv_status status = wire_known(block, "a tool_call", known, 4, place->err);
    status = status ? status : wire_text(block, "id", WIRE_TEXT_MAX, &id, place->err);
    status = status ? status : wire_text(block, "name", WIRE_NAME_MAX, &name, place->err);
    status = status ? status : wire_text(block, "input_json", WIRE_REQUEST_MAX, &input, place->err);
    if (status != VIV_OK)
        return status;
    if (!wire_is_word(id))
        return refuse(place, "its id is missing or has blanks");
    if (!wire_is_name(name))
        return refuse(place, "its name is missing or wrong, allowed 1 to 64 of a-z, A-Z, 0-9, _ and -");
    if (!wire_json_is_object(input, why, sizeof why))
        return refuse(place, "'input_json' is no JSON object in a text");
    return count_id(content, place->block, "tool_call", id) ? refuse(place, "its id is there twice") : VIV_OK;
}

static viv_status
check_result(const struct place *place, const json_t *block, const json_t *content)
{
    static const char *const known[] = { "type", "id", "text", "error" };
    struct viv_str id, text;
    viv_status status = wire_known(block, "a tool_result", known, 4, place->err);
    status = status ? status : wire_text(block, "id", WIRE_TEXT_MAX, &id, place->err);
    status = status ? status : wire_text(block, "text", WIRE_REQUEST_MAX, &text, place->err);
    if (status != VIV_OK)
        return status;
    int64_t error = json_object_get(block, "error") ? wire_json_count(block, "error") : 0;
    if (error != 0 && error != 1)
        return refuse(place, "'error' is neither 0 nor 1");
    if (place->block > 0 && !is_type(json_array_get(content, place->block - 1), "tool_result"))
        return refuse(place, "a tool_result stands behind a text, allowed: before all texts");
    if (count_id(place->calls, WIRE_BLOCKS_MAX, "tool_call", id) == 0)
        return refuse(place, "no tool_call of the message before has this id");
    return count_id(content, place->block, "tool_result", id) ? refuse(place, "its id is there twice") : VIV_OK;
}

static viv_status
check_block(const struct place *place, const json_t *block, const json_t *content, uint32_t user)
{
    if (is_type(block, "text"))
        return check_text(place, block);
    if (!user && is_type(block, "tool_call"))
        return check_call(place, block, content);
    if (user && is_type(block, "tool_result"))
        return check_result(place, block, content);
    return refuse(place, user ? "its type is not known, allowed of a user: text, tool_result"
                              : "its type is not known, allowed of an assistant: text, tool_call");
}

static viv_status
check_answered(const struct place *place, const json_t *content)
{
    for (size_t i = 0; i < json_array_size(place->calls); i++) {
        const json_t *call = json_array_get(place->calls, i);
        struct viv_str id = wire_json_text(call, "id");
        if (is_type(call, "tool_call") && count_id(content, WIRE_BLOCKS_MAX, "tool_result", id) == 0) {
            return viv_tree_fail(place->err, VIV_E_INVALID, "request",
                                 "messages/%zu: the tool_call '%.*s' before it has no tool_result", place->message,
                                 (int)(id.len < 80 ? id.len : 80), id.data);
        }
    }
    return VIV_OK;
}

static viv_status
check_message(struct place *place, const json_t *message)
{
    static const char *const known[] = { "role", "content" };
    char where[48];
    uint32_t user = place->message % 2 == 0;
    uint32_t says = 0;
    (void)snprintf(where, sizeof where, "messages/%zu", place->message);
    viv_status status = wire_known(message, where, known, 2, place->err);
    if (status != VIV_OK)
        return status;
    if (!viv_kit_is(wire_json_text(message, "role"), user ? "user" : "assistant")) {
        return viv_tree_fail(place->err, VIV_E_INVALID, "request",
                             "%s: its role is not '%s'; user and assistant speak in turn, the user first", where,
                             user ? "user" : "assistant");
    }
    const json_t *content = json_object_get(message, "content");
    size_t count = json_array_size(content);
    if (count > WIRE_BLOCKS_MAX) {
        return viv_tree_fail(place->err, VIV_E_INVALID, "request", "%s has %zu blocks, allowed %d", where, count,
                             WIRE_BLOCKS_MAX);
    }
    for (place->block = 0; status == VIV_OK && place->block < count; place->block++) {
        const json_t *block = json_array_get(content, place->block);
        status = check_block(place, block, content, user);
        says |= !is_type(block, "text") || !wire_request_blank(wire_json_text(block, "text"));
    }
    if (status == VIV_OK && !says) {
        status = viv_tree_fail(place->err, VIV_E_INVALID, "request", "%s: its content has nothing but blanks", where);
    }
    status = status || !user ? status : check_answered(place, content);
    place->calls = user ? NULL : content;
    return status;
}

viv_status
wire_messages_check(const struct json_t *messages, struct viv_error *err)
{
    struct place place = { .err = err };
    size_t count = json_array_size(messages);
    if (count < 1 || count > WIRE_MESSAGES_MAX || count % 2 == 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "request",
                             "'messages' are %zu, allowed an odd number from 1 to %d: the user speaks first and last",
                             count, WIRE_MESSAGES_MAX);
    }
    viv_status status = VIV_OK;
    for (; status == VIV_OK && place.message < count; place.message++) {
        status = check_message(&place, json_array_get(messages, place.message));
    }
    return status;
}
