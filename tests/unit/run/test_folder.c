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
    project_seed(&p);
    project_capture(&p, false, &one);
    project_capture(&p, false, &two);
    project_sh(&p, "echo 'by hand' > c; echo new > untracked");
    project_work(&p, "t1", &one, "echo t1 > a", &first);
    project_work(&p, "t2", &two, "echo t2 > b; chmod +x b", &second);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &one.line, &first.commit, &p.err));
    project_ok(&p, project_move(&p, "t1", &first.commit, &conflicts));
    project_ok(&p, vh_line_merge(&p.target, p.arena, "t2", &first.commit, &second.commit, &merged, &p.err));
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &first.commit, &merged.commit, &p.err));
    project_ok(&p, project_move(&p, "t2", &merged.commit, &conflicts));
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
    assert_int_equal(project_move(&p, "t3", &first.commit, &conflicts), VIV_E_CONFLICT);
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
    project_seed(&p);
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
    project_seed(&p);
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
    project_seed(&p);
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
    project_ok(&p, project_move(&p, "t1", &work.commit, &conflicts));
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
    assert_int_equal(project_move(&p, "t2", &work.commit, &conflicts), VIV_E_CONFLICT);
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
    project_ok(&p, project_move(&p, "t1", &work.commit, &conflicts));
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
    project_ok(&p, project_move(&p, "t1", &work.commit, &conflicts));
    assert_string_equal(project_out(&p, "cat s/f"), "first");
    project_remove(&p);
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
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
