/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a plain folder, reads what it does not know yet, and moves the folder's reference by compare-and-set. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/str.h"
#include "base_dirty.h"
#include "folder_cache.h"
#include "import.h"
#include <viv/limits.h>

#define DEPTH_MAX 128
#define TRIES_MAX 3 /* of a folder that changes while it is read */

struct found {
    struct viv_str path;
    struct stat stat;
    struct vh_git_id id; /* "" until read */
};

struct walk {
    struct vh_target *target;
    struct vh_arena *arena;
    const struct vh_base_options *options;
    struct viv_error *err;
    struct found *found;
    size_t count;
    size_t room;
    uint64_t bytes;
    struct vh_base_path *skipped;
    size_t skipped_count;
    size_t skipped_room;
    struct stat home;
    bool careful; /* permission bits did not tell the truth: try each file */
};

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "folder", "no memory for the list of a folder");
}

/* Room for one more element; `room` doubles. */
static void *
grown(struct vh_arena *arena, void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return list;
    }
    size_t more = *room ? *room * 2 : 64;
    char *bigger = vh_arena_array(arena, more, size);
    if (bigger && count) {
        memcpy(bigger, list, count * size);
    }
    *room = bigger ? more : *room;
    return bigger;
}

static viv_status
skip(struct walk *walk, struct viv_str path, const char *what)
{
    walk->skipped = grown(walk->arena, walk->skipped, walk->skipped_count, &walk->skipped_room,
                          sizeof *walk->skipped);
    if (!walk->skipped) {
        return no_memory(walk->err);
    }
    walk->skipped[walk->skipped_count++] = (struct vh_base_path){ path, what };
    return VIV_OK;
}

static viv_status
add_file(struct walk *walk, struct viv_str path, const struct stat *stat)
{
    walk->found = grown(walk->arena, walk->found, walk->count, &walk->room, sizeof *walk->found);
    if (!walk->found) {
        return no_memory(walk->err);
    }
    walk->found[walk->count++] = (struct found){ .path = path, .stat = *stat };
    walk->bytes += (uint64_t)stat->st_size;
    return vh_base_bounds(walk->options, walk->count, walk->bytes, VH_BASE_CURE, walk->err);
}

/* Only a file that some are kept from is tried: with a large folder the others cost nothing. */
static bool
unreadable(const struct walk *walk, int dir, const char *name, const struct stat *stat)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    if (!S_ISREG(stat->st_mode) || (!walk->careful && (stat->st_mode & 0444) == 0444)) {
        return false;
    }
    int fd = seam->open(seam->data, dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    return fd < 0 && errno == EACCES;
}

static viv_status walk_folder(struct walk *walk, int dir, const char *name, struct viv_str path, int depth);

static viv_status
walk_entry(struct walk *walk, int dir, const char *name, struct viv_str folder, int depth)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    const char *text = folder.len ? vh_arena_format(walk->arena, "%s/%s", folder.data, name)
                                  : vh_arena_text(walk->arena, name);
    struct viv_str path = { text, text ? strlen(text) : 0 };
    struct stat stat;
    if (!text) {
        return no_memory(walk->err);
    }
    if (path.len > VIV_PATH_MAX) {
        return vh_error_set(walk->err, VIV_E_LIMIT, "folder", "a path has %llu bytes, allowed %d",
                            (unsigned long long)path.len, VIV_PATH_MAX);
    }
    if (seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW)) {
        return errno == ENOENT   ? VIV_OK
               : errno == EACCES ? skip(walk, path, "unreadable")
                                 : vh_error_errno(walk->err, VIV_E_IO, "folder", "cannot look at '%s'", text);
    }
    if (unreadable(walk, dir, name, &stat)) {
        return skip(walk, path, "unreadable");
    }
    if (S_ISREG(stat.st_mode) || S_ISLNK(stat.st_mode)) {
        return add_file(walk, path, &stat);
    }
    bool home = stat.st_dev == walk->home.st_dev && stat.st_ino == walk->home.st_ino;
    if (home) {
        return VIV_OK;
    }
    return S_ISDIR(stat.st_mode) ? walk_folder(walk, dir, name, path, depth + 1) : skip(walk, path, "skipped");
}

static viv_status
walk_folder(struct walk *walk, int parent, const char *name, struct viv_str path, int depth)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    if (depth > DEPTH_MAX) {
        return vh_error_set(walk->err, VIV_E_LIMIT, "folder", "folder '%.64s' is deeper than %d", path.data,
                            DEPTH_MAX);
    }
    struct vh_fs_names names = { 0 };
    int dir = seam->open(seam->data, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (dir < 0) {
        return errno == EACCES && path.len ? skip(walk, path, "unreadable")
                                           : vh_error_errno(walk->err, VIV_E_IO, "folder", "cannot enter folder '%s'",
                                                            name);
    }
    viv_status status = vh_fs_list(seam, walk->arena, dir, ".", &names, walk->err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        if (!vh_target_hidden(walk->target, names.name[i])) {
            status = walk_entry(walk, dir, names.name[i], path, depth);
        } else if (path.len) { /* a repository inside: its files are files, its .git is not */
            const char *text = vh_arena_format(walk->arena, "%s/%s", path.data, names.name[i]);
            status = text ? skip(walk, vh_str(text), "skipped") : no_memory(walk->err);
        }
    }
    seam->close(seam->data, dir);
    return status;
}

