/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay at /work and the extra binds. Layers are given to the kernel as proc/self/fd/N of our
 * own fresh /proc: no path needs quoting, seventeen of them fit into one option page, and the task
 * cannot read host paths in its mount table. Mount points inside the workspace come from a lowest
 * layer of empty folders, so the upper stays clean. */
#include "root.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POINTS "points" /* in scratch, beside nothing else */

static int
open_folder(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Make `target` and what lies above it, below `dir`; the last part like the source: a folder or a
 * file. */
static int
make_point(int dir, const char *target, bool folder)
{
    char path[KEEPER_PATH_MAX];
    if (snprintf(path, sizeof path, "%s", target) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(dir, path, 0755) && errno != EEXIST) {
            return -1;
        }
        *slash = '/';
    }
    if (folder) {
        return mkdirat(dir, path, 0755) && errno != EEXIST ? -1 : 0;
    }
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -1;
    }
    close(fd);
    return 0;
}

/* The lowest layer: an empty point for each bind inside the workspace. */
static int
open_points(struct keeper *keeper, int *ret_fd)
{
    const struct plan *plan = &keeper->plan;
    int scratch = open_folder(plan->scratch);
    if (step_fails(STEP_POINTS) || scratch < 0 ||
        (mkdirat(scratch, POINTS, 0755) && errno != EEXIST)) {
        return step_refuse(&keeper->ready, STEP_POINTS, plan->scratch);
    }
    *ret_fd = openat(scratch, POINTS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    close(scratch);
    for (size_t i = 0; i < plan->bind_count; i++) {
        struct stat stat;
        const struct plan_bind *bind = &plan->binds[i];
        if (bind->target[0] == '/') {
            continue;
        }
        if (fstatat(bind->tree, "", &stat, AT_EMPTY_PATH) ||
            make_point(*ret_fd, bind->target, S_ISDIR(stat.st_mode))) {
            return step_refuse(&keeper->ready, STEP_POINTS, bind->target);
        }
    }
    return *ret_fd < 0 ? step_refuse(&keeper->ready, STEP_POINTS, NULL) : 0;
}

static int
open_binds(struct keeper *keeper, struct plan_bind *binds, bool *ret_points)
{
    for (size_t i = 0; i < keeper->plan.bind_count; i++) {
        uint64_t attributes =
            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (binds[i].writable ? 0 : MOUNT_ATTR_RDONLY);
        binds[i].tree = step_fails(STEP_BINDS) ? -1 : root_tree(binds[i].source, attributes);
        if (binds[i].tree < 0) {
            return step_refuse(&keeper->ready, STEP_BINDS, binds[i].source);
        }
        *ret_points |= binds[i].target[0] != '/';
    }
    return 0;
}

int
root_open_sources(struct keeper *keeper, struct root_sources *ret_sources)
{
    const struct plan *plan = &keeper->plan;
    bool points = false;
    memset(ret_sources, 0, sizeof *ret_sources);
    for (size_t i = 0; i < plan->lower_count; i++) {
        int fd = step_fails(STEP_LAYERS) ? -1 : open_folder(plan->lowers[i]);
        if (fd < 0) {
            return step_refuse(&keeper->ready, STEP_LAYERS, plan->lowers[i]);
        }
        ret_sources->lowers[ret_sources->lower_count++] = fd;
    }
    ret_sources->upper = open_folder(plan->upper);
    ret_sources->work = open_folder(plan->work);
    if (ret_sources->upper < 0 || ret_sources->work < 0) {
        return step_refuse(&keeper->ready, STEP_LAYERS,
                           ret_sources->upper < 0 ? plan->upper : plan->work);
    }
    if (open_binds(keeper, keeper->plan.binds, &points)) {
        return -1;
    }
    if (points) {
        int *last = &ret_sources->lowers[ret_sources->lower_count];
        if (open_points(keeper, last)) {
            return -1;
        }
        ret_sources->lower_count++;
    }
    return 0;
}

int
root_overlay(struct keeper *keeper, const struct root_sources *sources)
{
    char options[1024] = "userxattr,volatile";
    size_t len = strlen(options);
    for (size_t i = 0; i < sources->lower_count; i++) {
        len += (size_t)snprintf(options + len, sizeof options - len, "%sproc/self/fd/%d",
                                i ? ":" : ",lowerdir=", sources->lowers[i]);
    }
    len += (size_t)snprintf(options + len, sizeof options - len,
                            ",upperdir=proc/self/fd/%d,workdir=proc/self/fd/%d", sources->upper,
                            sources->work);
    if (step_fails(STEP_OVERLAY) || len >= sizeof options ||
        mount("overlay", "work", "overlay", MS_NOSUID | MS_NODEV, options)) {
        return step_refuse(&keeper->ready, STEP_OVERLAY, NULL);
    }
    keeper->ready.bits |= VW_OVERLAY;
    for (size_t i = 0; i < sources->lower_count; i++) {
        close(sources->lowers[i]);
    }
    close(sources->upper);
    close(sources->work);
    return 0;
}

/* The target may be what the base holds there, so no link is followed and the result stays below
 * `dir`. */
static int
open_target(int dir, const char *target)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, dir, target, &how, sizeof how);
}

int
root_bind(struct keeper *keeper)
{
    int here = open_folder(".");
    int work = open_folder("work");
    for (size_t i = 0; i < keeper->plan.bind_count; i++) {
        struct plan_bind *bind = &keeper->plan.binds[i];
        bool outside = bind->target[0] == '/';
        struct stat stat;
        if (outside && (fstatat(bind->tree, "", &stat, AT_EMPTY_PATH) ||
                        make_point(here, bind->target + 1, S_ISDIR(stat.st_mode)))) {
            return step_refuse(&keeper->ready, STEP_BINDS, bind->target);
        }
        int target = open_target(outside ? here : work, outside ? bind->target + 1 : bind->target);
        if (target < 0 || move_mount(bind->tree, "", target, "",
                                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)) {
            return step_refuse(&keeper->ready, STEP_BINDS, bind->target);
        }
        close(target);
        close(bind->tree);
    }
    close(here);
    close(work);
    return 0;
}
