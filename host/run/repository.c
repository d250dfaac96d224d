/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be looked at is an error here, never absent: a repository must not pass for a plain folder. */
#include "repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include <viv/limits.h>

#define SMALL_FILE 4096

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "target", "no memory to describe the target");
}

viv_status
vh_repository_folder(const struct vh_seam *seam, struct vh_arena *arena, const char *path, const char **ret_path,
                     struct viv_error *err)
{
    char proc[64];
    char text[VIV_PATH_MAX + 1];
    int fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        viv_status status = errno == ENOENT ? VIV_E_NOT_FOUND : errno == ENOTDIR ? VIV_E_INVALID : VIV_E_IO;
        return vh_error_errno(err, status, "target", "cannot open folder '%s'", path);
    }
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t len = seam->readlink(seam->data, AT_FDCWD, proc, text, sizeof text);
    seam->close(seam->data, fd);
    if (len <= 0 || len >= (ssize_t)sizeof text || text[0] != '/') {
        return vh_error_set(err, VIV_E_INVALID, "target", "folder '%s' has no path that can be used", path);
    }
    *ret_path = vh_arena_text_of(arena, (struct viv_str){ text, (uint64_t)len });
    return *ret_path ? VIV_OK : no_memory(err);
}

static viv_status
has(const struct vh_seam *seam, struct vh_arena *arena, const char *folder, const char *name, bool *ret_has,
    struct viv_error *err)
{
    return vh_fs_there(seam, AT_FDCWD, vh_arena_format(arena, "%s/%s", folder, name), ret_has, err);
}

static viv_status
is_git_dir(const struct vh_seam *seam, struct vh_arena *arena, const char *folder, bool *ret_is, struct viv_error *err)
{
    static const char *const marks[] = { "HEAD", "objects", "refs" };
    viv_status status = VIV_OK;
    *ret_is = true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks && *ret_is && status == VIV_OK; i++) {
        status = has(seam, arena, folder, marks[i], ret_is, err);
    }
    return status;
}

/* First line of a small file, after `prefix`; made absolute against `folder`. NULL when there is none such. */
static viv_status
path_in_file(const struct vh_seam *seam, struct vh_arena *arena, const char *file, const char *prefix,
             const char *folder, const char **ret_path, struct viv_error *err)
{
    struct viv_str text;
    *ret_path = NULL;
    viv_status status = file ? vh_fs_read(seam, arena, AT_FDCWD, file, SMALL_FILE, &text, err) : no_memory(err);
    if (status || !vh_str_starts(text, prefix)) {
        return status == VIV_E_IO || status == VIV_E_MEMORY ? status : VIV_OK;
    }
    const char *start = text.data + strlen(prefix);
    int len = (int)strcspn(start, "\n");
    *ret_path = *start == '/' ? vh_arena_format(arena, "%.*s", len, start)
                              : vh_arena_format(arena, "%s/%.*s", folder, len, start);
    return *ret_path ? VIV_OK : no_memory(err);
}

/* The working tree that `root` is in: `root` becomes its top. */
static viv_status
find_top(const struct vh_seam *seam, struct vh_arena *arena, char *root, bool *ret_found, struct viv_error *err)
{
    for (;;) {
        bool bare = false;
        viv_status status = is_git_dir(seam, arena, root, &bare, err);
        if (status == VIV_OK && bare) {
            return vh_error_set(err, VIV_E_INVALID, "target",
                                "'%s' is a bare repository or the inside of one; name a working tree", root);
        }
        status = status ? status : has(seam, arena, root, ".git", ret_found, err);
        char *slash = strrchr(root, '/');
        if (status || *ret_found || !slash || slash == root) {
            return status;
        }
        *slash = '\0';
    }
}

/* Where `root`/.git leads to. */
static viv_status
find_git_dir(const struct vh_seam *seam, struct vh_arena *arena, const char *root, const char **ret_git_dir,
             struct viv_error *err)
{
    struct stat stat;
    bool good = false;
    const char *dot_git = vh_arena_format(arena, "%s/.git", root);
    if (!dot_git) {
        return no_memory(err);
    }
    if (seam->stat(seam->data, AT_FDCWD, dot_git, &stat, 0)) {
        return vh_error_errno(err, VIV_E_IO, "target", "cannot look at '%s/.git'", root);
    }
    const char *git_dir = dot_git;
    viv_status status = S_ISDIR(stat.st_mode)
                            ? VIV_OK
                            : path_in_file(seam, arena, dot_git, "gitdir: ", root, &git_dir, err);
    if (status == VIV_OK && git_dir) {
        status = has(seam, arena, git_dir, "HEAD", &good, err);
    }
    if (status == VIV_OK && !good) {
        return vh_error_set(err, VIV_E_INVALID, "target", "'%s/.git' does not lead to a git directory", root);
    }
    *ret_git_dir = git_dir;
    return status;
}

viv_status
vh_repository_find(struct vh_target *target, struct vh_arena *arena, const char *path, bool *ret_found,
                struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    const char *git_dir = NULL, *common = NULL;
    char *root = vh_arena_text(arena, path);
    *ret_found = false;
    viv_status status = root ? find_top(seam, arena, root, ret_found, err) : no_memory(err);
    if (status || !*ret_found) {
        return status;
    }
    status = find_git_dir(seam, arena, root, &git_dir, err);
    status = status ? status : vh_repository_folder(seam, arena, git_dir, &target->git_dir, err);
    if (status == VIV_OK) {
        const char *file = vh_arena_format(arena, "%s/commondir", target->git_dir);
        status = path_in_file(seam, arena, file, "", target->git_dir, &common, err);
    }
    target->linked = common != NULL;
    const char *shared = common ? common : target->git_dir;
    status = status ? status : vh_repository_folder(seam, arena, shared, &target->common_dir, err);
    const char *rest = path + strlen(root);
    target->root = root;
    target->prefix = *rest == '/' ? vh_arena_format(arena, "%s/", rest + 1) : "";
    return status ? status : target->prefix ? VIV_OK : no_memory(err);
}
