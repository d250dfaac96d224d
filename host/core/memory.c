/* SPDX-License-Identifier: Apache-2.0 */
/* The core's view of the state over rows in arrays. What is found is copied into the caller's arena: rows are
 * overwritten in place. */
#include "memory_rows.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

#define EDGE_KEY_MAX (2 * VIV_ID_MAX + 2)

static viv_status
get_task(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    struct vh_memory *memory = data;
    const struct vh_memory_row *row = vh_memory_rows_find(memory, VH_MEMORY_TASKS, id);
    return row ? vh_task_decode(arena, row->value, ret_task, err) : VIV_E_NOT_FOUND;
}

static viv_status
put(struct vh_memory *memory, enum vh_memory_which which, struct viv_str key, struct viv_str value,
    struct viv_error *err)
{
    return key.data && value.data ? vh_memory_rows_put(memory, which, key, value, err)
                                  : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a row's text");
}

static bool
room_for_task(struct vh_memory *memory)
{
    if (memory->order_count < memory->order_room) {
        return true;
    }
    size_t room = memory->order_room ? memory->order_room * 2 : 64;
    struct vh_memory_row **order = vh_arena_array(memory->arena, room, sizeof(struct vh_memory_row *));
    if (!order) {
        return false;
    }
    if (memory->order_count) {
        memcpy(order, memory->order, memory->order_count * sizeof(struct vh_memory_row *));
    }
    memory->order = order;
    memory->order_room = room;
    return true;
}

static viv_status
put_task(void *data, const struct vh_task *task, struct viv_error *err)
{
    struct vh_memory *memory = data;
    bool is_new = !vh_memory_rows_find(memory, VH_MEMORY_TASKS, task->id);
    if (is_new && !room_for_task(memory)) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for %zu tasks", memory->order_count + 1);
    }
    struct vh_arena *scratch = vh_arena_create(memory->arena, 0);
    struct viv_str text = scratch ? vh_task_encode(scratch, task) : (struct viv_str){ NULL, 0 };
    viv_status status = put(memory, VH_MEMORY_TASKS, task->id, text, err);
    vh_arena_destroy(scratch);
    if (status) {
        return status;
    }
    struct vh_memory_row *row = vh_memory_rows_find(memory, VH_MEMORY_TASKS, task->id);
    row->claim_at_us = vh_state_claimable(task) ? task->retry_at_us : VH_MEMORY_NEVER;
    if (is_new) {
        memory->order[memory->order_count++] = row;
    }
    return VIV_OK;
}

static viv_status
get_scope(void *data, struct vh_arena *arena, struct viv_str name, struct vh_scope *ret_scope, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct vh_json *value = NULL;
    const struct vh_memory_row *row = vh_memory_rows_find(memory, VH_MEMORY_SCOPES, name);
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
    struct vh_arena *scratch = vh_arena_create(memory->arena, 0);
    struct viv_str text = scratch ? vh_state_scope_text(scratch, scope) : (struct viv_str){ NULL, 0 };
    viv_status status = put(memory, VH_MEMORY_SCOPES, scope->name, text, err);
    vh_arena_destroy(scratch);
    return status;
}

static viv_status
copy_of(struct vh_arena *arena, struct viv_str text, struct viv_str *ret_text, struct viv_error *err)
{
    char *copy = vh_arena_text_of(arena, text);
    *ret_text = (struct viv_str){ copy, copy ? text.len : 0 };
    return copy ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a row");
}

static viv_status
get_effect(void *data, struct vh_arena *arena, struct viv_str task, int64_t round, int64_t ordinal,
           struct vh_effect_row *ret_effect, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct vh_effect_row row = { .task = task, .round = round, .ordinal = ordinal };
    struct viv_str key = vh_state_effect_key(arena, &row);
    if (!key.data) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for an effect's key");
    }
    const struct vh_memory_row *found = vh_memory_rows_find(memory, VH_MEMORY_EFFECTS, key);
    if (!found) {
        return VIV_E_NOT_FOUND;
    }
    struct viv_str text;
    viv_status status = copy_of(arena, found->value, &text, err);
    status = status ? status : vh_state_effect_read(arena, text, &row, err);
    if (status == VIV_OK) {
        *ret_effect = row;
    }
    return status;
}

static viv_status
put_effect(void *data, const struct vh_effect_row *effect, struct viv_error *err)
{
    struct vh_memory *memory = data;
    struct vh_arena *scratch = vh_arena_create(memory->arena, 0);
    struct viv_str key = scratch ? vh_state_effect_key(scratch, effect) : (struct viv_str){ NULL, 0 };
    struct viv_str text = scratch ? vh_state_effect_text(scratch, effect) : (struct viv_str){ NULL, 0 };
    viv_status status = put(memory, VH_MEMORY_EFFECTS, key, text, err);
    vh_arena_destroy(scratch);
    return status;
}

