/* SPDX-License-Identifier: Apache-2.0 */
/* The change as JSON, as a commit, and without what the project ignores. change.c reads it. */
#include "change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "commit.h"
#include "layer.h"
#include <viv/limits.h>

#define RULES_MAX (1u << 20)

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "change", "no memory for a change");
}

struct vh_json *
vh_change_json(struct vh_arena *arena, const struct vh_change *change)
{
    static const char *const words[] = { "", "added", "modified", "deleted" };
    struct vh_json *list = vh_json_array(arena);
    for (size_t i = 0; i < change->count; i++) {
        const struct vh_change_path *path = &change->path[i];
        struct vh_json *object = vh_json_object(arena);
        vh_json_set_str(arena, object, "path", vh_tree_escape(arena, path->path));
        vh_json_set_text(arena, object, "change", words[path->kind]);
        if (path->kind != VH_CHANGE_DELETED) {
            vh_json_set_text(arena, object, "mode", vh_arena_format(arena, "%06o", path->mode));
            vh_json_set_int(arena, object, "size", (int64_t)path->size);
            vh_json_set_text(arena, object, "digest", path->digest);
        }
        if (path->mode == VH_TREE_LINK) {
            vh_json_set_str(arena, object, "target", vh_tree_escape(arena, path->target));
        }
        vh_json_push(list, object);
    }
    return list;
}

/* ---- commit ---- */

static void
import_path(struct vh_import *import, const struct vh_change_freeze *freeze, const struct vh_change_path *path)
{
    const struct vh_seam *seam = import->target->tools->seam;
    struct vh_tree_content content = { .id = path->id, .size = path->size, .mode = path->mode };
    int dir = -1;
    const char *name = NULL;
    struct viv_error *err = import->status ? NULL : import->err;
    viv_status status = vh_tree_parent(import->target, freeze->dir, path->path, false, &dir, &name, err);
    if (status) {
        import->status = import->status ? import->status : VIV_E_CONFLICT;
        return;
    }
    vh_import_file(import, path->path, dir, name, &content);
    seam->close(seam->data, dir);
}

viv_status
vh_change_commit(const struct vh_target *target, struct vh_arena *arena, const struct vh_change_freeze *freeze,
                 struct vh_git_id *ret_commit, struct vh_git_id *ret_tree, struct viv_error *err)
{
    const struct vh_change *change = freeze->change;
    if (!vh_str_id(vh_str(freeze->task))) {
        return vh_error_set(err, VIV_E_INVALID, "change", "task id '%.40s' cannot be part of a reference",
                            freeze->task);
    }
    if (!change->count) {
        return vh_error_set(err, VIV_E_INVALID, "change", "task '%s' changed nothing, there is nothing to commit",
                            freeze->task);
    }
    struct vh_import import;
    struct vh_import_head head = {
        .ref = vh_arena_format(arena, "refs/viv/held/%s", freeze->task),
        .time_s = freeze->time_s,
        .parent = &freeze->base->commit,
        .message = vh_commit_message(arena, "", freeze->goal, freeze->task, freeze->effect, freeze->log_head, NULL),
    };
    if (!head.ref || !head.message.data) {
        return no_memory(err);
    }
    vh_import_begin(&import, target, arena, VH_GIT_REFS, &head, err);
    for (size_t i = 0; i < change->count; i++) {
        if (change->path[i].kind == VH_CHANGE_DELETED) {
            vh_import_delete(&import, change->path[i].path);
        }
    }
    for (size_t i = 0; i < change->count && import.status == VIV_OK; i++) {
        if (change->path[i].kind != VH_CHANGE_DELETED) {
            import_path(&import, freeze, &change->path[i]);
        }
    }
    return vh_import_finish(&import, ret_commit, ret_tree);
}

viv_status
vh_change_discard(const struct vh_target *target, struct vh_arena *arena, const char *task, struct viv_error *err)
{
    const char *ref = vh_str_id(vh_str(task)) ? vh_arena_format(arena, "refs/viv/held/%s", task) : NULL;
    if (!ref) {
        return vh_error_set(err, VIV_E_INVALID, "change", "task id '%.40s' cannot be part of a reference", task);
    }
    vh_git_drop(target, arena, ref);
    return VIV_OK;
}

/* ---- ignore rules ---- */

/* Where the person's tree has a link or a file in place of a folder of the path, no rule below can speak, and git
 * refuses to be asked. */
static bool
can_be_asked(const struct vh_target *target, int root, struct viv_str path)
{
    int dir = -1;
    const char *name = NULL;
    viv_status status = memchr(path.data, '/', (size_t)path.len)
                            ? vh_tree_parent(target, root, path, false, &dir, &name, NULL)
                            : VIV_OK;
    if (dir >= 0) {
        target->tools->seam->close(target->tools->seam->data, dir);
    }
    return status == VIV_OK || status == VIV_E_NOT_FOUND;
}

