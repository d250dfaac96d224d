/* SPDX-License-Identifier: Apache-2.0 */
/* Tables first. Codes tell more than statuses, and a few sentences more than codes: a provider says "too many tokens
 * per minute" of a request that no waiting makes smaller. */
#include "failure.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "json.h"

struct word {
    const char *text;
    uint32_t class;
};

/* A type or a code, whole. */
static const struct word codes[] = {
    { "insufficient_quota", VIV_MODEL_QUOTA },
    { "billing_error", VIV_MODEL_QUOTA },
    { "billing_hard_limit_reached", VIV_MODEL_QUOTA },
    { "billing_not_active", VIV_MODEL_QUOTA },
    { "insufficient_balance", VIV_MODEL_QUOTA },
    { "context_length_exceeded", VIV_MODEL_TOO_LONG },
    { "exceed_context_size_error", VIV_MODEL_TOO_LONG },
    { "request_too_large", VIV_MODEL_TOO_LONG },
    { "string_above_max_length", VIV_MODEL_TOO_LONG },
    { "authentication_error", VIV_MODEL_AUTH },
    { "permission_error", VIV_MODEL_AUTH },
    { "invalid_api_key", VIV_MODEL_AUTH },
    { "insufficient_permissions", VIV_MODEL_AUTH },
    { "overloaded_error", VIV_MODEL_OVERLOADED },
    { "api_error", VIV_MODEL_OVERLOADED },
    { "timeout_error", VIV_MODEL_OVERLOADED },
    { "server_error", VIV_MODEL_OVERLOADED },
    { "internal_server_error", VIV_MODEL_OVERLOADED },
    { "service_unavailable", VIV_MODEL_OVERLOADED },
    { "rate_limit_error", VIV_MODEL_RATE_LIMITED },
    { "rate_limit_exceeded", VIV_MODEL_RATE_LIMITED },
    { "not_found_error", VIV_MODEL_INVALID },
    { "model_not_found", VIV_MODEL_INVALID },
    { "invalid_request_error", VIV_MODEL_INVALID },
};

/* Part of a message, in small letters. */
static const struct word phrases[] = {
    { "credit balance", VIV_MODEL_QUOTA },       { "exceeded your current quota", VIV_MODEL_QUOTA },
    { "insufficient balance", VIV_MODEL_QUOTA }, { "context length", VIV_MODEL_TOO_LONG },
    { "context size", VIV_MODEL_TOO_LONG },      { "context window", VIV_MODEL_TOO_LONG },
    { "context limit", VIV_MODEL_TOO_LONG },     { "prompt is too long", VIV_MODEL_TOO_LONG },
    { "input is too long", VIV_MODEL_TOO_LONG }, { "request too large", VIV_MODEL_TOO_LONG },
    { "reduce the length", VIV_MODEL_TOO_LONG },
};

static uint32_t
of_status(uint32_t status)
{
    switch (status) {
    case 401:
    case 403:
    case 407:
        return VIV_MODEL_AUTH;
    case 402:
        return VIV_MODEL_QUOTA;
    case 413:
        return VIV_MODEL_TOO_LONG;
    case 429:
        return VIV_MODEL_RATE_LIMITED;
    case 408: /* too slow; a lock; too early; no room in a flexible tier */
    case 409:
    case 425:
    case 498:
        return VIV_MODEL_OVERLOADED;
    case 501:
    case 505:
        return VIV_MODEL_INVALID;
    default:
        return status >= 500 ? VIV_MODEL_OVERLOADED : status >= 400 ? VIV_MODEL_INVALID : VIV_MODEL_BROKEN;
    }
}

static uint32_t
of_code(struct viv_str text)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (viv_kit_is_folded(text, codes[i].text))
            return codes[i].class;
    }
    return VIV_MODEL_OK;
}

static uint32_t
contains(struct viv_str text, const char *phrase)
{
    uint64_t len = strlen(phrase);
    for (uint64_t i = 0; i + len <= text.len; i++) {
        if (viv_kit_is_folded((struct viv_str){ text.data + i, len }, phrase))
            return 1;
    }
    return 0;
}

