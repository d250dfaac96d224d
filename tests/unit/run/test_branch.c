/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, publishing could lose or stage what a person wrote, or a crash could leave a checkout in between.
 */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/branch.h"
#include "run/line.h"

static void
seed(struct project *p)
{
    project_sh(p, "mkdir d && echo one > a && echo two > b && echo three > c && echo four > d/e && chmod +x b && "
                  "ln -s a l && echo gone > d/gone && git add -A && git commit -qm seed");
    project_open(p);
}

static void
advance(struct project *p, const char *task, const struct vh_base *base, const struct vh_git_id *commit)
{
    project_ok(p, vh_line_advance(&p->target, p->arena, task, &base->line, commit, &p->err));
}

static viv_status
move_to(struct project *p, const char *task, const struct vh_git_id *commit, enum vh_branch_outcome *ret_outcome,
        struct vh_conflicts *ret_conflicts)
{
    struct vh_branch_request request = {.task = task, .commit = *commit};
    return vh_branch_move(&p->target, p->arena, &request, ret_outcome, ret_conflicts, &p->err);
}

/* Done-when line 2: two tasks on a dirty checkout while a third file is edited by hand. */
static void
two_tasks_on_a_dirty_checkout(void **state)
{
    (void)state;
    struct project p;
    struct vh_base one;
    struct vh_base two;
    struct project_task first;
    struct project_task second;
    struct vh_line_merged merged;
    struct vh_git_id tip;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_sh(&p, "echo 'by hand' > c && echo new > untracked");
    project_capture(&p, false, &one);
    project_capture(&p, false, &two);
    project_work(&p, "t1", &one, "echo t1 > a", &first);
    project_work(&p, "t2", &two, "echo t2 > b && chmod +x b", &second);
    advance(&p, "t1", &one, &first.commit);
    assert_int_equal(vh_line_advance(&p.target, p.arena, "t2", &two.line, &second.commit, &p.err), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "the line stands at"));
    project_ok(&p, vh_line_tip(&p.target, p.arena, &tip, &p.err));
    project_ok(&p, vh_line_merge(&p.target, p.arena, "t2", &tip, &second.commit, &merged, &p.err));
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &tip, &merged.commit, &p.err));
    project_ok(&p, move_to(&p, "t2", &merged.commit, &outcome, &conflicts));
    assert_int_equal(outcome, VH_BRANCH_MOVED);
    assert_string_equal(project_out(&p, "git show --format= --name-only viv/t1"), "a");
    assert_string_equal(project_out(&p, "git show --format= --name-only viv/t2"), "b");
    assert_string_equal(project_out(&p, "git rev-parse main"), merged.commit.hex);
    assert_string_equal(project_out(&p, "git rev-parse main^{tree}"), merged.tree.hex);
    assert_string_equal(project_out(&p, "cat a b c untracked"), "t1\nt2\nby hand\nnew");
    assert_string_equal(project_out(&p, "git status --porcelain"), " M c\n?? untracked");
    assert_string_equal(project_out(&p, "git diff-files --name-only"), "c"); /* sizes and times are in the index */
    assert_string_equal(project_out(&p, "git for-each-ref refs/viv/held; ls .git | grep viv- || :"), "");
    assert_string_equal(project_out(&p, "git fsck --strict --no-dangling 2>&1; ls \"$SCRATCH/home/store/moves\""),
                        "");
    project_remove(&p);
}

static void
all_kinds_of_change(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_capture(&p, false, &base);
    project_work(
        &p, "t1", &base,
        "mkdir -p d n/m a2 && mknod d/gone c 0 0 && mknod d/e c 0 0 && echo x > n/m/x && chmod +x n/m/x && "
        "ln -s /etc/passwd l && echo two > b && chmod -x b && ln -s nowhere c && mknod a c 0 0 && "
        "echo odd > \"$(printf 'new\\nline \\303\\244 \\377')\"",
        &work);
    advance(&p, "t1", &base, &work.commit);
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_string_equal(project_out(&p, "git status --porcelain"), "");
    assert_string_equal(project_out(&p, "git diff-index HEAD"), "");
    assert_string_equal(project_out(&p, "readlink l c; test -x n/m/x && ! test -x b && ! test -e d && ! test -e a "
                                        "&& echo fine; cat \"$(printf 'new\\nline \\303\\244 \\377')\""),
                        "/etc/passwd\nnowhere\nfine\nodd");
    /* A second time there is nothing to do. */
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_int_equal(outcome, VH_BRANCH_ALREADY);
    project_remove(&p);
}

