/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a list that somebody else wrote leads a restore out of its folder or makes it take files that steer
 * the host; a damaged file passes for a good one; or a copy of a database holds what was never committed. */
#include "../../support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/home.h"
#include "../../support/seam_fail.h"
#include "base/str.h"
#include "commands/backup_list.h"
#include "keep/verify.h"
#include "../../support/scratch.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ROW(path) "{\"bytes\":1,\"path\":\"" path "\",\"sha256\":\"" ZEROS "\"}"
#define LIST(files, head) "{\"files\":[" files "],\"head\":\"" head "\",\"home\":\"h\",\"project\":\"/p\",\"seq\":3,"
#define TAIL "\"time_us\":5,\"version\":1}"
#define BOTH ROW("home.json") "," ROW("vivarium.db")

static viv_status
read_text(const char *text, struct viv_error *err)
{
    struct vh_backup backup;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = vh_backup_list_read(arena, vh_str(text), &backup, err);
    vh_arena_destroy(arena);
    return status;
}

static void
a_list_is_taken_only_as_it_was_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        viv_status status;
        const char *words;
    } rows[] = {
        { LIST(BOTH, ZEROS) TAIL, VIV_OK, "" },
        { LIST(BOTH, ZEROS) "\"time_us\":5,\"version\":2}", VIV_E_VERSION, "has version 2, this program knows 1" },
        { LIST(BOTH, ZEROS) "\"time_us\":5}", VIV_E_CORRUPT, "its members" },
        { LIST(BOTH, ZEROS) "\"time_us\":5,\"version\":1,\"worse\":1}", VIV_E_CORRUPT, "its members" },
        { LIST(BOTH, "00") TAIL, VIV_E_CORRUPT, "its members" },
        { LIST(BOTH, ZEROS) TAIL "\n", VIV_E_CORRUPT, "backup.json" },
        { "{}", VIV_E_CORRUPT, "its members" },
        { "[]", VIV_E_CORRUPT, "its members" },
        { "", VIV_E_CORRUPT, "backup.json" },
        { LIST("", ZEROS) TAIL, VIV_E_CORRUPT, "home.json or vivarium.db" },
        { LIST(ROW("vivarium.db"), ZEROS) TAIL, VIV_E_CORRUPT, "home.json or vivarium.db" },
        { LIST(ROW("vivarium.db") "," ROW("home.json"), ZEROS) TAIL, VIV_E_CORRUPT, "place of file 'home.json'" },
        { LIST(ROW("home.json") "," BOTH, ZEROS) TAIL, VIV_E_CORRUPT, "place of file 'home.json'" },
        { LIST("1," BOTH, ZEROS) TAIL, VIV_E_CORRUPT, "file ''" },
        { LIST("[]," BOTH, ZEROS) TAIL, VIV_E_CORRUPT, "file ''" },
        { LIST("{\"bytes\":-1,\"path\":\"home.json\",\"sha256\":\"" ZEROS "\"}", ZEROS) TAIL, VIV_E_CORRUPT, "file" },
        { LIST("{\"bytes\":1,\"path\":\"home.json\",\"sha256\":\"0\"}", ZEROS) TAIL, VIV_E_CORRUPT, "file" },
        { LIST("{\"bytes\":1,\"mode\":1,\"path\":\"home.json\",\"sha256\":\"" ZEROS "\"}", ZEROS) TAIL, VIV_E_CORRUPT,
          "file 'home.json'" },
        { LIST(ROW("home.json\\u0000/x"), ZEROS) TAIL, VIV_E_CORRUPT, "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(read_text(rows[i].text, &err), rows[i].status);
        if (rows[i].status && !strstr(err.text, rows[i].words)) {
            fail_msg("row %zu: '%s' lacks '%s'", i, err.text, rows[i].words);
        }
    }
}

