/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a runner: begin, then CALL -> (SERVICE -> REPLY)* -> ANSWER until END. Services are in lend.c. Nothing
 * here defends against the plugin: it shares this process and may break everything in it; the host defends itself.
 * Read serve.h first. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define EXIT_NO_HOST 0

struct vh_serve vh_serve;

void
vh_serve_send(const struct vh_message *message)
{
    ssize_t sent;
    do {
        sent = send(VH_FD_CHANNEL, message, sizeof *message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        _exit(EXIT_NO_HOST);
    }
}

void
vh_serve_receive(struct vh_message *ret_message)
{
    ssize_t got;
    do {
        got = recv(VH_FD_CHANNEL, ret_message, sizeof *ret_message, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof *ret_message) {
        _exit(EXIT_NO_HOST);
    }
}

void
vh_serve_stage(enum vh_stage stage)
{
    vh_serve.area->stage = stage;
}

void
vh_serve_error(viv_status status, const struct viv_error *err)
{
    vh_serve.area->error = *err;
    vh_serve.area->error.status = status;
}

static viv_method_fn
method_of(const struct viv_method *method, const void *table)
{
    viv_method_fn function;
    memcpy(&function, (const char *)table + method->slot, sizeof function);
    return function;
}

static void
fill_task(const struct vh_frame *frame, struct viv_task *task)
{
    *task = (struct viv_task){
        .size = sizeof *task,
        .rev = 1,
        .id = frame->task_id,
        .goal = frame->goal,
        .intent_json = frame->intent_json,
        .target = frame->target,
        .base_tree = frame->base_tree,
        .feedback_json = frame->feedback_json,
        .attempt = frame->attempt,
    };
}

/* Decode what came, run the method, leave the answer behind the request. */
static viv_status
run_method(const struct viv_interface *interface, const struct viv_method *method, struct vh_message *reply,
           struct viv_error *err)
{
    const struct vh_message *call = &vh_serve.call;
    struct vh_marshal_shape request_shape = vh_marshal_request(method), answer_shape = vh_marshal_answer(method);
    static struct viv_value values[VH_MARSHAL_VALUES_MAX];
    struct vh_frame frame;
    void *request = vh_lend_alloc(method->request_size), *ret_answer = vh_lend_alloc(method->answer_size);
    const char *frame_bytes = vh_serve.bytes + VH_AREA_HEAD_BYTES;
    if (!request || !ret_answer || vh_marshal_decode(&vh_marshal_frame, frame_bytes, call->extra, NULL, &frame) ||
        vh_marshal_decode(&request_shape, vh_serve.bytes + call->offset, call->len, values, request)) {
        return vh_error_set(err, VIV_E_INTERNAL, "runner", "the request of '%s' could not be read", method->name);
    }
    struct viv_task task;
    fill_task(&frame, &task);
    vh_serve.lent.trace_id = frame.trace_id;
    vh_serve.lent.task = frame.has_task ? &task : NULL;
    vh_serve.lent.deadline_ns = call->deadline_ns;
    uint32_t head[2] = {method->answer_size, 1};
    memcpy(ret_answer, head, sizeof head);
    viv_method_fn function = method_of(method, vh_serve.tables[interface - viv_interfaces]);
    viv_status status = function(vh_serve.self, &vh_serve.lent, request, ret_answer, err);
    if (status != VIV_OK) {
        return status;
    }
    reply->offset = vh_serve.scratch;
    reply->len = vh_marshal_encode(&answer_shape, ret_answer, vh_serve.bytes + vh_serve.scratch,
                                   VH_AREA_BYTES - vh_serve.scratch);
    if (reply->len == 0) {
        return vh_error_set(err, VIV_E_LIMIT, "runner", "the answer of '%s' does not fit the %llu bytes left for it",
                            method->name, (unsigned long long)(VH_AREA_BYTES - vh_serve.scratch));
    }
    return VIV_OK;
}

static void
serve_call(const struct vh_message *call)
{
    struct vh_message reply = {.kind = VH_MESSAGE_ANSWER, .seq = call->seq};
    struct viv_error err = VIV_ERROR_INIT;
    vh_serve.call = *call;
    vh_serve.scratch = (call->offset + call->len + 7) & ~UINT64_C(7);
    vh_serve.log_lines = 0;
    vh_serve.area->log_dropped = 0;
    vh_serve.area->interface = call->interface;
    vh_serve.area->method = call->method;
    vh_serve_stage(VH_STAGE_CALL);
    const struct viv_interface *interface = &viv_interfaces[call->interface];
    reply.status = run_method(interface, &interface->methods[call->method], &reply, &err);
    if (reply.status != VIV_OK) {
        vh_serve_error(reply.status, &err);
    }
    vh_serve.call.seq = 0;
    vh_serve_stage(VH_STAGE_IDLE);
    vh_serve_send(&reply);
    vh_lend_reset(); /* after the answer: the host does not wait for the sweeping */
}

static void
end_plugin(uint32_t seq)
{
    vh_serve_stage(VH_STAGE_DESTROY);
    if (vh_serve.plugin.destroy) {
        vh_serve.plugin.destroy(vh_serve.self);
    }
    struct vh_message done = {.kind = VH_MESSAGE_ANSWER, .seq = seq};
    vh_serve_send(&done);
    _exit(0);
}

static void
serve_calls(void)
{
    for (;;) {
        struct vh_message message;
        vh_serve_receive(&message);
        if (message.kind == VH_MESSAGE_END) {
            end_plugin(message.seq);
        }
        if (message.kind == VH_MESSAGE_CALL) {
            serve_call(&message);
        }
    }
}

/* The descriptors at their numbers, nothing else open. */
static int
place_fds(const int *fds, int count)
{
    int high[VH_FD_ROOT - VH_FD_CHANNEL + 1];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD, 64);
        if (high[i] < 0) {
            return -1;
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(high[i], VH_FD_CHANNEL + i) < 0) {
            return -1;
        }
    }
    return close_range((unsigned)(VH_FD_CHANNEL + count), ~0u, 0);
}

void
vh_serve_run(pid_t parent, const int *fds, int fd_count, uint64_t start_len)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(VH_NO_START_PARENT);
    }
    if (place_fds(fds, fd_count) != 0) {
        _exit(VH_NO_START_DESCRIPTORS);
    }
    void *area = mmap(NULL, VH_AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, VH_FD_AREA, 0);
    if (area == MAP_FAILED) {
        _exit(VH_NO_START_AREA);
    }
    close(VH_FD_AREA);
    vh_serve.area = area;
    vh_serve.bytes = area;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_message message = {.kind = VH_MESSAGE_READY};
    message.status = vh_begin(start_len, &err);
    if (message.status != VIV_OK) {
        message.kind = VH_MESSAGE_REFUSED;
        vh_serve_error(message.status, &err);
        vh_serve_send(&message);
        _exit(0);
    }
    message.extra = vh_serve.offered;
    vh_serve_stage(VH_STAGE_IDLE);
    vh_serve_send(&message);
    serve_calls();
    _exit(0);
}
