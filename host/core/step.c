/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher and the parts every handler uses. Handlers: step_life.c (submit, claim, lease), step_answers.c
 * (opinions and outcomes), step_gates.c (stages, review, publish), step_money.c, step_people.c. */
#include "step_inside.h"

#include <stdarg.h>
#include <stdio.h>

static const struct handler {
    const char *kind;
    vh_step_fn function;
} handlers[] = {
    { "home.created", vh_step_record },
    { "home.moved", vh_step_record },
    { "home.restored", vh_step_record },
    { "backup.made", vh_step_record },
    { "host.started", vh_step_record },
    { "host.stopped", vh_step_record },
    { "policy.loaded", vh_step_record },
    { "trust.changed", vh_step_record },
    { "content.pruned", vh_step_record },
    { "log.archived", vh_step_record },
    { "switch.set", vh_step_switch_set },
    { "budget.capped", vh_step_budget_capped },
    { "model.learned", vh_step_model_learned },
    { "queue.imported", vh_step_record },
    { "plugin.installed", vh_step_record },
    { "plugin.removed", vh_step_record },
    { "plugin.blamed", vh_step_record },
    { "calls.made", vh_step_record },
    { "command.refused", vh_step_record },
    { "clock.stepped", vh_step_record },
    { "task.submitted", vh_step_task_submitted },
    { "task.claimed", vh_step_task_claimed },
    { "lease.expired", vh_step_lease_expired },
    { "intent.captured", vh_step_intent_captured },
    { "plan.answered", vh_step_plan_answered },
    { "safety.report", vh_step_safety_report },
    { "budget.estimated", vh_step_budget_estimated },
    { "route.chosen", vh_step_route_chosen },
    { "base.captured", vh_step_base_captured },
    { "effect.started", vh_step_effect },
    { "effect.refused", vh_step_effect },
    { "effect.asked", vh_step_effect },
    { "effect.finished", vh_step_effect_finished },
    { "execute.finished", vh_step_execute_finished },
    { "change.frozen", vh_step_change_frozen },
    { "gate.answered", vh_step_gate_answered },
    { "integration.made", vh_step_integration_made },
    { "review.made", vh_step_review_made },
    { "publish.finished", vh_step_publish_finished },
    { "settle.priced", vh_step_settle_priced },
    { "followers.counted", vh_step_followers_counted },
    { "rollback.finished", vh_step_rollback_finished },
    { "cancel.requested", vh_step_cancel_requested },
    { "retry.requested", vh_step_retry_requested },
    { "approval.given", vh_step_approval_given },
    { "approval.refused", vh_step_approval_refused },
    { "answer.given", vh_step_answer_given },
    { "rollback.requested", vh_step_rollback_requested },
};

struct vh_json *
vh_step_object(struct vh_stepping *step)
{
    return vh_json_object(step->arena);
}

struct viv_str
vh_step_text(struct vh_stepping *step, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = len < 0 ? NULL : vh_arena_alloc(step->arena, (size_t)len + 1);
    if (!text) {
        step->broken = VIV_E_MEMORY;
        return (struct viv_str){ NULL, 0 };
    }
    va_start(list, format);
    vsnprintf(text, (size_t)len + 1, format, list);
    va_end(list);
    return (struct viv_str){ text, (uint64_t)len };
}

struct viv_str
vh_step_str(const struct vh_stepping *step, const char *key)
{
    return vh_json_str(step->command->data, key);
}

int64_t
vh_step_int(const struct vh_stepping *step, const char *key, int64_t fallback)
{
    return vh_json_int(step->command->data, key, fallback);
}

struct viv_str
vh_step_failure(const struct vh_stepping *step)
{
    return vh_json_str(vh_json_get(step->command->data, "failure"), "class");
}

struct viv_str
vh_step_failure_text(const struct vh_stepping *step)
{
    return vh_json_str(vh_json_get(step->command->data, "failure"), "text");
}

viv_status
vh_step_load(struct vh_stepping *step, struct viv_str id)
{
    viv_status status = step->state->get_task(step->state->data, step->arena, id, &step->task, step->err);
    if (status == VIV_E_NOT_FOUND) {
        return vh_error_set(step->err, VIV_E_NOT_FOUND, "task",
                            "there is no task '%.*s'; 'vivhost queue list' shows all",
                            VH_STR_ARGS(id));
    }
    return status;
}

