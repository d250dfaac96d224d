/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of a move: HOME/store/moves/KEY.json, one per checkout or folder. Written once before the lock, so that
 * a lock left behind is known as ours, and again with the paths before anything of the person's is touched. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"

#define JOURNAL_MAX (256u << 20)

static viv_status
no_memory(struct vh_move *move)
{
    return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory for the journal of a move");
}

const char *
vh_move_journal_path(const struct vh_target *target, struct vh_arena *arena)
{
    char key[VH_HASH_HEX];
    vh_hash_text(vh_str(target->kind == VH_TARGET_FOLDER ? target->root : target->git_dir), key);
    return vh_arena_format(arena, "store/moves/%.16s.json", key);
}

/* Names what is used from now on: journal and staging folder, on the file system of what moves. */
viv_status
vh_move_journal_name(struct vh_move *move)
{
    const struct vh_target *target = move->target;
    const struct vh_seam *seam = target->tools->seam;
    bool folder = target->kind == VH_TARGET_FOLDER;
    uint64_t tag = 0;
    struct stat root;
    struct stat near;
    const char *place = folder ? vh_arena_format(move->arena, "%s/work", target->tools->home_path) : target->git_dir;
    if (!place || seam->random(seam->data, &tag, sizeof tag)) {
        return no_memory(move);
    }
    (void)seam->mkdir(seam->data, target->tools->home, "work", 0700); /* seen below when it is not there */
    bool same = seam->fstat(seam->data, move->root, &root) == 0 &&
                seam->stat(seam->data, AT_FDCWD, place, &near, 0) == 0 && root.st_dev == near.st_dev;
    move->journal = vh_move_journal_path(target, move->arena);
    move->stage = vh_arena_format(move->arena, "%s/%sviv-stage-%016llx", same ? place : target->root, same ? "" : ".",
                                  (unsigned long long)tag);
    move->stage_new = move->stage ? vh_arena_format(move->arena, "%s.new", move->stage) : NULL;
    return move->journal && move->stage_new ? VIV_OK : no_memory(move);
}

static void
set_path(struct vh_arena *arena, struct vh_json *object, const char *key, const char *path)
{
    vh_json_set_str(arena, object, key, vh_tree_escape(arena, vh_str(path)));
}

static struct vh_json *
path_json(struct vh_arena *arena, const struct vh_move_path *path)
{
    struct vh_json *object = vh_json_object(arena);
    vh_json_set_str(arena, object, "path", vh_tree_escape(arena, path->path));
    vh_json_set_int(arena, object, "old_mode", path->old_mode);
    vh_json_set_int(arena, object, "now_mode", path->now_mode);
    vh_json_set_int(arena, object, "file_mode", path->file_mode);
    vh_json_set_int(arena, object, "seen_mode", path->seen_mode);
    vh_json_set_text(arena, object, "old", path->old.hex);
    vh_json_set_text(arena, object, "now", path->now.hex);
    vh_json_set_text(arena, object, "file", path->file.hex);
    vh_json_set_text(arena, object, "seen", path->seen.hex);
    vh_json_set_int(arena, object, "already", path->already);
    vh_json_set_int(arena, object, "there", path->stat_known);
    return object;
}

viv_status
vh_move_journal_write(struct vh_move *move)
{
    const struct vh_git_tools *tools = move->target->tools;
    struct vh_arena *arena = move->arena;
    struct vh_json *object = vh_json_object(arena);
    struct vh_json *paths = vh_json_array(arena);
    for (size_t i = 0; i < move->count; i++) {
        vh_json_push(paths, path_json(arena, &move->path[i]));
    }
    vh_json_set(object, "paths", paths);
    vh_json_set_int(arena, object, "version", 1);
    set_path(arena, object, "root", move->target->root);
    set_path(arena, object, "branch", move->branch);
    set_path(arena, object, "stage", move->stage);
    set_path(arena, object, "lock", move->lock ? move->lock : "");
    /* As text: inode numbers may be larger than a JSON number keeps exact. */
    vh_json_set_text(arena, object, "lock_ino", vh_arena_format(arena, "%llu", (unsigned long long)move->lock_ino));
    vh_json_set_text(arena, object, "old", move->old.hex);
    vh_json_set_text(arena, object, "now", move->now.hex);
    set_path(arena, object, "task", move->task);
    struct viv_str text = vh_json_print(arena, object);
    if (!text.len) {
        return no_memory(move);
    }
    viv_status status = vh_fs_keep_folders(tools->seam, tools->home, "store/moves", 0700, move->err);
    return status ? status : vh_fs_replace(tools->seam, tools->home, move->journal, text, 0600, move->err);
}

