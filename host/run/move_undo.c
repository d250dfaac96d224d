/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing a move, and tidying after one. The same code runs at once and after a crash: it only looks at which of two
 * names holds what. Read move.h first. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

/* ---- undoing ---- */

static viv_status
leave(struct vh_move *move, const struct vh_move_path *path)
{
    if (!move->left) {
        move->left = vh_arena_array(move->arena, move->count + 1, sizeof *move->left);
    }
    if (!move->left) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to undo a move");
    }
    if (move->left_count < move->count) {
        move->left[move->left_count++] = path->path;
    }
    return VIV_OK;
}

static viv_status
undo_exchange(struct vh_move *move, size_t which, int dir, const char *name, const char *staged)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct vh_tree_content content = { 0 };
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        bool missing = errno == ENOENT; /* deleted in between: what was there before returns */
        bool back = missing && seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE) == 0;
        return back ? VIV_OK
                    : vh_error_errno(move->err, VIV_E_IO, "branch", "cannot put '%.200s' back", path->path.data);
    }
    /* The new content came out; or the old one did, and what a person wrote meanwhile went in: an undoing that was cut
     * short had taken it out to look at it. */
    viv_status looked = vh_move_look_staged(move, which, &content);
    if (looked == VIV_OK && (vh_move_is_new(move, path, &content) || vh_move_accepts(move, path, &content))) {
        return VIV_OK;
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return vh_move_cannot_tell(looked) ? looked : leave(move, path);
}

static viv_status
undo_added(struct vh_move *move, size_t which, int dir, const char *name, const char *staged)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct vh_tree_content content = { 0 };
    if (seam->rename(seam->data, dir, name, move->stage_fd, staged, RENAME_NOREPLACE)) {
        return errno == ENOENT ? VIV_OK
                               : vh_error_errno(move->err, VIV_E_IO, "branch", "cannot take '%.200s' back",
                                                path->path.data);
    }
    viv_status looked = vh_move_look_staged(move, which, &content);
    if (looked == VIV_OK && vh_move_is_new(move, path, &content)) {
        return VIV_OK;
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return vh_move_cannot_tell(looked) ? looked : leave(move, path);
}

static viv_status
undo_taken(struct vh_move *move, const struct vh_move_path *path, int dir, const char *name, const char *staged)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct stat stat;
    if (seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode)) {
        (void)vh_move_remove_empty(move, dir, name, 0); /* folders this move made for files that are out again */
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE) == 0) {
        return VIV_OK;
    }
    return errno == EEXIST ? leave(move, path)
                           : vh_error_errno(move->err, VIV_E_IO, "branch", "cannot put '%.200s' back",
                                            path->path.data);
}

/* What the staged name holds tells what to do; see move.h. */
static viv_status
undo_one(struct vh_move *move, size_t which)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct vh_tree_content content = { 0 };
    char staged[24];
    vh_move_stage_name(which, staged);
    viv_status found = vh_move_look_staged(move, which, &content);
    if (vh_move_cannot_tell(found)) {
        return found;
    }
    bool there = found != VIV_E_NOT_FOUND;
    bool adds = path->file_mode && !path->stat_known;
    bool untouched = path->file_mode ? there && found == VIV_OK && vh_move_is_new(move, path, &content) : !there;
    if (untouched) {
        return VIV_OK;
    }
    if (!there && !adds) {
        return VIV_OK; /* never staged, or already back */
    }
    int dir = -1;
    const char *name = NULL;
    viv_status status = vh_tree_parent(move->target, move->root, path->path, there, &dir, &name, move->err);
    if (status) {
        return !there && (status == VIV_E_NOT_FOUND || status == VIV_E_CONFLICT) ? VIV_OK : status;
    }
    if (!there) {
        status = undo_added(move, which, dir, name, staged);
    } else if (path->file_mode) {
        status = undo_exchange(move, which, dir, name, staged);
    } else {
        status = undo_taken(move, path, dir, name, staged);
    }
    seam->close(seam->data, dir);
    return status;
}

viv_status
vh_move_undo(struct vh_move *move)
{
    bool staged = false;
    viv_status status = vh_fs_there(move->target->tools->seam, AT_FDCWD, move->stage, &staged, move->err);
    if (status || !staged) {
        return status; /* nothing was staged, so nothing was exchanged */
    }
    status = move->stage_fd < 0 ? vh_move_open_stage(move, move->stage) : VIV_OK;
    for (int deletions = 0; deletions <= 1; deletions++) {
        for (size_t i = 0; i < move->count && status == VIV_OK; i++) {
            if (!move->path[i].already && deletions == !move->path[i].file_mode) {
                status = undo_one(move, i);
            }
        }
    }
    return status ? status : vh_move_sync_folders(move); /* before the stage, the last trace of what to undo, goes */
}

/* Folders the move emptied go as git would let them go: after deletions when it is final, after additions when it
 * was undone. */
static void
remove_folders_above(struct vh_move *move, const struct vh_move_path *path)
{
    const struct vh_seam *seam = move->target->tools->seam;
    char *folder = vh_arena_text_of(move->arena, path->path);
    for (char *slash = folder ? strrchr(folder, '/') : NULL; slash; slash = strrchr(folder, '/')) {
        int dir = -1;
        const char *name = NULL;
        *slash = '\0';
        if (vh_tree_parent(move->target, move->root, vh_str(folder), false, &dir, &name, NULL)) {
            continue; /* gone already: look at the folder above */
        }
        int kept = seam->unlink(seam->data, dir, name, AT_REMOVEDIR);
        int code = errno;
        seam->close(seam->data, dir);
        if (kept && code != ENOENT) {
            break;
        }
    }
}

/* A staged file that is a person's and nowhere else: only a crash in the middle of undoing leaves one. */
static bool
holds_foreign(struct vh_move *move)
{
    bool foreign = false;
    for (size_t i = 0; i < move->count && move->stage_fd >= 0; i++) {
        struct vh_tree_content content = { 0 };
        viv_status looked = vh_move_look_staged(move, i, &content);
        bool known = vh_move_is_new(move, &move->path[i], &content) || vh_move_accepts(move, &move->path[i], &content);
        if (vh_move_cannot_tell(looked) || (looked == VIV_OK && !known)) {
            foreign = true;
            (void)leave(move, &move->path[i]); /* the list only informs; the file itself is kept */
        }
    }
    return foreign;
}

/* The journal goes last, and nobody looks for a stage without one: that it is gone is on the disk before. */
viv_status
vh_move_tidy(struct vh_move *move, bool moved)
{
    const struct vh_seam *seam = move->target->tools->seam;
    for (size_t i = 0; i < move->count; i++) {
        bool leaves = moved ? !move->path[i].file_mode : !move->path[i].stat_known;
        if (leaves && !move->path[i].already) {
            remove_folders_above(move, &move->path[i]);
        }
    }
    bool half = false, whole = false;
    viv_status status = vh_fs_there(seam, AT_FDCWD, move->stage_new, &half, move->err);
    status = status ? status : vh_fs_there(seam, AT_FDCWD, move->stage, &whole, move->err);
    status = status || !half ? status : vh_fs_remove_tree(seam, AT_FDCWD, move->stage_new, move->err);
    if (status == VIV_OK && whole && move->stage_fd < 0) {
        status = vh_move_open_stage(move, move->stage);
    }
    if (status == VIV_OK && whole && !holds_foreign(move)) {
        status = vh_fs_remove_tree(seam, AT_FDCWD, move->stage, move->err);
    }
    return status || (!half && !whole) ? status : vh_move_sync_above(move);
}
