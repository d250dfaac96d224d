/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of what work may cost. The core owns the books: it makes the hold in every scope named
 * here or in none, and posts what settle() proposes once. State: the settings alone, so every
 * answer is a function of its request. The arithmetic is in ledger.c. */
#include <jansson.h>
#include <entry.h>
#include <kit.h>
#include <tree.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/economy.h>

#include "economy_ledger_manifest.h"
#include "ledger.h"
#include "models.h"

struct economy {
    const struct economy_ledger_config *config;
};

static struct ledger_prices
prices_of(const struct economy_ledger_config *config)
{
    return (struct ledger_prices){config->base_micro, config->per_second_micro,
                                  config->per_effect_micro};
}

/* Smallest limit of this name over all layers of the policy; `fallback` when none sets it. */
static viv_status
limit_of(const json_t *policy, const char *name, int64_t fallback, int64_t *ret_limit,
         struct viv_error *err)
{
    int found = 0;
    size_t count = json_is_array(policy) ? json_array_size(policy) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *layer = json_is_array(policy) ? json_array_get(policy, i) : policy;
        const json_t *limits = json_object_get(layer, "limits");
        const json_t *limit = json_object_get(limits, name);
        if (!json_is_object(layer) || (limits && !json_is_object(limits)) ||
            (limit && !json_is_integer(limit))) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "limits.%s of the policy is not an integer", name);
        }
        int64_t value = limit ? (int64_t)json_integer_value(limit) : 0;
        if (value < 0) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "limits.%s is %lld, allowed 0 and more", name, (long long)value);
        }
        if (limit && (!found || value < *ret_limit)) {
            *ret_limit = value;
            found = 1;
        }
    }
    if (!found) {
        *ret_limit = fallback;
    }
    /* What a project nobody has trusted asks for only ever lowers. */
    int64_t ceiling = viv_tree_integer(json_object_get(policy, "ceilings"), name, -1);
    if (ceiling >= 0 && ceiling < *ret_limit) {
        *ret_limit = ceiling;
    }
    return VIV_OK;
}

/* Ids are part of a scope's name, so only file-name safe ones are accepted. */
static viv_status
check_id(struct viv_str id, const char *what, struct viv_error *err)
{
    int good = id.len > 0 && id.len <= VIV_ID_MAX;
    for (uint64_t i = 0; good && i < id.len; i++) {
        char c = id.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    if (!good) {
        return viv_tree_fail(err, VIV_E_INVALID, "work",
                             "%s '%.*s' is not allowed: 1 to %d letters, digits, dots, _ or -", what,
                             (int)(id.len < 64 ? id.len : 64), id.data ? id.data : "", VIV_ID_MAX);
    }
    return VIV_OK;
}

struct bill {
    struct viv_str task;
    struct viv_str model;   /* of a call to one, or empty */
    int64_t worst_micro;
    int64_t task_micro;
    int64_t home_micro;
    int64_t model_micro;    /* these three: -1 when the policy has no such limit */
    int64_t day_micro;
    int64_t month_micro;
    int64_t now_us;
    int64_t output_tokens;  /* of a call to a model */
    int64_t output_min;
};

/* The mode of the layer that is merged in last; the host's merge lets a project only make it stricter. */
static struct viv_str
holds_of(const json_t *policy)
{
    return viv_tree_text(json_object_get(policy, "limits"), "holds");
}

static viv_status
price_call(const json_t *work, const json_t *policy, struct bill *bill, struct viv_error *err)
{
    struct models_price price;
    int64_t asked = viv_tree_integer(work, "output_tokens", 0);
    int64_t expected = viv_tree_integer(work, "expected_tokens", 0);
    viv_status status = models_read_price(json_object_get(work, "price"), &price, err);
    status = status ? status : check_id(bill->model, "model", err);
    models_output(holds_of(policy), asked, expected, &bill->output_tokens, &bill->output_min);
    return status ? status
                  : models_worst(&price, viv_tree_integer(work, "input_tokens", -1), bill->output_tokens,
                                 &bill->worst_micro, err);
}

static viv_status
make_bill(const struct economy_ledger_config *config, const json_t *work, const json_t *policy,
          struct bill *bill, struct viv_error *err)
{
    struct ledger_prices prices = prices_of(config);
    struct viv_str kind = viv_tree_text(work, "kind");
    bill->task = viv_tree_text(work, "task");
    int64_t time_ns = 0;
    viv_status status = check_id(bill->task, "task id", err);
    status = status ? status : limit_of(policy, "time_ns", config->time_ns, &time_ns, err);
    status = status
                 ? status
                 : limit_of(policy, "task_micro", config->task_limit_micro, &bill->task_micro, err);
    status = status
                 ? status
                 : limit_of(policy, "home_micro", config->home_limit_micro, &bill->home_micro, err);
    status = status ? status : limit_of(policy, "model_micro", -1, &bill->model_micro, err);
    status = status ? status : limit_of(policy, "day_micro", -1, &bill->day_micro, err);
    status = status ? status : limit_of(policy, "month_micro", -1, &bill->month_micro, err);
    if (status != VIV_OK) {
        return status;
    }
    bill->model = viv_tree_text(work, "model");
    bill->now_us = viv_tree_integer(work, "now_us", 0);
    int64_t own_micro = viv_tree_integer(work, "limit_micro", bill->task_micro);
    if (own_micro < 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "work", "limit_micro is %lld, allowed 0 and more",
                             (long long)own_micro);
    }
    bill->task_micro = own_micro < bill->task_micro ? own_micro : bill->task_micro;
    int64_t asked_ns = viv_tree_integer(work, "time_ns", time_ns);
    int64_t asked_micro = viv_tree_integer(work, "limit_micro", bill->task_micro);
    if (asked_micro >= 0 && asked_micro < bill->task_micro) {
        bill->task_micro = asked_micro; /* what the request itself rules out */
    }
    if (viv_kit_is(kind, "task")) {
        return ledger_worst_task(&prices, asked_ns < time_ns ? asked_ns : time_ns,
                                 &bill->worst_micro, err);
    }
    if (viv_kit_is(kind, "effect") && bill->model.len > 0) {
        return price_call(work, policy, bill, err);
    }
    if (viv_kit_is(kind, "effect")) {
        bill->worst_micro = prices.effect_micro;
        return VIV_OK;
    }
    return viv_tree_fail(err, VIV_E_INVALID, "work", "kind is '%.*s', allowed: task, effect",
                         (int)(kind.len < 64 ? kind.len : 64), kind.data ? kind.data : "");
}

