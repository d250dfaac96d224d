/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins a host has loaded, by what they are asked. */
#ifndef VH_PLUGINS_H
#define VH_PLUGINS_H

#include "load/plugin.h"

struct vh_runner_plan;

#define VH_RUN_GATES_MAX 16
#define VH_RUN_MODELS_MAX 8 /* plugins, one for each wire */

struct vh_run_gate {
    const struct vh_plugin *plugin; /* with a plan: who it is, without a table */
    struct vh_runner_plan *plan;    /* asked in a process of its own, see outside.h; NULL: in the host's */
    const char *key;                /* of its runners */
};

/* The plugins by what they are asked. NULL or 0: none is there. */
struct vh_run_plugins {
    const struct vh_plugin *safety;
    const struct vh_plugin *economy;
    const struct vh_plugin *decompose;
    const struct vh_plugin *critic;
    const struct vh_plugin *executor; /* of commands that came with a task */
    const struct vh_plugin *goals;    /* an executor of tasks that came without one */
    const struct vh_plugin *models[VH_RUN_MODELS_MAX];
    uint32_t model_count;
    struct vh_run_gate gates[VH_RUN_GATES_MAX];
    uint32_t gate_count;
};

#endif
