/* SPDX-License-Identifier: Apache-2.0 */
/* Queries over tasks, events and the host itself. They run on the sequencer's thread and see what is logged. */
#include "control_inside.h"
#include "keep/verify.h"

#define EVENTS_MAX 1000
#define TASKS_PAGE 1000
#define PAGE_BYTES (4u << 20) /* a page ends after so many bytes of rows, so that an answer fits into a frame */
#define IDS_MAX 1000
#define WAIT_MAX_NS INT64_C(5000000000)

/* A task as clients see it. The long texts come with one task, not with a list. */
static struct vh_json *
task_json(struct vh_arena *arena, const struct vh_task *task, bool whole)
{
    static const char *const long_members[] = { "intent", "capability", "result", "base", "gates", "feedback",
                                                "command", "input", "spec", "route_input", "approved", "holds",
                                                "missed", "answers" };
    struct vh_json *json = NULL;
    struct viv_str text = vh_task_encode(arena, task);
    if (!text.data || vh_json_read(arena, text, &json, NULL)) {
        return NULL;
    }
    vh_json_set_text(arena, json, "state", vh_task_state_name(task->state));
    for (size_t i = 0; i < sizeof long_members / sizeof *long_members; i++) {
        const struct vh_json *member = vh_json_get(json, long_members[i]);
        if (!member) {
            continue;
        }
        struct vh_json *tree = NULL;
        if (!whole) {
            tree = vh_json_string(arena, VH_STR("..."));
        } else if (vh_json_read(arena, member->text, &tree, NULL)) {
            continue;
        }
        vh_json_set(json, long_members[i], tree);
    }
    return json;
}

/* What the task waits for, which stands in no row. */
static viv_status
add_depends(struct vh_arena *arena, struct vh_store *store, const struct vh_task *task, struct vh_json *json,
            struct viv_error *err)
{
    struct vh_ids ids = { 0 };
    struct vh_state_ops state = vh_store_state(store);
    viv_status status = state.dependencies(state.data, arena, task->id, &ids, err);
    struct vh_json *list = ids.count ? vh_json_array(arena) : NULL;
    for (size_t i = 0; i < ids.count && status == VIV_OK; i++) {
        vh_json_push(list, vh_json_string(arena, ids.id[i]));
    }
    if (list) {
        vh_json_set(json, "depends", list);
    }
    return status;
}

struct listing {
    struct vh_controlling *c;
    struct vh_store *store;
    struct vh_json *list;
    int64_t after;
    int64_t last;
    size_t bytes;
    bool full; /* the page; there may be more */
};

static bool
take_task(void *data, const struct vh_task *task)
{
    struct listing *l = data;
    bool whole = vh_json_int(l->c->request, "whole", 0) != 0;
    struct vh_json *json = task_json(l->c->arena, task, whole);
    if (whole && json && add_depends(l->c->arena, l->store, task, json, &l->c->err)) {
        return false;
    }
    struct viv_str text = json ? vh_json_print(l->c->arena, json) : (struct viv_str){ NULL, 0 };
    vh_json_push(l->list, json);
    l->last = task->number;
    l->bytes += (size_t)text.len;
    l->full = l->list && (l->list->count == TASKS_PAGE || l->bytes >= PAGE_BYTES);
    return l->list && !l->list->failed && !l->full;
}

static viv_status
read_tasks(void *data, struct vh_store *store, struct viv_error *err)
{
    struct listing *l = data;
    l->store = store;
    return vh_reader_tasks(store, l->c->arena, vh_json_str(l->c->request, "state"), l->after, take_task, l,
                           err);
}

viv_status
vh_control_tasks(struct vh_controlling *c)
{
    struct viv_str state = vh_json_str(c->request, "state");
    if (state.len && vh_task_state_of(state) == VH_STATE_NONE) {
        return vh_error_set(&c->err, VIV_E_INVALID, "task",
                            "there is no state '%.*s', allowed: blocked, pending, running, needs_qa, integration, e2e, "
                            "ready, failed, awaiting_approval, expanded, cancelled, rolled_back", VH_STR_ARGS(state));
    }
    struct listing l = { .c = c, .list = vh_json_array(c->arena), .after = vh_json_int(c->request, "after", 0) };
    l.last = l.after;
    viv_status status = vh_control_read(c, read_tasks, &l);
    vh_json_set_int(c->arena, c->response, "last", l.last);
    vh_json_set_int(c->arena, c->response, "more", l.full);
    vh_json_set(c->response, "tasks", l.list);
    return status;
}

