/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the workspace, by the host through the keeper's directory descriptor: openat2 that never leaves the root.
 * What stays in a workspace needs no sync: a crash discards it with the workspace. */
#include "effect_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/copy.h"
#include "run/tree.h"

#define CHUNK_BYTES (256u << 10)

static int
root_of(const struct vh_effect *effect)
{
    return vh_keeper_root(vh_workspace_keeper(effect->work));
}

static viv_status
failed(const struct vh_effect *effect, const char *path, struct viv_error *err)
{
    int code = errno;
    viv_status status = code == ENOENT || code == ENOTDIR ? VIV_E_NOT_FOUND
                        : code == EXDEV || code == ELOOP || code == EACCES || code == EPERM ? VIV_E_DENIED
                        : code == EEXIST || code == ENOTEMPTY ? VIV_E_EXISTS
                                                              : VIV_E_IO;
    errno = code;
    if (code == EXDEV) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "cannot %s '%s': a link on the way leaves the workspace",
                            effect->kind, path);
    }
    return vh_error_errno(err, status, "effect", "cannot %s '%s'", effect->kind, path);
}

/* The folder that holds `path`, without following links, and the last name. With `make` missing folders are made. */
static int
parent_of(const struct vh_effect *effect, const char *path, bool make, const char **ret_name)
{
    const struct vh_seam *seam = effect->work->run->seam;
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    if (!slash) {
        return seam->open_beneath(seam->data, root_of(effect), ".", O_RDONLY | O_DIRECTORY, 0, 1);
    }
    char *folder = vh_arena_text_of(effect->arena, (struct viv_str){ path, (uint64_t)(slash - path) });
    if (!folder) {
        errno = ENOMEM;
        return -1;
    }
    int fd = seam->open_beneath(seam->data, root_of(effect), folder, O_RDONLY | O_DIRECTORY, 0, 1);
    if (fd >= 0 || !make || errno != ENOENT) {
        return fd;
    }
    const char *last = NULL;
    int above = parent_of(effect, folder, true, &last);
    if (above < 0) {
        return -1;
    }
    int code = seam->mkdir(seam->data, above, last, 0755) && errno != EEXIST ? errno : 0;
    fd = code ? -1 : seam->open_beneath(seam->data, above, last, O_RDONLY | O_DIRECTORY, 0, 1);
    code = fd < 0 && !code ? errno : code;
    seam->close(seam->data, above);
    errno = code;
    return fd;
}

