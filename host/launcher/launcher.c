/* SPDX-License-Identifier: Apache-2.0 */
/* viv-launcher: starts every process that is not the host or a runner. Static, single-threaded, so
 * that namespaces can be entered and forks are small. Descriptor 3 is the host; when it closes, or
 * the host's spawner thread ends, this program ends, and all that it started with it.
 *
 *   viv-launcher --parent=PID [--fail-step=NAME]
 *   viv-launcher --steps    prints the names that can be made to fail, one a line
 *
 * Read wire.h, then spawn.c, then keeper.c. */
#include "launcher.h"
#include "keeper.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Making a spare at once would slow down the keeper that has just been started. */
#define QUIET_MS 3

static void
report_tool(struct started *tool, const siginfo_t *info)
{
    struct vw_tool_report report = {.exit_code = -1};
    if (info->si_code == CLD_EXITED) {
        report.exit_code = info->si_status;
    } else {
        report.signal = info->si_status;
    }
    (void)!write(tool->report, &report, sizeof report); /* its reader may be gone */
    close(tool->report);
}

static void
forget(struct launcher *launcher, const siginfo_t *info)
{
    for (size_t i = 0; i < launcher->count; i++) {
        if (launcher->started[i].pid != info->si_pid) {
            continue;
        }
        if (launcher->started[i].kind == STARTED_TOOL) {
            report_tool(&launcher->started[i], info);
        }
        launcher->started[i] = launcher->started[--launcher->count];
        return;
    }
}

static bool
is_tool(const struct launcher *launcher, pid_t pid)
{
    for (size_t i = 0; i < launcher->count; i++) {
        if (launcher->started[i].pid == pid) {
            return launcher->started[i].kind == STARTED_TOOL;
        }
    }
    return false;
}

/* A tool's session goes with it; its number is still taken while it is not reaped, so no stranger
 * can be hit. */
static void
reap(struct launcher *launcher)
{
    for (;;) {
        siginfo_t info;
        memset(&info, 0, sizeof info);
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0) {
            return;
        }
        if (is_tool(launcher, info.si_pid)) {
            (void)kill(-info.si_pid, SIGKILL); /* ESRCH: it left nobody */
        }
        (void)waitpid(info.si_pid, NULL, 0);
        spawn_forget(launcher, info.si_pid);
        forget(launcher, &info);
    }
}

/* What a keeper without a pid namespace, or a helper that made itself a daemon, left behind came to
 * us. */
static bool
has_orphans(const struct launcher *launcher)
{
    char path[64];
    static char text[STARTED_MAX * 12];
    snprintf(path, sizeof path, "self/task/%d/children", launcher->self);
    int fd = openat(launcher->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return launcher->proc >= 0; /* this kernel does not list children: look the long way */
    }
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    size_t children = 0;
    for (ssize_t i = 0; i < len; i++) {
        children += text[i] == ' ';
    }
    return children > launcher->count;
}

static void
sweep(struct launcher *launcher)
{
    while (has_orphans(launcher)) {
        pid_t known[STARTED_MAX];
        for (size_t i = 0; i < launcher->count; i++) {
            known[i] = launcher->started[i].pid;
        }
        if (tree_signal_below(launcher->proc, launcher->self, known, launcher->count, SIGKILL) ==
            0) {
            return;
        }
        siginfo_t info;
        (void)waitid(P_ALL, 0, &info,
                     WEXITED | WNOWAIT); /* somebody was killed, so somebody comes */
        reap(launcher);
    }
}

static void
say_hello(void)
{
    struct vw_reply reply = {.magic = VW_MAGIC, .kind = VW_HELLO};
    (void)channel_send(VW_CHANNEL_FD, &reply, sizeof reply, NULL, 0); /* seen by the loop */
}

/* False when the host is gone. */
static bool
take_request(struct launcher *launcher)
{
    struct message message;
    int got = channel_receive(VW_CHANNEL_FD, &message);
    if (got <= 0) {
        return got != 0;
    }
    switch (message.head.kind) {
    case VW_OPEN:
        spawn_keeper(launcher, &message);
        break;
    case VW_TOOL:
        spawn_tool(launcher, &message);
        break;
    case VW_HELLO:
        reap(launcher);
        sweep(launcher);
        say_hello();
        break;
    default:
        break;
    }
    channel_drop(&message);
    return true;
}

static void
serve(struct launcher *launcher, int children)
{
    struct pollfd polled[] = {{.fd = VW_CHANNEL_FD, .events = POLLIN},
                              {.fd = children, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo signals[8];
        bool wanted = launcher->wanted[VW_FULL] || launcher->wanted[VW_REDUCED_ROOT];
        int ready = poll(polled, 2, wanted ? QUIET_MS : -1);
        if (ready < 0 && errno != EINTR) {
            return;
        }
        if (ready == 0) {
            spawn_spares(launcher);
        }
        if (polled[1].revents && read(children, signals, sizeof signals) > 0) {
            reap(launcher);
            sweep(launcher);
        }
        if (polled[0].revents && !take_request(launcher)) {
            return;
        }
    }
}

/* Nothing of the host's: not its terminal, no descriptor but the channel, no groups, no signal
 * settings. */
static int
settle(struct launcher *launcher, pid_t parent)
{
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        if (null < 0 || dup2(null, fd) < 0) {
            return -1;
        }
    }
    if (close_range(VW_CHANNEL_FD + 1, ~0u, 0) || fcntl(VW_CHANNEL_FD, F_SETFD, FD_CLOEXEC)) {
        return -1;
    }
    /* Before the check, so that a parent that ends in between is noticed one way or the other. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || (parent > 0 && getppid() != parent)) {
        return -1;
    }
    if (geteuid() == 0) {
        (void)setgroups(0, NULL); /* refused in some containers, where there are none to drop */
    }
    (void)setsid(); /* Ctrl-C and whoever signals a whole group mean the host, which ends its tasks in order */
    spawn_calm();
    (void)signal(SIGPIPE, SIG_IGN);
    umask(022);
    launcher->self = getpid();
    launcher->uid = geteuid();
    launcher->gid = getegid();
    launcher->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || pipe2(launcher->life, O_CLOEXEC) ? -1 : 0;
}

/* 0, or the exit code for wrong words. A step nobody knows would fail nothing, unnoticed. */
static int
read_options(int argc, char **argv, pid_t *ret_parent)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--parent=", 9) == 0) {
            *ret_parent = (pid_t)strtol(argv[i] + 9, NULL, 10);
        } else if (strncmp(argv[i], "--fail-step=", 12) == 0 &&
                   step_find(argv[i] + 12) < STEP_COUNT) {
            step_fail_at(step_find(argv[i] + 12));
        } else {
            dprintf(2, "usage: viv-launcher --parent=PID (started by vivhost with a socket as "
                       "descriptor 3)\n");
            return 2;
        }
    }
    return 0;
}

static int
print_steps(void)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        printf("%s\n", step_name((enum step)i));
    }
    return fflush(stdout) ? 1 : 0;
}

int
main(int argc, char **argv)
{
    static struct launcher launcher;
    pid_t parent = 0;
    if (argc == 2 && strcmp(argv[1], "--steps") == 0) {
        return print_steps();
    }
    if (read_options(argc, argv, &parent)) {
        return 2;
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (settle(&launcher, parent) || sigprocmask(SIG_BLOCK, &child, NULL)) {
        return 1;
    }
    int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0) {
        return 1;
    }
    serve(&launcher, children);
    return 0;
}
