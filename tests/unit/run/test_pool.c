/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin that keeps crashing is started for ever, calls nested in calls lock each other out, or
 * runners pile up. Time is given, never waited for. */
#include "../../support/tier1.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "run/pool.h"

#define SECOND INT64_C(1000000)

static struct vh_pool *
make_pool(struct tier1 *tier1, uint32_t runners, uint32_t idle)
{
    struct vh_pool_limits limits = {.runners = runners, .idle = idle};
    struct vh_pool *pool = vh_pool_create(tier1->zygote, tier1->arena, &limits);
    assert_non_null(pool);
    return pool;
}

static struct vh_runner *
take(struct vh_pool *pool, const struct tier1_plan *plan, const char *key, int64_t now_us)
{
    struct vh_runner *runner = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_pool_take(pool, &plan->plan, key, 0, now_us, &runner, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    return runner;
}

static void
warm_ones_are_used_again(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 8, 2);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *a = take(pool, &plan, "good", 0), *b = take(pool, &plan, "good", 0),
                     *c = take(pool, &plan, "good", 0);
    pid_t pid_b = vh_runner_pid(b);
    assert_false(vh_pool_give(pool, a, VH_RUNNER_FINE, NULL, 1 * SECOND));
    assert_false(vh_pool_give(pool, b, VH_RUNNER_FINE, NULL, 2 * SECOND));
    assert_int_equal(tier1_children(tier1), 3);
    assert_false(vh_pool_give(pool, c, VH_RUNNER_FINE, NULL, 3 * SECOND)); /* two are kept */
    assert_int_equal(tier1_children(tier1), 2);
    assert_int_equal(vh_runner_pid(take(pool, &plan, "good", 4 * SECOND)), pid_b); /* the one used last */
    assert_false(vh_pool_give(pool, b, VH_RUNNER_FINE, NULL, 5 * SECOND));
    assert_int_equal(vh_pool_retire(pool, 5 * SECOND), 2);
    assert_int_equal(vh_pool_retire(pool, 62 * SECOND), 1);
    assert_int_equal(vh_pool_retire(pool, 66 * SECOND), 0);
    assert_int_equal(tier1_children(tier1), 0);
    vh_pool_end(pool);
}

static void
nobody_waits(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 2, 2);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *a = take(pool, &plan, "one", 0), *none = NULL;
    take(pool, &plan, "one", 0);
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_pool_take(pool, &plan.plan, "one", 1, 0, &none, &err), VIV_E_BUSY);
    assert_string_equal(err.text, "all 2 runners are in use, none can be had for 'tests.tier1_good'");
    assert_int_equal(vh_pool_take(pool, &plan.plan, "one", VIV_SKILL_DEPTH_MAX + 1, 0, &none, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "at depth 5"));
    /* An idle one of another plugin makes room. */
    assert_false(vh_pool_give(pool, a, VH_RUNNER_FINE, NULL, 1));
    assert_non_null(take(pool, &plan, "two", 2));
    assert_int_equal(tier1_children(tier1), 2);
    vh_pool_end(pool);
    assert_int_equal(tier1_children(tier1), 0);
}

static void
one_that_died_idle_is_replaced(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 1, 1);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    struct vh_runner *runner = take(pool, &plan, "good", 0);
    pid_t pid = vh_runner_pid(runner);
    int pidfd = tier1_pidfd(pid);
    assert_false(vh_pool_give(pool, runner, VH_RUNNER_FINE, NULL, 1));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_true(tier1_gone(pidfd));
    runner = take(pool, &plan, "good", 2);
    assert_int_not_equal(vh_runner_pid(runner), pid);
    assert_true(vh_runner_quiet(runner));
    vh_pool_end(pool);
}

static bool
crash_once(struct tier1 *tier1, struct vh_pool *pool, const struct tier1_plan *plan, const char *key, int64_t now_us)
{
    struct vh_runner *runner = take(pool, plan, key, now_us);
    struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("abort")};
    struct vh_runner_call call = tier1_skill(tier1, &value, 1);
    struct tier1_answer answer;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
    return vh_pool_give(pool, runner, answer.result.failure, answer.err.text, now_us);
}

static void
three_crashes_in_ten_minutes(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 4, 2);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_bad", &plan);
    assert_false(crash_once(tier1, pool, &plan, "bad", 0));
    assert_false(crash_once(tier1, pool, &plan, "bad", 1 * SECOND));
    assert_false(crash_once(tier1, pool, &plan, "bad", 601 * SECOND)); /* three, but not in ten minutes */
    assert_false(vh_pool_quarantined(pool, "bad", NULL));
    assert_true(crash_once(tier1, pool, &plan, "bad", 601 * SECOND)); /* 1 to 601: exactly ten minutes */
    struct vh_runner *none = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_pool_take(pool, &plan.plan, "bad", 0, 100000 * SECOND, &none, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "plugin 'tests.tier1_bad' is in quarantine after 3 failures in ten minutes"));
    assert_non_null(strstr(err.text, "crashed in viv.skill/1 run: signal 6"));
    assert_non_null(take(pool, &plan, "bad with other options", 0)); /* others go on */
    vh_pool_release(pool, "bad");
    assert_non_null(take(pool, &plan, "bad", 0));
    vh_pool_end(pool);
}

