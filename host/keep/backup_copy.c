/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a backup, there and back. No link is followed on the way to them or at their end. */
#include "backup_inside.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/str.h"

#define DEPTH_MAX 64
#define CHUNK_BYTES (256u << 10)

/* `to` -1 only looks. `list` NULL: the home is copied and its files noted; else they must be what the list says. */
struct copy {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    int from;
    int to;
    const struct vh_backup *list;
    struct vh_backup *backup;
    size_t taken;
    char *chunk;
    struct viv_error *err;
};

static viv_status
other(struct copy *copy, const char *path, const char *what)
{
    return vh_error_set(copy->err, VIV_E_CORRUPT, "backup", "'%.300s' %s", path, what);
}

static viv_status
make_parents(struct copy *copy, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? vh_arena_format(copy->arena, "%.*s", (int)(slash - path), path) : NULL;
    return !slash   ? VIV_OK
           : folder ? vh_fs_make_folders(copy->seam, copy->to, folder, 0700, copy->err)
                    : vh_error_set(copy->err, VIV_E_MEMORY, "backup", "no memory for a path");
}

static viv_status
copy_bytes(struct copy *copy, int in, int out, struct vh_backup_file *file)
{
    const struct vh_seam *seam = copy->seam;
    struct vh_hasher hasher;
    vh_hasher_init(&hasher);
    for (;;) {
        ssize_t got = seam->read(seam->data, in, copy->chunk, CHUNK_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return vh_error_errno(copy->err, VIV_E_IO, "backup", "cannot read '%s'", file->path.data);
        }
        if (got == 0) {
            break;
        }
        vh_hasher_add(&hasher, copy->chunk, (size_t)got);
        file->bytes += got;
        struct viv_str part = { copy->chunk, (uint64_t)got };
        viv_status status = out < 0 ? VIV_OK : vh_fs_write_all(seam, out, part, copy->err);
        if (status) {
            return vh_error_extend(copy->err, status, "'%s'", file->path.data);
        }
    }
    return vh_hasher_finish(&hasher, &file->hash) ? VIV_OK : vh_error_set(copy->err, VIV_E_INTERNAL, "backup",
                                                                          "SHA-256 failed");
}

