/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock rules, made once by the keeper and entered by each child. With an own root they are a
 * second wall; in reduced-copy they are the wall, and a kernel without them is refused. The
 * constants are the kernel's, spelled out because the headers of Debian 12 end at ABI 2. */
#include "keeper.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_REFER (UINT64_C(1) << 13)     /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_ALL UINT64_C(3)              /* ABI 4: bind and connect of TCP */
#define SCOPE_ALL UINT64_C(3)            /* ABI 6: abstract sockets and signals */

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_FILE                                                                                    \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* Grows with the ABI; the size passed to the kernel says how much of it is meant. */
struct ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scope;
};

static const char *const own_writable[] = {"/work", "/tmp", "/home"};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                      "/dev/urandom"};
static const char *const copy_readable[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
};

static uint64_t
handled(int abi)
{
    uint64_t fs = (UINT64_C(1) << 13) - 1;
    fs |= abi >= 2 ? FS_REFER : 0;
    fs |= abi >= 3 ? FS_TRUNCATE : 0;
    fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    return fs;
}

/* What is not there needs no rule. */
static int
allow(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    struct stat stat;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    int code = fstat(rule.parent_fd, &stat);
    if (code == 0 && !S_ISDIR(stat.st_mode)) {
        rule.allowed_access &= FS_FILE;
    }
    if (code == 0) {
        code = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    int error = errno;
    close(rule.parent_fd);
    errno = error;
    return code;
}

static int
allow_all(int ruleset, const char *const *paths, size_t count, uint64_t access)
{
    for (size_t i = 0; i < count; i++) {
        if (allow(ruleset, paths[i], access)) {
            return -1;
        }
    }
    return 0;
}

#define ALLOW(paths, access) allow_all(keeper->ruleset, paths, sizeof paths / sizeof *paths, access)

static int
fill_rules(const struct keeper *keeper, uint64_t fs)
{
    const struct plan *plan = &keeper->plan;
    uint64_t read = FS_READ | LANDLOCK_ACCESS_FS_EXECUTE;
    uint64_t write = fs & ~FS_DEVICES;
    uint64_t device = fs & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                            FS_TRUNCATE | FS_IOCTL_DEV);
    if (ALLOW(devices, device)) {
        return -1;
    }
    bool copy = keeper->variant == VW_REDUCED_COPY;
    for (size_t i = 0; i < plan->bind_count; i++) {
        const struct plan_bind *bind = &plan->binds[i];
        if (bind->target[0] == '/' && allow(keeper->ruleset, copy ? bind->source : bind->target,
                                            bind->writable ? write : read)) {
            return -1;
        }
    }
    if (copy) {
        const char *const writable[] = {keeper->path, keeper->home, keeper->tmp};
        return ALLOW(copy_readable, read) || ALLOW(writable, write) ? -1 : 0;
    }
    return allow(keeper->ruleset, "/", read) || ALLOW(own_writable, write) ? -1 : 0;
}

static int
make_ruleset(uint64_t fs, uint64_t net, uint64_t scope, int abi)
{
    struct ruleset ruleset = {fs, net, scope};
    size_t size = abi >= 6 ? sizeof ruleset : abi >= 4 ? 16 : 8;
    return (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
}

int
landlock_make(struct keeper *keeper)
{
    bool copy = keeper->variant == VW_REDUCED_COPY;
    if (step_fails(STEP_LANDLOCK)) {
        return step_refuse(&keeper->ready, STEP_LANDLOCK, NULL);
    }
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        return copy ? step_refuse(&keeper->ready, STEP_LANDLOCK, "the only wall of this variant") : 0;
    }
    /* Ports cannot be named all at once, so where the task has a loopback of its own, which is all
     * that its namespace holds, they stay free. */
    uint64_t net = abi >= 4 && keeper->variant != VW_FULL ? NET_ALL : 0;
    keeper->ruleset = make_ruleset(handled(abi), net, 0, abi);
    if (keeper->ruleset < 0 || fill_rules(keeper, handled(abi))) {
        return step_refuse(&keeper->ready, STEP_LANDLOCK, "rules");
    }
    keeper->ready.bits |= VW_LANDLOCK;
    keeper->ready.landlock_abi = (uint32_t)abi;
    if (copy && abi >= 6) {
        keeper->scope = make_ruleset(0, 0, SCOPE_ALL, abi);
        if (keeper->scope < 0) {
            return step_refuse(&keeper->ready, STEP_LANDLOCK, "scopes");
        }
        keeper->ready.bits |= VW_SCOPES;
    }
    return 0;
}

int
landlock_enter(const struct keeper *keeper)
{
    if (step_fails(STEP_LANDLOCK_ENTER)) {
        return -1;
    }
    if (keeper->ruleset >= 0 && syscall(SYS_landlock_restrict_self, keeper->ruleset, 0)) {
        return -1;
    }
    return keeper->scope >= 0 && syscall(SYS_landlock_restrict_self, keeper->scope, 0) ? -1 : 0;
}