static void
failed_starts_count_refusals_do_not(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 4, 2);
    struct tier1_plan plan;
    struct vh_runner *none = NULL;
    tier1_plan(tier1, "tier1_bad_entry_crash", &plan);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vh_pool_take(pool, &plan.plan, "crash", 0, i, &none, NULL), VIV_E_PLUGIN);
    }
    assert_true(vh_pool_quarantined(pool, "crash", NULL));
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.version = "9.9.9";
    for (int i = 0; i < 4; i++) {
        assert_int_equal(vh_pool_take(pool, &plan.plan, "refuse", 0, i, &none, NULL), VIV_E_PLUGIN);
    }
    assert_false(vh_pool_quarantined(pool, "refuse", NULL));
    struct vh_runner *runner;
    plan.plan.version = "0.1.0";
    runner = take(pool, &plan, "good", 0);
    for (int i = 0; i < 5; i++) { /* being cancelled or losing the zygote is nobody's fault */
        assert_false(vh_pool_give(pool, runner, i % 2 ? VH_RUNNER_CANCELLED : VH_RUNNER_LOST, NULL, i));
        runner = take(pool, &plan, "good", i);
    }
    vh_pool_end(pool);
    assert_int_equal(tier1_children(tier1), 0);
}

static void
folder_runners_are_never_kept(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, 4, 2);
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_good", &plan);
    plan.plan.root_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct vh_runner *runner = take(pool, &plan, "good", 0);
    assert_true(vh_runner_folder(runner));
    assert_false(vh_pool_give(pool, runner, VH_RUNNER_FINE, NULL, 1));
    assert_int_equal(tier1_children(tier1), 0);
    close(plan.plan.root_fd);
    vh_pool_end(pool);
}

#define THREADS 6
#define ROUNDS 40

struct worker {
    struct vh_pool *pool;
    struct tier1_plan plan;
    pthread_t thread;
    int worked, busy, other;
};

static void
work_once(struct worker *worker, int round)
{
    const struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("small")};
    struct viv_skill_run_request request = {.size = sizeof request, .rev = 1, .values = &value, .values_count = 1,
                                            .values_stride = sizeof value, .input_json = VH_STR("[]")};
    struct vh_runner_call call = {.interface = VIV_INDEX_SKILL, .request = &request, .cancel_fd = -1,
                                  .deadline_ns = vh_seam_real()->monotonic_ns(NULL) + INT64_C(20000000000)};
    struct viv_skill_run_answer answer;
    struct vh_runner_result result;
    struct vh_runner *runner = NULL;
    viv_status status = vh_pool_take(worker->pool, &worker->plan.plan, "good", 0, round, &runner, NULL);
    if (status != VIV_OK) {
        *(status == VIV_E_BUSY ? &worker->busy : &worker->other) += 1;
        return;
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    status = vh_runner_call(runner, &call, &answer, &result, arena, NULL);
    *(status == VIV_OK && vh_str_is(answer.output_json, "[]") ? &worker->worked : &worker->other) += 1;
    vh_arena_destroy(arena);
    if (vh_pool_give(worker->pool, runner, result.failure, NULL, round)) {
        worker->other++;
    }
}

static void *
work(void *data)
{
    for (int round = 0; round < ROUNDS; round++) {
        work_once(data, round);
        (void)vh_pool_retire(((struct worker *)data)->pool, round);
    }
    return NULL;
}

static void
many_threads(void **state)
{
    struct tier1 *tier1 = *state;
    struct vh_pool *pool = make_pool(tier1, THREADS - 2, 2);
    struct worker workers[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        workers[i].pool = pool;
        tier1_plan(tier1, "tier1_good", &workers[i].plan);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    int worked = 0, busy = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].other, 0);
        worked += workers[i].worked;
        busy += workers[i].busy;
    }
    assert_int_equal(worked + busy, THREADS * ROUNDS);
    assert_true(worked >= ROUNDS);
    vh_pool_end(pool);
    assert_int_equal(tier1_children(tier1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(warm_ones_are_used_again, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(nobody_waits, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(one_that_died_idle_is_replaced, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(three_crashes_in_ten_minutes, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(failed_starts_count_refusals_do_not, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(many_threads, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(folder_runners_are_never_kept, tier1_setup, tier1_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
