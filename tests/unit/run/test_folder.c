/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, tasks on a plain folder could lose files or see what is not there. */
#include "../../support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../support/git_runner.h"
#include "../../support/project.h"
#include "base/str.h"
#include "run/branch.h"
#include "run/layer.h"
#include "run/line.h"
#include "run/rollback.h"

static void
seed(struct project *p)
{
    project_make(p, false);
    project_sh(p, "mkdir -p d/s; echo a > a; echo b > b; chmod +x b; echo c > c; echo x > d/s/x; ln -s /etc l");
    project_open(p);
}

static viv_status
move_to(struct project *p, const char *task, const struct vh_git_id *commit, struct vh_conflicts *ret_conflicts)
{
    enum vh_branch_outcome outcome = 0;
    struct vh_branch_request request = {.task = task, .commit = *commit};
    return vh_branch_move(&p->target, p->arena, &request, &outcome, ret_conflicts, &p->err);
}

/* Done-when line 2 on a plain folder. */
static void
two_tasks_and_a_hand_edit(void **state)
{
    (void)state;
    struct project p;
    struct vh_base one;
    struct vh_base two;
    struct project_task first;
    struct project_task second;
    struct vh_line_merged merged;
    struct vh_conflicts conflicts;
    seed(&p);
    project_capture(&p, false, &one);
    project_capture(&p, false, &two);
    project_sh(&p, "echo 'by hand' > c; echo new > untracked");
    project_work(&p, "t1", &one, "echo t1 > a", &first);
    project_work(&p, "t2", &two, "echo t2 > b; chmod +x b", &second);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &one.line, &first.commit, &p.err));
    project_ok(&p, move_to(&p, "t1", &first.commit, &conflicts));
    project_ok(&p, vh_line_merge(&p.target, p.arena, "t2", &first.commit, &second.commit, &merged, &p.err));
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &first.commit, &merged.commit, &p.err));
    project_ok(&p, move_to(&p, "t2", &merged.commit, &conflicts));
    assert_string_equal(project_out(&p, "cat a b c untracked; test -x b; ls -A"),
                        "t1\nt2\nby hand\nnew\na\nb\nc\nd\nl\nuntracked");
    /* The next base has it all, and the hand edits on top. */
    project_capture(&p, false, &one);
    struct vh_layers layers;
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &one.tree, &two.tree, 1, &layers, &p.err));
    project_ok(&p, vh_layer_verify(&p.target, p.arena, &one.tree, &p.err));
    /* The person edits the very file. */
    project_work(&p, "t3", &one, "echo t3 > a", &first);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t3", &one.line, &first.commit, &p.err));
    project_sh(&p, "echo mine > a");
    const char *before = project_print(&p, p.root);
    assert_int_equal(move_to(&p, "t3", &first.commit, &conflicts), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "'a' was changed by hand"));
    assert_int_equal(conflicts.count, 1);
    assert_string_equal(project_out(&p, "git --git-dir=../home/store/folder.git cat-file blob %s",
                                    conflicts.conflict[0].theirs.hex),
                        "t3");
    assert_string_equal(project_print(&p, p.root), before);
    /* And then line and folder cannot be joined: both versions are named. */
    struct vh_base_options options = {.time_s = 3};
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &one, &conflicts, &p.err), VIV_E_CONFLICT);
    assert_int_equal(conflicts.count, 1);
    project_remove(&p);
}

static void
wait_until_times_are_old(void)
{
    /* Files changed less than 100 ms ago are not remembered: wait for the clock, not for anything else. */
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 150);
}

static void
only_what_changed_is_read_again(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_base again;
    seed(&p);
    project_capture(&p, false, &base);
    wait_until_times_are_old();
    project_capture(&p, false, &again); /* now all of it is remembered */
    unsigned runs = support_git_runs();
    project_capture(&p, false, &again);
    unsigned idle = support_git_runs() - runs;
    assert_string_equal(again.commit.hex, base.commit.hex);
    /* Same size, times put back: the change time tells. */
    project_sh(&p, "touch -r a ../times; printf 'A\\n' > a; touch -r ../times a");
    runs = support_git_runs();
    project_capture(&p, false, &again);
    assert_true(support_git_runs() - runs > idle);
    assert_string_not_equal(again.tree.hex, base.tree.hex);
    assert_string_equal(project_out(&p, "git --git-dir=../home/store/folder.git show %s:a", again.commit.hex), "A");
    /* A damaged cache costs time, nothing else. */
    project_sh(
        &p, "for f in ../home/store/folder-*.cache; do printf x | dd of=$f bs=1 seek=200 conv=notrunc 2>/dev/null;"
            " done; chmod -x b");
    project_capture(&p, false, &again);
    assert_string_equal(
        project_out(&p, "git --git-dir=../home/store/folder.git ls-tree %s b | cut -c1-6", again.commit.hex),
        "100644");
    project_remove(&p);
}