/* Those of "ids" that exist, with what a client needs to know before it names them. */
static viv_status
read_ids(void *data, struct vh_store *store, struct viv_error *err)
{
    struct vh_controlling *c = data;
    struct vh_state_ops state = vh_store_state(store);
    const struct vh_json *ids = vh_json_get(c->request, "ids");
    struct vh_json *list = vh_json_array(c->arena);
    viv_status status = VIV_OK;
    for (const struct vh_json *id = ids ? ids->child : NULL; id && status == VIV_OK; id = id->next) {
        struct vh_task task;
        status = state.get_task(state.data, c->arena, id->text, &task, err);
        if (status == VIV_OK) {
            struct vh_json *item = vh_json_object(c->arena);
            vh_json_set_str(c->arena, item, "id", task.id);
            vh_json_set_str(c->arena, item, "spec", task.spec);
            vh_json_set_text(c->arena, item, "state", vh_task_state_name(task.state));
            vh_json_push(list, item);
        }
        status = status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    vh_json_set(c->response, "tasks", list);
    return status;
}

viv_status
vh_control_lookup(struct vh_controlling *c)
{
    const struct vh_json *ids = vh_json_get(c->request, "ids");
    if (!ids || ids->type != VH_JSON_ARRAY || ids->count > IDS_MAX) {
        return vh_error_set(&c->err, VIV_E_INVALID, "task", "'ids' must be a list of up to %d ids", IDS_MAX);
    }
    struct viv_str scope = { NULL, 0 };
    viv_status status = vh_control_scope_said(c, &scope);
    if (status == VIV_OK && scope.len) {
        status = vh_control_scope(c, vh_str(c->run->project), scope);
    }
    return status ? status : vh_control_read(c, read_ids, c);
}

static viv_status
read_task(void *data, struct vh_store *store, struct viv_error *err)
{
    struct vh_controlling *c = data;
    struct vh_task task;
    struct vh_state_ops state = vh_store_state(store);
    struct viv_str id = vh_json_str(c->request, "task");
    viv_status status = state.get_task(state.data, c->arena, id, &task, err);
    if (status == VIV_E_NOT_FOUND) {
        return vh_error_set(err, status, "task", "there is no task '%.*s'; 'vivhost queue list' shows all",
                            VH_STR_ARGS(id));
    }
    if (status == VIV_OK) {
        struct vh_json *json = task_json(c->arena, &task, true);
        status = json ? add_depends(c->arena, store, &task, json, err) : VIV_OK;
        vh_json_set(c->response, "task", json);
    }
    return status;
}

viv_status
vh_control_task(struct vh_controlling *c)
{
    return vh_control_read(c, read_task, c);
}

static bool
take_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct listing *l = data;
    struct vh_arena *arena = l->c->arena;
    struct vh_json *event = NULL;
    char *copy = vh_arena_text_of(arena, line);
    char *hex = vh_arena_alloc(arena, VH_HASH_HEX);
    if (!copy || !hex || vh_json_read(arena, (struct viv_str){ copy, line.len }, &event, NULL)) {
        l->list->failed = true;
        return false;
    }
    vh_hash_hex(hash, hex);
    struct vh_json *item = vh_json_object(arena);
    vh_json_set(item, "event", event);
    vh_json_set_text(arena, item, "hash", hex);
    vh_json_push(l->list, item);
    l->last = seq;
    l->bytes += (size_t)line.len;
    return l->list->count < EVENTS_MAX && l->bytes < PAGE_BYTES;
}

static viv_status
read_events(void *data, struct vh_store *store, struct viv_error *err)
{
    struct listing *l = data;
    l->last = l->after;
    return vh_reader_events(store, l->after, vh_json_str(l->c->request, "task"), take_event, l, err);
}

/* With "wait" the answer comes when there is something, or after five seconds. */
viv_status
vh_control_events(struct vh_controlling *c)
{
    struct listing l = { .c = c, .after = vh_json_int(c->request, "after", 0) };
    int64_t until = c->run->seam->monotonic_ns(c->run->seam->data) + WAIT_MAX_NS;
    viv_status status;
    for (;;) {
        int64_t seen = c->run->sequencer ? vh_sequencer_wait(c->run->sequencer, -1, 0) : 0;
        l.list = vh_json_array(c->arena);
        if (!l.list) {
            return vh_error_set(&c->err, VIV_E_MEMORY, "control", "no memory for events");
        }
        status = vh_control_read(c, read_events, &l);
        if (status || l.list->count || !vh_json_int(c->request, "wait", 0) || (c->stop && atomic_load(c->stop)) ||
            c->run->seam->monotonic_ns(c->run->seam->data) >= until ||
            !c->run->sequencer || vh_sequencer_dead(c->run->sequencer, NULL)) {
            break;
        }
        (void)vh_sequencer_wait(c->run->sequencer, seen, until);
    }
    vh_json_set(c->response, "events", l.list);
    vh_json_set_int(c->arena, c->response, "last", l.last);
    return status;
}

viv_status
vh_control_workers(struct vh_controlling *c)
{
    vh_json_set(c->response, "workers", c->control->workers ? vh_workers_list(c->control->workers, c->arena)
                                                            : vh_json_array(c->arena));
    return VIV_OK;
}

