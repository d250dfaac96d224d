/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/collect.h"
#include "run/policy.h"
#include "run/workspace.h"

#define ANSWERS_MAX 10000 /* of one claim: three attempts of a hundred effects each are far below */

static viv_status (*const handlers[VH_PHASE_COUNT])(struct vh_work *work, struct viv_error *err) = {
    [VH_PHASE_INTAKE] = vh_ask_intake,
    [VH_PHASE_PLAN] = vh_ask_plan,
    [VH_PHASE_SAFETY] = vh_ask_safety,
    [VH_PHASE_BUDGET] = vh_ask_budget,
    [VH_PHASE_ROUTE] = vh_ask_route,
    [VH_PHASE_BASE] = vh_ask_base,
    [VH_PHASE_EXECUTE] = vh_ask_execute,
    [VH_PHASE_FREEZE] = vh_ask_freeze,
    [VH_PHASE_GATE_QA] = vh_ask_gate,
    [VH_PHASE_INTEGRATE] = vh_ask_integrate,
    [VH_PHASE_GATE_INTEGRATION] = vh_ask_gate,
    [VH_PHASE_GATE_E2E] = vh_ask_gate,
    [VH_PHASE_REVIEW] = vh_ask_review,
    [VH_PHASE_PUBLISH] = vh_ask_publish,
    [VH_PHASE_SETTLE] = vh_ask_settle,
    [VH_PHASE_ROLLBACK] = vh_ask_rollback,
    [VH_PHASE_FOLLOW] = vh_ask_follow,
};

static viv_status
claim(struct vh_work *work, struct viv_str task, struct viv_error *err)
{
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_str(work->arena, data, "worker", work->worker);
    struct vh_command command = {
        .kind = VH_STR("task.claimed"),
        .task = task,
        .actor = { VH_STR("worker"), work->worker, work->run->uid, work->run->pid },
        .data = data,
    };
    struct vh_answer answer = { 0 };
    viv_status status = vh_sequencer_call(work->run->sequencer, &command, true, work->arena, &answer, err);
    if (status == VIV_OK) {
        work->ask = answer.ask;
        work->lease = answer.ask.task.lease;
        work->ordinal = answer.ask.task.effects;
    }
    return status;
}

/* Let go of a task that cannot be worked on here: the core decides when it is tried again. */
static viv_status
give_back(struct vh_work *work, const char *why)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_str(work->arena, data, "reason", vh_run_clean(work->arena, vh_str(why), 300));
    viv_status status = vh_run_answer(work, "lease.expired", data, NULL, &err);
    if (status && status != VIV_E_FENCED) {
        vh_log(VH_LOG_WARNING, "worker", "task '%.*s' could not be given back: %s", VH_STR_ARGS(work->ask.task.id),
               err.text);
    }
    return status;
}

/* A person's word can change the task between two answers: then the core is asked what it wants now. */
static bool
changed_meanwhile(viv_status status)
{
    return status == VIV_E_STATE || status == VIV_E_FENCED;
}

/* From the merge to the publication one task at a time has the line: what its gates judge is what gets published, and
 * nobody gates against a tip that is about to move. */
static void
keep_line(struct vh_work *work)
{
    enum vh_phase what = work->ask.what;
    bool wanted = what == VH_PHASE_INTEGRATE || what == VH_PHASE_GATE_INTEGRATION || what == VH_PHASE_GATE_E2E ||
                  what == VH_PHASE_REVIEW || what == VH_PHASE_PUBLISH || what == VH_PHASE_ROLLBACK;
    if (wanted && !work->at_line) {
        pthread_mutex_lock(work->run->line_lock);
    } else if (!wanted && work->at_line) {
        pthread_mutex_unlock(work->run->line_lock);
    }
    work->at_line = wanted;
}

static void
leave_line(struct vh_work *work)
{
    if (work->at_line) {
        work->at_line = false;
        pthread_mutex_unlock(work->run->line_lock);
    }
}

static viv_status
work_on(struct vh_work *work, struct viv_error *err)
{
    for (int answers = 0; answers < ANSWERS_MAX && work->ask.what != VH_PHASE_IDLE; answers++) {
        if (work->ask.task.lease != work->lease || !work->ask.task.leased) {
            return VIV_OK;
        }
        work->asked = false;
        keep_line(work);
        vh_run_keep(work);
        work->began = work->began || (work->ask.what > VH_PHASE_EXECUTE && work->ask.what < VH_PHASE_SETTLE);
        struct viv_error fault = VIV_ERROR_INIT;
        viv_status status = handlers[work->ask.what](work, &fault);
        if (status == VIV_OK) {
            continue;
        }
        if (changed_meanwhile(status)) {
            struct viv_str id = work->ask.task.id;
            status = vh_sequencer_ask(work->run->sequencer, id, work->arena, &work->ask, &fault);
            if (status == VIV_OK) {
                work->ordinal = work->ask.task.effects;
                continue;
            }
        }
        if (status == VIV_E_STORE && vh_sequencer_dead(work->run->sequencer, NULL)) {
            *err = fault;
            return status;
        }
        vh_log(VH_LOG_WARNING, "worker", "task '%.*s', %s: %s", VH_STR_ARGS(work->ask.task.id),
               vh_task_phase_name(work->ask.what), fault.text);
        (void)give_back(work, fault.text); /* it says so itself */
        return VIV_OK;
    }
    if (work->ask.what != VH_PHASE_IDLE) { /* nobody else could take it */
        (void)give_back(work, "too many answers in one claim");
    }
    return VIV_OK;
}

static void
show(const struct vh_work *work, const struct vh_pipeline_watch *watch)
{
    if (!watch->lock) {
        return;
    }
    pthread_mutex_lock(watch->lock);
    snprintf(watch->task, watch->task_room, "%.*s", VH_STR_ARGS(work->ask.task.id));
    *watch->since_us = work->run->seam->wall_us(work->run->seam->data);
    pthread_mutex_unlock(watch->lock);
}

viv_status
vh_pipeline_claim(struct vh_run *run, struct viv_str worker, struct viv_str task,
                  const struct vh_pipeline_watch *watch, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_run_policy *policy = arena ? vh_policy_now(run) : NULL;
    if (!policy) {
        vh_arena_destroy(arena);
        return vh_error_set(err, VIV_E_MEMORY, "worker", "no memory for a task");
    }
    struct vh_work work = {
        .run = run,
        .arena = arena,
        .worker = worker,
        .cancel = watch->cancel,
        .policy = policy,
        .stage = VH_STR("execute"),
        .started_ns = run->seam->monotonic_ns(run->seam->data),
    };
    viv_status status = claim(&work, task, err);
    if (status == VIV_OK) {
        work.began = work.ask.what == VH_PHASE_SETTLE; /* for a worker before this one, who knows what it did */
        show(&work, watch);
        vh_tree_user_enter(&work.trees, run->trees, arena);
        status = work_on(&work, err);
        vh_workspace_close(&work);
        vh_tree_user_leave(&work.trees);
    }
    leave_line(&work);
    vh_arena_destroy(arena);
    vh_policy_give(run, policy);
    vh_collect_trees_over(run);
    return status;
}
