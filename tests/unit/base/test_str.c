/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile identifier could become a path, or two different texts could count as one. */
#include "../../support/cm.h"

#include <string.h>

#include "base/str.h"
#include <viv/limits.h>

static const struct viv_str none = { NULL, 0 };

static void
equality_and_order(void **state)
{
    (void)state;
    assert_true(vh_str_equal(none, VH_STR("")));
    assert_true(vh_str_is(VH_STR("abc"), "abc"));
    assert_false(vh_str_is(VH_STR("abc\0"), "abc"));
    assert_true(vh_str_starts(VH_STR("abc"), "ab"));
    assert_false(vh_str_starts(VH_STR("a"), "ab"));
    assert_true(vh_str_starts(none, ""));
    assert_int_equal(vh_str(NULL).len, 0);
    assert_true(vh_str_compare(VH_STR("a"), VH_STR("ab")) < 0);
    assert_true(vh_str_compare(VH_STR("b"), VH_STR("ab")) > 0);
    assert_true(vh_str_compare(VH_STR("\xc3"), VH_STR("z")) > 0);
    assert_int_equal(vh_str_compare(none, none), 0);
    assert_true(vh_str_compare(none, VH_STR("a")) < 0);
}

static void
utf8_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa4" "b" };
    static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xe2\x82",
                                       "\xed\xa0\x80",
                                       "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3(" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(vh_str_utf8(vh_str(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(vh_str_utf8(vh_str(bad[i])));
    }
    assert_true(vh_str_utf8(none));
    assert_false(vh_str_utf8((struct viv_str){ "\xe2\x82\xac", 2 }));
}

static void
ids_are_safe_file_names(void **state)
{
    (void)state;
    char longest[VIV_ID_MAX + 2];
    memset(longest, 'a', sizeof longest);
    assert_true(vh_str_id((struct viv_str){ longest, VIV_ID_MAX }));
    assert_false(vh_str_id((struct viv_str){ longest, VIV_ID_MAX + 1 }));
    static const char *const good[] = { "a", "0", "viv.gate_command", "T-12", "A.b-c_d", "a.locks", "lock" };
    static const char *const bad[] = { "", ".", "..", "../a", "a..b", "a.", "a.lock", "a.b.lock", "a/b",
                                       ".git", "-rf", "_a", "a b", "a\n",
                                       "\xc3\xa4",
                                       "a\\b", "a:b" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(vh_str_id(vh_str(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(vh_str_id(vh_str(bad[i])));
    }
    assert_false(vh_str_id(VH_STR("a\0b")));
}

static void
cleaning_leaves_good_text_alone(void **state)
{
    (void)state;
    char good[] = "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x8c\xb1";
    char bad[] = "\x01\t\xff\xe2\x82x\x7f";
    char steering[] = "a\xe2\x80\xae" "b\xc2\x9b" "c\xe2\x81\xa6" "d\xd8\x9c" "e\xe2\x80\xa8";
    char empty[] = "";
    vh_str_clean(good);
    vh_str_clean(steering);
    vh_str_clean(bad);
    vh_str_clean(empty);
    assert_string_equal(good, "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x8c\xb1");
    assert_string_equal(bad, "?????x?");
    assert_string_equal(steering, "a???b??c???d??e???");
    assert_string_equal(empty, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_and_order),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(ids_are_safe_file_names),
        cmocka_unit_test(cleaning_leaves_good_text_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
