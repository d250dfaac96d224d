/* SPDX-License-Identifier: Apache-2.0 */
/* A call to a model at the door. The work says what it wants to say, never to whom: address, key and the model's name
 * at its provider are the policy's. In this order: choose, bound, wait for the rate, hold the worst case, record, call,
 * price, record and settle. A call that failed before its answer began is made again, as an effect of its own with a
 * hold of its own: the far side may have been paid for both. */
#include <string.h>

#include "effect_inside.h"
#include "keep/blob.h"
#include "run/model_call.h"
#include "run/model_choice.h"
#include "run/redact.h"
#include "run/socket.h"

#define TRIES_MAX 4
#define PAUSE_MS 20
#define ROOM_NS INT64_C(200000000) /* between looks whether an account has room again */
#define BACKOFF_NS INT64_C(500000000) /* doubled by each try, times 0.5 to 1.5 */
#define BACKOFF_MAX_NS INT64_C(60000000000)
#define HOST_MEMBERS_MAX 3

/* One call on its way, over all its tries. */
struct calling {
    struct vh_effect *effect;
    struct vh_work *work;
    struct vh_model_choice choice;
    const struct vh_plugin *plugin;
    const char *host_port;
    struct vh_json *request; /* with what the host fills in */
    int64_t input_tokens;
    int64_t output_tokens; /* asked for; lowered while no account has room */
    int64_t give_up_ns;
};

/* ---- what is asked ---- */

static viv_status
refuse_host_members(const struct vh_json *spec, struct viv_error *err)
{
    static const char *const members[HOST_MEMBERS_MAX] = { "base_url", "model", "secret" };
    for (size_t i = 0; i < HOST_MEMBERS_MAX; i++) {
        if (vh_json_get(spec, members[i])) {
            return vh_error_set(err, VIV_E_DENIED, "effect", "a request to a model says '%s', which is the policy's to "
                                "say; name a model or a tier as the effect's path", members[i]);
        }
    }
    return VIV_OK;
}

static viv_status
fill_request(struct calling *calling, struct viv_error *err)
{
    struct vh_arena *arena = calling->work->arena;
    const struct vh_model *model = &calling->choice.model;
    const struct vh_json *spec = calling->effect->spec;
    if (!spec || spec->type != VH_JSON_OBJECT) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "a request to a model is an object, see 'vivhost schema "
                            "model'");
    }
    viv_status status = refuse_host_members(spec, err);
    if (status) {
        return status;
    }
    int64_t asked = vh_json_int(spec, "max_tokens", model->output);
    if (asked < 1) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "max_tokens is %lld, allowed: 1 and more", (long long)asked);
    }
    calling->output_tokens = asked < model->output ? asked : model->output;
    calling->request = vh_json_clone(arena, spec);
    vh_json_set_str(arena, calling->request, "base_url", model->base_url);
    vh_json_set_str(arena, calling->request, "model", model->model);
    if (model->secret.len) {
        vh_json_set_str(arena, calling->request, "secret", model->secret);
    }
    return VIV_OK;
}

static struct viv_str
request_text(struct calling *calling)
{
    vh_json_set_int(calling->work->arena, calling->request, "max_tokens", calling->output_tokens);
    return vh_json_print(calling->work->arena, calling->request);
}

static viv_status
prepare(struct calling *calling, struct viv_error *err)
{
    struct vh_work *work = calling->work;
    const char *rule = NULL;
    struct viv_model_bound_answer bound = { 0 };
    if (!work->run->models || !vh_models_any(work->policy)) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "model", work->run->models
                            ? "the policy names no models; add 'models' to your policy"
                            : "this host began without models in its policy; start it again");
    }
    viv_status status = vh_model_choose(work, calling->effect->request->path, &calling->choice, err);
    const struct vh_model *model = &calling->choice.model;
    status = status ? status : fill_request(calling, err);
    status = status ? status : vh_model_plugin(work->run, model, &calling->plugin, err);
    status = status ? status : vh_model_host(model, work->arena, &calling->host_port, &rule, err);
    status = status ? status : vh_model_secret(work, model, err);
    if (status) {
        return status;
    }
    struct viv_str text = request_text(calling);
    if (!text.data) {
        return vh_error_set(err, VIV_E_INVALID, "model", "the request is not UTF-8, or memory is out");
    }
    status = vh_model_bound(work, calling->plugin, text, &bound, err);
    calling->input_tokens = bound.input_tokens_max;
    return status;
}

