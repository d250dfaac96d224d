/* SPDX-License-Identifier: Apache-2.0 */
/* Memory grows with the state, not with the number of changes: values are overwritten in place, rooms double. */
#include "memory_rows.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"

static const char *const names[VH_MEMORY_TABLES] = { "tasks", "scopes", "effects", "facts", "edges" };

struct vh_memory_row *
vh_memory_rows_find(const struct vh_memory *memory, enum vh_memory_which which, struct viv_str key)
{
    const struct vh_memory_table *table = &memory->tables[which];
    if (table->bucket_count == 0) {
        return NULL;
    }
    struct vh_memory_row *row = table->buckets[vh_str_hash(key) & (table->bucket_count - 1)];
    while (row && !vh_str_equal(row->key, key)) {
        row = row->next;
    }
    return row;
}

static bool
grow(struct vh_memory *memory, struct vh_memory_table *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : 64;
    struct vh_memory_row **buckets = vh_arena_array(memory->arena, count, sizeof(struct vh_memory_row *));
    if (!buckets) {
        return false;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i]) {
            struct vh_memory_row *row = table->buckets[i];
            table->buckets[i] = row->next;
            struct vh_memory_row **place = &buckets[vh_str_hash(row->key) & (count - 1)];
            row->next = *place;
            *place = row;
        }
    }
    table->buckets = buckets;
    table->bucket_count = count;
    return true;
}

/* Room for `len` bytes; what was there may be gone. */
static bool
make_room(struct vh_memory *memory, struct viv_str *text, size_t *room, size_t len)
{
    if (text->data && *room >= len) {
        return true;
    }
    size_t size = *room ? *room : 32;
    while (size < len) {
        size *= 2;
    }
    char *bytes = vh_arena_alloc(memory->arena, size);
    if (bytes) {
        *text = (struct viv_str){ bytes, 0 };
        *room = size;
    }
    return bytes != NULL;
}

static void
fill(struct viv_str *text, struct viv_str from)
{
    char *bytes = (char *)(uintptr_t)text->data; /* our own room, see make_room */
    if (from.len) {
        memcpy(bytes, from.data, (size_t)from.len);
    }
    text->len = from.len;
}

/* Remember what an undo must bring back. */
static bool
note(struct vh_memory *memory, enum vh_memory_which which, struct vh_memory_row *row, bool is_new)
{
    if (!memory->journal) {
        return true;
    }
    struct vh_memory_change *change = vh_arena_alloc(memory->journal, sizeof *change);
    char *old = change && !is_new ? vh_arena_text_of(memory->journal, row->value) : NULL;
    if (!change || (!is_new && !old)) {
        return false;
    }
    *change = (struct vh_memory_change){ memory->changes, which, row,
                                         { old, old ? row->value.len : 0 }, row->claim_at_us };
    memory->changes = change;
    return true;
}

static struct vh_memory_row *
new_row(struct vh_memory *memory, struct viv_str key, struct viv_str value)
{
    struct vh_memory_row *row = memory->spare ? memory->spare : vh_arena_alloc(memory->arena, sizeof *row);
    if (!row) {
        return NULL;
    }
    if (row == memory->spare) {
        memory->spare = row->next;
    }
    if (!make_room(memory, &row->key, &row->key_room, (size_t)key.len) ||
        !make_room(memory, &row->value, &row->value_room, (size_t)value.len)) {
        row->next = memory->spare;
        memory->spare = row;
        return NULL;
    }
    fill(&row->key, key);
    fill(&row->value, value);
    row->claim_at_us = VH_MEMORY_NEVER;
    return row;
}

static bool
add(struct vh_memory *memory, enum vh_memory_which which, struct viv_str key, struct viv_str value)
{
    struct vh_memory_table *table = &memory->tables[which];
    if (table->count >= table->bucket_count && !grow(memory, table)) {
        return false;
    }
    struct vh_memory_row *row = new_row(memory, key, value);
    if (!row) {
        return false;
    }
    if (!note(memory, which, row, true)) {
        row->next = memory->spare;
        memory->spare = row;
        return false;
    }
    struct vh_memory_row **place = &table->buckets[vh_str_hash(key) & (table->bucket_count - 1)];
    row->next = *place;
    *place = row;
    table->count++;
    return true;
}

viv_status
vh_memory_rows_put(struct vh_memory *memory, enum vh_memory_which which, struct viv_str key, struct viv_str value,
                   struct viv_error *err)
{
    struct vh_memory_row *row = vh_memory_rows_find(memory, which, key);
    bool done;
    if (row) {
        done = note(memory, which, row, false) &&
               make_room(memory, &row->value, &row->value_room, (size_t)value.len);
        if (done) {
            fill(&row->value, value);
        }
    } else {
        done = add(memory, which, key, value);
    }
    return done ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a row of %s", names[which]);
}

viv_status
vh_memory_mark(struct vh_memory *memory, struct viv_error *err)
{
    memory->journal = vh_arena_create(memory->arena, 0);
    memory->changes = NULL;
    memory->mark_order = memory->order_count;
    return memory->journal ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a savepoint");
}

void
vh_memory_keep(struct vh_memory *memory)
{
    vh_arena_destroy(memory->journal);
    memory->journal = NULL;
    memory->changes = NULL;
}

/* Newest first. A row's room never shrinks, so the old value always fits. */
void
vh_memory_undo(struct vh_memory *memory)
{
    for (struct vh_memory_change *change = memory->changes; change; change = change->next) {
        struct vh_memory_row *row = change->row;
        struct vh_memory_table *table = &memory->tables[change->which];
        if (change->old.data) {
            fill(&row->value, change->old);
            row->claim_at_us = change->claim_at_us;
            continue;
        }
        struct vh_memory_row **place = &table->buckets[vh_str_hash(row->key) & (table->bucket_count - 1)];
        while (*place != row) {
            place = &(*place)->next;
        }
        *place = row->next;
        table->count--;
        row->next = memory->spare;
        memory->spare = row;
    }
    memory->order_count = memory->mark_order;
    vh_memory_keep(memory);
}

static int
by_key(const void *a, const void *b)
{
    const struct vh_memory_row *const *left = a;
    const struct vh_memory_row *const *right = b;
    return vh_str_compare((*left)->key, (*right)->key);
}

void
vh_memory_dump(const struct vh_memory *memory, struct vh_buf *buf)
{
    for (int t = 0; t < VH_MEMORY_TABLES; t++) {
        const struct vh_memory_table *table = &memory->tables[t];
        const struct vh_memory_row **rows = vh_arena_array(buf->arena, table->count + 1, sizeof *rows);
        size_t count = 0;
        for (size_t i = 0; rows && i < table->bucket_count; i++) {
            for (const struct vh_memory_row *row = table->buckets[i]; row; row = row->next) {
                rows[count++] = row;
            }
        }
        buf->failed = buf->failed || !rows;
        if (count) {
            qsort(rows, count, sizeof *rows, by_key);
        }
        for (size_t i = 0; i < count; i++) {
            vh_buf_text(buf, names[t]);
            vh_buf_char(buf, '\t');
            vh_buf_str(buf, rows[i]->key);
            vh_buf_char(buf, '\t');
            vh_buf_str(buf, rows[i]->value);
            vh_buf_char(buf, '\n');
        }
    }
}
