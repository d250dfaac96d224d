/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of trees. An entry's folder is named after its tree and holds:
 *
 *   root/   files, or only what differs from the entry that the stamp names
 *   list    the whole list, as `ls-tree -r -z` writes it, without what a task never sees
 *   stamp   {"boot":"ID or empty","files":N,"parent":"TREE or empty","time_s":T,"tree":"TREE"}
 *
 * Entries never change after the rename that makes them visible. A whole entry is synced before it. A layer is not:
 * syncing the file system for a file or two would have every task pay for whatever else the machine writes. A crash of
 * the host loses nothing of it; a power cut can, so its stamp names the start of the machine ("boot"), no other start
 * uses it, and the host's next start removes it. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "layer_write.h"
#include "target.h"
#include "tree_users.h"
#include <viv/limits.h>

#define LIST_MAX (256u << 20)
#define STAMP_MAX 4096
#define CHANGES_MAX 2000 /* more than this and a whole copy is about as cheap */
#define NEW_PREFIX ".new-"
#define WHOLE_PREFIX "whole-"

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "layer", "no memory for a tree");
}

/* ---- looking ---- */

/* The stamp's parent; false when there is no entry of that name that is all there. What is there stays as long as the
 * target's user does. */
static bool
read_stamp(const struct vh_target *target, struct vh_arena *arena, const char *prefix, const struct vh_git_id *tree,
           struct vh_git_id *ret_parent)
{
    struct viv_str text;
    struct vh_json *stamp = NULL;
    const struct vh_git_tools *tools = target->tools;
    const char *name = vh_arena_format(arena, "%s%s", prefix, tree->hex);
    const char *path = name ? vh_arena_format(arena, "trees/%s/stamp", name) : NULL;
    *ret_parent = (struct vh_git_id){ { 0 } };
    if (!path || vh_fs_read(tools->seam, arena, tools->home, path, STAMP_MAX, &text, NULL) ||
        vh_json_read(arena, text, &stamp, NULL) || !vh_str_is(vh_json_str(stamp, "tree"), tree->hex)) {
        return false;
    }
    struct viv_str boot = vh_json_str(stamp, "boot");
    char now[VH_LAYER_BOOT];
    vh_layer_boot(tools->seam, now);
    if (boot.len && !vh_str_is(boot, now)) {
        return false;
    }
    struct viv_str parent = vh_json_str(stamp, "parent");
    (void)tools->seam->utimens(tools->seam->data, tools->home, path, NULL); /* for gc: a hint, it was used */
    vh_tree_user_keep(target->user, name);
    return parent.len == 0 || vh_git_parse_id(parent, ret_parent);
}

/* Newest first. `ret_layers->count` 0 when the entry, or one below it, is missing. */
static viv_status
find_stack(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
           struct vh_layers *ret_layers, struct viv_error *err)
{
    struct vh_layers layers = { .path = vh_arena_array(arena, VIV_LAYERS_MAX, sizeof *layers.path) };
    struct vh_git_id at = *tree;
    *ret_layers = (struct vh_layers){ 0 };
    if (!layers.path) {
        return no_memory(err);
    }
    while (at.hex[0]) {
        struct vh_git_id parent;
        if (layers.count == VIV_LAYERS_MAX || !read_stamp(target, arena, "", &at, &parent)) {
            return VIV_OK;
        }
        const char *path = vh_arena_format(arena, "%s/trees/%s/root", target->tools->home_path, at.hex);
        if (!path) {
            return no_memory(err);
        }
        layers.path[layers.count++] = path;
        layers.bottom = at;
        at = parent;
    }
    *ret_layers = layers;
    return VIV_OK;
}

/* One folder that holds all of the tree; none gives count 0. */
static viv_status
find_whole(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
           struct vh_layers *ret_layers, struct viv_error *err)
{
    struct vh_git_id parent;
    viv_status status = find_stack(target, arena, tree, ret_layers, err);
    if (status || ret_layers->count == 1) {
        return status;
    }
    *ret_layers = (struct vh_layers){ .path = vh_arena_array(arena, 1, sizeof *ret_layers->path), .bottom = *tree };
    const char *path = vh_arena_format(arena, "%s/trees/" WHOLE_PREFIX "%s/root", target->tools->home_path, tree->hex);
    if (!ret_layers->path || !path) {
        return no_memory(err);
    }
    ret_layers->path[0] = path;
    ret_layers->count = read_stamp(target, arena, WHOLE_PREFIX, tree, &parent);
    return VIV_OK;
}

