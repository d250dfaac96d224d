/* SPDX-License-Identifier: Apache-2.0 */
#include "base_bring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "import.h"
#include "layer.h"
#include <viv/limits.h>

#define DEPTH_MAX 128
#define PARTS_MAX 60      /* of a pattern; a set of them is one number */
#define LOOKS_PER_FILE 20 /* names compared for each file that may be copied */

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "base", "no memory to bring files");
}

/* ---- one path with all in it ---- */

static const char *
joined(struct vh_base_collect *collect, struct viv_str folder, const char *name)
{
    return folder.len ? vh_arena_format(collect->arena, "%s/%s", folder.data, name)
                      : vh_arena_text(collect->arena, name);
}

/* What is committed is seen as the commit, or as the uncommitted work, has it. */
static viv_status
bring_file(struct vh_base_collect *collect, struct viv_str path)
{
    bool there = vh_tree_find(&collect->head, path) || vh_tree_find(&collect->line, path);
    return there ? VIV_OK : vh_base_note_file(collect, path, "brought");
}

static viv_status
bring(struct vh_base_collect *collect, struct viv_str path, int depth)
{
    const struct vh_target *target = collect->target;
    const struct vh_seam *seam = target->tools->seam;
    int dir = -1;
    const char *name = NULL;
    struct stat stat;
    if (vh_target_hides(target, path)) {
        return vh_base_note(collect, path, "skipped");
    }
    viv_status status = vh_tree_parent(target, collect->root, path, false, &dir, &name, collect->err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    struct vh_fs_names names = {0};
    int missing = seam->stat(seam->data, dir, name, &stat, AT_SYMLINK_NOFOLLOW);
    if (!missing && S_ISDIR(stat.st_mode)) {
        status = depth < DEPTH_MAX ? vh_fs_list(seam, collect->arena, dir, name, &names, collect->err)
                                   : vh_error_set(collect->err, VIV_E_LIMIT, "base", "folder '%.64s' is deeper than %d",
                                                  path.data, DEPTH_MAX);
    } else if (!missing) {
        status = bring_file(collect, path);
    }
    seam->close(seam->data, dir);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        const char *below = joined(collect, path, names.name[i]);
        if (!below) {
            return no_memory(collect->err);
        }
        status = bring(collect, vh_str(below), depth + 1);
    }
    return status;
}

/* ---- patterns ---- */

/* Split into parts. Each set of parts that may come next is a number with a bit for each; one more
 * bit is the end. */
struct pattern {
    const char *text; /* as the policy has it */
    char *part[PARTS_MAX];
    size_t count;
};

static const char *
next_letter(const char *at)
{
    do {
        at++;
    } while (((unsigned char)*at & 0xC0) == 0x80);
    return at;
}

/* The last star takes one letter more whenever the rest does not fit. */
static bool
part_fits(const char *part, const char *name)
{
    const char *star = NULL;
    const char *mark = name;
    while (*name) {
        if (*part == '*') {
            star = part++;
            mark = name;
        } else if (*part == '?' || *part == *name) {
            name = *part == '?' ? next_letter(name) : name + 1;
            part++;
        } else if (star) {
            part = star + 1;
            name = mark = next_letter(mark);
        } else {
            return false;
        }
    }
    while (*part == '*') {
        part++;
    }
    return !*part;
}

/* "**" may stand for nothing. */
static uint64_t
with_skips(const struct pattern *pattern, uint64_t set)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if ((set >> i & 1) && strcmp(pattern->part[i], "**") == 0) {
            set |= UINT64_C(1) << (i + 1);
        }
    }
    return set;
}

static uint64_t
after_name(const struct pattern *pattern, uint64_t set, const char *name)
{
    uint64_t next = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        if (!(set >> i & 1)) {
            continue;
        }
        if (strcmp(pattern->part[i], "**") == 0) {
            next |= UINT64_C(1) << i;
        } else if (part_fits(pattern->part[i], name)) {
            next |= UINT64_C(1) << (i + 1);
        }
    }
    return with_skips(pattern, next);
}

