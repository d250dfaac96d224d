/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the commands a policy binds to one stage, each through viv.effect/1, and always all of them,
 * so that a person or the next attempt sees every reason at once. Passed: all ended with 0. Failed:
 * one ended otherwise. Inconclusive: none failed, but one could not run. No command bound is "not
 * configured", never passed. State: settings and the door. */
#include <entry.h>
#include <jansson.h>
#include <kit.h>
#include <stdlib.h>
#include <tree.h>
#include <viv/iface/gate.h>

#include "checks.h"
#include "gate_command_manifest.h"

struct gate {
    const struct gate_command_config *config;
    const struct viv_effects *effects;
};

/* What is known so far about the stage. */
struct tally {
    json_t *findings;
    uint32_t failed_memory;
    uint32_t failed;
    uint32_t inconclusive;
};

static viv_status
check_request(const struct viv_gate_check_request *request, struct viv_error *err)
{
    struct viv_str stage = request->stage;
    if (!viv_kit_is(stage, "needs_qa") && !viv_kit_is(stage, "integration") &&
        !viv_kit_is(stage, "e2e")) {
        return viv_tree_fail(err, VIV_E_INVALID, "gate",
                             "stage is '%.*s', allowed: needs_qa, integration, e2e",
                             (int)(stage.len < 64 ? stage.len : 64), stage.data ? stage.data : "");
    }
    if (request->tree.len == 0 || request->tree.len > VIV_ID_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "gate", "tree id has %llu bytes, allowed 1 to %d",
                             (unsigned long long)request->tree.len, VIV_ID_MAX);
    }
    return VIV_OK;
}

/* Standard error first: programs complain there; without it the end of what they printed. */
static void
take_outcome(const struct gate *gate, const json_t *check, const struct viv_effect_outcome *outcome,
             struct tally *tally)
{
    uint32_t verdict = checks_outcome(outcome);
    if (verdict == VIV_GATE_PASSED)
        return;
    int64_t lines = gate->config->lines;
    int64_t bytes = gate->config->bytes_bytes;
    struct viv_str tail = checks_tail(outcome->errors, lines, bytes);
    if (tail.len == 0) {
        tail = checks_tail(outcome->output, lines, bytes);
    }
    tally->failed |= verdict == VIV_GATE_FAILED;
    tally->inconclusive |= verdict != VIV_GATE_FAILED;
    viv_tree_push(tally->findings, checks_finding(check, outcome, tail, &tally->failed_memory),
                  &tally->failed_memory);
}

/* Memory running out and cancelling end the call; everything else the door answers is inconclusive.
 */
static viv_status
run_check(const struct gate *gate, struct viv_call *call, const json_t *check, struct tally *tally,
          struct viv_error *err)
{
    struct viv_effect_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_EXEC};
    struct viv_effect_outcome outcome = {.size = (uint32_t)sizeof outcome, .rev = 1};
    struct viv_error refusal = VIV_ERROR_INIT;
    if (call->cancelled(call)) {
        return viv_tree_fail(err, VIV_E_CANCELLED, "gate", "the check was cancelled");
    }
    json_t *spec = checks_spec(check, gate->config->time_ns, &tally->failed_memory);
    viv_status status = viv_tree_write(call, spec, tally->failed_memory, &request.spec_json, err);
    json_decref(spec);
    if (status != VIV_OK) {
        return status;
    }
    status = gate->effects->perform(gate->effects, call, &request, &outcome, &refusal);
    if (status == VIV_OK) {
        take_outcome(gate, check, &outcome, tally);
        return VIV_OK;
    }
    if (status == VIV_E_CANCELLED || status == VIV_E_MEMORY) {
        return viv_tree_fail(err, status, "gate", "%s", refusal.text);
    }
    tally->inconclusive = 1;
    viv_tree_push(tally->findings, checks_refused(check, status, &refusal, &tally->failed_memory),
                  &tally->failed_memory);
    return VIV_OK;
}

static viv_status
answer(struct viv_call *call, const struct tally *tally, uint32_t outcome, struct viv_str tree,
       struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    struct viv_str findings = {NULL, 0};
    struct viv_str seen = viv_tree_copy(call, tree);
    if (!seen.data) {
        return viv_tree_fail(err, VIV_E_MEMORY, "gate",
                             "the answer does not fit into the call's memory");
    }
    viv_status status = viv_tree_write(call, tally->findings, tally->failed_memory, &findings, err);
    if (status == VIV_OK) {
        ret_answer->outcome = outcome;
        ret_answer->tree = seen;
        ret_answer->findings_json = findings;
    }
    return status;
}

static viv_status
check(void *self, struct viv_call *call, const struct viv_gate_check_request *request,
      struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    const struct gate *gate = self;
    json_t *checks = NULL;
    viv_status status = check_request(request, err);
    status = status ? status : checks_read(request->config_json, &checks, err);
    if (status != VIV_OK) {
        return status;
    }
    struct tally tally = {.findings = json_array()};
    size_t count = json_array_size(checks);
    for (size_t i = 0; status == VIV_OK && i < count; i++) {
        status = run_check(gate, call, json_array_get(checks, i), &tally, err);
    }
    if (status == VIV_OK) {
        uint32_t outcome = count == 0           ? VIV_GATE_NOT_CONFIGURED
                           : tally.failed       ? VIV_GATE_FAILED
                           : tally.inconclusive ? VIV_GATE_INCONCLUSIVE
                                                : VIV_GATE_PASSED;
        status = answer(call, &tally, outcome, request->tree, ret_answer, err);
    }
    json_decref(tally.findings);
    json_decref(checks);
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
    struct gate *gate = malloc(sizeof *gate);
    if (!gate) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    *gate = (struct gate){config, effects};
    *ret_self = gate;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_gate gate = {.size = (uint32_t)sizeof gate, .rev = 1, .check = check};

static const struct viv_offer offers[] = {{VIV_IFACE_GATE, &gate}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}
