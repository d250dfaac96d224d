/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on a sandbox, run inside it. Each answers 0 when it was stopped, else which part got
 * through. */
#include "sandbox_attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int
denied(long result, int error)
{
    return result == -1 && errno == error;
}

static int
attack_calls(const char *more)
{
    (void)more;
    static const struct {
        const char *name;
        long number;
    } calls[] = {
        {"io_uring_setup", SYS_io_uring_setup},
        {"ptrace", SYS_ptrace},
        {"bpf", SYS_bpf},
        {"process_vm_readv", SYS_process_vm_readv},
        {"process_vm_writev", SYS_process_vm_writev},
        {"perf_event_open", SYS_perf_event_open},
        {"keyctl", SYS_keyctl},
        {"add_key", SYS_add_key},
        {"request_key", SYS_request_key},
        {"userfaultfd", SYS_userfaultfd},
        {"mount", SYS_mount},
        {"umount2", SYS_umount2},
        {"pivot_root", SYS_pivot_root},
        {"chroot", SYS_chroot},
        {"open_tree", SYS_open_tree},
        {"move_mount", SYS_move_mount},
        {"fsopen", SYS_fsopen},
        {"fsconfig", SYS_fsconfig},
        {"fsmount", SYS_fsmount},
        {"fspick", SYS_fspick},
        {"mount_setattr", SYS_mount_setattr},
        {"setns", SYS_setns},
        {"kexec_load", SYS_kexec_load},
        {"open_by_handle_at", SYS_open_by_handle_at},
        {"init_module", SYS_init_module},
        {"finit_module", SYS_finit_module},
        {"delete_module", SYS_delete_module},
        {"swapon", SYS_swapon},
        {"swapoff", SYS_swapoff},
        {"reboot", SYS_reboot},
        {"pidfd_getfd", SYS_pidfd_getfd},
        {"kcmp", SYS_kcmp},
        {"sethostname", SYS_sethostname},
        {"syslog", SYS_syslog},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (!denied(syscall(calls[i].number, 0, 0, 0, 0, 0, 0), EPERM)) {
            printf("%s: errno %d\n", calls[i].name, errno);
            failed = 1;
        }
    }
    /* Younger than the filter, and clone3 and openat2, whose arguments no filter sees. */
    static const long unknown[] = {467, 500, SYS_clone3, SYS_openat2};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        if (!denied(syscall(unknown[i], 0, 0, 0, 0, 0, 0), ENOSYS)) {
            printf("call %ld: errno %d\n", unknown[i], errno);
            failed = 1;
        }
    }
    return failed;
}

static int
attack_namespaces(const char *more)
{
    (void)more;
    static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET,
                                CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (!denied(unshare(flags[i]), EPERM)) {
            return 1;
        }
        if (flags[i] != 0x80) {
            long pid = syscall(SYS_clone, (unsigned long)flags[i] | SIGCHLD, NULL, NULL, NULL, 0);
            if (pid == 0) {
                _exit(0);
            }
            if (!denied(pid, EPERM)) {
                return 2;
            }
        }
    }
    return 0;
}

/* With "own loopback" streams and datagrams of IPv4 and IPv6 are for the task; nothing else ever is. */
static int
attack_network(const char *more)
{
    static const int families[] = {AF_INET,  AF_INET6, AF_NETLINK,  AF_PACKET, AF_VSOCK,
                                   AF_ALG,   AF_BLUETOOTH, AF_XDP, AF_RDS, AF_TIPC, AF_KEY, AF_CAN};
    static const int protocols[] = {IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_UDPLITE, 262 /* MPTCP */,
                                    IPPROTO_RAW, 255, -1};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        int own = *more && i < 2;
        for (int type = SOCK_STREAM; type <= SOCK_PACKET; type++) {
            int fd = socket(families[i], type | SOCK_CLOEXEC, 0);
            int right = own && type <= SOCK_DGRAM ? fd >= 0 || errno == EAFNOSUPPORT : denied(fd, EPERM);
            if (!right) {
                printf("family %d type %d: %d\n", families[i], type, errno);
                return 1;
            }
        }
        for (size_t j = 0; own && j < sizeof protocols / sizeof *protocols; j++) {
            if (!denied(socket(families[i], SOCK_DGRAM, protocols[j]), EPERM) ||
                !denied(socket(families[i], SOCK_STREAM, protocols[j]), EPERM)) {
                printf("family %d protocol %d\n", families[i], protocols[j]);
                return 2;
            }
        }
        int pair[2];
        if (socketpair(families[i], SOCK_STREAM, 0, pair) == 0 || errno != EPERM) {
            return 3;
        }
    }
    /* The kernel takes the low halves; so does the filter. */
    long wide = syscall(SYS_socket, (1L << 32) | AF_NETLINK, (long)SOCK_DGRAM, 0L);
    return denied((int)wide, EPERM) ? 0 : 4;
}

