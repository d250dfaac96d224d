/* SPDX-License-Identifier: Apache-2.0 */
#include "invariant.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "core/moves.h"
#include <viv/limits.h>

static viv_status broken(const struct vh_invariant *now, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static viv_status
broken(const struct vh_invariant *now, const char *name, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return vh_error_set(now->err, VIV_E_INTERNAL, "core",
                        "'%.*s' of task '%.*s' would break invariant %s: %s; it was not recorded "
                        "and the host stops: "
                        "start it again and report this",
                        VH_STR_ARGS(now->event->kind), VH_STR_ARGS(now->event->task), name, text);
}

static bool
is(const struct vh_invariant *now, const char *kind)
{
    return vh_str_is(now->event->kind, kind);
}

static int64_t
number(const struct vh_invariant *now, const char *key)
{
    return vh_json_int(now->event->data, key, 0);
}

/* A move brings the task into the state that the kind names. */
static bool
is_move(const struct vh_invariant *now)
{
    struct viv_str kind = now->event->kind;
    return vh_str_starts(kind, "task.") &&
           vh_task_state_of((struct viv_str){kind.data + 5, kind.len - 5}) != VH_STATE_NONE;
}

/* ---- I4: one valid token ---- */

/* What only a worker says, under its lease. */
static bool
by_lease(const struct vh_invariant *now)
{
    static const char *const kinds[] = {
        "lease.expired",    "intent.captured", "plan.answered",     "safety.report",
        "budget.estimated", "route.chosen",    "base.captured",     "effect.started",
        "effect.refused",   "effect.asked",    "effect.finished",   "execute.finished",
        "change.frozen",    "gate.answered",   "integration.made",  "review.made",
        "publish.finished", "settle.priced",   "rollback.finished", "followers.counted",
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (is(now, kinds[i])) {
            return true;
        }
    }
    return false;
}

/* The row's epoch is that of the host that lives. */
static viv_status
check_epoch(const struct vh_invariant *now)
{
    struct viv_str epoch = {NULL, 0};
    char host[32];
    viv_status status =
        now->state->get_fact(now->state->data, now->arena, "epoch", &epoch, now->err);
    snprintf(host, sizeof host, "%lld", (long long)now->after->epoch);
    return status || vh_str_is(epoch, host)
               ? status
               : broken(now, "I4", "lease %lld is of epoch %s, the host's is %.*s",
                        (long long)now->after->lease, host, VH_STR_ARGS(epoch));
}

static const char *
lease_is(const struct vh_task *task)
{
    return task->leased ? "valid" : "over";
}

static viv_status
check_lease(const struct vh_invariant *now)
{
    const struct vh_task *before = now->before;
    int64_t after = now->after->lease;
    bool claim = is(now, "task.claimed");
    if (claim && (before->leased || after != before->lease + 1)) {
        return broken(now, "I4", "lease %lld after lease %lld, which is %s", (long long)after,
                      (long long)before->lease, lease_is(before));
    }
    if (!claim && after != before->lease) {
        return broken(now, "I4", "lease %lld becomes %lld without a claim",
                      (long long)before->lease, (long long)after);
    }
    if (by_lease(now) && (!before->leased || number(now, "lease") != before->lease)) {
        return broken(now, "I4", "said under lease %lld, the last is %lld and %s",
                      (long long)number(now, "lease"), (long long)before->lease, lease_is(before));
    }
    bool bound =
        claim || (by_lease(now) && !is(now, "lease.expired")); /* another host's lease may end */
    return bound ? check_epoch(now) : VIV_OK;
}

/* ---- I5, I7, I8: moves ---- */

/* A publication that was announced may be on the line already: only its own outcome, or a person
 * who is asked, may say otherwise. */
static viv_status
check_dropped(const struct vh_invariant *now)
{
    const struct vh_task *task = now->before;
    struct vh_effect_row row = {0};
    if (task->phase != VH_PHASE_PUBLISH || task->effects == 0) {
        return VIV_OK;
    }
    viv_status status = now->state->get_effect(now->state->data, now->arena, task->id, task->round,
                                               task->effects - 1, &row, now->err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    return !vh_str_is(row.kind, "publish")
               ? VIV_OK
               : broken(now, "I7", "its publication of '%.*s' is under way",
                        VH_STR_ARGS(row.digest));
}

static viv_status
check_move(const struct vh_invariant *now)
{
    const struct vh_task *before = now->before;
    const struct vh_task *after = now->after;
    if (!is_move(now)) {
        return before->state == after->state
                   ? VIV_OK
                   : broken(now, "I5", "%s becomes %s without a move",
                            vh_task_state_name(before->state), vh_task_state_name(after->state));
    }
    struct viv_str from = vh_json_str(now->event->data, "from");
    if (!vh_str_is(from, vh_task_state_name(before->state)) ||
        !vh_moves_allowed(before->state, after->state)) {
        return broken(now, "I5", "from '%.*s', it is %s, to %s is no row of the table",
                      VH_STR_ARGS(from), vh_task_state_name(before->state),
                      vh_task_state_name(after->state));
    }
    bool kept = after->state == VH_STATE_READY || after->state == VH_STATE_ROLLED_BACK;
    if (before->published.len && !kept) {
        return broken(now, "I7",
                      "'%.*s' is published already and would belong to a task that is %s",
                      VH_STR_ARGS(before->published), vh_task_state_name(after->state));
    }
    bool dropped = after->state == VH_STATE_CANCELLED || after->state == VH_STATE_FAILED ||
                   after->state == VH_STATE_PENDING;
    return dropped && before->state == VH_STATE_E2E ? check_dropped(now) : VIV_OK;
}

/* What a task depends on got ready before it starts; that it was rolled back since is a person's
 * word. */
static viv_status
check_start(const struct vh_invariant *now)
{
    struct vh_ids ids = {0};
    if (!is(now, "task.running")) {
        return VIV_OK;
    }
    const struct vh_state_ops *state = now->state;
    viv_status status =
        state->dependencies(state->data, now->arena, now->event->task, &ids, now->err);
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        struct vh_task other;
        status = state->get_task(state->data, now->arena, ids.id[i], &other, now->err);
        if (status == VIV_OK && other.state != VH_STATE_READY &&
            other.state != VH_STATE_ROLLED_BACK) {
            return broken(now, "I8", "it depends on '%.*s', which is %s", VH_STR_ARGS(other.id),
                          vh_task_state_name(other.state));
        }
    }
    return status;
}

/* ---- I6: gates ---- */

/* What the gate itself said last, and of which tree. */
static viv_status
read_answer(const struct vh_invariant *now, struct viv_str *ret_outcome, struct viv_str *ret_tree)
{
    struct vh_json *list = NULL;
    viv_status status = now->before->gates.len
                            ? vh_json_read(now->arena, now->before->gates, &list, now->err)
                            : VIV_OK;
    const struct vh_json *last = list ? list->child : NULL;
    while (last && last->next) {
        last = last->next;
    }
    *ret_outcome = vh_json_str(last, "outcome");
    *ret_tree = vh_json_str(last, "tree");
    return status;
}

static viv_status
check_passed(const struct vh_invariant *now)
{
    const struct vh_task *task = now->before;
    struct viv_str outcome, seen, tree = vh_json_str(now->event->data, "tree");
    struct viv_str judged = task->state == VH_STATE_NEEDS_QA ? task->tree : task->merged_tree;
    bool here = vh_str_is(vh_json_str(now->event->data, "stage"), vh_task_state_name(task->state));
    if (!here || judged.len == 0 || !vh_str_equal(tree, judged)) {
        return broken(now, "I6", "passed on tree '%.*s', the tree of %s is '%.*s'",
                      VH_STR_ARGS(tree), vh_task_state_name(task->state), VH_STR_ARGS(judged));
    }
    if (vh_str_is(vh_json_str(now->event->data, "by"), "person")) {
        return VIV_OK;
    }
    viv_status status = read_answer(now, &outcome, &seen);
    bool said = vh_str_is(outcome, "passed") || vh_str_is(outcome, "not_configured");
    return status || (said && vh_str_equal(seen, judged))
               ? status
               : broken(now, "I6", "the gate said '%.*s' of tree '%.*s', to be judged was '%.*s'",
                        VH_STR_ARGS(outcome), VH_STR_ARGS(seen), VH_STR_ARGS(judged));
}

static viv_status
all_passed(const struct vh_invariant *now, const struct vh_task *task)
{
    struct vh_json *gates = NULL;
    viv_status status = task->stage_gates.len
                            ? vh_json_read(now->arena, task->stage_gates, &gates, now->err)
                            : VIV_OK;
    return status || !gates || task->gate_index >= (int64_t)gates->count
               ? status
               : broken(now, "I6", "%s is left after %lld of %u gates",
                        vh_task_state_name(task->state), (long long)task->gate_index, gates->count);
}

/* A stage is left for the next when each of its gates has passed, and before anything is published;
 * what got ready is what the last stage judged. */
static viv_status
check_stage(const struct vh_invariant *now)
{
    const struct vh_task *before = now->before, *after = now->after;
    int64_t from = before->state, to = after->state;
    bool next = (from == VH_STATE_NEEDS_QA && to == VH_STATE_INTEGRATION) ||
                (from == VH_STATE_INTEGRATION && to == VH_STATE_E2E) ||
                (from == VH_STATE_E2E && to == VH_STATE_READY);
    bool last =
        to == VH_STATE_E2E && (after->phase == VH_PHASE_REVIEW || after->phase == VH_PHASE_PUBLISH);
    if (is(now, "gate.passed")) {
        return check_passed(now);
    }
    viv_status status = next ? all_passed(now, before) : VIV_OK;
    status = status == VIV_OK && last ? all_passed(now, after) : status;
    if (status || to != VH_STATE_READY || from != VH_STATE_E2E || before->published.len == 0) {
        return status;
    }
    return vh_str_equal(before->published, before->merged_commit) && before->merged_tree.len
               ? VIV_OK
               : broken(now, "I6", "'%.*s' is published, '%.*s' was judged",
                        VH_STR_ARGS(before->published), VH_STR_ARGS(before->merged_commit));
}

/* ---- I9: money ---- */

static viv_status
check_scope(const struct vh_invariant *now, struct viv_str name)
{
    struct vh_scope scope = {.name = name};
    viv_status status = now->state->get_scope(now->state->data, now->arena, name, &scope, now->err);
    if (status) {
        return status;
    }
    bool within = scope.settled_micro >= 0 && scope.reserved_micro >= 0 &&
                  scope.settled_micro <= scope.limit_micro - scope.reserved_micro;
    return within ? VIV_OK
                  : broken(now, "I9",
                           "account '%.*s' would have %lld settled and %lld reserved of %lld",
                           VH_STR_ARGS(name), (long long)scope.settled_micro,
                           (long long)scope.reserved_micro, (long long)scope.limit_micro);
}

/* What is held for an effect stands in its row until it is settled, and no more than that is. */
static viv_status
check_effect_money(const struct vh_invariant *now)
{
    struct vh_effect_row row = {0};
    bool held = is(now, "budget.held");
    int64_t effect = number(now, "ordinal");
    int64_t micro = number(now, "micro");
    viv_status status = now->state->get_effect(now->state->data, now->arena, now->before->id,
                                               now->before->round, effect, &row, now->err);
    bool out = micro < 0 || (!held && micro > number(now, "held_micro"));
    return status || (held == (row.hold.len > 0) && !out)
               ? status
               : broken(now, "I9", "%lld for effect %lld, whose hold is '%.*s'", (long long)micro,
                        (long long)effect, VH_STR_ARGS(row.hold));
}

static viv_status
check_scopes(const struct vh_invariant *now)
{
    const struct vh_json *scopes = vh_json_get(now->event->data, "scopes");
    viv_status status = VIV_OK;
    for (const struct vh_json *s = scopes ? scopes->child : NULL; s && status == VIV_OK;
         s = s->next) {
        status = check_scope(now, s->type == VH_JSON_STRING ? s->text : vh_json_str(s, "scope"));
    }
    return status;
}

static viv_status
check_money(const struct vh_invariant *now)
{
    const struct vh_task *before = now->before;
    bool held = is(now, "budget.held"), settled = is(now, "budget.settled");
    bool of_effect = (held || settled) && vh_json_get(now->event->data, "ordinal");
    int64_t micro = number(now, "micro");
    if ((!held && !settled) || of_effect) {
        viv_status status = of_effect ? check_effect_money(now) : VIV_OK;
        status = status == VIV_OK && of_effect ? check_scopes(now) : status;
        return status || now->after->held_micro == before->held_micro
                   ? status
                   : broken(now, "I9", "a hold of %lld becomes %lld", (long long)before->held_micro,
                            (long long)now->after->held_micro);
    }
    bool open = before->held_micro != 0;
    if (held == open || micro < 0 || (settled && micro > before->held_micro)) {
        return broken(now, "I9", "%lld beside a hold of %lld", (long long)micro,
                      (long long)before->held_micro);
    }
    return check_scopes(now);
}

/* ---- I11: bounds ---- */

static viv_status
check_bounds(const struct vh_invariant *now)
{
    const struct vh_task *after = now->after;
    int64_t more = after->attempt - now->before->attempt;
    if (more < 0 || more > 1 || after->attempt > after->attempts_max) {
        return broken(now, "I11", "attempt %lld after %lld, allowed %lld",
                      (long long)after->attempt, (long long)now->before->attempt,
                      (long long)after->attempts_max);
    }
    int most = is(now, "task.delayed") ? VIV_RECOVERIES_MAX : VIV_RECOVERIES_MAX + 1;
    return after->recoveries <= most ? VIV_OK
                                     : broken(now, "I11", "recovery %lld, allowed %d",
                                              (long long)after->recoveries, most);
}

viv_status
vh_invariant_event(const struct vh_invariant *now)
{
    static viv_status (*const checks[])(const struct vh_invariant *) = {
        check_lease, check_move, check_start, check_stage, check_money, check_bounds};
    viv_status status = VIV_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == VIV_OK; i++) {
        status = checks[i](now);
    }
    return status;
}

