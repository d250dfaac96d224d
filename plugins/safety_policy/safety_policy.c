/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files to JSON, tasks and effects to verdicts. The plugin answers, the core enforces.
 * State: the settings and the policy read last, kept because every effect of a task brings the same
 * text; it is compared byte by byte, so it never changes an answer. Read next: compile.h, judge.h.
 */
#include <entry.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>
#include <viv/iface/safety.h>

#include "compile.h"
#include "judge.h"
#include "safety_policy_manifest.h"

struct safety {
    const struct safety_policy_config *config;
    struct policy *policy; /* of the last call, or NULL */
};

static viv_status
use_policy(struct safety *safety, struct viv_str text, struct viv_error *err)
{
    if (safety->policy && safety->policy->len == text.len && text.len > 0 &&
        memcmp(safety->policy->text, text.data, (size_t)text.len) == 0) {
        return VIV_OK;
    }
    struct policy *policy = NULL;
    viv_status status = policy_open(text, &policy, err);
    if (status == VIV_OK) {
        policy_close(safety->policy);
        safety->policy = policy;
    }
    return status;
}

static viv_status
compile(void *self, struct viv_call *call, const struct viv_safety_compile_request *request,
        struct viv_safety_compile_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    char origin[128];
    (void)snprintf(origin, sizeof origin, "%.*s",
                   (int)(request->origin.len < 120 ? request->origin.len : 120),
                   request->origin.len > 0 ? request->origin.data : "policy");
    struct viv_str json = {NULL, 0};
    viv_status status =
        compile_policy(call, request->text, origin, request->scope, request->trusted, &json, err);
    if (status == VIV_OK) {
        ret_answer->policy_json = json;
    }
    return status;
}

static viv_status
answer_task(struct viv_call *call, struct report *report, const json_t *capability,
            struct viv_safety_judge_task_answer *ret_answer, struct viv_error *err)
{
    struct viv_str report_json = {NULL, 0};
    struct viv_str capability_json = {NULL, 0};
    json_t *document = json_object();
    uint32_t failed = 0;
    viv_tree_set(document, "checks", json_incref(report_list(report)), &failed);
    viv_status status = viv_tree_write(call, document, failed | report->failed, &report_json, err);
    status = status ? status : viv_tree_write(call, capability, 0, &capability_json, err);
    json_decref(document);
    if (status == VIV_OK) {
        ret_answer->verdict = report->verdict;
        ret_answer->report_json = report_json;
        ret_answer->capability_json = capability_json;
    }
    return status;
}

static viv_status
task(void *self, struct viv_call *call, const struct viv_safety_judge_task_request *request,
     struct viv_safety_judge_task_answer *ret_answer, struct viv_error *err)
{
    struct safety *safety = self;
    struct judge_defaults defaults = {safety->config->task_limit_micro,
                                      safety->config->task_time_ns};
    json_t *document = NULL;
    json_t *capability = NULL;
    struct report report;
    report_begin(&report);
    viv_status status = use_policy(safety, request->policy_json, err);
    status = status ? status : viv_tree_read(request->task_json, "task_json", &document, err);
    status = status
                 ? status
                 : judge_task(call, safety->policy, &defaults, document, &report, &capability, err);
    status = status ? status : answer_task(call, &report, capability, ret_answer, err);
    json_decref(capability);
    json_decref(document);
    report_drop(&report);
    return status;
}

static viv_status
effect(void *self, struct viv_call *call, const struct viv_safety_judge_effect_request *request,
       struct viv_safety_judge_effect_answer *ret_answer, struct viv_error *err)
{
    struct safety *safety = self;
    json_t *capability = NULL;
    json_t *document = NULL;
    struct viv_str reasons = {NULL, 0};
    struct report report;
    report_begin(&report);
    viv_status status = use_policy(safety, request->policy_json, err);
    status = status ? status
                    : viv_tree_read(request->capability_json, "capability_json", &capability, err);
    status = status ? status : viv_tree_read(request->effect_json, "effect_json", &document, err);
    status =
        status ? status : judge_effect(call, safety->policy, capability, document, &report, err);
    status =
        status ? status : viv_tree_write(call, report_list(&report), report.failed, &reasons, err);
    if (status == VIV_OK) {
        ret_answer->verdict = report.verdict;
        ret_answer->reasons_json = reasons;
    }
    json_decref(document);
    json_decref(capability);
    report_drop(&report);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    struct safety *safety = calloc(1, sizeof *safety);
    if (!safety) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    safety->config = config;
    *ret_self = safety;
    return VIV_OK;
}

static void
destroy(void *self)
{
    struct safety *safety = self;
    if (safety) {
        policy_close(safety->policy);
        free(safety);
    }
}

static const struct viv_safety safety = {.size = (uint32_t)sizeof safety,
                                         .rev = 1,
                                         .compile = compile,
                                         .judge_task = task,
                                         .judge_effect = effect};

static const struct viv_offer offers[] = {{VIV_IFACE_SAFETY, &safety}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
