/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, SQLite out of memory in the middle of a command parts the tables from the log: SQLite then throws the
 * whole open batch away by itself, and what is written after that stands alone. A task's life, with one allocation of
 * SQLite after the other failing, once: afterwards the log verifies and the tables are what it folds to. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../../support/home.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/store_inside.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 17
#else
#define STRIDE 3
#endif

static sqlite3_mem_methods plain;
static atomic_llong left; /* allocations until the one that fails; 0: none will */

static bool
fails(void)
{
    return atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1;
}

static void *
get(int bytes)
{
    return fails() ? NULL : plain.xMalloc(bytes);
}

static void *
get_more(void *old, int bytes)
{
    return fails() ? NULL : plain.xRealloc(old, bytes);
}

/* Every allocation is to be seen: none comes from SQLite's own small pool. */
static int
count_allocations(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain), SQLITE_OK);
    sqlite3_mem_methods counted = plain;
    counted.xMalloc = get;
    counted.xRealloc = get_more;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &counted), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    return 0;
}

static void
a_lack_of_memory_in_sqlite_parts_nothing(void **state)
{
    (void)state;
    int64_t refused = 0, died = 0, nth = 1;
    vh_log_level(VH_LOG_ERROR + 1);
    for (bool reached = true; reached; nth += STRIDE) {
        struct home home;
        struct viv_error err = VIV_ERROR_INIT;
        int64_t synced = 0;
        home_new(&home);
        assert_int_equal(home_live(&home, "first", &synced, &err), VIV_OK); /* every statement is ready after it */
        atomic_store(&left, nth);
        viv_status status = home_live(&home, "second", &synced, &err);
        reached = atomic_exchange(&left, 0) == 0;
        if (status) {
            refused++;
            died += vh_sequencer_dead(home.sequencer, NULL);
            assert_true(status == VIV_E_STORE || status == VIV_E_MEMORY);
            assert_non_null(strstr(err.text, "out of memory"));
        }
        home_again(&home);
        assert_true(vh_store_seq(home.store) > synced);
        err = (struct viv_error)VIV_ERROR_INIT;
        if (home_live(&home, "third", &synced, &err)) {
            fail_msg("allocation %lld: %s", (long long)nth, err.text);
        }
        home_end(&home);
    }
    vh_log_level(VH_LOG_WARNING);
    print_message("%lld allocations, %lld failures told, %lld hosts ended by them\n", (long long)nth,
                  (long long)refused, (long long)died);
    assert_true(died > 0);
}

/* The second line: whatever ended the transaction, nothing is written outside one. */
static void
nothing_is_written_outside_a_batch(void **state)
{
    (void)state;
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    home_new(&home);
    assert_int_equal(vh_sequencer_stop(home.sequencer, &err), VIV_OK);
    struct vh_state_ops ops = vh_store_state(home.store);
    assert_int_equal(vh_store_begin(home.store, 1, &err), VIV_OK);
    assert_int_equal(sqlite3_exec(home.store->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ops.put_fact(ops.data, "tasks", VH_STR("7"), &err), VIV_E_STORE);
    assert_string_equal(err.text, "the event log failed before; the host must be started again");
    assert_true(vh_store_dead(home.store));
    assert_int_equal(vh_store_mark(home.store, &err), VIV_E_STORE);
    assert_int_equal(vh_store_commit(home.store, 1, 0, &err), VIV_E_STORE);
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    home_open(&home);
    home_end(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lack_of_memory_in_sqlite_parts_nothing),
        cmocka_unit_test(nothing_is_written_outside_a_batch),
    };
    return cmocka_run_group_tests(tests, count_allocations, NULL);
}
