/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and states by number, and the core's getters and putters over one of them. Read next: view.c. */
#include "view_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SLOTS_MAX 96 /* keys of all tables that any state of one search has */
#define KEY_MAX 64

void
view_die(const char *why)
{
    fprintf(stderr, "model: %s\n", why);
    abort();
}

/* ---- texts by number ---- */

struct pool {
    struct entry {
        char *bytes;
        uint32_t len;
        uint32_t hash;
        struct vh_task *task; /* the row read once, when it is a task's */
        struct vh_scope *scope;
    } *entries;
    uint32_t count; /* entry 0 is not used */
    uint32_t room;
    uint32_t *places;
    uint32_t place_count;
};

static struct pool rows;
static struct pool states;

static uint32_t
hash_of(const char *bytes, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash ^ (hash >> 32));
}

static void
place(struct pool *pool, uint32_t number)
{
    uint32_t at = pool->entries[number].hash & (pool->place_count - 1);
    while (pool->places[at]) {
        at = (at + 1) & (pool->place_count - 1);
    }
    pool->places[at] = number;
}

static void
make_room(struct pool *pool)
{
    if (pool->count + 1 < pool->room) {
        return;
    }
    pool->room = pool->room ? pool->room * 2 : 1024;
    pool->count = pool->count ? pool->count : 1;
    pool->place_count = pool->room * 2;
    pool->entries = realloc(pool->entries, pool->room * sizeof *pool->entries);
    free(pool->places);
    pool->places = calloc(pool->place_count, sizeof *pool->places);
    if (!pool->entries || !pool->places) {
        view_die("out of memory");
    }
    for (uint32_t i = 1; i < pool->count; i++) {
        place(pool, i);
    }
}

static int
number_of(struct pool *pool, const void *bytes, size_t len)
{
    uint32_t hash = hash_of(bytes, len);
    make_room(pool);
    for (uint32_t at = hash & (pool->place_count - 1); pool->places[at]; at = (at + 1) & (pool->place_count - 1)) {
        const struct entry *entry = &pool->entries[pool->places[at]];
        if (entry->hash == hash && entry->len == len && memcmp(entry->bytes, bytes, len) == 0) {
            return (int)pool->places[at];
        }
    }
    char *copy = malloc(len + 1);
    if (!copy) {
        view_die("out of memory");
    }
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    pool->entries[pool->count] = (struct entry){ copy, (uint32_t)len, hash, NULL, NULL };
    place(pool, pool->count);
    return (int)pool->count++;
}

int
view_text(const char *text)
{
    return *text ? number_of(&rows, text, strlen(text)) : 0;
}

int
view_text_from(struct viv_str text)
{
    return text.len ? number_of(&rows, text.data, (size_t)text.len) : 0;
}

const char *
view_text_of(int number)
{
    return number ? rows.entries[number].bytes : "";
}

/* ---- a state: the number of its row for each key ---- */

static struct slot {
    enum view_table table;
    uint32_t len;
    char key[KEY_MAX];
} slots[SLOTS_MAX];
static int slot_count;

struct view {
    int32_t row[SLOTS_MAX];
};

static struct view present; /* of the step under way */

static int
slot_of(enum view_table table, struct viv_str key, bool make)
{
    for (int i = 0; i < slot_count; i++) {
        if (slots[i].table == table && slots[i].len == key.len && memcmp(slots[i].key, key.data, key.len) == 0) {
            return i;
        }
    }
    if (!make) {
        return -1;
    }
    if (slot_count == SLOTS_MAX || key.len >= KEY_MAX) {
        view_die("more keys, or longer ones, than a state has room for");
    }
    struct slot *slot = &slots[slot_count];
    *slot = (struct slot){ .table = table, .len = (uint32_t)key.len };
    memcpy(slot->key, key.data, key.len);
    return slot_count++;
}

static int
row_of(enum view_table table, struct viv_str key)
{
    int slot = slot_of(table, key, false);
    return slot < 0 ? 0 : present.row[slot];
}

