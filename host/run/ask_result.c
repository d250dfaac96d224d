/* SPDX-License-Identifier: Apache-2.0 */
/* Gates on the frozen tree, integration with the line, publication, rollback. */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/blob.h"
#include "run/branch.h"
#include "run/change.h"
#include "run/conflict.h"
#include "run/effect.h"
#include "run/guard.h"
#include "run/line.h"
#include "run/model_choice.h"
#include "run/outside.h"
#include "run/pipeline.h"
#include "run/rollback.h"
#include "run/workspace.h"
#include <viv_interfaces.h>

#define GATE_NS INT64_C(3600000000000)
#define KEPT_MAX 8 /* branches named by a rollback */
#define OUTSIDE_NS INT64_C(60000000000) /* of its own time: while an effect is served it stands still */

static viv_status
open_target(struct vh_work *work, struct viv_error *err)
{
    viv_status status = vh_run_target(work, err);
    return status ? status : vh_run_base(work, err);
}

/* What the task saw when that held uncommitted work. A folder has none: less than its tree is then a scope. */
static void
set_seen(const struct vh_work *work, struct vh_git_id *ret_seen)
{
    if (work->target.kind == VH_TARGET_REPOSITORY && !vh_git_same(&work->base.seen, &work->base.tree)) {
        *ret_seen = work->base.seen;
    }
}

/* ---- gates ---- */

/* Without a plugin when it is not there any more. */
static struct vh_run_gate
find_gate(const struct vh_work *work)
{
    for (uint32_t i = 0; i < work->run->plugins.gate_count; i++) {
        if (vh_str_is(work->ask.gate, work->run->plugins.gates[i].plugin->id)) {
            return work->run->plugins.gates[i];
        }
    }
    return (struct vh_run_gate){ .plugin = NULL };
}

/* What the policy binds to the stage. Commands of a project that is not trusted execute nothing. */
static struct viv_str
gate_config(struct vh_work *work)
{
    char *path = vh_arena_format(work->arena, "gates.%s", vh_task_state_name(work->ask.task.state));
    const struct vh_json *list = path ? vh_run_setting(work->policy, path) : NULL;
    struct viv_str text = list ? vh_json_print(work->arena, list) : (struct viv_str){ NULL, 0 };
    return text.len ? text : VH_STR("[]");
}

static const char *
outcome_name(uint32_t outcome)
{
    static const char *const names[] = { "inconclusive", "failed", "passed", "not_configured" };
    return outcome < sizeof names / sizeof *names ? names[outcome] : names[0];
}

/* One that nobody answers for: in a process of its own, with the effects its manifest lists, each judged like any. What
 * policy names for gates is named for the trusted ones. */
static viv_status
ask_outside(struct vh_work *work, const struct vh_run_gate *gate, const struct viv_gate_check_request *request,
            struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    struct viv_task task;
    struct vh_runner_result result = { .failure = VH_RUNNER_FINE };
    struct vh_effect_origin origin = { .work = work, .plugin = vh_str(gate->plugin->id),
                                       .manifest = gate->plugin->manifest };
    const struct vh_json *limit = vh_run_setting(work->policy, "limits.time_ns");
    vh_run_keep(work);
    vh_guard_task(work, &task);
    struct vh_outside_call call = {
        .plan = gate->plan,
        .key = gate->key,
        .limit_ns = limit && limit->integer < OUTSIDE_NS ? limit->integer : OUTSIDE_NS,
        .wire = { .interface = VIV_INDEX_GATE,
                  .method = VIV_METHOD_GATE_CHECK,
                  .request = request,
                  .now_us = work->ask.task.expires_us - VH_STEP_LEASE_US,
                  .trace_id = task.id,
                  .task = &task,
                  .service = vh_outside_effect,
                  .service_data = &origin,
                  .cancel = work->cancel },
    };
    viv_status status = vh_outside_call(work->run, work->arena, &call, ret_answer, &result, err);
    work->waiting.failed = work->waiting.failed || result.failure == VH_RUNNER_LOST;
    return status;
}

