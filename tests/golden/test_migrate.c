/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an upgrade loses or alters a home, leaves nothing that the old program could still
 * open, or a home that only a newer program understands is touched. */
#include "../support/cm.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/home.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "golden.h"
#include "keep/migrate.h"
#include "keep/reader.h"

#define OLD 1 /* the schema that is brought here */

struct place {
    struct vh_arena *arena;
    char folder[64];
    char path[96];
    char kept[112];
    struct viv_error err;
};

static int
begin(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    p->arena = vh_arena_create(NULL, 0);
    const char *below = getenv("TMPDIR");
    snprintf(p->folder, sizeof p->folder, "%s/viv-migrate-XXXXXX",
             below && *below ? below : "/tmp");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/vivarium.db", p->folder);
    snprintf(p->kept, sizeof p->kept, "%s.schema-%d", p->path, OLD);
    vh_log_level(VH_LOG_ERROR);
    *state = p;
    return 0;
}

static int
end(void **state)
{
    struct place *p = *state;
    vh_log_level(VH_LOG_WARNING);
    vh_arena_destroy(p->arena);
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, p->folder, NULL), VIV_OK);
    free(p);
    return 0;
}

static struct viv_str
bytes_of(struct place *p, const char *path)
{
    struct viv_str bytes = {NULL, 0};
    assert_int_equal(
        vh_fs_read(vh_seam_real(), p->arena, AT_FDCWD, path, (size_t)1 << 28, &bytes, &p->err),
        VIV_OK);
    return bytes;
}

static bool
exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Names in the folder, sorted, each with a blank behind it. */
static const char *
names(struct place *p)
{
    static char text[512];
    char command[128];
    snprintf(command, sizeof command, "ls -1A '%s'", p->folder);
    FILE *pipe = popen(command, "r");
    size_t len = fread(text, 1, sizeof text - 1, pipe);
    pclose(pipe);
    text[len] = '\0';
    for (char *at = text; *at; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    return text;
}

static void
change(const char *path, const char *sql, bool leave_rest)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave_rest, NULL);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static viv_status
migrate(struct place *p, const struct vh_seam *seam)
{
    p->err = (struct viv_error)VIV_ERROR_INIT;
    return vh_migrate(seam, p->arena, p->path, &p->err);
}

static void
same(struct viv_str recorded, struct viv_str found)
{
    if (!vh_str_equal(recorded, found)) {
        fail_msg("recorded:\n%.*sfound:\n%.*s", VH_STR_ARGS(recorded), VH_STR_ARGS(found));
    }
}

/* The home is of this schema now, sound, and goes on; the old file lies beside it as it was. */
static void
is_here(struct place *p)
{
    char present[32], old[32];
    assert_string_equal(names(p), "vivarium.db vivarium.db.schema-1 ");
    snprintf(present, sizeof present, "fold-%d ", VH_STORE_SCHEMA);
    snprintf(old, sizeof old, "fold-%d ", OLD);
    struct viv_str recorded = golden_recorded(p->arena, OLD);
    same(golden_lines(p->arena, recorded, "log "), golden_log(p->arena, p->path));
    same(golden_lines(p->arena, recorded, present), golden_stored(p->arena, p->path));
    same(golden_lines(p->arena, recorded, "log "), golden_log(p->arena, p->kept));
    same(golden_lines(p->arena, recorded, old), golden_stored(p->arena, p->kept));
    struct home home;
    snprintf(home.folder, sizeof home.folder, "%s", p->folder);
    snprintf(home.path, sizeof home.path, "%s", p->path);
    home_open(&home);
    home_must(&home, "task.submitted", "new", "{\"goal\":\"g\",\"attempts_max\":1}");
    (void)home_walk(&home, "waiting", VH_PHASE_EXECUTE);
    home_stop(&home);
}

static void
an_old_home_is_brought_here(void **state)
{
    struct place *p = *state;
    golden_build(OLD, p->path);
    struct viv_str old = bytes_of(p, p->path);
    assert_int_equal(migrate(p, vh_seam_real()), VIV_OK);
    same(old, bytes_of(p, p->kept));
    struct viv_str now = bytes_of(p, p->path);
    assert_int_equal(migrate(p, vh_seam_real()), VIV_OK); /* it is here already */
    same(now, bytes_of(p, p->path));
    is_here(p);
}

