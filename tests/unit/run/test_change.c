/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a result could hold what its task never showed, or miss what it did. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/commit.h"
#include "run/layer.h"
#include "run/line.h"

static void
seed(struct project *p, struct vh_base *base)
{
    project_make(p, true);
    project_sh(p, "mkdir -p d/s; echo a > a; echo b > b; chmod +x b; echo x > d/x; echo y > d/s/y; ln -s a l; "
                  "git add -A; git commit -qm seed");
    project_open(p);
    project_capture(p, false, base);
}

/* "path name value;..." as extended attributes of an upper layer. */
static void
set_attributes(struct project *p, int dir, const char *list)
{
    char *copy = vh_arena_text(p->arena, list);
    char *rest = NULL;
    for (char *one = strtok_r(copy, ";", &rest); one; one = strtok_r(NULL, ";", &rest)) {
        char path[64];
        char name[64];
        char value[64] = "";
        assert_true(sscanf(one, "%63s %63s %63s", path, name, value) >= 2);
        int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fsetxattr(fd, name, value, strlen(value), 0), 0);
        close(fd);
    }
}

static const char *
read_form(struct project *p, const struct vh_base *base, const char *script, const char *attributes,
          enum vh_change_form form)
{
    struct vh_change change;
    int dir = project_upper(p, script);
    set_attributes(p, dir, attributes ? attributes : "");
    viv_status status = vh_change_read(&p->target, p->arena, base, dir, form, &change, &p->err);
    close(dir);
    if (status) {
        return vh_arena_format(p->arena, "%d %s", status, p->err.text);
    }
    char *text = vh_arena_alloc(p->arena, 8192);
    for (size_t i = 0; i < change.count; i++) {
        const struct vh_change_path *path = &change.path[i];
        snprintf(text + strlen(text), 1000, "%c%o %s;", "?AMD"[path->kind], path -> mode,
                 vh_tree_escape(p->arena, path->path).data);
    }
    return text;
}

static void
upper_layers_are_read_as_changes(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *change;
        const char *attributes;
    } rows[] = {
        {"true", "", NULL},
        {"echo A > a; echo n > n", "M100644 a;A100644 n;", NULL},
        {"echo a > a; echo b > b; chmod 755 b", "", NULL}, /* copied up, not changed */
        {"echo a > a; chmod 4711 a", "M100755 a;", NULL},
        {"mknod a c 0 0; mkdir d; mknod d/s c 0 0; mknod nothing c 0 0", "D0 a;D0 d/s/y;", NULL},
        {"mknod d c 0 0", "D0 d/s/y;D0 d/x;", NULL},
        {"mkdir d; echo x > d/x; echo z > d/z", "D0 d/s/y;A100644 d/z;", "d user.overlay.opaque y"},
        {"mkdir d; : > d/x", "D0 d/x;", "d user.overlay.opaque x;d/x user.overlay.whiteout y"},
        {"echo file > d", "A100644 d;D0 d/s/y;D0 d/x;", NULL},
        {"mkdir a; echo x > a/x", "D0 a;A100644 a/x;", NULL},
        {"ln -s /etc/passwd l; ln -s b a", "M120000 a;M120000 l;", NULL},
        {"mkdir .git; echo x > .git/index", "", NULL},
        {"echo 1 > \"$(printf 'n\\nl')\"; echo 2 > \"$(printf '\\377%%')\"", "A100644 n%0Al;A100644 %FF%25;", NULL},
        {"mkdir m; echo n > m/n; chmod 0 m/n m", "A100644 m/n;", NULL},
    };
    struct project p;
    struct vh_base base;
    seed(&p, &base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *change = read_form(&p, &base, rows[i].script, rows[i].attributes, VH_CHANGE_UPPER);
        if (strcmp(change, rows[i].change)) {
            fail_msg("'%s' gives '%s', not '%s'", rows[i].script, change, rows[i].change);
        }
    }
    project_remove(&p);
}

