/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a model gets more calls in a minute than the policy allows, a call that was refused later eats from
 * the rate, a host that starts again gets a new minute, or a provider that is down is asked for ever. */
#include "cm.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "run/models.h"

#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)

static int64_t now_ns, tick_ns; /* how far a look at the clock moves it */
static struct vh_seam seam;
static struct vh_arena *arena;
static struct vh_model_flows *flows;
static struct vh_model_call past[4];
static size_t past_count;
static viv_status past_status;
#define PLACES 128
static struct vh_model_place places[PLACES];
static int place_count;

static int64_t
clock_ns(void *data)
{
    (void)data;
    now_ns += tick_ns;
    return now_ns;
}

static viv_status
read_past(void *data, struct viv_str model, struct vh_arena *memory, struct vh_model_call **ret_calls,
          size_t *ret_count, struct viv_error *err)
{
    (void)data;
    (void)model;
    (void)memory;
    *ret_calls = past;
    *ret_count = past_count;
    return past_status ? vh_error_set(err, past_status, "log", "the log cannot be read") : VIV_OK;
}

static int
set_up(void **state)
{
    (void)state;
    now_ns = START;
    tick_ns = 0;
    past_count = 0;
    past_status = VIV_OK;
    place_count = 0;
    seam = *vh_seam_real();
    seam.monotonic_ns = clock_ns;
    arena = vh_arena_create(NULL, 0);
    flows = vh_model_flows_create(&seam, arena, read_past, NULL);
    return flows ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_model_flows_end(flows);
    vh_arena_destroy(arena);
    return 0;
}

static struct vh_model
model_of(const char *name, int64_t requests, int64_t tokens, int64_t concurrent)
{
    return (struct vh_model){ .name = vh_str(name), .requests = requests, .tokens = tokens, .concurrent = concurrent };
}

static viv_status
enter(const struct vh_model *model, int64_t tokens, struct viv_error *err)
{
    viv_status status = vh_model_enter(flows, model, tokens, now_ns, NULL, &places[place_count], err);
    place_count += status == VIV_OK;
    return status;
}

/* The call that entered last, and has not left. */
static void
leave_with(const struct vh_model *model, const struct vh_model_leave *how)
{
    vh_model_leave(flows, model, &places[--place_count], how);
}

static void
leave(const struct vh_model *model, enum vh_model_end end, int64_t used)
{
    leave_with(model, &(struct vh_model_leave){ .end = end, .used = used });
}

static void
must_enter(const struct vh_model *model, int64_t tokens)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (enter(model, tokens, &err)) {
        fail_msg("%s", err.text);
    }
}

static void
must_not(const struct vh_model *model, int64_t tokens, viv_status status, const char *words)
{
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(enter(model, tokens, &err), status);
    if (!strstr(err.text, words)) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

/* ---- rates ---- */

/* The most calls that any 60 seconds saw, of a caller who takes what it gets, at each tenth of a second. */
static int
most_in_a_minute(const struct vh_model *model, int64_t tokens, int *ret_all)
{
    static int64_t at[20000];
    int count = 0, most = 0;
    for (int step = 0; step < 3000; step++, now_ns += SECOND / 10) {
        struct viv_error err = VIV_ERROR_INIT;
        while (enter(model, tokens, &err) == VIV_OK) {
            leave(model, VH_MODEL_GOOD, -1);
            at[count++] = now_ns;
        }
        assert_int_equal(err.status, VIV_E_BUSY);
    }
    for (int first = 0; first < count; first++) {
        int last = first;
        while (last < count && at[last] - at[first] < 60 * SECOND) {
            last++;
        }
        most = last - first > most ? last - first : most;
    }
    *ret_all = count;
    return most;
}

static void
test_no_minute_has_more_calls_than_the_rate(void **state)
{
    (void)state;
    static const int64_t rates[] = { 1, 2, 9, 10, 30, 60, 600 };
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        char name[16];
        int all = 0;
        snprintf(name, sizeof name, "rate%d", (int)rates[i]);
        struct vh_model model = model_of(name, rates[i], 0, 4);
        int most = most_in_a_minute(&model, 1, &all);
        if (most > rates[i] || all < rates[i] * 5 * 7 / 10) {
            fail_msg("rate %d: %d in one minute, %d in five", (int)rates[i], most, all);
        }
    }
}

static void
test_no_minute_has_more_tokens_than_the_rate(void **state)
{
    (void)state;
    int all = 0;
    struct vh_model model = model_of("tokens", 0, 6000, 4);
    assert_in_range(most_in_a_minute(&model, 500, &all), 8, 12);
    assert_in_range(all, 30, 60);
}

static void
test_a_call_above_the_burst_is_let_in_when_nothing_went_before(void **state)
{
    (void)state;
    struct vh_model model = model_of("large", 0, 1000, 4);
    must_enter(&model, 5000);
    leave(&model, VH_MODEL_GOOD, -1);
    must_not(&model, 5000, VIV_E_BUSY, "the rate of model 'large' has room again in 60 seconds");
    now_ns += 60 * SECOND;
    must_enter(&model, 5000);
}

