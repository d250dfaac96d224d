/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a keeper:
 *
 *   prepared (namespaces, most of the root)         prepare(), often before anybody asked
 *   -> given a plan                                 wait_for_plan()
 *   -> set up (workspace, rules, capabilities)      make_world(); says READY or refuses
 *   -> serving -> killing -> gone                   serve(), kill_rest()
 *
 * Serving ends when the host closes the control socket, or the launcher dies (the life pipe hangs
 * up). With a pid namespace the kernel then takes everything inside along; without one the keeper
 * kills what it finds until nothing is left. One EXEC runs at a time. */
#include "run.h"
#include "step.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCH_CONTROL, WATCH_LIFE, WATCH_CHILD, WATCH_FIXED };

static struct run run;
static int64_t frozen_ns; /* since when everything inside is stopped; 0: it is not */

/* All that does not need a plan. */
static int
prepare(struct keeper *keeper)
{
    if (keeper->variant == VW_REDUCED_COPY &&
        (step_fails(STEP_SUBREAPER) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))) {
        return step_refuse(&keeper->ready, STEP_SUBREAPER, NULL);
    }
    return ns_enter(keeper) || root_prepare(keeper) ? -1 : 0;
}

static int
make_world(struct keeper *keeper)
{
    if (root_make(keeper) || (keeper->plan.door && ns_door(keeper)) || landlock_make(keeper) ||
        confine_keeper(keeper)) {
        return -1;
    }
    /* These two are set by each child, or it does not run. */
    keeper->ready.bits |= VW_SECCOMP | VW_RLIMITS;
    keeper->ready.bits |= keeper->variant == VW_REDUCED_COPY ? VW_NO_SOCKETS : 0;
    keeper->ready.bits |=
        keeper->uid != 0 ? VW_PROCESSES : 0; /* root is exempt from RLIMIT_NPROC */
    bool fails = step_fails(STEP_MINIMUM);
    if (fails || (keeper->plan.minimum & ~keeper->ready.bits) != 0) {
        errno = fails ? EPERM : EOPNOTSUPP;
        return step_refuse(&keeper->ready, STEP_MINIMUM, "less than the profile asked for");
    }
    for (int fd = 0; fd < 3; fd++) {
        if (dup2(keeper->null, fd) < 0) {
            return step_refuse(&keeper->ready, STEP_DESCRIPTORS, NULL);
        }
    }
    return 0;
}

/* Until the launcher hands over a plan; false when it ends first. */
static bool
wait_for_plan(struct keeper *keeper)
{
    struct pollfd polled[] = {{.fd = keeper->hand, .events = POLLIN},
                              {.fd = keeper->life, .events = POLLIN}};
    struct message message;
    int got = -1;
    while (got < 0) {
        if ((poll(polled, 2, -1) < 0 && errno != EINTR) || polled[1].revents) {
            return false;
        }
        got = channel_receive(keeper->hand, &message);
    }
    if (got == 0 || message.fd_count != 2) {
        return false;
    }
    keeper->control = message.fds[1];
    message.fds[1] = -1;
    bool fails = step_fails(STEP_REQUEST);
    if (keeper->ready.error == 0 && (fails || plan_read(&message, &keeper->plan) ||
                                     keeper->plan.variant != keeper->variant)) {
        errno = fails ? EPERM : EINVAL;
        step_refuse(&keeper->ready, STEP_REQUEST, NULL);
    }
    channel_drop(&message);
    close(keeper->hand);
    return true;
}

/* Which end of the socket dies first must not matter: without a pid namespace the keeper outlives
 * the launcher just long enough to clean up, so there it is not killed but told by the pipe. */
static int
follow_launcher(struct keeper *keeper)
{
    struct pollfd life = {.fd = keeper->life, .events = POLLIN};
    if (keeper->variant != VW_REDUCED_COPY && prctl(PR_SET_PDEATHSIG, SIGKILL)) {
        return step_refuse(&keeper->ready, STEP_DEATH, NULL);
    }
    if (step_fails(STEP_DEATH) || poll(&life, 1, 0) != 0) {
        errno = errno ? errno : EOWNERDEAD;
        return step_refuse(&keeper->ready, STEP_DEATH, NULL);
    }
    return 0;
}

static void
answer_freeze(struct keeper *keeper, struct message *message)
{
    bool freeze = message->head.kind == VW_FREEZE;
    int32_t error = 0;
    tree_signal(keeper, freeze ? SIGSTOP : SIGCONT);
    if (freeze && !frozen_ns) {
        frozen_ns = now_ns();
    } else if (!freeze && frozen_ns) {
        run.deadline_ns += now_ns() - frozen_ns;
        frozen_ns = 0;
    }
    if (message->fd_count > 0) {
        (void)!write(message->fds[0], &error, sizeof error); /* nobody waits any more, then */
    }
}

