/* SPDX-License-Identifier: Apache-2.0 */
/* The opinions before any work: intake and plan (decompose), safety, budget and settlement (economy), review (critic).
 * Each handler carries the plugin's words to the core, with who said them, and decides nothing. */
#include "base/error.h"
#include "base/str.h"
#include "keep/blob.h"
#include "run/guard.h"
#include "run/pipeline.h"
#include "run/trace.h"
#include <viv_interfaces.h>

#define JSON(work, value) vh_json_print((work)->arena, value)

/* Who answered: id, version, digest of the bytes. */
static void
set_failure(struct vh_work *work, struct vh_json *data, viv_status status, const struct viv_error *fault)
{
    if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault->text);
    }
}

/* What came with the request, for plugins that read it. */
static struct viv_str
hints(struct vh_work *work)
{
    const struct vh_task *task = &work->ask.task;
    struct vh_json *json = vh_run_tree(work, task->spec, "{}");
    if (task->command.len) {
        vh_json_set(json, "command", vh_run_tree(work, task->command, "{}"));
    }
    if (task->skill.len) {
        vh_json_set_str(work->arena, json, "skill", task->skill);
    }
    if (task->scope.len) {
        vh_json_set_str(work->arena, json, "scope", task->scope);
    }
    if (task->answers.len) {
        vh_json_set(json, "answers", vh_run_tree(work, task->answers, "[]"));
    }
    return JSON(work, json);
}

viv_status
vh_ask_intake(struct vh_work *work, struct viv_error *err)
{
    const struct vh_plugin *plugin = work->run->plugins.decompose;
    struct viv_decompose_capture_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .goal = work->ask.task.goal,
        .hints_json = hints(work),
    };
    struct viv_decompose_capture_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_DECOMPOSE,
                                  .method = VIV_METHOD_DECOMPOSE_CAPTURE,
                                  .request = &request };
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_guard_call(work, &call, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    struct vh_json *intent = status ? NULL : vh_run_tree(work, answer.intent_json, "{}");
    if (!intent || intent->count == 0) {
        intent = vh_json_object(work->arena); /* the fail value: the bare goal is the intent */
        vh_json_set_str(work->arena, intent, "goal", work->ask.task.goal);
    }
    char hex[VH_HASH_HEX];
    vh_hash_text(JSON(work, intent), hex);
    vh_run_by(work, data, plugin);
    vh_json_set_int(work->arena, data, "confidence_permille", status ? 0 : answer.confidence_permille);
    vh_json_set_text(work->arena, data, "digest", vh_arena_text(work->arena, hex));
    vh_json_set(data, "intent", intent);
    if (status == VIV_OK && answer.unclear) {
        vh_json_set(data, "questions", vh_run_tree(work, answer.questions_json, "[]"));
        vh_json_set_int(work->arena, data, "unclear", 1);
    }
    if (status) {
        vh_run_failure(work, data, "plugin", fault.text);
    }
    return vh_run_answer(work, "intent.captured", data, NULL, err);
}

viv_status
vh_ask_plan(struct vh_work *work, struct viv_error *err)
{
    const struct vh_plugin *plugin = work->run->plugins.decompose;
    struct viv_decompose_plan_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .intent_json = work->ask.task.intent,
        .hints_json = hints(work),
    };
    struct viv_decompose_plan_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_DECOMPOSE,
                                  .method = VIV_METHOD_DECOMPOSE_PLAN,
                                  .request = &request };
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_guard_call(work, &call, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    vh_run_by(work, data, plugin);
    if (status == VIV_OK && !answer.atomic) {
        const struct vh_json *steps = vh_json_get(vh_run_tree(work, answer.plan_json, "{}"), "steps");
        if (steps) {
            vh_json_set(data, "steps", vh_json_clone(work->arena, steps));
        }
    }
    if (status) {
        vh_run_failure(work, data, "plugin", fault.text);
    }
    status = vh_run_answer(work, "plan.answered", data, NULL, &fault);
    if (status != VIV_E_INVALID && status != VIV_E_LIMIT) {
        *err = fault;
        return status;
    }
    data = vh_json_object(work->arena); /* a plan out of bounds is a lie: the fail value keeps the task whole */
    vh_run_by(work, data, plugin);
    vh_run_failure(work, data, "plugin", fault.text);
    return vh_run_answer(work, "plan.answered", data, NULL, err);
}

