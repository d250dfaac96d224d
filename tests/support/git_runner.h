/* SPDX-License-Identifier: Apache-2.0 */
/* A runner for run/git.h by plain fork and exec: what the launcher does in production, without the launcher. */
#ifndef SUPPORT_GIT_RUNNER_H
#define SUPPORT_GIT_RUNNER_H

#include "run/git.h"

extern const struct vh_git support_git;

/* How many times git was started so far, by this process. */
unsigned support_git_runs(void);

#endif
