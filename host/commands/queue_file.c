/* SPDX-License-Identifier: Apache-2.0 */
/* The file as a whole: size, syntax, the top level, ids, the order of dependencies. One entry: queue_entry.c. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_load.h"
#include "base/str.h"
#include "queue_entry.h"
#include <viv/limits.h>

#define WAY_MAX 12 /* ids of a cycle that are named */

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
}

static int
compare_entries(const void *a, const void *b)
{
    const struct vh_queue_entry *const *left = a, *const *right = b;
    int order = vh_str_compare((*left)->id, (*right)->id);
    return order ? order : (*left)->index < (*right)->index ? -1 : 1;
}

static int
compare_ids(const void *a, const void *b)
{
    return vh_str_compare(*(const struct viv_str *)a, *(const struct viv_str *)b);
}

struct vh_queue_entry *
vh_queue_file_find(const struct vh_queue *queue, struct viv_str id)
{
    uint32_t low = 0, high = queue->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = vh_str_compare(queue->by_id[middle]->id, id);
        if (order == 0) {
            return queue->by_id[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order > 0 ? middle : high;
    }
    return NULL;
}

bool
vh_queue_file_lists(const struct vh_queue_ids *ids, struct viv_str id)
{
    return ids->count && bsearch(&id, ids->id, ids->count, sizeof id, compare_ids) != NULL;
}

/* ---- syntax ---- */

static viv_status
parse(struct viv_str bytes, json_t **ret_root, struct viv_error *err)
{
    json_error_t fault;
    size_t depth = vh_scan_depth(bytes);
    if (depth > VIV_JSON_DEPTH_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "the file is nested %zu levels deep, allowed %d", depth,
                            VIV_JSON_DEPTH_MAX);
    }
    uint64_t nul = vh_str_nul(bytes);
    if (nul) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "byte %llu of the file is NUL, allowed: JSON text",
                            (unsigned long long)nul);
    }
    bool memory = false;
    json_t *root = vh_json_load(bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &fault, &memory);
    if (memory) {
        return no_memory(err);
    }
    if (!root) {
        long entry = vh_scan_entry_at(bytes, fault.position > 0 ? (size_t)fault.position : 0);
        if (entry >= 0) {
            return vh_error_set(err, VIV_E_INVALID, "queue", "tasks[%ld]: line %d: %s", entry, fault.line, fault.text);
        }
        return vh_error_set(err, VIV_E_INVALID, "queue", "line %d: %s", fault.line, fault.text);
    }
    *ret_root = root;
    return VIV_OK;
}

static viv_status
check_top(const json_t *root, struct viv_error *err)
{
    static const char *const lists[] = { "completed", "failed" };
    if (!json_is_object(root)) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "the file holds %s, allowed: an object with 'version' and "
                            "'tasks'", vh_queue_type(root));
    }
    const json_t *version = json_object_get(root, "version");
    const char *text = json_string_value(version);
    if (!text || (strcmp(text, "1.1") != 0 && strcmp(text, "1.0") != 0)) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'version' is %s%.32s%s, allowed: \"1.0\", \"1.1\"", text ? "\"" : "",
                            text ? text : vh_queue_type(version), text ? "\"" : "");
    }
    const json_t *tasks = json_object_get(root, "tasks");
    if (!json_is_array(tasks)) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "'tasks' is %s, allowed: a list", vh_queue_type(tasks));
    }
    if (json_array_size(tasks) > VIV_QUEUE_TASKS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "'tasks' holds %zu entries, allowed %d", json_array_size(tasks),
                            VIV_QUEUE_TASKS_MAX);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(root, lists[i]);
        if (list && !json_is_array(list)) {
            return vh_error_set(err, VIV_E_INVALID, "queue", "'%s' is %s, allowed: a list", lists[i],
                                vh_queue_type(list));
        }
    }
    return VIV_OK;
}

