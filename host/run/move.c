/* SPDX-License-Identifier: Apache-2.0 */
/* Staging and exchanging; move_undo.c is the way back. Nothing of the person's is ever unlinked or written over:
 * names change places, and what came out is looked at. Only staged copies of contents that git has are removed. */
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

void
vh_move_stage_name(size_t which, char ret_name[24])
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
    if (path->stat_known && S_ISREG(path->stat.st_mode) && path->file_mode != VH_TREE_LINK) {
        mode_t bits = path->stat.st_mode & 0777;
        bits = path->file_mode == VH_TREE_PROGRAM ? bits | 0100 | (bits & 0044) >> 2 : bits & ~(mode_t)0111;
        (void)seam->chmod(seam->data, move->stage_fd, name, bits); /* else the modes of a new file stay */
    }
}

static viv_status
stage_blob(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err)
{
    struct staging *staging = data;
    struct vh_move *move = staging->move;
    const struct vh_move_path *path = &move->path[staging->which[which]];
    char name[24];
    vh_move_stage_name(staging->which[which], name);
    struct vh_layer_blob blob = { path->file_mode, fd, at, size };
    viv_status status = vh_layer_put(move->target, move->stage_fd, name, &blob, err);
    if (status) {
        return status;
    }
    keep_owner(move, path, name);
    return VIV_OK;
}

/* After all are written: the first sync then carries most of the others with it. */
static viv_status
sync_staged(struct vh_move *move, const size_t *which, size_t count)
{
    const struct vh_seam *seam = move->target->tools->seam;
    for (size_t i = 0; i < count; i++) {
        char name[24];
        vh_move_stage_name(which[i], name);
        if (move->path[which[i]].file_mode == VH_TREE_LINK) {
            continue; /* a link's target is in its folder's own blocks or inode */
        }
        int file = seam->open(seam->data, move->stage_fd, name, O_RDONLY | O_NOFOLLOW, 0);
        int failed = file < 0 || seam->sync(seam->data, file);
        viv_status status =
            failed ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync a staged file") : VIV_OK;
        if (file >= 0) {
            seam->close(seam->data, file);
        }
        if (status) {
            return status;
        }
    }
    return seam->sync(seam->data, move->stage_fd)
               ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync '%s'", move->stage_new)
               : VIV_OK;
}

viv_status
vh_move_open_stage(struct vh_move *move, const char *path)
{
    const struct vh_seam *seam = move->target->tools->seam;
    move->stage_fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return move->stage_fd < 0 ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot open '%s'", path) : VIV_OK;
}

viv_status
vh_move_sync_above(struct vh_move *move)
{
    const char *slash = strrchr(move->stage, '/');
    const char *above = vh_arena_format(move->arena, "%.*s/", slash ? (int)(slash - move->stage) : 0, move->stage);
    return above ? vh_fs_sync_folder(move->target->tools->seam, AT_FDCWD, above, move->err)
                 : vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to stage files");
}

/* Only under its final name has the stage anything to undo, since half a staged file must never reach the person. From
 * the first exchange on it holds what the person had, so its name is on the disk before. */
static viv_status
name_stage(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (seam->rename(seam->data, AT_FDCWD, move->stage_new, AT_FDCWD, move->stage, 0)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot name folder '%s'", move->stage);
    }
    return vh_move_sync_above(move);
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
        if (move->path[i].file_mode && !move->path[i].already) {
            *entry = (struct vh_tree_entry){ move->path[i].path, move->path[i].file_mode, move->path[i].file };
            which[count] = i;
            want[count++] = entry;
        }
    }
    if (seam->mkdir(seam->data, AT_FDCWD, move->stage_new, 0700)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot make folder '%s'", move->stage_new);
    }
    struct staging staging = { move, which };
    struct vh_tree_sink sink = { &staging, stage_blob };
    viv_status status = vh_move_open_stage(move, move->stage_new);
    status = status ? status : vh_tree_blobs(move->target, move->arena, want, count, &sink, move->err);
    status = status ? status : sync_staged(move, which, count);
    VH_PLACE(seam, "move.staging");
    return status ? status : name_stage(move);
}

/* ---- exchanging ---- */

