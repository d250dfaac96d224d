/* SPDX-License-Identifier: Apache-2.0 */
/* A unit test of wrong_host/toy_host.c, for test_units.py: each function must be judged as it says. Not for ctest. */
#include "../../../support/cm.h"

#include <stdlib.h>
#include <string.h>

#include "toy_host.h"

static void
right(void **state)
{
    (void)state;
    char *copy = toy_right("text");
    assert_non_null(copy);
    assert_string_equal(copy, "text");
    free(copy);
}

/* The host said that there is none: the test is what is wrong. */
static void
its_own(void **state)
{
    (void)state;
    char *copy = toy_right("text");
    assert_int_equal(strlen(copy), 4);
    free(copy);
}

static void
crashes(void **state)
{
    (void)state;
    char *copy = toy_crashes("text");
    assert_non_null(copy);
    free(copy);
}

static void
hangs(void **state)
{
    (void)state;
    assert_true(toy_hangs());
}

static void
leaves_process(void **state)
{
    (void)state;
    assert_true(toy_leaves_process());
}

static void
leaves_file(void **state)
{
    (void)state;
    assert_true(toy_leaves_file());
}

static void
is_broken(void **state)
{
    (void)state;
    assert_true(toy_is_broken());
}

static void
leaks(void **state)
{
    (void)state;
    assert_true(toy_leaks());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),          cmocka_unit_test(its_own),     cmocka_unit_test(crashes),
        cmocka_unit_test(hangs),       cmocka_unit_test(leaves_process),
        cmocka_unit_test(leaves_file),    cmocka_unit_test(is_broken),   cmocka_unit_test(leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
