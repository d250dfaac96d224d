/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the host would speak to the system in a way no test can stand in for, or a started program would get
 * descriptors, signals or an environment that are not its own. */
#include "../../support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/scratch.h"
#include "../../support/seam_fail.h"

static void
every_member_is_there(void **state)
{
    (void)state;
    struct seam_fail fail;
    seam_fail_init(&fail, vh_seam_real());
    void *members[sizeof(struct vh_seam) / sizeof(void *)];
    memcpy(members, vh_seam_real(), sizeof members);
    for (size_t i = 1; i < sizeof members / sizeof *members; i++) {
        assert_non_null(members[i]);
    }
    /* A member the failing seam does not wrap could not be made to fail: add it to seam_fail.c. */
    void *wrapped[sizeof(struct vh_seam) / sizeof(void *)];
    memcpy(wrapped, &fail.seam, sizeof wrapped);
    for (size_t i = 1; i < sizeof members / sizeof *members; i++) {
        if (wrapped[i] == members[i]) {
            fail_msg("member %zu of struct vh_seam is not wrapped", i);
        }
    }
}

static void
clock_and_random(void **state)
{
    (void)state;
    const struct vh_seam *seam = vh_seam_real();
    int64_t before = seam->monotonic_ns(seam->data);
    assert_true(seam->monotonic_ns(seam->data) >= before);
    assert_true(seam->wall_us(seam->data) > INT64_C(1600000000000000));
    unsigned char bytes[1000] = { 0 };
    assert_int_equal(seam->random(seam->data, bytes, sizeof bytes), 0);
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        zeros += bytes[i] == 0;
    }
    assert_true(zeros < 50);
    struct seam_fail fail;
    seam_fail_init(&fail, seam);
    fail.still = true;
    fail.wall_us = 5;
    assert_int_equal(fail.seam.wall_us(fail.seam.data), 5);
    assert_int_equal(fail.seam.monotonic_ns(fail.seam.data), 0);
}

