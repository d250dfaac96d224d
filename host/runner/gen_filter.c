/* SPDX-License-Identifier: Apache-2.0 */
/* Build-time program: writes the system-call filters of zygote and runners as C arrays, by libseccomp, so that
 * nothing but libc is linked at run time. Four filters, each on top of the one before:
 *   base    zygote and all its children: what none of them ever needs
 *   mapping a runner while it maps libraries and plugin, whose constructors may run: nothing that outlives it
 *   warm    a runner without a folder: a list of what may be; no open, no file or executable mapping
 *   folder  a runner with a folder: warm, and reading
 * A forbidden call kills the process, but where libc only probes: there it fails. Names the machine does not have
 * are left out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "filter.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* clang-format off */
static const char *const base_denied[] = {
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat", "ptrace",
    "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd", "kcmp", "mount",
    "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
    "pivot_root", "chroot", "setns", "unshare", "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup",
    "io_submit", "bpf", "keyctl", "add_key", "request_key", "perf_event_open", "userfaultfd", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "reboot", "swapon",
    "swapoff", "syslog", "acct", "quotactl", "quotactl_fd", "name_to_handle_at", "open_by_handle_at", "personality",
    "modify_ldt", "ioperm", "iopl", "memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "msgsnd",
    "msgrcv", "msgctl", "semget", "semop", "semctl", "semtimedop", "mq_open", "mq_unlink", "lookup_dcookie", "uselib",
    "vmsplice", "fanotify_init", "fanotify_mark", "inotify_init", "inotify_init1", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup", "nfsservctl", "migrate_pages",
    "move_pages", "mbind", "set_mempolicy", "mknod", "mknodat", "fork", "vfork",
};

static const char *const mapping_denied[] = {
    "clone", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "setsid",
    "setpgid", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setpriority",
    "ioprio_set", "timer_create", "setitimer", "sendmsg", "sendmmsg", "recvmsg", "recvmmsg",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
    "capset",
};

static const char *const warm_allowed[] = {
    "read", "readv", "write", "writev", "close", "munmap", "mremap", "madvise", "brk", "exit", "exit_group",
    "rt_sigreturn", "rt_sigaction", "rt_sigprocmask", "sigaltstack", "getpid", "gettid", "getppid", "getuid", "geteuid",
    "getgid", "getegid", "clock_gettime", "clock_getres", "gettimeofday", "time", "clock_nanosleep", "nanosleep",
    "sched_yield", "sched_getaffinity", "getcpu", "futex", "getrandom", "lseek", "uname", "sysinfo", "pause",
    "restart_syscall", "times", "getrusage",
};

static const char *const folder_allowed[] = {
    "newfstatat", "fstatat64", "fstat", "statx", "getdents64", "pread64", "preadv", "readlinkat", "fadvise64", "dup",
    "fchdir", "fstatfs",
};

/* Probed by libc; the answer "no" is understood. */
static const char *const warm_probes[] = {
    "newfstatat", "fstatat64", "fstat", "statx", "ioctl", "fcntl", "getcwd", "readlink", "readlinkat", "prctl",
    "set_robust_list", "rseq", "membarrier", "clone3", "fadvise64",
};
static const char *const folder_probes[] = {
    "ioctl", "getcwd", "prctl", "set_robust_list", "rseq", "membarrier", "clone3", "faccessat", "faccessat2", "access",
};

/* clang-format on */

static void
stop(const char *what, int code)
{
    fprintf(stderr, "gen_filter: %s: %s\n", what, strerror(code < 0 ? -code : code));
    exit(1);
}

static void
add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count, const struct scmp_arg_cmp *tests)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number < 0) {
        return;
    }
    int code = seccomp_rule_add_array(filter, action, number, count, tests);
    if (code) {
        stop(name, code);
    }
}

static void
add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add(filter, action, names[i], 0, NULL);
    }
}

/* Namespaces, threads and shared memory spaces: the zygote forks plain processes only. */
static void
deny_clone_kinds(scmp_filter_ctx filter)
{
    static const uint64_t kinds[] = { CLONE_VM,        CLONE_THREAD,  CLONE_NEWNS,  CLONE_NEWUSER, CLONE_NEWPID,
                                      CLONE_NEWNET,    CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_PARENT,
                                      CLONE_UNTRACED };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct scmp_arg_cmp test = SCMP_A0(SCMP_CMP_MASKED_EQ, kinds[i], kinds[i]);
        add(filter, SCMP_ACT_KILL_PROCESS, "clone", 1, &test);
    }
    add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static void