static viv_status
check_before(struct vh_stepping *step, const struct vh_event *event)
{
    const struct vh_invariant now = { step->state, step->arena, &step->task, event, NULL, step->err };
    return vh_str_starts(event->kind, "effect.") ? vh_invariant_effect(&now) : VIV_OK;
}

/* The task's row again, which the event has changed, and whether it could. */
static viv_status
load_checked(struct vh_stepping *step, const struct vh_event *event)
{
    struct vh_task before = step->task;
    struct vh_invariant now = { step->state, step->arena, &before, event, &step->task, step->err };
    viv_status status = vh_step_load(step, event->task);
    return status ? status : vh_invariant_event(&now);
}

viv_status
vh_step_emit(struct vh_stepping *step, const char *kind, struct viv_str task, struct vh_json *data)
{
    if (!data || data->failed) {
        return vh_error_set(step->err, VIV_E_MEMORY, "core", "no memory for event '%s'", kind);
    }
    struct vh_decision *decision = step->decision;
    if (decision->count == VH_STEP_EVENTS_MAX) {
        return vh_error_set(step->err, VIV_E_LIMIT, "core", "one command leads to more than %d events",
                            VH_STEP_EVENTS_MAX);
    }
    if ((decision->count & (decision->count - 1)) == 0) {
        size_t room = decision->count ? decision->count * 2 : 1;
        struct vh_event *more = vh_arena_array(step->arena, room, sizeof *more);
        if (!more) {
            return vh_error_set(step->err, VIV_E_MEMORY, "core", "no memory for event '%s'", kind);
        }
        for (size_t i = 0; i < decision->count; i++) {
            more[i] = decision->events[i];
        }
        decision->events = more;
    }
    bool own = vh_str_equal(task, step->task.id);
    struct vh_event *event = &decision->events[decision->count];
    *event = (struct vh_event){
        .seq = step->seq,
        .batch = step->batch,
        .time_us = step->time_us,
        .cause = step->input_seq,
        .actor = step->command->actor,
        .kind = vh_str(kind),
        .task = task,
        .attempt = own ? step->task.attempt : 0,
        .data = data,
    };
    if (step->seq == step->input_seq) {
        event->key = step->command->key;
    }
    viv_status status = own ? check_before(step, event) : VIV_OK;
    if (status == VIV_OK) {
        status = vh_fold(step->state, step->arena, event, step->err);
    }
    if (status) {
        return status;
    }
    decision->count++;
    step->seq++;
    return own && task.len ? load_checked(step, event) : VIV_OK;
}

viv_status
vh_step_input_as(struct vh_stepping *step, const char *kind, struct vh_json *data)
{
    step->decision->task = step->task.id.len ? step->task.id : step->command->task;
    return vh_step_emit(step, kind, step->decision->task, data);
}

viv_status
vh_step_input(struct vh_stepping *step)
{
    const struct vh_event_kind *kind = vh_event_kind_of(step->command->kind);
    return vh_step_input_as(step, kind->name, step->command->data);
}

static int64_t
number_of(struct viv_str text)
{
    int64_t number = 0;
    for (uint64_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        number = number * 10 + (text.data[i] - '0');
    }
    return number;
}

/* The home begins once, epochs only rise; what is about the home is about no task. */
viv_status
vh_step_record(struct vh_stepping *step)
{
    struct viv_str kind = step->command->kind;
    struct viv_str fact = { NULL, 0 };
    bool created = vh_str_is(kind, "home.created");
    bool started = vh_str_is(kind, "host.started");
    if (step->command->task.len && !vh_str_is(kind, "plugin.blamed")) {
        return vh_error_set(step->err, VIV_E_INVALID, "core", "command '%.*s' is about no task, '%.*s' was named",
                            VH_STR_ARGS(kind), VH_STR_ARGS(step->command->task));
    }
    viv_status status = VIV_OK;
    if (created || started) {
        status = step->state->get_fact(step->state->data, step->arena, created ? "home" : "epoch", &fact, step->err);
    }
    if (status) {
        return status;
    }
    if (created && fact.len) {
        return vh_error_set(step->err, VIV_E_EXISTS, "core", "the home exists already, it is '%.*s'",
                            VH_STR_ARGS(fact));
    }
    if (started && vh_step_int(step, "epoch", 0) != number_of(fact) + 1) {
        return vh_error_set(step->err, VIV_E_FENCED, "core", "host epoch %lld does not follow %lld",
                            (long long)vh_step_int(step, "epoch", 0), (long long)number_of(fact));
    }
    return vh_step_input(step);
}

