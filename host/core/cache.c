/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include "base/str.h"

struct row {
    struct vh_task task; /* without an id the place is free */
    struct vh_arena *arena; /* of its texts */
    bool waits; /* to be written behind */
};

struct vh_cache {
    struct vh_state_ops behind;
    struct vh_arena *arena;
    struct row *rows;
    size_t count;
};

/* Each task has one place. */
static struct row *
place_of(const struct vh_cache *cache, struct viv_str id)
{
    return &cache->rows[vh_str_hash(id) & (cache->count - 1)];
}

static viv_status
write_behind(struct vh_cache *cache, struct row *row, struct viv_error *err)
{
    viv_status status = row->waits ? cache->behind.put_task(cache->behind.data, &row->task, err) : VIV_OK;
    row->waits = status != VIV_OK;
    return status;
}

viv_status
vh_cache_flush(struct vh_cache *cache, struct viv_error *err)
{
    viv_status status = VIV_OK;
    for (size_t i = 0; i < cache->count && status == VIV_OK; i++) {
        status = write_behind(cache, &cache->rows[i], err);
    }
    return status;
}

static viv_status
get_task(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    const struct vh_cache *cache = data;
    const struct row *row = place_of(cache, id);
    return vh_str_equal(row->task.id, id) ? vh_task_copy(arena, &row->task, ret_task, err)
                                          : cache->behind.get_task(cache->behind.data, arena, id, ret_task, err);
}

static viv_status
put_task(void *data, const struct vh_task *task, struct viv_error *err)
{
    struct vh_cache *cache = data;
    struct row *row = place_of(cache, task->id);
    const struct vh_task *had = &row->task;
    /* Behind there may be columns that stay as a task first had them. */
    bool other = !vh_str_equal(had->id, task->id) || had->number != task->number ||
                 !vh_str_equal(had->parent, task->parent);
    viv_status status = other ? write_behind(cache, row, err) : VIV_OK;
    if (status) {
        return status;
    }
    if (row->arena) {
        vh_arena_reset(row->arena);
    } else {
        row->arena = vh_arena_create(cache->arena, 0);
    }
    status = vh_task_copy(row->arena, task, &row->task, err);
    row->task.id.len = status ? 0 : task->id.len;
    row->waits = status == VIV_OK;
    return status;
}

struct vh_cache *
vh_cache_create(struct vh_arena *arena, const struct vh_state_ops *behind, size_t rows)
{
    struct vh_cache *cache = vh_arena_alloc(arena, sizeof *cache);
    struct row *all = cache ? vh_arena_array(arena, rows, sizeof *all) : NULL;
    if (!all) {
        return NULL;
    }
    *cache = (struct vh_cache){ .behind = *behind, .arena = arena, .rows = all, .count = rows };
    return cache;
}

struct vh_state_ops
vh_cache_tasks(struct vh_cache *cache)
{
    return (struct vh_state_ops){ .data = cache, .get_task = get_task, .put_task = put_task };
}
