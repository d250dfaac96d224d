/* SPDX-License-Identifier: Apache-2.0 */
/* old file in one piece -> new file from its log -> compared -> old one named twice -> new one in
 * its place */
#include "migrate.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/verify.h"
#include "store_inside.h"

#define HEADER_BYTES 100 /* of every SQLite file; two of our numbers stand in it */
#define SCHEMA_AT 60
#define ID_AT 68
#define BUSY_MS 2000 /* a question that is being answered */

struct migration {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    struct viv_error *err;
    const char *path;
    const char *draft; /* the new file */
    const char *kept;  /* the old one's second name */
    int64_t from;
};

static int64_t
big_endian(const unsigned char *bytes)
{
    return (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Read from the file itself: SQLite would touch what lies beside it. 0: not one of ours. */
static int64_t
schema_of(const struct vh_seam *seam, const char *path)
{
    unsigned char head[HEADER_BYTES];
    int fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    ssize_t len = fd < 0 ? 0 : seam->pread(seam->data, fd, head, sizeof head, 0);
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    bool ours = len == (ssize_t)sizeof head && memcmp(head, "SQLite format 3", 16) == 0 &&
                big_endian(head + ID_AT) == VH_STORE_APPLICATION_ID;
    return ours ? big_endian(head + SCHEMA_AT) : 0;
}

static viv_status
failed(const struct migration *m, sqlite3 *db, const char *what)
{
    return vh_error_set(m->err, VIV_E_STORE, "store",
                        "cannot bring '%s' from schema %lld to %d, %s: %s", m->path,
                        (long long)m->from, VH_STORE_SCHEMA, what, sqlite3_errmsg(db));
}

/* Without a write-ahead log the file is whole by itself, and nobody else has it. */
static viv_status
make_whole(const struct migration *m)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *sql = NULL;
    viv_status status = vh_store_handle(m->path, SQLITE_OPEN_READWRITE, NULL, &db, m->err);
    if (status) {
        return status;
    }
    (void)sqlite3_busy_timeout(db, BUSY_MS); /* without one it only gives up sooner */
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode=DELETE", -1, &sql, NULL);
    code = code ? code : sqlite3_step(sql);
    bool told =
        code == SQLITE_ROW; /* the mode it has now: another one, when somebody has the file */
    bool whole = told && strcmp((const char *)sqlite3_column_text(sql, 0), "delete") == 0;
    if (!whole) {
        bool busy = told || code == SQLITE_BUSY || code == SQLITE_LOCKED;
        status = busy ? vh_error_set(m->err, VIV_E_BUSY, "store",
                                     "'%s' is to be brought from schema %lld to %d and somebody "
                                     "reads it; end that "
                                     "process and try again",
                                     m->path, (long long)m->from, VH_STORE_SCHEMA)
                      : failed(m, db, "the old file");
    }
    sqlite3_finalize(sql);
    sqlite3_close(db);
    return status;
}

/* ---- the new file ---- */

static viv_status
run(const struct migration *m, struct vh_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) ? failed(m, store->db, "the new file")
                                                          : VIV_OK;
}

static viv_status
copy_log(const struct migration *m, struct vh_store *store)
{
    sqlite3_stmt *sql = NULL;
    bool done = sqlite3_prepare_v2(store->db, "ATTACH ?1 AS old", -1, &sql, NULL) == SQLITE_OK;
    vh_store_bind(done ? sql : NULL, 1, vh_str(m->path));
    done = done && sqlite3_step(sql) == SQLITE_DONE;
    sqlite3_finalize(sql);
    return done ? run(m, store,
                      "BEGIN IMMEDIATE; INSERT INTO main.batches SELECT * FROM old.batches;"
                      "INSERT INTO main.events SELECT seq, (SELECT number FROM old.tasks WHERE id=task), line, hash"
                      " FROM old.events; COMMIT")
                : failed(m, store->db, "the old file");
}

