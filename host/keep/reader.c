/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include "base/error.h"
#include "base/str.h"
#include "keep/segments.h"
#include "store_inside.h"

static viv_status
prepare(struct vh_store *store, const char *text, sqlite3_stmt **ret_sql, struct viv_error *err)
{
    return sqlite3_prepare_v2(store->db, text, -1, ret_sql, NULL) ? vh_store_failed(store, err) : VIV_OK;
}

static struct viv_str
column(sqlite3_stmt *sql, int place)
{
    const void *bytes = sqlite3_column_blob(sql, place);
    return (struct viv_str){ bytes, (uint64_t)sqlite3_column_bytes(sql, place) };
}

static viv_status
finish(struct vh_store *store, sqlite3_stmt *sql, int code, struct viv_error *err)
{
    viv_status status = code == SQLITE_ROW || code == SQLITE_DONE ? VIV_OK : vh_store_failed(store, err);
    sqlite3_finalize(sql);
    return status;
}

static viv_status
events_here(struct vh_store *store, int64_t after, struct viv_str task, vh_reader_each each, void *data,
            struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    const char *text = !task.len ? "SELECT seq, line, hash FROM events WHERE seq>?1 ORDER BY seq"
                       : store->schema < VH_STORE_NUMBERED
                           ? "SELECT seq, line, hash FROM events WHERE seq>?1 AND task=?2 ORDER BY seq"
                           : "SELECT seq, line, hash FROM events WHERE seq>?1 AND task=" VH_STORE_TASK("?2")
                             " ORDER BY seq";
    viv_status status = prepare(store, text, &sql, err);
    if (status) {
        return status;
    }
    sqlite3_bind_int64(sql, 1, after);
    if (task.len) {
        vh_store_bind(sql, 2, task);
    }
    int code;
    while ((code = sqlite3_step(sql)) == SQLITE_ROW) {
        struct vh_hash hash = { { 0 } };
        struct viv_str bytes = column(sql, 2);
        if (bytes.len == VH_HASH_BYTES) {
            memcpy(hash.bytes, bytes.data, VH_HASH_BYTES);
        }
        if (!each(data, sqlite3_column_int64(sql, 0), column(sql, 1), &hash)) {
            break;
        }
    }
    return finish(store, sql, code, err);
}

viv_status
vh_reader_events(struct vh_store *store, int64_t after, struct viv_str task, vh_reader_each each, void *data,
                 struct viv_error *err)
{
    bool stopped = false;
    bool begun = sqlite3_get_autocommit(store->db) != 0; /* else a batch is open, or a walk around this one */
    if (begun && sqlite3_exec(store->db, "BEGIN", NULL, NULL, NULL)) {
        return vh_store_failed(store, err);
    }
    viv_status status = vh_archive_events(store, after, task, each, data, &stopped, err);
    if (status == VIV_OK && !stopped) {
        status = events_here(store, after, task, each, data, err);
    }
    if (begun) {
        (void)sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL); /* nothing was written */
    }
    return status;
}

struct walk {
    viv_status (*each)(void *data, const struct vh_event *event, struct viv_error *err);
    void *data;
    viv_status status;
    struct viv_error *err;
};

/* Each in memory of its own: a task may have many thousands. */
static bool
walk_one(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct walk *walk = data;
    struct vh_event event;
    (void)seq;
    (void)hash;
    struct vh_arena *own = vh_arena_create(NULL, 0);
    char *copy = own ? vh_arena_text_of(own, line) : NULL;
    walk->status = copy ? vh_event_decode(own, (struct viv_str){ copy, line.len }, &event, walk->err)
                        : vh_error_set(walk->err, VIV_E_MEMORY, "log", "no memory to read an event");
    if (walk->status == VIV_OK) {
        walk->status = walk->each(walk->data, &event, walk->err);
    }
    vh_arena_destroy(own);
    return walk->status == VIV_OK;
}

viv_status
vh_reader_walk(struct vh_store *store, int64_t after, struct viv_str task,
               viv_status (*each)(void *data, const struct vh_event *event, struct viv_error *err), void *data,
               struct viv_error *err)
{
    struct walk walk = { each, data, VIV_OK, err };
    viv_status status = vh_reader_events(store, after, task, walk_one, &walk, err);
    return status ? status : walk.status;
}

viv_status
vh_reader_tasks(struct vh_store *store, struct vh_arena *arena, struct viv_str state, int64_t after,
                bool (*each)(void *data, const struct vh_task *task), void *data, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    const char *text = state.len ? "SELECT doc FROM tasks WHERE number>?2 AND state=?1 ORDER BY number"
                                 : "SELECT doc FROM tasks WHERE number>?2 ORDER BY number";
    viv_status status = prepare(store, text, &sql, err);
    if (status) {
        return status;
    }
    if (state.len) {
        vh_store_bind(sql, 1, state);
    }
    sqlite3_bind_int64(sql, 2, after);
    int code;
    while ((code = sqlite3_step(sql)) == SQLITE_ROW) {
        struct vh_task task;
        status = vh_task_decode(arena, column(sql, 0), &task, err);
        if (status || !each(data, &task)) {
            break;
        }
    }
    viv_status ended = finish(store, sql, code, err);
    return status ? status : ended;
}

