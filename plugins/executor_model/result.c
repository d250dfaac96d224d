/* SPDX-License-Identifier: Apache-2.0 */
#include "result.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <tree.h>

#include "answer.h"

static viv_status
no_memory(struct viv_error *err)
{
    return viv_tree_fail(err, VIV_E_MEMORY, "result", "the result does not fit into memory");
}

viv_status
result_open(struct result *result, struct viv_error *err)
{
    *result = (struct result){ .models = json_object(), .claimed = json_array() };
    if (result->models && result->claimed)
        return VIV_OK;
    result_close(result);
    return no_memory(err);
}

void
result_close(struct result *result)
{
    json_decref(result->models);
    json_decref(result->summary);
    json_decref(result->claimed);
    json_decref(result->text);
    *result = (struct result){ 0 };
}

/* What no record can hold stays at its end. */
static int64_t
sum(int64_t a, int64_t b)
{
    return b > VIV_TREE_INTEGER_MAX - a ? VIV_TREE_INTEGER_MAX : a + b;
}

static int64_t
count_of(const json_t *object, const char *key, int64_t fallback)
{
    int64_t count = viv_tree_integer(object, key, fallback);
    return count < 0 ? fallback : count > VIV_TREE_INTEGER_MAX ? VIV_TREE_INTEGER_MAX : count;
}

static void
raise(json_t *object, const char *key, int64_t by, uint32_t *failed)
{
    viv_tree_set(object, key, json_integer(sum(viv_tree_integer(object, key, 0), by)), failed);
}

/* The account of one model, made when it is new. */
static json_t *
account_of(struct result *result, const json_t *detail, uint32_t *failed)
{
    struct viv_str name = viv_tree_text(detail, "model");
    const char *key = name.len ? name.data : "unknown";
    if (!json_object_get(result->models, key)) {
        viv_tree_set(result->models, key, json_object(), failed);
    }
    return json_object_get(result->models, key);
}

viv_status
result_count(struct result *result, struct viv_str detail_json, uint64_t request_bytes, int64_t most_output,
             struct viv_error *err)
{
    json_t *detail = NULL;
    uint32_t failed = 0;
    viv_status status = viv_tree_read(detail_json, "what the door says of the answer", &detail, err);
    if (status != VIV_OK)
        return status;
    const json_t *usage = json_object_get(detail, "usage");
    int64_t input = count_of(usage, "input_tokens", (int64_t)request_bytes);
    input = sum(input, count_of(usage, "cached_tokens", 0));
    input = sum(input, count_of(usage, "cache_write_tokens", 0));
    int64_t output = count_of(usage, "output_tokens", most_output);
    json_t *account = account_of(result, detail, &failed);
    raise(account, "calls", 1, &failed);
    raise(account, "cost_micro", count_of(detail, "cost_micro", 0), &failed);
    raise(account, "input_tokens", input, &failed);
    raise(account, "output_tokens", output, &failed);
    result->tokens = sum(result->tokens, sum(input, output));
    json_decref(detail);
    return failed ? no_memory(err) : VIV_OK;
}

viv_status
result_ends(struct result *result, struct viv_error *err, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_decref(result->summary);
    result->summary = viv_tree_literal(text);
    return result->summary ? VIV_OK : no_memory(err);
}

viv_status
result_write(const struct result *result, struct viv_call *call, uint64_t output, struct viv_str *ret_json,
             struct viv_error *err)
{
    uint32_t failed = 0;
    json_t *tree = json_object();
    struct viv_str text = { json_string_value(result->text), json_string_length(result->text) };
    viv_tree_set(tree, "summary", json_incref(result->summary), &failed);
    viv_tree_set(tree, "output", answer_excerpt(text, output), &failed);
    viv_tree_set(tree, "exit_code", json_integer(0), &failed);
    viv_tree_set(tree, "claimed", json_incref(result->claimed), &failed);
    viv_tree_set(tree, "steps", json_integer(result->steps), &failed);
    viv_tree_set(tree, "models", json_incref(result->models), &failed);
    viv_status status = viv_tree_write(call, tree, failed, ret_json, err);
    json_decref(tree);
    return status;
}
