/* SPDX-License-Identifier: Apache-2.0 */
/* From an inspected plugin file to the plan of its runner. The bytes stay the file's; sealing them into a memory file
 * (vh_map_seal) and closing it is the caller's. */
#ifndef VH_RUNNER_PLAN_H
#define VH_RUNNER_PLAN_H

#include "load/plugin.h"
#include "runner.h"

/* `root_fd` is the folder of the call, or -1; it is granted only when the manifest asks for it (else the plan is for
 * a warm runner). `settings_json` as for vh_options_fill. `ret_key` names what may share a runner: digest of the
 * bytes and of the settings. All in `arena`; ret_plan->plugin_fd is -1 and the caller's to set. VIV_E_INVALID names
 * the option; VIV_E_UNSUPPORTED an interface this host does not know; VIV_E_MEMORY. */
viv_status vh_runner_plan_fill(struct vh_arena *arena, const struct vh_plugin_file *file,
                               struct viv_str settings_json, int root_fd, struct vh_runner_plan *ret_plan,
                               const char **ret_key, struct viv_error *err);

#endif
