/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a provider that fails or costs too much is called for ever, or work stops though nothing is wrong. */
#include "cm.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"
#include "run/model_breaker.h"

#define SECOND INT64_C(1000000000)

static struct vh_model_breaker breaker;
static struct vh_arena *arena;
static int64_t now_ns;

static int
set_up(void **state)
{
    (void)state;
    memset(&breaker, 0, sizeof breaker);
    now_ns = 1000 * SECOND;
    arena = vh_arena_create(NULL, 0);
    return arena ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_arena_destroy(arena);
    return 0;
}

static const struct vh_json *
rules_of(int64_t cost_micro, int64_t failures, int64_t window_ns)
{
    struct vh_json *rules = vh_json_object(arena);
    vh_json_set_int(arena, rules, "cost_micro", cost_micro);
    vh_json_set_int(arena, rules, "failures", failures);
    vh_json_set_int(arena, rules, "window_ns", window_ns);
    return rules;
}

static bool
call(const struct vh_json *rules, int64_t cost_micro, enum vh_model_end end)
{
    return vh_model_breaker_count(&breaker, rules,
                                  &(struct vh_model_counted){ VH_STR("small"), cost_micro, end }, now_ns);
}

static void
test_five_failures_in_a_row_trip_it_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++, now_ns += 3600 * SECOND) {
        assert_false(call(NULL, 0, VH_MODEL_FAILED));
    }
    assert_true(call(NULL, 0, VH_MODEL_FAILED));
    assert_string_equal(breaker.why, "5 calls to models failed, the last to 'small'; the policy's "
                                     "breaker.failures is 5");
    assert_true(breaker.tripped);
    assert_false(call(NULL, 0, VH_MODEL_FAILED)); /* it has tripped */
}

static void
test_only_a_good_call_ends_a_row(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 4; i++, now_ns += 3600 * SECOND) {
            assert_false(call(NULL, 0, VH_MODEL_FAILED));
        }
        assert_false(call(NULL, 0, VH_MODEL_GOOD));
    }
    for (int i = 0; i < 4; i++, now_ns += 3600 * SECOND) {
        assert_false(call(NULL, 0, VH_MODEL_FAILED));
        assert_false(call(NULL, 0, VH_MODEL_OTHER)); /* stopped from here, or the request's own fault */
        assert_false(call(NULL, 0, VH_MODEL_UNSENT));
    }
    assert_true(call(NULL, 0, VH_MODEL_FAILED));
}

/* Whatever number of failures the policy says, up to the most it may. */
static void
test_failures_between_good_calls_trip_it_within_the_window(void **state)
{
    (void)state;
    static const int64_t allowed[] = { 1, 5, 16, 17, 100, VH_MODEL_BREAKER_FAILURES_MAX };
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        const struct vh_json *rules = rules_of(1000000, allowed[i], 300 * SECOND);
        memset(&breaker, 0, sizeof breaker);
        for (int64_t n = 1; n <= allowed[i]; n++) {
            bool trips = call(rules, 0, VH_MODEL_FAILED);
            if (trips != (n == allowed[i])) {
                fail_msg("%d failures are allowed, failure %d trips: %d", (int)allowed[i], (int)n, trips);
            }
            assert_false(call(rules, 0, VH_MODEL_GOOD));
        }
    }
}

static void
test_failures_before_the_window_do_not_count(void **state)
{
    (void)state;
    const struct vh_json *rules = rules_of(1000000, 3, 60 * SECOND);
    for (int i = 0; i < 50; i++, now_ns += 31 * SECOND) {
        assert_false(call(rules, 0, VH_MODEL_FAILED));
        assert_false(call(rules, 0, VH_MODEL_GOOD));
    }
}

static void
test_cost_that_reaches_the_limit_trips_it(void **state)
{
    (void)state;
    const struct vh_json *rules = rules_of(2500001, 5, SECOND);
    assert_false(call(rules, 2500000, VH_MODEL_GOOD));
    assert_true(call(rules, 1, VH_MODEL_OTHER));
    assert_string_equal(breaker.why, "calls to models cost 2.500001, the policy's breaker.cost is "
                                     "2.500001");
    memset(&breaker, 0, sizeof breaker);
    assert_false(call(NULL, 99999999, VH_MODEL_GOOD)); /* without a word of the policy: 100 */
    assert_true(call(NULL, 1, VH_MODEL_GOOD));
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_five_failures_in_a_row_trip_it_once),
        TEST(test_only_a_good_call_ends_a_row),
        TEST(test_failures_between_good_calls_trip_it_within_the_window),
        TEST(test_failures_before_the_window_do_not_count),
        TEST(test_cost_that_reaches_the_limit_trips_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
