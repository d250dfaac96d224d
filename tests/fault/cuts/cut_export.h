/* SPDX-License-Identifier: Apache-2.0 */
/* The exported log of a store whose power is cut: a file beside it, in a folder that loses its
 * power at the same moment. What is written into it must never be more than the store knows
 * afterwards. */
#ifndef FAULT_CUT_EXPORT_H
#define FAULT_CUT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "keep/store.h"

void cut_export_init(void);
void cut_export_end(void);

/* A file as after a clean end of `store`; NULL: none yet. From now on it is written down what
 * happens to it. */
void cut_export_begin(struct vh_store *store);
/* Whose log is exported, after each commit; NULL: nobody's. Called before the sequencer starts and
 * after it stopped. */
void cut_export_follow(struct vh_store *store);
/* The seam's member. */
void cut_export_place(void *data, const char *name);
/* After the cut: the file is brought up to date with `store` and has a line for each event. */
bool cut_export_check(struct vh_store *store, uint64_t seed, int64_t events, struct viv_error *err);

#endif
