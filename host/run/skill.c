/* SPDX-License-Identifier: Apache-2.0 */
#include "skill.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/effect.h"
#include "run/outside.h"
#include "run/policy.h"
#include "run/runner_plan.h"
#include "run/skill_file.h"
#include "run/workspace.h"

static viv_status
check_output(struct vh_arena *arena, const struct vh_manifest *manifest, const struct viv_skill_run_answer *answer,
             struct viv_error *err)
{
    struct viv_str output = answer->output_json.len ? answer->output_json : VH_STR("{}");
    viv_status status = vh_schema_check(arena, manifest->output, output, err);
    return status ? vh_error_extend(err, VIV_E_PLUGIN, "answer of skill '%s' breaks its outputSchema", manifest->id)
                  : VIV_OK;
}

/* One call on a runner. */
static viv_status
call_skill(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
           const struct vh_skill_file *kept, struct viv_skill_run_answer *ret_answer,
           struct vh_runner_result *ret_result, struct viv_error *err)
{
    struct vh_schema_values values;
    struct vh_runner_plan plan;
    const char *key = NULL;
    viv_status status = vh_schema_values(arena, kept->file.manifest->input, call->input_json, &values, err);
    if (status == VIV_OK) {
        status = vh_runner_plan_fill(arena, &kept->file, (struct viv_str){ NULL, 0 }, call->root_fd, &plan, &key, err);
    }
    if (status) {
        ret_result->failure = VH_RUNNER_LOST;
        return status;
    }
    plan.plugin_fd = kept->plugin_fd;
    struct viv_skill_run_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .values = values.rows,
        .values_count = values.count,
        .values_stride = (uint32_t)sizeof(struct viv_value),
        .input_json = values.json,
    };
    struct vh_outside_call outside = {
        .plan = &plan,
        .key = key,
        .depth = call->depth,
        .limit_ns = call->limit_ns,
        .wire = { .interface = VIV_INDEX_SKILL,
                  .method = VIV_METHOD_SKILL_RUN,
                  .request = &request,
                  .now_us = call->now_us,
                  .trace_id = call->skill,
                  .task = call->task,
                  .service = call->service,
                  .service_data = call->service_data,
                  .cancel = call->cancel },
    };
    return vh_outside_call(run, arena, &outside, ret_answer, ret_result, err);
}

static viv_status
run_file(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
         const struct vh_skill_file *kept, struct vh_skill_result *ret_result, struct viv_error *err)
{
    const struct vh_manifest *manifest = kept->file.manifest;
    struct viv_skill_run_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    struct vh_runner_result result = { .failure = VH_RUNNER_FINE };
    ret_result->id = vh_arena_text(arena, manifest->id);
    ret_result->version = vh_arena_text(arena, manifest->version);
    viv_status status = call_skill(run, arena, call, kept, &answer, &result, err);
    if (status == VIV_OK) {
        status = check_output(arena, manifest, &answer, err);
    }
    ret_result->plugin_fault = status && result.failure != VH_RUNNER_LOST && result.failure != VH_RUNNER_CANCELLED;
    if (status == VIV_OK) {
        ret_result->output_json = answer.output_json.len ? answer.output_json : VH_STR("{}");
        ret_result->text = answer.text;
        ret_result->own_ns = result.own_ns;
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
        .service = vh_outside_effect,
        .task = &task,
        .cancel = work->cancel,
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
    work->began = work->began || status == VIV_OK || result.plugin_fault;
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
