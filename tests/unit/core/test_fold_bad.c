/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a damaged log is taken for a lack of memory: replay and rebuild give up on the machine, where they
 * should name the event. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"
#include "core/fold.h"

#define MOST "9007199254740991"

static void
fold(struct life *life, const char *kind, const char *data, const char *said)
{
    char line[512];
    struct vh_event event;
    struct viv_error err = VIV_ERROR_INIT;
    snprintf(line, sizeof line,
             "{\"actor\":{\"name\":\"n\",\"pid\":1,\"role\":\"person\",\"uid\":1},\"attempt\":1,\"batch\":1,"
             "\"cause\":9,\"data\":%s,\"kind\":\"%s\",\"seq\":9,\"task\":\"t\",\"time_us\":1,\"v\":1}", data, kind);
    assert_int_equal(vh_event_decode(life->arena, vh_str(line), &event, &err), VIV_OK);
    viv_status status = vh_fold(&life->state, life->arena, &event, &err);
    if (status != (said ? VIV_E_CORRUPT : VIV_OK) || (said && !strstr(err.text, said))) {
        fail_msg("%s %s: %d '%s', expected '%s'", kind, data, status, err.text, said ? said : "");
    }
}

static void
values_no_row_can_hold_are_damage(void **state)
{
    struct life life;
    (void)state;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    fold(&life, "budget.held", "{\"micro\":1,\"scopes\":[{\"sco'e\":\"home\"}]}",
         "event 9 holds money in an account without a name");
    fold(&life, "budget.held", "{\"micro\":" MOST ",\"scopes\":[{\"scope\":\"a\"}]}", NULL);
    fold(&life, "budget.held", "{\"micro\":1,\"scopes\":[{\"scope\":\"a\"}]}",
         "event 9 brings account 'a' out of bounds, allowed: up to " MOST " millionths");
    fold(&life, "effect.started", "{\"digest\":\"d\",\"effect\":\"exec\",\"ordinal\":" MOST "}",
         "event 9 of kind 'effect.started' gives a task a value no row can hold");
    fold(&life, "effect.started", "{\"digest\":\"d\",\"effect\":\"exec\",\"ordinal\":1}", NULL);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values_no_row_can_hold_are_damage) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
