/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task would work on a tree that is not its base, or a crash would leave half a base in the cache.
 */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/project.h"
#include "../../support/seam_fail.h"
#include "run/layer.h"
#include <viv/limits.h>

static void
tree_of(struct project *p, const char *commit, struct vh_git_id *ret_tree)
{
    assert_true(vh_git_parse_id((struct viv_str){project_out(p, "git rev-parse %s^{tree}", commit), 40}, ret_tree));
}

static void
put(struct project *p, const struct vh_git_id *tree, const struct vh_git_id *near, struct vh_layers *ret_layers)
{
    project_ok(p, vh_layer_materialise(&p->target, p->arena, tree, near, 1000000000, ret_layers, &p->err));
}

static void
whole_trees_are_as_git_has_them(void **state)
{
    (void)state;
    struct project p;
    struct vh_git_id tree;
    struct vh_layers layers;
    project_make(&p, true);
    project_sh(
        &p, "mkdir -p x/y; echo a > x/y/a; echo p > p; chmod +x p; ln -s /etc/passwd out; ln -s p in; : > empty; "
            "echo odd > \"$(printf 'n\\nl \\377')\"; head -c 200000 /dev/zero > big; git add -A; git commit -qm x");
    project_open(&p);
    /* Nothing at all is a tree too. */
    put(&p, &(struct vh_git_id){{0}}, NULL, &layers);
    assert_string_equal(project_out(&p, "ls -A '%s'", layers.path[0]), "");
    tree_of(&p, "HEAD", &tree);
    umask(077);
    put(&p, &tree, NULL, &layers);
    umask(022);
    assert_int_equal(layers.count, 1);
    const char *want = project_print(&p, p.root);
    assert_string_equal(project_print(&p, layers.path[0]), want);
    assert_string_equal(project_out(&p, "cd '%s' && find . -exec stat -c %%Y {} + | sort -u", layers.path[0]),
                        "1000000000");
    project_ok(&p, vh_layer_verify(&p.target, p.arena, &tree, &p.err));
    project_sh(&p, "echo b > '%s/x/y/a'", layers.path[0]);
    assert_int_equal(vh_layer_verify(&p.target, p.arena, &tree, &p.err), VIV_E_CORRUPT);
    assert_non_null(strstr(p.err.text, "'x/y/a' of a cached tree is missing or altered"));
    project_remove(&p);
}

/* The stack, mounted by the kernel, is the tree. */
static void
check_mounted(struct project *p, const struct vh_layers *layers)
{
    char lower[8192] = "";
    for (size_t i = 0; i < layers->count; i++) {
        strcat(strcat(lower, i ? ":" : ""), layers->path[i]);
    }
    if (layers->count == 1) { /* an overlay wants two */
        project_sh(p, "mkdir -p ../none");
        strcat(strcat(lower, ":"), p->scratch);
        strcat(lower, "/none");
    }
    project_sh(p,
               "mkdir -p ../mnt; unshare -Urm sh -c 'mount -t overlay overlay -o userxattr,lowerdir=%s ../mnt && "
               "diff -r --no-dereference --exclude=.git . ../mnt'",
               lower);
}

static bool
can_mount(struct project *p)
{
    return strcmp(project_out(p, "unshare -Urm true 2>/dev/null && echo yes || :"), "yes") == 0;
}

