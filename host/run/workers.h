/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads of the host that owns the home. Each holds at most one task; a person's cancel reaches it by a
 * flag. */
#ifndef VH_WORKERS_H
#define VH_WORKERS_H

#include "run/run.h"

#define VH_WORKERS_MAX 64

struct vh_workers;

viv_status vh_workers_start(struct vh_run *run, struct vh_arena *arena, int count, struct vh_workers **ret_workers,
                            struct viv_error *err);
/* No new task is taken; what runs goes on. Does not wait. */
void vh_workers_pause(struct vh_workers *workers);
/* What runs is stopped too, by its class infrastructure: no attempt is used. Does not wait. After vh_workers_pause. */
void vh_workers_hurry(struct vh_workers *workers);
/* After vh_workers_pause: no thread has or takes a task any more. */
bool vh_workers_ended(struct vh_workers *workers);
/* Ids of the tasks that were in hand when vh_workers_pause came. Whole once vh_workers_ended. */
struct vh_json *vh_workers_last(struct vh_workers *workers, struct vh_arena *arena);
/* No new task is taken; with `now` what runs is cancelled too. Waits for the threads. */
void vh_workers_stop(struct vh_workers *workers, bool now);
/* Stop what runs for this task, if anything does. */
void vh_workers_cancel(struct vh_workers *workers, struct viv_str task);
/* Stop what runs now, by its class infrastructure. What is claimed later is no matter of it. */
void vh_workers_interrupt(struct vh_workers *workers);
/* How many hold a task. */
int vh_workers_busy(struct vh_workers *workers);
/* [{"name","pid","task","since_us"}] */
struct vh_json *vh_workers_list(struct vh_workers *workers, struct vh_arena *arena);

#endif