static viv_status
ask_gate(struct vh_work *work, const struct vh_run_gate *gate, struct viv_str config,
         struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    struct viv_str change = VH_STR("{\"paths\":[]}");
    if (work->ask.task.change.len) {
        viv_status status =
            vh_blob_get(work->run->seam, work->arena, work->run->home, work->ask.task.change, &change, err);
        if (status) {
            return status;
        }
    }
    struct viv_gate_check_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .stage = vh_str(vh_task_state_name(work->ask.task.state)),
        .tree = work->ask.tree,
        .config_json = config,
        .change_json = change,
    };
    if (gate->plan) {
        return ask_outside(work, gate, &request, ret_answer, err);
    }
    struct vh_guard_call call = { .plugin = gate->plugin,
                                  .interface = VIV_INDEX_GATE,
                                  .method = VIV_METHOD_GATE_CHECK,
                                  .request = &request,
                                  .limit_ns = GATE_NS,
                                  .effects = true,
                                  .by_policy = true };
    return vh_guard_call(work, &call, ret_answer, err);
}

viv_status
vh_ask_gate(struct vh_work *work, struct viv_error *err)
{
    struct viv_gate_check_answer answer = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    struct vh_run_gate gate = find_gate(work);
    struct viv_str config = gate_config(work);
    work->stage = vh_str(vh_task_state_name(work->ask.task.state));
    vh_workspace_close(work);
    vh_json_set_str(work->arena, data, "gate", work->ask.gate);
    vh_json_set_str(work->arena, data, "stage", work->stage);
    vh_json_set_str(work->arena, data, "tree", work->ask.tree);
    viv_status status = open_target(work, &fault);
    if (status) {
        vh_run_failure(work, data, "infrastructure", fault.text);
        return vh_run_answer(work, "gate.answered", data, NULL, err);
    }
    struct vh_git_id tree = vh_run_id(work->ask.tree);
    work->waiting = (struct vh_waiting_workspace){ .tree = &tree };
    work->lacked = false; /* a runner's memory is its own affair */
    status = ask_gate(work, &gate, config, &answer, &fault);
    vh_workspace_close(work);
    bool unopened = work->waiting.failed;
    work->waiting = (struct vh_waiting_workspace){ 0 };
    if (work->asked) {
        return VIV_OK;
    }
    vh_run_by(work, data, gate.plugin);
    if (vh_run_cancelled(work) && (status || answer.outcome != VIV_GATE_PASSED)) {
        vh_run_failure(work, data, "infrastructure", "the check was stopped with its host");
    } else if (unopened) {
        vh_run_failure(work, data, "infrastructure", status ? fault.text : "a gate had no workspace");
    } else if (status) {
        vh_run_failure(work, data, work->lacked ? "infrastructure" : "plugin", fault.text);
    } else {
        vh_json_set(data, "findings", vh_run_tree(work, answer.findings_json, "[]"));
        vh_json_set_text(work->arena, data, "outcome", outcome_name(answer.outcome));
        vh_json_set_str(work->arena, data, "tree", answer.tree);
    }
    return vh_run_answer(work, "gate.answered", data, NULL, err);
}

/* ---- integration ---- */

struct merged {
    struct vh_git_id tip;
    struct vh_git_id commit;
    struct vh_git_id tree;
};

/* A publication that was announced may have moved the line and died before it said so. What it was to publish is then
 * on the line and is not merged again; the commit as its own tip says that nothing is to be moved. */
static viv_status
merged_before(struct vh_work *work, const struct vh_git_id *line, struct merged *merged, bool *ret_before,
              struct viv_error *err)
{
    struct vh_git_id before = vh_run_id(work->ask.task.merged_commit);
    *ret_before = false;
    if (!before.hex[0] || vh_git_same(&before, &work->base.commit)) {
        return VIV_OK;
    }
    viv_status status = vh_line_contains(&work->target, work->arena, line, &before, ret_before, err);
    if (status == VIV_OK && *ret_before) {
        *merged = (struct merged){ before, before, vh_run_id(work->ask.task.merged_tree) };
    }
    return status;
}

/* The task's commit on the line's present tip, joined with what the person committed meanwhile. The line begins where
 * the base stood. */
static viv_status
merge(struct vh_work *work, struct merged *merged, struct vh_conflicts *conflicts, struct viv_error *err)
{
    struct vh_git_id commit = vh_run_id(work->ask.task.commit);
    const char *task = vh_arena_text_of(work->arena, work->ask.task.id);
    struct vh_base now = { 0 };
    viv_status status = vh_target_refresh(&work->target, work->arena, err);
    if (status == VIV_OK) {
        status = vh_line_tip(&work->target, work->arena, &now.line, err);
    }
    if (status) {
        return status;
    }
    now.tip = work->target.head;
    merged->tip = now.line;
    merged->commit = commit;
    merged->tree = vh_run_id(work->ask.task.tree);
    if (vh_git_same(&commit, &work->base.commit)) {
        return VIV_OK; /* nothing changed: there is nothing to merge */
    }
    bool contains = false;
    status = merged_before(work, &now.line, merged, &contains, err);
    if (status || contains) {
        return status;
    }
    if (vh_git_same(&now.line, &work->base.line) && vh_git_same(&now.tip, &work->base.tip)) {
        return VIV_OK; /* nothing moved: the commit stands on both */
    }
    status = vh_base_join(&work->target, work->arena, &now, conflicts, err);
    if (status) {
        return status;
    }
    struct vh_line_merged result;
    status = vh_line_merge(&work->target, work->arena, task, &now.commit, &commit, &result, err);
    *conflicts = result.conflicts;
    if (status == VIV_OK) {
        merged->commit = result.commit;
        merged->tree = result.tree;
    }
    return status;
}

