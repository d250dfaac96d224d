/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a bad disk under the event log does more than end the host: something answered as kept is gone, tables
 * and log differ, or the home does not come up again. A task's life, with one read, write or sync of SQLite's files
 * after the other failing, once or from then on: the host ends with the reason, and the next one goes on. */
#include "../../support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../support/home.h"
#include "../../support/scratch.h"
#include "base/fs.h"
#include "base/log.h"
#include "keep/store_inside.h"

#define TABLES_MAX 8

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 31
#else
#define STRIDE 7
#endif

enum operation { READ, WRITE, SYNC };

/* One way of failing; `left` calls of `operation` go well before it. */
static struct {
    enum operation operation;
    int code;
    bool for_ever;
    atomic_llong left; /* 0: nothing fails */
    atomic_bool reached;
} fault;

struct table {
    const sqlite3_io_methods *from;
    sqlite3_io_methods ours;
};

static sqlite3_vfs *plain;
static sqlite3_vfs failing;
static struct table tables[TABLES_MAX];
static int table_count;

static bool
fails(enum operation operation)
{
    if (operation != fault.operation || atomic_load(&fault.left) == 0) {
        return false;
    }
    if (atomic_load(&fault.left) > 1) {
        atomic_fetch_sub(&fault.left, 1);
        return false;
    }
    atomic_store(&fault.reached, true);
    if (!fault.for_ever) {
        atomic_store(&fault.left, 0);
    }
    return true;
}

static const sqlite3_io_methods *
under(sqlite3_file *file)
{
    return ((const struct table *)(const void *)((const char *)file->pMethods - offsetof(struct table, ours)))->from;
}

static int
fail_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    return fails(READ) ? fault.code : under(file)->xRead(file, bytes, len, at);
}

static int
fail_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    if (!fails(WRITE)) {
        return under(file)->xWrite(file, bytes, len, at);
    }
    (void)under(file)->xWrite(file, bytes, len / 2, at); /* torn: half of it is there */
    return fault.code;
}

static int
fail_sync(sqlite3_file *file, int flags)
{
    return fails(SYNC) ? fault.code : under(file)->xSync(file, flags);
}

static atomic_bool moved; /* what stands at its path is not what is open; so says a disk that cannot be looked at */

static int
control(sqlite3_file *file, int what, void *data)
{
    if (what == SQLITE_FCNTL_HAS_MOVED && atomic_load(&moved)) {
        *(int *)data = 1;
        return SQLITE_OK;
    }
    return under(file)->xFileControl(file, what, data);
}

static int
open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int code = plain->xOpen(plain, name, file, flags, ret_flags);
    const sqlite3_io_methods *from = file->pMethods;
    int i = 0;
    while (from && i < table_count && tables[i].from != from) {
        i++;
    }
    if (from && i == table_count) {
        assert_true(table_count < TABLES_MAX);
        tables[table_count++] = (struct table){ from, *from };
        tables[i].ours.xRead = fail_read;
        tables[i].ours.xWrite = fail_write;
        tables[i].ours.xSync = fail_sync;
        tables[i].ours.xFileControl = control;
        tables[i].ours.iVersion = 2; /* no mapped reads past ours */
    }
    file->pMethods = from ? &tables[i].ours : NULL;
    return code;
}

static int
begin(void **state)
{
    (void)state;
    plain = sqlite3_vfs_find(NULL);
    assert_non_null(plain);
    failing = *plain;
    failing.pNext = NULL;
    failing.zName = "failing";
    failing.xOpen = open_file;
    assert_int_equal(sqlite3_vfs_register(&failing, 1), SQLITE_OK);
    return 0;
}

/* False when no call was left to fail. */
static bool
live_with_fault(int64_t nth, const char *expected, int64_t *deaths)
{
    struct home home;
    struct viv_error err = VIV_ERROR_INIT;
    int64_t synced = 0;
    home_new(&home);
    assert_int_equal(home_live(&home, "first", &synced, &err), VIV_OK);
    /* Nearly every page comes from the file each time. */
    assert_int_equal(sqlite3_exec(home.store->db, "PRAGMA cache_size=1", NULL, NULL, NULL), SQLITE_OK);
    atomic_store(&fault.reached, false);
    atomic_store(&fault.left, nth);
    viv_status status = home_live(&home, "second", &synced, &err);
    bool failed = atomic_load(&fault.reached);
    if (status) {
        ++*deaths;
        assert_int_equal(status, VIV_E_STORE);
        assert_true(vh_sequencer_dead(home.sequencer, NULL));
        if (!strstr(err.text, expected)) {
            fail_msg("call %lld: '%s', expected '%s' in it", (long long)nth, err.text, expected);
        }
    }
    (void)vh_sequencer_stop(home.sequencer, NULL);
    vh_store_close(home.store); /* the fault lasts until the old process is gone */
    vh_arena_destroy(home.arena);
    atomic_store(&fault.left, 0);
    home_open(&home);
    assert_true(vh_store_seq(home.store) > synced);
    err = (struct viv_error)VIV_ERROR_INIT;
    if (home_live(&home, "third", &synced, &err)) {
        fail_msg("call %lld, afterwards: %s", (long long)nth, err.text);
    }
    home_end(&home);
    return failed;
}

static void
each_call_fails(enum operation operation, int code, const char *expected)
{
    for (int ever = 0; ever < 2; ever++) {
        int64_t nth = 1, deaths = 0;
        fault.operation = operation;
        fault.code = code;
        fault.for_ever = ever;
        while (live_with_fault(nth, expected, &deaths)) {
            nth += operation == SYNC ? 1 : STRIDE; /* there are few of them */
        }
        print_message("%d as %d, %s: %lld calls, %lld hosts ended by them\n", (int)operation, code,
                      ever ? "from then on" : "once", (long long)nth, (long long)deaths);
        assert_true(deaths > 0);
    }
}

static void
a_full_disk(void **state)
{
    (void)state;
    each_call_fails(WRITE, SQLITE_FULL, "database or disk is full");
}

static void
a_broken_disk(void **state)
{
    (void)state;
    each_call_fails(WRITE, SQLITE_IOERR_WRITE, "disk I/O error");
    each_call_fails(READ, SQLITE_IOERR_READ, "disk I/O error");
}

static void
a_sync_that_fails(void **state)
{
    (void)state;
    each_call_fails(SYNC, SQLITE_IOERR_FSYNC, "disk I/O error");
}

static void
a_file_that_is_another_is_told_as_that(void **state)
{
    (void)state;
    struct scratch scratch;
    char path[sizeof scratch.path + 16];
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_store *store = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    scratch_make(&scratch);
    snprintf(path, sizeof path, "%s/home.db", scratch.path);
    atomic_store(&moved, true);
    assert_int_equal(vh_store_open(arena, path, NULL, &store, &err), VIV_E_STORE);
    atomic_store(&moved, false);
    assert_non_null(strstr(err.text, "its file was replaced, or cannot be looked at for a bad disk"));
    vh_arena_destroy(arena);
    scratch_remove(&scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_broken_disk),
        cmocka_unit_test(a_sync_that_fails),
        cmocka_unit_test(a_file_that_is_another_is_told_as_that),
    };
    vh_log_level(VH_LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, begin, NULL);
}
