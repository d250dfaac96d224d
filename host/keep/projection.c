/* SPDX-License-Identifier: Apache-2.0 */
/* The core's view of the state over SQL. Rows are the same canonical texts as in core/memory.c. Only core/fold.c calls
 * the putters; the projections' tables are written by no other statement of the host. */
#include "store_inside.h"

#include "base/error.h"
#include "base/str.h"

/* Rows of one id column, in the statement's order. */
static viv_status
ids_of(struct vh_store *store, struct vh_arena *arena, enum vh_sql which, struct viv_str about, struct vh_ids *ret_ids,
       struct viv_error *err)
{
    struct vh_ids ids = { 0 };
    size_t room = 0;
    viv_status status = VIV_OK;
    sqlite3_stmt *sql = vh_store_sql(store, which, err);
    if (!sql) {
        return VIV_E_STORE;
    }
    vh_store_bind(sql, 1, about);
    int code;
    while (status == VIV_OK && (code = sqlite3_step(sql)) == SQLITE_ROW) {
        if (ids.count == room) {
            room = room ? room * 2 : 16;
            struct viv_str *more = vh_arena_array(arena, room, sizeof *more);
            if (!more) {
                status = vh_error_set(err, VIV_E_MEMORY, "store", "no memory for %zu ids", room);
                break;
            }
            if (ids.count) {
                memcpy(more, ids.id, ids.count * sizeof *more);
            }
            ids.id = more;
        }
        status = vh_store_column(sql, 0, arena, &ids.id[ids.count++], err);
    }
    if (status == VIV_OK && code != SQLITE_DONE) {
        status = vh_store_failed(store, err);
    }
    sqlite3_reset(sql);
    *ret_ids = ids;
    return status;
}

/* The doc of one row; VIV_E_NOT_FOUND without text. */
static viv_status
doc_of(struct vh_store *store, struct vh_arena *arena, enum vh_sql which, struct viv_str key, struct viv_str *ret_doc,
       struct viv_error *err)
{
    sqlite3_stmt *sql = vh_store_sql(store, which, err);
    if (!sql) {
        return VIV_E_STORE;
    }
    vh_store_bind(sql, 1, key);
    int code = sqlite3_step(sql);
    viv_status status = code == SQLITE_ROW ? vh_store_column(sql, 0, arena, ret_doc, err)
                        : code == SQLITE_DONE ? VIV_E_NOT_FOUND
                                              : vh_store_failed(store, err);
    sqlite3_reset(sql);
    return status;
}

static viv_status
put_doc(struct vh_store *store, enum vh_sql which, struct viv_str key, struct viv_str doc, struct viv_error *err)
{
    if (!doc.data) {
        return vh_error_set(err, VIV_E_MEMORY, "store", "no memory for row '%.*s'", VH_STR_ARGS(key));
    }
    sqlite3_stmt *sql = vh_store_sql(store, which, err);
    vh_store_bind(sql, 1, key);
    vh_store_bind(sql, 2, doc);
    return vh_store_run(store, sql, err);
}

static viv_status
get_task(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    struct viv_str doc;
    viv_status status = doc_of(data, arena, VH_SQL_TASK_GET, id, &doc, err);
    return status ? status : vh_task_decode(arena, doc, ret_task, err);
}

static viv_status
put_task(void *data, const struct vh_task *task, struct viv_error *err)
{
    struct vh_store *store = data;
    struct vh_arena *arena = vh_arena_create(store->scratch, 0);
    struct viv_str doc = arena ? vh_task_encode(arena, task) : (struct viv_str){ NULL, 0 };
    viv_status status = VIV_E_MEMORY;
    if (!doc.data) {
        vh_error_set(err, VIV_E_MEMORY, "store", "no memory for the row of task '%.*s'", VH_STR_ARGS(task->id));
    } else {
        sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_TASK_PUT, err);
        vh_store_bind(sql, 1, task->id);
        vh_store_bind(sql, 3, vh_str(vh_task_state_name(task->state)));
        vh_store_bind(sql, 7, doc);
        if (sql) {
            sqlite3_bind_int64(sql, 2, task->number);
            sqlite3_bind_int64(sql, 4, vh_state_claimable(task));
            sqlite3_bind_int64(sql, 5, task->retry_at_us);
            if (task->parent.len) {
                vh_store_bind(sql, 6, task->parent);
            }
        }
        status = vh_store_run(store, sql, err);
        store->openings += vh_state_claimable(task);
    }
    vh_arena_destroy(arena);
    return status;
}

