/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a crash or an editor at the wrong moment could lose what a person wrote, or leave a checkout
 * between two states. */
#include "../../support/cm.h"

#include <errno.h>
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

static viv_status
move_to(struct project *p, const char *task, const struct vh_git_id *commit, enum vh_branch_outcome *ret_outcome,
        struct vh_conflicts *ret_conflicts)
{
    struct vh_branch_request request = {.task = task, .commit = *commit};
    return vh_branch_move(&p->target, p->arena, &request, ret_outcome, ret_conflicts, &p->err);
}

struct step {
    struct vh_git_id commit;
};

static void
move_step(struct project *p, void *data)
{
    struct step *step = data;
    enum vh_branch_outcome outcome = 0;
    struct vh_conflicts conflicts;
    if (move_to(p, "t1", &step->commit, &outcome, &conflicts)) {
        _exit(3);
    }
}

static void
recover_step(struct project *p, void *data)
{
    (void)data;
    struct vh_branch_recovered recovered;
    if (vh_branch_recover(&p->tools, p->arena, &recovered, &p->err)) {
        _exit(3);
    }
}

static const char *
all_of(struct project *p)
{
    return vh_arena_format(
        p->arena, "%s %s", project_print(p, p->root),
        project_out(p, "git rev-parse main; git ls-files -s | sha256sum; git status --porcelain; "
                       "ls -A .git | grep -v -e logs -e viv-index; ls -A \"$SCRATCH/home/store/moves\""));
}

static const char *const script = "mkdir -p d n && echo task > a && mknod b c 0 0 && mknod d/gone c 0 0 && "
                                  "echo task > n/new && ln -s b l";

static void
make_ready(struct project *p, bool repository, struct step *step)
{
    struct vh_base base;
    struct project_task work;
    project_make(p, repository);
    if (repository) {
        seed(p);
        project_sh(p, "echo hand > c; echo untracked > u");
    } else {
        project_sh(p,
                   "mkdir d && echo one > a && echo two > b && echo three > c && echo four > d/e && ln -s a l && "
                   "echo gone > d/gone");
        project_open(p);
    }
    project_capture(p, false, &base);
    project_work(p, "t1", &base, script, &work);
    project_ok(p, vh_line_advance(&p->target, p->arena, "t1", &base.line, &work.commit, &p->err));
    project_sh(p, "mkdir -p \"$SCRATCH/home/store/moves\"");
    step->commit = work.commit;
}

static const struct {
    const char *place;
    bool forward;
} places[] = {
    {"move.journaled", false},
    {"move.locked", false},
    {"move.compared", false},
    {"move.staging", false},
    {"move.staged", false},
    {"move.exchanged-one", false},
    {"move.exchanged-one:2", false},
    {"move.added-one", false},
    {"move.exchanged", false},
    {"move.indexed", false},
    {"move.referenced", true},
    {"move.renamed", true},
    {"move.tidied", true},
    {"fs.replace.before-rename", false},
    {"fs.replace.before-rename:2", false},
};

static void
a_crash_goes_back_or_forward(void **state)
{
    bool repository = *state == NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct project p;
        struct step step;
        enum vh_branch_outcome outcome = 0;
        struct vh_conflicts conflicts;
        struct vh_branch_recovered recovered;
        make_ready(&p, repository, &step);
        const char *before = repository ? all_of(&p) : project_print(&p, p.root);
        assert_true(project_crash(&p, places[i].place, move_step, &step));
        project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
        assert_int_equal(recovered.left_count, 0);
        if (!places[i].forward) {
            assert_string_equal(repository ? all_of(&p) : project_print(&p, p.root), before);
        }
        project_ok(&p, move_to(&p, "t1", &step.commit, &outcome, &conflicts));
        assert_int_equal(outcome, places[i].forward ? VH_BRANCH_ALREADY : VH_BRANCH_MOVED);
        assert_string_equal(project_out(&p, "cat a n/new d/e; readlink l; test ! -e b && test ! -e d/gone; "
                                            "find . -name '.viv*'; ls \"$SCRATCH/home/store/moves\""),
                            "task\ntask\nfour\nb");
        if (repository) {
            assert_string_equal(project_out(&p, "git status --porcelain; ls .git | grep -e viv- -e lock || :"),
                                " M c\n?? u");
        }
        project_remove(&p);
    }
}

