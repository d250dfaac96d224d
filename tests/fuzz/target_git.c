/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, what git writes - torn, strange, or from a repository somebody prepared - makes the host read past it
 * or take paths that no file may have. The first line of the input names what is asked; the rest is what git answers,
 * call by call, with "---" and a line break between; "!N" and a line break before an answer is its exit code. '$' is
 * NUL, so that the corpus is text. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "run/base_dirty.h"
#include "run/change.h"
#include "run/commit.h"
#include "run/import.h"
#include "run/line.h"
#include "run/move.h"

#define ID "1111111111111111111111111111111111111111"

static struct viv_str answers;

/* Gives the next answer, with nothing but its NUL behind it, as the launcher's client does. */
static viv_status
answer(void *data, struct vh_arena *arena, const struct vh_git_call *call, struct vh_git_result *ret_result,
       struct viv_error *err)
{
    (void)data;
    (void)err;
    struct viv_str text = fuzz_part(&answers, "---\n");
    int code = 0;
    if (text.len > 2 && text.data[0] == '!') {
        code = atoi(vh_arena_text_of(arena, text) + 1);
        (void)fuzz_part(&text, "\n");
    }
    char *copy = vh_arena_text_of(arena, text);
    FUZZ_MUST(copy, "no memory");
    if (call->output_fd >= 0) {
        FUZZ_MUST(pwrite(call->output_fd, copy, (size_t)text.len, 0) == (ssize_t)text.len, "cannot write");
        text.len = 0;
    }
    ret_result->exit_code = code & 0xff;
    ret_result->output = (struct viv_str){ text.len ? copy : NULL, text.len };
    ret_result->errors = VH_STR("fatal: no\nmore");
    return VIV_OK;
}

static const struct vh_git fake = { NULL, answer };

static struct vh_target
target_of(struct vh_git_tools *tools)
{
    static char root[300];
    static char home[300];
    static char git_dir[320];
    static int home_fd;
    if (!root[0]) {
        const char *folder = fuzz_folder();
        snprintf(root, sizeof root, "%s/project", folder);
        snprintf(home, sizeof home, "%s/home", folder);
        snprintf(git_dir, sizeof git_dir, "%s/project/.git", folder);
        FUZZ_MUST(mkdir(root, 0755) == 0 && mkdir(home, 0700) == 0 && mkdir(git_dir, 0755) == 0, "no folders");
        home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_MUST(mkdirat(dir, "d", 0755) == 0 && symlinkat("a", dir, "l") == 0, "no files");
        FUZZ_MUST(vh_fs_replace(vh_seam_real(), dir, "a", VH_STR("a\n"), 0644, NULL) == VIV_OK, "no files");
        FUZZ_MUST(vh_fs_replace(vh_seam_real(), dir, "d/x", VH_STR("x\n"), 0755, NULL) == VIV_OK, "no files");
        struct viv_str head = VH_STR("ref: refs/heads/main\n");
        FUZZ_MUST(vh_fs_replace(vh_seam_real(), dir, ".git/HEAD", head, 0644, NULL) == VIV_OK, "no files");
        close(dir);
    }
    *tools = (struct vh_git_tools){ .seam = vh_seam_real(), .git = &fake, .home = home_fd, .home_path = home };
    return (struct vh_target){ .tools = tools, .kind = VH_TARGET_REPOSITORY, .root = root, .prefix = "",
                               .git_dir = git_dir, .common_dir = git_dir, .object_dir = git_dir,
                               .private_dir = home, .branch = "refs/heads/main", .line = "refs/viv/line/main",
                               .author_name = "p", .author_email = "p@x", .trust_mode = true, .hex_len = 40,
                               .head = { ID } };
}

struct asked {
    const struct vh_target *target;
    struct vh_arena *arena;
    struct viv_str text; /* all answers in one */
    struct viv_error *err;
};

/* Names that git can have written, and nobody can leave the folder by. */
static void
good_id(const struct vh_git_id *id)
{
    size_t len = strlen(id->hex);
    FUZZ_MUST(len == 0 || len == 40 || len == 64, "an object name has %zu digits", len);
    FUZZ_MUST(strspn(id->hex, "0123456789abcdefABCDEF") == len, "object name '%s'", id->hex);
}

