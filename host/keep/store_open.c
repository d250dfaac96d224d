/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: whose file it is, which schema, settings, the head of the log. */
#include "store_inside.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "keep/segments.h"
#include <viv/limits.h>

#define BUSY_MS 10000             /* readers never block a writer in WAL; this covers a checkpoint's end */

/* A commit writes whole pages. So they are small, and tasks, which have random ids, lie in the order of their numbers:
 * those that change together are neighbours. */
#define PAGE_BYTES "2048"

const char vh_store_tables[] =
    "CREATE TABLE tasks(id TEXT NOT NULL UNIQUE, number INTEGER PRIMARY KEY, state TEXT NOT NULL,"
    " claimable INTEGER NOT NULL, retry_at_us INTEGER NOT NULL, parent TEXT, doc BLOB NOT NULL);"
    "CREATE INDEX tasks_claimable ON tasks(number) WHERE claimable=1;"
    "CREATE INDEX tasks_parent ON tasks(parent) WHERE parent IS NOT NULL;"
    "CREATE TABLE scopes(key TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE effects(key TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE facts(key TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE edges(task TEXT NOT NULL, dependency TEXT NOT NULL, PRIMARY KEY(task, dependency)) WITHOUT ROWID;"
    "CREATE INDEX edges_to ON edges(dependency);"
    "CREATE TABLE keys(key TEXT PRIMARY KEY, seq INTEGER NOT NULL, request BLOB NOT NULL) WITHOUT ROWID;";

/* An event has its task's number, for the same reason. */
static const char log_tables[] =
    "CREATE TABLE batches(batch INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, time_us INTEGER NOT NULL, version TEXT NOT NULL);"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, task INTEGER, line BLOB NOT NULL, hash BLOB NOT NULL);"
    "CREATE INDEX events_task ON events(task) WHERE task IS NOT NULL;";

/* The one number that a statement answers with. After false, vh_store_reason says why. */
static bool
number(sqlite3 *db, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement = NULL;
    bool there = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW;
    if (there) {
        *ret_value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return there;
}

static viv_status
unreadable(struct vh_store *store, const char *path, struct viv_error *err)
{
    struct vh_store_text why;
    vh_store_reason(store->db, &why);
    return vh_error_set(err, VIV_E_CORRUPT, "store", "'%s' is not readable as an event log: %s", path, why.text);
}

static viv_status
make_tables(struct vh_store *store, struct viv_error *err)
{
    char pragmas[128];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d;", VH_STORE_APPLICATION_ID,
             VH_STORE_SCHEMA);
    const char *const parts[] = { "PRAGMA page_size=" PAGE_BYTES, "BEGIN IMMEDIATE", log_tables, vh_archive_tables,
                                  vh_store_tables, pragmas, "COMMIT" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (sqlite3_exec(store->db, parts[i], NULL, NULL, NULL)) {
            return vh_store_failed(store, err);
        }
    }
    store->schema = VH_STORE_SCHEMA;
    return VIV_OK;
}

/* Foreign, newer or damaged files are refused and left as they are. */
static viv_status
check_file(struct vh_store *store, const char *path, struct viv_error *err)
{
    int64_t tables, others, id, schema;
    if (!number(store->db, "SELECT count(*) FROM sqlite_master", &tables) ||
        !number(store->db, "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger','view')", &others) ||
        !number(store->db, "PRAGMA application_id", &id) || !number(store->db, "PRAGMA user_version", &schema)) {
        return unreadable(store, path, err);
    }
    store->schema = schema;
    if (tables == 0 && id == 0 && sqlite3_db_readonly(store->db, "main") == 1) {
        return vh_error_set(err, VIV_E_CORRUPT, "store", "'%s' holds no event log; 'vivhost init' makes one", path);
    }
    if (tables == 0 && id == 0) {
        return make_tables(store, err);
    }
    if (id != VH_STORE_APPLICATION_ID || others) { /* ours has no statement of its own that could run */
        return vh_error_set(err, VIV_E_CORRUPT, "store", "'%s' is a database of another program; it was left as it is",
                            path);
    }
    if (schema > VH_STORE_SCHEMA) {
        return vh_error_set(err, VIV_E_VERSION, "store",
                            "'%s' has schema %lld, this program knows up to %d; use the newer vivhost", path,
                            (long long)schema, VH_STORE_SCHEMA);
    }
    if (schema < 1) {
        return vh_error_set(err, VIV_E_CORRUPT, "store",
                            "'%s' has schema %lld, which no vivhost wrote; allowed: 1 to %d", path, (long long)schema,
                            VH_STORE_SCHEMA);
    }
    if (schema < VH_STORE_SCHEMA && sqlite3_db_readonly(store->db, "main") == 0) {
        return vh_error_set(err, VIV_E_VERSION, "store",
                            "'%s' has schema %lld, this program writes %d; 'vivhost work' brings an older home there",
                            path, (long long)schema, VH_STORE_SCHEMA);
    }
    return VIV_OK;
}

