/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a runner, from the host's side:
 *
 *   sent --ANSWER--> checked, done                      take_answer
 *   sent --SERVICE--> served --REPLY--> sent            serve
 *   sent --closed, late, cancelled, nonsense--> blamed  fail
 *
 * The deadline counts the runner's own time: it moves by what a served effect took. Read runner_inside.h first. */
#include "runner_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#define GRACE_NS INT64_C(200000000)
#define LOOK_NS INT64_C(100000000)
#define NEVER_FD (-1)

/* The call under way. */
struct under_way {
    struct vh_runner *runner;
    const struct vh_runner_call *call;
    struct vh_runner_place place;
    struct vh_runner_result *result;
    struct vh_arena *arena;
    uint32_t seq;
    uint64_t scratch; /* offset behind the request */
    int64_t deadline_ns;
    int64_t resumed_ns; /* when the runner began to work, first or again */
    int cancel_fd;
    bool cancelled;
};

static int64_t
now_ns(const struct under_way *way)
{
    return way->runner->seam->monotonic_ns(way->runner->seam->data);
}

static viv_status
fail(struct under_way *way, enum vh_runner_failure failure, const char *detail, struct viv_error *err)
{
    viv_status status = vh_runner_blame(way->runner, &way->place, failure, detail, &way->result->failure, err);
    way->result->own_ns += now_ns(way) - way->resumed_ns;
    return status;
}

static viv_status
lied(struct under_way *way, const struct viv_error *why, struct viv_error *err)
{
    return fail(way, VH_RUNNER_LIED, why->text, err);
}

/* ---- sending ---- */

static struct vh_frame
frame_of(const struct vh_runner_call *call)
{
    struct vh_frame frame = {.size = sizeof frame, .rev = 1, .trace_id = call->trace_id};
    if (call->task) {
        frame.task_id = call->task->id;
        frame.goal = call->task->goal;
        frame.intent_json = call->task->intent_json;
        frame.target = call->task->target;
        frame.base_tree = call->task->base_tree;
        frame.feedback_json = call->task->feedback_json;
        frame.attempt = call->task->attempt;
        frame.has_task = 1;
    }
    return frame;
}

static viv_status
write_request(struct under_way *way, struct vh_message *message, struct viv_error *err)
{
    char *area = (char *)way->runner->area;
    struct vh_frame frame = frame_of(way->call);
    struct vh_marshal_shape shape = vh_marshal_request(way->place.method);
    /* A quarter of the area is left for answers and effects, whatever is asked. */
    uint64_t room = VH_AREA_BYTES / 4 * 3 - VH_AREA_HEAD_BYTES;
    message->extra = vh_marshal_encode(&vh_marshal_frame, &frame, area + VH_AREA_HEAD_BYTES, room);
    message->offset = VH_AREA_HEAD_BYTES + message->extra;
    message->len = message->extra
                       ? vh_marshal_encode(&shape, way->call->request, area + message->offset, room - message->extra)
                       : 0;
    if (message->len == 0) {
        return vh_error_set(err, VIV_E_LIMIT, "runner",
                            "the request for plugin '%s' %s %s has %llu bytes with its task, allowed %llu and %d "
                            "values",
                            way->runner->id, way->place.interface->id, way->place.method->name,
                            (unsigned long long)(vh_marshal_size(&vh_marshal_frame, &frame) +
                                                 vh_marshal_size(&shape, way->call->request)),
                            (unsigned long long)room, VH_MARSHAL_VALUES_MAX);
    }
    way->scratch = (message->offset + message->len + 7) & ~UINT64_C(7);
    return VIV_OK;
}

static viv_status
send_call(struct under_way *way, struct viv_error *err)
{
    struct vh_message message = {
        .kind = VH_MESSAGE_CALL,
        .seq = way->seq,
        .interface = way->call->interface,
        .method = way->call->method,
        .deadline_ns = way->deadline_ns,
        .now_us = way->call->now_us,
    };
    viv_status status = write_request(way, &message, err);
    if (status != VIV_OK) {
        return status;
    }
    way->runner->area->cancelled = 0;
    way->runner->log_lines = 0;
    way->resumed_ns = now_ns(way);
    if (vh_runner_send(way->runner, &message) != 0) {
        return fail(way, VH_RUNNER_CRASHED, NULL, err);
    }
    return VIV_OK;
}

/* ---- serving ---- */

