/* SPDX-License-Identifier: Apache-2.0 */
/* A conflict as an answer: every path with both versions, and a digest that an approval is bound to. */
#ifndef VH_CONFLICT_H
#define VH_CONFLICT_H

#include "run/run.h"

void vh_conflict_set(struct vh_work *work, struct vh_json *data, const struct vh_conflicts *conflicts,
                     const char *text);

#endif
