/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a call to a model could be free, cost more than was held for it, or be booked on
 * another day's account. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "ledger.h"
#include "test_bench.h"

#define PRICE                                                                                      \
    "{\"input_micro\":50000,\"cached_micro\":25000,\"cache_write_micro\":62500,"                   \
    "\"output_micro\":80000}"
#define CALL(rest) "{\"kind\":\"effect\",\"effect\":\"model\",\"task\":\"t-1\"," rest "}"
#define NAMED "\"model\":\"small\",\"price\":" PRICE ","
#define HOME "{\"limit_micro\":100000000,\"scope\":\"home\"}"
#define TASK "{\"limit_micro\":1000000,\"scope\":\"task:t-1\"}"

static struct viv_economy_estimate_answer
ask(struct bench *bench, const char *work, const char *policy)
{
    struct viv_economy_estimate_request request = {(uint32_t)sizeof request, 1, fake_str(work),
                                                   fake_str(policy)};
    struct viv_economy_estimate_answer answer = {.size = (uint32_t)sizeof answer, .rev = 1};
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status =
        bench->table->estimate(bench->self, &bench->call.call, &request, &answer, &err);
    if (status != VIV_OK) {
        fail_msg("%s: %s", work, err.text);
    }
    return answer;
}

static void
a_call_pays_for_the_dearest_input(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    /* 100001 * 0.0625 + 1000 * 0.08 = 6330.0625 */
    struct viv_economy_estimate_answer answer =
        ask(&bench, CALL(NAMED "\"input_tokens\":100001,\"output_tokens\":1000"), "[]");
    assert_int_equal(answer.worst_case_micro, 6331);
    assert_int_equal(answer.output_tokens, 1000);
    assert_int_equal(answer.output_tokens_min, 1000);
    bench_equal(answer.scopes_json, "[" HOME "," TASK "]");
    answer = ask(&bench, CALL(NAMED "\"input_tokens\":0,\"output_tokens\":1"), "[]");
    assert_int_equal(answer.worst_case_micro, 1); /* nothing that is sent is rounded to nothing */
    answer = ask(&bench, CALL(NAMED "\"input_tokens\":0,\"output_tokens\":0"), "[]");
    assert_int_equal(answer.worst_case_micro, 0);
    bench_end(&bench);
}

static void
an_effect_without_a_model_stays_as_it_is(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct viv_economy_estimate_answer answer =
        ask(&bench, "{\"kind\":\"effect\",\"task\":\"t-1\",\"effect\":\"exec\"}",
            "{\"limits\":{\"day_micro\":5,\"model_micro\":6,\"holds\":\"borrow\"}}");
    assert_int_equal(answer.worst_case_micro, 0);
    assert_int_equal(answer.output_tokens, 0);
    assert_int_equal(answer.output_tokens_min, 0);
    bench_equal(answer.scopes_json, "[" HOME "," TASK "]");
    bench_end(&bench);
}

/* 2026-11-27T12:31:21Z */
#define NOW "\"now_us\":1795782681000000"

