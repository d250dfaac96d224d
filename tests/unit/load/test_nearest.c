/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a typo is answered with a word nobody meant, or with none. */
#include "load_test.h"

#include "load/nearest.h"

static void
edits(void **state)
{
    (void)state;
    assert_int_equal(vh_nearest_edits("", ""), 0);
    assert_int_equal(vh_nearest_edits("", "abc"), 3);
    assert_int_equal(vh_nearest_edits("version", "versoin"), 1);
    assert_int_equal(vh_nearest_edits("kitten", "sitting"), 3);
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[199] = '\0';
    assert_int_equal(vh_nearest_edits(longest, "b"), 32);
}

static void
only_near_words(void **state)
{
    (void)state;
    static const char *const known[] = { "id", "version", "grants", "description", NULL };
    assert_string_equal(vh_nearest(known, "verson"), "version");
    assert_string_equal(vh_nearest(known, "grant"), "grants");
    assert_null(vh_nearest(known, "colour"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(edits), cmocka_unit_test(only_near_words) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
