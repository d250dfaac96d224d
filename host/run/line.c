/* SPDX-License-Identifier: Apache-2.0 */
/* References of the line. Every move is one git transaction over all references it concerns. */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "commit.h"

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "line", "no memory to move the line");
}

viv_status
vh_line_tip(const struct vh_target *target, struct vh_arena *arena, struct vh_git_id *ret_tip, struct viv_error *err)
{
    return vh_target_ref(target, arena, target->line, ret_tip, err);
}

viv_status
vh_line_contains(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *newer,
                 const struct vh_git_id *older, bool *ret_contains, struct viv_error *err)
{
    if (!older->hex[0] || vh_git_same(newer, older)) {
        *ret_contains = true;
        return VIV_OK;
    }
    if (!newer->hex[0]) {
        *ret_contains = false;
        return VIV_OK;
    }
    struct vh_git_result result;
    const char *words[] = { "merge-base", "--is-ancestor", older->hex, newer->hex, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words, .allow_exit = 1 };
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status == VIV_OK) {
        *ret_contains = result.exit_code == 0;
    }
    return status;
}

/* An earlier run of the same move got through, at least as far as the line: git renames one reference after the other,
 * and killed in between it leaves the name out. */
static viv_status
name_advanced(const struct vh_target *target, struct vh_arena *arena, const char *name, const struct vh_git_id *commit,
              struct viv_error *err)
{
    struct vh_git_id named;
    viv_status status = vh_target_ref(target, arena, name, &named, err);
    if (status || vh_git_same(&named, commit)) {
        return status;
    }
    if (named.hex[0]) {
        return vh_error_set(err, VIV_E_EXISTS, "line", "branch '%s' names '%.12s' already; rename that branch",
                            name + strlen("refs/heads/"), named.hex);
    }
    struct vh_git_result result;
    struct viv_error said = VIV_ERROR_INIT;
    const char *none = vh_arena_format(arena, "%.*s", target->hex_len, VH_GIT_ZEROS);
    const char *words[] = { "update-ref", "-m", "viv: ready", name, commit->hex, none, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words };
    status = none ? vh_git_run(target, arena, &ask, &result, &said) : no_memory(&said);
    return status ? vh_error_set(err, VIV_E_BUSY, "line", "the line has the result, it cannot be named yet: %.200s",
                                 said.text)
                  : VIV_OK;
}

static viv_status
not_advanced(const struct vh_target *target, struct vh_arena *arena, const char *name,
             const struct vh_git_id *expected, const struct vh_git_id *commit, const struct viv_error *said,
             struct viv_error *err)
{
    struct vh_git_id tip;
    bool done = false;
    viv_status status = vh_line_tip(target, arena, &tip, err);
    if (status == VIV_OK && (!vh_git_same(&tip, expected) || vh_git_same(&tip, commit))) {
        status = vh_line_contains(target, arena, &tip, commit, &done, err);
    }
    if (status || done) {
        return status ? status : name_advanced(target, arena, name, commit, err);
    }
    if (!vh_git_same(&tip, expected)) {
        return vh_error_set(err, VIV_E_CONFLICT, "line", "the line stands at '%.12s', expected '%.12s'",
                            tip.hex[0] ? tip.hex : "nothing", expected->hex[0] ? expected->hex : "nothing");
    }
    struct vh_git_id named;
    status = vh_target_ref(target, arena, name, &named, err);
    if (status) {
        return status;
    }
    if (named.hex[0]) {
        return vh_error_set(err, VIV_E_EXISTS, "line", "branch '%s' names '%.12s' already; rename that branch",
                            name + strlen("refs/heads/"), named.hex);
    }
    if (strstr(said->text, ".lock': File exists")) {
        return vh_error_set(err, VIV_E_BUSY, "line", "another git holds a reference: %.200s", said->text);
    }
    return vh_error_set(err, VIV_E_EXISTS, "line", "cannot name the result '%s': %.200s", name, said->text);
}