/* The kernel's own overlay over our layers: what a shell did inside is what is read. */
static void
a_real_overlay_is_read(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_layers layers;
    struct vh_change change;
    seed(&p, &base);
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.tree, NULL, 1, &layers, &p.err));
    const char *ran =
        project_out(&p,
                    "cd ..; mkdir upper work mnt; unshare -Urm sh -ec '"
                    "mount -t overlay overlay -o userxattr,lowerdir=%s,upperdir=upper,workdir=work mnt; "
                    "cd mnt; rm a; mv d e 2>/dev/null || { cp -a d e; rm -r d; }; mkdir d; echo new > d/x; "
                    "chmod -x b; rm l; mkdir l; echo in > l/in; touch e/x; mkdir -p gone; rmdir gone' "
                    "2>/dev/null && echo ran || :",
                    layers.path[0]);
    if (strcmp(ran, "ran") != 0) {
        project_remove(&p);
        print_message("no overlay in a user namespace here\n");
        skip();
    }
    int dir = openat(p.home_fd, "../upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    project_ok(&p, vh_change_read(&p.target, p.arena, &base, dir, VH_CHANGE_UPPER, &change, &p.err));
    char text[1024] = "";
    for (size_t i = 0; i < change.count; i++) {
        snprintf(text + strlen(text), 100, "%c %s;", "?AMD"[change.path[i].kind], change.path[i].path.data);
    }
    assert_string_equal(text, "D a;M b;D d/s/y;M d/x;A e/s/y;A e/x;D l;A l/in;");
    close(dir);
    project_remove(&p);
}

static void
copies_are_compared_with_the_base(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    seed(&p, &base);
    static const struct {
        const char *script;
        const char *change;
    } rows[] = {
        {"true", ""},
        {"echo A > a; rm -r d/s b; echo n > n", "M100644 a;D0 b;D0 d/s/y;A100644 n;"},
        {"rm -r *", "D0 a;D0 b;D0 d/s/y;D0 d/x;D0 l;"},
        {"rm l; mknod l c 0 0 || mkfifo l", "-4 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char full[400];
        snprintf(full, sizeof full, "cp -a \"$SCRATCH/project/.\" . && { %s; }", rows[i].script);
        assert_non_null(strstr(read_form(&p, &base, full, NULL, VH_CHANGE_COPY), rows[i].change));
    }
    project_remove(&p);
}

static void
what_no_result_may_hold(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *says;
        const char *attributes;
    } rows[] = {
        {"mkfifo p", "'p' is a pipe", NULL},
        {"perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => q(s), Listen => 1)'", "'s' is a socket", NULL},
        {"mkdir -p d/.git; : > d/.git/config", "'d/.git' is a git directory", NULL},
        {"mkdir -p d/.GIT", "'d/.GIT' is a git directory", NULL},
        {"mkdir .Git", "'.Git' is a git directory", NULL},
        {"mkdir git~1", "'git~1' is a git directory", NULL},
        {"ln -s a .gitmodules", "'.gitmodules' is a link named like .gitmodules", NULL},
        {"mkdir d; ln -s a d/.GitModules", "'d/.GitModules' is a link named like .gitmodules", NULL},
        {"ln -s a gitmod~1", "'gitmod~1' is a link named like .gitmodules", NULL},
        {"mkdir .vivarium", "'.vivarium' belongs to the host", NULL},
        {"mkdir mod; : > mod/f", "'mod' is a submodule", NULL},
        {"mknod mod c 0 0", "'mod' is a submodule", NULL},
        {": > mod", "'mod' is a submodule", NULL},
        {": > a", "must not redirect", "a user.overlay.metacopy"},
        {"mkdir d", "must not redirect", "d user.overlay.redirect /x"},
        {"truncate -s 3G huge", "the result has 1 files and 3221225472 bytes or more, allowed 50000 and 2147483648",
         NULL},
        {"i=0; while [ $i -lt 51 ]; do mkdir x$i; (cd x$i; seq 1 1000 | xargs touch); i=$((i+1)); done",
         "the result has 50001 files", NULL},
        {"i=0; d=.; while [ $i -lt 300 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d", "deeper than 256", NULL},
    };
    struct project p;
    struct vh_base base;
    seed(&p, &base);
    project_sh(&p, "git update-index --add --cacheinfo 160000,%s,mod && git commit -qm mod", base.commit.hex);
    project_capture(&p, false, &base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *said = read_form(&p, &base, rows[i].script, rows[i].attributes, VH_CHANGE_UPPER);
        if (!strstr(said, rows[i].says)) {
            fail_msg("'%s' gives '%s', not '%s'", rows[i].script, said, rows[i].says);
        }
    }
    project_remove(&p);
}