static void
what_is_left_out_and_what_is_too_much(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_conflicts conflicts;
    struct vh_base_options options = {.files_max = 3};
    seed(&p);
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_LIMIT);
    assert_non_null(strstr(p.err.text, "4 files or more to copy, allowed 3; name a smaller part with --scope DIR"));
    options = (struct vh_base_options){.bytes_max = 5};
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_LIMIT);
    assert_non_null(strstr(p.err.text, "6 bytes or more to copy, allowed 5; name a smaller part with --scope DIR"));
    project_sh(&p, "mkfifo pipe; mkdir .vivarium empty; : > .vivarium/db; git init -q nested; : > nested/f");
    project_capture(&p, false, &base);
    assert_string_equal(
        project_out(&p, "git --git-dir=../home/store/folder.git ls-tree -r --name-only %s", base.commit.hex),
        "a\nb\nc\nd/s/x\nl\nnested/f");
    assert_int_equal(base.count, 2);
    assert_true(vh_str_is(base.path[0].path, "nested/.git"));
    assert_true(vh_str_is(base.path[1].path, "pipe"));
    assert_string_equal(base.path[1].what, "skipped");
    project_remove(&p);
}

/* An ordinary user before a file of mode 000, also where the tests run as root. */
static int
open_but_secrets(void *data, int dir, const char *path, int flags, mode_t mode)
{
    const struct vh_seam *real = vh_seam_real();
    if (strncmp(path, "secret", 6) == 0 && !(flags & O_CREAT)) {
        errno = EACCES;
        return -1;
    }
    (void)data;
    return real->open(real->data, dir, path, flags, mode);
}

static void
keep_secrets(struct project *p, struct vh_seam *seam)
{
    *seam = *vh_seam_real();
    seam->open = open_but_secrets;
    p->tools.seam = seam;
    project_open(p);
}

static const char *
what_of(const struct vh_base *base, const char *path)
{
    for (size_t i = 0; i < base->count; i++) {
        if (vh_str_is(base->path[i].path, path)) {
            return base->path[i].what;
        }
    }
    return "";
}

/* One file of another user must neither stop every task nor count as deleted. */
static void
what_cannot_be_read_is_left_alone(void **state)
{
    struct project p;
    struct vh_seam seam;
    struct vh_base base;
    struct vh_base later;
    struct project_task work;
    struct vh_rolled rolled;
    struct vh_conflicts conflicts;
    seed(&p);
    project_sh(&p, "echo one > secret.c; mkdir secrets; echo two > secrets/x");
    project_capture(&p, false, &base);
    project_sh(&p, *state ? "chmod 000 secret.c secrets" : "touch -d 1999-01-01 secret.c"); /* the bits may lie */
    keep_secrets(&p, &seam);
    project_capture(&p, false, &base);
    assert_string_equal(
        project_out(&p, "git --git-dir=../home/store/folder.git ls-tree -r --name-only %s", base.commit.hex),
        "a\nb\nc\nd/s/x\nl");
    assert_int_equal(base.count, 2);
    assert_string_equal(what_of(&base, "secret.c"), "unreadable");
    assert_string_equal(what_of(&base, "secrets"), "unreadable");
    project_work(&p, "t1", &base, "echo t1 > a; rm -f b", &work);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    project_ok(&p, move_to(&p, "t1", &work.commit, &conflicts));
    struct vh_rollback_request request = {.task = "t1", .commit = work.commit, .effect = "t1/1/rollback/0",
                                          .log_head = "", .time_s = 9};
    project_capture(&p, false, &later);
    assert_string_equal(later.commit.hex, work.commit.hex);
    project_ok(&p, vh_rollback(&p.target, p.arena, &request, &rolled, &p.err));
    /* A result that holds the very path cannot know what it would replace. */
    project_capture(&p, false, &base);
    p.tools.seam = vh_seam_real(); /* what the task wrote is its own */
    project_work(&p, "t2", &base, "echo t2 > secret.c; mkdir secrets; echo t2 > secrets/x", &work);
    p.tools.seam = &seam;
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &base.line, &work.commit, &p.err));
    assert_int_equal(move_to(&p, "t2", &work.commit, &conflicts), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "'secret.c' cannot be read"));
    assert_int_equal(conflicts.count, 2);
    project_sh(&p, "chmod 700 secret.c secrets");
    assert_string_equal(project_out(&p, "cat a secret.c secrets/x; ls"),
                        "a\none\ntwo\na\nb\nc\nd\nl\nsecret.c\nsecrets");
    project_remove(&p);
}