static viv_status
ask_tree(struct asked *a)
{
    struct vh_tree tree;
    struct vh_tree half;
    struct vh_tree_diff diff;
    viv_status status = vh_tree_parse(a->arena, a->text, &tree, a->err);
    for (size_t i = 0; status == VIV_OK && i < tree.count; i++) {
        const struct vh_tree_entry *entry = &tree.entry[i];
        FUZZ_MUST(entry->path.len && strlen(entry->path.data) == entry->path.len, "path %zu", i);
        good_id(&entry->id);
        struct viv_str text = vh_tree_escape(a->arena, entry->path);
        struct viv_str back = vh_tree_unescape(a->arena, text);
        FUZZ_MUST(vh_str_utf8(text) && vh_str_equal(back, entry->path), "'%.*s' became '%.*s'",
                  VH_STR_ARGS(entry->path), VH_STR_ARGS(back));
        FUZZ_MUST(i == 0 || vh_str_compare(tree.entry[i - 1].path, entry->path) < 0, "not sorted at %zu", i);
        FUZZ_MUST(vh_tree_find(&tree, entry->path) == entry, "entry %zu is not found", i);
        size_t end = 0;
        size_t first = vh_tree_below(&tree, entry->path, &end);
        FUZZ_MUST(first <= end && end <= tree.count, "below entry %zu", i);
    }
    if (status == VIV_OK) {
        half = (struct vh_tree){ tree.entry, tree.count / 2 };
        FUZZ_MUST(vh_tree_diff(a->arena, &tree, &half, &diff, a->err) == VIV_OK, "%s", a->err->text);
        FUZZ_MUST(diff.count == tree.count - half.count, "%zu of %zu differ", diff.count, tree.count);
    }
    return status;
}

static viv_status
ask_dirty(struct asked *a)
{
    struct vh_base base = { .commit = { ID }, .tree = { ID }, .seen = { ID } };
    struct vh_base_options options = { .uncommitted = true, .time_s = 1 };
    struct vh_conflicts conflicts = { NULL, 0 };
    viv_status status = vh_base_dirty(a->target, a->arena, &options, &base, &conflicts, a->err);
    for (size_t i = 1; status == VIV_OK && i < base.count; i++) {
        FUZZ_MUST(vh_str_compare(base.path[i - 1].path, base.path[i].path) <= 0, "paths are not sorted");
    }
    return status;
}

static viv_status
ask_join(struct asked *a)
{
    struct vh_git_id id = { ID };
    struct vh_git_id tree = { { 0 } };
    struct vh_conflicts conflicts = { NULL, 0 };
    viv_status status = vh_line_join(a->target, a->arena, &id, &id, &tree, &conflicts, a->err);
    for (size_t i = 0; i < conflicts.count; i++) {
        good_id(&conflicts.conflict[i].base);
        good_id(&conflicts.conflict[i].ours);
        good_id(&conflicts.conflict[i].theirs);
        FUZZ_MUST(conflicts.conflict[i].path.len, "a conflict has no path");
        fuzz_line(conflicts.conflict[i].reason, "a conflict's reason");
    }
    FUZZ_MUST(status || tree.hex[0], "joined to nothing");
    good_id(&tree);
    return status;
}

static viv_status
ask_probe(struct asked *a)
{
    struct vh_git_id commit = { { 0 } };
    bool on_line = false;
    viv_status status = vh_line_probe(a->target, a->arena, "task", "task/1/publish/0", &commit, &on_line, a->err);
    good_id(&commit);
    return status;
}

static viv_status
ask_commit(struct asked *a)
{
    struct vh_git_id id = { ID };
    struct vh_commit commit;
    viv_status status = vh_commit_read(a->target, a->arena, &id, &commit, a->err);
    if (status == VIV_OK) {
        good_id(&commit.tree);
        good_id(&commit.parent);
        struct viv_str value = vh_commit_trailer(&commit, "Viv-Effect");
        FUZZ_MUST(value.len == 0 || (value.data >= commit.message.data &&
                                     value.data + value.len <= commit.message.data + commit.message.len),
                  "a trailer leaves the message");
        FUZZ_MUST(!strchr(commit.author, '\n') && !strchr(commit.committer, '\n'), "an author of two lines");
        struct viv_str text = vh_commit_message(a->arena, "", commit.message, "t", "t/1/publish/0", NULL, NULL);
        FUZZ_MUST(text.data && vh_str_utf8(text), "a message that is not UTF-8");
        struct vh_commit made = { .message = text };
        FUZZ_MUST(vh_str_is(vh_commit_trailer(&made, "Viv-Effect"), "t/1/publish/0"), "a goal makes a trailer: '%.*s'",
                  VH_STR_ARGS(text));
    }
    return status;
}

