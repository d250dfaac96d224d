/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, processes and mounts outlive the thing that was to hold them. What is done when a
 * sandbox cannot be set up whole is in test_sandbox_steps.c. */
#include "sandbox_world.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- deaths ---- */

/* The processes whose parent is `pid`, into `ret_pids`. */
static size_t
children_of(pid_t pid, pid_t *ret_pids, size_t max)
{
    char path[64];
    char text[512] = "";
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[len > 0 ? len : 0] = '\0';
    char *end = text;
    for (long child = strtol(text, &end, 10); child > 0 && count < max;
         child = strtol(end, &end, 10)) {
        ret_pids[count++] = (pid_t)child;
    }
    return count;
}

/* A daemon in the background, and what its number is outside. The launcher has a spare keeper
 * beside the one in use. */
static pid_t
start_daemon(struct world *world, struct vh_keeper *keeper, pid_t *ret_keeper)
{
    pid_t keepers[8];
    pid_t inside[8];
    world_expect(world, keeper, "(setsid sleep 100000 &); true", "");
    for (int i = 0; i < 2000; i++) {
        size_t count = children_of(vh_launcher_pid(world->launcher), keepers, 8);
        for (size_t k = 0; k < count; k++) {
            if (children_of(keepers[k], inside, 8) == 1) {
                *ret_keeper = keepers[k];
                return inside[0];
            }
        }
        poll(NULL, 0, 5);
    }
    fail_msg("the daemon never came");
    return 0;
}

/* By descriptor, so that a number given to somebody else is no trap. */
static void
wait_gone(int pidfd)
{
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, 20000), 1);
    close(pidfd);
}

static int
watch(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(fd >= 0);
    return fd;
}

static void
keeper_is_killed(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    pid_t pid;
    int daemon = watch(start_daemon(world, keeper, &pid));
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_gone(daemon);
    const char *const argv[] = {"true"};
    struct vh_exec_stage stage = {.argv = argv, .argc = 1};
    struct vh_exec exec = {.stages = &stage, .stage_count = 1, .wall_ns = 20 * SECOND_NS};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_UNAVAILABLE);
    assert_int_equal(vh_sandbox_freeze(keeper, &err), VIV_E_UNAVAILABLE);
    vh_sandbox_close(keeper);
    vh_sandbox_close(keeper);
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_UNAVAILABLE);
    assert_string_equal(err.text, "the keeper is closed");
    /* The launcher is well. */
    struct vh_sandbox_profile profile;
    assert_int_equal(
        vh_sandbox_probe(world->launcher, world->folder, VH_SANDBOX_AUTO, &profile, &err), VIV_OK);
}

static void
launcher_is_killed(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    pid_t pid;
    int daemon = watch(start_daemon(world, keeper, &pid));
    int gone = watch(pid);
    struct pollfd death = {.fd = vh_launcher_death_fd(world->launcher), .events = POLLIN};
    pid_t launcher = vh_launcher_pid(world->launcher);
    assert_int_equal(kill(launcher, SIGKILL), 0);
    assert_int_equal(poll(&death, 1, 20000), 1);
    wait_gone(daemon);
    wait_gone(gone);
    const char *const argv[] = {"true"};
    struct vh_exec_stage stage = {.argv = argv, .argc = 1};
    struct vh_exec exec = {.stages = &stage, .stage_count = 1, .wall_ns = 20 * SECOND_NS};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_UNAVAILABLE);
    struct vh_sandbox_profile profile;
    assert_int_equal(
        vh_sandbox_probe(world->launcher, world->folder, VH_SANDBOX_AUTO, &profile, &err),
        VIV_E_UNAVAILABLE);
    assert_int_equal(vh_launcher_pid(world->launcher), 0);
    vh_sandbox_close(keeper);
    /* Started again, it is as before. */
    assert_int_equal(vh_launcher_start(world->launcher, &err), VIV_OK);
    assert_int_not_equal(vh_launcher_pid(world->launcher), launcher);
    assert_int_equal(
        vh_sandbox_probe(world->launcher, world->folder, VH_SANDBOX_AUTO, &profile, &err), VIV_OK);
}

/* Kills a keeper of the launcher that is not `used`, which may not have been reaped yet. */
static bool
kill_spare(struct world *world, pid_t used)
{
    pid_t pids[4];
    size_t count = children_of(vh_launcher_pid(world->launcher), pids, 4);
    for (size_t i = 0; i < count; i++) {
        int gone = pids[i] == used ? -1 : (int)syscall(SYS_pidfd_open, pids[i], 0);
        if (gone >= 0 && syscall(SYS_pidfd_send_signal, gone, SIGKILL, NULL, 0) == 0) {
            wait_gone(gone);
            return true;
        }
        if (gone >= 0) {
            close(gone);
        }
    }
    return false;
}

/* A keeper made in advance that died meanwhile is nobody's error. */
static void
spare_is_killed(struct world *world, struct vh_keeper *keeper)
{
    pid_t used;
    bool has_spare = vh_keeper_profile(keeper)->variant != VH_SANDBOX_REDUCED_COPY;
    int daemon = watch(start_daemon(world, keeper, &used));
    vh_sandbox_close(keeper);
    wait_gone(daemon);
    for (int i = 0; has_spare && !kill_spare(world, used); i++) {
        assert_true(i < 2000);
        poll(NULL, 0, 5);
    }
    struct vh_sandbox_profile profile;
    struct viv_error err = VIV_ERROR_INIT;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            vh_sandbox_probe(world->launcher, world->folder, VH_SANDBOX_AUTO, &profile, &err),
            VIV_OK);
    }
}

