/* SPDX-License-Identifier: Apache-2.0 */
#include "store_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "core/chain.h"
#include "keep/segments.h"

static const char *const statements[VH_SQL_COUNT] = {
    [VH_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [VH_SQL_MARK] = "SAVEPOINT command",
    [VH_SQL_KEEP] = "RELEASE command",
    [VH_SQL_UNDO] = "ROLLBACK TO command",
    [VH_SQL_COMMIT] = "COMMIT",
    [VH_SQL_EVENT_ADD] = "INSERT INTO events(seq, task, line, hash) VALUES(?1, " VH_STORE_TASK("?2") ", ?3, ?4)",
    [VH_SQL_EVENT_LINE] = "SELECT line FROM events WHERE seq=?1",
    [VH_SQL_BATCH_ADD] = "INSERT INTO batches VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [VH_SQL_KEY_ADD] = "INSERT INTO keys VALUES(?1, ?2, ?3)",
    [VH_SQL_KEY_GET] = "SELECT seq, request FROM keys WHERE key=?1",
    [VH_SQL_TASK_GET] = "SELECT doc FROM tasks WHERE id=?1",
    [VH_SQL_TASK_PUT] = "INSERT INTO tasks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET"
                        " state=?3, claimable=?4, retry_at_us=?5, doc=?7",
    [VH_SQL_TASK_NEXT] = "SELECT id FROM tasks WHERE claimable=1 AND retry_at_us<=?1 ORDER BY number LIMIT 1",
    [VH_SQL_TASK_CHILDREN] = "SELECT id FROM tasks WHERE parent=?1 ORDER BY number",
    [VH_SQL_SCOPE_GET] = "SELECT doc FROM scopes WHERE key=?1",
    [VH_SQL_SCOPE_PUT] = "INSERT INTO scopes VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET doc=?2",
    [VH_SQL_EFFECT_GET] = "SELECT doc FROM effects WHERE key=?1",
    [VH_SQL_EFFECT_PUT] = "INSERT INTO effects VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET doc=?2",
    [VH_SQL_FACT_GET] = "SELECT doc FROM facts WHERE key=?1",
    [VH_SQL_FACT_PUT] = "INSERT INTO facts VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET doc=?2",
    [VH_SQL_EDGE_PUT] = "INSERT OR IGNORE INTO edges VALUES(?1, ?2)",
    [VH_SQL_EDGE_FROM] = "SELECT dependency FROM edges JOIN tasks ON tasks.id=dependency WHERE task=?1 ORDER BY number",
    [VH_SQL_EDGE_TO] = "SELECT task FROM edges JOIN tasks ON tasks.id=task WHERE dependency=?1 ORDER BY number",
};

/* The system's last word to the database's file or its log. */
static int
last_errno(sqlite3 *db)
{
    static const int files[] = { SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER };
    int code = 0;
    for (size_t i = 0; i < 2 && code == 0; i++) {
        sqlite3_file *file = NULL;
        if (sqlite3_file_control(db, "main", files[i], (void *)&file) == SQLITE_OK && file && file->pMethods) {
            (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code); /* unknown to it: still 0 */
        }
    }
    return code;
}

void
vh_store_reason(sqlite3 *db, struct vh_store_text *ret_text)
{
    /* SQLite tries other ways to open a file, and closes some before it tells: the system's word is lost then. */
    static const char any[] = "no room, no descriptor, a bad disk, or not writable";
    char reason[128];
    const char *more = NULL;
    int kind = sqlite3_errcode(db) & 0xff, code = 0;
    if (sqlite3_extended_errcode(db) == SQLITE_READONLY_DBMOVED) {
        more = "its file was replaced, or cannot be looked at for a bad disk";
    } else if (kind == SQLITE_IOERR || kind == SQLITE_CORRUPT) { /* EIO of a read is corruption to SQLite */
        code = last_errno(db);
        code = code || kind == SQLITE_CORRUPT ? code : sqlite3_system_errno(db);
    }
    if (code) {
        more = strerror_r(code, reason, sizeof reason);
    } else if (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN) {
        more = any;
    }
    snprintf(ret_text->text, sizeof ret_text->text, "%s%s%s", sqlite3_errmsg(db), more ? ": " : "", more ? more : "");
}

viv_status
vh_store_failed(struct vh_store *store, struct viv_error *err)
{
    struct vh_store_text why;
    vh_store_reason(store->db, &why);
    snprintf(store->failed, sizeof store->failed, "%s", why.text);
    if (store->open && sqlite3_get_autocommit(store->db)) {
        store->dead = true; /* it took the open batch with it; what came next would stand without what came before */
    }
    return vh_error_set(err, VIV_E_STORE, "store", "the event log failed: %s", why.text);
}

static bool
projects(enum vh_sql which)
{
    return which == VH_SQL_TASK_PUT || which == VH_SQL_SCOPE_PUT || which == VH_SQL_EFFECT_PUT ||
           which == VH_SQL_FACT_PUT || which == VH_SQL_EDGE_PUT || which == VH_SQL_KEY_ADD;
}

/* What belongs to a batch: alone, SQLite would take it for a transaction of its own. */
static bool
is_of_batch(enum vh_sql which)
{
    return projects(which) || which == VH_SQL_MARK || which == VH_SQL_EVENT_ADD || which == VH_SQL_BATCH_ADD;
}

static int
prepare(struct vh_store *store, enum vh_sql which)
{
    store->may_project = projects(which);
    int code =
        sqlite3_prepare_v3(store->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, &store->sql[which], NULL);
    store->may_project = false;
    return code;
}

sqlite3_stmt *
vh_store_sql(struct vh_store *store, enum vh_sql which, struct viv_error *err)
{
    if (!store->dead && is_of_batch(which) && sqlite3_get_autocommit(store->db)) {
        store->dead = true;
    }
    if (store->dead) {
        vh_error_set(err, VIV_E_STORE, "store", "the event log failed before%s%s; the host must be started again",
                     *store->failed ? ": " : "", store->failed);
        return NULL;
    }
    if (!store->sql[which] && prepare(store, which)) {
        vh_store_failed(store, err);
        return NULL;
    }
    return store->sql[which];
}

viv_status
vh_store_run(struct vh_store *store, sqlite3_stmt *sql, struct viv_error *err)
{
    if (!sql) {
        return VIV_E_STORE;
    }
    int code = sqlite3_step(sql);
    viv_status status = code == SQLITE_DONE ? VIV_OK : vh_store_failed(store, err);
    sqlite3_reset(sql);
    sqlite3_clear_bindings(sql);
    return status;
}

void
vh_store_bind(sqlite3_stmt *sql, int place, struct viv_str text)
{
    if (sql) {
        sqlite3_bind_text64(sql, place, text.len ? text.data : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
    }
}

static void
bind_blob(sqlite3_stmt *sql, int place, const void *bytes, size_t len)
{
    if (sql) {
        sqlite3_bind_blob64(sql, place, len ? bytes : "", len, SQLITE_STATIC);
    }
}

viv_status
vh_store_column(sqlite3_stmt *sql, int place, struct vh_arena *arena, struct viv_str *ret_text, struct viv_error *err)
{
    const void *bytes = sqlite3_column_blob(sql, place);
    size_t len = (size_t)sqlite3_column_bytes(sql, place);
    char *copy = vh_arena_text_of(arena, (struct viv_str){ bytes, len });
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "store", "no memory for a row of %zu bytes", len);
    }
    *ret_text = (struct viv_str){ copy, len };
    return VIV_OK;
}