/* What is judged, hashed and recorded of it: who is asked, why, and how much; what is said, by digest. */
static struct vh_json *
shown(struct calling *calling)
{
    struct vh_arena *arena = calling->work->arena;
    const struct vh_model_choice *choice = &calling->choice;
    struct viv_str text = request_text(calling);
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

/* ---- waiting ---- */

static int64_t
now_ns(const struct calling *calling)
{
    const struct vh_seam *seam = calling->work->run->seam;
    return seam->monotonic_ns(seam->data);
}

/* Until `until_ns`, the end of patience or a cancel. */
static viv_status
sleep_until(struct calling *calling, int64_t until_ns, struct viv_error *err)
{
    while (now_ns(calling) < until_ns) {
        if (vh_run_cancelled(calling->work)) {
            return vh_error_set(err, VIV_E_CANCELLED, "model", "the work was stopped while it waited for model '%.*s'",
                                VH_STR_ARGS(calling->choice.model.name));
        }
        vh_socket_pause(PAUSE_MS);
    }
    return VIV_OK;
}

/* Twice as long for each try, never all at the same moment. */
static int64_t
backoff_ns(struct calling *calling, int tries)
{
    const struct vh_seam *seam = calling->work->run->seam;
    uint16_t chance = 0;
    int64_t base_ns = BACKOFF_NS << (tries < 6 ? tries : 6);
    if (seam->random(seam->data, &chance, sizeof chance)) {
        chance = 0x8000;
    }
    return base_ns / 2 + base_ns / 65536 * chance;
}

/* ---- one try ---- */

struct one {
    struct vh_model_hold hold;
    struct viv_model_complete_answer answer;
    viv_status status; /* of the plugin */
    struct viv_error fault;
    struct vh_json *usage;
    int64_t cost_micro; /* -1: all that was held */
    bool again;         /* nothing of an answer came, and another try may get one */
    int64_t retry_after_ns;
};

/* Begin with a hold. What has no room is asked for with a shorter answer as far as the mode allows; then, while others
 * hold what is missing, later. */
static viv_status
begin(struct calling *calling, struct one *one, struct viv_error *err)
{
    struct vh_effect *effect = calling->effect;
    int64_t wanted = calling->output_tokens, asked = wanted;
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
        bool room = status != VIV_E_BUSY && status != VIV_E_LIMIT;
        if (room) {
            return status;
        }
        if (one->hold.output_tokens > one->hold.output_min) {
            asked = one->hold.output_tokens / 2;
            asked = asked < one->hold.output_min ? one->hold.output_min : asked;
        } else if (status == VIV_E_LIMIT || now_ns(calling) >= calling->give_up_ns) {
            return status;
        } else {
            status = sleep_until(calling, now_ns(calling) + ROOM_NS, err);
            asked = wanted;
            if (status) {
                return status;
            }
        }
    }
}

static void
classify(struct one *one)
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
price(struct calling *calling, struct one *one)
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
keep_prices(struct calling *calling, char *ret_hex, struct viv_error *err)
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
take_output(struct calling *calling, struct one *one, struct viv_error *err)
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
fault_of(struct calling *calling, const struct one *one, struct viv_error *err)
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
end(struct calling *calling, struct one *one, struct viv_error *err)
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
    if (recorded || status) {
        *err = recorded ? *err : fault;
        return recorded ? recorded : status;
    }
    return VIV_OK;
}

static void
leave(struct calling *calling, const struct one *one, int64_t entered)
{
    uint32_t outcome = one->answer.outcome;
    int64_t output = vh_json_int(one->usage, "output_tokens", -1);
    int64_t input = vh_json_int(one->usage, "input_tokens", -1) + vh_json_int(one->usage, "cache_write_tokens", 0);
    bool known = one->usage && output >= 0 && input >= 0;
    bool good = one->status == VIV_OK && outcome == VIV_MODEL_OK;
    bool failed = one->status == VIV_OK && !good && outcome != VIV_MODEL_INVALID && outcome != VIV_MODEL_TOO_LONG;
    struct vh_model_leave leave = {
        .end = one->status || !one->answer.sent ? (failed ? VH_MODEL_FAILED : VH_MODEL_UNSENT)
               : good                           ? VH_MODEL_GOOD
               : failed                         ? VH_MODEL_FAILED
                                                : VH_MODEL_OTHER,
        .entered = entered,
        .used = known ? input + output : -1,
        .output = good && output > 0 ? output : 0,
        .retry_after_ns = one->retry_after_ns,
    };
    vh_model_leave(calling->work->run->models->flows, &calling->choice.model, &leave);
}

