/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up steps have names. Each is guarded as `if (step_fails("netns") || unshare(...)) return
 * step_refuse(...)`, so that a test can make any of them fail and see that nothing runs. Failing is
 * all that the switch can do. */
#ifndef VL_STEP_H
#define VL_STEP_H

#include <stdbool.h>
#include "wire.h"

/* Once, from the command line, before the first request; `name` stays with the caller. */
void step_fail_at(const char *name);

/* True, with errno EPERM, for the step named on the command line. */
bool step_fails(const char *name);

/* Note step, errno and detail (may be NULL) in `reply`, unless one is noted already. Returns -1. */
int step_refuse(struct vw_reply *reply, const char *step, const char *detail);

#endif
