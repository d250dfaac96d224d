/* SPDX-License-Identifier: Apache-2.0 */
#include "private_git.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include <viv/limits.h>

#define OBJECTS "/git-objects" /* where the repository's objects are shown inside, read-only */

static viv_status
put_file(struct vh_work *work, const char *folder, const char *name, const char *text, struct viv_error *err)
{
    const struct vh_seam *seam = work->run->seam;
    char *path = vh_arena_format(work->arena, "%s/%s", folder, name);
    if (!path || !text) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    int fd = seam->open(seam->data, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "workspace", "cannot write '%s'", name);
    }
    viv_status status = vh_fs_write_all(seam, fd, vh_str(text), err);
    seam->close(seam->data, fd);
    return status;
}

/* One setting as git reads it back. */
static void
add_setting(struct vh_buf *buf, const char *name, const char *value)
{
    vh_buf_format(buf, "\t%s = \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            vh_buf_char(buf, '\\');
        }
        vh_buf_char(buf, *value == '\n' ? ' ' : *value);
    }
    vh_buf_text(buf, "\"\n");
}

/* The format of the objects, and who commits: what a program in a task commits is the person's, as its result is. */
static const char *
config_of(struct vh_work *work)
{
    struct vh_buf buf;
    vh_buf_init(&buf, work->arena, 4 * VIV_PATH_MAX);
    vh_buf_text(&buf, work->target.hex_len == 64
                          ? "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
                          : "[core]\n\trepositoryformatversion = 0\n\tbare = false\n");
    vh_buf_text(&buf, "[user]\n");
    add_setting(&buf, "name", work->target.author_name);
    add_setting(&buf, "email", work->target.author_email);
    return buf.failed ? NULL : buf.data;
}

/* The index of what the task sees, so that its `git status` is clean at first. */
static viv_status
fill_index(struct vh_work *work, const char *path, struct viv_error *err)
{
    struct vh_git_result result;
    const char *words[] = { "read-tree", work->base.seen.hex, NULL };
    struct vh_git_ask ask = {
        .mode = VH_GIT_KEEP,
        .words = words,
        .index = vh_arena_format(work->arena, "%s/index", path),
    };
    if (!ask.index) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    return vh_git_run(&work->target, work->arena, &ask, &result, err);
}

/* What the repository's objects lack of that index: uncommitted work, which is kept in the home. Brought files are not
 * worth it. */
static viv_status
fill_objects(struct vh_work *work, const char *path, struct viv_error *err)
{
    struct vh_git_result result;
    const struct vh_base *base = &work->base;
    char *packs = vh_arena_format(work->arena, "%s/objects/pack/pack", path);
    char *revisions = vh_arena_format(work->arena, "%s\n^%s\n%s%s%s", base->seen.hex, base->commit.hex,
                                      base->brought.hex[0] ? "^" : "", base->brought.hex,
                                      base->brought.hex[0] ? "\n" : "");
    const char *words[] = { "pack-objects", "--quiet", "--revs", "--window=0", "--threads=1", packs, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_KEEP, .words = words };
    if (!packs || !revisions) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    ask.input = vh_str(revisions);
    return vh_git_run(&work->target, work->arena, &ask, &result, err);
}

viv_status
vh_private_git(struct vh_work *work, const char *path, struct vh_sandbox_bind *binds, size_t *bind_count,
               struct viv_error *err)
{
    static const char *const folders[] = { "objects/info", "objects/pack", "refs/heads", "refs/tags" };
    if (work->target.kind != VH_TARGET_REPOSITORY || work->base.commit.hex[0] == '\0') {
        return VIV_OK;
    }
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    viv_status status = VIV_OK;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == VIV_OK; i++) {
        char *folder = vh_arena_format(work->arena, "%s/%s", path, folders[i]);
        status = folder ? vh_fs_make_folders(work->run->seam, AT_FDCWD, folder, 0755, err)
                        : vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    char *head = vh_arena_format(work->arena, "ref: refs/heads/viv/%.*s\n", VH_STR_ARGS(work->ask.task.id));
    char *tip = vh_arena_format(work->arena, "%s\n", work->base.commit.hex);
    char *ref = vh_arena_format(work->arena, "refs/heads/viv/%.*s", VH_STR_ARGS(work->ask.task.id));
    if (status == VIV_OK) {
        char *folder = vh_arena_format(work->arena, "%s/refs/heads/viv", path);
        status = folder && ref ? vh_fs_make_folders(work->run->seam, AT_FDCWD, folder, 0755, err)
                               : vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a private git folder");
    }
    const struct {
        const char *name;
        const char *text;
    } files[] = {
        { "HEAD", head }, { "config", config_of(work) }, { ref, tip }, { "objects/info/alternates", OBJECTS "\n" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files && status == VIV_OK; i++) {
        status = put_file(work, path, files[i].name, files[i].text, err);
    }
    if (status == VIV_OK) {
        status = fill_index(work, path, err);
    }
    if (status == VIV_OK && strcmp(work->base.seen.hex, work->base.tree.hex) != 0) {
        status = fill_objects(work, path, err);
    }
    if (status == VIV_OK) {
        binds[0] = (struct vh_sandbox_bind){ .source = path, .target = ".git", .writable = true };
        binds[1] = (struct vh_sandbox_bind){ .source = work->target.object_dir, .target = OBJECTS };
        *bind_count = 2;
    }
    return status;
}
