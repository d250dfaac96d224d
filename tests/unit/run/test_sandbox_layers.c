/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task works on other files than those of its base, or what it changed cannot be
 * told from what it was given: stacked layers, folders shown inside the workspace, odd names. */
#include "sandbox_world.h"

static bool
overlay_variant(enum vh_sandbox_variant *ret_variant)
{
    if (world_variant_count == 0 || world_variants[0] == VH_SANDBOX_REDUCED_COPY) {
        return false;
    }
    *ret_variant = world_variants[0];
    return true;
}

static struct vh_keeper *
open_plan(struct world *world, const struct vh_sandbox_plan *plan)
{
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_sandbox_open(world->launcher, world->arena, plan, &keeper, &err)) {
        fail_msg("%s", err.text);
    }
    return keeper;
}

/* Seventeen layers with long and hostile paths; newest first. */
static void
many_layers(void **state)
{
    (void)state;
    enum vh_sandbox_variant variant = VH_SANDBOX_AUTO;
    struct world world;
    if (!overlay_variant(&variant)) {
        skip();
    }
    world_make(&world, NULL);
    static char paths[VH_SANDBOX_LOWERS_MAX][600];
    const char *lowers[VH_SANDBOX_LOWERS_MAX];
    for (size_t i = 0; i < VH_SANDBOX_LOWERS_MAX; i++) {
        char text[16];
        snprintf(paths[i], sizeof paths[i], "%s/la,y:er\\ \n%zu-%0200d", world.folder, i, 0);
        assert_int_equal(mkdir(paths[i], 0755), 0);
        snprintf(text, sizeof text, "%zu\n", i);
        world_put(paths[i], "same", text);
        snprintf(text, sizeof text, "only-%zu", i);
        world_put(paths[i], text, "x\n");
        lowers[i] = paths[i];
    }
    struct vh_sandbox_plan plan = world_plan(&world, variant);
    plan.lowers = lowers;
    plan.lower_count = VH_SANDBOX_LOWERS_MAX;
    struct vh_keeper *keeper = open_plan(&world, &plan);
    world_expect(&world, keeper, "cat same; ls | wc -l", "0\n18\n");
    vh_sandbox_close(keeper);
    world_end(&world);
}

/* A private .git: the task uses it, the change set does not have it. */
static void
folder_shown_inside(void **state)
{
    (void)state;
    enum vh_sandbox_variant variant = VH_SANDBOX_AUTO;
    struct world world;
    char path[600];
    if (!overlay_variant(&variant)) {
        skip();
    }
    world_make(&world, NULL);
    snprintf(path, sizeof path, "%s/git", world.folder);
    assert_int_equal(mkdir(path, 0755), 0);
    world_put(path, "HEAD", "ref\n");
    struct vh_sandbox_bind binds[] = {{path, ".git", true},
                                      {world.copy, "deep/down/here", false},
                                      {world.copy, "/opt/base", false},
                                      {path, "/opt/git", true}};
    struct vh_sandbox_plan plan = world_plan(&world, variant);
    plan.binds = binds;
    plan.bind_count = 4;
    struct vh_keeper *keeper = open_plan(&world, &plan);
    world_expect(
        &world, keeper,
        "cat .git/HEAD deep/down/here/one /opt/base/one; echo new >.git/index; cat /opt/git/index",
        "ref\n1\n1\nnew\n");
    world_refuse(&world, keeper, "echo x >deep/down/here/one");
    world_refuse(&world, keeper, "echo x >/opt/base/one");
    world_refuse(&world, keeper, "rm -rf .git/* ; rmdir .git || mv .git elsewhere");
    world_expect(&world, keeper, "echo more >/opt/git/more", "");
    vh_sandbox_close(keeper);
    struct vh_fs_names names;
    assert_int_equal(vh_fs_list(world.seam, world.arena, AT_FDCWD, world.upper, &names, NULL),
                     VIV_OK);
    assert_int_equal(names.count, 0);
    assert_int_equal(vh_fs_list(world.seam, world.arena, AT_FDCWD, path, &names, NULL), VIV_OK);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.name[0], "more");
    world_end(&world);
}

