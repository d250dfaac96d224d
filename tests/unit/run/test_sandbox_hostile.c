/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task reaches something outside its workspace: files, network, processes, the
 * kernel's dark corners. Each attack is run inside by this same program (`--attack NAME`), which
 * says whether it was stopped. */
#include "sandbox_world.h"
#include "sandbox_attacks.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- outside ---- */

static struct vh_exec_result
run_attack(struct world *world, struct vh_keeper *keeper, const char *name, const char *more)
{
    const char *const argv[] = {world_self(world, keeper), "--attack", name, more};
    return world_run(world, keeper, argv, more ? 4 : 3);
}

static void
expect_stopped(struct world *world, struct vh_keeper *keeper, const char *name, const char *more)
{
    struct vh_exec_result result = run_attack(world, keeper, name, more);
    if (result.stages[0].exit_code != 0) {
        fail_msg("[%s] attack '%s' got through: code %d signal %d: %s%s",
                 vh_sandbox_variant_name(vh_keeper_profile(keeper)->variant), name,
                 result.stages[0].exit_code, result.stages[0].signal,
                 world_text(world, result.output.kept), world_text(world, result.errors.kept));
    }
}

static void
kernel_is_out_of_reach(struct world *world, struct vh_keeper *keeper)
{
    expect_stopped(world, keeper, "calls", NULL);
    expect_stopped(world, keeper, "namespaces", NULL);
    bool own_loopback = vh_keeper_profile(keeper)->variant == VH_SANDBOX_FULL;
    expect_stopped(world, keeper, "network", own_loopback ? "own loopback" : NULL);
    expect_stopped(world, keeper, "arguments", NULL);
    /* An ordinary user without namespaces cannot empty the bounding set; without new privileges it
     * is of no use. */
    bool may_keep = vh_keeper_profile(keeper)->variant == VH_SANDBOX_REDUCED_COPY && geteuid() != 0;
    expect_stopped(world, keeper, "privileges", may_keep ? "keeps bounding set" : NULL);
    assert_int_equal(run_attack(world, keeper, "abi", "x32").stages[0].signal, SIGSYS);
    int signal = run_attack(world, keeper, "abi", "i386").stages[0].signal;
    assert_true(signal == SIGSYS || signal == SIGSEGV); /* a kernel without 32-bit entry faults */
}

static int
listen_at(const char *path, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (abstract) {
        snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "viv-test-%s",
                 strrchr(path, '/') + 1);
    } else {
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void
outside_is_out_of_reach(struct world *world, struct vh_keeper *keeper)
{
    char path[300];
    char text[600];
    bool own_root = vh_keeper_profile(keeper)->bits & VH_PROFILE_MOUNTNS;
    snprintf(path, sizeof path, "%s/socket", world->folder);
    int listening[] = {listen_at(path, false), listen_at(path, true)};
    expect_stopped(world, keeper, "sockets", path);
    close(listening[0]);
    close(listening[1]);
    /* Reading and writing beside the workspace, directly and through links. */
    snprintf(text, sizeof text, "cat %s/secret", world->folder);
    world_refuse(world, keeper, text);
    snprintf(text, sizeof text, "ln -s %s/secret link; cat link", world->folder);
    world_refuse(world, keeper, text);
    world_refuse(world, keeper, "cat ../secret || cat ../../secret");
    snprintf(text, sizeof text, "echo x >%s/written", world->folder);
    world_refuse(world, keeper, text);
    snprintf(text, sizeof text, "ln %s/secret hard && cat hard", world->folder);
    world_refuse(world, keeper, text);
    snprintf(text, sizeof text, "mv one %s/moved", world->folder);
    world_refuse(world, keeper, text);
    snprintf(text, sizeof text, "chmod 777 %s/secret", world->folder);
    world_refuse(world, keeper, text);
    snprintf(text, sizeof text, "touch -d 2001-01-01 %s/secret", world->folder);
    world_refuse(world, keeper, text);
    world_refuse(world, keeper,
                 "echo x >/usr/bin/viv-test || echo x >/etc/viv-test || echo x >/viv-test");
    world_refuse(world, keeper, "cat /etc/shadow");
    world_refuse(world, keeper, "echo 1 >/proc/sys/kernel/panic || echo x >/proc/self/comm");
    snprintf(path, sizeof path, "%s/written", world->folder);
    assert_int_equal(access(path, F_OK), -1);
    if (own_root) {
        snprintf(text, sizeof text, "ls / /home; ls %s", world->folder);
        struct vh_exec_result result = world_shell(world, keeper, text);
        const char *listing = world_text(world, result.output.kept);
        assert_null(strstr(listing, "root\n"));
        assert_null(strstr(listing, "secret"));
        assert_non_null(strstr(listing, "/home:\ntask\ntmp\n"));
        world_expect(world, keeper,
                     "cat /proc/mounts | grep -c viv-sandbox; ls /sys 2>&1 | wc -l; echo x "
                     ">/tmp/x; cat /tmp/x",
                     "0\n1\nx\n");
        world_expect(
            world, keeper,
            "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' \\n'; cat /proc/sys/kernel/hostname",
            "lovivarium\n");
    }
}

static void
processes_are_out_of_reach(struct world *world, struct vh_keeper *keeper)
{
    char number[16];
    int life[2];
    assert_int_equal(pipe2(life, O_CLOEXEC), 0);
    pid_t victim = fork();
    if (victim == 0) {
        char byte;
        close(life[1]);
        (void)!read(life[0], &byte, 1);
        _exit(7);
    }
    close(life[0]);
    snprintf(number, sizeof number, "%d", victim);
    expect_stopped(world, keeper, "processes", number);
    close(life[1]);
    int status;
    assert_int_equal(waitpid(victim, &status, 0), victim);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7); /* it ended by itself */
}

