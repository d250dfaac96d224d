/* SPDX-License-Identifier: Apache-2.0 */
/* The commit a task stands on. What the task sees besides is collected by base_dirty.c. */
#include "base.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base_dirty.h"
#include "commit.h"
#include "folder.h"
#include "line.h"
#include "scope.h"

#define EMPTY_TREE_1 "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
#define EMPTY_TREE_256 "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"

static const char line_prefix[] = "refs/viv/line/";

viv_status
vh_base_of_commit(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *commit,
                  struct vh_git_id *ret_tree, int64_t *ret_time_s, struct viv_error *err)
{
    struct vh_commit read;
    viv_status status = vh_commit_read(target, arena, commit, &read, err);
    if (status == VIV_OK) {
        *ret_tree = read.tree;
        *ret_time_s = read.time_s;
    }
    return status;
}

/* A commit with both as parents. Its time comes from its parents, so that whoever joins them gets the same commit. */
static viv_status
join_commit(const struct vh_target *target, struct vh_arena *arena, struct vh_base *base,
            struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    int64_t line_s = 0;
    int64_t tip_s = 0;
    struct vh_git_id tree;
    viv_status status = vh_base_of_commit(target, arena, &base->line, &tree, &line_s, err);
    if (status == VIV_OK) {
        status = vh_base_of_commit(target, arena, &base->tip, &tree, &tip_s, err);
    }
    if (status == VIV_OK) {
        status = vh_line_join(target, arena, &base->line, &base->tip, &tree, ret_conflicts, err);
    }
    if (status) {
        return vh_error_extend(err, status, "the line of ready work and the branch");
    }
    struct vh_import import;
    const char *ref = vh_arena_format(arena, "refs/viv/joined/%s", target->line + sizeof line_prefix - 1);
    if (!ref) {
        return vh_error_set(err, VIV_E_MEMORY, "base", "no memory to join line and branch");
    }
    struct vh_import_head head = { .ref = ref, .time_s = line_s > tip_s ? line_s : tip_s, .parent = &base->line,
                                   .second = &base->tip, .message = VH_STR("Join the line of ready work\n") };
    vh_import_begin(&import, target, arena, VH_GIT_REFS, &head, err);
    vh_import_tree(&import, &tree);
    return vh_import_finish(&import, &base->commit, &tree);
}

viv_status
vh_base_join(const struct vh_target *target, struct vh_arena *arena, struct vh_base *base,
             struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    bool contains = false;
    viv_status status = vh_line_contains(target, arena, &base->line, &base->tip, &contains, err);
    if (status == VIV_OK && contains) {
        base->commit = base->line;
        return VIV_OK;
    }
    if (status == VIV_OK) {
        status = vh_line_contains(target, arena, &base->tip, &base->line, &contains, err);
    }
    if (status == VIV_OK && contains) {
        base->commit = base->tip;
        return VIV_OK;
    }
    return status ? status : join_commit(target, arena, base, ret_conflicts, err);
}

/* What of it the task sees. */
static viv_status
see(const struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
    struct vh_base *base, struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    bool folder = target->kind == VH_TARGET_FOLDER;
    base->seen = base->tree;
    base->seen_time_s = base->time_s;
    viv_status status = !folder && (options->uncommitted || options->bring_count)
                            ? vh_base_dirty(target, arena, options, base, ret_conflicts, err)
                            : VIV_OK;
    if (status == VIV_OK && (folder || options->scope_only)) {
        status = vh_scope_narrow(target, arena, &base->seen, options->scope, &base->seen, err);
    }
    return status;
}

viv_status
vh_base_capture(struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
                struct vh_base *ret_base, struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    struct vh_base base = { 0 };
    *ret_conflicts = (struct vh_conflicts){ 0 };
    viv_status status = vh_target_refresh(target, arena, err);
    if (status == VIV_OK && options->scope.len) {
        status = vh_scope_folder(target->tools->seam, arena, target->root, options->scope, err);
    }
    if (status == VIV_OK && target->kind == VH_TARGET_FOLDER) {
        status = vh_folder_snapshot(target, arena, options, &base, err);
    }
    base.tip = target->head;
    if (status == VIV_OK) {
        status = vh_line_tip(target, arena, &base.line, err);
    }
    if (status == VIV_OK) {
        status = vh_base_join(target, arena, &base, ret_conflicts, err);
    }
    if (status == VIV_OK && base.commit.hex[0]) {
        status = vh_base_of_commit(target, arena, &base.commit, &base.tree, &base.time_s, err);
    } else if (status == VIV_OK) { /* no commit yet: what a task leaves alone is the empty tree, which git always has */
        snprintf(base.tree.hex, sizeof base.tree.hex, "%s", target->hex_len == 64 ? EMPTY_TREE_256 : EMPTY_TREE_1);
    }
    if (status == VIV_OK) {
        status = see(target, arena, options, &base, ret_conflicts, err);
    }
    if (status == VIV_OK) {
        *ret_base = base;
    }
    return status;
}