static viv_status
ask_move(struct asked *a)
{
    struct vh_git_id seen = { { 0 } };
    struct vh_move move = { .target = a->target, .arena = a->arena, .err = a->err, .task = "t",
                            .branch = "refs/heads/main", .old = { ID }, .now = { ID }, .root = -1, .stage_fd = -1 };
    viv_status status = vh_move_plan(&move, &seen);
    for (size_t i = 0; status == VIV_OK && i < move.count; i++) {
        const char *path = move.path[i].path.data;
        FUZZ_MUST(path[0] != '/' && strcmp(path, "..") && strncmp(path, "../", 3) && !strstr(path, "/../") &&
                      strncasecmp(path, ".git/", 5) && strcasecmp(path, ".git"),
                  "path '%s' would be checked out", path);
        good_id(&move.path[i].old);
        good_id(&move.path[i].now);
    }
    if (status == VIV_OK) {
        move.root = open(a->target->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = vh_move_compare(&move);
        close(move.root);
    }
    status = status ? status : vh_move_index_check(&move, NULL);
    return status;
}

static viv_status
ask_ignore(struct asked *a)
{
    struct vh_change_path paths[3] = { { .path = VH_STR("a.o"), .kind = VH_CHANGE_ADDED, .size = 1 },
                                       { .path = VH_STR("b.o"), .kind = VH_CHANGE_ADDED, .size = 1 },
                                       { .path = VH_STR("c.o"), .kind = VH_CHANGE_ADDED, .size = 1 } };
    struct vh_change change = { .path = paths, .count = 3, .bytes = 3 };
    struct vh_base base = { .tree = { ID }, .seen = { ID } };
    viv_status status = vh_change_ignore(a->target, a->arena, &base, &change, a->err);
    FUZZ_MUST(status || (change.count + change.ignored_count == 3 && change.bytes == change.count),
              "%zu kept and %zu ignored of 3", change.count, change.ignored_count);
    return status;
}

static viv_status
ask_target(struct asked *a)
{
    struct vh_target target;
    viv_status status = vh_target_open(a->target->tools, a->arena, a->target->root, &target, a->err);
    if (status == VIV_OK) {
        FUZZ_MUST(strcspn(target.author_name, "\n<>") == strlen(target.author_name), "author '%s'", target.author_name);
        FUZZ_MUST(strcspn(target.author_email, "\n<>") == strlen(target.author_email), "mail '%s'",
                  target.author_email);
        FUZZ_MUST(target.hex_len == 40 || target.hex_len == 64, "%d digits", target.hex_len);
        good_id(&target.head);
    }
    return status;
}

static viv_status
take_blob(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err)
{
    (void)fd;
    (void)err;
    uint64_t *end = data;
    FUZZ_MUST(which < 2 && at >= *end && size <= UINT64_MAX - at, "blob %zu at %llu", which, (unsigned long long)at);
    *end = at + size;
    return VIV_OK;
}

static viv_status
ask_blobs(struct asked *a)
{
    struct vh_tree_entry entries[2] = { { VH_STR("a"), VH_TREE_FILE, { ID } }, { VH_STR("b"), VH_TREE_FILE, { ID } } };
    const struct vh_tree_entry *want[2] = { &entries[0], &entries[1] };
    uint64_t end = 0;
    struct vh_tree_sink sink = { &end, take_blob };
    return vh_tree_blobs(a->target, a->arena, want, 2, &sink, a->err);
}

static const struct {
    const char *name;
    viv_status (*ask)(struct asked *a);
} asks[] = {
    { "tree", ask_tree },     { "dirty", ask_dirty }, { "join", ask_join },     { "probe", ask_probe },
    { "commit", ask_commit }, { "move", ask_move },   { "ignore", ask_ignore }, { "target", ask_target },
    { "blobs", ask_blobs },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_git_tools tools;
    struct vh_target target = target_of(&tools);
    char *text = vh_arena_copy(arena, data, size);
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] == '$' ? '\0' : text[i];
    }
    answers = (struct viv_str){ text, size };
    struct viv_str name = fuzz_part(&answers, "\n");
    struct asked asked = { &target, arena, answers, &err };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        if (vh_str_is(name, asks[i].name)) {
            (void)fuzz_ended(asks[i].ask(&asked), &err);
        }
    }
    vh_arena_destroy(arena);
    return 0;
}
