/* SPDX-License-Identifier: Apache-2.0 */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "str.h"
#include <viv/limits.h>

/* Folders deeper than this are first moved up, so that neither the stack nor the descriptors run out. */
#define REMOVE_DEPTH 32

static viv_status
open_failed(struct viv_error *err, const char *path)
{
    viv_status status = errno == ENOENT || errno == ENOTDIR ? VIV_E_NOT_FOUND : VIV_E_IO;
    return vh_error_errno(err, status, "file", "cannot open '%s'", path);
}

viv_status
vh_fs_read_fd(const struct vh_seam *seam, struct vh_arena *arena, int fd, size_t max, struct viv_str *ret_bytes,
              struct viv_error *err)
{
    struct stat stat;
    if (seam->fstat(seam->data, fd, &stat)) {
        return vh_error_errno(err, VIV_E_IO, "file", "cannot look at a file");
    }
    if (!S_ISREG(stat.st_mode)) {
        return vh_error_set(err, VIV_E_INVALID, "file", "it is not a regular file");
    }
    if ((uint64_t)stat.st_size > max) {
        return vh_error_set(err, VIV_E_LIMIT, "file", "it has %lld bytes, allowed %zu", (long long)stat.st_size, max);
    }
    size_t size = (size_t)stat.st_size;
    char *bytes = vh_arena_alloc(arena, size + 1);
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "file", "no memory for %zu bytes", size);
    }
    size_t at = 0;
    while (at < size) {
        ssize_t got = seam->pread(seam->data, fd, bytes + at, size - at, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return vh_error_errno(err, VIV_E_IO, "file", "reading failed at byte %zu", at);
        }
        if (got == 0) {
            break;
        }
        at += (size_t)got;
    }
    *ret_bytes = (struct viv_str){ bytes, at };
    return VIV_OK;
}

viv_status
vh_fs_read(const struct vh_seam *seam, struct vh_arena *arena, int dir, const char *path, size_t max,
           struct viv_str *ret_bytes, struct viv_error *err)
{
    int fd = seam->open(seam->data, dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return open_failed(err, path);
    }
    viv_status status = vh_fs_read_fd(seam, arena, fd, max, ret_bytes, err);
    seam->close(seam->data, fd);
    return status ? vh_error_extend(err, status, "file '%s'", path) : VIV_OK;
}

viv_status
vh_fs_write_all(const struct vh_seam *seam, int fd, struct viv_str bytes, struct viv_error *err)
{
    size_t at = 0;
    while (at < bytes.len) {
        ssize_t put = seam->write(seam->data, fd, bytes.data + at, (size_t)bytes.len - at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return vh_error_errno(err, VIV_E_IO, "file", "writing failed at byte %zu of %zu", at, (size_t)bytes.len);
        }
        at += (size_t)put;
    }
    return VIV_OK;
}

viv_status
vh_fs_set_mode(const struct vh_seam *seam, int fd, mode_t mode, struct viv_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return seam->chmod(seam->data, AT_FDCWD, path, mode)
               ? vh_error_errno(err, VIV_E_IO, "file", "cannot set the mode of a file")
               : VIV_OK;
}

