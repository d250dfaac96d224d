/* SPDX-License-Identifier: Apache-2.0 */
#include "skill.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/effect.h"
#include "run/policy.h"
#include "run/runner_plan.h"
#include "run/skill_file.h"
#include "run/workspace.h"

#define CALL_NS INT64_C(60000000000)

static viv_status
start(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call, const struct vh_skill_file *kept,
      struct vh_runner **ret_runner, struct viv_error *err)
{
    struct vh_runner_plan plan;
    const char *key = NULL;
    viv_status status = vh_runner_plan_fill(arena, &kept->file, (struct viv_str){ NULL, 0 }, call->root_fd, &plan, &key,
                                            err);
    plan.plugin_fd = kept->plugin_fd;
    return status ? status : vh_pool_take(run->pool, &plan, key, call->depth, call->now_us, ret_runner, err);
}

static bool
own_fault(enum vh_runner_failure failure)
{
    return failure != VH_RUNNER_FINE && failure != VH_RUNNER_CANCELLED && failure != VH_RUNNER_LOST;
}

static viv_status
check_output(struct vh_arena *arena, const struct vh_manifest *manifest, const struct viv_skill_run_answer *answer,
             struct viv_error *err)
{
    struct viv_str output = answer->output_json.len ? answer->output_json : VH_STR("{}");
    viv_status status = vh_schema_check(arena, manifest->output, output, err);
    return status ? vh_error_extend(err, VIV_E_PLUGIN, "answer of skill '%s' breaks its outputSchema", manifest->id)
                  : VIV_OK;
}

struct running {
    struct vh_runner *runner;
    struct viv_skill_run_answer answer;
    struct vh_runner_result result;
};

/* One call on a runner that is there. */
static viv_status
call_runner(const struct vh_seam *seam, const struct vh_skill_call *call, struct running *running,
            const struct vh_schema_values *values, struct vh_arena *arena, struct viv_error *err)
{
    struct viv_skill_run_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .values = values->rows,
        .values_count = values->count,
        .values_stride = (uint32_t)sizeof(struct viv_value),
        .input_json = values->json,
    };
    struct vh_runner_call wire = {
        .interface = VIV_INDEX_SKILL,
        .method = VIV_METHOD_SKILL_RUN,
        .request = &request,
        .deadline_ns = seam->monotonic_ns(seam->data) + (call->limit_ns ? call->limit_ns : CALL_NS),
        .now_us = call->now_us,
        .cancel_fd = -1,
        .trace_id = call->skill,
        .task = call->task,
        .service = call->service,
        .service_data = call->service_data,
    };
    running->answer = (struct viv_skill_run_answer){ .size = (uint32_t)sizeof running->answer, .rev = 1 };
    viv_status status = vh_runner_call(running->runner, &wire, &running->answer, &running->result, arena, err);
    if (status == VIV_OK && running->result.plugin_status) {
        status = vh_error_set(err, running->result.plugin_status, "skill", "%s", running->result.plugin_error.text);
    }
    return status;
}

static viv_status
run_file(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
         const struct vh_skill_file *kept, struct vh_skill_result *ret_result, struct viv_error *err)
{
    const struct vh_manifest *manifest = kept->file.manifest;
    struct vh_schema_values values;
    struct running running = { .result = { .failure = VH_RUNNER_FINE } };
    ret_result->id = vh_arena_text(arena, manifest->id);
    ret_result->version = vh_arena_text(arena, manifest->version);
    viv_status status = vh_schema_values(arena, manifest->input, call->input_json, &values, err);
    if (status) {
        return status;
    }
    status = start(run, arena, call, kept, &running.runner, err);
    if (status) {
        ret_result->plugin_fault = status == VIV_E_PLUGIN || status == VIV_E_DENIED || status == VIV_E_TIMEOUT;
        return status;
    }
    status = call_runner(run->seam, call, &running, &values, arena, err);
    if (status == VIV_OK) {
        status = check_output(arena, manifest, &running.answer, err);
    }
    enum vh_runner_failure failure = running.result.failure;
    ret_result->plugin_fault = status != VIV_OK && failure != VH_RUNNER_LOST && failure != VH_RUNNER_CANCELLED;
    if (vh_pool_give(run->pool, running.runner, own_fault(failure) ? failure : VH_RUNNER_FINE, status ? err->text : "",
                     call->now_us)) {
        vh_log(VH_LOG_WARNING, "skill", "'%s' is in quarantine: %s", manifest->id, err->text);
    }
    if (status == VIV_OK) {
        ret_result->output_json = running.answer.output_json.len ? running.answer.output_json : VH_STR("{}");
        ret_result->text = running.answer.text;
        ret_result->own_ns = running.result.own_ns;
    }
    return status;
}

viv_status
vh_skill_run(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
             struct vh_skill_result *ret_result, struct viv_error *err)
{
    struct vh_skill_file *kept = NULL;
    struct viv_error fault = VIV_ERROR_INIT;
    *ret_result = (struct vh_skill_result){ .plugin_fault = false };
    viv_status status = vh_skill_file_take(run, call->skill, call->digest_hex, &kept, &fault);
    if (status == VIV_OK) {
        status = run_file(run, arena, call, kept, ret_result, &fault);
        vh_skill_file_give(run, kept);
    }
    if (status && err) {
        *err = fault;
    }
    return status;
}

