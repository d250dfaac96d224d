/* SPDX-License-Identifier: Apache-2.0 */
/* Named steps and their refusal. Read step.h first. */
#include "step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEP_NAME(number, name) [STEP_##number] = name,
static const char *const names[] = {STEPS(STEP_NAME)};
#undef STEP_NAME

static enum step failing = STEP_COUNT;

const char *
step_name(enum step step)
{
    return step < STEP_COUNT ? names[step] : "unknown";
}

enum step
step_find(const char *name)
{
    size_t i = 0;
    while (i < STEP_COUNT && strcmp(names[i], name) != 0) {
        i++;
    }
    return (enum step)i;
}

void
step_fail_at(enum step step)
{
    failing = step;
}

bool
step_fails(enum step step)
{
    if (step != failing) {
        return false;
    }
    errno = EPERM;
    return true;
}

int
step_refuse(struct vw_reply *reply, enum step step, const char *detail)
{
    if (reply->error == 0) {
        reply->error = errno ? errno : EIO;
        snprintf(reply->step, sizeof reply->step, "%s", step_name(step));
        snprintf(reply->detail, sizeof reply->detail, "%s", detail ? detail : "");
    }
    return -1;
}