static void
only_what_a_backup_holds_belongs_to_one(void **state)
{
    (void)state;
    static const char *const good[] = { "vivarium.db", "home.json", "store/blobs/ab/abcd", "store/plugins/x/y.so",
                                        "store/folder.git/packed-refs",
                                        "store/folder.git/refs/viv/line/x", "store/folder-sha256.git/objects/ab/cd" };
    static const char *const bad[] = {
        "", ".", "..", "/", "/etc/passwd", "../vivarium.db", "vivarium.db-wal", "vivarium.db/", "home.json/../x",
        "store", "store/", "store/blobs/../../x", "store/blobs/./x", "store/blobs//x", "store/blobs/.x",
        "store/moves/a.json", "store/plugins.index",
        "store/folder.git/config", "store/folder.git/HEAD", "store/folder.git/hooks/post-commit",
        "store/folder.git/objects/info/alternates", "store/folder.git/refs/x.lock",
        "store/folder.git/objects/ab/tmp_obj_1", "store/folder-0123456789abcdef.cache", "log/execution_log.jsonl",
        "trees/x", "work/x", "host.lock", "backup.json" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(vh_backup_belongs(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (vh_backup_belongs(bad[i])) {
            fail_msg("'%s' would be taken", bad[i]);
        }
    }
}

/* A copy of an open store: what is in the open transaction is not in it. */
static void
a_copy_holds_what_was_committed(void **state)
{
    (void)state;
    struct home home;
    struct vh_store *reader = NULL, *copy = NULL;
    struct vh_verify_result log;
    struct vh_rebuild_result tables;
    char path[160];
    home_new(&home);
    home_must(&home, "task.submitted", "t1", "{\"goal\":\"g\",\"attempts_max\":1}");
    assert_int_equal(vh_sequencer_flush(home.sequencer, NULL), VIV_OK);
    int64_t committed = vh_sequencer_committed(home.sequencer);
    home_must(&home, "task.claimed", "t1", "{\"worker\":\"w\"}");
    snprintf(path, sizeof path, "%s/copy.db", home.folder);
    close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    assert_int_equal(vh_store_open_read(home.arena, home.path, &reader, NULL), VIV_OK);
    assert_int_equal(vh_store_copy(reader, path, NULL), VIV_OK);
    vh_store_close(reader);
    assert_int_equal(vh_store_open(home.arena, path, NULL, &copy, NULL), VIV_OK);
    assert_int_equal(vh_verify_log(copy, &log, NULL), VIV_OK);
    assert_int_equal(log.bad_seq, 0);
    assert_int_equal(log.events, committed);
    assert_int_equal(vh_verify_rebuild(copy, false, &tables, NULL), VIV_OK);
    assert_true(tables.same);
    vh_store_close(copy);
    unlink(path);
    home_end(&home);
}

/* There and back on real files; then each call of the seam fails in turn, and never a whole list comes of it. */
struct trip {
    char folder[64];
    int home;
    int backup;
    struct vh_arena *arena;
};

static void
put(int dir, const char *path, const char *text)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int
folder(const char *path)
{
    assert_int_equal(vh_fs_make_folders(vh_seam_real(), AT_FDCWD, path, 0700, NULL), VIV_OK);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    return fd;
}

static void
begin(struct trip *trip)
{
    char path[128];
    snprintf(trip->folder, sizeof trip->folder, "/tmp/viv-backup.XXXXXX");
    assert_non_null(mkdtemp(trip->folder));
    snprintf(path, sizeof path, "%s/home/store/blobs/ab", trip->folder);
    close(folder(path));
    snprintf(path, sizeof path, "%s/home/store/folder.git/refs/viv", trip->folder);
    close(folder(path));
    snprintf(path, sizeof path, "%s/home", trip->folder);
    trip->home = folder(path);
    snprintf(path, sizeof path, "%s/backup", trip->folder);
    trip->backup = folder(path);
    put(trip->home, "home.json", "{}");
    put(trip->home, "store/blobs/ab/abc", "blob");
    put(trip->home, "store/blobs/ab/.half", "not yet");
    put(trip->home, "store/folder.git/refs/viv/x", "1");
    put(trip->home, "store/folder.git/refs/viv/x.lock", "");
    put(trip->home, "store/folder.git/config", "evil");
    put(trip->backup, "vivarium.db", "db");
    trip->arena = vh_arena_create(NULL, 0);
}

static void
end(struct trip *trip)
{
    close(trip->home);
    close(trip->backup);
    vh_arena_destroy(trip->arena);
    scratch_clear(trip->folder);
}

static viv_status
make(struct trip *trip, const struct vh_seam *seam, struct viv_error *err)
{
    struct vh_backup backup = { .home = VH_STR("h"), .project = VH_STR("/p"), .seq = 3, .time_us = 5 };
    viv_status status = VIV_OK;
    for (int part = VH_BACKUP_LINE; part <= VH_BACKUP_REST && status == VIV_OK; part++) {
        status = vh_backup_copy_part(seam, trip->arena, trip->home, trip->backup, part, &backup, err);
    }
    return status ? status : vh_backup_seal(seam, trip->arena, trip->backup, &backup, err);
}

static viv_status
take(struct trip *trip, const struct vh_seam *seam, const char *name, struct viv_error *err)
{
    char path[128];
    struct viv_str text;
    struct vh_backup backup = { 0 };
    snprintf(path, sizeof path, "%s/%s", trip->folder, name);
    int to = folder(path);
    viv_status status = vh_fs_read(vh_seam_real(), trip->arena, trip->backup, VH_BACKUP_NAME, 1u << 20, &text, err);
    status = status ? status : vh_backup_list_read(trip->arena, text, &backup, err);
    assert_true(status || backup.count == 4);
    status = status ? status : vh_backup_list_take(seam, trip->arena, trip->backup, to, &backup, err);
    close(to);
    return status;
}

static void
files_go_there_and_back(void **state)
{
    (void)state;
    struct trip trip;
    struct viv_error err = VIV_ERROR_INIT;
    begin(&trip);
    assert_int_equal(make(&trip, vh_seam_real(), &err), VIV_OK);
    assert_int_equal(take(&trip, vh_seam_real(), "back", &err), VIV_OK);
    char path[128];
    snprintf(path, sizeof path, "%s/back", trip.folder);
    int back = folder(path);
    assert_true(vh_fs_exists(vh_seam_real(), back, "store/folder.git/refs/viv/x"));
    assert_true(vh_fs_exists(vh_seam_real(), back, "store/blobs/ab/abc"));
    assert_false(vh_fs_exists(vh_seam_real(), back, "store/blobs/ab/.half"));
    assert_false(vh_fs_exists(vh_seam_real(), back, "store/folder.git/config"));
    assert_false(vh_fs_exists(vh_seam_real(), back, VH_BACKUP_NAME));
    close(back);
    put(trip.backup, "store/blobs/ab/more", "x");
    assert_int_equal(take(&trip, vh_seam_real(), "more", &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "'store/blobs/ab/more' is not listed"));
    end(&trip);
}

static void
a_failed_call_gives_no_backup_and_no_home(void **state)
{
    (void)state;
    static const enum seam_call kinds[] = { SEAM_OPEN, SEAM_READ, SEAM_WRITE, SEAM_SYNC_ALL, SEAM_SYNC, SEAM_RENAME,
                                            SEAM_MKDIR, SEAM_STAT, SEAM_FSTAT, SEAM_RANDOM };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            struct trip trip;
            struct seam_fail fail;
            struct viv_error err = VIV_ERROR_INIT;
            begin(&trip);
            seam_fail_init(&fail, vh_seam_real());
            seam_fail_at(&fail, kinds[k], n, EIO);
            viv_status status = make(&trip, &fail.seam, &err);
            failed = fail.reached;
            assert_true(!failed || status);
            /* The last sync and the opening of the folder for it come when the list has its name. */
            bool late = kinds[k] == SEAM_SYNC || kinds[k] == SEAM_OPEN;
            assert_true(!status || late || !vh_fs_exists(vh_seam_real(), trip.backup, VH_BACKUP_NAME));
            end(&trip);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_taken_only_as_it_was_written),
        cmocka_unit_test(only_what_a_backup_holds_belongs_to_one),
        cmocka_unit_test(a_copy_holds_what_was_committed),
        cmocka_unit_test(files_go_there_and_back),
        cmocka_unit_test(a_failed_call_gives_no_backup_and_no_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