viv_status
vh_move_look_staged(struct vh_move *move, size_t which, struct vh_tree_content *ret_content)
{
    char name[24];
    vh_move_stage_name(which, name);
    return vh_tree_look(move->target, move->arena, move->stage_fd, name, -1, ret_content, move->err);
}

bool
vh_move_cannot_tell(viv_status looked)
{
    return looked == VIV_E_IO || looked == VIV_E_MEMORY;
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
    vh_move_stage_name(which, staged);
    if (seam->rename(seam->data, dir, name, move->stage_fd, staged, RENAME_NOREPLACE)) {
        return rename_failed(move, path);
    }
    viv_status status = vh_move_look_staged(move, which, &content);
    if (status == VIV_OK && vh_move_accepts(move, path, &content)) {
        return VIV_OK;
    }
    if (!vh_move_cannot_tell(status)) {
        status = vh_move_conflict(move, path, &content.id, "changed while the branch moved");
    }
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
    vh_move_stage_name(which, staged);
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return rename_failed(move, path);
    }
    VH_PLACE(seam, "move.exchanged-one");
    viv_status status = vh_move_look_staged(move, which, &content);
    if (status == VIV_OK && vh_move_accepts(move, path, &content)) {
        return VIV_OK;
    }
    if (!vh_move_cannot_tell(status)) {
        status = vh_move_conflict(move, path, &content.id, "changed while the branch moved");
    }
    if (seam->rename(seam->data, move->stage_fd, staged, dir, name, RENAME_EXCHANGE)) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "'%.100s' is kept as '%s/%s', putting it back failed",
                              path->path.data, move->stage, staged);
    }
    return status;
}

/* Folders that deletions left empty, and nothing else, below `name`. */
viv_status
vh_move_remove_empty(struct vh_move *move, int dir, const char *name, int depth)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (seam->unlink(seam->data, dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR) {
        return VIV_OK;
    }
    int fd = depth < EMPTY_DEPTH_MAX ? seam->open(seam->data, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) : -1;
    struct vh_fs_names names = { 0 };
    viv_status status = fd < 0 ? VIV_E_CONFLICT : vh_fs_list(seam, move->arena, fd, ".", &names, move->err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = vh_move_remove_empty(move, fd, names.name[i], depth + 1);
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
    vh_move_stage_name(which, staged);
    bool folder = seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
    if (folder && vh_move_remove_empty(move, dir, name, 0)) {
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
    status = !path->file_mode ? take_out(move, which, dir, name)
             : there         ? exchange(move, which, dir, name)
                             : put_in(move, which, dir, name);
    seam->close(seam->data, dir);
    return status;
}

/* The folders that took part, once all names are in place; paths are sorted, so neighbours share theirs. */
viv_status
vh_move_sync_folders(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct viv_str last = { NULL, 1 };
    for (size_t i = 0; i < move->count; i++) {
        struct viv_str path = move->path[i].path;
        const char *slash = memrchr(path.data, '/', (size_t)path.len);
        struct viv_str folder = { path.data, slash ? (uint64_t)(slash - path.data) : 0 };
        int dir = -1;
        const char *name = NULL;
        if (move->path[i].already || (last.data && vh_str_equal(folder, last))) {
            continue;
        }
        viv_status status = vh_tree_parent(move->target, move->root, path, false, &dir, &name, move->err);
        if (status == VIV_E_NOT_FOUND || status == VIV_E_CONFLICT) {
            continue; /* a folder that is gone went with the one above, which is synced for its own entry */
        }
        if (status) {
            return status;
        }
        int failed = seam->sync(seam->data, dir);
        seam->close(seam->data, dir);
        if (failed) {
            return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync the folder of '%.200s'", path.data);
        }
        last = folder;
    }
    return seam->sync(seam->data, move->root) || (move->stage_fd >= 0 && seam->sync(seam->data, move->stage_fd))
               ? vh_error_errno(move->err, VIV_E_IO, "branch", "cannot sync '%s'", move->target->root)
               : VIV_OK;
}

viv_status
vh_move_exchange(struct vh_move *move)
{
    viv_status status = VIV_OK;
    for (int deletions = 1; deletions >= 0; deletions--) {
        for (size_t i = 0; i < move->count && status == VIV_OK; i++) {
            if (!move->path[i].already && deletions == !move->path[i].file_mode) {
                status = one_path(move, i);
            }
        }
    }
    return status ? status : vh_move_sync_folders(move);
}
