/* SPDX-License-Identifier: Apache-2.0 */
/* Starting keepers, which confine themselves (keeper.c), and host helpers, which run as the host
 * does but with nothing of its descriptors, environment or session. */
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
    (void)channel_send(VW_CHANNEL_FD, &copy, sizeof copy, fds,
                       copy.error ? 0 : fd_count); /* seen by the loop */
}

static void
note_started(struct launcher *launcher, pid_t pid, enum started_kind kind, int report)
{
    launcher->started[launcher->count++] = (struct started){pid, kind, report};
}

/* ---- keepers ---- */

static _Noreturn void
become_keeper(struct launcher *launcher, enum vw_variant variant, int hand, bool spare)
{
    static struct keeper keeper;
    keeper.variant = variant;
    keeper.spare = spare;
    keeper.uid = launcher->uid; /* asked inside, the answer would be "nobody" */
    keeper.gid = launcher->gid;
    /* Both out of the way first, then to their places; nothing else of the launcher's stays open.
     */
    int hand_high = fcntl(hand, F_DUPFD_CLOEXEC, HIGH_FD);
    int life_high = fcntl(launcher->life[0], F_DUPFD_CLOEXEC, HIGH_FD);
    keeper.hand = dup3(hand_high, VW_CHANNEL_FD, O_CLOEXEC);
    keeper.life = dup3(life_high, VW_CHANNEL_FD + 1, O_CLOEXEC);
    if (keeper.hand < 0 || keeper.life < 0 || close_range(VW_CHANNEL_FD + 2, ~0u, 0)) {
        _exit(1);
    }
    keeper_run(&keeper);
}

static int
start_keeper(struct launcher *launcher, enum vw_variant variant, bool is_spare,
             struct spare *ret_keeper, struct vw_reply *reply)
{
    int hand[2];
    if (launcher->count == STARTED_MAX) {
        errno = EAGAIN;
        return step_refuse(reply, STEP_FORK, "too many children");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, hand)) {
        return step_refuse(reply, STEP_CONTROL, NULL);
    }
    *ret_keeper = (struct spare){.pidfd = -1, .hand = hand[0]};
    pid_t pid = ns_clone(variant, &ret_keeper->pidfd, reply);
    if (pid == 0) {
        become_keeper(launcher, variant, hand[1], is_spare);
    }
    close(hand[1]);
    if (pid < 0) {
        close(hand[0]);
        return -1;
    }
    ret_keeper->pid = pid;
    note_started(launcher, pid, STARTED_KEEPER, -1);
    return 0;
}

void
spawn_forget(struct launcher *launcher, pid_t pid)
{
    for (size_t i = 0; i < sizeof launcher->spares / sizeof *launcher->spares; i++) {
        struct spare *spare = &launcher->spares[i];
        if (spare->pid == pid) {
            close(spare->pidfd);
            close(spare->hand);
            spare->pid = 0;
        }
    }
}

/* The spare of this variant if it takes the plan, else a new one. */
static int
hand_over(struct launcher *launcher, enum vw_variant variant, const struct message *message,
          int control, struct spare *ret_keeper, struct vw_reply *reply)
{
    const int fds[2] = {message->fds[0], control};
    *ret_keeper = launcher->spares[variant];
    launcher->spares[variant].pid = 0;
    if (ret_keeper->pid > 0) {
        if (channel_send(ret_keeper->hand, &message->head, sizeof message->head, fds, 2) == 0) {
            return 0;
        }
        close(ret_keeper->pidfd);
        close(ret_keeper->hand);
    }
    if (start_keeper(launcher, variant, false, ret_keeper, reply)) {
        return -1;
    }
    if (channel_send(ret_keeper->hand, &message->head, sizeof message->head, fds, 2)) {
        close(ret_keeper->pidfd);
        close(ret_keeper->hand);
        return step_refuse(reply, STEP_CONTROL, NULL);
    }
    return 0;
}

void
spawn_keeper(struct launcher *launcher, struct message *message)
{
    struct vw_reply reply = {0};
    struct spare keeper;
    int control[2];
    uint64_t variant = 0;
    if (message->fd_count != 1 ||
        pread(message->fds[0], &variant, sizeof variant, 0) != sizeof variant ||
        variant < VW_FULL || variant > VW_REDUCED_COPY) {
        errno = EINVAL;
        step_refuse(&reply, STEP_REQUEST, NULL);
        answer(&reply, VW_OPEN, NULL, 0);
        return;
    }
    if (step_fails(STEP_CONTROL) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control)) {
        step_refuse(&reply, STEP_CONTROL, NULL);
        answer(&reply, VW_OPEN, NULL, 0);
        return;
    }
    if (hand_over(launcher, (enum vw_variant)variant, message, control[1], &keeper, &reply)) {
        answer(&reply, VW_OPEN, NULL, 0);
    } else {
        answer(&reply, VW_OPEN, (int[]){control[0], keeper.pidfd}, 2);
        close(keeper.pidfd);
        close(keeper.hand);
    }
    close(control[0]);
    close(control[1]);
    /* Without namespaces there is nothing to be had in advance. */
    launcher->wanted[variant] = reply.error == 0 && variant != VW_REDUCED_COPY;
}

void
spawn_spares(struct launcher *launcher)
{
    for (int variant = VW_FULL; variant < VW_REDUCED_COPY; variant++) {
        struct spare *spare = &launcher->spares[variant];
        struct vw_reply ignored = {0};
        struct spare made;
        if (launcher->wanted[variant] && spare->pid == 0 &&
            start_keeper(launcher, (enum vw_variant)variant, true, &made, &ignored) == 0) {
            *spare = made;
        }
        launcher->wanted[variant] =
            false; /* once only: one that fails must not be tried for ever */
    }
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
    static const char *const base[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LANG=C.UTF-8",
        "TZ=UTC", "HOME=/nonexistent"};
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
        struct sigaction standard = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &standard,
                        NULL); /* the kernel and the C library keep four for themselves */
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail on a valid set */
}

static _Noreturn void
fail_tool(int report, const char *step)
{
    struct vw_tool_report note = {.exit_code = -1, .error = errno ? errno : EIO};
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
    } argv = {.from = tool->argv}, env = {.from = tool->env};
    environ = env.to; /* the search goes by its PATH */
    execvp(argv.to[0], argv.to);
    fail_tool(report, "program");
}

void
spawn_tool(struct launcher *launcher, struct message *message)
{
    static struct tool tool;
    struct vw_reply reply = {0};
    int pidfd = -1;
    if (read_tool(message, &tool)) {
        step_refuse(&reply, STEP_REQUEST, NULL);
        answer(&reply, VW_TOOL, NULL, 0);
        return;
    }
    pid_t pid = -1;
    errno = EAGAIN;
    if (launcher->count < STARTED_MAX && !step_fails(STEP_TOOL)) {
        pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, 0);
    }
    if (pid == 0) {
        become_tool(launcher, message, &tool);
    }
    if (pid < 0) {
        step_refuse(&reply, STEP_TOOL, NULL);
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
