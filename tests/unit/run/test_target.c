/* SPDX-License-Identifier: Apache-2.0 */
/* References are read as files. A wrong answer here would put a task on another base than the person's, or publish over
 * what somebody else made. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../support/git_runner.h"
#include "../../support/project.h"
#include "run/target.h"

static struct project p;

static int
set_up(void **state)
{
    (void)state;
    project_make(&p, true);
    project_sh(&p, "for i in 1 2 3; do echo $i > f; git add f; git commit -qm $i; git branch b$i; done");
    project_open(&p);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    project_remove(&p);
    return 0;
}

/* What we read is what git says; `runs` times git was asked for it. */
static void
same_as_git(const char *ref, unsigned runs)
{
    struct vh_git_id id;
    const char *want = project_out(&p, "git rev-parse --verify -q '%s^{commit}' || true", ref);
    unsigned before = support_git_runs();
    project_ok(&p, vh_target_ref(&p.target, p.arena, ref, &id, &p.err));
    assert_string_equal(id.hex, want);
    assert_int_equal(support_git_runs() - before, runs);
}

static void
loose_and_packed_references_need_no_git(void **state)
{
    (void)state;
    same_as_git("refs/heads/main", 0);
    same_as_git("refs/heads/nothing", 0);
    same_as_git("refs/heads", 1); /* a folder */
    project_sh(&p, "git tag -a -m note v1 && git pack-refs --all");
    same_as_git("refs/heads/main", 0);
    same_as_git("refs/heads/b1", 0);
    same_as_git("refs/heads/b", 0);  /* the end of no line, the beginning of several */
    same_as_git("heads/b1", 1);      /* the end of a line, and no full name */
    same_as_git("refs/heads/no", 0);
    project_sh(&p, "echo 4 > f; git commit -qam 4; git branch -D -q b2");
    same_as_git("refs/heads/main", 0); /* the file wins over the packed line */
    same_as_git("refs/heads/b2", 0);
    same_as_git("refs/heads/b3", 0);
}

static void
what_is_unusual_is_left_to_git(void **state)
{
    (void)state;
    project_sh(&p, "git symbolic-ref refs/heads/other refs/heads/b1");
    same_as_git("refs/heads/other", 1);
    project_sh(&p, "ln -s b2 .git/refs/heads/linked; mkdir .git/aside; git rev-parse b3 > .git/aside/x; "
                   "ln -s ../../aside .git/refs/heads/folder");
    same_as_git("refs/heads/linked", 1);
    same_as_git("refs/heads/folder/x", 1);
    same_as_git("refs/heads/../heads/b1", 1);
    same_as_git("refs/heads/b1.lock", 1);
    same_as_git("refs/heads/b 1", 1);
}

static void
a_linked_worktree_shares_them(void **state)
{
    (void)state;
    char folder[200];
    struct vh_target linked;
    project_sh(&p, "git worktree add -q -b side \"$SCRATCH/side\" b2");
    snprintf(folder, sizeof folder, "%s/side", p.scratch);
    project_ok(&p, vh_target_open(&p.tools, p.arena, folder, &linked, &p.err));
    assert_string_equal(linked.branch, "refs/heads/side");
    assert_string_equal(linked.head.hex, project_out(&p, "git rev-parse b2"));
}

static void
damaged_references_are_no_commits(void **state)
{
    (void)state;
    struct vh_git_id id;
    project_sh(&p, "echo nonsense > .git/refs/heads/bad; head -c 5000 /dev/zero | tr '\\0' a > .git/refs/heads/long; "
                   "git rev-parse b1 | cut -c1-39 > .git/refs/heads/short");
    static const char *const names[] = { "refs/heads/bad", "refs/heads/long", "refs/heads/short" };
    for (size_t i = 0; i < 3; i++) {
        viv_status status = vh_target_ref(&p.target, p.arena, names[i], &id, &p.err);
        assert_true(status != VIV_OK || id.hex[0] == '\0');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loose_and_packed_references_need_no_git, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_unusual_is_left_to_git, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_linked_worktree_shares_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_references_are_no_commits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