/* ---- a task served by a skill ---- */

static viv_status
serve_effect(void *data, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
             struct vh_arena *arena, struct viv_error *err)
{
    return vh_effect_perform(data, arena, request, ret_outcome, err);
}

/* "id@digest" as the route was recorded. */
static struct viv_str
split_route(struct viv_str route, struct vh_arena *arena, const char **ret_digest)
{
    const char *at = route.len ? memchr(route.data, '@', (size_t)route.len) : NULL;
    if (!at) {
        return route;
    }
    size_t len = (size_t)(at - route.data);
    *ret_digest = vh_arena_text_of(arena, (struct viv_str){ at + 1, route.len - len - 1 });
    return (struct viv_str){ route.data, len };
}

static void
set_result(struct vh_work *work, struct vh_json *data, const struct vh_skill_result *result)
{
    struct vh_json *json = vh_json_object(work->arena);
    vh_json_set_int(work->arena, json, "exit_code", 0);
    vh_json_set_str(work->arena, json, "output", vh_run_clean(work->arena, result->text, 16384));
    vh_json_set(json, "output_json", vh_run_tree(work, result->output_json, "{}"));
    vh_json_set_text(work->arena, json, "summary", vh_arena_format(work->arena, "%s %s", result->id, result->version));
    vh_json_set_int(work->arena, data, "done", 1);
    vh_json_set_int(work->arena, data, "own_ns", result->own_ns);
    vh_json_set(data, "result", json);
}

static void
blame(struct vh_work *work, struct viv_str skill, const char *text)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_answer answer;
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_str(work->arena, data, "plugin", skill);
    vh_json_set_str(work->arena, data, "text", vh_run_clean(work->arena, vh_str(text), 400));
    struct vh_command command = {
        .kind = VH_STR("plugin.blamed"),
        .task = work->ask.task.id,
        .actor = { VH_STR("worker"), work->worker, work->run->uid, work->run->pid },
        .data = data,
    };
    if (vh_sequencer_call(work->run->sequencer, &command, false, work->arena, &answer, &err)) {
        vh_log(VH_LOG_WARNING, "skill", "blame could not be recorded: %s", err.text);
    }
}

viv_status
vh_skill_execute(struct vh_work *work, struct viv_error *err)
{
    struct vh_skill_result result = { .plugin_fault = false };
    struct viv_error fault = VIV_ERROR_INIT;
    vh_run_keep(work);
    struct viv_task task = { .size = (uint32_t)sizeof task, .rev = 1, .id = work->ask.task.id,
                             .goal = work->ask.task.goal, .attempt = (uint32_t)work->ask.task.attempt };
    struct vh_skill_call call = {
        .input_json = work->ask.task.route_input,
        .root_fd = -1,
        .now_us = work->ask.task.expires_us - VH_STEP_LEASE_US,
        .service = serve_effect,
        .task = &task,
    };
    call.skill = split_route(work->ask.task.route, work->arena, &call.digest_hex);
    struct vh_effect_origin origin = { .work = work, .plugin = call.skill };
    struct vh_skill_file *kept = NULL;
    bool granted = false;
    viv_status status = vh_skill_file_take(work->run, call.skill, call.digest_hex, &kept, &fault);
    if (status == VIV_OK) {
        origin.manifest = kept->file.manifest;
        granted = origin.manifest->folder_read &&
                  vh_policy_reads_all(work->policy, work->arena, work->ask.task.capability);
    }
    if (granted) {
        call.root_fd = vh_keeper_root(vh_workspace_keeper(work));
    }
    call.service_data = &origin;
    if (status == VIV_OK) {
        status = run_file(work->run, work->arena, &call, kept, &result, &fault);
        vh_skill_file_give(work->run, kept);
    }
    if (work->asked) {
        return VIV_OK;
    }
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_int(work->arena, data, "folder_granted", granted);
    if (status == VIV_OK) {
        set_result(work, data, &result);
        return vh_run_answer(work, "execute.finished", data, NULL, err);
    }
    if (!result.plugin_fault && strcmp(vh_run_class(status), "infrastructure") == 0) {
        vh_run_failure(work, data, "infrastructure", fault.text); /* not the skill's: it is tried again */
        return vh_run_answer(work, "execute.finished", data, NULL, err);
    }
    vh_log(VH_LOG_WARNING, "skill", "%s; the route goes on without it", fault.text);
    if (result.plugin_fault) {
        blame(work, call.skill, fault.text);
    }
    vh_workspace_close(work);
    vh_json_set_str(work->arena, data, "missed", call.skill);
    vh_json_set_str(work->arena, data, "reason", vh_run_clean(work->arena, vh_str(fault.text), 300));
    return vh_run_answer(work, "execute.finished", data, NULL, err);
}
