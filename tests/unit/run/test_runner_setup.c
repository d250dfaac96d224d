/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a machine that cannot confine a plugin runs it unconfined. Each set-up step is made to fail in turn,
 * by a filter that answers its system call with an error: nothing runs, and the message names the step. */
#include "../../support/tier1.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host's own set-up is done before the filter; the zygote inherits it. */
static int
forbid(int number)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rows / sizeof *rows, rows};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a child: forbid one call, try to start a runner, say what came of it. */
static void
attempt(struct tier1 *tier1, const struct tier1_plan *plan, int number, int out)
{
    struct vh_zygote *zygote = NULL;
    struct vh_runner *runner = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = VIV_OK;
    if (forbid(number) != 0) {
        status = vh_error_errno(&err, VIV_E_IO, "test", "the test's filter was refused");
    } else {
        status = vh_zygote_start(vh_seam_real(), tier1->arena, tier1_zygote, &zygote, &err);
    }
    if (status == VIV_OK) {
        status = vh_runner_start(zygote, tier1->arena, &plan->plan, &runner, NULL, &err);
    }
    dprintf(out, "%d %s", status, status == VIV_OK ? "it runs" : err.text);
    vh_runner_end(runner, NULL);
    vh_zygote_end(zygote);
    _exit(0);
}

static void
each_step_refuses(void **state)
{
    struct tier1 *tier1 = *state;
    static const struct {
        int number;
        const char *says;
    } steps[] = {
        {SYS_capset, "has ended"}, /* the zygote itself says more on its standard error */
        {SYS_seccomp, "has ended"},
        {SYS_pidfd_open, "no runner could be forked"},
#ifndef VH_SANITIZED /* the sanitizer needs it itself */
        {SYS_prlimit64, "limit 'core' cannot be"},
#endif
        {SYS_landlock_create_ruleset, "the kernel has no landlock (abi 0, needed 1)"},
        {SYS_landlock_add_rule, "landlock rule for 'the granted folder' was refused"},
        {SYS_landlock_restrict_self, "landlock could not be entered"},
        {SYS_getpgrp, "it runs"}, /* the test's own means do not fail it */
    };
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.root_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int told[2];
        assert_int_equal(pipe2(told, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            attempt(tier1, &plan, steps[i].number, told[1]);
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
        if (!strstr(text, steps[i].says)) {
            fail_msg("system call %d: '%s' does not hold '%s'", steps[i].number, text, steps[i].says);
        }
    }
    close(plan.plan.root_fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_refuses, tier1_setup, tier1_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