/* Redirections and folders are the keeper's own doing, so links must not lead it out. */
static void
redirections_stay_inside(struct world *world, struct vh_keeper *keeper)
{
    char link[400];
    int root = vh_keeper_root(keeper);
    snprintf(link, sizeof link, "%s/secret", world->folder);
    assert_int_equal(symlinkat(link, root, "absolute"), 0);
    assert_int_equal(symlinkat("../secret", root, "relative"), 0);
    assert_int_equal(symlinkat("/", root, "slash"), 0);
    assert_int_equal(symlinkat("..", root, "sub/up"), 0); /* stays inside */
    assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
    static const struct {
        const char *path, *cwd;
        int error;
    } cases[] = {
        {"absolute", NULL, EXDEV},
        {"relative", NULL, EXDEV},
        {"/etc/passwd", NULL, EXDEV},
        {"../secret", NULL, EXDEV},
        {"slash/etc/passwd", NULL, EXDEV},
        {"../../secret", "sub", EXDEV},
        {"fifo", NULL, EINVAL},
        {"no-such", NULL, ENOENT},
        {"up/one", "sub", 0},
    };
    const char *const argv[] = {"cat"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_exec_result result;
        struct vh_exec_stage stage = {.argv = argv, .argc = 1, .input_path = cases[i].path};
        struct vh_exec exec = {.stages = &stage,
                               .stage_count = 1,
                               .cwd = cases[i].cwd,
                               .wall_ns = 10 * SECOND_NS,
                               .output_max = 100};
        assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
        assert_int_equal(result.stages[0].start_errno, cases[i].error);
        assert_string_equal(result.stages[0].start_step, cases[i].error ? "stdin" : "");
        stage = (struct vh_exec_stage){.argv = argv, .argc = 1, .output_path = cases[i].path};
        if (cases[i].error == EXDEV) {
            assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                             VIV_OK);
            assert_int_equal(result.stages[0].start_errno, EXDEV);
            assert_string_equal(result.stages[0].start_step, "stdout");
        }
        stage = (struct vh_exec_stage){.argv = argv, .argc = 1};
        exec.cwd = "slash";
        assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
        assert_string_equal(result.stages[0].start_step, "cwd");
    }
}

/* How many processes have these words in a row in their command line; outside sees all of them. */
static int
count_processes(const char *first, const char *second)
{
    int count = 0;
    char wanted[128];
    size_t wanted_len = (size_t)snprintf(wanted, sizeof wanted, "%s%c%s", first, '\0', second);
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[300];
        char text[1024];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = entry->d_name[0] >= '0' && entry->d_name[0] <= '9'
                     ? open(path, O_RDONLY | O_CLOEXEC)
                     : -1;
        ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
        count += len > 0 && memmem(text, (size_t)len, wanted, wanted_len);
        if (fd >= 0) {
            close(fd);
        }
    }
    closedir(folder);
    return count;
}

static void
nothing_survives(struct world *world, struct vh_keeper *keeper)
{
    expect_stopped(world, keeper, "bomb", "1000");
    assert_true(count_processes("--attack", "bomb") >= 1000);
    world_expect(world, keeper, "(setsid sleep 987654 &) ; echo left", "left\n");
    for (int i = 0; i < 2000 && count_processes("sleep", "987654") == 0; i++) {
        poll(NULL, 0, 5);
    }
    assert_int_equal(count_processes("sleep", "987654"), 1);
    vh_sandbox_close(keeper);
    assert_int_equal(count_processes("--attack", "bomb"), 0);
    assert_int_equal(count_processes("sleep", "987654"), 0);
}

static void
processes_are_bounded(struct world *world, struct vh_keeper *keeper)
{
    if (vh_keeper_profile(keeper)->bits & VH_PROFILE_PROCESSES) {
        struct vh_exec_result result = run_attack(world, keeper, "bound", NULL);
        long count = strtol(world_text(world, result.output.kept), NULL, 10);
        assert_true(count > 100 && count < 4200);
    }
}

static void
setuid_has_no_effect(struct world *world, struct vh_keeper *keeper)
{
    /* As far as this machine has such programs. */
    world_expect(world, keeper,
                 "for p in su mount passwd newgrp chsh; do p=$(command -v $p) && echo | timeout 5 "
                 "$p x </dev/null "
                 ">/dev/null 2>&1 && echo \"$p worked\"; done; true",
                 "");
}

#define EACH(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        world_each(name);                                                                          \
    }

EACH(kernel_is_out_of_reach)
EACH(outside_is_out_of_reach)
EACH(processes_are_out_of_reach)
EACH(redirections_stay_inside)
EACH(nothing_survives)
EACH(processes_are_bounded)
EACH(setuid_has_no_effect)

int
main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--attack") == 0) {
        int code = attacks_run(argc, argv);
        fflush(stdout);
        _exit(code); /* a leak check at the end would trace, which is forbidden */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_is_out_of_reach),
        cmocka_unit_test(test_outside_is_out_of_reach),
        cmocka_unit_test(test_processes_are_out_of_reach),
        cmocka_unit_test(test_redirections_stay_inside),
        cmocka_unit_test(test_nothing_survives),
        cmocka_unit_test(test_processes_are_bounded),
        cmocka_unit_test(test_setuid_has_no_effect),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
