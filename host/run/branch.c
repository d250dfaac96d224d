/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a move, and what happens at the next start when it was cut short. The parts are in move*.c. */
#include "branch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "line.h"
#include "move.h"

/* What git leaves in its directory while a person is in the middle of something. */
static const char *const busy_marks[] = { "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge",
                                          "rebase-apply", "BISECT_LOG" };

static viv_status
check_idle(const struct vh_target *target, struct vh_arena *arena, struct viv_error *err)
{
    for (size_t i = 0; target->kind == VH_TARGET_REPOSITORY && i < sizeof busy_marks / sizeof *busy_marks; i++) {
        bool busy = false;
        const char *path = vh_arena_format(arena, "%s/%s", target->git_dir, busy_marks[i]);
        viv_status status = vh_fs_there(target->tools->seam, AT_FDCWD, path, &busy, err);
        if (status) {
            return status;
        }
        if (busy) {
            return vh_error_set(err, VIV_E_BUSY, "branch",
                                "a merge, rebase or bisection is going on in '%s' (%s); finish it first", target->root,
                                busy_marks[i]);
        }
    }
    return VIV_OK;
}

/* What there is to do at all. `ret_outcome` 0 when files have to move. */
static viv_status
begin(struct vh_target *target, struct vh_arena *arena, const struct vh_branch_request *request,
      enum vh_branch_outcome *ret_outcome, struct viv_error *err)
{
    bool contains = false;
    *ret_outcome = 0;
    viv_status status = vh_target_refresh(target, arena, err);
    if (status) {
        return status;
    }
    if (!target->branch || target->away) {
        *ret_outcome = VH_BRANCH_DETACHED;
        return VIV_OK;
    }
    if (vh_git_same(&target->head, &request->commit)) {
        *ret_outcome = VH_BRANCH_ALREADY;
        return VIV_OK;
    }
    status = vh_line_contains(target, arena, &request->commit, &target->head, &contains, err);
    if (status || contains) {
        return status ? status : check_idle(target, arena, err);
    }
    status = vh_line_contains(target, arena, &target->head, &request->commit, &contains, err);
    if (status == VIV_OK && !contains) {
        return vh_error_set(err, VIV_E_CONFLICT, "branch", "branch '%s' has commits that '%.12s' lacks",
                            target->branch, request->commit.hex);
    }
    *ret_outcome = status ? 0 : VH_BRANCH_ALREADY;
    return status;
}

static viv_status
prepare(struct vh_move *move, const struct vh_target *target, struct vh_arena *arena,
        const struct vh_branch_request *request, struct viv_error *err)
{
    *move = (struct vh_move){ .target = target, .arena = arena, .err = err, .task = request->task,
                              .branch = target->branch, .old = target->head, .now = request->commit,
                              .exact = request->exact, .files = &request->files };
    viv_status status = vh_move_open(move);
    return status ? status : vh_move_plan(move, &request->seen);
}

/* The reference as it must still be now that the lock keeps every other git out. */
static viv_status
check_head(struct vh_move *move)
{
    struct vh_target now = *move->target;
    viv_status status = vh_target_refresh(&now, move->arena, move->err);
    bool same = now.branch && !now.away && strcmp(now.branch, move->branch) == 0 && vh_git_same(&now.head, &move->old);
    if (status || same) {
        return status;
    }
    return vh_error_set(move->err, VIV_E_CONFLICT, "branch", "branch '%s' moved to '%.12s' meanwhile", move->branch,
                        now.head.hex);
}

static viv_status
move_reference(struct vh_move *move)
{
    struct viv_error said = VIV_ERROR_INIT;
    const char *message = vh_arena_format(move->arena, "viv: %s", move->task);
    const char *old = move->old.hex[0] ? vh_arena_text(move->arena, move->old.hex)
                                       : vh_arena_format(move->arena, "%.*s", move->target->hex_len, VH_GIT_ZEROS);
    if (!message || !old) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to move the reference");
    }
    const char *words[] = { "update-ref", "-m", message, move->branch, move->now.hex, old, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words };
    viv_status status = vh_git_run(move->target, move->arena, &ask, NULL, &said);
    return status ? vh_error_set(move->err, status == VIV_E_IO ? VIV_E_CONFLICT : status, "branch",
                                 "the reference did not move: %.300s", said.text)
                  : VIV_OK;
}

