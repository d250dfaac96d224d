/* SPDX-License-Identifier: Apache-2.0 */
#include "workspace.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/network.h"
#include "run/prepare.h"
#include "run/private_git.h"

struct vh_workspace {
    const char *name; /* below work/ */
    const char *upper;
    const char *copy;
    struct vh_keeper *keeper;
    bool is_copy;
};

/* work/TASK.LEASE.STAGE/{upper,work,scratch,copy} */
static viv_status
make_folders(struct vh_work *work, struct vh_workspace *workspace, struct viv_error *err)
{
    static const char *const parts[] = { "upper", "work", "scratch", "copy", "git" };
    const struct vh_run *run = work->run;
    workspace->name = vh_arena_format(work->arena, "work/%.*s.%lld.%.*s", VH_STR_ARGS(work->ask.task.id),
                                      (long long)work->lease, VH_STR_ARGS(work->stage));
    if (!workspace->name) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a workspace");
    }
    viv_status status = vh_fs_remove_tree(run->seam, run->home, workspace->name, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == VIV_OK; i++) {
        char *path = vh_arena_format(work->arena, "%s/%s", workspace->name, parts[i]);
        status = path ? vh_fs_make_folders(run->seam, run->home, path, 0755, err)
                      : vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a workspace");
    }
    return status;
}

static const char *
path_in(const struct vh_work *work, const struct vh_workspace *workspace, const char *part)
{
    return vh_arena_format(work->arena, "%s/%s/%s", work->run->home_path, workspace->name, part);
}

/* The reduced-copy variant works on a plain copy of the tree, or of what `prepare` made of it. */
static viv_status
fill_copy(struct vh_work *work, const struct vh_workspace *workspace, const char *tree, struct viv_error *err)
{
    const struct vh_seam *seam = work->run->seam;
    int from = seam->open(seam->data, AT_FDCWD, tree, O_RDONLY | O_DIRECTORY, 0);
    int to = seam->open(seam->data, AT_FDCWD, workspace->copy, O_RDONLY | O_DIRECTORY, 0);
    viv_status status = from < 0 || to < 0 ? vh_error_errno(err, VIV_E_IO, "workspace", "cannot copy the base")
                                           : vh_copy_tree(seam, from, to, err);
    if (from >= 0) {
        seam->close(seam->data, from);
    }
    if (to >= 0) {
        seam->close(seam->data, to);
    }
    return status;
}

static viv_status
open_keeper(struct vh_work *work, struct vh_workspace *workspace, const struct vh_layers *layers,
            struct viv_error *err)
{
    const struct vh_run *run = work->run;
    struct vh_sandbox_bind binds[2];
    size_t bind_count = 0;
    viv_status status = VIV_OK;
    if (!workspace->is_copy) {
        status = vh_private_git(work, path_in(work, workspace, "git"), binds, &bind_count, err);
    }
    struct vh_sandbox_plan plan = {
        .variant = run->profile.variant,
        .minimum = run->profile.bits,
        .lowers = layers->path,
        .lower_count = layers->count,
        .upper = workspace->upper,
        .work = path_in(work, workspace, "work"),
        .scratch = path_in(work, workspace, "scratch"),
        .copy = workspace->is_copy ? workspace->copy : NULL,
        .binds = binds,
        .bind_count = bind_count,
        .door = run->profile.variant == VH_SANDBOX_FULL && vh_network_wanted(work),
    };
    work->network_bytes = 0;
    if (status == VIV_OK && (!plan.work || !plan.scratch)) {
        status = vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a workspace");
    }
    return status ? status : vh_sandbox_open(run->launcher, work->arena, &plan, &workspace->keeper, err);
}

/* `prepared` (may be NULL) lies over the tree's layers and under the task's own changes. */
static viv_status
put_on_top(struct vh_work *work, struct vh_layers *layers, const char *prepared, struct viv_error *err)
{
    if (!prepared) {
        return VIV_OK;
    }
    const char **paths = vh_arena_array(work->arena, layers->count + 1, sizeof *paths);
    if (!paths) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for layers");
    }
    paths[0] = prepared;
    for (size_t i = 0; i < layers->count; i++) {
        paths[i + 1] = layers->path[i];
    }
    layers->path = paths;
    layers->count++;
    return VIV_OK;
}