static uint32_t
of_message(struct viv_str message)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (contains(message, phrases[i].text))
            return phrases[i].class;
    }
    return VIV_MODEL_OK;
}

uint32_t
wire_failure_class(const struct wire_failure *failure)
{
    uint32_t by_code = of_code(failure->code);
    by_code = by_code && by_code != VIV_MODEL_INVALID ? by_code : of_code(failure->type);
    uint32_t status = failure->http_status;
    if (by_code == VIV_MODEL_QUOTA || by_code == VIV_MODEL_TOO_LONG)
        return by_code;
    if (status == 401 || status == 402 || status == 403 || status == 413)
        return of_status(status);
    uint32_t by_message = of_message(failure->message);
    if (by_message)
        return by_message;
    /* A status that says "wait" or "broken" is not undone by a type that every refusal has. */
    if (by_code && (by_code != VIV_MODEL_INVALID || status == 0))
        return by_code;
    return status ? of_status(status) : VIV_MODEL_OVERLOADED;
}

static struct viv_str
code_of(const json_t *error, const char *key, uint32_t *ret_status)
{
    const json_t *code = json_object_get(error, key);
    json_int_t number = json_is_integer(code) ? json_integer_value(code) : 0;
    if (number >= 400 && number < 600) {
        *ret_status = (uint32_t)number; /* a status, told inside an answer that began well */
    }
    return wire_json_text(error, key);
}

uint32_t
wire_failure_read(const struct json_t *root, struct wire_failure *failure)
{
    const json_t *error = json_object_get(root, "error");
    uint32_t status = 0;
    if (json_is_string(error)) {
        failure->message = wire_json_text(root, "error");
        return 1;
    }
    uint32_t bare = !json_is_object(error); /* its members stand at the top */
    const json_t *from = bare ? root : error;
    failure->type = wire_json_text(from, "type");
    failure->code = code_of(from, "code", &status);
    failure->message = wire_json_text(from, "message");
    if (failure->message.len == 0) {
        failure->message = wire_json_text(root, "detail");
    }
    if (failure->http_status == 0) {
        failure->http_status = status;
    }
    return !bare || failure->message.len > 0;
}

static struct viv_str
begin_of(struct viv_str text, uint64_t max)
{
    uint64_t len = 0;
    while (len < text.len) {
        uint32_t step = viv_kit_utf8((struct viv_str){ text.data + len, text.len - len });
        step = step ? step : 1;
        if (len + step > max)
            break;
        len += step;
    }
    return (struct viv_str){ text.data ? text.data : "", len };
}

void
wire_failure_say(const struct wire_failure *failure, uint32_t class, char *problem)
{
    char status[48] = "ends its answer with an error";
    struct viv_str type = begin_of(failure->type.len ? failure->type : failure->code, 64);
    struct viv_str message = begin_of(failure->message, 200);
    if (failure->http_status) {
        (void)snprintf(status, sizeof status, "answers with status %u", failure->http_status);
    }
    if (class == VIV_MODEL_AUTH) {
        message.len = 0;
    }
    wire_answer_say(problem, "the provider %s%s%.*s%s%.*s%s", status, type.len ? ", " : "", (int)type.len, type.data,
                    message.len ? ": " : "", (int)message.len, message.data,
                    failure->http_status >= 300 && failure->http_status < 400
                        ? "; redirects are not followed: set 'base_url' to where it leads"
                        : "");
}

void
wire_failure_take(struct wire_answer *answer, const struct json_t *root)
{
    struct wire_failure failure = { .http_status = 0 };
    char problem[WIRE_PROBLEM_MAX];
    (void)wire_failure_read(root, &failure);
    uint32_t class = wire_failure_class(&failure);
    failure.http_status = 0; /* the answer's own was a good one */
    wire_failure_say(&failure, class, problem);
    wire_answer_fail(answer, class, "%s", problem);
}