static uint32_t
mode_of(const struct stat *stat)
{
    return S_ISLNK(stat->st_mode) ? VH_TREE_LINK : stat->st_mode & S_IXUSR ? VH_TREE_PROGRAM : VH_TREE_FILE;
}

static void
import_found(struct vh_import *import, struct walk *walk, int root, struct found *found)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    if (found->id.hex[0]) {
        vh_import_known(import, found->path, mode_of(&found->stat), &found->id);
        return;
    }
    struct vh_tree_content content = { .mode = mode_of(&found->stat), .size = (uint64_t)found->stat.st_size };
    int dir = -1;
    const char *name = NULL;
    viv_status status = vh_tree_parent(walk->target, root, found->path, false, &dir, &name, walk->err);
    if (status) {
        import->status = import->status ? import->status : VIV_E_CONFLICT;
        return;
    }
    vh_import_file(import, found->path, dir, name, &content);
    seam->close(seam->data, dir);
    found->id = content.id;
    found->stat = import->status == VIV_OK ? content.stat : found->stat;
    if (import->status == VIV_E_NOT_FOUND) {
        import->status = VIV_E_CONFLICT; /* it went away after it was listed */
    }
}

static void
digest_list(const struct walk *walk, char ret_hex[VH_HASH_HEX])
{
    struct vh_hasher hasher;
    struct vh_hash hash;
    ret_hex[0] = '\0';
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, walk->options->scope.data, (size_t)walk->options->scope.len);
    vh_hasher_add(&hasher, "", 1); /* so that 'a' with 'a/x' is not nothing with 'aa/x' */
    for (size_t i = 0; i < walk->count; i++) {
        uint32_t mode = mode_of(&walk->found[i].stat);
        vh_hasher_add(&hasher, walk->found[i].path.data, (size_t)walk->found[i].path.len + 1);
        vh_hasher_add(&hasher, &mode, sizeof mode);
        vh_hasher_add(&hasher, walk->found[i].id.hex, strlen(walk->found[i].id.hex) + 1);
    }
    if (vh_hasher_finish(&hasher, &hash)) {
        vh_hash_hex(&hash, ret_hex);
    }
}

/* The reference moves only from where it was when the walk began; without a change it stays. */
static viv_status
move_reference(struct walk *walk, const char *temporary, const struct vh_git_id *commit, bool same)
{
    struct vh_target *target = walk->target;
    const char *old = target->head.hex[0] ? target->head.hex : VH_GIT_ZEROS;
    const char *input = same ? vh_arena_format(walk->arena, "delete %s\n", temporary)
                             : vh_arena_format(walk->arena, "start\nupdate %s %s %.*s\ndelete %s\nprepare\ncommit\n",
                                               target->branch, commit->hex, target->hex_len, old, temporary);
    const char *words[] = { "update-ref", "--stdin", NULL };
    if (!input) {
        return no_memory(walk->err);
    }
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words, .input = vh_str(input) };
    viv_status status = vh_git_run(target, walk->arena, &ask, NULL, walk->err);
    if (status == VIV_OK && !same) {
        target->head = *commit;
    }
    return status == VIV_E_IO ? VIV_E_CONFLICT : status;
}

static viv_status
import_walk(struct walk *walk, int root, const char *temporary, struct vh_git_id *ret_commit, bool *ret_same)
{
    struct vh_target *target = walk->target;
    struct vh_import import;
    struct vh_git_id tree;
    struct vh_git_id before = { { 0 } };
    int64_t time_s = 0;
    struct vh_import_head head = { .ref = temporary, .time_s = walk->options->time_s, .parent = &target->head,
                                   .message = VH_STR("Snapshot of the folder\n") };
    vh_import_begin(&import, target, walk->arena, VH_GIT_REFS, &head, walk->err);
    if (walk->options->scope.len) {
        vh_import_delete(&import, walk->options->scope); /* what lies elsewhere stays as it was read last */
    } else {
        vh_import_clear(&import);
    }
    for (size_t i = 0; i < walk->count && import.status == VIV_OK; i++) {
        import_found(&import, walk, root, &walk->found[i]);
    }
    viv_status status = vh_import_finish(&import, ret_commit, &tree);
    if (status == VIV_OK && target->head.hex[0]) {
        status = vh_base_of_commit(target, walk->arena, &target->head, &before, &time_s, walk->err);
    }
    *ret_same = status == VIV_OK && vh_git_same(&before, &tree);
    return status;
}

