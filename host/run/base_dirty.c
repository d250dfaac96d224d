/* SPDX-License-Identifier: Apache-2.0 */
/* What the person's working tree holds besides HEAD. git only compares and lists, with our own configuration and
 * without writing the index; contents are read here and go to the private git directory, so uncommitted work never
 * becomes part of the user's repository. Where the line is ahead of the branch, the work is merged onto it. */
#include "base_dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "base_bring.h"
#include "import.h"
#include "line.h"
#include "tree.h"
#include <viv/limits.h>

viv_status
vh_base_bounds(const struct vh_base_options *options, uint64_t files, uint64_t bytes, const char *cure,
               struct viv_error *err)
{
    uint64_t files_max = options->files_max ? options->files_max : VIV_BASE_FILES_MAX;
    uint64_t bytes_max = options->bytes_max ? options->bytes_max : VIV_BASE_BYTES_MAX;
    bool many = files > files_max;
    if (!many && bytes <= bytes_max) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_LIMIT, "base", "%llu %s or more to copy, allowed %llu; %s",
                        (unsigned long long)(many ? files : bytes), many ? "files" : "bytes",
                        (unsigned long long)(many ? files_max : bytes_max), cure);
}

viv_status
vh_base_note(struct vh_base_collect *collect, struct viv_str path, const char *what)
{
    if (collect->count == collect->room) {
        size_t room = collect->room ? collect->room * 2 : 64;
        struct vh_base_path *more = vh_arena_array(collect->arena, room, sizeof *more);
        if (!more) {
            return vh_error_set(collect->err, VIV_E_MEMORY, "base", "no memory for a list of changed files");
        }
        if (collect->count) {
            memcpy(more, collect->path, collect->count * sizeof *more);
        }
        collect->path = more;
        collect->room = room;
    }
    const char *copy = vh_arena_text_of(collect->arena, path);
    if (!copy) {
        return vh_error_set(collect->err, VIV_E_MEMORY, "base", "no memory for a list of changed files");
    }
    collect->path[collect->count++] = (struct vh_base_path){ { copy, path.len }, what };
    return VIV_OK;
}

static bool
closed(const struct vh_seam *seam, int dir, const char *name)
{
    int fd = seam->open(seam->data, dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    return fd < 0 && errno == EACCES;
}

/* A path in the working tree: counted and noted if it is a file or link, else noted as deleted or left out. What
 * may not be read stays for the task as it is committed. */
viv_status
vh_base_note_file(struct vh_base_collect *collect, struct viv_str path, const char *what)
{
    const struct vh_seam *seam = collect->target->tools->seam;
    int dir = -1;
    const char *name = NULL;
    struct stat stat;
    viv_status status = vh_tree_parent(collect->target, collect->root, path, false, &dir, &name, NULL);
    if (status == VIV_E_DENIED) {
        return vh_base_note(collect, path, "unreadable");
    }
    if (status) {
        return vh_base_note(collect, path, "deleted"); /* a folder on the way is gone or is no folder */
    }
    int missing = seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW);
    bool unreadable = missing ? errno == EACCES : S_ISREG(stat.st_mode) && closed(seam, dir, name);
    seam->close(seam->data, dir);
    if (missing && !unreadable) {
        return vh_base_note(collect, path, "deleted");
    }
    if (unreadable) {
        return vh_base_note(collect, path, "unreadable");
    }
    if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode)) {
        return vh_base_note(collect, path, S_ISDIR(stat.st_mode) ? "deleted" : "skipped");
    }
    collect->files++;
    collect->bytes += (uint64_t)stat.st_size;
    const char *cure = collect->bringing ? "name less in the policy's 'bring'" : VH_BASE_CURE;
    status = vh_base_bounds(collect->options, collect->files, collect->bytes, cure, collect->err);
    return status ? status : vh_base_note(collect, path, what);
}

static const char *
empty_tree(const struct vh_target *target)
{
    return target->hex_len == 40 ? "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
                                 : "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
}

static viv_status
torn(struct vh_base_collect *collect)
{
    return vh_error_set(collect->err, VIV_E_CORRUPT, "base", "git's list of changed files is torn");
}

