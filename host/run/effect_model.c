/* SPDX-License-Identifier: Apache-2.0 */
/* A call to a model at the door. The work says what it wants to say, never to whom: address, key and the model's name
 * at its provider are the policy's. In this order: choose, bound, wait for the rate, hold the worst case, record, call,
 * price, record and settle. A call that failed before its answer began is made again, as an effect of its own with a
 * hold of its own: the far side may have been paid for both. */
#include "effect_inside.h"
#include "run/model_try.h"
#include "run/socket.h"

#define TRIES_MAX 4
#define PAUSE_MS 20
#define ROOM_NS INT64_C(200000000) /* between looks whether an account has room again */
#define BACKOFF_NS INT64_C(500000000) /* doubled by each try, times 0.5 to 1.5 */
#define BACKOFF_MAX_NS INT64_C(60000000000)
#define HOST_MEMBERS_MAX 3

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
fill_request(struct vh_calling *calling, struct viv_error *err)
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
    calling->max_tokens = vh_json_integer(arena, calling->output_tokens);
    vh_json_set(calling->request, "max_tokens", calling->max_tokens);
    vh_json_set_str(arena, calling->request, "base_url", model->base_url);
    vh_json_set_str(arena, calling->request, "model", model->model);
    if (model->secret.len) {
        vh_json_set_str(arena, calling->request, "secret", model->secret);
    }
    return VIV_OK;
}

static viv_status
prepare(struct vh_calling *calling, struct viv_error *err)
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
    struct viv_str text = vh_model_request(calling);
    if (!text.data) {
        return vh_error_set(err, VIV_E_INVALID, "model", "the request is not UTF-8, or memory is out");
    }
    status = vh_model_bound(work, calling->plugin, text, &bound, err);
    calling->input_tokens = bound.input_tokens_max;
    return status;
}

/* ---- waiting ---- */

/* Until `until_ns`, the end of patience or a cancel. */
static viv_status
sleep_until(struct vh_calling *calling, int64_t until_ns, struct viv_error *err)
{
    while (vh_model_now_ns(calling) < until_ns) {
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
backoff_ns(struct vh_calling *calling, int tries)
{
    const struct vh_seam *seam = calling->work->run->seam;
    uint16_t chance = 0;
    int64_t base_ns = BACKOFF_NS << (tries < 6 ? tries : 6);
    if (seam->random(seam->data, &chance, sizeof chance)) {
        chance = 0x8000;
    }
    return base_ns / 2 + base_ns / 65536 * chance;
}

/* What the caller learns beside the answer. */
static viv_status
tell(struct vh_calling *calling, const struct vh_model_one *one, struct viv_error *err)
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

/* In memory of its own, which goes when nothing was begun: who waits for room asks again and again. */
static viv_status
try_again(struct vh_calling *calling, struct vh_model_one *one, struct viv_error *err)
{
    struct vh_work *work = calling->work;
    struct vh_arena *whole = work->arena;
    work->arena = vh_arena_create(whole, 0);
    viv_status status = work->arena ? vh_model_try(calling, one, err)
                                    : vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a call");
    if (one->no_room) {
        vh_arena_destroy(work->arena);
    }
    work->arena = whole;
    return status;
}

/* For the breaker: a call that is made again has not failed yet. */
static void
count(struct vh_calling *calling, const struct vh_model_one *one, bool last)
{
    int64_t held = vh_json_int(one->hold.json, "micro", 0);
    struct vh_model_counted counted = {
        .name = calling->choice.model.name,
        .cost_micro = one->cost_micro >= 0 ? one->cost_micro : held,
        .end = one->end == VH_MODEL_FAILED && !last ? VH_MODEL_OTHER : one->end,
    };
    vh_model_breaker(calling->work, &counted);
}

/* How long until the next try, or -1: there is none. */
static int64_t
pause_ns(struct vh_calling *calling, const struct vh_model_one *one, int tries)
{
    if (one->no_room) {
        return vh_model_now_ns(calling) < calling->give_up_ns ? ROOM_NS : -1;
    }
    int64_t wait_ns = backoff_ns(calling, tries);
    wait_ns = one->retry_after_ns > wait_ns ? one->retry_after_ns : wait_ns;
    bool last = !one->again || tries + 1 == TRIES_MAX || wait_ns > BACKOFF_MAX_NS ||
                vh_model_now_ns(calling) + wait_ns > calling->give_up_ns;
    return last ? -1 : wait_ns;
}

viv_status
vh_effect_model(struct vh_effect *effect, struct viv_error *err)
{
    struct vh_calling calling = { .effect = effect, .work = effect->work };
    viv_status status = prepare(&calling, err);
    if (status) {
        return status;
    }
    int64_t output_tokens = calling.output_tokens;
    calling.give_up_ns = vh_model_now_ns(&calling) + calling.choice.model.time_ns;
    for (int tries = 0;;) {
        struct vh_model_one one = { .fault = VIV_ERROR_INIT };
        calling.output_tokens = output_tokens;
        status = vh_model_breaker_check(calling.work->run, err);
        status = status ? status : try_again(&calling, &one, err);
        int64_t wait_ns = status ? pause_ns(&calling, &one, tries) : -1;
        if (one.called) {
            count(&calling, &one, wait_ns < 0);
        }
        if (status == VIV_OK) {
            return tell(&calling, &one, err);
        }
        if (wait_ns < 0) {
            return status;
        }
        tries += one.called;
        status = sleep_until(&calling, vh_model_now_ns(&calling) + wait_ns, err);
        if (status) {
            return status;
        }
    }
}
