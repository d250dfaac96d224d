/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch and the commands of people. Queries: control_query.c; skills and routes: control_skill.c. */
#include "control_inside.h"

#include "run/network.h"
#include "run/quota.h"
#include "run/model_call.h"
#include "run/switch.h"

#define KEY_BYTES 16

struct vh_json *
vh_control_error(struct vh_arena *arena, viv_status status, const char *text)
{
    struct vh_json *response = vh_json_object(arena);
    char *line = vh_arena_text(arena, text);
    if (line) {
        vh_str_clean(line); /* a request's own words may be in it, with line breaks */
    }
    vh_json_set_str(arena, response, "error", vh_run_clean(arena, vh_str(line), 460));
    vh_json_set_int(arena, response, "status", status);
    return response;
}

/* "t" and eight letters that cannot be mistaken for each other. */
static const char *
new_id(struct vh_controlling *c)
{
    static const char letters[] = "23456789abcdefghjkmnpqrstuvwxyz";
    uint8_t bytes[8];
    char *id = vh_arena_alloc(c->arena, 12);
    if (!id || c->run->seam->random(c->run->seam->data, bytes, sizeof bytes)) {
        return NULL;
    }
    id[0] = 't';
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[i + 1] = letters[bytes[i] % (sizeof letters - 1)];
    }
    return id;
}

viv_status
vh_control_scope_said(struct vh_controlling *c, struct viv_str *ret_scope)
{
    const struct vh_json *said = vh_json_get(c->request, "scope");
    if (said && said->type != VH_JSON_STRING) {
        return vh_error_set(&c->err, VIV_E_INVALID, "scope", "'scope' of a request is no text, allowed: a path");
    }
    return vh_scope_read(c->arena, vh_json_str(c->request, "scope"), ret_scope, &c->err);
}

viv_status
vh_control_scope(struct vh_controlling *c, struct viv_str target, struct viv_str scope)
{
    const char *root = NULL;
    char *path = vh_arena_text_of(c->arena, target);
    if (!path) {
        return vh_error_set(&c->err, VIV_E_MEMORY, "control", "no memory to look at a scope");
    }
    viv_status status = vh_target_root(&c->run->tools, c->arena, path, &root, &c->err);
    return status ? status : vh_scope_folder(c->run->seam, c->arena, root, scope, &c->err);
}

viv_status
vh_control_read(struct vh_controlling *c, vh_sequencer_reader reader, void *data)
{
    return c->run->sequencer ? vh_sequencer_read(c->run->sequencer, reader, data, &c->err)
                             : reader(data, c->control->store, &c->err);
}

viv_status
vh_control_send(struct vh_controlling *c, const char *kind, struct viv_str task, struct vh_json *data)
{
    struct vh_command command = {
        .kind = vh_str(kind),
        .task = task,
        .key = vh_json_str(c->request, "key"),
        .actor = { VH_STR("person"), c->peer->name, c->peer->uid, c->peer->pid },
        .data = data,
        .lazy = vh_json_int(c->request, "lazy", 0) != 0,
    };
    struct vh_answer answer = { 0 };
    if (!c->run->sequencer) {
        return vh_error_set(&c->err, VIV_E_UNAVAILABLE, "control", "this process only reads the home");
    }
    if (!data || data->failed) {
        return vh_error_set(&c->err, VIV_E_MEMORY, "control", "no memory for a command");
    }
    viv_status status = vh_sequencer_call(c->run->sequencer, &command, false, c->arena, &answer, &c->err);
    if (status == VIV_OK) {
        vh_json_set_text(c->arena, c->response, "durability", answer.synced ? "synced" : "logged");
        vh_json_set_int(c->arena, c->response, "repeated", answer.repeated);
        vh_json_set_int(c->arena, c->response, "seq", answer.seq);
        vh_json_set_str(c->arena, c->response, "task", answer.task);
    }
    return status;
}

