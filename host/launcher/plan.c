/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of an OPEN request; every path is checked to be what the set-up relies on. Layout:
 * wire.h. */
#include "plan.h"

#include <errno.h>
#include <string.h>

static void
read_lists(struct body *body, struct plan *plan)
{
    plan->lower_count = body_count(body, VW_LOWERS_MAX);
    for (size_t i = 0; i < plan->lower_count; i++) {
        plan->lowers[i] = body_text(body);
    }
    plan->bind_count = body_count(body, VW_BINDS_MAX);
    for (size_t i = 0; i < plan->bind_count; i++) {
        struct plan_bind *bind = &plan->binds[i];
        bind->source = body_text(body);
        bind->target = body_text(body);
        bind->writable = body_number(body) != 0;
        bind->tree = -1;
    }
}

/* No empty part, no "." and no ".." in a target: it is walked part by part. */
static bool
target_ok(const char *target)
{
    const char *at = *target == '/' ? target + 1 : target;
    if (!*at || strlen(at) > 4000) {
        return false;
    }
    while (*at) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        at += len;
        if (*at == '/' && !*++at) {
            return false;
        }
    }
    return true;
}

static bool
paths_ok(const struct plan *plan)
{
    if (plan->scratch[0] != '/') {
        return false;
    }
    if (plan->variant == VW_REDUCED_COPY
            ? plan->copy[0] != '/'
            : plan->upper[0] != '/' || plan->work[0] != '/' || !plan->lower_count) {
        return false;
    }
    for (size_t i = 0; i < plan->lower_count; i++) {
        if (plan->lowers[i][0] != '/') {
            return false;
        }
    }
    for (size_t i = 0; i < plan->bind_count; i++) {
        if (plan->binds[i].source[0] != '/' || !target_ok(plan->binds[i].target)) {
            return false;
        }
    }
    return true;
}

int
plan_read(const struct message *message, struct plan *ret_plan)
{
    memset(ret_plan, 0, sizeof *ret_plan);
    struct body *body = &ret_plan->body;
    if (body_map(message, body)) {
        return -1;
    }
    ret_plan->variant = (enum vw_variant)body_count(body, VW_REDUCED_COPY);
    ret_plan->minimum = (uint32_t)body_number(body);
    ret_plan->cpu_s = body_number(body);
    ret_plan->memory_bytes = body_number(body);
    ret_plan->processes = body_number(body);
    ret_plan->files_open = body_number(body);
    ret_plan->file_bytes = body_number(body);
    ret_plan->tmp_bytes = body_number(body);
    ret_plan->door = body_number(body) != 0;
    ret_plan->upper = body_text(body);
    ret_plan->work = body_text(body);
    ret_plan->scratch = body_text(body);
    ret_plan->copy = body_text(body);
    read_lists(body, ret_plan);
    if (body->failed || ret_plan->variant == VW_AUTO || !paths_ok(ret_plan)) {
        body_unmap(body);
        errno = EINVAL;
        return -1;
    }
    return 0;
}