/* A pattern for git: where to look; NULL is everywhere. */
static viv_status
only_within(const struct vh_base_collect *collect, const char **ret_pattern)
{
    struct viv_str scope = collect->options->scope;
    *ret_pattern = scope.len ? vh_arena_format(collect->arena, ":(top,literal)%.*s", VH_STR_ARGS(scope)) : NULL;
    return *ret_pattern || !scope.len ? VIV_OK : vh_error_set(collect->err, VIV_E_MEMORY, "base", "no memory");
}

/* ":old new id id S\0path\0": everything tracked that differs from HEAD, staged or not. */
static viv_status
tracked(struct vh_base_collect *collect, const char *index, const char *within)
{
    struct vh_git_result result;
    const char *head = collect->target->head.hex[0] ? collect->target->head.hex : empty_tree(collect->target);
    const char *words[] = { "diff-index", "--raw", "-z", "--no-renames", "--ignore-submodules=all", head,
                            within ? "--" : NULL, within, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .index = index,
                              .work_tree = collect->target->root };
    viv_status status = vh_git_run(collect->target, collect->arena, &ask, &result, collect->err);
    struct viv_str last = { NULL, 0 };
    for (uint64_t at = 0; status == VIV_OK && at < result.output.len;) {
        struct viv_str text, path;
        if (!vh_git_next(result.output, &at, &text) || !vh_git_next(result.output, &at, &path)) {
            return torn(collect);
        }
        const char *line = text.data;
        bool module = strncmp(line, ":160000", 7) == 0 || strstr(line, " 160000 ");
        if (vh_str_equal(path, last) || !path.len) {
            continue; /* an unmerged path is listed twice */
        }
        last = path;
        const char *what = strncmp(line, ":000000", 7) == 0 ? "added" : "modified";
        status = module ? vh_base_note(collect, path, "skipped") : vh_base_note_file(collect, path, what);
    }
    return status;
}

static viv_status
untracked(struct vh_base_collect *collect, const char *index, const char *within)
{
    const struct vh_target *target = collect->target;
    const char *words[12] = { "ls-files", "-z", "--others", "--exclude-standard" };
    size_t count = 4;
    for (size_t i = 0; target->excludes[i]; i++) {
        words[count++] = "-X";
        words[count++] = target->excludes[i];
    }
    words[count++] = within ? "--" : NULL;
    words[count++] = within;
    struct vh_git_result result;
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .index = index, .work_tree = target->root };
    viv_status status = vh_git_run(target, collect->arena, &ask, &result, collect->err);
    for (uint64_t at = 0; status == VIV_OK && at < result.output.len;) {
        struct viv_str path;
        if (!vh_git_next(result.output, &at, &path)) {
            return torn(collect);
        }
        if (vh_target_hides(target, path)) {
            continue;
        }
        bool nested = path.len && path.data[path.len - 1] == '/'; /* a repository inside this one */
        status = nested ? vh_base_note(collect, path, "skipped") : vh_base_note_file(collect, path, "added");
    }
    return status;
}

static viv_status
collect_all(struct vh_base_collect *collect)
{
    const struct vh_target *target = collect->target;
    const char *index = vh_arena_format(collect->arena, "%s/index", target->git_dir);
    if (!index) {
        return vh_error_set(collect->err, VIV_E_MEMORY, "base", "no memory to look for uncommitted work");
    }
    viv_status status = VIV_OK;
    if (collect->options->uncommitted) {
        const char *within = NULL;
        status = only_within(collect, &within);
        status = status ? status : tracked(collect, index, within);
        status = status ? status : untracked(collect, index, within);
    }
    return status ? status : vh_base_bring(collect);
}

static int
by_path(const void *a, const void *b)
{
    const struct vh_base_path *x = a;
    const struct vh_base_path *y = b;
    return vh_str_compare(x->path, y->path);
}

