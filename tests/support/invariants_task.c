/* SPDX-License-Identifier: Apache-2.0 */
/* What one event may do to one task, told from the events before it. */
#include "invariants_inside.h"

#include "base/str.h"
#include "core/moves.h"

static bool
is(const struct invariants *all, const char *kind)
{
    return vh_str_is(all->event->kind, kind);
}

static struct viv_str
text(const struct invariants *all, const char *key)
{
    return vh_json_str(all->event->data, key);
}

static int64_t
number(const struct invariants *all, const char *key)
{
    return vh_json_int(all->event->data, key, 0);
}

static bool
failed(const struct invariants *all)
{
    return vh_json_get(all->event->data, "failure") != NULL;
}

static bool
among(struct viv_str kind, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (vh_str_is(kind, list[i])) {
            return true;
        }
    }
    return false;
}

/* What an attempt left behind is gone. */
static void
forget(struct witness *task)
{
    static const struct viv_str none = {NULL, 0};
    task->tree = task->merged_tree = task->merged_commit = none;
    task->gates = NULL;
    task->open = NULL;
    task->passed = task->effects = 0;
}

/* ---- I4 ---- */

static bool
claimed(struct invariants *all, struct witness *task)
{
    if (task->leased || number(all, "lease") != task->lease + 1 ||
        number(all, "epoch") != all->epoch) {
        return invariants_broken(
            all, "I4", "lease %lld of epoch %lld, after lease %lld, which is %s, in epoch %lld",
            (long long)number(all, "lease"), (long long)number(all, "epoch"),
            (long long)task->lease, task->leased ? "valid" : "over", (long long)all->epoch);
    }
    task->lease++;
    task->epoch = all->epoch;
    task->leased = true;
    task->open = NULL; /* an outcome is told under the lease that announced it */
    return true;
}

static bool
check_lease(struct invariants *all, struct witness *task)
{
    static const char *const kinds[] = {
        "intent.captured", "plan.answered",     "safety.report",     "budget.estimated",
        "route.chosen",    "base.captured",     "effect.started",    "effect.refused",
        "effect.asked",    "effect.finished",   "execute.finished",  "change.frozen",
        "gate.answered",   "integration.made",  "review.made",       "publish.finished",
        "settle.priced",   "rollback.finished", "followers.counted",
    };
    bool expired = is(all, "lease.expired");
    if (is(all, "task.claimed")) {
        return claimed(all, task);
    }
    if (!expired && !among(all->event->kind, kinds, sizeof kinds / sizeof *kinds)) {
        return true;
    }
    bool valid = task->leased && (expired || task->epoch == all->epoch);
    return valid && number(all, "lease") == task->lease
               ? true
               : invariants_broken(all, "I4", "under lease %lld, the last is %lld and %s",
                                   (long long)number(all, "lease"), (long long)task->lease,
                                   valid ? "valid" : "over");
}

static void
end_lease(struct invariants *all, struct witness *task)
{
    static const char *const kinds[] = {"lease.expired", "budget.settled", "rollback.finished",
                                        "followers.done"};
    if (is(all, "budget.settled") && vh_json_get(all->event->data, "ordinal")) {
        return; /* of an effect */
    }
    if (among(all->event->kind, kinds, sizeof kinds / sizeof *kinds) ||
        (vh_str_starts(all->event->kind, "task.") && number(all, "release"))) {
        task->leased = false;
    }
}

/* ---- I11 ---- */

static bool
check_attempt(struct invariants *all, struct witness *task)
{
    bool retried = is(all, "retry.requested");
    if (retried || is(all, "task.rejected")) {
        forget(task);
        task->spent = !retried && task->attempt >= task->most;
        task->most = retried && task->most < task->attempt + 1 ? task->attempt + 1 : task->most;
        task->attempt += task->attempt < task->most;
    } else if (is(all, "execute.finished") && vh_json_get(all->event->data, "missed")) {
        forget(task);
    }
    return true;
}

static bool
check_attempt_said(struct invariants *all, const struct witness *task)
{
    int64_t said = all->event->attempt;
    return said == 0 || (said == task->attempt && said <= task->most)
               ? true
               : invariants_broken(all, "I11", "attempt %lld, it is attempt %lld of %lld",
                                   (long long)said, (long long)task->attempt,
                                   (long long)task->most);
}

/* ---- I10 ---- */

