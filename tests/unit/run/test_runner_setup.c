/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a machine that cannot confine a plugin runs it unconfined. Each set-up step of host, zygote and runner
 * is made to fail in turn: a filter hands its system call to a thread of this test, which answers the one meant with
 * EPERM and lets all others go on. Nothing runs, and the message names the step. */
#include "../../support/tier1.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/map.h"

enum who { HOST, ZYGOTE, RUNNER, NOBODY };

#define ANY (-1) /* whatever the arguments are */

/* The n-th call of `number` by `who` whose argument `argument` is `value` fails. */
struct step {
    enum who who;
    int number;
    int argument;
    uint32_t value;
    int nth;
    bool warm; /* without a folder of the project */
    const char *says;
};

static const struct step steps[] = {
    /* sealing the plugin's bytes, and the area */
    {HOST, SYS_memfd_create, ANY, 0, 1, false, "cannot make a memory file for 'sealed': Operation not permitted"},
    {HOST, SYS_fcntl, 1, F_ADD_SEALS, 1, false, "cannot fill and seal the memory file of 'sealed': Operation not"},
    {HOST, SYS_memfd_create, ANY, 0, 2, false, "no memory file for the runner of 'tests.tier1_good'"},
    {HOST, SYS_fcntl, 1, F_ADD_SEALS, 2, false, "no memory file for the runner of 'tests.tier1_good'"},
    /* the zygote */
    {ZYGOTE, SYS_prctl, 0, PR_SET_PDEATHSIG, 1, false, "is not confined: the parent-death signal was refused: Oper"},
    {ZYGOTE, SYS_prctl, 0, PR_SET_NO_NEW_PRIVS, 1, false, "is not confined: no_new_privs was refused: Operation not"},
    {ZYGOTE, SYS_capset, ANY, 0, 1, false, "is not confined: capabilities could not be given up: Operation not perm"},
    {ZYGOTE, SYS_seccomp, ANY, 0, 1, false, "is not confined: the kernel refused the system-call filter: Operation"},
    {ZYGOTE, SYS_close_range, ANY, 0, 2, false, /* the first is of the program's start */
     "is not confined: descriptors could not be closed: Operation not"},
    {ZYGOTE, SYS_pidfd_open, ANY, 0, 1, false, "no runner could be forked (at most 256 at a time): Operation not"},
    /* the runner, before it can speak */
    {RUNNER, SYS_prctl, 0, PR_SET_PDEATHSIG, 1, false, "does not start: the parent-death signal was refused"},
    {RUNNER, SYS_fcntl, 1, F_DUPFD, 1, false, "does not start: its descriptors could not be placed"},
    {RUNNER, SYS_close_range, ANY, 0, 1, false, "does not start: its descriptors could not be placed"},
    {RUNNER, SYS_mmap, 3, MAP_SHARED, 1, false, "does not start: the area shared with the host could not be mapped"},
    {RUNNER, SYS_mmap, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 1, false,
     "memory for calls cannot be reserved: Operation not permitted"},
/* limits */
#ifndef VH_SANITIZED /* there the address space has no bound */
    {RUNNER, SYS_prlimit64, 1, RLIMIT_AS, 1, false, "limit 'as' cannot be"},
#endif
    {RUNNER, SYS_prlimit64, 1, RLIMIT_CORE, 1, false, "limit 'core' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_FSIZE, 1, false, "limit 'fsize' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_NPROC, 1, false, "limit 'nproc' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_MEMLOCK, 1, false, "limit 'memlock' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_MSGQUEUE, 1, false, "limit 'msgqueue' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_RTPRIO, 1, false, "limit 'rtprio' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_CPU, 1, false, "limit 'cpu' cannot be"},
    {RUNNER, SYS_prlimit64, 1, RLIMIT_NOFILE, 1, false, "limit 'nofile' cannot be"},
    /* Landlock */
    {RUNNER, SYS_landlock_create_ruleset, 2, LANDLOCK_CREATE_RULESET_VERSION, 1, false,
     "the kernel has no landlock (abi 0, needed 1)"},
    {RUNNER, SYS_landlock_create_ruleset, 2, 0, 1, false, "landlock ruleset (abi "},
    {RUNNER, SYS_landlock_add_rule, ANY, 0, 1, false, "landlock rule for 'the granted folder' was refused"},
    {RUNNER, SYS_landlock_restrict_self, ANY, 0, 1, false, "landlock could not be entered"},
    /* the runner's own filters */
    {RUNNER, SYS_seccomp, ANY, 0, 1, false, "the kernel refused the 'mapping' system-call filter: Operation not perm"},
    {RUNNER, SYS_seccomp, ANY, 0, 2, false, "the kernel refused the 'folder' system-call filter: Operation not perm"},
    {RUNNER, SYS_seccomp, ANY, 0, 2, true, "the kernel refused the 'warm' system-call filter: Operation not permitted"},
    /* mapping the sealed bytes */
    {RUNNER, SYS_fcntl, 1, F_GET_SEALS, 1, false, "the memory of 'tests.tier1_good' is not sealed: seals 0x0"},
    {RUNNER, SYS_fcntl, 1, F_DUPFD_CLOEXEC, 1, false, "no unused descriptor number is left to map 'tests.tier1_good'"},
    {RUNNER, SYS_openat, ANY, 0, 1, false, "plugin 'tests.tier1_good' cannot be mapped: /proc/self/fd/256: cannot "},
    {RUNNER, SYS_mmap, 2, PROT_READ | PROT_EXEC, 1, false,
     "plugin 'tests.tier1_good' cannot be mapped: /proc/self/fd/256: failed to map segment"},
    {RUNNER, SYS_mprotect, 2, PROT_READ, 1, false,
     "plugin 'tests.tier1_good' cannot be mapped: /proc/self/fd/256: cannot apply additional memory protection"},
    /* the test's own means fail nothing */
    {NOBODY, SYS_seccomp, ANY, 0, 1, false, "it runs"},
    {NOBODY, SYS_seccomp, ANY, 0, 1, true, "it runs"},
};

