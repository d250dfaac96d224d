/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a good skill in a runner gets other values than it was given, reads what it was not granted, or a
 * process stays behind when the zygote or the host dies. What bad plugins do is in test_runner_faults.c. */
#include "../../support/tier1.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a good skill, all values, both ways ---- */

static char last_line[256];

static void
take_line(void *data, uint32_t level, struct viv_str text)
{
    (void)data;
    snprintf(last_line, sizeof last_line, "%u:%.*s", level, (int)text.len, text.data);
}

static void
values_both_ways(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    const struct viv_value options[] = {
        {.name = VH_STR("factor"), .type = VIV_VALUE_INTEGER, .integer = 7},
        {.name = VH_STR("loud"), .type = VIV_VALUE_BOOL, .integer = 1},
        {.name = VH_STR("greeting"), .type = VIV_VALUE_TEXT, .text = VH_STR("gr\xc3\xbc\xc3\x9f")},
    };
    plan.plan.options = options;
    plan.plan.option_count = 3;
    plan.plan.log = take_line;
    struct vh_runner *runner = tier1_start(tier1, &plan);
    const struct viv_value values[] = {
        {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("echo")},
        {.name = VH_STR("big"), .type = VIV_VALUE_INTEGER, .integer = INT64_MIN},
        {.name = VH_STR("list"), .type = VIV_VALUE_LIST, .integer = 2},
        {.name = VH_STR("list"), .type = VIV_VALUE_JSON, .index = 1, .text = VH_STR("{\"a\":[1]}")},
        {.name = VH_STR("yes"), .type = VIV_VALUE_BOOL, .integer = 1},
    };
    const struct viv_task task = {
        .size = sizeof task, .rev = 1, .id = VH_STR("t-1"), .goal = VH_STR("say it"), .attempt = 2};
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, values, 5);
    call.task = &task;
    call.now_us = 1234567;
    call.trace_id = VH_STR("trace-9");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
        assert_int_equal(answer.result.plugin_status, VIV_OK);
        assert_string_equal(vh_arena_text_of(tier1->arena, answer.skill.text),
                            "7 60000000000 1 gr\xc3\xbc\xc3\x9f\n1234567 trace-9\nt-1 say it 2\n"
                            "do 1 0 0 echo\nbig 2 0 -9223372036854775808 \nlist 4 0 2 \nlist 5 1 0 {\"a\":[1]}\n"
                            "yes 3 0 1 \n");
    }
    assert_string_equal(last_line, "2:echoed??[31m");
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

static void
options_are_checked(void **state)
{
    struct tier1 *tier1 = *state;
    const struct {
        struct viv_value value;
        const char *says;
    } wrong[] = {
        {{.name = VH_STR("factor"), .type = VIV_VALUE_INTEGER, .integer = 101},
         "option 'factor' is 101, allowed 1 to 100"},
        {{.name = VH_STR("factor"), .type = VIV_VALUE_TEXT, .text = VH_STR("7")},
         "option 'factor' of the manifest is not"},
        {{.name = VH_STR("none"), .type = VIV_VALUE_INTEGER}, "option 'none' of the manifest is not"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tier1_plan plan;
        tier1_plan(tier1, "tier1_good", &plan);
        plan.plan.options = &wrong[i].value;
        plan.plan.option_count = 1;
        tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, wrong[i].says);
    }
}

/* ---- effects ---- */

static viv_status
serve_effect(void *data, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
             struct vh_arena *arena, struct viv_error *err)
{
    int64_t *until_ns = data;
    assert_int_equal(request->kind, VIV_EFFECT_WRITE);
    assert_true(vh_str_is(request->target, "there"));
    assert_int_equal(request->bytes.len, 2);
    assert_memory_equal(request->bytes.data, "\0\xff", 2);
    assert_true(vh_str_is(request->spec_json, "{}"));
    if (vh_str_is(request->path, "../forbidden")) {
        return vh_error_set(err, VIV_E_DENIED, "safety", "path '../forbidden' leaves the workspace");
    }
    while (until_ns && vh_seam_real()->monotonic_ns(NULL) < *until_ns) {
        sched_yield(); /* an effect that takes longer than the call's own deadline */
    }
    ret_outcome->exit_code = -1;
    ret_outcome->flags = VIV_EFFECT_OUTPUT_CUT;
    ret_outcome->duration_ns = 55;
    ret_outcome->output = vh_str(vh_arena_text(arena, "out"));
    ret_outcome->errors = VH_STR("errors");
    ret_outcome->output_digest = VH_STR("abc");
    return VIV_OK;
}