static bool
outcome(struct invariants *all, struct witness *task)
{
    struct witness_effect **place = &task->open;
    while (*place && (*place)->ordinal != number(all, "ordinal")) {
        place = &(*place)->next;
    }
    if (!*place || !vh_str_equal((*place)->effect, text(all, "effect")) ||
        !vh_str_equal((*place)->digest, text(all, "digest"))) {
        return invariants_broken(all, "I10",
                                 "an outcome of effect %lld, which was not announced or has one",
                                 (long long)number(all, "ordinal"));
    }
    *place = (*place)->next;
    return true;
}

static bool
check_effect(struct invariants *all, struct witness *task)
{
    if (!vh_str_starts(all->event->kind, "effect.")) {
        return true;
    }
    if (is(all, "effect.finished")) {
        return outcome(all, task);
    }
    if (number(all, "ordinal") != task->effects) {
        return invariants_broken(all, "I10", "effect %lld is announced, the next is %lld",
                                 (long long)number(all, "ordinal"), (long long)task->effects);
    }
    task->effects++;
    all->announced++;
    if (is(all, "effect.started")) {
        struct witness_effect *effect = vh_arena_alloc(all->arena, sizeof *effect);
        *effect = (struct witness_effect){task->open, number(all, "ordinal"),
                                          invariants_keep(all, text(all, "effect")),
                                          invariants_keep(all, text(all, "digest"))};
        task->open = effect;
    }
    return true;
}

/* ---- I9 ---- */

static struct witness_scope *
scope_of(struct invariants *all, struct viv_str name)
{
    struct witness_scope *scope = all->scopes;
    while (scope && !vh_str_equal(scope->name, name)) {
        scope = scope->next;
    }
    if (!scope) {
        scope = vh_arena_alloc(all->arena, sizeof *scope);
        *scope = (struct witness_scope){.next = all->scopes, .name = invariants_keep(all, name)};
        all->scopes = scope;
    }
    return scope;
}

static bool
change_scopes(struct invariants *all, int64_t reserve, int64_t settle)
{
    const struct vh_json *list = vh_json_get(all->event->data, "scopes");
    for (const struct vh_json *s = list ? list->child : NULL; s; s = s->next) {
        bool held = s->type == VH_JSON_OBJECT;
        struct witness_scope *scope = scope_of(all, held ? vh_json_str(s, "scope") : s->text);
        scope->limit = held ? vh_json_int(s, "limit_micro", scope->limit) : scope->limit;
        scope->reserved += reserve;
        scope->settled += settle;
        if (scope->reserved < 0 || scope->settled + scope->reserved > scope->limit) {
            return invariants_broken(all, "I9",
                                     "account '%.*s' has %lld settled and %lld reserved of %lld",
                                     VH_STR_ARGS(scope->name), (long long)scope->settled,
                                     (long long)scope->reserved, (long long)scope->limit);
        }
    }
    return true;
}

static bool
check_effect_money(struct invariants *all, struct witness *task)
{
    int64_t micro = number(all, "micro"), held = task->effect_held;
    bool holds = is(all, "budget.held");
    bool good = holds ? held == 0 && micro >= 0 && number(all, "ordinal") == task->effects - 1
                      : held == number(all, "held_micro") && micro >= 0 && micro <= held;
    if (!good) {
        return invariants_broken(all, "I9", "%lld %s for effect %lld of %lld, whose hold is %lld",
                                 (long long)micro, holds ? "held" : "settled",
                                 (long long)number(all, "ordinal"), (long long)task->effects,
                                 (long long)held);
    }
    task->effect_held = holds ? micro : 0;
    return holds ? change_scopes(all, micro, 0) : change_scopes(all, -held, micro);
}

static bool
check_money(struct invariants *all, struct witness *task)
{
    bool money = is(all, "budget.held") || is(all, "budget.settled");
    if (money && vh_json_get(all->event->data, "ordinal")) {
        return check_effect_money(all, task);
    }
    int64_t micro = number(all, "micro"), held = task->held;
    if (is(all, "budget.held")) {
        if (held || micro < 0) {
            return invariants_broken(all, "I9", "%lld held beside a hold of %lld", (long long)micro,
                                     (long long)held);
        }
        task->held = micro;
        return change_scopes(all, micro, 0);
    }
    if (!is(all, "budget.settled")) {
        return true;
    }
    if (held == 0 || number(all, "held_micro") != held || micro < 0 || micro > held) {
        return invariants_broken(all, "I9", "%lld settled of a hold of %lld, the open one is %lld",
                                 (long long)micro, (long long)number(all, "held_micro"),
                                 (long long)held);
    }
    task->held = 0;
    return change_scopes(all, -held, micro);
}

/* ---- I6 ---- */

static struct viv_str
tree_of(const struct witness *task)
{
    return task->state == VH_STATE_RUNNING || task->state == VH_STATE_NEEDS_QA ? task->tree
                                                                               : task->merged_tree;
}

