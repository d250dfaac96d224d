/* SPDX-License-Identifier: Apache-2.0 */
/* The entry, the money and the facts about no task. Rows about one task are in fold_task.c. */
#include "fold_rows.h"

#include "base/error.h"
#include "base/str.h"

#define LIST_MAX 256

/* ---- money ---- */

static bool
can_hold(int64_t micro)
{
    return micro <= VH_JSON_INTEGER_MAX && micro >= -VH_JSON_INTEGER_MAX;
}

viv_status
vh_fold_scopes(struct vh_folding *fold, int64_t reserve, int64_t settle)
{
    const struct vh_json *scopes = vh_json_get(fold->event->data, "scopes");
    for (const struct vh_json *s = scopes ? scopes->child : NULL; s; s = s->next) {
        struct viv_str name = s->type == VH_JSON_STRING ? s->text : vh_json_str(s, "scope");
        struct vh_scope scope = { .name = name };
        if (name.len == 0) {
            return vh_error_set(fold->err, VIV_E_CORRUPT, "fold", "event %lld holds money in an account without a name",
                                (long long)fold->event->seq);
        }
        viv_status status = fold->state->get_scope(fold->state->data, fold->arena, name, &scope, fold->err);
        if (status && status != VIV_E_NOT_FOUND) {
            return status;
        }
        scope.limit_micro = vh_json_int(s, "limit_micro", scope.limit_micro);
        scope.reserved_micro += reserve;
        scope.settled_micro += settle;
        if (!can_hold(scope.reserved_micro) || !can_hold(scope.settled_micro)) {
            return vh_error_set(fold->err, VIV_E_CORRUPT, "fold",
                                "event %lld brings account '%.*s' out of bounds, allowed: up to %lld millionths",
                                (long long)fold->event->seq, VH_STR_ARGS(name), (long long)VH_JSON_INTEGER_MAX);
        }
        if (scope.reserved_micro < 0) {
            return vh_error_set(fold->err, VIV_E_CORRUPT, "fold", "account '%.*s' would hold less than nothing",
                                VH_STR_ARGS(name));
        }
        status = fold->state->put_scope(fold->state->data, &scope, fold->err);
        if (status) {
            return status;
        }
    }
    return VIV_OK;
}

viv_status
vh_fold_budget_held(struct vh_folding *fold)
{
    if (vh_json_get(fold->event->data, "ordinal")) {
        return vh_fold_effect_held(fold);
    }
    fold->task.held_micro = vh_fold_int(fold, "micro");
    struct vh_json *names = vh_json_array(fold->arena);
    const struct vh_json *scopes = vh_json_get(fold->event->data, "scopes");
    for (const struct vh_json *s = scopes ? scopes->child : NULL; s; s = s->next) {
        vh_json_push(names, vh_json_string(fold->arena, vh_json_str(s, "scope")));
    }
    fold->task.holds = vh_json_print(fold->arena, names);
    fold->failed = fold->failed || !fold->task.holds.data;
    return vh_fold_scopes(fold, fold->task.held_micro, 0);
}

/* The last word of a lease: hold gone, lease gone. */
viv_status
vh_fold_budget_settled(struct vh_folding *fold)
{
    struct vh_task *task = &fold->task;
    int64_t held = task->held_micro;
    int64_t cost = vh_fold_int(fold, "micro");
    if (vh_json_get(fold->event->data, "ordinal")) {
        return vh_fold_effect_settled(fold);
    }
    task->held_micro = task->used_micro = 0;
    task->holds = (struct viv_str){ NULL, 0 };
    task->cost_micro += cost;
    task->leased = 0;
    task->worker = (struct viv_str){ NULL, 0 };
    if (task->phase == VH_PHASE_SETTLE) {
        task->phase = VH_PHASE_IDLE;
    }
    return vh_fold_scopes(fold, -held, cost);
}

/* A child of a plan ended well: its parent has one less to wait for. */
static viv_status
count_child(struct vh_folding *fold)
{
    struct vh_task parent;
    if (fold->task.parent.len == 0 || fold->task.state != VH_STATE_READY) {
        return VIV_OK;
    }
    viv_status status = fold->tasks->get_task(fold->tasks->data, fold->arena, fold->task.parent, &parent, fold->err);
    if (status) {
        return status;
    }
    parent.children_left--;
    return fold->tasks->put_task(fold->tasks->data, &parent, fold->err);
}

/* ---- events about no task ---- */

/* `text` has NULL data when it could not be printed. */
static viv_status
put_print(struct vh_folding *fold, const char *name, struct viv_str text)
{
    return text.data ? fold->state->put_fact(fold->state->data, name, text, fold->err)
                     : vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for fact '%s'", name);
}

static viv_status
put_fact(struct vh_folding *fold, const char *name, struct viv_str text)
{
    text.data = text.data ? text.data : "";
    return fold->state->put_fact(fold->state->data, name, text, fold->err);
}

/* A list of texts, oldest first, each once, at most LIST_MAX. A text that is there already moves to the end; in a list
 * that is `rooted` it stays where it is, and the first stays for ever. */
