/* SPDX-License-Identifier: Apache-2.0 */
/* Staging, exchanging and undoing. Nothing of the person's is ever unlinked or written over: names change places,
 * and what came out is looked at. Only staged copies of contents that git has are removed. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "layer_write.h"

#define EMPTY_DEPTH_MAX 64

static void
stage_name(size_t which, char ret_name[24])
{
    snprintf(ret_name, 24, "n%zu", which);
}

viv_status
vh_move_open(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    move->stage_fd = -1;
    move->root = seam->open(seam->data, AT_FDCWD, move->target->root, O_RDONLY | O_DIRECTORY, 0);
    return move->root < 0 ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot open '%s'", move->target->root)
                          : VIV_OK;
}

void
vh_move_close(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (move->root >= 0) {
        seam->close(seam->data, move->root);
    }
    if (move->stage_fd >= 0) {
        seam->close(seam->data, move->stage_fd);
    }
    move->root = move->stage_fd = -1;
}

/* ---- staging ---- */

struct staging {
    struct vh_move *move;
    const size_t *which;
};

/* The person's owner and permissions pass on to the new content; only the executable bit is the task's. */
static void
keep_owner(struct vh_move *move, const struct vh_move_path *path, const char *name)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct stat now;
    struct stat like = path->stat;
    if (seam->stat(seam->data, move->stage_fd, name, &now, AT_SYMLINK_NOFOLLOW) ||
        (!path->stat_known && seam->fstat(seam->data, move->root, &like))) {
        return;
    }
    if (like.st_uid != now.st_uid || like.st_gid != now.st_gid) {
        (void)seam->chown(seam->data, move->stage_fd, name, like.st_uid, like.st_gid); /* only root can */
    }
    if (path->stat_known && S_ISREG(path->stat.st_mode) && path->now_mode != VH_TREE_LINK) {
        mode_t bits = path->stat.st_mode & 0777;
        bits = path->now_mode == VH_TREE_PROGRAM ? bits | 0100 | (bits & 0044) >> 2 : bits & ~(mode_t)0111;
        (void)seam->chmod(seam->data, move->stage_fd, name, bits); /* else the modes of a new file stay */
    }
}

static viv_status
stage_blob(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err)
{
    struct staging *staging = data;
    struct vh_move *move = staging->move;
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[staging->which[which]];
    char name[24];
    stage_name(staging->which[which], name);
    viv_status status = vh_layer_put(move->target, move->stage_fd, name, path->now_mode, fd, at, size, err);
    if (status) {
        return status;
    }
    keep_owner(move, path, name);
    if (path->now_mode == VH_TREE_LINK) {
        return VIV_OK;
    }
    int file = seam->open(seam->data, move->stage_fd, name, O_RDONLY | O_NOFOLLOW, 0);
    int failed = file < 0 || seam->sync(seam->data, file);
    status = failed ? vh_error_errno(err, VIV_E_IO, "branch", "cannot sync a staged file") : VIV_OK;
    if (file >= 0) {
        seam->close(seam->data, file);
    }
    return status;
}

static viv_status
open_stage(struct vh_move *move, const char *path)
{
    const struct vh_seam *seam = move->target->tools->seam;
    move->stage_fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return move->stage_fd < 0 ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot open '%s'", path) : VIV_OK;
}

viv_status
vh_move_stage(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_tree_entry **want = vh_arena_array(move->arena, move->count + 1, sizeof *want);
    size_t *which = vh_arena_array(move->arena, move->count + 1, sizeof *which);
    size_t count = 0;
    if (!want || !which) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to stage files");
    }
    for (size_t i = 0; i < move->count; i++) {
        struct vh_tree_entry *entry = vh_arena_alloc(move->arena, sizeof *entry);
        if (!entry) {
            return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to stage files");
        }
        if (move->path[i].now_mode && !move->path[i].already) {
            *entry = (struct vh_tree_entry){ move->path[i].path, move->path[i].now_mode, move->path[i].now };
            which[count] = i;
            want[count++] = entry;
        }
    }
    if (seam->mkdir(seam->data, AT_FDCWD, move->stage_new, 0700)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot make folder '%s'", move->stage_new);
    }
    struct staging staging = { move, which };
    struct vh_tree_sink sink = { &staging, stage_blob };
    viv_status status = open_stage(move, move->stage_new);
    status = status ? status : vh_tree_blobs(move->target, move->arena, want, count, &sink, move->err);
    if (status == VIV_OK && seam->sync(seam->data, move->stage_fd)) {
        status = vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync '%s'", move->stage_new);
    }
    VH_PLACE(seam, "move.staging");
    /* Only a stage under its final name has anything to undo: half a staged file must never reach the person. */
    if (status == VIV_OK && seam->rename(seam->data, AT_FDCWD, move->stage_new, AT_FDCWD, move->stage, 0)) {
        status = vh_error_errno(move->err, VIV_E_IO, "branch", "cannot name folder '%s'", move->stage);
    }
    return status;
}