/* SQLite answers a pragma it cannot follow with the mode it kept. */
static viv_status
check_modes(struct vh_store *store, const char *path, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    int64_t sync = 0;
    bool read = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode", -1, &sql, NULL) == SQLITE_OK &&
                sqlite3_step(sql) == SQLITE_ROW;
    const char *mode = read ? (const char *)sqlite3_column_text(sql, 0) : NULL;
    bool wal = mode && strcmp(mode, "wal") == 0;
    sqlite3_finalize(sql);
    if (!mode || !number(store->db, "PRAGMA synchronous", &sync)) {
        return unreadable(store, path, err);
    }
    if (wal && sync == 2) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_STORE, "store",
                        "'%s' cannot be written safely: it is %s a write-ahead log and syncs at level %lld, "
                        "needed: with one, level 2", path, wal ? "with" : "without", (long long)sync);
}

static viv_status
read_head(struct vh_store *store, const char *path, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    static const char text[] = "SELECT seq, hash, (SELECT max(batch) FROM batches), (SELECT max(time_us) FROM batches)"
                               " FROM events ORDER BY seq DESC LIMIT 1";
    if (sqlite3_prepare_v2(store->db, text, -1, &sql, NULL)) {
        return vh_store_failed(store, err);
    }
    int code = sqlite3_step(sql);
    bool whole = code != SQLITE_ROW || sqlite3_column_bytes(sql, 1) == VH_HASH_BYTES;
    if (code == SQLITE_ROW && whole) {
        store->seq = sqlite3_column_int64(sql, 0);
        memcpy(store->head.bytes, sqlite3_column_blob(sql, 1), VH_HASH_BYTES);
        store->batch = sqlite3_column_int64(sql, 2);
        store->time_us = sqlite3_column_int64(sql, 3);
    }
    sqlite3_finalize(sql);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        struct vh_store_text why;
        vh_store_reason(store->db, &why);
        return vh_error_set(err, VIV_E_CORRUPT, "store", "the last event of '%s' is unreadable: %s", path, why.text);
    }
    return whole ? VIV_OK : vh_error_set(err, VIV_E_CORRUPT, "store", "the last event of '%s' has no hash", path);
}

viv_status
vh_store_handle(const char *path, int flags, const char *vfs, sqlite3 **ret_db, struct viv_error *err)
{
    if (sqlite3_open_v2(path, ret_db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, vfs)) {
        struct vh_store_text why = { "out of memory" };
        if (*ret_db) {
            vh_store_reason(*ret_db, &why);
        }
        viv_status status = vh_error_set(err, VIV_E_STORE, "store", "cannot open '%s': %s", path, why.text);
        sqlite3_close(*ret_db);
        *ret_db = NULL;
        return status;
    }
    /* SQLite is content with less. */
    if ((flags & SQLITE_OPEN_READWRITE) && sqlite3_db_readonly(*ret_db, "main") == 1) {
        sqlite3_close(*ret_db);
        *ret_db = NULL;
        return vh_error_set(err, VIV_E_STORE, "store",
                            "cannot open '%s' for writing: no descriptor, a bad disk, or not writable", path);
    }
    return VIV_OK;
}

