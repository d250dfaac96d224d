/* SPDX-License-Identifier: Apache-2.0 */
/* The system-call filters of zygote and runners; gen_filter.c says what each holds. Once on, for ever. */
#ifndef VH_RUNNER_FILTER_H
#define VH_RUNNER_FILTER_H

/* Stands in the generated arrays for the process's own id, which is put there when a filter goes on. */
#define VH_FILTER_PID 0x7f564950u

enum vh_filter_kind { VH_FILTER_BASE, VH_FILTER_MAPPING, VH_FILTER_WARM, VH_FILTER_FOLDER };

/* For all threads of the process. 0, or -1 with errno; no_new_privs must be set. */
int vh_filter_enter(enum vh_filter_kind kind);

#endif