viv_status
vh_ask_integrate(struct vh_work *work, struct viv_error *err)
{
    struct merged merged = { 0 };
    struct vh_conflicts conflicts = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    viv_status status = open_target(work, &fault);
    if (status == VIV_OK) {
        status = merge(work, &merged, &conflicts, &fault);
    }
    if (status == VIV_E_CONFLICT) {
        vh_conflict_set(work, data, &conflicts, fault.text);
    } else if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault.text);
    } else {
        vh_json_set_text(work->arena, data, "commit", merged.commit.hex);
        vh_json_set_text(work->arena, data, "line_tip", merged.tip.hex);
        vh_json_set_text(work->arena, data, "tree", merged.tree.hex);
    }
    if (vh_json_get(data, "failure")) {
        vh_ask_used(work, data);
    }
    return vh_run_answer(work, "integration.made", data, NULL, err);
}

/* ---- publish ---- */

static bool
branch_follows(const struct vh_run_policy *policy)
{
    const struct vh_json *branch = vh_run_setting(policy, "branch");
    return branch && vh_str_is(branch->text, "follow");
}

/* Line or branch stand elsewhere than when this was merged: merge and judge again, no attempt is used. */
static viv_status
moved(struct vh_work *work, struct vh_json *data, const struct viv_error *why)
{
    vh_run_failure(work, data, "moved", why->text);
    return VIV_OK;
}

/* Whether the files of the person move too, asked before the line does: a conflict then changes nothing at all. */
static viv_status
advance(struct vh_work *work, struct vh_json *data, const struct vh_branch_request *request, bool follows,
        struct vh_conflicts *conflicts, struct viv_error *err)
{
    struct vh_git_id tip = vh_run_id(work->ask.task.line_tip), now = { "" };
    bool done = false;
    viv_status status = vh_line_tip(&work->target, work->arena, &now, err);
    bool stands = vh_git_same(&now, &tip); /* the commit was made on it and is in it only when it is it */
    done = stands && vh_git_same(&now, &request->commit);
    if (status == VIV_OK && !stands) {
        status = vh_line_contains(&work->target, work->arena, &now, &request->commit, &done, err);
    }
    if (status == VIV_OK && !done && !stands) {
        vh_error_set(err, VIV_E_CONFLICT, "publish", "the line moved to '%.12s' meanwhile", now.hex);
        return moved(work, data, err);
    }
    if (status == VIV_OK && !done && follows) {
        status = vh_branch_check(&work->target, work->arena, request, conflicts, err);
        if (status == VIV_E_CONFLICT && conflicts->count == 0) {
            return moved(work, data, err);
        }
    }
    if (status) {
        return status;
    }
    VH_PLACE(work->run->seam, "publish.before-line");
    status = vh_line_advance(&work->target, work->arena, request->task, &tip, &request->commit, err);
    VH_PLACE(work->run->seam, "publish.after-line");
    return status == VIV_E_CONFLICT ? moved(work, data, err) : status;
}

static viv_status
publish(struct vh_work *work, struct vh_json *data, struct vh_conflicts *conflicts, struct viv_error *err)
{
    struct vh_branch_request request = { .task = vh_arena_text_of(work->arena, work->ask.task.id),
                                         .commit = vh_run_id(work->ask.task.merged_commit) };
    bool follows = branch_follows(work->policy) || work->target.kind == VH_TARGET_FOLDER;
    set_seen(work, &request.seen);
    viv_status status = vh_target_refresh(&work->target, work->arena, err);
    if (status == VIV_OK) {
        status = advance(work, data, &request, follows, conflicts, err);
    }
    if (status || !follows || vh_json_get(data, "failure")) {
        return status;
    }
    enum vh_branch_outcome outcome = 0;
    status = vh_branch_move(&work->target, work->arena, &request, &outcome, conflicts, err);
    if (status == VIV_E_CONFLICT) { /* something by hand since the check; the line has it all, and that stays */
        vh_json_set_text(work->arena, data, "branch_left", err->text);
        status = VIV_OK;
    }
    vh_json_set_int(work->arena, data, "branch_moved", outcome == VH_BRANCH_MOVED || outcome == VH_BRANCH_ALREADY);
    return status;
}