/* What no task ever sees: a home that somebody committed, our own staging folders. */
static void
drop_hidden(const struct vh_target *target, struct vh_tree *tree)
{
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++) {
        struct viv_str path = tree->entry[i].path;
        if (!vh_target_hides(target, path) || !vh_layer_good_path(path)) {
            tree->entry[kept++] = tree->entry[i]; /* ".git" stays, to be refused by name */
        }
    }
    tree->count = kept;
}

viv_status
vh_layer_list(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
              struct vh_tree *ret_tree, struct viv_error *err)
{
    const struct vh_git_tools *tools = target->tools;
    struct viv_str text;
    const char *path = vh_arena_format(arena, "trees/%s/list", tree->hex);
    if (!path) {
        return no_memory(err);
    }
    if (tree->hex[0] && vh_fs_read(tools->seam, arena, tools->home, path, LIST_MAX, &text, NULL) == VIV_OK) {
        return vh_tree_parse(arena, text, ret_tree, err);
    }
    viv_status status = vh_tree_list(target, arena, tree, ret_tree, err);
    if (status == VIV_OK) {
        drop_hidden(target, ret_tree);
    }
    return status;
}

/* ---- making ---- */

struct making {
    const struct vh_target *target;
    struct vh_arena *arena;
    struct viv_error *err;
    const struct vh_git_id *tree; /* its name in the cache */
    struct vh_git_id wanted;      /* "" for the empty one */
    struct vh_git_id parent;      /* "" for a whole entry */
    int64_t time_s;
    struct vh_tree list;
    struct vh_tree_diff diff; /* against the parent's list */
    const char *name;         /* "trees/.new-..." */
    const char *prefix;       /* of its final name: "" or "whole-" */
    char boot[VH_LAYER_BOOT]; /* "" for what is synced */
};

static viv_status
write_whole(struct making *making, struct vh_layer_writer *writer)
{
    const struct vh_tree_entry **want = vh_arena_array(making->arena, making->list.count + 1, sizeof *want);
    if (!want) {
        return no_memory(making->err);
    }
    for (size_t i = 0; i < making->list.count; i++) {
        want[i] = &making->list.entry[i];
    }
    return vh_layer_write(writer, want, making->list.count, making->err);
}

/* Where the mark for a path that is gone belongs: at its highest folder of which nothing is left. Empty when
 * something new stands there or above and hides it anyway. */
static struct viv_str
place_of_mark(const struct vh_tree *list, struct viv_str path)
{
    size_t end = 0;
    for (uint64_t len = 1; len <= path.len; len++) {
        if (len < path.len && path.data[len] != '/') {
            continue;
        }
        struct viv_str part = { path.data, len };
        if (vh_tree_find(list, part)) {
            return (struct viv_str){ NULL, 0 };
        }
        if (vh_tree_below(list, part, &end) == end) {
            return part;
        }
    }
    return (struct viv_str){ NULL, 0 }; /* a folder took the place of a file */
}

static viv_status
write_layer(struct making *making, struct vh_layer_writer *writer)
{
    const struct vh_tree_entry **want = vh_arena_array(making->arena, making->diff.count + 1, sizeof *want);
    struct viv_str last = { NULL, 0 };
    size_t count = 0;
    viv_status status = want ? VIV_OK : no_memory(making->err);
    for (size_t i = 0; i < making->diff.count && status == VIV_OK; i++) {
        if (making->diff.change[i].now) {
            want[count++] = making->diff.change[i].now;
        }
    }
    status = status ? status : vh_layer_write(writer, want, count, making->err);
    for (size_t i = 0; i < making->diff.count && status == VIV_OK; i++) {
        const struct vh_tree_change *change = &making->diff.change[i];
        if (change->now) {
            continue;
        }
        struct viv_str mark = place_of_mark(&making->list, change->old->path);
        if (mark.len && !vh_str_equal(mark, last)) {
            mark.data = vh_arena_text_of(making->arena, mark);
            status = mark.data ? vh_layer_whiteout(writer, mark, making->err) : no_memory(making->err);
            last = mark;
        }
    }
    return status;
}