viv_status
vh_step_fence(struct vh_stepping *step, enum vh_phase phase)
{
    struct viv_str epoch = { NULL, 0 };
    viv_status status = vh_step_load(step, step->command->task);
    if (status == VIV_OK) {
        status = step->state->get_fact(step->state->data, step->arena, "epoch", &epoch, step->err);
    }
    if (status) {
        return status;
    }
    int64_t lease = vh_step_int(step, "lease", 0);
    if (!step->task.leased || step->task.lease != lease || step->task.epoch != number_of(epoch)) {
        return vh_error_set(step->err, VIV_E_FENCED, "lease",
                            "lease %lld of task '%.*s' is over, the valid lease is %lld of epoch %lld",
                            (long long)lease, VH_STR_ARGS(step->task.id), (long long)step->task.lease,
                            (long long)step->task.epoch);
    }
    if (phase != VH_PHASE_IDLE && step->task.phase != (int64_t)phase) {
        return vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' is %s and wants '%s', not '%s'",
                            VH_STR_ARGS(step->task.id), vh_task_state_name(step->task.state),
                            vh_task_phase_name(step->task.phase), vh_task_phase_name(phase));
    }
    return VIV_OK;
}

/* "task." and the state's name, from the table of kinds, so that it outlives the step. */
static const char *
move_kind(enum vh_state to)
{
    for (size_t i = 0; i < vh_event_kinds_count; i++) {
        const char *name = vh_event_kinds[i].name;
        if (strncmp(name, "task.", 5) == 0 && strcmp(name + 5, vh_task_state_name(to)) == 0) {
            return name;
        }
    }
    return "task.none";
}

/* Entering a stage binds the gates that the policy in force names; coming back from a question keeps them. */
static void
bind_gates(struct vh_stepping *step, enum vh_state stage, struct vh_json *data)
{
    if (step->task.state == VH_STATE_AWAITING && step->task.resume_state == (int64_t)stage) {
        return;
    }
    const struct vh_json *gates = vh_json_get(vh_json_get(vh_step_policy(step), "gates"), vh_task_state_name(stage));
    vh_json_set(data, "gates", gates ? vh_json_clone(step->arena, gates) : vh_json_array(step->arena));
}

