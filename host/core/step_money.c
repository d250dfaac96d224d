/* SPDX-License-Identifier: Apache-2.0 */
/* Holds and settlements. The plugin proposes; here is where settled + reserved <= limit is enforced, in the committing
 * transaction, in every scope or in none. */
#include "step_inside.h"

#define SCOPES_MAX 16
#define ENTRIES_MAX 256 /* of one settlement; their sum stays far from the end of int64_t */

viv_status
vh_step_room_in(struct vh_stepping *step, const struct vh_json *want, int64_t *ret_now, int64_t *ret_ever)
{
    struct viv_str name = vh_json_str(want, "scope");
    struct vh_scope scope = { .name = name };
    viv_status status = step->state->get_scope(step->state->data, step->arena, name, &scope, step->err);
    if (status && status != VIV_E_NOT_FOUND) {
        return status;
    }
    int64_t limit = vh_json_int(want, "limit_micro", scope.limit_micro);
    status = vh_step_cap(step, name, &limit);
    if (status) {
        return status;
    }
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
        return vh_step_wait(step, VH_STR("budget is held by other tasks"));
    }
    return vh_step_fail(step, vh_step_text(step,
                                           "budget: account '%.*s' has %lld micro-units left, the task may cost %lld",
                                           VH_STR_ARGS(scope), (long long)ever, (long long)micro));
}

/* A list of accounts, each named once: a hold in the same account twice would pass the limit twice. */
bool
vh_step_usable_scopes(const struct vh_json *scopes)
{
    if (!scopes || scopes->type != VH_JSON_ARRAY || scopes->count == 0 || scopes->count > SCOPES_MAX) {
        return false;
    }
    for (const struct vh_json *s = scopes->child; s; s = s->next) {
        if (vh_json_str(s, "scope").len == 0 || vh_json_int(s, "limit_micro", 0) < 0) {
            return false;
        }
        for (const struct vh_json *o = scopes->child; o != s; o = o->next) {
            if (vh_str_equal(vh_json_str(o, "scope"), vh_json_str(s, "scope"))) {
                return false;
            }
        }
    }
    return true;
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
    if (vh_str_is(vh_step_failure(step), "infrastructure")) {
        return vh_step_delay(step, vh_step_failure_text(step));
    }
    int64_t micro = vh_step_int(step, "worst_case_micro", -1);
    const struct vh_json *scopes = vh_json_get(step->command->data, "scopes");
    if (vh_step_failure(step).len || micro < 0 || !vh_step_usable_scopes(scopes)) {
        struct viv_str why = vh_step_failure_text(step);
        return vh_step_fail(step, vh_step_text(step, "budget: no hold could be made, %.*s",
                                               VH_STR_ARGS(why.len ? why : VH_STR("the estimate is out of range"))));
    }
    for (const struct vh_json *scope = scopes->child; scope; scope = scope->next) {
        int64_t now = 0, ever = 0;
        status = vh_step_room_in(step, scope, &now, &ever);
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
    viv_status status = vh_step_effect_lost(step, step->task.effects - 1, why);
    if (status || step->task.held_micro == 0) {
        return status;
    }
    if (step->task.state == VH_STATE_AWAITING && step->task.used_micro > 0) {
        return settle(step, step->task.used_micro, why);
    }
    /* In the settling phase nobody knows any more what left the workspace. */
    bool all = step->task.outside || step->task.phase == VH_PHASE_SETTLE;
    return settle(step, all ? step->task.held_micro : 0, why);
}

int64_t
vh_step_used(struct vh_stepping *step)
{
    int64_t held = step->task.held_micro;
    int64_t before = step->task.used_micro < held ? step->task.used_micro : held;
    int64_t used = vh_step_int(step, "used_micro", -1);
    if (used < 0) {
        return 0;
    }
    return used < held - before ? before + used : held;
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

/* NULL when the entries can be posted, otherwise what is wrong with them: then none is, and all that was held is
 * settled, like with any answer out of range. */
static const char *
entries_problem(const struct vh_json *entries, int64_t cost)
{
    int64_t sum = 0;
    if (!entries || (entries->type == VH_JSON_ARRAY && entries->count == 0)) {
        return NULL;
    }
    if (entries->type != VH_JSON_ARRAY || entries->count > ENTRIES_MAX) {
        return "too many ledger entries: all that was held";
    }
    for (const struct vh_json *e = entries->child; e; e = e->next) {
        if (!known_reason(vh_json_str(e, "reason"))) {
            return "unknown ledger reason, allowed are work, model, skill, refund: all that was held";
        }
        sum += vh_json_int(e, "micro", 0);
    }
    return sum == cost ? NULL : "ledger entries do not add up to the cost: all that was held";
}

static viv_status
post_entries(struct vh_stepping *step)
{
    const struct vh_json *entries = vh_json_get(step->command->data, "entries");
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
    status = status ? status : vh_step_input(step);
    status = status ? status : vh_step_effect_lost(step, step->task.effects - 1, VH_STEP_NOT_TOLD);
    if (status) {
        return status;
    }
    int64_t cost = vh_step_int(step, "cost_micro", -1);
    int64_t held = step->task.held_micro;
    if (vh_step_failure(step).len || cost < 0 || cost > held) {
        return settle(step, held, "price out of range: all that was held");
    }
    const char *problem = entries_problem(vh_json_get(step->command->data, "entries"), cost);
    if (problem) {
        return settle(step, held, problem);
    }
    status = post_entries(step);
    return status ? status : settle(step, cost, "settled");
}
