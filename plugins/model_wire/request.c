/* SPDX-License-Identifier: Apache-2.0 */
/* The members beside the messages; those are in messages.c. */
#include "request.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "json.h"
#include "messages.h"

static viv_status
check_members(const json_t *root, struct viv_error *err)
{
    static const char *const known[] = { "base_url", "secret",     "model", "system", "messages",
                                         "tools",    "max_tokens", "stop",  "stream", "cache" };
    return wire_known(root, "the request", known, sizeof known / sizeof *known, err);
}

viv_status
wire_known(const struct json_t *object, const char *where, const char *const *known, size_t count,
           struct viv_error *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(object))
        return viv_tree_fail(err, VIV_E_INVALID, "request", "%s is no object", where);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        uint32_t found = 0;
        for (size_t i = 0; i < count; i++) {
            found |= strcmp(known[i], key) == 0;
        }
        if (!found) {
            return viv_tree_fail(err, VIV_E_INVALID, "request", "%s has the member '%.64s', which is not known",
                                 where, key);
        }
    }
    return VIV_OK;
}

viv_status
wire_text(const struct json_t *object, const char *key, uint64_t max, struct viv_str *ret_text, struct viv_error *err)
{
    const json_t *member = json_object_get(object, key);
    struct viv_str text = wire_json_text(object, key);
    if (member && !json_is_string(member))
        return viv_tree_fail(err, VIV_E_INVALID, "request", "'%s' is no text", key);
    if (text.len > max) {
        return viv_tree_fail(err, VIV_E_INVALID, "request", "'%s' has %llu bytes, allowed %llu", key,
                             (unsigned long long)text.len, (unsigned long long)max);
    }
    *ret_text = text;
    return VIV_OK;
}

/* A text that stands in a line: an id, a name. */
uint32_t
wire_is_word(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return 0;
    }
    return text.len > 0 && text.len <= WIRE_TEXT_MAX;
}

static viv_status
read_base_url(struct wire_request *request, struct viv_error *err)
{
    viv_status status = wire_text(request->root, "base_url", WIRE_URL_MAX, &request->base_url, err);
    struct viv_str *url = &request->base_url;
    if (status != VIV_OK)
        return status;
    uint64_t scheme = url->len > 8 && memcmp(url->data, "https://", 8) == 0  ? 8
                      : url->len > 7 && memcmp(url->data, "http://", 7) == 0 ? 7
                                                                             : 0;
    for (uint64_t i = 0; scheme && i < url->len; i++) {
        unsigned char c = (unsigned char)url->data[i];
        if (c <= ' ' || c >= 0x7f || strchr("?#@\\\"<>", c)) {
            scheme = 0;
        }
    }
    while (scheme && url->len > scheme && url->data[url->len - 1] == '/') {
        url->len--;
    }
    if (!scheme || url->len == scheme) {
        return viv_tree_fail(
            err, VIV_E_INVALID, "request",
            "'base_url' is '%.*s', allowed: http:// or https://, a host, and a path without ?, # and @",
            (int)(url->len < 100 ? url->len : 100), url->data ? url->data : "");
    }
    return VIV_OK;
}

static viv_status
read_names(struct wire_request *request, struct viv_error *err)
{
    viv_status status = wire_text(request->root, "model", WIRE_TEXT_MAX, &request->model, err);
    status = status ? status : wire_text(request->root, "secret", WIRE_TEXT_MAX, &request->secret, err);
    status = status ? status : wire_text(request->root, "system", WIRE_REQUEST_MAX, &request->system, err);
    if (status == VIV_OK && !wire_is_word(request->model)) {
        status = viv_tree_fail(err, VIV_E_INVALID, "request",
                               "'model' is missing or has blanks, allowed 1 to %d bytes", WIRE_TEXT_MAX);
    }
    if (status == VIV_OK && json_object_get(request->root, "secret") && !wire_is_word(request->secret)) {
        status = viv_tree_fail(err, VIV_E_INVALID, "request",
                               "'secret' is empty or has blanks, allowed: the name of a secret of the policy");
    }
    return status;
}

