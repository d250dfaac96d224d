/* SPDX-License-Identifier: Apache-2.0 */
#include "model_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/reader.h"
#include "run/guard.h"
#include "run/model_call.h"
#include <viv_interfaces.h>

#define PATTERN_MAX 400

static viv_status
ask_economy(struct vh_work *work, uint32_t method, const void *request, void *ret_answer, struct viv_error *err)
{
    struct vh_guard_call call = { .plugin = work->run->plugins.economy,
                                  .interface = VIV_INDEX_ECONOMY,
                                  .method = method,
                                  .request = request };
    return vh_guard_call(work, &call, ret_answer, err);
}

/* ---- which ---- */

/* The last model asked, and the one whose work was rejected last. */
struct asked {
    char name[VIV_ID_MAX + 1];
    char tier[VIV_ID_MAX + 1];
    char pattern[PATTERN_MAX + 1];
};

struct past {
    struct vh_work *work;
    struct asked last, rejected;
    struct vh_json *learned;
    int64_t left_micro; /* -1: no account says */
};

static void
copy(char *to, size_t size, struct viv_str text)
{
    snprintf(to, size, "%.*s", VH_STR_ARGS(text));
}

/* A gate, the critic or a person rejects what was made by the model that was asked last before that. */
static viv_status
take_event(void *data, const struct vh_event *event, struct viv_error *err)
{
    struct past *past = data;
    const struct vh_json *what = vh_json_get(event->data, "what");
    (void)err;
    if (vh_str_is(event->kind, "task.rejected")) {
        past->rejected = past->last;
    } else if (vh_str_is(event->kind, "effect.started") && vh_str_is(vh_json_str(event->data, "effect"), "model")) {
        copy(past->last.name, sizeof past->last.name, vh_json_str(what, "path"));
        copy(past->last.tier, sizeof past->last.tier, vh_json_str(what, "tier"));
        copy(past->last.pattern, sizeof past->last.pattern, vh_json_str(what, "pattern"));
    }
    return VIV_OK;
}

static viv_status
read_attempts(void *data, struct vh_store *store, struct viv_error *err)
{
    struct past *past = data;
    return vh_reader_walk(store, 0, past->work->ask.task.id, take_event, past, err);
}

static viv_status
read_left(struct past *past, struct vh_store *store, struct viv_error *err)
{
    struct vh_json *holds = vh_run_tree(past->work, past->work->ask.task.holds, "[]");
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = VIV_OK;
    for (const struct vh_json *h = holds ? holds->child : NULL; h && status == VIV_OK; h = h->next) {
        struct vh_scope scope = { .name = h->text };
        status = state.get_scope(state.data, past->work->arena, h->text, &scope, err);
        int64_t left = scope.limit_micro - scope.settled_micro - scope.reserved_micro;
        if (status == VIV_OK && (past->left_micro < 0 || left < past->left_micro)) {
            past->left_micro = left > 0 ? left : 0;
        }
        status = status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    return status;
}

static viv_status
read_past(void *data, struct vh_store *store, struct viv_error *err)
{
    struct past *past = data;
    struct vh_state_ops state = vh_store_state(store);
    struct viv_str text = { NULL, 0 };
    struct vh_json *learned = NULL;
    viv_status status = read_left(past, store, err);
    if (status == VIV_OK) {
        status = state.get_fact(state.data, past->work->arena, "learned", &text, err);
    }
    if (status == VIV_OK && text.len) {
        status = vh_json_read(past->work->arena, text, &learned, err);
    }
    for (const struct vh_json *l = status == VIV_OK && learned ? learned->child : NULL; l; l = l->next) {
        struct vh_json *one = vh_json_object(past->work->arena);
        vh_json_set_str(past->work->arena, one, "pattern", l->key);
        vh_json_set_str(past->work->arena, one, "tier", l->text);
        vh_json_push(past->learned, one);
    }
    if (status || past->work->rejected_known) {
        return status;
    }
    if (past->work->ask.task.attempt > 1) {
        status = read_attempts(past, store, err);
    }
    if (status == VIV_OK) { /* an attempt ends with the claim */
        memcpy(past->work->rejected, past->rejected.name, sizeof past->work->rejected);
        past->work->rejected_known = true;
    }
    return status;
}

viv_status
vh_model_choose(struct vh_work *work, struct viv_str asked, struct vh_model_choice *ret_choice, struct viv_error *err)
{
    struct past past = { .work = work, .learned = vh_json_array(work->arena), .left_micro = -1 };
    viv_status status = vh_sequencer_read(work->run->sequencer, read_past, &past, err);
    if (status) {
        return status;
    }
    struct vh_json *choice = vh_json_object(work->arena);
    vh_json_set_str(work->arena, choice, "asked", asked);
    vh_json_set_int(work->arena, choice, "attempt", work->ask.task.attempt);
    vh_json_set_str(work->arena, choice, "goal", work->ask.task.goal);
    vh_json_set(choice, "learned", past.learned);
    if (past.left_micro >= 0) {
        vh_json_set_int(work->arena, choice, "left_micro", past.left_micro);
    }
    struct vh_json *rejected = vh_json_array(work->arena);
    if (work->rejected[0]) {
        vh_json_push(rejected, vh_json_string(work->arena, vh_str(work->rejected)));
    }
    vh_json_set(choice, "rejected", rejected);
    vh_json_set_str(work->arena, choice, "task", work->ask.task.id);
    struct viv_economy_choose_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .choice_json = vh_json_print(work->arena, choice),
        .policy_json = work->policy->json,
    };
    struct viv_economy_choose_answer answer = { 0 };
    status = request.choice_json.data
                 ? ask_economy(work, VIV_METHOD_ECONOMY_CHOOSE, &request, &answer, err)
                 : vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a choice");
    if (status == VIV_OK) {
        status = vh_models_find(work->policy, answer.model, &ret_choice->model, err);
    }
    ret_choice->rule = vh_run_clean(work->arena, answer.rule, 64);
    ret_choice->reason = vh_run_clean(work->arena, answer.reason, 300);
    ret_choice->pattern = vh_run_clean(work->arena, answer.pattern, 300);
    ret_choice->score = answer.score;
    return status;
}

