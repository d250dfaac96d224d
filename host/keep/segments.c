/* SPDX-License-Identifier: Apache-2.0 */
#include "segments.h"

#include "base/error.h"
#include "base/str.h"
#include "store_inside.h"

#define SCHEMA_SINCE 3 /* an older file, which is only read, has none */

const char vh_archive_tables[] =
    "CREATE TABLE segments(first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " head BLOB NOT NULL, root BLOB NOT NULL, digest BLOB NOT NULL);"
    "CREATE TABLE archived_tasks(task INTEGER NOT NULL, first_seq INTEGER NOT NULL, PRIMARY KEY(task, first_seq))"
    " WITHOUT ROWID;";

#define COLUMNS "SELECT first_seq, last_seq, bytes, head, root, digest FROM segments "

static viv_status
prepare(struct vh_store *store, const char *text, sqlite3_stmt **ret_sql, struct viv_error *err)
{
    return sqlite3_prepare_v2(store->db, text, -1, ret_sql, NULL) ? vh_store_failed(store, err) : VIV_OK;
}

static bool
hash_of(sqlite3_stmt *sql, int place, struct vh_hash *ret_hash)
{
    const void *bytes = sqlite3_column_blob(sql, place);
    if (!bytes || sqlite3_column_bytes(sql, place) != VH_HASH_BYTES) {
        return false;
    }
    memcpy(ret_hash->bytes, bytes, VH_HASH_BYTES);
    return true;
}

static viv_status
segment_of(sqlite3_stmt *sql, struct vh_segment *ret_segment, struct viv_error *err)
{
    struct vh_segment s = { .first = sqlite3_column_int64(sql, 0), .last = sqlite3_column_int64(sql, 1),
                            .bytes = sqlite3_column_int64(sql, 2) };
    bool whole = hash_of(sql, 3, &s.head) && hash_of(sql, 4, &s.root) && hash_of(sql, 5, &s.digest);
    *ret_segment = s;
    return whole && s.bytes > 0 && s.last - s.first == VH_SEGMENT_EVENTS - 1
               ? VIV_OK
               : vh_error_set(err, VIV_E_CORRUPT, "archive", "the row of archived events %lld to %lld is damaged",
                              (long long)s.first, (long long)s.last);
}

viv_status
vh_archive_end(struct vh_store *store, int64_t *ret_last, struct vh_hash *ret_head, struct viv_error *err)
{
    struct vh_segment segment = { 0 };
    sqlite3_stmt *sql = NULL;
    *ret_last = 0;
    if (store->schema < SCHEMA_SINCE) {
        return VIV_OK;
    }
    viv_status status = prepare(store, COLUMNS "ORDER BY first_seq DESC LIMIT 1", &sql, err);
    if (status) {
        return status;
    }
    int code = sqlite3_step(sql);
    status = code == SQLITE_ROW    ? segment_of(sql, &segment, err)
             : code == SQLITE_DONE ? VIV_OK
                                   : vh_store_failed(store, err);
    sqlite3_finalize(sql);
    *ret_last = segment.last;
    if (ret_head) {
        *ret_head = segment.head;
    }
    return status;
}

/* ---- the event ---- */

static void
set_hash(struct vh_arena *arena, struct vh_json *object, const char *key, const struct vh_hash *hash)
{
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    vh_json_set_text(arena, object, key, vh_arena_text(arena, hex));
}

struct vh_json *
vh_archive_json(struct vh_arena *arena, const struct vh_segment *segment)
{
    struct vh_json *data = vh_json_object(arena);
    vh_json_set_int(arena, data, "bytes", segment->bytes);
    set_hash(arena, data, "digest", &segment->digest);
    vh_json_set_int(arena, data, "first", segment->first);
    set_hash(arena, data, "head", &segment->head);
    vh_json_set_int(arena, data, "last", segment->last);
    set_hash(arena, data, "root", &segment->root);
    return data;
}

