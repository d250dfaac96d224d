/* SPDX-License-Identifier: Apache-2.0 */
/* What plugins in the host's process may call: struct viv_host for their life, struct viv_call for one call, and the
 * services behind them by string id. A service is refused unless the plugin's grants name it. Plugins in runners get
 * the same from runner/lend.c. */
#ifndef VH_LEND_H
#define VH_LEND_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/seam.h"
#include <viv/draft/http.h>
#include <viv/host.h>
#include <viv/limits.h>

/* One call in the making. The first member is what the plugin sees. */
struct vh_lend_call {
    struct viv_call call;
    struct vh_arena *arena;
    const struct vh_seam *seam;
    const atomic_uint *cancel; /* not zero: stop; may be NULL */
    int64_t now_us;            /* what viv.clock/1 answers */
    /* The door. NULL: effects are refused. */
    viv_status (*perform)(void *data, struct vh_arena *arena, const struct viv_effect_request *request,
                          struct viv_effect_outcome *ret_outcome, struct viv_error *err);
    void *perform_data;
    /* The way to the network, for calls of models alone. NULL: web requests are refused. */
    viv_status (*exchange)(void *data, struct viv_call *call, const struct viv_http_request *request,
                           const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err);
    void *exchange_data;
};

/* Fill `call->call` from the other members. */
void vh_lend_call_init(struct vh_lend_call *call, int64_t deadline_ns, struct viv_str trace_id,
                       const struct viv_task *task);

/* The host as one plugin sees it; lives in `arena`. `services` are the grants of its manifest; `plugin_id` stands in
 * its log lines. Both are borrowed for the arena's life. NULL when memory is out. */
const struct viv_host *vh_lend_host(struct vh_arena *arena, const char *plugin_id, const char *const *services,
                                    uint32_t service_count);

#endif
