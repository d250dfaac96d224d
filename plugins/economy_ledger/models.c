/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include <jansson.h>
#include <kit.h>
#include <string.h>

#include "policy.h"
#include "tokens.h"

#define WORD_MAX 64

static int
is_word(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return 0;
        }
    }
    return len > 0 && len <= WORD_MAX;
}

static int
same(const char *have, struct viv_str name, int folded)
{
    return (int)(folded ? viv_kit_is_folded(name, have) : viv_kit_is(name, have));
}

const struct model *
models_find(const struct models *models, struct viv_str name, int folded)
{
    for (size_t i = 0; i < models->count; i++) {
        if (same(models->all[i].name, name, folded)) {
            return &models->all[i];
        }
    }
    return NULL;
}

size_t
models_tier(const struct models *models, struct viv_str name, int folded)
{
    size_t tier = 0;
    while (tier < models->tier_count && !same(models->tiers[tier], name, folded)) {
        tier++;
    }
    return tier;
}

const struct model *
models_cheapest(const struct models *models, size_t tier)
{
    const struct model *best = NULL;
    for (size_t i = 0; i < models->count; i++) {
        const struct model *one = &models->all[i];
        if (one->allowed && one->tier == tier &&
            (!best || one->price_micro < best->price_micro ||
             (one->price_micro == best->price_micro && strcmp(one->name, best->name) < 0))) {
            best = one;
        }
    }
    return best;
}

const struct model *
models_near(const struct models *models, size_t tier)
{
    const struct model *found = NULL;
    for (size_t at = tier; at < models->tier_count && !found; at++) {
        found = models_cheapest(models, at);
    }
    for (size_t at = tier; at > 0 && !found; at--) {
        found = models_cheapest(models, at - 1);
    }
    return found;
}

static viv_status
read_tiers(const json_t *routing, struct models *models, struct viv_error *err)
{
    const json_t *tiers = json_object_get(routing, "tiers");
    size_t count = json_array_size(tiers);
    if (count < 1 || count > MODELS_TIERS_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy",
                             "routing.tiers has %zu tiers, allowed 1 to %d", count,
                             MODELS_TIERS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const char *tier = json_string_value(json_array_get(tiers, i));
        if (!tier || !is_word(tier)) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "tier %zu of routing.tiers is '%.64s', allowed: 1 to %d letters, "
                                 "digits, _ or -",
                                 i + 1, tier ? tier : "no text", WORD_MAX);
        }
        models->tiers[models->tier_count++] = tier;
    }
    struct viv_str chosen = viv_tree_text(routing, "default");
    models->tier_default = models_tier(models, chosen, 0);
    if (models->tier_default == models->tier_count) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy",
                             "routing.default is '%.*s', which is not in routing.tiers",
                             (int)(chosen.len < 64 ? chosen.len : 64),
                             chosen.data ? chosen.data : "");
    }
    return VIV_OK;
}

static viv_status
read_routing(const json_t *routing, struct models *models, struct viv_error *err)
{
    viv_status status = read_tiers(routing, models, err);
    models->low_budget_micro = viv_tree_integer(routing, "low_budget_micro", -1);
    models->complex_above = viv_tree_integer(routing, "complex_above", -1);
    if (status == VIV_OK && (models->low_budget_micro < 0 || models->complex_above < 0)) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy",
                             "routing has low_budget_micro %lld and complex_above %lld, or not at "
                             "all, allowed 0 and more",
                             (long long)models->low_budget_micro, (long long)models->complex_above);
    }
    return status;
}

/* A list of one layer only ever takes away: a model must be in each list there is. */
static viv_status
allow(const json_t *list, struct models *models, struct viv_error *err)
{
    if (!json_is_array(list)) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy", "routing.allow is not a list of names");
    }
    int named[MODELS_MAX] = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy",
                                 "routing.allow is not a list of names");
        }
        const struct model *model = models_find(models, viv_kit_str(name), 0);
        if (model) {
            named[model - models->all] = 1;
        }
    }
    for (size_t i = 0; i < models->count; i++) {
        models->all[i].allowed = models->all[i].allowed && named[i];
    }
    return VIV_OK;
}

static viv_status
allow_all(const json_t *policy, struct models *models, struct viv_error *err)
{
    viv_status status = VIV_OK;
    size_t lists = 0;
    for (size_t i = 0; i < policy_layers(policy) && status == VIV_OK; i++) {
        const json_t *routing = json_object_get(policy_layer(policy, i), "routing");
        const json_t *list = json_object_get(routing, "allow");
        lists += list != NULL;
        status = list ? allow(list, models, err) : VIV_OK;
    }
    if (status == VIV_OK && lists == 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy", "routing.allow is missing");
    }
    return status;
}

static viv_status
read_model(const char *name, const json_t *json, struct models *models, struct viv_error *err)
{
    struct model *model = &models->all[models->count];
    struct viv_str text = viv_kit_str(name);
    struct viv_str tier = viv_tree_text(json, "tier");
    struct ledger_tokens price = {{0}};
    viv_status status = tokens_check_model(text, err);
    status =
        status ? status : tokens_read_price(json_object_get(json, "price"), text, &price, err);
    if (status != VIV_OK) {
        return status;
    }
    *model = (struct model){name, price.of[LEDGER_INPUT] + price.of[LEDGER_OUTPUT],
                            models_tier(models, tier, 0), 1};
    if (model->tier == models->tier_count) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy",
                             "tier of model '%s' is '%.*s', which is not in routing.tiers", name,
                             (int)(tier.len < 64 ? tier.len : 64), tier.data ? tier.data : "");
    }
    models->count++;
    return VIV_OK;
}

viv_status
models_read(const json_t *policy, struct models *ret_models, struct viv_error *err)
{
    const json_t *layer = NULL;
    for (size_t i = 0; i < policy_layers(policy) && !json_object_get(layer, "models"); i++) {
        layer = policy_layer(policy, i);
    }
    const json_t *all = json_object_get(layer, "models");
    if (json_object_size(all) == 0) {
        return viv_tree_fail(err, VIV_E_NOT_FOUND, "policy",
                             "the policy has no model; add one under 'models' of your own policy");
    }
    if (json_object_size(all) > MODELS_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "policy", "the policy has %zu models, allowed %d",
                             json_object_size(all), MODELS_MAX);
    }
    struct models models = {.count = 0};
    viv_status status = read_routing(json_object_get(layer, "routing"), &models, err);
    const char *name = NULL;
    json_t *json = NULL;
    json_object_foreach((json_t *)(uintptr_t)all, name, json)
    {
        status = status ? status : read_model(name, json, &models, err);
    }
    status = status ? status : allow_all(policy, &models, err);
    if (status == VIV_OK) {
        *ret_models = models;
    }
    return status;
}
