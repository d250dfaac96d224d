/* SPDX-License-Identifier: Apache-2.0 */
#include "../support/cm.h"

#include "golden.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/str.h"
#include "core/cache.h"
#include "core/chain.h"
#include "core/fold.h"
#include "core/memory.h"
#include "keep/store.h"

#define ROOM ((size_t)1 << 28)

static struct viv_str
read_record(struct vh_arena *arena, int schema, const char *name)
{
    struct viv_str text = {NULL, 0};
    struct viv_error err = VIV_ERROR_INIT;
    char *path = vh_arena_format(arena, "%s/schema-%d/%s", GOLDEN_RECORDS, schema, name);
    if (vh_fs_read(vh_seam_real(), arena, AT_FDCWD, path, ROOM, &text, &err)) {
        fail_msg("%s; 'tools/gen/golden' records the home of schema %d", err.text, schema);
    }
    return text;
}

struct viv_str
golden_recorded(struct vh_arena *arena, int schema)
{
    return read_record(arena, schema, "digests");
}

void
golden_build(int schema, const char *path)
{
    sqlite3 *db = NULL;
    char *problem = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str sql = read_record(arena, schema, "home.sql");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *whole = vh_arena_format(arena, "BEGIN;%.*sCOMMIT;", VH_STR_ARGS(sql));
    if (sqlite3_exec(db, whole, NULL, NULL, &problem)) {
        fail_msg("record of schema %d: %s", schema, problem);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    vh_arena_destroy(arena);
}

struct viv_str
golden_lines(struct vh_arena *arena, struct viv_str text, const char *prefix)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, ROOM);
    for (const char *at = text.data, *end = text.data + text.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct viv_str line = {at, (uint64_t)((stop ? stop + 1 : end) - at)};
        if (vh_str_starts(line, prefix)) {
            vh_buf_str(&buf, line);
        }
        at += line.len;
    }
    vh_buf_char(&buf, '\0');
    assert_false(buf.failed);
    return (struct viv_str){buf.data, buf.len - 1};
}

/* ---- what a file holds ---- */

static void
say_hash(struct vh_buf *buf, const char *name, const void *bytes, size_t len)
{
    struct vh_hash hash;
    char hex[VH_HASH_HEX];
    assert_true(vh_hash_bytes(len ? bytes : "", len, &hash));
    vh_hash_hex(&hash, hex);
    vh_buf_text(buf, name);
    vh_buf_char(buf, ' ');
    vh_buf_text(buf, hex);
    vh_buf_char(buf, '\n');
}

static struct viv_str
finish(struct vh_buf *buf)
{
    vh_buf_char(buf, '\0');
    assert_false(buf->failed);
    return (struct viv_str){buf->data, buf->len - 1};
}

static struct viv_str
column(sqlite3_stmt *sql, int place)
{
    const void *bytes = sqlite3_column_blob(sql, place);
    return (struct viv_str){bytes, (uint64_t)sqlite3_column_bytes(sql, place)};
}

/* Nothing is made beside the file. */
static sqlite3 *
open_read(const char *path)
{
    sqlite3 *db = NULL;
    char uri[256];
    snprintf(uri, sizeof uri, "file:%s?immutable=1", path);
    assert_int_equal(sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
                     SQLITE_OK);
    return db;
}

struct viv_str
golden_log(struct vh_arena *arena, const char *path)
{
    sqlite3 *db = open_read(path);
    sqlite3_stmt *sql = NULL;
    struct vh_buf text, export;
    struct vh_hash head = {{0}};
    char hex[VH_HASH_HEX], count[64];
    long long events = 0;
    vh_buf_init(&text, arena, ROOM);
    vh_buf_init(&export, arena, ROOM);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT line, hash FROM events ORDER BY seq", -1, &sql, NULL),
        SQLITE_OK);
    while (sqlite3_step(sql) == SQLITE_ROW) {
        struct viv_str line = column(sql, 0), hash = column(sql, 1);
        events++;
        assert_true(vh_chain_add(&head, line));
        if (hash.len != VH_HASH_BYTES || memcmp(hash.data, head.bytes, VH_HASH_BYTES) != 0) {
            fail_msg("the hash of event %lld does not follow", events);
        }
        vh_hash_hex(&head, hex);
        vh_buf_text(&export, "{\"event\":");
        vh_buf_str(&export, line);
        vh_buf_text(&export, ",\"hash\":\"");
        vh_buf_text(&export, hex);
        vh_buf_text(&export, "\"}\n");
    }
    sqlite3_finalize(sql);
    sqlite3_close(db);
    assert_false(export.failed);
    snprintf(count, sizeof count, "log events %lld\nlog head ", events);
    vh_buf_text(&text, count);
    vh_hash_hex(&head, hex);
    vh_buf_text(&text, hex);
    vh_buf_char(&text, '\n');
    say_hash(&text, "log export", export.data, export.len);
    return finish(&text);
}

