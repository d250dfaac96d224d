/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine can do is found by doing it: a real keeper over empty folders, where workspaces
 * will be. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fs.h"
#include "sandbox_inside.h"

static viv_status
probe_in(struct vh_launcher *launcher, struct vh_arena *arena, const char *folder,
         enum vh_sandbox_variant variant, struct vh_sandbox_profile *ret_profile,
         struct viv_error *err)
{
    static const char *const names[] = {"lower", "upper", "work", "scratch", "copy"};
    const struct vh_seam *seam = launcher->seam;
    const char *paths[5];
    for (size_t i = 0; i < 5; i++) {
        paths[i] = vh_arena_format(arena, "%s/%s", folder, names[i]);
        if (!paths[i]) {
            return vh_error_set(err, VIV_E_MEMORY, "sandbox", "no memory for a probe");
        }
        if (seam->mkdir(seam->data, AT_FDCWD, paths[i], 0700)) {
            return vh_error_errno(err, VIV_E_IO, "sandbox", "cannot make folder '%s'", paths[i]);
        }
    }
    struct vh_sandbox_plan plan = {.variant = variant,
                                   .lowers = &paths[0],
                                   .lower_count = 1,
                                   .upper = paths[1],
                                   .work = paths[2],
                                   .scratch = paths[3],
                                   .copy = paths[4]};
    struct vh_keeper *keeper = NULL;
    viv_status status = vh_sandbox_open(launcher, arena, &plan, &keeper, err);
    if (status == VIV_OK) {
        *ret_profile = *vh_keeper_profile(keeper);
        vh_sandbox_close(keeper);
    }
    return status;
}

viv_status
vh_sandbox_probe(struct vh_launcher *launcher, const char *folder, enum vh_sandbox_variant variant,
                 struct vh_sandbox_profile *ret_profile, struct viv_error *err)
{
    const struct vh_seam *seam = launcher->seam;
    uint64_t tag = 0;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const char *path = NULL;
    if (arena && seam->random(seam->data, &tag, sizeof tag) == 0) {
        path = vh_arena_format(arena, "%s/probe-%016llx", folder, (unsigned long long)tag);
    }
    viv_status status = VIV_OK;
    if (!path) {
        status = vh_error_set(err, VIV_E_MEMORY, "sandbox", "no memory for a probe");
    } else if (seam->mkdir(seam->data, AT_FDCWD, path, 0700)) {
        status = vh_error_errno(err, VIV_E_IO, "sandbox", "cannot make folder '%s'", path);
    } else {
        status = probe_in(launcher, arena, path, variant, ret_profile, err);
        viv_status removed = vh_fs_remove_tree(seam, AT_FDCWD, path, status ? NULL : err);
        status = status ? status : removed;
    }
    vh_arena_destroy(arena);
    return status;
}