/* Recovery itself is cut short, twice. */
static void
a_crash_while_recovering(void **state)
{
    (void)state;
    static const char *const second[] = {"recover.decided", "move.undone", "move.unlocked"};
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        struct project p;
        struct step step;
        struct vh_branch_recovered recovered;
        make_ready(&p, true, &step);
        const char *before = all_of(&p);
        assert_true(project_crash(&p, "move.exchanged", move_step, &step));
        assert_true(project_crash(&p, second[i], recover_step, NULL));
        assert_true(project_crash(&p, second[i], recover_step, NULL));
        project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
        assert_int_equal(recovered.back, 1);
        assert_string_equal(all_of(&p), before);
        project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
        assert_int_equal(recovered.back + recovered.forward, 0);
        project_remove(&p);
    }
}

/* What a person wrote after the crash stays, and is told; a lock taken away by hand is made again. */
static void
hands_between_crash_and_recovery(void **state)
{
    (void)state;
    struct project p;
    struct step step;
    struct vh_branch_recovered recovered;
    make_ready(&p, true, &step);
    assert_true(project_crash(&p, "move.indexed", move_step, &step));
    project_sh(&p, "echo 'after the crash' > a");
    project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
    assert_int_equal(recovered.left_count, 1);
    assert_true(vh_str_is(recovered.left[0], "a"));
    assert_string_equal(
        project_out(&p, "cat a b; git rev-parse -q --verify main >/dev/null; git status --porcelain"),
        "after the crash\ntwo\n M a\n M c\n?? u");
    project_remove(&p);

    make_ready(&p, true, &step);
    assert_true(project_crash(&p, "move.referenced", move_step, &step));
    project_sh(&p, "rm .git/index.lock");
    project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
    assert_int_equal(recovered.forward, 1);
    assert_string_equal(project_out(&p, "git status --porcelain; ls .git | grep -e viv- -e lock || :"),
                        " M c\n?? u");
    project_remove(&p);
}

/* An editor writes between the look and the exchange: what came out is put back. */
struct racing {
    struct vh_seam seam;
    const char *root;
    int armed;
};

static int
racing_rename(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    struct racing *racing = data;
    if (racing->armed && strcmp(to, "a") == 0) {
        char path[200];
        racing->armed = 0;
        snprintf(path, sizeof path, "%s/a", racing->root);
        FILE *file = fopen(path, "we");
        fputs("typed just now\n", file);
        fclose(file);
    }
    return renameat2(from_dir, from, to_dir, to, flags);
}

static void
an_editor_in_between(void **state)
{
    (void)state;
    struct project p;
    struct step step;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    make_ready(&p, true, &step);
    struct racing racing = {*vh_seam_real(), p.root, 1};
    racing.seam.rename = racing_rename;
    racing.seam.data = &racing;
    p.tools.seam = &racing.seam;
    assert_int_equal(move_to(&p, "t1", &step.commit, &outcome, &conflicts), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "'a' changed while the branch moved"));
    assert_int_equal(conflicts.count, 1);
    assert_string_equal(
        project_out(&p, "cat a b d/gone; ls .git | grep -e viv- -e lock || :; git status --porcelain"),
        "typed just now\ntwo\ngone\n M a\n M c\n?? u");
    project_remove(&p);
}

/* A system call fails: the n-th of renames, syncs and writes, for every n. Then all is as before, or all is done.
 */
struct failing {
    struct vh_seam seam;
    int left;
};

static bool
fails(void *data)
{
    struct failing *failing = data;
    errno = EIO;
    return failing->left > 0 && --failing->left == 0;
}