static viv_status
looked(struct vh_base_collect *collect, const struct pattern *pattern)
{
    uint64_t files_max = collect->options->files_max ? collect->options->files_max : VIV_BASE_FILES_MAX;
    if (++collect->looked <= files_max * LOOKS_PER_FILE) {
        return VIV_OK;
    }
    return vh_error_set(collect->err, VIV_E_LIMIT, "base", "pattern '%.64s' to bring was compared with %llu names, "
                        "allowed %llu; name the folder it begins in", pattern->text,
                        (unsigned long long)collect->looked, (unsigned long long)(files_max * LOOKS_PER_FILE));
}

static viv_status search(struct vh_base_collect *collect, const struct pattern *pattern, struct viv_str folder,
                         uint64_t set, int depth);

static viv_status
search_name(struct vh_base_collect *collect, const struct pattern *pattern, struct viv_str folder, const char *name,
            uint64_t set, int depth)
{
    viv_status status = looked(collect, pattern);
    uint64_t next = after_name(pattern, set, name);
    if (status || !next || vh_target_hidden(collect->target, name)) {
        return status;
    }
    const char *path = joined(collect, folder, name);
    if (!path) {
        return no_memory(collect->err);
    }
    return next >> pattern->count & 1 ? bring(collect, vh_str(path), 0)
                                   : search(collect, pattern, vh_str(path), next, depth + 1);
}

/* Below `folder`, "" for the root; nothing when it is no folder, or cannot be entered. */
static viv_status
search(struct vh_base_collect *collect, const struct pattern *pattern, struct viv_str folder, uint64_t set, int depth)
{
    const struct vh_seam *seam = collect->target->tools->seam;
    struct vh_fs_names names = {0};
    if (depth > DEPTH_MAX) {
        return vh_error_set(collect->err, VIV_E_LIMIT, "base", "folder '%.64s' is deeper than %d", folder.data,
                            DEPTH_MAX);
    }
    int fd = seam->open_beneath(seam->data, collect->root, folder.len ? folder.data : ".",
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, 1);
    if (fd < 0) {
        return VIV_OK;
    }
    viv_status status = vh_fs_list(seam, collect->arena, fd, ".", &names, collect->err);
    seam->close(seam->data, fd);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        status = search_name(collect, pattern, folder, names.name[i], set, depth);
    }
    return status;
}

static viv_status
refuse(const char *text, const char *why, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_INVALID, "base", "path '%.64s' to bring %s, allowed: build, web/*/lib, **/x.o", text,
                        why);
}

/* Slashes at the end say what is a folder anyway. */
static viv_status
split(struct vh_arena *arena, const char *text, struct pattern *pattern, struct viv_error *err)
{
    *pattern = (struct pattern){.text = text};
    char *at = vh_arena_text(arena, text);
    if (!at) {
        return no_memory(err);
    }
    for (size_t len = strlen(at); len > 1 && at[len - 1] == '/'; len--) {
        at[len - 1] = '\0';
    }
    if (!*at || strlen(at) > VIV_PATH_MAX) {
        return refuse(text, *at ? "is too long" : "is empty", err);
    }
    bool only_folders = true;
    while (at) {
        char *part = strsep(&at, "/");
        if (!*part || strcmp(part, ".") == 0 || strcmp(part, "..") == 0) {
            return refuse(text, "must be relative, without '.' and '..'", err);
        }
        if (pattern->count == PARTS_MAX) {
            return refuse(text, "has more than 60 parts", err);
        }
        only_folders = only_folders && strcmp(part, "**") == 0;
        pattern->part[pattern->count++] = part;
    }
    return only_folders ? refuse(text, "would be the whole project", err) : VIV_OK;
}

/* What stands before the first pattern needs no search. */
static viv_status
bring_pattern(struct vh_base_collect *collect, const struct pattern *pattern)
{
    size_t plain = 0;
    const char *path = "";
    while (path && plain < pattern->count && !strpbrk(pattern->part[plain], "*?")) {
        path = joined(collect, vh_str(path), pattern->part[plain++]);
    }
    if (!path) {
        return no_memory(collect->err);
    }
    uint64_t set = with_skips(pattern, UINT64_C(1) << plain);
    return set >> pattern->count & 1 ? bring(collect, vh_str(path), 0) : search(collect, pattern, vh_str(path), set, 0);
}

