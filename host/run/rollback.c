/* SPDX-License-Identifier: Apache-2.0 */
/* The line goes first, the files follow: a crash between the two is completed by doing the rollback again, which
 * finds its own commit on the line. */
#include "rollback.h"

#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "base/error.h"
#include "base/str.h"
#include "commit.h"
#include "layer.h"
#include "move.h"

struct undo {
    struct vh_target *target;
    struct vh_arena *arena;
    const struct vh_rollback_request *request;
    struct viv_error *err;
    struct vh_commit work; /* the task's commit */
    struct vh_base base;   /* what the rollback stands on */
    struct vh_move plan;   /* the task's own paths: `old` before it, `now` as it left them */
    struct vh_tree files;  /* what files get back that no commit before the task's holds */
    const char *held;
};

static viv_status
no_memory(struct undo *undo)
{
    return vh_error_set(undo->err, VIV_E_MEMORY, "rollback", "no memory to roll back");
}

static viv_status
read_work(struct undo *undo)
{
    const struct vh_rollback_request *request = undo->request;
    bool on_line = false;
    viv_status status = vh_line_tip(undo->target, undo->arena, &undo->base.line, undo->err);
    undo->base.tip = undo->target->head;
    status = status ? status
                    : vh_line_contains(undo->target, undo->arena, &undo->base.line, &request->commit, &on_line,
                                       undo->err);
    status = status ? status : vh_commit_read(undo->target, undo->arena, &request->commit, &undo->work, undo->err);
    if (status) {
        return status;
    }
    if (!on_line || !vh_str_is(vh_commit_trailer(&undo->work, "Viv-Task"), request->task)) {
        return vh_error_set(undo->err, VIV_E_INVALID, "rollback", "commit '%.12s' is not the work of task '%s' on '%s'",
                            request->commit.hex, request->task, undo->target->line);
    }
    undo->plan = (struct vh_move){ .target = undo->target, .arena = undo->arena, .err = undo->err, .root = -1,
                                   .stage_fd = -1, .old = undo->work.parent, .now = request->commit };
    return vh_move_plan(&undo->plan, &(struct vh_git_id){ { 0 } });
}

/* Each path must be what the task left. */
static viv_status
check_line(struct undo *undo, struct vh_conflicts *ret_conflicts)
{
    struct vh_tree tree;
    struct vh_move *plan = &undo->plan;
    viv_status status = vh_tree_list(undo->target, undo->arena, &undo->base.commit, &tree, undo->err);
    struct vh_conflicts list = { vh_arena_array(undo->arena, plan->count + 1, sizeof *list.conflict), 0 };
    if (status || !list.conflict) {
        return status ? status : no_memory(undo);
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct vh_move_path *path = &plan->path[i];
        const struct vh_tree_entry *is = vh_tree_find(&tree, path->path);
        bool same = is ? path->now_mode == is->mode && vh_git_same(&is->id, &path->now) : !path->now_mode;
        if (!same) {
            list.conflict[list.count++] = (struct vh_conflict){
                .path = path->path, .base = path->old, .ours = is ? is->id : (struct vh_git_id){ { 0 } },
                .theirs = path->now, .reason = "is no longer what the task left" };
        }
    }
    *ret_conflicts = list;
    if (!list.count) {
        return VIV_OK;
    }
    struct viv_str text = vh_tree_escape(undo->arena, list.conflict[0].path);
    return vh_error_set(undo->err, VIV_E_CONFLICT, "rollback",
                        "'%.*s' is no longer what the task left: '%s' is there, '%s' was left (%zu path(s))",
                        text.len > 150 ? 150 : (int)text.len, text.len ? text.data : "", list.conflict[0].ours.hex,
                        list.conflict[0].theirs.hex, list.count);
}

static viv_status
make_commit(struct undo *undo, struct vh_git_id *ret_commit)
{
    const struct vh_rollback_request *request = undo->request;
    const struct vh_move *plan = &undo->plan;
    struct vh_import import;
    struct vh_git_id tree;
    struct viv_str subject = { undo->work.message.data, strcspn(undo->work.message.data, "\n") };
    struct vh_import_head head = {
        .ref = vh_arena_format(undo->arena, "refs/viv/held/%s", undo->held),
        .time_s = request->time_s,
        .parent = &undo->base.commit,
        .message = vh_commit_message(undo->arena, "Roll back: ", subject, request->task, request->effect,
                                     request->log_head, request->commit.hex),
    };
    if (!head.ref || !head.message.data) {
        return no_memory(undo);
    }
    vh_import_begin(&import, undo->target, undo->arena, VH_GIT_REFS, &head, undo->err);
    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->path[i].old_mode) {
            vh_import_delete(&import, plan->path[i].path);
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->path[i].old_mode) {
            vh_import_known(&import, plan->path[i].path, plan->path[i].old_mode, &plan->path[i].old);
        }
    }
    return vh_import_finish(&import, ret_commit, &tree);
}

static viv_status
advance(struct undo *undo, const struct vh_git_id *commit)
{
    const struct vh_target *target = undo->target;
    const char *input = vh_arena_format(undo->arena,
                                        "start\nupdate %s %s %s\n"
                                        "prepare\ncommit\n",
                                        target->line, commit->hex, undo->base.line.hex);
    const char *words[] = { "update-ref", "-m", "viv: rolled back", "--stdin", NULL };
    if (!input) {
        return no_memory(undo);
    }
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words, .input = vh_str(input) };
    vh_git_unlock(target, undo->arena, target->line);
    viv_status status = vh_git_run(target, undo->arena, &ask, NULL, undo->err);
    if (status == VIV_OK) {
        vh_git_drop(target, undo->arena, vh_arena_format(undo->arena, "refs/viv/held/%s", undo->held));
    }
    return status == VIV_E_IO ? vh_error_extend(undo->err, VIV_E_CONFLICT, "the line moved meanwhile") : status;
}

