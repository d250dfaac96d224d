/* SPDX-License-Identifier: Apache-2.0 */
/* A task begins, is held by a worker, and ends: submit, claim, lost lease, and the ways an attempt ends. */
#include "scope.h"
#include "step_inside.h"

#define PUBLICATION_UNKNOWN "publication-unknown"
#define BACKOFF_US INT64_C(1000000) /* first wait after an infrastructure failure; doubles */

static viv_status
check_goal(struct vh_stepping *step)
{
    struct viv_str goal = vh_step_str(step, "goal");
    if (vh_json_get(step->command->data, "parent")) {
        return vh_error_set(step->err, VIV_E_INVALID, "task", "'parent' comes from a plan, a client cannot name it");
    }
    if (!vh_str_id(step->command->task)) {
        return vh_error_set(step->err, VIV_E_INVALID, "task",
                            "task id '%.*s' is not usable, allowed: 1 to %d " VH_STR_ID_WORDS,
                            (int)(step->command->task.len > 64 ? 64 : step->command->task.len),
                            step->command->task.data ? step->command->task.data : "", VIV_ID_MAX);
    }
    if (goal.len == 0 || goal.len > VIV_GOAL_MAX) {
        return vh_error_set(step->err, VIV_E_INVALID, "task", "the request has %llu bytes, allowed 1 to %d",
                            (unsigned long long)goal.len, VIV_GOAL_MAX);
    }
    int64_t attempts = vh_step_int(step, "attempts_max", 0);
    if (attempts < 1 || attempts > VIV_ATTEMPTS_MAX) {
        return vh_error_set(step->err, VIV_E_INVALID, "task", "attempts are %lld, allowed 1 to %d",
                            (long long)attempts, VIV_ATTEMPTS_MAX);
    }
    struct vh_task there;
    viv_status status =
        step->state->get_task(step->state->data, step->arena, step->command->task, &there, step->err);
    if (status == VIV_OK) {
        return vh_error_set(step->err, VIV_E_EXISTS, "task", "task '%.*s' exists already; ids are never used twice",
                            VH_STR_ARGS(step->command->task));
    }
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

/* Clients bring it in its one spelling: what is recorded is what is compared with paths later. */
static viv_status
check_scope(struct vh_stepping *step)
{
    struct viv_str scope;
    struct viv_str said = vh_step_str(step, "scope");
    const struct vh_json *member = vh_json_get(step->command->data, "scope");
    if (member && member->type != VH_JSON_STRING) {
        return vh_error_set(step->err, VIV_E_INVALID, "scope", "'scope' of a task is no text, allowed: a path");
    }
    viv_status status = vh_scope_read(step->arena, said, &scope, step->err);
    if (status == VIV_OK && !vh_str_equal(scope, said)) {
        return vh_error_set(step->err, VIV_E_INVALID, "scope", "scope '%.*s' is spelled otherwise than '%.*s'",
                            (int)(said.len > 100 ? 100 : said.len), said.data, VH_STR_ARGS(scope));
    }
    return status;
}

/* How many dependencies are not ready; refuses unknown ones and failed ones by name. */
static viv_status
count_open(struct vh_stepping *step, int64_t *ret_open)
{
    const struct vh_json *depends = vh_json_get(step->command->data, "depends");
    *ret_open = 0;
    if (depends && depends->count > VIV_DEPENDS_MAX) {
        return vh_error_set(step->err, VIV_E_LIMIT, "task", "the task depends on %u others, allowed %d",
                            depends->count, VIV_DEPENDS_MAX);
    }
    for (const struct vh_json *d = depends ? depends->child : NULL; d; d = d->next) {
        struct vh_task other;
        viv_status status = step->state->get_task(step->state->data, step->arena, d->text, &other, step->err);
        if (status == VIV_E_NOT_FOUND) {
            return vh_error_set(step->err, VIV_E_INVALID, "task", "task '%.*s' depends on '%.*s', which does not exist",
                                VH_STR_ARGS(step->command->task), VH_STR_ARGS(d->text));
        }
        if (status) {
            return status;
        }
        if (vh_task_ended(&other) && other.state != VH_STATE_READY) {
            return vh_error_set(step->err, VIV_E_INVALID, "task", "task '%.*s' depends on '%.*s', which is %s",
                                VH_STR_ARGS(step->command->task), VH_STR_ARGS(d->text),
                                vh_task_state_name(other.state));
        }
        *ret_open += other.state != VH_STATE_READY;
    }
    return VIV_OK;
}

viv_status
vh_step_task_submitted(struct vh_stepping *step)
{
    int64_t open = 0;
    viv_status status = check_goal(step);
    if (status == VIV_OK) {
        status = check_scope(step);
    }
    if (status == VIV_OK) {
        status = count_open(step, &open);
    }
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status == VIV_OK) {
        status = vh_step_load(step, step->command->task);
    }
    if (status) {
        return status;
    }
    return vh_step_move(step, open ? VH_STATE_BLOCKED : VH_STATE_PENDING, VH_PHASE_IDLE, (struct viv_str){ NULL, 0 },
                        0);
}