static void
layers_stack_and_flatten(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "echo 2 > a",
        "git rm -q -r d",
        "mkdir d; echo new > d/n",
        "git rm -q -r d; echo file > d",
        "rm d; mkdir d; echo again > d/again",
        "git mv e/f/g e/f/h",
        "rm b; ln -s a b",
        "chmod +x a",
        "git rm -q -r e",
        "echo 1 > e",
        "rm e; mkdir -p e/f; echo x > e/f/g",
        "echo 3 > a",
        "echo 4 > a",
        "echo 5 > a",
        "echo 6 > a",
        "echo 7 > a",
        "echo 8 > a",
        "rm -rf d e",
    };
    struct project p;
    struct vh_git_id tree;
    struct vh_git_id near;
    struct vh_layers layers;
    size_t highest = 0;
    size_t flattened = 0;
    project_make(&p, true);
    project_sh(&p, "mkdir -p d/s e/f; for i in 1 2 3 4 5 6 7 8; do echo $i > k$i; done; echo 1 > a; echo b > b; "
                   "echo x > d/x; echo y > d/s/y; echo g > e/f/g; git add -A; git commit -qm 0");
    project_open(&p);
    bool mount = can_mount(&p);
    tree_of(&p, "HEAD", &near);
    put(&p, &near, NULL, &layers);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        size_t before = layers.count;
        project_sh(&p, "%s; git add -A; git commit -qm step", steps[i]);
        tree_of(&p, "HEAD", &tree);
        put(&p, &tree, &near, &layers);
        flattened += layers.count < before;
        highest = layers.count > highest ? layers.count : highest;
        project_ok(&p, vh_layer_verify(&p.target, p.arena, &tree, &p.err));
        if (mount) {
            check_mounted(&p, &layers);
        }
        near = tree;
    }
    /* Who must copy gets one whole folder, although the cache has only a layer. */
    project_sh(&p, "git checkout -q HEAD~3");
    tree_of(&p, "HEAD", &tree);
    for (int again = 0; again < 2; again++) {
        put(&p, &tree, NULL, &layers);
        assert_int_equal(layers.count, 1);
        assert_string_equal(project_print(&p, layers.path[0]), project_print(&p, p.root));
    }
    assert_non_null(strstr(layers.path[0], "/whole-"));
    put(&p, &tree, &(struct vh_git_id){ { 0 } }, &layers);
    assert_true(layers.count > 1);
    assert_int_equal(highest, VIV_LAYERS_MAX);
    assert_int_equal(flattened, 1);
    project_remove(&p);
    if (!mount) {
        print_message("no user namespaces here: the stacks were not mounted\n");
    }
}

struct wanted {
    struct vh_git_id tree;
};

static void
make_step(struct project *p, void *data)
{
    struct wanted *wanted = data;
    struct vh_layers layers;
    if (vh_layer_materialise(&p->target, p->arena, &wanted->tree, NULL, 1, &layers, &p->err)) {
        _exit(3);
    }
}

static void
a_crash_leaves_a_whole_entry_or_none(void **state)
{
    (void)state;
    static const char *const places[] = {"layer.written", "layer.synced", "layer.renamed"};
    for (size_t i = 0; i < 3; i++) {
        struct project p;
        struct wanted wanted;
        struct vh_layers layers;
        project_make(&p, true);
        project_sh(&p, "echo a > a; git add -A; git commit -qm x");
        project_open(&p);
        tree_of(&p, "HEAD", &wanted.tree);
        assert_true(project_crash(&p, places[i], make_step, &wanted));
        assert_string_equal(project_out(&p, "ls ../home/trees"), i == 2 ? wanted.tree.hex : "");
        project_ok(&p, vh_layer_clean(&p.tools, p.arena, &p.err));
        assert_string_equal(project_out(&p, "ls -A ../home/trees"), i == 2 ? wanted.tree.hex : "");
        put(&p, &wanted.tree, NULL, &layers);
        project_ok(&p, vh_layer_verify(&p.target, p.arena, &wanted.tree, &p.err));
        project_remove(&p);
    }
}

/* Two workers want one tree at once: the second finds the first one's entry in the very last step. */
struct meeting {
    struct vh_seam seam;
    struct project *project;
    const struct vh_git_id *tree;
    int armed;
};

static void
meet(void *data, const char *name)
{
    struct meeting *meeting = data;
    struct vh_layers layers;
    if (meeting->armed && strcmp(name, "layer.synced") == 0) {
        meeting->armed = 0;
        put(meeting->project, meeting->tree, NULL, &layers);
    }
}

static void
two_workers_make_one_entry(void **state)
{
    (void)state;
    struct project p;
    struct vh_git_id tree;
    struct vh_layers layers;
    project_make(&p, true);
    project_sh(&p, "echo a > a; git add -A; git commit -qm x");
    project_open(&p);
    tree_of(&p, "HEAD", &tree);
    struct meeting meeting = {*vh_seam_real(), &p, &tree, 1};
    meeting.seam.place = meet;
    meeting.seam.data = &meeting;
    p.tools.seam = &meeting.seam;
    put(&p, &tree, NULL, &layers);
    assert_int_equal(meeting.armed, 0);
    assert_string_equal(project_out(&p, "ls -A ../home/trees | grep -v recent"), tree.hex);
    project_remove(&p);
}

