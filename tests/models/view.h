/* SPDX-License-Identifier: Apache-2.0 */
/* The core's view of the state for a model checker: a whole state is one number. Every row is kept once, in the
 * canonical text in which the store keeps it, and a state is the list of its rows, kept once too; so two states have
 * the same number exactly when all their rows are the same. Nothing is hashed away, nothing is ever removed. */
#ifndef MODELS_VIEW_H
#define MODELS_VIEW_H

#include "core/ask.h"
#include "core/step.h"

/* A text by number, from 1; the same text has the same number. 0 is the empty text. */
int view_text(const char *text);
const char *view_text_of(int number);

/* The state without a row is 0. */

/* What an event said, as far as a check asks for it: texts by number. */
struct view_event {
    const char *kind;
    int32_t task, from, phase, effect, reason;
    int32_t micro; /* -1 when it names none */
};

/* One command in state `view` through the core's step: kind, task and data written by hand. The step is pure, so it is
 * made once for each state and command; what it gave lives for ever. */
struct view_result {
    viv_status status;
    int view; /* the state after it; the one before after a refusal */
    int text; /* of a refusal */
    uint32_t count;
    const struct view_event *events;
};

/* Claims are made at `later_us`, everything else at `time_us`: the core compares times in a claim only. */
void view_times(int64_t time_us, int64_t later_us);
const struct view_result *view_step(int view, const char *kind, const char *task, const char *json);

/* NULL when there is none; lives for ever. */
const struct vh_task *view_task(int view, const char *id);
/* All 0 when it is unknown. */
struct vh_scope view_scope(int view, const char *name);
/* What is wanted of a task; lives until the next call of this function or of view_step. */
struct vh_ask view_ask(int view, const char *id);

#endif