static viv_status
note(struct vh_folding *fold, const char *fact, struct viv_str item, bool rooted)
{
    struct viv_str text = { NULL, 0 };
    struct vh_json *old = NULL;
    viv_status status = fold->state->get_fact(fold->state->data, fold->arena, fact, &text, fold->err);
    if (status == VIV_OK && text.len) {
        status = vh_json_read(fold->arena, text, &old, fold->err);
    }
    if (status) {
        return status;
    }
    struct vh_json *list = vh_json_array(fold->arena);
    uint32_t drop = old && old->count >= LIST_MAX ? old->count - LIST_MAX + 1 : 0;
    for (const struct vh_json *row = old ? old->child : NULL; row; row = row->next) {
        if (vh_str_equal(row->text, item)) {
            if (rooted) {
                return VIV_OK;
            }
            continue;
        }
        if (drop && !(rooted && row == old->child)) {
            drop--;
            continue;
        }
        vh_json_push(list, vh_json_string(fold->arena, row->text));
    }
    vh_json_push(list, vh_json_string(fold->arena, item));
    return put_print(fold, fact, vh_json_print(fold->arena, list));
}

static viv_status
fold_fact(struct vh_folding *fold)
{
    struct viv_str kind = fold->event->kind;
    if (vh_str_is(kind, "home.created")) {
        viv_status status = put_fact(fold, "seed", vh_fold_str(fold, "seed"));
        struct viv_str project = vh_fold_str(fold, "project"); /* older homes do not say */
        if (status == VIV_OK && project.len) {
            status = put_fact(fold, "project", project);
        }
        return status ? status : put_fact(fold, "home", vh_fold_str(fold, "home"));
    }
    if (vh_str_is(kind, "home.moved")) {
        struct viv_str from = vh_fold_str(fold, "from"); /* empty when a home did not know */
        viv_status status = put_fact(fold, "project", vh_fold_str(fold, "to"));
        return status || from.len == 0 ? status : note(fold, "places", from, true);
    }
    if (vh_str_is(kind, "host.started")) {
        char *epoch = vh_arena_format(fold->arena, "%lld", (long long)vh_fold_int(fold, "epoch"));
        return epoch ? put_fact(fold, "epoch", vh_str(epoch))
                     : vh_error_set(fold->err, VIV_E_MEMORY, "fold", "no memory for a number");
    }
    if (vh_str_is(kind, "policy.loaded")) {
        return put_print(fold, "policy", vh_json_print(fold->arena, fold->event->data));
    }
    if (vh_str_is(kind, "queue.imported")) {
        return note(fold, "queue", vh_fold_str(fold, "file"), false); /* for a queue that is written out again */
    }
    if (vh_str_is(kind, "switch.set")) {
        return put_print(fold, "switch", vh_json_print(fold->arena, fold->event->data));
    }
    if (vh_str_is(kind, "budget.capped")) {
        return vh_fold_capped(fold);
    }
    if (vh_str_is(kind, "model.learned")) {
        return vh_fold_learned(fold);
    }
    if (vh_str_is(kind, "trust.changed")) {
        return put_print(fold, "trust", vh_json_print(fold->arena, fold->event->data));
    }
    return VIV_OK;
}

viv_status
vh_fold_through(const struct vh_state_ops *state, const struct vh_state_ops *tasks, struct vh_arena *arena,
                const struct vh_event *event, struct viv_error *err)
{
    struct vh_folding fold = { .state = state, .tasks = tasks, .arena = arena, .event = event, .err = err };
    vh_fold_fn function = vh_fold_row(event->kind);
    if (event->task.len == 0) {
        return fold_fact(&fold);
    }
    if (function == vh_fold_nothing) {
        return VIV_OK;
    }
    if (!function) {
        return vh_error_set(err, VIV_E_CORRUPT, "fold", "event %lld of kind '%.*s' has no fold",
                            (long long)event->seq, VH_STR_ARGS(event->kind));
    }
    if (!vh_fold_is_new_task(function)) {
        viv_status status = tasks->get_task(tasks->data, arena, event->task, &fold.task, err);
        if (status == VIV_E_NOT_FOUND) {
            return vh_error_set(err, VIV_E_CORRUPT, "fold", "event %lld is about task '%.*s', which does not exist",
                                (long long)event->seq, VH_STR_ARGS(event->task));
        }
        if (status) {
            return status;
        }
    }
    struct vh_task had = fold.task;
    viv_status status = function(&fold);
    if (status == VIV_OK && fold.failed) {
        status = vh_error_set(err, VIV_E_MEMORY, "fold", "no memory to fold event %lld", (long long)event->seq);
    }
    if (status == VIV_OK && !vh_task_fits(&fold.task, &had)) {
        status = vh_error_set(err, VIV_E_CORRUPT, "fold",
                              "event %lld of kind '%.*s' gives a task a value no row can hold", (long long)event->seq,
                              VH_STR_ARGS(event->kind));
    }
    if (status == VIV_OK) {
        status = tasks->put_task(tasks->data, &fold.task, err);
    }
    return status == VIV_OK && vh_fold_is_move(function) ? count_child(&fold) : status;
}

viv_status
vh_fold(const struct vh_state_ops *state, struct vh_arena *arena, const struct vh_event *event, struct viv_error *err)
{
    return vh_fold_through(state, state, arena, event, err);
}