/* The task as the safety plugin reads it. */
static struct viv_str
task_json(struct vh_work *work)
{
    static const char *const wishes[] = { "budget_micro", "feedback", "hosts", "network", "prompt", "time_ns" };
    const struct vh_task *task = &work->ask.task;
    struct vh_json *json = vh_json_object(work->arena);
    vh_json_set_str(work->arena, json, "id", task->id);
    vh_json_set_str(work->arena, json, "goal", task->goal);
    vh_json_set(json, "intent", vh_run_tree(work, task->intent, "{}"));
    if (task->command.len) {
        vh_json_set(json, "command", vh_run_tree(work, task->command, "{}"));
    }
    if (task->skill.len) {
        vh_json_set_str(work->arena, json, "skill", task->skill);
    }
    if (task->scope.len) {
        vh_json_set_str(work->arena, json, "scope", task->scope);
    }
    vh_json_set_text(work->arena, json, "target", vh_run_place(work->run, work->arena, task->target));
    struct vh_json *spec = vh_run_tree(work, task->spec, "{}");
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        const struct vh_json *wish = vh_json_get(spec, wishes[i]);
        if (wish) {
            vh_json_set(json, wishes[i], vh_json_clone(work->arena, wish));
        }
    }
    vh_json_set(json, "spec", spec);
    /* How much the sandbox holds decides what may run unread. */
    bool full = work->run->profile.variant == VH_SANDBOX_FULL;
    vh_json_set_text(work->arena, json, "profile", full ? "full" : "reduced");
    vh_json_set_text(work->arena, json, "sandbox", vh_sandbox_variant_name(work->run->profile.variant));
    return JSON(work, json);
}

/* The first check as strict as the verdict, in one line. */
static struct viv_str
strictest(struct vh_work *work, const struct vh_json *checks, int64_t verdict)
{
    for (const struct vh_json *c = checks ? checks->child : NULL; c; c = c->next) {
        if (vh_json_int(c, "verdict", VIV_VERDICT_DENY) == verdict) {
            struct viv_str cure = vh_json_str(c, "cure");
            char *text = vh_arena_format(work->arena, "%.*s: %.*s%s%.*s", VH_STR_ARGS(vh_json_str(c, "id")),
                                         VH_STR_ARGS(vh_json_str(c, "reason")), cure.len ? "; " : "",
                                         VH_STR_ARGS(cure));
            return text ? vh_run_clean(work->arena, vh_str(text), 300) : VH_STR("");
        }
    }
    return VH_STR("");
}

viv_status
vh_ask_judge_task(struct vh_work *work, struct viv_str *ret_task, struct viv_safety_judge_task_answer *ret_answer,
                  struct viv_error *err)
{
    struct viv_safety_judge_task_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .policy_json = work->policy->layers,
        .task_json = task_json(work),
    };
    struct vh_guard_call call = { .plugin = work->run->plugins.safety,
                                  .interface = VIV_INDEX_SAFETY,
                                  .method = VIV_METHOD_SAFETY_JUDGE_TASK,
                                  .request = &request };
    *ret_task = request.task_json;
    return vh_guard_call(work, &call, ret_answer, err);
}

