/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a task left behind. One walk over the upper layer or the copy; the list of the base tells what is new,
 * changed or gone. Whiteouts come in two forms (device 0/0, or attribute), opaque folders hide the base below them. */
#include "change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "layer.h"
#include "layer_write.h"
#include <viv/limits.h>

#define DEPTH_MAX 256

struct walk {
    const struct vh_target *target;
    struct vh_arena *arena;
    struct viv_error *err;
    enum vh_change_form form;
    struct vh_tree list; /* what the task saw */
    bool *seen;          /* by index of the list: still there */
    bool *gone;          /* hidden by a whiteout, an opaque folder or something of another kind */
    struct vh_change change;
    size_t room;
};

static viv_status
no_memory(struct walk *walk)
{
    return vh_error_set(walk->err, VIV_E_MEMORY, "change", "no memory for the list of changes");
}

static viv_status
refuse(struct walk *walk, struct viv_str path, const char *why)
{
    struct viv_str text = vh_tree_escape(walk->arena, path);
    return vh_error_set(walk->err, VIV_E_DENIED, "change", "'%.*s' %s", text.len > 200 ? 200 : (int)text.len,
                        text.len ? text.data : "", why);
}

static struct vh_change_path *
add(struct walk *walk, struct viv_str path, enum vh_change_kind kind)
{
    if (walk->change.count == walk->room) {
        size_t room = walk->room ? walk->room * 2 : 64;
        struct vh_change_path *more = vh_arena_array(walk->arena, room, sizeof *more);
        if (!more) {
            return NULL;
        }
        if (walk->change.count) {
            memcpy(more, walk->change.path, walk->change.count * sizeof *more);
        }
        walk->change.path = more;
        walk->room = room;
    }
    struct vh_change_path *entry = &walk->change.path[walk->change.count++];
    *entry = (struct vh_change_path){ .path = path, .kind = kind };
    return entry;
}

static size_t
index_of(const struct walk *walk, struct viv_str path)
{
    const struct vh_tree_entry *entry = vh_tree_find(&walk->list, path);
    return entry ? (size_t)(entry - walk->list.entry) : walk->list.count;
}

static viv_status
mark_gone(struct walk *walk, struct viv_str path, bool itself)
{
    size_t end = 0;
    size_t at = vh_tree_below(&walk->list, path, &end);
    size_t own = itself ? index_of(walk, path) : walk->list.count;
    if (own < walk->list.count) {
        walk->gone[own] = true;
    }
    for (; at < end; at++) {
        walk->gone[at] = true;
    }
    return VIV_OK;
}

static bool
has_attribute(struct walk *walk, int fd, const char *name, const char *value)
{
    static const char *const spaces[] = { "user.overlay.", "trusted.overlay." };
    const struct vh_seam *seam = walk->target->tools->seam;
    for (size_t i = 0; i < 2; i++) {
        char full[64];
        char found[8];
        strcpy(full, spaces[i]);
        strncat(full, name, sizeof full - strlen(full) - 1);
        ssize_t len = seam->get_attribute(seam->data, fd, full, found, sizeof found);
        bool there = len >= 0 || errno == ERANGE;
        if (there && (!value || (len == (ssize_t)strlen(value) && memcmp(found, value, (size_t)len) == 0))) {
            return true;
        }
    }
    return false;
}

static viv_status
check_bounds(struct walk *walk, size_t files, uint64_t bytes)
{
    if (files <= VIV_BASE_FILES_MAX && bytes <= VIV_BASE_BYTES_MAX) {
        return VIV_OK;
    }
    return vh_error_set(walk->err, VIV_E_LIMIT, "change",
                        "the result has %zu files and %llu bytes or more, allowed %d and %llu", files,
                        (unsigned long long)bytes, VIV_BASE_FILES_MAX, (unsigned long long)VIV_BASE_BYTES_MAX);
}

/* ---- one entry ---- */

static viv_status
add_content(struct walk *walk, struct viv_str path, const struct vh_tree_content *content)
{
    size_t own = index_of(walk, path);
    const struct vh_tree_entry *old = own < walk->list.count ? &walk->list.entry[own] : NULL;
    if (old) {
        walk->seen[own] = true;
    }
    if (old && old->mode == VH_TREE_MODULE) {
        return refuse(walk, path, "is a submodule; a task's result cannot replace it");
    }
    (void)mark_gone(walk, path, false); /* a folder of that name gave way to it */
    if (old && old->mode == content->mode && vh_git_same(&old->id, &content->id)) {
        return VIV_OK;
    }
    struct vh_change_path *entry = add(walk, path, old ? VH_CHANGE_MODIFIED : VH_CHANGE_ADDED);
    if (!entry) {
        return no_memory(walk);
    }
    entry->mode = content->mode;
    entry->size = content->size;
    entry->id = content->id;
    entry->target = content->target;
    memcpy(entry->digest, content->digest, sizeof entry->digest);
    if (old) {
        entry->old_mode = old->mode;
        entry->old_id = old->id;
    }
    walk->change.bytes += content->size;
    return check_bounds(walk, walk->change.count, walk->change.bytes);
}

