/* SPDX-License-Identifier: Apache-2.0 */
/* What a reference names: read from git's files where they are plain, else asked of git. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "target.h"

#define SMALL_FILE 4096
#define PACKED_MAX (1u << 20) /* of packed-refs; git finds its way in larger ones faster */

/* A name that cannot lead anywhere else than to its own file; all others are left to git. */
static bool
plain_ref(const char *ref)
{
    if (strncmp(ref, "refs/", 5) != 0 || strstr(ref, "..") || strstr(ref, "//") || strstr(ref, "/.")) {
        return false;
    }
    for (const char *c = ref; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("~^:?*[\\", *c)) {
            return false;
        }
    }
    size_t len = strlen(ref);
    return ref[len - 1] != '/' && !(len > 5 && strcmp(ref + len - 5, ".lock") == 0);
}

/* The line "ID NAME" of packed-refs. */
static void
find_packed(const struct vh_target *target, struct viv_str text, const char *line, struct vh_git_id *ret_id)
{
    const char *from = text.data;
    const char *at;
    size_t left = (size_t)text.len;
    while (left && (at = memmem(from, left, line, strlen(line))) != NULL) {
        const char *id = at - target->hex_len;
        if (at - text.data >= target->hex_len && (id == text.data || id[-1] == '\n')) {
            (void)vh_git_parse_id((struct viv_str){id, (uint64_t)target->hex_len}, ret_id); /* "" if it is none */
            return;
        }
        from = at + 1;
        left = (size_t)(text.data + text.len - from);
    }
}

/* What git would read, in git's order: the reference's file, then packed-refs. False for anything
 * unusual (symbolic references, links, names git would refuse): then git is asked. A dozen of these
 * a task are not worth a process each. */
static bool
read_ref(const struct vh_target *target, struct vh_arena *arena, const char *ref, struct vh_git_id *ret_id)
{
    const struct vh_seam *seam = target->tools->seam;
    const char *line = vh_arena_format(arena, " %s\n", ref);
    struct viv_str text;
    struct vh_git_id id = {{0}};
    int dir =
        line && plain_ref(ref) ? seam->open(seam->data, AT_FDCWD, target->common_dir, O_RDONLY | O_DIRECTORY, 0) : -1;
    if (dir < 0) {
        return false;
    }
    int fd = seam->open_beneath(seam->data, dir, ref, O_RDONLY | O_NONBLOCK, 0, 1);
    bool known = fd >= 0 ? vh_fs_read_fd(seam, arena, fd, SMALL_FILE, &text, NULL) == VIV_OK &&
                               vh_git_parse_id(text, &id) && strlen(id.hex) == (size_t)target->hex_len
                         : errno == ENOENT;
    if (fd >= 0) {
        seam->close(seam->data, fd);
    } else if (known) {
        viv_status status = vh_fs_read(seam, arena, dir, "packed-refs", PACKED_MAX, &text, NULL);
        known = status == VIV_OK || status == VIV_E_NOT_FOUND;
        if (status == VIV_OK) {
            find_packed(target, text, line, &id);
        }
    }
    seam->close(seam->data, dir);
    *ret_id = id;
    return known;
}

static viv_status
ask_ref(const struct vh_target *target, struct vh_arena *arena, const char *ref, struct vh_git_id *ret_id,
        struct viv_error *err)
{
    struct vh_git_result result;
    const char *name = vh_arena_format(arena, "%s^{commit}", ref);
    const char *words[] = {"rev-parse", "--quiet", "--verify", name, NULL};
    struct vh_git_ask ask = {.mode = VH_GIT_REFS, .words = words, .allow_exit = 1};
    if (!name) {
        return vh_error_set(err, VIV_E_MEMORY, "target", "no memory to describe the target");
    }
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status) {
        return status;
    }
    *ret_id = (struct vh_git_id){{0}};
    if (result.exit_code == 0 && !vh_git_parse_id(result.output, ret_id)) {
        return vh_error_set(err, VIV_E_CORRUPT, "target", "reference '%s' names no commit", ref);
    }
    return VIV_OK;
}

viv_status
vh_target_ref(const struct vh_target *target, struct vh_arena *arena, const char *ref, struct vh_git_id *ret_id,
              struct viv_error *err)
{
    struct vh_arena *inner = vh_arena_create(NULL, 0);
    bool known = inner && read_ref(target, inner, ref, ret_id);
    vh_arena_destroy(inner);
    return known ? VIV_OK : ask_ref(target, arena, ref, ret_id, err);
}
