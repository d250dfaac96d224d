/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task's result holds what no result may hold, or is not what the task left. The input is a script
 * that makes an upper layer or a copy, one entry a line; what the reader says is compared with a model of the overlay:
 *
 *   copy             the folder is a whole copy, not an upper layer
 *   b MODE PATH      the base has this file (with the content "base")
 *   f MODE PATH TEXT a file               l PATH TARGET   a link
 *   d PATH           a folder             w PATH          a whiteout (device 0/0)
 *   p PATH           a pipe               o PATH          a folder that hides the base below it
 *   x PATH           a file marked as a whiteout by attribute
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "run/change.h"
#include "run/layer_write.h"

#define NAMES_MAX 64
#define BASE_ID "df967b96a579e45a18b8251732d16804b2e56a55" /* of "base" */

enum made { MADE_NOTHING, MADE_FILE, MADE_LINK, MADE_FOLDER, MADE_OPAQUE, MADE_GONE, MADE_PIPE };

struct name {
    char path[512];
    enum made made; /* in the layer */
    bool in_base;
    uint32_t base_mode;
};

static struct world {
    struct name name[NAMES_MAX]; /* every path that base or layer has */
    size_t count;
    int dir;
    bool copy;
    char list[NAMES_MAX * 600];
    size_t list_len;
} world;

static struct name *
name_of(struct viv_str path, bool make)
{
    for (size_t i = 0; i < world.count; i++) {
        if (vh_str_is(path, world.name[i].path)) {
            return &world.name[i];
        }
    }
    if (!make || world.count == NAMES_MAX || path.len >= sizeof world.name[0].path) {
        return NULL;
    }
    struct name *name = &world.name[world.count++];
    *name = (struct name){ .made = MADE_NOTHING };
    memcpy(name->path, path.data, (size_t)path.len);
    return name;
}

/* Relative, without empty parts and dots: what a folder can hold. ".git" is left to the reader. */
static bool
can_be(struct viv_str path)
{
    if (!path.len || path.len > 500 || memchr(path.data, '\0', (size_t)path.len)) {
        return false;
    }
    while (path.len) {
        struct viv_str part = fuzz_part(&path, "/");
        if (!part.len || part.len > 255 || vh_str_is(part, ".") || vh_str_is(part, "..") ||
            (!path.len && path.data[-1] == '/')) {
            return false;
        }
    }
    return true;
}

static bool
make_parents(struct viv_str path)
{
    for (uint64_t i = 0; i < path.len; i++) {
        if (path.data[i] != '/') {
            continue;
        }
        struct viv_str above = { path.data, i };
        struct name *name = name_of(above, true);
        if (!name || (name->made != MADE_NOTHING && name->made != MADE_FOLDER && name->made != MADE_OPAQUE)) {
            return false;
        }
        if (name->made == MADE_NOTHING) {
            if (mkdirat(world.dir, name->path, 0755)) {
                return false;
            }
            name->made = MADE_FOLDER;
        }
    }
    return true;
}