void
vh_store_close(struct vh_store *store)
{
    if (!store) {
        return;
    }
    for (int i = 0; i < VH_SQL_COUNT; i++) {
        sqlite3_finalize(store->sql[i]);
    }
    sqlite3_close(store->db);
    vh_arena_destroy(store->scratch);
}

/* ---- transactions ---- */

/* No further word from this store. What was not committed goes, so that nobody else waits for the lock. */
static void
end_it(struct vh_store *store)
{
    store->dead = true;
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL); /* fails when SQLite has rolled back already */
}

static viv_status
control(struct vh_store *store, enum vh_sql which, struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, which, err);
    viv_status status = vh_store_run(store, sql, err);
    if (status) {
        end_it(store); /* a failed sync proves nothing about a second one */
    }
    return status;
}

static viv_status
check_epoch(struct vh_store *store, int64_t epoch, struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_FACT_GET, err);
    if (!sql) {
        return VIV_E_STORE;
    }
    vh_store_bind(sql, 1, VH_STR("epoch"));
    int code = sqlite3_step(sql);
    int64_t there = code == SQLITE_ROW ? sqlite3_column_int64(sql, 0) : 0;
    viv_status status = code == SQLITE_ROW || code == SQLITE_DONE ? VIV_OK : vh_store_failed(store, err);
    sqlite3_reset(sql);
    if (status == VIV_OK && there == epoch) {
        return VIV_OK;
    }
    end_it(store);
    if (status) {
        return status; /* whose the home is could not be read */
    }
    return vh_error_set(err, VIV_E_FENCED, "store", "the home belongs to host epoch %lld now, this host has %lld",
                        (long long)there, (long long)epoch);
}

