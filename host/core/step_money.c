/* SPDX-License-Identifier: Apache-2.0 */
/* Holds and settlements. The plugin proposes; here is where settled + reserved <= limit is enforced, in the committing
 * transaction, in every scope or in none. */
#include "step_inside.h"

#define SCOPES_MAX 16

/* How much of the limit is free now, and how much would be if every hold came back. */
static viv_status
room_in(struct vh_stepping *step, const struct vh_json *want, int64_t *ret_now, int64_t *ret_ever)
{
    struct viv_str name = vh_json_str(want, "scope");
    struct vh_scope scope = { .name = name };
    viv_status status = step->state->get_scope(step->state->data, step->arena, name, &scope, step->err);
    if (status && status != VIV_E_NOT_FOUND) {
        return status;
    }
    int64_t limit = vh_json_int(want, "limit_micro", scope.limit_micro);
    *ret_ever = limit - scope.settled_micro;
    *ret_now = *ret_ever - scope.reserved_micro;
    return VIV_OK;
}

static viv_status
refuse_hold(struct vh_stepping *step, struct viv_str scope, int64_t micro, int64_t now, int64_t ever)
{
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "free_micro", now);
    vh_json_set_int(step->arena, data, "micro", micro);
    vh_json_set_str(step->arena, data, "scope", scope);
    viv_status status = vh_step_emit(step, "budget.refused", step->task.id, data);
    if (status) {
        return status;
    }
    if (micro <= ever) {
        return vh_step_delay(step, VH_STR("budget is held by other tasks"));
    }
    char *text = vh_arena_format(step->arena, "budget: account '%.*s' has %lld micro-units left, the task may "
                                              "cost %lld",
                                 VH_STR_ARGS(scope), (long long)ever, (long long)micro);
    return vh_step_fail(step, text ? vh_str(text) : VH_STR("budget"));
}

viv_status
vh_step_budget_estimated(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_BUDGET);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status) {
        return status;
    }
    int64_t micro = vh_step_int(step, "worst_case_micro", -1);
    const struct vh_json *scopes = vh_json_get(step->command->data, "scopes");
    bool usable = vh_step_failure(step).len == 0 && micro >= 0 && scopes && scopes->type == VH_JSON_ARRAY &&
                  scopes->count > 0 && scopes->count <= SCOPES_MAX;
    if (!usable) {
        char *text = vh_arena_format(step->arena, "budget: no hold could be made, %.*s",
                                     VH_STR_ARGS(vh_step_failure_text(step)));
        return vh_step_fail(step, text ? vh_str(text) : VH_STR("budget: no hold could be made"));
    }
    for (const struct vh_json *scope = scopes->child; scope; scope = scope->next) {
        int64_t now = 0, ever = 0;
        status = room_in(step, scope, &now, &ever);
        if (status) {
            return status;
        }
        if (micro > now) {
            return refuse_hold(step, vh_json_str(scope, "scope"), micro, now, ever);
        }
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "micro", micro);
    vh_json_set(data, "scopes", vh_json_clone(step->arena, scopes));
    return vh_step_emit(step, "budget.held", step->task.id, data);
}

static viv_status
settle(struct vh_stepping *step, int64_t cost, const char *why)
{
    struct vh_json *scopes = NULL;
    if (step->task.holds.len) {
        viv_status status = vh_json_read(step->arena, step->task.holds, &scopes, step->err);
        if (status) {
            return status;
        }
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "held_micro", step->task.held_micro);
    vh_json_set_int(step->arena, data, "micro", cost);
    vh_json_set(data, "scopes", scopes ? scopes : vh_json_array(step->arena));
    vh_json_set_text(step->arena, data, "why", why);
    return vh_step_emit(step, "budget.settled", step->task.id, data);
}

viv_status
vh_step_settle_lost(struct vh_stepping *step, const char *why)
{
    if (step->task.held_micro == 0) {
        return VIV_OK;
    }
    return settle(step, step->task.outside ? step->task.held_micro : 0, why);
}

/* The closed list of reasons an entry of the ledger may have. */
static bool
known_reason(struct viv_str reason)
{
    static const char *const reasons[] = { "work", "model", "skill", "refund" };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (vh_str_is(reason, reasons[i])) {
            return true;
        }
    }
    return false;
}

static viv_status
post_entries(struct vh_stepping *step, int64_t cost)
{
    const struct vh_json *entries = vh_json_get(step->command->data, "entries");
    int64_t sum = 0;
    for (const struct vh_json *e = entries ? entries->child : NULL; e; e = e->next) {
        if (!known_reason(vh_json_str(e, "reason"))) {
            return vh_error_set(step->err, VIV_E_INVALID, "money",
                                "ledger reason '%.*s' is unknown, allowed: work, model, skill, refund",
                                VH_STR_ARGS(vh_json_str(e, "reason")));
        }
        sum += vh_json_int(e, "micro", 0);
    }
    if (entries && entries->count && sum != cost) {
        return vh_error_set(step->err, VIV_E_INVALID, "money", "ledger entries add up to %lld, the cost is %lld",
                            (long long)sum, (long long)cost);
    }
    for (const struct vh_json *e = entries ? entries->child : NULL; e; e = e->next) {
        struct vh_json *data = vh_json_clone(step->arena, e);
        if (data) {
            data->key = (struct viv_str){ NULL, 0 };
        }
        viv_status status = vh_step_emit(step, "ledger.posted", step->task.id, data);
        if (status) {
            return status;
        }
    }
    return VIV_OK;
}

/* A price outside 0..held, or none at all, settles the whole hold. */
viv_status
vh_step_settle_priced(struct vh_stepping *step)
{
    viv_status status = vh_step_fence(step, VH_PHASE_SETTLE);
    if (status == VIV_OK) {
        status = vh_step_input(step);
    }
    if (status) {
        return status;
    }
    int64_t cost = vh_step_int(step, "cost_micro", -1);
    int64_t held = step->task.held_micro;
    if (vh_step_failure(step).len || cost < 0 || cost > held) {
        return settle(step, held, "price out of range: all that was held");
    }
    status = post_entries(step, cost);
    return status ? status : settle(step, cost, "settled");
}