static int
failing_rename(void *data, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return fails(data) ? -1 : renameat2(from_dir, from, to_dir, to, flags);
}

static int
failing_sync(void *data, int fd)
{
    return fails(data) ? -1 : fsync(fd);
}

static ssize_t
failing_write(void *data, int fd, const void *bytes, size_t len)
{
    return fails(data) ? -1 : write(fd, bytes, len);
}

static void
a_failing_call_changes_nothing(void **state)
{
    (void)state;
    bool ended = false;
    for (int n = 1; !ended; n++) {
        struct project p;
        struct step step;
        struct vh_conflicts conflicts;
        struct vh_branch_recovered recovered;
        enum vh_branch_outcome outcome = 0;
        make_ready(&p, true, &step);
        const char *before = all_of(&p);
        struct failing failing = {*vh_seam_real(), n};
        failing.seam.rename = failing_rename;
        failing.seam.sync = failing_sync;
        failing.seam.write = failing_write;
        failing.seam.data = &failing;
        p.tools.seam = &failing.seam;
        viv_status status = move_to(&p, "t1", &step.commit, &outcome, &conflicts);
        ended = failing.left > 0;
        p.tools.seam = vh_seam_real();
        project_ok(&p, vh_branch_recover(&p.tools, p.arena, &recovered, &p.err));
        bool moved = strcmp(project_out(&p, "git rev-parse main"), step.commit.hex) == 0;
        assert_int_equal(recovered.left_count, 0);
        assert_true(moved || status);
        if (moved) {
            assert_string_equal(
                project_out(&p, "cat a; git status --porcelain; ls .git | grep -e viv- -e lock || :"),
                "task\n M c\n?? u");
        } else {
            assert_string_equal(all_of(&p), before);
        }
        assert_true(n < 200);
        project_remove(&p);
    }
}

/* A move that was cut short is completed or undone by the next one, not only at the next start; a journal that cannot
 * be read keeps others from starting one. */
static void
a_cut_move_is_finished_by_the_next(void **state)
{
    (void)state;
    struct project p;
    struct step step;
    struct vh_conflicts conflicts;
    enum vh_branch_outcome outcome = 0;
    make_ready(&p, true, &step);
    assert_true(project_crash(&p, "move.exchanged", move_step, &step));
    project_ok(&p, move_to(&p, "t1", &step.commit, &outcome, &conflicts));
    assert_int_equal(outcome, VH_BRANCH_MOVED);
    assert_string_equal(project_out(&p, "ls .git ../home/store/moves | grep -e viv- -e lock -e json || :"), "");
    project_remove(&p);

    make_ready(&p, true, &step);
    assert_true(project_crash(&p, "move.exchanged", move_step, &step));
    project_sh(&p, "for f in ../home/store/moves/*.json; do echo '{' > \"$f\"; done");
    assert_int_equal(move_to(&p, "t1", &step.commit, &outcome, &conflicts), VIV_E_CORRUPT);
    assert_non_null(strstr(p.err.text, "was cut short and cannot be completed now: journal 'store/moves/"));
    struct vh_branch_recovered recovered;
    assert_int_equal(vh_branch_recover(&p.tools, p.arena, &recovered, &p.err), VIV_E_CORRUPT);
    assert_non_null(strstr(p.err.text, "journal 'store/moves/"));
    project_remove(&p);
}

int
main(void)
{
    static int folder;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_crash_goes_back_or_forward, NULL),
        cmocka_unit_test_prestate(a_crash_goes_back_or_forward, &folder),
        cmocka_unit_test(a_crash_while_recovering),
        cmocka_unit_test(hands_between_crash_and_recovery),
        cmocka_unit_test(an_editor_in_between),
        cmocka_unit_test(a_failing_call_changes_nothing),
        cmocka_unit_test(a_cut_move_is_finished_by_the_next),
    };
    return cmocka_run_group_tests_name("branch_crash", tests, NULL, NULL);
}
