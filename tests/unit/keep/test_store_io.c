/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a disk that cannot be read or written once, in the middle of a command, parts the tables from the log
 * or loses what was answered. A task's life on a store that keeps no page in memory, with one read, write or sync of
 * SQLite after the other failing, once: afterwards every answer is in the log, the log verifies and the tables are what
 * it folds to. */
#include "../../support/cm.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../support/home.h"
#include "../../support/life.h"
#include "../../support/scratch.h"
#include "base/log.h"
#include "keep/store_inside.h"

#define POLICY "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"c\"]}"
#define SUBMIT "{\"goal\":\"g\",\"attempts_max\":2}"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 11
#else
#define STRIDE 2
#endif

enum calls { READS, WRITES };

static sqlite3_vfs *plain;
static sqlite3_vfs failing;
static const sqlite3_io_methods *under; /* SQLite's own: its ways of locking share what reads and writes */
static sqlite3_io_methods over[2];      /* of a database, of its log: locked in two ways */
static atomic_int meant;
static atomic_bool moved; /* what stands at its path is not what is open; so says a disk that cannot be looked at */
static atomic_llong left; /* calls of the kind that is meant until the one that fails; 0: none will */

static bool
fails(enum calls calls)
{
    return atomic_load(&meant) == (int)calls && atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1;
}

static int
read_file(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    return fails(READS) ? SQLITE_IOERR_READ : under->xRead(file, bytes, len, at);
}

static int
write_file(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    return fails(WRITES) ? SQLITE_IOERR_WRITE : under->xWrite(file, bytes, len, at);
}

static int
sync_file(sqlite3_file *file, int flags)
{
    return fails(WRITES) ? SQLITE_IOERR_FSYNC : under->xSync(file, flags);
}

static int
control_file(sqlite3_file *file, int what, void *data)
{
    if (what == SQLITE_FCNTL_HAS_MOVED && atomic_load(&moved)) {
        *(int *)data = 1;
        return SQLITE_OK;
    }
    return under->xFileControl(file, what, data);
}

static int
open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int code = plain->xOpen(plain, name, file, flags, ret_flags);
    bool log = flags & SQLITE_OPEN_WAL;
    if (file->pMethods && (log || flags & SQLITE_OPEN_MAIN_DB) && (flags & SQLITE_OPEN_READWRITE)) {
        sqlite3_io_methods *own = &over[log];
        assert_true(!under || (under->xRead == file->pMethods->xRead && under->xWrite == file->pMethods->xWrite));
        under = under ? under : file->pMethods;
        if (!own->xRead) {
            *own = *file->pMethods;
            own->iVersion = 2; /* nothing is read past these */
            own->xRead = read_file;
            own->xWrite = write_file;
            own->xSync = sync_file;
            own->xFileControl = control_file;
        }
        file->pMethods = own;
    }
    return code;
}

static int
stand_between(void **state)
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

/* A life up to its end, or up to the first failure. */
static viv_status
live(struct home *home, const char *id, struct viv_error *err)
{
    struct vh_answer answer = { 0 };
    viv_status status = home_say(home, "policy.loaded", "", "", POLICY, &answer, err);
    status = status ? status : home_say(home, "task.submitted", id, id, SUBMIT, &answer, err);
    status = status ? status : home_say(home, "task.claimed", id, "", "{\"worker\":\"w\"}", &answer, err);
    while (status == VIV_OK && answer.ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        life_good_answer(&answer.ask, &kind, json, sizeof json);
        status = home_say(home, kind, id, "", json, &answer, err);
    }
    return status;
}

/* As a process that is started again. */
static void
start_again(struct home *home)
{
    (void)vh_sequencer_stop(home->sequencer, NULL); /* dead, or not: what is on disk counts */
    vh_store_close(home->store);
    vh_arena_destroy(home->arena);
    home_open(home);
}

static void
one_call_after_the_other(enum calls calls)
{
    int64_t refused = 0, died = 0, nth = 1;
    vh_log_level(VH_LOG_ERROR + 1);
    atomic_store(&meant, (int)calls);
    for (bool reached = true; reached; nth += STRIDE) {
        struct home home;
        struct viv_error err = VIV_ERROR_INIT;
        home_new(&home);
        assert_int_equal(live(&home, "first", &err), VIV_OK); /* every statement is ready after it */
        assert_int_equal(sqlite3_exec(home.store->db, "PRAGMA cache_size=1", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_db_release_memory(home.store->db), SQLITE_OK);
        atomic_store(&left, nth);
        viv_status status = live(&home, "second", &err);
        reached = atomic_exchange(&left, 0) == 0;
        if (status) {
            refused++;
            died += vh_sequencer_dead(home.sequencer, NULL);
            assert_int_equal(status, VIV_E_STORE);
            assert_non_null(strstr(err.text, "disk I/O error"));
        }
        start_again(&home);
        err = (struct viv_error)VIV_ERROR_INIT;
        if (live(&home, "third", &err)) {
            fail_msg("call %lld: %s", (long long)nth, err.text);
        }
        home_end(&home);
    }
    vh_log_level(VH_LOG_WARNING);
    print_message("%lld calls, %lld failures told, %lld hosts ended by them\n", (long long)nth, (long long)refused,
                  (long long)died);
    assert_true(nth > 20 && refused > 0 && died > 0);
}

static void
a_failed_read_parts_nothing(void **state)
{
    (void)state;
    one_call_after_the_other(READS);
}

static void
a_failed_write_parts_nothing(void **state)
{
    (void)state;
    one_call_after_the_other(WRITES);
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
        cmocka_unit_test(a_failed_read_parts_nothing),
        cmocka_unit_test(a_failed_write_parts_nothing),
        cmocka_unit_test(a_file_that_is_another_is_told_as_that),
    };
    return cmocka_run_group_tests(tests, stand_between, NULL);
}
