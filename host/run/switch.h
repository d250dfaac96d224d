/* SPDX-License-Identifier: Apache-2.0 */
/* The switch of core/step_switch.c as the host obeys it: what the log says stands in `held` and `halted` of the run,
 * and a halt ends what is in hand. The files HALT and PAUSE in the home, by whose hand ever, set it too, also on a host
 * that answers nobody; they are looked at all the time, and only `resume` clears it. */
#ifndef VH_SWITCH_H
#define VH_SWITCH_H

#include "run/control.h"

/* As it was left. Before any worker starts. */
viv_status vh_switch_load(struct vh_run *run, struct viv_error *err);
/* After `switch.set` was recorded. */
void vh_switch_obey(struct vh_control *control, struct viv_str state);
/* Look for the files. Some times each second, by one thread. */
void vh_switch_look(struct vh_control *control);
/* The host itself holds all work: something went wrong too often. */
void vh_switch_trip(struct vh_run *run, struct vh_arena *arena, const char *note);
/* Before it is set to "run": else they would set it again. */
viv_status vh_switch_remove_files(struct vh_run *run, struct viv_error *err);

#endif