static void
a_commit_is_the_change_and_nothing_else(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct project_task again;
    struct vh_commit commit;
    seed(&p, &base);
    project_work(&p, "t1", &base,
                 "echo A > a; mknod b c 0 0; mkdir d; ln -s /nowhere d/l; echo p > d/p; chmod +x d/p", &work);
    assert_string_equal(
        project_out(&p, "git diff-tree -r --no-renames --format= %s | cut -c1-15,98-", work.commit.hex),
        ":100644 100644 M\ta\n:100755 000000 D\tb\n:000000 120000 A\td/l\n:000000 100755 A\td/p");
    project_ok(&p, vh_commit_read(&p.target, p.arena, &work.commit, &commit, &p.err));
    assert_string_equal(commit.message.data,
                        "do the work\n\nViv-Task: t1\nViv-Effect: t1/1/publish/0\nViv-Log-Head: abc\n");
    assert_string_equal(commit.author, "Vivarium <vivarium@localhost> 2000000100 +0000");
    assert_string_equal(commit.parent.hex, base.commit.hex);
    assert_string_equal(project_out(&p,
                                    "git interpret-trailers --parse < /dev/null; git log -1 "
                                    "--format='%%(trailers:key=Viv-Effect,valueonly)' %s",
                                    work.commit.hex),
                        "t1/1/publish/0");
    /* Once more, as after a crash: the same commit. */
    project_work(&p, "t1", &base,
                 "echo A > a; mknod b c 0 0; mkdir d; ln -s /nowhere d/l; echo p > d/p; chmod +x d/p", &again);
    assert_string_equal(again.commit.hex, work.commit.hex);
    assert_string_equal(project_out(&p, "git rev-parse refs/viv/held/t1; git status --porcelain"), work.commit.hex);
    struct viv_str text = vh_json_print(p.arena, vh_change_json(p.arena, &work.change));
    assert_non_null(strstr(text.data, "{\"change\":\"deleted\",\"path\":\"b\"}"));
    assert_non_null(strstr(text.data, "\"mode\":\"120000\",\"path\":\"d/l\",\"size\":8,\"target\":\"/nowhere\""));
    project_ok(&p, vh_change_discard(&p.target, p.arena, "t1", &p.err));
    assert_string_equal(project_out(&p, "git for-each-ref refs/viv"), "");
    project_remove(&p);
}

static void
what_cannot_be_committed(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    struct vh_git_id commit;
    struct vh_git_id tree;
    seed(&p, &base);
    project_work(&p, "t1", &base, "echo A > a", &work);
    struct vh_change_freeze freeze = {.base = &base,
                                      .change = &work.change,
                                      .dir = work.dir,
                                      .task = "t2",
                                      .goal = VH_STR("x"),
                                      .effect = "e",
                                      .log_head = "",
                                      .time_s = 1};
    project_sh(&p, "echo B > ../upper0/a");
    assert_int_equal(vh_change_commit(&p.target, p.arena, &freeze, &commit, &tree, &p.err), VIV_E_CONFLICT);
    assert_non_null(strstr(p.err.text, "'a' changed after it was frozen"));
    freeze.change = &(struct vh_change){0};
    assert_int_equal(vh_change_commit(&p.target, p.arena, &freeze, &commit, &tree, &p.err), VIV_E_INVALID);
    assert_non_null(strstr(p.err.text, "changed nothing"));
    freeze.task = "../t2";
    assert_int_equal(vh_change_commit(&p.target, p.arena, &freeze, &commit, &tree, &p.err), VIV_E_INVALID);
    assert_string_equal(project_out(&p, "git for-each-ref --format='%%(refname)' refs/viv"), "refs/viv/held/t1");
    project_remove(&p);
}