/* Up to and with the reference: everything here can be undone. */
static viv_status
go(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct vh_move_path *path = move->path;
    size_t count = move->count;
    viv_status status = vh_move_lock_make(move);
    move->count = 0; /* the first journal only tells whose lock it is */
    status = status ? status : vh_move_journal_write(move);
    VH_PLACE(seam, "move.journaled");
    status = status ? status : vh_move_lock(move);
    VH_PLACE(seam, "move.locked");
    status = status ? status : check_head(move);
    if (status) {
        return status;
    }
    move->path = path;
    move->count = count;
    status = vh_move_compare(move);
    if (status == VIV_OK || status == VIV_E_CONFLICT) { /* the index may add to the list of conflicts */
        viv_status index = vh_move_index_check(move, NULL);
        status = index ? index : status;
    }
    if (status) {
        move->count = 0; /* nothing was touched: nothing to undo */
        return status;
    }
    status = vh_move_journal_write(move);
    VH_PLACE(seam, "move.compared");
    status = status ? status : vh_move_stage(move);
    VH_PLACE(seam, "move.staged");
    status = status ? status : vh_move_exchange(move);
    VH_PLACE(seam, "move.exchanged");
    status = status ? status : vh_move_index(move);
    VH_PLACE(seam, "move.indexed");
    status = status ? status : move_reference(move);
    VH_PLACE(seam, "move.referenced");
    return status;
}

/* The index as it must be, when the reference moved but our lock is gone: taken away by hand, most likely. */
static viv_status
index_again(struct vh_move *move)
{
    bool is_new = false;
    viv_status status = vh_move_index_check(move, &is_new);
    if (status || is_new) {
        return status;
    }
    status = vh_move_lock_make(move);
    status = status ? status : vh_move_journal_write(move);
    status = status ? status : vh_move_lock(move);
    status = status ? status : vh_move_index(move);
    return status ? status : vh_move_index_done(move);
}

/* From the reference on there is only forward, now or at the next start. */
static viv_status
forward(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    bool held = false;
    viv_status status = vh_move_lock_held(move, &held);
    status = status ? status : held ? vh_move_index_done(move) : index_again(move);
    VH_PLACE(seam, "move.renamed");
    status = status ? status : vh_move_tidy(move, true);
    VH_PLACE(seam, "move.tidied");
    return status ? status : vh_move_journal_remove(move);
}

static viv_status
back(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    viv_status status = vh_move_undo(move);
    VH_PLACE(seam, "move.undone");
    status = status ? status : vh_move_unlock(move);
    VH_PLACE(seam, "move.unlocked");
    status = status ? status : vh_move_tidy(move, false);
    return status ? status : vh_move_journal_remove(move);
}

/* The first error is what the caller learns, unless undoing failed: then that, and the journal stays. */
static viv_status
run(struct vh_move *move)
{
    viv_status status = vh_move_journal_name(move);
    if (status) {
        return status;
    }
    status = go(move);
    if (status == VIV_OK) {
        return forward(move);
    }
    struct viv_error *err = move->err;
    struct viv_error undo = VIV_ERROR_INIT;
    move->err = &undo;
    viv_status undone = back(move);
    move->err = err;
    return undone ? vh_error_set(err, undone, "branch", "undoing a move failed, the next one tries again: %.300s",
                                 undo.text)
                  : status;
}

/* ---- what was cut short, by a crash or by a failure that could not be undone at once ---- */

static viv_status
recover_one(const struct vh_git_tools *tools, struct vh_arena *arena, const char *name,
            struct vh_branch_recovered *recovered, struct viv_error *err)
{
    struct vh_target target = { .tools = tools };
    struct vh_move move = { .target = &target, .arena = arena, .err = err, .root = -1, .stage_fd = -1 };
    struct vh_git_id tip;
    bool moved = false;
    viv_status status = vh_move_journal_read(&move, &target, name);
    if (status == VIV_E_NOT_FOUND) {
        return vh_move_journal_remove(&move); /* the checkout is gone, and what was staged with it */
    }
    status = status ? status : vh_move_open(&move);
    status = status ? status : vh_target_ref(&target, arena, move.branch, &tip, err);
    status = status ? status : vh_line_contains(&target, arena, &tip, &move.now, &moved, err);
    if (status == VIV_OK) {
        VH_PLACE(tools->seam, "recover.decided");
        status = moved ? forward(&move) : back(&move);
    }
    vh_move_close(&move);
    recovered->forward += status == VIV_OK && moved;
    recovered->back += status == VIV_OK && !moved;
    if (move.left_count) {
        struct viv_str *all = vh_arena_array(arena, recovered->left_count + move.left_count, sizeof *all);
        if (!all) {
            return vh_error_set(err, VIV_E_MEMORY, "branch", "no memory to list what was left");
        }
        if (recovered->left_count) {
            memcpy(all, recovered->left, recovered->left_count * sizeof *all);
        }
        memcpy(all + recovered->left_count, move.left, move.left_count * sizeof *all);
        recovered->left = all;
        recovered->left_count += move.left_count;
    }
    return status;
}

