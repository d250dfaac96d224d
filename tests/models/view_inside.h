/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the view: what view_rows.c (rows, states, getters and putters) and view.c (steps) share. */
#ifndef MODELS_VIEW_INSIDE_H
#define MODELS_VIEW_INSIDE_H

#include "view.h"

enum view_table { VIEW_TASKS, VIEW_SCOPES, VIEW_EFFECTS, VIEW_FACTS, VIEW_EDGES };

/* What no search can go on after. */
void view_die(const char *why) __attribute__((noreturn));
int view_text_from(struct viv_str text);

/* The state under way, which the getters and putters are about: from a number, and to one. */
extern const struct vh_state_ops view_ops;
void view_load(int view);
int view_save(void);

/* The row of a key in a state, 0 when there is none; what was read of it is kept. */
int view_row(int view, enum view_table table, const char *key);
const struct vh_task *view_task_of_row(int row);
const struct vh_scope *view_scope_of_row(int row);

#endif