static void
descriptors_close_on_exec(void **state)
{
    (void)state;
    const struct vh_seam *seam = vh_seam_real();
    int fd = seam->open(seam->data, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(seam->close(seam->data, fd), 0);
    assert_int_equal(seam->open(seam->data, AT_FDCWD, "/no/such", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOENT);
}

static void
locks_do_not_wait(void **state)
{
    (void)state;
    const struct vh_seam *seam = vh_seam_real();
    struct scratch scratch;
    scratch_make(&scratch);
    scratch_write(&scratch, "lock", "");
    int first = seam->open(seam->data, scratch.fd, "lock", O_RDWR, 0);
    int second = seam->open(seam->data, scratch.fd, "lock", O_RDWR, 0);
    assert_int_equal(seam->lock(seam->data, first, 1), 0);
    assert_int_equal(seam->lock(seam->data, second, 0), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    seam->close(seam->data, first);
    assert_int_equal(seam->lock(seam->data, second, 1), 0);
    seam->close(seam->data, second);
    scratch_remove(&scratch);
}

/* The shell prints what arrived at descriptors 3 and 4 and its environment. The descriptors are high and crossed, so
 * that a careless order of moves would overwrite one with the other. */
static void
a_program_gets_its_descriptors_and_nothing_else(void **state)
{
    (void)state;
    const struct vh_seam *seam = vh_seam_real();
    struct scratch scratch;
    scratch_make(&scratch);
    char text[256];
    static const int places[][2] = { { 3, 4 }, { 4, 3 }, { 101, 100 }, { 100, 101 }, { 5, 5 } };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int out = openat(scratch.fd, "out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int errors = openat(scratch.fd, "err", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int high[2] = { fcntl(out, F_DUPFD_CLOEXEC, 200), fcntl(errors, F_DUPFD_CLOEXEC, 200) };
        int kept[2] = { fcntl(3, F_DUPFD_CLOEXEC, 300), fcntl(4, F_DUPFD_CLOEXEC, 300) };
        close(out);
        close(errors);
        assert_int_equal(dup2(high[0], places[i][0]), places[i][0]);
        if (places[i][1] != places[i][0]) {
            assert_int_equal(dup2(high[1], places[i][1]), places[i][1]);
        }
        char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
                               (char[]){ "echo three >&3; echo four >&4; (: >&5) 2>/dev/null && echo five >&3; "
                                         "echo \"${HOME-none}\" >&3" },
                               NULL };
        pid_t pid = -1;
        assert_int_equal(seam->spawn(seam->data, "/bin/sh", argv, places[i], 2, &pid), 0);
        int status = -1;
        assert_int_equal(seam->wait(seam->data, pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(places[i][0]);
        close(places[i][1]);
        for (int j = 0; j < 2; j++) {
            if (kept[j] >= 0) {
                dup2(kept[j], 3 + j);
                close(kept[j]);
            }
            close(high[j]);
        }
        assert_true(scratch_read(&scratch, "out", text, sizeof text));
        assert_string_equal(text, places[i][0] == places[i][1] ? "three\nfour\nnone\n" : "three\nnone\n");
        assert_true(scratch_read(&scratch, "err", text, sizeof text));
        assert_string_equal(text, places[i][0] == places[i][1] ? "" : "four\n");
    }
    scratch_remove(&scratch);
}

static void
a_program_starts_with_no_signal_blocked(void **state)
{
    (void)state;
    const struct vh_seam *seam = vh_seam_real();
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &old);
    char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "kill -TERM $$; exit 0" }, NULL };
    pid_t pid = -1;
    int status = 0;
    assert_int_equal(seam->spawn(seam->data, "/bin/sh", argv, NULL, 0, &pid), 0);
    assert_int_equal(seam->wait(seam->data, pid, &status, 0), pid);
    sigprocmask(SIG_SETMASK, &old, NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(seam->spawn(seam->data, "/no/such/program", argv, NULL, 0, &pid), -1);
    assert_int_equal(errno, ENOENT);
}

/* In a child: pass the place `name` three times and report by the exit code how often it came through. */
static int
pass_places(const char *setting, const char *name)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("VIV_CRASH_AT", setting, 1);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2);
        const struct vh_seam *seam = vh_seam_real();
        for (int i = 0; i < 3; i++) {
            VH_PLACE(seam, "another.place");
            VH_PLACE(seam, name);
        }
        _exit(3);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void
crash_places_kill_where_they_are_named(void **state)
{
    (void)state;
    int status = pass_places("test.place", "test.place");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = pass_places("test.place:3", "test.place");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = pass_places("test.place:4", "test.place");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    status = pass_places("test.plac", "test.place");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void
the_failing_seam_fails_once_or_for_ever(void **state)
{
    (void)state;
    struct seam_fail fail;
    seam_fail_init(&fail, vh_seam_real());
    seam_fail_at(&fail, SEAM_STAT, 2, EIO);
    struct stat stat;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fail.seam.stat(fail.seam.data, AT_FDCWD, "/", &stat, 0), i == 1 ? -1 : 0);
        assert_int_equal(fail.seam.kill(fail.seam.data, getpid(), 0), 0);
    }
    assert_true(fail.reached);
    assert_int_equal(seam_fail_calls(&fail, SEAM_STAT), 3);
    assert_int_equal(seam_fail_calls(&fail, SEAM_ANY), 6);
    fail.forever = true;
    seam_fail_at(&fail, SEAM_STAT, 2, EIO);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fail.seam.stat(fail.seam.data, AT_FDCWD, "/", &stat, 0), i >= 1 ? -1 : 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_there),
        cmocka_unit_test(clock_and_random),
        cmocka_unit_test(descriptors_close_on_exec),
        cmocka_unit_test(locks_do_not_wait),
        cmocka_unit_test(a_program_gets_its_descriptors_and_nothing_else),
        cmocka_unit_test(a_program_starts_with_no_signal_blocked),
        cmocka_unit_test(crash_places_kill_where_they_are_named),
        cmocka_unit_test(the_failing_seam_fails_once_or_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
