/* SPDX-License-Identifier: Apache-2.0 */
/* Where one phase of a task works: an overlay over the immutable layers of a tree, or in the reduced-copy variant a
 * plain copy, with a keeper that owns everything that runs in it. A gate's workspace is a new one over the frozen
 * change; what it writes is thrown away. */
#ifndef VH_WORKSPACE_H
#define VH_WORKSPACE_H

#include "run/change.h"
#include "run/run.h"

struct vh_workspace;

/* Open one over `tree` (which `near` differs little from; "" is none). It becomes work->workspace. The profile must
 * reach what the host recorded at its start. */
viv_status vh_workspace_open(struct vh_work *work, const struct vh_git_id *tree, const struct vh_git_id *near,
                             int64_t time_s, struct viv_error *err);
/* The same without the layer that the policy's `prepare` makes: for making it. */
viv_status vh_workspace_open_bare(struct vh_work *work, const struct vh_git_id *tree, int64_t time_s,
                                  struct viv_error *err);
/* Nothing can write any more: the keeper and all in it are gone, the upper layer stays. */
void vh_workspace_stop(struct vh_work *work);
/* Stop, and remove its folders. */
void vh_workspace_close(struct vh_work *work);

struct vh_keeper *vh_workspace_keeper(const struct vh_work *work);
/* The upper layer, or the whole copy, as a descriptor the caller closes; and which of the two it is. */
const char *vh_workspace_result_path(const struct vh_work *work);
int vh_workspace_result(const struct vh_work *work, enum vh_change_form *ret_form, struct viv_error *err);

/* At start: remove the workspaces that a crash left. */
viv_status vh_workspace_clean(struct vh_run *run, struct viv_error *err);

#endif