base(scmp_filter_ctx filter)
{
    add_all(filter, SCMP_ACT_KILL_PROCESS, base_denied, COUNT(base_denied));
    deny_clone_kinds(filter);
}

static void
mapping(scmp_filter_ctx filter)
{
    add_all(filter, SCMP_ACT_KILL_PROCESS, mapping_denied, COUNT(mapping_denied));
    add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
    struct scmp_arg_cmp outlive = SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG);
    add(filter, SCMP_ACT_KILL_PROCESS, "prctl", 1, &outlive);
}

/* Memory without files and code; the channel; signals to oneself, so that abort() reads as abort(). */
static void
allow_own(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp memory[] = { SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                     SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS) };
    add(filter, SCMP_ACT_ALLOW, "mmap", COUNT(memory), memory);
    /* The channel is the only socket there is or can be; without a look at the arguments the kernel remembers the
     * verdict, which saves a microsecond a call. sendmsg, which could pass descriptors, stays forbidden. */
    add(filter, SCMP_ACT_ALLOW, "sendto", 0, NULL);
    add(filter, SCMP_ACT_ALLOW, "recvfrom", 0, NULL);
    struct scmp_arg_cmp own[] = { SCMP_A0(SCMP_CMP_EQ, VH_FILTER_PID) };
    add(filter, SCMP_ACT_ALLOW, "tgkill", COUNT(own), own);
    struct scmp_arg_cmp limits[] = { SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0) };
    add(filter, SCMP_ACT_ALLOW, "prlimit64", COUNT(limits), limits);
}

static void
warm(scmp_filter_ctx filter)
{
    add_all(filter, SCMP_ACT_ALLOW, warm_allowed, COUNT(warm_allowed));
    add_all(filter, SCMP_ACT_ERRNO(EPERM), warm_probes, COUNT(warm_probes));
    allow_own(filter);
}

static void
folder(scmp_filter_ctx filter)
{
    add_all(filter, SCMP_ACT_ALLOW, warm_allowed, COUNT(warm_allowed));
    add_all(filter, SCMP_ACT_ALLOW, folder_allowed, COUNT(folder_allowed));
    add_all(filter, SCMP_ACT_ERRNO(EPERM), folder_probes, COUNT(folder_probes));
    allow_own(filter);
    /* O_TMPFILE holds the bit of O_DIRECTORY, which a reader of folders must set. */
    uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (__O_TMPFILE & ~O_DIRECTORY);
    struct scmp_arg_cmp reading[] = { SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0) };
    add(filter, SCMP_ACT_ALLOW, "openat", COUNT(reading), reading);
    static const uint64_t commands[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC };
    for (size_t i = 0; i < COUNT(commands); i++) {
        struct scmp_arg_cmp command = SCMP_A1(SCMP_CMP_EQ, commands[i]);
        add(filter, SCMP_ACT_ALLOW, "fcntl", 1, &command);
    }
}

static void
print(scmp_filter_ctx filter, const char *name, FILE *out)
{
    FILE *file = tmpfile();
    if (!file) {
        stop("tmpfile", errno);
    }
    int code = seccomp_export_bpf(filter, fileno(file));
    if (code) {
        stop(name, code);
    }
    rewind(file);
    fprintf(out, "static const struct sock_filter vh_filter_%s[] = {\n", name);
    struct sock_filter row;
    while (fread(&row, sizeof row, 1, file) == 1) {
        fprintf(out, "    { 0x%02x, %u, %u, 0x%08x },\n", row.code, row.jt, row.jf, row.k);
    }
    fprintf(out, "};\n\n");
    fclose(file);
}

static void
emit(const char *name, uint32_t otherwise, void (*fill)(scmp_filter_ctx), FILE *out)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    if (!filter) {
        stop("seccomp_init", ENOMEM);
    }
    int code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code) {
        stop("SCMP_FLTATR_ACT_BADARCH", code);
    }
    code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (code) {
        stop("SCMP_FLTATR_CTL_OPTIMIZE", code);
    }
    fill(filter);
    print(filter, name, out);
    seccomp_release(filter);
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: gen_filter OUT.h\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        stop(argv[1], errno);
    }
    fprintf(out, "/* Generated by gen_filter from libseccomp. */\n#include <linux/filter.h>\n\n");
    emit("base", SCMP_ACT_ALLOW, base, out);
    emit("mapping", SCMP_ACT_ALLOW, mapping, out);
    emit("warm", SCMP_ACT_KILL_PROCESS, warm, out);
    emit("folder", SCMP_ACT_KILL_PROCESS, folder, out);
    return fclose(out) == 0 ? 0 : 1;
}
