/* SPDX-License-Identifier: Apache-2.0 */
/* Starting keepers, which confine themselves (keeper.c), and host helpers, which run as the host does but with nothing
 * of its descriptors, environment or session. */
#include "launcher.h"
#include "keeper.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOOL_WORDS_MAX 20480
#define TOOL_ENV_MAX 1024
#define TOOL_FIXED 5 /* body, in, out, err, report */
#define HIGH_FD 200  /* out of the way of 0 to 3 + extras */

static void
answer(const struct vw_reply *reply, uint32_t kind, const int *fds, size_t fd_count)
{
    struct vw_reply copy = *reply;
    copy.magic = VW_MAGIC;
    copy.kind = kind;
    (void)channel_send(VW_CHANNEL_FD, &copy, sizeof copy, fds, copy.error ? 0 : fd_count); /* seen by the loop */
}

static void
note_started(struct launcher *launcher, pid_t pid, enum started_kind kind, int report)
{
    launcher->started[launcher->count++] = (struct started){ pid, kind, report };
}

/* ---- keepers ---- */

static _Noreturn void
become_keeper(struct launcher *launcher, struct plan *plan, int control)
{
    static struct keeper keeper;
    keeper.plan = plan;
    keeper.uid = launcher->uid; /* asked inside, the answer would be "nobody" */
    keeper.gid = launcher->gid;
    /* Both out of the way first, then to their places; nothing else of the launcher's stays open. */
    int control_high = fcntl(control, F_DUPFD_CLOEXEC, HIGH_FD);
    int life_high = fcntl(launcher->life[0], F_DUPFD_CLOEXEC, HIGH_FD);
    keeper.control = dup3(control_high, VW_CHANNEL_FD, O_CLOEXEC);
    keeper.life = dup3(life_high, VW_CHANNEL_FD + 1, O_CLOEXEC);
    if (keeper.control < 0 || keeper.life < 0 || close_range(VW_CHANNEL_FD + 2, ~0u, 0)) {
        _exit(1);
    }
    keeper_run(&keeper);
}

void
spawn_keeper(struct launcher *launcher, struct message *message)
{
    static struct plan plan;
    struct vw_reply reply = { 0 };
    int control[2] = { -1, -1 };
    int pidfd = -1;
    if (plan_read(message, &plan)) {
        step_refuse(&reply, "request", NULL);
        answer(&reply, VW_OPEN, NULL, 0);
        return;
    }
    if (launcher->count == STARTED_MAX) {
        errno = EAGAIN;
        step_refuse(&reply, "fork", "too many children");
    } else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control)) {
        step_refuse(&reply, "control", NULL);
    } else {
        pid_t pid = ns_clone(plan.variant, &pidfd, &reply);
        if (pid == 0) {
            become_keeper(launcher, &plan, control[1]);
        }
        if (pid > 0) {
            note_started(launcher, pid, STARTED_KEEPER, -1);
        }
    }
    int fds[2] = { control[0], pidfd };
    answer(&reply, VW_OPEN, fds, 2);
    int mine[3] = { control[0], control[1], pidfd };
    for (size_t i = 0; i < 3; i++) {
        if (mine[i] >= 0) {
            close(mine[i]);
        }
    }
    body_unmap(&plan.body);
}

/* ---- host helpers ---- */

struct tool {
    struct body body;
    const char *cwd;
    const char *argv[TOOL_WORDS_MAX + 1];
    const char *env[TOOL_ENV_MAX + 8];
    size_t extra;
};

