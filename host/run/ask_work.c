/* SPDX-License-Identifier: Apache-2.0 */
/* Base, execution and freeze: from an immutable tree to a commit that nothing can write to any more. */
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/blob.h"
#include "run/change.h"
#include "run/conflict.h"
#include "run/effect.h"
#include "run/guard.h"
#include "run/layer.h"
#include "run/pipeline.h"
#include "run/scope.h"
#include "run/skill.h"
#include "run/workspace.h"
#include <viv_interfaces.h>

#define EXECUTE_NS INT64_C(3600000000000)
#define EXCERPT_BYTES 2048 /* of an added text, for the critic */
#define EXCERPTS_MAX 1000  /* of one change: the list must be read back whole */
#define PATHS_IN_EVENT 50
#define UNCOMMITTED_IN_EVENT 5

/* ---- base ---- */

static const char **
bring_list(struct vh_work *work, size_t *ret_count)
{
    const struct vh_json *bring = work->policy->project_trusted ? vh_run_setting(work->policy, "bring") : NULL;
    const char **list = vh_arena_array(work->arena, (bring ? bring->count : 0) + 1, sizeof *list);
    *ret_count = 0;
    for (const struct vh_json *b = bring && list ? bring->child : NULL; b; b = b->next) {
        list[*ret_count] = vh_arena_text_of(work->arena, b->text);
        *ret_count += list[*ret_count] != NULL;
    }
    return list;
}

static void
add_paths(struct vh_work *work, const struct vh_base *base, struct vh_json *list, bool unreadable)
{
    for (size_t i = 0; i < base->count && list && list->count < PATHS_IN_EVENT; i++) {
        if ((strcmp(base->path[i].what, "unreadable") == 0) != unreadable) {
            continue;
        }
        struct vh_json *path = vh_json_object(work->arena);
        vh_json_set_str(work->arena, path, "path", vh_tree_escape(work->arena, base->path[i].path));
        vh_json_set_text(work->arena, path, "what", base->path[i].what);
        vh_json_push(list, path);
    }
}

static struct vh_json *
base_json(struct vh_work *work, const struct vh_base *base)
{
    struct vh_json *json = vh_json_object(work->arena);
    struct vh_json *paths = vh_json_array(work->arena);
    vh_json_set_text(work->arena, json, "branch", work->target.branch ? work->target.branch : "");
    if (base->brought.hex[0]) {
        vh_json_set_text(work->arena, json, "brought", base->brought.hex);
    }
    vh_json_set_text(work->arena, json, "commit", base->commit.hex);
    vh_json_set_text(work->arena, json, "line", base->line.hex);
    vh_json_set_text(work->arena, json, "line_ref", work->target.line);
    add_paths(work, base, paths, true); /* the task's story names these */
    add_paths(work, base, paths, false);
    vh_json_set(json, "paths", paths);
    vh_json_set_int(work->arena, json, "paths_all", (int64_t)base->count);
    vh_json_set_text(work->arena, json, "seen", base->seen.hex);
    vh_json_set_int(work->arena, json, "seen_time_s", base->seen_time_s);
    vh_json_set_int(work->arena, json, "time_s", base->time_s);
    vh_json_set_text(work->arena, json, "tip", base->tip.hex);
    vh_json_set_text(work->arena, json, "tree", base->tree.hex);
    return json;
}

viv_status
vh_ask_base(struct vh_work *work, struct viv_error *err)
{
    struct vh_conflicts conflicts = { 0 };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    const struct vh_json *uncommitted = vh_run_setting(work->policy, "uncommitted");
    struct vh_base_options options = {
        .uncommitted = !uncommitted || uncommitted->integer != 0,
        .scope = work->ask.task.scope,
        .time_s = vh_run_time_s(work),
    };
    options.bring = bring_list(work, &options.bring_count);
    viv_status status = vh_run_target(work, &fault);
    if (status == VIV_OK) {
        status = vh_base_capture(&work->target, work->arena, &options, &work->base, &conflicts, &fault);
    }
    if (status == VIV_OK) {
        work->base_known = true;
        work->target.pin_line = work->pin_line = work->target.line;
        work->target.pin_branch = work->pin_branch = work->target.branch;
        vh_json_set_text(work->arena, data, "commit", work->base.commit.hex);
        vh_json_set_text(work->arena, data, "tree", work->base.seen.hex);
        vh_json_set(data, "base", base_json(work, &work->base));
    } else if (status == VIV_E_CONFLICT) {
        vh_conflict_set(work, data, &conflicts, fault.text);
    } else {
        vh_run_failure(work, data, vh_run_class(status), fault.text);
    }
    return vh_run_answer(work, "base.captured", data, NULL, err);
}

/* ---- execute ---- */

