/* SPDX-License-Identifier: Apache-2.0 */
/* The effects of the present attempt as a list, read from the log: what critic and learner see. */
#ifndef VH_TRACE_H
#define VH_TRACE_H

#include "run/run.h"

/* [{"argv":[...],"by":...,"effect":"exec","exit_code":0,"ordinal":0,"path":...,"stage":...,"state":"finished"}] */
viv_status vh_trace_of(struct vh_work *work, struct vh_json **ret_trace, struct viv_error *err);

#endif
