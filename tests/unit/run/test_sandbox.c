/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task's commands do not run as they were written, or their results are not what
 * happened. */
#include "sandbox_world.h"

#include <pthread.h>

static struct vh_exec_result
pipeline(struct world *world, struct vh_keeper *keeper, const struct vh_exec_stage *stages,
         size_t count, const char *cwd)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    struct vh_exec exec = {.stages = stages,
                           .stage_count = count,
                           .cwd = cwd,
                           .wall_ns = 30 * SECOND_NS,
                           .output_max = 65536,
                           .error_max = 65536};
    if (vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err)) {
        fail_msg("%s", err.text);
    }
    return result;
}

#define STAGE(...)                                                                                 \
    .argv = (const char *const[]){__VA_ARGS__},                                                    \
    .argc = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static void
commands_run(struct world *world, struct vh_keeper *keeper)
{
    world_expect(
        world, keeper,
        "cat one sub/two; echo 3 >three; cat three; mkdir d; mv three d/; ls d; rm -r d sub",
        "1\n2\n3\nthree\n");
    struct vh_exec_result result = world_shell(world, keeper, "echo no >&2; exit 7");
    assert_int_equal(result.stages[0].exit_code, 7);
    assert_string_equal(world_text(world, result.errors.kept), "no\n");
    result = world_shell(world, keeper, "kill -TERM $$ || exit 9");
    assert_int_equal(result.stages[0].signal, SIGTERM);
    assert_int_equal(result.stages[0].exit_code, -1);
    assert_true(result.stages[0].rss_max_bytes > 0);
    /* The same bytes have the same digest, kept or not. */
    struct vh_hash hash;
    assert_true(vh_hash_bytes("1\n", 2, &hash));
    result = world_shell(world, keeper, "cat one");
    assert_memory_equal(&result.output.hash, &hash, sizeof hash);
}

static void
pipelines_run(struct world *world, struct vh_keeper *keeper)
{
    struct vh_exec_stage count[] = {
        {STAGE("printf", "b\\na\\nc\\n")}, {STAGE("sort")}, {STAGE("head", "-n1")}};
    struct vh_exec_result result = pipeline(world, keeper, count, 3, NULL);
    assert_string_equal(world_text(world, result.output.kept), "a\n");
    assert_int_equal(result.stage_count, 3);
    /* A stage that is not there does not keep the others from running, as in a shell. */
    struct vh_exec_stage missing[] = {{STAGE("no-such-program")}, {STAGE("wc", "-c")}};
    result = pipeline(world, keeper, missing, 2, NULL);
    assert_int_equal(result.stages[0].exit_code, -1);
    assert_int_equal(result.stages[0].start_errno, ENOENT);
    assert_string_equal(result.stages[0].start_step, "program");
    assert_string_equal(world_text(world, result.output.kept), "0\n");
    /* Writers into a closed pipe die of it. */
    struct vh_exec_stage yes[] = {{STAGE("yes")}, {STAGE("head", "-n1")}};
    result = pipeline(world, keeper, yes, 2, NULL);
    assert_int_equal(result.stages[0].signal, SIGPIPE);
    assert_string_equal(world_text(world, result.output.kept), "y\n");
}

static void
redirections_work(struct world *world, struct vh_keeper *keeper)
{
    struct vh_exec_stage write[] = {
        {STAGE("sh", "-c", "echo out; echo err >&2"), .output_path = "o", .error_to_output = true}};
    pipeline(world, keeper, write, 1, "sub");
    pipeline(
        world, keeper,
        &(struct vh_exec_stage){STAGE("echo", "more"), .output_path = "o", .output_append = true},
        1, "sub");
    struct vh_exec_result result = pipeline(
        world, keeper, &(struct vh_exec_stage){STAGE("cat"), .input_path = "../sub/o"}, 1, "sub");
    assert_string_equal(world_text(world, result.output.kept), "out\nerr\nmore\n");
    result = pipeline(
        world, keeper,
        &(struct vh_exec_stage){STAGE("sh", "-c", "echo gone >&2; pwd"), .error_path = "/dev/null"},
        1, "sub");
    assert_int_equal(result.errors.total_bytes, 0);
    char expected[400];
    snprintf(expected, sizeof expected, "%s/sub\n", vh_keeper_path(keeper));
    assert_string_equal(world_text(world, result.output.kept), expected);
}

