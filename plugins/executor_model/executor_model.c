/* SPDX-License-Identifier: Apache-2.0 */
/* Lets a model work on a task. State: settings and the door; all that a run has is its own. Read next: loop.h. */
#include <entry.h>
#include <stdlib.h>
#include <tree.h>
#include <viv/iface/executor.h>

#include "executor_model_manifest.h"
#include "loop.h"
#include "talk.h"

struct executor {
    const struct executor_model_config *config;
    const struct viv_effects *effects;
};

static viv_status
execute(void *self, struct viv_call *call, const struct viv_executor_execute_request *request,
        struct viv_executor_execute_answer *ret_answer, struct viv_error *err)
{
    const struct executor *executor = self;
    struct door door = { .effects = executor->effects, .call = call };
    struct talk_task about = { call->task, request->command_json, request->feedback_json };
    struct result result;
    struct viv_str json = { NULL, 0 };
    if (!call->task)
        return viv_tree_fail(err, VIV_E_INVALID, "executor", "there is no task to work on");
    viv_status status = result_open(&result, err);
    if (status != VIV_OK)
        return status;
    status = loop_run(executor->config, &door, &about, &result, err);
    if (status == VIV_OK) {
        status = result_write(&result, call, (uint64_t)executor->config->output_bytes, &json, err);
    }
    if (status == VIV_OK) {
        ret_answer->result_json = json;
        ret_answer->done = result.done;
    }
    result_close(&result);
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    const void *effects = NULL;
    viv_status status = host->acquire(host, VIV_SERVICE_EFFECT, &effects, err);
    if (status != VIV_OK)
        return status;
    struct executor *executor = malloc(sizeof *executor);
    if (!executor)
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    *executor = (struct executor){ config, effects };
    *ret_self = executor;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_executor executor = { .size = (uint32_t)sizeof executor, .rev = 1, .execute = execute };

static const struct viv_offer offers[] = { { VIV_IFACE_EXECUTOR, &executor } };

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
