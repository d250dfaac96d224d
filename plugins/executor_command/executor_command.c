/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command that came with a task, pipeline by pipeline, through viv.effect/1. A pipeline
 * that fails ends the work: done is 0 and the result says which and why. What the door refuses
 * (denied, ask, limit, time, cancelled) is passed on as it is, so that the host can tell
 * infrastructure from failure. State: settings and the door. */
#include <entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <tree.h>
#include <viv/iface/executor.h>

#include "command.h"
#include "executor_command_manifest.h"

struct executor {
    const struct executor_command_config *config;
    const struct viv_effects *effects;
};

/* One pipeline, one effect. */
static viv_status
run_pipeline(const struct executor *executor, struct viv_call *call, const json_t *pipeline,
             struct viv_effect_outcome *outcome, struct viv_error *err)
{
    struct viv_effect_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_EXEC};
    if (call->cancelled(call)) {
        return viv_tree_fail(err, VIV_E_CANCELLED, "executor", "the work was cancelled");
    }
    viv_status status = viv_tree_write(call, pipeline, 0, &request.spec_json, err);
    if (status != VIV_OK) {
        return status;
    }
    *outcome = (struct viv_effect_outcome){.size = (uint32_t)sizeof *outcome, .rev = 1};
    return executor->effects->perform(executor->effects, call, &request, outcome, err);
}

static int
failed_outcome(const struct viv_effect_outcome *outcome)
{
    return outcome->exit_code != 0 || (outcome->flags & VIV_EFFECT_TIMED_OUT) != 0;
}

/* A failing command's own words matter more than what it printed as its result. */
static viv_status
write_result(const struct executor *executor, struct viv_call *call, const json_t *pipeline,
             const struct viv_effect_outcome *outcome, struct viv_str *ret_json,
             struct viv_error *err)
{
    char summary[400];
    uint32_t failed = 0;
    uint64_t max = (uint64_t)executor->config->output_bytes;
    command_summary(pipeline, outcome, summary, sizeof summary);
    json_t *result = json_object();
    viv_tree_set(result, "summary", viv_tree_literal(summary), &failed);
    viv_tree_set(result, "output", command_excerpt(outcome->output, max), &failed);
    viv_tree_set(result, "errors", command_excerpt(outcome->errors, max), &failed);
    viv_tree_set(result, "exit_code", json_integer(outcome->exit_code), &failed);
    viv_tree_set(result, "output_cut", json_integer((outcome->flags & VIV_EFFECT_OUTPUT_CUT) != 0),
                 &failed);
    viv_tree_set(result, "claimed", json_array(), &failed);
    viv_status status = viv_tree_write(call, result, failed, ret_json, err);
    json_decref(result);
    return status;
}

static viv_status
execute(void *self, struct viv_call *call, const struct viv_executor_execute_request *request,
        struct viv_executor_execute_answer *ret_answer, struct viv_error *err)
{
    const struct executor *executor = self;
    json_t *pipelines = NULL;
    viv_status status = command_read(request->command_json, &pipelines, err);
    if (status != VIV_OK) {
        return status;
    }
    struct viv_effect_outcome outcome = {.exit_code = -1};
    struct viv_str result = {NULL, 0};
    const json_t *pipeline = NULL;
    size_t count = json_array_size(pipelines);
    for (size_t i = 0; status == VIV_OK && i < count; i++) {
        pipeline = json_array_get(pipelines, i);
        status = run_pipeline(executor, call, pipeline, &outcome, err);
        if (status == VIV_OK && failed_outcome(&outcome)) {
            break;
        }
    }
    if (status == VIV_OK) {
        status = write_result(executor, call, pipeline, &outcome, &result, err);
    }
    if (status == VIV_OK) {
        ret_answer->result_json = result;
        ret_answer->done = !failed_outcome(&outcome);
    }
    json_decref(pipelines);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    const void *effects = NULL;
    viv_status status = host->acquire(host, VIV_SERVICE_EFFECT, &effects, err);
    if (status != VIV_OK) {
        return status;
    }
    struct executor *executor = malloc(sizeof *executor);
    if (!executor) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    *executor = (struct executor){config, effects};
    *ret_self = executor;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_executor executor = {
    .size = (uint32_t)sizeof executor, .rev = 1, .execute = execute};

static const struct viv_offer offers[] = {{VIV_IFACE_EXECUTOR, &executor}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
