/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, work could cost more than was held for it, or cost nothing because a sum wrapped
 * around. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "test_bench.h"

#define SECOND_NS INT64_C(1000000000)

static const struct ledger_prices prices = {1000, 100, 7};

static void
worst_case_counts_started_seconds(void **state)
{
    (void)state;
    int64_t micro = -1;
    assert_int_equal(ledger_worst_task(&prices, 1, &micro, NULL), VIV_OK);
    assert_int_equal(micro, 1100);
    assert_int_equal(ledger_worst_task(&prices, SECOND_NS, &micro, NULL), VIV_OK);
    assert_int_equal(micro, 1100);
    assert_int_equal(ledger_worst_task(&prices, SECOND_NS + 1, &micro, NULL), VIV_OK);
    assert_int_equal(micro, 1200);
}

static void
sums_never_wrap(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    int64_t micro = 42;
    struct ledger_prices dear = {1, INT64_MAX, 0};
    assert_int_equal(ledger_worst_task(&dear, 2 * SECOND_NS, &micro, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "the most one hold may be"));
    assert_int_equal(micro, 42);
    struct ledger_prices edge = {INT64_MAX, 1, 0};
    assert_int_equal(ledger_worst_task(&edge, SECOND_NS, &micro, &err), VIV_E_LIMIT);
    struct ledger_prices exact = {LEDGER_MICRO_MAX - 1, 1, 0};
    assert_int_equal(ledger_worst_task(&exact, SECOND_NS, &micro, &err), VIV_OK);
    assert_int_equal(micro, LEDGER_MICRO_MAX);
    assert_int_equal(ledger_worst_task(&prices, 0, &micro, &err), VIV_E_INVALID);
    assert_string_equal(err.text, "time limit is 0 ns, allowed 1 and more");
    assert_int_equal(ledger_worst_task(&prices, -5, &micro, &err), VIV_E_INVALID);
}

static int64_t
total(struct ledger_cost cost)
{
    return cost.model_micro + cost.effects_micro + cost.work_micro;
}

static void
settlement_stays_within_the_hold(void **state)
{
    (void)state;
    struct ledger_cost cost;
    struct ledger_usage usage = {3 * SECOND_NS, 10, 500};
    assert_int_equal(ledger_settle(&prices, &usage, 10000, &cost, NULL), VIV_OK);
    assert_int_equal(cost.model_micro, 500);
    assert_int_equal(cost.effects_micro, 70);
    assert_int_equal(cost.work_micro, 1300);
    for (int64_t held = 0; held < 2000; held++) {
        assert_int_equal(ledger_settle(&prices, &usage, held, &cost, NULL), VIV_OK);
        assert_int_equal(total(cost), held < 1870 ? held : 1870);
    }
    struct ledger_usage huge = {INT64_MAX, INT64_MAX, INT64_MAX};
    assert_int_equal(ledger_settle(&prices, &huge, LEDGER_MICRO_MAX, &cost, NULL), VIV_OK);
    assert_int_equal(total(cost), LEDGER_MICRO_MAX);
    struct ledger_usage many = {0, INT64_MAX, 0};
    assert_int_equal(ledger_settle(&prices, &many, 5000, &cost, NULL), VIV_OK);
    assert_int_equal(cost.effects_micro, 5000);
}

static void
what_was_not_started_costs_nothing(void **state)
{
    (void)state;
    struct ledger_cost cost = {1, 2, 3};
    struct ledger_usage usage = {0, 0, 0};
    assert_int_equal(ledger_settle(&prices, &usage, 10000, &cost, NULL), VIV_OK);
    assert_int_equal(total(cost), 0);
    usage.effects = 1;
    assert_int_equal(ledger_settle(&prices, &usage, 10000, &cost, NULL), VIV_OK);
    assert_int_equal(total(cost), prices.base_micro + prices.effect_micro);
}

static void
a_settled_task_never_exceeds_its_estimate(void **state)
{
    (void)state;
    for (int64_t time = 1; time < 5 * SECOND_NS; time += SECOND_NS / 7) {
        int64_t worst = 0;
        struct ledger_cost cost;
        struct ledger_usage usage = {time, 0, 0};
        assert_int_equal(ledger_worst_task(&prices, time, &worst, NULL), VIV_OK);
        assert_int_equal(ledger_settle(&prices, &usage, LEDGER_MICRO_MAX, &cost, NULL), VIV_OK);
        assert_true(total(cost) <= worst);
    }
}

static void
negative_use_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct ledger_usage usage;
        int64_t held_micro;
        const char *text;
    } bad[] = {
        {{-1, 0, 0}, 1, "'wall_ns' is -1, allowed 0 and more"},
        {{0, -2, 0}, 1, "'effects' is -2, allowed 0 and more"},
        {{0, 0, -3}, 1, "'model_micro' is -3, allowed 0 and more"},
        {{0, 0, 0}, -4, "'held_micro' is -4, allowed 0 and more"},
        {{0, 0, 0},
         LEDGER_MICRO_MAX + 1,
         "'held_micro' is 1000000000001, allowed 0 to 1000000000000"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        struct ledger_cost cost = {1, 2, 3};
        assert_int_equal(ledger_settle(&prices, &bad[i].usage, bad[i].held_micro, &cost, &err),
                         VIV_E_INVALID);
        assert_string_equal(err.text, bad[i].text);
        assert_int_equal(total(cost), 6);
    }
}

