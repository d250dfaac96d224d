/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, workers that use the launcher at the same time get each other's answers, or wait
 * for ever. */
#include "sandbox_world.h"

#include <pthread.h>

#define WORKERS 6
#define ROUNDS 5

struct worker {
    struct world *world;
    enum vh_sandbox_variant variant;
    int number;
    const char *failed; /* cmocka's checks belong to the first thread */
};

static const char *
work_once(struct worker *worker, struct vh_arena *arena, int round)
{
    char paths[5][400];
    char expected[32];
    char script[200];
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_keeper *keeper = NULL;
    struct vh_exec_result result;
    struct vh_tool_result told;
    for (size_t i = 0; i < 5; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d-%d-%zu", worker->world->folder, worker->number,
                 round, i);
        if (mkdir(paths[i], 0755)) {
            return "mkdir";
        }
    }
    struct vh_sandbox_plan plan = world_plan(worker->world, worker->variant);
    plan.upper = paths[0];
    plan.work = paths[1];
    plan.scratch = paths[2];
    plan.copy = paths[3];
    if (vh_sandbox_open(worker->world->launcher, arena, &plan, &keeper, &err)) {
        return vh_arena_text(arena, err.text) ? "open" : "memory";
    }
    int len = snprintf(expected, sizeof expected, "%d %d\n", worker->number, round);
    snprintf(script, sizeof script, "echo %d %d", worker->number, round);
    const char *const argv[] = {"sh", "-c", script};
    struct vh_exec_stage stage = {.argv = argv, .argc = 3};
    struct vh_exec exec = {
        .stages = &stage, .stage_count = 1, .wall_ns = 60 * SECOND_NS, .output_max = 100};
    if (vh_sandbox_exec(keeper, arena, &exec, NULL, &result, &err)) {
        return "exec";
    }
    struct vh_tool tool = {.argv = argv, .argc = 3, .output_max = 100};
    if (vh_sandbox_tool(worker->world->launcher, arena, &tool, NULL, &told, &err)) {
        return "tool";
    }
    vh_sandbox_close(keeper);
    struct viv_str right = {expected, (uint64_t)len};
    return vh_str_equal(result.output.kept, right) && vh_str_equal(told.output, right)
               ? NULL
               : "another's answer";
}

static void *
work(void *data)
{
    struct worker *worker = data;
    for (int round = 0; round < ROUNDS && !worker->failed; round++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        worker->failed = work_once(worker, arena, round);
        vh_arena_destroy(arena);
    }
    return NULL;
}

static void
many_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        pthread_t threads[WORKERS];
        struct worker workers[WORKERS];
        world_make(&world, NULL);
        for (int n = 0; n < WORKERS; n++) {
            workers[n] = (struct worker){&world, world_variants[i], n, NULL};
            assert_int_equal(pthread_create(&threads[n], NULL, work, &workers[n]), 0);
        }
        for (int n = 0; n < WORKERS; n++) {
            pthread_join(threads[n], NULL);
            assert_null(workers[n].failed);
        }
        world_end(&world);
    }
}

/* One keeper, several threads: they take turns. */
static void *
share(void *data)
{
    struct vh_keeper *keeper = data;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    const char *const argv[] = {"cat", "one"};
    struct vh_exec_stage stage = {.argv = argv, .argc = 2};
    struct vh_exec exec = {
        .stages = &stage, .stage_count = 1, .wall_ns = 60 * SECOND_NS, .output_max = 100};
    bool right = true;
    for (int i = 0; i < ROUNDS; i++) {
        struct vh_exec_result result;
        right = right && vh_sandbox_exec(keeper, arena, &exec, NULL, &result, &err) == VIV_OK &&
                vh_str_is(result.output.kept, "1\n");
    }
    vh_arena_destroy(arena);
    return right ? data : NULL;
}

static void
one_keeper_for_many(struct world *world, struct vh_keeper *keeper)
{
    pthread_t threads[WORKERS];
    (void)world;
    for (int n = 0; n < WORKERS; n++) {
        assert_int_equal(pthread_create(&threads[n], NULL, share, keeper), 0);
    }
    for (int n = 0; n < WORKERS; n++) {
        void *answer = NULL;
        pthread_join(threads[n], &answer);
        assert_ptr_equal(answer, keeper);
    }
}

static void
turns_are_taken(void **state)
{
    (void)state;
    world_each(one_keeper_for_many);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(turns_are_taken),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