viv_status
vh_store_begin(struct vh_store *store, int64_t epoch, struct viv_error *err)
{
    viv_status status = control(store, VH_SQL_BEGIN, err);
    if (status == VIV_OK && epoch) {
        status = check_epoch(store, epoch, err);
    }
    if (status == VIV_OK) {
        store->open = true;
        store->first_seq = store->seq + 1;
        store->batch++;
    }
    return status;
}

viv_status
vh_store_mark(struct vh_store *store, struct viv_error *err)
{
    store->mark_head = store->head;
    store->mark_seq = store->seq;
    return control(store, VH_SQL_MARK, err);
}

viv_status
vh_store_keep(struct vh_store *store, struct viv_error *err)
{
    return control(store, VH_SQL_KEEP, err);
}

viv_status
vh_store_undo(struct vh_store *store, struct viv_error *err)
{
    store->head = store->mark_head;
    store->seq = store->mark_seq;
    if (sqlite3_get_autocommit(store->db)) { /* what failed took the whole transaction with it */
        end_it(store);
        return vh_error_set(err, VIV_E_STORE, "store", "the event log failed: %s", store->failed);
    }
    viv_status status = control(store, VH_SQL_UNDO, err);
    return status ? status : control(store, VH_SQL_KEEP, err);
}

viv_status
vh_store_commit(struct vh_store *store, int64_t epoch, int64_t time_us, struct viv_error *err)
{
    char version[32]; /* bound as it is: it outlives the statement's run */
    snprintf(version, sizeof version, "%d.%d.%d", VIV_VERSION_MAJOR, VIV_VERSION_MINOR, VIV_VERSION_PATCH);
    viv_status status = check_epoch(store, epoch, err);
    if (status == VIV_OK && store->seq >= store->first_seq) {
        sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_BATCH_ADD, err);
        if (sql) {
            const int64_t values[] = { store->batch, store->first_seq, store->seq, epoch, time_us };
            for (int i = 0; i < 5; i++) {
                sqlite3_bind_int64(sql, i + 1, values[i]);
            }
            sqlite3_bind_text(sql, 6, version, -1, SQLITE_STATIC);
        }
        status = vh_store_run(store, sql, err);
    }
    if (status == VIV_OK) {
        status = control(store, VH_SQL_COMMIT, err);
    }
    if (status) {
        end_it(store);
        return status;
    }
    if (store->seq < store->first_seq) {
        store->batch--; /* nothing was written; the number is still free */
    } else {
        store->time_us = time_us;
    }
    store->open = false;
    store->commits++;
    return VIV_OK;
}

viv_status
vh_store_release(struct vh_store *store, struct viv_error *err)
{
    if (store->dead || !store->open || store->seq >= store->first_seq) {
        return VIV_OK;
    }
    viv_status status = control(store, VH_SQL_COMMIT, err); /* nothing is written, nothing is synced */
    store->open = false;
    store->batch--;
    return status;
}

static viv_status
add_key(struct vh_store *store, const struct vh_event *event, const struct vh_hash *request, struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_KEY_ADD, err);
    vh_store_bind(sql, 1, event->key);
    if (sql) {
        sqlite3_bind_int64(sql, 2, event->seq);
    }
    bind_blob(sql, 3, request->bytes, VH_HASH_BYTES);
    return vh_store_run(store, sql, err);
}

