/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a wall clock that jumps brings the log out of order, or work stands still until it has caught up. */
#include "../../support/cm.h"

#include <stdatomic.h>
#include <stdio.h>

#include "../../support/cut_vfs.h"
#include "../../support/home.h"

#define SUBMIT "{\"goal\":\"g\",\"attempts_max\":1}"

struct clock {
    struct vh_seam seam;
    atomic_llong wall_us;
    atomic_llong monotonic_ns;
};

static int64_t
clock_wall(void *data)
{
    return atomic_load(&((struct clock *)data)->wall_us);
}

static int64_t
clock_monotonic(void *data)
{
    return atomic_load(&((struct clock *)data)->monotonic_ns);
}

static void
no_place(void *data, const char *name)
{
    (void)data;
    (void)name;
}

/* Set back by a year, recorded time never falls and does not stand still either: a task that was to be tried again in a
 * second is tried again then, not in a year. */
static void
a_clock_set_back_stops_nothing(void **state)
{
    (void)state;
    struct home home = { .arena = vh_arena_create(NULL, 0) };
    struct clock clock = { .seam = *vh_seam_real(), .wall_us = INT64_C(1800000000000000), .monotonic_ns = 1000 };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = { .pid = 1 };
    clock.seam.data = &clock;
    clock.seam.place = no_place;
    clock.seam.wall_us = clock_wall;
    clock.seam.monotonic_ns = clock_monotonic;
    cut_vfs_register();
    cut_vfs_reset();
    assert_int_equal(vh_store_open(home.arena, "clock.db", CUT_VFS_NAME, &home.store, &err), VIV_OK);
    assert_int_equal(vh_sequencer_start(&clock.seam, home.store, home.arena, &options, &home.sequencer, &err), VIV_OK);
    home_must(&home, "task.submitted", "t1", SUBMIT);
    int64_t lease = home_walk(&home, "t1", VH_PHASE_EXECUTE);
    int64_t before = vh_store_time_us(home.store);
    atomic_fetch_sub(&clock.wall_us, INT64_C(31536000000000));
    char json[128];
    snprintf(json, sizeof json, "{\"lease\":%lld,\"failure\":{\"class\":\"infrastructure\",\"text\":\"no disk\"}}",
             (long long)lease);
    home_must(&home, "execute.finished", "t1", json);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"cost_micro\":0,\"entries\":[]}", (long long)lease);
    home_must(&home, "settle.priced", "t1", json);
    struct vh_answer answer = { 0 };
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_int_equal(home_say(&home, "task.claimed", "t1", "", "{\"worker\":\"w\"}", &answer, &err), VIV_E_BUSY);
    atomic_fetch_add(&clock.monotonic_ns, INT64_C(5000000000));
    atomic_fetch_add(&clock.wall_us, INT64_C(5000000));
    home_must(&home, "task.claimed", "t1", "{\"worker\":\"w\"}");
    assert_int_equal(vh_sequencer_flush(home.sequencer, &err), VIV_OK);
    assert_int_equal(vh_store_time_us(home.store), before + 5000000);
    atomic_fetch_add(&clock.wall_us, INT64_C(2) * 31536000000000);
    home_must(&home, "task.submitted", "t2", SUBMIT);
    assert_int_equal(vh_store_time_us(home.store), atomic_load(&clock.wall_us));
    assert_int_equal(vh_sequencer_stop(home.sequencer, &err), VIV_OK);
    home_check(home.store);
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_set_back_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
