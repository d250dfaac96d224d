/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a rollback could take more than the task's own change, or less, or what a person wrote. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/branch.h"
#include "run/line.h"
#include "run/rollback.h"

static viv_status
roll_back_seen(struct project *p, const struct vh_git_id *commit, const struct vh_git_id *seen,
               const struct vh_git_id *base, struct vh_rolled *ret_rolled)
{
    struct vh_rollback_request request = {.task = "t1",
                                          .commit = *commit,
                                          .seen = *seen,
                                          .base = *base,
                                          .effect = "t1/1/rollback/0",
                                          .log_head = "def",
                                          .time_s = 2000000200};
    return vh_rollback(&p->target, p->arena, &request, ret_rolled, &p->err);
}

static viv_status
roll_back(struct project *p, const struct vh_git_id *commit, struct vh_git_id *ret_commit,
          enum vh_branch_outcome *ret_outcome, struct vh_conflicts *ret_conflicts)
{
    struct vh_rolled rolled;
    viv_status status = roll_back_seen(p, commit, &(struct vh_git_id){""}, &(struct vh_git_id){""}, &rolled);
    *ret_commit = rolled.commit;
    *ret_outcome = rolled.outcome;
    *ret_conflicts = rolled.conflicts;
    return status;
}

static const char *const work_script = "mkdir -p d/s n && echo A > a && chmod +x a && mknod b c 0 0 && "
                                       "ln -s nowhere l && echo n > n/n && mknod d/s/x c 0 0";

static void
ready(struct project *p, bool repository, struct project_task *work)
{
    struct vh_base base;
    struct vh_conflicts conflicts;
    if (repository) {
        project_make(p, true);
        project_sh(p, "mkdir -p d/s; echo a > a; echo b > b; chmod +x b; echo c > c; echo x > d/s/x; ln -s /etc l; "
                      "git add -A; git commit -qm seed");
        project_open(p);
    } else {
        project_seed(p);
    }
    project_capture(p, false, &base);
    project_work(p, "t1", &base, work_script, work);
    project_ok(p, vh_line_advance(&p->target, p->arena, "t1", &base.line, &work->commit, &p->err));
    project_ok(p, project_move(p, "t1", &work->commit, &conflicts));
}

static void
rollback_undoes_exactly_the_task(void **state)
{
    bool repository = *state == NULL;
    struct project p;
    struct project_task work;
    struct project_task other;
    struct vh_base base;
    struct vh_git_id commit;
    struct vh_git_id again;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    ready(&p, repository, &work);
    project_capture(&p, false, &base);
    project_work(&p, "t2", &base, "echo t2 > other", &other);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &base.line, &other.commit, &p.err));
    project_ok(&p, project_move(&p, "t2", &other.commit, &conflicts));
    project_sh(&p, "echo hand > c; echo u > u");
    project_ok(&p, roll_back(&p, &work.commit, &commit, &outcome, &conflicts));
    assert_int_equal(outcome, VH_BRANCH_MOVED);
    assert_string_equal(
        project_out(&p, "cat a b c d/s/x other u; readlink l; test -x b && ! test -x a && ! test -e n && "
                        "echo fine"),
        "a\nb\nhand\nx\nt2\nu\n/etc\nfine");
    if (repository) {
        assert_string_equal(project_out(&p, "git status --porcelain; git log -1 --format=%%B%%H main"),
                            vh_arena_format(p.arena,
                                            " M c\n?? u\nRoll back: do the work\n\nViv-Task: t1\n"
                                            "Viv-Effect: t1/1/rollback/0\nViv-Log-Head: def\nViv-Undoes: %s\n%s",
                                            work.commit.hex, commit.hex));
        assert_string_equal(
            project_out(&p, "git diff --stat main viv/t1~ | tail -1; git diff --name-only main viv/t1~"),
            " 1 file changed, 1 deletion(-)\nother");
    }
    project_ok(&p, roll_back(&p, &work.commit, &again, &outcome, &conflicts));
    assert_string_equal(again.hex, commit.hex);
    assert_int_equal(outcome, VH_BRANCH_ALREADY);
    project_remove(&p);
}

static void
rollback_is_refused_when_a_path_differs(void **state)
{
    bool repository = *state == NULL;
    static const char *const edits[] = {"echo mine > a", "chmod -x a", "rm l; ln -s elsewhere l", "echo back > b",
                                        "rm n/n"};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct project p;
        struct project_task work;
        struct vh_git_id commit;
        struct vh_git_id tip;
        struct vh_conflicts conflicts;
        enum vh_branch_outcome outcome = 0;
        ready(&p, repository, &work);
        project_sh(&p, "%s", edits[i]);
        const char *before = project_print(&p, p.root);
        assert_int_equal(roll_back(&p, &work.commit, &commit, &outcome, &conflicts), VIV_E_CONFLICT);
        assert_int_equal(conflicts.count, 1);
        assert_string_equal(project_print(&p, p.root), before);
        project_ok(&p, vh_line_tip(&p.target, p.arena, &tip, &p.err));
        assert_string_equal(tip.hex, work.commit.hex);
        project_remove(&p);
    }
}