viv_status
vh_reader_scopes(struct vh_store *store, struct vh_arena *arena, struct viv_str after,
                 bool (*each)(void *data, const struct vh_scope *scope), void *data, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    viv_status status = prepare(store, "SELECT key, doc FROM scopes WHERE key>?1 ORDER BY key", &sql, err);
    if (status) {
        return status;
    }
    vh_store_bind(sql, 1, after);
    int code;
    while ((code = sqlite3_step(sql)) == SQLITE_ROW) {
        struct vh_json *doc = NULL;
        const char *name = vh_arena_text_of(arena, column(sql, 0));
        status = name ? vh_json_read(arena, column(sql, 1), &doc, err)
                      : vh_error_set(err, VIV_E_MEMORY, "store", "no memory for an account");
        struct vh_scope scope = { .name = vh_str(name),
                                  .limit_micro = vh_json_int(doc, "limit_micro", 0),
                                  .reserved_micro = vh_json_int(doc, "reserved_micro", 0),
                                  .settled_micro = vh_json_int(doc, "settled_micro", 0) };
        if (status || !each(data, &scope)) {
            break;
        }
    }
    viv_status ended = finish(store, sql, code, err);
    return status ? status : ended;
}

viv_status
vh_reader_open_tasks(struct vh_store *store, int64_t *ret_count, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    viv_status status = prepare(store, "SELECT count(*) FROM tasks WHERE claimable=1 OR state IN"
                                       " ('pending','running','needs_qa','integration','e2e')", &sql, err);
    if (status) {
        return status;
    }
    int code = sqlite3_step(sql);
    *ret_count = code == SQLITE_ROW ? sqlite3_column_int64(sql, 0) : 0;
    return finish(store, sql, code, err);
}

static viv_status
dump_table(struct vh_store *store, const char *name, const char *text, struct vh_buf *buf, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    viv_status status = prepare(store, text, &sql, err);
    if (status) {
        return status;
    }
    int code;
    while ((code = sqlite3_step(sql)) == SQLITE_ROW) {
        vh_buf_text(buf, name);
        for (int i = 0; i < sqlite3_column_count(sql); i++) {
            vh_buf_char(buf, '\t');
            vh_buf_str(buf, column(sql, i));
        }
        vh_buf_char(buf, '\n');
    }
    return finish(store, sql, code, err);
}

/* Of a table its name and the question for its rows. */
typedef const char *dump_tables[6][2];

static viv_status
dump_all(struct vh_store *store, const dump_tables tables, struct vh_buf *buf, struct viv_error *err)
{
    viv_status status = VIV_OK;
    for (size_t i = 0; i < sizeof(dump_tables) / sizeof *tables && status == VIV_OK; i++) {
        status = dump_table(store, tables[i][0], tables[i][1], buf, err);
    }
    bool lost = status == VIV_OK && buf->failed;
    return lost ? vh_error_set(err, VIV_E_MEMORY, "store", "no memory for the dump") : status;
}

viv_status
vh_reader_dump(struct vh_store *store, struct vh_buf *buf, struct viv_error *err)
{
    static const dump_tables tables = {
        { "tasks", "SELECT id, doc FROM tasks ORDER BY id" },
        { "scopes", "SELECT key, doc FROM scopes ORDER BY key" },
        { "effects", "SELECT key, doc FROM effects ORDER BY key" },
        { "facts", "SELECT key, doc FROM facts ORDER BY key" },
        { "edges", "SELECT task || ' ' || dependency, '1' FROM edges ORDER BY 1" },
        { "keys", "SELECT key, seq || ' ' || hex(request) FROM keys ORDER BY key" },
    };
    return dump_all(store, tables, buf, err);
}

viv_status
vh_reader_rows(struct vh_store *store, struct vh_buf *buf, struct viv_error *err)
{
    static const dump_tables tables = {
        { "tasks", "SELECT quote(id), 'number=' || quote(number), 'state=' || quote(state),"
                   " 'claimable=' || quote(claimable), 'retry_at_us=' || quote(retry_at_us),"
                   " 'parent=' || quote(parent), typeof(doc), doc FROM tasks ORDER BY id" },
        { "scopes", "SELECT quote(key), typeof(doc), doc FROM scopes ORDER BY key" },
        { "effects", "SELECT quote(key), typeof(doc), doc FROM effects ORDER BY key" },
        { "facts", "SELECT quote(key), typeof(doc), doc FROM facts ORDER BY key" },
        { "edges", "SELECT quote(task), quote(dependency) FROM edges ORDER BY task, dependency" },
        { "keys", "SELECT quote(key), 'seq=' || quote(seq), 'request=' || quote(request) FROM keys ORDER BY key" },
    };
    return dump_all(store, tables, buf, err);
}