static void
test_what_was_not_sent_is_given_back(void **state)
{
    (void)state;
    struct vh_model model = model_of("back", 1, 1000, 4);
    for (int i = 0; i < 50; i++) {
        must_enter(&model, 400);
        leave(&model, VH_MODEL_UNSENT, -1);
    }
    must_enter(&model, 400);
    leave(&model, VH_MODEL_GOOD, -1);
    must_not(&model, 400, VIV_E_BUSY, "has room again in 60 seconds");
}

static void
test_tokens_that_were_not_used_are_given_back(void **state)
{
    (void)state;
    struct vh_model model = model_of("unused", 0, 1000, 4);
    for (int i = 0; i < 100; i++) {
        must_enter(&model, 500);
        leave(&model, VH_MODEL_GOOD, 0);
    }
    must_enter(&model, 500);
    leave(&model, VH_MODEL_GOOD, 500);
    must_not(&model, 500, VIV_E_BUSY, "has room again");
}

static void
test_a_host_that_starts_again_has_no_new_minute(void **state)
{
    (void)state;
    struct vh_model model = model_of("before", 3, 0, 4);
    past[0] = (struct vh_model_call){ 20 * SECOND, 1 };
    past[1] = (struct vh_model_call){ 10 * SECOND, 1 };
    past[2] = (struct vh_model_call){ 0, 1 };
    past_count = 3;
    must_not(&model, 1, VIV_E_BUSY, "has room again in 40 seconds");
    past_status = VIV_E_IO;
    struct vh_model other = model_of("unread", 3, 0, 4);
    must_not(&other, 1, VIV_E_IO, "the log cannot be read");
}

/* Limits that were higher when they were used, or a clock that was set back: nobody waits for hours. */
static void
test_what_was_before_keeps_nobody_longer_than_a_minute(void **state)
{
    (void)state;
    struct vh_model model = model_of("lowered", 1, 100, 4);
    for (int i = 0; i < 4; i++) {
        past[i] = (struct vh_model_call){ (4 - i) * SECOND, 100000 };
    }
    past_count = 4;
    must_not(&model, 1, VIV_E_BUSY, "has room again in 60 seconds");
    now_ns += 60 * SECOND;
    must_enter(&model, 1);
}

/* Ten calls of ten minutes that end together give back what time has given back already: others came in for it. */
static void
test_calls_that_end_late_let_no_more_in_than_the_rate(void **state)
{
    (void)state;
    struct vh_model model = model_of("late", 0, 1000, 64);
    for (int i = 0; i < 10; i++, now_ns += 60 * SECOND) {
        must_enter(&model, 500);
    }
    int64_t tokens = 0;
    for (int i = 0; i < 10; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        while (enter(&model, 500, &err) == VIV_OK) {
            tokens += 500;
        }
        vh_model_leave(flows, &model, &places[i], &(struct vh_model_leave){ .end = VH_MODEL_GOOD, .used = 0 });
    }
    assert_in_range(tokens, 500, 1000);
}

static void
test_a_call_gives_back_no_more_than_it_took_whatever_the_limits_are_now(void **state)
{
    (void)state;
    struct vh_model before = model_of("reloaded", 0, 1000000, 4), now = model_of("reloaded", 0, 1000, 4);
    must_enter(&before, 500);
    must_enter(&now, 400);
    vh_model_leave(flows, &before, &places[0], &(struct vh_model_leave){ .end = VH_MODEL_UNSENT, .used = -1 });
    must_not(&now, 400, VIV_E_BUSY, "has room again in 36 seconds");
}

/* ---- at one time ---- */

static void
test_so_many_at_one_time(void **state)
{
    (void)state;
    struct vh_model model = model_of("narrow", 0, 0, 2);
    must_enter(&model, 1);
    must_enter(&model, 1);
    must_not(&model, 1, VIV_E_BUSY, "model 'narrow' has 2 calls at one time, which is all it may have");
    leave(&model, VH_MODEL_OTHER, -1);
    must_enter(&model, 1);
}

static void
test_a_cancelled_one_does_not_wait(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    atomic_uint cancel = 1;
    struct vh_model model = model_of("cancelled", 0, 0, 1);
    must_enter(&model, 1);
    assert_int_equal(vh_model_enter(flows, &model, 1, now_ns + 3600 * SECOND, &cancel, &places[1], &err),
                     VIV_E_CANCELLED);
    assert_string_equal(err.text, "the work was stopped while it waited for model 'cancelled'");
}

static void
test_more_models_than_a_host_keeps_are_refused(void **state)
{
    (void)state;
    char names[65][16];
    for (int i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        struct vh_model model = model_of(names[i], 0, 0, 1);
        if (i < 64) {
            must_enter(&model, 1);
        } else {
            must_not(&model, 1, VIV_E_LIMIT, "this host has called 64 models under different names");
        }
    }
}

/* ---- failures ---- */

static void
fail_times(const struct vh_model *model, int times)
{
    for (int i = 0; i < times; i++) {
        must_enter(model, 1);
        leave(model, VH_MODEL_FAILED, -1);
    }
}

