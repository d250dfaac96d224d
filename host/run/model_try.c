/* SPDX-License-Identifier: Apache-2.0 */
#include "model_try.h"

#include <string.h>

#include "keep/blob.h"
#include "run/redact.h"

/* ---- what is asked ---- */

struct viv_str
vh_model_request(struct vh_calling *calling)
{
    if (calling->max_tokens) {
        calling->max_tokens->integer = calling->output_tokens;
    }
    return vh_json_print(calling->work->arena, calling->request);
}

/* What is judged, hashed and recorded of it: who is asked, why, and how much; what is said, by digest. */
static struct vh_json *
shown(struct vh_calling *calling)
{
    struct vh_arena *arena = calling->work->arena;
    const struct vh_model_choice *choice = &calling->choice;
    struct viv_str text = vh_model_request(calling);
    char hex[VH_HASH_HEX] = "";
    if (text.data) {
        vh_hash_text(text, hex);
    }
    struct vh_json *json = vh_json_object(arena);
    vh_json_set_text(arena, json, "host", calling->host_port);
    vh_json_set_int(arena, json, "input_tokens", calling->input_tokens);
    vh_json_set_text(arena, json, "kind", "model");
    vh_json_set_int(arena, json, "output_tokens", calling->output_tokens);
    vh_json_set_str(arena, json, "path", choice->model.name);
    vh_json_set_str(arena, json, "pattern", choice->pattern);
    vh_json_set_str(arena, json, "reason", choice->reason);
    vh_json_set(json, "request", text.data ? vh_json_string(arena, vh_str(vh_arena_text(arena, hex))) : NULL);
    vh_json_set_str(arena, json, "rule", choice->rule);
    vh_json_set_int(arena, json, "score", choice->score);
    vh_json_set_str(arena, json, "tier", choice->model.tier);
    return json;
}

/* ---- one try ---- */

int64_t
vh_model_now_ns(const struct vh_calling *calling)
{
    const struct vh_seam *seam = calling->work->run->seam;
    return seam->monotonic_ns(seam->data);
}

/* Begin with a hold. What has no room is asked for with a shorter answer as far as the mode allows. */
static viv_status
begin(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err)
{
    struct vh_effect *effect = calling->effect;
    int64_t asked = calling->output_tokens;
    for (;;) {
        viv_status status = vh_model_estimate(calling->work, &calling->choice.model, calling->input_tokens, asked,
                                              &one->hold, err);
        if (status) {
            return status;
        }
        calling->output_tokens = one->hold.output_tokens;
        effect->hold = one->hold.json;
        effect->shown = shown(calling);
        status = vh_effect_begin(effect, err);
        one->no_room = status == VIV_E_BUSY;
        bool shorter = (one->no_room || status == VIV_E_LIMIT) && one->hold.output_tokens > one->hold.output_min;
        if (!shorter) {
            return status;
        }
        asked = one->hold.output_tokens / 2;
        asked = asked < one->hold.output_min ? one->hold.output_min : asked;
    }
}

/* What the call says about the provider. One that was stopped from here says nothing. */
static enum vh_model_end
end_of(const struct vh_calling *calling, const struct vh_model_one *one)
{
    uint32_t outcome = one->answer.outcome;
    enum vh_model_end silent = one->answer.sent ? VH_MODEL_OTHER : VH_MODEL_UNSENT;
    if (one->status) {
        return VH_MODEL_UNSENT;
    }
    if (outcome == VIV_MODEL_OK) {
        return VH_MODEL_GOOD;
    }
    bool request = outcome == VIV_MODEL_INVALID || outcome == VIV_MODEL_TOO_LONG;
    return request || vh_run_cancelled(calling->work) ? silent : VH_MODEL_FAILED;
}

static void
classify(struct vh_model_one *one)
{
    bool lost = one->status == VIV_E_PLUGIN || one->status == VIV_E_TIMEOUT;
    if (lost || (one->status && one->answer.sent)) { /* nobody knows what the provider did */
        one->answer = (struct viv_model_complete_answer){ .outcome = VIV_MODEL_BROKEN, .sent = 1 };
        one->answer.problem = vh_str(one->fault.text);
        one->status = VIV_OK;
    }
    uint32_t outcome = one->answer.outcome;
    one->again = one->status == VIV_OK && !one->answer.begun &&
                 (outcome == VIV_MODEL_RATE_LIMITED || outcome == VIV_MODEL_OVERLOADED ||
                  outcome == VIV_MODEL_UNREACHABLE);
    one->retry_after_ns = one->answer.retry_after_ns;
}