static void
import_path(struct vh_import *import, struct vh_base_collect *collect, struct vh_base_path *path)
{
    const struct vh_seam *seam = collect->target->tools->seam;
    struct vh_tree_content content = { 0 };
    int dir = -1;
    const char *name = NULL;
    viv_status status = vh_tree_parent(collect->target, collect->root, path->path, false, &dir, &name, import->err);
    if (status == VIV_OK) {
        status = vh_tree_look(collect->target, collect->arena, dir, name, -1, &content, import->err);
    }
    if (status == VIV_OK) {
        vh_import_file(import, path->path, dir, name, &content);
    } else if (import->status == VIV_OK) {
        import->status = vh_error_extend(import->err, status, "uncommitted file '%.100s'", path->path.data);
    }
    if (dir >= 0) {
        seam->close(seam->data, dir);
    }
}

/* A commit over HEAD in the private directory; its tree is what the person has before them. */
static viv_status
snapshot(struct vh_base_collect *collect, struct vh_git_id *ret_commit, struct vh_git_id *ret_tree)
{
    const struct vh_target *target = collect->target;
    const struct vh_seam *seam = target->tools->seam;
    struct vh_import import;
    uint64_t tag = 0;
    if (seam->random(seam->data, &tag, sizeof tag)) {
        return vh_error_errno(collect->err, VIV_E_IO, "base", "no random bytes to name a snapshot");
    }
    const char *ref = vh_arena_format(collect->arena, "refs/viv/seen/%016llx", (unsigned long long)tag);
    if (!ref) {
        return vh_error_set(collect->err, VIV_E_MEMORY, "base", "no memory to name a snapshot");
    }
    struct vh_import_head head = { .ref = ref, .time_s = collect->options->time_s, .parent = &target->head,
                                   .message = VH_STR("Uncommitted work\n") };
    vh_import_begin(&import, target, collect->arena, VH_GIT_KEEP, &head, collect->err);
    for (size_t i = 0; i < collect->count; i++) {
        if (strcmp(collect->path[i].what, "deleted") == 0) {
            vh_import_delete(&import, collect->path[i].path);
        }
    }
    for (size_t i = 0; i < collect->count; i++) {
        const char *what = collect->path[i].what;
        if (strcmp(what, "deleted") && strcmp(what, "skipped") && strcmp(what, "unreadable")) {
            import_path(&import, collect, &collect->path[i]);
        }
    }
    return vh_import_finish(&import, ret_commit, ret_tree);
}

viv_status
vh_base_dirty(const struct vh_target *target, struct vh_arena *arena, const struct vh_base_options *options,
              struct vh_base *base, struct vh_conflicts *ret_conflicts, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    struct vh_base_collect collect = { .target = target, .arena = arena, .options = options, .err = err };
    struct vh_git_id commit;
    struct vh_git_id tree;
    collect.root = seam->open(seam->data, AT_FDCWD, target->root, O_RDONLY | O_DIRECTORY, 0);
    if (collect.root < 0) {
        return vh_error_errno(err, VIV_E_IO, "base", "cannot open '%s'", target->root);
    }
    viv_status status = options->bring_count ? vh_tree_list(target, arena, &target->head, &collect.head, err) : VIV_OK;
    if (status == VIV_OK && options->bring_count) {
        status = vh_tree_list(target, arena, &base->tree, &collect.line, err);
    }
    status = status ? status : collect_all(&collect);
    if (status == VIV_OK && collect.count) {
        qsort(collect.path, collect.count, sizeof *collect.path, by_path);
        status = snapshot(&collect, &commit, &tree);
        status = status ? status : vh_base_brought(&collect, &tree, base);
    }
    seam->close(seam->data, collect.root);
    if (status || !collect.count) {
        return status;
    }
    if (!vh_git_same(&base->commit, &target->head)) {
        struct vh_target keep = *target;
        keep.keep = true;
        status = vh_line_join(&keep, arena, &base->commit, &commit, &tree, ret_conflicts, err);
        if (status) {
            return vh_error_extend(err, status, "uncommitted work and the line of ready work");
        }
    }
    base->seen = tree;
    base->seen_time_s = vh_git_same(&tree, &base->tree) ? base->time_s : options->time_s;
    base->path = collect.path;
    base->count = collect.count;
    return VIV_OK;
}