viv_status
vh_move_journal_remove(struct vh_move *move)
{
    const struct vh_git_tools *tools = move->target->tools;
    if (tools->seam->unlink(tools->seam->data, tools->home, move->journal, 0) && errno != ENOENT) {
        return vh_error_errno(move->err, VIV_E_IO, "branch", "cannot remove journal '%s'", move->journal);
    }
    viv_status status = vh_fs_sync_folder(tools->seam, tools->home, "store/moves", move->err);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status; /* no folder, so there never was a journal in it */
}

/* ---- reading ---- */

static const char *
get_path(struct vh_arena *arena, const struct vh_json *object, const char *key)
{
    struct viv_str path = vh_tree_unescape(arena, vh_json_str(object, key));
    return path.data ? vh_arena_text_of(arena, path) : NULL;
}

static bool
get_id(const struct vh_json *object, const char *key, struct vh_git_id *ret_id)
{
    struct viv_str text = vh_json_str(object, key);
    *ret_id = (struct vh_git_id){ { 0 } };
    return text.len == 0 || vh_git_parse_id(text, ret_id);
}

static bool
read_path(struct vh_arena *arena, const struct vh_json *object, struct vh_move_path *path)
{
    const char *text = get_path(arena, object, "path");
    path->path = vh_str(text);
    path->old_mode = (uint32_t)vh_json_int(object, "old_mode", 0);
    path->now_mode = (uint32_t)vh_json_int(object, "now_mode", 0);
    path->file_mode = (uint32_t)vh_json_int(object, "file_mode", path->now_mode);
    path->seen_mode = (uint32_t)vh_json_int(object, "seen_mode", 0);
    path->already = vh_json_int(object, "already", 0) != 0;
    path->stat_known = vh_json_int(object, "there", 0) != 0;
    return path->path.len && get_id(object, "old", &path->old) && get_id(object, "now", &path->now) &&
           get_id(object, vh_json_get(object, "file") ? "file" : "now", &path->file) &&
           get_id(object, "seen", &path->seen);
}

static bool
read_members(struct vh_move *move, const struct vh_json *object)
{
    struct vh_arena *arena = move->arena;
    const struct vh_json *paths = vh_json_get(object, "paths");
    const char *inode = get_path(arena, object, "lock_ino");
    const char *lock = get_path(arena, object, "lock");
    move->branch = get_path(arena, object, "branch");
    move->stage = get_path(arena, object, "stage");
    move->stage_new = move->stage ? vh_arena_format(arena, "%s.new", move->stage) : NULL;
    move->task = get_path(arena, object, "task");
    move->lock = lock && *lock ? lock : NULL;
    move->lock_ino = inode ? strtoull(inode, NULL, 10) : 0;
    move->path = vh_arena_array(arena, paths ? paths->count + 1 : 1, sizeof *move->path);
    if (vh_json_int(object, "version", 0) != 1 || !move->branch || !move->stage_new || !move->task || !move->path ||
        !paths || !get_id(object, "old", &move->old) || !get_id(object, "now", &move->now) || !move->now.hex[0]) {
        return false;
    }
    for (const struct vh_json *path = paths->child; path; path = path->next) {
        if (!read_path(arena, path, &move->path[move->count++])) {
            return false;
        }
    }
    return true;
}

viv_status
vh_move_journal_read(struct vh_move *move, struct vh_target *target, const char *name)
{
    const struct vh_git_tools *tools = target->tools;
    struct vh_json *object = NULL;
    struct viv_str text;
    move->journal = vh_arena_format(move->arena, "store/moves/%s", name);
    if (!move->journal) {
        return no_memory(move);
    }
    viv_status status = vh_fs_read(tools->seam, move->arena, tools->home, move->journal, JOURNAL_MAX, &text, move->err);
    status = status ? status : vh_json_read(move->arena, text, &object, move->err);
    if (status == VIV_OK && !read_members(move, object)) {
        status = vh_error_set(move->err, VIV_E_CORRUPT, "branch", "a member is missing or out of range");
    }
    if (status) {
        return vh_error_extend(move->err, status, "journal '%s'", move->journal);
    }
    const char *root = get_path(move->arena, object, "root");
    return root ? vh_target_open(tools, move->arena, root, target, move->err) : no_memory(move);
}