viv_status
vh_effect_read(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    struct stat stat;
    struct vh_hasher hasher;
    struct vh_hash hash;
    int fd = seam->open_beneath(seam->data, root_of(effect), effect->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 0);
    if (fd < 0) {
        return failed(effect, effect->path, err);
    }
    if (seam->fstat(seam->data, fd, &stat)) {
        viv_status status = vh_error_errno(err, VIV_E_IO, "effect", "cannot look at '%s'", effect->path);
        seam->close(seam->data, fd);
        return status;
    }
    if (!S_ISREG(stat.st_mode)) {
        seam->close(seam->data, fd);
        return vh_error_set(err, VIV_E_INVALID, "effect", "'%s' is not a regular file", effect->path);
    }
    if (stat.st_size > VIV_OUTPUT_STORED_MAX) { /* a digest of half of it would be a lie */
        seam->close(seam->data, fd);
        return vh_error_set(err, VIV_E_LIMIT, "effect", "'%s' has %lld bytes, allowed to read: %u; a program can read "
                            "more", effect->path, (long long)stat.st_size, VIV_OUTPUT_STORED_MAX);
    }
    struct vh_buf buf;
    vh_buf_init(&buf, effect->arena, VIV_OUTPUT_MAX);
    struct vh_arena *scratch = vh_arena_create(NULL, 0); /* not the call's: a skill may read thousands of files */
    char *chunk = scratch ? vh_arena_alloc(scratch, CHUNK_BYTES) : NULL;
    uint64_t total = 0;
    ssize_t got = chunk ? 1 : -1;
    vh_hasher_init(&hasher);
    while (got > 0 && total < (uint64_t)stat.st_size) { /* as it was when it was opened */
        uint64_t left = (uint64_t)stat.st_size - total;
        got = seam->read(seam->data, fd, chunk, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
        if (got > 0) {
            size_t room = VIV_OUTPUT_MAX - buf.len;
            vh_hasher_add(&hasher, chunk, (size_t)got);
            vh_buf_add(&buf, chunk, (size_t)got < room ? (size_t)got : room);
            total += (uint64_t)got;
        }
    }
    viv_status status = got < 0 ? failed(effect, effect->path, err) : VIV_OK;
    seam->close(seam->data, fd);
    vh_arena_destroy(scratch);
    if (!vh_hasher_finish(&hasher, &hash) || buf.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for '%s'", effect->path);
    }
    return status ? status : vh_effect_output(effect, vh_buf_view(&buf), &hash, total > buf.len, err);
}

/* A new file beside the old one, with its mode, then put in its place. */
static viv_status
replace(struct vh_effect *effect, int folder, const char *name, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    struct stat stat;
    bool there = seam->stat(seam->data, folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && S_ISDIR(stat.st_mode)) {
        return vh_error_set(err, VIV_E_EXISTS, "effect", "'%s' is a folder", effect->path);
    }
    mode_t mode = there && S_ISREG(stat.st_mode) ? stat.st_mode & 0777 : 0644;
    char *temporary = vh_arena_format(effect->arena, ".viv-%lld.tmp", (long long)effect->ordinal);
    int fd = temporary ? seam->open(seam->data, folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode) : -1;
    if (fd < 0) {
        return failed(effect, effect->path, err);
    }
    viv_status status = vh_fs_write_all(seam, fd, effect->request->bytes, err);
    if (status == VIV_OK) { /* by the descriptor: what a task left running may have put a link at the name */
        status = vh_fs_set_mode(seam, fd, mode, err);
    }
    seam->close(seam->data, fd);
    if (status == VIV_OK && seam->rename(seam->data, folder, temporary, folder, name, 0)) {
        status = failed(effect, effect->path, err);
    }
    if (status) {
        (void)seam->unlink(seam->data, folder, temporary, 0); /* the name is ours alone */
    }
    return status;
}

viv_status
vh_effect_write(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    const char *name = NULL;
    struct vh_hash hash;
    int folder = parent_of(effect, effect->path, true, &name);
    if (folder < 0) {
        return failed(effect, effect->path, err);
    }
    viv_status status = replace(effect, folder, name, err);
    seam->close(seam->data, folder);
    if (status == VIV_OK && !vh_hash_bytes(effect->request->bytes.data, (size_t)effect->request->bytes.len, &hash)) {
        status = vh_error_set(err, VIV_E_INTERNAL, "effect", "SHA-256 failed");
    }
    return status ? status : vh_effect_output(effect, (struct viv_str){ NULL, 0 }, &hash, false, err);
}

/* A folder of a lower layer cannot be renamed on an overlay: it is copied, then removed. A failed copy goes again. */
static viv_status
copy_over(struct vh_effect *effect, int from, const char *from_name, int to, const char *to_name,
          struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    int in = seam->open(seam->data, from, from_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (in < 0 || seam->mkdir(seam->data, to, to_name, 0755)) {
        viv_status status = failed(effect, in < 0 ? effect->path : effect->target, err);
        if (in >= 0) {
            seam->close(seam->data, in);
        }
        return status;
    }
    int out = seam->open(seam->data, to, to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    viv_status status = out < 0 ? failed(effect, effect->target, err) : vh_copy_tree(seam, in, out, err);
    if (out >= 0) {
        seam->close(seam->data, out);
    }
    seam->close(seam->data, in);
    if (status) {
        struct viv_error ignored = VIV_ERROR_INIT;
        (void)vh_fs_remove_tree(seam, to, to_name, &ignored);
        return status;
    }
    return vh_fs_remove_tree(seam, from, from_name, err);
}

viv_status
vh_effect_move(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    const char *from_name = NULL, *to_name = NULL;
    struct vh_hash hash = { { 0 } };
    int from = parent_of(effect, effect->path, false, &from_name);
    int to = from < 0 ? -1 : parent_of(effect, effect->target, true, &to_name);
    viv_status status = from < 0 || to < 0 ? failed(effect, from < 0 ? effect->path : effect->target, err) : VIV_OK;
    if (status == VIV_OK && seam->rename(seam->data, from, from_name, to, to_name, 0)) {
        status = errno == EXDEV ? copy_over(effect, from, from_name, to, to_name, err)
                                : failed(effect, effect->path, err);
    }
    if (from >= 0) {
        seam->close(seam->data, from);
    }
    if (to >= 0) {
        seam->close(seam->data, to);
    }
    return status ? status : vh_effect_output(effect, (struct viv_str){ NULL, 0 }, &hash, false, err);
}

viv_status
vh_effect_delete(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    const char *name = NULL;
    struct vh_hash hash = { { 0 } };
    if (strcmp(effect->path, ".") == 0) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "the workspace itself cannot be deleted");
    }
    int folder = parent_of(effect, effect->path, false, &name);
    if (folder < 0) {
        return failed(effect, effect->path, err);
    }
    struct stat stat;
    viv_status status = VIV_OK;
    if (seam->stat(seam->data, folder, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        status = failed(effect, effect->path, err);
    } else if (S_ISDIR(stat.st_mode) && vh_json_int(effect->spec, "recursive", 0)) {
        status = vh_fs_remove_tree(seam, folder, name, err);
    } else if (seam->unlink(seam->data, folder, name, S_ISDIR(stat.st_mode) ? AT_REMOVEDIR : 0)) {
        status = failed(effect, effect->path, err);
    }
    seam->close(seam->data, folder);
    return status ? status : vh_effect_output(effect, (struct viv_str){ NULL, 0 }, &hash, false, err);
}