static void
targets_are_checked(void **state)
{
    (void)state;
    enum vh_sandbox_variant variant = VH_SANDBOX_AUTO;
    struct world world;
    static const char *const bad[] = {"../up", "a/../../up",  "",  "/", "a//b",
                                      "./a",   "/opt/../etc", "a/"};
    if (!overlay_variant(&variant)) {
        skip();
    }
    world_make(&world, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vh_sandbox_bind bind = {world.copy, bad[i], false};
        struct vh_sandbox_plan plan = world_plan(&world, variant);
        struct vh_keeper *keeper = NULL;
        struct viv_error err = VIV_ERROR_INIT;
        plan.binds = &bind;
        plan.bind_count = 1;
        assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err),
                         VIV_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "step 'request' failed: Invalid argument"));
    }
    /* A link of the base where a folder is to be shown must not lead the mount elsewhere. */
    char path[600];
    snprintf(path, sizeof path, "%s/shown", world.lower);
    assert_int_equal(symlink("sub", path), 0);
    struct vh_sandbox_bind bind = {world.copy, "shown/x", false};
    struct vh_sandbox_plan plan = world_plan(&world, variant);
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    plan.binds = &bind;
    plan.bind_count = 1;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err),
                     VIV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "step 'binds' failed: Too many levels of symbolic links"));
    world_end(&world);
}

/* The upper of one phase is a layer of the next, deletions included, and can be read and removed by
 * the host. */
static void
phases_stack(void **state)
{
    (void)state;
    enum vh_sandbox_variant variant = VH_SANDBOX_AUTO;
    struct world world;
    char paths[3][600];
    if (!overlay_variant(&variant)) {
        skip();
    }
    world_make(&world, NULL);
    struct vh_keeper *keeper = world_open(&world, variant);
    world_expect(
        &world, keeper,
        "rm one; rm -r sub; mkdir sub; echo new >sub/new; chmod 000 sub/new; mkdir -m 000 closed",
        "");
    vh_sandbox_close(keeper);
    for (size_t i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/next-%zu", world.folder, i);
        assert_int_equal(mkdir(paths[i], 0755), 0);
    }
    const char *lowers[] = {world.upper, world.lower};
    struct vh_sandbox_plan plan = world_plan(&world, variant);
    plan.lowers = lowers;
    plan.lower_count = 2;
    plan.upper = paths[0];
    plan.work = paths[1];
    plan.scratch = paths[2];
    keeper = open_plan(&world, &plan);
    world_expect(&world, keeper, "ls . sub", ".:\nclosed\nsub\n\nsub:\nnew\n");
    vh_sandbox_close(keeper);
    world_end(&world);
}

static void
limits_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        world_make(&world, NULL);
        struct vh_sandbox_plan plan = world_plan(&world, world_variants[i]);
        plan.limits = (struct vh_sandbox_limits){.cpu_s = 1,
                                                 .memory_bytes = 64 << 20,
                                                 .files_open = 20,
                                                 .file_bytes = 100000,
                                                 .tmp_bytes = 1 << 20};
        struct vh_keeper *keeper = open_plan(&world, &plan);
        struct vh_exec_result result = world_shell(&world, keeper, "while :; do :; done");
        assert_int_equal(result.stages[0].signal, SIGKILL);
        world_refuse(&world, keeper, "head -c 200000 /dev/zero >big");
        world_expect(&world, keeper, "ulimit -n; ulimit -c", "20\n0\n");
        world_refuse(&world, keeper, "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}");
        if (vh_keeper_profile(keeper)->bits & VH_PROFILE_MOUNTNS) {
            world_refuse(&world, keeper,
                         "for i in 1 2 3 4 5 6 7 8 9 a b c d; do head -c 90000 /dev/zero >/tmp/$i "
                         "|| exit 1; done");
        }
        vh_sandbox_close(keeper);
        world_end(&world);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_layers),         cmocka_unit_test(folder_shown_inside),
        cmocka_unit_test(targets_are_checked), cmocka_unit_test(phases_stack),
        cmocka_unit_test(limits_hold),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
