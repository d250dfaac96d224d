/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin in a runner is lent: the memory of a call, and proxies of the services its manifest was granted.
 * log and clock need no answer from the host; an effect is one SERVICE -> REPLY on the channel, its request written
 * behind the call's own, its outcome copied into the call's memory. The host checks every grant again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"
#include "serve.h"

/* Below this, sweeping by hand is cheaper than by the kernel. */
#define SWEEP_BYTES (256u << 10)

static void *
call_alloc(struct viv_call *call, uint64_t size)
{
    (void)call;
    return vh_lend_alloc(size);
}

static uint32_t
call_cancelled(struct viv_call *call)
{
    (void)call;
    return vh_lend_cancelled();
}

int
vh_lend_prepare(void)
{
    void *memory =
        mmap(NULL, VIV_CALL_ARENA_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    vh_serve.arena = memory;
    vh_serve.lent = (struct viv_call){
        .size = sizeof vh_serve.lent,
        .rev = 1,
        .root_fd = vh_serve.start.has_root ? VH_FD_ROOT : -1,
        .alloc = call_alloc,
        .cancelled = call_cancelled,
    };
    return 0;
}

void *
vh_lend_alloc(uint64_t size)
{
    uint64_t need = (size + 15) & ~UINT64_C(15);
    if (size > VIV_CALL_ARENA_MAX || need > VIV_CALL_ARENA_MAX - vh_serve.arena_used) {
        return NULL;
    }
    void *memory = vh_serve.arena + vh_serve.arena_used;
    vh_serve.arena_used += need;
    return memory;
}

void
vh_lend_reset(void)
{
    if (vh_serve.arena_used <= SWEEP_BYTES) {
        memset(vh_serve.arena, 0, (size_t)vh_serve.arena_used);
    } else {
        madvise(vh_serve.arena, VIV_CALL_ARENA_MAX, MADV_DONTNEED);
    }
    vh_serve.arena_used = 0;
}

uint32_t
vh_lend_cancelled(void)
{
    const volatile uint32_t *flag = &vh_serve.area->cancelled;
    return *flag != 0;
}

/* ---- viv.log/1 ---- */

static void
log_write(const struct viv_log *log, uint32_t level, struct viv_str text)
{
    (void)log;
    if (vh_serve.log_lines >= VH_LOG_LINES_MAX) {
        vh_serve.area->log_dropped++;
        return;
    }
    vh_serve.log_lines++;
    struct vh_message head = {.kind = VH_MESSAGE_LOG, .seq = vh_serve.call.seq, .status = (int32_t)level};
    head.len = text.len < VH_LOG_TEXT_MAX ? text.len : VH_LOG_TEXT_MAX;
    char packet[sizeof head + VH_LOG_TEXT_MAX];
    memcpy(packet, &head, sizeof head);
    if (head.len) {
        memcpy(packet + sizeof head, text.data, (size_t)head.len);
    }
    /* A line may be lost; the call may not stand still for it. */
    (void)send(VH_FD_CHANNEL, packet, sizeof head + (size_t)head.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const struct viv_log service_log = {.size = sizeof service_log, .rev = 1, .write = log_write};

/* ---- viv.clock/1 ---- */

static int64_t
clock_now_us(const struct viv_clock *clock, struct viv_call *call)
{
    (void)clock;
    (void)call;
    return vh_serve.call.now_us;
}

static const struct viv_clock service_clock = {.size = sizeof service_clock, .rev = 1, .now_us = clock_now_us};

/* ---- viv.effect/1 ---- */

static viv_status
keep(struct viv_str *text)
{
    char *copy = vh_lend_alloc(text->len + 1);
    if (!copy) {
        return VIV_E_MEMORY;
    }
    memcpy(copy, text->data, (size_t)text->len);
    text->data = copy;
    return VIV_OK;
}

static viv_status
take_outcome(const struct vh_message *reply, struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    struct viv_effect_outcome outcome;
    if (vh_marshal_decode(&vh_marshal_effect_outcome, vh_serve.bytes + reply->offset, reply->len, NULL, &outcome)) {
        return vh_error_set(err, VIV_E_INTERNAL, "runner", "the outcome of the effect could not be read");
    }
    if (keep(&outcome.output) || keep(&outcome.errors) || keep(&outcome.output_digest) ||
        keep(&outcome.detail_json)) {
        return vh_error_set(err, VIV_E_MEMORY, "runner",
                            "the outcome of %llu bytes does not fit what is left of the call's %u bytes",
                            (unsigned long long)reply->len, VIV_CALL_ARENA_MAX);
    }
    *ret_outcome = outcome;
    return VIV_OK;
}

static viv_status
effect_perform(const struct viv_effects *effects, struct viv_call *call, const struct viv_effect_request *request,
               struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    (void)effects;
    if (vh_serve.call.seq == 0) {
        return vh_error_set(err, VIV_E_STATE, "effect", "an effect was asked for outside a call");
    }
    struct vh_message message = {.kind = VH_MESSAGE_SERVICE, .seq = vh_serve.call.seq, .offset = vh_serve.scratch};
    message.len = vh_marshal_encode(&vh_marshal_effect_request, request, vh_serve.bytes + vh_serve.scratch,
                                    VH_AREA_BYTES - vh_serve.scratch);
    if (message.len == 0) {
        return vh_error_set(err, VIV_E_LIMIT, "effect", "the request does not fit the %llu bytes left for it",
                            (unsigned long long)(VH_AREA_BYTES - vh_serve.scratch));
    }
    vh_serve_send(&message);
    vh_serve_receive(&message);
    call->deadline_ns = message.deadline_ns;
    if (message.status != VIV_OK) {
        if (err) {
            *err = vh_serve.area->error;
        }
        return message.status;
    }
    return take_outcome(&message, ret_outcome, err);
}

static const struct viv_effects service_effects = {
    .size = sizeof service_effects, .rev = 1, .perform = effect_perform};

/* ---- acquire ---- */

static const struct {
    const char *id;
    const void *table;
} services[] = {
    {VIV_SERVICE_LOG, &service_log},
    {VIV_SERVICE_CLOCK, &service_clock},
    {VIV_SERVICE_EFFECT, &service_effects},
};

static int
granted(const char *id)
{
    for (uint32_t i = 0; i < vh_serve.start.items_count; i++) {
        if (vh_str_is(vh_serve.items[i].name, "service") && vh_str_is(vh_serve.items[i].text, id)) {
            return 1;
        }
    }
    return 0;
}

static viv_status
acquire(const struct viv_host *host, const char *service_id, const void **ret_table, struct viv_error *err)
{
    (void)host;
    if (!granted(service_id)) {
        return vh_error_set(err, VIV_E_DENIED, "acquire",
                            "service '%s' is not among the grants of '%.*s'; name it under 'grants' in manifest.json",
                            service_id, VH_STR_ARGS(vh_serve.start.id));
    }
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i].id, service_id) == 0) {
            *ret_table = services[i].table;
            return VIV_OK;
        }
    }
    return vh_error_set(err, VIV_E_UNSUPPORTED, "acquire",
                        "service '%s' is not offered in a runner, offered: viv.log/1, viv.clock/1, viv.effect/1",
                        service_id);
}

const struct viv_host vh_lend_host = {
    .size = sizeof vh_lend_host,
    .rev = 1,
    .abi_major = VIV_ABI_MAJOR,
    .abi_minor = VIV_ABI_MINOR,
    .acquire = acquire,
};