/* A layer is not synced; after a power cut its bytes may be gone although its name is there. */
static void
layers_of_another_start_are_not_believed(void **state)
{
    (void)state;
    struct project p;
    struct seam_fail count;
    struct vh_git_id first, second;
    struct vh_layers layers;
    project_make(&p, true);
    project_sh(&p, "for i in $(seq 30); do echo $i > f$i; done; git add -A; git commit -qm x; echo b > f2; "
                   "git commit -qam y");
    project_open(&p);
    seam_fail_init(&count, vh_seam_real());
    p.tools.seam = &count.seam;
    tree_of(&p, "HEAD~", &first);
    tree_of(&p, "HEAD", &second);
    put(&p, &first, NULL, &layers);
    assert_int_equal(seam_fail_calls(&count, SEAM_SYNC_ALL), 1);
    put(&p, &second, &first, &layers);
    assert_int_equal(layers.count, 2);
    assert_int_equal(seam_fail_calls(&count, SEAM_SYNC_ALL), 1);
    const char *both = project_out(&p, "ls ../home/trees");
    project_ok(&p, vh_layer_clean(&p.tools, p.arena, &p.err));
    assert_string_equal(project_out(&p, "ls ../home/trees"), both);

    project_sh(&p, "sed -i 's/\"boot\":\"[^\"]*\"/\"boot\":\"before\"/' ../home/trees/%s/stamp; "
                   ": > ../home/trees/%s/root/f2", second.hex, second.hex);
    assert_int_equal(vh_layer_materialise(&p.target, p.arena, &second, &first, 1, &layers, &p.err), VIV_E_CORRUPT);
    assert_non_null(strstr(p.err.text, "in the cache is not whole"));
    project_ok(&p, vh_layer_clean(&p.tools, p.arena, &p.err));
    assert_string_equal(project_out(&p, "ls ../home/trees | grep -v recent"), first.hex);
    put(&p, &second, &first, &layers);
    assert_int_equal(layers.count, 2);
    project_ok(&p, vh_layer_verify(&p.target, p.arena, &second, &p.err));

    project_sh(&p, ": > ../home/trees/%s/stamp", second.hex); /* what a power cut leaves of it */
    project_ok(&p, vh_layer_clean(&p.tools, p.arena, &p.err));
    assert_string_equal(project_out(&p, "ls ../home/trees | grep -v recent"), first.hex);
    project_remove(&p);
}

/* Trees that git itself would not check out. */
static void
hostile_trees_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *make;
        const char *says;
    } rows[] = {
        {"printf '100644 ..\\0'; echo $B | perl -ne 'chomp; print pack q(H*), $_'", "'..', which no file may have"},
        {"printf '100644 .GIT\\0'; echo $B | perl -ne 'chomp; print pack q(H*), $_'",
         "'.GIT', which no file may have"},
        {"printf '100644 a/b\\0'; echo $B | perl -ne 'chomp; print pack q(H*), $_'; printf '120000 a\\0'; echo $B "
         "| perl -ne 'chomp; print pack q(H*), $_'",
         "the list of a tree is not sorted"},
        {"printf '120000 a\\0'; echo $B | perl -ne 'chomp; print pack q(H*), $_'; printf '100644 a/b\\0'; echo $B "
         "| perl -ne 'chomp; print pack q(H*), $_'",
         "cannot"},
        {"printf '120000 a\\0'; echo $E | perl -ne 'chomp; print pack q(H*), $_'", "has a target of 0 bytes"},
        {"printf '100644 gone\\0'; echo 1111111111111111111111111111111111111111 | perl -ne 'chomp; print pack "
         "q(H*), $_'",
         "lacks blob 1111"},
    };
    struct project p;
    project_make(&p, true);
    project_sh(&p, "git commit -q --allow-empty -m x");
    project_open(&p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vh_git_id tree;
        struct vh_layers layers;
        const char *hex = project_out(&p,
                                      "B=$(echo /etc | tr -d '\\n' | git hash-object -w --stdin); "
                                      "E=$(git hash-object -w --stdin < /dev/null); { %s; } | "
                                      "git hash-object -t tree --literally -w --stdin",
                                      rows[i].make);
        assert_true(vh_git_parse_id((struct viv_str){hex, 40}, &tree));
        viv_status status = vh_layer_materialise(&p.target, p.arena, &tree, NULL, 1, &layers, &p.err);
        if (status == VIV_OK || !strstr(p.err.text, rows[i].says)) {
            fail_msg("row %zu: %d '%s' lacks '%s'", i, status, p.err.text, rows[i].says);
        }
        assert_string_equal(project_out(&p, "ls -A ../home/trees; ls /etc/b 2>/dev/null || :"), "");
    }
    project_remove(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_trees_are_as_git_has_them),
        cmocka_unit_test(layers_stack_and_flatten),
        cmocka_unit_test(a_crash_leaves_a_whole_entry_or_none),
        cmocka_unit_test(two_workers_make_one_entry),
        cmocka_unit_test(layers_of_another_start_are_not_believed),
        cmocka_unit_test(hostile_trees_are_refused),
    };
    return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