static void
effects_are_served_and_refused(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct viv_value values[] = {{.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("effect")},
                                 {.name = VH_STR("path"), .type = VIV_VALUE_TEXT, .text = VH_STR("a/b")}};
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, values, 2);
    int64_t until_ns = call.deadline_ns + 100000000;
    call.service = serve_effect;
    call.service_data = &until_ns;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.result.plugin_status, VIV_OK);
    assert_int_equal(answer.result.effects, 1);
    assert_string_equal(vh_arena_text_of(tier1->arena, answer.skill.text), "-1 1 55 out|errors|abc| later 1");
    assert_true(answer.result.own_ns < TIER1_DEADLINE_NS);

    values[1].text = VH_STR("../forbidden");
    call = tier1_skill(tier1, values, 2);
    call.service = serve_effect;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.result.plugin_status, VIV_E_DENIED);
    assert_string_equal(answer.result.plugin_error.text, "path '../forbidden' leaves the workspace");

    call = tier1_skill(tier1, values, 2); /* no service at all */
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.result.plugin_status, VIV_E_DENIED);
    assert_non_null(strstr(answer.result.plugin_error.text, "effects are not allowed in this call"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

static void
grants_are_needed(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.service_count = 2; /* log and clock, not effect */
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED,
                  "service 'viv.effect/1' is not among the grants of 'tests.tier1_good'");
    tier1_plan(tier1, "tier1_bad", &plan);
    struct viv_value option = {.name = VH_STR("create"), .type = VIV_VALUE_TEXT, .text = VH_STR("random")};
    plan.plan.options = &option;
    plan.plan.option_count = 1;
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "service 'viv.random/1' is not among the grants");
}

/* ---- libraries ---- */

static void
libraries_are_the_ones_named(void **state)
{
    struct tier1 *tier1 = *state;
    static const char *const libraries[] = {"libm.so.6"};
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good_library", &plan);
#ifndef VH_SANITIZED /* a sanitizer has brought it already */
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "libm.so.6: cannot open shared object file");
#endif
    plan.plan.libraries = libraries;
    plan.plan.library_count = 1;
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct viv_value values[] = {{.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("root")},
                                 {.name = VH_STR("n"), .type = VIV_VALUE_INTEGER, .integer = 27}};
    struct vh_runner_call call = tier1_skill(tier1, values, 2);
    struct tier1_answer answer;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_string_equal(vh_arena_text_of(tier1->arena, answer.skill.text), "3.0");
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

/* ---- the folder ---- */

static void
put(int dir, const char *path, const char *text)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
folder_is_read_and_nothing_else(void **state)
{
    struct tier1 *tier1 = *state;
    char folder[] = "/tmp/viv-runner-XXXXXX";
    assert_non_null(mkdtemp(folder));
    int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(top, "root", 0755), 0);
    int root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put(top, "secret", "secret");
    put(root, "in", "inside");
    assert_int_equal(symlinkat("../secret", root, "link"), 0);
    assert_int_equal(symlinkat("in", root, "good-link"), 0);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.root_fd = root;
    struct vh_runner *runner = tier1_start(tier1, &plan);
    assert_true(vh_runner_folder(runner));
    static const char *const paths[] = {
        "read", "in", "good-link", "link", "../secret", "/etc/passwd", "/proc/self/maps", "../root/in", "none"};
    struct viv_value values[9] = {0};
    for (size_t i = 0; i < 9; i++) {
        values[i] = (struct viv_value){.name = VH_STR("path"), .type = VIV_VALUE_TEXT, .text = vh_str(paths[i])};
    }
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, values, 9);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_string_equal(vh_arena_text_of(tier1->arena, answer.skill.text),
                        "in: inside\ngood-link: inside\nlink: EACCES\n../secret: EACCES\n/etc/passwd: EACCES\n"
                        "/proc/self/maps: EACCES\n../root/in: inside\nnone: ENOENT\n");
    values[0].text = VH_STR("write");
    call = tier1_skill(tier1, values, 1);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
    assert_non_null(strstr(answer.err.text, "viv.skill/1 run: signal 31, a system call its sandbox forbids"));
    assert_int_equal(faccessat(root, "made", F_OK, 0), -1);
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    unlinkat(root, "in", 0);
    unlinkat(root, "link", 0);
    unlinkat(root, "good-link", 0);
    unlinkat(top, "secret", 0);
    unlinkat(top, "root", AT_REMOVEDIR);
    close(root);
    close(top);
    rmdir(folder);
}