/* Who moves a target holds the line, so a journal that is there belongs to nobody who runs. */
static viv_status
finish_earlier(struct vh_target *target, struct vh_arena *arena, struct viv_error *err)
{
    bool there = false;
    struct vh_branch_recovered recovered = { 0 };
    const struct vh_git_tools *tools = target->tools;
    const char *journal = vh_move_journal_path(target, arena);
    viv_status status = vh_fs_there(tools->seam, tools->home, journal, &there, err);
    if (status || !there) {
        return status;
    }
    status = recover_one(tools, arena, strrchr(journal, '/') + 1, &recovered, err);
    return status ? vh_error_extend(err, status, "an earlier move of '%s' was cut short and cannot be completed now",
                                    target->root)
                  : VIV_OK;
}

viv_status
vh_branch_move(struct vh_target *target, struct vh_arena *arena, const struct vh_branch_request *request,
               enum vh_branch_outcome *ret_outcome, struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    struct vh_move move;
    enum vh_branch_outcome outcome = 0;
    *ret_conflicts = (struct vh_conflicts){ 0 };
    viv_status status = finish_earlier(target, arena, err);
    status = status ? status : begin(target, arena, request, &outcome, err);
    if (status || outcome) {
        *ret_outcome = status ? *ret_outcome : outcome;
        return status;
    }
    status = prepare(&move, target, arena, request, err);
    status = status ? status : run(&move);
    vh_move_close(&move);
    *ret_conflicts = move.conflicts;
    if (status) {
        return status;
    }
    target->head = request->commit;
    *ret_outcome = VH_BRANCH_MOVED;
    return VIV_OK;
}

viv_status
vh_branch_check(struct vh_target *target, struct vh_arena *arena, const struct vh_branch_request *request,
                struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    struct vh_move move;
    enum vh_branch_outcome outcome = 0;
    *ret_conflicts = (struct vh_conflicts){ 0 };
    viv_status status = finish_earlier(target, arena, err);
    status = status ? status : begin(target, arena, request, &outcome, err);
    if (status || outcome) {
        return status;
    }
    status = prepare(&move, target, arena, request, err);
    status = status ? status : vh_move_compare(&move);
    if (status == VIV_OK || status == VIV_E_CONFLICT) {
        viv_status index = vh_move_index_check(&move, NULL);
        status = index ? index : status;
    }
    vh_move_close(&move);
    *ret_conflicts = move.conflicts;
    return status;
}

viv_status
vh_branch_recover(const struct vh_git_tools *tools, struct vh_arena *arena, struct vh_branch_recovered *ret_recovered,
                  struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    struct vh_branch_recovered recovered = { 0 };
    viv_status status = vh_fs_list(tools->seam, arena, tools->home, "store/moves", &names, err);
    if (status == VIV_E_NOT_FOUND) {
        status = VIV_OK;
    }
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        size_t len = strlen(names.name[i]);
        if (len > 5 && strcmp(names.name[i] + len - 5, ".json") == 0) {
            status = recover_one(tools, arena, names.name[i], &recovered, err);
        } else if (strstr(names.name[i], ".tmp")) { /* a journal that was never finished */
            const char *path = vh_arena_format(arena, "store/moves/%s", names.name[i]);
            status = path ? vh_fs_remove_tree(tools->seam, tools->home, path, err)
                          : vh_error_set(err, VIV_E_MEMORY, "branch", "no memory to clean up");
        }
    }
    if (status == VIV_OK) {
        *ret_recovered = recovered;
    }
    return status;
}
