/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the policy in force. That is one compiled policy or an array of them, the user's first;
 * the smallest limit and the strictest mode count. Read next: bill.h. */
#ifndef ECONOMY_LEDGER_POLICY_H
#define ECONOMY_LEDGER_POLICY_H

#include <stddef.h>
#include <tree.h>

/* What a limit is that nobody set. */
#define POLICY_NO_LIMIT INT64_MAX

/* How much of an answer that was asked for is paid for beforehand; see bill_call(). Strictest
 * first. */
enum policy_holds {
    POLICY_STRICT,
    POLICY_EXPECTED,
    POLICY_BORROW,
};

size_t policy_layers(const struct json_t *policy);
const struct json_t *policy_layer(const struct json_t *policy, size_t at);

/* `fallback` when no layer sets it. */
viv_status policy_limit(const struct json_t *policy, const char *name, int64_t fallback,
                        int64_t *ret_limit, struct viv_error *err);

/* Strict when no layer names a mode. */
viv_status policy_holds(const struct json_t *policy, enum policy_holds *ret_holds, struct viv_error *err);

#endif
