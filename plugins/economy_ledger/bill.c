/* SPDX-License-Identifier: Apache-2.0 */
#include "bill.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>

#include "policy.h"
#include "tokens.h"

/* An answer that is expected to be short may still be this long. */
#define OUTPUT_LEAST 256

struct billing {
    const struct bill_defaults *defaults;
    const json_t *work;
    const json_t *policy;
    struct viv_str task;
    struct bill *bill;
};

/* Ids are part of a scope's name, so only file-name safe ones are accepted. */
static viv_status
check_id(struct viv_str id, struct viv_error *err)
{
    int good = id.len > 0 && id.len <= VIV_ID_MAX;
    for (uint64_t i = 0; good && i < id.len; i++) {
        char c = id.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    if (!good) {
        return viv_tree_fail(err, VIV_E_INVALID, "work",
                             "task id '%.*s' is not allowed: 1 to %d letters, digits, dots, _ or -",
                             (int)(id.len < 64 ? id.len : 64), id.data ? id.data : "", VIV_ID_MAX);
    }
    return VIV_OK;
}

/* Prefix and id are checked before, so the name always fits. */
static void
add_account(struct bill *bill, const char *prefix, struct viv_str id, int64_t limit_micro)
{
    struct bill_account *account = &bill->accounts[bill->account_count++];
    (void)snprintf(account->name, sizeof account->name, "%s%.*s", prefix, (int)id.len,
                   id.data ? id.data : "");
    account->limit_micro = limit_micro;
}

static viv_status
add_home_and_task(const struct billing *billing, struct viv_error *err)
{
    int64_t home_micro = 0;
    int64_t task_micro = 0;
    viv_status status = policy_limit(billing->policy, "task_micro", billing->defaults->task_micro,
                                     &task_micro, err);
    status = status ? status
                    : policy_limit(billing->policy, "home_micro", billing->defaults->home_micro,
                                   &home_micro, err);
    if (status != VIV_OK) {
        return status;
    }
    int64_t own_micro = viv_tree_integer(billing->work, "limit_micro", task_micro);
    if (own_micro < 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "work", "limit_micro is %lld, allowed 0 and more",
                             (long long)own_micro);
    }
    add_account(billing->bill, "home", (struct viv_str){NULL, 0}, home_micro);
    add_account(billing->bill, "task:", billing->task,
                own_micro < task_micro ? own_micro : task_micro);
    return VIV_OK;
}

static viv_status
add_model(const struct billing *billing, struct viv_str model, struct viv_error *err)
{
    int64_t limit_micro = 0;
    viv_status status =
        policy_limit(billing->policy, "model_micro", POLICY_NO_LIMIT, &limit_micro, err);
    if (status == VIV_OK && limit_micro != POLICY_NO_LIMIT) {
        add_account(billing->bill, "model:", model, limit_micro);
    }
    return status;
}

/* Each day and each month has an account of its own, so that nothing needs resetting. */
static viv_status
add_dates(const struct billing *billing, struct viv_error *err)
{
    int64_t day_micro = 0;
    int64_t month_micro = 0;
    viv_status status =
        policy_limit(billing->policy, "day_micro", POLICY_NO_LIMIT, &day_micro, err);
    status = status ? status
                    : policy_limit(billing->policy, "month_micro", POLICY_NO_LIMIT, &month_micro,
                                   err);
    if (status != VIV_OK || (day_micro == POLICY_NO_LIMIT && month_micro == POLICY_NO_LIMIT)) {
        return status;
    }
    int64_t now_us = viv_tree_integer(billing->work, "now_us", -1);
    if (now_us < 0 || now_us > LEDGER_NOW_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "work",
                             "now_us is %lld or missing, allowed 0 to %lld; limits.day and "
                             "limits.month need to know the day",
                             (long long)now_us, (long long)LEDGER_NOW_MAX);
    }
    struct ledger_date date = ledger_date_of(now_us);
    char text[32];
    int len = snprintf(text, sizeof text, "%04d-%02d-%02d", date.year, date.month, date.day);
    if (day_micro != POLICY_NO_LIMIT) {
        add_account(billing->bill, "home:day:", (struct viv_str){text, (uint64_t)len}, day_micro);
    }
    if (month_micro != POLICY_NO_LIMIT) {
        add_account(billing->bill, "home:month:", (struct viv_str){text, sizeof "2026-01" - 1},
                    month_micro);
    }
    return VIV_OK;
}

