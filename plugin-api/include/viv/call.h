/* SPDX-License-Identifier: Apache-2.0 */
/* What the host lends for one call: memory, deadline, cancel flag, trace id, the workspace folder. */
#ifndef VIV_CALL_H
#define VIV_CALL_H

#include <viv/effect.h>
#include <viv/task.h>

VIV_BEGIN

struct viv_call {
    uint32_t size;
    uint32_t rev;
    int64_t deadline_ns;        /* monotonic; a later answer is refused */
    struct viv_str trace_id;    /* names the call in log and audit */
    const struct viv_task *task; /* NULL outside a task */
    void *host_data;            /* the host's own; do not touch */
    int32_t root_fd;            /* folder granted read-only, or -1 */
    uint32_t flags;             /* zero */

    /* Memory that lives until the call's outcome was taken over by the host.
     *
     * thread:  [any] the thread the call runs on
     * borrows: nothing
     * gives:   zeroed bytes aligned for any type, or NULL when the call's bound is reached
     * fails:   never; NULL is the answer to too much
     * why:     nothing allocated on one side is freed on the other
     * since:   1.0
     */
    void *(VIV_CALL *alloc)(struct viv_call *call, uint64_t size);

    /* Whether the work should stop: cancelled, or past its deadline.
     *
     * thread:  [any] the thread the call runs on
     * borrows: nothing
     * gives:   1 to stop, 0 to go on
     * fails:   never
     * why:     in the host's process deadlines are cooperative
     * since:   1.0
     */
    uint32_t (VIV_CALL *cancelled)(struct viv_call *call);
};

VIV_STATIC_ASSERT(sizeof(struct viv_call) == 72, "layout of viv_call, revision 1");

VIV_END

#endif