/* The data of the input event are the command's with what the claim decided. */
viv_status
vh_step_task_claimed(struct vh_stepping *step)
{
    struct viv_str id = step->command->task;
    viv_status status = vh_step_switched(step, false, id.len ? VIV_E_BUSY : VIV_E_NOT_FOUND);
    if (status == VIV_OK && id.len == 0) {
        status = step->state->next_claimable(step->state->data, step->arena, step->time_us, &id, step->err);
    }
    if (status == VIV_OK && id.len == 0) {
        return vh_error_set(step->err, VIV_E_NOT_FOUND, "task", "nothing to claim");
    }
    if (status == VIV_OK) {
        status = vh_step_load(step, id);
    }
    if (status) {
        return status;
    }
    struct vh_task *task = &step->task;
    if (!vh_state_claimable(task) || task->retry_at_us > step->time_us) {
        return vh_error_set(step->err, VIV_E_BUSY, "task", "task '%.*s' is %s and cannot be claimed now",
                            VH_STR_ARGS(task->id), vh_task_state_name(task->state));
    }
    struct viv_str epoch = { NULL, 0 };
    status = step->state->get_fact(step->state->data, step->arena, "epoch", &epoch, step->err);
    if (status) {
        return status;
    }
    int64_t number = 0;
    for (uint64_t i = 0; i < epoch.len; i++) {
        number = number * 10 + (epoch.data[i] - '0');
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "epoch", number);
    vh_json_set_int(step->arena, data, "expires_us", step->time_us + VH_STEP_LEASE_US);
    vh_json_set_int(step->arena, data, "lease", task->lease + 1);
    vh_json_set_str(step->arena, data, "worker", vh_step_str(step, "worker"));
    if (vh_json_get(step->command->data, "request")) {
        vh_json_set_str(step->arena, data, "request", vh_step_str(step, "request"));
    }
    status = vh_step_input_as(step, "task.claimed", data);
    if (status || step->task.state != VH_STATE_PENDING || step->task.phase == VH_PHASE_SETTLE) {
        return status;
    }
    /* What was meant stays; what was a plan and failed is planned again. */
    enum vh_phase phase = step->task.children_left > 0 ? VH_PHASE_PLAN : VH_PHASE_SAFETY;
    phase = step->task.intent.len ? phase : VH_PHASE_INTAKE;
    return vh_step_move(step, VH_STATE_RUNNING, phase, (struct viv_str){ NULL, 0 }, 0);
}

/* The task stays ready; the event says why nothing was reversed. */
static viv_status
give_up_rollback(struct vh_stepping *step)
{
    struct vh_json *data = vh_step_object(step);
    vh_json_set_text(step->arena, data, "phase", vh_task_phase_name(VH_PHASE_IDLE));
    vh_json_set_text(step->arena, data, "reason", "infrastructure: the rollback was lost too often");
    return vh_step_emit(step, "task.phase", step->task.id, data);
}

/* Infrastructure failed too often. Once the publication was announced nobody knows from here whether the result is out:
 * a person decides, and approving tries the publication again, which looks before it does anything. */