static void
accounts_are_those_with_limits(void **state)
{
    (void)state;
    static const struct {
        const char *work;
        const char *policy;
        const char *scopes;
    } rows[] = {
        {CALL(NAMED NOW ",\"input_tokens\":1,\"output_tokens\":1"),
         "{\"limits\":{\"model_micro\":7,\"day_micro\":8,\"month_micro\":9}}",
         "[" HOME "," TASK ",{\"limit_micro\":7,\"scope\":\"model:small\"},"
         "{\"limit_micro\":8,\"scope\":\"home:day:2026-11-27\"},"
         "{\"limit_micro\":9,\"scope\":\"home:month:2026-11\"}]"},
        {CALL(NAMED NOW ",\"input_tokens\":1,\"output_tokens\":1"),
         "{\"limits\":{\"month_micro\":9}}",
         "[" HOME "," TASK ",{\"limit_micro\":9,\"scope\":\"home:month:2026-11\"}]"},
        {CALL(NAMED NOW ",\"input_tokens\":1,\"output_tokens\":1,\"limit_micro\":3"),
         "[{\"limits\":{\"model_micro\":7,\"day_micro\":80}},"
         "{\"limits\":{\"model_micro\":70,\"day_micro\":8}}]",
         "[" HOME ",{\"limit_micro\":3,\"scope\":\"task:t-1\"},"
         "{\"limit_micro\":7,\"scope\":\"model:small\"},"
         "{\"limit_micro\":8,\"scope\":\"home:day:2026-11-27\"}]"},
        {CALL(NAMED NOW ",\"input_tokens\":1,\"output_tokens\":1"),
         "{\"limits\":{\"model_micro\":7},\"ceilings\":{\"model_micro\":6,\"day_micro\":5}}",
         "[" HOME "," TASK ",{\"limit_micro\":6,\"scope\":\"model:small\"},"
         "{\"limit_micro\":5,\"scope\":\"home:day:2026-11-27\"}]"},
        {"{\"kind\":\"task\",\"task\":\"t-1\"," NOW "}",
         "{\"limits\":{\"model_micro\":7,\"day_micro\":8,\"month_micro\":9}}",
         "[" HOME "," TASK ",{\"limit_micro\":8,\"scope\":\"home:day:2026-11-27\"},"
         "{\"limit_micro\":9,\"scope\":\"home:month:2026-11\"}]"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_equal(ask(&bench, rows[i].work, rows[i].policy).scopes_json, rows[i].scopes);
    }
    bench_end(&bench);
}

static void
days_are_those_of_the_calendar(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        struct ledger_date date;
    } rows[] = {
        {0, {1970, 1, 1}},           {86399, {1970, 1, 1}},        {86400, {1970, 1, 2}},
        {951782399, {2000, 2, 28}},  {951782400, {2000, 2, 29}},   {951868800, {2000, 3, 1}},
        {1709164800, {2024, 2, 29}}, {1735689599, {2024, 12, 31}}, {1735689600, {2025, 1, 1}},
        {1740787199, {2025, 2, 28}}, {1740787200, {2025, 3, 1}},   {4107542400, {2100, 3, 1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger_date date = ledger_date_of(rows[i].seconds * 1000000);
        assert_int_equal(date.year, rows[i].date.year);
        assert_int_equal(date.month, rows[i].date.month);
        assert_int_equal(date.day, rows[i].date.day);
    }
    struct ledger_date last = ledger_date_of(LEDGER_NOW_MAX);
    assert_int_equal(last.year, 9999);
    assert_int_equal(last.month, 12);
    assert_int_equal(last.day, 31);
}

static void
no_mode_lets_an_answer_be_longer_than_its_hold(void **state)
{
    (void)state;
    static const struct {
        const char *holds;
        int asked, expected, output, least;
    } rows[] = {
        {"strict", 4000, 300, 4000, 4000},   {"expected", 4000, 300, 300, 300},
        {"expected", 4000, 10, 256, 256},    {"expected", 100, 10, 100, 100},
        {"expected", 4000, 9000, 4000, 4000}, {"expected", 4000, 0, 4000, 4000},
        {"borrow", 4000, 300, 4000, 300},    {"borrow", 4000, 10, 4000, 256},
        {"borrow", 100, 10, 100, 100},       {"borrow", 4000, 9000, 4000, 4000},
        {"borrow", 4000, 0, 4000, 256},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char work[512];
        char policy[96];
        snprintf(work, sizeof work,
                 CALL(NAMED "\"input_tokens\":0,\"output_tokens\":%d,\"expected_tokens\":%d"),
                 rows[i].asked, rows[i].expected);
        snprintf(policy, sizeof policy, "{\"limits\":{\"holds\":\"%s\"}}", rows[i].holds);
        struct viv_economy_estimate_answer answer = ask(&bench, work, policy);
        assert_int_equal(answer.output_tokens, rows[i].output);
        assert_int_equal(answer.output_tokens_min, rows[i].least);
        assert_int_equal(answer.worst_case_micro, (rows[i].output * 8 + 99) / 100);
    }
    /* the strictest layer counts, and strict when none speaks */
    const char *work = CALL(NAMED "\"input_tokens\":0,\"output_tokens\":4000,\"expected_tokens\":300");
    assert_int_equal(ask(&bench, work, "[]").output_tokens_min, 4000);
    assert_int_equal(ask(&bench, work, "[{\"limits\":{\"holds\":\"borrow\"}},{\"limits\":{\"holds\":\"strict\"}}]")
                         .output_tokens_min,
                     4000);
    bench_end(&bench);
}

static void
refuse(struct bench *bench, const char *work, const char *policy, viv_status wanted, const char *text)
{
    struct viv_economy_estimate_request request = {(uint32_t)sizeof request, 1, fake_str(work),
                                                   fake_str(policy)};
    struct viv_economy_estimate_answer answer = {.size = (uint32_t)sizeof answer, .rev = 1};
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status =
        bench->table->estimate(bench->self, &bench->call.call, &request, &answer, &err);
    bench_holds(err.text, text);
    assert_int_equal(status, wanted);
    assert_int_equal(answer.worst_case_micro, 0);
    assert_null(answer.scopes_json.data);
}

#define TOKENS "\"input_tokens\":1,\"output_tokens\":1"
#define WITH(price) CALL("\"model\":\"small\",\"price\":" price "," TOKENS)

static void
no_call_is_free_by_a_slip(void **state)
{
    (void)state;
    static const struct {
        const char *work;
        const char *text;
    } rows[] = {
        {CALL("\"model\":\"small\"," TOKENS), "price of model 'small' is missing"},
        {WITH("7"), "price of model 'small' is missing, allowed: an object of input_micro, "
                    "cached_micro, cache_write_micro, output_micro"},
        {WITH("{\"input_micro\":1,\"cached_micro\":1,\"cache_write_micro\":1}"),
         "'output_micro' in price of model 'small' is missing"},
        {WITH("{\"input_micro\":1,\"cached_micro\":1,\"output_micro\":1}"),
         "'cache_write_micro' in price of model 'small' is missing"},
        {WITH("{\"input_micro\":-1,\"cached_micro\":1,\"cache_write_micro\":1,\"output_micro\":1}"),
         "'input_micro' in price of model 'small' is -1, allowed: 0 to 1000000000000"},
        {WITH("{\"input_micro\":1,\"cached_micro\":0.5,\"cache_write_micro\":1,\"output_micro\":1}"),
         "'cached_micro' in price of model 'small' is not an integer"},
        {WITH("{\"input_micro\":1,\"cached_micro\":1,\"cache_write_micro\":1,"
              "\"output_micro\":1000000000001}"),
         "'output_micro' in price of model 'small' is 1000000000001, allowed: 0 to 1000000000000"},
        {WITH("{\"input_micro\":1,\"cached_micro\":1,\"cache_write_micro\":1,\"output_micro\":1,"
              "\"image_micro\":1}"),
         "price of model 'small' has an unknown member 'image_micro', allowed: input_micro"},
        {CALL("\"price\":" PRICE "," TOKENS), "model '' is not allowed"},
        {CALL("\"model\":\"a:b\",\"price\":" PRICE "," TOKENS),
         "model 'a:b' is not allowed: 1 to 64 small letters, digits, _ or -"},
        {CALL("\"model\":\"small234567890123456789012345678901234567890123456789012345678901234\","
              "\"price\":" PRICE "," TOKENS),
         "is not allowed: 1 to 64"},
        {"{\"kind\":\"effect\",\"effect\":\"model\",\"task\":\"t-1\"}", "model '' is not allowed"},
        {"{\"kind\":\"effect\",\"task\":\"t-1\",\"output_tokens\":5}", "model '' is not allowed"},
        {CALL(NAMED "\"output_tokens\":1"), "'input_tokens' of the call is missing"},
        {CALL(NAMED "\"input_tokens\":1"), "'output_tokens' of the call is missing"},
        {CALL(NAMED "\"input_tokens\":-1,\"output_tokens\":1"),
         "'input_tokens' of the call is -1, allowed: 0 to 1000000000"},
        {CALL(NAMED "\"input_tokens\":1,\"output_tokens\":1000000001"),
         "'output_tokens' of the call is 1000000001, allowed: 0 to 1000000000"},
        {CALL(NAMED "\"input_tokens\":1.5,\"output_tokens\":1"),
         "'input_tokens' of the call is not an integer"},
        {CALL(NAMED TOKENS ",\"expected_tokens\":-1"), "'expected_tokens' of the call is -1"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refuse(&bench, rows[i].work, "[]", VIV_E_INVALID, rows[i].text);
    }
    bench_end(&bench);
}

static void
limits_that_cannot_be_kept_refuse_the_call(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    const char *call = CALL(NAMED TOKENS);
    refuse(&bench, call, "{\"limits\":{\"day_micro\":1}}", VIV_E_INVALID,
           "now_us is -1 or missing, allowed 0 to 253402300799999999");
    refuse(&bench, "{\"kind\":\"task\",\"task\":\"t-1\"}", "{\"limits\":{\"month_micro\":1}}",
           VIV_E_INVALID, "now_us is -1 or missing");
    refuse(&bench, CALL(NAMED TOKENS ",\"now_us\":253402300800000000"),
           "{\"limits\":{\"month_micro\":1}}", VIV_E_INVALID, "now_us is 253402300800000000");
    refuse(&bench, call, "{\"limits\":{\"model_micro\":-1}}", VIV_E_INVALID,
           "limits.model_micro is -1, allowed 0 and more");
    refuse(&bench, call, "{\"limits\":{\"day_micro\":\"much\"}}", VIV_E_INVALID,
           "limits.day_micro of the policy is not an integer");
    refuse(&bench, call, "{\"limits\":{\"holds\":\"loose\"}}", VIV_E_INVALID,
           "limits.holds is 'loose', allowed: strict, expected, borrow");
    refuse(&bench, call, "{\"limits\":{\"holds\":1}}", VIV_E_INVALID, "limits.holds is 'no text'");
    bench_end(&bench);
}

/* Prices and counts at their bounds neither wrap around nor pass. */
static void
calls_above_the_most_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    static const char dear[] =
        CALL("\"model\":\"small\",\"price\":{\"input_micro\":0,\"cached_micro\":0,"
             "\"cache_write_micro\":1000000000000,\"output_micro\":1000000000000},"
             "\"input_tokens\":1000000000,\"output_tokens\":1000000000");
    refuse(&bench, dear, "[]", VIV_E_LIMIT,
           "worst case of 1000000000 tokens in and 1000000000 out is above 1000000000000 "
           "micro-units, the most one hold may be; lower what is sent");
    struct ledger_tokens price = {{1000000000, 0, 0, 1}};
    struct ledger_tokens tokens = {{1000000000, 0, 0, 0}};
    assert_int_equal(ledger_call_micro(&price, &tokens), LEDGER_MICRO_MAX);
    tokens.of[LEDGER_OUTPUT] = 1;
    assert_int_equal(ledger_call_micro(&price, &tokens), -1);
    for (size_t kind = 0; kind < LEDGER_KINDS; kind++) {
        struct ledger_tokens most = {{0}};
        struct ledger_tokens many = {{0}};
        most.of[kind] = INT64_MAX;
        many.of[kind] = LEDGER_TOKENS_MAX;
        assert_int_equal(ledger_call_micro(&most, &many), -1);
    }
    bench_end(&bench);
}

static viv_status
settle(struct bench *bench, const char *usage, int64_t held, struct viv_economy_settle_answer *answer,
       struct viv_error *err)
{
    struct viv_economy_settle_request request = {(uint32_t)sizeof request, 1, fake_str(usage), held};
    *answer = (struct viv_economy_settle_answer){.size = (uint32_t)sizeof *answer, .rev = 1};
    return bench->table->settle(bench->self, &bench->call.call, &request, answer, err);
}

#define USED(input, cached, written, output)                                                       \
    "{\"model\":\"small\",\"price\":" PRICE ",\"tokens\":{\"input_tokens\":" #input                \
    ",\"cached_tokens\":" #cached ",\"cache_write_tokens\":" #written ",\"output_tokens\":" #output \
    "}}"

static void
each_kind_of_token_has_its_price(void **state)
{
    (void)state;
    static const struct {
        const char *usage;
        int64_t held, cost;
        const char *entries;
    } rows[] = {
        {USED(1000, 0, 0, 0), 999, 50, "[{\"account\":\"home\",\"micro\":50,\"reason\":\"model\"}]"},
        {USED(0, 1000, 0, 0), 999, 25, "[{\"account\":\"home\",\"micro\":25,\"reason\":\"model\"}]"},
        {USED(0, 0, 1000, 0), 999, 63, "[{\"account\":\"home\",\"micro\":63,\"reason\":\"model\"}]"},
        {USED(0, 0, 0, 1000), 999, 80, "[{\"account\":\"home\",\"micro\":80,\"reason\":\"model\"}]"},
        {USED(1, 1, 1, 1), 999, 1, "[{\"account\":\"home\",\"micro\":1,\"reason\":\"model\"}]"},
        {USED(1000, 1000, 1000, 1000), 218, 218,
         "[{\"account\":\"home\",\"micro\":218,\"reason\":\"model\"}]"},
        {USED(1000, 1000, 1000, 1000), 217, 217,
         "[{\"account\":\"home\",\"micro\":217,\"reason\":\"model\"}]"},
        {USED(1000000000, 1000000000, 1000000000, 1000000000), 5, 5,
         "[{\"account\":\"home\",\"micro\":5,\"reason\":\"model\"}]"},
        {"{\"model\":\"small\",\"price\":{\"input_micro\":1000000000000,\"cached_micro\":0,"
         "\"cache_write_micro\":0,\"output_micro\":0},\"tokens\":{\"input_tokens\":1000000000,"
         "\"cached_tokens\":0,\"cache_write_tokens\":0,\"output_tokens\":0}}",
         LEDGER_MICRO_MAX, LEDGER_MICRO_MAX, /* leaves the range */
         "[{\"account\":\"home\",\"micro\":1000000000000,\"reason\":\"model\"}]"},
        {USED(0, 0, 0, 0), 999, 0, "[]"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_economy_settle_answer answer;
        assert_int_equal(settle(&bench, rows[i].usage, rows[i].held, &answer, NULL), VIV_OK);
        assert_int_equal(answer.cost_micro, rows[i].cost);
        bench_equal(answer.entries_json, rows[i].entries);
    }
    bench_end(&bench);
}

#define COUNTS(rest) "{\"model\":\"small\",\"price\":" PRICE ",\"tokens\":" rest "}"

static void
usage_that_cannot_be_priced_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *usage;
        int64_t held;
        const char *text;
    } rows[] = {
        {COUNTS("{\"input_tokens\":1,\"cached_tokens\":0,\"cache_write_tokens\":0}"), 9,
         "'output_tokens' in tokens of model 'small' is missing"},
        {USED(1, -1, 0, 0), 9,
         "'cached_tokens' in tokens of model 'small' is -1, allowed: 0 to 1000000000"},
        {USED(1, 0, 1000000001, 0), 9, "'cache_write_tokens' in tokens of model 'small' is 1000000001"},
        {USED(1.5, 0, 0, 0), 9, "'input_tokens' in tokens of model 'small' is not an integer"},
        {COUNTS("{\"audio_tokens\":1}"), 9,
         "tokens of model 'small' has an unknown member 'audio_tokens', allowed: input_tokens"},
        {COUNTS("[]"), 9, "tokens of model 'small' is missing"},
        {"{\"model\":\"small\",\"tokens\":{}}", 9, "price of model 'small' is missing"},
        {"{\"tokens\":{}}", 9, "model '' is not allowed"},
        {"{\"model\":\"small\",\"price\":" PRICE ",\"wall_ns\":1}", 9,
         "'wall_ns' of a call to a model has no price, allowed: model, price, tokens"},
        {USED(1, 0, 0, 0), -1, "'held_micro' is -1, allowed 0 to 1000000000000"},
        {USED(1, 0, 0, 0), LEDGER_MICRO_MAX + 1, "'held_micro' is 1000000000001"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_economy_settle_answer answer;
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status = settle(&bench, rows[i].usage, rows[i].held, &answer, &err);
        bench_holds(err.text, rows[i].text);
        assert_int_equal(status, VIV_E_INVALID);
        assert_int_equal(answer.cost_micro, 0);
        assert_null(answer.entries_json.data);
    }
    bench_end(&bench);
}

/* However the provider splits the input, the hold covers it. */
static void
a_call_never_costs_more_than_its_worst_case(void **state)
{
    (void)state;
    static const struct ledger_tokens prices[] = {
        {{50000, 25000, 62500, 80000}}, {{3, 7, 5, 1}}, {{9, 1, 1, 0}}, {{0, 0, 0, 0}}};
    for (size_t p = 0; p < sizeof prices / sizeof *prices; p++) {
        for (int64_t cached = 0; cached <= 30; cached++) {
            for (int64_t written = 0; written + cached <= 30; written++) {
                struct ledger_tokens tokens = {{30 - cached - written, cached, written, 17}};
                int64_t worst = -1;
                assert_int_equal(ledger_worst_call(&prices[p], 30, 17, &worst, NULL), VIV_OK);
                assert_true(ledger_call_micro(&prices[p], &tokens) <= worst);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_pays_for_the_dearest_input),
        cmocka_unit_test(an_effect_without_a_model_stays_as_it_is),
        cmocka_unit_test(accounts_are_those_with_limits),
        cmocka_unit_test(days_are_those_of_the_calendar),
        cmocka_unit_test(no_mode_lets_an_answer_be_longer_than_its_hold),
        cmocka_unit_test(no_call_is_free_by_a_slip),
        cmocka_unit_test(limits_that_cannot_be_kept_refuse_the_call),
        cmocka_unit_test(calls_above_the_most_are_refused),
        cmocka_unit_test(each_kind_of_token_has_its_price),
        cmocka_unit_test(usage_that_cannot_be_priced_is_refused),
        cmocka_unit_test(a_call_never_costs_more_than_its_worst_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
