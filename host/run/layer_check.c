/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and cleaning the cache of trees; layer.c makes it. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "target.h"

#define STAMP_MAX 4096

/* Look for `entry` from the newest layer down, as the overlay does. */
static viv_status
check_entry(const struct vh_target *target, struct vh_arena *arena, const int *roots, size_t count,
            const struct vh_tree_entry *entry, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    viv_status status = VIV_E_NOT_FOUND;
    struct vh_tree_content content = { 0 };
    for (size_t i = 0; i < count && status == VIV_E_NOT_FOUND; i++) {
        int dir = -1;
        const char *name = NULL;
        status = vh_tree_parent(target, roots[i], entry->path, false, &dir, &name, NULL);
        if (status == VIV_OK) {
            status = vh_tree_look(target, arena, dir, name, -1, &content, NULL);
            seam->close(seam->data, dir);
        }
    }
    bool folder = entry->mode == VH_TREE_MODULE && status == VIV_E_INVALID;
    if (folder || (status == VIV_OK && content.mode == entry->mode && vh_git_same(&content.id, &entry->id))) {
        return VIV_OK;
    }
    struct viv_str text = vh_tree_escape(arena, entry->path);
    return vh_error_set(err, VIV_E_CORRUPT, "layer", "file '%.*s' of a cached tree is missing or altered: '%s'",
                        VH_STR_ARGS(text), content.id.hex);
}

viv_status
vh_layer_verify(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
                struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    static const struct vh_git_id any = { "" };
    struct vh_layers layers;
    struct vh_tree list;
    int roots[64];
    size_t open = 0;
    viv_status status = vh_layer_materialise(target, arena, tree, &any, 0, &layers, err);
    status = status ? status : vh_layer_list(target, arena, tree, &list, err);
    for (; status == VIV_OK && open < layers.count && open < 64; open++) {
        roots[open] = seam->open(seam->data, AT_FDCWD, layers.path[open], O_RDONLY | O_DIRECTORY, 0);
        if (roots[open] < 0) {
            status = vh_error_errno(err, VIV_E_CORRUPT, "layer", "cannot open '%s'", layers.path[open]);
            break;
        }
    }
    for (size_t i = 0; status == VIV_OK && i < list.count; i++) {
        struct vh_arena *one = vh_arena_create(arena, 0);
        status = one ? check_entry(target, one, roots, open, &list.entry[i], err)
                     : vh_error_set(err, VIV_E_MEMORY, "layer", "no memory to check a tree");
        vh_arena_destroy(one);
    }
    while (open-- > 0) {
        seam->close(seam->data, roots[open]);
    }
    return status;
}

void
vh_layer_boot(const struct vh_seam *seam, char ret_boot[VH_LAYER_BOOT])
{
    int fd = seam->open(seam->data, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
    ssize_t got = fd >= 0 ? seam->read(seam->data, fd, ret_boot, VH_LAYER_BOOT - 1) : 0;
    ret_boot[got > 0 ? got : 0] = '\0';
    ret_boot[strcspn(ret_boot, "\n")] = '\0';
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
}

/* A layer that was not synced and may have lost its bytes since: its stamp names another start, or is damaged. */
static bool
is_stale(const struct vh_git_tools *tools, struct vh_arena *arena, const char *name)
{
    char boot[VH_LAYER_BOOT];
    struct viv_str text;
    struct vh_json *stamp = NULL;
    const char *path = vh_arena_format(arena, "trees/%s/stamp", name);
    if (!path || !vh_fs_exists(tools->seam, tools->home, path)) {
        return false; /* no entry, but something beside them */
    }
    if (vh_fs_read(tools->seam, arena, tools->home, path, STAMP_MAX, &text, NULL) ||
        vh_json_read(arena, text, &stamp, NULL)) {
        return true;
    }
    struct viv_str made = vh_json_str(stamp, "boot");
    vh_layer_boot(tools->seam, boot);
    return made.len && !vh_str_is(made, boot);
}

viv_status
vh_layer_clean(const struct vh_git_tools *tools, struct vh_arena *arena, struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    viv_status status = vh_fs_list(tools->seam, arena, tools->home, "trees", &names, err);
    if (status == VIV_E_NOT_FOUND) {
        return VIV_OK;
    }
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        bool useless = strncmp(names.name[i], ".new-", 5) == 0 || strstr(names.name[i], ".tmp") ||
                       is_stale(tools, arena, names.name[i]);
        const char *path = useless ? vh_arena_format(arena, "trees/%s", names.name[i]) : NULL;
        if (useless && !path) {
            return vh_error_set(err, VIV_E_MEMORY, "layer", "no memory to clean the cache of trees");
        }
        status = path ? vh_fs_remove_tree(tools->seam, tools->home, path, err) : VIV_OK;
    }
    return status;
}
