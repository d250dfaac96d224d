/* SPDX-License-Identifier: Apache-2.0 */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

#define DEPTH_MAX 256
#define CHUNK_BYTES (256u << 10)

struct copy {
    const struct vh_seam *seam;
    char *chunk;
    struct viv_error *err;
};

/* As much as the file had when it was opened: one that somebody keeps writing to would have no end. */
static viv_status
copy_bytes(struct copy *copy, int from, int to, const char *name, uint64_t left)
{
    const struct vh_seam *seam = copy->seam;
    while (left > 0) {
        ssize_t got = seam->read(seam->data, from, copy->chunk, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot read '%s'", name);
        }
        if (got == 0) {
            return VIV_OK;
        }
        viv_status status = vh_fs_write_all(seam, to, (struct viv_str){ copy->chunk, (uint64_t)got }, copy->err);
        if (status) {
            return status;
        }
        left -= (uint64_t)got;
    }
    return VIV_OK;
}

static viv_status
copy_file(struct copy *copy, int from, int to, const char *name)
{
    const struct vh_seam *seam = copy->seam;
    struct stat stat;
    int in = seam->open(seam->data, from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (in < 0) {
        return vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot open '%s'", name);
    }
    if (seam->fstat(seam->data, in, &stat)) {
        viv_status failed = vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot look at '%s'", name);
        seam->close(seam->data, in);
        return failed;
    }
    if (!S_ISREG(stat.st_mode)) { /* it was one a moment ago */
        seam->close(seam->data, in);
        return vh_error_set(copy->err, VIV_E_IO, "copy", "'%s' is not a regular file any more", name);
    }
    int out = seam->open(seam->data, to, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    viv_status status = out < 0 ? vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot write '%s'", name)
                                : copy_bytes(copy, in, out, name, (uint64_t)stat.st_size);
    if (status == VIV_OK) {
        status = vh_fs_set_mode(seam, out, stat.st_mode & 0777, copy->err); /* the umask is not the file's */
    }
    seam->close(seam->data, in);
    if (out >= 0) {
        seam->close(seam->data, out);
    }
    return status;
}

static viv_status
copy_link(struct copy *copy, int from, int to, const char *name)
{
    char target[VIV_PATH_MAX + 1];
    ssize_t len = copy->seam->readlink(copy->seam->data, from, name, target, sizeof target - 1);
    if (len < 0) {
        return vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot read link '%s'", name);
    }
    target[len] = '\0';
    return copy->seam->symlink(copy->seam->data, target, to, name)
               ? vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot make link '%s'", name)
               : VIV_OK;
}

static viv_status copy_below(struct copy *copy, int from, int to, int depth);

static viv_status
copy_folder(struct copy *copy, int from, int to, const char *name, mode_t mode, int depth)
{
    const struct vh_seam *seam = copy->seam;
    if (seam->mkdir(seam->data, to, name, 0700)) {
        return vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot make folder '%s'", name);
    }
    int in = seam->open(seam->data, from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int out = seam->open(seam->data, to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    viv_status status = in < 0 || out < 0 ? vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot open folder '%s'", name)
                                          : copy_below(copy, in, out, depth + 1);
    if (status == VIV_OK) {
        status = vh_fs_set_mode(seam, out, mode, copy->err);
    }
    if (in >= 0) {
        seam->close(seam->data, in);
    }
    if (out >= 0) {
        seam->close(seam->data, out);
    }
    return status;
}

static viv_status
copy_one(struct copy *copy, int from, int to, const char *name, int depth)
{
    struct stat stat;
    viv_status status;
    if (copy->seam->stat(copy->seam->data, from, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        return vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot look at '%s'", name);
    }
    if (S_ISDIR(stat.st_mode)) {
        status = copy_folder(copy, from, to, name, stat.st_mode & 0777, depth);
    } else if (S_ISLNK(stat.st_mode)) {
        status = copy_link(copy, from, to, name);
    } else if (S_ISREG(stat.st_mode)) {
        status = copy_file(copy, from, to, name);
    } else {
        return VIV_OK; /* devices, pipes and sockets stay behind */
    }
    const struct timespec times[2] = { stat.st_atim, stat.st_mtim };
    if (status == VIV_OK && copy->seam->utimens(copy->seam->data, to, name, times)) {
        status = vh_error_errno(copy->err, VIV_E_IO, "copy", "cannot set the time of '%s'", name);
    }
    return status;
}

static viv_status
copy_below(struct copy *copy, int from, int to, int depth)
{
    if (depth >= DEPTH_MAX) {
        return vh_error_set(copy->err, VIV_E_LIMIT, "copy", "folders are nested deeper than %d", DEPTH_MAX);
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_fs_names names = { 0 };
    viv_status status = arena ? vh_fs_list(copy->seam, arena, from, ".", &names, copy->err)
                              : vh_error_set(copy->err, VIV_E_MEMORY, "copy", "no memory for a folder");
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = copy_one(copy, from, to, names.name[i], depth);
    }
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_copy_tree(const struct vh_seam *seam, int from, int to, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct copy copy = { .seam = seam, .chunk = arena ? vh_arena_alloc(arena, CHUNK_BYTES) : NULL, .err = err };
    viv_status status = copy.chunk ? copy_below(&copy, from, to, 0)
                                   : vh_error_set(err, VIV_E_MEMORY, "copy", "no memory to copy a tree");
    vh_arena_destroy(arena);
    return status;
}