static void
input_and_environment(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    struct vh_exec_stage stages[] = {{STAGE("cat")},
                                     {STAGE("sh", "-c", "cat; echo $ONE $TWO"),
                                      .env = (const char *const[]){"TWO=b"}, .env_count = 1}};
    struct vh_exec exec = {.stages = stages,
                           .stage_count = 2,
                           .input = VH_STR("given\n"),
                           .env = (const char *const[]){"ONE=1", "TWO=a"},
                           .env_count = 2,
                           .wall_ns = 10 * SECOND_NS,
                           .output_max = 100};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    assert_string_equal(world_text(world, result.output.kept), "given\n1 b\n");
    /* Nothing of ours, and standard input is empty unless given. */
    setenv("VIV_TEST_SECRET", "leak", 1);
    world_expect(world, keeper,
                 "env | cut -d= -f1 | grep -v -e ^PWD$ -e ^_$ -e SHLVL -e OLDPWD | sort | "
                 "tr '\\n' ' '; cat",
                 "HOME LANG PATH TMPDIR TZ USER ");
    /* Only 0, 1 and 2 are open; the shell's own is the folder it reads. */
    const char *const argv[] = {world_self(world, keeper), "--descriptors"};
    result = world_run(world, keeper, argv, 2);
    assert_string_equal(world_text(world, result.output.kept), "0 1 2 ");
}

static void
large_requests(struct world *world, struct vh_keeper *keeper)
{
    enum { WORDS = 4000, LEN = 250 };
    static char text[WORDS][LEN + 1];
    static const char *argv[WORDS + 2];
    argv[0] = "sh";
    argv[1] = "-c";
    static char script[] = "echo $#; for w; do last=$w; done; echo ${#last}";
    argv[2] = script;
    argv[3] = "name";
    for (size_t i = 0; i < WORDS - 4; i++) {
        memset(text[i], 'x', LEN);
        argv[i + 4] = text[i];
    }
    struct vh_exec_result result = world_run(world, keeper, argv, WORDS);
    assert_string_equal(world_text(world, result.output.kept), "3996\n250\n");
}

static void
scripts_run(struct world *world, struct vh_keeper *keeper)
{
    /* $0 leads a script to its own folder: configure scripts live by it. */
    world_expect(world, keeper,
                 "printf '#!/bin/sh -e\\necho $0 $1; cat \"$(dirname $0)\"/two; false; echo no\\n' "
                 ">sub/s; :",
                 "");
    int root = vh_keeper_root(keeper);
    assert_int_equal(fchmodat(root, "sub/s", 0755, 0), 0);
    const char *const argv[] = {"sub/s", "x"};
    struct vh_exec_result result = world_run(world, keeper, argv, 2);
    assert_string_equal(world_text(world, result.output.kept), "sub/s x\n2\n");
    assert_int_equal(result.stages[0].exit_code, 1);
    /* An interpreter that is not there, and no interpreter at all. */
    world_expect(world, keeper, "printf '#!/no/such\\n' >sub/s", "");
    result = world_run(world, keeper, argv, 2);
    assert_int_equal(result.stages[0].start_errno, ENOENT);
    world_expect(world, keeper, "echo text >sub/s", "");
    result = world_run(world, keeper, argv, 2);
    assert_int_equal(result.stages[0].start_errno, ENOEXEC);
    assert_string_equal(result.stages[0].start_step, "exec");
}

