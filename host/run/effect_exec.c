/* SPDX-License-Identifier: Apache-2.0 */
/* Running programs for a task: what they are told, how long they may run, what is kept. pipelines.c runs them. */
#include "effect_inside.h"

#include "run/network.h"
#include "run/pipelines.h"

#define WALL_NS INT64_C(600000000000) /* when neither request, task nor policy says otherwise */
#define TOLD 3 /* variables of every command */
#define REASON_BYTES_MAX 512
#define REASONS_BYTES_MAX 16384

/* What rejected the earlier attempts, a line each, for a command that can do something about it. Cut at a bound: the
 * whole is in `task show`. */
static const char *
reasons_of(struct vh_effect *effect, struct viv_str feedback)
{
    struct vh_json *attempts = vh_run_tree(effect->work, feedback, "[]");
    struct vh_buf buf;
    vh_buf_init(&buf, effect->arena, REASONS_BYTES_MAX);
    vh_buf_text(&buf, "VIV_REASONS=");
    for (const struct vh_json *attempt = attempts ? attempts->child : NULL; attempt; attempt = attempt->next) {
        for (const struct vh_json *r = attempt->type == VH_JSON_ARRAY ? attempt->child : NULL; r; r = r->next) {
            struct viv_str command = vh_json_str(r, "command");
            struct viv_str text = r->type == VH_JSON_STRING ? r->text : vh_json_str(r, "text");
            text = vh_run_clean(effect->arena, text, REASON_BYTES_MAX);
            vh_buf_format(&buf, "%.*s%s%.*s\n", VH_STR_ARGS(vh_run_clean(effect->arena, command, REASON_BYTES_MAX)),
                          command.len ? ": " : "", VH_STR_ARGS(text));
        }
    }
    return buf.failed ? "VIV_REASONS=too many to list; see 'vivhost task show'" : buf.data;
}

/* The least of what the request asks for, what the task may take and what the policy allows. */
static int64_t
wall_limit(struct vh_effect *effect)
{
    struct vh_work *work = effect->work;
    const struct vh_json *policy = vh_run_setting(work->policy, "limits.time_ns");
    const struct vh_json *capability = vh_run_tree(work, work->ask.task.capability, "{}");
    /* Gates and preparation are the policy's own work, not the task's. */
    int64_t own = vh_str_is(work->stage, "execute") ? vh_json_int(capability, "time_ns", 0) : 0;
    const struct vh_json *ceiling = vh_run_setting(work->policy, "ceilings.time_ns");
    const int64_t limits[] = { policy && policy->integer > 0 ? policy->integer : WALL_NS,
                               ceiling ? ceiling->integer : 0, own,
                               vh_json_int(effect->spec, "timeout_ns", 0) };
    int64_t least = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        least = limits[i] > 0 && (least == 0 || limits[i] < least) ? limits[i] : least;
    }
    return least;
}

/* What every command is told, and where its way out is. */
static const char **
environment(struct vh_effect *effect, const struct vh_network *network)
{
    struct vh_work *work = effect->work;
    const char **env = vh_arena_array(effect->arena, TOLD + network->env_count, sizeof *env);
    const char *told[TOLD] = {
        vh_arena_format(effect->arena, "VIV_TASK=%.*s", VH_STR_ARGS(work->ask.task.id)),
        vh_arena_format(effect->arena, "VIV_ATTEMPT=%lld", (long long)work->ask.task.attempt),
        vh_str_is(work->stage, "execute") ? reasons_of(effect, work->ask.task.feedback) : "VIV_REASONS=",
    };
    for (size_t i = 0; env && i < TOLD + network->env_count; i++) {
        env[i] = i < TOLD ? told[i] : network->env[i - TOLD];
        env = env[i] ? env : NULL;
    }
    return env;
}

static viv_status
run(struct vh_effect *effect, const struct vh_network *network, struct vh_pipelines_result *ret_result,
    struct viv_error *err)
{
    struct vh_work *work = effect->work;
    const char **env = environment(effect, network);
    if (!env) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command");
    }
    struct vh_pipelines what = {
        .spec = effect->spec,
        .env = env,
        .env_count = TOLD + network->env_count,
        .wall_ns = wall_limit(effect),
        .cancel = work->cancel,
    };
    return vh_pipelines_run(work->run->seam, vh_workspace_keeper(work), effect->arena, &what, ret_result, err);
}

viv_status
vh_effect_exec(struct vh_effect *effect, struct viv_error *err)
{
    struct vh_network network;
    struct vh_pipelines_result result;
    viv_status status = vh_network_open(effect->work, vh_workspace_keeper(effect->work), effect->spec,
                                        effect->origin->by_policy, &network, err);
    if (status) {
        return status;
    }
    status = run(effect, &network, &result, err);
    effect->network = vh_network_close(effect->work, &network);
    if (status) {
        return status;
    }
    effect->outcome->exit_code = result.code;
    effect->outcome->errors = result.errors;
    effect->outcome->flags |= result.timed_out ? VIV_EFFECT_TIMED_OUT : 0;
    return vh_effect_output(effect, result.output, &result.output_hash, result.output_bytes > result.output.len, err);
}
