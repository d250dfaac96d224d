/* SPDX-License-Identifier: Apache-2.0 */
/* Prices in integer micro-units: the worst case before the work, the cost after it. Pure: no host,
 * no JSON, no clock. Sums that leave the range are refused, never wrapped. Read next:
 * economy_ledger.c. */
#ifndef ECONOMY_LEDGER_LEDGER_H
#define ECONOMY_LEDGER_LEDGER_H

#include <viv/viv.h>

/* Most that one hold may be; the bound of the interface's answers. */
#define LEDGER_MICRO_MAX INT64_C(1000000000000)

struct ledger_prices {
    int64_t base_micro;
    int64_t second_micro;
    int64_t effect_micro;
};

struct ledger_usage {
    int64_t wall_ns;
    int64_t effects;
    int64_t model_micro;
};

/* What was used, part by part; the parts add up to the cost and never to more than was held. */
struct ledger_cost {
    int64_t model_micro;
    int64_t effects_micro;
    int64_t work_micro;
};

/* Worst case of a task that may run for `time_ns`: base and every started second. */
viv_status ledger_worst_task(const struct ledger_prices *prices, int64_t time_ns,
                             int64_t *ret_micro, struct viv_error *err);

/* Cost of what was used, cut at `held_micro`: paid outside first (model), then effects, then the
 * work itself. No use at all costs nothing: the work was not started. */
viv_status ledger_settle(const struct ledger_prices *prices, const struct ledger_usage *usage,
                         int64_t held_micro, struct ledger_cost *ret_cost, struct viv_error *err);

#endif