static bool
write_file(const char *path, mode_t mode, struct viv_str text, const char *mark)
{
    int fd = openat(world.dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool good = text.len == 0 || write(fd, text.data, (size_t)text.len) == (ssize_t)text.len;
    good = good && fchmod(fd, mode & 07777) == 0 && (!mark || fsetxattr(fd, mark, "y", 1, 0) == 0);
    close(fd);
    if (!good) {
        (void)unlinkat(world.dir, path, 0);
    }
    return good;
}

static bool
mark_opaque(const char *path)
{
    int fd = openat(world.dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static void
make_entry(char kind, uint32_t mode, struct viv_str path, struct viv_str rest)
{
    struct name *name = can_be(path) && make_parents(path) ? name_of(path, true) : NULL;
    char target[256];
    if (!name || name->made != MADE_NOTHING) {
        return;
    }
    snprintf(target, sizeof target, "%.*s", rest.len > 200 ? 200 : (int)rest.len, rest.len ? rest.data : "");
    if (kind == 'f' && write_file(name->path, mode, rest, NULL)) {
        name->made = MADE_FILE;
    } else if (kind == 'x' && !world.copy && write_file(name->path, 0644, rest, "user.overlay.whiteout")) {
        name->made = MADE_GONE;
    } else if (kind == 'l' && symlinkat(target[0] ? target : "t", world.dir, name->path) == 0) {
        name->made = MADE_LINK;
    } else if (kind == 'w' && mknodat(world.dir, name->path, S_IFCHR, makedev(0, 0)) == 0) {
        name->made = world.copy ? MADE_PIPE : MADE_GONE; /* in a copy a device like any other */
    } else if (kind == 'p' && mkfifoat(world.dir, name->path, 0644) == 0) {
        name->made = MADE_PIPE;
    } else if ((kind == 'd' || kind == 'o') && mkdirat(world.dir, name->path, 0755) == 0) {
        name->made = kind == 'o' && !world.copy && mark_opaque(name->path) ? MADE_OPAQUE : MADE_FOLDER;
    }
}

/* A base is a tree: no file is a folder as well, and none of git's or the host's names is in it. */
static void
add_base(uint32_t mode, struct viv_str path)
{
    if (!can_be(path) || !vh_layer_good_path(path) ||
        strncasecmp(path.data, ".viv", path.len < 4 ? path.len : 4) == 0) {
        return;
    }
    for (size_t i = 0; i < world.count; i++) {
        const char *other = world.name[i].path;
        size_t len = strlen(other);
        bool below = len > path.len && other[path.len] == '/' && memcmp(other, path.data, (size_t)path.len) == 0;
        bool above = path.len > len && path.data[len] == '/' && memcmp(other, path.data, len) == 0;
        if (world.name[i].in_base && (below || above)) {
            return;
        }
    }
    struct name *name = name_of(path, true);
    if (name) {
        name->in_base = true;
        name->base_mode = mode & 0100 ? VH_TREE_PROGRAM : VH_TREE_FILE;
    }
}

static void
run_script(struct viv_str script)
{
    for (int lines = 0; script.len && lines < NAMES_MAX; lines++) {
        struct viv_str line = fuzz_part(&script, "\n");
        struct viv_str word = fuzz_part(&line, " ");
        char kind = word.len == 1 ? word.data[0] : '\0';
        uint32_t mode = 0644;
        if (lines == 0 && vh_str_is(word, "copy")) {
            world.copy = true;
        }
        if (kind == 'b' || kind == 'f') {
            char number[8] = "";
            struct viv_str text = fuzz_part(&line, " ");
            snprintf(number, sizeof number, "%.*s", text.len > 5 ? 5 : (int)text.len, text.len ? text.data : "");
            mode = (uint32_t)strtoul(number, NULL, 8);
        }
        struct viv_str path = fuzz_part(&line, " ");
        if (kind == 'b') {
            add_base(mode, path);
        } else if (kind) {
            make_entry(kind, mode, path, line);
        }
    }
}

/* ---- the model ---- */

/* Whether the base's file is still to be seen through the layer. */
static bool
shown(const struct name *name)
{
    if (world.copy) {
        return name->made == MADE_FILE || name->made == MADE_LINK;
    }
    for (const char *slash = strchr(name->path, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct viv_str above = { name->path, (uint64_t)(slash - name->path) };
        const struct name *folder = name_of(above, false);
        if (folder && folder->made != MADE_NOTHING && folder->made != MADE_FOLDER) {
            return false;
        }
    }
    return name->made == MADE_NOTHING;
}

static const struct vh_change_path *
find(const struct vh_change *change, const char *path)
{
    for (size_t i = 0; i < change->count; i++) {
        if (vh_str_is(change->path[i].path, path)) {
            return &change->path[i];
        }
    }
    return NULL;
}

static bool
private_git(const char *path)
{
    return strcmp(path, ".git") == 0 || strncmp(path, ".git/", 5) == 0;
}

/* Each path: what the layer has must be there, what it hides must be deleted, the rest must not be named. */
static void
compare(const struct vh_change *change)
{
    size_t named = 0;
    for (size_t i = 0; i < world.count; i++) {
        const struct name *name = &world.name[i];
        const struct vh_change_path *found = find(change, name->path);
        bool content = (name->made == MADE_FILE || name->made == MADE_LINK) && !private_git(name->path);
        named += found != NULL;
        FUZZ_MUST(name->made != MADE_PIPE || private_git(name->path), "'%s' is in a result", name->path);
        if (content && found) {
            FUZZ_MUST(found->kind == (name->in_base ? VH_CHANGE_MODIFIED : VH_CHANGE_ADDED), "'%s' is of kind %d",
                      name->path, (int)found->kind);
            FUZZ_MUST((found->mode == VH_TREE_LINK) == (name->made == MADE_LINK), "'%s' has mode %o", name->path,
                      found->mode);
            FUZZ_MUST(found->mode == VH_TREE_FILE || found->mode == VH_TREE_PROGRAM || found->mode == VH_TREE_LINK,
                      "'%s' has mode %o", name->path, found->mode);
        } else if (content) {
            FUZZ_MUST(name->in_base, "new file '%s' is not in the result", name->path);
        } else if (name->in_base && !shown(name) && !private_git(name->path)) {
            FUZZ_MUST(found && found->kind == VH_CHANGE_DELETED && found->mode == 0, "'%s' is not deleted", name->path);
        } else {
            FUZZ_MUST(!found, "'%s' is in the result", name->path);
        }
    }
    FUZZ_MUST(named == change->count, "%zu paths of the result were never there", change->count - named);
}

static void
check_form(struct vh_arena *arena, const struct vh_change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        const struct vh_change_path *path = &change->path[i];
        FUZZ_MUST(i == 0 || vh_str_compare(change->path[i - 1].path, path->path) < 0, "not sorted, or twice");
        FUZZ_MUST(vh_layer_good_path(path->path), "'%s' is in a result", path->path.data);
        FUZZ_MUST(path->kind == VH_CHANGE_DELETED || (strlen(path->id.hex) == 40 && strlen(path->digest) == 64),
                  "'%s' has no names", path->path.data);
    }
    struct vh_json *list = vh_change_json(arena, change);
    FUZZ_MUST(vh_json_canonical(list) && list->count == change->count, "a change cannot be recorded");
    size_t i = 0;
    for (const struct vh_json *item = list->child; item; item = item->next, i++) {
        struct viv_str path = vh_tree_unescape(arena, vh_json_str(item, "path"));
        FUZZ_MUST(vh_str_equal(path, change->path[i].path), "recorded as '%.*s'", VH_STR_ARGS(path));
    }
}

/* ---- around it ---- */

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

static viv_status
list_base(void *data, struct vh_arena *arena, const struct vh_git_call *call, struct vh_git_result *ret_result,
          struct viv_error *err)
{
    (void)data;
    (void)arena;
    (void)call;
    (void)err;
    *ret_result = (struct vh_git_result){ .output = { world.list, world.list_len } };
    return VIV_OK;
}

static void
write_list(void)
{
    static struct name sorted[NAMES_MAX];
    memcpy(sorted, world.name, sizeof sorted);
    qsort(sorted, world.count, sizeof *sorted, by_path);
    world.list_len = 0;
    for (size_t i = 0; i < world.count; i++) {
        if (sorted[i].in_base) {
            world.list_len += (size_t)snprintf(world.list + world.list_len, sizeof world.list - world.list_len,
                                               "%06o blob %s\t%s", sorted[i].base_mode, BASE_ID, sorted[i].path) + 1;
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vh_git git = { NULL, list_base };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_change change = { 0 };
    int top = fuzz_folder_fd();
    world.count = 0;
    world.copy = false;
    FUZZ_MUST(mkdirat(top, "layer", 0755) == 0, "no folder");
    world.dir = openat(top, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    run_script(fuzz_text(data, size));
    write_list();
    struct vh_git_tools tools = { .seam = vh_seam_real(), .git = &git, .home = top, .home_path = fuzz_folder() };
    struct vh_target target = { .tools = &tools, .kind = VH_TARGET_REPOSITORY, .root = fuzz_folder(), .prefix = "",
                                .git_dir = "/g", .common_dir = "/g", .private_dir = "/p", .hex_len = 40 };
    struct vh_base base = { .seen = { BASE_ID }, .tree = { BASE_ID } };
    struct vh_arena *arena = fuzz_arena();
    viv_status status = vh_change_read(&target, arena, &base, world.dir,
                                       world.copy ? VH_CHANGE_COPY : VH_CHANGE_UPPER, &change, &err);
    if (fuzz_ended(status, &err)) {
        check_form(arena, &change);
        compare(&change);
    }
    vh_arena_destroy(arena);
    close(world.dir);
    FUZZ_MUST(vh_fs_remove_tree(vh_seam_real(), top, "layer", &err) == VIV_OK, "%s", err.text);
    return 0;
}
