/* SPDX-License-Identifier: Apache-2.0 */
/* Money of one effect: of a model call, whose worst case is held before it starts, in the transaction that records the
 * start, and settled with its outcome. It is beside the task's own hold and in accounts of its own choice. What was
 * held for an effect whose outcome nobody knows is spent: the far side may have taken it. */
#include "step_inside.h"

static bool
has_text(const struct vh_json *list, struct viv_str text)
{
    for (const struct vh_json *item = list ? list->child : NULL; item; item = item->next) {
        if (vh_str_equal(item->text, text)) {
            return true;
        }
    }
    return false;
}

/* Accounts are told apart by the first that has no room. What the task itself holds in one is not free again before the
 * task's end: to wait for that would be for ever. */
static viv_status
check_room(struct vh_stepping *step, const struct vh_json *scopes, int64_t micro)
{
    struct vh_json *own = NULL;
    viv_status status = step->task.holds.len ? vh_json_read(step->arena, step->task.holds, &own, step->err) : VIV_OK;
    if (status) {
        return status;
    }
    for (const struct vh_json *s = scopes->child; s; s = s->next) {
        int64_t now = 0, ever = 0;
        status = vh_step_room_in(step, s, &now, &ever);
        if (status) {
            return status;
        }
        ever -= has_text(own, vh_json_str(s, "scope")) ? step->task.held_micro : 0;
        if (micro > now) {
            struct viv_str name = vh_json_str(s, "scope");
            return micro <= ever
                       ? vh_error_set(step->err, VIV_E_BUSY, "budget",
                                      "account '%.*s' has %lld micro-units free while others hold the rest, the effect "
                                      "may cost %lld", VH_STR_ARGS(name), (long long)now, (long long)micro)
                       : vh_error_set(step->err, VIV_E_LIMIT, "budget",
                                      "account '%.*s' has %lld micro-units left, the effect may cost %lld; raise the "
                                      "limit, or ask for less", VH_STR_ARGS(name), (long long)ever, (long long)micro);
        }
    }
    return VIV_OK;
}

static viv_status
start(struct vh_stepping *step)
{
    const struct vh_json *hold = vh_json_get(step->command->data, "hold");
    if (!hold) {
        return vh_step_input_as(step, "effect.started", step->command->data);
    }
    int64_t micro = vh_json_int(hold, "micro", -1);
    const struct vh_json *scopes = vh_json_get(hold, "scopes");
    if (micro < 0 || !vh_step_usable_scopes(scopes)) {
        return vh_error_set(step->err, VIV_E_INVALID, "budget",
                            "no hold could be made for an effect: the estimate is out of range");
    }
    viv_status status = check_room(step, scopes, micro);
    status = status ? status : vh_step_input_as(step, "effect.started", step->command->data);
    if (status || micro == 0) { /* 0 is no hold */
        return status;
    }
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "ordinal", vh_step_int(step, "ordinal", -1));
    vh_json_set_int(step->arena, data, "micro", micro);
    vh_json_set(data, "scopes", vh_json_clone(step->arena, scopes));
    return vh_step_emit(step, "budget.held", step->task.id, data);
}

viv_status
vh_step_effect_start(struct vh_stepping *step)
{
    int64_t last = step->task.effects - 1;
    viv_status status = start(step);
    return status ? status : vh_step_effect_lost(step, last, VH_STEP_NOT_TOLD);
}

static viv_status
settle(struct vh_stepping *step, const struct vh_effect_row *row, int64_t cost, const char *why)
{
    struct vh_json *hold = NULL;
    viv_status status = vh_json_read(step->arena, row->hold, &hold, step->err);
    if (status) {
        return status;
    }
    int64_t held = vh_json_int(hold, "micro", 0);
    bool priced = cost >= 0 && cost <= held;
    struct vh_json *data = vh_step_object(step);
    vh_json_set_int(step->arena, data, "ordinal", row->ordinal);
    vh_json_set_int(step->arena, data, "held_micro", held);
    vh_json_set_int(step->arena, data, "held_seq", vh_json_int(hold, "seq", 0));
    vh_json_set_int(step->arena, data, "micro", priced ? cost : held);
    if (priced && vh_step_str(step, "prices").len) {
        vh_json_set_str(step->arena, data, "prices", vh_step_str(step, "prices"));
    }
    vh_json_set(data, "scopes", vh_json_clone(step->arena, vh_json_get(hold, "scopes")));
    vh_json_set_text(step->arena, data, "why", why);
    return vh_step_emit(step, "budget.settled", step->task.id, data);
}

viv_status
vh_step_effect_settle(struct vh_stepping *step, const struct vh_effect_row *row)
{
    int64_t cost = vh_step_int(step, "cost_micro", -1);
    return settle(step, row, cost, cost < 0 ? "cost not known: all that was held" : "settled");
}

viv_status
vh_step_effect_lost(struct vh_stepping *step, int64_t ordinal, const char *why)
{
    struct vh_effect_row row;
    if (ordinal < 0) {
        return VIV_OK;
    }
    viv_status status = step->state->get_effect(step->state->data, step->arena, step->task.id, step->task.round,
                                                ordinal, &row, step->err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    return row.hold.len ? settle(step, &row, -1, why) : VIV_OK;
}