static bool
gate_passed(struct invariants *all, struct witness *task)
{
    const struct vh_json *gate = task->gates ? task->gates->child : NULL;
    for (int64_t i = 0; gate && i < task->passed; i++) {
        gate = gate->next;
    }
    struct viv_str tree = tree_of(task);
    if (!gate || !vh_str_equal(gate->text, text(all, "gate")) || tree.len == 0 ||
        !vh_str_equal(tree, text(all, "tree")) ||
        !vh_str_is(text(all, "stage"), vh_task_state_name(task->state))) {
        return invariants_broken(
            all, "I6", "gate '%.*s' passed on tree '%.*s', wanted: '%.*s' on '%.*s'",
            VH_STR_ARGS(text(all, "gate")), VH_STR_ARGS(text(all, "tree")),
            VH_STR_ARGS(gate ? gate->text : VH_STR("none")), VH_STR_ARGS(tree));
    }
    bool person = vh_str_is(text(all, "by"), "person");
    const struct vh_json *said = all->input.data;
    bool good = person ? vh_str_is(all->input.kind, "approval.given")
                       : vh_str_is(all->input.kind, "gate.answered") &&
                             !vh_json_get(said, "failure") &&
                             vh_str_equal(vh_json_str(said, "tree"), tree);
    if (!good) {
        return invariants_broken(all, "I6", "passed by '%.*s' after '%.*s' of tree '%.*s'",
                                 VH_STR_ARGS(text(all, "by")), VH_STR_ARGS(all->input.kind),
                                 VH_STR_ARGS(vh_json_str(said, "tree")));
    }
    task->passed++;
    return true;
}

static bool
stage_done(struct invariants *all, const struct witness *task, const char *what)
{
    int64_t bound = task->gates ? (int64_t)task->gates->count : 0;
    return task->passed == bound && tree_of(task).len
               ? true
               : invariants_broken(all, "I6", "%s after %lld of %lld gates in %s, on tree '%.*s'",
                                   what, (long long)task->passed, (long long)bound,
                                   vh_task_state_name(task->state), VH_STR_ARGS(tree_of(task)));
}

static bool
published(struct invariants *all, struct witness *task)
{
    struct viv_str commit = text(all, "published");
    if (task->was_published) {
        return invariants_broken(all, "I10", "published a second time, as '%.*s'",
                                 VH_STR_ARGS(commit));
    }
    if (task->state != VH_STATE_E2E || !stage_done(all, task, "published")) {
        return *all->text ? false
                          : invariants_broken(all, "I6", "published in %s",
                                              vh_task_state_name(task->state));
    }
    if (commit.len && !vh_str_equal(commit, task->merged_commit)) {
        return invariants_broken(all, "I6", "'%.*s' is published, the gates passed '%.*s'",
                                 VH_STR_ARGS(commit), VH_STR_ARGS(task->merged_commit));
    }
    task->was_published = true;
    task->published = invariants_keep(all, commit);
    return true;
}

static bool
check_result(struct invariants *all, struct witness *task)
{
    if (is(all, "change.frozen")) {
        task->tree = invariants_keep(all, text(all, "tree"));
    } else if (is(all, "integration.made")) {
        bool none = failed(all);
        task->merged_tree =
            none ? (struct viv_str){NULL, 0} : invariants_keep(all, text(all, "tree"));
        task->merged_commit = none ? task->merged_tree : invariants_keep(all, text(all, "commit"));
        task->passed = 0;
        task->open = NULL;
    } else if (is(all, "gate.passed")) {
        return gate_passed(all, task);
    } else if (is(all, "publish.finished") && !failed(all)) {
        return published(all, task);
    }
    return true;
}

/* ---- I5, I7, I8, I14: moves ---- */

static bool
ended(int64_t state)
{
    struct vh_task task = {.state = state};
    return vh_task_ended(&task);
}

static bool
check_start(struct invariants *all, const struct witness *task)
{
    for (const struct vh_json *d = task->depends ? task->depends->child : NULL; d; d = d->next) {
        const struct witness *other = invariants_find(all, d->text);
        if (!other || (other->state != VH_STATE_READY && other->state != VH_STATE_ROLLED_BACK)) {
            return invariants_broken(all, "I8", "it starts while '%.*s' is %s",
                                     VH_STR_ARGS(d->text),
                                     other ? vh_task_state_name(other->state) : "unknown");
        }
    }
    return true;
}

/* An end is left by a person's word alone; what was published stays with a task that is ready or
 * rolled back. */