static void
bounds_hold(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    struct vh_exec_stage stage = {STAGE("head", "-c", "9000000", "/dev/zero")};
    struct vh_exec exec = {
        .stages = &stage, .stage_count = 1, .wall_ns = 30 * SECOND_NS, .output_max = 1000};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.output.kept.len, 1000);
    assert_int_equal(result.output.total_bytes, 9000000);
    stage = (struct vh_exec_stage){STAGE("yes")};
    exec.flood_bytes = 1 << 20;
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.end, VH_EXEC_FLOODED);
    assert_int_equal(result.stages[0].signal, SIGKILL);
    /* Time: what ignores signals and what has gone into the background ends too. */
    stage = (struct vh_exec_stage){
        STAGE("sh", "-c", "trap '' TERM HUP INT; (setsid sleep 1000 &) ; sleep 1000; sleep 1000")};
    exec.wall_ns = SECOND_NS / 5;
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.end, VH_EXEC_TIMED_OUT);
    assert_int_equal(result.stages[0].signal, SIGKILL);
    assert_true(result.wall_ns < 5 * SECOND_NS);
    /* The caller's own deadline, and a descriptor that says stop. */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    struct vh_exec_watch watches[] = {
        {.deadline_ns = world->seam->monotonic_ns(NULL) + SECOND_NS / 10}, {.cancel_fd = ends[0]}};
    exec.wall_ns = 100 * SECOND_NS;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, &watches[i], &result, &err),
                         VIV_OK);
        assert_int_equal(result.end, i ? VH_EXEC_CANCELLED : VH_EXEC_TIMED_OUT);
        assert_true(result.stages[0].signal == SIGKILL || /* or even before it began */
                    result.stages[0].start_errno == ECANCELED);
    }
    close(ends[0]);
    /* The keeper is still of use. */
    world_expect(world, keeper, "cat one", "1\n");
}

static void
requests_are_checked(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    struct vh_exec_stage stage = {STAGE("true")};
    struct vh_exec exec = {.stages = &stage, .stage_count = 0, .wall_ns = SECOND_NS};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_LIMIT);
    assert_string_equal(err.text, "0 stages, allowed 1 to 64");
    exec.stage_count = 1;
    exec.wall_ns = 0;
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_INVALID);
    exec.wall_ns = SECOND_NS;
    exec.cwd = "/etc";
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_INVALID);
    assert_string_equal(err.text, "folder '/etc' is absolute, allowed: below the workspace");
    exec.cwd = "no/such";
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.stages[0].start_errno, ENOENT);
    assert_string_equal(result.stages[0].start_step, "cwd");
    exec.cwd = NULL;
    exec.env = (const char *const[]){"=nothing"};
    exec.env_count = 1;
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "step 'request' failed: Invalid argument"));
    world_expect(world, keeper, "cat one", "1\n");
}

/* ---- cancelling and freezing, from another thread ---- */

struct background {
    struct vh_arena *arena;
    struct vh_keeper *keeper;
    const char *script;
    struct vh_exec_watch watch;
    int64_t wall_ns;
    struct vh_exec_result result;
    viv_status status;
    struct viv_error err;
};

static void *
run_background(void *data)
{
    struct background *background = data;
    struct vh_exec_stage stage = {STAGE("sh", "-c", background->script)};
    struct vh_exec exec = {
        .stages = &stage, .stage_count = 1, .wall_ns = background->wall_ns, .output_max = 100};
    background->err = (struct viv_error)VIV_ERROR_INIT;
    background->status = vh_sandbox_exec(background->keeper, background->arena, &exec,
                                         &background->watch, &background->result, &background->err);
    return NULL;
}

/* Wait until the task has made this file in the workspace. */
static void
wait_for_file(struct vh_keeper *keeper, const char *name)
{
    for (int i = 0; i < 2000; i++) {
        if (faccessat(vh_keeper_root(keeper), name, F_OK, 0) == 0) {
            return;
        }
        poll(NULL, 0, 5);
    }
    fail_msg("'%s' never came", name);
}