/* A crash of the old program left its last transactions in the write-ahead log. */
static void
what_a_crash_left_comes_along(void **state)
{
    struct place *p = *state;
    golden_build(OLD, p->path);
    change(p->path, "PRAGMA journal_mode=WAL; UPDATE batches SET version='9.9.9'", true);
    assert_string_equal(names(p), "vivarium.db vivarium.db-shm vivarium.db-wal ");
    assert_int_equal(migrate(p, vh_seam_real()), VIV_OK);
    assert_non_null(
        memmem(bytes_of(p, p->path).data, (size_t)bytes_of(p, p->path).len, "9.9.9", 5));
    is_here(p);
}

/* ---- crashes ---- */

static const char *crash_at;

static void
crash(void *data, const char *name)
{
    (void)data;
    if (strcmp(name, crash_at) == 0) {
        _exit(9);
    }
}

static void
a_crash_leaves_the_old_home_or_the_new_one(void **state)
{
    struct place *p = *state;
    static const char *const places[] = {"migrate.built", "migrate.kept", "migrate.swapped"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct vh_seam seam = *vh_seam_real();
        int ended = 0;
        seam.place = crash;
        crash_at = places[i];
        golden_build(OLD, p->path);
        pid_t pid = fork();
        if (pid == 0) {
            (void)migrate(p, &seam);
            _exit(1); /* it did not come to that place */
        }
        assert_int_equal(waitpid(pid, &ended, 0), pid);
        assert_int_equal(WEXITSTATUS(ended), 9);
        bool swapped = i == 2;
        struct viv_str recorded = golden_recorded(p->arena, OLD);
        char rows[32];
        snprintf(rows, sizeof rows, "fold-%d ", swapped ? VH_STORE_SCHEMA : OLD);
        same(golden_lines(p->arena, recorded, rows), golden_stored(p->arena, p->path));
        assert_int_equal(migrate(p, vh_seam_real()), VIV_OK);
        is_here(p);
        assert_int_equal(unlink(p->path), 0);
        assert_int_equal(unlink(p->kept), 0);
    }
}

/* ---- refusals ---- */

static void
refused(struct place *p, viv_status wanted, const char *what)
{
    struct viv_str before = bytes_of(p, p->path);
    assert_int_equal(migrate(p, vh_seam_real()), wanted);
    if (!strstr(p->err.text, what)) {
        fail_msg("'%s' does not say '%s'", p->err.text, what);
    }
    same(before, bytes_of(p, p->path));
    char draft[128];
    snprintf(draft, sizeof draft, "%s.new", p->path);
    assert_false(exists(draft));
}

static void
a_log_that_was_altered_is_refused(void **state)
{
    struct place *p = *state;
    golden_build(OLD, p->path);
    change(p->path,
           "UPDATE events SET line=CAST(replace(CAST(line AS TEXT), 'make poor', 'make rich') AS "
           "BLOB)",
           false);
    refused(p, VIV_E_CORRUPT,
            "cannot be brought from schema 1 to 3: event 373 of its log is bad: the hash does not "
            "follow from the record and the one before");
    assert_string_equal(names(p), "vivarium.db ");
}

static void
rows_that_no_log_leads_to_are_refused(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *sql;
        const char *says;
    } cases[] = {
        {"UPDATE facts SET doc=CAST('7' AS BLOB) WHERE key='tasks'",
         "row 'tasks' of its table 'facts'"},
        {"UPDATE tasks SET state='ready' WHERE id='refused'", "row 'refused' of its table 'tasks'"},
        {"DELETE FROM keys WHERE key='key-1'", "row 'key-1' of its table 'keys'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        golden_build(OLD, p->path);
        change(p->path, cases[i].sql, false);
        refused(p, VIV_E_CORRUPT, cases[i].says);
        assert_non_null(
            strstr(p->err.text,
                   "does not follow from its log; 'log rebuild' of the vivhost that made it"));
        assert_string_equal(names(p), "vivarium.db ");
        assert_int_equal(unlink(p->path), 0);
    }
}