static void
folder_and_file_change_places(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_capture(&p, false, &base);
    project_work(&p, "t1", &base, "echo now a file > d && mkdir a && echo inside > a/x", &work);
    advance(&p, "t1", &base, &work.commit);
    /* A file of the person's in the folder that must go: nothing moves. */
    project_sh(&p, "echo mine > d/mine");
    const char *before = project_print(&p, p.root);
    assert_int_equal(move_to(&p, "t1", &work.commit, &outcome, &conflicts), VIV_E_CONFLICT);
    assert_string_equal(project_print(&p, p.root), before);
    assert_string_equal(project_out(&p, "git status --porcelain"), "?? d/mine");
    project_sh(&p, "rm d/mine");
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_string_equal(project_out(&p, "git status --porcelain; cat d a/x"), "now a file\ninside");
    project_remove(&p);
}

/* Done-when line 2: the person edits the very file the task changes. */
static void
edited_by_hand_is_a_conflict(void **state)
{
    (void)state;
    static const struct {
        const char *edit;
        const char *says;
    } rows[] = {
        {"echo 'my words' > a", "'a' was changed by hand"},
        {"rm a", "'a' was deleted by hand"},
        {"chmod +x a", "'a' was changed by hand"},
        {"rm a && ln -s b a", "'a' was changed by hand"},
        {"rm a && mkdir a", "'a' is of another kind now"},
        {"echo mine > new", "'new' was made by hand"},
        {"cp a keep && echo staged > a && git add a && mv keep a", "'a' was staged by hand"},
        {"git rm -q --cached a", "'a' was staged by hand"},
        {"rm -r d && ln -s \"$SCRATCH/user\" d && echo four > \"$SCRATCH/user/e\"", "'d/e' is of another kind now"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct project p;
        struct vh_base base;
        struct project_task work;
        struct vh_conflicts conflicts;
        enum vh_branch_outcome outcome = 0;
        project_make(&p, true);
        seed(&p);
        project_capture(&p, false, &base);
        project_work(&p, "t1", &base, "mkdir d && echo task > a && echo task > new && echo task > d/e", &work);
        advance(&p, "t1", &base, &work.commit);
        project_sh(&p, "%s", rows[i].edit);
        const char *before = project_print(&p, p.root);
        const char *index = project_out(&p, "sha256sum .git/index; git rev-parse main");
        assert_int_equal(move_to(&p, "t1", &work.commit, &outcome, &conflicts), VIV_E_CONFLICT);
        if (!strstr(p.err.text, rows[i].says)) {
            fail_msg("'%s' lacks '%s'", p.err.text, rows[i].says);
        }
        assert_int_equal(conflicts.count, 1);
        assert_int_equal(strlen(conflicts.conflict[0].theirs.hex), 40);
        assert_string_equal(project_print(&p, p.root), before);
        assert_string_equal(project_out(&p, "sha256sum .git/index; git rev-parse main"), index);
        assert_string_equal(
            project_out(&p, "ls .git | grep -e viv- -e lock || :; ls \"$SCRATCH/home/store/moves\""), "");
        project_remove(&p);
    }
}

/* The task was allowed to see uncommitted work and built on it: that version may be replaced, a later one not. */
static void
work_on_uncommitted_work(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_sh(&p, "echo draft > a && echo draft > fresh && echo mine > c");
    project_capture(&p, true, &base);
    project_work(&p, "t1", &base, "echo draft and more > a && echo draft and more > fresh", &work);
    advance(&p, "t1", &base, &work.commit);
    struct vh_branch_request request = {.task = "t1", .commit = work.commit, .seen = base.seen};
    project_sh(&p, "echo later >> a");
    assert_int_equal(vh_branch_move(&p.target, p.arena, &request, &outcome, &conflicts, &p.err), VIV_E_CONFLICT);
    project_sh(&p, "echo draft > a");
    project_ok(&p, vh_branch_move(&p.target, p.arena, &request, &outcome, &conflicts, &p.err));
    assert_string_equal(project_out(&p, "git status --porcelain; cat a fresh c"),
                        " M c\ndraft and more\ndraft and more\nmine");
    project_remove(&p);
}

static void
what_cannot_move_says_so(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_capture(&p, false, &base);
    project_work(&p, "t1", &base, "echo task > a", &work);
    advance(&p, "t1", &base, &work.commit);
    project_sh(&p, ": > .git/index.lock");
    assert_int_equal(move_to(&p, "t1", &work.commit, &outcome, &conflicts), VIV_E_BUSY);
    assert_non_null(strstr(p.err.text, "another git holds"));
    assert_string_equal(project_out(&p, "cat a; ls .git | grep viv- || :"), "one");
    project_sh(&p, "rm .git/index.lock; git rev-parse main > .git/MERGE_HEAD");
    assert_int_equal(move_to(&p, "t1", &work.commit, &outcome, &conflicts), VIV_E_BUSY);
    assert_non_null(strstr(p.err.text, "MERGE_HEAD"));
    project_sh(&p, "rm .git/MERGE_HEAD; git commit -q --allow-empty -m theirs");
    assert_int_equal(move_to(&p, "t1", &work.commit, &outcome, &conflicts), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "has commits that"));
    project_sh(&p, "git checkout -q --detach");
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_int_equal(outcome, VH_BRANCH_DETACHED);
    assert_string_equal(project_out(&p, "cat a"), "one");
    project_remove(&p);
}

