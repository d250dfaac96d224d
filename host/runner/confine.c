/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and Landlock of a runner. Landlock is used by its system calls: libc has no wrappers. Rights newer than the
 * headers are written out here and masked by what the kernel knows. Read confine.h first. */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

/* All file rights up to Landlock ABI 5: 13 of ABI 1, then refer, truncate, ioctl on devices. */
#define RIGHTS_1 ((UINT64_C(1) << 13) - 1)
#define RIGHTS_2 (UINT64_C(1) << 13)
#define RIGHTS_3 (UINT64_C(1) << 14)
#define RIGHTS_5 (UINT64_C(1) << 15)
#define NET_RIGHTS_4 UINT64_C(3)
#define SCOPES_6 UINT64_C(3)

struct ruleset {
    uint64_t files;
    uint64_t net;    /* ABI 4 */
    uint64_t scoped; /* ABI 6: signals and abstract sockets */
};

static viv_status
limit(int resource, const char *name, uint64_t value, struct viv_error *err)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) != 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "limit '%s' cannot be read", name);
    }
    if (now.rlim_max < value) {
        value = now.rlim_max;
    }
    struct rlimit wanted = {value, value};
    if (setrlimit((__rlimit_resource_t)resource, &wanted) != 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "limit '%s' cannot be set", name);
    }
    return VIV_OK;
}

/* Address space of the zygote, measured once; a runner adds what it maps itself. */
static uint64_t own_space;

viv_status
vh_confine_measure(struct viv_error *err)
{
    char text[64] = {0};
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    unsigned long pages = 0;
    if (got <= 0 || sscanf(text, "%lu", &pages) != 1 || pages == 0) {
        return vh_error_set(err, VIV_E_IO, "confine",
                            "'/proc/self/statm' cannot be read, so memory cannot be bounded");
    }
    own_space = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return VIV_OK;
}

viv_status
vh_confine_limits(const struct vh_start *start, struct viv_error *err)
{
    static const struct {
        int resource;
        const char *name;
    } zero[] = {{RLIMIT_CORE, "core"},       {RLIMIT_FSIZE, "fsize"},       {RLIMIT_NPROC, "nproc"},
                {RLIMIT_MEMLOCK, "memlock"}, {RLIMIT_MSGQUEUE, "msgqueue"}, {RLIMIT_RTPRIO, "rtprio"}};
    for (size_t i = 0; i < sizeof zero / sizeof *zero; i++) {
        viv_status status = limit(zero[i].resource, zero[i].name, 0, err);
        if (status != VIV_OK) {
            return status;
        }
    }
    viv_status status = limit(RLIMIT_CPU, "cpu", (uint64_t)start->cpu_s, err);
#ifndef VH_SANITIZED /* a sanitizer's shadow memory is larger than any bound */
    uint64_t used = own_space + VH_AREA_BYTES + VIV_CALL_ARENA_MAX;
    if (status == VIV_OK) {
        status = limit(RLIMIT_AS, "as", used + (uint64_t)start->memory_bytes, err);
    }
#endif
    return status;
}

viv_status
vh_confine_files(const struct vh_start *start, struct viv_error *err)
{
    return limit(RLIMIT_NOFILE, "nofile", (uint64_t)start->files, err);
}

static viv_status
allow(int ruleset, int fd, uint64_t rights, const char *name, struct viv_error *err)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "landlock rule for '%s' was refused", name);
    }
    return VIV_OK;
}

/* Where the loader looks when it cannot read its cache, and it cannot: in its own order. */
static const char *const folders[] = {
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu/",
    "/usr/lib/x86_64-linux-gnu/",
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu/",
    "/usr/lib/aarch64-linux-gnu/",
#endif
    "/lib64/",
    "/usr/lib64/",
    "/lib/",
    "/usr/lib/",
};

static int
open_library(const char *name)
{
    if (name[0] == '/') {
        return open(name, O_PATH | O_CLOEXEC);
    }
    char path[VIV_PATH_MAX + 1];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%.*s", folders[i], 256, name);
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd >= 0) {
            return fd;
        }
    }
    return -1;
}

static viv_status
allow_library(int ruleset, struct viv_str name, struct viv_error *err)
{
    char text[VIV_PATH_MAX + 1];
    if (name.len == 0 || name.len > VIV_PATH_MAX ||
        (name.data[0] != '/' && memchr(name.data, '/', (size_t)name.len))) {
        return vh_error_set(err, VIV_E_INVALID, "confine",
                            "library '%.*s' is neither a bare name nor an absolute path", (int)name.len, name.data);
    }
    memcpy(text, name.data, (size_t)name.len);
    text[name.len] = '\0';
    int fd = open_library(text);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_NOT_FOUND, "confine", "library '%s' is not installed", text);
    }
    viv_status status = allow(ruleset, fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE, text, err);
    close(fd);
    return status;
}

static viv_status
allow_items(int ruleset, const struct vh_start *start, struct viv_error *err)
{
    for (uint32_t i = 0; i < start->items_count; i++) {
        const struct viv_value *item = &start->items[i];
        if (item->name.len == 7 && memcmp(item->name.data, "library", 7) == 0) {
            viv_status status = allow_library(ruleset, item->text, err);
            if (status != VIV_OK) {
                return status;
            }
        }
    }
    if (!start->has_root) {
        return VIV_OK;
    }
    return allow(ruleset, VH_FD_ROOT, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
                 "the granted folder", err);
}

viv_status
vh_confine_landlock(const struct vh_start *start, struct viv_error *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "confine",
                            "the kernel has no landlock (abi 0, needed 1): boot with 'lsm=landlock,...' or a kernel "
                            "from 5.13 on");
    }
    struct ruleset wanted = {RIGHTS_1 | (abi >= 2 ? RIGHTS_2 : 0) | (abi >= 3 ? RIGHTS_3 : 0) |
                                 (abi >= 5 ? RIGHTS_5 : 0),
                             abi >= 4 ? NET_RIGHTS_4 : 0, abi >= 6 ? SCOPES_6 : 0};
    size_t size = abi >= 6 ? sizeof wanted : abi >= 4 ? 2 * sizeof wanted.files : sizeof wanted.files;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, size, 0);
    if (ruleset < 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "landlock ruleset (abi %ld) was refused", abi);
    }
    viv_status status = allow_items(ruleset, start, err);
    if (status == VIV_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        status = vh_error_errno(err, VIV_E_IO, "confine", "landlock could not be entered");
    }
    close(ruleset);
    return status;
}

viv_status
vh_confine_privileges(struct viv_error *err)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "no_new_privs was refused");
    }
    if (syscall(SYS_capset, &head, none) != 0) {
        return vh_error_errno(err, VIV_E_IO, "confine", "capabilities could not be given up");
    }
    return VIV_OK;
}
