/* SPDX-License-Identifier: Apache-2.0 */
/* What the economy plugin says about a call to a model: which model, what it may cost, what it did cost. */
#ifndef VH_MODEL_CHOICE_H
#define VH_MODEL_CHOICE_H

#include "run/models.h"

struct vh_model_choice {
    struct vh_model model;
    struct viv_str rule, reason, pattern;
    int64_t score;
};

/* `asked`: a model or a tier, or empty. Texts live in the work's arena. */
viv_status vh_model_choose(struct vh_work *work, struct viv_str asked, struct vh_model_choice *ret_choice,
                           struct viv_error *err);

/* A task that became ready after a weaker model's work was rejected: its kind of goal goes to the stronger tier. */
void vh_model_learn(struct vh_work *work);

struct vh_model_hold {
    struct vh_json *json;              /* {"micro","scopes"} */
    int64_t output_tokens, output_min; /* what it pays for, and how low that may be set */
};
viv_status vh_model_estimate(struct vh_work *work, const struct vh_model *model, int64_t input_tokens,
                             int64_t output_tokens, struct vh_model_hold *ret_hold, struct viv_error *err);

/* -1: it has no price, and all that was held is to be settled. */
int64_t vh_model_cost(struct vh_work *work, const struct vh_model *model, const struct vh_json *usage,
                      int64_t held_micro);

#endif