/* Paths that are not in the commit the task stands on: new ones, and those only brought along. */
static viv_status
list_new(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
         const struct vh_change *change, struct vh_buf *buf, struct viv_error *err)
{
    struct vh_tree tree = { 0 };
    viv_status status = vh_git_same(&base->seen, &base->tree) ? VIV_OK
                                                              : vh_layer_list(target, arena, &base->tree, &tree, err);
    const struct vh_seam *seam = target->tools->seam;
    bool other = !vh_git_same(&base->seen, &base->tree);
    int root = seam->open(seam->data, AT_FDCWD, target->root, O_RDONLY | O_DIRECTORY, 0);
    if (status == VIV_OK && root < 0) {
        return vh_error_errno(err, VIV_E_IO, "change", "cannot open '%s'", target->root);
    }
    for (size_t i = 0; i < change->count && status == VIV_OK; i++) {
        const struct vh_change_path *path = &change->path[i];
        bool is_new = other ? !vh_tree_find(&tree, path->path) : path->kind == VH_CHANGE_ADDED;
        if (is_new && can_be_asked(target, root, path->path)) {
            vh_buf_text(buf, "./"); /* so that no name begins like a pattern's magic */
            vh_buf_add(buf, path->path.data, (size_t)path->path.len + 1);
        }
    }
    if (root >= 0) {
        seam->close(seam->data, root);
    }
    return status ? status : buf->failed ? no_memory(err) : VIV_OK;
}

/* All ignore files besides .gitignore in one, since git takes only one by setting. */
static viv_status
rules_file(const struct vh_target *target, struct vh_arena *arena, const char *path, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 2 * RULES_MAX + 2);
    for (size_t i = 0; target->excludes[i]; i++) {
        struct viv_str text;
        viv_status status = vh_fs_read(seam, arena, AT_FDCWD, target->excludes[i], RULES_MAX, &text, err);
        if (status) {
            return status;
        }
        vh_buf_str(&buf, text);
        vh_buf_char(&buf, '\n');
    }
    int fd = seam->open(seam->data, target->tools->home, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0 || buf.failed) {
        return vh_error_errno(err, VIV_E_IO, "change", "cannot write '%s'", path);
    }
    viv_status status = vh_fs_write_all(seam, fd, vh_buf_view(&buf), err);
    seam->close(seam->data, fd);
    return status;
}

static viv_status
check_ignore(const struct vh_target *target, struct vh_arena *arena, struct viv_str paths, struct viv_str *ret_ignored,
             struct viv_error *err)
{
    const struct vh_git_tools *tools = target->tools;
    uint64_t tag = 0;
    struct vh_git_result result = { 0 };
    if (tools->seam->random(tools->seam->data, &tag, sizeof tag)) {
        return vh_error_errno(err, VIV_E_IO, "change", "no random bytes for a name");
    }
    const char *path = vh_arena_format(arena, "work/.rules-%016llx", (unsigned long long)tag);
    const char *setting = vh_arena_format(arena, "core.excludesFile=%s/%s", tools->home_path, path);
    if (!path || !setting) {
        return no_memory(err);
    }
    viv_status status = vh_fs_make_folders(tools->seam, tools->home, "work", 0700, err);
    status = status ? status : rules_file(target, arena, path, err);
    const char *words[] = { "check-ignore", "-z", "--stdin", "--no-index", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .work_tree = target->root, .input = paths,
                              .setting = setting, .allow_exit = 1 };
    status = status ? status : vh_git_run(target, arena, &ask, &result, err);
    (void)tools->seam->unlink(tools->seam->data, tools->home, path, 0); /* a leftover in work/ goes with the home */
    if (status == VIV_OK) {
        *ret_ignored = result.output;
    }
    return status;
}

viv_status
vh_change_ignore(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                 struct vh_change *change, struct viv_error *err)
{
    struct vh_buf paths;
    struct viv_str ignored = { NULL, 0 };
    struct vh_tree brought = { 0 };
    vh_buf_init(&paths, arena, (size_t)256 << 20);
    if (target->kind != VH_TARGET_REPOSITORY) {
        return VIV_OK;
    }
    viv_status status = list_new(target, arena, base, change, &paths, err);
    if (status == VIV_OK && base->brought.hex[0]) {
        status = vh_tree_list(target, arena, &base->brought, &brought, err);
    }
    if (status || (!paths.len && !brought.count)) {
        return status;
    }
    struct viv_str *list = vh_arena_array(arena, change->count + 1, sizeof *list);
    status = list ? check_ignore(target, arena, vh_buf_view(&paths), &ignored, err) : no_memory(err);
    if (status) {
        return status;
    }
    /* git answers in the order it was asked, which is the order of the change. */
    size_t kept = 0;
    size_t dropped = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < change->count; i++) {
        struct viv_str next = at < ignored.len ? vh_str(ignored.data + at) : (struct viv_str){ NULL, 0 };
        struct viv_str path = change->path[i].path;
        bool named = next.len > 2 && vh_str_equal((struct viv_str){ next.data + 2, next.len - 2 }, path);
        at += named ? next.len + 1 : 0;
        if (named || vh_tree_find(&brought, path)) {
            list[dropped++] = path;
            change->bytes -= change->path[i].size;
        } else {
            change->path[kept++] = change->path[i];
        }
    }
    change->count = kept;
    change->ignored = list;
    change->ignored_count = dropped;
    return VIV_OK;
}
