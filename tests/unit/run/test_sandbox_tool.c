/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, host helpers such as git run with the wrong environment, hang the host, or hand
 * back half an answer. */
#include "sandbox_world.h"

static struct world world;

static viv_status
run_tool(const char *script, struct vh_tool tool, const struct vh_exec_watch *watch,
         struct vh_tool_result *ret_result, struct viv_error *err)
{
    const char *const argv[] = {"sh", "-c", script};
    if (!tool.argv) {
        tool.argv = argv;
        tool.argc = 3;
    }
    return vh_sandbox_tool(world.launcher, world.arena, &tool, watch, ret_result, err);
}

static void
answers_are_whole(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    struct vh_tool tool = {.input = VH_STR("in\n"),
                           .output_max = 100,
                           .error_max = 3,
                           .cwd = world.folder,
                           .env = (const char *const[]){"GIT_DIR=x", "HOME=/h"},
                           .env_count = 2};
    assert_int_equal(run_tool("cat; pwd; echo errors >&2; exit 3", tool, NULL, &result, &err),
                     VIV_OK);
    char expected[400];
    snprintf(expected, sizeof expected, "in\n%s\n", world.folder);
    assert_string_equal(world_text(&world, result.output), expected);
    assert_string_equal(world_text(&world, result.errors), "err");
    assert_int_equal(result.exit_code, 3);
    setenv("VIV_TEST_SECRET", "leak", 1);
    tool.output_max = 1000;
    assert_int_equal(run_tool("env | grep -v -e ^PWD= -e ^_= -e SHLVL -e OLDPWD | sort; ls "
                              "/proc/self/fd | wc -l; umask",
                              tool, NULL, &result, &err),
                     VIV_OK);
    assert_string_equal(world_text(&world, result.output),
                        "GIT_DIR=x\nHOME=/h\nLANG=C.UTF-8\nPATH=/usr/local/bin:/usr/bin:/bin:/usr/"
                        "local/sbin:/usr/sbin:/sbin\n"
                        "TZ=UTC\n4\n0077\n");
    assert_int_equal(run_tool("kill -9 $$", tool, NULL, &result, &err), VIV_OK);
    assert_int_equal(result.exit_code, -1);
    assert_int_equal(result.signal, SIGKILL);
}

static void
much_goes_both_ways(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    size_t len = 8u << 20;
    char *bytes = vh_arena_alloc(world.arena, len);
    memset(bytes, 'x', len);
    struct vh_tool tool = {.input = {bytes, len}, .output_max = len, .error_max = 10};
    assert_int_equal(run_tool("cat; head -c 3000000 /dev/zero >&2", tool, NULL, &result, &err),
                     VIV_OK);
    assert_int_equal(result.output.len, len);
    assert_memory_equal(result.output.data, bytes, len);
    /* Input that nobody reads holds nobody up. */
    assert_int_equal(run_tool("true", tool, NULL, &result, &err), VIV_OK);
    tool.output_max = len - 1;
    assert_int_equal(run_tool("cat", tool, NULL, &result, &err), VIV_E_LIMIT);
    tool.output_max = 1000;
    assert_int_equal(run_tool("yes", tool, NULL, &result, &err), VIV_E_LIMIT);
    assert_string_equal(err.text, "program 'sh': more output than allowed");
}

/* Whoever takes a lack of memory for a bound asks a person instead of trying again. */
static void
no_memory_is_no_bound(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    struct vh_tool tool = {.output_max = 10, .error_max = 10};
    viv_status status = VIV_E_MEMORY;
    int64_t failed = 0;
    for (int64_t n = 1; status; n++) {
        vh_arena_fail_at(n);
        status = run_tool("echo x", tool, NULL, &result, &err);
        vh_arena_fail_at(0);
        failed += status != VIV_OK;
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
    }
    assert_true(failed >= 2);
    char *word = vh_arena_alloc(world.arena, VH_EXEC_BYTES_MAX + 1);
    memset(word, 'x', VH_EXEC_BYTES_MAX);
    word[VH_EXEC_BYTES_MAX] = '\0';
    tool.argv = (const char *const[]){"true", word};
    tool.argc = 2;
    assert_int_equal(run_tool("", tool, NULL, &result, &err), VIV_E_LIMIT);
    char expected[100];
    snprintf(expected, sizeof expected, "program 'true': words and environment are over %u bytes",
             VH_EXEC_BYTES_MAX);
    assert_string_equal(err.text, expected);
}