/* Whether the path had this content before the task. */
static bool
is_version(const struct vh_move_path *path, const struct vh_tree_entry *entry)
{
    return entry ? path->old_mode == entry->mode && vh_git_same(&entry->id, &path->old) : !path->old_mode;
}

/* What a person had written and not committed when the task began lies in the task's commit and nowhere else, when what
 * the rollback restores is what was committed then. The files get back what they held, uncommitted again. Where another
 * task's result came before this one's, it took the person's part along, and is what the files get. */
static viv_status
find_held_work(struct undo *undo)
{
    struct vh_tree seen, base;
    const struct vh_move *plan = &undo->plan;
    if (!undo->request->seen.hex[0]) {
        return VIV_OK;
    }
    viv_status status = vh_layer_list(undo->target, undo->arena, &undo->request->seen, &seen, undo->err);
    status = status ? status : vh_layer_list(undo->target, undo->arena, &undo->request->base, &base, undo->err);
    undo->files.entry = vh_arena_array(undo->arena, plan->count + 1, sizeof *undo->files.entry);
    if (status || !undo->files.entry) {
        return status ? status : no_memory(undo);
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct vh_move_path *path = &plan->path[i];
        const struct vh_tree_entry *saw = vh_tree_find(&seen, path->path);
        if (is_version(path, vh_tree_find(&base, path->path)) && !is_version(path, saw)) {
            struct vh_tree_entry nothing = { .path = path->path };
            undo->files.entry[undo->files.count++] = saw ? *saw : nothing;
        }
    }
    return VIV_OK;
}

/* Everything that can refuse comes before the first thing that changes. */
static viv_status
roll_line(struct undo *undo, bool reached, struct vh_git_id *ret_commit, struct vh_conflicts *ret_conflicts)
{
    const struct vh_seam *seam = undo->target->tools->seam;
    viv_status status = vh_base_join(undo->target, undo->arena, &undo->base, ret_conflicts, undo->err);
    status = status ? status : check_line(undo, ret_conflicts);
    VH_PLACE(seam, "rollback.checked");
    status = status ? status : make_commit(undo, ret_commit);
    VH_PLACE(seam, "rollback.committed");
    if (status) {
        return status;
    }
    struct vh_branch_request request = { .task = undo->request->task, .commit = *ret_commit, .files = undo->files,
                                         .exact = true };
    status = reached ? vh_branch_check(undo->target, undo->arena, &request, ret_conflicts, undo->err) : VIV_OK;
    if (status) {
        (void)vh_change_discard(undo->target, undo->arena, undo->held, NULL); /* a leftover reference does no harm */
        return status;
    }
    status = advance(undo, ret_commit);
    VH_PLACE(seam, "rollback.advanced");
    return status;
}

/* Branches that hold the work and not its undoing: renamed, made since, or left by whoever checked out another. */
static viv_status
find_kept(struct undo *undo, const struct vh_git_id *commit, struct vh_rolled *rolled)
{
    struct vh_git_result result;
    const char *with = vh_arena_format(undo->arena, "--contains=%s", undo->request->commit.hex);
    const char *without = vh_arena_format(undo->arena, "--no-contains=%s", commit->hex);
    const char *words[] = { "for-each-ref", "--format=%(refname:short)", with, without, "refs/heads/", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words };
    if (undo->target->kind == VH_TARGET_FOLDER) {
        return VIV_OK;
    }
    if (!with || !without) {
        return no_memory(undo);
    }
    viv_status status = vh_git_run(undo->target, undo->arena, &ask, &result, undo->err);
    if (status == VIV_OK) {
        rolled->kept_on = result.output;
    }
    return status;
}

static viv_status
roll_files(struct undo *undo, struct vh_rolled *rolled)
{
    struct vh_branch_request move = { .task = undo->request->task, .commit = rolled->commit, .files = undo->files };
    viv_status status =
        vh_branch_move(undo->target, undo->arena, &move, &rolled->outcome, &rolled->conflicts, undo->err);
    rolled->given_back = status == VIV_OK && rolled->outcome == VH_BRANCH_MOVED ? undo->files.count : 0;
    return status;
}

viv_status
vh_rollback(struct vh_target *target, struct vh_arena *arena, const struct vh_rollback_request *request,
            struct vh_rolled *ret_rolled, struct viv_error *err)
{
    struct undo undo = { .target = target, .arena = arena, .request = request, .err = err };
    struct vh_git_id commit = { { 0 } };
    bool on_line = false;
    bool reached = false;
    *ret_rolled = (struct vh_rolled){ 0 };
    undo.held = vh_arena_format(arena, "%s.undo", request->task);
    if (!undo.held || !vh_str_id(vh_str(request->task))) {
        return vh_error_set(err, VIV_E_INVALID, "rollback", "task id '%.40s' cannot be part of a reference",
                            request->task);
    }
    viv_status status = vh_target_refresh(target, arena, err);
    status = status ? status : vh_line_probe(target, arena, undo.held, request->effect, &commit, &on_line, err);
    if (status == VIV_OK && target->branch) {
        status = vh_line_contains(target, arena, &target->head, &request->commit, &reached, err);
    }
    status = status ? status : read_work(&undo);
    status = status ? status : find_held_work(&undo);
    if (status == VIV_OK && !on_line) {
        status = roll_line(&undo, reached, &commit, &ret_rolled->conflicts);
    }
    if (status) {
        return status;
    }
    ret_rolled->commit = commit;
    status = reached ? roll_files(&undo, ret_rolled) : VIV_OK;
    return status ? status : find_kept(&undo, &commit, ret_rolled);
}
