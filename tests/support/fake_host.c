/* SPDX-License-Identifier: Apache-2.0 */
/* An effect that was not written beforehand answers VIV_E_UNSUPPORTED, so that a test sees a
 * request too many. */
#include "fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_block {
    struct fake_block *next;
    uint64_t size;
};

static viv_status
refuse(struct viv_error *err, viv_status status, const char *text)
{
    if (err) {
        err->status = status;
        (void)snprintf(err->where, sizeof err->where, "fake");
        (void)snprintf(err->text, sizeof err->text, "%s", text);
    }
    return status;
}

static viv_status
acquire(const struct viv_host *host, const char *service_id, const void **ret_table,
        struct viv_error *err)
{
    const struct fake_host *fake = host->host_data;
    if (fake->denied && strcmp(fake->denied, service_id) == 0) {
        return refuse(err, VIV_E_DENIED, "the manifest's grants do not name this service");
    }
    const struct {
        const char *id;
        const void *table;
    } services[] = {
        {VIV_SERVICE_EFFECT, &fake->effects},
        {VIV_SERVICE_LOG, &fake->log},
        {VIV_SERVICE_CLOCK, &fake->clock},
        {VIV_SERVICE_HTTP, &fake->http.http},
    };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (strcmp(services[i].id, service_id) == 0) {
            *ret_table = services[i].table;
            return VIV_OK;
        }
    }
    return refuse(err, VIV_E_UNSUPPORTED, "no such service");
}

static char *
copy_text(struct viv_str text)
{
    char *copy = calloc(1, (size_t)text.len + 1);
    if (copy && text.len > 0) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    return copy;
}

/* The outcome's texts must come from the call, as the real door gives them. */
static struct viv_str
give_text(struct viv_call *call, struct viv_str text)
{
    char *copy = call->alloc(call, text.len + 1);
    if (!copy) {
        return (struct viv_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    return (struct viv_str){copy, text.len};
}

static void
keep_request(struct fake_request *kept, const struct viv_effect_request *request)
{
    *kept = (struct fake_request){
        .kind = request->kind,
        .flags = request->flags,
        .path = copy_text(request->path),
        .target = copy_text(request->target),
        .bytes = copy_text(request->bytes),
        .spec_json = copy_text(request->spec_json),
    };
}

static viv_status
perform(const struct viv_effects *effects, struct viv_call *call,
        const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
        struct viv_error *err)
{
    struct fake_host *fake = effects->host_data;
    uint32_t number = fake->requested;
    if (number >= FAKE_EFFECTS_MAX && !fake->answer) {
        return refuse(err, VIV_E_LIMIT, "more effects than the fake host keeps");
    }
    fake->requested++;
    if (number < FAKE_EFFECTS_MAX) {
        keep_request(&fake->requests[number], request);
    }
    if (number >= fake->scripted && !fake->answer) {
        return refuse(err, VIV_E_UNSUPPORTED, "no outcome was written for this effect");
    }
    struct fake_effect answered = fake->answer ? fake->answer(fake, request) : fake->script[number];
    const struct fake_effect *effect = &answered;
    if (effect->status != VIV_OK) {
        return refuse(err, effect->status, effect->text ? effect->text : "scripted");
    }
    struct viv_str output = effect->output_bytes;
    if (!output.data) {
        output = fake_str(effect->output ? effect->output : "");
    }
    ret_outcome->exit_code = effect->exit_code;
    ret_outcome->flags = effect->flags;
    ret_outcome->duration_ns = 1000000;
    ret_outcome->output = give_text(call, output);
    ret_outcome->errors = give_text(call, fake_str(effect->errors ? effect->errors : ""));
    if (!ret_outcome->output.data || !ret_outcome->errors.data) {
        return refuse(err, VIV_E_MEMORY, "the outcome does not fit what is left of the call's memory");
    }
    ret_outcome->output_digest = fake_str("");
    ret_outcome->detail_json = fake_str(effect->detail ? effect->detail : "{}");
    return VIV_OK;
}

static void
write_log(const struct viv_log *log, uint32_t level, struct viv_str text)
{
    (void)level;
    (void)text;
    struct fake_host *fake = log->host_data;
    fake->logged++;
}

static int64_t
now_us(const struct viv_clock *clock, struct viv_call *call)
{
    (void)call;
    const struct fake_host *fake = clock->host_data;
    return fake->now_us;
}

void
fake_host_init(struct fake_host *host)
{
    memset(host, 0, sizeof *host);
    fake_http_init(&host->http);
    host->now_us = INT64_C(1700000000000000);
    host->host = (struct viv_host){
        (uint32_t)sizeof host->host, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR, host, acquire};
    host->effects = (struct viv_effects){(uint32_t)sizeof host->effects, 1, host, perform};
    host->log = (struct viv_log){(uint32_t)sizeof host->log, 1, host, write_log};
    host->clock = (struct viv_clock){(uint32_t)sizeof host->clock, 1, host, now_us};
}

void
fake_host_effect(struct fake_host *host, struct fake_effect effect)
{
    if (host->scripted < FAKE_EFFECTS_MAX) {
        host->script[host->scripted++] = effect;
    }
}

void
fake_host_finish(struct fake_host *host)
{
    for (uint32_t i = 0; i < host->requested && i < FAKE_EFFECTS_MAX; i++) {
        free(host->requests[i].path);
        free(host->requests[i].target);
        free(host->requests[i].bytes);
        free(host->requests[i].spec_json);
    }
    host->requested = 0;
    host->scripted = 0;
    fake_http_finish(&host->http);
}

static void *
alloc(struct viv_call *call, uint64_t size)
{
    struct fake_call *fake = call->host_data;
    fake->allocations++;
    if (fake->fail_at != 0 && fake->allocations >= fake->fail_at) {
        return NULL;
    }
    if (size > fake->bound_bytes || fake->used_bytes > fake->bound_bytes - size) {
        return NULL;
    }
    struct fake_block *block = calloc(1, sizeof *block + (size_t)size);
    if (!block) {
        return NULL;
    }
    fake->used_bytes += size;
    block->size = size;
    block->next = fake->blocks;
    fake->blocks = block;
    return block + 1;
}

static uint32_t
cancelled(struct viv_call *call)
{
    struct fake_call *fake = call->host_data;
    fake->asked++;
    return fake->cancel_at != 0 && fake->asked >= fake->cancel_at;
}

void
fake_call_init(struct fake_call *call, struct fake_host *host)
{
    (void)host;
    memset(call, 0, sizeof *call);
    call->bound_bytes = VIV_CALL_ARENA_MAX;
    call->task = (struct viv_task){.size = (uint32_t)sizeof call->task,
                                   .rev = 1,
                                   .id = fake_str("t-1"),
                                   .goal = fake_str("a goal"),
                                   .target = fake_str("main"),
                                   .attempt = 1};
    call->call = (struct viv_call){.size = (uint32_t)sizeof call->call,
                                   .rev = 1,
                                   .deadline_ns = INT64_MAX,
                                   .trace_id = fake_str("trace"),
                                   .task = &call->task,
                                   .host_data = call,
                                   .root_fd = -1,
                                   .alloc = alloc,
                                   .cancelled = cancelled};
}

void
fake_call_finish(struct fake_call *call)
{
    while (call->blocks) {
        struct fake_block *next = call->blocks->next;
        free(call->blocks);
        call->blocks = next;
    }
    call->used_bytes = 0;
}

struct viv_str
fake_str(const char *text)
{
    return (struct viv_str){text, strlen(text)};
}
