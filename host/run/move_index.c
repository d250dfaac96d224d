/* SPDX-License-Identifier: Apache-2.0 */
/* The person's index. Our lock is a file of ours that becomes `index.lock` by a rename that fails when another git
 * holds it; its inode is in the journal, so after a crash we know our lock from anybody else's. The new index is
 * built from a copy by git itself, with only the moved entries changed. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/str.h"

#define CHUNK 65536

static const char *
in_git_dir(const struct vh_move *move, const char *name)
{
    const char *path = vh_arena_format(move->arena, "%s/%s", move->target->git_dir, name);
    return path ? path : "";
}

static viv_status
failed(struct vh_move *move, const char *what)
{
    return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot %s the index of '%s'", what, move->target->root);
}

/* Whether our file has this name. What cannot be looked at is an error: a lock of ours that is taken for somebody
 * else's would stay for ever. */
static viv_status
is_ours(const struct vh_move *move, const char *path, bool *ret_is)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct stat stat;
    *ret_is = false;
    if (!*path) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory for the name of a lock");
    }
    if (seam->stat(seam->data, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? VIV_OK
                               : vh_error_errno(move->err, VIV_E_IO, "branch", "cannot look at '%s'", path);
    }
    *ret_is = move->lock_ino && (uint64_t)stat.st_ino == move->lock_ino;
    return VIV_OK;
}

viv_status
vh_move_lock_held(const struct vh_move *move, bool *ret_held)
{
    *ret_held = false;
    return move->lock ? is_ours(move, in_git_dir(move, "index.lock"), ret_held) : VIV_OK;
}

static viv_status
must_hold(const struct vh_move *move)
{
    bool held = false;
    viv_status status = vh_move_lock_held(move, &held);
    return status || held ? status
                          : vh_error_set(move->err, VIV_E_CONFLICT, "branch",
                                         "the lock of the index of '%s' was taken away", move->target->root);
}

viv_status
vh_move_lock_make(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    struct stat stat;
    char key[VH_HASH_HEX];
    char name[48];
    if (move->target->kind == VH_TARGET_FOLDER) {
        return VIV_OK;
    }
    /* One name for each home: what a crash before the journal left is ours, and goes here. */
    vh_hash_text(vh_str(move->target->tools->home_path), key);
    snprintf(name, sizeof name, "viv-index-%.16s", key);
    move->lock = in_git_dir(move, name);
    if (seam->unlink(seam->data, AT_FDCWD, move->lock, 0) && errno != ENOENT) {
        return failed(move, "lock");
    }
    int fd = seam->open(seam->data, AT_FDCWD, move->lock, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return failed(move, "lock");
    }
    int unknown = seam->fstat(seam->data, fd, &stat);
    seam->close(seam->data, fd);
    if (unknown) {
        return failed(move, "lock");
    }
    move->lock_ino = (uint64_t)stat.st_ino;
    return VIV_OK;
}

viv_status
vh_move_lock(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (!move->lock) {
        return VIV_OK;
    }
    const char *lock = in_git_dir(move, "index.lock");
    if (seam->rename(seam->data, AT_FDCWD, move->lock, AT_FDCWD, lock, RENAME_NOREPLACE)) {
        return errno == EEXIST ? vh_error_set(move->err, VIV_E_BUSY, "branch",
                                              "another git holds '%s'; try again when it is done", lock)
                               : failed(move, "lock");
    }
    return VIV_OK;
}

viv_status
vh_move_unlock(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (!move->lock) {
        return VIV_OK;
    }
    bool locked = false, made = false;
    viv_status status = vh_move_lock_held(move, &locked);
    status = status || locked ? status : is_ours(move, move->lock, &made);
    const char *path = locked ? in_git_dir(move, "index.lock") : made ? move->lock : NULL;
    if (status || !path) {
        return status;
    }
    /* Without the journal nobody would know a lock that came back as ours. */
    return seam->unlink(seam->data, AT_FDCWD, path, 0)
               ? failed(move, "unlock")
               : vh_fs_sync_folder(seam, AT_FDCWD, move->target->git_dir, move->err);
}

