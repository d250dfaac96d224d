/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a sandbox that could not be set up whole is used all the same: each step of the
 * launcher is made to fail in turn, in each variant that has it; nothing runs, and the step is
 * named. */
#include "sandbox_world.h"

#include "launcher/steps.h"

struct failing_step {
    const char *name;
    bool at_exec;
    bool in[4]; /* by variant */
};

#define OWN_ROOT                                                                                   \
    {                                                                                              \
        false, true, true, false                                                                   \
    }
#define ALL                                                                                        \
    {                                                                                              \
        false, true, true, true                                                                    \
    }

static const struct failing_step steps[] = {
    {"userns", false, {false, true, false, false}},
    {"maps", false, {false, true, false, false}},
    {"loopback", false, {false, true, false, false}},
    {"pivot", false, {false, true, false, false}},
    {"door", false, {false, true, false, false}},
    {"chroot", false, {false, false, true, false}},
    {"fork", false, {false, false, false, true}},
    {"subreaper", false, {false, false, false, true}},
    {"copy", false, {false, false, false, true}},
    {"pidns", false, OWN_ROOT},
    {"mountns", false, OWN_ROOT},
    {"private", false, OWN_ROOT},
    {"netns", false, OWN_ROOT},
    {"ipcns", false, OWN_ROOT},
    {"utsns", false, OWN_ROOT},
    {"layers", false, OWN_ROOT},
    {"binds", false, OWN_ROOT},
    {"points", false, OWN_ROOT},
    {"root", false, OWN_ROOT},
    {"system", false, OWN_ROOT},
    {"dev", false, OWN_ROOT},
    {"tmp", false, OWN_ROOT},
    {"overlay", false, OWN_ROOT},
    {"read-only", false, OWN_ROOT},
    {"control", false, ALL},
    {"request", false, ALL},
    {"minimum", false, ALL},
    {"proc", false, ALL},
    {"landlock", false, ALL},
    {"capabilities", false, ALL},
    {"nnp", false, ALL},
    {"dumpable", false, ALL},
    {"death", false, ALL},
    {"start", true, ALL},
    {"session", true, ALL},
    {"descriptors", true, ALL},
    {"rlimits", true, ALL},
    {"landlock-enter", true, ALL},
    {"seccomp", true, ALL},
};

static void
expect_named(const struct failing_step *step, enum vh_sandbox_variant variant, const char *text)
{
    char said[80];
    snprintf(said, sizeof said, "step '%s' failed: Operation not permitted", step->name);
    if (!strstr(text, said)) {
        fail_msg("[%s] step '%s' is refused with '%s'", vh_sandbox_variant_name(variant),
                 step->name, text);
    }
}

/* Two stages: the second one's confinement fails as the first one's does, and neither may have run.
 */
static void
expect_exec_refused(struct world *world, struct vh_keeper *keeper, const struct failing_step *step)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    const char *const argv[] = {"touch", "ran"};
    struct vh_exec_stage stages[] = {{.argv = argv, .argc = 2}, {.argv = argv, .argc = 2}};
    struct vh_exec exec = {.stages = stages, .stage_count = 2, .wall_ns = 20 * SECOND_NS};
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err),
                     VIV_E_UNAVAILABLE);
    expect_named(step, vh_keeper_profile(keeper)->variant, err.text);
    assert_int_equal(faccessat(vh_keeper_root(keeper), "ran", F_OK, 0), -1);
}