static viv_status
get_fact(void *data, struct vh_arena *arena, const char *name, struct viv_str *ret_text, struct viv_error *err)
{
    struct vh_memory *memory = data;
    const struct vh_memory_row *row = vh_memory_rows_find(memory, VH_MEMORY_FACTS, vh_str(name));
    *ret_text = (struct viv_str){ NULL, 0 };
    return row ? copy_of(arena, row->value, ret_text, err) : VIV_OK;
}

static viv_status
put_fact(void *data, const char *name, struct viv_str text, struct viv_error *err)
{
    return put(data, VH_MEMORY_FACTS, vh_str(name), text, err);
}

/* "task dependency" in the caller's bytes; ids are bounded, so a longer pair is no edge of ours. */
static struct viv_str
edge_key(char bytes[EDGE_KEY_MAX], struct viv_str task, struct viv_str dependency)
{
    if (task.len > VIV_ID_MAX || dependency.len > VIV_ID_MAX) {
        return (struct viv_str){ NULL, 0 };
    }
    int len = snprintf(bytes, EDGE_KEY_MAX, "%.*s %.*s", VH_STR_ARGS(task), VH_STR_ARGS(dependency));
    return (struct viv_str){ bytes, (uint64_t)len };
}

static viv_status
put_edge(void *data, struct viv_str task, struct viv_str dependency, struct viv_error *err)
{
    char bytes[EDGE_KEY_MAX];
    struct viv_str key = edge_key(bytes, task, dependency);
    return key.data ? put(data, VH_MEMORY_EDGES, key, VH_STR("1"), err)
                    : vh_error_set(err, VIV_E_INVALID, "memory", "a dependency's id is longer than %d", VIV_ID_MAX);
}

/* Tasks in order for which `keep` gives yes. */
static viv_status
select_ids(struct vh_memory *memory, struct vh_arena *arena, struct viv_str about,
           viv_status (*keep)(struct vh_memory *memory, struct viv_str id, struct viv_str about, bool *ret_yes,
                              struct viv_error *err),
           struct vh_ids *ret_ids, struct viv_error *err)
{
    struct vh_ids ids = { 0 };
    ids.id = vh_arena_array(arena, memory->order_count + 1, sizeof *ids.id);
    if (!ids.id) {
        return vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a list of tasks");
    }
    for (size_t i = 0; i < memory->order_count; i++) {
        bool yes = false;
        viv_status status = keep(memory, memory->order[i]->key, about, &yes, err);
        if (status) {
            return status;
        }
        if (yes) {
            ids.id[ids.count++] = memory->order[i]->key;
        }
    }
    *ret_ids = ids;
    return VIV_OK;
}

static viv_status
is_dependent(struct vh_memory *memory, struct viv_str id, struct viv_str about, bool *ret_yes, struct viv_error *err)
{
    char bytes[EDGE_KEY_MAX];
    (void)err;
    *ret_yes = vh_memory_rows_find(memory, VH_MEMORY_EDGES, edge_key(bytes, id, about)) != NULL;
    return VIV_OK;
}

static viv_status
is_dependency(struct vh_memory *memory, struct viv_str id, struct viv_str about, bool *ret_yes, struct viv_error *err)
{
    return is_dependent(memory, about, id, ret_yes, err);
}

static viv_status
is_child(struct vh_memory *memory, struct viv_str id, struct viv_str about, bool *ret_yes, struct viv_error *err)
{
    struct vh_task task;
    struct vh_arena *scratch = vh_arena_create(memory->arena, 0);
    viv_status status = scratch ? get_task(memory, scratch, id, &task, err)
                                : vh_error_set(err, VIV_E_MEMORY, "memory", "no memory for a task");
    *ret_yes = status == VIV_OK && vh_str_equal(task.parent, about);
    vh_arena_destroy(scratch);
    return status;
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
    const struct vh_memory *memory = data;
    (void)arena;
    (void)err;
    *ret_id = (struct viv_str){ NULL, 0 };
    for (size_t i = 0; i < memory->order_count && ret_id->len == 0; i++) {
        if (memory->order[i]->claim_at_us <= now_us) {
            *ret_id = memory->order[i]->key;
        }
    }
    return VIV_OK;
}

struct vh_memory *
vh_memory_create(struct vh_arena *arena)
{
    struct vh_memory *memory = vh_arena_alloc(arena, sizeof *memory);
    if (memory) {
        memory->arena = arena;
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