static viv_status
perform(struct under_way *way, const struct vh_message *message, struct vh_arena *arena,
        struct viv_effect_outcome *ret_outcome, bool *ret_lied, struct viv_error *err)
{
    struct viv_effect_request request;
    *ret_lied = true;
    void *bytes = vh_runner_copy(way->runner, message, arena, err);
    if (!bytes) {
        *ret_lied = err->status == VIV_E_PLUGIN;
        return err->status;
    }
    const char *bad = vh_marshal_decode(&vh_marshal_effect_request, bytes, message->len, NULL, &request);
    if (bad) {
        return vh_error_set(err, VIV_E_PLUGIN, "runner", "'%s' of its effect request points outside", bad);
    }
    if (request.kind < VIV_EFFECT_EXEC || request.kind > VIV_EFFECT_ASK || request.flags ||
        !vh_str_utf8(request.spec_json)) {
        return vh_error_set(err, VIV_E_PLUGIN, "runner",
                            "its effect request has kind %u, flags %u, allowed kinds 1 to 8, flags 0 and UTF-8 in "
                            "'spec_json'",
                            request.kind, request.flags);
    }
    *ret_lied = false;
    if (!way->call->service) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "effects are not allowed in this call of '%s'",
                            way->runner->id);
    }
    if (++way->result->effects > VH_SERVICES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "effect", "'%s' asked for more than the %d effects allowed in one call",
                            way->runner->id, VH_SERVICES_MAX);
    }
    return way->call->service(way->call->service_data, &request, ret_outcome, arena, err);
}

static viv_status
reply(struct under_way *way, viv_status status, const struct viv_effect_outcome *outcome, struct viv_error *said)
{
    struct vh_message message = {
        .kind = VH_MESSAGE_REPLY, .seq = way->seq, .offset = way->scratch, .deadline_ns = way->deadline_ns};
    if (status == VIV_OK) {
        message.len = vh_marshal_encode(&vh_marshal_effect_outcome, outcome, (char *)way->runner->area + way->scratch,
                                        VH_AREA_BYTES - way->scratch);
        if (message.len == 0) {
            status = vh_error_set(said, VIV_E_LIMIT, "effect", "the outcome does not fit the %llu bytes left for it",
                                  (unsigned long long)(VH_AREA_BYTES - way->scratch));
        }
    }
    message.status = status;
    if (status != VIV_OK) {
        said->status = status;
        memcpy(&way->runner->area->error, said, sizeof *said);
    }
    way->resumed_ns = now_ns(way);
    return vh_runner_send(way->runner, &message) != 0 ? VIV_E_IO : VIV_OK;
}

static viv_status
serve(struct under_way *way, const struct vh_message *message, struct viv_error *err)
{
    int64_t began_ns = now_ns(way);
    way->result->own_ns += began_ns - way->resumed_ns;
    way->resumed_ns = began_ns;
    struct viv_error said = VIV_ERROR_INIT;
    struct viv_effect_outcome outcome = {.size = sizeof outcome, .rev = 1};
    struct vh_arena *arena = vh_arena_create(way->arena, 0);
    bool wrong = false;
    viv_status status = arena ? perform(way, message, arena, &outcome, &wrong, &said)
                              : vh_error_set(&said, VIV_E_MEMORY, "effect", "no memory for the effect");
    if (wrong) {
        vh_arena_destroy(arena);
        return lied(way, &said, err);
    }
    way->deadline_ns += now_ns(way) - began_ns;
    viv_status sent = reply(way, status, &outcome, &said);
    vh_arena_destroy(arena);
    return sent == VIV_OK ? VIV_OK : fail(way, VH_RUNNER_CRASHED, NULL, err);
}

/* ---- the answer ---- */

static viv_status
decode_answer(struct under_way *way, const struct vh_message *message, void *ret_answer, struct viv_error *why)
{
    struct vh_marshal_shape shape = vh_marshal_answer(way->place.method);
    void *bytes = vh_runner_copy(way->runner, message, way->arena, why);
    if (!bytes) {
        return why->status;
    }
    bool rows = false;
    for (uint32_t i = 0; i < shape.count; i++) {
        rows = rows || shape.fields[i].kind == VIV_FIELD_VALUES;
    }
    struct viv_value *values = rows ? vh_arena_array(way->arena, VH_MARSHAL_VALUES_MAX, sizeof *values) : NULL;
    void *answer = vh_arena_alloc(way->arena, shape.size);
    if (!answer || (rows && !values)) {
        return vh_error_set(why, VIV_E_MEMORY, "runner", "no memory for the answer of '%s'", way->runner->id);
    }
    const char *bad = vh_marshal_decode(&shape, bytes, message->len, values, answer);
    if (bad) {
        return vh_error_set(why, VIV_E_PLUGIN, "runner", "'%s' points outside the %llu bytes of the answer", bad,
                            (unsigned long long)message->len);
    }
    viv_status status = vh_runner_check(way->place.method, answer, why);
    if (status == VIV_OK) {
        memcpy(ret_answer, answer, shape.size);
    }
    return status;
}