/* ---- what is staged ---- */

struct staged {
    bool there;
    bool unmerged;
    uint32_t mode;
    struct vh_git_id id;
};

static int
by_path(const void *key, const void *entry)
{
    return vh_str_compare(*(const struct viv_str *)key, ((const struct vh_move_path *)entry)->path);
}

/* "MODE ID STAGE\tPATH" */
static viv_status
read_index(struct vh_move *move, struct staged *staged)
{
    struct vh_git_result result;
    const char *words[] = { "ls-files", "--stage", "-z", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .index = in_git_dir(move, "index"),
                              .work_tree = move->target->root };
    viv_status status = vh_git_run(move->target, move->arena, &ask, &result, move->err);
    for (uint64_t at = 0; status == VIV_OK && at < result.output.len;) {
        struct viv_str text = { "", 0 };
        bool whole = vh_git_next(result.output, &at, &text);
        const char *line = text.data;
        const char *tab = strchr(line, '\t');
        char *end = NULL;
        unsigned long mode = strtoul(line, &end, 8);
        struct vh_git_id id;
        if (!whole || !tab || *end != ' ' || !vh_git_parse_id(vh_str(end + 1), &id)) {
            return vh_error_set(move->err, VIV_E_CORRUPT, "branch", "cannot read git's list of the index");
        }
        struct viv_str path = vh_str(tab + 1);
        const struct vh_move_path *found =
            move->count ? bsearch(&path, move->path, move->count, sizeof *move->path, by_path) : NULL;
        if (found) {
            struct staged *entry = &staged[found - move->path];
            *entry = (struct staged){ true, entry->unmerged || tab[-1] != '0', (uint32_t)mode, id };
        }
    }
    return status;
}

static bool
is_version(const struct staged *staged, uint32_t mode, const struct vh_git_id *id)
{
    return mode ? staged->there && staged->mode == mode && vh_git_same(&staged->id, id) : !staged->there;
}

viv_status
vh_move_index_check(struct vh_move *move, bool *ret_new)
{
    struct staged *staged = vh_arena_array(move->arena, move->count + 1, sizeof *staged);
    bool all_new = true;
    if (move->target->kind == VH_TARGET_FOLDER) {
        if (ret_new) {
            *ret_new = true;
        }
        return VIV_OK;
    }
    viv_status status = staged ? read_index(move, staged)
                               : vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory for the index");
    for (size_t i = 0; i < move->count && status == VIV_OK; i++) {
        const struct vh_move_path *path = &move->path[i];
        bool is_new = !staged[i].unmerged && is_version(&staged[i], path->now_mode, &path->now);
        bool known = is_new || is_version(&staged[i], path->old_mode, &path->old) ||
                     (path->seen_mode && is_version(&staged[i], path->seen_mode, &path->seen));
        all_new = all_new && is_new;
        if (!ret_new && (!known || staged[i].unmerged)) {
            (void)vh_move_conflict(move, path, &staged[i].id,
                                   staged[i].unmerged ? "is unmerged in the index" : "was staged by hand");
        }
    }
    if (ret_new) {
        *ret_new = all_new;
        return status;
    }
    return status ? status : move->conflicts.count ? VIV_E_CONFLICT : VIV_OK;
}

/* ---- the new index ---- */

static viv_status
copy(struct vh_move *move, int from, int to)
{
    const struct vh_seam *seam = move->target->tools->seam;
    char chunk[CHUNK];
    for (;;) {
        ssize_t got = seam->read(seam->data, from, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got ? failed(move, "read") : VIV_OK;
        }
        viv_status status = vh_fs_write_all(seam, to, (struct viv_str){ chunk, (uint64_t)got }, move->err);
        if (status) {
            return status;
        }
    }
}

