/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, work goes on though a person stopped it, or a stop is forgotten, weakened or cannot be taken back. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

#define SUBMIT "{\"goal\":\"g\",\"attempts_max\":1}"
#define CLAIM "{\"worker\":\"w1\"}"

static void
set(struct life *life, const char *state, viv_status want, const char *says)
{
    char json[96];
    snprintf(json, sizeof json, "{\"note\":\"a look\",\"state\":\"%s\"}", state);
    assert_int_equal(life_say(life, "switch.set", "", json), want);
    assert_string_equal(life->err.text, says);
}

static void
nothing_is_claimed_while_work_is_held(void **state)
{
    (void)state;
    static const char *const words[][2] = { { "pause", "paused" }, { "halt", "halted" } };
    for (size_t i = 0; i < 2; i++) {
        struct life life;
        char says[128];
        life_begin(&life);
        life_must(&life, "task.submitted", "t", SUBMIT);
        set(&life, words[i][0], VIV_OK, "");
        assert_int_equal(life_say(&life, "task.claimed", "", CLAIM), VIV_E_NOT_FOUND);
        assert_int_equal(life_say(&life, "task.claimed", "t", CLAIM), VIV_E_BUSY);
        snprintf(says, sizeof says, "work is %s by 'tester': a look; 'vivhost resume' goes on", words[i][1]);
        assert_string_equal(life.err.text, says);
        life_must(&life, "task.submitted", "u", SUBMIT); /* people may queue */
        life_must(&life, "cancel.requested", "u", "{}"); /* and decide */
        set(&life, "run", VIV_OK, "");
        life_must(&life, "task.claimed", "", CLAIM);
        assert_int_equal(life_task(&life, "t").state, VH_STATE_RUNNING);
        life_end(&life);
    }
}

/* What runs under a halt can only be given back; under a pause it goes on. */
static void
no_effect_starts_under_a_halt(void **state)
{
    (void)state;
    struct life life;
    static const char effect[] =
        "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":2,\"digest\":\"d\",\"outside\":0}";
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    set(&life, "pause", VIV_OK, "");
    set(&life, "halt", VIV_OK, ""); /* more than a pause */
    assert_int_equal(life_say(&life, "effect.started", "t", effect), VIV_E_CANCELLED);
    assert_string_equal(life.err.text, "work is halted by 'tester': a look; 'vivhost resume' goes on");
    life_must(&life, "lease.expired", "t", "{\"lease\":1,\"reason\":\"halted\"}");
    assert_int_equal(life_task(&life, "t").attempt, 1);
    assert_int_equal(life_task(&life, "t").state, VH_STATE_PENDING);
    life_end(&life);

    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    set(&life, "pause", VIV_OK, "");
    life_must(&life, "effect.started", "t", effect);
    life_end(&life);
}

static void
the_switch_says_what_it_cannot(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    set(&life, "run", VIV_E_STATE, "work is running already");
    set(&life, "stop", VIV_E_INVALID, "the switch knows no 'stop', allowed: run, pause, halt");
    set(&life, "halt", VIV_OK, "");
    set(&life, "halt", VIV_E_STATE, "work is halted already");
    set(&life, "pause", VIV_E_STATE, "work is halted, which is more than paused; 'vivhost resume' first");
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_claimed_while_work_is_held),
        cmocka_unit_test(no_effect_starts_under_a_halt),
        cmocka_unit_test(the_switch_says_what_it_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
