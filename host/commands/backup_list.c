/* SPDX-License-Identifier: Apache-2.0 */
#include "backup_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include <viv/limits.h>

#define DEPTH_MAX 64

static const struct vh_backup_file *
find(const struct vh_backup *backup, const char *path)
{
    size_t low = 0, high = backup->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = vh_str_compare(backup->file[middle].path, vh_str(path));
        if (order == 0) {
            return &backup->file[middle];
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return NULL;
}

static viv_status
bad(struct viv_error *err, const char *what, struct viv_str value)
{
    return vh_error_set(err, VIV_E_CORRUPT, "backup", "'" VH_BACKUP_NAME "': %s '%.*s' is not one this program "
                        "wrote", what, value.len > 200 ? 200 : (int)value.len, value.len ? value.data : "");
}

static viv_status
read_file(struct vh_arena *arena, const struct vh_json *row, struct vh_backup *backup, struct viv_error *err)
{
    struct vh_backup_file file = { .path = vh_json_str(row, "path"), .bytes = vh_json_int(row, "bytes", -1) };
    const char *path = vh_arena_text_of(arena, file.path);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "backup", "no memory for %zu files", backup->count);
    }
    bool good = strlen(path) == file.path.len && file.path.len <= VIV_PATH_MAX && vh_backup_belongs(path);
    if (!good || row->type != VH_JSON_OBJECT || row->count != 3 || file.bytes < 0 ||
        !vh_hash_parse(vh_json_str(row, "sha256"), &file.hash)) {
        return bad(err, "file", file.path);
    }
    if (backup->count && vh_str_compare(backup->file[backup->count - 1].path, file.path) >= 0) {
        return bad(err, "place of file", file.path);
    }
    file.path = vh_str(path);
    return vh_backup_add(arena, backup, &file, err);
}

viv_status
vh_backup_list_read(struct vh_arena *arena, struct viv_str text, struct vh_backup *ret_backup, struct viv_error *err)
{
    struct vh_json *root = NULL;
    viv_status status = vh_json_read(arena, text, &root, err);
    if (status) {
        return vh_error_extend(err, status, "'" VH_BACKUP_NAME "'");
    }
    int64_t version = vh_json_int(root, "version", 0);
    if (version > VH_BACKUP_VERSION) {
        return vh_error_set(err, VIV_E_VERSION, "backup", "the backup has version %lld, this program knows %d; "
                            "use the vivhost that made it", (long long)version, VH_BACKUP_VERSION);
    }
    struct vh_backup backup = { .home = vh_json_str(root, "home"), .project = vh_json_str(root, "project"),
                                .seq = vh_json_int(root, "seq", 0), .time_us = vh_json_int(root, "time_us", 0) };
    const struct vh_json *files = vh_json_get(root, "files");
    if (version != VH_BACKUP_VERSION || root->type != VH_JSON_OBJECT || root->count != 7 || backup.seq < 1 ||
        backup.project.len == 0 || backup.home.len == 0 || backup.time_us < 1 || !files ||
        files->type != VH_JSON_ARRAY || !vh_hash_parse(vh_json_str(root, "head"), &backup.head)) {
        return bad(err, "the list of", vh_str("its members"));
    }
    for (const struct vh_json *row = files->child; row && status == VIV_OK; row = row->next) {
        status = read_file(arena, row, &backup, err);
    }
    if (status == VIV_OK && (!find(&backup, "home.json") || !find(&backup, "vivarium.db"))) {
        return bad(err, "a list without", vh_str("home.json or vivarium.db"));
    }
    if (status == VIV_OK) {
        *ret_backup = backup;
    }
    return status;
}

/* ---- taking ---- */

struct taking {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    int from;
    const struct vh_backup *backup;
    struct viv_error *err;
};

static viv_status
other(const struct taking *t, const char *path, const char *what)
{
    return vh_error_set(t->err, VIV_E_CORRUPT, "backup", "'%.300s' %s", path, what);
}

/* Nothing lies in the folder but what is listed; "" is the folder itself. */
static viv_status
check_tree(const struct taking *t, const char *path, int depth)
{
    struct stat stat;
    struct vh_fs_names names = { 0 };
    const char *at = *path ? path : ".";
    if (t->seam->stat(t->seam->data, t->from, at, &stat, AT_SYMLINK_NOFOLLOW)) {
        return vh_error_errno(t->err, VIV_E_IO, "backup", "cannot look at '%.300s'", path);
    }
    if (!S_ISDIR(stat.st_mode)) {
        return !S_ISREG(stat.st_mode) ? other(t, path, "is a link or a special file")
               : strcmp(path, VH_BACKUP_NAME) == 0 || find(t->backup, path)
                   ? VIV_OK
                   : other(t, path, "is not listed in '" VH_BACKUP_NAME "'");
    }
    if (depth > DEPTH_MAX) {
        return other(t, path, "is nested too deep");
    }
    viv_status status = vh_fs_list(t->seam, t->arena, t->from, at, &names, t->err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *below = vh_arena_format(t->arena, "%s%s%s", path, *path ? "/" : "", names.name[i]);
        status = below ? check_tree(t, below, depth + 1)
                       : vh_error_set(t->err, VIV_E_MEMORY, "backup", "no memory for a path");
    }
    return status;
}

static viv_status
take_file(const struct taking *t, int to, const struct vh_backup_file *listed)
{
    struct stat stat;
    struct vh_backup_file file;
    const char *path = listed->path.data;
    if (t->seam->stat(t->seam->data, t->from, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT || errno == ENOTDIR
                   ? other(t, path, "is missing")
                   : vh_error_errno(t->err, VIV_E_IO, "backup", "cannot look at '%s'", path);
    }
    if (stat.st_size != listed->bytes) {
        return other(t, path, "has another size than '" VH_BACKUP_NAME "' says");
    }
    viv_status status = vh_backup_copy(t->seam, t->from, to, path, &file, t->err);
    bool same = status == VIV_OK && file.bytes == listed->bytes &&
                memcmp(&file.hash, &listed->hash, sizeof file.hash) == 0;
    return status || same ? status : other(t, path, "holds other bytes than '" VH_BACKUP_NAME "' says");
}

viv_status
vh_backup_list_take(const struct vh_seam *seam, struct vh_arena *arena, int from, int to,
                    const struct vh_backup *backup, struct viv_error *err)
{
    const struct taking t = { seam, arena, from, backup, err };
    viv_status status = check_tree(&t, "", 0);
    for (size_t i = 0; i < backup->count && status == VIV_OK; i++) {
        status = take_file(&t, to, &backup->file[i]);
    }
    return status;
}