static void
test_five_failures_rest_a_model_and_one_call_tries_it(void **state)
{
    (void)state;
    struct vh_model model = model_of("down", 0, 0, 4);
    fail_times(&model, 4);
    must_enter(&model, 1);
    leave(&model, VH_MODEL_GOOD, -1);
    fail_times(&model, 5); /* in a row, and only then */
    must_not(&model, 1, VIV_E_UNAVAILABLE, "model 'down' failed 5 times in a row and rests for 60 more seconds");
    now_ns += 60 * SECOND;
    must_enter(&model, 1);
    must_not(&model, 1, VIV_E_UNAVAILABLE, "failed 5 times in a row"); /* one tries it, the others wait */
    leave(&model, VH_MODEL_FAILED, -1);
    must_not(&model, 1, VIV_E_UNAVAILABLE, "failed 6 times in a row");
    now_ns += 60 * SECOND;
    must_enter(&model, 1);
    leave(&model, VH_MODEL_GOOD, -1);
    must_enter(&model, 1);
}

static void
test_a_trial_that_was_never_sent_leaves_the_next_to_try(void **state)
{
    (void)state;
    struct vh_model model = model_of("trial", 0, 0, 4);
    fail_times(&model, 5);
    now_ns += 60 * SECOND;
    must_enter(&model, 1);
    leave(&model, VH_MODEL_UNSENT, -1);
    must_enter(&model, 1);
}

static void
test_only_the_call_that_tries_it_ends_a_rest(void **state)
{
    (void)state;
    struct vh_model model = model_of("resting", 0, 0, 8);
    must_enter(&model, 1); /* before the failures, and longer */
    fail_times(&model, 5);
    leave(&model, VH_MODEL_UNSENT, -1);
    must_not(&model, 1, VIV_E_UNAVAILABLE, "model 'resting' failed 5 times in a row and rests for 60 more seconds");
}

/* A task comes again five times within half a minute: sent away by a model that rests, it would have failed. */
static void
test_a_rest_is_waited_for_by_who_has_the_time(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_model model = model_of("patience", 0, 0, 8);
    fail_times(&model, 5);
    assert_int_equal(vh_model_enter(flows, &model, 1, now_ns + 59 * SECOND, NULL, &places[0], &err),
                     VIV_E_UNAVAILABLE);
    tick_ns = 4 * SECOND;
    assert_int_equal(vh_model_enter(flows, &model, 1, now_ns + 61 * SECOND, NULL, &places[0], &err), VIV_OK);
    assert_in_range(now_ns, START + 60 * SECOND, START + 70 * SECOND);
}

static void
test_what_a_provider_asks_to_wait_is_waited(void **state)
{
    (void)state;
    struct vh_model model = model_of("slow", 0, 0, 4);
    must_enter(&model, 1);
    leave_with(&model, &(struct vh_model_leave){ .end = VH_MODEL_OTHER, .used = -1,
                                                            .retry_after_ns = 7 * SECOND });
    must_not(&model, 1, VIV_E_BUSY, "has room again in 7 seconds");
    now_ns += 7 * SECOND;
    must_enter(&model, 1);
}

/* ---- lengths ---- */

static void
test_ninety_five_of_a_hundred_answers_are_no_longer(void **state)
{
    (void)state;
    struct vh_model model = model_of("long", 0, 0, 1);
    assert_int_equal(vh_model_expected(flows, &model), 0);
    for (int i = 1; i <= 300; i++) { /* the last 128 count: 173 to 300 */
        must_enter(&model, 1);
        leave_with(&model, &(struct vh_model_leave){ .end = VH_MODEL_GOOD, .used = -1, .output = i });
    }
    assert_int_equal(vh_model_expected(flows, &model), 172 + 122);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_minute_has_more_calls_than_the_rate),
        TEST(test_no_minute_has_more_tokens_than_the_rate),
        TEST(test_a_call_above_the_burst_is_let_in_when_nothing_went_before),
        TEST(test_what_was_not_sent_is_given_back),
        TEST(test_tokens_that_were_not_used_are_given_back),
        TEST(test_a_host_that_starts_again_has_no_new_minute),
        TEST(test_what_was_before_keeps_nobody_longer_than_a_minute),
        TEST(test_calls_that_end_late_let_no_more_in_than_the_rate),
        TEST(test_a_call_gives_back_no_more_than_it_took_whatever_the_limits_are_now),
        TEST(test_so_many_at_one_time),
        TEST(test_a_cancelled_one_does_not_wait),
        TEST(test_more_models_than_a_host_keeps_are_refused),
        TEST(test_five_failures_rest_a_model_and_one_call_tries_it),
        TEST(test_a_trial_that_was_never_sent_leaves_the_next_to_try),
        TEST(test_only_the_call_that_tries_it_ends_a_rest),
        TEST(test_a_rest_is_waited_for_by_who_has_the_time),
        TEST(test_what_a_provider_asks_to_wait_is_waited),
        TEST(test_ninety_five_of_a_hundred_answers_are_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
