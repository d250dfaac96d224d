/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up, and when. The keeper, once its world is made: capabilities, bounding set, new
 * privileges (children inherit that). Each child, last thing before its program: limits, Landlock,
 * and the filters, which would forbid everything that comes before them. */
#include "keeper.h"
#include "step.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.h"

static int
drop_capabilities(struct keeper *keeper)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (step_fails(STEP_CAPABILITIES)) {
        return step_refuse(&keeper->ready, STEP_CAPABILITIES, NULL);
    }
    bool privileged = prctl(PR_CAPBSET_DROP, 0, 0, 0, 0) == 0;
    for (int cap = 1; privileged && cap < 64; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) {
            break; /* beyond the last one that this kernel has */
        }
    }
    /* Without the right to drop, an ordinary user in reduced-copy, there is nothing to drop: no new
     * privileges does it. */
    if (!privileged && keeper->variant != VW_REDUCED_COPY) {
        return step_refuse(&keeper->ready, STEP_CAPABILITIES, "bounding set");
    }
    if (privileged && prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                                   SECBIT_NO_CAP_AMBIENT_RAISE |
                                                   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)) {
        return step_refuse(&keeper->ready, STEP_CAPABILITIES, "secure bits");
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
        syscall(SYS_capset, &header, none)) {
        return step_refuse(&keeper->ready, STEP_CAPABILITIES, "sets");
    }
    return 0;
}

int
confine_keeper(struct keeper *keeper)
{
    if (drop_capabilities(keeper)) {
        return -1;
    }
    if (step_fails(STEP_NNP) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        return step_refuse(&keeper->ready, STEP_NNP, NULL);
    }
    keeper->ready.bits |= VW_CAPS;
    /* The task can neither trace nor look into its keeper. */
    if (step_fails(STEP_DUMPABLE) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) {
        return step_refuse(&keeper->ready, STEP_DUMPABLE, NULL);
    }
    return 0;
}

static int
limit(int resource, uint64_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now)) {
        return -1;
    }
    rlim_t value = now.rlim_max != RLIM_INFINITY && now.rlim_max < most ? now.rlim_max : most;
    struct rlimit new = {value, value};
    return setrlimit((__rlimit_resource_t)resource, &new);
}

int
confine_limits(const struct plan *plan)
{
    if (step_fails(STEP_RLIMITS) || limit(RLIMIT_CPU, plan->cpu_s) ||
        limit(RLIMIT_DATA, plan->memory_bytes) || limit(RLIMIT_NOFILE, plan->files_open) ||
        limit(RLIMIT_FSIZE, plan->file_bytes) || limit(RLIMIT_CORE, 0) ||
        limit(RLIMIT_MEMLOCK, 1 << 20) || limit(RLIMIT_MSGQUEUE, 1 << 20)) {
        return -1;
    }
    return limit(RLIMIT_NPROC, plan->processes);
}

static int
load(const struct sock_filter *code, size_t count)
{
    union {
        const struct sock_filter *from;
        struct sock_filter *to;
    } filter = {.from = code};
    struct sock_fprog program = {(unsigned short)count, filter.to};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#define LOAD(name) load(filter_##name, sizeof filter_##name / sizeof *filter_##name)

static int
set_filters(const struct keeper *keeper)
{
    bool copy = keeper->variant == VW_REDUCED_COPY;
    if (step_fails(STEP_SECCOMP)) {
        return -1;
    }
    if (copy &&
        (LOAD(copy) || (keeper->uid == 0 && LOAD(owner)) || (keeper->scope < 0 && LOAD(signal)))) {
        return -1;
    }
    if (keeper->variant == VW_FULL ? LOAD(inet) : LOAD(unix)) {
        return -1;
    }
    return LOAD(newer) || LOAD(base) ? -1 : 0;
}

int
confine_child(const struct keeper *keeper, enum step *ret_step)
{
    *ret_step = STEP_LANDLOCK_ENTER;
    if (landlock_enter(keeper)) {
        return -1;
    }
    *ret_step = STEP_SECCOMP;
    return set_filters(keeper);
}
