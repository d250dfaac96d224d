/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two workers are inside of one plugin that was promised to be alone (its memory breaks, and with it the
 * host), executors wait for each other, or a wild answer is taken for a good one. */
#include "cm.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/str.h"
#include "run/guard.h"
#include <viv_interfaces.h>

#define CALLS 3000

static atomic_int inside;
static atomic_int most;
static viv_status answer_status;
static int32_t answer_score;
static uint64_t answer_bytes; /* asks for so much */
static int64_t answer_lacks;  /* 1: and the machine has not got it */
static _Thread_local bool lacked; /* the last call of this thread */
static char problem_text[] = "a call failed";

static void
enter(int rounds)
{
    int now = atomic_fetch_add(&inside, 1) + 1;
    for (int seen = atomic_load(&most); now > seen && !atomic_compare_exchange_weak(&most, &seen, now);) {
    }
    for (int i = 0; i < rounds && atomic_load(&most) < 2; i++) {
        sched_yield();
    }
    atomic_fetch_sub(&inside, 1);
}

static viv_status
review(void *self, struct viv_call *call, const struct viv_critic_review_request *request,
       struct viv_critic_review_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    enter(3);
    if (answer_bytes) {
        vh_arena_fail_at(answer_lacks);
        void *memory = call->alloc(call, answer_bytes);
        vh_arena_fail_at(0);
        return memory ? VIV_OK : VIV_E_MEMORY;
    }
    ret_answer->score_permille = answer_score;
    return answer_status;
}

static viv_status
execute(void *self, struct viv_call *call, const struct viv_executor_execute_request *request,
        struct viv_executor_execute_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    enter(2000000000); /* until the other one is inside too */
    ret_answer->done = 1;
    return VIV_OK;
}

static const struct viv_critic critic = { .size = (uint32_t)sizeof critic, .rev = 1, .review = review };
static const struct viv_executor executor = { .size = (uint32_t)sizeof executor, .rev = 1, .execute = execute };
static pthread_mutex_t entry = PTHREAD_MUTEX_INITIALIZER;
static struct vh_plugin_offer offers[2];
static struct vh_plugin plugin = { .id = "test.plugin", .entry = &entry, .offer_count = 2, .offers = offers };

static void
begin(void)
{
    offers[0] = (struct vh_plugin_offer){ &viv_interfaces[VIV_INDEX_CRITIC], &critic };
    offers[1] = (struct vh_plugin_offer){ &viv_interfaces[VIV_INDEX_EXECUTOR], &executor };
    atomic_store(&inside, 0);
    atomic_store(&most, 0);
    answer_status = VIV_OK;
    answer_score = 900;
    answer_bytes = 0;
    answer_lacks = 0;
}

static viv_status
ask_critic(struct viv_error *err)
{
    struct vh_run run = { .seam = vh_seam_real() };
    struct vh_work work = { .run = &run, .arena = vh_arena_create(NULL, 0) };
    struct viv_critic_review_request request = { .size = (uint32_t)sizeof request, .rev = 1 };
    struct viv_critic_review_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = &plugin,
                                  .interface = VIV_INDEX_CRITIC,
                                  .method = VIV_METHOD_CRITIC_REVIEW,
                                  .request = &request };
    viv_status status = vh_guard_call(&work, &call, &answer, err);
    lacked = work.lacked;
    vh_arena_destroy(work.arena);
    return status;
}

static void *
critics(void *data)
{
    (void)data;
    for (int i = 0; i < CALLS; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        if (ask_critic(&err)) {
            return problem_text;
        }
    }
    return NULL;
}

static void *
one_executor(void *data)
{
    (void)data;
    struct vh_run run = { .seam = vh_seam_real() };
    struct vh_work work = { .run = &run, .arena = vh_arena_create(NULL, 0) };
    struct viv_executor_execute_request request = { .size = (uint32_t)sizeof request, .rev = 1 };
    struct viv_executor_execute_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_guard_call call = { .plugin = &plugin,
                                  .interface = VIV_INDEX_EXECUTOR,
                                  .method = VIV_METHOD_EXECUTOR_EXECUTE,
                                  .request = &request,
                                  .effects = true };
    viv_status status = vh_guard_call(&work, &call, &answer, &err);
    vh_arena_destroy(work.arena);
    if (status) {
        atomic_store(&most, 3); /* nobody waits for the one who does not come */
    }
    return status ? problem_text : NULL;
}

static void
run_two(void *(*body)(void *data))
{
    pthread_t threads[2];
    void *problem = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_null(problem);
    }
}

/* The contract says: one call at a time on one `self`. */
static void
opinions_enter_alone(void **state)
{
    (void)state;
    begin();
    run_two(critics);
    assert_int_equal(atomic_load(&most), 1);
}

static void
executors_run_side_by_side(void **state)
{
    (void)state;
    begin();
    run_two(one_executor);
    assert_int_equal(atomic_load(&most), 2);
}

static void
wild_answers_are_refused(void **state)
{
    struct viv_error err = VIV_ERROR_INIT;
    (void)state;
    begin();
    answer_score = 1001;
    assert_int_equal(ask_critic(&err), VIV_E_PLUGIN);
    assert_non_null(strstr(err.text, "test.plugin"));
    begin();
    answer_status = 17; /* no status of the table */
    assert_int_equal(ask_critic(&err), VIV_E_PLUGIN);
    answer_status = -30000;
    assert_int_equal(ask_critic(&err), VIV_E_PLUGIN);
    answer_status = VIV_E_UNAVAILABLE;
    assert_int_equal(ask_critic(&err), VIV_E_UNAVAILABLE);
}

/* Or a person is asked about a gate that only met a moment without memory; or a greedy one is asked again and again. */
static void
a_lack_of_memory_is_not_the_plugins(void **state)
{
    struct viv_error err = VIV_ERROR_INIT;
    (void)state;
    begin();
    answer_bytes = 64;
    answer_lacks = 1;
    assert_int_equal(ask_critic(&err), VIV_E_MEMORY);
    assert_true(lacked);
    begin();
    answer_bytes = VIV_CALL_ARENA_MAX + 1;
    assert_int_equal(ask_critic(&err), VIV_E_MEMORY);
    assert_false(lacked);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opinions_enter_alone),
        cmocka_unit_test(executors_run_side_by_side),
        cmocka_unit_test(wild_answers_are_refused),
        cmocka_unit_test(a_lack_of_memory_is_not_the_plugins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