static viv_status
read_json(const struct vh_json *data, struct vh_segment *ret_segment, struct viv_error *err)
{
    struct vh_segment s = { .first = vh_json_int(data, "first", 0), .last = vh_json_int(data, "last", 0),
                            .bytes = vh_json_int(data, "bytes", 0) };
    bool good = s.first > 0 && s.last - s.first == VH_SEGMENT_EVENTS - 1 && s.bytes > 0 &&
                vh_hash_parse(vh_json_str(data, "head"), &s.head) &&
                vh_hash_parse(vh_json_str(data, "root"), &s.root) &&
                vh_hash_parse(vh_json_str(data, "digest"), &s.digest);
    *ret_segment = s;
    return good ? VIV_OK
                : vh_error_set(err, VIV_E_INVALID, "archive",
                               "'log.archived' needs first, last (%d events), bytes, head, root and digest",
                               VH_SEGMENT_EVENTS);
}

viv_status
vh_archive_at(struct vh_store *store, int64_t first, struct vh_segment *ret_segment, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    viv_status status = prepare(store, COLUMNS "WHERE first_seq=?1", &sql, err);
    if (status) {
        return status;
    }
    sqlite3_bind_int64(sql, 1, first);
    int code = sqlite3_step(sql);
    status = code == SQLITE_ROW    ? segment_of(sql, ret_segment, err)
             : code == SQLITE_DONE ? VIV_E_NOT_FOUND
                                   : vh_store_failed(store, err);
    sqlite3_finalize(sql);
    return status;
}

static bool
same_hash(const struct vh_hash *a, const struct vh_hash *b)
{
    return memcmp(a->bytes, b->bytes, VH_HASH_BYTES) == 0;
}

viv_status
vh_archive_has(struct vh_store *store, const struct vh_json *data, bool *ret_has, struct viv_error *err)
{
    struct vh_segment said, there;
    viv_status status = read_json(data, &said, err);
    status = status ? status : vh_archive_at(store, said.first, &there, err);
    *ret_has = status == VIV_OK && there.last == said.last && there.bytes == said.bytes &&
               same_hash(&there.head, &said.head) && same_hash(&there.root, &said.root) &&
               same_hash(&there.digest, &said.digest);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

/* ---- events leave ---- */

static viv_status
run_one(struct vh_store *store, const char *text, const struct vh_segment *segment, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    viv_status status = prepare(store, text, &sql, err);
    if (status) {
        return status;
    }
    const struct vh_hash *hashes[] = { &segment->head, &segment->root, &segment->digest };
    const int64_t numbers[] = { segment->first, segment->last, segment->bytes };
    int places = sqlite3_bind_parameter_count(sql);
    for (int i = 0; i < 3; i++) {
        if (i < places) {
            sqlite3_bind_int64(sql, i + 1, numbers[i]);
        }
        if (i + 3 < places) {
            sqlite3_bind_blob(sql, i + 4, hashes[i]->bytes, VH_HASH_BYTES, SQLITE_STATIC);
        }
    }
    status = vh_store_run(store, sql, err);
    sqlite3_finalize(sql);
    return status;
}

/* The last of them has this hash, and the first is the first that is here. */
static viv_status
check_order(struct vh_store *store, const struct vh_segment *segment, struct viv_error *err)
{
    sqlite3_stmt *sql = NULL;
    struct vh_hash head = { { 0 } };
    static const char text[] = "SELECT (SELECT min(seq) FROM events), hash FROM events WHERE seq=?1";
    viv_status status = prepare(store, text, &sql, err);
    if (status) {
        return status;
    }
    sqlite3_bind_int64(sql, 1, segment->last);
    int code = sqlite3_step(sql);
    bool good = code == SQLITE_ROW && sqlite3_column_int64(sql, 0) == segment->first && hash_of(sql, 1, &head) &&
                same_hash(&head, &segment->head);
    status = code == SQLITE_ROW || code == SQLITE_DONE ? VIV_OK : vh_store_failed(store, err);
    sqlite3_finalize(sql);
    return status || good ? status
                          : vh_error_set(err, VIV_E_CONFLICT, "archive", "events %lld to %lld are not the first ones "
                                         "of the log that are not archived yet", (long long)segment->first,
                                         (long long)segment->last);
}

viv_status
vh_archive_take(struct vh_store *store, const struct vh_json *data, struct viv_error *err)
{
    static const char *const steps[] = {
        "INSERT INTO segments VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        "INSERT INTO archived_tasks SELECT DISTINCT task, ?1 FROM events WHERE seq<=?2 AND task IS NOT NULL",
        "DELETE FROM events WHERE seq BETWEEN ?1 AND ?2",
        "DELETE FROM batches WHERE first_seq>=?1 AND last_seq<=?2",
    };
    struct vh_segment segment;
    viv_status status = read_json(data, &segment, err);
    status = status ? status : check_order(store, &segment, err);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == VIV_OK; i++) {
        status = run_one(store, steps[i], &segment, err);
    }
    return status;
}