static viv_status
read_switch(const json_t *root, const char *key, uint32_t *ret_on, struct viv_error *err)
{
    const json_t *member = json_object_get(root, key);
    int64_t number = member ? wire_json_count(root, key) : 0;
    if (number < 0 || number > 1)
        return viv_tree_fail(err, VIV_E_INVALID, "request", "'%s' is neither 0 nor 1", key);
    *ret_on = (uint32_t)number;
    return VIV_OK;
}

static viv_status
read_numbers(struct wire_request *request, struct viv_error *err)
{
    request->max_tokens = wire_json_count(request->root, "max_tokens");
    if (request->max_tokens < 1 || request->max_tokens > WIRE_TOKENS_MAX) {
        return viv_tree_fail(
            err, VIV_E_INVALID, "request",
            "'max_tokens' is missing or out of range, allowed 1 to %d: without it nothing bounds the cost",
            WIRE_TOKENS_MAX);
    }
    viv_status status = read_switch(request->root, "stream", &request->stream, err);
    return status ? status : read_switch(request->root, "cache", &request->cache, err);
}

static viv_status
read_stops(struct wire_request *request, struct viv_error *err)
{
    const json_t *stop = json_object_get(request->root, "stop");
    if (stop && (!json_is_array(stop) || json_array_size(stop) > WIRE_STOPS_MAX))
        return viv_tree_fail(err, VIV_E_INVALID, "request", "'stop' is no list of at most %d texts", WIRE_STOPS_MAX);
    for (size_t i = 0; i < json_array_size(stop); i++) {
        const json_t *one = json_array_get(stop, i);
        struct viv_str text = { json_string_value(one), json_string_length(one) };
        if (wire_request_blank(text) || text.len > WIRE_TEXT_MAX) {
            return viv_tree_fail(err, VIV_E_INVALID, "request",
                                 "stop/%zu is no text of 1 to %d bytes that has more than blanks", i, WIRE_TEXT_MAX);
        }
    }
    request->stop = json_array_size(stop) ? stop : NULL;
    return VIV_OK;
}

static viv_status
read_all(struct wire_request *request, struct viv_error *err)
{
    viv_status status = check_members(request->root, err);
    status = status ? status : read_base_url(request, err);
    status = status ? status : read_names(request, err);
    status = status ? status : read_numbers(request, err);
    status = status ? status : read_stops(request, err);
    status = status ? status : wire_tools_check(json_object_get(request->root, "tools"), err);
    status = status ? status : wire_messages_check(json_object_get(request->root, "messages"), err);
    request->messages = json_object_get(request->root, "messages");
    request->tools = json_object_get(request->root, "tools");
    if (json_array_size(request->tools) == 0) {
        request->tools = NULL; /* some providers refuse an empty list */
    }
    return status;
}

viv_status
wire_request_read(struct viv_str text, struct wire_request *ret_request, struct viv_error *err)
{
    char why[160];
    memset(ret_request, 0, sizeof *ret_request);
    if (text.len > WIRE_REQUEST_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "request", "it has %llu bytes, allowed %u",
                             (unsigned long long)text.len, WIRE_REQUEST_MAX);
    }
    ret_request->root = wire_json_parse(text, why, sizeof why);
    if (!ret_request->root)
        return viv_tree_fail(err, VIV_E_INVALID, "request", "it cannot be read: %s", why);
    viv_status status = read_all(ret_request, err);
    if (status != VIV_OK) {
        wire_request_close(ret_request);
    }
    return status;
}

void
wire_request_close(struct wire_request *request)
{
    json_decref(request->root);
    request->root = NULL;
}

uint32_t
wire_request_blank(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if (!strchr(" \t\r\n", text.data[i]) || text.data[i] == '\0')
            return 0;
    }
    return 1;
}
