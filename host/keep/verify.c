/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "core/cache.h"
#include "core/chain.h"
#include "core/fold.h"
#include "keep/intents.h"
#include "keep/reader.h"
#include "keep/request.h"
#include "keep/segments.h"
#include "store_inside.h"

#define DUMP_MAX ((size_t)1 << 31)
#define HEAD_SHOWN 60 /* of a line that differs: which row it is */
#define BEFORE_SHOWN 40
#define LINE_SHOWN 180

struct walk {
    struct vh_verify_result *result;
    struct vh_event_reader reader;
    struct vh_store *store;
    int64_t expected;
    int64_t time_us;
    struct vh_merkle merkle; /* of the segment that is walked through */
    struct vh_against *against;
    struct vh_intents *intents;
    viv_status status;
    struct viv_error *err;
};

static bool
bad(struct walk *walk, int64_t seq, const char *problem)
{
    walk->result->bad_seq = seq;
    int room = (int)sizeof walk->result->problem - 1;
    snprintf(walk->result->problem, sizeof walk->result->problem, "%.*s", room, problem);
    return false;
}

/* The database knows the segment as the log says. */
static bool
check_archived(struct walk *walk, const struct vh_event *event)
{
    bool has = false;
    walk->status = vh_archive_has(walk->store, event->data, &has, walk->err);
    return walk->status == VIV_OK &&
           (has || bad(walk, walk->expected, "the database knows of other archived events than the record says"));
}

/* At the end of a segment the root over its events is the one that the database knows. */
static bool
check_root(struct walk *walk, int64_t seq, const struct vh_hash *hash)
{
    struct vh_segment segment;
    if (!vh_merkle_add(&walk->merkle, hash)) {
        return bad(walk, seq, "SHA-256 failed");
    }
    if (seq % VH_SEGMENT_EVENTS) {
        return true;
    }
    walk->status = vh_archive_at(walk->store, seq - VH_SEGMENT_EVENTS + 1, &segment, walk->err);
    const struct vh_hash *root = &walk->merkle.level[VH_SEGMENT_LEVELS];
    return walk->status == VIV_OK && (memcmp(root->bytes, segment.root.bytes, VH_HASH_BYTES) == 0 ||
                                      bad(walk, seq, "the root of the archived events up to it is another"));
}

static bool
check_content(struct walk *walk, struct viv_str line)
{
    struct vh_event event;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_event_read(&walk->reader, line, false, &event, &err)) {
        return bad(walk, walk->expected, err.text);
    }
    if (event.seq != walk->expected) {
        return bad(walk, walk->expected, "the record's own number is another");
    }
    if (event.time_us < walk->time_us) {
        return bad(walk, walk->expected, "recorded time goes back");
    }
    walk->time_us = event.time_us;
    walk->result->restored = vh_str_is(event.kind, "home.restored") ? event.seq : walk->result->restored;
    bool archived = vh_str_is(event.kind, "log.archived"), effect = vh_intents_want(event.kind);
    if (archived || effect) { /* with its data, this time */
        walk->status = vh_event_read(&walk->reader, line, true, &event, walk->err);
    }
    if (effect && walk->status == VIV_OK) {
        vh_intents_add(walk->intents, &event);
    }
    return walk->status == VIV_OK && (!archived || check_archived(walk, &event));
}

static bool
check_against(struct walk *walk, int64_t seq, const struct vh_hash *hash)
{
    struct vh_hash leaf;
    return !walk->against || (vh_merkle_leaf(hash, &leaf) && vh_against_add(walk->against, &leaf)) ||
           bad(walk, seq, "SHA-256 failed");
}

static bool
check_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct walk *walk = data;
    walk->expected++;
    if (seq != walk->expected) {
        return bad(walk, walk->expected, "the record is missing");
    }
    if (!vh_chain_add(&walk->result->head, line) ||
        memcmp(walk->result->head.bytes, hash->bytes, VH_HASH_BYTES) != 0) {
        return bad(walk, seq, "the hash does not follow from the record and the one before");
    }
    walk->result->events = seq;
    return check_content(walk, line) && check_against(walk, seq, hash) &&
           (seq > walk->result->archived || check_root(walk, seq, hash));
}