static viv_status
executed(struct vh_work *work, viv_status status, const struct viv_error *fault, uint32_t done, struct viv_str result,
         struct viv_error *err)
{
    struct vh_json *data = vh_json_object(work->arena);
    if (vh_run_cancelled(work) && (status || !done)) {
        vh_run_failure(work, data, "infrastructure", "the work was stopped with its host");
    } else if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault->text);
    } else {
        struct vh_json *tree = vh_run_tree(work, result, "{}");
        vh_json_set_str(work->arena, data, "reason", vh_json_str(tree, "summary"));
        vh_json_set_int(work->arena, data, "done", done);
        vh_json_set(data, "result", tree);
    }
    return vh_run_answer(work, "execute.finished", data, NULL, err);
}

static viv_status
run_executor(struct vh_work *work, struct viv_error *err)
{
    const struct vh_task *task = &work->ask.task;
    struct viv_executor_execute_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .command_json = task->command,
        .feedback_json = task->feedback.len ? task->feedback : VH_STR("[]"),
    };
    struct viv_executor_execute_answer answer = { 0 };
    const struct vh_run_plugins *plugins = &work->run->plugins;
    struct vh_guard_call call = { .plugin = task->command.len ? plugins->executor : plugins->goals,
                                  .interface = VIV_INDEX_EXECUTOR,
                                  .method = VIV_METHOD_EXECUTOR_EXECUTE,
                                  .request = &request,
                                  .limit_ns = EXECUTE_NS,
                                  .effects = true };
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = vh_guard_call(work, &call, &answer, &fault);
    if (work->asked) {
        return VIV_OK; /* a question ended the run; the core has moved the task already */
    }
    return executed(work, status, &fault, answer.done, answer.result_json, err);
}

viv_status
vh_ask_execute(struct vh_work *work, struct viv_error *err)
{
    struct viv_error fault = VIV_ERROR_INIT;
    work->stage = VH_STR("execute");
    viv_status status = vh_run_base(work, err);
    if (status) {
        return status;
    }
    vh_workspace_close(work);
    status = vh_workspace_open(work, &work->base.seen, &work->base.tree, work->base.seen_time_s, &fault);
    if (status) {
        struct vh_json *data = vh_json_object(work->arena);
        vh_run_failure(work, data, "infrastructure", fault.text);
        return vh_run_answer(work, "execute.finished", data, NULL, err);
    }
    return vh_str_is(work->ask.task.route, "executor") ? run_executor(work, err) : vh_skill_execute(work, err);
}

/* ---- freeze ---- */

/* First bytes of each added or changed text, so that the critic can cite what stands in it. */
static void
add_excerpts(struct vh_work *work, const struct vh_change *change, struct vh_json *list, int dir)
{
    const struct vh_seam *seam = work->run->seam;
    struct vh_json *item = list ? list->child : NULL;
    for (size_t i = 0; i < change->count && i < EXCERPTS_MAX && item; i++, item = item->next) {
        if (change->path[i].kind == VH_CHANGE_DELETED || change->path[i].mode == 0120000) {
            continue;
        }
        char *path = vh_arena_text_of(work->arena, change->path[i].path);
        int fd = path ? seam->open_beneath(seam->data, dir, path, O_RDONLY | O_NONBLOCK, 0, 1) : -1;
        char *bytes = fd >= 0 ? vh_arena_alloc(work->arena, EXCERPT_BYTES) : NULL;
        ssize_t got = bytes ? seam->read(seam->data, fd, bytes, EXCERPT_BYTES) : -1;
        if (got > 0 && !memchr(bytes, '\0', (size_t)got)) {
            vh_json_set_str(work->arena, item, "added",
                            vh_run_clean(work->arena, (struct viv_str){ bytes, (uint64_t)got }, EXCERPT_BYTES));
        }
        if (fd >= 0) {
            seam->close(seam->data, fd);
        }
    }
}

struct frozen {
    struct vh_git_id commit;
    struct vh_git_id tree;
    struct vh_json *paths;
    struct vh_json *uncommitted; /* of these, by name, what the person had not committed */
    size_t uncommitted_all;
    char manifest[VH_HASH_HEX];
};

static viv_status
commit_change(struct vh_work *work, const struct vh_change *change, int dir, struct frozen *frozen,
              struct viv_error *err)
{
    char *task = vh_arena_text_of(work->arena, work->ask.task.id);
    if (change->count == 0) {
        frozen->commit = work->base.commit;
        frozen->tree = work->base.tree;
        return VIV_OK;
    }
    struct vh_change_freeze freeze = {
        .base = &work->base,
        .change = change,
        .dir = dir,
        .goal = work->ask.task.goal,
        .task = task,
        .attempt = (uint32_t)work->ask.task.attempt,
        .effect = vh_run_effect_id(work, "publish"),
        .log_head = "",
        .time_s = vh_run_time_s(work),
    };
    return vh_change_commit(&work->target, work->arena, &freeze, &frozen->commit, &frozen->tree, err);
}