/* Attributes of the overlay on a plain file: a whiteout, or content that lies elsewhere. */
static viv_status
file_marks(struct walk *walk, int dir, const char *name, struct viv_str path, bool *ret_whiteout)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    *ret_whiteout = false;
    int fd = seam->open(seam->data, dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return vh_error_errno(walk->err, VIV_E_IO, "change", "cannot open '%s'", name);
    }
    *ret_whiteout = has_attribute(walk, fd, "whiteout", NULL);
    bool elsewhere = has_attribute(walk, fd, "metacopy", NULL) || has_attribute(walk, fd, "redirect", NULL);
    seam->close(seam->data, fd);
    return elsewhere ? refuse(walk, path, "has its content elsewhere; the overlay must not redirect") : VIV_OK;
}

static viv_status
walk_file(struct walk *walk, int dir, const char *name, struct viv_str path, const struct stat *stat)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    struct vh_tree_content content;
    bool whiteout = false;
    viv_status status = VIV_OK;
    if (S_ISREG(stat->st_mode)) {
        if (!(stat->st_mode & S_IRUSR)) {
            (void)seam->chmod(seam->data, dir, name, (stat->st_mode & 0777) | S_IRUSR); /* else the open below says */
        }
        walk->change.stripped += (stat->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0;
        if (walk->form == VH_CHANGE_UPPER) {
            status = file_marks(walk, dir, name, path, &whiteout);
        }
    }
    if (status || whiteout) {
        return status ? status : mark_gone(walk, path, true);
    }
    if (walk->form == VH_CHANGE_UPPER) { /* before a huge file is read, not after */
        status = check_bounds(walk, walk->change.count + 1, walk->change.bytes + (uint64_t)stat->st_size);
    }
    status = status ? status : vh_tree_look(walk->target, walk->arena, dir, name, -1, &content, walk->err);
    return status ? status : add_content(walk, path, &content);
}

static viv_status walk_folder(struct walk *walk, int parent, const char *name, struct viv_str path, int depth);

/* Names that no result may hold. `ret_skip`: the private .git at the top, which never is part of it. */
static viv_status
check_name(struct walk *walk, struct viv_str path, const char *name, int depth, bool *ret_skip)
{
    *ret_skip = depth == 0 && strcmp(name, ".git") == 0;
    if (*ret_skip) {
        return VIV_OK;
    }
    if (path.len > VIV_PATH_MAX) {
        return vh_error_set(walk->err, VIV_E_LIMIT, "change", "a path has %llu bytes, allowed %d",
                            (unsigned long long)path.len, VIV_PATH_MAX);
    }
    if (!vh_layer_good_path(path)) {
        return refuse(walk, path, "is a git directory or named like one; a result must not hold it");
    }
    if (vh_target_hidden(walk->target, name)) {
        return refuse(walk, path, "belongs to the host; a result must not hold it");
    }
    return VIV_OK;
}

/* Whoever checks such a tree out is refused the whole of it. Its other spellings are those of file systems that fold
 * case or cut names; a few honest names more are no loss. */
