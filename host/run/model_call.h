/* SPDX-License-Identifier: Apache-2.0 */
/* One call to one model, by the plugin that speaks its wire, through the egress process. No money here, no record: the
 * door (effect_model.c) holds and records around it. */
#ifndef VH_MODEL_CALL_H
#define VH_MODEL_CALL_H

#include "run/model_breaker.h"
#include "run/secrets.h"
#include <viv_interfaces.h>

/* Of the host: made before there are threads (app_models.c). NULL in struct vh_run: the policy named no models then. */
struct vh_model_source {
    struct vh_model_flows *flows;
    struct vh_secrets secrets; /* those that the policy names */
    pthread_mutex_t lock;      /* of the members below */
    char prices[VH_HASH_HEX];  /* the table of prices that is in the content store */
    struct vh_model_breaker breaker;
};

/* "HOST:PORT" as the egress process is told it, and the rule that allows it. */
viv_status vh_model_host(const struct vh_model *model, struct vh_arena *arena, const char **ret_host_port,
                         const char **ret_rule, struct viv_error *err);

/* The plugin that `model` names. VIV_E_UNAVAILABLE: it is not loaded. */
viv_status vh_model_plugin(const struct vh_run *run, const struct vh_model *model, const struct vh_plugin **ret_plugin,
                           struct viv_error *err);

/* Give the egress process the model's secret, read anew when it comes from a file. Before any money is held.
 * VIV_E_UNAVAILABLE: there is no key that can be used. */
viv_status vh_model_secret(struct vh_work *work, const struct vh_model *model, struct viv_error *err);

/* The most tokens `request_json` can be charged for. */
viv_status vh_model_bound(struct vh_work *work, const struct vh_plugin *plugin, struct viv_str request_json,
                          struct viv_model_bound_answer *ret_answer, struct viv_error *err);

/* VIV_OK: there is an answer, whatever its `outcome`. Any status: nothing was sent; but VIV_E_PLUGIN and
 * VIV_E_TIMEOUT, after which nobody knows. */
viv_status vh_model_complete(struct vh_work *work, const struct vh_model *model, const struct vh_plugin *plugin,
                             struct viv_str request_json, struct viv_model_complete_answer *ret_answer,
                             struct viv_error *err);

#endif