static const char *const tables[][2] = {
    {"tasks", "SELECT id, doc FROM tasks ORDER BY id"},
    {"scopes", "SELECT key, doc FROM scopes ORDER BY key"},
    {"effects", "SELECT key, doc FROM effects ORDER BY key"},
    {"facts", "SELECT key, doc FROM facts ORDER BY key"},
    {"edges", "SELECT task || ' ' || dependency, '1' FROM edges ORDER BY 1"},
};

void
golden_each(const char *path, void (*each)(void *data, struct viv_str line), void *data)
{
    sqlite3 *db = open_read(path);
    sqlite3_stmt *sql = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT line FROM events ORDER BY seq", -1, &sql, NULL),
                     SQLITE_OK);
    while (sqlite3_step(sql) == SQLITE_ROW) {
        each(data, column(sql, 0));
    }
    sqlite3_finalize(sql);
    sqlite3_close(db);
}

struct folding {
    struct vh_state_ops state;
    struct vh_state_ops tasks;
    struct vh_arena *arena;
};

static void
fold_line(void *data, struct viv_str line)
{
    struct folding *fold = data;
    struct vh_event event;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *one = vh_arena_create(fold->arena, 0);
    if (vh_event_decode(one, line, &event, &err) ||
        vh_fold_through(&fold->state, &fold->tasks, one, &event, &err)) {
        fail_msg("%s", err.text);
    }
    vh_arena_destroy(one);
}

/* Every row, after a fold through a cache of so many rows; 0: without one. */
static struct viv_str
fold_through(struct vh_arena *arena, const char *path, size_t rows)
{
    struct vh_buf dump;
    vh_buf_init(&dump, arena, ROOM);
    struct vh_memory *memory = vh_memory_create(arena);
    struct folding fold = {.state = vh_memory_state(memory), .arena = arena};
    struct vh_cache *cache = rows ? vh_cache_create(arena, &fold.state, rows) : NULL;
    fold.tasks = cache ? vh_cache_tasks(cache) : fold.state;
    golden_each(path, fold_line, &fold);
    assert_true(!cache || vh_cache_flush(cache, NULL) == VIV_OK);
    vh_memory_dump(memory, &dump);
    assert_false(dump.failed);
    return vh_buf_view(&dump);
}

struct viv_str
golden_folded(struct vh_arena *arena, const char *path)
{
    static const size_t rows[] = {1, 2, VH_CACHE_ROWS};
    struct vh_buf text;
    vh_buf_init(&text, arena, ROOM);
    struct viv_str dump = fold_through(arena, path, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(vh_str_equal(dump, fold_through(arena, path, rows[i])));
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char name[64], prefix[32];
        snprintf(name, sizeof name, "fold-%d %s", VH_STORE_SCHEMA, tables[i][0]);
        snprintf(prefix, sizeof prefix, "%s\t", tables[i][0]);
        struct viv_str rows_of = golden_lines(arena, dump, prefix);
        say_hash(&text, name, rows_of.data, (size_t)rows_of.len);
    }
    return finish(&text);
}

static int
schema_of(sqlite3 *db)
{
    sqlite3_stmt *sql = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &sql, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(sql), SQLITE_ROW);
    int schema = sqlite3_column_int(sql, 0);
    sqlite3_finalize(sql);
    return schema;
}

struct viv_str
golden_stored(struct vh_arena *arena, const char *path)
{
    sqlite3 *db = open_read(path);
    struct vh_buf text;
    vh_buf_init(&text, arena, ROOM);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char name[64];
        sqlite3_stmt *sql = NULL;
        struct vh_buf rows;
        vh_buf_init(&rows, arena, ROOM);
        assert_int_equal(sqlite3_prepare_v2(db, tables[i][1], -1, &sql, NULL), SQLITE_OK);
        while (sqlite3_step(sql) == SQLITE_ROW) {
            vh_buf_text(&rows, tables[i][0]);
            vh_buf_char(&rows, '\t');
            vh_buf_str(&rows, column(sql, 0));
            vh_buf_char(&rows, '\t');
            vh_buf_str(&rows, column(sql, 1));
            vh_buf_char(&rows, '\n');
        }
        sqlite3_finalize(sql);
        assert_false(rows.failed);
        snprintf(name, sizeof name, "fold-%d %s", schema_of(db), tables[i][0]);
        say_hash(&text, name, rows.data, rows.len);
    }
    sqlite3_close(db);
    return finish(&text);
}
