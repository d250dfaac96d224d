/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two tasks spend one balance, a limit is passed, or money set aside never comes back. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

static void
estimate(struct life *life, const char *id, int64_t micro, const char *scopes)
{
    char json[512];
    life_walk(life, id, VH_PHASE_BUDGET);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"worst_case_micro\":%lld,\"scopes\":[%s]}",
             (long long)life_task(life, id).lease, (long long)micro, scopes);
    life_must(life, "budget.estimated", id, json);
}

static void
check_scope(struct life *life, const char *name, int64_t reserved, int64_t settled)
{
    struct vh_scope scope = life_scope(life, name);
    assert_int_equal(scope.reserved_micro, reserved);
    assert_int_equal(scope.settled_micro, settled);
    assert_true(scope.reserved_micro + scope.settled_micro <= scope.limit_micro || scope.limit_micro == 0);
}

static void
held_everywhere_or_nowhere(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    estimate(&life, "a", 400, "{\"scope\":\"home\",\"limit_micro\":1000},{\"scope\":\"day\",\"limit_micro\":500}");
    check_scope(&life, "home", 400, 0);
    check_scope(&life, "day", 400, 0);
    assert_true(vh_str_is(life_task(&life, "a").holds, "[\"home\",\"day\"]"));
    /* the second account has no room now, so the first is not touched; the task waits and uses up nothing */
    estimate(&life, "b", 200, "{\"scope\":\"home\",\"limit_micro\":1000},{\"scope\":\"day\",\"limit_micro\":500}");
    check_scope(&life, "home", 400, 0);
    check_scope(&life, "day", 400, 0);
    struct vh_task b = life_task(&life, "b");
    assert_int_equal(b.state, VH_STATE_PENDING);
    assert_int_equal(b.recoveries, 0);
    assert_int_equal(b.held_micro, 0);
    assert_true(b.retry_at_us > life.time_us);
    assert_non_null(strstr(life.kinds, "budget.refused task.delayed task.pending "));
    /* more than there ever will be: refused by name */
    estimate(&life, "c", 501, "{\"scope\":\"home\",\"limit_micro\":1000},{\"scope\":\"day\",\"limit_micro\":500}");
    assert_true(vh_str_is(life_task(&life, "c").failure,
                          "budget: account 'day' has 500 micro-units left, the task may cost 501"));
    life_end(&life);
}

static void
an_account_named_twice_is_refused(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    estimate(&life, "a", 600, "{\"scope\":\"home\",\"limit_micro\":1000},{\"scope\":\"home\",\"limit_micro\":1000}");
    assert_true(vh_str_is(life_task(&life, "a").failure,
                          "budget: no hold could be made, the estimate is out of range"));
    check_scope(&life, "home", 0, 0);
    life_end(&life);
}

static void
a_lower_limit_counts_at_once(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    estimate(&life, "a", 800, "{\"scope\":\"home\",\"limit_micro\":1000}");
    estimate(&life, "b", 0, "{\"scope\":\"home\",\"limit_micro\":500}");
    assert_int_equal(life_task(&life, "b").state, VH_STATE_PENDING);
    assert_int_equal(life_scope(&life, "home").limit_micro, 1000); /* the lower one would be passed already */
    life_end(&life);
}