static viv_status
remember(struct walk *walk, struct vh_folder_cache *cache, const char *list)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    int64_t now_us = seam->wall_us(seam->data);
    struct vh_folder_cache now = { .room = walk->count, .commit = walk->target->head };
    now.known = vh_arena_array(walk->arena, walk->count + 1, sizeof *now.known);
    if (!now.known) {
        return no_memory(walk->err);
    }
    memcpy(now.list, list, sizeof now.list);
    for (size_t i = 0; i < walk->count; i++) {
        vh_folder_cache_add(&now, &walk->found[i].stat, &walk->found[i].id, now_us);
    }
    *cache = now;
    return vh_folder_cache_write(walk->target, walk->arena, cache, walk->err);
}

static viv_status
take(struct walk *walk, int root)
{
    struct vh_target *target = walk->target;
    const struct vh_seam *seam = target->tools->seam;
    struct vh_folder_cache cache;
    struct vh_git_id commit;
    char list[VH_HASH_HEX];
    bool known = true;
    bool same = false;
    uint64_t tag = 0;
    viv_status status = vh_folder_cache_read(target, walk->arena, &cache, walk->err);
    for (size_t i = 0; i < walk->count && status == VIV_OK; i++) {
        const char *id = vh_folder_cache_find(&cache, &walk->found[i].stat);
        known = known && id;
        snprintf(walk->found[i].id.hex, sizeof walk->found[i].id.hex, "%s", id ? id : "");
    }
    digest_list(walk, list);
    if (status || (known && target->head.hex[0] && vh_git_same(&cache.commit, &target->head) &&
                   strcmp(cache.list, list) == 0)) {
        return status;
    }
    const char *temporary = NULL;
    if (seam->random(seam->data, &tag, sizeof tag) == 0) {
        temporary = vh_arena_format(walk->arena, "refs/viv/taking/%016llx", (unsigned long long)tag);
    }
    if (!temporary) {
        return no_memory(walk->err);
    }
    status = import_walk(walk, root, temporary, &commit, &same);
    status = status ? status : move_reference(walk, temporary, &commit, same);
    if (status) {
        return status;
    }
    digest_list(walk, list);
    return remember(walk, &cache, list);
}

/* All of the folder, or what lies in the scope. */
static viv_status
walk_all(struct walk *walk, int root)
{
    const struct vh_seam *seam = walk->target->tools->seam;
    int dir = -1;
    const char *name = NULL;
    char *scope = vh_arena_text_of(walk->arena, walk->options->scope);
    if (!scope) {
        return no_memory(walk->err);
    }
    if (!*scope) {
        return walk_folder(walk, root, ".", (struct viv_str){ NULL, 0 }, 0);
    }
    viv_status status = vh_tree_parent(walk->target, root, vh_str(scope), false, &dir, &name, walk->err);
    if (status == VIV_OK) {
        status = walk_folder(walk, dir, name, vh_str(scope), 0);
        seam->close(seam->data, dir);
    }
    return status;
}

static viv_status
try_once(struct walk *walk)
{
    const struct vh_git_tools *tools = walk->target->tools;
    const struct vh_seam *seam = tools->seam;
    if (seam->fstat(seam->data, tools->home, &walk->home)) {
        return vh_error_errno(walk->err, VIV_E_IO, "folder", "cannot look at the home");
    }
    int root = seam->open(seam->data, AT_FDCWD, walk->target->root, O_RDONLY | O_DIRECTORY, 0);
    if (root < 0) {
        return vh_error_errno(walk->err, VIV_E_IO, "folder", "cannot open '%s'", walk->target->root);
    }
    viv_status status = walk_all(walk, root);
    if (status == VIV_OK) {
        status = take(walk, root);
    }
    seam->close(seam->data, root);
    return status;
}

viv_status
vh_folder_snapshot(struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
                   struct vh_base *base, struct viv_error *err)
{
    viv_status status = VIV_E_CONFLICT;
    bool careful = false;
    struct walk walk;
    for (int i = 0; i < TRIES_MAX && (status == VIV_E_CONFLICT || status == VIV_E_DENIED); i++) {
        careful = careful || status == VIV_E_DENIED;
        walk = (struct walk){ .target = target, .arena = arena, .options = options, .err = err, .careful = careful };
        status = vh_target_refresh(target, arena, err);
        status = status ? status : try_once(&walk);
    }
    if (status) {
        return vh_error_extend(err, status, "folder '%s'", target->root);
    }
    base->path = walk.skipped;
    base->count = walk.skipped_count;
    return VIV_OK;
}
