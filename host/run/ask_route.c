/* SPDX-License-Identifier: Apache-2.0 */
/* The route: a skill named by the task, the command a person showed, a template, else none. The decision is the core's
 * input like any opinion: recorded with every candidate and why not. */
#include "base/error.h"
#include "base/str.h"
#include "run/models.h"
#include "run/pipeline.h"
#include "run/router.h"

static const char nothing[] =
    "nothing can do this task: no skill matches and no command was given; add '-- COMMAND' to show how, install a "
    "skill, or configure a model";

static viv_status
find_route(struct vh_work *work, struct vh_route *route, struct viv_error *err)
{
    const struct vh_task *task = &work->ask.task;
    struct vh_run *run = work->run;
    viv_status status;
    pthread_mutex_lock(run->registry_lock);
    vh_registry_look(run->registry);
    if (task->skill.len) {
        status = vh_router_name(run->registry, work->arena, task->skill, task->input, route, err);
    } else {
        status = vh_router_words(run->router, run->registry, work->arena, task->goal, task->missed, route, err);
    }
    pthread_mutex_unlock(run->registry_lock);
    return status;
}

static void
set_skill(struct vh_work *work, struct vh_json *data, const struct vh_route *route)
{
    vh_json_set_str(work->arena, data, "reason", route->reason);
    vh_json_set(data, "input", vh_run_tree(work, route->input_json, "{}"));
    vh_json_set_text(work->arena, data, "route",
                     vh_arena_format(work->arena, "%.*s@%s", VH_STR_ARGS(route->skill), route->digest));
}

viv_status
vh_ask_route(struct vh_work *work, struct viv_error *err)
{
    struct vh_route route = { .candidates = NULL };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    bool command = work->ask.task.command.len > 0;
    bool missed_name = work->ask.task.skill.len && work->ask.task.missed.len;
    if (command) {
        vh_json_set_text(work->arena, data, "reason", "the command that came with the task");
        vh_json_set_text(work->arena, data, "route", "executor");
        return vh_run_answer(work, "route.chosen", data, NULL, err);
    }
    viv_status status = missed_name ? vh_error_set(&fault, VIV_E_PLUGIN, "route", "the named skill failed")
                                    : find_route(work, &route, &fault);
    if (route.candidates) {
        vh_json_set(data, "candidates", route.candidates);
    }
    if (status == VIV_OK && route.skill.len) {
        set_skill(work, data, &route);
    } else if (status == VIV_OK && work->run->plugins.goals && vh_models_any(work->policy)) {
        char *text = vh_arena_format(work->arena, "no skill matches (%.*s): a model works on it",
                                     VH_STR_ARGS(route.reason));
        vh_json_set_text(work->arena, data, "reason", text);
        vh_json_set_text(work->arena, data, "route", "executor");
    } else {
        char *text = status ? vh_arena_text(work->arena, fault.text)
                            : vh_arena_format(work->arena, "%s (%.*s)", nothing, VH_STR_ARGS(route.reason));
        vh_json_set_text(work->arena, data, "reason", text ? text : nothing);
    }
    return vh_run_answer(work, "route.chosen", data, NULL, err);
}