static void
push_scope(json_t *scopes, json_t *name, int64_t limit_micro, uint32_t *failed)
{
    json_t *scope = json_object();
    viv_tree_set(scope, "scope", name, failed);
    viv_tree_set(scope, "limit_micro", json_integer(limit_micro), failed);
    viv_tree_push(scopes, scope, failed);
}

/* A window's account is another one each day or month: what was held in it stays with it. */
static json_t *
scopes_of(const struct bill *bill, uint32_t *failed)
{
    char window[MODELS_WINDOW_BYTES];
    json_t *scopes = json_array();
    push_scope(scopes, viv_tree_literal("home"), bill->home_micro, failed);
    push_scope(scopes, viv_tree_format("task:%.*s", (int)bill->task.len, bill->task.data), bill->task_micro, failed);
    if (bill->model.len > 0 && bill->model_micro >= 0) {
        push_scope(scopes, viv_tree_format("model:%.*s", (int)bill->model.len, bill->model.data), bill->model_micro,
                   failed);
    }
    if (bill->day_micro >= 0) {
        models_window(bill->now_us, 0, window);
        push_scope(scopes, viv_tree_literal(window), bill->day_micro, failed);
    }
    if (bill->month_micro >= 0) {
        models_window(bill->now_us, 1, window);
        push_scope(scopes, viv_tree_literal(window), bill->month_micro, failed);
    }
    return scopes;
}

static viv_status
estimate(void *self, struct viv_call *call, const struct viv_economy_estimate_request *request,
         struct viv_economy_estimate_answer *ret_answer, struct viv_error *err)
{
    const struct economy *economy = self;
    json_t *work = NULL;
    json_t *policy = NULL;
    json_t *scopes = NULL;
    struct bill bill = {.worst_micro = 0};
    viv_status status = viv_tree_read(request->work_json, "work_json", &work, err);
    status = status ? status : viv_tree_read(request->policy_json, "policy_json", &policy, err);
    status = status ? status : make_bill(economy->config, work, policy, &bill, err);
    if (status == VIV_OK) {
        uint32_t failed = 0;
        scopes = scopes_of(&bill, &failed);
        status = viv_tree_write(call, scopes, failed, &ret_answer->scopes_json, err);
    }
    if (status == VIV_OK) {
        ret_answer->worst_case_micro = bill.worst_micro;
        ret_answer->output_tokens = bill.output_tokens;
        ret_answer->output_tokens_min = bill.output_min;
    }
    json_decref(scopes);
    json_decref(policy);
    json_decref(work);
    return status;
}

/* A use without a price is never free: an unknown member is refused, and the host then settles the
 * whole hold. */
static viv_status
read_usage(const json_t *document, struct ledger_usage *usage, struct viv_error *err)
{
    if (!json_is_object(document)) {
        return viv_tree_fail(err, VIV_E_INVALID, "usage", "usage_json is not an object");
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)document, name, value)
    {
        int64_t *place = strcmp(name, "wall_ns") == 0       ? &usage->wall_ns
                         : strcmp(name, "effects") == 0     ? &usage->effects
                         : strcmp(name, "model_micro") == 0 ? &usage->model_micro
                                                            : NULL;
        if (!place || !json_is_integer(value)) {
            return viv_tree_fail(
                err, VIV_E_INVALID, "usage",
                "'%s' of usage_json has no price, allowed integers: wall_ns, effects, model_micro",
                name);
        }
        *place = (int64_t)json_integer_value(value);
    }
    return VIV_OK;
}