/* The person's index beside the staged files; none yet is none there. */
static viv_status
copy_index(struct vh_move *move, const char *to)
{
    const struct vh_seam *seam = move->target->tools->seam;
    int from = seam->open(seam->data, AT_FDCWD, in_git_dir(move, "index"), O_RDONLY | O_NOFOLLOW, 0);
    if (from < 0) {
        return errno == ENOENT ? VIV_OK : failed(move, "read");
    }
    int out = seam->open(seam->data, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    viv_status status = out < 0 ? failed(move, "copy") : copy(move, from, out);
    seam->close(seam->data, from);
    if (out >= 0) {
        seam->close(seam->data, out);
    }
    return status;
}

static viv_status
change_entries(struct vh_move *move, const char *index)
{
    struct vh_buf buf;
    vh_buf_init(&buf, move->arena, (size_t)256 << 20);
    for (int deletions = 1; deletions >= 0; deletions--) {
        for (size_t i = 0; i < move->count; i++) {
            const struct vh_move_path *path = &move->path[i];
            if (deletions != !path->now_mode) {
                continue;
            }
            if (path->now_mode) {
                vh_buf_format(&buf, "%06o %s 0\t", path->now_mode, path->now.hex);
            } else {
                vh_buf_format(&buf, "0 %.*s\t", move->target->hex_len, VH_GIT_ZEROS);
            }
            vh_buf_add(&buf, path->path.data, (size_t)path->path.len + 1);
        }
    }
    if (buf.failed) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory for the new index");
    }
    const char *words[] = { "update-index", "--add", "--remove", "-z", "--index-info", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .index = index,
                              .work_tree = move->target->root, .input = vh_buf_view(&buf) };
    viv_status status = vh_git_run(move->target, move->arena, &ask, NULL, move->err);
    /* Sizes and times of the exchanged files, so that the next `git status` need not read them. */
    const char *refresh[] = { "update-index", "-q", "--refresh", NULL };
    struct vh_git_ask again = { .mode = VH_GIT_OBJECTS, .words = refresh, .index = index,
                                .work_tree = move->target->root, .allow_exit = 1 };
    return status ? status : vh_git_run(move->target, move->arena, &again, NULL, move->err);
}

/* The lock file takes the content, and the owner and mode that the index has now. */
static viv_status
fill_lock(struct vh_move *move, const char *index)
{
    const struct vh_seam *seam = move->target->tools->seam;
    const char *lock = in_git_dir(move, "index.lock");
    struct stat stat;
    int from = seam->open(seam->data, AT_FDCWD, index, O_RDONLY | O_NOFOLLOW, 0);
    int to = from < 0 ? -1 : seam->open(seam->data, AT_FDCWD, lock, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0);
    viv_status status = to < 0 ? failed(move, "write") : copy(move, from, to);
    if (status == VIV_OK && seam->sync(seam->data, to)) {
        status = failed(move, "sync");
    }
    if (status == VIV_OK && seam->stat(seam->data, AT_FDCWD, in_git_dir(move, "index"), &stat, 0) == 0) {
        (void)seam->chown(seam->data, AT_FDCWD, lock, stat.st_uid, stat.st_gid); /* only root can */
        (void)seam->chmod(seam->data, AT_FDCWD, lock, stat.st_mode & 0777);
    }
    if (from >= 0) {
        seam->close(seam->data, from);
    }
    if (to >= 0) {
        seam->close(seam->data, to);
    }
    return status;
}

viv_status
vh_move_index(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (!move->lock) {
        return VIV_OK;
    }
    const char *index = vh_arena_format(move->arena, "%s/index", move->stage);
    if (!index) {
        return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory for the new index");
    }
    viv_status status = must_hold(move);
    if (status) {
        return status;
    }
    if (seam->mkdir(seam->data, AT_FDCWD, move->stage, 0700) && errno != EEXIST) {
        return failed(move, "copy");
    }
    status = copy_index(move, index);
    status = status ? status : change_entries(move, index);
    return status ? status : fill_lock(move, index);
}

viv_status
vh_move_index_done(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    if (!move->lock) {
        return VIV_OK;
    }
    viv_status status = must_hold(move);
    if (status) {
        return status;
    }
    if (seam->rename(seam->data, AT_FDCWD, in_git_dir(move, "index.lock"), AT_FDCWD, in_git_dir(move, "index"), 0)) {
        return failed(move, "replace");
    }
    return vh_fs_sync_folder(seam, AT_FDCWD, move->target->git_dir, move->err);
}
