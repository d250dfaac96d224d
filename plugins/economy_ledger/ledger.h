/* SPDX-License-Identifier: Apache-2.0 */
/* Prices in integer micro-units: the worst case before the work, the cost after it. Pure: no host,
 * no JSON, no clock. Sums that leave the range are refused, never wrapped. Read next:
 * economy_ledger.c. */
#ifndef ECONOMY_LEDGER_LEDGER_H
#define ECONOMY_LEDGER_LEDGER_H

#include <viv/viv.h>

/* Most that one hold may be; the bound of the interface's answers. */
#define LEDGER_MICRO_MAX INT64_C(1000000000000)

/* Most tokens of one kind that one call to a model may have. */
#define LEDGER_TOKENS_MAX INT64_C(1000000000)

/* Tokens are counted and priced by kind; a token is of one kind only. */
enum ledger_kind {
    LEDGER_INPUT,
    LEDGER_CACHED,
    LEDGER_CACHE_WRITE,
    LEDGER_OUTPUT,
    LEDGER_KINDS,
};

/* How many tokens of each kind; as a price: micro-units for a million of them. Never negative. */
struct ledger_tokens {
    int64_t of[LEDGER_KINDS];
};

struct ledger_date {
    int32_t year;
    int32_t month; /* 1 to 12 */
    int32_t day;   /* 1 to 31 */
};

/* Last microsecond of the year 9999. */
#define LEDGER_NOW_MAX INT64_C(253402300799999999)

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

/* Price of a call that had these tokens, rounded up once; -1 when that is above LEDGER_MICRO_MAX. */
int64_t ledger_call_micro(const struct ledger_tokens *price, const struct ledger_tokens *tokens);

/* Most that a call may cost: the input is charged at the dearest of its three prices, since nobody
 * knows beforehand what of it the provider has kept. */
viv_status ledger_worst_call(const struct ledger_tokens *price, int64_t input_tokens,
                             int64_t output_tokens, int64_t *ret_micro, struct viv_error *err);

/* UTC day of a time from 0 to LEDGER_NOW_MAX, by arithmetic: libc would ask for the machine's time
 * zone. */
struct ledger_date ledger_date_of(int64_t now_us);

#endif