/* ---- time and size ---- */

static int cancel_fd;

static void
cancel_now(void *data, uint32_t level, struct viv_str text)
{
    (void)data;
    (void)level;
    (void)text;
    assert_int_equal(eventfd_write(cancel_fd, 1), 0);
}

static void
cancelling_asks_first(void **state)
{
    struct tier1 *tier1 = *state;
    cancel_fd = eventfd(0, EFD_CLOEXEC);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.log = cancel_now; /* it says it is working: only then is it cancelled */
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("cancel")};
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, &value, 1);
    call.deadline_ns += INT64_C(10000000000);
    call.cancel_fd = cancel_fd;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_true(vh_str_is(answer.skill.text, "stopped"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);

    tier1_plan(tier1, "tier1_bad", &plan);
    runner = tier1_start(tier1, &plan);
    value.text = VH_STR("hang"); /* the flag is up from the start */
    call = tier1_skill(tier1, &value, 1);
    call.deadline_ns += INT64_C(10000000000);
    call.cancel_fd = cancel_fd;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_CANCELLED);
    assert_int_equal(answer.result.failure, VH_RUNNER_CANCELLED);
    assert_non_null(strstr(answer.err.text, "'tests.tier1_bad' 1.2.3 was cancelled and killed in viv.skill/1 run"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    close(cancel_fd);

    const atomic_uint flag = 1; /* and told by a flag */
    runner = tier1_start(tier1, &plan);
    call.deadline_ns = tier1_skill(tier1, &value, 1).deadline_ns + INT64_C(10000000000);
    call.cancel_fd = -1;
    call.cancel = &flag;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_CANCELLED);
    assert_int_equal(answer.result.failure, VH_RUNNER_CANCELLED);
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

static void
large_requests_and_answers(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct viv_value values[] = {{.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("large")},
                                 {.name = VH_STR("n"), .type = VIV_VALUE_INTEGER, .integer = 40 << 20}};
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, values, 2);
    call.deadline_ns += INT64_C(20000000000);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.skill.output_json.len, 40 << 20);
    values[1].integer = 70 << 20; /* more than a call may take: the plugin gets NULL */
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.skill.output_json.len, 0);
    char *huge = vh_arena_alloc(tier1->arena, 60u << 20);
    assert_non_null(huge);
    tier1->skill_request.input_json = (struct viv_str){huge, 60u << 20};
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_LIMIT);
    assert_non_null(strstr(answer.err.text, "the request for plugin 'tests.tier1_good' viv.skill/1 run has 629"));
    assert_true(vh_runner_alive(runner));
    values[0].text = VH_STR("small");
    tier1->skill_request.input_json = (struct viv_str){huge, 30u << 20};
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.skill.output_json.len, 30u << 20);
    struct vh_arena *small = vh_arena_create(tier1->arena, 4096);
    assert_int_equal(vh_runner_call(runner, &call, &answer.skill, &answer.result, small, &answer.err), VIV_E_MEMORY);
    assert_true(vh_runner_alive(runner));
    vh_runner_trim(runner); /* and the runner does not mind */
    tier1->skill_request.input_json = VH_STR("{}");
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_true(vh_str_is(answer.skill.output_json, "{}"));
    call.deadline_ns = vh_seam_real()->monotonic_ns(NULL) - 1;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_TIMEOUT);
    assert_string_equal(answer.err.text,
                        "the deadline passed before plugin 'tests.tier1_good' was called for viv.skill/1 run");
    assert_int_equal(answer.result.failure, VH_RUNNER_FINE);
    assert_true(vh_runner_alive(runner));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

/* ---- lives ---- */