static void
time_and_cancel(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    atomic_uint cancel = 1;
    int ends[2];
    struct vh_exec_watch watch = {.deadline_ns = world.seam->monotonic_ns(NULL) + SECOND_NS / 10};
    struct vh_tool tool = {.output_max = 10};
    assert_int_equal(run_tool("sleep 1000", tool, &watch, &result, &err), VIV_E_TIMEOUT);
    assert_string_equal(err.text, "program 'sh': the deadline passed");
    watch = (struct vh_exec_watch){.cancel = &cancel};
    assert_int_equal(run_tool("sleep 1000", tool, &watch, &result, &err), VIV_E_CANCELLED);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    watch = (struct vh_exec_watch){.cancel_fd = ends[0]};
    assert_int_equal(run_tool("sleep 1000", tool, &watch, &result, &err), VIV_E_CANCELLED);
    close(ends[0]);
}

/* What a helper leaves behind would go on writing into a repository after the host thinks it is
 * done. */
static void
nothing_stays_behind(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    struct vh_tool tool = {.output_max = 100};
    assert_int_equal(run_tool("sleep 1000 >/dev/null 2>&1 & echo $!", tool, NULL, &result, &err),
                     VIV_OK);
    pid_t same_session = (pid_t)strtol(world_text(&world, result.output), NULL, 10);
    int fd = (int)syscall(SYS_pidfd_open, same_session, 0);
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    assert_true(fd < 0 || poll(&polled, 1, 20000) == 1);
    assert_int_equal(
        run_tool("setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' & read x <&0; true", tool,
                 NULL, &result, &err),
        VIV_OK);
    if (result.output.len > 0) {
        pid_t daemon = (pid_t)strtol(world_text(&world, result.output), NULL, 10);
        polled.fd = (int)syscall(SYS_pidfd_open, daemon, 0);
        assert_true(polled.fd < 0 || poll(&polled, 1, 20000) == 1);
        close(polled.fd);
    }
    close(fd);
}

/* The host ends its launcher as soon as its helpers are cancelled. */
static void
nothing_of_a_cancelled_one_stays_behind(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    struct vh_tool tool = {.output_max = 100, .cwd = world.scratch};
    for (int i = 0; i < 5; i++) {
        struct vh_exec_watch watch = {.deadline_ns = world.seam->monotonic_ns(NULL) + SECOND_NS / 2};
        assert_int_equal(run_tool("sleep 1000 & echo $! >child; sleep 1000", tool, &watch, &result, &err),
                         VIV_E_TIMEOUT);
        vh_launcher_stop(world.launcher);
        char text[32] = "";
        char path[400];
        snprintf(path, sizeof path, "%s/child", world.scratch);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(text, NULL, 10), 0);
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        assert_true(fd < 0 || poll(&polled, 1, 5000) == 1);
        close(fd);
        assert_int_equal(vh_launcher_start(world.launcher, &err), VIV_OK);
    }
}

static void
requests_are_checked(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    int ends[2];
    struct vh_tool tool = {
        .output_max = 100, .argv = (const char *const[]){"viv-no-such"}, .argc = 1};
    assert_int_equal(run_tool(NULL, tool, NULL, &result, &err), VIV_E_NOT_FOUND);
    assert_string_equal(err.text,
                        "program 'viv-no-such': step 'program' failed: No such file or directory");
    tool = (struct vh_tool){.output_max = 100, .cwd = "/no/such"};
    assert_int_equal(run_tool("true", tool, NULL, &result, &err), VIV_E_NOT_FOUND);
    assert_string_equal(err.text, "program 'sh': step 'cwd' failed: No such file or directory");
    tool.cwd = "relative";
    assert_int_equal(run_tool("true", tool, NULL, &result, &err), VIV_E_INVALID);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    tool = (struct vh_tool){.output_max = 100, .fds = &ends[1], .fd_count = 1};
    assert_int_equal(run_tool("echo handed >&3", tool, NULL, &result, &err), VIV_OK);
    char text[16] = "";
    assert_int_equal(read(ends[0], text, sizeof text - 1), 7);
    assert_string_equal(text, "handed\n");
    tool.fd_count = 5;
    assert_int_equal(run_tool("true", tool, NULL, &result, &err), VIV_E_LIMIT);
    close(ends[0]);
    close(ends[1]);
    vh_launcher_stop(world.launcher);
    tool.fd_count = 0;
    assert_int_equal(run_tool("true", tool, NULL, &result, &err), VIV_E_UNAVAILABLE);
    assert_string_equal(err.text, "program 'sh': the launcher is not running");
}

static int
set_up(void **state)
{
    (void)state;
    world_make(&world, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_whole),    cmocka_unit_test(much_goes_both_ways),
        cmocka_unit_test(no_memory_is_no_bound),
        cmocka_unit_test(time_and_cancel),      cmocka_unit_test(nothing_stays_behind),
        cmocka_unit_test(nothing_of_a_cancelled_one_stays_behind),
        cmocka_unit_test(requests_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