/* ---- I10: each effect once ---- */

viv_status
vh_invariant_effect(const struct vh_invariant *now)
{
    struct vh_effect_row row = {0};
    int64_t ordinal = number(now, "ordinal");
    viv_status status = now->state->get_effect(now->state->data, now->arena, now->before->id,
                                               now->before->round, ordinal, &row, now->err);
    bool outcome = is(now, "effect.finished");
    if (status && status != VIV_E_NOT_FOUND) {
        return status;
    }
    struct viv_str found = status ? VH_STR("unknown") : row.state;
    bool good = outcome ? vh_str_is(found, "started") : status == VIV_E_NOT_FOUND;
    return good ? VIV_OK
                : broken(now, "I10", "effect %lld of round %lld is %.*s", (long long)ordinal,
                         (long long)now->before->round, VH_STR_ARGS(found));
}

/* ---- I12: the next actor ---- */

viv_status
vh_invariant_rest(const struct vh_task *task, struct viv_error *err)
{
    bool over = vh_task_ended(task) && task->phase == VH_PHASE_IDLE && task->held_micro == 0;
    bool waits = task->state == VH_STATE_BLOCKED || task->state == VH_STATE_EXPANDED;
    bool asks = task->state == VH_STATE_AWAITING && task->awaiting.len;
    if (over || waits || asks || task->leased || vh_state_claimable(task)) {
        return VIV_OK;
    }
    return vh_error_set(
        err, VIV_E_INTERNAL, "core",
        "task '%.*s' would break invariant I12: it is %s, wants '%s', holds %lld and nobody would "
        "move "
        "it; nothing was recorded and the host stops: start it again and report this",
        VH_STR_ARGS(task->id), vh_task_state_name(task->state), vh_task_phase_name(task->phase),
        (long long)task->held_micro);
}
