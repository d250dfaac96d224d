/* SPDX-License-Identifier: Apache-2.0 */
/* What a piece of work may cost and which accounts it draws on. */
#ifndef ECONOMY_LEDGER_BILL_H
#define ECONOMY_LEDGER_BILL_H

#include <stddef.h>
#include <tree.h>

#include "ledger.h"

#define BILL_ACCOUNTS_MAX 5

struct bill_account {
    char name[VIV_ID_MAX + 16];
    int64_t limit_micro;
};

struct bill {
    int64_t worst_micro;
    int64_t output_tokens; /* of a call to a model; else 0 */
    int64_t output_tokens_min;
    struct bill_account accounts[BILL_ACCOUNTS_MAX];
    size_t account_count;
};

/* What counts where the policy is silent. */
struct bill_defaults {
    struct ledger_prices prices;
    int64_t time_ns;
    int64_t task_micro;
    int64_t home_micro;
};

viv_status bill_make(const struct bill_defaults *defaults, const struct json_t *work, const struct json_t *policy,
                     struct bill *ret_bill, struct viv_error *err);

#endif
