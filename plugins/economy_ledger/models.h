/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to models: what one may cost at most, what one did cost, and which model work goes to. Plain functions over
 * parsed documents; money in micro-units, prices in micro-units for a million tokens. */
#ifndef ECONOMY_LEDGER_MODELS_H
#define ECONOMY_LEDGER_MODELS_H

#include <viv/viv.h>

struct json_t;

#define MODELS_TOKENS_MAX INT64_C(1000000000)
#define MODELS_WINDOW_BYTES 64
#define MODELS_EXPECTED_MIN INT64_C(256) /* tokens: what an answer is expected to have at least */

struct models_price {
    int64_t input, cached, cache_write, output;
};

/* Every member is there, an integer of 0 and more, and no other is: what has no price is never free. */
viv_status models_read_price(const struct json_t *price, struct models_price *ret_price, struct viv_error *err);

/* The most a call can cost: every token of the input at the dearest of its prices. VIV_E_INVALID, VIV_E_LIMIT. */
viv_status models_worst(const struct models_price *price, int64_t input_tokens, int64_t output_tokens,
                        int64_t *ret_micro, struct viv_error *err);

/* What `tokens` cost: {"input_tokens","cached_tokens","cache_write_tokens","output_tokens"}, all there. */
viv_status models_cost(const struct models_price *price, const struct json_t *tokens, int64_t *ret_micro,
                       struct viv_error *err);

/* How many tokens of an answer are paid for by the mode of limits.holds: "strict", "expected" or "borrow"; and how low
 * that may be set while no account has room. Whatever it is, the host asks the provider for no more. */
void models_output(struct viv_str mode, int64_t asked, int64_t expected, int64_t *ret_tokens, int64_t *ret_min);

/* "home:day:2026-01-31" and "home:month:2026-01" of a time in UTC microseconds. `text` has MODELS_WINDOW_BYTES. */
void models_window(int64_t now_us, uint32_t month, char *text);

/* ---- which one ---- */

struct models_choice {
    const char *model; /* of the policy's document */
    const char *rule;
    int64_t score;
    char reason[400];
    char pattern[400];
};

/* `choice` as docs of viv.economy `choose`; `policy` the merged one. VIV_E_NOT_FOUND, VIV_E_DENIED, VIV_E_INVALID. */
viv_status models_choose(const struct json_t *choice, const struct json_t *policy, struct models_choice *ret_choice,
                         struct viv_error *err);

/* Estimated tokens / 10, 2 for each of the known words that is there, 5 for more than 800 characters. */
int64_t models_score(struct viv_str goal);

#endif