viv_status
vh_ask_safety(struct vh_work *work, struct viv_error *err)
{
    const struct vh_plugin *plugin = work->run->plugins.safety;
    struct viv_safety_judge_task_answer answer = { 0 };
    struct viv_str task;
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_ask_judge_task(work, &task, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    vh_run_by(work, data, plugin);
    vh_json_set_str(work->arena, data, "policy", work->policy->digest);
    vh_json_set_int(work->arena, data, "verdict", status ? VIV_VERDICT_DENY : answer.verdict);
    if (status) {
        vh_run_failure(work, data, "plugin", fault.text);
        vh_json_set_str(work->arena, data, "reason", vh_run_clean(work->arena, vh_str(fault.text), 300));
    } else {
        struct vh_json *report = vh_run_tree(work, answer.report_json, "{}");
        struct vh_json *capability = vh_run_tree(work, answer.capability_json, "{}");
        char hex[VH_HASH_HEX];
        struct vh_json *seen = vh_json_object(work->arena);
        vh_json_set(seen, "capability", vh_json_clone(work->arena, capability));
        vh_json_set(seen, "task", vh_run_tree(work, task, "{}"));
        vh_hash_text(JSON(work, seen), hex);
        vh_json_set(data, "capability", capability);
        vh_json_set_text(work->arena, data, "digest", vh_arena_text(work->arena, hex));
        vh_json_set_str(work->arena, data, "reason", strictest(work, vh_json_get(report, "checks"), answer.verdict));
        vh_json_set(data, "report", report);
    }
    work->shown = !status && answer.verdict == VIV_VERDICT_ASK; /* counts only if the core goes on, so was approved */
    return vh_run_answer(work, "safety.report", data, NULL, err);
}

viv_status
vh_ask_budget(struct vh_work *work, struct viv_error *err)
{
    static const char *const bounds[][2] = { { "money_micro", "limit_micro" }, { "time_ns", "time_ns" } };
    const struct vh_plugin *plugin = work->run->plugins.economy;
    struct vh_json *what = vh_json_object(work->arena);
    const struct vh_json *capability = vh_run_tree(work, work->ask.task.capability, "{}");
    vh_json_set_text(work->arena, what, "kind", "task");
    vh_json_set_int(work->arena, what, "now_us", work->ask.task.expires_us - VH_STEP_LEASE_US);
    /* What the request itself ruled out counts before the price is known. */
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        int64_t bound = vh_json_int(capability, bounds[i][0], -1);
        if (bound >= 0) {
            vh_json_set_int(work->arena, what, bounds[i][1], bound);
        }
    }
    const struct vh_json *spec = vh_run_tree(work, work->ask.task.spec, "{}");
    int64_t most = vh_json_int(spec, "budget_max_micro", -1);
    if (what && (!spec || spec->failed || !capability || capability->failed)) {
        what->failed = true; /* no bound is lost for a lack of memory */
    }
    if (most >= 0 && most < vh_json_int(what, "limit_micro", INT64_MAX)) {
        vh_json_set_int(work->arena, what, "limit_micro", most); /* what a queue file allows */
    }
    vh_json_set_str(work->arena, what, "task", work->ask.task.id);
    struct viv_economy_estimate_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .work_json = JSON(work, what),
        .policy_json = work->policy->json,
    };
    struct viv_economy_estimate_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_ECONOMY,
                                  .method = VIV_METHOD_ECONOMY_ESTIMATE,
                                  .request = &request };
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_guard_call(work, &call, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    vh_run_by(work, data, plugin);
    if (status) {
        vh_run_failure(work, data, "plugin", fault.text);
    } else {
        vh_json_set(data, "scopes", vh_run_tree(work, answer.scopes_json, "[]"));
        vh_json_set_int(work->arena, data, "worst_case_micro", answer.worst_case_micro);
    }
    return vh_run_answer(work, "budget.estimated", data, NULL, err);
}

/* What this claim used, and its price. Where nothing was begun nothing was used: a machine that cannot run a task has
 * no price. */
static viv_status
price(struct vh_work *work, struct vh_json *usage, struct viv_economy_settle_answer *ret_answer, struct viv_error *err)
{
    const struct vh_seam *seam = work->run->seam;
    bool used = work->began || work->effects;
    vh_json_set_int(work->arena, usage, "effects", work->effects);
    vh_json_set_int(work->arena, usage, "model_micro", 0);
    vh_json_set_int(work->arena, usage, "wall_ns", used ? seam->monotonic_ns(seam->data) - work->started_ns : 0);
    struct viv_economy_settle_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .usage_json = JSON(work, usage),
        .held_micro = work->ask.task.held_micro,
    };
    struct vh_guard_call call = { .plugin = work->run->plugins.economy,
                                  .interface = VIV_INDEX_ECONOMY,
                                  .method = VIV_METHOD_ECONOMY_SETTLE,
                                  .request = &request };
    return vh_guard_call(work, &call, ret_answer, err);
}