static void
linked_worktree_and_unborn_branch(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_sh(&p, "git worktree add -q -b side \"$SCRATCH/linked\"");
    const char *main_index = project_out(&p, "sha256sum .git/index");
    snprintf(p.root, sizeof p.root, "%s/linked", p.scratch);
    project_open(&p);
    assert_true(p.target.linked);
    assert_string_equal(p.target.line, "refs/viv/line/side");
    project_capture(&p, false, &base);
    project_work(&p, "t1", &base, "echo task > a", &work);
    advance(&p, "t1", &base, &work.commit);
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_string_equal(project_out(&p, "cat a; git status --porcelain"), "task");
    assert_string_equal(project_out(&p, "cd \"$SCRATCH/project\" && cat a && git status --porcelain"), "one");
    assert_string_equal(project_out(&p, "cd \"$SCRATCH/project\" && sha256sum .git/index"), main_index);
    project_remove(&p);

    project_make(&p, true);
    project_open(&p);
    project_capture(&p, false, &base);
    assert_string_equal(base.commit.hex, "");
    project_work(&p, "t1", &base, "mkdir s && echo first > s/f", &work);
    advance(&p, "t1", &base, &work.commit);
    project_ok(&p, move_to(&p, "t1", &work.commit, &outcome, &conflicts));
    assert_string_equal(project_out(&p, "cat s/f; git status --porcelain; git log --format=%%s"),
                        "first\ndo the work");
    project_remove(&p);
}

/* Nothing that a repository or its configuration names may run. */
static void
hostile_repository_runs_nothing(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    project_make(&p, true);
    seed(&p);
    project_sh(
        &p,
        "printf '#!/bin/sh\\ntouch \"%s/canary\"\\ncat\\n' > ../evil && chmod +x ../evil && E=$(realpath ../evil) "
        "&& "
        "for h in reference-transaction post-checkout post-index-change pre-commit post-commit post-update "
        "update prepare-commit-msg commit-msg post-merge pre-auto-gc post-rewrite fsmonitor-watchman; do "
        "cp ../evil .git/hooks/$h; done; "
        "printf '* filter=evil merge=evil diff=evil text eol=crlf ident\\n' | tee .gitattributes "
        ".git/info/attributes > /dev/null; git -c core.hooksPath=/dev/null add .gitattributes; "
        "git -c core.hooksPath=/dev/null commit -qm attributes; "
        "for k in filter.evil.clean filter.evil.smudge filter.evil.process merge.evil.driver diff.evil.command "
        "diff.evil.textconv core.fsmonitor core.sshCommand core.editor core.pager core.alternateRefsCommand "
        "gpg.program credential.helper uploadpack.packObjectsHook; do git config $k \"$E\"; done; "
        "git config filter.evil.required true; git config commit.gpgSign true; git config log.showSignature true; "
        "rm -f \"%s/canary\"",
        p.scratch, p.scratch);
    project_sh(&p, "printf 'x $Id$\\n' > dirty; echo hand >> c");
    project_open(&p);
    project_capture(&p, true, &base);
    project_work(&p, "t1", &base, "printf 'line\\n$Id$\\n' > a; echo '* filter=evil' > .gitattributes", &work);
    project_ok(&p, vh_change_ignore(&p.target, p.arena, &base, &work.change, &p.err));
    advance(&p, "t1", &base, &work.commit);
    struct vh_branch_request request = {.task = "t1", .commit = work.commit, .seen = base.seen};
    project_ok(&p, vh_branch_move(&p.target, p.arena, &request, &outcome, &conflicts, &p.err));
    struct vh_git_id found;
    bool on_line = false;
    project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/1/publish/0", &found, &on_line, &p.err));
    assert_true(on_line);
    assert_string_equal(project_out(&p, "test ! -e ../canary && od -c a | head -2"),
                        "0000000   l   i   n   e  \\n   $   I   d   $  \\n\n0000012");
    project_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tasks_on_a_dirty_checkout),     cmocka_unit_test(all_kinds_of_change),
        cmocka_unit_test(folder_and_file_change_places),     cmocka_unit_test(edited_by_hand_is_a_conflict),
        cmocka_unit_test(work_on_uncommitted_work),          cmocka_unit_test(what_cannot_move_says_so),
        cmocka_unit_test(linked_worktree_and_unborn_branch), cmocka_unit_test(hostile_repository_runs_nothing),
    };
    return cmocka_run_group_tests_name("branch", tests, NULL, NULL);
}