void
vh_model_learn(struct vh_work *work)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct past past = { .work = work };
    const struct vh_task *task = &work->ask.task;
    if (task->attempt < 2 || task->command.len || !vh_str_is(task->route, "executor")) {
        return;
    }
    viv_status status = vh_sequencer_read(work->run->sequencer, read_attempts, &past, &err);
    bool stronger = past.rejected.tier[0] && strcmp(past.rejected.tier, past.last.tier) != 0;
    if (status == VIV_OK && stronger && past.last.pattern[0]) {
        struct vh_json *data = vh_json_object(work->arena);
        struct vh_answer answer;
        vh_json_set_text(work->arena, data, "pattern", past.last.pattern);
        vh_json_set_text(work->arena, data, "tier", past.last.tier);
        struct vh_command command = { .kind = VH_STR("model.learned"), .data = data,
                                      .actor = { VH_STR("host"), VH_STR("vivhost"), work->run->uid, work->run->pid } };
        status = vh_sequencer_call(work->run->sequencer, &command, false, work->arena, &answer, &err);
    }
    if (status) { /* what is not learned costs a stronger model's work once more */
        vh_log(VH_LOG_WARNING, "model", "that a task needed a stronger model is not kept: %s", err.text);
    }
}

/* ---- what it may cost, and did ---- */

viv_status
vh_model_estimate(struct vh_work *work, const struct vh_model *model, int64_t input_tokens, int64_t output_tokens,
                  struct vh_model_hold *ret_hold, struct viv_error *err)
{
    const struct vh_json *capability = vh_run_tree(work, work->ask.task.capability, "{}");
    int64_t money = vh_json_int(capability, "money_micro", -1);
    struct vh_json *what = vh_json_object(work->arena);
    vh_json_set_text(work->arena, what, "effect", "model");
    vh_json_set_int(work->arena, what, "expected_tokens", vh_model_expected(work->run->models->flows, model));
    vh_json_set_int(work->arena, what, "input_tokens", input_tokens);
    vh_json_set_text(work->arena, what, "kind", "effect");
    if (money >= 0) {
        vh_json_set_int(work->arena, what, "limit_micro", money);
    }
    vh_json_set_str(work->arena, what, "model", model->name);
    vh_json_set_int(work->arena, what, "now_us", work->ask.task.expires_us - VH_STEP_LEASE_US);
    vh_json_set_int(work->arena, what, "output_tokens", output_tokens);
    vh_json_set(what, "price", model->price ? vh_json_clone(work->arena, model->price) : NULL);
    vh_json_set_str(work->arena, what, "task", work->ask.task.id);
    struct viv_economy_estimate_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .work_json = vh_json_print(work->arena, what),
        .policy_json = work->policy->json,
    };
    struct viv_economy_estimate_answer answer = { 0 };
    viv_status status = request.work_json.data
                            ? ask_economy(work, VIV_METHOD_ECONOMY_ESTIMATE, &request, &answer, err)
                            : vh_error_set(err, VIV_E_INVALID, "budget", "model '%.*s' has no price in the policy",
                                           VH_STR_ARGS(model->name));
    if (status) {
        return status;
    }
    if (answer.output_tokens < 1 || answer.output_tokens > output_tokens || answer.output_tokens_min < 1 ||
        answer.output_tokens_min > answer.output_tokens) {
        return vh_error_set(err, VIV_E_PLUGIN, "budget", "plugin '%s' pays for answers of %lld to %lld tokens, asked "
                            "for were 1 to %lld", work->run->plugins.economy->id, (long long)answer.output_tokens_min,
                            (long long)answer.output_tokens, (long long)output_tokens);
    }
    struct vh_json *hold = vh_json_object(work->arena);
    vh_json_set_int(work->arena, hold, "micro", answer.worst_case_micro);
    vh_json_set(hold, "scopes", vh_run_tree(work, answer.scopes_json, "[]"));
    *ret_hold = (struct vh_model_hold){ hold, answer.output_tokens, answer.output_tokens_min };
    return VIV_OK;
}

int64_t
vh_model_cost(struct vh_work *work, const struct vh_model *model, const struct vh_json *usage, int64_t held_micro)
{
    struct vh_json *used = vh_json_object(work->arena);
    struct viv_error ignored = VIV_ERROR_INIT;
    vh_json_set_str(work->arena, used, "model", model->name);
    vh_json_set(used, "price", model->price ? vh_json_clone(work->arena, model->price) : NULL);
    vh_json_set(used, "tokens", vh_json_clone(work->arena, usage));
    struct viv_economy_settle_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .usage_json = vh_json_print(work->arena, used),
        .held_micro = held_micro,
    };
    struct viv_economy_settle_answer answer = { 0 };
    viv_status status = request.usage_json.data
                            ? ask_economy(work, VIV_METHOD_ECONOMY_SETTLE, &request, &answer, &ignored)
                            : VIV_E_MEMORY;
    return status ? -1 : answer.cost_micro;
}
