/* SPDX-License-Identifier: Apache-2.0 */
/* Named steps and their refusal. Read step.h first. */
#include "step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *failing;

void
step_fail_at(const char *name)
{
    failing = name;
}

bool
step_fails(const char *name)
{
    if (!failing || strcmp(failing, name) != 0) {
        return false;
    }
    errno = EPERM;
    return true;
}

int
step_refuse(struct vw_reply *reply, const char *step, const char *detail)
{
    if (reply->error == 0) {
        reply->error = errno ? errno : EIO;
        snprintf(reply->step, sizeof reply->step, "%s", step);
        snprintf(reply->detail, sizeof reply->detail, "%s", detail ? detail : "");
    }
    return -1;
}
