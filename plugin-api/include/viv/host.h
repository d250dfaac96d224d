/* SPDX-License-Identifier: Apache-2.0 */
/* What the host lends for a plugin's life: services by string id, refused unless the manifest's grants
 * name them. A service table is acquired once, in create(), and stays valid until destroy() returns. */
#ifndef VIV_HOST_H
#define VIV_HOST_H

#include <viv/call.h>

VIV_BEGIN

#define VIV_SERVICE_LOG "viv.log/1"
#define VIV_SERVICE_CLOCK "viv.clock/1"
#define VIV_SERVICE_RANDOM "viv.random/1"
#define VIV_SERVICE_STORE "viv.store/1"
#define VIV_SERVICE_EFFECT "viv.effect/1"
#define VIV_SERVICE_TASK "viv.task/1"
#define VIV_SERVICE_CONTROL "viv.control/1"

#define VIV_LOG_DEBUG UINT32_C(0)
#define VIV_LOG_INFO UINT32_C(1)
#define VIV_LOG_WARNING UINT32_C(2)
#define VIV_LOG_ERROR UINT32_C(3)

struct viv_host {
    uint32_t size;
    uint32_t rev;
    uint32_t abi_major;
    uint32_t abi_minor;
    void *host_data;

    /* Borrow the table of one service.
     *
     * thread:  [main] only inside create()
     * borrows: `service_id`
     * gives:   `ret_table`, valid until destroy() returns; every member callable
     * fails:   VIV_E_DENIED, the manifest's grants do not name it; VIV_E_UNSUPPORTED, no such service
     * why:     what a plugin can do is readable from its manifest
     * since:   1.0
     */
    viv_status(VIV_CALL *acquire)(const struct viv_host *host, const char *service_id,
                                  const void **ret_table, struct viv_error *err);
};

/* viv.log/1: operator's log, never the audit. */
struct viv_log {
    uint32_t size;
    uint32_t rev;
    void *host_data;

    /* Write one line.
     *
     * thread:  [any]
     * borrows: `text`; cut at 1,024 bytes
     * gives:   nothing
     * fails:   never; a log line may be lost
     * why:     the host adds time, plugin id and task id
     * since:   1.0
     */
    void(VIV_CALL *write)(const struct viv_log *log, uint32_t level, struct viv_str text);
};

/* viv.clock/1: recorded time. Two reads in one call give the same value, so that a replay can too. */
struct viv_clock {
    uint32_t size;
    uint32_t rev;
    void *host_data;

    /* The call's recorded wall time.
     *
     * thread:  [worker]
     * borrows: nothing
     * gives:   UTC microseconds since 1970
     * fails:   never
     * why:     a decision may only use recorded time
     * since:   1.0
     */
    int64_t(VIV_CALL *now_us)(const struct viv_clock *clock, struct viv_call *call);
};

/* viv.effect/1: the door. */
struct viv_effects {
    uint32_t size;
    uint32_t rev;
    void *host_data;

    /* Ask for one effect and wait for its outcome.
     *
     * thread:  [worker] the thread the call runs on
     * borrows: `request`
     * gives:   `ret_outcome`, its texts from the call's arena
     * fails:   VIV_E_DENIED with the rule's id; VIV_E_ASK, a person must decide and the run ends here;
     *          VIV_E_LIMIT; VIV_E_TIMEOUT; VIV_E_CANCELLED; VIV_E_IO
     * why:     one door: judged, held, recorded, performed, settled
     * since:   1.0
     */
    viv_status(VIV_CALL *perform)(const struct viv_effects *effects, struct viv_call *call,
                                  const struct viv_effect_request *request,
                                  struct viv_effect_outcome *ret_outcome, struct viv_error *err);
};

VIV_STATIC_ASSERT(sizeof(struct viv_host) == 32, "layout of viv_host, revision 1");

VIV_END

#endif
