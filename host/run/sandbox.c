/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, probing and closing keepers. Running programs in one is in sandbox_exec.c, host helpers
 * in sandbox_tool.c. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "sandbox_inside.h"

static const struct {
    uint32_t bit;
    const char *name;
} bit_names[] = {
    {VH_PROFILE_USERNS, "userns"},       {VH_PROFILE_MOUNTNS, "mountns"},
    {VH_PROFILE_PIDNS, "pidns"},         {VH_PROFILE_NETNS, "netns"},
    {VH_PROFILE_IPCNS, "ipcns"},         {VH_PROFILE_UTSNS, "utsns"},
    {VH_PROFILE_OVERLAY, "overlay"},     {VH_PROFILE_PIVOT, "pivot"},
    {VH_PROFILE_CHROOT, "chroot"},       {VH_PROFILE_SCOPES, "scopes"},
    {VH_PROFILE_SECCOMP, "seccomp"},     {VH_PROFILE_NO_SOCKETS, "no-sockets"},
    {VH_PROFILE_CAPS, "capabilities"},   {VH_PROFILE_RLIMITS, "rlimits"},
    {VH_PROFILE_PROCESSES, "processes"},
};

const char *
vh_sandbox_variant_name(enum vh_sandbox_variant variant)
{
    switch (variant) {
    case VH_SANDBOX_AUTO:
        return "auto";
    case VH_SANDBOX_FULL:
        return "full";
    case VH_SANDBOX_REDUCED_ROOT:
        return "reduced-root";
    case VH_SANDBOX_REDUCED_COPY:
        return "reduced-copy";
    }
    return "unknown";
}

const char *
vh_sandbox_profile_text(struct vh_arena *arena, const struct vh_sandbox_profile *profile)
{
    struct vh_buf text;
    vh_buf_init(&text, arena, 512);
    vh_buf_format(&text, "%s:", vh_sandbox_variant_name(profile->variant));
    for (size_t i = 0; i < sizeof bit_names / sizeof *bit_names; i++) {
        if (profile->bits & bit_names[i].bit) {
            vh_buf_format(&text, " %s", bit_names[i].name);
        }
    }
    if (profile->bits & VH_PROFILE_LANDLOCK) {
        vh_buf_format(&text, " landlock(%u)", profile->landlock_abi);
    }
    return text.failed ? NULL : text.data;
}

int
vh_keeper_root(const struct vh_keeper *keeper)
{
    return keeper->root;
}

int
vh_keeper_door(const struct vh_keeper *keeper)
{
    return keeper->door;
}

const char *
vh_keeper_path(const struct vh_keeper *keeper)
{
    return keeper->path;
}

const struct vh_sandbox_profile *
vh_keeper_profile(const struct vh_keeper *keeper)
{
    return &keeper->profile;
}

/* ---- open ---- */

static uint64_t
or_default(uint64_t value, uint64_t standard)
{
    return value ? value : standard;
}

static void
put_plan(struct vh_buf *body, const struct vh_sandbox_plan *plan, enum vh_sandbox_variant variant)
{
    const struct vh_sandbox_limits *limits = &plan->limits;
    bool copy = variant == VH_SANDBOX_REDUCED_COPY;
    vh_sandbox_put_number(body, variant);
    vh_sandbox_put_number(body, plan->minimum | VH_PROFILE_ALWAYS);
    vh_sandbox_put_number(body, or_default(limits->cpu_s, 3600));
    vh_sandbox_put_number(body, or_default(limits->memory_bytes, UINT64_C(16) << 30));
    vh_sandbox_put_number(body, or_default(limits->processes, 4096));
    vh_sandbox_put_number(body, or_default(limits->files_open, 1024));
    vh_sandbox_put_number(body, or_default(limits->file_bytes, UINT64_C(4) << 30));
    vh_sandbox_put_number(body, or_default(limits->tmp_bytes, UINT64_C(1) << 30));
    vh_sandbox_put_number(body, plan->door);
    vh_sandbox_put_text(body, copy ? NULL : plan->upper);
    vh_sandbox_put_text(body, copy ? NULL : plan->work);
    vh_sandbox_put_text(body, plan->scratch);
    vh_sandbox_put_text(body, copy ? plan->copy : NULL);
    vh_sandbox_put_list(body, plan->lowers, copy ? 0 : plan->lower_count);
    vh_sandbox_put_number(body, plan->bind_count);
    for (size_t i = 0; i < plan->bind_count; i++) {
        vh_sandbox_put_text(body, plan->binds[i].source);
        vh_sandbox_put_text(body, plan->binds[i].target);
        vh_sandbox_put_number(body, plan->binds[i].writable);
    }
}

