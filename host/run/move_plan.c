/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a move touches, and whether the person has touched them too. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "layer.h"
#include "layer_write.h"

static viv_status
no_memory(struct vh_move *move)
{
    return vh_error_set(move->err, VIV_E_MEMORY, "branch", "no memory to move the checkout");
}

static viv_status
torn(struct vh_move *move)
{
    return vh_error_set(move->err, VIV_E_CORRUPT, "branch", "cannot read git's list of changes");
}

/* ":old new id id S" */
static bool
parse_change(const char *line, struct vh_move_path *path)
{
    char *end = NULL;
    if (line[0] != ':') {
        return false;
    }
    path->old_mode = (uint32_t)strtoul(line + 1, &end, 8);
    path->now_mode = (uint32_t)strtoul(end, &end, 8);
    if (*end != ' ' || !vh_git_parse_id(vh_str(end + 1), &path->old)) {
        return false;
    }
    const char *second = end + 1 + strlen(path->old.hex);
    if (*second != ' ' || !vh_git_parse_id(vh_str(second + 1), &path->now)) {
        return false;
    }
    path->old.hex[0] = path->old_mode ? path->old.hex[0] : '\0';
    path->now.hex[0] = path->now_mode ? path->now.hex[0] : '\0';
    return true;
}

static viv_status
add_path(struct vh_move *move, const char *line, struct viv_str path, const struct vh_tree *seen)
{
    struct vh_move_path *entry = &move->path[move->count];
    struct viv_str text = vh_tree_escape(move->arena, path);
    *entry = (struct vh_move_path){ .path = { vh_arena_text_of(move->arena, path), path.len } };
    if (!entry->path.data || !parse_change(line, entry)) {
        return torn(move);
    }
    if (entry->old_mode == VH_TREE_MODULE || entry->now_mode == VH_TREE_MODULE) {
        return vh_error_set(move->err, VIV_E_UNSUPPORTED, "branch",
                            "submodule '%.*s' changed; move the branch by hand: git merge --ff-only %.12s",
                            VH_STR_ARGS(text), move->now.hex);
    }
    if (!vh_layer_good_path(path) || vh_target_hides(move->target, path)) {
        return vh_error_set(move->err, VIV_E_DENIED, "branch", "path '%.*s' must not be checked out",
                            VH_STR_ARGS(text));
    }
    const struct vh_tree_entry *had = vh_tree_find(seen, path);
    if (had && !vh_git_same(&had->id, &entry->old)) {
        entry->seen = had->id;
        entry->seen_mode = had->mode;
    }
    entry->seen_gone = seen->count && !had && entry->old_mode;
    const struct vh_tree_entry *file = move->files ? vh_tree_find(move->files, path) : NULL;
    entry->file_mode = file ? file->mode : entry->now_mode;
    entry->file = file ? file->id : entry->now;
    bool bit_only = !file && vh_git_same(&entry->old, &entry->now) && entry->old_mode != VH_TREE_LINK &&
                    entry->now_mode != VH_TREE_LINK;
    entry->already = bit_only && !move->target->trust_mode;
    move->count++;
    return VIV_OK;
}