static bool
check_end(struct invariants *all, const struct witness *task, int64_t to)
{
    struct viv_str by = all->input.kind;
    bool retried = vh_str_is(by, "retry.requested") && task->state != VH_STATE_READY;
    bool undone = vh_str_is(by, "rollback.finished") && task->state == VH_STATE_READY &&
                  to == VH_STATE_ROLLED_BACK;
    if (ended(task->state) && !retried && !undone) {
        return invariants_broken(all, "I5", "it had ended as %s and becomes %s by '%.*s'",
                                 vh_task_state_name(task->state), vh_task_state_name(to),
                                 VH_STR_ARGS(by));
    }
    if (task->was_published && to != VH_STATE_READY && to != VH_STATE_ROLLED_BACK) {
        return invariants_broken(all, "I7", "it is published as '%.*s' and becomes %s",
                                 VH_STR_ARGS(task->published), vh_task_state_name(to));
    }
    if (task->spent && !ended(to)) {
        return invariants_broken(all, "I11", "attempt %lld of %lld was rejected and it becomes %s",
                                 (long long)task->attempt, (long long)task->most,
                                 vh_task_state_name(to));
    }
    bool settles = vh_str_is(text(all, "phase"), "settle");
    if (task->effect_held && (ended(to) || to == VH_STATE_PENDING || to == VH_STATE_AWAITING)) {
        return invariants_broken(all, "I9", "it becomes %s and holds %lld for an effect",
                                 vh_task_state_name(to), (long long)task->effect_held);
    }
    return task->held == 0 || settles || !ended(to)
               ? true
               : invariants_broken(all, "I9", "it ends as %s and holds %lld for ever",
                                   vh_task_state_name(to), (long long)task->held);
}

static bool
enter_stage(struct invariants *all, struct witness *task, int64_t to)
{
    bool stage = to == VH_STATE_NEEDS_QA || to == VH_STATE_INTEGRATION || to == VH_STATE_E2E;
    if (!stage || task->state == VH_STATE_AWAITING) {
        return true; /* back from a question everything is as it was */
    }
    if (to == VH_STATE_NEEDS_QA && task->tree.len == 0) {
        return invariants_broken(all, "I14", "the workspace goes and no tree of it is kept");
    }
    if (task->state != VH_STATE_RUNNING && !stage_done(all, task, vh_task_state_name(to))) {
        return false;
    }
    const struct vh_json *bound =
        vh_json_get(vh_json_get(all->policy, "gates"), vh_task_state_name(to));
    const struct vh_json *gates = vh_json_get(all->event->data, "gates");
    struct viv_str wanted = bound ? vh_json_print(all->arena, bound) : VH_STR("[]");
    struct viv_str found = gates ? vh_json_print(all->arena, gates) : VH_STR("none");
    if (!vh_str_equal(wanted, found)) {
        return invariants_broken(all, "I6", "gates %.*s are bound, the policy in force has %.*s",
                                 VH_STR_ARGS(found), VH_STR_ARGS(wanted));
    }
    task->gates = vh_json_clone(all->arena, gates);
    task->passed = 0;
    return true;
}

static bool
check_move(struct invariants *all, struct witness *task)
{
    struct viv_str kind = all->event->kind;
    int64_t to = vh_str_starts(kind, "task.")
                     ? vh_task_state_of((struct viv_str){kind.data + 5, kind.len - 5})
                     : 0;
    if (to == VH_STATE_NONE) {
        return true;
    }
    struct viv_str from = text(all, "from");
    if (!vh_str_is(from, vh_task_state_name(task->state)) || !vh_moves_allowed(task->state, to)) {
        return invariants_broken(all, "I5", "from '%.*s', it is %s, to %s is no move of the table",
                                 VH_STR_ARGS(from), vh_task_state_name(task->state),
                                 vh_task_state_name(to));
    }
    if (!check_end(all, task, to) || (to == VH_STATE_RUNNING && !check_start(all, task)) ||
        !enter_stage(all, task, to)) {
        return false;
    }
    if (to == VH_STATE_READY && task->state == VH_STATE_E2E && !task->was_published) {
        return invariants_broken(all, "I6", "ready without a publication");
    }
    task->state = to;
    if (number(all, "again")) {
        forget(task);
    }
    return true;
}

bool
invariants_task(struct invariants *all, struct witness *task)
{
    static bool (*const checks[])(struct invariants *, struct witness *) = {
        check_lease, check_effect, check_money, check_result, check_move, check_attempt};
    if (!check_attempt_said(all, task)) {
        return false;
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i](all, task)) {
            return false;
        }
    }
    end_lease(all, task);
    if (!task->touched) {
        task->touched = true;
        task->also = all->touched;
        all->touched = task;
    }
    return true;
}
