/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "ledger.h"

#define MILLION INT64_C(1000000)
#define DAY_US INT64_C(86400000000)

struct part {
    const char *name;
    int64_t *place;
};

/* An object with these members and no other, each an integer of 0 to `most`. */
static viv_status
read_parts(const json_t *object, const char *what, const struct part *parts, size_t count, int64_t most,
           struct viv_error *err)
{
    if (!json_is_object(object)) {
        return viv_tree_fail(err, VIV_E_INVALID, what, "%s is missing or no object: nothing without it is priced", what);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, parts[i].name);
        int64_t number = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
        if (number < 0 || number > most) {
            return viv_tree_fail(err, VIV_E_INVALID, what, "'%s' of %s is missing or out of range, allowed: 0 to %lld",
                                 parts[i].name, what, (long long)most);
        }
        *parts[i].place = number;
    }
    if (json_object_size(object) != count) {
        return viv_tree_fail(err, VIV_E_INVALID, what, "%s has members that nobody priced, allowed: %s, %s, %s, %s", what,
                             parts[0].name, parts[1].name, parts[2].name, parts[3].name);
    }
    return VIV_OK;
}

viv_status
models_read_price(const struct json_t *price, struct models_price *ret_price, struct viv_error *err)
{
    const struct part parts[] = {{"input_micro", &ret_price->input},
                                 {"cached_micro", &ret_price->cached},
                                 {"cache_write_micro", &ret_price->cache_write},
                                 {"output_micro", &ret_price->output}};
    return read_parts(price, "the price", parts, 4, LEDGER_MICRO_MAX, err);
}

/* sum + tokens * price, in millionths of micro-units; 0 when it leaves the range. */
static int
add(int64_t tokens, int64_t price, int64_t *sum)
{
    int64_t product = 0;
    return !__builtin_mul_overflow(tokens, price, &product) && !__builtin_add_overflow(*sum, product, sum);
}

/* Rounded up: a call that used something costs something. */
static viv_status
in_micro(int64_t millionths, int good, int64_t *ret_micro, struct viv_error *err)
{
    int64_t micro = good ? millionths / MILLION + (millionths % MILLION > 0) : 0;
    if (!good || micro > LEDGER_MICRO_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "ledger", "a call's price is above %lld micro-units, the most one hold may "
                             "be; ask for fewer tokens", (long long)LEDGER_MICRO_MAX);
    }
    *ret_micro = micro;
    return VIV_OK;
}

viv_status
models_worst(const struct models_price *price, int64_t input_tokens, int64_t output_tokens, int64_t *ret_micro,
             struct viv_error *err)
{
    int64_t dearest = price->input > price->cached ? price->input : price->cached;
    int64_t sum = 0;
    dearest = dearest > price->cache_write ? dearest : price->cache_write;
    if (input_tokens < 0 || input_tokens > MODELS_TOKENS_MAX || output_tokens < 1 ||
        output_tokens > MODELS_TOKENS_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "work", "a call of %lld and %lld tokens, allowed: 0 to %lld and 1 to %lld",
                             (long long)input_tokens, (long long)output_tokens, (long long)MODELS_TOKENS_MAX,
                             (long long)MODELS_TOKENS_MAX);
    }
    int good = add(input_tokens, dearest, &sum) && add(output_tokens, price->output, &sum);
    return in_micro(sum, good, ret_micro, err);
}

viv_status
models_cost(const struct models_price *price, const struct json_t *tokens, int64_t *ret_micro, struct viv_error *err)
{
    struct models_price used = {0, 0, 0, 0};
    const struct part parts[] = {{"input_tokens", &used.input},
                                 {"cached_tokens", &used.cached},
                                 {"cache_write_tokens", &used.cache_write},
                                 {"output_tokens", &used.output}};
    int64_t sum = 0;
    viv_status status = read_parts(tokens, "the usage", parts, 4, MODELS_TOKENS_MAX, err);
    int good = status == VIV_OK && add(used.input, price->input, &sum) && add(used.cached, price->cached, &sum) &&
               add(used.cache_write, price->cache_write, &sum) && add(used.output, price->output, &sum);
    return status ? status : in_micro(sum, good, ret_micro, err);
}

void
models_output(struct viv_str mode, int64_t asked, int64_t expected, int64_t *ret_tokens, int64_t *ret_min)
{
    int64_t least = expected > MODELS_EXPECTED_MIN ? expected : MODELS_EXPECTED_MIN;
    least = least < asked ? least : asked;
    *ret_tokens = viv_kit_is(mode, "expected") ? least : asked;
    *ret_min = viv_kit_is(mode, "expected") || viv_kit_is(mode, "borrow") ? least : asked;
}

/* The civil date of a day counted from 1970, Gregorian for ever. */
void
models_window(int64_t now_us, uint32_t month, char *text)
{
    int64_t days = now_us / DAY_US - (now_us % DAY_US < 0);
    int64_t shifted = days + 719468; /* from 0000-03-01, so that a leap day is a year's last */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t number = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    int64_t year = year_of_era + era * 400 + (number <= 2);
    if (month) {
        (void)snprintf(text, MODELS_WINDOW_BYTES, "home:month:%04d-%02d", (int)(year % 10000), (int)number);
    } else {
        (void)snprintf(text, MODELS_WINDOW_BYTES, "home:day:%04d-%02d-%02d", (int)(year % 10000), (int)number, (int)day);
    }
}