static void
refuse_exec(struct keeper *keeper, int error)
{
    struct vw_exec_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.head.magic = VW_MAGIC;
    reply.head.kind = VW_EXEC;
    errno = error;
    step_refuse(&reply.head, STEP_REQUEST, NULL);
    (void)channel_send(keeper->control, &reply, sizeof reply, NULL,
                       0); /* a host that is gone is seen by the loop */
}

static void
start_exec(struct keeper *keeper, struct message *message)
{
    if (frozen_ns || run.active) {
        refuse_exec(keeper, EBUSY);
    } else if (run_read(keeper, message, &run)) {
        refuse_exec(keeper, errno);
    } else {
        (void)run_start(keeper, &run); /* a refusal is in the answer */
    }
}

/* False when the host is gone. */
static bool
take_message(struct keeper *keeper)
{
    struct message message;
    int got = channel_receive(keeper->control, &message);
    if (got <= 0) {
        return got != 0;
    }
    switch (message.head.kind) {
    case VW_EXEC:
        start_exec(keeper, &message);
        break;
    case VW_CANCEL:
        if (run.active) {
            run_kill(keeper, &run, VW_END_CANCELLED);
        }
        break;
    case VW_FREEZE:
    case VW_THAW:
        answer_freeze(keeper, &message);
        break;
    default:
        break;
    }
    channel_drop(&message);
    return true;
}

static int
time_left_ms(void)
{
    if (!run.active || frozen_ns || run.end) {
        return -1;
    }
    int64_t left = run.deadline_ns - now_ns();
    return left <= 0 ? 0 : left > INT64_C(2000000000000) ? 2000000 : (int)(left / 1000000) + 1;
}

static void
hear_stages(struct keeper *keeper, const struct pollfd *polled)
{
    for (size_t i = 0; run.active && i < run.stage_count; i++) {
        if (run.stages[i].status >= 0 && polled[i].fd == run.stages[i].status &&
            polled[i].revents) {
            run_heard(keeper, &run, &run.stages[i]);
        }
    }
}

static void
watch(struct keeper *keeper, int children, struct pollfd polled[WATCH_FIXED + VW_STAGES_MAX],
      size_t *ret_count)
{
    size_t count = run.active ? run.stage_count : 0;
    polled[WATCH_CONTROL] = (struct pollfd){.fd = keeper->control, .events = POLLIN};
    polled[WATCH_LIFE] = (struct pollfd){.fd = keeper->life, .events = POLLIN};
    polled[WATCH_CHILD] = (struct pollfd){.fd = children, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        polled[WATCH_FIXED + i] = (struct pollfd){.fd = run.stages[i].status, .events = POLLIN};
    }
    *ret_count = WATCH_FIXED + count;
}

static void
serve(struct keeper *keeper, int children)
{
    static struct pollfd polled[WATCH_FIXED + VW_STAGES_MAX];
    struct signalfd_siginfo signals[8];
    size_t count;
    for (;;) {
        if (run.active && run_done(&run)) {
            run_answer(keeper, &run);
        }
        watch(keeper, children, polled, &count);
        if (poll(polled, count, time_left_ms()) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return;
        }
        if (polled[WATCH_LIFE].revents) {
            return;
        }
        if (polled[WATCH_CHILD].revents && read(children, signals, sizeof signals) > 0) {
            run_reap(&run);
        }
        hear_stages(keeper, &polled[WATCH_FIXED]);
        if (time_left_ms() == 0) {
            run_kill(keeper, &run, VW_END_TIMED_OUT);
        }
        if (polled[WATCH_CONTROL].revents && !take_message(keeper)) {
            return;
        }
    }
}

/* With a pid namespace our own exit does this. */
static void
kill_rest(struct keeper *keeper)
{
    if (keeper->variant != VW_REDUCED_COPY) {
        return;
    }
    pid_t gone;
    do {
        tree_signal(keeper, SIGKILL);
        gone = waitpid(-1, NULL, 0);
        while (gone > 0 && waitpid(-1, NULL, WNOHANG) > 0) {
            continue;
        }
    } while (gone > 0 || errno == EINTR);
}

void
keeper_run(struct keeper *keeper)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &child, NULL); /* cannot fail on a valid set */
    int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    struct vw_reply *ready = &keeper->ready;
    ready->magic = VW_MAGIC;
    ready->kind = VW_READY;
    ready->variant = keeper->variant;
    keeper->ruleset = keeper->scope = keeper->root = keeper->door = keeper->proc = -1;
    errno = 0;
    if ((prepare(keeper) && keeper->spare) || children < 0 || !wait_for_plan(keeper)) {
        _exit(1);
    }
    if (ready->error || make_world(keeper) || follow_launcher(keeper)) {
        (void)channel_send(keeper->control, ready, sizeof *ready, NULL,
                           0); /* else the host sees our end */
        _exit(1);
    }
    const int handed[] = {keeper->root, keeper->door};
    if (channel_send(keeper->control, ready, sizeof *ready, handed, keeper->door < 0 ? 1 : 2) == 0) {
        if (keeper->door >= 0) {
            close(keeper->door);
        }
        serve(keeper, children);
    }
    kill_rest(keeper);
    _exit(0);
}
