/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the store: what store.c and projection.c share. Nobody else includes it. */
#ifndef VH_STORE_INSIDE_H
#define VH_STORE_INSIDE_H

#include <sqlite3.h>

#include "keep/store.h"

enum vh_sql {
    VH_SQL_BEGIN,
    VH_SQL_MARK,
    VH_SQL_KEEP,
    VH_SQL_UNDO,
    VH_SQL_COMMIT,
    VH_SQL_EVENT_ADD,
    VH_SQL_EVENT_LINE,
    VH_SQL_BATCH_ADD,
    VH_SQL_KEY_ADD,
    VH_SQL_KEY_GET,
    VH_SQL_TASK_GET,
    VH_SQL_TASK_PUT,
    VH_SQL_TASK_NEXT,
    VH_SQL_TASK_CHILDREN,
    VH_SQL_SCOPE_GET,
    VH_SQL_SCOPE_PUT,
    VH_SQL_EFFECT_GET,
    VH_SQL_EFFECT_PUT,
    VH_SQL_FACT_GET,
    VH_SQL_FACT_PUT,
    VH_SQL_EDGE_PUT,
    VH_SQL_EDGE_FROM,
    VH_SQL_EDGE_TO,
    VH_SQL_COUNT
};

struct vh_store {
    sqlite3 *db;
    sqlite3_stmt *sql[VH_SQL_COUNT];
    const char *archive; /* folder of archived segments */
    int64_t schema;
    struct vh_arena *scratch; /* for encodings of one put; emptied by its owner */
    int64_t seq;
    int64_t batch;
    int64_t time_us;
    int64_t first_seq; /* of the open batch */
    int64_t commits;
    int64_t openings;
    int wal_pages; /* in the write-ahead log after the last commit */
    struct vh_hash head;
    struct vh_hash mark_head; /* to go back to on undo */
    int64_t mark_seq;
    char failed[256]; /* what failed last, in words */
    bool open;
    bool dead;
    bool may_project; /* the statement being prepared may write projections; looked at in debug builds */
};

/* A statement ready to bind, or NULL with `err` when the store is dead. */
sqlite3_stmt *vh_store_sql(struct vh_store *store, enum vh_sql which, struct viv_error *err);
/* Step a statement that gives no row, and reset it. */
viv_status vh_store_run(struct vh_store *store, sqlite3_stmt *sql, struct viv_error *err);
viv_status vh_store_failed(struct vh_store *store, struct viv_error *err);
/* What SQLite says of the call that failed last, and what the system said to SQLite. */
struct vh_store_text {
    char text[256];
};
void vh_store_reason(sqlite3 *db, struct vh_store_text *ret_text);
void vh_store_bind(sqlite3_stmt *sql, int place, struct viv_str text);
/* Copy of a column in the arena. */
viv_status vh_store_column(sqlite3_stmt *sql, int place, struct vh_arena *arena, struct viv_str *ret_text,
                           struct viv_error *err);

/* The one place that opens a database. NULL in `ret_db` when it fails. */
viv_status vh_store_handle(const char *path, int flags, const char *vfs, sqlite3 **ret_db, struct viv_error *err);

/* In debug builds: from now on SQLite refuses every statement that writes a projection, unless `may_project` is set
 * while it is prepared. Only the putters of projection.c, the keys and the rebuild set it. */
void vh_store_guard(struct vh_store *store);

#define VH_STORE_NUMBERED 3
/* How an event names the task of that id, since schema 3; before, by the id itself. */
#define VH_STORE_TASK(id) "(SELECT number FROM tasks WHERE id=" id ")"

/* The tables of the projections, as SQL that makes them; used by open and by rebuild. */
extern const char vh_store_tables[];

#endif
