/* SPDX-License-Identifier: Apache-2.0 */
/* Which model a task's work goes to. Rules in a fixed order, the first that applies decides; no
 * state, so the same request and policy give the same model. */
#ifndef ECONOMY_LEDGER_CHOICE_H
#define ECONOMY_LEDGER_CHOICE_H

#include <tree.h>

#include "goal.h"

struct choice {
    struct goal goal;
    const char *model; /* a text of the policy */
    const char *rule;
    char reason[512];
};

/* VIV_E_NOT_FOUND: no such model or tier, or none is configured; VIV_E_DENIED: the policy does not
 * allow the one that was asked for. */
viv_status choice_make(const struct json_t *request, const struct json_t *policy, struct choice *ret_choice,
                       struct viv_error *err);

#endif