viv_status
vh_verify(struct vh_store *store, unsigned flags, struct vh_against *against, struct vh_verify_result *ret_result,
          struct viv_error *err)
{
    struct vh_hash head = { { 0 } };
    struct vh_state_ops state = vh_store_state(store);
    *ret_result = (struct vh_verify_result){ 0 };
    viv_status status = vh_archive_end(store, &ret_result->archived, &head, err);
    struct walk walk = { .result = ret_result, .store = store, .against = against, .err = err };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    walk.intents = arena ? vh_arena_alloc(arena, sizeof *walk.intents) : NULL;
    walk.reader.arena = walk.intents ? vh_arena_create(arena, 0) : NULL;
    if (status == VIV_OK && !walk.reader.arena) {
        status = vh_error_set(err, VIV_E_MEMORY, "log", "no memory to verify");
    }
    if (flags & VH_VERIFY_RECENT) {
        ret_result->head = head;
        walk.expected = ret_result->archived;
    }
    if (status == VIV_OK) {
        walk.intents->result = ret_result;
        status = vh_reader_events(store, walk.expected, (struct viv_str){ NULL, 0 }, check_event, &walk, err);
    }
    status = status ? status : walk.status;
    status = status ? status : vh_intents_end(walk.intents, flags & VH_VERIFY_LIVE ? &state : NULL, err);
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_verify_log(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err)
{
    return vh_verify(store, 0, NULL, ret_result, err);
}

viv_status
vh_verify_recent(struct vh_store *store, struct vh_verify_result *ret_result, struct viv_error *err)
{
    return vh_verify(store, VH_VERIFY_RECENT, NULL, ret_result, err);
}

/* ---- rebuild ---- */

struct rebuild {
    struct vh_store *store;
    struct vh_state_ops state;
    struct vh_state_ops tasks;
    struct vh_event_reader reader;
    struct viv_error *err;
    viv_status status;
    int64_t events;
};

static viv_status
put_key(struct rebuild *r, const struct vh_event *event)
{
    struct vh_hash request;
    viv_status status = vh_request_of_event(r->reader.arena, event, &request, r->err);
    if (status) {
        return status;
    }
    sqlite3_stmt *sql = vh_store_sql(r->store, VH_SQL_KEY_ADD, r->err);
    vh_store_bind(sql, 1, event->key);
    if (sql) {
        sqlite3_bind_int64(sql, 2, event->seq);
        sqlite3_bind_blob(sql, 3, request.bytes, VH_HASH_BYTES, SQLITE_TRANSIENT);
    }
    return vh_store_run(r->store, sql, r->err);
}

static bool
fold_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct rebuild *r = data;
    struct vh_event event;
    (void)hash;
    r->status = vh_event_read(&r->reader, line, true, &event, r->err);
    if (r->status == VIV_OK) {
        r->status = vh_fold_through(&r->state, &r->tasks, r->reader.arena, &event, r->err);
    }
    if (r->status == VIV_OK && event.key.len) {
        r->status = put_key(r, &event);
    }
    r->events = seq;
    return r->status == VIV_OK;
}

/* The line of `text` that begins at `start`; of a long one its head and what stands around `at`. */
static void
show_line(struct viv_str text, size_t start, size_t at, char *ret_text, size_t size)
{
    struct viv_str line = { text.data + start, text.len - start };
    const char *end = line.len ? memchr(line.data, '\n', (size_t)line.len) : NULL;
    line.len = end ? (uint64_t)(end - line.data) : line.len;
    size_t skip = at - start > HEAD_SHOWN + BEFORE_SHOWN ? at - start - BEFORE_SHOWN : 0;
    if (skip > line.len) {
        skip = (size_t)line.len;
    }
    int head = skip ? HEAD_SHOWN : 0;
    int rest = line.len - skip > LINE_SHOWN ? LINE_SHOWN : (int)(line.len - skip);
    snprintf(ret_text, size, "%.*s%s%.*s", head, line.len ? line.data : "", skip ? " ... " : "", rest,
             line.len ? line.data + skip : "");
    for (char *c = ret_text; *c; c++) {
        *c = *c == '\t' ? ' ' : *c; /* between columns */
    }
    vh_str_clean(ret_text); /* a row may hold anything, and a character may have been cut */
}

