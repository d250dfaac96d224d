/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task limited to one folder could see or lose what lies elsewhere, be led out of the project by a
 * link, or publish a change that it was not to make. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/line.h"
#include "run/scope.h"
#include "run/tree.h"

static void
says(struct project *p, const char *text)
{
    if (!strstr(p->err.text, text)) {
        fail_msg("'%s' lacks '%s'", p->err.text, text);
    }
}

static void
looks(struct project *p, const char *scope, viv_status want, const char *words)
{
    assert_int_equal(vh_scope_folder(p->tools.seam, p->arena, p->root, vh_str(scope), &p->err), want);
    if (want) {
        says(p, words);
    }
}

static void
only_a_folder_that_is_there_can_be_one(void **state)
{
    (void)state;
    struct project p;
    project_make(&p, false);
    project_sh(&p, "mkdir -p a/b closed sub/.git .vivarium; : > a/file; ln -s b a/link; ln -s a in; ln -s /etc out");
    looks(&p, "a", VIV_OK, "");
    looks(&p, "a/b", VIV_OK, "");
    looks(&p, "a/c", VIV_E_NOT_FOUND, "scope 'a/c': 'a/c' is not there beneath the target; make the folder");
    looks(&p, "c/d", VIV_E_NOT_FOUND, "'c' is not there beneath");
    looks(&p, "a/file", VIV_E_INVALID, "scope 'a/file': 'a/file' is no folder, allowed: folders");
    looks(&p, "a/file/x", VIV_E_INVALID, "'a/file' is no folder");
    looks(&p, "a/link", VIV_E_INVALID, "scope 'a/link': 'a/link' is a symbolic link, allowed: folders");
    looks(&p, "in/b", VIV_E_INVALID, "'in' is a symbolic link");
    looks(&p, "out", VIV_E_INVALID, "'out' is a symbolic link");
    looks(&p, "sub/.git", VIV_E_INVALID, "'sub/.git' is what no task ever sees");
    looks(&p, ".vivarium", VIV_E_INVALID, "'.vivarium' is what no task ever sees");
    if (geteuid() != 0) {
        project_sh(&p, "chmod 0 closed");
        looks(&p, "closed", VIV_E_DENIED, "cannot read folder 'closed'");
        project_sh(&p, "chmod 700 closed");
    }
    project_remove(&p);
}

static const char *
names(struct project *p, const struct vh_git_id *tree)
{
    struct vh_tree list;
    char *text = vh_arena_text(p->arena, "");
    project_ok(p, vh_tree_list(&p->target, p->arena, tree, &list, &p->err));
    for (size_t i = 0; i < list.count; i++) {
        text = vh_arena_format(p->arena, "%s%s ", text, list.entry[i].path.data);
    }
    return text;
}

static void
capture(struct project *p, const char *scope, struct vh_base *ret_base)
{
    struct vh_conflicts conflicts;
    struct vh_base_options options = { .uncommitted = true, .scope = vh_str(scope), .time_s = 2000000000 };
    project_ok(p, vh_base_capture(&p->target, p->arena, &options, ret_base, &conflicts, &p->err));
}

/* The line has all that was ever read; a task with a scope sees its part, and one without reads all anew. */
static void
a_plain_folder_is_read_in_parts(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_base again;
    project_make(&p, false);
    project_sh(&p, "mkdir -p a/b c; echo 1 > a/1; echo 2 > a/b/2; echo 3 > c/3; echo 4 > 4; chmod 0 c/3");
    project_open(&p);
    capture(&p, "a/b", &base);
    assert_string_equal(names(&p, &base.tree), "a/b/2 ");
    assert_string_equal(base.seen.hex, base.tree.hex);
    capture(&p, "a", &base);
    assert_string_equal(names(&p, &base.seen), "a/1 a/b/2 ");
    capture(&p, "a", &again);
    assert_string_equal(again.commit.hex, base.commit.hex); /* nothing changed, nothing was made */
    project_sh(&p, "chmod 644 c/3");
    capture(&p, "", &base);
    assert_string_equal(names(&p, &base.seen), "4 a/1 a/b/2 c/3 ");
    project_sh(&p, "rm c/3; rm -r a/b; echo 5 > a/5");
    capture(&p, "a", &base);
    assert_string_equal(names(&p, &base.tree), "4 a/1 a/5 c/3 ");
    assert_string_equal(names(&p, &base.seen), "a/1 a/5 ");
    capture(&p, "", &base);
    assert_string_equal(names(&p, &base.tree), "4 a/1 a/5 ");
    project_sh(&p, "rm -r 4 a; mkdir -p a aa; echo 6 > aa/x; cp -p aa/x a/x; touch -d @1 a/x aa/x");
    capture(&p, "a", &base);
    assert_string_equal(names(&p, &base.tree), "4 a/x ");
    project_sh(&p, "rm -r a");
    capture(&p, "", &base);
    assert_string_equal(names(&p, &base.tree), "aa/x ");
    project_sh(&p, "mkdir e");
    capture(&p, "e", &base);
    assert_string_equal(names(&p, &base.tree), "aa/x ");
    assert_string_equal(names(&p, &base.seen), "");
    project_remove(&p);
}