/* The methods, through the entry as a host sees them. */
static void
another_abi_is_refused(void **state)
{
    (void)state;
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, 99, 0};
    struct viv_refusal refusal = {.size = (uint32_t)sizeof refusal, .rev = 1};
    assert_null(viv_plugin_entry(&offer, &refusal));
    assert_int_equal(refusal.status, VIV_E_VERSION);
    assert_string_equal(
        refusal.text, "plugin 'viv.economy_ledger' was built for plugin ABI 1, the host offers 99; "
                      "rebuild it with the headers of this host");
}

static void
memory_running_out_is_a_status(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct viv_economy_estimate_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .work_json = fake_str("{\"kind\":\"task\",\"task\":\"t-1\"}"),
        .policy_json = fake_str("[]")};
    uint64_t points = 0;
    viv_status status = VIV_E_MEMORY;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        assert_true(points < 10000); /* no memory ever again */
        struct viv_economy_estimate_answer answer = {.size = (uint32_t)sizeof answer, .rev = 1};
        struct viv_error err = VIV_ERROR_INIT;
        bench.call.fail_at = n;
        bench.call.allocations = 0;
        status = bench.table->estimate(bench.self, &bench.call.call, &request, &answer, &err);
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
        assert_true(status == VIV_OK ||
                    (answer.worst_case_micro == 0 && answer.scopes_json.data == NULL));
    }
    assert_true(points >= 2);
    bench_end(&bench);
}

/* A queue file's max_budget that counts for nothing would let a task spend twenty times of it. */
static void
the_request_limits_itself(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    static const char *const rows[][2] = { { "70000", "\"limit_micro\":70000" },
                                           { "9000000", "\"limit_micro\":1000000" } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char work[128];
        snprintf(work, sizeof work, "{\"kind\":\"task\",\"task\":\"t-1\",\"limit_micro\":%s}", rows[i][0]);
        struct viv_economy_estimate_request request = {(uint32_t)sizeof request, 1, fake_str(work),
                                                       fake_str("[]")};
        struct viv_economy_estimate_answer answer = {.size = (uint32_t)sizeof answer, .rev = 1};
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(bench.table->estimate(bench.self, &bench.call.call, &request, &answer, &err), VIV_OK);
        char scopes[512];
        snprintf(scopes, sizeof scopes, "%.*s", (int)answer.scopes_json.len, answer.scopes_json.data);
        bench_holds(scopes, rows[i][1]);
    }
    bench_end(&bench);
}

static void
refuse_estimate(struct bench *bench, struct viv_str work, struct viv_str policy, viv_status wanted,
                const char *text)
{
    struct viv_economy_estimate_request request = {(uint32_t)sizeof request, 1, work, policy};
    struct viv_economy_estimate_answer answer = {.size = (uint32_t)sizeof answer, .rev = 1};
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(bench->table->estimate(bench->self, &bench->call.call, &request, &answer, &err),
                     wanted);
    bench_holds(err.text, text);
    assert_int_equal(answer.worst_case_micro, 0);
}

static void
hostile_documents_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct viv_str work = fake_str("{\"kind\":\"task\",\"task\":\"t-1\"}");
    struct viv_str none = fake_str("[]");
    refuse_estimate(&bench, fake_str(""), none, VIV_E_INVALID, "work_json is not JSON");
    refuse_estimate(&bench, fake_str("{\"kind\":\"task\",\"kind\":\"effect\"}"), none, VIV_E_INVALID,
                    "duplicate");
    refuse_estimate(&bench, fake_str("[1]"), none, VIV_E_INVALID, "task id '' is not allowed");
    refuse_estimate(&bench, work, fake_str("7"), VIV_E_INVALID,
                    "limits.time_ns of the policy is not an integer");
    refuse_estimate(&bench, work, fake_str("{\"limits\":7}"), VIV_E_INVALID, "is not an integer");
    refuse_estimate(&bench, fake_str("{\"kind\":\"task\",\"task\":\"t-1\",\"limit_micro\":-1}"), none,
                    VIV_E_INVALID, "limit_micro is -1, allowed 0 and more");
    char deep[200];
    memset(deep, '[', sizeof deep);
    refuse_estimate(&bench, (struct viv_str){deep, sizeof deep}, none, VIV_E_INVALID,
                    "nested 200 deep, allowed 64");
    uint64_t size = (uint64_t)VIV_QUEUE_BYTES_MAX + 1;
    char *huge = calloc(1, size);
    assert_non_null(huge);
    refuse_estimate(&bench, (struct viv_str){huge, size}, none, VIV_E_LIMIT, "allowed 67108864");
    free(huge);
    bench_end(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worst_case_counts_started_seconds),
        cmocka_unit_test(sums_never_wrap),
        cmocka_unit_test(settlement_stays_within_the_hold),
        cmocka_unit_test(what_was_not_started_costs_nothing),
        cmocka_unit_test(a_settled_task_never_exceeds_its_estimate),
        cmocka_unit_test(negative_use_is_refused),
        cmocka_unit_test(another_abi_is_refused),
        cmocka_unit_test(memory_running_out_is_a_status),
        cmocka_unit_test(the_request_limits_itself),
        cmocka_unit_test(hostile_documents_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