viv_status
vh_line_advance(const struct vh_target *target, struct vh_arena *arena, const char *task,
                const struct vh_git_id *expected, const struct vh_git_id *commit, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    if (!vh_str_id(vh_str(task))) {
        return vh_error_set(err, VIV_E_INVALID, "line", "task id '%.40s' cannot be part of a branch's name", task);
    }
    struct viv_error said = VIV_ERROR_INIT;
    const char *name = vh_arena_format(arena, "refs/heads/viv/%s", task);
    const char *old = expected->hex[0] ? expected->hex : VH_GIT_ZEROS;
    const char *input = vh_arena_format(arena,
                                        "start\nupdate %s %s %.*s\ncreate %s %s\n"
                                        "prepare\ncommit\n",
                                        target->line, commit->hex, target->hex_len, old, name, commit->hex);
    if (!name || !input) {
        return no_memory(err);
    }
    const char *words[] = { "update-ref", "-m", "viv: ready", "--stdin", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words, .input = vh_str(input) };
    vh_git_unlock(target, arena, target->line);
    vh_git_unlock(target, arena, name);
    vh_git_unlock(target, arena, vh_arena_format(arena, "refs/viv/held/%s", task));
    VH_PLACE(seam, "line.before");
    viv_status status = vh_git_run(target, arena, &ask, NULL, &said);
    VH_PLACE(seam, "line.after");
    if (status == VIV_E_IO) {
        return not_advanced(target, arena, name, expected, commit, &said, err);
    }
    if (status) {
        return vh_error_set(err, status, "line", "%s", said.text);
    }
    vh_git_drop(target, arena, vh_arena_format(arena, "refs/viv/held/%s", task));
    return VIV_OK;
}

/* ---- merge ---- */

static struct vh_conflict *
conflict_of(struct vh_arena *arena, struct vh_conflicts *list, struct viv_str path, size_t max)
{
    if (list->count && vh_str_equal(list->conflict[list->count - 1].path, path)) {
        return &list->conflict[list->count - 1];
    }
    if (list->count >= max) {
        return NULL;
    }
    struct vh_conflict *conflict = &list->conflict[list->count++];
    *conflict = (struct vh_conflict){ .path = path, .reason = "both sides changed it" };
    conflict->path.data = vh_arena_text_of(arena, path);
    return conflict->path.data ? conflict : NULL;
}

/* After the tree: "MODE ID STAGE\tPATH" each ended by NUL, then an empty one. */
static viv_status
read_conflicts(struct vh_arena *arena, struct viv_str text, struct vh_conflicts *ret_list, struct viv_error *err)
{
    size_t lines = 1;
    for (uint64_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\0';
    }
    struct vh_conflicts list = { vh_arena_array(arena, lines, sizeof *list.conflict), 0 };
    if (!list.conflict) {
        return no_memory(err);
    }
    for (uint64_t at = 0; at < text.len && text.data[at];) {
        struct viv_str line = { "", 0 };
        bool whole = vh_git_next(text, &at, &line);
        const char *tab = strchr(line.data, '\t');
        struct vh_git_id id;
        const char *space = strchr(line.data, ' ');
        if (!whole || !tab || !tab[1] || !space || space > tab || !vh_git_parse_id(vh_str(space + 1), &id)) {
            return vh_error_set(err, VIV_E_CORRUPT, "line", "cannot read git's list of conflicts");
        }
        struct vh_conflict *conflict = conflict_of(arena, &list, vh_str(tab + 1), lines);
        if (!conflict) {
            return no_memory(err);
        }
        char stage = tab[-1];
        *(stage == '1' ? &conflict->base : stage == '2' ? &conflict->ours : &conflict->theirs) = id;
    }
    *ret_list = list;
    return VIV_OK;
}

viv_status
vh_line_join(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *ours,
             const struct vh_git_id *theirs, struct vh_git_id *ret_tree, struct vh_conflicts *ret_conflicts,
             struct viv_error *err)
{
    struct vh_git_result result;
    const char *words[] = { "merge-tree", "--write-tree", "-z", "--allow-unrelated-histories", ours->hex,
                            theirs->hex,  NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .allow_exit = 1 };
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status) {
        return status;
    }
    struct vh_git_id tree;
    if (!vh_git_parse_id(result.output, &tree)) {
        return vh_error_set(err, VIV_E_CORRUPT, "line", "git named no merged tree");
    }
    if (result.exit_code == 0) {
        *ret_tree = tree;
        return VIV_OK;
    }
    size_t head = strlen(tree.hex) + 1;
    struct viv_str rest = { result.output.data + head, result.output.len > head ? result.output.len - head : 0 };
    status = read_conflicts(arena, rest, ret_conflicts, err);
    if (status || !ret_conflicts->count) {
        return status ? status : vh_error_set(err, VIV_E_CONFLICT, "line", "git cannot merge '%.12s'", theirs->hex);
    }
    struct viv_str path = vh_tree_escape(arena, ret_conflicts->conflict[0].path);
    return vh_error_set(err, VIV_E_CONFLICT, "line", "%zu path(s) changed on both sides, the first is '%.*s'",
                        ret_conflicts->count, VH_STR_ARGS(path));
}

