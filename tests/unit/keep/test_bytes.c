/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task wears the disk more than before: more syncs, or more bytes for the same log. Ids are scattered,
 * as real ones are, so that no table is written in the order of its keys by luck. Counted where SQLite writes. */
#include "../../support/cm.h"

#include <stdio.h>

#include "../../support/count_vfs.h"
#include "../../support/home.h"
#include "base/str.h"

#define AT_ONCE 100

/* As bench_durable has them. */
static const struct home_words life[] = {
    { "task.submitted", "", "", "{\"goal\":\"count the words of a text\",\"attempts_max\":3}" },
    { "task.claimed", "", "", "{\"worker\":\"w\"}" },
    { "cancel.requested", "", "", "{}" },
};

/* `lazy`: it is on disk after the next flush only. */
static void
say(struct home *home, int task, const struct home_words *words, bool lazy)
{
    char id[32];
    struct vh_json *data = NULL;
    struct vh_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    snprintf(id, sizeof id, "t%08x", (unsigned)task * 2654435761u);
    assert_int_equal(vh_json_import(arena, vh_str(words->json), &data, &err), VIV_OK);
    struct vh_command command = { .kind = vh_str(words->kind), .task = vh_str(id), .data = data, .lazy = lazy,
                                  .actor = { VH_STR("person"), VH_STR("tester"), 1, 1 } };
    assert_int_equal(vh_sequencer_call(home->sequencer, &command, true, arena, &answer, &err), VIV_OK);
    vh_arena_destroy(arena);
}

static void
one_at_a_time(struct home *home, int tasks)
{
    for (int task = 0; task < tasks; task++) {
        for (size_t i = 0; i < 3; i++) {
            say(home, task, &life[i], false);
        }
    }
}

/* What many clients at once come to: a commit for many submissions, one for many claims and cancellations. */
static void
many_at_once(struct home *home, int tasks)
{
    for (int from = 0; from < tasks; from += AT_ONCE) {
        for (size_t i = 0; i < 3; i++) {
            for (int task = from; task < from + AT_ONCE; task++) {
                say(home, task, &life[i], true);
            }
            if (i != 1) {
                assert_int_equal(vh_sequencer_flush(home->sequencer, NULL), VIV_OK);
            }
        }
    }
}

static void
costs(void (*work)(struct home *home, int tasks), int tasks, double syncs_most, double bytes_most)
{
    struct home home;
    home_new(&home);
    int64_t syncs = count_vfs_syncs(), bytes = count_vfs_bytes();
    work(&home, tasks);
    double a_task = (double)(count_vfs_syncs() - syncs) / tasks;
    double written = (double)(count_vfs_bytes() - bytes) / tasks;
    home_end(&home);
    print_message("a task: %.3f syncs, %.0f bytes, at most %.3f and %.0f\n", a_task, written, syncs_most, bytes_most);
    assert_true(a_task >= 0.02); /* submissions and cancellations were not on disk otherwise */
    assert_true(a_task <= syncs_most);
    assert_true(written <= bytes_most);
}

static void
test_a_task_alone_costs_two_syncs(void **state)
{
    (void)state;
    costs(one_at_a_time, 600, 2.05, 35000);
}

static void
test_a_hundred_tasks_share_theirs(void **state)
{
    (void)state;
    costs(many_at_once, 1600, 0.04, 4500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_alone_costs_two_syncs),
        cmocka_unit_test(test_a_hundred_tasks_share_theirs),
    };
    count_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