static viv_status
give_up(struct vh_stepping *step, struct viv_str reason)
{
    if (step->task.outside && step->task.state == VH_STATE_E2E) {
        return vh_step_ask(step, PUBLICATION_UNKNOWN, step->task.merged_tree, reason, VH_STATE_E2E,
                           VH_PHASE_PUBLISH);
    }
    return vh_step_fail(step, vh_step_text(step, "infrastructure: %.*s", VH_STR_ARGS(reason)));
}

/* The holder is gone. What was frozen goes on where it was; what was not starts again, with no attempt used. */
viv_status
vh_step_lease_expired(struct vh_stepping *step)
{
    viv_status status = vh_step_load(step, step->command->task);
    if (status) {
        return status;
    }
    if (!step->task.leased || step->task.lease != vh_step_int(step, "lease", 0)) {
        return vh_error_set(step->err, VIV_E_FENCED, "lease", "task '%.*s' is not held under lease %lld",
                            VH_STR_ARGS(step->task.id), (long long)vh_step_int(step, "lease", 0));
    }
    status = vh_step_input(step);
    status = status ? status : vh_step_effect_lost(step, step->task.effects - 1, "lease lost: all that was held");
    if (status) {
        return status;
    }
    bool often = step->task.recoveries > VIV_RECOVERIES_MAX;
    if (step->task.phase == VH_PHASE_SETTLE) {
        return often ? vh_step_settle_lost(step, "nobody could settle") : VIV_OK;
    }
    if (step->task.phase == VH_PHASE_ROLLBACK) {
        return often ? give_up_rollback(step) : VIV_OK;
    }
    if (vh_task_ended(&step->task)) {
        return VIV_OK; /* its followers are left to the next worker */
    }
    if (often) {
        return give_up(step, VH_STR("the task was lost too often"));
    }
    if (step->task.state != VH_STATE_RUNNING) {
        return VIV_OK;
    }
    status = vh_step_settle_lost(step, "lease lost");
    return status ? status
                  : vh_step_move(step, VH_STATE_PENDING, VH_PHASE_IDLE, VH_STR("lease lost"),
                                 VH_MOVE_RELEASE | VH_MOVE_AGAIN);
}

/* With a hold and a live lease its settlement is asked for; without a lease it is settled here. */
viv_status
vh_step_end(struct vh_stepping *step, enum vh_state to, struct viv_str reason, int64_t flags)
{
    viv_status status = vh_step_effect_lost(step, step->task.effects - 1, VH_STEP_NOT_TOLD);
    bool settle = step->task.held_micro > 0 && step->task.leased;
    if (status == VIV_OK && step->task.held_micro > 0 && !step->task.leased) {
        status = vh_step_settle_lost(step, "nobody left to settle");
    }
    if (status == VIV_OK) {
        status = vh_step_move(step, to, settle ? VH_PHASE_SETTLE : VH_PHASE_IDLE, reason,
                              flags | (settle ? 0 : VH_MOVE_RELEASE));
    }
    return status;
}

viv_status
vh_step_finish(struct vh_stepping *step, enum vh_state to, struct viv_str reason, int64_t flags)
{
    viv_status status = vh_step_end(step, to, reason, flags);
    return status ? status : vh_step_followers(step);
}

viv_status
vh_step_fail(struct vh_stepping *step, struct viv_str reason)
{
    return vh_step_finish(step, VH_STATE_FAILED, reason, 0);
}

viv_status
vh_step_reject(struct vh_stepping *step, const struct vh_json *reasons)
{
    struct vh_json *data = vh_step_object(step);
    vh_json_set(data, "reasons", vh_json_clone(step->arena, reasons));
    bool last = step->task.attempt >= step->task.attempts_max;
    viv_status status = vh_step_effect_lost(step, step->task.effects - 1, VH_STEP_NOT_TOLD);
    status = status ? status : vh_step_emit(step, "task.rejected", step->task.id, data);
    if (status) {
        return status;
    }
    return last ? vh_step_fail(step, VH_STR("rejected, attempts are used up"))
                : vh_step_finish(step, VH_STATE_PENDING, VH_STR("rejected"), VH_MOVE_AGAIN);
}

