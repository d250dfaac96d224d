/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task could be limited to a folder outside of its target, be recorded with a spelling that no path
 * ever matches, or lose its limit in the steps of a plan or when its row is read back. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"
#include "core/scope.h"
#include <viv/limits.h>

static void
a_scope_has_one_spelling(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "", "" },           { "a", "a" },         { "a/", "a" },
        { "./a", "a" },       { "a//b/./c/", "a/b/c" }, { ".a/..b", ".a/..b" },
        { "..a/b..", "..a/b.." }, { "mit leer/\xc3\xa4", "mit leer/\xc3\xa4" },
    };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_str scope = { NULL, 99 };
        assert_int_equal(vh_scope_read(arena, vh_str(rows[i][0]), &scope, NULL), VIV_OK);
        assert_string_equal(scope.data, rows[i][1]);
        assert_int_equal(scope.len, strlen(rows[i][1]));
    }
    vh_arena_destroy(arena);
}

static void
refused(struct viv_str text, viv_status want, const char *words)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str scope = { NULL, 0 };
    assert_int_equal(vh_scope_read(arena, text, &scope, &err), want);
    if (!strstr(err.text, words)) {
        fail_msg("'%s' lacks '%s'", err.text, words);
    }
    assert_null(scope.data);
    vh_arena_destroy(arena);
}

static void
what_cannot_be_a_scope_is_refused(void **state)
{
    (void)state;
    static char longest[VIV_PATH_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    refused(VH_STR("/a"), VIV_E_INVALID, "scope '/a' is absolute; allowed: a folder beneath the target");
    refused(VH_STR(".."), VIV_E_INVALID, "scope '..' holds '..'; allowed: a folder beneath the target");
    refused(VH_STR("a/../../b"), VIV_E_INVALID, "holds '..'");
    refused(VH_STR("a/.."), VIV_E_INVALID, "holds '..'");
    refused(VH_STR("."), VIV_E_INVALID, "scope '.' is the whole target");
    refused(VH_STR("./."), VIV_E_INVALID, "is the whole target");
    refused(VH_STR("a\xff"), VIV_E_INVALID, "is not UTF-8");
    refused(VH_STR("a\nb"), VIV_E_INVALID, "holds control characters");
    refused(VH_STR("a\0b"), VIV_E_INVALID, "holds control characters");
    refused(vh_str(longest), VIV_E_LIMIT, "a scope has 4096 bytes, allowed 1 to 4095");
    longest[VIV_PATH_MAX] = '\0';
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str scope;
    assert_int_equal(vh_scope_read(arena, vh_str(longest), &scope, NULL), VIV_OK);
    vh_arena_destroy(arena);
}

static void
what_lies_in_it(void **state)
{
    (void)state;
    assert_true(vh_scope_holds(VH_STR(""), VH_STR("a")));
    assert_true(vh_scope_holds(VH_STR("a"), VH_STR("a/b")));
    assert_true(vh_scope_holds(VH_STR("a/b"), VH_STR("a/b/c/d")));
    assert_false(vh_scope_holds(VH_STR("a"), VH_STR("a")));
    assert_false(vh_scope_holds(VH_STR("a"), VH_STR("ab/c")));
    assert_false(vh_scope_holds(VH_STR("a/b"), VH_STR("a/c")));
    assert_false(vh_scope_holds(VH_STR("a"), VH_STR("")));
}

static void
a_submission_is_checked_and_its_steps_inherit(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    assert_int_equal(life_say(&life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3,\"scope\":\"../a\"}"),
                     VIV_E_INVALID);
    assert_non_null(strstr(life.err.text, "scope '../a' holds '..'"));
    assert_int_equal(life_say(&life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3,\"scope\":\"a/\"}"),
                     VIV_E_INVALID);
    assert_non_null(strstr(life.err.text, "scope 'a/' is spelled otherwise than 'a'"));
    assert_int_equal(life_say(&life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3,\"scope\":7}"),
                     VIV_E_INVALID);
    assert_non_null(strstr(life.err.text, "'scope' of a task is no text"));
    life_must(&life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3,\"scope\":\"a/b\"}");
    life_walk(&life, "t", VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "t", "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"}]}");
    struct vh_task child = life_task(&life, "t.x");
    assert_true(vh_str_is(child.scope, "a/b"));
    assert_true(vh_str_is(life_task(&life, "t").scope, "a/b"));
    struct vh_task again;
    assert_int_equal(vh_task_decode(life.arena, vh_task_encode(life.arena, &child), &again, NULL), VIV_OK);
    assert_true(vh_str_is(again.scope, "a/b"));
    life_must(&life, "task.submitted", "u", "{\"goal\":\"g\",\"attempts_max\":3}");
    life_walk(&life, "u", VH_PHASE_PLAN);
    life_must(&life, "plan.answered", "u", "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"}]}");
    assert_int_equal(life_task(&life, "u.x").scope.len, 0);
    assert_null(strstr(vh_task_encode(life.arena, &(struct vh_task){ .id = VH_STR("u") }).data, "scope"));
    life_end(&life);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_has_one_spelling),
        cmocka_unit_test(what_cannot_be_a_scope_is_refused),
        cmocka_unit_test(what_lies_in_it),
        cmocka_unit_test(a_submission_is_checked_and_its_steps_inherit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
