/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"

/* Rows by (table, key), found by hash, dumped in order. One table for all, as the dump is one text. */
struct row {
    struct row *next; /* in its bucket */
    struct viv_str key;
    struct viv_str value;
};

struct table {
    const char *name;
    struct row **buckets;
    size_t bucket_count;
    size_t count;
};

enum { TASKS, SCOPES, EFFECTS, FACTS, EDGES, TABLE_COUNT };

struct vh_memory {
    struct vh_arena *arena;
    struct table tables[TABLE_COUNT];
    struct viv_str *order; /* task ids by number */
    size_t order_count;
    size_t order_room;
};

static uint64_t
hash_of(struct viv_str key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ (hash >> 29);
}

static struct row *
find(const struct table *table, struct viv_str key)
{
    if (table->bucket_count == 0) {
        return NULL;
    }
    struct row *row = table->buckets[hash_of(key) & (table->bucket_count - 1)];
    while (row && !vh_str_equal(row->key, key)) {
        row = row->next;
    }
    return row;
}

static bool
grow(struct vh_memory *memory, struct table *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : 64;
    struct row **buckets = vh_arena_array(memory->arena, count, sizeof *buckets);
    if (!buckets) {
        return false;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i]) {
            struct row *row = table->buckets[i];
            table->buckets[i] = row->next;
            struct row **place = &buckets[hash_of(row->key) & (count - 1)];
            row->next = *place;
            *place = row;
        }
    }
    table->buckets = buckets;
    table->bucket_count = count;
    return true;
}

static viv_status
put(struct vh_memory *memory, int which, struct viv_str key, struct viv_str value, struct viv_error *err)
{
    struct table *table = &memory->tables[which];
    char *copy = vh_arena_text_of(memory->arena, value);
    struct row *row = find(table, key);
    if (copy && row) {
        row->value = (struct viv_str){ copy, value.len };
        return VIV_OK;
    }
    if (table->count >= table->bucket_count && !grow(memory, table)) {
        copy = NULL;
    }
    char *name = copy ? vh_arena_text_of(memory->arena, key) : NULL;
    row = name ? vh_arena_alloc(memory->arena, sizeof *row) : NULL;
    if (!row) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a row of %s", table->name);
    }
    struct row **place = &table->buckets[hash_of(key) & (table->bucket_count - 1)];
    *row = (struct row){ *place, { name, key.len }, { copy, value.len } };
    *place = row;
    table->count++;
    return VIV_OK;
}

static viv_status
get_task(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    struct vh_memory *memory = data;
    const struct row *row = find(&memory->tables[TASKS], id);
    return row ? vh_task_decode(arena, row->value, ret_task, err) : VIV_E_NOT_FOUND;
}

static viv_status
put_task(void *data, const struct vh_task *task, struct viv_error *err)
{
    struct vh_memory *memory = data;
    bool is_new = !find(&memory->tables[TASKS], task->id);
    struct viv_str text = vh_task_encode(memory->arena, task);
    if (!text.data) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a task's row");
    }
    if (is_new && memory->order_count == memory->order_room) {
        size_t room = memory->order_room ? memory->order_room * 2 : 64;
        struct viv_str *order = vh_arena_array(memory->arena, room, sizeof *order);
        if (!order) {
            return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for %zu tasks", room);
        }
        if (memory->order_count) {
            memcpy(order, memory->order, memory->order_count * sizeof *order);
        }
        memory->order = order;
        memory->order_room = room;
    }
    viv_status status = put(memory, TASKS, task->id, text, err);
    if (status == VIV_OK && is_new) {
        memory->order[memory->order_count++] = find(&memory->tables[TASKS], task->id)->key;
    }
    return status;
}

static viv_status
get_scope(void *data, struct vh_arena *arena, struct viv_str name, struct vh_scope *ret_scope, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct vh_json *value = NULL;
    const struct row *row = find(&memory->tables[SCOPES], name);
    if (!row) {
        return VIV_E_NOT_FOUND;
    }
    viv_status status = vh_json_read(arena, row->value, &value, err);
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
    struct vh_memory *memory = data;
    struct viv_str text = vh_state_scope_text(memory->arena, scope);
    return text.data ? put(memory, SCOPES, scope->name, text, err)
                     : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for an account");
}

static viv_status
get_effect(void *data, struct vh_arena *arena, struct viv_str task, int64_t attempt, int64_t ordinal,
           struct vh_effect_row *ret_effect, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct vh_effect_row row = { .task = task, .attempt = attempt, .ordinal = ordinal };
    struct viv_str key = vh_state_effect_key(arena, &row);
    const struct row *found = key.data ? find(&memory->tables[EFFECTS], key) : NULL;
    if (!found) {
        return VIV_E_NOT_FOUND;
    }
    viv_status status = vh_state_effect_read(arena, found->value, &row, err);
    if (status == VIV_OK) {
        *ret_effect = row;
    }
    return status;
}

static viv_status
put_effect(void *data, const struct vh_effect_row *effect, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct viv_str key = vh_state_effect_key(memory->arena, effect);
    struct viv_str text = vh_state_effect_text(memory->arena, effect);
    return key.data && text.data ? put(memory, EFFECTS, key, text, err)
                                 : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for an effect");
}

