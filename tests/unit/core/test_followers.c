/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task starts before what it needs is ready, waits for something that will never come, or a plan is
 * called ready while a step of it is not. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

static void
submit(struct life *life, const char *id, const char *depends)
{
    char json[256];
    snprintf(json, sizeof json, "{\"goal\":\"g\",\"attempts_max\":2,\"depends\":[%s]}", depends);
    life_must(life, "task.submitted", id, json);
}

static void
check(struct life *life, const char *id, enum vh_state state)
{
    struct vh_task task = life_task(life, id);
    if (task.state != (int64_t)state) {
        fail_msg("task '%s' is %s, not %s", id, vh_task_state_name(task.state), vh_task_state_name(state));
    }
}

static void
dependents_are_freed_by_ready_only(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    submit(&life, "a", "");
    submit(&life, "b", "");
    submit(&life, "c", "\"a\",\"b\"");
    check(&life, "c", VH_STATE_BLOCKED);
    assert_int_equal(life_say(&life, "task.claimed", "c", "{}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 'c' is blocked and cannot be claimed now");
    life_walk(&life, "a", VH_PHASE_SETTLE); /* published, not yet settled: ready */
    check(&life, "c", VH_STATE_BLOCKED);
    life_walk(&life, "b", VH_PHASE_PUBLISH);
    check(&life, "c", VH_STATE_BLOCKED);
    life_walk(&life, "b", VH_PHASE_IDLE);
    check(&life, "c", VH_STATE_PENDING);
    submit(&life, "d", "\"a\"");
    check(&life, "d", VH_STATE_PENDING);
    life_end(&life);
}

static void
a_failed_dependency_fails_all_behind_it(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    submit(&life, "a", "");
    submit(&life, "b", "\"a\"");
    submit(&life, "c", "\"b\"");
    submit(&life, "d", "\"b\",\"a\"");
    life_must(&life, "cancel.requested", "a", "{}");
    check(&life, "a", VH_STATE_CANCELLED);
    check(&life, "b", VH_STATE_FAILED);
    check(&life, "c", VH_STATE_FAILED);
    check(&life, "d", VH_STATE_FAILED);
    assert_true(vh_str_is(life_task(&life, "b").failure, "dependency_failed: 'a' is cancelled"));
    assert_true(vh_str_is(life_task(&life, "c").failure, "dependency_failed: 'b' is failed"));
    /* retried from the front: each waits for the one before, none runs without it */
    assert_int_equal(life_say(&life, "retry.requested", "b", "{}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "task 'b' depends on 'a', which is cancelled; retry that first");
    life_must(&life, "retry.requested", "a", "{}");
    life_must(&life, "retry.requested", "b", "{}");
    check(&life, "b", VH_STATE_BLOCKED);
    life_must(&life, "retry.requested", "c", "{}");
    check(&life, "c", VH_STATE_BLOCKED);
    life_walk(&life, "a", VH_PHASE_IDLE);
    check(&life, "b", VH_STATE_PENDING);
    check(&life, "c", VH_STATE_BLOCKED);
    life_end(&life);
}

#define PLAN "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"},{\"id\":\"y\",\"goal\":\"g\",\"depends\":[\"x\"]}]}"

static void
expand(struct life *life, const char *id)
{
    life_walk(life, id, VH_PHASE_PLAN);
    life_must(life, "plan.answered", id, PLAN);
}

static void
a_plan_follows_its_children(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    submit(&life, "p", "");
    submit(&life, "after", "\"p\"");
    expand(&life, "p");
    check(&life, "p", VH_STATE_EXPANDED);
    check(&life, "p.x", VH_STATE_PENDING);
    check(&life, "p.y", VH_STATE_BLOCKED);
    assert_int_equal(life_task(&life, "p").leased, 0);
    life_walk(&life, "p.x", VH_PHASE_IDLE);
    check(&life, "p", VH_STATE_EXPANDED);
    life_walk(&life, "p.y", VH_PHASE_IDLE);
    check(&life, "p", VH_STATE_READY);
    check(&life, "after", VH_STATE_PENDING);
    life_end(&life);
}

static void
a_failed_child_fails_the_plan_and_stops_the_rest(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "p", VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "p",
              "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"},{\"id\":\"y\",\"goal\":\"g\"},"
              "{\"id\":\"z\",\"goal\":\"g\"}]}");
    submit(&life, "after", "\"p\"");
    life_walk(&life, "p.z", VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "p.z", PLAN); /* a plan in a plan */
    life_walk(&life, "p.y", VH_PHASE_EXECUTE);
    life_must(&life, "cancel.requested", "p.x", "{}");
    check(&life, "p", VH_STATE_FAILED);
    check(&life, "p.y", VH_STATE_CANCELLED);
    check(&life, "p.z", VH_STATE_CANCELLED);
    check(&life, "p.z.x", VH_STATE_CANCELLED);
    check(&life, "p.z.y", VH_STATE_CANCELLED);
    check(&life, "after", VH_STATE_FAILED);
    assert_int_equal(life_task(&life, "p.y").phase, VH_PHASE_SETTLE); /* its worker still settles */
    assert_int_equal(life_say(&life, "retry.requested", "p.x", "{}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "task 'p.x' is a step of plan 'p'; retry that");
    /* retried, it is planned again, with children of its own */
    life_must(&life, "retry.requested", "p", "{}");
    life_must(&life, "task.claimed", "p", "{}");
    assert_int_equal(life_ask(&life, "p").what, VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "p", "{\"lease\":2,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"}]}");
    life_walk(&life, "p.y", VH_PHASE_IDLE);
    check(&life, "p", VH_STATE_EXPANDED);
    life_walk(&life, "p.x-2", VH_PHASE_IDLE);
    check(&life, "p", VH_STATE_READY);
    life_end(&life);
}

static void
cancelling_a_plan_cancels_what_is_left(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    expand(&life, "p");
    life_walk(&life, "p.x", VH_PHASE_IDLE);
    life_must(&life, "cancel.requested", "p", "{}");
    check(&life, "p", VH_STATE_CANCELLED);
    check(&life, "p.x", VH_STATE_READY);
    check(&life, "p.y", VH_STATE_CANCELLED);
    life_end(&life);
}

/* A step whose result is on its way to the line when the plan ends gets ready by itself, and counts for no plan made
 * after. */
static void
a_step_being_published_outlives_its_plan(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "p", VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "p",
              "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"},{\"id\":\"y\",\"goal\":\"g\"}]}");
    life_walk(&life, "p.y", VH_PHASE_PUBLISH);
    life_must(&life, "effect.started", "p.y",
              "{\"lease\":1,\"effect\":\"publish\",\"ordinal\":0,\"verdict\":2,\"digest\":\"C2\",\"outside\":1}");
    life_must(&life, "cancel.requested", "p.x", "{}");
    check(&life, "p", VH_STATE_FAILED);
    check(&life, "p.y", VH_STATE_E2E);
    assert_int_equal(life_say(&life, "retry.requested", "p", "{}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 'p' waits for its step 'p.y', which is e2e; try again");
    life_walk(&life, "p.y", VH_PHASE_IDLE);
    check(&life, "p.y", VH_STATE_READY);
    check(&life, "p", VH_STATE_FAILED);
    life_must(&life, "retry.requested", "p", "{}");
    life_must(&life, "task.claimed", "p", "{}");
    life_must(&life, "plan.answered", "p", "{\"lease\":2,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"}]}");
    check(&life, "p", VH_STATE_EXPANDED);
    life_walk(&life, "p.x-2", VH_PHASE_IDLE);
    check(&life, "p", VH_STATE_READY);
    life_end(&life);
}

