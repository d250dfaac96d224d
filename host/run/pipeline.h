/* SPDX-License-Identifier: Apache-2.0 */
/* One table: what the core asks -> which handler. The order of the stages is the core's; here is none. A handler gets
 * the opinion or performs the effect, posts the answer, and never branches on what the answer was. */
#ifndef VH_PIPELINE_H
#define VH_PIPELINE_H

#include "run/run.h"
#include <viv_interfaces.h>

/* How others see what a worker does and tell it to stop. All but `cancel` may be NULL. */
struct vh_pipeline_watch {
    atomic_uint *cancel; /* not zero: stop what runs */
    char *task;          /* the task's id, "" when there is none; guarded by `lock` */
    size_t task_room;
    pthread_mutex_t *lock;
    int64_t *since_us;
};

/* Claim one task (`task` empty: the next) and work on it until nothing more is wanted of it. VIV_E_NOT_FOUND when there
 * is nothing to claim. */
viv_status vh_pipeline_claim(struct vh_run *run, struct viv_str worker, struct viv_str task,
                             const struct vh_pipeline_watch *watch, struct viv_error *err);

viv_status vh_ask_intake(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_plan(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_safety(struct vh_work *work, struct viv_error *err);
/* The safety plugin's word about the task in work->ask, and what it was shown. */
viv_status vh_ask_judge_task(struct vh_work *work, struct viv_str *ret_task,
                             struct viv_safety_judge_task_answer *ret_answer, struct viv_error *err);
viv_status vh_ask_budget(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_route(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_base(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_execute(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_freeze(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_gate(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_integrate(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_review(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_publish(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_settle(struct vh_work *work, struct viv_error *err);
/* "used_micro" of an answer after which a person may end the task: the price of what this claim used. It is left out
 * when nobody can say. */
void vh_ask_used(struct vh_work *work, struct vh_json *data);
viv_status vh_ask_rollback(struct vh_work *work, struct viv_error *err);
viv_status vh_ask_follow(struct vh_work *work, struct viv_error *err);

#endif