static void
test_spare_is_killed(void **state)
{
    (void)state;
    world_each(spare_is_killed);
}

static void
test_keeper_is_killed(void **state)
{
    (void)state;
    world_each(keeper_is_killed);
}

static void
test_launcher_is_killed(void **state)
{
    (void)state;
    world_each(launcher_is_killed);
}

/* The host itself dies: a child of ours plays it. */
static void
test_host_is_killed(void **state)
{
    (void)state;
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        int numbers[2];
        pid_t pids[3];
        world_make(&world, NULL);
        vh_launcher_stop(world.launcher);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        assert_int_equal(pipe2(numbers, O_CLOEXEC), 0);
        pid_t host = fork();
        if (host == 0) {
            setenv("CMOCKA_TEST_ABORT", "1",
                   1); /* a check that fails here must not go on with the parent's tests */
            struct viv_error err = VIV_ERROR_INIT;
            assert_int_equal(vh_launcher_start(world.launcher, &err), VIV_OK);
            struct vh_keeper *keeper = world_open(&world, world_variants[i]);
            pids[0] = start_daemon(&world, keeper, &pids[1]);
            pids[2] = vh_launcher_pid(world.launcher);
            (void)!write(numbers[1], pids, sizeof pids);
            pause();
            _exit(0);
        }
        close(numbers[1]);
        assert_int_equal(read(numbers[0], pids, sizeof pids), sizeof pids);
        close(numbers[0]);
        int watched[] = {watch(pids[0]), watch(pids[1]), watch(pids[2])};
        assert_int_equal(kill(host, SIGKILL), 0);
        assert_int_equal(waitpid(host, NULL, 0), host);
        for (size_t j = 0; j < 3; j++) {
            wait_gone(watched[j]);
        }
        while (waitpid(-1, NULL, 0) > 0) {
            continue; /* they came to us, and all of them end */
        }
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
        world_end(&world);
    }
}

static void
test_a_wrong_program_is_told(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_launcher *launcher =
        vh_launcher_create(arena, vh_seam_real(), "/no/such/launcher", NULL);
    assert_int_equal(vh_launcher_start(launcher, &err), VIV_E_UNAVAILABLE);
    assert_string_equal(err.text, "cannot start '/no/such/launcher': No such file or directory");
    launcher = vh_launcher_create(arena, vh_seam_real(), "/bin/true", NULL);
    assert_int_equal(vh_launcher_start(launcher, &err), VIV_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "launcher '/bin/true' does not start"));
    assert_int_equal(vh_launcher_pid(launcher), 0);
    assert_int_equal(vh_launcher_death_fd(launcher), -1);
    vh_arena_destroy(arena);
}

/* ---- nothing left ---- */

static char *
read_mounts(char *text, size_t size)
{
    size_t len = 0;
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; got > 0 && len + 1 < size; len += got > 0 ? (size_t)got : 0) {
        got = read(fd, text + len, size - 1 - len);
    }
    text[len] = '\0';
    close(fd);
    return text;
}

static int
count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* Until the launcher has no children but `spares` empty keepers; the end of a closed keeper, and the
 * launcher's knowledge of it, come a moment after the close. */
static void
wait_all_closed(struct world *world, size_t spares)
{
    pid_t pids[8];
    pid_t inside[8];
    size_t keepers = 0;
    size_t busy = 0;
    for (int i = 0; i < 4000; i++) {
        keepers = children_of(vh_launcher_pid(world->launcher), pids, 8);
        busy = 0;
        for (size_t k = 0; k < keepers; k++) {
            busy += children_of(pids[k], inside, 8);
        }
        if (keepers <= spares && !busy) {
            return;
        }
        poll(NULL, 0, 5);
    }
    fail_msg("%zu keepers (at most %zu are right) hold %zu processes after 20 s", keepers, spares,
             busy);
}

static void
test_nothing_is_left(void **state)
{
    (void)state;
    static char before[65536];
    static char after[65536];
    read_mounts(before, sizeof before);
    int descriptors = count_descriptors();
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        world_make(&world, NULL);
        for (int round = 0; round < 20; round++) {
            /* An arena of its own each time; its end closes the keeper. */
            struct vh_arena *arena = vh_arena_create(NULL, 0);
            struct vh_keeper *keeper = NULL;
            struct viv_error err = VIV_ERROR_INIT;
            struct vh_sandbox_plan plan = world_plan(&world, world_variants[i]);
            if (vh_sandbox_open(world.launcher, arena, &plan, &keeper, &err)) {
                fail_msg("%s", err.text);
            }
            world_expect(&world, keeper, "echo x >file; (sleep 1000 &) ; true", "");
            vh_arena_destroy(arena);
            assert_int_equal(vh_fs_remove_tree(world.seam, AT_FDCWD, world.work, &err), VIV_OK);
            assert_int_equal(mkdir(world.work, 0700), 0);
        }
        wait_all_closed(&world, world_variants[i] == VH_SANDBOX_REDUCED_COPY ? 0 : 1);
        world_end(&world);
    }
    assert_string_equal(read_mounts(after, sizeof after), before);
    assert_int_equal(count_descriptors(), descriptors);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeper_is_killed),
        cmocka_unit_test(test_launcher_is_killed),
        cmocka_unit_test(test_host_is_killed),
        cmocka_unit_test(test_a_wrong_program_is_told),
        cmocka_unit_test(test_spare_is_killed),
        cmocka_unit_test(test_nothing_is_left),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