static bool
whole(const struct vh_json *usage)
{
    return vh_json_int(usage, "input_tokens", -1) >= 0 && vh_json_int(usage, "output_tokens", -1) >= 0;
}

/* A provider that refuses a request does not bill it; one that began, or that nobody heard of again, may. */
static void
price(struct vh_calling *calling, struct vh_model_one *one)
{
    static const char *const counts[] = { "cache_write_tokens", "cached_tokens", "input_tokens", "output_tokens" };
    struct vh_arena *arena = calling->work->arena;
    struct vh_json *told = vh_run_tree(calling->work, one->answer.usage_json, "{}");
    uint32_t outcome = one->answer.outcome;
    bool refused = outcome == VIV_MODEL_RATE_LIMITED || outcome == VIV_MODEL_OVERLOADED ||
                   outcome == VIV_MODEL_AUTH || outcome == VIV_MODEL_INVALID || outcome == VIV_MODEL_TOO_LONG ||
                   outcome == VIV_MODEL_QUOTA;
    int64_t held = vh_json_int(one->hold.json, "micro", 0);
    one->usage = told;
    if (one->status || !one->answer.sent || (refused && !one->answer.begun)) {
        one->cost_micro = 0;
    } else if (!whole(told)) {
        one->cost_micro = -1;
    } else {
        one->usage = vh_json_object(arena);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            vh_json_set_int(arena, one->usage, counts[i], vh_json_int(told, counts[i], 0));
        }
        one->cost_micro = vh_model_cost(calling->work, &calling->choice.model, one->usage, held);
    }
}

static const char *
outcome_name(uint32_t outcome)
{
    static const char *const names[] = { "ok", "rate-limited", "overloaded", "unreachable", "auth", "invalid",
                                         "too-long", "quota", "cut", "broken" };
    return outcome < sizeof names / sizeof *names ? names[outcome] : "broken";
}

/* The table of prices is kept once, so that whoever reads a settlement can look up what it was made by. */
static viv_status
keep_prices(struct vh_calling *calling, char *ret_hex, struct viv_error *err)
{
    struct vh_run *run = calling->work->run;
    struct viv_str table = { NULL, 0 };
    viv_status status = vh_models_prices(calling->work->policy, calling->work->arena, &table, ret_hex, err);
    pthread_mutex_lock(&run->models->lock);
    bool kept = status == VIV_OK && strcmp(run->models->prices, ret_hex) == 0;
    pthread_mutex_unlock(&run->models->lock);
    if (status || kept) {
        return status;
    }
    status = vh_blob_put(run->seam, run->home, table, ret_hex, err);
    pthread_mutex_lock(&run->models->lock);
    memcpy(run->models->prices, status ? "" : ret_hex, status ? 1 : VH_HASH_HEX);
    pthread_mutex_unlock(&run->models->lock);
    return status;
}

/* What the model said, without any secret it may have been told; whole in the content store. */
static viv_status
take_output(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err)
{
    struct vh_effect *effect = calling->effect;
    struct vh_secrets *secrets = &calling->work->run->models->secrets;
    struct viv_str text = vh_redact_text(secrets, effect->arena, one->answer.message_json);
    struct vh_hash hash;
    if (!text.data) {
        return vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a model's answer");
    }
    vh_hash_bytes(text.data, (size_t)text.len, &hash);
    viv_status status = vh_effect_output(effect, text, &hash, false, err);
    return status ? status : vh_blob_put(calling->work->run->seam, calling->work->run->home, text, effect->kept, err);
}

static viv_status
fault_of(struct vh_calling *calling, const struct vh_model_one *one, struct viv_error *err)
{
    struct vh_secrets *secrets = &calling->work->run->models->secrets;
    struct viv_str problem = vh_redact_text(secrets, calling->work->arena, one->answer.problem);
    problem = vh_run_clean(calling->work->arena, problem, 300);
    uint32_t outcome = one->answer.outcome;
    viv_status status = outcome == VIV_MODEL_INVALID    ? VIV_E_INVALID
                        : outcome == VIV_MODEL_TOO_LONG ? VIV_E_LIMIT
                                                        : VIV_E_UNAVAILABLE;
    return vh_error_set(err, status, "model", "model '%.*s' (%s): %.*s", VH_STR_ARGS(calling->choice.model.name),
                        outcome_name(outcome), VH_STR_ARGS(problem));
}