/* "a/b/c" -> "a/b", "c" -> "." */
static void
folder_of(const char *path, char ret_folder[VIV_PATH_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        strcpy(ret_folder, ".");
    } else {
        snprintf(ret_folder, VIV_PATH_MAX + 1, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
}

viv_status
vh_fs_sync_folder(const struct vh_seam *seam, int dir, const char *path, struct viv_error *err)
{
    int fd = seam->open(seam->data, dir, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return open_failed(err, path);
    }
    int failed = seam->sync(seam->data, fd);
    viv_status status = failed ? vh_error_errno(err, VIV_E_IO, "file", "cannot sync folder '%s'", path) : VIV_OK;
    seam->close(seam->data, fd);
    return status;
}

viv_status
vh_fs_replace(const struct vh_seam *seam, int dir, const char *path, struct viv_str bytes, mode_t mode,
              struct viv_error *err)
{
    char folder[VIV_PATH_MAX + 1];
    char temporary[VIV_PATH_MAX + 1];
    uint64_t tag = 0;
    folder_of(path, folder);
    if (seam->random(seam->data, &tag, sizeof tag)) {
        return vh_error_errno(err, VIV_E_IO, "file", "no random bytes for a name beside '%s'", path);
    }
    if (snprintf(temporary, sizeof temporary, "%s/.%016llx.tmp", folder, (unsigned long long)tag) >=
        (int)sizeof temporary) {
        return vh_error_set(err, VIV_E_LIMIT, "file", "path '%.64s...' is too long", path);
    }
    int fd = seam->open(seam->data, dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "file", "cannot write beside '%s'", path);
    }
    viv_status status = vh_fs_write_all(seam, fd, bytes, err);
    if (status == VIV_OK && seam->sync(seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "file", "cannot sync '%s'", path);
    }
    if (seam->close(seam->data, fd) && status == VIV_OK) {
        status = vh_error_errno(err, VIV_E_IO, "file", "cannot close '%s'", path);
    }
    VH_PLACE(seam, "fs.replace.before-rename");
    if (status == VIV_OK && seam->rename(seam->data, dir, temporary, dir, path, 0)) {
        status = vh_error_errno(err, VIV_E_IO, "file", "cannot put '%s' in place", path);
    }
    if (status) {
        (void)seam->unlink(seam->data, dir, temporary, 0); /* best effort: the name is ours alone */
        return status;
    }
    return vh_fs_sync_folder(seam, dir, folder, err);
}

static viv_status
make_folders(const struct vh_seam *seam, int dir, const char *path, mode_t mode, bool keep, struct viv_error *err)
{
    char part[VIV_PATH_MAX + 1];
    char above[VIV_PATH_MAX + 1];
    size_t len = strlen(path);
    if (len > VIV_PATH_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "file", "path of %zu bytes, allowed %d", len, VIV_PATH_MAX);
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        char kept = part[i];
        part[i] = '\0';
        int failed = seam->mkdir(seam->data, dir, part, mode);
        if (failed && errno != EEXIST) {
            return vh_error_errno(err, VIV_E_IO, "file", "cannot make folder '%s'", part);
        }
        folder_of(part, above);
        viv_status status = keep && !failed ? vh_fs_sync_folder(seam, dir, above, err) : VIV_OK;
        if (status) {
            (void)seam->unlink(seam->data, dir, part, AT_REMOVEDIR); /* else the next who asks takes it for kept */
            return status;
        }
        part[i] = kept;
    }
    struct stat stat;
    if (seam->stat(seam->data, dir, path, &stat, 0)) {
        return vh_error_errno(err, VIV_E_IO, "file", "cannot make folder '%s'", path);
    }
    if (!S_ISDIR(stat.st_mode)) {
        return vh_error_set(err, VIV_E_EXISTS, "file", "'%s' exists and is not a folder", path);
    }
    return VIV_OK;
}

viv_status
vh_fs_make_folders(const struct vh_seam *seam, int dir, const char *path, mode_t mode, struct viv_error *err)
{
    return make_folders(seam, dir, path, mode, false, err);
}

viv_status
vh_fs_keep_folders(const struct vh_seam *seam, int dir, const char *path, mode_t mode, struct viv_error *err)
{
    return make_folders(seam, dir, path, mode, true, err);
}

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static viv_status
read_names(struct vh_arena *arena, DIR *folder, struct vh_fs_names *ret_names, struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    size_t room = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (!entry) {
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (names.count == room) {
            room = room ? room * 2 : 32;
            const char **more = vh_arena_array(arena, room, sizeof *more);
            if (!more) {
                return vh_error_set(err, VIV_E_MEMORY, "file", "no memory for a folder of %zu names", names.count);
            }
            if (names.count) {
                memcpy(more, names.name, names.count * sizeof *more);
            }
            names.name = more;
        }
        names.name[names.count] = vh_arena_text(arena, entry->d_name);
        if (!names.name[names.count++]) {
            return vh_error_set(err, VIV_E_MEMORY, "file", "no memory for a folder of %zu names", names.count);
        }
    }
    if (errno) {
        return vh_error_errno(err, VIV_E_IO, "file", "reading a folder failed");
    }
    if (names.count) {
        qsort(names.name, names.count, sizeof *names.name, by_bytes);
    }
    *ret_names = names;
    return VIV_OK;
}

viv_status
vh_fs_list(const struct vh_seam *seam, struct vh_arena *arena, int dir, const char *path,
           struct vh_fs_names *ret_names, struct viv_error *err)
{
    int fd = seam->open(seam->data, dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
        return open_failed(err, path);
    }
    DIR *folder = fdopendir(fd);
    if (!folder) {
        viv_status failed = vh_error_errno(err, VIV_E_IO, "file", "cannot list '%s'", path);
        seam->close(seam->data, fd);
        return failed;
    }
    viv_status status = read_names(arena, folder, ret_names, err);
    closedir(folder);
    return status ? vh_error_extend(err, status, "folder '%s'", path) : VIV_OK;
}

struct removal {
    const struct vh_seam *seam;
    struct viv_error *err;
    int top;        /* the folder being removed; where too deep ones are moved to */
    uint64_t moved; /* number of those, for their names */
};

