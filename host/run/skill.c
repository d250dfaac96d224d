/* SPDX-License-Identifier: Apache-2.0 */
#include "skill.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "load/map.h"
#include "load/options.h"
#include "run/effect.h"
#include "run/workspace.h"

#define CALL_NS INT64_C(60000000000)

/* The skill's bytes, judged again, and its manifest. */
static viv_status
inspect(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call, struct vh_plugin_file *ret_file,
        struct viv_error *err)
{
    struct vh_registry_entry entry;
    char *id = vh_arena_text_of(arena, call->skill);
    if (!id) {
        return vh_error_set(err, VIV_E_MEMORY, "skill", "no memory for a skill");
    }
    pthread_mutex_lock(run->registry_lock);
    viv_status status = VIV_E_NOT_FOUND;
    if (call->digest_hex) {
        for (uint32_t i = 0; i < vh_registry_count(run->registry) && status; i++) {
            char hex[VH_HASH_HEX];
            vh_registry_at(run->registry, i, &entry);
            vh_hash_hex(&entry.digest, hex);
            status = strcmp(hex, call->digest_hex) == 0 ? VIV_OK : VIV_E_NOT_FOUND;
        }
        if (status) {
            vh_error_set(err, status, "skill", "the version of '%s' this task was routed to is gone", id);
        }
    } else {
        status = vh_registry_find(run->registry, id, NULL, &entry, err);
    }
    if (status == VIV_OK) {
        status = vh_registry_inspect(run->registry, arena, &run->rules, &entry, ret_file, err);
    }
    pthread_mutex_unlock(run->registry_lock);
    if (status == VIV_OK && ret_file->manifest->kind != VH_MANIFEST_SKILL) {
        status = vh_error_set(err, VIV_E_INVALID, "skill", "'%s' is a plugin, not a skill", id);
    }
    return status;
}

