/* SPDX-License-Identifier: Apache-2.0 */
/* Prices and counts of tokens, out of documents. What is missing, unknown or no number is refused,
 * so that no token is ever free by a slip. Read next: bill.h. */
#ifndef ECONOMY_LEDGER_TOKENS_H
#define ECONOMY_LEDGER_TOKENS_H

#include <tree.h>

#include "ledger.h"

/* Name of a model as the policy has them: 1 to 64 of a-z, 0-9, _ and -. */
viv_status tokens_check_model(struct viv_str name, struct viv_error *err);

/* {"input_micro","cached_micro","cache_write_micro","output_micro"}, all of them, each 0 to
 * LEDGER_MICRO_MAX. */
viv_status tokens_read_price(const struct json_t *object, struct viv_str model, struct ledger_tokens *ret,
                             struct viv_error *err);

/* {"input_tokens","cached_tokens","cache_write_tokens","output_tokens"}, all of them, each 0 to
 * LEDGER_TOKENS_MAX. */
viv_status tokens_read_usage(const struct json_t *object, struct viv_str model, struct ledger_tokens *ret,
                             struct viv_error *err);

/* One count out of `object`, 0 to LEDGER_TOKENS_MAX. */
viv_status tokens_read_count(const struct json_t *object, const char *name, int64_t *ret_count,
                             struct viv_error *err);

/* Cost of one call to a model, out of {"model","price","tokens"}: 0 up to `held_micro`. */
viv_status tokens_settle(const struct json_t *usage, int64_t held_micro, int64_t *ret_micro,
                         struct viv_error *err);

#endif