/* What both schemas hold, since which one. */
static const struct same {
    int64_t since;
    const char *table;
    const char *columns;
} sames[] = {
    {1, "tasks", "id, number, state, claimable, retry_at_us, parent"},
    {1, "scopes", "key, doc"},
    {1, "facts", "key, doc"},
    {1, "edges", "task, dependency"},
    {1, "keys", "key, seq, request"},
    {2, "tasks", "id, doc"},
    {2, "effects", "key, doc"},
};

/* What of the log lies outside of `events`: an older file has none of it. */
_Static_assert(VH_STORE_SCHEMA == 3, "a newer schema copies segments and archived_tasks too, and events as they are");

/* Rows that are in one of the two only. */
static viv_status
compare(const struct migration *m, struct vh_store *store, const struct same *same)
{
    sqlite3_stmt *sql = NULL;
    const char *c = same->columns, *t = same->table;
    char *text = vh_arena_format(
        m->arena,
        "SELECT * FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM old.%s) UNION ALL "
        "SELECT * FROM (SELECT %s FROM old.%s EXCEPT SELECT %s FROM main.%s) LIMIT 1",
        c, t, c, t, c, t, c, t);
    if (!text) {
        return vh_error_set(m->err, VIV_E_MEMORY, "store", "no memory to compare '%s'", t);
    }
    int code = sqlite3_prepare_v2(store->db, text, -1, &sql, NULL);
    code = code ? code : sqlite3_step(sql);
    viv_status status = code == SQLITE_DONE ? VIV_OK : failed(m, store->db, "comparing");
    if (code == SQLITE_ROW) {
        const unsigned char *key = sqlite3_column_text(sql, 0);
        status = vh_error_set(
            m->err, VIV_E_CORRUPT, "store",
            "'%s' cannot be brought from schema %lld to %d: row '%s' of its table '%s' does not "
            "follow from its log; 'log rebuild' of the vivhost that made it puts that right",
            m->path, (long long)m->from, VH_STORE_SCHEMA, key ? (const char *)key : "", t);
    }
    sqlite3_finalize(sql);
    return status;
}

static viv_status
fold(const struct migration *m, struct vh_store *store)
{
    struct vh_verify_result log;
    struct vh_rebuild_result tables;
    viv_status status = vh_verify_log(store, &log, m->err);
    if (status == VIV_OK && log.bad_seq) {
        return vh_error_set(
            m->err, VIV_E_CORRUPT, "store",
            "'%s' cannot be brought from schema %lld to %d: event %lld of its log is bad: %s",
            m->path, (long long)m->from, VH_STORE_SCHEMA, (long long)log.bad_seq, log.problem);
    }
    status = status ? status : vh_verify_rebuild(store, true, &tables, m->err);
    for (size_t i = 0; i < sizeof sames / sizeof *sames && status == VIV_OK; i++) {
        status = m->from >= sames[i].since ? compare(m, store, &sames[i]) : VIV_OK;
    }
    return status;
}

static void
remove_draft(const struct migration *m)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *path = vh_arena_format(m->arena, "%s%s", m->draft, ends[i]);
        if (path) {
            (void)m->seam->unlink(m->seam->data, AT_FDCWD, path, 0); /* most are not there */
        }
    }
}

static viv_status
build(const struct migration *m)
{
    struct vh_store *store = NULL;
    static const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    remove_draft(m); /* of a migration that was cut short */
    int fd = m->seam->open(m->seam->data, AT_FDCWD, m->draft, flags, 0600);
    if (fd < 0) {
        return vh_error_errno(m->err, VIV_E_IO, "store", "cannot make '%s'", m->draft);
    }
    m->seam->close(m->seam->data, fd);
    viv_status status = vh_store_open(m->arena, m->draft, NULL, &store, m->err);
    status = status ? status : copy_log(m, store);
    status = status ? status : fold(m, store);
    status = status ? status : run(m, store, "DETACH old");
    vh_store_close(store);
    return status;
}