viv_status
vh_store_append(struct vh_store *store, struct vh_arena *arena, const struct vh_event *events, size_t count,
                const struct vh_hash *request, struct viv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct viv_str line = vh_event_encode(arena, &events[i]);
        if (!line.data) {
            bool canonical = vh_json_canonical(events[i].data);
            return vh_error_set(err, canonical ? VIV_E_MEMORY : VIV_E_INVALID, "store",
                                canonical ? "no memory to write event '%.*s'"
                                          : "event '%.*s' cannot be written as canonical JSON",
                                VH_STR_ARGS(events[i].kind));
        }
        if (!vh_chain_add(&store->head, line)) {
            return vh_error_set(err, VIV_E_INTERNAL, "store", "SHA-256 failed");
        }
        sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_EVENT_ADD, err);
        if (!sql) {
            return VIV_E_STORE;
        }
        sqlite3_bind_int64(sql, 1, events[i].seq);
        if (events[i].task.len) {
            vh_store_bind(sql, 2, events[i].task);
        }
        bind_blob(sql, 3, line.data, (size_t)line.len);
        bind_blob(sql, 4, store->head.bytes, VH_HASH_BYTES);
        viv_status status = vh_store_run(store, sql, err);
        if (status == VIV_OK && vh_str_is(events[i].kind, "log.archived")) {
            status = vh_archive_take(store, events[i].data, err);
        }
        if (status) {
            return status;
        }
        store->seq = events[i].seq;
    }
    return count && events[0].key.len ? add_key(store, &events[0], request, err) : VIV_OK;
}

viv_status
vh_store_key(struct vh_store *store, struct viv_str key, const struct vh_hash *request, int64_t *ret_seq,
             struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_KEY_GET, err);
    *ret_seq = 0;
    if (!sql) {
        return VIV_E_STORE;
    }
    vh_store_bind(sql, 1, key);
    viv_status status = VIV_OK;
    int code = sqlite3_step(sql);
    if (code == SQLITE_ROW) {
        *ret_seq = sqlite3_column_int64(sql, 0);
        if (sqlite3_column_bytes(sql, 1) != VH_HASH_BYTES ||
            memcmp(sqlite3_column_blob(sql, 1), request->bytes, VH_HASH_BYTES) != 0) {
            status = vh_error_set(err, VIV_E_CONFLICT, "store",
                                  "key '%.*s' was used for another request; keys are used once",
                                  VH_STR_ARGS(key));
        }
    } else if (code != SQLITE_DONE) {
        status = vh_store_failed(store, err);
    }
    sqlite3_reset(sql);
    return status;
}

viv_status
vh_store_line(struct vh_store *store, struct vh_arena *arena, int64_t seq, struct viv_str *ret_line,
              struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_EVENT_LINE, err);
    if (!sql) {
        return VIV_E_STORE;
    }
    sqlite3_bind_int64(sql, 1, seq);
    int code = sqlite3_step(sql);
    viv_status status = code == SQLITE_ROW    ? vh_store_column(sql, 0, arena, ret_line, err)
                        : code != SQLITE_DONE ? vh_store_failed(store, err)
                                              : VIV_OK;
    sqlite3_reset(sql);
    return status || code == SQLITE_ROW ? status : vh_archive_line(store, arena, seq, ret_line, err);
}

int64_t
vh_store_seq(const struct vh_store *store)
{
    return store->seq;
}

struct vh_hash
vh_store_head(const struct vh_store *store)
{
    return store->head;
}

int64_t
vh_store_time_us(const struct vh_store *store)
{
    return store->time_us;
}

int64_t
vh_store_batch(const struct vh_store *store)
{
    return store->batch;
}

bool
vh_store_open_batch(const struct vh_store *store)
{
    return store->open;
}

bool
vh_store_dead(const struct vh_store *store)
{
    return store->dead;
}

int64_t
vh_store_commits(const struct vh_store *store)
{
    return store->commits;
}

int64_t
vh_store_openings(const struct vh_store *store)
{
    return store->openings;
}