static viv_status
bill_task(const struct billing *billing, int64_t time_ns, struct viv_error *err)
{
    int64_t asked_ns = viv_tree_integer(billing->work, "time_ns", time_ns);
    viv_status status =
        ledger_worst_task(&billing->defaults->prices, asked_ns < time_ns ? asked_ns : time_ns,
                          &billing->bill->worst_micro, err);
    return status ? status : add_dates(billing, err);
}

/* Whatever the mode, the hold pays for the answer that the host lets the provider give, so no mode
 * spends above a limit. Strict: all that is asked for. Expected: as much as nearly all answers of
 * this model had; while nothing is known of it, all that is asked for, else no answer longer than
 * the least would ever be seen. Borrow: all, but the host may lower it where there is no room. */
static void
set_output(struct bill *bill, enum policy_holds holds, int64_t asked, int64_t expected)
{
    int64_t likely = expected > OUTPUT_LEAST ? expected : OUTPUT_LEAST;
    likely = likely < asked ? likely : asked;
    bill->output_tokens = asked;
    bill->output_tokens_min = asked;
    if (holds == POLICY_BORROW) {
        bill->output_tokens_min = likely;
    } else if (holds == POLICY_EXPECTED && expected > 0) {
        bill->output_tokens = likely;
        bill->output_tokens_min = likely;
    }
}

static viv_status
bill_call(const struct billing *billing, struct viv_error *err)
{
    const json_t *work = billing->work;
    struct bill *bill = billing->bill;
    struct viv_str model = viv_tree_text(work, "model");
    struct ledger_tokens price = {{0}};
    enum policy_holds holds = POLICY_STRICT;
    int64_t input = 0;
    int64_t asked = 0;
    int64_t expected = 0;
    viv_status status = tokens_check_model(model, err);
    status =
        status ? status : tokens_read_price(json_object_get(work, "price"), model, &price, err);
    status = status ? status : tokens_read_count(work, "input_tokens", &input, err);
    status = status ? status : tokens_read_count(work, "output_tokens", &asked, err);
    if (status == VIV_OK && json_object_get(work, "expected_tokens")) {
        status = tokens_read_count(work, "expected_tokens", &expected, err);
    }
    status = status ? status : policy_holds(billing->policy, &holds, err);
    if (status == VIV_OK) {
        set_output(bill, holds, asked, expected);
        status = ledger_worst_call(&price, input, bill->output_tokens, &bill->worst_micro, err);
    }
    status = status ? status : add_model(billing, model, err);
    return status ? status : add_dates(billing, err);
}

/* Any sign of a call to a model makes it one, so that no half-named call passes as a cheap effect. */
static int
is_call(const json_t *work)
{
    return json_object_get(work, "model") || json_object_get(work, "price") ||
           json_object_get(work, "output_tokens") ||
           viv_kit_is(viv_tree_text(work, "effect"), "model");
}

viv_status
bill_make(const struct bill_defaults *defaults, const json_t *work, const json_t *policy,
          struct bill *ret_bill, struct viv_error *err)
{
    struct bill bill = {.worst_micro = 0};
    struct billing billing = {defaults, work, policy, viv_tree_text(work, "task"), &bill};
    struct viv_str kind = viv_tree_text(work, "kind");
    int64_t time_ns = 0;
    viv_status status = check_id(billing.task, err);
    status = status ? status : policy_limit(policy, "time_ns", defaults->time_ns, &time_ns, err);
    status = status ? status : add_home_and_task(&billing, err);
    if (status != VIV_OK) {
        return status;
    }
    if (viv_kit_is(kind, "task")) {
        status = bill_task(&billing, time_ns, err);
    } else if (viv_kit_is(kind, "effect") && is_call(work)) {
        status = bill_call(&billing, err);
    } else if (viv_kit_is(kind, "effect")) {
        bill.worst_micro = defaults->prices.effect_micro;
    } else {
        status = viv_tree_fail(err, VIV_E_INVALID, "work", "kind is '%.*s', allowed: task, effect",
                               (int)(kind.len < 64 ? kind.len : 64), kind.data ? kind.data : "");
    }
    if (status == VIV_OK) {
        *ret_bill = bill;
    }
    return status;
}
