/* SPDX-License-Identifier: Apache-2.0 */
/* `prepare` of the policy: a clean base has no installed dependencies and no build folder, so the project names a
 * command
 * that makes them. It runs once through the door for each state of its inputs; what it wrote is kept as a read-only
 * layer under the home's trees/, keyed by the command and the digests of the inputs, and lies below the task's own
 * changes, so it never becomes part of a result. */
#ifndef VH_PREPARE_H
#define VH_PREPARE_H

#include "run/run.h"

/* The layer for `tree`, made now when it is not there. NULL in `ret_path` when the policy has no `prepare`. The
 * work may hold no workspace meanwhile. VIV_E_UNAVAILABLE: the command failed, with its last words. */
viv_status vh_prepare_layer(struct vh_work *work, const struct vh_git_id *tree, int64_t time_s,
                            const char **ret_path, struct viv_error *err);

#endif