/* The ids a list names; entries without one are kept in the file and name nothing. */
static viv_status
read_ids(struct vh_arena *arena, const json_t *list, struct vh_queue_ids *ret_ids, struct viv_error *err)
{
    size_t count = json_array_size(list);
    struct viv_str *id = vh_arena_array(arena, count ? count : 1, sizeof *id);
    if (!id) {
        return no_memory(err);
    }
    ret_ids->id = id;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_object_get(json_array_get(list, i), "id"));
        if (text) {
            char *copy = vh_arena_text(arena, text);
            if (!copy) {
                return no_memory(err);
            }
            id[ret_ids->count++] = vh_str(copy);
        }
    }
    qsort(id, ret_ids->count, sizeof *id, compare_ids);
    return VIV_OK;
}

static viv_status
read_entries(struct vh_arena *arena, const json_t *tasks, struct vh_queue *queue, struct viv_error *err)
{
    struct viv_str raw = { NULL, 0 };
    queue->count = (uint32_t)json_array_size(tasks);
    queue->entry = vh_arena_array(arena, queue->count + 1u, sizeof *queue->entry);
    queue->by_id = vh_arena_array(arena, queue->count + 1u, sizeof(struct vh_queue_entry *));
    queue->order = vh_arena_array(arena, queue->count + 1u, sizeof(struct vh_queue_entry *));
    if (!queue->entry || !queue->by_id || !queue->order) {
        return no_memory(err);
    }
    if (!vh_scan_find(queue->bytes, "tasks", &raw)) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "the key 'tasks' is spelled with escapes, allowed: as it is");
    }
    struct vh_scan scan = vh_scan_begin(raw);
    for (uint32_t i = 0; i < queue->count; i++) {
        struct vh_queue_entry *entry = &queue->entry[i];
        entry->index = i;
        queue->by_id[i] = entry;
        if (!vh_scan_element(&scan, &entry->bytes)) {
            return vh_error_set(err, VIV_E_INTERNAL, "queue", "entry %u of 'tasks' was not found again", i);
        }
        viv_status status = vh_queue_entry_read(arena, json_array_get(tasks, i), entry, err);
        if (status) {
            return entry->id.len ? vh_error_extend(err, status, "tasks[%u] ('%.*s')", i, VH_STR_ARGS(entry->id))
                                 : vh_error_extend(err, status, "tasks[%u]", i);
        }
    }
    return VIV_OK;
}

static viv_status
check_unique(const struct vh_queue *queue, struct viv_error *err)
{
    qsort(queue->by_id, queue->count, sizeof(struct vh_queue_entry *), compare_entries);
    for (uint32_t i = 1; i < queue->count; i++) {
        const struct vh_queue_entry *a = queue->by_id[i - 1], *b = queue->by_id[i];
        if (vh_str_equal(a->id, b->id)) {
            return vh_error_set(err, VIV_E_INVALID, "queue", "tasks[%u] ('%.*s'): the id is that of tasks[%u] too, "
                                "allowed: each id once", b->index, VH_STR_ARGS(b->id), a->index);
        }
    }
    return VIV_OK;
}

/* ---- order ---- */

/* From an entry that cannot be placed along dependencies that cannot either, until one comes again. */
static viv_status
name_cycle(struct vh_arena *arena, const struct vh_queue *queue, const uint32_t *open, struct viv_error *err)
{
    const struct vh_queue_entry *at = NULL, *first;
    uint32_t *seen = vh_arena_array(arena, queue->count, sizeof *seen);
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 4096);
    for (uint32_t i = 0; i < queue->count && !at; i++) {
        at = open[i] ? &queue->entry[i] : NULL;
    }
    while (seen && at && !seen[at->index]) {
        const struct vh_queue_entry *next = NULL;
        seen[at->index] = 1;
        for (uint32_t i = 0; i < at->depends_count && !next; i++) {
            const struct vh_queue_entry *other = vh_queue_file_find(queue, at->depends[i]);
            next = other && open[other->index] ? other : NULL;
        }
        at = next;
    }
    if (!seen || !at) {
        return no_memory(err);
    }
    first = at;
    vh_buf_str(&buf, at->id);
    for (int named = 1; named <= WAY_MAX; named++) {
        const struct vh_queue_entry *next = NULL;
        for (uint32_t i = 0; i < at->depends_count && !next; i++) {
            const struct vh_queue_entry *other = vh_queue_file_find(queue, at->depends[i]);
            next = other && open[other->index] ? other : NULL;
        }
        at = next;
        vh_buf_text(&buf, " -> ");
        if (!at || at == first || named == WAY_MAX) {
            vh_buf_str(&buf, at == first ? first->id : VH_STR("..."));
            break;
        }
        vh_buf_str(&buf, at->id);
    }
    return vh_error_set(err, VIV_E_INVALID, "queue", "tasks[%u] ('%.*s'): the dependencies go round in a circle: %s",
                        first->index, VH_STR_ARGS(first->id), buf.failed ? "..." : buf.data);
}

