/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task could see ignored or private files, or a base would not be what the person has. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/project.h"
#include "base/str.h"
#include "run/base_bring.h"
#include "run/layer.h"
#include "run/line.h"
#include <viv/limits.h>

static viv_status
open_at(struct project *p, const char *below)
{
    const char *path = vh_arena_format(p->arena, "%s/%s", p->scratch, below);
    return vh_target_open(&p->tools, p->arena, path, &p->target, &p->err);
}

static void
says(struct project *p, const char *text)
{
    if (!strstr(p->err.text, text)) {
        fail_msg("'%s' lacks '%s'", p->err.text, text);
    }
}

static void
targets_are_told_apart(void **state)
{
    (void)state;
    struct project p;
    project_make(&p, true);
    project_sh(&p, "mkdir -p s/t; git commit -q --allow-empty -m x; git init -q --bare ../bare; : > ../file; "
                   "mkdir ../plain ../home/inside ../broken; echo 'gitdir: /nonexistent' > ../broken/.git");
    project_open(&p);
    assert_int_equal(p.target.kind, VH_TARGET_REPOSITORY);
    assert_string_equal(p.target.branch, "refs/heads/main");
    assert_string_equal(p.target.line, "refs/viv/line/main");
    assert_true(p.target.author_fallback);
    assert_string_equal(p.target.author_email, "vivarium@localhost");
    project_ok(&p, open_at(&p, "project/s/t"));
    assert_string_equal(p.target.root, p.root);
    assert_string_equal(p.target.prefix, "s/t/");
    project_ok(&p, open_at(&p, "plain"));
    assert_int_equal(p.target.kind, VH_TARGET_FOLDER);
    assert_int_equal(open_at(&p, "bare"), VIV_E_INVALID);
    says(&p, "bare repository");
    assert_int_equal(open_at(&p, "project/.git"), VIV_E_INVALID);
    assert_int_equal(open_at(&p, "home/inside"), VIV_E_INVALID);
    says(&p, "lies in the home");
    assert_int_equal(open_at(&p, "file"), VIV_E_INVALID);
    assert_int_equal(open_at(&p, "missing"), VIV_E_NOT_FOUND);
    assert_int_equal(open_at(&p, "broken"), VIV_E_INVALID);
    says(&p, "does not lead to a git directory");
    project_sh(&p, "git checkout -q --detach");
    project_open(&p);
    assert_null(p.target.branch);
    assert_true(vh_str_starts(vh_str(p.target.line), "refs/viv/detached/"));
    project_sh(&p, "git config user.name 'A <B>' && git config user.email a@b");
    project_open(&p);
    assert_false(p.target.author_fallback);
    assert_string_equal(p.target.author_name, "A  B ");
    project_sh(&p, "git config core.bare true");
    assert_int_equal(open_at(&p, "project"), VIV_E_INVALID);
    project_remove(&p);
}

static const char *
list_of(struct project *p, const struct vh_git_id *tree)
{
    struct vh_tree list;
    project_ok(p, vh_layer_list(&p->target, p->arena, tree, &list, &p->err));
    char *text = vh_arena_alloc(p->arena, 4096);
    for (size_t i = 0; i < list.count; i++) {
        strcat(strcat(text, vh_tree_escape(p->arena, list.entry[i].path).data), " ");
    }
    return text;
}

static void
uncommitted_work_is_seen_without_ignored_files(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    project_make(&p, true);
    project_sh(&p, "echo '*.o' > .gitignore; echo a > a; echo b > b; echo c > c; git add -A; git commit -qm x; "
                   "echo /private > .git/info/exclude; mkdir -p ../user/.config/git; "
                   "echo secret.env > ../user/.config/git/ignore");
    project_sh(
        &p, "echo A > a; rm b; echo C > c; git add c; echo n > new; : > x.o; echo k > private; echo s > secret.env;"
            " mkfifo pipe; git init -q nested; : > nested/f; mkdir -p .vivarium sub; : > .vivarium/db; "
            "echo q > sub/q; touch .gitignore");
    project_open(&p);
    const char *index = project_out(&p, "sha256sum .git/index");
    project_capture(&p, true, &base);
    assert_string_equal(list_of(&p, &base.seen), ".gitignore a c new sub/q ");
    assert_string_equal(list_of(&p, &base.tree), ".gitignore a b c ");
    assert_string_equal(project_out(&p, "sha256sum .git/index"), index);
    assert_int_equal(base.seen_time_s, 2000000000);
    /* It never becomes part of the user's repository. */
    assert_string_equal(project_out(&p, "git cat-file -t %s 2>&1 || :", base.seen.hex),
                        "fatal: git cat-file: could not get object info");
    assert_string_equal(project_out(&p, "git for-each-ref refs/viv"), "");
    project_capture(&p, false, &base);
    assert_string_equal(base.seen.hex, base.tree.hex);
    project_remove(&p);
}