static viv_status
take_answer(struct under_way *way, const struct vh_message *message, void *ret_answer, struct viv_error *err)
{
    struct viv_error why = VIV_ERROR_INIT;
    if (message->status > VIV_OK || message->status < VIV_STATUS_LAST) {
        vh_error_set(&why, VIV_E_PLUGIN, "runner", "its status is %d, allowed %d to 0", message->status,
                     VIV_STATUS_LAST);
        return lied(way, &why, err);
    }
    if (message->status == VIV_OK) {
        viv_status status = decode_answer(way, message, ret_answer, &why);
        if (status == VIV_E_PLUGIN) {
            return lied(way, &why, err);
        }
        if (status != VIV_OK) {
            return vh_error_set(err, status, why.where, "%s", why.text);
        }
    } else {
        vh_runner_said(way->runner, message->status, &way->result->plugin_error);
    }
    way->result->plugin_status = message->status;
    way->result->own_ns += now_ns(way) - way->resumed_ns;
    uint32_t lines = way->runner->log_lines;
    if (lines > VH_LOG_LINES_MAX) {
        vh_log(VH_LOG_WARNING, way->runner->id, "%u log lines of one call were dropped", lines - VH_LOG_LINES_MAX);
    }
    return VIV_OK;
}

/* ---- the call ---- */

static viv_status
late(struct under_way *way, struct viv_error *err)
{
    if (way->cancelled) {
        return fail(way, VH_RUNNER_CANCELLED, "it did not stop within 200 ms", err);
    }
    char detail[96];
    int64_t own_ns = way->result->own_ns + now_ns(way) - way->resumed_ns;
    snprintf(detail, sizeof detail, "no answer after %lld ms of its own time, killed", (long long)(own_ns / 1000000));
    return fail(way, VH_RUNNER_HUNG, detail, err);
}

static void
cancel(struct under_way *way)
{
    way->cancelled = true;
    way->cancel_fd = NEVER_FD;
    way->runner->area->cancelled = 1;
    int64_t grace_ns = now_ns(way) + GRACE_NS;
    way->deadline_ns = grace_ns < way->deadline_ns ? grace_ns : way->deadline_ns;
}

/* How long to wait at once: who may be stopped by a flag looks at it now and then. */
static int64_t
wait_until(const struct under_way *way)
{
    int64_t look_ns = now_ns(way) + LOOK_NS;
    return way->call->cancel && !way->cancelled && look_ns < way->deadline_ns ? look_ns : way->deadline_ns;
}

static viv_status
converse(struct under_way *way, void *ret_answer, struct viv_error *err)
{
    viv_status status = send_call(way, err);
    while (status == VIV_OK) {
        struct vh_message message;
        enum vh_runner_event event = vh_runner_wait(way->runner, wait_until(way), way->cancel_fd, &message);
        switch (event) {
        case VH_RUNNER_EVENT_GONE:
            return fail(way, VH_RUNNER_CRASHED, NULL, err);
        case VH_RUNNER_EVENT_LATE:
            if (now_ns(way) >= way->deadline_ns) {
                return late(way, err);
            }
            if (atomic_load(way->call->cancel)) {
                cancel(way);
            }
            continue;
        case VH_RUNNER_EVENT_NONSENSE:
            return fail(way, VH_RUNNER_LIED, "a packet of the wrong size, or too many log lines", err);
        case VH_RUNNER_EVENT_CANCEL:
            cancel(way);
            continue;
        case VH_RUNNER_EVENT_MESSAGE:
            break;
        }
        if (message.seq != way->seq || (message.kind != VH_MESSAGE_ANSWER && message.kind != VH_MESSAGE_SERVICE)) {
            return fail(way, VH_RUNNER_LIED, "a message out of turn", err);
        }
        if (message.kind == VH_MESSAGE_ANSWER) {
            return take_answer(way, &message, ret_answer, err);
        }
        status = serve(way, &message, err);
    }
    return status;
}

viv_status
vh_runner_call(struct vh_runner *runner, const struct vh_runner_call *call, void *ret_answer,
               struct vh_runner_result *ret_result, struct vh_arena *arena, struct viv_error *err)
{
    memset(ret_result, 0, sizeof *ret_result);
    if (call->interface >= viv_interface_count || call->method >= viv_interfaces[call->interface].method_count ||
        !(runner->interfaces & UINT64_C(1) << call->interface)) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "runner", "plugin '%s' does not offer interface %u method %u",
                            runner->id, call->interface, call->method);
    }
    if (!runner->alive) {
        ret_result->failure = VH_RUNNER_LOST;
        return vh_error_set(err, VIV_E_UNAVAILABLE, "runner", "the runner of '%s' has ended; take a new one",
                            runner->id);
    }
    const struct viv_interface *interface = &viv_interfaces[call->interface];
    if (call->deadline_ns <= runner->seam->monotonic_ns(runner->seam->data)) {
        return vh_error_set(err, VIV_E_TIMEOUT, "runner",
                            "the deadline passed before plugin '%s' was called for %s %s", runner->id, interface->id,
                            interface->methods[call->method].name);
    }
    struct under_way way = {
        .runner = runner,
        .call = call,
        .place = {interface, &interface->methods[call->method]},
        .result = ret_result,
        .arena = arena,
        .seq = ++runner->seq,
        .deadline_ns = call->deadline_ns,
        .cancel_fd = call->cancel_fd,
    };
    viv_status status = converse(&way, ret_answer, err);
    runner->used_ns += ret_result->own_ns;
    return status;
}