/* A goal is a person's text: it must not become a trailer. */
static void
goals_make_subjects(void **state)
{
    (void)state;
    static const struct {
        const char *goal;
        const char *subject;
    } rows[] = {
        {"short", "short"},
        {"\n  two\nlines", "two"},
        {"", "Work of task t"},
        {"Viv-Effect: forged\n\nViv-Task: forged", "Viv-Effect: forged"},
        {"tab\there", "tab here"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789\xc3\xa4\xc3\xa4\xc3\xa4",
         "0123456789012345678901234567890123456789012345678901234567890123456789\xc3\xa4"},
    };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vh_commit commit = {0};
        commit.message = vh_commit_message(arena, "", vh_str(rows[i].goal), "t", "e/1", "h", NULL);
        assert_string_equal(
            vh_arena_format(arena, "%s\n\nViv-Task: t\nViv-Effect: e/1\nViv-Log-Head: h\n", rows[i].subject),
            commit.message.data);
        assert_true(vh_str_is(vh_commit_trailer(&commit, "Viv-Effect"), "e/1"));
        assert_int_equal(vh_commit_trailer(&commit, "Viv-Log").len, 0);
    }
    struct vh_commit one = {.message = VH_STR("Viv-Effect: e/1\n")};
    assert_int_equal(vh_commit_trailer(&one, "Viv-Effect").len, 0);
    vh_arena_destroy(arena);
}

static void
ignored_files_stay_out(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_change change;
    seed(&p, &base);
    project_sh(&p, "echo '*.o' > .gitignore; echo /out > .git/info/exclude; mkdir -p ../user/.config/git; "
                   "echo '*~' > ../user/.config/git/ignore; git add .gitignore; git commit -qm ignore");
    project_open(&p);
    project_capture(&p, false, &base);
    int dir = project_upper(
        &p,
        "mkdir out d; echo 1 > out/x; echo 1 > d/y.o; echo 1 > a~; echo 1 > ':(top)x'; echo 1 > keep; echo 2 > a; "
        "echo '!*.o' > .gitignore; echo keep >> .gitignore; echo 1 > \"$(printf 'q\\n.o')\"");
    project_ok(&p, vh_change_read(&p.target, p.arena, &base, dir, VH_CHANGE_UPPER, &change, &p.err));
    assert_int_equal(change.count, 8);
    project_ok(&p, vh_change_ignore(&p.target, p.arena, &base, &change, &p.err));
    assert_int_equal(change.count, 4);
    assert_true(vh_str_is(change.path[0].path, ".gitignore") && vh_str_is(change.path[1].path, ":(top)x") &&
                vh_str_is(change.path[2].path, "a") && vh_str_is(change.path[3].path, "keep"));
    assert_int_equal(change.ignored_count, 4);
    close(dir);
    project_remove(&p);
}

/* Brought folders are for reading: what a task changes in them stays out as well. */
static void
brought_files_stay_out(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_change change;
    struct vh_conflicts conflicts;
    const char *bring[] = {"modules"};
    struct vh_base_options options = {.bring = bring, .bring_count = 1, .time_s = 1};
    seed(&p, &base);
    project_sh(&p, "echo modules > .gitignore; git add .gitignore; git commit -qm ignore; mkdir modules; "
                   "echo 1 > modules/m; echo 2 > modules/n");
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    int dir = project_upper(&p, "mkdir modules; echo changed > modules/m; mknod modules/n c 0 0; echo A > a");
    project_ok(&p, vh_change_read(&p.target, p.arena, &base, dir, VH_CHANGE_UPPER, &change, &p.err));
    assert_int_equal(change.count, 3);
    project_ok(&p, vh_change_ignore(&p.target, p.arena, &base, &change, &p.err));
    assert_int_equal(change.count, 1);
    assert_true(vh_str_is(change.path[0].path, "a"));
    close(dir);
    project_remove(&p);
}