viv_status
vh_line_merge(const struct vh_target *target, struct vh_arena *arena, const char *task, const struct vh_git_id *tip,
              const struct vh_git_id *commit, struct vh_line_merged *ret_merged, struct viv_error *err)
{
    struct vh_commit old;
    struct vh_git_id tree;
    *ret_merged = (struct vh_line_merged){ 0 };
    viv_status status = vh_commit_read(target, arena, commit, &old, err);
    if (status == VIV_OK) {
        status = vh_line_join(target, arena, tip, commit, &tree, &ret_merged->conflicts, err);
    }
    if (status) {
        return status;
    }
    struct vh_import import;
    struct vh_import_head head = { .ref = vh_arena_format(arena, "refs/viv/held/%s", task), .author = old.author,
                                   .committer = old.committer, .message = old.message, .parent = tip };
    vh_import_begin(&import, target, arena, VH_GIT_REFS, &head, err);
    vh_import_tree(&import, &tree);
    return vh_import_finish(&import, &ret_merged->commit, &ret_merged->tree);
}

/* ---- after a crash ---- */

static viv_status
is_effect(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *id, const char *effect,
          bool *ret_is, struct viv_error *err)
{
    struct vh_commit commit;
    viv_status status = vh_commit_read(target, arena, id, &commit, err);
    if (status == VIV_OK) {
        *ret_is = vh_str_is(vh_commit_trailer(&commit, "Viv-Effect"), effect);
    }
    return status;
}

static viv_status
probe_line(const struct vh_target *target, struct vh_arena *arena, const char *effect, struct vh_git_id *ret_commit,
           struct viv_error *err)
{
    struct vh_git_id tip;
    struct vh_git_result result;
    viv_status status = vh_line_tip(target, arena, &tip, err);
    if (status || !tip.hex[0]) {
        return status;
    }
    const char *grep = vh_arena_format(arena, "--grep=Viv-Effect: %s", effect);
    const char *words[] = { "rev-list", "--fixed-strings", grep, "--max-count=16", tip.hex, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_REFS, .words = words };
    status = grep ? vh_git_run(target, arena, &ask, &result, err) : no_memory(err);
    for (uint64_t at = 0; status == VIV_OK && at < result.output.len && !ret_commit->hex[0];) {
        struct vh_git_id id;
        bool is = false;
        if (!vh_git_parse_id((struct viv_str){ result.output.data + at, result.output.len - at }, &id)) {
            return vh_error_set(err, VIV_E_CORRUPT, "line", "cannot read git's list of commits");
        }
        status = is_effect(target, arena, &id, effect, &is, err);
        if (status == VIV_OK && is) {
            *ret_commit = id;
        }
        at += strlen(id.hex) + 1;
    }
    return status;
}

viv_status
vh_line_probe(const struct vh_target *target, struct vh_arena *arena, const char *task, const char *effect,
              struct vh_git_id *ret_commit, bool *ret_on_line, struct viv_error *err)
{
    struct vh_git_id found = { { 0 } };
    struct vh_git_id held = { { 0 } };
    bool is = false;
    viv_status status = probe_line(target, arena, effect, &found, err);
    bool on_line = found.hex[0] != '\0';
    if (status == VIV_OK && !on_line) {
        const char *ref = vh_arena_format(arena, "refs/viv/held/%s", task);
        status = ref ? vh_target_ref(target, arena, ref, &held, err) : no_memory(err);
        if (status == VIV_OK && held.hex[0]) {
            status = is_effect(target, arena, &held, effect, &is, err);
        }
        found = is ? held : found;
    }
    if (status == VIV_OK) {
        *ret_commit = found;
        *ret_on_line = on_line;
    }
    return status;
}