/* ---- and are read ---- */

struct filter {
    struct viv_str task;
    vh_reader_each each;
    void *data;
    bool failed; /* memory */
};

/* Only what names the task is read as JSON. */
static bool
pass_task(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct filter *f = data;
    struct vh_event event;
    if (!memmem(line.data, (size_t)line.len, f->task.data, (size_t)f->task.len)) {
        return true;
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    f->failed = !arena || vh_event_decode(arena, line, &event, NULL);
    bool other = !f->failed && !vh_str_equal(event.task, f->task);
    vh_arena_destroy(arena);
    return !f->failed && (other || f->each(f->data, seq, line, hash));
}

viv_status
vh_archive_events(struct vh_store *store, int64_t after, struct viv_str task, vh_reader_each each, void *data,
                  bool *ret_stopped, struct viv_error *err)
{
    struct filter filter = { task, each, data, false };
    struct vh_segment segment;
    struct vh_segment_reading reading = { .after = after, .each = each, .data = data };
    sqlite3_stmt *sql = NULL;
    *ret_stopped = false;
    if (store->schema < SCHEMA_SINCE) {
        return VIV_OK;
    }
    static const char all[] = COLUMNS "WHERE last_seq>?1 ORDER BY first_seq";
    static const char of_task[] = COLUMNS "WHERE last_seq>?1 AND first_seq IN (SELECT first_seq FROM archived_tasks"
                                          " WHERE task=" VH_STORE_TASK("?2") ") ORDER BY first_seq";
    viv_status status = prepare(store, task.len ? of_task : all, &sql, err);
    if (status) {
        return status;
    }
    sqlite3_bind_int64(sql, 1, after);
    if (task.len) {
        vh_store_bind(sql, 2, task);
        reading.each = pass_task;
        reading.data = &filter;
    }
    int code = SQLITE_DONE;
    while (status == VIV_OK && !*ret_stopped && (code = sqlite3_step(sql)) == SQLITE_ROW) {
        status = segment_of(sql, &segment, err);
        if (status == VIV_OK) {
            status = vh_segment_read(vh_seam_real(), store->archive, &segment, &reading, err);
            *ret_stopped = reading.stopped;
        }
    }
    if (status == VIV_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        status = vh_store_failed(store, err);
    }
    if (status == VIV_OK && filter.failed) {
        status = vh_error_set(err, VIV_E_MEMORY, "archive", "no memory to read archived events");
    }
    sqlite3_finalize(sql);
    return status;
}

struct one_line {
    struct vh_arena *arena;
    struct viv_str line;
};

static bool
take_line(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct one_line *one = data;
    (void)seq;
    (void)hash;
    one->line = (struct viv_str){ vh_arena_text_of(one->arena, line), line.len };
    return false;
}

viv_status
vh_archive_line(struct vh_store *store, struct vh_arena *arena, int64_t seq, struct viv_str *ret_line,
              struct viv_error *err)
{
    struct one_line one = { arena, { NULL, 0 } };
    bool found = false;
    viv_status status = vh_archive_events(store, seq - 1, (struct viv_str){ NULL, 0 }, take_line, &one, &found, err);
    if (status == VIV_OK && !found) {
        return vh_error_set(err, VIV_E_NOT_FOUND, "store", "there is no event %lld", (long long)seq);
    }
    *ret_line = one.line;
    return status || one.line.data ? status : vh_error_set(err, VIV_E_MEMORY, "store", "no memory for an event");
}
