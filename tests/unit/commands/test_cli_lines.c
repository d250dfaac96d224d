/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a reason of several lines is one line of question marks, or a line of a plugin's passes for one of the
 * host's own, or a terminal obeys it. */
#include "../../support/cm.h"

#include <string.h>

#include "base/str.h"
#include "commands/cli.h"

static void
lines_stay_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } rows[] = {
        { "one", "one" },
        { "", "" },
        { "\n\r\n", "" },
        { "one\ntwo\n\n", "one\n  two" },
        { "one\r\n\r\ntwo\tx\x1b[31m\x7f", "one\n\n  two?x?[31m?" },
        { "\nstate       ready", "\n  state       ready" },
        { "a\rb", "a?b" },
        { "bad \xff byte\nnext", "bad ? byte\n  next" },
    };
    struct vh_cli cli = { .arena = vh_arena_create(NULL, 0) };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(vh_cli_lines(&cli, vh_str(rows[i].text), 100, 2), rows[i].shown);
    }
    vh_arena_destroy(cli.arena);
}

/* What is left out is marked, wherever the cut falls; no amount of lines takes more than was asked for. */
static void
long_texts_are_cut(void **state)
{
    (void)state;
    struct vh_cli cli = { .arena = vh_arena_create(NULL, 0) };
    assert_string_equal(vh_cli_lines(&cli, VH_STR("123456\nabcdefgh"), 12, 1), "123456\n ab...");
    assert_string_equal(vh_cli_lines(&cli, VH_STR("1234567\nabcdefgh"), 10, 1), "1234567...");
    assert_string_equal(vh_cli_lines(&cli, VH_STR("12345678901\nx"), 10, 1), "1234567...");
    char many[100001];
    memset(many, '\n', sizeof many - 1);
    many[0] = many[sizeof many - 2] = 'x';
    const char *shown = vh_cli_lines(&cli, (struct viv_str){ many, sizeof many - 1 }, 400, 4);
    assert_true(strlen(shown) > 3 && strlen(shown) < 2000);
    assert_string_equal(shown + strlen(shown) - 3, "...");
    vh_arena_destroy(cli.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