static void
brought_paths_and_bounds(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_conflicts conflicts;
    const char *bring[] = {"modules", "missing"};
    const char *bad[] = {"../up"};
    project_make(&p, true);
    project_sh(&p,
               "printf 'modules\\nother\\n' > .gitignore; git add -A; git commit -qm x; mkdir -p modules/m/.git; "
               "echo 1 > modules/m/i; echo 2 > modules/j; ln -s /etc modules/out; echo 3 > other");
    project_open(&p);
    struct vh_base_options options = {.bring = bring, .bring_count = 2, .time_s = 1};
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    assert_string_equal(list_of(&p, &base.seen), ".gitignore modules/j modules/m/i modules/out ");
    options.files_max = 2;
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_LIMIT);
    says(&p, "3 files or more to copy, allowed 2; name less in the policy's 'bring'");
    options = (struct vh_base_options){.bring = bring, .bring_count = 2, .bytes_max = 3};
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_LIMIT);
    says(&p, "bytes or more to copy, allowed 3; name less in the policy's 'bring'");
    options = (struct vh_base_options){.bring = bad, .bring_count = 1};
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_INVALID);
    says(&p, "must be relative");
    project_remove(&p);
}

/* What a gate works in: the result, and what was brought wherever that is not in the way. */
static void
what_was_brought_gives_way(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_conflicts conflicts;
    struct vh_git_id shown;
    const char *bring[] = {"out"};
    struct vh_base_options options = {.bring = bring, .bring_count = 1, .uncommitted = true, .time_s = 1};
    project_make(&p, true);
    project_sh(&p, "echo a > a; git add a; git commit -qm x; mkdir -p out/d out/e; echo 1 > out/1; echo 2 > out/d/2; "
                   "echo 3 > out/e/3; echo out > .git/info/exclude");
    project_open(&p);
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    assert_string_equal(list_of(&p, &base.brought), "out/1 out/d/2 out/e/3 ");
    project_ok(&p, vh_base_with_brought(&p.target, p.arena, &base, &base.tree, &shown, &p.err));
    assert_string_equal(list_of(&p, &shown), "a out/1 out/d/2 out/e/3 ");
    assert_string_equal(shown.hex, base.seen.hex);
    struct vh_git_id result = {{0}};
    snprintf(result.hex, sizeof result.hex, "%s",
             project_out(&p, "mkdir ../other; cd ../other; git init -q; mkdir -p out/1; echo x > out/1/x; "
                             "echo x > out/d; mkdir out/e; echo x > out/e/3; git add -A; git write-tree; "
                             "cp -r .git/objects/* ../project/.git/objects/"));
    project_ok(&p, vh_base_with_brought(&p.target, p.arena, &base, &result, &shown, &p.err));
    assert_string_equal(shown.hex, result.hex);
    /* Nothing of it is in the person's repository, and none of it is brought when it is their uncommitted work. */
    assert_string_equal(project_out(&p, "git cat-file -t %s 2>&1 || :", base.brought.hex),
                        "fatal: git cat-file: could not get object info");
    project_sh(&p, ": > .git/info/exclude");
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    assert_string_equal(base.brought.hex, "");
    assert_string_equal(list_of(&p, &base.seen), "a out/1 out/d/2 out/e/3 ");
    project_ok(&p, vh_base_with_brought(&p.target, p.arena, &base, &base.tree, &shown, &p.err));
    assert_string_equal(shown.hex, base.tree.hex);
    project_remove(&p);
}

/* What one pattern brings, each name followed by a blank. */
static const char *
brings(struct project *p, const char *pattern)
{
    struct vh_base base;
    struct vh_conflicts conflicts;
    struct vh_base_options options = {.bring = &pattern, .bring_count = 1, .time_s = 1};
    project_ok(p, vh_base_capture(&p->target, p->arena, &options, &base, &conflicts, &p->err));
    return list_of(p, &base.brought);
}

static void
cannot_bring(struct project *p, const char *pattern, uint64_t files_max, viv_status want, const char *words)
{
    struct vh_base base;
    struct vh_conflicts conflicts;
    struct vh_base_options options = {.bring = &pattern, .bring_count = 1, .files_max = files_max, .time_s = 1};
    assert_int_equal(vh_base_capture(&p->target, p->arena, &options, &base, &conflicts, &p->err), want);
    says(p, words);
}