/* Settings by option name for the runner; skills have their defaults. */
static viv_status
start(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call, const struct vh_plugin_file *file,
      struct vh_runner **ret_runner, struct viv_error *err)
{
    const struct vh_manifest *manifest = file->manifest;
    struct vh_runner_plan plan = {
        .id = manifest->id,
        .version = manifest->version,
        .root_fd = manifest->folder_read ? call->root_fd : -1,
        .interfaces = UINT64_C(1) << VIV_INDEX_SKILL,
        .services = manifest->services,
        .service_count = manifest->service_count,
        .libraries = manifest->libraries,
        .library_count = manifest->library_count,
    };
    viv_status status = vh_map_seal(file->bytes.data, (size_t)file->bytes.len, manifest->id, &plan.plugin_fd, err);
    if (status) {
        return status;
    }
    char *key = vh_arena_text(arena, file->digest_hex);
    status = key ? vh_pool_take(run->pool, &plan, key, call->depth, call->now_us, ret_runner, err)
                 : vh_error_set(err, VIV_E_MEMORY, "skill", "no memory for a skill");
    run->seam->close(run->seam->data, plan.plugin_fd);
    return status;
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

viv_status
vh_skill_run(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
             struct vh_skill_result *ret_result, struct viv_error *err)
{
    struct vh_plugin_file file;
    struct vh_schema_values values;
    struct vh_runner *runner = NULL;
    struct vh_runner_result result = { .failure = VH_RUNNER_FINE };
    *ret_result = (struct vh_skill_result){ .plugin_fault = false };
    viv_status status = inspect(run, arena, call, &file, err);
    if (status == VIV_OK) {
        ret_result->id = file.manifest->id;
        ret_result->version = file.manifest->version;
        status = vh_schema_values(arena, file.manifest->input, call->input_json, &values, err);
    }
    if (status) {
        return status;
    }
    status = start(run, arena, call, &file, &runner, err);
    if (status) {
        ret_result->plugin_fault = status == VIV_E_PLUGIN || status == VIV_E_DENIED || status == VIV_E_TIMEOUT;
        return status;
    }
    struct viv_skill_run_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .values = values.rows,
        .values_count = values.count,
        .values_stride = (uint32_t)sizeof(struct viv_value),
        .input_json = values.json,
    };
    struct viv_skill_run_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    struct vh_runner_call wire = {
        .interface = VIV_INDEX_SKILL,
        .method = VIV_METHOD_SKILL_RUN,
        .request = &request,
        .deadline_ns = run->seam->monotonic_ns(run->seam->data) + (call->limit_ns ? call->limit_ns : CALL_NS),
        .now_us = call->now_us,
        .cancel_fd = -1,
        .trace_id = call->skill,
        .task = call->task,
        .service = call->service,
        .service_data = call->service_data,
    };
    struct viv_error fault = VIV_ERROR_INIT;
    status = vh_runner_call(runner, &wire, &answer, &result, arena, &fault);
    if (status == VIV_OK && result.plugin_status) {
        status = vh_error_set(&fault, result.plugin_status, "skill", "%s", result.plugin_error.text);
    }
    if (status == VIV_OK) {
        status = check_output(arena, file.manifest, &answer, &fault);
    }
    ret_result->plugin_fault = status != VIV_OK && result.failure != VH_RUNNER_LOST &&
                               result.failure != VH_RUNNER_CANCELLED;
    if (vh_pool_give(run->pool, runner, own_fault(result.failure) ? result.failure : VH_RUNNER_FINE, fault.text,
                     call->now_us)) {
        vh_log(VH_LOG_WARNING, "skill", "'%s' is in quarantine: %s", file.manifest->id, fault.text);
    }
    if (status) {
        *err = fault;
        return status;
    }
    ret_result->output_json = answer.output_json.len ? answer.output_json : VH_STR("{}");
    ret_result->text = answer.text;
    ret_result->own_ns = result.own_ns;
    return VIV_OK;
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
    struct vh_skill_result result;
    struct viv_error fault = VIV_ERROR_INIT;
    struct viv_task task = { .size = (uint32_t)sizeof task, .rev = 1, .id = work->ask.task.id,
                             .goal = work->ask.task.goal, .attempt = (uint32_t)work->ask.task.attempt };
    struct vh_skill_call call = {
        .input_json = work->ask.task.route_input,
        .root_fd = vh_keeper_root(vh_workspace_keeper(work)),
        .now_us = work->ask.task.expires_us - VH_STEP_LEASE_US,
        .service = serve_effect,
        .task = &task,
    };
    call.skill = split_route(work->ask.task.route, work->arena, &call.digest_hex);
    struct vh_effect_origin origin = { .work = work, .plugin = call.skill };
    struct vh_registry_entry entry;
    pthread_mutex_lock(work->run->registry_lock);
    viv_status status = vh_registry_find(work->run->registry, vh_arena_text_of(work->arena, call.skill), NULL, &entry,
                                         &fault);
    if (status == VIV_OK) {
        status = vh_registry_manifest(work->run->registry, work->arena, &entry, &origin.manifest, &fault);
    }
    pthread_mutex_unlock(work->run->registry_lock);
    call.service_data = &origin;
    if (status == VIV_OK) {
        status = vh_skill_run(work->run, work->arena, &call, &result, &fault);
    }
    if (work->asked) {
        return VIV_OK;
    }
    struct vh_json *data = vh_json_object(work->arena);
    if (status == VIV_OK) {
        set_result(work, data, &result);
        return vh_run_answer(work, "execute.finished", data, NULL, err);
    }
    vh_log(VH_LOG_WARNING, "skill", "%s; the route goes on without it", fault.text);
    blame(work, call.skill, fault.text);
    vh_workspace_close(work);
    vh_json_set_str(work->arena, data, "missed", call.skill);
    vh_json_set_str(work->arena, data, "reason", vh_run_clean(work->arena, vh_str(fault.text), 300));
    return vh_run_answer(work, "execute.finished", data, NULL, err);
}
