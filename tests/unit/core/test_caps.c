/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a limit that a person set does not bind, is lost with the host, or binds for ever; or what was learned
 * about models grows without end. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

static void
cap(struct life *life, const char *account, long long micro, viv_status want, const char *says)
{
    char json[400];
    snprintf(json, sizeof json, "{\"account\":\"%s\",\"limit_micro\":%lld}", account, micro);
    assert_int_equal(life_say(life, "budget.capped", "", json), want);
    if (!strstr(life->err.text, says)) {
        fail_msg("'%s' does not say '%s'", life->err.text, says);
    }
}

/* The hold of a task that may cost 100, in an account that the policy gives 1000. */
static viv_status
estimate(struct life *life, const char *task)
{
    return life_say(life, "budget.estimated", task,
                    "{\"lease\":1,\"scopes\":[{\"limit_micro\":1000,\"scope\":\"home\"}],\"worst_case_micro\":100}");
}

static void
what_a_person_allows_is_the_limit_where_it_is_less(void **state)
{
    (void)state;
    static const struct {
        long long micro;
        bool holds;
    } rows[] = { { 99, false }, { 100, true }, { 5000, true }, { 0, false } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct life life;
        life_begin(&life);
        cap(&life, "home", rows[i].micro, VIV_OK, "");
        life_walk(&life, "t", VH_PHASE_BUDGET);
        assert_int_equal(estimate(&life, "t"), VIV_OK);
        struct vh_task task = life_task(&life, "t");
        assert_int_equal(task.held_micro, rows[i].holds ? 100 : 0);
        assert_int_equal(task.state, rows[i].holds ? VH_STATE_RUNNING : VH_STATE_FAILED);
        life_end(&life);
    }
}

static void
it_is_taken_back_and_set_anew(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    cap(&life, "home", -1, VIV_E_NOT_FOUND, "nobody has set a limit for account 'home'");
    cap(&life, "home", 1, VIV_OK, "");
    cap(&life, "home", 50, VIV_OK, "");
    cap(&life, "home", -1, VIV_OK, "");
    life_walk(&life, "t", VH_PHASE_BUDGET);
    assert_int_equal(estimate(&life, "t"), VIV_OK);
    assert_int_equal(life_task(&life, "t").held_micro, 100);
    life_end(&life);
}

static void
what_is_no_limit_is_refused(void **state)
{
    (void)state;
    struct life life;
    char name[16];
    life_begin(&life);
    cap(&life, "", 5, VIV_E_INVALID, "account '' is no name of one, allowed: 1 to 160 letters");
    cap(&life, "a b", 5, VIV_E_INVALID, "account 'a b' is no name of one");
    cap(&life, "home", -2, VIV_E_INVALID, "a limit of -2 micro-units is out of range, allowed: 0 to 1000000000000");
    cap(&life, "home", 1000000000001, VIV_E_INVALID, "out of range");
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof name, "model:m%d", i);
        cap(&life, name, i, VIV_OK, "");
    }
    cap(&life, "home", 1, VIV_E_LIMIT, "64 accounts have limits set by hand, which is all there may be");
    cap(&life, "model:m1", 7, VIV_OK, "");
    cap(&life, "model:m1", -1, VIV_OK, "");
    cap(&life, "home", 1, VIV_OK, "");
    life_end(&life);
}

static void
learn(struct life *life, const char *pattern, const char *tier, viv_status want)
{
    char json[1200];
    snprintf(json, sizeof json, "{\"pattern\":\"%s\",\"tier\":\"%s\"}", pattern, tier);
    assert_int_equal(life_say(life, "model.learned", "", json), want);
}

static void
what_is_learned_is_kept_and_bounded(void **state)
{
    (void)state;
    struct life life;
    char name[500];
    struct viv_str text = { NULL, 0 };
    struct vh_json *learned = NULL;
    life_begin(&life);
    learn(&life, "", "strong", VIV_E_INVALID);
    assert_non_null(strstr(life.err.text, "texts of 1 to 400"));
    memset(name, 'a', 401);
    name[401] = '\0';
    learn(&life, name, "strong", VIV_E_INVALID);
    learn(&life, "cache", "", VIV_E_INVALID);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "k%03d", i);
        learn(&life, name, "fast", VIV_OK);
        learn(&life, name, "strong", VIV_OK);
    }
    struct vh_state_ops ops = life.state;
    assert_int_equal(ops.get_fact(ops.data, life.arena, "learned", &text, &life.err), VIV_OK);
    assert_int_equal(vh_json_read(life.arena, text, &learned, &life.err), VIV_OK);
    assert_int_equal(learned->count, 256);
    assert_true(vh_str_is(vh_json_str(learned, "k299"), "strong"));
    life_end(&life);
}

/* ---- the question about a result ---- */

#define REVIEW "{\"lease\":1,\"score_permille\":900,\"findings\":[]%s}"

static void
review(struct life *life, const char *more)
{
    char json[200];
    snprintf(json, sizeof json, REVIEW, more);
    life_must(life, "policy.loaded", "", "{\"critics\":[\"reader\"]}");
    life_walk(life, "t", VH_PHASE_REVIEW);
    assert_int_equal(life_say(life, "review.made", "t", json), VIV_OK);
}

static void
a_result_waits_for_a_person_when_it_is_to(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    review(&life, "");
    assert_int_equal(life_task(&life, "t").phase, VH_PHASE_PUBLISH);
    life_end(&life);
    life_begin(&life);
    review(&life, ",\"ask_result\":1");
    struct vh_task task = life_task(&life, "t");
    assert_int_equal(task.state, VH_STATE_AWAITING);
    assert_true(vh_str_is(task.awaiting, "result"));
    assert_true(vh_str_equal(task.awaiting_digest, task.merged_tree)); /* the answer is about this tree alone */
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_person_allows_is_the_limit_where_it_is_less),
        cmocka_unit_test(it_is_taken_back_and_set_anew),
        cmocka_unit_test(what_is_no_limit_is_refused),
        cmocka_unit_test(what_is_learned_is_kept_and_bounded),
        cmocka_unit_test(a_result_waits_for_a_person_when_it_is_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