static void
settled_once_and_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *price;
        int64_t cost;
        int posted;
    } prices[] = {
        { "\"cost_micro\":30,\"entries\":[{\"account\":\"a\",\"micro\":40,\"reason\":\"work\"},"
          "{\"account\":\"b\",\"micro\":-10,\"reason\":\"refund\"}]", 30, 2 },
        { "\"cost_micro\":0", 0, 0 },
        { "\"cost_micro\":100", 100, 0 },
        { "\"cost_micro\":101", 100, 0 },
        { "\"cost_micro\":-1", 100, 0 },
        { "\"other\":1", 100, 0 },
        { "\"cost_micro\":5,\"failure\":{\"class\":\"plugin\",\"text\":\"x\"}", 100, 0 },
        { "\"cost_micro\":5,\"entries\":[{\"account\":\"a\",\"micro\":6,\"reason\":\"work\"}]", 100, 0 },
        { "\"cost_micro\":5,\"entries\":[{\"account\":\"a\",\"micro\":5,\"reason\":\"gift\"}]", 100, 0 },
        { "\"cost_micro\":5,\"entries\":{\"account\":\"a\"}", 100, 0 },
    };
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
        struct life life;
        char json[512];
        life_begin(&life);
        life_walk(&life, "t", VH_PHASE_SETTLE);
        check_scope(&life, "home", 100, 0);
        snprintf(json, sizeof json, "{\"lease\":1,%s}", prices[i].price);
        life_must(&life, "settle.priced", "t", json);
        int posted = 0;
        for (const char *at = life.kinds; (at = strstr(at, "ledger.posted")) != NULL; at++) {
            posted++;
        }
        assert_int_equal(posted, prices[i].posted);
        check_scope(&life, "home", 0, prices[i].cost);
        assert_int_equal(life_task(&life, "t").cost_micro, prices[i].cost);
        assert_int_equal(life_say(&life, "settle.priced", "t", json), VIV_E_FENCED);
        check_scope(&life, "home", 0, prices[i].cost);
        life_end(&life);
    }
}

/* A worker that dies between the end of the work and its price leaves a hold that another one settles, in whatever
 * state the task waits; people and other tasks cannot step over it. */
static void
no_hold_is_left_behind(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_fail(&life, "t", "plugin"); /* pending, to be settled */
    life_must(&life, "lease.expired", "t", "{\"lease\":1}");
    life_must(&life, "task.claimed", "t", "{}");
    assert_int_equal(life_ask(&life, "t").what, VH_PHASE_SETTLE);
    life_walk(&life, "t", VH_PHASE_IDLE);
    check_scope(&life, "home", 0, 7);

    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_must(&life, "effect.started", "t",
              "{\"lease\":3,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":1,\"digest\":\"d\"}");
    life_must(&life, "lease.expired", "t", "{\"lease\":3}");
    assert_int_equal(life_say(&life, "approval.given", "t", "{\"digest\":\"d\"}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 't' is still being settled; try again");
    life_must(&life, "task.claimed", "t", "{}");
    life_walk(&life, "t", VH_PHASE_IDLE);
    assert_int_equal(life_task(&life, "t").state, VH_STATE_AWAITING);
    life_must(&life, "approval.given", "t", "{\"digest\":\"d\"}");
    check_scope(&life, "home", 0, 14);

    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_must(&life, "cancel.requested", "t", "{}");
    life_must(&life, "lease.expired", "t", "{\"lease\":5}");
    assert_int_equal(life_say(&life, "retry.requested", "t", "{}"), VIV_E_BUSY);
    life_must(&life, "task.claimed", "t", "{}");
    life_walk(&life, "t", VH_PHASE_IDLE);
    check_scope(&life, "home", 0, 21);
    life_end(&life);
}

/* Lost work costs nothing, unless something left the workspace: then all that was held. */
static void
lost_work_is_priced_by_what_left(void **state)
{
    (void)state;
    for (int outside = 0; outside < 2; outside++) {
        struct life life;
        char json[256];
        life_begin(&life);
        life_walk(&life, "t", VH_PHASE_EXECUTE);
        snprintf(json, sizeof json,
                 "{\"lease\":1,\"ordinal\":0,\"effect\":\"web\",\"verdict\":2,\"digest\":\"d\",\"outside\":%d}",
                 outside);
        life_must(&life, "effect.started", "t", json);
        life_must(&life, "lease.expired", "t", "{\"lease\":1}");
        check_scope(&life, "home", 0, outside ? 100 : 0);
        assert_int_equal(life_task(&life, "t").state, VH_STATE_PENDING);
        life_end(&life);
    }
}

/* A person who refuses a result pays what making it took, and not all that was held: whatever was announced. */
static void
a_refused_conflict_costs_what_was_used(void **state)
{
    (void)state;
    static const struct {
        const char *used;
        int64_t cost;
    } rows[] = {
        { ",\"used_micro\":30", 30 }, { ",\"used_micro\":101", 100 }, { ",\"used_micro\":-1", 100 }, { "", 100 },
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct life life;
        char json[256];
        life_begin(&life);
        life_walk(&life, "t", VH_PHASE_PUBLISH);
        life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"publish\",\"verdict\":2,"
                                                "\"digest\":\"d\",\"outside\":1}");
        snprintf(json, sizeof json,
                 "{\"lease\":1,\"digest\":\"q\",\"failure\":{\"class\":\"conflict\",\"text\":\"x\"}%s}",
                 rows[i / 2].used);
        life_must(&life, "publish.finished", "t", json);
        check_scope(&life, "home", 100, 0);
        life_must(&life, i % 2 ? "cancel.requested" : "approval.refused", "t", "{\"digest\":\"q\"}");
        check_scope(&life, "home", 0, rows[i / 2].cost);
        assert_int_equal(life_task(&life, "t").used_micro, 0);
        life_end(&life);
    }
}

