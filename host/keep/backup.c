/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to a backup, and backup.json. The files themselves: backup_copy.c. */
#include "backup_inside.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include <viv/limits.h>

#define BACKUP_WHERE "backup"

const struct vh_backup_root vh_backup_roots[] = {
    { "store/folder.git/refs", VH_BACKUP_LINE },           { "store/folder.git/packed-refs", VH_BACKUP_LINE },
    { "store/folder.git/objects", VH_BACKUP_LINE },        { "store/folder-sha256.git/refs", VH_BACKUP_LINE },
    { "store/folder-sha256.git/packed-refs", VH_BACKUP_LINE }, { "store/folder-sha256.git/objects", VH_BACKUP_LINE },
    { "store/plugins", VH_BACKUP_PLUGINS },                { "store/plugins.index", VH_BACKUP_PLUGINS },
    { "store/blobs", VH_BACKUP_REST },                     { "home.json", VH_BACKUP_REST },
    { "vivarium.db", 0 },
};
const size_t vh_backup_root_count = sizeof vh_backup_roots / sizeof *vh_backup_roots;

/* Half-written files and locks of git, our own temporary names, git's lists of other repositories. */
bool
vh_backup_passing(const char *path, const char *name)
{
    size_t len = strlen(name);
    return name[0] == '.' || name[0] == '\0' || strncmp(name, "tmp_", 4) == 0 || strstr(path, "/objects/info") ||
           (len > 5 && strcmp(name + len - 5, ".lock") == 0);
}

bool
vh_backup_belongs(const char *path)
{
    bool below = false;
    for (size_t i = 0; i < vh_backup_root_count && !below; i++) {
        size_t len = strlen(vh_backup_roots[i].path);
        below = strncmp(path, vh_backup_roots[i].path, len) == 0 && (path[len] == '\0' || path[len] == '/');
    }
    for (const char *at = path; below && at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        char name[VIV_ID_MAX * 4 + 1] = "";
        size_t len = strcspn(at, "/");
        below = len < sizeof name;
        memcpy(name, at, below ? len : 0);
        below = below && !vh_backup_passing(path, name);
    }
    return below;
}

viv_status
vh_backup_add(struct vh_arena *arena, struct vh_backup *backup, const struct vh_backup_file *file,
              struct viv_error *err)
{
    if (backup->count == VH_BACKUP_FILES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, BACKUP_WHERE, "more than %d files", VH_BACKUP_FILES_MAX);
    }
    if (backup->count == backup->room) {
        size_t room = backup->room ? 2 * backup->room : 64;
        struct vh_backup_file *more = vh_arena_array(arena, room, sizeof *more);
        if (!more) {
            return vh_error_set(err, VIV_E_MEMORY, BACKUP_WHERE, "no memory for %zu files", room);
        }
        if (backup->count) {
            memcpy(more, backup->file, backup->count * sizeof *more);
        }
        backup->file = more;
        backup->room = room;
    }
    backup->file[backup->count++] = *file;
    return VIV_OK;
}

static int
by_path(const void *a, const void *b)
{
    return vh_str_compare(((const struct vh_backup_file *)a)->path, ((const struct vh_backup_file *)b)->path);
}

const struct vh_backup_file *
vh_backup_find(const struct vh_backup *backup, const char *path)
{
    struct vh_backup_file wanted = { .path = vh_str(path) };
    return backup->count ? bsearch(&wanted, backup->file, backup->count, sizeof wanted, by_path) : NULL;
}

static const char *
hex_of(struct vh_arena *arena, const struct vh_hash *hash)
{
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    return vh_arena_text(arena, hex);
}

viv_status
vh_backup_seal(const struct vh_seam *seam, struct vh_arena *arena, int folder, struct vh_backup *backup,
               struct viv_error *err)
{
    struct vh_json *files = vh_json_array(arena), *object = vh_json_object(arena);
    if (backup->count) {
        qsort(backup->file, backup->count, sizeof *backup->file, by_path);
    }
    for (size_t i = 0; i < backup->count; i++) {
        struct vh_json *file = vh_json_object(arena);
        vh_json_set_int(arena, file, "bytes", backup->file[i].bytes);
        vh_json_set_str(arena, file, "path", backup->file[i].path);
        vh_json_set_text(arena, file, "sha256", hex_of(arena, &backup->file[i].hash));
        vh_json_push(files, file);
    }
    vh_json_set(object, "files", files);
    vh_json_set_text(arena, object, "head", hex_of(arena, &backup->head));
    vh_json_set_str(arena, object, "home", backup->home);
    vh_json_set_str(arena, object, "project", backup->project);
    vh_json_set_int(arena, object, "seq", backup->seq);
    vh_json_set_int(arena, object, "time_us", backup->time_us);
    vh_json_set_int(arena, object, "version", VH_BACKUP_VERSION);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VH_BACKUP_BYTES_MAX);
    vh_json_write(object, &buf);
    if (buf.failed) {
        return vh_error_set(err, VIV_E_MEMORY, BACKUP_WHERE, "no memory for the list of %zu files, or a name that is "
                            "not UTF-8", backup->count);
    }
    if (seam->sync_all(seam->data, folder)) {
        return vh_error_errno(err, VIV_E_IO, BACKUP_WHERE, "cannot sync the backup");
    }
    VH_PLACE(seam, "backup.before-seal");
    return vh_fs_replace(seam, folder, VH_BACKUP_NAME, vh_buf_view(&buf), 0600, err);
}

/* ---- reading ---- */

static viv_status
bad(struct viv_error *err, const char *what, struct viv_str value)
{
    return vh_error_set(err, VIV_E_CORRUPT, BACKUP_WHERE, "'" VH_BACKUP_NAME "': %s '%.*s' is not one this program "
                        "wrote", what, value.len > 200 ? 200 : (int)value.len, value.len ? value.data : "");
}

static viv_status
read_file(struct vh_arena *arena, const struct vh_json *row, struct vh_backup *backup, struct viv_error *err)
{
    struct vh_backup_file file = { .path = vh_json_str(row, "path"), .bytes = vh_json_int(row, "bytes", -1) };
    const char *path = vh_arena_text_of(arena, file.path);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, BACKUP_WHERE, "no memory for %zu files", backup->count);
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
vh_backup_read(struct vh_arena *arena, struct viv_str text, struct vh_backup *ret_backup, struct viv_error *err)
{
    struct vh_json *root = NULL;
    viv_status status = vh_json_read(arena, text, &root, err);
    if (status) {
        return vh_error_extend(err, status, "'" VH_BACKUP_NAME "'");
    }
    int64_t version = vh_json_int(root, "version", 0);
    if (version > VH_BACKUP_VERSION) {
        return vh_error_set(err, VIV_E_VERSION, BACKUP_WHERE, "the backup has version %lld, this program knows %d; "
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
    if (status == VIV_OK && (!vh_backup_find(&backup, "home.json") || !vh_backup_find(&backup, "vivarium.db"))) {
        return bad(err, "a list without", vh_str("home.json or vivarium.db"));
    }
    if (status == VIV_OK) {
        *ret_backup = backup;
    }
    return status;
}
