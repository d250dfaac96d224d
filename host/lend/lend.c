/* SPDX-License-Identifier: Apache-2.0 */
#include "lend.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#define LOG_TEXT_MAX 1024

struct lent {
    struct viv_host host;
    const char *plugin_id;
    const char *const *services;
    uint32_t service_count;
    struct viv_log log;
    struct viv_clock clock;
    struct viv_effects effects;
    struct viv_http http;
};

static void *
call_alloc(struct viv_call *call, uint64_t size)
{
    struct vh_lend_call *lent = call->host_data;
    return size > VIV_CALL_ARENA_MAX ? NULL : vh_arena_alloc(lent->arena, (size_t)size);
}

static uint32_t
call_cancelled(struct viv_call *call)
{
    const struct vh_lend_call *lent = call->host_data;
    if (lent->cancel && atomic_load(lent->cancel)) {
        return 1;
    }
    return lent->seam->monotonic_ns(lent->seam->data) >= call->deadline_ns;
}

void
vh_lend_call_init(struct vh_lend_call *call, int64_t deadline_ns, struct viv_str trace_id, const struct viv_task *task)
{
    call->call = (struct viv_call){
        .size = (uint32_t)sizeof(struct viv_call),
        .rev = 1,
        .deadline_ns = deadline_ns,
        .trace_id = trace_id,
        .task = task,
        .host_data = call,
        .root_fd = -1,
        .alloc = call_alloc,
        .cancelled = call_cancelled,
    };
}

static void
log_write(const struct viv_log *log, uint32_t level, struct viv_str text)
{
    const struct lent *lent = log->host_data;
    static const enum vh_log_level levels[] = { VH_LOG_DEBUG, VH_LOG_INFO, VH_LOG_WARNING, VH_LOG_ERROR };
    int len = text.len > LOG_TEXT_MAX ? LOG_TEXT_MAX : (int)text.len;
    vh_log(levels[level <= VIV_LOG_ERROR ? level : VIV_LOG_ERROR], lent->plugin_id, "%.*s", len,
           text.len ? text.data : "");
}

static int64_t
clock_now_us(const struct viv_clock *clock, struct viv_call *call)
{
    (void)clock;
    const struct vh_lend_call *lent = call->host_data;
    return lent->now_us;
}

static viv_status
effects_perform(const struct viv_effects *effects, struct viv_call *call, const struct viv_effect_request *request,
                struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    (void)effects;
    struct vh_lend_call *lent = call->host_data;
    if (!lent->perform) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "effects are not offered in this call");
    }
    return lent->perform(lent->perform_data, lent->arena, request, ret_outcome, err);
}

static viv_status
http_exchange(const struct viv_http *http, struct viv_call *call, const struct viv_http_request *request,
              const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err)
{
    (void)http;
    const struct vh_lend_call *lent = call->host_data;
    *ret_sent = 0;
    if (!lent->exchange) {
        return vh_error_set(err, VIV_E_DENIED, "http",
                            "web requests are offered to plugins of viv.model/1 alone, while a model is asked");
    }
    return lent->exchange(lent->exchange_data, call, request, sink, ret_sent, err);
}

static viv_status
acquire(const struct viv_host *host, const char *service_id, const void **ret_table, struct viv_error *err)
{
    const struct lent *lent = host->host_data;
    bool granted = false;
    for (uint32_t i = 0; i < lent->service_count; i++) {
        granted = granted || strcmp(lent->services[i], service_id) == 0;
    }
    if (!granted) {
        return vh_error_set(err, VIV_E_DENIED, "service", "service '%.64s' is not among the grants of '%s'; add it to "
                            "its manifest", service_id, lent->plugin_id);
    }
    if (strcmp(service_id, VIV_SERVICE_LOG) == 0) {
        *ret_table = &lent->log;
    } else if (strcmp(service_id, VIV_SERVICE_CLOCK) == 0) {
        *ret_table = &lent->clock;
    } else if (strcmp(service_id, VIV_SERVICE_EFFECT) == 0) {
        *ret_table = &lent->effects;
    } else if (strcmp(service_id, VIV_SERVICE_HTTP) == 0) {
        *ret_table = &lent->http;
    } else {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "service", "this host does not offer '%.64s'", service_id);
    }
    return VIV_OK;
}

const struct viv_host *
vh_lend_host(struct vh_arena *arena, const char *plugin_id, const char *const *services, uint32_t service_count)
{
    struct lent *lent = vh_arena_alloc(arena, sizeof *lent);
    if (!lent) {
        return NULL;
    }
    lent->plugin_id = plugin_id;
    lent->services = services;
    lent->service_count = service_count;
    lent->log = (struct viv_log){ (uint32_t)sizeof lent->log, 1, lent, log_write };
    lent->clock = (struct viv_clock){ (uint32_t)sizeof lent->clock, 1, lent, clock_now_us };
    lent->effects = (struct viv_effects){ (uint32_t)sizeof lent->effects, 1, lent, effects_perform };
    lent->http = (struct viv_http){ (uint32_t)sizeof lent->http, 1, lent, http_exchange };
    lent->host = (struct viv_host){ .size = (uint32_t)sizeof lent->host,
                                    .rev = 1,
                                    .abi_major = VIV_ABI_MAJOR,
                                    .abi_minor = VIV_ABI_MINOR,
                                    .host_data = lent,
                                    .acquire = acquire };
    return &lent->host;
}
