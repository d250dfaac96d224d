/* SPDX-License-Identifier: Apache-2.0 */
/* The git program, run by the launcher like every other process. */
#ifndef VH_GIT_TOOL_H
#define VH_GIT_TOOL_H

#include "run/git.h"
#include "run/launcher.h"

void vh_git_tool_init(struct vh_git *git, struct vh_launcher *launcher);

#endif