/* ---- exchanging ---- */

static viv_status
look_staged(struct vh_move *move, size_t which, struct vh_tree_content *ret_content)
{
    char name[24];
    stage_name(which, name);
    return vh_tree_look(move->target, move->arena, move->stage_fd, name, -1, ret_content, NULL);
}

static viv_status
rename_failed(struct vh_move *move, const struct vh_move_path *path)
{
    if (errno == ENOENT || errno == EEXIST || errno == EISDIR || errno == ENOTDIR || errno == ENOTEMPTY) {
        return vh_move_conflict(move, path, NULL, "changed while the branch moved");
    }
    viv_status status = errno == EXDEV ? VIV_E_UNSUPPORTED : VIV_E_IO;
    return vh_error_errno(move->err, status, "branch", "cannot exchange '%.200s'", path->path.data);
}

/* Take a file out; if it is not what was expected, put it back. */
static viv_status
take_out(struct vh_move *move, size_t which, int dir, const char *name)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct vh_tree_content content = { 0 };
    char staged[24];
    stage_name(which, staged);
    if (seam->rename(seam->data, dir, name, move->stage_fd, staged, RENAME_NOREPLACE)) {
        return rename_failed(move, path);
    }
    if (look_staged(move, which, &content) == VIV_OK && vh_move_accepts(move, path, &content)) {
        return VIV_OK;
    }
    viv_status status = vh_move_conflict(move, path, &content.id, "changed while the branch moved");
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return status;
}

static viv_status
exchange(struct vh_move *move, size_t which, int dir, const char *name)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct vh_tree_content content = { 0 };
    char staged[24];
    stage_name(which, staged);
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return rename_failed(move, path);
    }
    VH_PLACE(seam, "move.exchanged-one");
    if (look_staged(move, which, &content) == VIV_OK && vh_move_accepts(move, path, &content)) {
        return VIV_OK;
    }
    viv_status status = vh_move_conflict(move, path, &content.id, "changed while the branch moved");
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return status;
}

/* Folders that deletions left empty, and nothing else, below `name`. */
static viv_status
remove_empty(struct vh_move *move, int dir, const char *name, int depth)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (seam->unlink(seam->data, dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR) {
        return VIV_OK;
    }
    int fd = depth < EMPTY_DEPTH_MAX ? seam->open(seam->data, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) : -1;
    struct vh_fs_names names = { 0 };
    viv_status status = fd < 0 ? VIV_E_CONFLICT : vh_fs_list(seam, move->arena, fd, ".", &names, move->err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = remove_empty(move, fd, names.name[i], depth + 1);
    }
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    if (status == VIV_OK && seam->unlink(seam->data, dir, name, AT_REMOVEDIR)) {
        status = VIV_E_CONFLICT;
    }
    return status;
}

static viv_status
put_in(struct vh_move *move, size_t which, int dir, const char *name)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    struct stat stat;
    char staged[24];
    stage_name(which, staged);
    bool folder = seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
    if (folder && remove_empty(move, dir, name, 0)) {
        return vh_move_conflict(move, path, NULL, "is a folder that holds other files");
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE)) {
        return rename_failed(move, path);
    }
    VH_PLACE(seam, "move.added-one");
    return VIV_OK;
}