static void
cancelling_kills(struct world *world, struct vh_keeper *keeper)
{
    atomic_uint cancel = 0;
    struct background background = {.arena = world->arena,
                                    .keeper = keeper,
                                    .script = "touch started; sleep 1000",
                                    .watch = {.cancel = &cancel},
                                    .wall_ns = 100 * SECOND_NS};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_background, &background), 0);
    wait_for_file(keeper, "started");
    atomic_store(&cancel, 1);
    pthread_join(thread, NULL);
    assert_int_equal(background.status, VIV_OK);
    assert_int_equal(background.result.end, VH_EXEC_CANCELLED);
}

static void
freezing_stops_the_clock(struct world *world, struct vh_keeper *keeper)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct background background = {
        .arena = world->arena,
        .keeper = keeper,
        .script =
            "touch started; i=0; while [ ! -e go ]; do echo >tick; i=$((i+1)); done; echo end",
        .wall_ns = SECOND_NS};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_background, &background), 0);
    wait_for_file(keeper, "started");
    assert_int_equal(vh_sandbox_freeze(keeper, &err), VIV_OK);
    assert_int_equal(vh_sandbox_freeze(keeper, &err), VIV_OK);
    /* Longer than its time limit, which is the one thing here that only time can show; it would
     * write if it ran. */
    struct stat stat;
    (void)unlinkat(vh_keeper_root(keeper), "tick", 0);
    poll(NULL, 0, 1300);
    assert_int_equal(fstatat(vh_keeper_root(keeper), "tick", &stat, 0), -1);
    assert_int_equal(errno, ENOENT);
    int fd = openat(vh_keeper_root(keeper), "go", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(vh_sandbox_thaw(keeper, &err), VIV_OK);
    pthread_join(thread, NULL);
    assert_int_equal(background.status, VIV_OK);
    assert_int_equal(background.result.end, VH_EXEC_ENDED);
    assert_int_equal(background.result.stages[0].exit_code, 0);
}

static void
host_works_by_descriptor(struct world *world, struct vh_keeper *keeper)
{
    int root = vh_keeper_root(keeper);
    int fd = openat(root, "by-host", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "h\n", 2), 2);
    close(fd);
    world_expect(world, keeper, "cat by-host; echo t >by-task; rm one", "h\n");
    struct stat stat;
    assert_int_equal(fstatat(root, "by-task", &stat, 0), 0);
    assert_int_equal(stat.st_uid, geteuid());
    assert_int_equal(fstatat(root, "one", &stat, 0), -1);
    if (vh_keeper_profile(keeper)->bits & VH_PROFILE_OVERLAY) {
        char path[400];
        snprintf(path, sizeof path, "%s/one", world->lower);
        assert_int_equal(access(path, F_OK), 0); /* the base stays */
        snprintf(path, sizeof path, "%s/by-task", world->upper);
        assert_int_equal(access(path, F_OK), 0);
    }
}

#define EACH(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        world_each(name);                                                                          \
    }

EACH(commands_run)
EACH(pipelines_run)
EACH(redirections_work)
EACH(input_and_environment)
EACH(large_requests)
EACH(scripts_run)
EACH(bounds_hold)
EACH(requests_are_checked)
EACH(cancelling_kills)
EACH(freezing_stops_the_clock)
EACH(host_works_by_descriptor)

/* Inside: which descriptors are open. */
static int
list_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("%d ", fd);
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--descriptors") == 0) {
        int code = list_descriptors();
        fflush(stdout);
        _exit(code); /* a leak check at the end would trace, which is forbidden */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_run),
        cmocka_unit_test(test_pipelines_run),
        cmocka_unit_test(test_redirections_work),
        cmocka_unit_test(test_input_and_environment),
        cmocka_unit_test(test_large_requests),
        cmocka_unit_test(test_scripts_run),
        cmocka_unit_test(test_bounds_hold),
        cmocka_unit_test(test_requests_are_checked),
        cmocka_unit_test(test_cancelling_kills),
        cmocka_unit_test(test_freezing_stops_the_clock),
        cmocka_unit_test(test_host_works_by_descriptor),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
