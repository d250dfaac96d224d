/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of what work may cost and which model it goes to. The core owns the books: it makes the
 * hold in every scope named here or in none, and posts what settle() proposes once. State: the
 * settings, and the last policy as it was parsed; every answer is a function of its request. The
 * arithmetic is in ledger.c, the accounts in bill.c, the choice in choice.c. */
#include <jansson.h>
#include <entry.h>
#include <kit.h>
#include <tree.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/economy.h>

#include "bill.h"
#include "choice.h"
#include "economy_ledger_manifest.h"
#include "ledger.h"
#include "tokens.h"

struct economy {
    const struct economy_ledger_config *config;
    char *text; /* of the policy: the same one comes with nearly every question */
    uint64_t len;
    json_t *policy;
};

/* `*ret_policy` is the plugin's own. One call at a time asks. */
static viv_status
policy_of(struct economy *economy, struct viv_str text, const json_t **ret_policy,
          struct viv_error *err)
{
    if (!economy->policy || economy->len != text.len ||
        memcmp(economy->text, text.data, (size_t)text.len) != 0) {
        json_t *policy = NULL;
        viv_status status = viv_tree_read(text, "policy_json", &policy, err);
        char *copy = status == VIV_OK ? malloc((size_t)text.len + 1) : NULL;
        if (!copy) {
            json_decref(policy);
            return status ? status
                          : viv_tree_fail(err, VIV_E_MEMORY, "policy", "no memory for a policy");
        }
        memcpy(copy, text.data, (size_t)text.len);
        free(economy->text);
        json_decref(economy->policy);
        economy->text = copy;
        economy->len = text.len;
        economy->policy = policy;
    }
    *ret_policy = economy->policy;
    return VIV_OK;
}

static struct ledger_prices
prices_of(const struct economy_ledger_config *config)
{
    return (struct ledger_prices){config->base_micro, config->per_second_micro,
                                  config->per_effect_micro};
}

static json_t *
scopes_of(const struct bill *bill, uint32_t *failed)
{
    json_t *scopes = json_array();
    for (size_t i = 0; i < bill->account_count; i++) {
        json_t *scope = json_object();
        viv_tree_set(scope, "scope", viv_tree_literal(bill->accounts[i].name), failed);
        viv_tree_set(scope, "limit_micro", json_integer(bill->accounts[i].limit_micro), failed);
        viv_tree_push(scopes, scope, failed);
    }
    return scopes;
}

static viv_status
estimate(void *self, struct viv_call *call, const struct viv_economy_estimate_request *request,
         struct viv_economy_estimate_answer *ret_answer, struct viv_error *err)
{
    struct economy *economy = self;
    const struct bill_defaults defaults = {
        prices_of(economy->config), economy->config->time_ns, economy->config->task_limit_micro,
        economy->config->home_limit_micro};
    json_t *work = NULL;
    const json_t *policy = NULL;
    json_t *scopes = NULL;
    struct bill bill = {.worst_micro = 0};
    viv_status status = viv_tree_read(request->work_json, "work_json", &work, err);
    status = status ? status : policy_of(economy, request->policy_json, &policy, err);
    status = status ? status : bill_make(&defaults, work, policy, &bill, err);
    if (status == VIV_OK) {
        uint32_t failed = 0;
        scopes = scopes_of(&bill, &failed);
        status = viv_tree_write(call, scopes, failed, &ret_answer->scopes_json, err);
    }
    if (status == VIV_OK) {
        ret_answer->worst_case_micro = bill.worst_micro;
        ret_answer->output_tokens = bill.output_tokens;
        ret_answer->output_tokens_min = bill.output_tokens_min;
    }
    json_decref(scopes);
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

static int
is_call(const json_t *usage)
{
    return json_object_get(usage, "model") || json_object_get(usage, "price") ||
           json_object_get(usage, "tokens");
}

static viv_status
settle(void *self, struct viv_call *call, const struct viv_economy_settle_request *request,
       struct viv_economy_settle_answer *ret_answer, struct viv_error *err)
{
    const struct economy *economy = self;
    struct ledger_prices prices = prices_of(economy->config);
    struct ledger_usage usage = {0, 0, 0};
    struct ledger_cost cost = {0, 0, 0};
    json_t *document = NULL;
    json_t *entries = NULL;
    viv_status status = viv_tree_read(request->usage_json, "usage_json", &document, err);
    if (status == VIV_OK && is_call(document)) {
        status = tokens_settle(document, request->held_micro, &cost.model_micro, err);
    } else {
        status = status ? status : read_usage(document, &usage, err);
        status = status ? status : ledger_settle(&prices, &usage, request->held_micro, &cost, err);
    }
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
give(struct viv_call *call, const char *text, struct viv_str *ret_text, struct viv_error *err)
{
    *ret_text = viv_tree_copy(call, (struct viv_str){text, strlen(text)});
    if (!ret_text->data) {
        return viv_tree_fail(err, VIV_E_MEMORY, "choose", "no memory for the answer");
    }
    return VIV_OK;
}

static viv_status
choose(void *self, struct viv_call *call, const struct viv_economy_choose_request *request,
       struct viv_economy_choose_answer *ret_answer, struct viv_error *err)
{
    json_t *choice = NULL;
    const json_t *policy = NULL;
    struct choice made;
    struct viv_economy_choose_answer answer = *ret_answer;
    viv_status status = viv_tree_read(request->choice_json, "choice_json", &choice, err);
    status = status ? status : policy_of(self, request->policy_json, &policy, err);
    status = status ? status : choice_make(choice, policy, &made, err);
    if (status == VIV_OK) {
        answer.score = made.goal.score;
        status = give(call, made.model, &answer.model, err);
        status = status ? status : give(call, made.rule, &answer.rule, err);
        status = status ? status : give(call, made.reason, &answer.reason, err);
        status = status ? status : give(call, made.goal.pattern, &answer.pattern, err);
    }
    if (status == VIV_OK) {
        *ret_answer = answer;
    }
    json_decref(choice);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    struct economy *economy = calloc(1, sizeof *economy);
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
    struct economy *economy = self;
    json_decref(economy->policy);
    free(economy->text);
    free(economy);
}

static const struct viv_economy economy = {
    .size = (uint32_t)sizeof economy, .rev = 1, .estimate = estimate, .settle = settle, .choose = choose};

static const struct viv_offer offers[] = {{VIV_IFACE_ECONOMY, &economy}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
