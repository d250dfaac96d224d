/* SPDX-License-Identifier: Apache-2.0 */
/* The models a policy names, and how many calls each may have: at one time, in a minute, after failures. Which of them
 * a task's work goes to is the economy plugin's word; effect_model.c makes the call. */
#ifndef VH_MODELS_H
#define VH_MODELS_H

#include "run/run.h"

#define VH_MODEL_FAILURES 5                       /* tries in a row that rest a model */
#define VH_MODEL_REST_NS INT64_C(60000000000)     /* for so long; then one call tries it */
#define VH_MODEL_OUTPUTS 128                      /* answers whose lengths are remembered, of each model */

/* One entry of `models`; texts are the policy's. */
struct vh_model {
    struct viv_str name, plugin, base_url, model, secret, tier;
    int64_t context, output;     /* tokens */
    int64_t concurrent;          /* calls at one time */
    int64_t requests, tokens;    /* in a minute; 0: as many as there are */
    int64_t time_ns;             /* of one call */
    const struct vh_json *price; /* micro-units for a million tokens */
};

bool vh_models_any(const struct vh_run_policy *policy);
viv_status vh_models_find(const struct vh_run_policy *policy, struct viv_str name, struct vh_model *ret_model,
                          struct viv_error *err);
/* Name and content of the table of prices: canonical JSON of every model's price, and its SHA-256 in hex. */
viv_status vh_models_prices(const struct vh_run_policy *policy, struct vh_arena *arena, struct viv_str *ret_json,
                            char *ret_hex, struct viv_error *err);

/* ---- how many calls ---- */

struct vh_model_flows;

/* A call that was made before this host began: how long ago, and for how many tokens it was let in. */
struct vh_model_call {
    int64_t age_ns, tokens;
};
/* The calls of the last minute, oldest first, for a model seen for the first time. */
typedef viv_status (*vh_model_past)(void *data, struct viv_str model, struct vh_arena *arena,
                                    struct vh_model_call **ret_calls, size_t *ret_count, struct viv_error *err);

/* In `arena`; NULL: no memory. `past` may be NULL. */
struct vh_model_flows *vh_model_flows_create(const struct vh_seam *seam, struct vh_arena *arena, vh_model_past past,
                                             void *data);
void vh_model_flows_end(struct vh_model_flows *flows);

/* What a call took of a rate, and how far the schedule was ahead since then at least. */
struct vh_model_share {
    int64_t taken_ns, behind_ns;
};
/* A call between enter and leave: in its caller's memory, which does not look into it. */
struct vh_model_place {
    struct vh_model_place *next;
    struct vh_model_share requests, tokens;
    bool trial; /* of a model that rests */
};

/* Wait until the model may be called, for `tokens` at most. VIV_E_BUSY: not before the deadline, the text says when.
 * VIV_E_UNAVAILABLE: it rests after failures, for longer than that. VIV_E_CANCELLED. Every VIV_OK is followed by one
 * leave. [any] thread. */
viv_status vh_model_enter(struct vh_model_flows *flows, const struct vh_model *model, int64_t tokens,
                          int64_t deadline_ns, const atomic_uint *cancel, struct vh_model_place *ret_place,
                          struct viv_error *err);

enum vh_model_end {
    VH_MODEL_UNSENT, /* not called: what entering took of the rates is given back */
    VH_MODEL_GOOD,
    VH_MODEL_FAILED, /* the provider's failure, not the request's */
    VH_MODEL_OTHER,  /* called, and it says nothing about the provider */
};
struct vh_model_leave {
    enum vh_model_end end;
    int64_t used;           /* tokens; < 0: not known, all that entered */
    int64_t output;         /* tokens of a whole answer; 0: there was none */
    int64_t retry_after_ns; /* what the provider asks to wait */
};
void vh_model_leave(struct vh_model_flows *flows, const struct vh_model *model, const struct vh_model_place *place,
                    const struct vh_model_leave *leave);

/* Tokens that 95 of 100 of its last answers had at most; 0: it has not answered yet. */
int64_t vh_model_expected(struct vh_model_flows *flows, const struct vh_model *model);

#endif