static viv_status
copy_open(struct copy *copy, int in, const char *path)
{
    const struct vh_seam *seam = copy->seam;
    const struct vh_backup_file *listed = copy->list ? vh_backup_find(copy->list, path) : NULL;
    struct vh_backup_file file = { .path = vh_str(path) };
    struct stat stat;
    if (seam->fstat(seam->data, in, &stat) || !S_ISREG(stat.st_mode)) {
        return other(copy, path, "is not a regular file");
    }
    if (listed && stat.st_size != listed->bytes) {
        return other(copy, path, "has another size than '" VH_BACKUP_NAME "' says");
    }
    viv_status status = copy->to < 0 ? VIV_OK : make_parents(copy, path);
    int out = -1;
    if (status == VIV_OK && copy->to >= 0) {
        out = seam->open(seam->data, copy->to, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        status = out < 0 ? vh_error_errno(copy->err, VIV_E_IO, "backup", "cannot write '%s'", path) : VIV_OK;
    }
    status = status ? status : copy_bytes(copy, in, out, &file);
    if (out >= 0 && seam->close(seam->data, out) && status == VIV_OK) {
        status = vh_error_errno(copy->err, VIV_E_IO, "backup", "cannot close '%s'", path);
    }
    if (status == VIV_OK && listed && memcmp(&file.hash, &listed->hash, sizeof file.hash) != 0) {
        return other(copy, path, "holds other bytes than '" VH_BACKUP_NAME "' says");
    }
    return status || listed ? status : vh_backup_add(copy->arena, copy->backup, &file, copy->err);
}

static viv_status
copy_file(struct copy *copy, const char *path)
{
    const struct vh_seam *seam = copy->seam;
    if (copy->list && !vh_backup_find(copy->list, path)) {
        return other(copy, path, "is not listed in '" VH_BACKUP_NAME "'");
    }
    int in = seam->open_beneath(seam->data, copy->from, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 1);
    if (in < 0 && errno == ENOENT && !copy->list) {
        return VIV_OK; /* a reference of a task that has ended since */
    }
    if (in < 0) {
        return vh_error_errno(copy->err, VIV_E_CORRUPT, "backup", "cannot open '%.300s'", path);
    }
    viv_status status = copy_open(copy, in, path);
    seam->close(seam->data, in);
    copy->taken += status == VIV_OK;
    return status;
}

/* Everything at or below `path`; "" is the whole folder. A name that is not there is nothing. */
static viv_status
copy_tree(struct copy *copy, const char *path, int depth)
{
    struct stat stat;
    struct vh_fs_names names = { 0 };
    const char *at = *path ? path : ".";
    if (copy->seam->stat(copy->seam->data, copy->from, at, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT && !copy->list ? VIV_OK
               : vh_error_errno(copy->err, VIV_E_IO, "backup", "cannot look at '%.300s'", path);
    }
    if (!S_ISDIR(stat.st_mode)) {
        return S_ISREG(stat.st_mode) ? copy_file(copy, path) : other(copy, path, "is a link or a special file");
    }
    if (depth > DEPTH_MAX) {
        return other(copy, path, "is nested too deep");
    }
    viv_status status = vh_fs_list(copy->seam, copy->arena, copy->from, at, &names, copy->err);
    if (status == VIV_E_NOT_FOUND && !copy->list) {
        return VIV_OK; /* git removes folders that hold no reference any more */
    }
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        char *below = vh_arena_format(copy->arena, "%s%s%s", path, *path ? "/" : "", names.name[i]);
        bool skip = copy->list ? below && strcmp(below, VH_BACKUP_NAME) == 0
                               : below && vh_backup_passing(below, names.name[i]);
        status = !below ? vh_error_set(copy->err, VIV_E_MEMORY, "backup", "no memory for a path")
                 : skip ? VIV_OK
                        : copy_tree(copy, below, depth + 1);
    }
    return status;
}

static viv_status
begin(struct copy *copy)
{
    copy->chunk = vh_arena_alloc(copy->arena, CHUNK_BYTES);
    return copy->chunk ? VIV_OK : vh_error_set(copy->err, VIV_E_MEMORY, "backup", "no memory to copy");
}

viv_status
vh_backup_copy_part(const struct vh_seam *seam, struct vh_arena *arena, int from, int to, enum vh_backup_part part,
                    struct vh_backup *backup, struct viv_error *err)
{
    struct copy copy = { .seam = seam, .arena = arena, .from = from, .to = to, .backup = backup, .err = err };
    viv_status status = begin(&copy);
    for (size_t i = 0; i < vh_backup_root_count && status == VIV_OK; i++) {
        status = vh_backup_roots[i].part == (int)part ? copy_tree(&copy, vh_backup_roots[i].path, 0) : VIV_OK;
    }
    return status;
}

viv_status
vh_backup_note(const struct vh_seam *seam, struct vh_arena *arena, int folder, const char *path,
               struct vh_backup *backup, struct viv_error *err)
{
    struct copy copy = { .seam = seam, .arena = arena, .from = folder, .to = -1, .backup = backup, .err = err };
    viv_status status = begin(&copy);
    return status ? status : copy_file(&copy, path);
}

viv_status
vh_backup_take(const struct vh_seam *seam, struct vh_arena *arena, int from, int to, const struct vh_backup *backup,
               struct viv_error *err)
{
    struct copy copy = { .seam = seam, .arena = arena, .from = from, .to = to, .list = backup, .err = err };
    viv_status status = begin(&copy);
    status = status ? status : copy_tree(&copy, "", 0);
    for (size_t i = 0; i < backup->count && status == VIV_OK && copy.taken != backup->count; i++) {
        if (!vh_fs_exists(seam, from, backup->file[i].path.data)) {
            status = other(&copy, backup->file[i].path.data, "is missing");
        }
    }
    return status;
}