/* ---- the one that answers ---- */

struct answerer {
    const struct step *step;
    pid_t host;
    atomic_int listener; /* -1: not there yet */
    int seen;
};

static pid_t
parent_of(pid_t pid)
{
    char path[40], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    text[len > 0 ? len : 0] = '\0';
    const char *after = strrchr(text, ')');
    return after ? (pid_t)strtol(after + 3, NULL, 10) : 0;
}

static enum who
who_is(const struct answerer *answerer, pid_t pid)
{
    return pid == answerer->host ? HOST : parent_of(pid) == answerer->host ? ZYGOTE : RUNNER;
}

static bool
is_meant(struct answerer *answerer, const struct seccomp_notif *asked)
{
    const struct step *step = answerer->step;
    if ((step->argument != ANY && (uint32_t)asked->data.args[step->argument] != step->value) ||
        who_is(answerer, (pid_t)asked->pid) != step->who) {
        return false;
    }
    return ++answerer->seen == step->nth;
}

static void *
answer_all(void *data)
{
    struct answerer *answerer = data;
    while (atomic_load(&answerer->listener) < 0) {
        sched_yield();
    }
    for (;;) {
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof asked);
        if (ioctl(atomic_load(&answerer->listener), SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
            continue; /* who asked is dead */
        }
        struct seccomp_notif_resp said = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        if (is_meant(answerer, &asked)) {
            said.flags = 0;
            said.error = -EPERM;
        }
        (void)ioctl(atomic_load(&answerer->listener), SECCOMP_IOCTL_NOTIF_SEND, &said); /* it may be dead */
    }
    return NULL;
}

/* For the calling thread and what it starts. The zygote inherits it. */
static int
hand_over(int number)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rows / sizeof *rows, rows};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* ---- attempts ---- */

static viv_status
try_to_run(struct tier1 *tier1, const struct tier1_plan *plan, struct viv_error *err)
{
    struct vh_zygote *zygote = NULL;
    struct vh_runner *runner = NULL;
    int sealed = -1;
    viv_status status = vh_map_seal("bytes", 5, "sealed", &sealed, err);
    if (status == VIV_OK) {
        status = vh_zygote_start(vh_seam_real(), tier1->arena, tier1_zygote, &zygote, err);
    }
    if (status == VIV_OK) {
        status = vh_runner_start(zygote, tier1->arena, &plan->plan, &runner, NULL, err);
    }
    vh_runner_end(runner, NULL);
    vh_zygote_end(zygote);
    return status;
}

/* In a child: make the step fail, try to start a runner, say what came of it. */
static void
attempt(struct tier1 *tier1, const struct tier1_plan *plan, const struct step *step, int out)
{
    static struct answerer answerer;
    pthread_t thread;
    struct viv_error err = VIV_ERROR_INIT;
    answerer.step = step;
    answerer.host = getpid();
    atomic_init(&answerer.listener, -1);
    if (pthread_create(&thread, NULL, answer_all, &answerer) != 0) {
        dprintf(out, "no thread");
        _exit(0);
    }
    int listener = hand_over(step->number);
    if (listener < 0) {
        dprintf(out, "the test's filter was refused: %s", strerror(errno));
        _exit(0);
    }
    atomic_store(&answerer.listener, listener);
    viv_status status = try_to_run(tier1, plan, &err);
    dprintf(out, "%d %s", status, status == VIV_OK ? "it runs" : err.text);
    _exit(0);
}

static void
step_refuses(struct tier1 *tier1, const struct tier1_plan *plan, const struct step *step)
{
    int told[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        attempt(tier1, plan, step, told[1]);
    }
    close(told[1]);
    char text[600] = {0};
    size_t len = 0;
    ssize_t got;
    while ((got = read(told[0], text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)got;
    }
    close(told[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    if (!strstr(text, step->says)) {
        fail_msg("step %zu, system call %d: '%s' does not hold '%s'", (size_t)(step - steps), step->number, text,
                 step->says);
    }
}

static void
each_step_refuses(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        plan.plan.root_fd = steps[i].warm ? -1 : folder;
        step_refuses(tier1, &plan, &steps[i]);
    }
    close(folder);
}

/* A container may watch system calls by the same means, of which there is one. */
static bool
can_listen(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(hand_over(SYS_capset) < 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_refuses, tier1_setup, tier1_teardown),
    };
    if (!can_listen()) {
        fprintf(stderr, "skipped: this kernel or container lets no test answer system calls\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
