/* SPDX-License-Identifier: Apache-2.0 */
/* Models and tiers of the policy, as a choice needs them. Texts are the policy's. */
#ifndef ECONOMY_LEDGER_MODELS_H
#define ECONOMY_LEDGER_MODELS_H

#include <stddef.h>
#include <tree.h>

#define MODELS_MAX 32
#define MODELS_TIERS_MAX 8

struct model {
    const char *name;
    int64_t price_micro; /* input and output, a million tokens of each: for comparing */
    size_t tier;
    int allowed;
};

struct models {
    struct model all[MODELS_MAX];
    size_t count;
    const char *tiers[MODELS_TIERS_MAX]; /* weak to strong */
    size_t tier_count;
    size_t tier_default;
    int64_t low_budget_micro;
    int64_t complex_above;
};

/* VIV_E_NOT_FOUND when the policy has no models. */
viv_status models_read(const struct json_t *policy, struct models *ret_models, struct viv_error *err);

/* NULL when there is none; `folded`: without regard to case. */
const struct model *models_find(const struct models *models, struct viv_str name, int folded);
/* `tier_count` when there is none. */
size_t models_tier(const struct models *models, struct viv_str name, int folded);

/* Cheapest allowed model of this tier, the first by name among equals; NULL when it has none. */
const struct model *models_cheapest(const struct models *models, size_t tier);
/* The same; of the next stronger tiers, then of the weaker ones, when this one has none. */
const struct model *models_near(const struct models *models, size_t tier);

#endif