static void
patterns_bring_what_they_fit(void **state)
{
    (void)state;
    struct project p;
    project_make(&p, true);
    project_sh(&p, "mkdir -p a/b/c a/x .git/no w/.vivarium; echo 1 > a/b/c/1.o; echo 2 > a/2.o; echo 3 > 3.o; "
                   "echo 4 > a/x/\xc3\xa4.o; echo 5 > '*'; echo 6 > kept.o; echo 7 > a/x/.o; echo 8 > .git/8.o; "
                   "echo 9 > w/.vivarium/9.o; ln -s a link; printf '*.o\n' > .gitignore; git add -f .gitignore kept.o; "
                   "git commit -qm x; echo dirty > kept.o");
    project_open(&p);
    assert_string_equal(brings(&p, "a/b"), "a/b/c/1.o ");
    assert_string_equal(brings(&p, "a/b/"), "a/b/c/1.o ");
    assert_string_equal(brings(&p, "*.o"), "3.o "); /* what is committed is no matter of bring */
    assert_string_equal(brings(&p, "kept.o"), "");
    assert_string_equal(brings(&p, "a/*.o"), "a/2.o ");
    assert_string_equal(brings(&p, "a/*/?.o"), "a/x/\xc3\xa4.o ");
    assert_string_equal(brings(&p, "a/*/c"), "a/b/c/1.o ");
    assert_string_equal(brings(&p, "**/*.o"), "3.o a/2.o a/b/c/1.o a/x/.o a/x/\xc3\xa4.o ");
    assert_string_equal(brings(&p, "a/**"), "a/2.o a/b/c/1.o a/x/.o a/x/\xc3\xa4.o ");
    assert_string_equal(brings(&p, "**/b/**/1.o"), "a/b/c/1.o ");
    assert_string_equal(brings(&p, "**/c"), "a/b/c/1.o ");
    assert_string_equal(brings(&p, "**/**/2.o"), "a/2.o ");
    assert_string_equal(brings(&p, "a/b*c"), "");
    assert_string_equal(brings(&p, "?"), "* a/2.o a/b/c/1.o a/x/.o a/x/\xc3\xa4.o ");
    assert_string_equal(brings(&p, "li*/2.o"), ""); /* links are not followed */
    assert_string_equal(brings(&p, "no/**/such/*"), "");
    assert_string_equal(brings(&p, "3.o/*"), "");
    cannot_bring(&p, "**/**", 0, VIV_E_INVALID, "path '**/**' to bring would be the whole project, allowed: build");
    cannot_bring(&p, "a/./b", 0, VIV_E_INVALID, "must be relative, without '.' and '..'");
    cannot_bring(&p, "/a", 0, VIV_E_INVALID, "must be relative");
    cannot_bring(&p, "", 0, VIV_E_INVALID, "is empty");
    project_sh(&p, "mkdir many; cd many; touch $(seq 41)");
    cannot_bring(&p, "many/*/x", 2, VIV_E_LIMIT,
                 "pattern 'many/*/x' to bring was compared with 41 names, allowed 40; name the folder it begins in");
    project_sh(&p, "d=deep; for i in $(seq 130); do d=$d/d; done; mkdir -p $d; touch $d/x");
    cannot_bring(&p, "deep/**/x", 0, VIV_E_LIMIT, "is deeper than 128");
    cannot_bring(&p, "deep", 0, VIV_E_LIMIT, "is deeper than 128");
    const char *parts = vh_arena_text(p.arena, "");
    for (int i = 0; i < 61; i++) {
        parts = vh_arena_format(p.arena, "%sa/", parts);
    }
    cannot_bring(&p, parts, 0, VIV_E_INVALID, "has more than 60 parts");
    char *longest = vh_arena_alloc(p.arena, VIV_PATH_MAX + 2);
    memset(longest, 'a', VIV_PATH_MAX + 1);
    cannot_bring(&p, longest, 0, VIV_E_INVALID, "is too long");
    project_remove(&p);
}

