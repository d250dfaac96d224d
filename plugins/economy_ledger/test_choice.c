/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, work goes to a model that nobody allowed, or to a dear one for no reason that the
 * log could tell. */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "goal.h"
#include "test_bench.h"

#define P(in, out)                                                                                 \
    "{\"input_micro\":" #in ",\"cached_micro\":" #in ",\"cache_write_micro\":" #in                 \
    ",\"output_micro\":" #out "}"
#define M(name, tier, price) "\"" name "\":{\"tier\":\"" tier "\",\"price\":" price "}"
/* cheap tiers have two equal models; "big" is cheaper than "huge" by the sum, not by the input */
#define MODELS                                                                                     \
    "{" M("tiny-b", "fast", P(50, 80)) "," M("tiny-a", "fast", P(80, 50)) ","                      \
    M("mid", "medium", P(300, 300)) "," M("huge", "strong", P(400, 900)) ","                       \
    M("big", "strong", P(500, 700)) "}"
#define ROUTING(allow)                                                                             \
    "{\"tiers\":[\"fast\",\"medium\",\"strong\"],\"default\":\"medium\","                          \
    "\"low_budget_micro\":50000,\"complex_above\":8,\"allow\":" allow "}"
#define POLICY(allow) "{\"models\":" MODELS ",\"routing\":" ROUTING(allow) "}"
#define ALL "[\"tiny-a\",\"tiny-b\",\"mid\",\"huge\",\"big\"]"

#define GOAL "\"goal\":\"rewrite the index\""                     /* score 2: default */
#define COMPLEX "\"goal\":\"optimize algorithm async pipeline sql\"" /* score 10 */

static viv_status
ask(struct bench *bench, const char *choice, const char *policy,
    struct viv_economy_choose_answer *answer, struct viv_error *err)
{
    struct viv_economy_choose_request request = {(uint32_t)sizeof request, 1, fake_str(choice),
                                                 fake_str(policy)};
    *answer = (struct viv_economy_choose_answer){.size = (uint32_t)sizeof *answer, .rev = 1};
    return bench->table->choose(bench->self, &bench->call.call, &request, answer, err);
}

struct row {
    const char *choice;
    const char *policy; /* NULL: all models */
    const char *model;
    const char *rule;
    const char *reason;
};

static void
check(const struct row *rows, size_t count)
{
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < count; i++) {
        struct viv_economy_choose_answer answer;
        struct viv_error err = VIV_ERROR_INIT;
        const char *policy = rows[i].policy ? rows[i].policy : POLICY(ALL);
        if (ask(&bench, rows[i].choice, policy, &answer, &err) != VIV_OK) {
            fail_msg("%s: %s", rows[i].choice, err.text);
        }
        bench_equal(answer.reason, rows[i].reason);
        bench_equal(answer.model, rows[i].model);
        bench_equal(answer.rule, rows[i].rule);
    }
    bench_end(&bench);
}

#define CHECK(rows) check(rows, sizeof rows / sizeof *rows)

static void
each_rule_says_why(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"asked\":\"huge\"," GOAL "}", NULL, "huge", "asked", "model 'huge' is asked for"},
        {"{\"asked\":\"strong\"," GOAL "}", NULL, "big", "asked",
         "tier 'strong' is asked for: 'big' is the cheapest of tier strong"},
        {"{\"rejected\":[\"tiny-a\"]," GOAL "}", NULL, "mid", "rejected",
         "work of 'tiny-a', tier fast, was rejected: 'mid' is the cheapest of tier medium"},
        {"{\"left_micro\":49999," GOAL "}", NULL, "tiny-a", "low-budget",
         "49999 micro-units are left, below the low budget of 50000: 'tiny-a' is the cheapest of "
         "tier fast"},
        {"{\"learned\":[{\"pattern\":\"sql\",\"tier\":\"fast\"},"
         "{\"pattern\":\"index\",\"tier\":\"strong\"}]," GOAL "}",
         NULL, "big", "learned",
         "goals of the kind 'index' needed tier strong: 'big' is the cheapest of tier strong"},
        {"{" COMPLEX "}", NULL, "big", "complex",
         "score 10 is above 8: 'big' is the cheapest of tier strong"},
        {"{\"goal\":\"add docs\"}", NULL, "tiny-a", "simple",
         "2 words, fewer than 12, and score 0: 'tiny-a' is the cheapest of tier fast"},
        {"{" GOAL "}", NULL, "mid", "default",
         "score 2 is not above 8: 'mid' is the cheapest of tier medium"},
        {"{\"goal\":\"a b c d e f g h i j k l\"}", NULL, "mid", "default", /* 12 words score 1 */
         "score 1 is not above 8: 'mid' is the cheapest of tier medium"},
        {"{\"goal\":\"a b c d e f g\"}", NULL, "tiny-a", "simple",
         "7 words, fewer than 12, and score 0: 'tiny-a' is the cheapest of tier fast"},
        {"{\"goal\":\"optimize algorithm async pipeline\"}", NULL, "mid", "default",
         "score 8 is not above 8: 'mid' is the cheapest of tier medium"},
    };
    CHECK(rows);
}