static viv_status
check_plan(const struct vh_sandbox_plan *plan, struct viv_error *err)
{
    if (plan->lower_count > VH_SANDBOX_LOWERS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "sandbox", "%zu lower layers, allowed %d",
                            plan->lower_count, VH_SANDBOX_LOWERS_MAX);
    }
    if (plan->bind_count > VH_SANDBOX_BINDS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "sandbox", "%zu binds, allowed %d", plan->bind_count,
                            VH_SANDBOX_BINDS_MAX);
    }
    if (!plan->scratch || plan->scratch[0] != '/') {
        return vh_error_set(err, VIV_E_INVALID, "sandbox",
                            "the scratch folder is '%s', allowed: an absolute path",
                            plan->scratch ? plan->scratch : "");
    }
    return VIV_OK;
}

/* What the plan holds decides which variants it can be tried with. */
static bool
has_parts(const struct vh_sandbox_plan *plan, enum vh_sandbox_variant variant)
{
    if (variant == VH_SANDBOX_REDUCED_COPY) {
        return plan->copy != NULL;
    }
    return plan->lower_count > 0 && plan->upper && plan->work;
}

static viv_status
wait_ready(struct vh_keeper *keeper, enum vh_sandbox_variant variant, struct viv_error *err)
{
    struct vw_reply ready;
    const int ends[2] = {keeper->control, keeper->pidfd};
    struct vh_sandbox_fds fds = {.count = 2, .fd = {-1, -1}};
    viv_status status = vh_sandbox_receive(keeper->seam, ends, &ready, sizeof ready, &fds, err);
    keeper->root = fds.fd[0];
    keeper->door = fds.fd[1];
    if (status) {
        return status;
    }
    if (ready.error) {
        return vh_sandbox_refused(&ready, vh_sandbox_variant_name(variant), err);
    }
    keeper->profile = (struct vh_sandbox_profile){variant, ready.bits, ready.landlock_abi};
    return keeper->root < 0
               ? vh_error_set(err, VIV_E_INTERNAL, "sandbox", "the keeper sent no folder")
               : VIV_OK;
}

/* The caller closes the keeper's descriptors when this fails. */
static viv_status
open_variant(struct vh_keeper *keeper, struct vh_arena *arena, const struct vh_sandbox_plan *plan,
             enum vh_sandbox_variant variant, struct viv_error *err)
{
    struct vh_buf body;
    struct vh_sandbox_fds fds = {.count = 2, .fd = {-1, -1}};
    if (!has_parts(plan, variant)) {
        return vh_error_set(err, VIV_E_INVALID, "sandbox", "%s: the plan has no %s",
                            vh_sandbox_variant_name(variant),
                            variant == VH_SANDBOX_REDUCED_COPY ? "copy" : "layers");
    }
    vh_buf_init(&body, arena, VW_BODY_MAX);
    put_plan(&body, plan, variant);
    viv_status status = vh_launcher_ask(keeper->launcher, VW_OPEN, &body, NULL, &fds, err);
    keeper->control = fds.fd[0];
    keeper->pidfd = fds.fd[1];
    if (status) {
        return status == VIV_E_UNSUPPORTED
                   ? vh_error_extend(err, status, "%s", vh_sandbox_variant_name(variant))
                   : status;
    }
    return wait_ready(keeper, variant, err);
}

