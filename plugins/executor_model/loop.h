/* SPDX-License-Identifier: Apache-2.0 */
/* One run: ask the model, do what it asks for, tell it what came of it, until it is done or a bound is reached. */
#ifndef EXECUTOR_MODEL_LOOP_H
#define EXECUTOR_MODEL_LOOP_H

#include "door.h"
#include "result.h"

struct executor_model_config;
struct talk_task;

/* Denied effects, cut answers in a row, and answers without a tool call in a row that end a run. */
#define LOOP_DENIED_MAX 5
#define LOOP_CUT_MAX 3
#define LOOP_SILENT_MAX 2

/* Fills `result`, which is open; its summary is there when this worked. */
viv_status loop_run(const struct executor_model_config *config, struct door *door, const struct talk_task *about,
                    struct result *result, struct viv_error *err);

#endif
