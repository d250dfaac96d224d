/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a hostile name could forge lines of the operator's log, or it could drown in what nobody asked. */
#include "../../support/cm.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

/* What one call of `write_log` puts on standard error. */
static size_t
caught(char *ret_text, size_t size, void (*write_log)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    write_log();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t got = read(ends[0], ret_text, size - 1);
    close(ends[0]);
    ret_text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static void
hostile(void)
{
    vh_log(VH_LOG_ERROR, "run", "cannot open '%s'", "a\nvivhost: error: forged\x1b[2J\xff");
}

static void
too_long(void)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    vh_log(VH_LOG_ERROR, "run", "%s", text);
}

static void
below(void)
{
    vh_log(VH_LOG_INFO, "run", "not shown");
    vh_log(VH_LOG_WARNING, "run", "shown");
}

static void
a_line_is_one_line_of_utf8(void **state)
{
    (void)state;
    char text[8000];
    (void)caught(text, sizeof text, hostile);
    assert_string_equal(text, "vivhost: error: run: cannot open 'a?vivhost: error: forged?[2J?'\n");
    size_t len = caught(text, sizeof text, too_long);
    assert_true(len > 1000 && len <= 1200);
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    assert_true(vh_str_utf8(vh_str(text)));
}

static void
levels_below_the_lowest_are_dropped(void **state)
{
    (void)state;
    char text[200];
    (void)caught(text, sizeof text, below);
    assert_string_equal(text, "vivhost: warning: run: shown\n");
    vh_log_level(VH_LOG_INFO);
    (void)caught(text, sizeof text, below);
    assert_string_equal(text, "vivhost: info: run: not shown\nvivhost: warning: run: shown\n");
    vh_log_level(VH_LOG_WARNING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_line_of_utf8),
        cmocka_unit_test(levels_below_the_lowest_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
