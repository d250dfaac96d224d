/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task can go where the documents say it cannot, or cannot go where they say it can: a rejected result
 * could get ready, a finished task could run again. The table below is written by hand, from the documents; a changed
 * row of core/moves.c must be changed here too, by somebody who means it. */
#include "../../support/cm.h"

#include <string.h>

#include "core/moves.h"

/* Rows leave, columns enter, in the order of VH_STATE_TABLE: none, blocked, pending, running, needs_qa, integration,
 * e2e, ready, failed, awaiting_approval, expanded, cancelled, rolled_back. */
static const char *const expected[VH_STATE_COUNT] = {
    /*                         n b p r q i e R f a x c u */
    [VH_STATE_NONE] =         ". b p . . . . . . . . . .",
    [VH_STATE_BLOCKED] =      ". . p . . . . . f . . c .",
    [VH_STATE_PENDING] =      ". . . r . . . . . . . c .",
    [VH_STATE_RUNNING] =      ". . p . q . . . f a x c .",
    [VH_STATE_NEEDS_QA] =     ". . p . . i . . f a . c .",
    [VH_STATE_INTEGRATION] =  ". . p . . . e . f a . c .",
    [VH_STATE_E2E] =          ". . p . . i . R f a . c .",
    [VH_STATE_READY] =        ". . . . . . . . . . . . u",
    [VH_STATE_FAILED] =       ". b p . . . . . . . . . .",
    [VH_STATE_AWAITING] =     ". . p . q i e . f . . c .",
    [VH_STATE_EXPANDED] =     ". . . . . . . R f . . c .",
    [VH_STATE_CANCELLED] =    ". b p . . . . . . . . . .",
    [VH_STATE_ROLLED_BACK] =  ". . . . . . . . . . . . .",
};

static void
every_state_to_every_state(void **state)
{
    (void)state;
    size_t edges = 0;
    for (int from = 0; from < VH_STATE_COUNT; from++) {
        assert_int_equal(strlen(expected[from]), 2 * VH_STATE_COUNT - 1);
        for (int to = 0; to < VH_STATE_COUNT; to++) {
            bool wanted = expected[from][2 * to] != '.';
            edges += wanted;
            if (vh_moves_allowed(from, to) != wanted) {
                fail_msg("%s to %s is %s", vh_task_state_name(from), vh_task_state_name(to),
                         wanted ? "missing" : "in the table");
            }
        }
    }
    assert_int_equal(edges, vh_moves_count); /* no edge twice */
    assert_false(vh_moves_allowed(VH_STATE_COUNT, VH_STATE_READY));
    assert_false(vh_moves_allowed(-1, VH_STATE_PENDING));
}

static void
every_move_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < vh_moves_count; i++) {
        assert_true(strlen(vh_moves[i].why) > 5);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_to_every_state),
        cmocka_unit_test(every_move_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