viv_status
vh_base_bring(struct vh_base_collect *collect)
{
    const struct vh_base_options *options = collect->options;
    viv_status status = VIV_OK;
    collect->bringing = true;
    for (size_t i = 0; i < options->bring_count && status == VIV_OK; i++) {
        struct pattern pattern;
        status = split(collect->arena, options->bring[i], &pattern, collect->err);
        status = status ? status : bring_pattern(collect, &pattern);
    }
    return status;
}

/* ---- trees ---- */

/* `list`, by what is known, over `under` or over nothing. The reference is git's way to a tree and
 * goes at once: the private directory is never cleaned of what no reference names. */
static viv_status
make_tree(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *under,
          const struct vh_tree *list, struct vh_git_id *ret_tree, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    struct vh_target ours = *target;
    struct vh_import import;
    struct vh_git_id commit;
    uint64_t tag = 0;
    if (seam->random(seam->data, &tag, sizeof tag)) {
        return vh_error_errno(err, VIV_E_IO, "base", "no random bytes to name a tree");
    }
    const char *ref = vh_arena_format(arena, "refs/viv/brought/%016llx", (unsigned long long)tag);
    if (!ref) {
        return no_memory(err);
    }
    struct vh_import_head head = {.ref = ref, .message = VH_STR("Brought files\n")};
    vh_import_begin(&import, target, arena, VH_GIT_KEEP, &head, err);
    if (under) {
        vh_import_tree(&import, under);
    }
    for (size_t i = 0; i < list->count; i++) {
        vh_import_known(&import, list->entry[i].path, list->entry[i].mode, &list->entry[i].id);
    }
    viv_status status = vh_import_finish(&import, &commit, ret_tree);
    ours.common_dir = target->private_dir;
    vh_git_drop(&ours, arena, ref);
    return status;
}

viv_status
vh_base_brought(struct vh_base_collect *collect, const struct vh_git_id *tree, struct vh_base *base)
{
    struct vh_tree all;
    struct vh_tree only = {vh_arena_array(collect->arena, collect->count + 1, sizeof *only.entry), 0};
    const struct vh_base_path *path = collect->path;
    if (!collect->options->bring_count) {
        return VIV_OK;
    }
    viv_status status = vh_tree_list(collect->target, collect->arena, tree, &all, collect->err);
    if (status || !only.entry) {
        return status ? status : no_memory(collect->err);
    }
    for (size_t i = 0, end; i < collect->count; i = end) {
        bool brought = true; /* and nothing else: uncommitted work that a pattern fits is uncommitted work */
        for (end = i; end < collect->count && vh_str_equal(path[i].path, path[end].path); end++) {
            brought = brought && strcmp(path[end].what, "brought") == 0;
        }
        const struct vh_tree_entry *entry = brought ? vh_tree_find(&all, path[i].path) : NULL;
        if (entry) {
            only.entry[only.count++] = *entry;
        }
    }
    return only.count ? make_tree(collect->target, collect->arena, NULL, &only, &base->brought, collect->err) : VIV_OK;
}

/* Something of the tree lies at the path, above or below it. */
static bool
in_the_way(const struct vh_tree *tree, struct viv_str path)
{
    size_t end = 0;
    if (vh_tree_find(tree, path) || vh_tree_below(tree, path, &end) != end) {
        return true;
    }
    for (uint64_t i = 1; i < path.len; i++) {
        if (path.data[i] == '/' && vh_tree_find(tree, (struct viv_str){path.data, i})) {
            return true;
        }
    }
    return false;
}

viv_status
vh_base_with_brought(const struct vh_target *target, struct vh_arena *arena, const struct vh_base *base,
                     const struct vh_git_id *tree, struct vh_git_id *ret_tree, struct viv_error *err)
{
    struct vh_tree list;
    struct vh_tree brought;
    *ret_tree = *tree;
    if (!base->brought.hex[0]) {
        return VIV_OK;
    }
    viv_status status = vh_layer_list(target, arena, tree, &list, err);
    status = status ? status : vh_tree_list(target, arena, &base->brought, &brought, err);
    if (status) {
        return status;
    }
    size_t kept = 0;
    for (size_t i = 0; i < brought.count; i++) {
        if (!in_the_way(&list, brought.entry[i].path)) {
            brought.entry[kept++] = brought.entry[i];
        }
    }
    brought.count = kept;
    return kept ? make_tree(target, arena, tree->hex[0] ? tree : NULL, &brought, ret_tree, err) : VIV_OK;
}