static viv_status
one_path(struct vh_move *move, size_t which)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const struct vh_move_path *path = &move->path[which];
    int dir = -1;
    const char *name = NULL;
    bool there = path->stat_known;
    viv_status status = vh_tree_parent(move->target, move->root, path->path, !there, &dir, &name, move->err);
    if (status == VIV_E_CONFLICT || status == VIV_E_NOT_FOUND) {
        return vh_move_conflict(move, path, NULL, "changed while the branch moved");
    }
    if (status) {
        return status;
    }
    status = !path->now_mode ? take_out(move, which, dir, name)
             : there         ? exchange(move, which, dir, name)
                             : put_in(move, which, dir, name);
    if (status == VIV_OK && seam->sync(seam->data, dir)) {
        status = vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync the folder of '%.200s'", path->path.data);
    }
    seam->close(seam->data, dir);
    return status;
}

viv_status
vh_move_exchange(struct vh_move *move)
{
    viv_status status = VIV_OK;
    for (int deletions = 1; deletions >= 0; deletions--) {
        for (size_t i = 0; i < move->count && status == VIV_OK; i++) {
            if (!move->path[i].already && deletions == !move->path[i].now_mode) {
                status = one_path(move, i);
            }
        }
    }
    return status;
}

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
    if (look_staged(move, which, &content) == VIV_OK && vh_move_is_new(move, path, &content)) {
        return VIV_OK;
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return leave(move, path);
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
    if (look_staged(move, which, &content) == VIV_OK && vh_move_is_new(move, path, &content)) {
        return VIV_OK;
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_NOREPLACE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return leave(move, path);
}

static viv_status
undo_taken(struct vh_move *move, const struct vh_move_path *path, int dir, const char *name, const char *staged)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct stat stat;
    if (seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode)) {
        (void)remove_empty(move, dir, name, 0); /* folders this move made for files that are out again */
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
    stage_name(which, staged);
    viv_status found = look_staged(move, which, &content);
    bool there = found != VIV_E_NOT_FOUND;
    bool adds = path->now_mode && !path->stat_known;
    bool untouched = path->now_mode ? there && found == VIV_OK && vh_move_is_new(move, path, &content) : !there;
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
    } else if (path->now_mode) {
        status = undo_exchange(move, which, dir, name, staged);
    } else {
        status = undo_taken(move, path, dir, name, staged);
    }
    if (status == VIV_OK && seam->sync(seam->data, dir)) {
        status = vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync the folder of '%.200s'", path->path.data);
    }
    seam->close(seam->data, dir);
    return status;
}

viv_status
vh_move_undo(struct vh_move *move)
{
    if (!vh_fs_exists(move->target->tools->seam, AT_FDCWD, move->stage)) {
        return VIV_OK; /* nothing was staged, so nothing was exchanged */
    }
    viv_status status = move->stage_fd < 0 ? open_stage(move, move->stage) : VIV_OK;
    for (int deletions = 0; deletions <= 1; deletions++) {
        for (size_t i = 0; i < move->count && status == VIV_OK; i++) {
            if (!move->path[i].already && deletions == !move->path[i].now_mode) {
                status = undo_one(move, i);
            }
        }
    }
    return status;
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
        if (look_staged(move, i, &content) == VIV_OK && !vh_move_is_new(move, &move->path[i], &content) &&
            !vh_move_accepts(move, &move->path[i], &content)) {
            foreign = true;
            (void)leave(move, &move->path[i]); /* the list only informs; the file itself is kept */
        }
    }
    return foreign;
}

viv_status
vh_move_tidy(struct vh_move *move, bool moved)
{
    const struct vh_seam *seam = move->target->tools->seam;
    for (size_t i = 0; i < move->count; i++) {
        bool leaves = moved ? !move->path[i].now_mode : !move->path[i].stat_known;
        if (leaves && !move->path[i].already) {
            remove_folders_above(move, &move->path[i]);
        }
    }
    viv_status status = vh_fs_remove_tree(seam, AT_FDCWD, move->stage_new, move->err);
    if (status || !vh_fs_exists(seam, AT_FDCWD, move->stage)) {
        return status;
    }
    if (move->stage_fd < 0) {
        status = open_stage(move, move->stage);
    }
    return status || holds_foreign(move) ? status : vh_fs_remove_tree(seam, AT_FDCWD, move->stage, move->err);
}
