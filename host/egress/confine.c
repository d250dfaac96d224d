/* SPDX-License-Identifier: Apache-2.0 */
/* What this process gives up before it opens a connection. Landlock is taken where the kernel has it, as far as it has
 * it: reading is left of system folders only, nothing can be written. The filter is made at build time (filter_gen.c).
 */
#include "egress.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.h"

#define FS_ABI1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)    /* ABI 2; the headers of Debian 12 end there */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL (UINT64_C(1) << 15)    /* ABI 5 */
#define NET_BIND UINT64_C(1)            /* ABI 4 */
#define SCOPE_ALL UINT64_C(3)           /* ABI 6: abstract sockets and signals */
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILES_MAX 8192

struct ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scope;
};

/* What is not there needs no rule. */
static int
may_read(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = FS_READ };
    struct stat stat;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    }
    int code = fstat(rule.parent_fd, &stat);
    if (code == 0) {
        rule.allowed_access = S_ISDIR(stat.st_mode) ? FS_READ : LANDLOCK_ACCESS_FS_READ_FILE;
        code = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(rule.parent_fd);
    return code;
}

/* The folder, since the file is replaced by another one when the machine's network changes. */
static int
may_read_resolver(int ruleset)
{
    char path[PATH_MAX];
    if (!realpath("/etc/resolv.conf", path) || strchr(path, '/') == strrchr(path, '/')) {
        return 0;
    }
    *strrchr(path, '/') = '\0';
    return may_read(ruleset, path);
}

static int
lock_files(const char *ca_file)
{
    static const char *const readable[] = { "/etc", "/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom" };
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        return 0;
    }
    struct ruleset all = { .fs = FS_ABI1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
                                 (abi >= 5 ? FS_IOCTL : 0),
                           .net = abi >= 4 ? NET_BIND : 0,
                           .scope = abi >= 6 ? SCOPE_ALL : 0 };
    size_t size = abi >= 6 ? sizeof all : abi >= 4 ? offsetof(struct ruleset, scope) : offsetof(struct ruleset, net);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
    int code = ruleset < 0 ? -1 : may_read_resolver(ruleset);
    for (size_t i = 0; i < sizeof readable / sizeof *readable && code == 0; i++) {
        code = may_read(ruleset, readable[i]);
    }
    code = code || !ca_file ? code : may_read(ruleset, ca_file);
    code = code ? code : (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    if (ruleset >= 0) {
        close(ruleset);
    }
    return code;
}

static int
drop_capabilities(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    const struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
    return (int)syscall(SYS_capset, &head, none);
}

static int
set_limits(void)
{
    const struct rlimit none = { 0, 0 };
    struct rlimit files;
    if (setrlimit(RLIMIT_CORE, &none) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return -1;
    }
    files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    return setrlimit(RLIMIT_NOFILE, &files);
}

static int
filter_calls(void)
{
    union {
        const struct sock_filter *from;
        struct sock_filter *to;
    } code = { .from = filter_egress };
    struct sock_fprog program = { sizeof filter_egress / sizeof *filter_egress, code.to };
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

const char *
confine(const char *ca_file)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return "no_new_privs";
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || set_limits() != 0) {
        return "no core dumps";
    }
    if (lock_files(ca_file) != 0) {
        return "landlock";
    }
    if (drop_capabilities() != 0) {
        return "capabilities";
    }
    return filter_calls() != 0 ? "filter" : NULL;
}