static void
end_keeper(struct vh_keeper *keeper)
{
    struct pollfd gone = {.fd = keeper->pidfd, .events = POLLIN};
    /* Without a pid namespace a killed keeper would leave its children to the launcher; let it
     * clean up itself first. */
    bool gentle = keeper->profile.variant == VH_SANDBOX_REDUCED_COPY;
    if (keeper->pidfd < 0) {
        return;
    }
    if (gentle) {
        (void)shutdown(keeper->control, SHUT_RDWR); /* it may be gone already */
    }
    if (!gentle || poll(&gone, 1, (int)(VH_SANDBOX_ANSWER_NS / 1000000)) != 1) {
        (void)syscall(SYS_pidfd_send_signal, keeper->pidfd, SIGKILL, NULL,
                      0); /* ESRCH: gone already */
    }
    while (poll(&gone, 1, -1) < 0 && errno == EINTR) {
        continue;
    }
    if (gentle) {
        (void)vh_launcher_ask(keeper->launcher, VW_HELLO, NULL, NULL, NULL,
                              NULL); /* it sweeps what is left */
    }
}

static void
close_descriptors(struct vh_keeper *keeper)
{
    vh_sandbox_close_fds(keeper->seam,
                         (int[]){keeper->control, keeper->pidfd, keeper->root, keeper->door}, 4);
    keeper->control = keeper->pidfd = keeper->root = keeper->door = -1;
}

void
vh_sandbox_close(struct vh_keeper *keeper)
{
    if (!keeper || atomic_exchange(&keeper->closed, true)) {
        return;
    }
    end_keeper(keeper);
    pthread_mutex_lock(&keeper->exec_lock); /* a running exec now sees the end and leaves */
    close_descriptors(keeper);
    pthread_mutex_unlock(&keeper->exec_lock);
}

static void
close_with_arena(void *data)
{
    vh_sandbox_close(data);
}

/* First that works; the text of the refusal holds the reason of each that did not. */
static viv_status
open_first(struct vh_keeper *keeper, struct vh_arena *arena, const struct vh_sandbox_plan *plan,
           struct viv_error *err)
{
    struct vh_buf reasons;
    viv_status status = VIV_E_UNSUPPORTED;
    vh_buf_init(&reasons, arena, 1024);
    for (int variant = VH_SANDBOX_FULL; variant <= VH_SANDBOX_REDUCED_COPY; variant++) {
        struct viv_error one = VIV_ERROR_INIT;
        if (!has_parts(plan, (enum vh_sandbox_variant)variant)) {
            continue;
        }
        status = open_variant(keeper, arena, plan, (enum vh_sandbox_variant)variant, &one);
        if (status == VIV_OK) {
            return VIV_OK;
        }
        end_keeper(keeper);
        close_descriptors(keeper);
        vh_buf_format(&reasons, "%s%s", reasons.len ? "; " : "", one.text);
        if (status != VIV_E_UNSUPPORTED) {
            return vh_error_set(err, status, "sandbox", "%s", one.text);
        }
    }
    return vh_error_set(err, VIV_E_UNSUPPORTED, "sandbox",
                        "no sandbox can be set up: %s; 'vivhost doctor' says more",
                        reasons.len ? reasons.data : "the plan has neither layers nor a copy");
}

viv_status
vh_sandbox_open(struct vh_launcher *launcher, struct vh_arena *arena,
                const struct vh_sandbox_plan *plan, struct vh_keeper **ret_keeper,
                struct viv_error *err)
{
    viv_status status = check_plan(plan, err);
    if (status) {
        return status;
    }
    struct vh_keeper *keeper = vh_arena_alloc(arena, sizeof *keeper);
    if (!keeper || pthread_mutex_init(&keeper->exec_lock, NULL)) {
        return vh_error_set(err, VIV_E_MEMORY, "sandbox", "no memory for a keeper");
    }
    keeper->launcher = launcher;
    keeper->seam = launcher->seam;
    keeper->control = keeper->pidfd = keeper->root = keeper->door = -1;
    status = plan->variant == VH_SANDBOX_AUTO
                 ? open_first(keeper, arena, plan, err)
                 : open_variant(keeper, arena, plan, plan->variant, err);
    if (status == VIV_OK) {
        bool copy = keeper->profile.variant == VH_SANDBOX_REDUCED_COPY;
        keeper->path = copy ? vh_arena_text(arena, plan->copy) : "/work";
        if (!keeper->path || vh_arena_on_end(arena, close_with_arena, keeper)) {
            status = vh_error_set(err, VIV_E_MEMORY, "sandbox", "no memory for a keeper");
        }
    }
    if (status) {
        vh_sandbox_close(keeper);
        return status;
    }
    *ret_keeper = keeper;
    return VIV_OK;
}