static void
nobody_may_read_meanwhile(void **state)
{
    struct place *p = *state;
    sqlite3 *reader = NULL;
    golden_build(OLD, p->path);
    change(p->path, "PRAGMA journal_mode=WAL", false);
    assert_int_equal(sqlite3_open(p->path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM events", NULL, NULL, NULL),
                     SQLITE_OK);
    refused(p, VIV_E_BUSY,
            "is to be brought from schema 1 to 3 and somebody reads it; end that process and try "
            "again");
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_int_equal(migrate(p, vh_seam_real()), VIV_OK);
    is_here(p);
}

static void
another_kept_file_stays(void **state)
{
    struct place *p = *state;
    golden_build(OLD, p->path);
    assert_int_equal(close(open(p->kept, O_CREAT | O_WRONLY, 0600)), 0);
    refused(p, VIV_E_EXISTS, "vivarium.db.schema-1', which is there already; move that away");
    assert_int_equal(bytes_of(p, p->kept).len, 0);
}

/* Whoever opens an older file without bringing it here first may read it and no more. */
static void
an_old_home_is_only_read(void **state)
{
    struct place *p = *state;
    struct vh_store *store = NULL;
    struct viv_str ready = VH_STR("ready");
    golden_build(OLD, p->path);
    struct viv_str before = bytes_of(p, p->path);
    assert_int_equal(vh_store_open(p->arena, p->path, NULL, &store, &p->err), VIV_E_VERSION);
    assert_non_null(
        strstr(p->err.text,
               "has schema 1, this program writes 3; 'vivhost work' brings an older home there"));
    same(before, bytes_of(p, p->path));
    assert_int_equal(vh_store_open_read(p->arena, p->path, &store, &p->err), VIV_OK);
    struct vh_task task;
    struct vh_state_ops ops = vh_store_state(store);
    assert_int_equal(ops.get_task(ops.data, p->arena, VH_STR("published"), &task, &p->err), VIV_OK);
    assert_string_equal(vh_task_state_name(task.state), ready.data);
    vh_store_close(store);
    same(before, bytes_of(p, p->path));
    assert_string_equal(names(p), "vivarium.db ");
}

/* ---- newer ---- */

static void
a_newer_home_is_refused_and_stays(void **state)
{
    struct place *p = *state;
    struct vh_store *store = NULL;
    char sql[128], rest[128], says[96];
    golden_build(VH_STORE_SCHEMA, p->path);
    snprintf(sql, sizeof sql,
             "PRAGMA user_version=%d; PRAGMA journal_mode=WAL; UPDATE batches SET version='9.9.9'",
             VH_STORE_SCHEMA + 1);
    snprintf(says, sizeof says, "has schema %d, this program knows up to %d; use the newer vivhost",
             VH_STORE_SCHEMA + 1, VH_STORE_SCHEMA);
    change(p->path, sql, true); /* as a crash of the newer program leaves it */
    snprintf(rest, sizeof rest, "%s-wal", p->path);
    struct viv_str before = bytes_of(p, p->path), before_rest = bytes_of(p, rest);
    assert_int_equal(migrate(p, vh_seam_real()), VIV_OK); /* none of its business */
    for (int i = 0; i < 3; i++) {
        p->err = (struct viv_error)VIV_ERROR_INIT;
        viv_status status = i == 0   ? vh_store_open(p->arena, p->path, NULL, &store, &p->err)
                            : i == 1 ? vh_store_open_read(p->arena, p->path, &store, &p->err)
                                     : vh_store_open_immutable(p->arena, p->path, &store, &p->err);
        assert_int_equal(status, VIV_E_VERSION);
        assert_non_null(strstr(p->err.text, says));
        same(before, bytes_of(p, p->path));
        same(before_rest, bytes_of(p, rest));
    }
    assert_string_equal(names(p), "vivarium.db vivarium.db-shm vivarium.db-wal ");
}

#define IN_PLACE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(an_old_home_is_brought_here),
        IN_PLACE(what_a_crash_left_comes_along),
        IN_PLACE(a_crash_leaves_the_old_home_or_the_new_one),
        IN_PLACE(a_log_that_was_altered_is_refused),
        IN_PLACE(rows_that_no_log_leads_to_are_refused),
        IN_PLACE(nobody_may_read_meanwhile),
        IN_PLACE(another_kept_file_stays),
        IN_PLACE(an_old_home_is_only_read),
        IN_PLACE(a_newer_home_is_refused_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