/* Bounds count what is read, and the refusal's own cure is one. */
static void
bounds_count_what_lies_in_it(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_conflicts conflicts;
    for (int repository = 0; repository < 2; repository++) {
        struct vh_base_options options = { .uncommitted = true, .files_max = 2, .time_s = 1 };
        project_make(&p, repository);
        project_sh(&p, "mkdir a b; touch a/1 a/2 b/1");
        project_open(&p);
        assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_LIMIT);
        says(&p, "3 files or more to copy, allowed 2; name a smaller part with --scope DIR");
        options.scope = VH_STR("a");
        project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
        options.scope = VH_STR("b");
        options.files_max = 0;
        options.bytes_max = 1;
        project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
        project_remove(&p);
    }
}

static void
a_repository_is_seen_whole(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_conflicts conflicts;
    project_make(&p, true);
    project_sh(&p, "mkdir a '*'; echo 1 > a/1; echo 2 > '*/2'; echo 3 > 3; git add -A; git commit -qm x; "
                   "echo 1+ > a/1; echo 2+ > '*/2'; echo n > n; echo n > a/n; echo n > '*/n'");
    project_open(&p);
    capture(&p, "a", &base);
    assert_string_equal(names(&p, &base.seen), "*/2 3 a/1 a/n ");
    assert_int_equal(base.count, 2);
    capture(&p, "*", &base); /* a name, no pattern */
    assert_string_equal(names(&p, &base.seen), "*/2 */n 3 a/1 ");
    struct vh_base_options options = { .uncommitted = true, .scope = VH_STR("a"), .scope_only = true, .time_s = 1 };
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    assert_string_equal(names(&p, &base.seen), "a/1 a/n ");
    options.scope = VH_STR("b");
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_NOT_FOUND);
    says(&p, "'b' is not there beneath the target");
    struct vh_git_id part;
    assert_int_equal(vh_scope_narrow(&p.target, p.arena, &base.tree, VH_STR("3"), &part, &p.err), VIV_E_INVALID);
    says(&p, "scope '3' is no folder in the tree");
    project_ok(&p, vh_scope_narrow(&p.target, p.arena, &base.tree, VH_STR("no/thing"), &part, &p.err));
    assert_string_equal(names(&p, &part), "");
    project_remove(&p);
}

static void
a_result_keeps_to_it(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task task;
    project_make(&p, true);
    project_sh(&p, "mkdir a; echo 1 > a/1; echo 2 > 2; git add -A; git commit -qm x");
    project_open(&p);
    project_capture(&p, false, &base);
    project_work(&p, "t", &base, "mkdir -p a; echo x > a/1; echo x > a/x", &task);
    project_ok(&p, vh_scope_change(p.arena, VH_STR("a"), &task.change, &p.err));
    project_ok(&p, vh_scope_change(p.arena, VH_STR(""), &task.change, &p.err));
    assert_int_equal(vh_scope_change(p.arena, VH_STR("a/1"), &task.change, &p.err), VIV_E_DENIED);
    says(&p, "the result touches 'a/1', which lies outside the task's scope 'a/1' (2 path(s) do); let the work keep");
    project_work(&p, "u", &base, "mkdir -p a; echo x > a/1; echo x > 2; echo x > ab", &task);
    assert_int_equal(vh_scope_change(p.arena, VH_STR("a"), &task.change, &p.err), VIV_E_DENIED);
    says(&p, "the result touches '2', which lies outside the task's scope 'a' (2 path(s) do)");
    project_remove(&p);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_folder_that_is_there_can_be_one),
        cmocka_unit_test(a_plain_folder_is_read_in_parts),
        cmocka_unit_test(bounds_count_what_lies_in_it),
        cmocka_unit_test(a_repository_is_seen_whole),
        cmocka_unit_test(a_result_keeps_to_it),
    };
    return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