/* The line: compare-and-set, the same change on a moved line, both versions of a conflict, names in the way. */
static void
the_line_moves_by_compare_and_set(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task one;
    struct project_task two;
    struct vh_git_id tip;
    struct vh_line_merged merged;
    struct vh_line_merged again;
    bool on_line = false;
    seed(&p, &base);
    project_work(&p, "t1", &base, "echo A > a", &one);
    project_work(&p, "t2", &base, "echo AA > a; echo n > n", &two);
    project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/1/publish/0", &tip, &on_line, &p.err));
    assert_string_equal(tip.hex, one.commit.hex);
    assert_false(on_line);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &one.commit, &p.err));
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &one.commit, &p.err)); /* after a crash */
    project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/1/publish/0", &tip, &on_line, &p.err));
    assert_true(on_line);
    project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/2/publish/0", &tip, &on_line, &p.err));
    assert_string_equal(tip.hex, "");
    project_ok(&p, vh_line_tip(&p.target, p.arena, &tip, &p.err));
    assert_int_equal(vh_line_merge(&p.target, p.arena, "t2", &tip, &two.commit, &merged, &p.err), VIV_E_CONFLICT);
    assert_int_equal(merged.conflicts.count, 1);
    assert_string_equal(project_out(&p, "git cat-file blob %s; git cat-file blob %s; git cat-file blob %s",
                                    merged.conflicts.conflict[0].base.hex, merged.conflicts.conflict[0].ours.hex,
                                    merged.conflicts.conflict[0].theirs.hex),
                        "a\nA\nAA");
    project_work(&p, "t2", &base, "echo n > n", &two);
    project_ok(&p, vh_line_merge(&p.target, p.arena, "t2", &tip, &two.commit, &merged, &p.err));
    project_ok(&p, vh_line_merge(&p.target, p.arena, "t2", &tip, &two.commit, &again, &p.err));
    assert_string_equal(merged.commit.hex, again.commit.hex);
    project_sh(&p, "git branch viv/t2");
    assert_int_equal(vh_line_advance(&p.target, p.arena, "t2", &tip, &merged.commit, &p.err), VIV_E_EXISTS);
    assert_non_null(strstr(p.err.text, "branch 'viv/t2' names"));
    project_sh(&p, "git branch -q -D viv/t2 viv/t1; git branch viv");
    assert_int_equal(vh_line_advance(&p.target, p.arena, "t2", &tip, &merged.commit, &p.err), VIV_E_EXISTS);
    assert_non_null(strstr(p.err.text, "cannot name the result"));
    project_sh(&p, "git branch -q -D viv");
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t2", &tip, &merged.commit, &p.err));
    assert_string_equal(
        project_out(&p, "git log --format=%%s refs/viv/line/main; git diff --name-only viv/t2~ viv/t2"),
        "do the work\ndo the work\nseed\nn");
    assert_int_equal(vh_line_advance(&p.target, p.arena, "a/b", &tip, &merged.commit, &p.err), VIV_E_INVALID);
    project_remove(&p);
}

struct advancing {
    struct vh_base base;
    struct vh_git_id commit;
};

static void
advance_step(struct project *p, void *data)
{
    struct advancing *a = data;
    if (vh_line_advance(&p->target, p->arena, "t1", &a->base.line, &a->commit, &p->err)) {
        _exit(3);
    }
}

static void
freeze_step(struct project *p, void *data)
{
    struct advancing *a = data;
    struct project_task work;
    project_work(p, "t1", &a->base, "echo A > a", &work);
}

/* C4 to C6: an effect that was cut short is found by its identity, or done once. */
static void
a_crash_around_git_is_probed(void **state)
{
    (void)state;
    struct project p;
    struct advancing a;
    struct vh_git_id found;
    bool on_line = true;
    seed(&p, &a.base);
    for (int after = 0; after < 2; after++) {
        assert_true(project_crash(&p, after ? "import.after" : "import.before", freeze_step, &a));
        project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/1/publish/0", &found, &on_line, &p.err));
        assert_int_equal(found.hex[0] != '\0', after);
        assert_false(on_line);
        project_sh(&p, "rm -r ../upper*");
    }
    a.commit = found;
    for (int after = 0; after < 2; after++) {
        assert_true(project_crash(&p, after ? "line.after" : "line.before", advance_step, &a));
        project_ok(&p, vh_line_probe(&p.target, p.arena, "t1", "t1/1/publish/0", &found, &on_line, &p.err));
        assert_string_equal(found.hex, a.commit.hex);
        assert_int_equal(on_line, after);
    }
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &a.base.line, &a.commit, &p.err));
    assert_string_equal(project_out(&p, "git rev-list --count refs/viv/line/main"), "2");
    project_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upper_layers_are_read_as_changes),
        cmocka_unit_test(a_real_overlay_is_read),
        cmocka_unit_test(copies_are_compared_with_the_base),
        cmocka_unit_test(what_no_result_may_hold),
        cmocka_unit_test(a_commit_is_the_change_and_nothing_else),
        cmocka_unit_test(what_cannot_be_committed),
        cmocka_unit_test(goals_make_subjects),
        cmocka_unit_test(ignored_files_stay_out),
        cmocka_unit_test(brought_files_stay_out),
        cmocka_unit_test(the_line_moves_by_compare_and_set),
        cmocka_unit_test(a_crash_around_git_is_probed),
    };
    return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