/* Entered, held, recorded; called; priced, recorded, left. */
static viv_status
try_once(struct calling *calling, struct one *one, struct viv_error *err)
{
    struct vh_work *work = calling->work;
    const struct vh_model *model = &calling->choice.model;
    int64_t entered = calling->input_tokens + calling->output_tokens;
    struct vh_model_flows *flows = work->run->models->flows;
    viv_status status = vh_model_enter(flows, model, entered, calling->give_up_ns, work->cancel, err);
    if (status) {
        return status;
    }
    status = begin(calling, one, err);
    if (status) {
        one->status = status;
        leave(calling, one, entered);
        return status;
    }
    VH_PLACE(work->run->seam, "effect.before");
    int64_t before_ns = now_ns(calling);
    struct viv_str text = request_text(calling);
    one->status = text.data ? vh_model_complete(work, model, calling->plugin, text, &one->answer, &one->fault)
                            : vh_error_set(&one->fault, VIV_E_MEMORY, "model", "no memory for a request");
    calling->effect->outcome->duration_ns = now_ns(calling) - before_ns;
    VH_PLACE(work->run->seam, "effect.before-outcome");
    classify(one);
    price(calling, one);
    work->effects += one->status == VIV_OK;
    status = end(calling, one, err);
    leave(calling, one, entered);
    return status;
}

/* What the caller learns beside the answer. */
static viv_status
tell(struct calling *calling, const struct one *one, struct viv_error *err)
{
    struct vh_arena *arena = calling->effect->arena;
    struct vh_json *detail = vh_json_object(arena);
    int64_t cost = one->cost_micro >= 0 ? one->cost_micro : vh_json_int(one->hold.json, "micro", 0);
    vh_json_set_int(arena, detail, "cost_micro", cost);
    vh_json_set_str(arena, detail, "model", calling->choice.model.name);
    vh_json_set_str(arena, detail, "reason", calling->choice.reason);
    vh_json_set_str(arena, detail, "rule", calling->choice.rule);
    vh_json_set_str(arena, detail, "tier", calling->choice.model.tier);
    vh_json_set(detail, "usage", one->usage ? vh_json_clone(arena, one->usage) : vh_json_object(arena));
    calling->effect->outcome->detail_json = vh_json_print(arena, detail);
    return calling->effect->outcome->detail_json.data
               ? VIV_OK
               : vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a model's answer");
}

static bool
provider_failed(const struct one *one, viv_status status)
{
    return one->hold.json && one->status == VIV_OK && status && one->answer.outcome != VIV_MODEL_INVALID &&
           one->answer.outcome != VIV_MODEL_TOO_LONG;
}

viv_status
vh_effect_model(struct vh_effect *effect, struct viv_error *err)
{
    struct calling calling = { .effect = effect, .work = effect->work };
    viv_status status = prepare(&calling, err);
    if (status) {
        return status;
    }
    int64_t output_tokens = calling.output_tokens;
    calling.give_up_ns = now_ns(&calling) + calling.choice.model.time_ns;
    for (int tries = 0;; tries++) {
        struct one one = { .fault = VIV_ERROR_INIT };
        calling.output_tokens = output_tokens;
        status = try_once(&calling, &one, err);
        if (one.hold.json && one.status == VIV_OK) {
            int64_t cost = one.cost_micro >= 0 ? one.cost_micro : vh_json_int(one.hold.json, "micro", 0);
            bool last = !one.again || tries + 1 == TRIES_MAX;
            vh_model_breaker(calling.work, calling.choice.model.name.data ? vh_arena_text_of(calling.work->arena,
                             calling.choice.model.name) : "", cost, last && provider_failed(&one, status));
        }
        if (status == VIV_OK) {
            return tell(&calling, &one, err);
        }
        int64_t wait_ns = backoff_ns(&calling, tries);
        wait_ns = one.retry_after_ns > wait_ns ? one.retry_after_ns : wait_ns;
        if (!one.again || tries + 1 == TRIES_MAX || wait_ns > BACKOFF_MAX_NS ||
            now_ns(&calling) + wait_ns > calling.give_up_ns) {
            return status;
        }
        status = sleep_until(&calling, now_ns(&calling) + wait_ns, err);
        if (status) {
            return status;
        }
    }
}
