/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when a task ends: dependents are freed or fail, a plan counts its children. One command leads to a
 * bounded number of events. A task whose dependents are more than that notes where it stopped; a worker takes it up
 * like any task that wants an answer, until all were looked at, whatever crashes in between. */
#include "step_inside.h"

#define EVENTS_ENOUGH 900 /* after so many the rest is left; each task of the work list came with an event */
#define PENDING_MAX 1024

struct worklist {
    struct viv_str id[PENDING_MAX];
    size_t count;
    size_t enough; /* events of the decision */
};

static bool
full(const struct vh_stepping *step, const struct worklist *list)
{
    return step->decision->count >= list->enough;
}

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
cancel_children(struct vh_stepping *step, struct worklist *list, const struct vh_task *plan, bool *ret_whole)
{
    struct vh_ids ids = { 0 };
    viv_status status = step->state->children(step->state->data, step->arena, plan->id, &ids, step->err);
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        status = vh_step_load(step, ids.id[i]);
        if (status || !vh_moves_allowed(step->task.state, VH_STATE_CANCELLED) || vh_step_publishing(step)) {
            continue; /* a result that is on its way gets ready by itself */
        }
        if (full(step, list)) {
            *ret_whole = false;
            return VIV_OK;
        }
        struct viv_str reason = vh_step_text(step, "its plan is %s", vh_task_state_name(plan->state));
        status = vh_step_end(step, VH_STATE_CANCELLED, reason, 0);
        status = status ? status : push(step, list, ids.id[i]);
    }
    return status;
}

/* Starts at dependent `*from`, in order of submission. When the command is full `*from` says where to go on; otherwise
 * it is past the last. What was done before is seen as done. */
static viv_status
followers_of(struct vh_stepping *step, struct worklist *list, struct viv_str id, size_t *from, bool *ret_whole)
{
    struct vh_task ended;
    struct vh_ids ids = { 0 };
    *ret_whole = true;
    viv_status status = step->state->get_task(step->state->data, step->arena, id, &ended, step->err);
    if (status || !vh_task_ended(&ended)) {
        return status;
    }
    status = step->state->dependents(step->state->data, step->arena, id, &ids, step->err);
    for (; *from < ids.count && status == VIV_OK; ++*from) {
        if (full(step, list)) {
            *ret_whole = false;
            return VIV_OK;
        }
        status = one_dependent(step, list, ids.id[*from], &ended);
    }
    if (status == VIV_OK && ended.children_left > 0 && ended.state != VH_STATE_READY) {
        status = cancel_children(step, list, &ended, ret_whole);
    }
    return status == VIV_OK && *ret_whole && ended.parent.len ? parent_of(step, list, &ended) : status;
}

static viv_status
leave(struct vh_stepping *step, struct viv_str id, size_t from)
{
    viv_status status = vh_step_load(step, id);
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "from", (int64_t)from);
    return status ? status : vh_step_emit(step, "followers.left", id, data);
}

/* From the first one's dependent `from` on; `*ret_whole`: none of the first one's are left. */
static viv_status
follow(struct vh_stepping *step, size_t from, bool *ret_whole)
{
    struct viv_str self = step->task.id;
    struct worklist *list = vh_arena_alloc(step->arena, sizeof *list);
    if (!list) {
        return vh_error_set(step->err, VIV_E_MEMORY, "core", "no memory for the tasks that follow");
    }
    list->count = 0;
    list->enough = step->decision->count + EVENTS_ENOUGH;
    viv_status status = push(step, list, self);
    *ret_whole = true;
    for (size_t i = 0; status == VIV_OK && i < list->count; i++) {
        size_t at = i ? 0 : from;
        bool whole = false;
        status = followers_of(step, list, list->id[i], &at, &whole);
        if (status == VIV_OK && !whole) {
            status = leave(step, list->id[i], at);
            *ret_whole = *ret_whole && i > 0;
        }
    }
    return status ? status : vh_step_load(step, self);
}

viv_status
vh_step_followers(struct vh_stepping *step)
{
    bool whole = true;
    return follow(step, 0, &whole);
}

viv_status
vh_step_followers_counted(struct vh_stepping *step)
{
    bool whole = false;
    viv_status status = vh_step_fence(step, VH_PHASE_IDLE);
    bool open = step->task.phase == VH_PHASE_IDLE && step->task.following && vh_task_ended(&step->task);
    if (status == VIV_OK && !open) {
        status = vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' is %s and has no followers left",
                              VH_STR_ARGS(step->task.id), vh_task_state_name(step->task.state));
    }
    status = status ? status : vh_step_input(step);
    status = status ? status : follow(step, (size_t)step->task.following - 1, &whole);
    return status || !whole ? status : vh_step_emit(step, "followers.done", step->task.id, vh_step_object(step));
}