static viv_status
put_row(enum view_table table, struct viv_str key, struct viv_str value)
{
    if (!key.data || !value.data) {
        view_die("a row without a text");
    }
    present.row[slot_of(table, key, true)] = number_of(&rows, value.data, (size_t)value.len);
    return VIV_OK;
}

static struct viv_str
row_text(int row)
{
    return row ? (struct viv_str){ rows.entries[row].bytes, rows.entries[row].len } : (struct viv_str){ NULL, 0 };
}

void
view_load(int view)
{
    memset(&present, 0, sizeof present);
    if (view) {
        memcpy(&present, states.entries[view].bytes, states.entries[view].len);
    }
}

/* Slots that no state used when this one was first seen are 0 in it, and cut off. */
int
view_save(void)
{
    int count = slot_count;
    while (count > 0 && present.row[count - 1] == 0) {
        count--;
    }
    return count ? number_of(&states, present.row, (size_t)count * sizeof *present.row) : 0;
}

int
view_row(int view, enum view_table table, const char *key)
{
    int slot = slot_of(table, vh_str(key), false);
    int32_t row = 0;
    if (view && slot >= 0 && (uint32_t)slot < states.entries[view].len / sizeof row) {
        memcpy(&row, states.entries[view].bytes + (size_t)slot * sizeof row, sizeof row);
    }
    return row;
}

/* ---- getters and putters ---- */

const struct vh_task *
view_task_of_row(int row)
{
    struct entry *entry = &rows.entries[row];
    if (!entry->task) {
        struct vh_arena *arena = vh_arena_create(NULL, 0); /* kept: rows stay */
        entry->task = malloc(sizeof *entry->task);
        if (!entry->task || vh_task_decode(arena, row_text(row), entry->task, NULL)) {
            view_die("a task's row that cannot be read");
        }
    }
    return entry->task;
}

static viv_status
get_task(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    (void)data, (void)arena, (void)err;
    int row = row_of(VIEW_TASKS, id);
    if (row) {
        *ret_task = *view_task_of_row(row);
    }
    return row ? VIV_OK : VIV_E_NOT_FOUND;
}

static viv_status
put_task(void *data, const struct vh_task *task, struct viv_error *err)
{
    (void)data, (void)err;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = put_row(VIEW_TASKS, task->id, vh_task_encode(arena, task));
    vh_arena_destroy(arena);
    return status;
}

const struct vh_scope *
view_scope_of_row(int row)
{
    struct entry *entry = &rows.entries[row];
    if (!entry->scope) {
        struct vh_json *value = NULL;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        entry->scope = malloc(sizeof *entry->scope);
        if (!entry->scope || vh_json_read(arena, row_text(row), &value, NULL)) {
            view_die("an account's row that cannot be read");
        }
        *entry->scope = (struct vh_scope){ .limit_micro = vh_json_int(value, "limit_micro", 0),
                                           .settled_micro = vh_json_int(value, "settled_micro", 0),
                                           .reserved_micro = vh_json_int(value, "reserved_micro", 0) };
        vh_arena_destroy(arena);
    }
    return entry->scope;
}

static viv_status
get_scope(void *data, struct vh_arena *arena, struct viv_str name, struct vh_scope *ret_scope, struct viv_error *err)
{
    (void)data, (void)arena, (void)err;
    int row = row_of(VIEW_SCOPES, name);
    if (row) {
        *ret_scope = *view_scope_of_row(row);
        ret_scope->name = name;
    }
    return row ? VIV_OK : VIV_E_NOT_FOUND;
}

static viv_status
put_scope(void *data, const struct vh_scope *scope, struct viv_error *err)
{
    (void)data, (void)err;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = put_row(VIEW_SCOPES, scope->name, vh_state_scope_text(arena, scope));
    vh_arena_destroy(arena);
    return status;
}

static viv_status
get_effect(void *data, struct vh_arena *arena, struct viv_str task, int64_t round, int64_t ordinal,
           struct vh_effect_row *ret_effect, struct viv_error *err)
{
    (void)data;
    struct vh_effect_row row = { .task = task, .round = round, .ordinal = ordinal };
    int found = row_of(VIEW_EFFECTS, vh_state_effect_key(arena, &row));
    viv_status status = found ? vh_state_effect_read(arena, row_text(found), &row, err) : VIV_E_NOT_FOUND;
    if (status == VIV_OK) {
        *ret_effect = row;
    }
    return status;
}

