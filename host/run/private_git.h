/* SPDX-License-Identifier: Apache-2.0 */
/* The .git a task sees: its own HEAD, index and references, objects of the repository by read-only alternates; never
 * part of the change. Hooks, config and remotes of the real repository are not in it. */
#ifndef VH_PRIVATE_GIT_H
#define VH_PRIVATE_GIT_H

#include "run/run.h"

/* Make it in the existing folder `path` and add what must be shown inside to `binds` (room for two). Nothing for a
 * plain folder or an unborn branch. */
viv_status vh_private_git(struct vh_work *work, const char *path, struct vh_sandbox_bind *binds, size_t *bind_count,
                          struct viv_error *err);

#endif