static void
rollback_on_a_line_that_went_on(void **state)
{
    (void)state;
    struct project p;
    struct project_task work;
    struct project_task other;
    struct vh_base base;
    struct vh_git_id commit;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    struct vh_rolled rolled;
    ready(&p, true, &work);
    project_capture(&p, false, &base);
    project_work(&p, "t2", &base, "echo AA > a; chmod +x a", &other);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &base.line, &other.commit, &p.err));
    assert_int_equal(roll_back(&p, &work.commit, &commit, &outcome, &conflicts), VIV_E_CONFLICT);
    const char *says =
        vh_arena_format(p.arena, "'a' is no longer what the task left: '%s' is there, '%s' was left",
                        project_out(&p, "git rev-parse viv/t2:a"), project_out(&p, "git rev-parse viv/t1:a"));
    assert_non_null(strstr(p.err.text, says));
    struct vh_rollback_request request = {
        .task = "t9", .commit = work.commit, .effect = "t9/1/rollback/0"};
    assert_int_equal(vh_rollback(&p.target, p.arena, &request, &rolled, &p.err), VIV_E_INVALID);
    assert_non_null(strstr(p.err.text, "is not the work of task 't9'"));
    assert_string_equal(project_out(&p, "git for-each-ref --format='%%(refname)' refs/viv"), "refs/viv/line/main");
    project_remove(&p);
}

struct rolling {
    struct vh_git_id commit;
    struct vh_git_id seen;
    struct vh_git_id base;
};

static void
roll_step(struct project *p, void *data)
{
    struct rolling *rolling = data;
    struct vh_git_id commit;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    if (roll_back(p, &rolling->commit, &commit, &outcome, &conflicts)) {
        _exit(3);
    }
}

/* C7: cut short anywhere, doing it again completes it once. */
static void
a_crash_in_a_rollback_is_completed(void **state)
{
    (void)state;
    static const char *const places[] = {"rollback.checked", "rollback.committed", "rollback.advanced",
                                         "move.exchanged", "move.referenced"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct project p;
        struct project_task work;
        struct rolling rolling;
        struct vh_git_id commit;
        struct vh_conflicts conflicts;
        struct vh_branch_recovered recovered;
        enum vh_branch_outcome outcome = 0;
        ready(&p, true, &work);
        rolling.commit = work.commit;
        assert_true(project_crash(&p, places[i], roll_step, &rolling));
        project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
        project_ok(&p, roll_back(&p, &work.commit, &commit, &outcome, &conflicts));
        assert_string_equal(project_out(&p, "git status --porcelain; git rev-list --count main; "
                                            "git rev-parse main^{tree} main~2^{tree} | uniq | wc -l; "
                                            "git for-each-ref refs/viv/held"),
                            "3\n1");
        project_remove(&p);
    }
}

static void
roll_dirty_step(struct project *p, void *data)
{
    struct rolling *rolling = data;
    struct vh_rolled rolled;
    if (roll_back_seen(p, &rolling->commit, &rolling->seen, &rolling->base, &rolled)) {
        _exit(3);
    }
}

/* Uncommitted work of every kind in the very paths of the task: wherever the rollback is cut short,
 * the files end as the person had them, and the branch as it was. */
static void
uncommitted_work_is_given_back(void **state)
{
    (void)state;
    static const char *const places[] = {"",
                                         "rollback.advanced",
                                         "move.compared",
                                         "move.staged",
                                         "move.exchanged-one",
                                         "move.exchanged",
                                         "move.indexed",
                                         "move.referenced",
                                         "move.renamed"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct project p;
        struct vh_base base;
        struct project_task work;
        struct vh_conflicts conflicts;
        struct vh_rolled rolled;
        struct vh_branch_recovered recovered;
        enum vh_branch_outcome outcome = 0;
        project_make(&p, true);
        project_sh(
            &p, "echo a > a; echo b > b; echo c > c; ln -s x l; git add -A; git commit -qm seed; "
                "echo hand > a; chmod +x a; echo hand > new; rm b; echo hand > c; ln -sf y l");
        project_open(&p);
        project_capture(&p, true, &base);
        project_work(&p, "t1", &base,
                     "echo T > a; echo T > new; echo T > b; mknod c c 0 0; ln -s z l", &work);
        project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
        struct vh_branch_request move = {.task = "t1", .commit = work.commit, .seen = base.seen};
        project_ok(&p, vh_branch_move(&p.target, p.arena, &move, &outcome, &conflicts, &p.err));
        assert_string_equal(project_out(&p, "cat a new b; readlink l; ls; git status --porcelain"),
                            "T\nT\nT\nz\na\nb\nl\nnew");
        struct rolling rolling = {.commit = work.commit, .seen = base.seen, .base = base.tree};
        if (*places[i]) {
            assert_true(project_crash(&p, places[i], roll_dirty_step, &rolling));
            project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
            assert_int_equal(recovered.left_count, 0);
        }
        project_ok(&p, roll_back_seen(&p, &work.commit, &base.seen, &base.tree, &rolled));
        assert_string_equal(
            project_out(&p, "cat a new c; readlink l; test -x a && ! test -e b && echo fine; "
                            "git status --porcelain; git diff --quiet HEAD~2 HEAD && echo same"),
            "hand\nhand\nhand\ny\nfine\n M a\n D b\n M c\n M l\n?? new\nsame");
        assert_true(vh_str_is(rolled.kept_on, "viv/t1\n")); /* the name of the result, no branch of the person */
        project_remove(&p);
    }
}

int
main(void)
{
    static int folder;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(rollback_undoes_exactly_the_task, NULL),
        cmocka_unit_test_prestate(rollback_undoes_exactly_the_task, &folder),
        cmocka_unit_test_prestate(rollback_is_refused_when_a_path_differs, NULL),
        cmocka_unit_test_prestate(rollback_is_refused_when_a_path_differs, &folder),
        cmocka_unit_test(rollback_on_a_line_that_went_on),
        cmocka_unit_test(a_crash_in_a_rollback_is_completed),
        cmocka_unit_test(uncommitted_work_is_given_back),
    };
    return cmocka_run_group_tests_name("rollback", tests, NULL, NULL);
}
