/* SPDX-License-Identifier: Apache-2.0 */
/* Measures one task's result by the rules of rubric.c. Threshold, quorum and attempts are the
 * core's. A document that cannot be read is an error, so the host records an abstention, never a
 * good score. State: the settings alone. */
#include <entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <tree.h>
#include <viv/iface/critic.h>

#include "critic_rubric_manifest.h"
#include "rubric.h"

struct critic {
    const struct critic_rubric_config *config;
};

static viv_status
read_one(struct viv_str text, const char *name, uint32_t may_be_list, json_t **ret_value,
         struct viv_error *err)
{
    if (text.len == 0) {
        return VIV_OK;
    }
    viv_status status = viv_tree_read(text, name, ret_value, err);
    if (status == VIV_OK && !json_is_object(*ret_value) &&
        !(may_be_list && json_is_array(*ret_value))) {
        status = viv_tree_fail(err, VIV_E_INVALID, "review", "%s is not an object", name);
    }
    return status;
}

static viv_status
check_change(const json_t *change, struct viv_error *err)
{
    if (!json_is_array(json_object_get(change, "paths"))) {
        return viv_tree_fail(err, VIV_E_INVALID, "review", "change_json has no list 'paths'");
    }
    return VIV_OK;
}

static viv_status
answer(const struct critic *critic, struct viv_call *call, const struct findings *findings,
       struct viv_critic_review_answer *ret_answer, struct viv_error *err)
{
    struct viv_str text = {NULL, 0};
    viv_status status = viv_tree_write(call, findings->list, findings->failed, &text, err);
    if (status == VIV_OK) {
        ret_answer->score_permille =
            rubric_score(findings, critic->config->error_weight, critic->config->warning_weight);
        ret_answer->findings_json = text;
    }
    return status;
}

static viv_status
review(void *self, struct viv_call *call, const struct viv_critic_review_request *request,
       struct viv_critic_review_answer *ret_answer, struct viv_error *err)
{
    const struct critic *critic = self;
    json_t *intent = NULL;
    json_t *change = NULL;
    json_t *gates = NULL;
    json_t *result = NULL;
    json_t *trace = NULL;
    viv_status status = read_one(request->intent_json, "intent_json", 0, &intent, err);
    status = status ? status : read_one(request->change_json, "change_json", 0, &change, err);
    status = status ? status : check_change(change, err);
    status = status ? status : read_one(request->gates_json, "gates_json", 1, &gates, err);
    status = status ? status : read_one(request->result_json, "result_json", 0, &result, err);
    status = status ? status : read_one(request->trace_json, "trace_json", 1, &trace, err);
    if (status == VIV_OK) {
        struct rubric_input input = {intent, change, gates, result, trace};
        struct findings findings;
        findings_begin(&findings);
        rubric_review(&input, &findings);
        status = answer(critic, call, &findings, ret_answer, err);
        findings_drop(&findings);
    }
    json_decref(intent);
    json_decref(change);
    json_decref(gates);
    json_decref(result);
    json_decref(trace);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    struct critic *critic = malloc(sizeof *critic);
    if (!critic) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    critic->config = config;
    *ret_self = critic;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_critic critic = {
    .size = (uint32_t)sizeof critic, .rev = 1, .review = review};

static const struct viv_offer offers[] = {{VIV_IFACE_CRITIC, &critic}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
