/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a file that is not ours is written to, a store that cannot sync is taken, rows change without an
 * event, or an altered log verifies. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/cut_vfs.h"
#include "../../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/reader.h"
#include "keep/store_inside.h"
#include "keep/verify.h"
#include "../../support/scratch.h"

static void
run_foreign(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static viv_status
open_once(const char *path, struct viv_error *err)
{
    struct vh_store *store = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = vh_store_open(arena, path, NULL, &store, err);
    if (status == VIV_OK) {
        vh_store_close(store);
    }
    vh_arena_destroy(arena);
    return status;
}

static void
only_the_fold_writes_projections(void **state)
{
    (void)state;
#ifdef NDEBUG
    skip();
#endif
    static const char *const refused[] = { "INSERT INTO facts VALUES('epoch', '9')",
                                           "UPDATE tasks SET state='ready'",
                                           "DELETE FROM scopes",
                                           "INSERT INTO keys VALUES('k', 1, x'00')",
                                           "INSERT OR REPLACE INTO edges VALUES('a', 'b')",
                                           "UPDATE effects SET doc='x'",
                                           "DROP TABLE tasks" };
    struct home home;
    home_new(&home);
    home_must(&home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
    assert_int_equal(vh_sequencer_stop(home.sequencer, NULL), VIV_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(sqlite3_exec(home.store->db, refused[i], NULL, NULL, NULL), SQLITE_AUTH);
        assert_string_equal(sqlite3_errmsg(home.store->db), "not authorized");
    }
    home_check(home.store); /* the rebuild may */
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    home_open(&home);
    home_end(&home);
}

static void
foreign_newer_and_damaged_files_stay(void **state)
{
    (void)state;
    char folder[] = "/tmp/viv-store-XXXXXX";
    char path[64];
    struct viv_error err = VIV_ERROR_INIT;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/other.db", folder);
    run_foreign(path, "CREATE TABLE mine(x); INSERT INTO mine VALUES(5)");
    assert_int_equal(open_once(path, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "is a database of another program; it was left as it is"));
    run_foreign(path, "INSERT INTO mine VALUES(6)"); /* still as it was: no journal mode, no tables of ours */
    snprintf(path, sizeof path, "%s/newer.db", folder);
    assert_int_equal(open_once(path, &err), VIV_OK);
    run_foreign(path, "PRAGMA user_version=7");
    assert_int_equal(open_once(path, &err), VIV_E_VERSION);
    assert_non_null(strstr(err.text, "has schema 7, this program knows up to 3; use the newer vivhost"));
    run_foreign(path, "PRAGMA user_version=0");
    assert_int_equal(open_once(path, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "has schema 0, which no vivhost wrote; allowed: 1 to 3"));
    snprintf(path, sizeof path, "%s/text.db", folder);
    struct viv_str text = VH_STR("this is no database at all, but it is longer than a header of one hundred bytes, so "
                                 "that SQLite looks at it in earnest");
    assert_int_equal(vh_fs_replace(vh_seam_real(), AT_FDCWD, path, text, 0600, NULL), VIV_OK);
    assert_int_equal(open_once(path, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "is not readable as an event log"));
    struct viv_str after;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_int_equal(vh_fs_read(vh_seam_real(), arena, AT_FDCWD, path, 4096, &after, NULL), VIV_OK);
    assert_true(vh_str_equal(text, after));
    vh_arena_destroy(arena);
    scratch_clear(folder);
}

/* Each way to alter the log behind the host's back is told at its record. */
static void
an_altered_log_does_not_verify(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int64_t seq;
        const char *problem;
    } ways[] = {
        { "UPDATE events SET line=replace(line, 'person', 'nobody') WHERE seq=3", 3, "the hash does not follow" },
        { "UPDATE events SET hash=zeroblob(32) WHERE seq=2", 2, "the hash does not follow" },
        { "UPDATE events SET hash=x'00' WHERE seq=2", 2, "the hash does not follow" },
        { "DELETE FROM events WHERE seq=3", 3, "the record is missing" },
        { "DELETE FROM events WHERE seq=1", 1, "the record is missing" },
        { "UPDATE events SET seq=seq+100 WHERE seq>3", 4, "the record is missing" },
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct home home;
        home_new(&home);
        home_must(&home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
        home_must(&home, "cancel.requested", "t", "{}");
        home_stop(&home);
        run_foreign(home.path, ways[i].sql);
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_store *store = NULL;
        struct vh_verify_result result;
        assert_int_equal(vh_store_open_read(arena, home.path, &store, NULL), VIV_OK);
        assert_int_equal(vh_verify_log(store, &result, NULL), VIV_OK);
        if (result.bad_seq != ways[i].seq || !strstr(result.problem, ways[i].problem)) {
            fail_msg("%s: event %lld, %s", ways[i].sql, (long long)result.bad_seq, result.problem);
        }
        vh_store_close(store);
        vh_arena_destroy(arena);
        scratch_clear(home.folder);
    }
}

/* Altered rows are told with both values, and a rebuild puts them right. */
static void
an_altered_row_is_rebuilt(void **state)
{
    (void)state;
    struct home home;
    home_new(&home);
    home_must(&home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
    home_stop(&home);
    run_foreign(home.path, "UPDATE tasks SET doc=replace(doc, 'pending', 'ready')");
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_store *store = NULL;
    struct vh_rebuild_result result;
    assert_int_equal(vh_store_open(arena, home.path, NULL, &store, NULL), VIV_OK);
    assert_int_equal(vh_verify_rebuild(store, false, &result, NULL), VIV_OK);
    assert_false(result.same);
    assert_non_null(strstr(result.found, "\"state\":\"ready\""));
    assert_non_null(strstr(result.rebuilt, "\"state\":\"pending\""));
    assert_int_equal(vh_verify_rebuild(store, true, &result, NULL), VIV_OK);
    assert_int_equal(vh_verify_rebuild(store, false, &result, NULL), VIV_OK);
    assert_true(result.same);
    vh_store_close(store);
    vh_arena_destroy(arena);
    home_open(&home);
    home_end(&home);
}

/* Whatever column was altered: tasks are found and sorted by them, not by their documents. */
static void
every_column_is_compared(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *found, *rebuilt;
    } ways[] = {
        { "UPDATE tasks SET claimable=0 WHERE id='b'", "claimable=0", "claimable=1" },
        { "UPDATE tasks SET number=9 WHERE id='b'", "number=9", "number=2" },
        { "UPDATE tasks SET state='ready' WHERE id='b'", "state='ready'", "state='pending'" },
        { "UPDATE tasks SET retry_at_us=5 WHERE id='b'", "retry_at_us=5", "retry_at_us=0" },
        { "UPDATE tasks SET parent='a' WHERE id='b'", "parent='a'", "parent=NULL" },
        { "UPDATE tasks SET doc=CAST(doc AS BLOB) WHERE id='b'", "blob", "text" },
        { "UPDATE tasks SET doc=replace(doc, 'last words', 'last sword') WHERE id='b'", "last sword", "last words" },
        { "DELETE FROM tasks WHERE id='b'", "tasks 'c'", "tasks 'b'" },
        { "UPDATE keys SET seq=1", "seq=1", "seq=" },
        { "UPDATE keys SET request=x'00'", "request=X'00'", "request=X'" },
        { "UPDATE edges SET dependency='x'", "'c' 'x'", "'c' 'a'" },
        { "UPDATE facts SET doc='77' WHERE key='tasks'", "77", "'tasks'" },
        { "INSERT INTO facts VALUES(char(27,9) || 'z', 'z')", "facts '? z'", "facts 'epoch'" },
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct home home;
        struct vh_answer answer;
        struct vh_rebuild_result result;
        struct viv_error err = VIV_ERROR_INIT;
        home_new(&home);
        home_must(&home, "task.submitted", "a", "{\"goal\":\"g\",\"attempts_max\":1}");
        assert_int_equal(home_say(&home, "task.submitted", "b", "key",
                                  "{\"attempts_max\":1,\"goal\":\"a goal of so many words that they take all the room "
                                  "which is there to show a row, and more of it than that, and more again, and then "
                                  "some more words so that nobody sees its last words\"}",
                                  &answer, &err), VIV_OK);
        home_must(&home, "task.submitted", "c", "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[\"a\"]}");
        home_stop(&home);
        run_foreign(home.path, ways[i].sql);
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_store *store = NULL;
        assert_int_equal(vh_store_open(arena, home.path, NULL, &store, NULL), VIV_OK);
        assert_int_equal(vh_verify_rebuild(store, false, &result, NULL), VIV_OK);
        if (result.same || !strstr(result.found, ways[i].found) || !strstr(result.rebuilt, ways[i].rebuilt)) {
            fail_msg("%s: found '%s', rebuilt '%s'", ways[i].sql, result.found, result.rebuilt);
        }
        assert_int_equal(result.same_documents, i < 6);
        assert_int_equal(vh_verify_rebuild(store, true, &result, NULL), VIV_OK);
        assert_int_equal(vh_verify_rebuild(store, false, &result, NULL), VIV_OK);
        assert_true(result.same && result.same_documents);
        vh_store_close(store);
        vh_arena_destroy(arena);
        scratch_clear(home.folder);
    }
}

/* A file system without shared memory cannot have the write-ahead log: refused, never run with less. */
static void
a_store_without_its_log_is_refused(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(open_once(":memory:", &err), VIV_E_STORE);
    assert_non_null(strstr(err.text, "cannot be written safely: it is without a write-ahead log"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_fold_writes_projections),
        cmocka_unit_test(foreign_newer_and_damaged_files_stay),
        cmocka_unit_test(an_altered_log_does_not_verify),
        cmocka_unit_test(an_altered_row_is_rebuilt),
        cmocka_unit_test(every_column_is_compared),
        cmocka_unit_test(a_store_without_its_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
