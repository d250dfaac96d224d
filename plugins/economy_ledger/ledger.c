/* SPDX-License-Identifier: Apache-2.0 */
/* A started second counts whole, so that a hold for the time limit is never less than a settlement
 * within it. */
#include "ledger.h"

#include <stddef.h>
#include <tree.h>

#define SECOND_NS INT64_C(1000000000)

static int64_t
started_seconds(int64_t time_ns)
{
    return time_ns / SECOND_NS + (time_ns % SECOND_NS > 0);
}

/* base + count * price, or -1 when that leaves the range. */
static int64_t
price(int64_t base_micro, int64_t count, int64_t each_micro)
{
    int64_t product = 0;
    int64_t sum = 0;
    if (__builtin_mul_overflow(count, each_micro, &product) ||
        __builtin_add_overflow(product, base_micro, &sum)) {
        return -1;
    }
    return sum > LEDGER_MICRO_MAX ? -1 : sum;
}

viv_status
ledger_worst_task(const struct ledger_prices *prices, int64_t time_ns, int64_t *ret_micro,
                  struct viv_error *err)
{
    if (time_ns <= 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "ledger",
                             "time limit is %lld ns, allowed 1 and more", (long long)time_ns);
    }
    int64_t micro = price(prices->base_micro, started_seconds(time_ns), prices->second_micro);
    if (micro < 0) {
        return viv_tree_fail(err, VIV_E_LIMIT, "ledger",
                             "worst case of %lld seconds at %lld micro-units each is above %lld, "
                             "the most one hold may "
                             "be; lower limits.time or option 'per_second'",
                             (long long)started_seconds(time_ns), (long long)prices->second_micro,
                             (long long)LEDGER_MICRO_MAX);
    }
    *ret_micro = micro;
    return VIV_OK;
}

/* Take up to what is left. A part out of range takes all that is left: pessimistic, and never above
 * the hold. */
static int64_t
take(int64_t *left_micro, int64_t wanted_micro)
{
    int64_t taken = wanted_micro < 0 || wanted_micro > *left_micro ? *left_micro : wanted_micro;
    *left_micro -= taken;
    return taken;
}

viv_status
ledger_settle(const struct ledger_prices *prices, const struct ledger_usage *usage,
              int64_t held_micro, struct ledger_cost *ret_cost, struct viv_error *err)
{
    const struct {
        const char *name;
        int64_t value;
    } parts[] = {
        {"wall_ns", usage->wall_ns},
        {"effects", usage->effects},
        {"model_micro", usage->model_micro},
        {"held_micro", held_micro},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].value < 0) {
            return viv_tree_fail(err, VIV_E_INVALID, "ledger", "'%s' is %lld, allowed 0 and more",
                                 parts[i].name, (long long)parts[i].value);
        }
    }
    if (held_micro > LEDGER_MICRO_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "ledger",
                             "'held_micro' is %lld, allowed 0 to %lld", (long long)held_micro,
                             (long long)LEDGER_MICRO_MAX);
    }
    if (!usage->wall_ns && !usage->effects && !usage->model_micro) {
        *ret_cost = (struct ledger_cost){0, 0, 0}; /* nothing was started, so not even the base */
        return VIV_OK;
    }
    int64_t left = held_micro;
    ret_cost->model_micro = take(&left, usage->model_micro);
    ret_cost->effects_micro = take(&left, price(0, usage->effects, prices->effect_micro));
    ret_cost->work_micro = take(
        &left, price(prices->base_micro, started_seconds(usage->wall_ns), prices->second_micro));
    return VIV_OK;
}