viv_status
vh_step_move(struct vh_stepping *step, enum vh_state to, enum vh_phase phase, struct viv_str reason, int64_t flags)
{
    struct vh_task *task = &step->task;
    if (!vh_moves_allowed(task->state, to)) {
        return vh_error_set(step->err, VIV_E_STATE, "task", "task '%.*s' is %s and cannot become %s",
                            VH_STR_ARGS(task->id), vh_task_state_name(task->state), vh_task_state_name(to));
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_text(step->arena, data, "from", vh_task_state_name(task->state));
    if (phase != VH_PHASE_IDLE) {
        vh_json_set_text(step->arena, data, "phase", vh_task_phase_name(phase));
    }
    if (reason.len) {
        vh_json_set_str(step->arena, data, "reason", reason);
    }
    if (task->state == VH_STATE_AWAITING && task->gate_index) {
        vh_json_set_int(step->arena, data, "gate_index", task->gate_index); /* gates that answered stay answered */
    }
    if (to == VH_STATE_NEEDS_QA || to == VH_STATE_INTEGRATION || to == VH_STATE_E2E) {
        bind_gates(step, to, data);
    }
    if (flags & VH_MOVE_RELEASE) {
        vh_json_set_int(step->arena, data, "release", 1);
    }
    if (flags & VH_MOVE_AGAIN) {
        vh_json_set_int(step->arena, data, "again", 1);
    }
    return vh_step_emit(step, move_kind(to), task->id, data);
}

const struct vh_json *
vh_step_policy(struct vh_stepping *step)
{
    struct viv_str text = { NULL, 0 };
    struct vh_json *policy = NULL;
    viv_status status = step->state->get_fact(step->state->data, step->arena, "policy", &text, NULL);
    if (status == VIV_OK && text.len) {
        status = vh_json_read(step->arena, text, &policy, NULL);
    }
    step->broken = step->broken ? step->broken : status;
    return status ? NULL : policy;
}

bool
vh_step_approved(struct vh_stepping *step, const char *why, struct viv_str digest)
{
    struct vh_json *list = NULL;
    if (step->task.approved.len == 0 || digest.len == 0) {
        return false; /* a question without a digest is bound to nothing and stays a question */
    }
    viv_status status = vh_json_read(step->arena, step->task.approved, &list, NULL);
    step->broken = step->broken ? step->broken : status;
    if (status) {
        return false;
    }
    struct viv_str wanted = vh_step_text(step, "%s:%.*s", why, VH_STR_ARGS(digest));
    for (const struct vh_json *item = wanted.len ? list->child : NULL; item; item = item->next) {
        if (vh_str_equal(item->text, wanted)) {
            return true;
        }
    }
    return false;
}

viv_status
vh_step(const struct vh_state_ops *state, struct vh_arena *arena, const struct vh_command *command,
        const struct vh_step_place *place, struct vh_decision *ret_decision, struct viv_error *err)
{
    struct vh_stepping step = { .state = state,
                                .arena = arena,
                                .command = command,
                                .time_us = place->time_us,
                                .seq = place->seq,
                                .batch = place->batch,
                                .input_seq = place->seq,
                                .decision = ret_decision,
                                .err = err };
    *ret_decision = (struct vh_decision){ 0 };
    if (!command->data || command->data->type != VH_JSON_OBJECT || command->data->failed) {
        return vh_error_set(err, VIV_E_INVALID, "core", "command '%.*s' carries no data", VH_STR_ARGS(command->kind));
    }
    if (!vh_json_canonical(command->data) || !vh_str_utf8(command->task) || !vh_str_utf8(command->key) ||
        !vh_str_utf8(command->actor.name) || !vh_str_utf8(command->actor.role)) {
        return vh_error_set(err, VIV_E_INVALID, "core",
                            "command '%.*s' is not canonical: texts must be UTF-8, numbers integers within 2^53-1",
                            VH_STR_ARGS(command->kind));
    }
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (vh_str_is(command->kind, handlers[i].kind)) {
            viv_status status = handlers[i].function(&step);
            if (status == VIV_OK && step.task.id.len) {
                status = vh_invariant_rest(&step.task, err);
            }
            /* What could not be read counts before what was decided without it. */
            return step.broken ? vh_error_set(err, step.broken, "core", "command '%s' ran out of memory or found a "
                                              "row it cannot read", handlers[i].kind)
                               : status;
        }
    }
    return vh_error_set(err, VIV_E_INVALID, "core", "there is no command '%.*s'", VH_STR_ARGS(command->kind));
}

void
vh_step_command_of(const struct vh_event *event, struct vh_command *ret_command)
{
    *ret_command = (struct vh_command){
        .kind = event->kind,
        .task = event->task,
        .key = event->key,
        .actor = event->actor,
        .data = event->data,
    };
}

void
vh_step_refuse(struct vh_arena *arena, const struct vh_command *refused, viv_status status, const char *text,
               struct vh_command *ret_command)
{
    struct vh_json *data = vh_json_object(arena);
    vh_json_set_str(arena, data, "command", refused->kind);
    vh_json_set_int(arena, data, "status", status);
    vh_json_set_text(arena, data, "text", text);
    *ret_command = *refused;
    ret_command->kind = VH_STR("command.refused");
    ret_command->task = (struct viv_str){ NULL, 0 };
    ret_command->data = data;
}

bool
vh_step_sync(const struct vh_command *command)
{
    const struct vh_event_kind *kind = vh_event_kind_of(command->kind);
    bool leaves = vh_json_int(command->data, "outside", 0) != 0 || vh_json_get(command->data, "hold");
    return (!command->lazy && (!kind || kind->sync)) || leaves;
}