static void
plans_are_bounded(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "[{\"id\":\"../x\",\"goal\":\"g\"}]", "a step lacks a usable id or a goal" },
        { "[{\"id\":\"x\"}]", "a step lacks a usable id or a goal" },
        { "[\"x\"]", "a step lacks a usable id or a goal" },
        { "[{\"id\":\"x\",\"goal\":\"g\"},{\"id\":\"x\",\"goal\":\"g\"}]", "step id 'x' is there twice" },
        { "[{\"id\":\"x\",\"goal\":\"g\",\"depends\":[\"y\"]},{\"id\":\"y\",\"goal\":\"g\",\"depends\":[\"x\"]}]",
          "step 'x' depends on 'y', which is not a step before it" },
        { "[{\"id\":\"x\",\"goal\":\"g\",\"depends\":[\"x\"]}]",
          "step 'x' depends on 'x', which is not a step before it" },
        { "[{\"id\":\"taken\",\"goal\":\"g\"}]", "child 't.taken' exists already; ids are never used twice" },
        { "[{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "\",\"goal\":\"g\"}]", "is too long, allowed 96 bytes" },
    };
    struct life life;
    life_begin(&life);
    submit(&life, "t.taken", "");
    life_walk(&life, "t", VH_PHASE_PLAN);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char json[512];
        snprintf(json, sizeof json, "{\"lease\":1,\"steps\":%s}", bad[i][0]);
        assert_int_not_equal(life_say(&life, "plan.answered", "t", json), VIV_OK);
        if (!strstr(life.err.text, bad[i][1])) {
            fail_msg("'%s' does not say '%s'", life.err.text, bad[i][1]);
        }
    }
    check(&life, "t.taken", VH_STATE_PENDING);
    check(&life, "t", VH_STATE_RUNNING);
    life_end(&life);
}

