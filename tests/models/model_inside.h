/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the model: what model.c (who does what) and model_check.c (what must hold) share. */
#ifndef MODELS_MODEL_INSIDE_H
#define MODELS_MODEL_INSIDE_H

#include "model.h"
#include "view.h"

#define MODEL_COST 10 /* the estimate of every task */

extern struct model_config model_config;
extern const char *model_ids[MODEL_TASKS_MAX];

/* Say what is wrong, once; the search then ends. */
void model_break(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With MODEL_TRACE set: one line of what happens. */
void model_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The task of an id, or -1. */
int model_number(const char *id);
const struct vh_task *model_task(const struct model *m, int task);

/* A command was taken; `before` is the state it met. */
void model_check_step(struct model *m, const char *kind, const char *task, int before,
                      const struct view_result *result);
/* A worker has moved the line. */
void model_check_publication(struct model *m, int task);
/* Give a command; whether it was taken. `*ret_status` may be NULL: then the core must take it. */
bool model_give(struct model *m, const char *kind, const char *task, const char *json, viv_status *ret_status);
/* A worker speaks: the core must refuse it when its lease is over. Afterwards it knows what is wanted next, or that it
 * holds nothing. */
bool model_speak(struct model *m, int worker, const char *kind, const char *json);
/* The end of every step: who holds what now, and whether all of it is as it must be. */
void model_settle(struct model *m);
bool model_may(const struct model *m, int kind);

/* The parts of a publication and of a rollback; false: that stage is none of theirs, an answer is due. */
bool model_effect(struct model *m, int worker, int choice);
bool model_effect_may_fail(const struct model *m, int worker, bool infrastructure);

/* Of every state. */
void model_check_state(struct model *m);

#endif