/* Who waits for each entry, as lists in one array. */
struct waiting {
    uint32_t *open;  /* dependencies inside the file that are not placed */
    uint32_t *begin; /* of the entry's list in `who`; one more than entries */
    uint32_t *who;
};

static viv_status
find_waiting(struct vh_arena *arena, const struct vh_queue *queue, struct waiting *w, struct viv_error *err)
{
    size_t edges = 0;
    w->open = vh_arena_array(arena, queue->count + 1u, sizeof *w->open);
    w->begin = vh_arena_array(arena, queue->count + 2u, sizeof *w->begin);
    if (!w->open || !w->begin) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct vh_queue_entry *entry = &queue->entry[i];
        for (uint32_t d = 0; d < entry->depends_count; d++) {
            const struct vh_queue_entry *other = vh_queue_file_find(queue, entry->depends[d]);
            if (other) {
                w->open[i]++;
                w->begin[other->index + 2]++;
                edges++;
            }
        }
    }
    w->who = vh_arena_array(arena, edges + 1, sizeof *w->who);
    if (!w->who) {
        return no_memory(err);
    }
    for (uint32_t i = 2; i < queue->count + 2u; i++) {
        w->begin[i] += w->begin[i - 1];
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct vh_queue_entry *entry = &queue->entry[i];
        for (uint32_t d = 0; d < entry->depends_count; d++) {
            const struct vh_queue_entry *other = vh_queue_file_find(queue, entry->depends[d]);
            if (other) {
                w->who[w->begin[other->index + 1]++] = i;
            }
        }
    }
    return VIV_OK;
}

/* Placed in waves: first those that wait for nothing, each wave in the order of the file. */
static viv_status
sort_entries(struct vh_arena *arena, struct vh_queue *queue, struct viv_error *err)
{
    struct waiting w = { NULL, NULL, NULL };
    uint32_t placed = 0;
    viv_status status = find_waiting(arena, queue, &w, err);
    if (status) {
        return status;
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        if (w.open[i] == 0) {
            queue->order[placed++] = &queue->entry[i];
        }
    }
    for (uint32_t at = 0; at < placed; at++) {
        uint32_t index = queue->order[at]->index;
        for (uint32_t i = w.begin[index]; i < w.begin[index + 1]; i++) {
            if (--w.open[w.who[i]] == 0) {
                queue->order[placed++] = &queue->entry[w.who[i]];
            }
        }
    }
    return placed == queue->count ? VIV_OK : name_cycle(arena, queue, w.open, err);
}

viv_status
vh_queue_file_read(struct vh_arena *arena, struct viv_str bytes, struct vh_queue *ret_queue, struct viv_error *err)
{
    json_t *root = NULL;
    struct vh_queue queue = { .bytes = bytes };
    if (bytes.len > VIV_QUEUE_BYTES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "the file has %llu bytes, allowed %u",
                            (unsigned long long)bytes.len, VIV_QUEUE_BYTES_MAX);
    }
    viv_status status = parse(bytes, &root, err);
    if (status) {
        return status;
    }
    vh_hash_text(bytes, queue.digest);
    status = check_top(root, err);
    status = status ? status : read_ids(arena, json_object_get(root, "completed"), &queue.completed, err);
    status = status ? status : read_ids(arena, json_object_get(root, "failed"), &queue.failed, err);
    status = status ? status : read_entries(arena, json_object_get(root, "tasks"), &queue, err);
    json_decref(root);
    status = status ? status : check_unique(&queue, err);
    status = status ? status : sort_entries(arena, &queue, err);
    if (status == VIV_OK) {
        *ret_queue = queue;
    }
    return status;
}