/* One call to a model. What is above the hold is the hold: the core's bound, and the host asked the provider for no
 * more than the hold pays for. */
static viv_status
settle_call(const json_t *document, int64_t held_micro, struct ledger_cost *cost, struct viv_error *err)
{
    struct models_price price;
    if (json_object_size(document) != 3) {
        return viv_tree_fail(err, VIV_E_INVALID, "usage", "usage_json of a call has %zu members, allowed: model, price, "
                             "tokens", json_object_size(document));
    }
    viv_status status = models_read_price(json_object_get(document, "price"), &price, err);
    status = status ? status : models_cost(&price, json_object_get(document, "tokens"), &cost->model_micro, err);
    if (cost->model_micro > held_micro) {
        cost->model_micro = held_micro;
    }
    return status;
}

static viv_status
settle_work(const struct economy *economy, const json_t *document, int64_t held_micro, struct ledger_cost *cost,
            struct viv_error *err)
{
    struct ledger_prices prices = prices_of(economy->config);
    struct ledger_usage usage = {0, 0, 0};
    if (json_object_get(document, "model")) {
        return settle_call(document, held_micro, cost, err);
    }
    viv_status status = read_usage(document, &usage, err);
    return status ? status : ledger_settle(&prices, &usage, held_micro, cost, err);
}

/* `reason` is one of the core's closed list: work, model, skill, refund. */
static void
push_entry(json_t *entries, const char *reason, int64_t micro, uint32_t *failed)
{
    if (micro == 0) {
        return;
    }
    json_t *entry = json_object();
    viv_tree_set(entry, "account", viv_tree_literal("home"), failed);
    viv_tree_set(entry, "micro", json_integer(micro), failed);
    viv_tree_set(entry, "reason", viv_tree_literal(reason), failed);
    viv_tree_push(entries, entry, failed);
}

static viv_status
settle(void *self, struct viv_call *call, const struct viv_economy_settle_request *request,
       struct viv_economy_settle_answer *ret_answer, struct viv_error *err)
{
    const struct economy *economy = self;
    struct ledger_cost cost = {0, 0, 0};
    json_t *document = NULL;
    json_t *entries = NULL;
    viv_status status = viv_tree_read(request->usage_json, "usage_json", &document, err);
    status = status ? status : settle_work(economy, document, request->held_micro, &cost, err);
    if (status == VIV_OK) {
        uint32_t failed = 0;
        entries = json_array();
        push_entry(entries, "model", cost.model_micro, &failed);
        push_entry(entries, "work", cost.effects_micro + cost.work_micro, &failed);
        status = viv_tree_write(call, entries, failed, &ret_answer->entries_json, err);
    }
    if (status == VIV_OK) {
        ret_answer->cost_micro = cost.model_micro + cost.effects_micro + cost.work_micro;
    }
    json_decref(entries);
    json_decref(document);
    return status;
}

static viv_status
choose(void *self, struct viv_call *call, const struct viv_economy_choose_request *request,
       struct viv_economy_choose_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    json_t *choice = NULL;
    json_t *policy = NULL;
    struct models_choice chosen = {.model = NULL};
    viv_status status = viv_tree_read(request->choice_json, "choice_json", &choice, err);
    status = status ? status : viv_tree_read(request->policy_json, "policy_json", &policy, err);
    status = status ? status : models_choose(choice, policy, &chosen, err);
    if (status == VIV_OK) {
        ret_answer->score = chosen.score;
        ret_answer->model = viv_tree_copy(call, viv_kit_str(chosen.model));
        ret_answer->rule = viv_tree_copy(call, viv_kit_str(chosen.rule));
        ret_answer->reason = viv_tree_copy(call, viv_kit_str(chosen.reason));
        ret_answer->pattern = viv_tree_copy(call, viv_kit_str(chosen.pattern));
        int good = ret_answer->model.data && ret_answer->rule.data && ret_answer->reason.data &&
                   ret_answer->pattern.data;
        status = good ? VIV_OK : viv_tree_fail(err, VIV_E_MEMORY, "choose", "no memory for a choice");
    }
    json_decref(policy);
    json_decref(choice);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    struct economy *economy = malloc(sizeof *economy);
    if (!economy) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    economy->config = config;
    *ret_self = economy;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_economy economy = {
    .size = (uint32_t)sizeof economy, .rev = 1, .estimate = estimate, .settle = settle,
    .choose = choose};

static const struct viv_offer offers[] = {{VIV_IFACE_ECONOMY, &economy}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