void
vh_ask_used(struct vh_work *work, struct vh_json *data)
{
    struct viv_economy_settle_answer answer = { 0 };
    struct viv_error ignored = VIV_ERROR_INIT;
    if (price(work, vh_json_object(work->arena), &answer, &ignored) == VIV_OK) {
        vh_json_set_int(work->arena, data, "used_micro", answer.cost_micro);
    }
}

viv_status
vh_ask_settle(struct vh_work *work, struct viv_error *err)
{
    struct vh_json *usage = vh_json_object(work->arena);
    struct viv_economy_settle_answer answer = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = price(work, usage, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    vh_run_by(work, data, work->run->plugins.economy);
    vh_json_set(data, "usage", usage);
    set_failure(work, data, status, &fault);
    if (status == VIV_OK) {
        vh_json_set_int(work->arena, data, "cost_micro", answer.cost_micro);
        vh_json_set(data, "entries", vh_run_tree(work, answer.entries_json, "[]"));
    }
    status = vh_run_answer(work, "settle.priced", data, NULL, &fault);
    if (status != VIV_E_INVALID) {
        *err = fault;
        return status;
    }
    data = vh_json_object(work->arena); /* entries that do not add up: the whole hold is settled */
    vh_run_failure(work, data, "plugin", fault.text);
    return vh_run_answer(work, "settle.priced", data, NULL, err);
}

/* What a model made waits for a person until the policy says otherwise; anything else only when the policy says so. */
static bool
asks_for_result(const struct vh_work *work)
{
    const struct vh_task *task = &work->ask.task;
    const struct vh_json *rule = vh_run_setting(work->policy, "approvals.results");
    bool by_goal = vh_str_is(task->route, "executor") && task->command.len == 0;
    return rule ? vh_str_is(rule->text, "ask") : by_goal;
}

viv_status
vh_ask_review(struct vh_work *work, struct viv_error *err)
{
    const struct vh_plugin *plugin = work->run->plugins.critic;
    struct viv_str change = { NULL, 0 };
    struct vh_json *trace = NULL;
    viv_status status = VIV_OK;
    if (work->ask.task.change.len) {
        status = vh_blob_get(work->run->seam, work->arena, work->run->home, work->ask.task.change, &change, err);
    }
    if (status == VIV_OK) {
        status = vh_trace_of(work, &trace, err);
    }
    if (status) {
        return status;
    }
    struct viv_critic_review_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .intent_json = work->ask.task.intent,
        .change_json = change.len ? change : VH_STR("{\"paths\":[]}"),
        .gates_json = work->ask.task.gates.len ? work->ask.task.gates : VH_STR("[]"),
        .result_json = work->ask.task.result.len ? work->ask.task.result : VH_STR("{}"),
        .trace_json = JSON(work, trace),
    };
    struct viv_critic_review_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_CRITIC,
                                  .method = VIV_METHOD_CRITIC_REVIEW,
                                  .request = &request };
    struct viv_error fault = VIV_ERROR_INIT;
    status = vh_guard_call(work, &call, &answer, &fault);
    struct vh_json *data = vh_json_object(work->arena);
    vh_run_by(work, data, plugin);
    if (status) {
        vh_run_failure(work, data, "plugin", fault.text);
    } else {
        vh_json_set(data, "findings", vh_run_tree(work, answer.findings_json, "[]"));
        vh_json_set_int(work->arena, data, "score_permille", answer.score_permille);
    }
    if (asks_for_result(work)) {
        vh_json_set_int(work->arena, data, "ask_result", 1);
    }
    return vh_run_answer(work, "review.made", data, NULL, err);
}
