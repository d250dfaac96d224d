/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the disk the home may take: `limits: disk` of the user's policy and the project's, the least counts. Over
 * it no task is taken in; what was taken in runs to its end, and whatever frees room or undoes is never refused. Live
 * workspaces are not counted. Measuring is a walk, so the figure is kept in HOME/trees/size until fifty times as long
 * as the walk took is over: at most a fiftieth of the time goes into it, and the figure is late by no more. */
#ifndef VH_QUOTA_H
#define VH_QUOTA_H

#include "run/run.h"

struct vh_quota {
    int64_t used;
    int64_t bound; /* 0: none, or none that can be read */
};

/* What files and folders below `path` of the home take; what cannot be looked at, or goes meanwhile, counts nothing.
 * VIV_E_MEMORY. */
viv_status vh_quota_measure(const struct vh_run *run, const char *path, int64_t *ret_bytes, struct viv_error *err);

/* `measure`: without a bound too. Else `used` is then 0. */
viv_status vh_quota_look(struct vh_run *run, bool measure, struct vh_quota *ret_quota, struct viv_error *err);

/* VIV_E_LIMIT: the home is over its bound; names both and the cure. */
viv_status vh_quota_check(struct vh_run *run, struct viv_error *err);

/* Something went: the next one to ask measures again. */
void vh_quota_forget(const struct vh_run *run);

#endif
