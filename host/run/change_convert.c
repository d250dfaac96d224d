/* SPDX-License-Identifier: Apache-2.0 */
/* What git would convert on its way into the repository: by a filter (LFS is one), to other line ends, to another
 * encoding. A result is stored as it is, so such a file would be committed in the form of the working tree. Filters are
 * programs that a repository names and never run here; so the result is refused. The attributes are those of the
 * person's working tree, never those a task wrote. */
#include "change.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "layer.h"

#define POINTER_MAX 1024 /* of a pointer file, by the specification of Git LFS */

static bool
has_attributes(const struct vh_tree *tree)
{
    static const char name[] = ".gitattributes";
    size_t len = sizeof name - 1;
    for (size_t i = 0; i < tree->count; i++) {
        struct viv_str path = tree->entry[i].path;
        bool last = path.len >= len && memcmp(path.data + path.len - len, name, len) == 0;
        if (last && (path.len == len || path.data[path.len - len - 1] == '/')) {
            return true;
        }
    }
    return false;
}

/* Whether any file could name attributes: in the tree, or the repository's own that is never committed. */
static viv_status
are_there(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base, bool *ret_there,
          struct viv_error *err)
{
    struct vh_tree tree = { 0 };
    viv_status status = vh_layer_list(target, arena, &base->seen, &tree, err);
    *ret_there = status == VIV_OK && has_attributes(&tree);
    if (status || *ret_there) {
        return status;
    }
    const char *own = vh_arena_format(arena, "%s/info/attributes", target->common_dir);
    return own ? vh_fs_there(target->tools->seam, AT_FDCWD, own, ret_there, err)
               : vh_error_set(err, VIV_E_MEMORY, "change", "no memory to look for git's attributes");
}

static viv_status
ask_attributes(const struct vh_target *target, struct vh_arena *arena, const struct vh_change *change,
               struct viv_str *ret_answer, struct viv_error *err)
{
    struct vh_buf paths;
    struct vh_git_result result;
    vh_buf_init(&paths, arena, (size_t)256 << 20);
    for (size_t i = 0; i < change->count; i++) {
        vh_buf_add(&paths, change->path[i].path.data, (size_t)change->path[i].path.len + 1);
    }
    if (paths.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "change", "no memory to ask git for attributes");
    }
    const char *words[] = { "check-attr", "-z", "--stdin", "filter", "eol", "working-tree-encoding", NULL };
    /* In our own git directory all attributes are off. */
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words, .work_tree = target->root,
                              .input = vh_buf_view(&paths) };
    viv_status status = paths.len ? vh_git_run(target, arena, &ask, &result, err) : VIV_OK;
    *ret_answer = status || !paths.len ? (struct viv_str){ NULL, 0 } : result.output;
    return status;
}

/* A pointer is what the repository itself holds of a file in Git LFS. */
static bool
is_pointer(const struct vh_target *target, struct vh_arena *arena, const struct vh_change_path *path, int dir)
{
    static const char head[] = "version https://git-lfs.github.com/spec/v1\n";
    const struct vh_seam *seam = target->tools->seam;
    char bytes[sizeof head - 1];
    const char *name = path->size < POINTER_MAX ? vh_arena_text_of(arena, path->path) : NULL;
    int fd = name ? seam->open_beneath(seam->data, dir, name, O_RDONLY | O_NONBLOCK, 0, 1) : -1;
    if (fd < 0) {
        return false;
    }
    ssize_t got = seam->read(seam->data, fd, bytes, sizeof bytes);
    seam->close(seam->data, fd);
    return got == (ssize_t)sizeof bytes && memcmp(bytes, head, sizeof bytes) == 0;
}

static bool
converts(struct viv_str attribute, struct viv_str value)
{
    bool off = vh_str_is(value, "unspecified") || vh_str_is(value, "unset") || vh_str_is(value, "set");
    return !off && !(vh_str_is(attribute, "eol") && vh_str_is(value, "lf"));
}

static const struct vh_change_path *
find_written(const struct vh_change *change, struct viv_str path)
{
    for (size_t i = 0; i < change->count; i++) {
        if (vh_str_equal(change->path[i].path, path)) {
            return change->path[i].kind == VH_CHANGE_DELETED || change->path[i].mode == VH_TREE_LINK ? NULL
                                                                                                     : &change->path[i];
        }
    }
    return NULL;
}

viv_status
vh_change_convert(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                  const struct vh_change *change, int dir, struct viv_error *err)
{
    bool there = false;
    struct viv_str answer = { NULL, 0 }, name, attribute, value;
    viv_status status = target->kind == VH_TARGET_REPOSITORY && change->count
                            ? are_there(target, arena, base, &there, err)
                            : VIV_OK;
    if (status == VIV_OK && there) {
        status = ask_attributes(target, arena, change, &answer, err);
    }
    for (uint64_t at = 0; status == VIV_OK && at < answer.len;) {
        if (!vh_git_next(answer, &at, &name) || !vh_git_next(answer, &at, &attribute) ||
            !vh_git_next(answer, &at, &value)) {
            return vh_error_set(err, VIV_E_CORRUPT, "change", "cannot read git's list of attributes");
        }
        const struct vh_change_path *path = converts(attribute, value) ? find_written(change, name) : NULL;
        if (!path || (vh_str_is(attribute, "filter") && is_pointer(target, arena, path, dir))) {
            continue;
        }
        struct viv_str text = vh_tree_escape(arena, name);
        return vh_error_set(err, VIV_E_UNSUPPORTED, "change",
                            "git converts '%.*s' (%.*s=%.40s by git attributes) between working tree and repository, "
                            "which no result of a task can go through; change it by hand, or take that attribute away",
                            text.len > 200 ? 200 : (int)text.len, text.len ? text.data : "", VH_STR_ARGS(attribute),
                            value.data);
    }
    return status;
}