static viv_status
end(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err)
{
    struct vh_effect *effect = calling->effect;
    struct vh_arena *arena = calling->work->arena;
    struct viv_error fault = VIV_ERROR_INIT, lack = VIV_ERROR_INIT;
    char prices[VH_HASH_HEX] = "";
    bool answered = one->status == VIV_OK &&
                    (one->answer.outcome == VIV_MODEL_OK || one->answer.outcome == VIV_MODEL_CUT);
    viv_status status = one->status;
    if (status) {
        fault = one->fault;
    } else {
        status = answered ? take_output(calling, one, &fault) : fault_of(calling, one, &fault);
    }
    effect->answer = vh_json_object(arena);
    if (one->cost_micro >= 0) {
        vh_json_set_int(arena, effect->answer, "cost_micro", one->cost_micro);
    }
    if (keep_prices(calling, prices, &lack) == VIV_OK) {
        vh_json_set_text(arena, effect->answer, "prices", prices);
    }
    vh_json_set_text(arena, effect->answer, "outcome", one->status ? "unsent" : outcome_name(one->answer.outcome));
    vh_json_set_int(arena, effect->answer, "sent", one->status ? 0 : one->answer.sent);
    vh_json_set(effect->answer, "usage", vh_json_clone(arena, one->usage));
    viv_status recorded = vh_effect_end(effect, status, &fault, err);
    one->again = one->again && recorded == VIV_OK;
    if (recorded || status) {
        *err = recorded ? *err : fault;
        return recorded ? recorded : status;
    }
    return VIV_OK;
}

/* For what is expected of the next. One that used all it was given would have been longer: without this an answer that
 * is held for could never be longer than those before. */
static int64_t
length_of(const struct vh_calling *calling, int64_t output)
{
    int64_t most = calling->choice.model.output;
    int64_t twice = output < most / 2 ? output * 2 : most;
    return output < calling->output_tokens ? output : twice;
}

static void
leave(struct vh_calling *calling, const struct vh_model_place *place, const struct vh_model_one *one)
{
    int64_t output = vh_json_int(one->usage, "output_tokens", -1);
    int64_t input = vh_json_int(one->usage, "input_tokens", -1) + vh_json_int(one->usage, "cache_write_tokens", 0);
    bool known = one->usage && output >= 0 && input >= 0;
    struct vh_model_leave leave = {
        .end = one->end,
        .used = known ? input + output : -1,
        .output = one->end == VH_MODEL_GOOD && output > 0 ? length_of(calling, output) : 0,
        .retry_after_ns = one->retry_after_ns,
    };
    vh_model_leave(calling->work->run->models->flows, &calling->choice.model, place, &leave);
}

/* Entered, held, recorded; called; priced, recorded, left. */
viv_status
vh_model_try(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err)
{
    struct vh_work *work = calling->work;
    const struct vh_model *model = &calling->choice.model;
    int64_t tokens = calling->input_tokens + calling->output_tokens;
    struct vh_model_flows *flows = work->run->models->flows;
    struct vh_model_place place;
    viv_status status = vh_model_enter(flows, model, tokens, calling->give_up_ns, work->cancel, &place, err);
    if (status) {
        return status;
    }
    status = vh_model_breaker_check(work->run, err); /* it may have tripped while this call waited */
    status = status ? status : begin(calling, one, err);
    if (status) {
        one->status = status;
        leave(calling, &place, one);
        return status;
    }
    VH_PLACE(work->run->seam, "effect.before");
    int64_t before_ns = vh_model_now_ns(calling);
    struct viv_str text = vh_model_request(calling);
    one->status = text.data ? vh_model_complete(work, model, calling->plugin, text, &one->answer, &one->fault)
                            : vh_error_set(&one->fault, VIV_E_MEMORY, "model", "no memory for a request");
    calling->effect->outcome->duration_ns = vh_model_now_ns(calling) - before_ns;
    VH_PLACE(work->run->seam, "effect.before-outcome");
    classify(one);
    one->end = end_of(calling, one);
    price(calling, one);
    one->called = one->status == VIV_OK;
    work->effects += one->called;
    status = end(calling, one, err);
    leave(calling, &place, one);
    return status;
}
