/* SPDX-License-Identifier: Apache-2.0 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include <viv/limits.h>

#define DEPTH_MAX 64
#define CHUNK_BYTES (64u << 10)
#define DATABASE "vivarium.db"

/* Files, or folders with all below them. */
static const struct root {
    const char *path;
    int part; /* 0: not copied by itself */
} roots[] = {
    { "store/folder.git/refs", VH_BACKUP_LINE },
    { "store/folder.git/packed-refs", VH_BACKUP_LINE },
    { "store/folder.git/objects", VH_BACKUP_LINE },
    { "store/folder-sha256.git/refs", VH_BACKUP_LINE },
    { "store/folder-sha256.git/packed-refs", VH_BACKUP_LINE },
    { "store/folder-sha256.git/objects", VH_BACKUP_LINE },
    { "store/plugins", VH_BACKUP_PLUGINS },
    { "store/blobs", VH_BACKUP_REST },
    { "log/archive", VH_BACKUP_REST },
    { "home.json", VH_BACKUP_REST },
    { DATABASE, 0 },
};
static const size_t root_count = sizeof roots / sizeof *roots;

/* Half-written files and locks, of git and our own; git's lists of other repositories; what leads elsewhere. */
static bool
passing(const char *path)
{
    size_t len = strlen(path);
    return path[0] == '.' || len == 0 || path[len - 1] == '/' || strstr(path, "/.") || strstr(path, "//") ||
           strstr(path, "/tmp_") || strstr(path, "/objects/info") || (len > 5 && strcmp(path + len - 5, ".lock") == 0);
}

bool
vh_backup_belongs(const char *path)
{
    for (size_t i = 0; i < root_count && !passing(path); i++) {
        size_t len = strlen(roots[i].path);
        if (strncmp(path, roots[i].path, len) == 0 && (path[len] == '\0' || path[len] == '/')) {
            return true;
        }
    }
    return false;
}

viv_status
vh_backup_add(struct vh_arena *arena, struct vh_backup *backup, const struct vh_backup_file *file,
              struct viv_error *err)
{
    if (backup->count == backup->room) {
        size_t room = backup->room ? 2 * backup->room : 64;
        bool few = room <= 2 * VH_BACKUP_FILES_MAX;
        struct vh_backup_file *more = few ? vh_arena_array(arena, room, sizeof *more) : NULL;
        if (!more) {
            return vh_error_set(err, VIV_E_LIMIT, "backup", "no memory for %zu files, allowed %d", room,
                                VH_BACKUP_FILES_MAX);
        }
        if (backup->count) {
            memcpy(more, backup->file, backup->count * sizeof *more);
        }
        backup->file = more;
        backup->room = room;
    }
    backup->file[backup->count++] = *file;
    backup->bytes += file->bytes;
    return VIV_OK;
}

/* ---- files ---- */

static viv_status
copy_bytes(const struct vh_seam *seam, int in, int out, struct vh_backup_file *file, struct viv_error *err)
{
    char chunk[CHUNK_BYTES];
    struct vh_hasher hasher;
    ssize_t got;
    vh_hasher_init(&hasher);
    while ((got = seam->read(seam->data, in, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "backup", "cannot read '%s'", file->path.data);
        }
        struct viv_str part = { chunk, got > 0 ? (uint64_t)got : 0 };
        vh_hasher_add(&hasher, chunk, (size_t)part.len);
        file->bytes += (int64_t)part.len;
        viv_status status = out < 0 ? VIV_OK : vh_fs_write_all(seam, out, part, err);
        if (status) {
            return vh_error_extend(err, status, "'%s'", file->path.data);
        }
    }
    return vh_hasher_finish(&hasher, &file->hash) ? VIV_OK
                                                  : vh_error_set(err, VIV_E_INTERNAL, "backup", "SHA-256 failed");
}

