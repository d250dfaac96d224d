/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile file name could forge a line of the operator's log, or make a refusal impossible to
 * store. */
#include "../../support/cm.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static void
text_is_set_and_extended(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_error_set(&err, VIV_E_LIMIT, "file", "it has %d bytes, allowed %d", 9, 8), VIV_E_LIMIT);
    assert_string_equal(err.text, "it has 9 bytes, allowed 8");
    assert_string_equal(err.where, "file");
    assert_int_equal(err.size, sizeof err);
    assert_int_equal(vh_error_extend(&err, VIV_E_INVALID, "package '%s'", "p"), VIV_E_INVALID);
    assert_string_equal(err.text, "package 'p': it has 9 bytes, allowed 8");
    assert_int_equal(err.status, VIV_E_INVALID);
    errno = ENOENT;
    assert_int_equal(vh_error_errno(&err, VIV_E_IO, "file", "cannot open '%s'", "f"), VIV_E_IO);
    assert_string_equal(err.text, "cannot open 'f': No such file or directory");
}

static void
nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(vh_error_set(NULL, VIV_E_LIMIT, "file", "x"), VIV_E_LIMIT);
    assert_int_equal(vh_error_errno(NULL, VIV_E_IO, "file", "x"), VIV_E_IO);
    assert_int_equal(vh_error_extend(NULL, VIV_E_IO, "x"), VIV_E_IO);
}

static void
hostile_names_stay_one_line_of_utf8(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    vh_error_set(&err, VIV_E_IO, "file", "cannot open '%s'", "a\nb\x1b[31m\xff\xc3\x7f\xed\xa0\x80 \xc3\xa4");
    assert_string_equal(err.text, "cannot open 'a?b?[31m?????? \xc3\xa4'");
    vh_error_extend(&err, VIV_E_IO, "folder '%s'", "x\ry\xfe");
    assert_string_equal(err.text, "folder 'x?y?': cannot open 'a?b?[31m?????? \xc3\xa4'");
}

static void
long_names_are_cut_between_characters(void **state)
{
    (void)state;
    char name[5000];
    for (size_t shift = 0; shift < 2; shift++) {
        for (size_t i = 0; i + 1 < sizeof name; i += 2) {
            memcpy(name + i, "\xc3\xa4", 2);
        }
        name[sizeof name - 2 + shift] = '\0';
        name[sizeof name - 1] = '\0';
        struct viv_error err = VIV_ERROR_INIT;
        vh_error_set(&err, VIV_E_IO, "file", "%s%s", shift ? "x" : "", name);
        assert_int_equal(strlen(err.text), sizeof err.text - 1);
        assert_true(vh_str_utf8(vh_str(err.text)));
        vh_error_extend(&err, VIV_E_IO, "folder '%s'", "y");
        assert_true(vh_str_utf8(vh_str(err.text)));
        errno = EIO;
        vh_error_errno(&err, VIV_E_IO, "file", "%s", name);
        assert_true(vh_str_utf8(vh_str(err.text)));
    }
}

#define COUNT(name, value, text) +1

static void
every_status_has_name_and_text(void **state)
{
    (void)state;
    for (int i = 0; i < 0 VIV_STATUS_TABLE(COUNT); i++) {
        assert_memory_equal(vh_status_name(-i), i ? "VIV_E_" : "VIV_OK", 6);
        assert_true(strlen(vh_status_text(-i)) > 5);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(vh_status_name(-i), vh_status_name(-j));
        }
    }
    assert_int_equal(0 VIV_STATUS_TABLE(COUNT), 1 - VIV_STATUS_LAST);
    assert_string_equal(vh_status_name(-99), "VIV_E_INTERNAL");
    assert_string_equal(vh_status_text(1), "a status outside the table");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_set_and_extended),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(hostile_names_stay_one_line_of_utf8),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(every_status_has_name_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