static viv_status
open_over(struct vh_work *work, struct vh_workspace *workspace, struct vh_layers *layers, struct viv_error *err)
{
    viv_status status = make_folders(work, workspace, err);
    if (status) {
        return status;
    }
    work->workspace = workspace;
    workspace->upper = path_in(work, workspace, "upper");
    workspace->copy = path_in(work, workspace, "copy");
    if (!workspace->upper || !workspace->copy) {
        status = vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a workspace");
    }
    if (status == VIV_OK && workspace->is_copy) {
        status = fill_copy(work, workspace, layers->path[0], err); /* a prepared copy is whole */
    }
    if (status == VIV_OK) {
        status = open_keeper(work, workspace, layers, err);
    }
    if (status) {
        vh_workspace_close(work);
    }
    return status;
}

static viv_status
open_workspace(struct vh_work *work, const struct vh_git_id *tree, const struct vh_git_id *near, int64_t time_s,
               const char *prepared, struct viv_error *err)
{
    struct vh_workspace *workspace = vh_arena_alloc(work->arena, sizeof *workspace);
    struct vh_layers layers;
    if (!workspace) {
        return vh_error_set(err, VIV_E_MEMORY, "workspace", "no memory for a workspace");
    }
    workspace->is_copy = work->run->profile.variant == VH_SANDBOX_REDUCED_COPY;
    viv_status status = vh_layer_materialise(&work->target, work->arena, tree, workspace->is_copy ? NULL : near, time_s,
                                             &layers, err);
    if (status == VIV_OK) {
        status = put_on_top(work, &layers, prepared, err);
    }
    return status ? status : open_over(work, workspace, &layers, err);
}

viv_status
vh_workspace_open(struct vh_work *work, const struct vh_git_id *tree, const struct vh_git_id *near, int64_t time_s,
                  struct viv_error *err)
{
    const char *prepared = NULL;
    viv_status status = vh_run_target(work, err);
    if (status == VIV_OK) {
        status = vh_prepare_layer(work, tree, time_s, &prepared, err);
    }
    return status ? status : open_workspace(work, tree, near, time_s, prepared, err);
}

viv_status
vh_workspace_open_bare(struct vh_work *work, const struct vh_git_id *tree, int64_t time_s, struct viv_error *err)
{
    return open_workspace(work, tree, NULL, time_s, NULL, err);
}

void
vh_workspace_stop(struct vh_work *work)
{
    if (work->workspace) {
        vh_sandbox_close(work->workspace->keeper);
        work->workspace->keeper = NULL;
    }
}

void
vh_workspace_close(struct vh_work *work)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (!work->workspace) {
        return;
    }
    vh_workspace_stop(work);
    if (vh_fs_remove_tree(work->run->seam, work->run->home, work->workspace->name, &err)) {
        vh_log(VH_LOG_WARNING, "workspace", "%s; it is removed at the next start", err.text);
    }
    work->workspace = NULL;
}

struct vh_keeper *
vh_workspace_keeper(const struct vh_work *work)
{
    return work->workspace ? work->workspace->keeper : NULL;
}

const char *
vh_workspace_result_path(const struct vh_work *work)
{
    return work->workspace->is_copy ? work->workspace->copy : work->workspace->upper;
}

int
vh_workspace_result(const struct vh_work *work, enum vh_change_form *ret_form, struct viv_error *err)
{
    const struct vh_seam *seam = work->run->seam;
    const struct vh_workspace *workspace = work->workspace;
    const char *path = vh_workspace_result_path(work);
    *ret_form = workspace->is_copy ? VH_CHANGE_COPY : VH_CHANGE_UPPER;
    int fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) {
        vh_error_errno(err, VIV_E_IO, "workspace", "cannot open the result of the work");
    }
    return fd;
}

viv_status
vh_workspace_clean(struct vh_run *run, struct viv_error *err)
{
    viv_status status = vh_fs_remove_tree(run->seam, run->home, "work", err);
    return status ? status : vh_fs_make_folders(run->seam, run->home, "work", 0700, err);
}
