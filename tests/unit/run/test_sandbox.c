/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task's commands do not run as they were written, or their results are not what happened. */
#include "sandbox_world.h"

static void
commands_run(struct world *world, struct vh_keeper *keeper)
{
    world_expect(world, keeper, "cat one sub/two; pwd >/dev/null; echo 3 >three; cat three", "1\n2\n3\n");
}

static void
test_commands_run(void **state)
{
    (void)state;
    world_each(commands_run);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_run),
    };
    world_probe();
    if (world_variant_count == 0) {
        fprintf(stderr, "skipped: no variant of the sandbox can be set up here\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