/* The task's commit holds whole files: what a person had not committed in one of them goes with it, and is said. */
static viv_status
find_uncommitted(struct vh_work *work, const struct vh_change *change, struct frozen *frozen, struct viv_error *err)
{
    struct vh_tree tree;
    frozen->uncommitted = vh_json_array(work->arena);
    if (work->target.kind == VH_TARGET_FOLDER || vh_git_same(&work->base.seen, &work->base.tree)) {
        return VIV_OK;
    }
    viv_status status = vh_layer_list(&work->target, work->arena, &work->base.tree, &tree, err);
    for (size_t i = 0; i < change->count && status == VIV_OK; i++) {
        const struct vh_change_path *path = &change->path[i];
        const struct vh_tree_entry *had = vh_tree_find(&tree, path->path);
        bool same = had ? path->old_mode && vh_git_same(&had->id, &path->old_id) : !path->old_mode;
        if (!same && frozen->uncommitted_all++ < UNCOMMITTED_IN_EVENT) {
            struct viv_str name = vh_tree_escape(work->arena, path->path);
            vh_json_push(frozen->uncommitted, vh_json_string(work->arena, name));
        }
    }
    return status;
}

static viv_status
freeze_change(struct vh_work *work, struct frozen *frozen, struct viv_error *err)
{
    enum vh_change_form form;
    struct vh_change change = { 0 };
    const struct vh_seam *seam = work->run->seam;
    vh_workspace_stop(work);
    int dir = vh_workspace_result(work, &form, err);
    if (dir < 0) {
        return VIV_E_IO;
    }
    viv_status status = vh_change_read(&work->target, work->arena, &work->base, dir, form, &change, err);
    if (status == VIV_OK) {
        status = vh_change_ignore(&work->target, work->arena, &work->base, &change, err);
    }
    if (status == VIV_OK) {
        status = vh_scope_change(work->arena, work->ask.task.scope, &change, err);
    }
    if (status == VIV_OK) {
        status = vh_change_convert(&work->target, work->arena, &work->base, &change, dir, err);
    }
    if (status == VIV_OK) {
        status = commit_change(work, &change, dir, frozen, err);
    }
    status = status ? status : find_uncommitted(work, &change, frozen, err);
    if (status == VIV_OK) {
        frozen->paths = vh_change_json(work->arena, &change);
        add_excerpts(work, &change, frozen->paths, dir);
        struct vh_json *manifest = vh_json_object(work->arena);
        vh_json_set(manifest, "paths", vh_json_clone(work->arena, frozen->paths));
        struct viv_str text = vh_json_print(work->arena, manifest);
        status = text.data ? vh_blob_put(seam, work->run->home, text, frozen->manifest, err)
                           : vh_error_set(err, VIV_E_MEMORY, "freeze", "no memory for the list of changes");
    }
    seam->close(seam->data, dir);
    return status;
}

static struct vh_json *
short_list(struct vh_work *work, const struct vh_json *paths)
{
    struct vh_json *list = vh_json_array(work->arena);
    int count = 0;
    for (const struct vh_json *p = paths ? paths->child : NULL; p && count++ < PATHS_IN_EVENT; p = p->next) {
        struct vh_json *item = vh_json_object(work->arena);
        vh_json_set_str(work->arena, item, "change", vh_json_str(p, "change"));
        vh_json_set_str(work->arena, item, "path", vh_json_str(p, "path"));
        vh_json_push(list, item);
    }
    return list;
}

viv_status
vh_ask_freeze(struct vh_work *work, struct viv_error *err)
{
    struct frozen frozen = { .paths = NULL };
    struct viv_error fault = VIV_ERROR_INIT;
    struct vh_json *data = vh_json_object(work->arena);
    if (!work->workspace) { /* after a restart: what was not frozen is gone, and the task runs again */
        vh_run_failure(work, data, "infrastructure", "the workspace is gone");
        return vh_run_answer(work, "change.frozen", data, NULL, err);
    }
    viv_verdict verdict = VIV_VERDICT_DENY;
    struct viv_str reason = { NULL, 0 };
    viv_status status = vh_run_target(work, &fault);
    if (status == VIV_OK) {
        status = vh_run_base(work, &fault);
    }
    if (status == VIV_OK) {
        status = freeze_change(work, &frozen, &fault);
    }
    vh_workspace_close(work);
    if (status == VIV_OK) {
        status = vh_effect_judge_paths(work, frozen.paths, &verdict, &reason, &fault);
    }
    if (status) {
        vh_run_failure(work, data, vh_run_class(status), fault.text);
        return vh_run_answer(work, "change.frozen", data, NULL, err);
    }
    vh_json_set_text(work->arena, data, "change", frozen.manifest);
    vh_json_set_text(work->arena, data, "commit", frozen.commit.hex);
    vh_json_set(data, "paths", short_list(work, frozen.paths));
    vh_json_set_int(work->arena, data, "paths_all", frozen.paths ? frozen.paths->count : 0);
    vh_json_set_str(work->arena, data, "reason", reason);
    vh_json_set_text(work->arena, data, "tree", frozen.tree.hex);
    vh_json_set(data, "uncommitted", frozen.uncommitted);
    vh_json_set_int(work->arena, data, "uncommitted_all", (int64_t)frozen.uncommitted_all);
    vh_json_set_int(work->arena, data, "verdict", verdict);
    return vh_run_answer(work, "change.frozen", data, NULL, err);
}