/* Copy the members a submission may have, and nothing else. */
static viv_status
take_submission(struct vh_controlling *c, const struct vh_json *task, struct vh_json *data)
{
    static const struct {
        const char *name;
        enum vh_json_type type;
    } members[] = {
        { "goal", VH_JSON_STRING },   { "command", VH_JSON_OBJECT }, { "skill", VH_JSON_STRING },
        { "input", VH_JSON_OBJECT },  { "target", VH_JSON_STRING },  { "depends", VH_JSON_ARRAY },
        { "spec", VH_JSON_OBJECT },   { "attempts_max", VH_JSON_INTEGER },
        { "scope", VH_JSON_STRING },
    };
    for (const struct vh_json *m = task ? task->child : NULL; m; m = m->next) {
        size_t i = 0;
        while (i < sizeof members / sizeof *members && !vh_str_is(m->key, members[i].name)) {
            i++;
        }
        if (vh_str_is(m->key, "id")) {
            continue;
        }
        if (i == sizeof members / sizeof *members || m->type != members[i].type) {
            return vh_error_set(&c->err, VIV_E_INVALID, "task",
                                "member '%.*s' of a task is unknown or of the wrong type, allowed: id, goal, command, "
                                "skill, input, target, scope, depends, spec, attempts_max", VH_STR_ARGS(m->key));
        }
        vh_json_set(data, members[i].name, vh_json_clone(c->arena, m));
    }
    const struct vh_json *hosts = vh_json_get(vh_json_get(data, "spec"), "hosts");
    viv_status status = hosts ? vh_network_hosts(hosts, &c->err) : VIV_OK;
    if (status) {
        return status;
    }
    if (!vh_json_get(data, "attempts_max")) {
        vh_json_set_int(c->arena, data, "attempts_max", VIV_ATTEMPTS_MAX);
    }
    struct viv_str target = vh_json_str(data, "target");
    vh_json_set_text(c->arena, data, "target", target.len ? vh_run_place(c->run, c->arena, target) : c->run->project);
    return VIV_OK;
}

/* In its one spelling, and there is such a folder. What a task has to wait for may make it; then the base looks. */
static viv_status
take_scope(struct vh_controlling *c, struct vh_json *data)
{
    struct viv_str scope;
    const struct vh_json *depends = vh_json_get(data, "depends");
    if (!vh_json_get(data, "scope")) {
        return VIV_OK;
    }
    viv_status status = vh_scope_read(c->arena, vh_json_str(data, "scope"), &scope, &c->err);
    if (status == VIV_OK) {
        vh_json_set_str(c->arena, data, "scope", scope);
    }
    return status || (depends && depends->count) ? status : vh_control_scope(c, vh_json_str(data, "target"), scope);
}

static viv_status
look_for_key(void *data, struct vh_store *store, struct viv_error *err)
{
    static const struct vh_hash any = { { 0 } };
    struct vh_controlling *c = data;
    int64_t seen = 0;
    viv_status status = vh_store_key(store, vh_json_str(c->request, "key"), &any, &seen, err);
    return status == VIV_OK && !seen ? VIV_E_NOT_FOUND : status; /* VIV_E_CONFLICT: it is there, with other words */
}

/* A full home takes in nothing new; what it has taken in already is answered as before. */
static viv_status
take_in(struct vh_controlling *c)
{
    viv_status full = c->run->sequencer ? vh_quota_check(c->run, &c->err) : VIV_OK;
    if (full != VIV_E_LIMIT || vh_json_str(c->request, "key").len == 0) {
        return full;
    }
    viv_status known = vh_sequencer_read(c->run->sequencer, look_for_key, c, NULL);
    return known == VIV_OK || known == VIV_E_CONFLICT ? VIV_OK : full;
}

static viv_status
op_submit(struct vh_controlling *c)
{
    const struct vh_json *task = vh_json_get(c->request, "task");
    struct vh_json *data = vh_json_object(c->arena);
    struct viv_str id = vh_json_str(task, "id");
    if (id.len == 0) {
        id = vh_str(new_id(c));
    }
    viv_status status = take_in(c);
    status = status ? status : take_submission(c, task, data);
    if (status == VIV_OK) {
        status = take_scope(c, data);
    }
    return status ? status : vh_control_send(c, "task.submitted", id, data);
}

static viv_status
said_by_person(struct vh_controlling *c, const char *kind, const char *const *members)
{
    struct vh_json *data = vh_json_object(c->arena);
    for (; *members; members++) {
        const struct vh_json *member = vh_json_get(c->request, *members);
        if (member) {
            vh_json_set(data, *members, vh_json_clone(c->arena, member));
        }
    }
    return vh_control_send(c, kind, vh_json_str(c->request, "task"), data);
}

static viv_status
op_cancel(struct vh_controlling *c)
{
    static const char *const members[] = { "note", NULL };
    viv_status status = said_by_person(c, "cancel.requested", members);
    if (status == VIV_OK && c->control->workers) {
        vh_workers_cancel(c->control->workers, vh_json_str(c->request, "task"));
    }
    return status;
}

static viv_status
op_retry(struct vh_controlling *c)
{
    static const char *const members[] = { "note", NULL };
    return said_by_person(c, "retry.requested", members);
}

