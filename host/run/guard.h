/* SPDX-License-Identifier: Apache-2.0 */
/* Every call into a plugin of the host's process: deadline, arena, range checks, blame. A call that fails, is late or
 * answers out of range gives a status; what follows from it is the core's table of fail values. */
#ifndef VH_GUARD_H
#define VH_GUARD_H

#include "run/run.h"

struct vh_guard_call {
    const struct vh_plugin *plugin; /* NULL: no such plugin is loaded */
    uint32_t interface;             /* VIV_INDEX_* */
    uint32_t method;                /* VIV_METHOD_* */
    const void *request;
    int64_t limit_ns; /* 0: 60 s */
    bool effects;     /* the call may ask for effects through the door */
    bool by_policy;   /* and the policy names them: see effect.h */
    struct vh_egress_lent *http; /* of a call to a model: its way to the network; NULL: none */
};

/* `ret_answer` is the method's answer struct, its texts in the work's arena. */
viv_status vh_guard_call(struct vh_work *work, const struct vh_guard_call *call, void *ret_answer,
                         struct viv_error *err);

/* What a call is told about the task; texts of the row, see vh_run_keep. */
void vh_guard_task(const struct vh_work *work, struct viv_task *ret_task);

#endif