static void
rules_have_an_order(void **state)
{
    (void)state;
#define REJECTED "\"rejected\":[\"tiny-a\"],"
#define LOW "\"left_micro\":0,"
#define LEARNED "\"learned\":[{\"pattern\":\"index\",\"tier\":\"strong\"}],"
    static const struct row rows[] = {
        {"{\"asked\":\"tiny-b\"," REJECTED LOW LEARNED GOAL "}", NULL, "tiny-b", "asked",
         "model 'tiny-b' is asked for"},
        {"{\"asked\":\"mid\",\"goal\":\"use big\"}", NULL, "mid", "asked", "model 'mid' is asked for"},
        {"{" REJECTED LOW LEARNED "\"goal\":\"use huge\"}", NULL, "huge", "asked",
         "the goal says 'use huge'"},
        {"{" REJECTED LOW LEARNED GOAL "}", NULL, "mid", "rejected",
         "work of 'tiny-a', tier fast, was rejected: 'mid' is the cheapest of tier medium"},
        {"{\"asked\":\"\",\"rejected\":[]," LOW LEARNED GOAL "}", NULL, "tiny-a", "low-budget",
         "0 micro-units are left, below the low budget of 50000: 'tiny-a' is the cheapest of tier "
         "fast"},
        {"{\"left_micro\":50000," LEARNED GOAL "}", NULL, "big", "learned",
         "goals of the kind 'index' needed tier strong: 'big' is the cheapest of tier strong"},
        {"{\"learned\":[{\"pattern\":\"algorithm,async,optimize,pipeline,sql\",\"tier\":\"fast\"}],"
         COMPLEX "}",
         NULL, "tiny-a", "learned",
         "goals of the kind 'algorithm,async,optimize,pipeline,sql' needed tier fast: 'tiny-a' is "
         "the cheapest of tier fast"},
        {"{\"learned\":[{\"pattern\":\"\",\"tier\":\"strong\"}],\"goal\":\"add docs\"}", NULL, "tiny-a",
         "simple", "2 words, fewer than 12, and score 0: 'tiny-a' is the cheapest of tier fast"},
        {"{\"learned\":[{\"pattern\":\"index\",\"tier\":\"gone\"}]," GOAL "}", NULL, "mid", "default",
         "score 2 is not above 8: 'mid' is the cheapest of tier medium"},
    };
    CHECK(rows);
}

static void
rejected_work_goes_to_a_stronger_tier(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"rejected\":[\"big\",\"mid\"]," GOAL "}", NULL, "big", "rejected",
         "work of 'mid', tier medium, was rejected: 'big' is the cheapest of tier strong"},
        {"{\"rejected\":[\"tiny-a\"]," GOAL "}", POLICY("[\"tiny-a\",\"huge\"]"), "huge", "rejected",
         "work of 'tiny-a', tier fast, was rejected: 'huge' is the cheapest of tier strong"},
        {"{\"rejected\":[\"big\"]," GOAL "}", NULL, "big", "rejected",
         "work of 'big', tier strong, was rejected, none is stronger: 'big' is the cheapest of "
         "tier strong"},
        {"{\"rejected\":[\"mid\"]," GOAL "}", POLICY("[\"tiny-b\"]"), "tiny-b", "rejected",
         "work of 'mid', tier medium, was rejected, none is stronger: tier medium has no allowed "
         "model, 'tiny-b' is the cheapest of tier fast"},
        {"{\"rejected\":[\"mid\",\"gone\"]," GOAL "}", NULL, "big", "rejected",
         "work of 'mid', tier medium, was rejected: 'big' is the cheapest of tier strong"},
        {"{\"rejected\":[\"gone\"]," GOAL "}", NULL, "mid", "default",
         "score 2 is not above 8: 'mid' is the cheapest of tier medium"},
    };
    CHECK(rows);
}