/* The first line where two dumps differ. */
static void
first_difference(struct viv_str a, struct viv_str b, struct vh_rebuild_result *result)
{
    size_t at = 0, start = 0;
    while (at < a.len && at < b.len && a.data[at] == b.data[at]) {
        if (a.data[at++] == '\n') {
            start = at;
        }
    }
    show_line(a, start, at, result->found, sizeof result->found);
    show_line(b, start, at, result->rebuilt, sizeof result->rebuilt);
}

static viv_status
run_sql(struct vh_store *store, const char *text, struct viv_error *err)
{
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) ? vh_store_failed(store, err) : VIV_OK;
}

/* A digest of the rows' documents; the other columns follow from them, in another version perhaps otherwise. */
static viv_status
hash_documents(struct vh_store *store, struct vh_hash *ret_hash, struct viv_error *err)
{
    struct vh_buf buf;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "log", "no memory to rebuild");
    }
    vh_buf_init(&buf, arena, DUMP_MAX);
    viv_status status = vh_reader_dump(store, &buf, err);
    if (status == VIV_OK && !vh_hash_bytes(buf.data, buf.len, ret_hash)) {
        status = vh_error_set(err, VIV_E_INTERNAL, "log", "SHA-256 failed");
    }
    vh_arena_destroy(arena);
    return status;
}

static viv_status
fold_all(struct vh_store *store, struct vh_arena *arena, int64_t *ret_events, struct viv_error *err)
{
    struct rebuild r = { .store = store, .state = vh_store_state(store), .err = err };
    struct vh_cache *cache = vh_cache_create(arena, &r.state, VH_CACHE_ROWS);
    r.reader.arena = vh_arena_create(arena, 0);
    if (!cache || !r.reader.arena) {
        return vh_error_set(err, VIV_E_MEMORY, "log", "no memory to rebuild");
    }
    r.tasks = vh_cache_tasks(cache);
    viv_status status = vh_reader_events(store, 0, (struct viv_str){ NULL, 0 }, fold_event, &r, err);
    status = status ? status : r.status;
    status = status ? status : vh_cache_flush(cache, err);
    if (status == VIV_OK) {
        *ret_events = r.events;
    }
    return status;
}

static viv_status
fold_again(struct vh_store *store, struct vh_arena *arena, struct vh_rebuild_result *ret_result, struct viv_error *err)
{
    struct vh_buf before, after;
    struct vh_hash had = { { 0 } }, has = { { 0 } };
    vh_buf_init(&before, arena, DUMP_MAX);
    vh_buf_init(&after, arena, DUMP_MAX);
    viv_status status = vh_reader_rows(store, &before, err);
    status = status ? status : hash_documents(store, &had, err);
    if (status == VIV_OK) {
        store->may_project = true; /* the only other writer: empties, and fills again by the fold */
        status = run_sql(store, "DELETE FROM tasks; DELETE FROM scopes; DELETE FROM effects; DELETE FROM facts;"
                                "DELETE FROM edges; DELETE FROM keys", err);
        store->may_project = false;
    }
    status = status ? status : fold_all(store, arena, &ret_result->events, err);
    status = status ? status : vh_reader_rows(store, &after, err);
    status = status ? status : hash_documents(store, &has, err);
    if (status == VIV_OK) {
        ret_result->same_documents = memcmp(had.bytes, has.bytes, VH_HASH_BYTES) == 0;
        ret_result->same = vh_str_equal(vh_buf_view(&before), vh_buf_view(&after));
        if (!ret_result->same) {
            first_difference(vh_buf_view(&before), vh_buf_view(&after), ret_result);
        }
    }
    return status;
}

viv_status
vh_verify_rebuild(struct vh_store *store, bool write, struct vh_rebuild_result *ret_result, struct viv_error *err)
{
    *ret_result = (struct vh_rebuild_result){ 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "log", "no memory to rebuild");
    }
    viv_status status = run_sql(store, "BEGIN IMMEDIATE", err);
    if (status == VIV_OK) {
        status = fold_again(store, arena, ret_result, err);
        struct viv_error end = VIV_ERROR_INIT;
        viv_status ended = run_sql(store, status == VIV_OK && write ? "COMMIT" : "ROLLBACK", &end);
        if (status == VIV_OK && ended) {
            status = vh_error_set(err, ended, "log", "%s", end.text);
        }
    }
    vh_arena_destroy(arena);
    return status;
}