static bool
nothing_to_publish(const struct vh_work *work)
{
    return vh_str_is(work->ask.task.merged_commit, work->base.commit.hex);
}

viv_status
vh_ask_publish(struct vh_work *work, struct viv_error *err)
{
    struct vh_conflicts conflicts = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    struct viv_str commit = work->ask.task.merged_commit;
    viv_status status = open_target(work, &fault);
    bool nothing = status == VIV_OK && nothing_to_publish(work);
    if (status == VIV_OK && !nothing) {
        status = vh_effect_announce(work, "publish", commit, err);
        if (status) {
            return status;
        }
        status = publish(work, data, &conflicts, &fault);
    }
    VH_PLACE(work->run->seam, "publish.before-outcome");
    if (status == VIV_E_CONFLICT) {
        vh_conflict_set(work, data, &conflicts, fault.text);
    } else if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault.text);
    } else if (!vh_json_get(data, "failure")) {
        vh_json_set_str(work->arena, data, "line", vh_str(work->target.line));
        vh_json_set_str(work->arena, data, "published", nothing ? VH_STR("") : commit);
        vh_json_set_int(work->arena, data, "nothing", nothing);
    }
    if (vh_json_get(data, "failure")) {
        vh_ask_used(work, data);
    } else {
        vh_model_learn(work);
    }
    return vh_run_answer(work, "publish.finished", data, NULL, err);
}

/* ---- rollback ---- */

/* The first so many, as paths are written; names of branches are somebody else's bytes. */
static void
set_kept(struct vh_work *work, struct vh_json *data, struct viv_str lines)
{
    struct vh_json *list = vh_json_array(work->arena);
    for (uint64_t at = 0; at < lines.len && list->count < KEPT_MAX;) {
        const char *end = memchr(lines.data + at, '\n', (size_t)(lines.len - at));
        uint64_t len = end ? (uint64_t)(end - (lines.data + at)) : lines.len - at;
        struct viv_str name = vh_tree_escape(work->arena, (struct viv_str){ lines.data + at, len });
        if (len && !vh_str_starts(name, "viv/")) { /* what results are called */
            vh_json_push(list, vh_json_string(work->arena, name));
        }
        at += len + 1;
    }
    if (list->count) {
        vh_json_set(data, "kept_on", list);
    }
}

viv_status
vh_ask_rollback(struct vh_work *work, struct viv_error *err)
{
    struct vh_rolled rolled = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    struct vh_rollback_request request = {
        .task = vh_arena_text_of(work->arena, work->ask.task.id),
        .effect = vh_run_effect_id(work, "rollback"),
        .log_head = "",
        .time_s = vh_run_time_s(work),
    };
    request.commit = vh_run_id(work->ask.task.published);
    viv_status status = open_target(work, &fault);
    set_seen(work, &request.seen);
    request.base = work->base.tree;
    bool nothing = work->ask.task.published.len == 0;
    if (status == VIV_OK && !nothing) {
        status = vh_effect_announce(work, "rollback", work->ask.task.published, err);
        if (status) {
            return status;
        }
        status = vh_target_refresh(&work->target, work->arena, &fault);
        if (status == VIV_OK) {
            status = vh_rollback(&work->target, work->arena, &request, &rolled, &fault);
        }
    }
    if (status == VIV_E_CONFLICT) {
        vh_conflict_set(work, data, &rolled.conflicts, fault.text);
    } else if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault.text);
    } else {
        vh_json_set_text(work->arena, data, "commit", rolled.commit.hex);
        vh_json_set_int(work->arena, data, "files_moved", rolled.outcome == VH_BRANCH_MOVED);
        vh_json_set_int(work->arena, data, "given_back", (int64_t)rolled.given_back);
        set_kept(work, data, rolled.kept_on);
    }
    return vh_run_answer(work, "rollback.finished", data, NULL, err);
}

/* Only the core knows them; somebody has to say when. */
viv_status
vh_ask_follow(struct vh_work *work, struct viv_error *err)
{
    return vh_run_answer(work, "followers.counted", vh_json_object(work->arena), NULL, err);
}
