/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/policy.h"

#define FIGURE "trees/size"
#define FIGURE_BYTES 40 /* two numbers of 19 digits, each with what ends it: written over in one piece */
#define WALK_SHARE 50
#define FIGURE_US_MAX INT64_C(600000000)

/* ---- measuring ---- */

struct folder {
    const char *path;
    struct folder *next;
};

/* One folder; those in it are put on the list. */
static viv_status
measure_folder(const struct vh_run *run, struct vh_arena *arena, struct folder **list, int64_t *bytes)
{
    struct vh_fs_names names = { 0 };
    const char *in = (*list)->path;
    struct vh_arena *own = vh_arena_create(NULL, 0);
    viv_status status = own ? vh_fs_list(run->seam, own, run->home, in, &names, NULL) : VIV_E_MEMORY;
    *list = (*list)->next;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        struct stat stat;
        const char *path = vh_arena_format(own, "%s/%s", in, names.name[i]);
        if (path && run->seam->stat(run->seam->data, run->home, path, &stat, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        *bytes += path ? (int64_t)stat.st_blocks * 512 : 0;
        struct folder *found = path && S_ISDIR(stat.st_mode) ? vh_arena_alloc(arena, sizeof *found) : NULL;
        if (found) {
            *found = (struct folder){ vh_arena_text(arena, path), *list };
            *list = found->path ? found : *list;
        }
        status = !path || (S_ISDIR(stat.st_mode) && (!found || !found->path)) ? VIV_E_MEMORY : VIV_OK;
    }
    vh_arena_destroy(own);
    return status == VIV_E_MEMORY ? status : VIV_OK;
}

viv_status
vh_quota_measure(const struct vh_run *run, const char *path, int64_t *ret_bytes, struct viv_error *err)
{
    struct folder first = { path, NULL }, *list = &first;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? VIV_OK : VIV_E_MEMORY;
    int64_t bytes = 0;
    while (status == VIV_OK && list) {
        status = measure_folder(run, arena, &list, &bytes);
    }
    vh_arena_destroy(arena);
    *ret_bytes = status ? *ret_bytes : bytes;
    return status ? vh_error_set(err, status, "quota", "no memory to measure the home") : VIV_OK;
}

/* All but live workspaces. */
static viv_status
measure_home(const struct vh_run *run, int64_t *ret_bytes, struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? vh_fs_list(run->seam, arena, run->home, ".", &names, err)
                              : vh_error_set(err, VIV_E_MEMORY, "quota", "no memory to measure the home");
    int64_t bytes = 0;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        struct stat stat;
        int64_t inside = 0;
        if (vh_str_is(vh_str(names.name[i]), "work") ||
            run->seam->stat(run->seam->data, run->home, names.name[i], &stat, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        status = S_ISDIR(stat.st_mode) ? vh_quota_measure(run, names.name[i], &inside, err) : VIV_OK;
        bytes += (int64_t)stat.st_blocks * 512 + inside;
    }
    vh_arena_destroy(arena);
    *ret_bytes = bytes;
    return status;
}

static bool
read_figure(const struct vh_run *run, int64_t now_us, int64_t *ret_used)
{
    char text[FIGURE_BYTES + 1] = "";
    long long used = -1, until_us = 0;
    const struct vh_seam *seam = run->seam;
    int fd = seam->open(seam->data, run->home, FIGURE, O_RDONLY | O_NOFOLLOW, 0);
    ssize_t got = fd >= 0 ? seam->read(seam->data, fd, text, FIGURE_BYTES) : -1;
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    if (got != FIGURE_BYTES || sscanf(text, "%19lld %19lld", &used, &until_us) != 2 || used < 0) {
        return false;
    }
    *ret_used = used;
    return now_us < until_us && until_us <= now_us + FIGURE_US_MAX; /* a clock that was put back makes it old */
}

/* When it is lost, the next one measures again. */
static void
write_figure(const struct vh_run *run, int64_t used, int64_t until_us)
{
    char text[FIGURE_BYTES + 1];
    const struct vh_seam *seam = run->seam;
    snprintf(text, sizeof text, "%019lld %019lld\n", (long long)used, (long long)until_us);
    int fd = seam->open(seam->data, run->home, FIGURE, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void)seam->pwrite(seam->data, fd, text, FIGURE_BYTES, 0); /* half of one is none */
        seam->close(seam->data, fd);
    }
}

/* ---- the bound ---- */

/* A policy that cannot be read denies everything and has no bound. */
static int64_t
bound_of(struct vh_run *run)
{
    struct viv_error ignored = VIV_ERROR_INIT;
    int64_t bound = 0;
    struct vh_json *layers = NULL;
    struct vh_run_policy *policy = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (arena && run->policy_source && vh_policy_look(run, &policy, &ignored) == VIV_OK &&
        vh_json_import(arena, policy->layers, &layers, NULL) == VIV_OK) {
        for (const struct vh_json *layer = layers->child; layer; layer = layer->next) {
            int64_t said = vh_json_int(vh_json_get(layer, "limits"), "disk_bytes", 0);
            bound = said && (!bound || said < bound) ? said : bound;
        }
    }
    if (policy) {
        vh_policy_give(run, policy);
    }
    vh_arena_destroy(arena);
    return bound;
}

viv_status
vh_quota_look(struct vh_run *run, bool measure, struct vh_quota *ret_quota, struct viv_error *err)
{
    const struct vh_seam *seam = run->seam;
    struct vh_quota quota = { 0, bound_of(run) };
    int64_t now_us = seam->wall_us(seam->data), begin_ns = seam->monotonic_ns(seam->data);
    viv_status status = VIV_OK;
    if (measure || (quota.bound && !read_figure(run, now_us, &quota.used))) {
        status = measure_home(run, &quota.used, err);
        int64_t took_us = (seam->monotonic_ns(seam->data) - begin_ns) / 1000 * WALK_SHARE;
        if (status == VIV_OK) {
            write_figure(run, quota.used, now_us + (took_us < FIGURE_US_MAX ? took_us : FIGURE_US_MAX));
        }
    }
    *ret_quota = status ? *ret_quota : quota;
    return status;
}

viv_status
vh_quota_check(struct vh_run *run, struct viv_error *err)
{
    struct vh_quota quota;
    viv_status status = vh_quota_look(run, false, &quota, err);
    if (status || !quota.bound || quota.used <= quota.bound) {
        return status;
    }
    return vh_error_set(err, VIV_E_LIMIT, "quota",
                        "the home takes %.1f MiB of the disk, allowed %.1f MiB ('limits: disk' of the policy), so no "
                        "new task is taken in; make room by 'vivhost gc --keep DAYS' or raise the limit",
                        (double)quota.used / 1048576, (double)quota.bound / 1048576);
}

void
vh_quota_forget(const struct vh_run *run)
{
    (void)run->seam->unlink(run->seam->data, run->home, FIGURE, 0); /* else it is old soon by itself */
}