/* ---- the swap ---- */

static viv_status
sync_draft(const struct migration *m)
{
    char *rest = vh_arena_format(m->arena, "%s-wal", m->draft);
    if (!rest || vh_fs_exists(m->seam, AT_FDCWD, rest)) { /* left when its last checkpoint failed */
        return vh_error_set(m->err, VIV_E_STORE, "store",
                            "'%s' could not be finished; is the disk full?", m->draft);
    }
    int fd = m->seam->open(m->seam->data, AT_FDCWD, m->draft, O_RDWR | O_NOFOLLOW, 0);
    viv_status status =
        fd < 0 || m->seam->sync(m->seam->data, fd)
            ? vh_error_errno(m->err, VIV_E_IO, "store", "cannot sync '%s'", m->draft)
            : VIV_OK;
    if (fd >= 0) {
        m->seam->close(m->seam->data, fd);
    }
    return status;
}

/* A second name for the old file: it has it already when a migration was cut short just there. */
static viv_status
keep_old(const struct migration *m)
{
    struct stat old, kept;
    const struct vh_seam *seam = m->seam;
    if (seam->link(seam->data, AT_FDCWD, m->path, AT_FDCWD, m->kept) == 0) {
        return VIV_OK;
    }
    bool there = seam->stat(seam->data, AT_FDCWD, m->kept, &kept, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there) {
        return vh_error_errno(m->err, VIV_E_IO, "store", "cannot keep '%s' as '%s'", m->path,
                              m->kept);
    }
    bool same = seam->stat(seam->data, AT_FDCWD, m->path, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
                old.st_ino == kept.st_ino && old.st_dev == kept.st_dev;
    return same ? VIV_OK
                : vh_error_set(m->err, VIV_E_EXISTS, "store",
                               "'%s' is to be kept as '%s', which is there already; move that away",
                               m->path, m->kept);
}

static viv_status
swap(const struct migration *m)
{
    const struct vh_seam *seam = m->seam;
    char *folder = vh_arena_text(m->arena, m->path);
    viv_status status = folder
                            ? sync_draft(m)
                            : vh_error_set(m->err, VIV_E_MEMORY, "store", "no memory to migrate");
    VH_PLACE(seam, "migrate.built");
    status = status ? status : keep_old(m);
    if (status) {
        return status;
    }
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    VH_PLACE(seam, "migrate.kept");
    if (seam->rename(seam->data, AT_FDCWD, m->draft, AT_FDCWD, m->path, 0)) {
        return vh_error_errno(m->err, VIV_E_IO, "store", "cannot put '%s' in place", m->draft);
    }
    VH_PLACE(seam, "migrate.swapped");
    return vh_fs_sync_folder(seam, AT_FDCWD, folder, m->err);
}

viv_status
vh_migrate(const struct vh_seam *seam, struct vh_arena *arena, const char *path,
           struct viv_error *err)
{
    struct migration m = {
        .seam = seam, .arena = arena, .err = err, .path = path, .from = schema_of(seam, path)};
    if (m.from < 1 || m.from >= VH_STORE_SCHEMA) {
        return VIV_OK;
    }
    m.draft = vh_arena_format(arena, "%s.new", path);
    m.kept = vh_arena_format(arena, "%s.schema-%lld", path, (long long)m.from);
    if (!m.draft || !m.kept) {
        return vh_error_set(err, VIV_E_MEMORY, "store", "no memory to migrate");
    }
    viv_status status = make_whole(&m);
    if (status) {
        return status;
    }
    status = build(&m);
    status = status ? status : swap(&m);
    if (status) {
        remove_draft(&m);
        return status;
    }
    vh_log(VH_LOG_WARNING, "store",
           "'%s' was brought from schema %lld to %d; as it was it is '%s', for the vivhost "
           "that made it",
           path, (long long)m.from, VH_STORE_SCHEMA, m.kept);
    return VIV_OK;
}
