/* SPDX-License-Identifier: Apache-2.0 */
/* A model works on a task by tool calls, each an effect at the door. The loop is bounded in answers, tokens, refusals
 * and bytes; money and rates are the host's, at the door. What the door says with a status that is not the effect's own
 * - a person must decide, the machine cannot, the work is cancelled - ends the run with that status. */
#include <entry.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>
#include <viv/iface/executor.h>

#include "executor_model_manifest.h"
#include "talk.h"
#include "tools.h"

#define CALLS_MAX 64  /* of one answer; more are answered with an error */
#define DENIED_MAX 5  /* refusals of the door in one run */
#define CUT_MAX 3     /* answers in a row that ended by their length */
#define SILENT_MAX 2  /* answers in a row without a call */

struct executor {
    const struct executor_model_config *config;
    const struct viv_effects *effects;
};

struct run {
    const struct executor *executor;
    struct viv_call *call;
    struct talk talk;
    struct tools tools;
    json_t *models; /* by name: calls, tokens, cost */
    json_t *output; /* the last text of the model */
    int64_t steps;
    int64_t tokens;
    uint32_t cut;    /* in a row */
    uint32_t silent; /* in a row */
    char ending[400]; /* why it is not done; "" while it goes on, or done */
    struct viv_error *err;
};

static viv_status
no_memory(struct run *run)
{
    return viv_tree_fail(run->err, VIV_E_MEMORY, "model", "no memory for a conversation");
}

/* ---- one answer ---- */

static void
count(struct run *run, const json_t *detail)
{
    static const char *const parts[] = {"input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"};
    const json_t *usage = json_object_get(detail, "usage");
    const char *name = json_string_value(json_object_get(detail, "model"));
    uint32_t failed = 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        tokens += viv_tree_integer(usage, parts[i], 0);
    }
    run->tokens += tokens;
    json_t *one = name ? json_object_get(run->models, name) : NULL;
    if (name && !one) {
        one = json_object();
        viv_tree_set(run->models, name, one, &failed);
    }
    if (one && !failed) {
        viv_tree_set(one, "calls", json_integer(viv_tree_integer(one, "calls", 0) + 1), &failed);
        viv_tree_set(one, "tokens", json_integer(viv_tree_integer(one, "tokens", 0) + tokens), &failed);
        viv_tree_set(one, "cost_micro", json_integer(viv_tree_integer(one, "cost_micro", 0) +
                                                     viv_tree_integer(detail, "cost_micro", 0)), &failed);
    }
    run->talk.failed |= failed;
}

/* Ask, and take what came: `*ret_message` is a new value. */
static viv_status
ask(struct run *run, json_t **ret_message)
{
    struct viv_str model = run->executor->config->model;
    char *text = talk_write(&run->talk);
    json_t *detail = NULL;
    if (!text) {
        return no_memory(run);
    }
    struct viv_effect_request request = {.size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_MODEL,
                                         .path = model, .spec_json = {text, strlen(text)}};
    struct viv_effect_outcome outcome = {.size = (uint32_t)sizeof outcome, .rev = 1};
    viv_status status = run->executor->effects->perform(run->executor->effects, run->call, &request, &outcome, run->err);
    free(text);
    status = status ? status : viv_tree_read(outcome.output, "the model's answer", ret_message, run->err);
    status = status ? status : viv_tree_read(outcome.detail_json, "the call's detail", &detail, run->err);
    if (status == VIV_OK) {
        count(run, detail);
    }
    json_decref(detail);
    return status;
}

static int
is_type(const json_t *block, const char *type)
{
    const char *own = json_string_value(json_object_get(block, "type"));
    return own && strcmp(own, type) == 0;
}

static void
keep_text(struct run *run, const json_t *content)
{
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        if (is_type(block, "text") && json_is_string(json_object_get(block, "text"))) {
            json_decref(run->output);
            run->output = json_incref(json_object_get(block, "text"));
        }
    }
}

/* Every call is answered, also those that are not done: a wire wants it so. */
static viv_status
do_calls(struct run *run, const json_t *content, json_t *results)
{
    viv_status status = VIV_OK;
    size_t calls = 0;
    for (size_t i = 0; status == VIV_OK && i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        const char *id = json_string_value(json_object_get(block, "id"));
        json_t *text = NULL;
        uint32_t error = 1;
        if (!is_type(block, "tool_call") || !id) {
            continue;
        }
        if (run->call->cancelled(run->call)) {
            return viv_tree_fail(run->err, VIV_E_CANCELLED, "model", "the work was cancelled");
        }
        if (++calls > CALLS_MAX) {
            text = viv_tree_format("more than %d calls in one answer: this one was not done", CALLS_MAX);
        } else if (run->tools.ended || run->tools.denied >= DENIED_MAX) {
            text = viv_tree_literal("the work is over: this one was not done");
        } else {
            status = tools_do(&run->tools, viv_tree_text(block, "name"), viv_tree_text(block, "input_json"), &text, &error,
                              run->err);
        }
        if (status == VIV_OK) {
            viv_tree_push(results, talk_result(id, text, error, &run->talk.failed), &run->talk.failed);
        }
    }
    return status;
}

/* ---- the loop ---- */

/* What the model is told when there was no call in its answer. */
static void
answer_silence(struct run *run, const char *stop, json_t *content)
{
    if (strcmp(stop, "length") == 0 || strcmp(stop, "cut") == 0) {
        if (++run->cut >= CUT_MAX) {
            (void)snprintf(run->ending, sizeof run->ending, "%d answers in a row were cut off", CUT_MAX);
        }
        viv_tree_push(content, talk_text("Your answer was cut off. Go on, in smaller steps.", &run->talk.failed),
                      &run->talk.failed);
    } else if (strcmp(stop, "refused") == 0) {
        (void)snprintf(run->ending, sizeof run->ending, "the model refuses the task");
    } else {
        if (++run->silent >= SILENT_MAX) {
            (void)snprintf(run->ending, sizeof run->ending, "the model stopped without saying that it is done");
        }
        viv_tree_push(content, talk_text("Work by the tools. If the task is done, or cannot be, call 'done'.",
                                         &run->talk.failed), &run->talk.failed);
    }
}