static void
a_tier_without_a_model_gives_way(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{" GOAL "}", POLICY("[\"tiny-b\",\"huge\",\"nobody\"]"), "huge", "default",
         "score 2 is not above 8: tier medium has no allowed model, 'huge' is the cheapest of tier "
         "strong"},
        {"{" GOAL "}", POLICY("[\"tiny-b\"]"), "tiny-b", "default",
         "score 2 is not above 8: tier medium has no allowed model, 'tiny-b' is the cheapest of "
         "tier fast"},
        {"{" COMPLEX "}", POLICY("[\"tiny-b\",\"mid\"]"), "mid", "complex",
         "score 10 is above 8: tier strong has no allowed model, 'mid' is the cheapest of tier "
         "medium"},
        {"{" GOAL "}", "[" POLICY(ALL) ",{\"routing\":{\"allow\":[\"huge\"]}},{}]", "huge", "default",
         "score 2 is not above 8: tier medium has no allowed model, 'huge' is the cheapest of tier "
         "strong"},
    };
    CHECK(rows);
}

#define SAYS(text) "{\"goal\":\"" text "\"}"

static void
a_goal_may_name_its_model(void **state)
{
    (void)state;
    static const char no[] = "score 2 is not above 8: 'mid' is the cheapest of tier medium";
    static const struct row rows[] = {
        {SAYS("Use BIG to add docs"), NULL, "big", "asked", "the goal says 'use big'"},
        {SAYS("add docs with tiny-b."), NULL, "tiny-b", "asked", "the goal says 'with tiny-b'"},
        {SAYS("(use\\n  huge)"), NULL, "huge", "asked", "the goal says 'use huge'"},
        {SAYS("use the Strong model for this"), NULL, "big", "asked",
         "the goal says 'use the strong model': 'big' is the cheapest of tier strong"},
        {SAYS("with huge or use big"), NULL, "huge", "asked", "the goal says 'with huge'"},
        {SAYS("use big, not mid"), NULL, "big", "asked", "the goal says 'use big'"},
        /* none of these asks */
        {SAYS("index: reuse big"), NULL, "mid", "default", no},
        {SAYS("index: use bigger"), NULL, "mid", "default", no},
        {SAYS("index: use big-boy"), NULL, "mid", "default", no},
        {SAYS("index: use big.2"), NULL, "mid", "default", no},
        {SAYS("index: use, big"), NULL, "mid", "default", no},
        {SAYS("index: use the big"), NULL, "mid", "default", no},
        {SAYS("index: use strong"), NULL, "mid", "default", no},
        {SAYS("index: the strong model"), NULL, "mid", "default", no},
        {SAYS("index: use the strong, model"), NULL, "mid", "default", no},
        {SAYS("index: do not use big"), NULL, "mid", "default", no},
        {SAYS("index: don't use big"), NULL, "mid", "default", no},
        {SAYS("index: don't use the strong model"), NULL, "mid", "default", no},
        {SAYS("index: big"), NULL, "mid", "default", no},
    };
    CHECK(rows);
}

static void
kinds_of_goals_are_sorted_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t score;
        const char *pattern;
    } rows[] = {
        {"", 0, ""},
        {" \n\t", 0, ""},
        {"add docs", 0, ""},
        {"optimize algorithm async pipeline", 8, "algorithm,async,optimize,pipeline"},
        {"SQL, sql; Api!", 4, "api,sql"},
        {"async-safe caches and my_api", 2, "async"},
        {"a critical and important security design of the architecture", 1,
         "architecture,critical,design,important,security"},
        {"refactor", 2, "refactor"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct goal goal = goal_measure(fake_str(rows[i].text));
        assert_string_equal(goal.pattern, rows[i].pattern);
        assert_int_equal(goal.score, rows[i].score);
    }
    static const char all[] =
        "algorithm optimize refactor benchmark scale performance thread process async concurrency "
        "distributed pipeline sql database api authentication encryption docker kubernetes "
        "microservice cache index migration design security architecture critical important";
    struct goal goal = goal_measure(fake_str(all));
    assert_int_equal(goal.score, 3 + 23 * 2);
    assert_int_equal(strlen(goal.pattern), strlen(all));
    assert_memory_equal(goal.pattern, "algorithm,api,architecture,async,", 33);
}

static struct goal
repeated(const char *word, size_t times, const char *end)
{
    char text[4096] = "";
    size_t len = 0;
    for (size_t i = 0; i < times; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", word);
    }
    snprintf(text + len, sizeof text - len, "%s", end);
    return goal_measure(fake_str(text));
}

