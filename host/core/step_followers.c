/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when a task ends: dependents are freed or fail, a plan counts its children. The work list is bounded by
 * the events one command may lead to. */
#include "step_inside.h"

#define PENDING_MAX 1024

struct worklist {
    struct viv_str id[PENDING_MAX];
    size_t count;
};

static viv_status
all_ready(struct vh_stepping *step, struct viv_str id, bool *ret_ready)
{
    struct vh_ids ids = { 0 };
    viv_status status = step->state->dependencies(step->state->data, step->arena, id, &ids, step->err);
    *ret_ready = true;
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        struct vh_task other;
        status = step->state->get_task(step->state->data, step->arena, ids.id[i], &other, step->err);
        *ret_ready = *ret_ready && status == VIV_OK && other.state == VH_STATE_READY;
    }
    return status;
}

static viv_status
push(struct vh_stepping *step, struct worklist *list, struct viv_str id)
{
    if (list->count == PENDING_MAX) {
        return vh_error_set(step->err, VIV_E_LIMIT, "core", "more than %d tasks follow from one", PENDING_MAX);
    }
    list->id[list->count++] = id;
    return VIV_OK;
}

/* `ended` is READY: free it when nothing else holds it. Otherwise it fails, and so do those that wait for it. */
static viv_status
one_dependent(struct vh_stepping *step, struct worklist *list, struct viv_str id, const struct vh_task *ended)
{
    bool ready = false;
    viv_status status = vh_step_load(step, id);
    if (status || step->task.state != VH_STATE_BLOCKED) {
        return status;
    }
    if (ended->state != VH_STATE_READY) {
        struct viv_str reason = vh_step_text(step, "dependency_failed: '%.*s' is %s", VH_STR_ARGS(ended->id),
                                             vh_task_state_name(ended->state));
        status = vh_step_move(step, VH_STATE_FAILED, VH_PHASE_IDLE, reason, 0);
        return status ? status : push(step, list, id);
    }
    status = all_ready(step, id, &ready);
    if (status || !ready) {
        return status;
    }
    return vh_step_move(step, VH_STATE_PENDING, VH_PHASE_IDLE, VH_STR("dependencies are ready"), 0);
}

static viv_status
parent_of(struct vh_stepping *step, struct worklist *list, const struct vh_task *ended)
{
    viv_status status = vh_step_load(step, ended->parent);
    if (status || step->task.state != VH_STATE_EXPANDED) {
        return status;
    }
    if (ended->state == VH_STATE_READY && step->task.children_left > 0) {
        return VIV_OK;
    }
    enum vh_state to = ended->state == VH_STATE_READY ? VH_STATE_READY : VH_STATE_FAILED;
    struct viv_str reason = to == VH_STATE_READY ? VH_STR("every child is ready") : VH_STR("a child did not get ready");
    struct viv_str id = step->task.id;
    status = vh_step_move(step, to, VH_PHASE_IDLE, reason, 0);
    return status ? status : push(step, list, id);
}

/* The plan ended without them: what its children still do is for nothing. */
static viv_status
cancel_children(struct vh_stepping *step, struct worklist *list, const struct vh_task *plan)
{
    struct vh_ids ids = { 0 };
    viv_status status = step->state->children(step->state->data, step->arena, plan->id, &ids, step->err);
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        status = vh_step_load(step, ids.id[i]);
        if (status || !vh_moves_allowed(step->task.state, VH_STATE_CANCELLED)) {
            continue;
        }
        struct viv_str reason = vh_step_text(step, "its plan is %s", vh_task_state_name(plan->state));
        status = vh_step_end(step, VH_STATE_CANCELLED, reason, 0);
        status = status ? status : push(step, list, ids.id[i]);
    }
    return status;
}

static viv_status
followers_of(struct vh_stepping *step, struct worklist *list, struct viv_str id)
{
    struct vh_task ended;
    struct vh_ids ids = { 0 };
    viv_status status = step->state->get_task(step->state->data, step->arena, id, &ended, step->err);
    if (status || !vh_task_ended(&ended)) {
        return status;
    }
    status = step->state->dependents(step->state->data, step->arena, id, &ids, step->err);
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        status = one_dependent(step, list, ids.id[i], &ended);
    }
    if (status == VIV_OK && ended.children_left > 0 && ended.state != VH_STATE_READY) {
        status = cancel_children(step, list, &ended);
    }
    return status == VIV_OK && ended.parent.len ? parent_of(step, list, &ended) : status;
}

viv_status
vh_step_followers(struct vh_stepping *step)
{
    struct viv_str self = step->task.id;
    struct worklist *list = vh_arena_alloc(step->arena, sizeof *list);
    viv_status status = list ? push(step, list, self)
                             : vh_error_set(step->err, VIV_E_MEMORY, "core", "no memory for the tasks that follow");
    for (size_t i = 0; status == VIV_OK && i < list->count; i++) {
        status = followers_of(step, list, list->id[i]);
    }
    return status ? status : vh_step_load(step, self);
}