static void
killing_the_zygote_kills_its_runners(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    int pidfd = tier1_pidfd(vh_runner_pid(runner));
    assert_int_equal(kill(vh_zygote_pid(tier1->zygote), SIGKILL), 0);
    assert_true(tier1_gone(pidfd));
    struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("small")};
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, &value, 1);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_UNAVAILABLE);
    assert_int_equal(answer.result.failure, VH_RUNNER_LOST);
    assert_non_null(strstr(answer.err.text, "its zygote ended; the plugin is not to blame"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    enum vh_runner_failure failure;
    assert_int_equal(vh_runner_start(tier1->zygote, tier1->arena, &plan.plan, &runner, &failure, &answer.err),
                     VIV_E_UNAVAILABLE);
    assert_int_equal(failure, VH_RUNNER_LOST);
    assert_false(vh_zygote_alive(tier1->zygote));
    assert_int_equal(vh_zygote_restart(tier1->zygote, NULL), VIV_OK);
    tier1_works(tier1);
}

static void
a_runner_killed_from_outside_is_named(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    int pidfd = tier1_pidfd(vh_runner_pid(runner));
    assert_int_equal(kill(vh_runner_pid(runner), SIGKILL), 0);
    assert_true(tier1_gone(pidfd));
    struct tier1_answer answer;
    struct vh_runner_call call = tier1_skill(tier1, NULL, 0);
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
    assert_non_null(strstr(answer.err.text, "signal 9, killed from outside"));
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

static void
killing_the_host_leaves_nothing(void **state)
{
    struct tier1 *tier1 = *state;
    int told[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0) {
        struct vh_zygote *zygote = NULL;
        struct vh_runner *runner = NULL;
        struct tier1_plan plan;
        if (vh_zygote_start(vh_seam_real(), tier1->arena, tier1_zygote, &zygote, NULL) != VIV_OK) {
            _exit(1);
        }
        tier1_plan(tier1, "tier1_good", &plan);
        if (vh_runner_start(zygote, tier1->arena, &plan.plan, &runner, NULL, NULL) != VIV_OK) {
            _exit(2);
        }
        pid_t pids[2] = {vh_zygote_pid(zygote), vh_runner_pid(runner)};
        if (write(told[1], pids, sizeof pids) != sizeof pids) {
            _exit(3);
        }
        for (;;) {
            pause();
        }
    }
    pid_t pids[2];
    close(told[1]);
    assert_int_equal(read(told[0], pids, sizeof pids), sizeof pids);
    int zygote = tier1_pidfd(pids[0]), runner = tier1_pidfd(pids[1]);
    assert_int_equal(kill(host, SIGKILL), 0);
    assert_true(tier1_gone(zygote));
    assert_true(tier1_gone(runner));
    assert_int_equal(waitpid(host, NULL, 0), host);
    close(told[0]);
}

static void
a_zygote_that_cannot_start_says_so(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_zygote *zygote = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_zygote_start(vh_seam_real(), tier1->arena, "/nonexistent/viv-zygote", &zygote, &err),
                     VIV_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "the zygote '/nonexistent/viv-zygote' cannot be started"));
    assert_int_equal(vh_zygote_start(vh_seam_real(), tier1->arena, "/bin/true", &zygote, &err), VIV_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "has ended"));
    assert_null(zygote);
    /* In two steps the second one says it, and what was spawned is there to be ended. */
    assert_int_equal(vh_zygote_spawn(vh_seam_real(), tier1->arena, "/bin/true", &zygote, &err), VIV_OK);
    assert_int_equal(vh_zygote_greet(zygote, &err), VIV_E_UNAVAILABLE);
    assert_non_null(strstr(err.text, "has ended"));
    assert_false(vh_zygote_alive(zygote));
    vh_zygote_end(zygote);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_both_ways, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(options_are_checked, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(effects_are_served_and_refused, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(grants_are_needed, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(libraries_are_the_ones_named, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(folder_is_read_and_nothing_else, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(cancelling_asks_first, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(large_requests_and_answers, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(killing_the_zygote_kills_its_runners, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(a_runner_killed_from_outside_is_named, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(killing_the_host_leaves_nothing, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(a_zygote_that_cannot_start_says_so, tier1_setup, tier1_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