static viv_status
make_file(const struct vh_seam *seam, int to, const char *path, int *ret_fd, struct viv_error *err)
{
    char folder[VIV_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    viv_status status = VIV_OK;
    if (slash && slash - path <= VIV_PATH_MAX) {
        memcpy(folder, path, (size_t)(slash - path));
        folder[slash - path] = '\0';
        status = vh_fs_make_folders(seam, to, folder, 0700, err);
    }
    *ret_fd = status ? -1 : seam->open(seam->data, to, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    return status || *ret_fd >= 0 ? status : vh_error_errno(err, VIV_E_IO, "backup", "cannot write '%s'", path);
}

viv_status
vh_backup_copy(const struct vh_seam *seam, int from, int to, const char *path, struct vh_backup_file *ret_file,
               struct viv_error *err)
{
    struct stat stat;
    struct vh_backup_file file = { .path = vh_str(path) };
    int out = -1;
    int in = seam->open_beneath(seam->data, from, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 1);
    if (in < 0) {
        viv_status failed = errno == ENOENT ? VIV_E_NOT_FOUND : VIV_E_CORRUPT;
        return vh_error_errno(err, failed, "backup", "cannot open '%s'", path);
    }
    viv_status status = seam->fstat(seam->data, in, &stat)
                            ? vh_error_errno(err, VIV_E_IO, "backup", "cannot look at '%s'", path)
                        : !S_ISREG(stat.st_mode)
                            ? vh_error_set(err, VIV_E_CORRUPT, "backup", "'%s' is not a regular file", path)
                        : to < 0 ? VIV_OK
                                 : make_file(seam, to, path, &out, err);
    status = status ? status : copy_bytes(seam, in, out, &file, err);
    seam->close(seam->data, in);
    if (out >= 0 && seam->close(seam->data, out) && status == VIV_OK) {
        status = vh_error_errno(err, VIV_E_IO, "backup", "cannot close '%s'", path);
    }
    *ret_file = file;
    return status;
}

struct copy {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    int from;
    int to;
    struct vh_backup *backup;
    struct viv_error *err;
};

/* Everything at or below `path`. What is not there (any more) is a reference of a task that has ended since. */
static viv_status
copy_tree(struct copy *copy, const char *path, int depth)
{
    struct stat stat;
    struct vh_backup_file file;
    struct vh_fs_names names = { 0 };
    viv_status status = VIV_OK;
    if (copy->seam->stat(copy->seam->data, copy->from, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? VIV_OK
                               : vh_error_errno(copy->err, VIV_E_IO, "backup", "cannot look at '%s'", path);
    }
    if (S_ISDIR(stat.st_mode) && depth < DEPTH_MAX) {
        status = vh_fs_list(copy->seam, copy->arena, copy->from, path, &names, copy->err);
    } else {
        status = vh_backup_copy(copy->seam, copy->from, copy->to, path, &file, copy->err);
        status = status ? status : vh_backup_add(copy->arena, copy->backup, &file, copy->err);
    }
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *below = vh_arena_format(copy->arena, "%s/%s", path, names.name[i]);
        status = !below ? vh_error_set(copy->err, VIV_E_MEMORY, "backup", "no memory for a path")
                 : passing(below) ? VIV_OK
                                  : copy_tree(copy, below, depth + 1);
    }
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

viv_status
vh_backup_copy_part(const struct vh_seam *seam, struct vh_arena *arena, int from, int to, enum vh_backup_part part,
                    struct vh_backup *backup, struct viv_error *err)
{
    struct copy copy = { seam, arena, from, to, backup, err };
    viv_status status = VIV_OK;
    for (size_t i = 0; i < root_count && status == VIV_OK; i++) {
        status = roots[i].part == (int)part ? copy_tree(&copy, roots[i].path, 0) : VIV_OK;
    }
    return status;
}

/* ---- the list ---- */

static int
by_path(const void *a, const void *b)
{
    return vh_str_compare(((const struct vh_backup_file *)a)->path, ((const struct vh_backup_file *)b)->path);
}

static void
set_hash(struct vh_arena *arena, struct vh_json *object, const char *key, const struct vh_hash *hash)
{
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    vh_json_set_text(arena, object, key, vh_arena_text(arena, hex));
}

static struct viv_str
print(struct vh_arena *arena, const struct vh_backup *backup)
{
    struct vh_buf buf;
    struct vh_json *files = vh_json_array(arena), *object = vh_json_object(arena);
    for (size_t i = 0; i < backup->count; i++) {
        struct vh_json *file = vh_json_object(arena);
        vh_json_set_int(arena, file, "bytes", backup->file[i].bytes);
        vh_json_set_str(arena, file, "path", backup->file[i].path);
        set_hash(arena, file, "sha256", &backup->file[i].hash);
        vh_json_push(files, file);
    }
    vh_json_set(object, "files", files);
    set_hash(arena, object, "head", &backup->head);
    vh_json_set_str(arena, object, "home", backup->home);
    vh_json_set_str(arena, object, "project", backup->project);
    vh_json_set_int(arena, object, "seq", backup->seq);
    vh_json_set_int(arena, object, "time_us", backup->time_us);
    vh_json_set_int(arena, object, "version", VH_BACKUP_VERSION);
    vh_buf_init(&buf, arena, VH_BACKUP_BYTES_MAX);
    vh_json_write(object, &buf);
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}

viv_status
vh_backup_seal(const struct vh_seam *seam, struct vh_arena *arena, int folder, struct vh_backup *backup,
               struct viv_error *err)
{
    struct vh_backup_file file;
    viv_status status = vh_backup_copy(seam, folder, -1, DATABASE, &file, err);
    status = status ? status : vh_backup_add(arena, backup, &file, err);
    if (status) {
        return status;
    }
    qsort(backup->file, backup->count, sizeof *backup->file, by_path);
    struct viv_str text = print(arena, backup);
    if (!text.data) {
        return vh_error_set(err, VIV_E_LIMIT, "backup", "no memory for the list of %zu files, or a name in it is not "
                            "UTF-8", backup->count);
    }
    if (seam->sync_all(seam->data, folder)) {
        return vh_error_errno(err, VIV_E_IO, "backup", "cannot sync the backup");
    }
    VH_PLACE(seam, "backup.before-seal");
    return vh_fs_replace(seam, folder, VH_BACKUP_NAME, text, 0600, err);
}