static int
read_tool(const struct message *message, struct tool *tool)
{
    size_t env = 0;
    if (message->fd_count < TOOL_FIXED || body_map(message, &tool->body)) {
        errno = EINVAL;
        return -1;
    }
    struct body *body = &tool->body;
    tool->cwd = body_text(body);
    size_t count = body_count(body, TOOL_WORDS_MAX);
    for (size_t i = 0; i < count && !body->failed; i++) {
        tool->argv[i] = body_text(body);
    }
    tool->argv[count] = NULL;
    /* Later names win in execve's readers only by accident, so the caller's come first. */
    size_t more = body_count(body, TOOL_ENV_MAX);
    for (size_t i = 0; i < more && !body->failed; i++) {
        tool->env[env++] = body_text(body);
    }
    static const char *const base[] = { "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
                                        "LANG=C.UTF-8", "TZ=UTC", "HOME=/nonexistent" };
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) {
        size_t name = strcspn(base[i], "=") + 1;
        bool given = false;
        for (size_t j = 0; j < more && !body->failed; j++) {
            given |= strncmp(tool->env[j], base[i], name) == 0;
        }
        if (!given) {
            tool->env[env++] = base[i];
        }
    }
    tool->env[env] = NULL;
    tool->extra = body_number(body);
    if (body->failed || count == 0 || tool->extra != message->fd_count - TOOL_FIXED) {
        body_unmap(body);
        errno = EINVAL;
        return -1;
    }
    return 0;
}

void
spawn_calm(void)
{
    sigset_t none;
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction standard = { .sa_handler = SIG_DFL };
        (void)sigaction(signal, &standard, NULL); /* the kernel and the C library keep four for themselves */
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail on a valid set */
}

static _Noreturn void
fail_tool(int report, const char *step)
{
    struct vw_tool_report note = { .exit_code = -1, .error = errno ? errno : EIO };
    snprintf(note.step, sizeof note.step, "%s", step);
    (void)!write(report, &note, sizeof note); /* its reader may be gone */
    _exit(127);
}

static void
place_descriptors(const struct message *message, const struct tool *tool, int report)
{
    int high[VW_FDS_MAX];
    size_t count = 3 + tool->extra;
    for (size_t i = 0; i < count; i++) {
        high[i] = fcntl(message->fds[i < 3 ? i + 1 : i + TOOL_FIXED - 3], F_DUPFD_CLOEXEC, HIGH_FD);
    }
    for (size_t i = 0; i < count; i++) {
        if (high[i] < 0 || dup2(high[i], (int)i) < 0) {
            fail_tool(report, "descriptors");
        }
    }
    if (close_range((unsigned)count, ~0u, CLOSE_RANGE_CLOEXEC)) {
        fail_tool(report, "descriptors");
    }
}

static _Noreturn void
become_tool(const struct launcher *launcher, const struct message *message, const struct tool *tool)
{
    int report = fcntl(message->fds[4], F_DUPFD_CLOEXEC, HIGH_FD);
    spawn_calm();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != launcher->self || setsid() < 0) {
        fail_tool(report, "session");
    }
    if (chdir(*tool->cwd ? tool->cwd : "/")) {
        fail_tool(report, "cwd");
    }
    umask(077);
    place_descriptors(message, tool, report);
    union {
        const char *const *from;
        char **to;
    } argv = { .from = tool->argv }, env = { .from = tool->env };
    environ = env.to; /* the search goes by its PATH */
    execvp(argv.to[0], argv.to);
    fail_tool(report, "program");
}

void
spawn_tool(struct launcher *launcher, struct message *message)
{
    static struct tool tool;
    struct vw_reply reply = { 0 };
    int pidfd = -1;
    if (read_tool(message, &tool)) {
        step_refuse(&reply, "request", NULL);
        answer(&reply, VW_TOOL, NULL, 0);
        return;
    }
    pid_t pid = -1;
    errno = EAGAIN;
    if (launcher->count < STARTED_MAX && !step_fails("tool")) {
        pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0);
    }
    if (pid == 0) {
        become_tool(launcher, message, &tool);
    }
    if (pid < 0) {
        step_refuse(&reply, "tool", NULL);
    } else {
        note_started(launcher, pid, STARTED_TOOL, message->fds[4]);
        message->fds[4] = -1;
    }
    answer(&reply, VW_TOOL, &pidfd, 1);
    if (pidfd >= 0) {
        close(pidfd);
    }
    body_unmap(&tool.body);
}