/* The socket the test listens on outside, by its path and by its abstract name. */
static int
attack_sockets(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return errno == EPERM ? 0 : 1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return 2;
    }
    memset(address.sun_path, 0, sizeof address.sun_path);
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "viv-test-%s",
             strrchr(path, '/') + 1);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 3 : 0;
}

static int
attack_processes(const char *text)
{
    int pid = (int)strtol(text, NULL, 10);
    char path[64];
    int failed = 0;
    /* Inside a pid namespace the number is nobody, or one of ours: what counts is that the victim
     * outside lives. */
    failed |= kill(pid, SIGKILL) == 0 && getpid() > 1000 ? 1 : 0;
    (void)kill(-1, 0);
    struct rlimit none = {0, 0};
    failed |= prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0 ? 2 : 0;
    failed |= setpriority(PRIO_PROCESS, (id_t)pid, 19) == 0 ? 4 : 0;
    static const char *const files[] = {"environ", "maps", "mem", "root/etc/passwd", "cwd/secret"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        failed |= open(path, O_RDONLY) >= 0 ? 8 : 0;
        snprintf(path, sizeof path, "/proc/1/%s", files[i]);
        failed |= open(path, O_RDONLY) >= 0 ? 16 : 0;
    }
    return failed;
}

static int
attack_privileges(const char *more)
{
    bool keeps_bounding_set = *more != 0;
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    int failed =
        geteuid() == 0 && access("/work", F_OK) == 0 && access("/proc/self/uid_map", F_OK) != 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "Cap", 3) == 0 && strspn(strchr(line, '\t') + 1, "0") != 16) {
            printf("%s", line);
            failed = 1;
        }
        if (strncmp(line, "NoNewPrivs:\t", 12) == 0 && line[12] != '1') {
            failed = 2;
        }
    }
    for (int cap = 0; cap <= 40 && !keeps_bounding_set; cap++) {
        failed |= prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 ? 4 : 0;
    }
    return failed | (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 8) |
           (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 ? 0 : 16);
}

static int
attack_arguments(const char *more)
{
    (void)more;
    int failed = 0;
    failed |= denied(ioctl(0, TIOCSTI, "x"), EPERM) ? 0 : 1;
    failed |= denied(ioctl(0, TIOCLINUX, "x"), EPERM) ? 0 : 2;
    /* The kernel looks at 32 bits only, so must the filter. */
    failed |= denied(syscall(SYS_ioctl, 0, TIOCSTI | (UINT64_C(1) << 32), "x"), EPERM) ? 0 : 4;
    failed |= denied(personality(ADDR_NO_RANDOMIZE), EPERM) ? 0 : 8;
    failed |= personality(0xffffffff) == -1 ? 16 : 0;
    failed |= denied(mknod("device", S_IFCHR | 0600, 0x103), EPERM) ? 0 : 32;
    int fd = open("setuid", O_CREAT | O_WRONLY, 04755);
    failed |= fd >= 0 ? 64 : 0;
    fd = open("plain", O_CREAT | O_WRONLY, 0644);
    failed |= fd < 0 || !denied(fchmod(fd, 04755), EPERM) || !denied(chmod("plain", 02755), EPERM)
                  ? 128
                  : 0;
    return failed;
}

/* x32 calls and 32-bit entry would see other numbers than the filter does: the process dies of
 * SIGSYS. */
static int
attack_abi(const char *which)
{
#if defined(__x86_64__)
    if (strcmp(which, "x32") == 0) {
        syscall(0x40000000 | SYS_getpid);
    } else {
        long result;
        /* A kernel without 32-bit entry faults; no sanitizer's handler may make an exit of that. */
        signal(SIGSEGV, SIG_DFL);
        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(20L)
                         : "memory", "r8", "r9", "r10", "r11");
        printf("%ld\n", result);
    }
#else
    (void)which;
    kill(getpid(), SIGSYS);
#endif
    return 1;
}

static int
attack_bomb(const char *text)
{
    int count = (int)strtol(text, NULL, 10);
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            setsid();
            if (fork() == 0) {
                _exit(0);
            }
            for (;;) {
                pause();
            }
        }
        if (pid < 0) {
            return 1;
        }
    }
    return 0;
}

static int
attack_processes_bound(const char *more)
{
    (void)more;
    int count = 0;
    for (; count < 20000; count++) {
        pid_t pid = fork();
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0) {
            break;
        }
    }
    printf("%d\n", count);
    return 0;
}

int
attacks_run(int argc, char **argv)
{
    const char *name = argv[2];
    const char *more = argc > 3 ? argv[3] : "";
    static const struct {
        const char *name;
        int (*run)(const char *more);
    } attacks[] = {
        {"calls", attack_calls},         {"namespaces", attack_namespaces},
        {"network", attack_network},     {"sockets", attack_sockets},
        {"processes", attack_processes}, {"privileges", attack_privileges},
        {"arguments", attack_arguments}, {"abi", attack_abi},
        {"bomb", attack_bomb},           {"bound", attack_processes_bound},
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        if (strcmp(attacks[i].name, name) == 0) {
            return attacks[i].run(more);
        }
    }
    return 99;
}