static void
long_goals_score(void **state)
{
    (void)state;
    assert_int_equal(repeated("word", 170, "").score, 27);
    assert_int_equal(repeated("word", 160, " ").score, 20);  /* 800 characters */
    assert_int_equal(repeated("word", 160, " .").score, 25); /* 801, and one more word */
    assert_int_equal(repeated("w\xc3\xb6rd", 160, " ").score, 20); /* characters, not bytes */
}

static void
refuse(struct bench *bench, const char *choice, const char *policy, viv_status wanted,
       const char *text)
{
    struct viv_economy_choose_answer answer;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = ask(bench, choice, policy, &answer, &err);
    bench_holds(err.text, text);
    assert_int_equal(status, wanted);
    assert_null(answer.model.data);
    assert_null(answer.reason.data);
}

static void
what_is_not_there_or_not_allowed_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    refuse(&bench, "{\"asked\":\"gpt\"}", POLICY(ALL), VIV_E_NOT_FOUND,
           "the policy has no model or tier 'gpt'; tiers: fast, medium, strong; models: tiny-b, "
           "tiny-a, mid, huge, big");
    refuse(&bench, "{\"asked\":\"Big\"}", POLICY(ALL), VIV_E_NOT_FOUND, "no model or tier 'Big'");
    refuse(&bench, "{\"asked\":\"big\"}", POLICY("[\"mid\"]"), VIV_E_DENIED,
           "model 'big' is asked for and not in routing.allow; name it there, or ask for another");
    refuse(&bench, SAYS("use big"), POLICY("[\"mid\"]"), VIV_E_DENIED, "model 'big' is asked for");
    refuse(&bench, SAYS("use big"), "[" POLICY(ALL) ",{\"routing\":{\"allow\":[\"mid\"]}}]",
           VIV_E_DENIED, "model 'big' is asked for");
    refuse(&bench, "{" GOAL "}", POLICY("[]"), VIV_E_NOT_FOUND,
           "routing.allow has no model of the policy; name one there: tiny-b, tiny-a, mid");
    refuse(&bench, "{" GOAL "}", "[]", VIV_E_NOT_FOUND,
           "the policy has no model; add one under 'models' of your own policy");
    refuse(&bench, "{" GOAL "}", "{\"models\":{}}", VIV_E_NOT_FOUND, "the policy has no model");
    bench_end(&bench);
}

static void
requests_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *choice;
        const char *text;
    } rows[] = {
        {"7", "choice_json is not an object"},
        {"{\"goal\":7}", "'goal' of choice_json is not of type text"},
        {"{\"asked\":[]}", "'asked' of choice_json is not of type text"},
        {"{\"rejected\":{}}", "'rejected' of choice_json is not of type list"},
        {"{\"learned\":\"\"}", "'learned' of choice_json is not of type list"},
        {"{\"left_micro\":\"9\"}", "'left_micro' of choice_json is not of type integer"},
        {"{\"left_micro\":-1}", "left_micro is -1, allowed 0 and more"},
        {"{\"rejected\":[7]}", "'rejected' of choice_json is not a list of names"},
        {"{\"learned\":[7]}", "'learned' of choice_json is not a list of patterns with tiers"},
        {"{\"learned\":[{\"pattern\":\"a\"}]}", "'learned' of choice_json is not a list of patterns"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refuse(&bench, rows[i].choice, POLICY(ALL), VIV_E_INVALID, rows[i].text);
    }
    bench_end(&bench);
}

#define ONE "{" M("a", "fast", P(1, 1)) "}"
#define ROUTED(models, routing) "{\"models\":" models ",\"routing\":" routing "}"
#define R(tiers, rest) "{\"tiers\":" tiers ",\"default\":\"fast\"," rest "}"
#define NUMBERS "\"low_budget_micro\":1,\"complex_above\":1"