static void
look_at_bounds(struct run *run)
{
    const struct executor_model_config *config = run->executor->config;
    if (run->tools.denied >= DENIED_MAX) {
        (void)snprintf(run->ending, sizeof run->ending, "%d calls were denied, the last: %.300s", DENIED_MAX,
                       run->tools.rule);
    } else if (run->steps >= config->steps) {
        (void)snprintf(run->ending, sizeof run->ending, "not done after %lld answers, the most option 'steps' allows",
                       (long long)config->steps);
    } else if (run->tokens >= config->tokens) {
        (void)snprintf(run->ending, sizeof run->ending, "not done after %lld tokens, option 'tokens' allows %lld",
                       (long long)run->tokens, (long long)config->tokens);
    }
}

static viv_status
step(struct run *run)
{
    json_t *message = NULL;
    if (run->call->cancelled(run->call)) {
        return viv_tree_fail(run->err, VIV_E_CANCELLED, "model", "the work was cancelled");
    }
    viv_status status = ask(run, &message);
    if (status != VIV_OK) {
        json_decref(message);
        return status;
    }
    const json_t *content = json_object_get(message, "content");
    const char *stop = json_string_value(json_object_get(message, "stop"));
    json_t *next = json_array();
    run->steps++;
    if (json_array_size(content) > 0) {
        keep_text(run, content);
        talk_add_answer(&run->talk, content);
        status = do_calls(run, content, next);
    }
    if (status == VIV_OK && json_array_size(next) > 0) {
        run->cut = run->silent = 0;
    } else if (status == VIV_OK) {
        answer_silence(run, stop ? stop : "", next);
    }
    if (json_array_size(content) == 0) { /* nothing was said: the last message of the user stands */
        json_decref(next);
    } else {
        talk_add_user(&run->talk, next);
    }
    json_decref(message);
    if (status == VIV_OK && !run->tools.ended && !run->ending[0]) {
        look_at_bounds(run);
    }
    return status == VIV_OK && run->talk.failed ? no_memory(run) : status;
}

static viv_status
write_result(struct run *run, struct viv_executor_execute_answer *ret_answer)
{
    uint32_t failed = 0;
    json_t *result = json_object();
    const char *summary = run->tools.ended ? run->tools.summary : run->ending;
    const char *output = json_string_value(run->output);
    viv_tree_set(result, "summary", viv_tree_literal(*summary ? summary : "done, without a word"), &failed);
    viv_tree_set(result, "output", viv_tree_format("%.4000s", output ? output : ""), &failed);
    viv_tree_set(result, "exit_code", json_integer(0), &failed);
    viv_tree_set(result, "claimed", run->tools.claimed ? json_incref(run->tools.claimed) : json_array(), &failed);
    viv_tree_set(result, "denied", json_integer(run->tools.denied), &failed);
    viv_tree_set(result, "left_out", json_integer((json_int_t)run->talk.left_out), &failed);
    viv_tree_set(result, "models", json_incref(run->models), &failed);
    viv_tree_set(result, "steps", json_integer(run->steps), &failed);
    viv_status status = viv_tree_write(run->call, result, failed, &ret_answer->result_json, run->err);
    json_decref(result);
    ret_answer->done = status == VIV_OK && run->tools.ended;
    return status;
}

/* Money that is used up ends the work, and is no fault of the machine. */
static viv_status
out_of_money(struct run *run, viv_status status)
{
    if (status != VIV_E_LIMIT) {
        return status;
    }
    (void)snprintf(run->ending, sizeof run->ending, "%.390s", run->err->text);
    return VIV_OK;
}

static viv_status
execute(void *self, struct viv_call *call, const struct viv_executor_execute_request *request,
        struct viv_executor_execute_answer *ret_answer, struct viv_error *err)
{
    const struct executor *executor = self;
    struct viv_error own = VIV_ERROR_INIT;
    struct run run = {.executor = executor, .call = call, .models = json_object(), .err = err ? err : &own};
    if (!call->task) {
        json_decref(run.models);
        return viv_tree_fail(err, VIV_E_INVALID, "model", "the call is about no task");
    }
    run.tools = (struct tools){.effects = executor->effects, .call = call,
                               .shown_max = (uint64_t)executor->config->output_bytes};
    talk_begin(&run.talk, call->task, request->feedback_json, executor->config->max_tokens,
               (uint64_t)executor->config->context_bytes);
    viv_status status = run.talk.failed || !run.models ? no_memory(&run) : VIV_OK;
    while (status == VIV_OK && !run.tools.ended && !run.ending[0]) {
        status = out_of_money(&run, step(&run));
    }
    status = status ? status : write_result(&run, ret_answer);
    talk_end(&run.talk);
    json_decref(run.models);
    json_decref(run.output);
    json_decref(run.tools.claimed);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    const void *effects = NULL;
    viv_status status = host->acquire(host, VIV_SERVICE_EFFECT, &effects, err);
    if (status != VIV_OK) {
        return status;
    }
    struct executor *executor = malloc(sizeof *executor);
    if (!executor) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    *executor = (struct executor){config, effects};
    *ret_self = executor;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_executor executor = {.size = (uint32_t)sizeof executor, .rev = 1, .execute = execute};

static const struct viv_offer offers[] = {{VIV_IFACE_EXECUTOR, &executor}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