/* In a repository the task sees what is committed, and what is not it does not see. */
static void
what_cannot_be_read_in_a_repository(void **state)
{
    (void)state;
    struct project p;
    struct vh_seam seam;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    project_make(&p, true);
    project_sh(&p, "echo a > a; echo one > secret.c; git add -A; git commit -qm one; echo more >> a;"
                   " echo two > secret.c; echo three > secret.new; chmod 000 secret.c secret.new");
    keep_secrets(&p, &seam);
    project_capture(&p, true, &base);
    assert_string_equal(what_of(&base, "secret.c"), "unreadable");
    assert_string_equal(what_of(&base, "secret.new"), "unreadable");
    assert_string_equal(what_of(&base, "a"), "modified");
    project_work(&p, "t1", &base, "echo t1 > b", &work);
    assert_int_equal(work.change.count, 1);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    project_ok(&p, move_to(&p, "t1", &work.commit, &conflicts));
    project_sh(&p, "chmod 700 secret.c secret.new");
    assert_string_equal(project_out(&p, "cat b secret.c secret.new"), "t1\ntwo\nthree");
    project_remove(&p);
}

static void
an_empty_folder_is_a_target(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_conflicts conflicts;
    project_make(&p, false);
    project_open(&p);
    project_capture(&p, false, &base);
    project_work(&p, "t1", &base, "mkdir s; echo first > s/f", &work);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    project_ok(&p, move_to(&p, "t1", &work.commit, &conflicts));
    assert_string_equal(project_out(&p, "cat s/f"), "first");
    project_remove(&p);
}

/* ---- rollback, of both kinds of target ---- */

static viv_status
roll_back_seen(struct project *p, const struct vh_git_id *commit, const struct vh_git_id *seen,
               struct vh_rolled *ret_rolled)
{
    struct vh_rollback_request request = {.task = "t1",
                                          .commit = *commit,
                                          .seen = *seen,
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
    viv_status status = roll_back_seen(p, commit, &(struct vh_git_id){""}, &rolled);
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
        seed(p);
    }
    project_capture(p, false, &base);
    project_work(p, "t1", &base, work_script, work);
    project_ok(p, vh_line_advance(&p->target, p->arena, "t1", &base.line, &work->commit, &p->err));
    project_ok(p, move_to(p, "t1", &work->commit, &conflicts));
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
    project_ok(&p, move_to(&p, "t2", &other.commit, &conflicts));
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
    if (roll_back_seen(p, &rolling->commit, &rolling->seen, &rolled)) {
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
        struct rolling rolling = {.commit = work.commit, .seen = base.seen};
        if (*places[i]) {
            assert_true(project_crash(&p, places[i], roll_dirty_step, &rolling));
            project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
            assert_int_equal(recovered.left_count, 0);
        }
        project_ok(&p, roll_back_seen(&p, &work.commit, &base.seen, &rolled));
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
        cmocka_unit_test(two_tasks_and_a_hand_edit),
        cmocka_unit_test(only_what_changed_is_read_again),
        cmocka_unit_test(what_is_left_out_and_what_is_too_much),
        cmocka_unit_test_prestate(what_cannot_be_read_is_left_alone, NULL),
        cmocka_unit_test_prestate(what_cannot_be_read_is_left_alone, &folder),
        cmocka_unit_test(what_cannot_be_read_in_a_repository),
        cmocka_unit_test(an_empty_folder_is_a_target),
        cmocka_unit_test_prestate(rollback_undoes_exactly_the_task, NULL),
        cmocka_unit_test_prestate(rollback_undoes_exactly_the_task, &folder),
        cmocka_unit_test_prestate(rollback_is_refused_when_a_path_differs, NULL),
        cmocka_unit_test_prestate(rollback_is_refused_when_a_path_differs, &folder),
        cmocka_unit_test(rollback_on_a_line_that_went_on),
        cmocka_unit_test(a_crash_in_a_rollback_is_completed),
        cmocka_unit_test(uncommitted_work_is_given_back),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
