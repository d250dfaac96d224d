/* SPDX-License-Identifier: Apache-2.0 */
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "tree.h"

#define SHOWN 100 /* bytes of a path that a message quotes */

static int
shown(struct viv_str text)
{
    return (int)(text.len > SHOWN ? SHOWN : text.len);
}

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "scope", "no memory for a scope");
}

/* ---- on disk ---- */

/* "scope 'a/b': 'a' is no folder, ...": `why` stands behind the part of the way that it is about. */
static viv_status
refuse(viv_status status, struct viv_str scope, const char *path, const char *why, struct viv_error *err)
{
    return vh_error_set(err, status, "scope", "scope '%.*s': '%.*s' %s", shown(scope), scope.data, SHOWN, path, why);
}

/* One part of the way, `path` from the root. */
static viv_status
check_part(const struct vh_seam *seam, int root, struct viv_str scope, const char *path, struct viv_error *err)
{
    struct stat stat;
    if (vh_target_hides(NULL, vh_str(path))) {
        return refuse(VIV_E_INVALID, scope, path, "is what no task ever sees; name a folder of the project", err);
    }
    if (seam->stat(seam->data, root, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT ? refuse(VIV_E_NOT_FOUND, scope, path,
                                        "is not there beneath the target; make the folder, or name another", err)
                               : vh_error_errno(err, errno == EACCES ? VIV_E_DENIED : VIV_E_IO, "scope",
                                                "cannot look at '%.*s'", SHOWN, path);
    }
    return S_ISDIR(stat.st_mode)   ? VIV_OK
           : S_ISLNK(stat.st_mode) ? refuse(VIV_E_INVALID, scope, path,
                                            "is a symbolic link, allowed: folders; name where it leads to", err)
                                   : refuse(VIV_E_INVALID, scope, path,
                                            "is no folder, allowed: folders; name the one it lies in", err);
}

viv_status
vh_scope_folder(const struct vh_seam *seam, struct vh_arena *arena, const char *root, struct viv_str scope,
                struct viv_error *err)
{
    char *path = vh_arena_text_of(arena, scope);
    int fd = seam->open(seam->data, AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || !path) {
        return fd < 0 ? vh_error_errno(err, VIV_E_IO, "scope", "cannot open '%s'", root) : no_memory(err);
    }
    viv_status status = VIV_OK;
    for (char *slash = path; slash && scope.len && status == VIV_OK;) {
        slash = strchr(slash, '/');
        if (slash) {
            *slash = '\0';
        }
        status = check_part(seam, fd, scope, path, err);
        if (slash) {
            *slash++ = '/';
        }
    }
    int in = status ? -1 : seam->open_beneath(seam->data, fd, scope.len ? path : ".", O_RDONLY | O_DIRECTORY, 0, 1);
    if (status == VIV_OK && in < 0) {
        status = vh_error_errno(err, VIV_E_DENIED, "scope", "cannot read folder '%.*s'", shown(scope), scope.data);
    }
    if (in >= 0) {
        seam->close(seam->data, in);
    }
    seam->close(seam->data, fd);
    return status;
}

/* ---- of a tree ---- */

/* What `tree` has at the scope; "" when it has nothing there. */
static viv_status
find_part(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree, struct viv_str scope,
          struct vh_git_id *ret_part, struct viv_error *err)
{
    struct vh_git_result result = {0};
    const char *input = vh_arena_format(arena, "%s:%.*s\n", tree->hex, VH_STR_ARGS(scope));
    const char *words[] = {"cat-file", "--batch-check", NULL};
    struct vh_git_ask ask = {.mode = VH_GIT_OBJECTS, .words = words, .input = vh_str(input)};
    viv_status status = input ? vh_git_run(target, arena, &ask, &result, err) : no_memory(err);
    *ret_part = (struct vh_git_id){{0}};
    if (status) {
        return status;
    }
    size_t len = (size_t)target->hex_len;
    struct viv_str rest = {result.output.data + len, result.output.len > len ? result.output.len - len : 0};
    if (vh_str_starts(rest, " tree ") && vh_git_parse_id((struct viv_str){result.output.data, len}, ret_part)) {
        return VIV_OK;
    }
    struct viv_str ending = VH_STR(" missing\n");
    size_t output = (size_t)result.output.len;
    bool missing =
        output >= ending.len && memcmp(result.output.data + output - ending.len, ending.data, (size_t)ending.len) == 0;
    return missing ? VIV_OK
                   : vh_error_set(err, VIV_E_INVALID, "scope", "scope '%.*s' is no folder in the tree %.12s",
                                  shown(scope), scope.data, tree->hex);
}

/* A tree with one entry; an empty tree when `part` is "". */
static viv_status
wrap(const struct vh_target *target, struct vh_arena *arena, const char *name, struct vh_git_id *part,
     struct viv_error *err)
{
    struct vh_git_result result = {0};
    const char *words[] = {"mktree", "-z", NULL};
    char *line = vh_arena_format(arena, "040000 tree %s\t%s", part->hex, name);
    struct vh_git_ask ask = {.mode = VH_GIT_KEEP, .words = words};
    if (!line) {
        return no_memory(err);
    }
    if (part->hex[0]) {
        ask.input = (struct viv_str){line, strlen(line) + 1};
    }
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status == VIV_OK && !vh_git_parse_id(result.output, part)) {
        status = vh_error_set(err, VIV_E_CORRUPT, "scope", "git named no tree");
    }
    return status;
}

viv_status
vh_scope_narrow(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                struct viv_str scope, struct vh_git_id *ret_tree, struct viv_error *err)
{
    struct vh_git_id part = *tree;
    char *path = vh_arena_text_of(arena, scope);
    viv_status status = path ? VIV_OK : no_memory(err);
    if (status || !scope.len || !tree->hex[0]) {
        *ret_tree = part;
        return status;
    }
    status = find_part(target, arena, tree, scope, &part, err);
    if (status == VIV_OK && !part.hex[0]) {
        status = wrap(target, arena, "", &part, err);
        path[0] = '\0';
    }
    while (path[0] && status == VIV_OK) {
        char *slash = strrchr(path, '/');
        status = wrap(target, arena, slash ? slash + 1 : path, &part, err);
        *(slash ? slash : path) = '\0';
    }
    *ret_tree = part;
    return status;
}

/* ---- of a result ---- */

viv_status
vh_scope_change(struct vh_arena *arena, struct viv_str scope, const struct vh_change *change, struct viv_error *err)
{
    size_t outside = 0;
    struct viv_str first = {NULL, 0};
    for (size_t i = 0; i < change->count; i++) {
        if (!vh_scope_holds(scope, change->path[i].path)) {
            first = outside++ ? first : change->path[i].path;
        }
    }
    if (!outside) {
        return VIV_OK;
    }
    struct viv_str text = vh_tree_escape(arena, first);
    return vh_error_set(err, VIV_E_DENIED, "scope",
                        "the result touches '%.*s', which lies outside the task's scope '%.*s' "
                        "(%zu path(s) do); let "
                        "the work keep to its scope, or submit it with another --scope",
                        shown(text), text.len ? text.data : "", shown(scope), scope.data, outside);
}