static bool
git_refuses_link(const char *name)
{
    static const char *const starts[] = { ".gitmod", "gitmod~", "gi7eba" };
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (strncasecmp(name, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static viv_status
walk_entry(struct walk *walk, int dir, const char *name, struct viv_str folder, int depth)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    const char *text = folder.len ? vh_arena_format(walk->arena, "%s/%s", folder.data, name)
                                  : vh_arena_text(walk->arena, name);
    struct viv_str path = { text, text ? strlen(text) : 0 };
    struct stat stat;
    bool skip = false;
    viv_status status = text ? check_name(walk, path, name, depth, &skip) : no_memory(walk);
    if (status || skip) {
        return status;
    }
    if (seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        return vh_error_errno(walk->err, VIV_E_IO, "change", "cannot look at '%s'", text);
    }
    if (S_ISDIR(stat.st_mode)) {
        return walk_folder(walk, dir, name, path, depth + 1);
    }
    if (S_ISLNK(stat.st_mode) && git_refuses_link(name)) {
        return refuse(walk, path, "is a link named like .gitmodules, which git does not check out");
    }
    if (S_ISREG(stat.st_mode) || S_ISLNK(stat.st_mode)) {
        return walk_file(walk, dir, name, path, &stat);
    }
    if (walk->form == VH_CHANGE_UPPER && S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(0, 0)) {
        size_t own = index_of(walk, path);
        bool module = own < walk->list.count && walk->list.entry[own].mode == VH_TREE_MODULE;
        return module ? refuse(walk, path, "is a submodule; a task's result cannot delete it")
                      : mark_gone(walk, path, true);
    }
    return refuse(walk, path, S_ISFIFO(stat.st_mode)   ? "is a pipe; a result holds files and links only"
                              : S_ISSOCK(stat.st_mode) ? "is a socket; a result holds files and links only"
                                                       : "is a device; a result holds files and links only");
}

static viv_status
folder_marks(struct walk *walk, int fd, struct viv_str path, size_t names)
{
    size_t own = index_of(walk, path);
    if (own < walk->list.count && walk->list.entry[own].mode == VH_TREE_MODULE) {
        walk->seen[own] = true;
        return names ? refuse(walk, path, "is a submodule; a task's result cannot change what is in it") : VIV_OK;
    }
    if (own < walk->list.count) {
        walk->gone[own] = true; /* a file gave way to this folder */
    }
    if (walk->form != VH_CHANGE_UPPER || !path.len) {
        return VIV_OK;
    }
    if (has_attribute(walk, fd, "redirect", NULL)) {
        return refuse(walk, path, "was renamed by reference; the overlay must not redirect");
    }
    return has_attribute(walk, fd, "opaque", "y") ? mark_gone(walk, path, false) : VIV_OK;
}

static viv_status
walk_folder(struct walk *walk, int parent, const char *name, struct viv_str path, int depth)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    if (depth > DEPTH_MAX) {
        return vh_error_set(walk->err, VIV_E_LIMIT, "change", "folder '%.64s' is deeper than %d", path.data,
                            DEPTH_MAX);
    }
    struct vh_fs_names names = { 0 };
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    int dir = seam->open(seam->data, parent, name, flags, 0);
    if (dir < 0 && errno == EACCES && seam->chmod(seam->data, parent, name, 0700) == 0) {
        dir = seam->open(seam->data, parent, name, flags, 0);
    }
    if (dir < 0) {
        return vh_error_errno(walk->err, VIV_E_IO, "change", "cannot enter folder '%s'", name);
    }
    viv_status status = vh_fs_list(seam, walk->arena, dir, ".", &names, walk->err);
    status = status ? status : folder_marks(walk, dir, path, names.count);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = walk_entry(walk, dir, names.name[i], path, depth);
    }
    seam->close(seam->data, dir);
    return status;
}

/* ---- the whole ---- */

static int
by_path(const void *a, const void *b)
{
    const struct vh_change_path *x = a;
    const struct vh_change_path *y = b;
    return vh_str_compare(x->path, y->path);
}

static viv_status
add_deleted(struct walk *walk)
{
    for (size_t i = 0; i < walk->list.count; i++) {
        const struct vh_tree_entry *old = &walk->list.entry[i];
        bool missing = walk->gone[i] || walk->form == VH_CHANGE_COPY;
        if (walk->seen[i] || !missing || (old->mode == VH_TREE_MODULE && !walk->gone[i])) {
            continue;
        }
        if (old->mode == VH_TREE_MODULE) {
            return refuse(walk, old->path, "is a submodule; a task's result cannot delete it");
        }
        struct vh_change_path *entry = add(walk, old->path, VH_CHANGE_DELETED);
        if (!entry) {
            return no_memory(walk);
        }
        entry->old_mode = old->mode;
        entry->old_id = old->id;
    }
    return VIV_OK;
}

viv_status
vh_change_read(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base, int dir,
               enum vh_change_form form, struct vh_change *ret_change, struct viv_error *err)
{
    struct walk walk = { .target = target, .arena = arena, .err = err, .form = form };
    viv_status status = vh_layer_list(target, arena, &base->seen, &walk.list, err);
    if (status) {
        return status;
    }
    walk.seen = vh_arena_array(arena, walk.list.count + 1, sizeof *walk.seen);
    walk.gone = vh_arena_array(arena, walk.list.count + 1, sizeof *walk.gone);
    if (!walk.seen || !walk.gone) {
        return no_memory(&walk);
    }
    status = walk_folder(&walk, dir, ".", (struct viv_str){ "", 0 }, 0);
    status = status ? status : add_deleted(&walk);
    if (status) {
        return status;
    }
    if (walk.change.count) {
        qsort(walk.change.path, walk.change.count, sizeof *walk.change.path, by_path);
    }
    *ret_change = walk.change;
    return VIV_OK;
}