static void
policies_that_leave_it_open_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        const char *text;
    } rows[] = {
        {"{\"models\":" ONE "}", "routing.tiers has 0 tiers, allowed 1 to 8"},
        {ROUTED(ONE, R("[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", NUMBERS)),
         "routing.tiers has 9 tiers, allowed 1 to 8"},
        {ROUTED(ONE, R("[\"fast\",7]", NUMBERS)), "tier 2 of routing.tiers is 'no text'"},
        {ROUTED(ONE, R("[\"so fast\"]", NUMBERS)),
         "tier 1 of routing.tiers is 'so fast', allowed: 1 to 64 letters, digits, _ or -"},
        {ROUTED(ONE, R("[\"slow\"]", NUMBERS)),
         "routing.default is 'fast', which is not in routing.tiers"},
        {ROUTED(ONE, R("[\"fast\"]", "\"low_budget_micro\":1")),
         "routing has low_budget_micro 1 and complex_above -1, or not at all"},
        {ROUTED(ONE, R("[\"fast\"]", "\"low_budget_micro\":-5,\"complex_above\":1")),
         "routing has low_budget_micro -5"},
        {ROUTED(ONE, R("[\"fast\"]", NUMBERS)), "routing.allow is missing"},
        {ROUTED(ONE, R("[\"fast\"]", NUMBERS ",\"allow\":\"a\"")),
         "routing.allow is not a list of names"},
        {ROUTED(ONE, R("[\"fast\"]", NUMBERS ",\"allow\":[1]")),
         "routing.allow is not a list of names"},
        {ROUTED("{" M("a", "slow", P(1, 1)) "}", R("[\"fast\"]", NUMBERS ",\"allow\":[]")),
         "tier of model 'a' is 'slow', which is not in routing.tiers"},
        {ROUTED("{" M("A", "fast", P(1, 1)) "}", R("[\"fast\"]", NUMBERS ",\"allow\":[]")),
         "model 'A' is not allowed"},
        {ROUTED("{\"a\":{\"tier\":\"fast\"}}", R("[\"fast\"]", NUMBERS ",\"allow\":[]")),
         "price of model 'a' is missing"},
        {ROUTED("{" M("a", "fast", P(-1, 1)) "}", R("[\"fast\"]", NUMBERS ",\"allow\":[]")),
         "'input_micro' in price of model 'a' is -1"},
    };
    struct bench bench;
    bench_begin(&bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refuse(&bench, "{" GOAL "}", rows[i].policy, VIV_E_INVALID, rows[i].text);
    }
    bench_end(&bench);
}

/* 32 models are all there may be; the 33rd is refused, not forgotten. */
static void
models_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    for (int count = 32; count <= 33; count++) {
        char policy[8192] = "{\"models\":{";
        for (int i = 0; i < count; i++) {
            size_t len = strlen(policy);
            snprintf(policy + len, sizeof policy - len,
                     "%s\"model-%d\":{\"tier\":\"fast\",\"price\":" P(1, 1) "}", i ? "," : "", i);
        }
        size_t len = strlen(policy);
        snprintf(policy + len, sizeof policy - len, "},\"routing\":%s}", ROUTING("[\"model-31\"]"));
        struct viv_economy_choose_answer answer;
        if (count == 32) {
            assert_int_equal(ask(&bench, "{}", policy, &answer, NULL), VIV_OK);
            bench_equal(answer.model, "model-31");
            refuse(&bench, "{\"asked\":\"x\"}", policy, VIV_E_NOT_FOUND,
                   "models: model-0, model-1, model-2, model-3, model-4, model-5, model-6, model-7, "
                   "model-8, model-9, model-10, model-11, model-12, model-13, model-14, model-15, ...");
        } else {
            refuse(&bench, "{}", policy, VIV_E_LIMIT, "the policy has 33 models, allowed 32");
        }
    }
    bench_end(&bench);
}

static void
memory_running_out_is_a_status(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    viv_status status = VIV_E_MEMORY;
    uint64_t points = 0;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        struct viv_economy_choose_answer answer;
        struct viv_error err = VIV_ERROR_INIT;
        bench.call.fail_at = n;
        bench.call.allocations = 0;
        assert_true(points < 1000);
        status = ask(&bench, "{" GOAL "}", POLICY(ALL), &answer, &err);
        if (status != VIV_OK) {
            assert_int_equal(status, VIV_E_MEMORY);
            assert_string_equal(err.text, "no memory for the answer");
            assert_null(answer.model.data);
        }
    }
    assert_int_equal(points, 5);
    bench_end(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_says_why),
        cmocka_unit_test(rules_have_an_order),
        cmocka_unit_test(rejected_work_goes_to_a_stronger_tier),
        cmocka_unit_test(a_tier_without_a_model_gives_way),
        cmocka_unit_test(a_goal_may_name_its_model),
        cmocka_unit_test(kinds_of_goals_are_sorted_words),
        cmocka_unit_test(long_goals_score),
        cmocka_unit_test(what_is_not_there_or_not_allowed_is_refused),
        cmocka_unit_test(requests_of_another_shape_are_refused),
        cmocka_unit_test(policies_that_leave_it_open_are_refused),
        cmocka_unit_test(models_are_bounded),
        cmocka_unit_test(memory_running_out_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