/* Take up what is left until nothing is, every other time by a worker that dies. */
static int
go_on(struct life *life)
{
    int claims = 0;
    for (bool dies = false;; dies = !dies) {
        struct viv_str id = { NULL, 0 };
        assert_int_equal(life->state.next_claimable(life->state.data, life->arena, INT64_MAX - 1, &id, &life->err),
                         VIV_OK);
        const char *name = id.len ? vh_arena_text_of(life->arena, id) : NULL;
        struct vh_task task = name ? life_task(life, name) : (struct vh_task){ 0 };
        if (!task.following) {
            return claims;
        }
        char json[64];
        life_must(life, "task.claimed", name, "{\"worker\":\"w\"}");
        assert_int_equal(life_ask(life, name).what, VH_PHASE_FOLLOW);
        task = life_task(life, name);
        snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)task.lease);
        life_must(life, dies ? "lease.expired" : "followers.counted", name, json);
        if (!dies && life_task(life, name).leased) {
            assert_int_equal(life_say(life, "effect.started", name, json), VIV_E_STATE);
            life_must(life, "lease.expired", name, json);
        }
        claims++;
    }
}

/* More dependents than one command may have events: each gets its due, in pieces. */
static void
very_many_followers(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    struct life life;
    char id[32], json[96];
    life_begin(&life);
    submit(&life, "a", "");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "b%d", i);
        submit(&life, id, "\"a\"");
    }
    life_walk(&life, "a", VH_PHASE_IDLE);
    check(&life, "a", VH_STATE_READY);
    check(&life, "b0", VH_STATE_PENDING);
    check(&life, "b2999", VH_STATE_BLOCKED);
    /* the tasks that were freed come first in the line only when they were submitted first */
    int claims = go_on(&life);
    assert_true(claims >= 3);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "b%d", i);
        check(&life, id, VH_STATE_PENDING);
    }
    assert_int_equal(life_task(&life, "a").following, 0);
    snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)life_task(&life, "a").lease);
    assert_int_equal(life_say(&life, "followers.counted", "a", json), VIV_E_FENCED);
    life_end(&life);
}

/* A chain of tasks that each wait for the one before: the first fails, and all of them do. */
static void
a_long_chain_fails(void **state)
{
    (void)state;
    enum { LONG = 2500 };
    struct life life;
    char id[32], before[32] = "\"c0\"";
    life_begin(&life);
    submit(&life, "c0", "");
    for (int i = 1; i < LONG; i++) {
        snprintf(id, sizeof id, "c%d", i);
        submit(&life, id, before);
        snprintf(before, sizeof before, "\"c%d\"", i);
    }
    life_must(&life, "cancel.requested", "c0", "{}");
    check(&life, "c1", VH_STATE_FAILED);
    check(&life, "c2499", VH_STATE_BLOCKED);
    assert_true(go_on(&life) >= 2);
    check(&life, "c2499", VH_STATE_FAILED);
    life_end(&life);
}

/* Retried while some of its dependents had not been told of its failure: they wait again. */
static void
a_retry_in_between(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    struct life life;
    char id[32];
    life_begin(&life);
    submit(&life, "a", "");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "b%d", i);
        submit(&life, id, "\"a\"");
    }
    life_must(&life, "cancel.requested", "a", "{}");
    assert_true(life_task(&life, "a").following > 0);
    life_must(&life, "retry.requested", "a", "{}");
    assert_int_equal(life_task(&life, "a").following, 0);
    check(&life, "b0", VH_STATE_FAILED);
    check(&life, "b1499", VH_STATE_BLOCKED);
    life_walk(&life, "a", VH_PHASE_IDLE);
    go_on(&life);
    check(&life, "b0", VH_STATE_FAILED);
    check(&life, "b1499", VH_STATE_PENDING);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(very_many_followers),
        cmocka_unit_test(a_long_chain_fails),
        cmocka_unit_test(a_retry_in_between),
        cmocka_unit_test(dependents_are_freed_by_ready_only),
        cmocka_unit_test(a_failed_dependency_fails_all_behind_it),
        cmocka_unit_test(a_plan_follows_its_children),
        cmocka_unit_test(a_failed_child_fails_the_plan_and_stops_the_rest),
        cmocka_unit_test(cancelling_a_plan_cancels_what_is_left),
        cmocka_unit_test(a_step_being_published_outlives_its_plan),
        cmocka_unit_test(plans_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
