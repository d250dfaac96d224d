/* SPDX-License-Identifier: Apache-2.0 */
/* Runs at build time: writes the seccomp filters of task programs as a C header, so that the
 * launcher needs no libseccomp. Filters stack, the strictest answer wins:
 *
 *   base    every task: what no build or test needs and what has led out of sandboxes
 *   inet    full: sockets of the Unix domain, and streams and datagrams of IPv4 and IPv6 by TCP and
 *           UDP alone. The network namespace holds the task's own loopback and nothing else; other
 *           families and protocols are code of the kernel that no build or test needs
 *   unix    less than full: sockets of the Unix domain alone
 *   copy    reduced-copy: no sockets, no change of modes, times and attributes by path, which
 *           Landlock does not bound
 *   owner   reduced-copy as root: nor by descriptor, since root owns what it can open read-only
 *   signal  reduced-copy where Landlock cannot bound signals: none at all
 *   newer   calls younger than this file do not exist; and personality(), which is beyond
 *           libseccomp */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* mseal, Linux 6.10; numbers above 423 are the same on every architecture. */
#define NEWEST_CALL 462
#define NAMESPACES                                                                                 \
    {                                                                                              \
        CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,     \
            CLONE_NEWNET                                                                           \
    }
#define NEW_TIME_NAMESPACE 0x80u
#define SOCKET_TYPE 0xf /* of the second argument; the rest are flags */
#define FCHMODAT2 452 /* younger than the oldest libseccomp we build with */

static const char *const base_denied[] = {
    /* clang-format off */
    "io_uring_setup", "io_uring_enter", "io_uring_register", "ptrace", "process_vm_readv",
    "process_vm_writev", "process_madvise", "process_mrelease", "kcmp", "pidfd_getfd", "bpf",
    "perf_event_open", "keyctl", "add_key", "request_key", "userfaultfd", "mount", "umount",
    "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "setns", "open_by_handle_at", "name_to_handle_at", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "swapon",
    "swapoff", "reboot", "acct", "quotactl", "quotactl_fd", "nfsservctl", "lookup_dcookie",
    "syslog", "vhangup", "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime",
    "clock_adjtime64", "adjtimex", "stime", "sethostname", "setdomainname", "iopl", "ioperm",
    "modify_ldt", "vm86", "vm86old", "uselib", "ustat", "sysfs", "_sysctl", "fanotify_init",
    "fanotify_mark", "move_pages", "migrate_pages", "mbind", "set_mempolicy",
    /* clang-format on */
};
static const char *const copy_denied[] = {
    /* clang-format off */
    "socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg",
    "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes",
    "futimesat", "setxattr", "lsetxattr", "removexattr", "lremovexattr", "inotify_init",
    "inotify_init1", "inotify_add_watch", "shmget", "shmat", "shmctl", "semget", "semctl", "semop",
    "semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink",
    /* clang-format on */
};
static const char *const owner_denied[] = {"fchmod", "fchown", "fsetxattr", "fremovexattr",
                                           "utimensat"};
static const char *const signal_denied[] = {
    "kill",      "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
    "pidfd_open"};

static void
check(int code, const char *what)
{
    if (code < 0) {
        fprintf(stderr, "filter_gen: %s: error %d\n", what, -code);
        exit(1);
    }
}

/* A name that this libseccomp or this architecture does not know is left out; "newer" covers what
 * is too young. */
static void
deny(scmp_filter_ctx filter, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number >= 0) {
            check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0), names[i]);
        }
    }
}

static void
deny_when(scmp_filter_ctx filter, int number, unsigned argument, uint64_t mask, uint64_t value)
{
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 1,
                           SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value)),
          "masked argument");
}

/* Deny `number` when argument `flags_at` has all of `flags` and argument `mode_at` has all of
 * `mode`. */
static void
deny_mode(scmp_filter_ctx filter, int number, unsigned flags_at, uint64_t flags, unsigned mode_at,
          uint64_t mode)
{
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 2,
                           SCMP_CMP(flags_at, SCMP_CMP_MASKED_EQ, flags, flags),
                           SCMP_CMP(mode_at, SCMP_CMP_MASKED_EQ, mode, mode)),
          "mode");
}