static viv_status
put_effect(void *data, const struct vh_effect_row *effect, struct viv_error *err)
{
    (void)data, (void)err;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = put_row(VIEW_EFFECTS, vh_state_effect_key(arena, effect), vh_state_effect_text(arena, effect));
    vh_arena_destroy(arena);
    return status;
}

static viv_status
get_fact(void *data, struct vh_arena *arena, const char *name, struct viv_str *ret_text, struct viv_error *err)
{
    (void)data, (void)arena, (void)err;
    *ret_text = row_text(row_of(VIEW_FACTS, vh_str(name)));
    return VIV_OK;
}

static viv_status
put_fact(void *data, const char *name, struct viv_str text, struct viv_error *err)
{
    (void)data, (void)err;
    return put_row(VIEW_FACTS, vh_str(name), text);
}

static struct viv_str
edge_key(char bytes[KEY_MAX], struct viv_str task, struct viv_str dependency)
{
    int len = snprintf(bytes, KEY_MAX, "%.*s %.*s", VH_STR_ARGS(task), VH_STR_ARGS(dependency));
    return (struct viv_str){ bytes, (uint64_t)len };
}

static viv_status
put_edge(void *data, struct viv_str task, struct viv_str dependency, struct viv_error *err)
{
    char bytes[KEY_MAX];
    (void)data, (void)err;
    return put_row(VIEW_EDGES, edge_key(bytes, task, dependency), VH_STR("1"));
}

/* Tasks that `keep` says yes to, in order of submission. */
static viv_status
select_ids(struct vh_arena *arena, struct viv_str about, bool (*keep)(const struct vh_task *task, struct viv_str about),
           struct vh_ids *ret_ids)
{
    struct vh_ids ids = { vh_arena_array(arena, SLOTS_MAX, sizeof *ids.id), 0 };
    int64_t last = 0;
    for (;;) {
        const struct vh_task *next = NULL;
        for (int i = 0; i < slot_count; i++) {
            int row = slots[i].table == VIEW_TASKS ? present.row[i] : 0;
            const struct vh_task *task = row ? view_task_of_row(row) : NULL;
            if (task && task->number > last && (!next || task->number < next->number)) {
                next = task;
            }
        }
        if (!next) {
            break;
        }
        last = next->number;
        if (keep(next, about)) {
            ids.id[ids.count++] = next->id;
        }
    }
    *ret_ids = ids;
    return VIV_OK;
}

static bool
is_dependent(const struct vh_task *task, struct viv_str about)
{
    char bytes[KEY_MAX];
    return row_of(VIEW_EDGES, edge_key(bytes, task->id, about)) != 0;
}

static bool
is_dependency(const struct vh_task *task, struct viv_str about)
{
    char bytes[KEY_MAX];
    return row_of(VIEW_EDGES, edge_key(bytes, about, task->id)) != 0;
}

static bool
is_child(const struct vh_task *task, struct viv_str about)
{
    return vh_str_equal(task->parent, about);
}

static viv_status
dependents(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    (void)data, (void)err;
    return select_ids(arena, id, is_dependent, ret_ids);
}

static viv_status
dependencies(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    (void)data, (void)err;
    return select_ids(arena, id, is_dependency, ret_ids);
}

static viv_status
children(void *data, struct vh_arena *arena, struct viv_str id, struct vh_ids *ret_ids, struct viv_error *err)
{
    (void)data, (void)err;
    return select_ids(arena, id, is_child, ret_ids);
}

/* Claims of a model name their task, so that every order is tried. */
static viv_status
next_claimable(void *data, struct vh_arena *arena, int64_t now_us, struct viv_str *ret_id, struct viv_error *err)
{
    (void)data, (void)arena, (void)now_us, (void)err;
    *ret_id = (struct viv_str){ NULL, 0 };
    return VIV_OK;
}

const struct vh_state_ops view_ops = {
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