/* A small keyed hash: the same task fails at the same recovery with the same jitter, in replay too. */
static int64_t
jitter_us(const struct vh_task *task, int64_t below)
{
    uint64_t mix = UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(task->recoveries + 1);
    for (uint64_t i = 0; i < task->id.len; i++) {
        mix = (mix ^ (unsigned char)task->id.data[i]) * UINT64_C(0x100000001b3);
    }
    return below > 0 ? (int64_t)(mix >> 17) % below : 0;
}

static viv_status
later(struct vh_stepping *step, struct viv_str reason, int64_t recoveries, int64_t wait)
{
    struct vh_task *task = &step->task;
    struct vh_json *data = vh_step_object(step);
    vh_json_set_str(step->arena, data, "reason", reason);
    vh_json_set_int(step->arena, data, "recoveries", recoveries);
    vh_json_set_int(step->arena, data, "retry_at_us", step->time_us + wait + jitter_us(task, wait / 2));
    bool stays = task->state != VH_STATE_RUNNING;
    if (stays) {
        vh_json_set_int(step->arena, data, "release", 1);
    }
    viv_status status = vh_step_effect_lost(step, step->task.effects - 1, VH_STEP_NOT_TOLD);
    status = status ? status : vh_step_emit(step, "task.delayed", task->id, data);
    if (status || stays) {
        return status;
    }
    return vh_step_finish(step, VH_STATE_PENDING, reason, VH_MOVE_AGAIN);
}

viv_status
vh_step_delay(struct vh_stepping *step, struct viv_str reason)
{
    const struct vh_task *task = &step->task;
    int64_t recoveries = task->recoveries + 1;
    if (recoveries > VIV_RECOVERIES_MAX) {
        return give_up(step, reason);
    }
    return later(step, reason, recoveries, BACKOFF_US << (recoveries - 1));
}

viv_status
vh_step_wait(struct vh_stepping *step, struct viv_str reason)
{
    return later(step, reason, step->task.recoveries, BACKOFF_US);
}

bool
vh_step_publishing(struct vh_stepping *step)
{
    const struct vh_task *task = &step->task;
    struct vh_effect_row row;
    if (task->state == VH_STATE_AWAITING && vh_str_is(task->awaiting, PUBLICATION_UNKNOWN)) {
        return true;
    }
    if (task->state != VH_STATE_E2E || task->phase != VH_PHASE_PUBLISH || task->effects == 0) {
        return false;
    }
    viv_status status = step->state->get_effect(step->state->data, step->arena, task->id, task->round,
                                                task->effects - 1, &row, NULL);
    if (status && status != VIV_E_NOT_FOUND) {
        step->broken = step->broken ? step->broken : status;
    }
    return status == VIV_OK && vh_str_is(row.kind, "publish");
}

bool
vh_step_settling(const struct vh_stepping *step)
{
    return step->task.leased || step->task.phase == VH_PHASE_SETTLE;
}

/* A task that will run again settles now; one whose result is frozen keeps its hold while it waits. */
viv_status
vh_step_ask(struct vh_stepping *step, const char *why, struct viv_str digest, struct viv_str text,
            enum vh_state resume_state, enum vh_phase resume_phase)
{
    struct vh_json *data = vh_step_object(step);
    vh_json_set_str(step->arena, data, "digest", digest);
    vh_json_set_text(step->arena, data, "resume_phase", vh_task_phase_name(resume_phase));
    vh_json_set_text(step->arena, data, "resume_state", vh_task_state_name(resume_state));
    vh_json_set_str(step->arena, data, "text", text);
    vh_json_set_text(step->arena, data, "why", why);
    int64_t used = vh_step_used(step);
    if (used > 0) {
        vh_json_set_int(step->arena, data, "used_micro", used);
    }
    viv_status status = vh_step_emit(step, "task.asked", step->task.id, data);
    if (status) {
        return status;
    }
    if (resume_state == VH_STATE_PENDING) {
        return vh_step_finish(step, VH_STATE_AWAITING, vh_str(why), VH_MOVE_AGAIN);
    }
    return vh_step_move(step, VH_STATE_AWAITING, VH_PHASE_IDLE, vh_str(why), VH_MOVE_RELEASE);
}