/* No file that runs as its owner, and no device: the host sees the layer where this writes. */
static void
fill_modes(scmp_filter_ctx filter)
{
    static const uint64_t special[] = {S_ISUID, S_ISGID};
    for (size_t i = 0; i < 2; i++) {
        deny_when(filter, SCMP_SYS(chmod), 1, special[i], special[i]);
        deny_when(filter, SCMP_SYS(fchmod), 1, special[i], special[i]);
        deny_when(filter, SCMP_SYS(fchmodat), 2, special[i], special[i]);
        deny_when(filter, FCHMODAT2, 2, special[i], special[i]);
        deny_when(filter, SCMP_SYS(creat), 1, special[i], special[i]);
        deny_when(filter, SCMP_SYS(mknod), 1, special[i], special[i]);
        deny_when(filter, SCMP_SYS(mknodat), 2, special[i], special[i]);
        deny_mode(filter, SCMP_SYS(open), 1, O_CREAT, 2, special[i]);
        deny_mode(filter, SCMP_SYS(openat), 2, O_CREAT, 3, special[i]);
    }
    /* Its mode is in memory, where no filter sees it; callers fall back to openat. */
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0), "openat2");
    static const uint64_t devices[] = {S_IFCHR, S_IFBLK};
    for (size_t i = 0; i < 2; i++) {
        deny_when(filter, SCMP_SYS(mknod), 1, S_IFMT, devices[i]);
        deny_when(filter, SCMP_SYS(mknodat), 2, S_IFMT, devices[i]);
    }
}

static void
fill_base(scmp_filter_ctx filter)
{
    deny(filter, base_denied, sizeof base_denied / sizeof *base_denied);
    fill_modes(filter);
    static const uint64_t namespaces[] = NAMESPACES;
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        deny_when(filter, SCMP_SYS(clone), 0, namespaces[i], namespaces[i]);
        deny_when(filter, SCMP_SYS(unshare), 0, namespaces[i], namespaces[i]);
    }
    deny_when(filter, SCMP_SYS(unshare), 0, NEW_TIME_NAMESPACE, NEW_TIME_NAMESPACE);
    /* Its flags are in memory, where no filter sees them; the C library falls back to clone. */
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
    deny_when(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCSTI);
    deny_when(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCLINUX);
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socketpair), 1,
                           SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX)),
          "socketpair");
}

static void
fill_unix(scmp_filter_ctx filter)
{
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                           SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX)),
          "socket");
}

static void
fill_copy(scmp_filter_ctx filter)
{
    deny(filter, copy_denied, sizeof copy_denied / sizeof *copy_denied);
    /* By descriptor (a null path) times may be set; by path they may not. */
    check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(utimensat), 1,
                           SCMP_CMP(1, SCMP_CMP_NE, 0)),
          "utimensat");
    /* Itself only: the user's other processes are within reach here. */
    static const struct {
        int number;
        unsigned argument;
    } own[] = {{SCMP_SYS(prlimit64), 0},          {SCMP_SYS(sched_setaffinity), 0},
               {SCMP_SYS(sched_setattr), 0},      {SCMP_SYS(sched_setparam), 0},
               {SCMP_SYS(sched_setscheduler), 0}, {SCMP_SYS(setpriority), 1},
               {SCMP_SYS(ioprio_set), 1}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), own[i].number, 1,
                               SCMP_CMP(own[i].argument, SCMP_CMP_NE, 0)),
              "another process");
    }
}

static void
fill_owner(scmp_filter_ctx filter)
{
    deny(filter, owner_denied, sizeof owner_denied / sizeof *owner_denied);
}

static void
fill_signal(scmp_filter_ctx filter)
{
    deny(filter, signal_denied, sizeof signal_denied / sizeof *signal_denied);
}

static void
print(FILE *out, const char *name, const struct sock_filter *code, size_t count)
{
    fprintf(out, "static const struct sock_filter filter_%s[] = {\n", name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "    { 0x%04x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
                code[i].k);
    }
    fprintf(out, "};\n\n");
}

static void
generate(FILE *out, const char *name, void (*fill)(scmp_filter_ctx filter))
{
    static struct sock_filter code[BPF_MAXINSNS];
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    FILE *file = tmpfile();
    if (!filter || !file) {
        check(-ENOMEM, name);
    }
    check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
          "foreign architecture");
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "order as a tree");
    fill(filter);
    check(seccomp_export_bpf(filter, fileno(file)), "export");
    rewind(file);
    print(out, name, code, fread(code, sizeof *code, BPF_MAXINSNS, file));
    fclose(file);
    seccomp_release(filter);
}

/* By hand: what is not listed is denied. The kernel takes all three arguments as int, so that their
 * low halves are all there is to see. */
static void
print_inet(FILE *out)
{
    static const struct sock_filter inet[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 13),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 11, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 8),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SOCKET_TYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    print(out, "inet", inet, sizeof inet / sizeof *inet);
}

int
main(int argc, char **argv)
{
    FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;
    if (!out) {
        fprintf(stderr, "usage: filter_gen HEADER\n");
        return 2;
    }
    fprintf(out, "/* Generated by filter_gen.c; never edited. */\n#include <linux/filter.h>\n\n");
    generate(out, "base", fill_base);
    generate(out, "unix", fill_unix);
    generate(out, "copy", fill_copy);
    generate(out, "owner", fill_owner);
    generate(out, "signal", fill_signal);
    static const struct sock_filter newer[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_personality, 0, 4),
        /* libseccomp compares an argument once only; this one may be 0, or all ones to ask */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 3, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    print(out, "newer", newer, sizeof newer / sizeof *newer);
    print_inet(out);
    return fclose(out) ? 1 : 0;
}
