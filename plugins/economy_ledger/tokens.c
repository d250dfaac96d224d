/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 64

/* One group of four numbers, in the order of enum ledger_kind. */
struct group {
    const char *what;
    const char *names[LEDGER_KINDS];
    int64_t max;
};

static const struct group prices = {
    "price",
    {"input_micro", "cached_micro", "cache_write_micro", "output_micro"},
    LEDGER_MICRO_MAX,
};

static const struct group counts = {
    "tokens",
    {"input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"},
    LEDGER_TOKENS_MAX,
};

viv_status
tokens_check_model(struct viv_str name, struct viv_error *err)
{
    int good = name.len > 0 && name.len <= NAME_MAX_BYTES;
    for (uint64_t i = 0; good && i < name.len; i++) {
        char c = name.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    if (!good) {
        return viv_tree_fail(
            err, VIV_E_INVALID, "model",
            "model '%.*s' is not allowed: 1 to %d small letters, digits, _ or -",
            (int)(name.len < 64 ? name.len : 64), name.data ? name.data : "", NAME_MAX_BYTES);
    }
    return VIV_OK;
}

static viv_status
read_number(const json_t *value, const char *what, int64_t max, int64_t *ret, struct viv_error *err)
{
    if (!value) {
        return viv_tree_fail(err, VIV_E_INVALID, "tokens",
                             "%s is missing, allowed integers: 0 to %lld", what, (long long)max);
    }
    if (!json_is_integer(value)) {
        return viv_tree_fail(err, VIV_E_INVALID, "tokens",
                             "%s is not an integer, allowed: 0 to %lld", what, (long long)max);
    }
    int64_t number = (int64_t)json_integer_value(value);
    if (number < 0 || number > max) {
        return viv_tree_fail(err, VIV_E_INVALID, "tokens", "%s is %lld, allowed: 0 to %lld", what,
                             (long long)number, (long long)max);
    }
    *ret = number;
    return VIV_OK;
}

static viv_status
check_members(const json_t *object, const struct group *group, struct viv_str model,
              struct viv_error *err)
{
    const char *const *names = group->names;
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(object)) {
        return viv_tree_fail(err, VIV_E_INVALID, "tokens",
                             "%s of model '%.*s' is missing, allowed: an object of %s, %s, %s, %s",
                             group->what, (int)model.len, model.data, names[0], names[1], names[2],
                             names[3]);
    }
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t kind = 0;
        while (kind < LEDGER_KINDS && strcmp(name, names[kind]) != 0) {
            kind++;
        }
        if (kind == LEDGER_KINDS) {
            return viv_tree_fail(err, VIV_E_INVALID, "tokens",
                                 "%s of model '%.*s' has an unknown member '%.64s', allowed: %s, "
                                 "%s, %s, %s",
                                 group->what, (int)model.len, model.data, name, names[0], names[1],
                                 names[2], names[3]);
        }
    }
    return VIV_OK;
}

static viv_status
read_group(const json_t *object, const struct group *group, struct viv_str model,
           struct ledger_tokens *ret, struct viv_error *err)
{
    struct ledger_tokens read = {{0}};
    viv_status status = check_members(object, group, model, err);
    for (size_t kind = 0; kind < LEDGER_KINDS && status == VIV_OK; kind++) {
        char what[160];
        (void)snprintf(what, sizeof what, "'%s' in %s of model '%.*s'", group->names[kind],
                       group->what, (int)model.len, model.data);
        status = read_number(json_object_get(object, group->names[kind]), what, group->max,
                             &read.of[kind], err);
    }
    if (status == VIV_OK) {
        *ret = read;
    }
    return status;
}

viv_status
tokens_read_price(const json_t *object, struct viv_str model, struct ledger_tokens *ret,
                  struct viv_error *err)
{
    return read_group(object, &prices, model, ret, err);
}

viv_status
tokens_read_usage(const json_t *object, struct viv_str model, struct ledger_tokens *ret,
                  struct viv_error *err)
{
    return read_group(object, &counts, model, ret, err);
}

viv_status
tokens_read_count(const json_t *object, const char *name, int64_t *ret_count, struct viv_error *err)
{
    char what[160];
    (void)snprintf(what, sizeof what, "'%s' of the call", name);
    return read_number(json_object_get(object, name), what, LEDGER_TOKENS_MAX, ret_count, err);
}

/* The core takes no more than what was held, and what a provider charges beyond that is a fact that
 * no answer of ours undoes: so a dearer call is answered with the hold. A host that sends the
 * answer's bound on to the provider never gets there. */
viv_status
tokens_settle(const json_t *usage, int64_t held_micro, int64_t *ret_micro, struct viv_error *err)
{
    struct viv_str model = viv_tree_text(usage, "model");
    struct ledger_tokens price = {{0}};
    struct ledger_tokens tokens = {{0}};
    if (held_micro < 0 || held_micro > LEDGER_MICRO_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "ledger",
                             "'held_micro' is %lld, allowed 0 to %lld", (long long)held_micro,
                             (long long)LEDGER_MICRO_MAX);
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)usage, name, value)
    {
        if (strcmp(name, "model") != 0 && strcmp(name, "price") != 0 && strcmp(name, "tokens") != 0) {
            return viv_tree_fail(err, VIV_E_INVALID, "usage",
                                 "'%.64s' of a call to a model has no price, allowed: model, "
                                 "price, tokens",
                                 name);
        }
    }
    viv_status status = tokens_check_model(model, err);
    status = status ? status
                    : tokens_read_price(json_object_get(usage, "price"), model, &price, err);
    status = status ? status
                    : tokens_read_usage(json_object_get(usage, "tokens"), model, &tokens, err);
    if (status == VIV_OK) {
        int64_t micro = ledger_call_micro(&price, &tokens);
        *ret_micro = micro < 0 || micro > held_micro ? held_micro : micro;
    }
    return status;
}