static int
note_pages(void *data, sqlite3 *db, const char *name, int pages)
{
    struct vh_store *store = data;
    (void)db;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

/* Where archived segments lie: in log/archive beside the file. */
static const char *
archive_of(struct vh_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return vh_arena_format(arena, "%.*s" VH_SEGMENT_FOLDER, slash ? (int)(slash - path) + 1 : 0, path);
}

/* `name`: the path, or how SQLite wants it said. */
static viv_status
open_file(struct vh_arena *arena, const char *path, const char *name, int flags, const char *vfs,
          struct vh_store **ret_store, struct viv_error *err)
{
    struct vh_store *store = vh_arena_alloc(arena, sizeof *store);
    const char *archive = archive_of(arena, path);
    if (!store || !archive) {
        return vh_error_set(err, VIV_E_MEMORY, "store", "no memory to open '%s'", path);
    }
    store->archive = archive;
    viv_status status = vh_store_handle(name, flags, vfs, &store->db, err);
    if (status) {
        return status;
    }
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* what is refused stays as it is */
    status = check_file(store, path, err);
    if (status == VIV_OK) {
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    static const char both[] = "PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0;";
    static const char writer[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                                 "PRAGMA wal_autocheckpoint=0;";
    if (status == VIV_OK && sqlite3_exec(store->db, both, NULL, NULL, NULL)) {
        status = vh_store_failed(store, err);
    }
    if (status == VIV_OK && (flags & SQLITE_OPEN_READWRITE) && sqlite3_exec(store->db, writer, NULL, NULL, NULL)) {
        status = vh_store_failed(store, err);
    }
    if (status == VIV_OK && (flags & SQLITE_OPEN_READWRITE)) {
        status = check_modes(store, path, err);
    }
    if (status == VIV_OK) {
        status = read_head(store, path, err);
    }
    if (status == VIV_OK) {
        sqlite3_wal_hook(store->db, note_pages, store);
        vh_store_guard(store);
    }
    store->scratch = status == VIV_OK ? vh_arena_create(NULL, 0) : NULL;
    if (status == VIV_OK && !store->scratch) {
        status = vh_error_set(err, VIV_E_MEMORY, "store", "no memory to open '%s'", path);
    }
    if (status) {
        vh_store_close(store);
        return status;
    }
    *ret_store = store;
    return VIV_OK;
}

viv_status
vh_store_open(struct vh_arena *arena, const char *path, const char *vfs, struct vh_store **ret_store,
              struct viv_error *err)
{
    return open_file(arena, path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs, ret_store, err);
}

viv_status
vh_store_open_read(struct vh_arena *arena, const char *path, struct vh_store **ret_store, struct viv_error *err)
{
    return open_file(arena, path, path, SQLITE_OPEN_READONLY, NULL, ret_store, err);
}

/* A path as SQLite wants it in a URI. */
static char *
immutable_uri(struct vh_arena *arena, const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 4 * VIV_PATH_MAX);
    vh_buf_text(&buf, "file:");
    for (const char *at = path; *at; at++) {
        if (*at == '?' || *at == '#' || *at == '%') {
            vh_buf_char(&buf, '%');
            vh_buf_char(&buf, hex[(unsigned char)*at >> 4]);
            vh_buf_char(&buf, hex[(unsigned char)*at & 15]);
        } else {
            vh_buf_char(&buf, *at);
        }
    }
    vh_buf_text(&buf, "?immutable=1");
    return buf.failed ? NULL : buf.data;
}

viv_status
vh_store_open_immutable(struct vh_arena *arena, const char *path, struct vh_store **ret_store, struct viv_error *err)
{
    char *uri = immutable_uri(arena, path);
    return uri ? open_file(arena, path, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL, ret_store, err)
               : vh_error_set(err, VIV_E_MEMORY, "store", "no memory to open '%s'", path);
}

viv_status
vh_store_copy(struct vh_store *store, const char *to, struct viv_error *err)
{
    static const char fast[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"; /* the caller syncs, or drops it */
    sqlite3 *db = NULL;
    viv_status status = vh_store_handle(to, SQLITE_OPEN_READWRITE, NULL, &db, err);
    if (status) {
        return status;
    }
    bool ready = sqlite3_exec(db, fast, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_backup *backup = ready ? sqlite3_backup_init(db, "main", store->db, "main") : NULL;
    int code = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(db);
    code = sqlite3_backup_finish(backup) || code != SQLITE_DONE ? code : SQLITE_OK;
    if (code != SQLITE_OK) {
        struct vh_store_text why;
        vh_store_reason(db, &why);
        status = vh_error_set(err, VIV_E_STORE, "store", "cannot copy the event log to '%s': %s", to, why.text);
    }
    if (sqlite3_close(db) && status == VIV_OK) {
        status = vh_error_set(err, VIV_E_STORE, "store", "cannot close '%s'", to);
    }
    return status;
}