static void
step_is_refused(const struct failing_step *step, enum vh_sandbox_variant variant)
{
    struct world world;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_keeper *keeper = NULL;
    world_make(&world, step->name);
    struct vh_sandbox_plan plan = world_plan(&world, variant);
    /* One bind beside the workspace and one in it, which needs a point; a copy can have none. */
    const struct vh_sandbox_bind binds[] = {world.binds[0], {world.lower, "shown", false}};
    plan.binds = binds;
    plan.bind_count = variant == VH_SANDBOX_REDUCED_COPY ? 1 : 2;
    plan.door = variant == VH_SANDBOX_FULL;
    viv_status status = vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err);
    if (step->at_exec) {
        assert_int_equal(status, VIV_OK);
        expect_exec_refused(&world, keeper, step);
    } else {
        assert_int_equal(status, VIV_E_UNSUPPORTED);
        assert_null(keeper);
        expect_named(step, variant, err.text);
    }
    world_end(&world);
}

static void
test_every_step_is_refused(void **state)
{
    (void)state;
    for (size_t v = 0; v < world_variant_count; v++) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            if (steps[i].in[world_variants[v]]) {
                step_is_refused(&steps[i], world_variants[v]);
            }
        }
    }
}

/* Outside any sandbox, so it is in no variant's list. */
static void
test_a_helper_that_cannot_start_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_tool_result result;
    const char *const argv[] = {"true"};
    const struct vh_tool tool = {.argv = argv, .argc = 1, .output_max = 1, .error_max = 1};
    world_make(&world, "tool");
    assert_int_equal(vh_sandbox_tool(world.launcher, world.arena, &tool, NULL, &result, &err),
                     VIV_E_UNSUPPORTED);
    assert_string_equal(err.text, "program 'true': step 'tool' failed: Operation not permitted");
    world_end(&world);
}

/* A step that is new in the launcher and not in the list above would be tried by nobody. */
static void
test_no_step_is_forgotten(void **state)
{
    (void)state;
#define WORD(number, name) name,
    static const char *const names[] = {STEPS(WORD)};
#undef WORD
    const size_t count = sizeof steps / sizeof *steps;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t at = 0;
        while (at < count && strcmp(steps[at].name, names[i]) != 0) {
            at++;
        }
        if (at == count && strcmp(names[i], "tool") != 0) {
            fail_msg("step '%s' of the launcher is never made to fail here", names[i]);
        }
    }
    assert_int_equal(count + 1, sizeof names / sizeof *names);
    /* A name it does not know would fail nothing. */
    struct viv_error err = VIV_ERROR_INIT;
    char path[600];
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_launcher_options options = {"nonesuch"};
    world_launcher_path(path, sizeof path);
    struct vh_launcher *launcher = vh_launcher_create(arena, vh_seam_real(), path, &options);
    assert_int_equal(vh_launcher_start(launcher, &err), VIV_E_UNAVAILABLE);
    vh_arena_destroy(arena);
}

static void
test_never_less_than_asked(void **state)
{
    (void)state;
    struct world world;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_keeper *keeper = NULL;
    /* Without the overlay only the copy is left, which is fine unless a network namespace was asked
     * for. */
    world_make(&world, "overlay");
    struct vh_sandbox_plan plan = world_plan(&world, VH_SANDBOX_AUTO);
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err), VIV_OK);
    assert_int_equal(vh_keeper_profile(keeper)->variant, VH_SANDBOX_REDUCED_COPY);
    assert_int_equal(vh_keeper_profile(keeper)->bits & VH_PROFILE_NETNS, 0);
    vh_sandbox_close(keeper);
    plan.minimum = VH_PROFILE_NETNS;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err),
                     VIV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "no sandbox can be set up: full: step '"));
    assert_non_null(strstr(err.text, "reduced-copy: step 'minimum' failed"));
    plan.copy = NULL;
    plan.lower_count = 0;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err),
                     VIV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "the plan has neither layers nor a copy"));
    plan.lower_count = 18;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err),
                     VIV_E_LIMIT);
    assert_string_equal(err.text, "18 lower layers, allowed 17");
    world_end(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_is_refused),
        cmocka_unit_test(test_a_helper_that_cannot_start_is_refused),
        cmocka_unit_test(test_no_step_is_forgotten),
        cmocka_unit_test(test_never_less_than_asked),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
