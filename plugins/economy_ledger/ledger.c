/* SPDX-License-Identifier: Apache-2.0 */
/* A started second counts whole, so that a hold for the time limit is never less than a settlement
 * within it. */
#include "ledger.h"

#include <stddef.h>
#include <tree.h>

#define SECOND_NS INT64_C(1000000000)
#define DAY_US INT64_C(86400000000)
#define PRICED_TOKENS INT64_C(1000000)

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

/* A sum that leaves int64_t is, by a million, still above LEDGER_MICRO_MAX, so no wider type is
 * needed to be exact below it. */
int64_t
ledger_call_micro(const struct ledger_tokens *price, const struct ledger_tokens *tokens)
{
    int64_t sum = 0;
    for (size_t kind = 0; kind < LEDGER_KINDS; kind++) {
        int64_t product = 0;
        if (__builtin_mul_overflow(price->of[kind], tokens->of[kind], &product) ||
            __builtin_add_overflow(sum, product, &sum)) {
            return -1;
        }
    }
    int64_t micro = sum / PRICED_TOKENS + (sum % PRICED_TOKENS > 0);
    return micro > LEDGER_MICRO_MAX ? -1 : micro;
}

viv_status
ledger_worst_call(const struct ledger_tokens *price, int64_t input_tokens, int64_t output_tokens,
                  int64_t *ret_micro, struct viv_error *err)
{
    struct ledger_tokens tokens = {{0}};
    struct ledger_tokens dearest = *price;
    for (size_t kind = LEDGER_CACHED; kind <= LEDGER_CACHE_WRITE; kind++) {
        if (price->of[kind] > dearest.of[LEDGER_INPUT]) {
            dearest.of[LEDGER_INPUT] = price->of[kind];
        }
    }
    tokens.of[LEDGER_INPUT] = input_tokens;
    tokens.of[LEDGER_OUTPUT] = output_tokens;
    int64_t micro = ledger_call_micro(&dearest, &tokens);
    if (micro < 0) {
        return viv_tree_fail(
            err, VIV_E_LIMIT, "ledger",
            "worst case of %lld tokens in and %lld out is above %lld micro-units, the most one "
            "hold may be; lower what is sent, the model's 'output' or its price",
            (long long)input_tokens, (long long)output_tokens, (long long)LEDGER_MICRO_MAX);
    }
    *ret_micro = micro;
    return VIV_OK;
}

static int32_t
days_of_year(int32_t year)
{
    return 365 + ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
}

struct ledger_date
ledger_date_of(int64_t now_us)
{
    static const int32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t days = (int32_t)(now_us / DAY_US);
    struct ledger_date date = {1970, 1, 1};
    for (; days >= days_of_year(date.year); date.year++) {
        days -= days_of_year(date.year);
    }
    for (;; date.month++) {
        int32_t length = lengths[date.month - 1];
        if (date.month == 2) {
            length += days_of_year(date.year) - 365;
        }
        if (days < length || date.month == 12) {
            break;
        }
        days -= length;
    }
    date.day = days + 1;
    return date;
}