static viv_status
write_root(struct making *making)
{
    const struct vh_git_tools *tools = making->target->tools;
    const struct vh_seam *seam = tools->seam;
    const char *path = vh_arena_format(making->arena, "%s/root", making->name);
    struct vh_layer_writer writer;
    if (!path) {
        return no_memory(making->err);
    }
    viv_status status = vh_fs_make_folders(seam, tools->home, path, 0755, making->err);
    if (status) {
        return status;
    }
    int root = seam->open(seam->data, tools->home, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (root < 0 || seam->chmod(seam->data, tools->home, path, 0755)) {
        return vh_error_errno(making->err, VIV_E_IO, "layer", "cannot make '%s'", path);
    }
    vh_layer_writer_init(&writer, making->target, making->arena, root, making->time_s);
    status = making->parent.hex[0] ? write_layer(making, &writer) : write_whole(making, &writer);
    viv_status ended = vh_layer_writer_finish(&writer, status ? NULL : making->err);
    seam->close(seam->data, root);
    return status ? status : ended;
}

static viv_status
write_beside(struct making *making, const char *file, struct viv_str text)
{
    const struct vh_git_tools *tools = making->target->tools;
    const struct vh_seam *seam = tools->seam;
    const char *path = vh_arena_format(making->arena, "%s/%s", making->name, file);
    if (!path || (!text.data && text.len)) {
        return no_memory(making->err);
    }
    int fd = seam->open(seam->data, tools->home, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        return vh_error_errno(making->err, VIV_E_IO, "layer", "cannot make '%s'", path);
    }
    viv_status status = vh_fs_write_all(seam, fd, text, making->err);
    seam->close(seam->data, fd);
    return status;
}

static viv_status
write_list(struct making *making)
{
    struct vh_buf buf;
    vh_buf_init(&buf, making->arena, LIST_MAX);
    for (size_t i = 0; i < making->list.count; i++) {
        const struct vh_tree_entry *entry = &making->list.entry[i];
        const char *kind = entry->mode == VH_TREE_MODULE ? "commit" : "blob";
        vh_buf_format(&buf, "%06o %s %s\t", entry->mode, kind, entry->id.hex);
        vh_buf_add(&buf, entry->path.data, (size_t)entry->path.len + 1);
    }
    return buf.failed ? no_memory(making->err) : write_beside(making, "list", vh_buf_view(&buf));
}

static viv_status
write_stamp(struct making *making)
{
    struct vh_json *stamp = vh_json_object(making->arena);
    vh_json_set_text(making->arena, stamp, "boot", making->boot);
    vh_json_set_int(making->arena, stamp, "files", (int64_t)making->list.count);
    vh_json_set_text(making->arena, stamp, "parent", making->parent.hex);
    vh_json_set_int(making->arena, stamp, "time_s", making->time_s);
    vh_json_set_text(making->arena, stamp, "tree", making->tree->hex);
    struct viv_str text = vh_json_print(making->arena, stamp);
    return text.len ? write_beside(making, "stamp", text) : no_memory(making->err);
}

/* One sync of the file system instead of one for each file, then the name. A layer only gets its name. */
static viv_status
put_in_place(struct making *making)
{
    const struct vh_git_tools *tools = making->target->tools;
    const struct vh_seam *seam = tools->seam;
    const char *path = vh_arena_format(making->arena, "trees/%s%s", making->prefix, making->tree->hex);
    if (!path) {
        return no_memory(making->err);
    }
    VH_PLACE(seam, "layer.written");
    if (!making->boot[0] && seam->sync_all(seam->data, tools->home)) {
        return vh_error_errno(making->err, VIV_E_IO, "layer", "cannot sync tree '%s'", making->tree->hex);
    }
    VH_PLACE(seam, "layer.synced");
    if (seam->rename(seam->data, tools->home, making->name, tools->home, path, RENAME_NOREPLACE)) {
        if (errno == EEXIST) { /* another worker was first; its entry is as good */
            return vh_fs_remove_tree(seam, tools->home, making->name, making->err);
        }
        return vh_error_errno(making->err, VIV_E_IO, "layer", "cannot put tree '%s' in place", making->tree->hex);
    }
    VH_PLACE(seam, "layer.renamed");
    if (making->target->user) {
        atomic_fetch_add(&making->target->user->users->made, 1);
    }
    return making->boot[0] ? VIV_OK : vh_fs_sync_folder(seam, tools->home, "trees", making->err);
}

static viv_status
make_entry(struct making *making)
{
    const struct vh_git_tools *tools = making->target->tools;
    const struct vh_seam *seam = tools->seam;
    uint64_t tag = 0;
    if (seam->random(seam->data, &tag, sizeof tag)) {
        return vh_error_errno(making->err, VIV_E_IO, "layer", "no random bytes for a name");
    }
    if (making->parent.hex[0]) {
        vh_layer_boot(seam, making->boot); /* unknown: synced like a whole one */
    }
    making->name = vh_arena_format(making->arena, "trees/" NEW_PREFIX "%016llx", (unsigned long long)tag);
    if (!making->name) {
        return no_memory(making->err);
    }
    viv_status status = write_root(making);
    status = status ? status : write_list(making);
    status = status ? status : write_stamp(making);
    status = status ? status : put_in_place(making);
    if (status) {
        (void)vh_fs_remove_tree(seam, tools->home, making->name, NULL); /* vh_layer_clean does it otherwise */
    }
    return status;
}

/* A parent to layer over, and not too different. Where its stack is as high as stacks get, a new one is begun on the
 * same bottom: its first layer has all that differs by now, which is less than everything. */
static viv_status
choose_parent(struct making *making, const struct vh_git_id *near)
{
    struct vh_layers below;
    struct vh_tree list;
    if (!near || !near->hex[0] || vh_git_same(near, making->tree)) {
        return VIV_OK;
    }
    viv_status status = find_stack(making->target, making->arena, near, &below, making->err);
    if (status || below.count == 0) {
        return status;
    }
    const struct vh_git_id *parent = below.count < VIV_LAYERS_MAX ? near : &below.bottom;
    status = vh_layer_list(making->target, making->arena, parent, &list, making->err);
    status = status ? status : vh_tree_diff(making->arena, &list, &making->list, &making->diff, making->err);
    if (status == VIV_OK && making->diff.count <= CHANGES_MAX && making->diff.count <= making->list.count / 2 + 8) {
        making->parent = *parent;
    }
    return status;
}

/* The tree that was wanted last in this home, when the caller's near one is none, the same or not there. */
static void
read_recent(const struct vh_git_tools *tools, struct vh_arena *arena, struct vh_git_id *ret_tree)
{
    struct viv_str text;
    *ret_tree = (struct vh_git_id){ { 0 } };
    if (vh_fs_read(tools->seam, arena, tools->home, "trees/recent", STAMP_MAX, &text, NULL) == VIV_OK) {
        (void)vh_git_parse_id(text, ret_tree); /* stays "" when it is damaged */
    }
}

/* Only a hint, so without a sync: when it is lost or damaged, the next tree is written whole. */
static void
write_recent(const struct vh_git_tools *tools, const struct vh_git_id *tree)
{
    const struct vh_seam *seam = tools->seam;
    int fd = seam->open(seam->data, tools->home, "trees/recent", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        size_t len = strlen(tree->hex);
        ssize_t put = seam->pwrite(seam->data, fd, tree->hex, len, 0);
        (void)seam->truncate(seam->data, fd, put == (ssize_t)len ? put : 0); /* nothing rather than half a name */
        seam->close(seam->data, fd);
    }
}

static viv_status
materialise(struct making *making, const struct vh_git_id *near, struct vh_layers *ret_layers)
{
    const struct vh_target *target = making->target;
    struct viv_error *err = making->err;
    struct vh_git_id recent;
    struct vh_layers there;
    viv_status (*find)(const struct vh_target *, struct vh_arena *, const struct vh_git_id *, struct vh_layers *,
                       struct viv_error *) = near ? find_stack : find_whole;
    viv_status status = find(target, making->arena, making->tree, ret_layers, err);
    if (status || ret_layers->count) {
        return status;
    }
    status = find_stack(target, making->arena, making->tree, &there, err);
    making->prefix = there.count ? WHOLE_PREFIX : ""; /* only a layer of it is there */
    status = status ? status : vh_layer_list(target, making->arena, &making->wanted, &making->list, err);
    status = status ? status : choose_parent(making, near);
    if (status == VIV_OK && near && !making->parent.hex[0]) {
        read_recent(target->tools, making->arena, &recent);
        status = choose_parent(making, &recent);
    }
    status = status ? status : make_entry(making);
    if (status) {
        return vh_error_extend(err, status, "tree '%.12s'", making->tree->hex);
    }
    if (making->wanted.hex[0]) {
        write_recent(target->tools, making->tree);
    }
    status = find(target, making->arena, making->tree, ret_layers, err);
    if (status == VIV_OK && ret_layers->count == 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "layer", "tree '%.12s' in the cache is not whole; remove its folder",
                            making->tree->hex);
    }
    return status;
}

viv_status
vh_layer_materialise(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                     const struct vh_git_id *near, int64_t time_s, struct vh_layers *ret_layers,
                     struct viv_error *err)
{
    static const struct vh_git_id nothing = { "empty" };
    struct making making = { .target = target, .arena = arena, .err = err, .time_s = time_s, .prefix = "",
                             .tree = tree->hex[0] ? tree : &nothing, .wanted = *tree };
    struct vh_tree_user *user = target->user;
    if (user) {
        pthread_rwlock_rdlock(&user->users->lock);
    }
    viv_status status = materialise(&making, near, ret_layers);
    if (user) {
        pthread_rwlock_unlock(&user->users->lock);
    }
    return status == VIV_OK && user && user->failed ? no_memory(err) : status;
}