static viv_status
read_status(void *data, struct vh_store *store, struct viv_error *err)
{
    struct vh_controlling *c = data;
    struct viv_str text;
    struct vh_hash head = vh_store_head(store);
    char *hex = vh_arena_alloc(c->arena, VH_HASH_HEX);
    struct vh_state_ops state = vh_store_state(store);
    int64_t open = 0;
    viv_status status = state.get_fact(state.data, c->arena, "home", &text, err);
    status = status ? status : vh_reader_open_tasks(store, &open, err);
    struct viv_str files = { NULL, 0 }, held = { NULL, 0 };
    struct vh_json *set = NULL;
    status = status ? status : state.get_fact(state.data, c->arena, "switch", &held, err);
    if (status == VIV_OK && held.len && vh_json_read(c->arena, held, &set, err) == VIV_OK) {
        vh_json_set(c->response, "switch", set);
    }
    status = status ? status : state.get_fact(state.data, c->arena, "queue", &files, err);
    struct vh_json *list = NULL;
    if (status == VIV_OK && files.len && vh_json_read(c->arena, files, &list, err) == VIV_OK) {
        vh_json_set(c->response, "queue_files", list);
    }
    vh_json_set_int(c->arena, c->response, "open", open);
    if (hex) {
        vh_hash_hex(&head, hex);
        vh_json_set_text(c->arena, c->response, "head", hex);
    }
    vh_json_set_str(c->arena, c->response, "home", text);
    vh_json_set_int(c->arena, c->response, "commits", vh_store_commits(store));
    vh_json_set_int(c->arena, c->response, "seq", vh_store_seq(store));
    return status;
}

viv_status
vh_control_status(struct vh_controlling *c)
{
    if (c->run->sequencer) {
        vh_json_set_int(c->arena, c->response, "epoch", vh_sequencer_epoch(c->run->sequencer));
        vh_json_set_int(c->arena, c->response, "pid", c->run->pid);
    }
    vh_json_set_text(c->arena, c->response, "profile", c->run->profile_text ? c->run->profile_text : "not probed");
    vh_json_set_text(c->arena, c->response, "project", c->run->project);
    return vh_control_read(c, read_status, c);
}

static viv_status
read_verify(void *data, struct vh_store *store, struct viv_error *err)
{
    struct vh_controlling *c = data;
    struct vh_verify_result result;
    unsigned flags = (vh_json_int(c->request, "recent", 0) ? VH_VERIFY_RECENT : 0) |
                     (c->run->sequencer ? VH_VERIFY_LIVE : 0);
    viv_status status = vh_verify(store, flags, NULL, &result, err);
    char *hex = vh_arena_alloc(c->arena, VH_HASH_HEX);
    if (hex) {
        vh_hash_hex(&result.head, hex);
        vh_json_set_text(c->arena, c->response, "head", hex);
    }
    vh_json_set_int(c->arena, c->response, "archived", result.archived);
    vh_json_set_int(c->arena, c->response, "bad", result.bad_seq);
    vh_json_set_int(c->arena, c->response, "events", result.events);
    vh_json_set_text(c->arena, c->response, "problem", vh_arena_text(c->arena, result.problem));
    struct vh_json *list = vh_json_array(c->arena);
    for (int64_t i = 0; i < result.unmatched && i < VH_VERIFY_SHOWN; i++) {
        struct vh_json *one = vh_json_object(c->arena);
        vh_json_set_text(c->arena, one, "effect", vh_arena_text(c->arena, result.first[i].effect));
        vh_json_set_int(c->arena, one, "ordinal", result.first[i].ordinal);
        vh_json_set_int(c->arena, one, "seq", result.first[i].seq);
        vh_json_set_text(c->arena, one, "task", vh_arena_text(c->arena, result.first[i].task));
        vh_json_push(list, one);
    }
    vh_json_set_int(c->arena, c->response, "unmatched", result.unmatched);
    vh_json_set(c->response, "unmatched_first", list);
    return status;
}

viv_status
vh_control_verify(struct vh_controlling *c)
{
    return vh_control_read(c, read_verify, c);
}

/* ---- what became of contents ---- */

struct pruned {
    struct vh_controlling *c;
    struct viv_str digest;
    int64_t time_us; /* of the last event that names it */
};

static bool
look_at_pruned(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct pruned *pruned = data;
    struct vh_event event;
    (void)seq;
    (void)hash;
    if (!memmem(line.data, (size_t)line.len, pruned->digest.data, (size_t)pruned->digest.len)) {
        return true;
    }
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool good = arena && vh_event_decode(arena, line, &event, NULL) == VIV_OK;
    if (good && vh_str_is(event.kind, "content.pruned")) {
        pruned->time_us = event.time_us;
    }
    vh_arena_destroy(arena);
    return good;
}

static viv_status
read_pruned(void *data, struct vh_store *store, struct viv_error *err)
{
    return vh_reader_events(store, 0, (struct viv_str){ NULL, 0 }, look_at_pruned, data, err);
}

/* "digest" -> "time_us" of the collection that pruned it; 0: none did. Asked when contents are missing, so seldom. */
viv_status
vh_control_pruned(struct vh_controlling *c)
{
    struct vh_hash hash;
    struct pruned pruned = { c, vh_json_str(c->request, "digest"), 0 };
    if (!vh_hash_parse(pruned.digest, &hash)) {
        return vh_error_set(&c->err, VIV_E_INVALID, "content", "'digest' must be a SHA-256 in hex");
    }
    viv_status status = vh_control_read(c, read_pruned, &pruned);
    vh_json_set_int(c->arena, c->response, "time_us", pruned.time_us);
    return status;
}