viv_status
vh_move_plan(struct vh_move *move, const struct vh_git_id *seen)
{
    struct vh_git_result result;
    struct vh_tree tree = { 0 };
    const char *nothing = move->target->hex_len == 40
                              ? "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
                              : "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
    const char *old = move->old.hex[0] ? move->old.hex : nothing;
    const char *words[] = { "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, move->now.hex, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words };
    viv_status status = vh_git_run(move->target, move->arena, &ask, &result, move->err);
    if (status == VIV_OK && seen->hex[0]) {
        status = vh_layer_list(move->target, move->arena, seen, &tree, move->err);
    }
    size_t lines = 1;
    for (uint64_t i = 0; status == VIV_OK && i < result.output.len; i++) {
        lines += result.output.data[i] == '\0';
    }
    move->path = status ? NULL : vh_arena_array(move->arena, lines, sizeof *move->path);
    if (status || !move->path) {
        return status ? status : no_memory(move);
    }
    for (uint64_t at = 0; status == VIV_OK && at < result.output.len;) {
        struct viv_str line, path;
        if (!vh_git_next(result.output, &at, &line) || !vh_git_next(result.output, &at, &path)) {
            return torn(move);
        }
        status = add_path(move, line.data, path, &tree);
    }
    return status;
}

viv_status
vh_move_conflict(struct vh_move *move, const struct vh_move_path *path, const struct vh_git_id *ours,
                 const char *reason)
{
    if (!move->conflicts.conflict) {
        move->conflicts.conflict = vh_arena_array(move->arena, 2 * move->count + 1, sizeof(struct vh_conflict));
    }
    if (!move->conflicts.conflict || move->conflicts.count > 2 * move->count) {
        return no_memory(move);
    }
    struct vh_conflict *conflict = &move->conflicts.conflict[move->conflicts.count++];
    *conflict = (struct vh_conflict){ .path = path->path, .base = path->old, .theirs = path->now, .reason = reason };
    if (ours) {
        conflict->ours = *ours;
    }
    if (move->conflicts.count > 1) {
        return VIV_E_CONFLICT; /* the text names the first, the list all */
    }
    struct viv_str text = vh_tree_escape(move->arena, path->path);
    return vh_error_set(move->err, VIV_E_CONFLICT, "branch", "'%.*s' %s: '%.12s' is there, '%.12s' was expected",
                        text.len > 200 ? 200 : (int)text.len, text.len ? text.data : "", reason,
                        ours && ours->hex[0] ? ours->hex : "nothing", path->old.hex[0] ? path->old.hex : "nothing");
}

static bool
same_mode(const struct vh_move *move, uint32_t a, uint32_t b)
{
    bool links = (a == VH_TREE_LINK) == (b == VH_TREE_LINK);
    return a == b || (links && !move->target->trust_mode);
}

bool
vh_move_accepts(const struct vh_move *move, const struct vh_move_path *path, const struct vh_tree_content *content)
{
    bool old = path->old_mode && same_mode(move, content->mode, path->old_mode) &&
               vh_git_same(&content->id, &path->old);
    bool seen = path->seen_mode && same_mode(move, content->mode, path->seen_mode) &&
                vh_git_same(&content->id, &path->seen);
    return old || seen;
}

bool
vh_move_is_new(const struct vh_move *move, const struct vh_move_path *path, const struct vh_tree_content *content)
{
    return path->file_mode && same_mode(move, content->mode, path->file_mode) && vh_git_same(&content->id, &path->file);
}

/* Whether a deletion of this move clears the way: of a file that stands where `path` needs a folder, or of the
 * files below a folder that stands at `path`. */
static bool
cleared(const struct vh_move *move, struct viv_str path)
{
    for (size_t i = 0; i < move->count; i++) {
        struct viv_str gone = move->path[i].path;
        bool above = gone.len < path.len && path.data[gone.len] == '/' &&
                     memcmp(gone.data, path.data, (size_t)gone.len) == 0;
        bool below = path.len < gone.len && gone.data[path.len] == '/' &&
                     memcmp(gone.data, path.data, (size_t)path.len) == 0;
        if (!move->path[i].file_mode && (above || below)) {
            return true;
        }
    }
    return false;
}

static viv_status
judge(struct vh_move *move, struct vh_move_path *path, viv_status found, const struct vh_tree_content *content)
{
    bool expected = path->old_mode || path->seen_mode;
    switch (found) {
    case VIV_OK:
        path->stat = content->stat;
        path->stat_known = true;
        path->already = path->already || (!move->exact && vh_move_is_new(move, path, content));
        if (path->already || vh_move_accepts(move, path, content)) {
            return VIV_OK;
        }
        return vh_move_conflict(move, path, &content->id, expected ? "was changed by hand" : "was made by hand");
    case VIV_E_NOT_FOUND:
        path->already = !path->file_mode && !move->exact;
        return !path->old_mode || path->seen_gone || path->already
                   ? VIV_OK
                   : vh_move_conflict(move, path, NULL, "was deleted by hand");
    case VIV_E_INVALID:
    case VIV_E_CONFLICT:
        if (!path->old_mode && cleared(move, path->path)) {
            return VIV_OK;
        }
        return vh_move_conflict(move, path, NULL, "is of another kind now");
    case VIV_E_DENIED: /* what it holds is unknown, so it cannot be replaced or deleted */
        return vh_move_conflict(move, path, NULL, "cannot be read");
    default:
        return found;
    }
}

viv_status
vh_move_compare(struct vh_move *move)
{
    const struct vh_seam *seam = move->target->tools->seam;
    for (size_t i = 0; i < move->count; i++) {
        struct vh_tree_content content = { 0 };
        struct viv_error said = VIV_ERROR_INIT;
        int dir = -1;
        const char *name = NULL;
        viv_status found = vh_tree_parent(move->target, move->root, move->path[i].path, false, &dir, &name, &said);
        if (found == VIV_OK) {
            found = vh_tree_look(move->target, move->arena, dir, name, -1, &content, &said);
            seam->close(seam->data, dir);
        }
        viv_status status = judge(move, &move->path[i], found, &content);
        if (status && status == found && status != VIV_E_CONFLICT) {
            return vh_error_set(move->err, status, said.where, "%s", said.text);
        }
        if (status && status != VIV_E_CONFLICT) {
            return status;
        }
    }
    return move->conflicts.count ? VIV_E_CONFLICT : VIV_OK;
}
