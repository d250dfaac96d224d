/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up steps have names (steps.h). Each is guarded as `if (step_fails(STEP_NETNS) || unshare(...))
 * return step_refuse(...)`, so that a test can make any of them fail and see that nothing runs.
 * Failing is all that the switch can do. */
#ifndef VL_STEP_H
#define VL_STEP_H

#include <stdbool.h>
#include "steps.h"
#include "wire.h"

#define STEP_NUMBER(number, name) STEP_##number,
enum step { STEPS(STEP_NUMBER) STEP_COUNT };
#undef STEP_NUMBER

const char *step_name(enum step step); /* "unknown" for STEP_COUNT */
enum step step_find(const char *name); /* STEP_COUNT: there is none */

/* Once, from the command line, before the first request. */
void step_fail_at(enum step step);

/* True, with errno EPERM, for the step named on the command line. */
bool step_fails(enum step step);

/* Note step, errno and detail (may be NULL) in `reply`, unless one is noted already. Returns -1. */
int step_refuse(struct vw_reply *reply, enum step step, const char *detail);

#endif