static void
line_and_branch_are_joined(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_base again;
    struct project_task work;
    struct vh_conflicts conflicts;
    struct vh_base_options options = {.uncommitted = true, .time_s = 5};
    project_make(&p, true);
    project_sh(&p, "printf '1\\n2\\n3\\n4\\n5\\n' > a; echo b > b; git add -A; git commit -qm x");
    project_open(&p);
    project_capture(&p, false, &base);
    project_work(&p, "t1", &base, "printf '1\\n2\\n3\\n4\\nfive\\n' > a", &work);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    project_capture(&p, false, &base);
    assert_string_equal(base.commit.hex, work.commit.hex);
    /* Uncommitted work in the same file is merged onto the line. */
    project_sh(&p, "sed -i s/1/one/ a");
    project_capture(&p, true, &base);
    assert_string_equal(base.commit.hex, work.commit.hex);
    assert_string_not_equal(base.seen.hex, base.tree.hex);
    project_sh(&p, "git checkout -q a; echo B > b; git commit -qam theirs");
    project_capture(&p, false, &base);
    project_capture(&p, false, &again);
    assert_string_equal(base.commit.hex, again.commit.hex);
    assert_string_equal(project_out(&p,
                                    "git show %s:a | tail -1; git show %s:b; git cat-file -p %s | grep -c parent",
                                    base.commit.hex, base.commit.hex, base.commit.hex),
                        "five\nB\n2");
    project_sh(&p, "printf '1\\n2\\n3\\n4\\nFUENF\\n' > a; git commit -qam clash");
    assert_int_equal(vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err), VIV_E_CONFLICT);
    says(&p, "the first is 'a'");
    assert_int_equal(conflicts.count, 1);
    assert_int_equal(strlen(conflicts.conflict[0].ours.hex), 40);
    assert_int_equal(strlen(conflicts.conflict[0].theirs.hex), 40);
    assert_string_not_equal(conflicts.conflict[0].ours.hex, conflicts.conflict[0].theirs.hex);
    project_remove(&p);
}

static void
submodules_and_pointers_are_left_alone(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_layers layers;
    project_make(&p, true);
    project_sh(
        &p, "git init -q ../other && git -C ../other commit -q --allow-empty -m x && "
            "git -c protocol.file.allow=always submodule --quiet add ../other mod && "
            "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 3\\n' > big.bin && "
            "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes && git add -A && git commit -qm x");
    project_sh(&p, "git -C mod commit -q --allow-empty -m y");
    project_open(&p);
    project_capture(&p, true, &base);
    assert_string_equal(base.seen.hex, base.tree.hex);
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.tree, NULL, base.time_s, &layers, &p.err));
    assert_string_equal(project_out(&p, "cd '%s' && ls -A mod && head -1 big.bin", layers.path[0]),
                        "version https://git-lfs.github.com/spec/v1");
    project_remove(&p);
}

/* A clone without its older history, and one with a home committed into it. */
static void
shallow_clone_and_committed_home(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct vh_layers layers;
    struct project_task work;
    project_make(&p, true);
    project_sh(&p, "mkdir .vivarium; echo evil > .vivarium/db; for i in 1 2 3; do echo $i > a; git add -f -A; "
                   "git commit -qm $i; done; git clone -q --depth 1 \"file://$PWD\" ../shallow");
    snprintf(p.root, sizeof p.root, "%s/shallow", p.scratch);
    project_open(&p);
    assert_non_null(p.target.shallow);
    project_capture(&p, true, &base);
    assert_string_equal(list_of(&p, &base.seen), "a ");
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.tree, NULL, 1, &layers, &p.err));
    assert_string_equal(project_out(&p, "ls -A '%s'", layers.path[0]), "a");
    project_work(&p, "t1", &base, "echo 4 > a", &work);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    assert_string_equal(project_out(&p, "git show --format= --name-only viv/t1; git fsck --no-dangling 2>&1"), "a");
    project_remove(&p);
}

static void
the_other_object_format(void **state)
{
    (void)state;
    struct project p;
    struct vh_base base;
    struct project_task work;
    project_make(&p, false);
    project_sh(&p,
               "git init -q --object-format=sha256 -b main . 2>/dev/null; echo a > a; git add a; git commit -qm x; "
               "echo b > b");
    project_open(&p);
    assert_int_equal(p.target.hex_len, 64);
    project_capture(&p, true, &base);
    assert_string_equal(list_of(&p, &base.seen), "a b ");
    project_work(&p, "t1", &base, "echo 4 > a", &work);
    project_ok(&p, vh_line_advance(&p.target, p.arena, "t1", &base.line, &work.commit, &p.err));
    assert_string_equal(project_out(&p, "git show viv/t1:a"), "4");
    project_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_told_apart),
        cmocka_unit_test(uncommitted_work_is_seen_without_ignored_files),
        cmocka_unit_test(brought_paths_and_bounds),
        cmocka_unit_test(patterns_bring_what_they_fit),
        cmocka_unit_test(what_was_brought_gives_way),
        cmocka_unit_test(line_and_branch_are_joined),
        cmocka_unit_test(submodules_and_pointers_are_left_alone),
        cmocka_unit_test(shallow_clone_and_committed_home),
        cmocka_unit_test(the_other_object_format),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