/* Asked twice, both times of work count; a question whose price nobody knows makes it unknown again. */
static void
what_was_used_adds_up(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct life life;
        life_begin(&life);
        life_walk(&life, "t", VH_PHASE_PUBLISH);
        life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"publish\",\"verdict\":2,"
                                                "\"digest\":\"d\",\"outside\":1}");
        life_must(&life, "publish.finished", "t", "{\"lease\":1,\"digest\":\"q\",\"used_micro\":30,"
                                                  "\"failure\":{\"class\":\"conflict\",\"text\":\"x\"}}");
        life_must(&life, "approval.given", "t", "{\"digest\":\"q\"}");
        life_must(&life, "task.claimed", "t", "{}");
        life_must(&life, "publish.finished", "t",
                  known ? "{\"lease\":2,\"digest\":\"r\",\"used_micro\":12,"
                          "\"failure\":{\"class\":\"conflict\",\"text\":\"x\"}}"
                        : "{\"lease\":2,\"digest\":\"r\",\"failure\":{\"class\":\"conflict\",\"text\":\"x\"}}");
        life_must(&life, "approval.refused", "t", "{\"digest\":\"r\"}");
        check_scope(&life, "home", 0, known ? 42 : 100);
        life_end(&life);
    }
}

static void
work_that_is_over_starts_no_effect(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"e\",\"verdict\":2,"
                                            "\"digest\":\"d\"}");
    life_must(&life, "cancel.requested", "t", "{}");
    assert_int_equal(life_say(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":1,\"verdict\":2}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "task 't' is cancelled; its work is over, no effect may start");
    life_must(&life, "effect.finished", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"e\",\"digest\":\"d\"}");
    life_end(&life);
}

/* ---- money of one effect ---- */

#define HOLD(micro, limit) "\"hold\":{\"micro\":" #micro ",\"scopes\":[{\"scope\":\"home\",\"limit_micro\":" #limit \
    "},{\"scope\":\"model:m\",\"limit_micro\":" #limit "}]}"

/* A task that has a hold of its own of 100 and is at work. */
static void
begin_work(struct life *life, const char *id)
{
    estimate(life, id, 100, "{\"scope\":\"home\",\"limit_micro\":1000}");
    life_walk(life, id, VH_PHASE_EXECUTE);
}

static viv_status
start_effect(struct life *life, const char *id, int64_t ordinal, const char *hold)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"lease\":%lld,\"effect\":\"model\",\"digest\":\"d\",\"ordinal\":%lld,\"verdict\":2,%s}",
             (long long)life_task(life, id).lease, (long long)ordinal, hold);
    return life_say(life, "effect.started", id, json);
}

static void
finish_effect(struct life *life, const char *id, int64_t ordinal, const char *more)
{
    char json[512];
    snprintf(json, sizeof json, "{\"lease\":%lld,\"effect\":\"model\",\"digest\":\"d\",\"ordinal\":%lld%s}",
             (long long)life_task(life, id).lease, (long long)ordinal, more);
    life_must(life, "effect.finished", id, json);
}