static viv_status
op_approve(struct vh_controlling *c)
{
    static const char *const members[] = { "digest", "note", NULL };
    return said_by_person(c, "approval.given", members);
}

static viv_status
op_reject(struct vh_controlling *c)
{
    static const char *const members[] = { "digest", "note", NULL };
    return said_by_person(c, "approval.refused", members);
}

static viv_status
op_answer(struct vh_controlling *c)
{
    static const char *const members[] = { "answers", NULL };
    return said_by_person(c, "answer.given", members);
}

static viv_status
op_rollback(struct vh_controlling *c)
{
    static const char *const members[] = { "note", NULL };
    return said_by_person(c, "rollback.requested", members);
}

/* "state": halt or pause. */
static viv_status
op_stop(struct vh_controlling *c)
{
    static const char *const members[] = { "note", "state", NULL };
    struct viv_str state = vh_json_str(c->request, "state");
    if (!vh_str_is(state, "halt") && !vh_str_is(state, "pause")) {
        return vh_error_set(&c->err, VIV_E_INVALID, "switch", "'state' is '%.*s', allowed: halt, pause",
                            VH_STR_ARGS(state));
    }
    viv_status status = said_by_person(c, "switch.set", members);
    if (status == VIV_OK) {
        vh_switch_obey(c->control, state);
    }
    return status;
}

static viv_status
op_resume(struct vh_controlling *c)
{
    struct vh_json *data = vh_json_object(c->arena);
    vh_json_set_str(c->arena, data, "note", vh_json_str(c->request, "note"));
    vh_json_set_text(c->arena, data, "state", "run");
    viv_status status = vh_switch_remove_files(c->run, &c->err);
    status = status ? status : vh_control_send(c, "switch.set", (struct viv_str){ NULL, 0 }, data);
    if (status == VIV_OK || status == VIV_E_STATE) { /* running already: then nothing here may hold it back */
        vh_switch_obey(c->control, VH_STR("run"));
        vh_model_breaker_reset(c->run);
    }
    return status;
}

static const struct op {
    const char *name;
    viv_status (*run)(struct vh_controlling *c);
} ops[] = {
    { "submit", op_submit },
    { "cancel", op_cancel },
    { "retry", op_retry },
    { "approve", op_approve },
    { "reject", op_reject },
    { "answer", op_answer },
    { "rollback", op_rollback },
    { "stop", op_stop },
    { "resume", op_resume },
    { "audit", vh_control_audit },
    { "archive", vh_control_archive },
    { "collect", vh_control_collect },
    { "explain", vh_control_explain },
    { "import", vh_control_import },
    { "install", vh_control_install },
    { "backup", vh_control_backup },
    { "remove", vh_control_remove },
    { "tasks", vh_control_tasks },
    { "lookup", vh_control_lookup },
    { "task", vh_control_task },
    { "events", vh_control_events },
    { "workers", vh_control_workers },
    { "status", vh_control_status },
    { "accounts", vh_control_accounts },
    { "cap", vh_control_cap },
    { "models", vh_control_models },
    { "verify", vh_control_verify },
    { "pruned", vh_control_pruned },
    { "plugins", vh_control_plugins },
    { "route", vh_control_route },
    { "call", vh_control_call },
};

struct vh_json *
vh_control_handle(struct vh_control *control, struct vh_arena *arena, const struct vh_json *request,
                  const struct vh_control_peer *peer, const atomic_uint *stop)
{
    struct vh_controlling c = {
        .control = control,
        .run = control->run,
        .arena = arena,
        .request = request,
        .response = vh_json_object(arena),
        .peer = peer,
        .stop = stop,
        .err = VIV_ERROR_INIT,
    };
    struct viv_str name = vh_json_str(request, "op");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!vh_str_is(name, ops[i].name)) {
            continue;
        }
        viv_status status = ops[i].run(&c);
        if (status == VIV_OK && (!c.response || c.response->failed)) {
            status = vh_error_set(&c.err, VIV_E_MEMORY, "control", "no memory for an answer");
        }
        if (status) {
            return vh_control_error(arena, status, c.err.text[0] ? c.err.text : vh_status_text(status));
        }
        vh_json_set_int(arena, c.response, "status", 0);
        return c.response;
    }
    char *text = vh_arena_format(arena, "there is no request '%.*s'", VH_STR_ARGS(name));
    return vh_control_error(arena, VIV_E_UNSUPPORTED, text ? text : "no such request");
}