static viv_status
get_scope(void *data, struct vh_arena *arena, struct viv_str name, struct vh_scope *ret_scope, struct viv_error *err)
{
    struct viv_str doc;
    struct vh_json *value = NULL;
    viv_status status = doc_of(data, arena, VH_SQL_SCOPE_GET, name, &doc, err);
    if (status == VIV_OK) {
        status = vh_json_read(arena, doc, &value, err);
    }
    if (status == VIV_OK) {
        *ret_scope = (struct vh_scope){ name, vh_json_int(value, "limit_micro", 0),
                                        vh_json_int(value, "settled_micro", 0),
                                        vh_json_int(value, "reserved_micro", 0) };
    }
    return status;
}

static viv_status
put_scope(void *data, const struct vh_scope *scope, struct viv_error *err)
{
    struct vh_store *store = data;
    struct vh_arena *arena = vh_arena_create(store->scratch, 0);
    struct viv_str doc = arena ? vh_state_scope_text(arena, scope) : (struct viv_str){ NULL, 0 };
    viv_status status = put_doc(store, VH_SQL_SCOPE_PUT, scope->name, doc, err);
    vh_arena_destroy(arena);
    return status;
}

static viv_status
get_effect(void *data, struct vh_arena *arena, struct viv_str task, int64_t round, int64_t ordinal,
           struct vh_effect_row *ret_effect, struct viv_error *err)
{
    struct vh_effect_row row = { .task = task, .round = round, .ordinal = ordinal };
    struct viv_str key = vh_state_effect_key(arena, &row);
    struct viv_str doc;
    if (!key.data) {
        return vh_error_set(err, VIV_E_MEMORY, "store", "no memory for an effect's key");
    }
    viv_status status = doc_of(data, arena, VH_SQL_EFFECT_GET, key, &doc, err);
    if (status == VIV_OK) {
        status = vh_state_effect_read(arena, doc, &row, err);
    }
    if (status == VIV_OK) {
        *ret_effect = row;
    }
    return status;
}

static viv_status
put_effect(void *data, const struct vh_effect_row *effect, struct viv_error *err)
{
    struct vh_store *store = data;
    struct vh_arena *arena = vh_arena_create(store->scratch, 0);
    struct viv_str key = arena ? vh_state_effect_key(arena, effect) : (struct viv_str){ NULL, 0 };
    struct viv_str doc = key.data ? vh_state_effect_text(arena, effect) : key;
    viv_status status = put_doc(store, VH_SQL_EFFECT_PUT, key, doc, err);
    vh_arena_destroy(arena);
    return status;
}

static viv_status
get_fact(void *data, struct vh_arena *arena, const char *name, struct viv_str *ret_text, struct viv_error *err)
{
    *ret_text = (struct viv_str){ NULL, 0 };
    viv_status status = doc_of(data, arena, VH_SQL_FACT_GET, vh_str(name), ret_text, err);
    return status == VIV_E_NOT_FOUND ? VIV_OK : status;
}

static viv_status
put_fact(void *data, const char *name, struct viv_str text, struct viv_error *err)
{
    return put_doc(data, VH_SQL_FACT_PUT, vh_str(name), text, err);
}

static viv_status
put_edge(void *data, struct viv_str task, struct viv_str dependency, struct viv_error *err)
{
    return put_doc(data, VH_SQL_EDGE_PUT, task, dependency, err);
}

static viv_status
dependents(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return ids_of(data, arena, VH_SQL_EDGE_TO, id, ret_ids, err);
}

static viv_status
dependencies(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return ids_of(data, arena, VH_SQL_EDGE_FROM, id, ret_ids, err);
}

static viv_status
children(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return ids_of(data, arena, VH_SQL_TASK_CHILDREN, id, ret_ids, err);
}

static viv_status
next_claimable(void *data, struct vh_arena *arena, int64_t now_us, struct viv_str *ret_id, struct viv_error *err)
{
    struct vh_store *store = data;
    *ret_id = (struct viv_str){ NULL, 0 };
    sqlite3_stmt *sql = vh_store_sql(store, VH_SQL_TASK_NEXT, err);
    if (!sql) {
        return VIV_E_STORE;
    }
    sqlite3_bind_int64(sql, 1, now_us);
    int code = sqlite3_step(sql);
    viv_status status = code == SQLITE_ROW ? vh_store_column(sql, 0, arena, ret_id, err)
                        : code == SQLITE_DONE ? VIV_OK
                                              : vh_store_failed(store, err);
    sqlite3_reset(sql);
    return status;
}

struct vh_state_ops
vh_store_state(struct vh_store *store)
{
    return (struct vh_state_ops){
        .data = store,
        .get_task = get_task,
        .get_scope = get_scope,
        .get_effect = get_effect,
        .get_fact = get_fact,
        .dependents = dependents,
        .dependencies = dependencies,
        .children = children,
        .next_claimable = next_claimable,
        .put_task = put_task,
        .put_scope = put_scope,
        .put_effect = put_effect,
        .put_fact = put_fact,
        .put_edge = put_edge,
    };
}