static viv_status
get_fact(void *data, struct vh_arena *arena, const char *name, struct viv_str *ret_text, struct viv_error *err)
{
    (void)arena;
    (void)err;
    struct vh_memory *memory = data;
    const struct row *row = find(&memory->tables[FACTS], vh_str(name));
    *ret_text = row ? row->value : (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

static viv_status
put_fact(void *data, const char *name, struct viv_str text, struct viv_error *err)
{
    return put(data, FACTS, vh_str(name), text, err);
}

static viv_status
put_edge(void *data, struct viv_str task, struct viv_str dependency, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct viv_str key = vh_str(vh_arena_format(memory->arena, "%.*s %.*s", VH_STR_ARGS(task),
                                                VH_STR_ARGS(dependency)));
    return key.data ? put(memory, EDGES, key, VH_STR("1"), err)
                    : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a dependency");
}

/* Tasks in order for which `keep` says yes. */
static viv_status
select_ids(struct vh_memory *memory, struct vh_arena *arena, struct viv_str about,
           bool (*keep)(struct vh_memory *memory, struct vh_arena *arena, struct viv_str id, struct viv_str about),
           struct vh_ids *ret_ids, struct viv_error *err)
{
    struct vh_ids ids = { 0 };
    ids.id = vh_arena_array(arena, memory->order_count + 1, sizeof *ids.id);
    if (!ids.id) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a list of tasks");
    }
    for (size_t i = 0; i < memory->order_count; i++) {
        if (keep(memory, arena, memory->order[i], about)) {
            ids.id[ids.count++] = memory->order[i];
        }
    }
    *ret_ids = ids;
    return VIV_OK;
}

static bool
has_edge(struct vh_memory *memory, struct vh_arena *arena, struct viv_str task, struct viv_str dependency)
{
    struct viv_str key = vh_str(vh_arena_format(arena, "%.*s %.*s", VH_STR_ARGS(task), VH_STR_ARGS(dependency)));
    return find(&memory->tables[EDGES], key) != NULL;
}

static bool
is_dependent(struct vh_memory *memory, struct vh_arena *arena, struct viv_str id, struct viv_str about)
{
    return has_edge(memory, arena, id, about);
}

static bool
is_dependency(struct vh_memory *memory, struct vh_arena *arena, struct viv_str id, struct viv_str about)
{
    return has_edge(memory, arena, about, id);
}

static bool
is_child(struct vh_memory *memory, struct vh_arena *arena, struct viv_str id, struct viv_str about)
{
    struct vh_task task;
    return get_task(memory, arena, id, &task, NULL) == VIV_OK && vh_str_equal(task.parent, about);
}

static viv_status
dependents(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return select_ids(data, arena, id, is_dependent, ret_ids, err);
}

static viv_status
dependencies(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return select_ids(data, arena, id, is_dependency, ret_ids, err);
}

static viv_status
children(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    return select_ids(data, arena, id, is_child, ret_ids, err);
}

static viv_status
next_claimable(void *data, struct vh_arena *arena, int64_t now_us, struct viv_str *ret_id, struct viv_error *err)
{
    struct vh_memory *memory = data;
    *ret_id = (struct viv_str){ NULL, 0 };
    for (size_t i = 0; i < memory->order_count; i++) {
        struct vh_task task;
        viv_status status = get_task(memory, arena, memory->order[i], &task, err);
        if (status) {
            return status;
        }
        if (vh_state_claimable(&task) && task.retry_at_us <= now_us) {
            *ret_id = memory->order[i];
            return VIV_OK;
        }
    }
    return VIV_OK;
}

struct vh_memory *
vh_memory_create(struct vh_arena *arena)
{
    static const char *const names[TABLE_COUNT] = { "tasks", "scopes", "effects", "facts", "edges" };
    struct vh_memory *memory = vh_arena_alloc(arena, sizeof *memory);
    if (memory) {
        memory->arena = arena;
        for (int i = 0; i < TABLE_COUNT; i++) {
            memory->tables[i].name = names[i];
        }
    }
    return memory;
}

struct vh_state_ops
vh_memory_state(struct vh_memory *memory)
{
    return (struct vh_state_ops){
        .data = memory,
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

static int
by_key(const void *a, const void *b)
{
    return vh_str_compare((*(const struct row *const *)a)->key, (*(const struct row *const *)b)->key);
}

void
vh_memory_dump(const struct vh_memory *memory, struct vh_buf *buf)
{
    for (int t = 0; t < TABLE_COUNT; t++) {
        const struct table *table = &memory->tables[t];
        const struct row **rows = vh_arena_array(buf->arena, table->count + 1, sizeof *rows);
        size_t count = 0;
        for (size_t i = 0; rows && i < table->bucket_count; i++) {
            for (const struct row *row = table->buckets[i]; row; row = row->next) {
                rows[count++] = row;
            }
        }
        buf->failed = buf->failed || !rows;
        if (count) {
            qsort(rows, count, sizeof *rows, by_key);
        }
        for (size_t i = 0; i < count; i++) {
            vh_buf_text(buf, table->name);
            vh_buf_char(buf, '\t');
            vh_buf_str(buf, rows[i]->key);
            vh_buf_char(buf, '\t');
            vh_buf_str(buf, rows[i]->value);
            vh_buf_char(buf, '\n');
        }
    }
}
