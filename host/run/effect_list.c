/* SPDX-License-Identifier: Apache-2.0 */
/* Listing a folder, or a whole tree in one effect with one root hash. */
#include "effect_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "run/tree.h"

#define ENTRIES_MAX 1000000
#define DEPTH_MAX 256
#define DETAIL_MAX (48u << 20)

struct listing {
    struct vh_effect *effect;
    const struct vh_seam *seam;
    struct vh_buf buf;
    uint64_t count;
    bool recursive;
    bool cut;
    struct viv_error *err;
};

static const char *
kind_of(const struct stat *stat)
{
    return S_ISREG(stat->st_mode) ? "file"
           : S_ISDIR(stat->st_mode) ? "folder"
           : S_ISLNK(stat->st_mode) ? "link"
                                    : "other";
}

static bool
add_entry(struct listing *list, struct vh_arena *arena, const char *path, const struct stat *stat)
{
    if (list->count == ENTRIES_MAX || list->buf.len > DETAIL_MAX - 8192) {
        list->cut = true;
        return false;
    }
    struct vh_json *entry = vh_json_object(arena);
    vh_json_set_text(arena, entry, "kind", kind_of(stat));
    vh_json_set_int(arena, entry, "mtime_us", (int64_t)stat->st_mtim.tv_sec * 1000000 + stat->st_mtim.tv_nsec / 1000);
    vh_json_set_str(arena, entry, "path", vh_tree_escape(arena, vh_str(path)));
    vh_json_set_int(arena, entry, "size", S_ISREG(stat->st_mode) ? (int64_t)stat->st_size : 0);
    if (list->count++) {
        vh_buf_char(&list->buf, ',');
    }
    vh_json_write(entry, &list->buf);
    return true;
}

static viv_status list_folder(struct listing *list, int fd, const char *path, int depth);

static viv_status
list_one(struct listing *list, struct vh_arena *arena, int fd, const char *name, const char *path, int depth)
{
    struct stat stat;
    if (list->seam->stat(list->seam->data, fd, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? VIV_OK : vh_error_errno(list->err, VIV_E_IO, "effect", "cannot look at '%s'", path);
    }
    if (!add_entry(list, arena, path, &stat) || !list->recursive || !S_ISDIR(stat.st_mode)) {
        return VIV_OK;
    }
    int folder = list->seam->open(list->seam->data, fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (folder < 0) {
        return VIV_OK; /* unreadable folders are named by their own entry and stay closed */
    }
    viv_status status = list_folder(list, folder, path, depth + 1);
    list->seam->close(list->seam->data, folder);
    return status;
}

static viv_status
list_folder(struct listing *list, int fd, const char *path, int depth)
{
    struct vh_fs_names names = { 0 };
    if (depth > DEPTH_MAX) {
        list->cut = true;
        return VIV_OK;
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? vh_fs_list(list->seam, arena, fd, ".", &names, list->err)
                              : vh_error_set(list->err, VIV_E_MEMORY, "effect", "no memory for a folder");
    for (size_t i = 0; i < names.count && status == VIV_OK && !list->cut; i++) {
        if (depth == 0 && strcmp(path, ".") == 0 && strcmp(names.name[i], ".git") == 0) {
            continue; /* the task's private one is no part of the tree */
        }
        char *full = strcmp(path, ".") == 0 ? vh_arena_text(arena, names.name[i])
                                            : vh_arena_format(arena, "%s/%s", path, names.name[i]);
        status = full ? list_one(list, arena, fd, names.name[i], full, depth)
                      : vh_error_set(list->err, VIV_E_MEMORY, "effect", "no memory for a folder");
    }
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_effect_list(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    struct listing list = {
        .effect = effect,
        .seam = seam,
        .recursive = vh_json_int(effect->spec, "recursive", 0) != 0,
        .err = err,
    };
    struct vh_hash hash;
    int fd = seam->open_beneath(seam->data, vh_keeper_root(vh_workspace_keeper(effect->work)), effect->path,
                                O_RDONLY | O_DIRECTORY, 0, 1);
    if (fd < 0) {
        return vh_error_errno(err, errno == ENOENT ? VIV_E_NOT_FOUND : VIV_E_INVALID, "effect",
                              "'%s' is no folder of the workspace", effect->path);
    }
    vh_buf_init(&list.buf, effect->arena, DETAIL_MAX);
    vh_buf_text(&list.buf, "{\"entries\":[");
    viv_status status = list_folder(&list, fd, effect->path, 0);
    vh_buf_text(&list.buf, "]}");
    seam->close(seam->data, fd);
    if (status == VIV_OK && (list.buf.failed || !vh_hash_bytes(list.buf.data, list.buf.len, &hash))) {
        status = vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a list of %llu entries",
                              (unsigned long long)list.count);
    }
    if (status) {
        return status;
    }
    effect->outcome->detail_json = vh_buf_view(&list.buf);
    return vh_effect_output(effect, (struct viv_str){ NULL, 0 }, &hash, list.cut, err);
}