static void
an_effect_is_held_and_settled_beside_its_task(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    begin_work(&life, "a");
    assert_int_equal(start_effect(&life, "a", 0, HOLD(300, 1000)), VIV_OK);
    assert_non_null(strstr(life.kinds, "effect.started budget.held "));
    check_scope(&life, "home", 400, 0);
    check_scope(&life, "model:m", 300, 0);
    finish_effect(&life, "a", 0, ",\"cost_micro\":120,\"prices\":\"p\"");
    assert_non_null(strstr(life.kinds, "effect.finished budget.settled "));
    check_scope(&life, "home", 100, 120);
    check_scope(&life, "model:m", 0, 120);
    assert_int_equal(life_task(&life, "a").cost_micro, 120);
    assert_int_equal(life_task(&life, "a").held_micro, 100);
    assert_int_equal(start_effect(&life, "a", 1, HOLD(300, 1000)), VIV_OK);
    finish_effect(&life, "a", 1, ""); /* nobody knows what it cost */
    check_scope(&life, "home", 100, 420);
    assert_int_equal(start_effect(&life, "a", 2, HOLD(300, 1000)), VIV_OK);
    finish_effect(&life, "a", 2, ",\"cost_micro\":301"); /* more than was held is no cost */
    check_scope(&life, "home", 100, 720);
    check_scope(&life, "model:m", 0, 720);
    life_end(&life);
}

static void
an_effect_without_room_does_not_start(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    begin_work(&life, "a");
    begin_work(&life, "b");
    assert_int_equal(start_effect(&life, "a", 0, HOLD(500, 1000)), VIV_OK);
    assert_int_equal(start_effect(&life, "b", 0, HOLD(301, 1000)), VIV_E_BUSY);
    assert_string_equal(life.err.text, "account 'home' has 300 micro-units free while others hold the rest, the effect "
                                       "may cost 301");
    assert_int_equal(start_effect(&life, "b", 0, HOLD(1001, 1000)), VIV_E_LIMIT);
    /* What the task itself holds does not come back while it works. */
    assert_string_equal(life.err.text, "account 'home' has 900 micro-units left, the effect may cost 1001; raise the "
                                       "limit, or ask for less");
    assert_int_equal(start_effect(&life, "b", 0, HOLD(901, 1000)), VIV_E_LIMIT);
    assert_int_equal(start_effect(&life, "b", 0, HOLD(900, 1000)), VIV_E_BUSY);
    assert_int_equal(start_effect(&life, "b", 0, "\"hold\":{\"micro\":-1,\"scopes\":[]}"), VIV_E_INVALID);
    check_scope(&life, "home", 700, 0); /* nothing of it was recorded */
    assert_int_equal(life_task(&life, "b").effects, 0);
    assert_int_equal(start_effect(&life, "b", 0, HOLD(300, 1000)), VIV_OK);
    check_scope(&life, "home", 1000, 0);
    life_end(&life);
}

static void
an_effect_whose_outcome_is_lost_costs_all_that_was_held(void **state)
{
    (void)state;
    struct life life;
    char json[64];
    life_begin(&life);
    begin_work(&life, "a");
    assert_int_equal(start_effect(&life, "a", 0, HOLD(300, 1000)), VIV_OK);
    snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)life_task(&life, "a").lease);
    life_must(&life, "lease.expired", "a", json);
    check_scope(&life, "home", 0, 300); /* its own hold came back: nothing of it was used */
    check_scope(&life, "model:m", 0, 300);
    assert_int_equal(life_task(&life, "a").state, VH_STATE_PENDING);
    /* A worker that goes on as if there had been no effect. */
    begin_work(&life, "b");
    assert_int_equal(start_effect(&life, "b", 0, HOLD(200, 1000)), VIV_OK);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"done\":0,\"reason\":\"no\"}",
             (long long)life_task(&life, "b").lease);
    life_must(&life, "execute.finished", "b", json);
    check_scope(&life, "model:m", 0, 500);
    assert_int_equal(life_task(&life, "b").cost_micro, 200);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_everywhere_or_nowhere),
        cmocka_unit_test(an_account_named_twice_is_refused),
        cmocka_unit_test(a_lower_limit_counts_at_once),
        cmocka_unit_test(settled_once_and_exactly),
        cmocka_unit_test(no_hold_is_left_behind),
        cmocka_unit_test(lost_work_is_priced_by_what_left),
        cmocka_unit_test(a_refused_conflict_costs_what_was_used),
        cmocka_unit_test(what_was_used_adds_up),
        cmocka_unit_test(work_that_is_over_starts_no_effect),
        cmocka_unit_test(an_effect_is_held_and_settled_beside_its_task),
        cmocka_unit_test(an_effect_without_room_does_not_start),
        cmocka_unit_test(an_effect_whose_outcome_is_lost_costs_all_that_was_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