static viv_status remove_inside(struct removal *removal, int dir, const char *name, int depth);

/* Open a folder for reading and changing whatever its mode, without following a link: the mode is changed through the
 * descriptor, so a name that turns into a link meanwhile leads nowhere. */
static int
open_up(const struct vh_seam *seam, int dir, const char *name)
{
    int fd = seam->open(seam->data, dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
        return -1;
    }
    char self[64];
    struct stat stat;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (seam->fstat(seam->data, fd, &stat) == 0 && (stat.st_mode & 0700) != 0700) {
        (void)seam->chmod(seam->data, AT_FDCWD, self, 0700); /* if this fails the open below says so */
    }
    int opened = seam->open(seam->data, fd, ".", O_RDONLY | O_DIRECTORY, 0);
    int code = errno;
    seam->close(seam->data, fd);
    errno = code;
    return opened;
}

static viv_status
remove_entries(struct removal *removal, int fd, int depth)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(removal->err, VIV_E_MEMORY, "file", "no memory to list a folder");
    }
    struct vh_fs_names names = { 0 };
    viv_status status = vh_fs_list(removal->seam, arena, fd, ".", &names, removal->err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = remove_inside(removal, fd, names.name[i], depth);
    }
    vh_arena_destroy(arena);
    return status;
}

/* Rename a folder that is too deep to the top, where the next round finds it. */
static viv_status
move_up(struct removal *removal, int dir, const char *name)
{
    const struct vh_seam *seam = removal->seam;
    char to[64];
    snprintf(to, sizeof to, ".remove-%llu", (unsigned long long)removal->moved++);
    while (seam->rename(seam->data, dir, name, removal->top, to, RENAME_NOREPLACE)) {
        if (errno != EEXIST) {
            return vh_error_errno(removal->err, VIV_E_IO, "file", "cannot move the deep folder '%s'", name);
        }
        snprintf(to, sizeof to, ".remove-%llu", (unsigned long long)removal->moved++);
    }
    return VIV_OK;
}

static viv_status
remove_inside(struct removal *removal, int dir, const char *name, int depth)
{
    const struct vh_seam *seam = removal->seam;
    if (seam->unlink(seam->data, dir, name, 0) == 0 || errno == ENOENT) {
        return VIV_OK;
    }
    int fd = errno == EISDIR ? open_up(seam, dir, name) : -1;
    if (fd < 0) {
        return vh_error_errno(removal->err, VIV_E_IO, "file", "cannot remove '%s'", name);
    }
    bool deep = depth >= REMOVE_DEPTH;
    viv_status status = deep ? move_up(removal, dir, name) : remove_entries(removal, fd, depth + 1);
    seam->close(seam->data, fd);
    if (!deep && status == VIV_OK && seam->unlink(seam->data, dir, name, AT_REMOVEDIR) && errno != ENOENT) {
        status = vh_error_errno(removal->err, VIV_E_IO, "file", "cannot remove folder '%s'", name);
    }
    return status;
}

viv_status
vh_fs_remove_tree(const struct vh_seam *seam, int dir, const char *path, struct viv_error *err)
{
    if (seam->unlink(seam->data, dir, path, 0) == 0 || errno == ENOENT) {
        return VIV_OK;
    }
    struct removal removal = { .seam = seam, .err = err, .top = errno == EISDIR ? open_up(seam, dir, path) : -1 };
    if (removal.top < 0) {
        return vh_error_errno(err, VIV_E_IO, "file", "cannot remove '%s'", path);
    }
    viv_status status;
    uint64_t moved;
    do {
        moved = removal.moved;
        status = remove_entries(&removal, removal.top, 0);
    } while (status == VIV_OK && removal.moved != moved);
    seam->close(seam->data, removal.top);
    if (status == VIV_OK && seam->unlink(seam->data, dir, path, AT_REMOVEDIR) && errno != ENOENT) {
        status = vh_error_errno(err, VIV_E_IO, "file", "cannot remove folder '%s'", path);
    }
    return status ? vh_error_extend(err, status, "tree '%s'", path) : VIV_OK;
}

bool
vh_fs_exists(const struct vh_seam *seam, int dir, const char *path)
{
    struct stat stat;
    return seam->stat(seam->data, dir, path, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

viv_status
vh_fs_there(const struct vh_seam *seam, int dir, const char *path, bool *ret_there, struct viv_error *err)
{
    struct stat stat;
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "file", "no memory for a path");
    }
    bool there = seam->stat(seam->data, dir, path, &stat, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT && errno != ENOTDIR) {
        return vh_error_errno(err, VIV_E_IO, "file", "cannot look at '%s'", path);
    }
    *ret_there = there;
    return VIV_OK;
}
