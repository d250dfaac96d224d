/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <jansson.h>
#include <string.h>
#include <viv/options.h>

#include "base/error.h"
#include "base/str.h"
#include "document.h"

#define SETTINGS_MAX (256u << 10)
#define MONEY_DIGITS 6 /* micro-units */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = { { "ns", 1 },
                                         { "us", 1000 },
                                         { "ms", 1000000 },
                                         { "s", INT64_C(1000000000) },
                                         { "m", 60 * INT64_C(1000000000) },
                                         { "h", 3600 * INT64_C(1000000000) },
                                         { "d", 86400 * INT64_C(1000000000) },
                                         { NULL, 0 } };
static const struct unit sizes[] = { { "", 1 },         { "B", 1 },          { "KiB", 1 << 10 },
                                     { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

/* Digits at `*at`; false when there is none or the number leaves 64 bits. */
static bool
read_digits(struct viv_str text, uint64_t *at, int64_t *ret_number)
{
    uint64_t start = *at;
    int64_t number = 0;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; *at += 1) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text.data[*at] - '0', &number)) {
            return false;
        }
    }
    *ret_number = number;
    return *at > start;
}

static bool
read_units(struct viv_str text, const struct unit *units, int64_t *ret_number)
{
    uint64_t at = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    int64_t number;
    if (!read_digits(text, &at, &number)) {
        return false;
    }
    struct viv_str rest = { text.data + at, text.len - at };
    for (const struct unit *unit = units; unit->name; unit++) {
        if (vh_str_is(rest, unit->name)) {
            return !__builtin_mul_overflow(negative ? -number : number, unit->factor, ret_number);
        }
    }
    return false;
}

/* "0.05" exactly, from its text: no floating point. */
static bool
read_money(struct viv_str text, int64_t *ret_number)
{
    uint64_t at = 0;
    int64_t whole, part = 0;
    if (!read_digits(text, &at, &whole) || __builtin_mul_overflow(whole, 1000000, &whole)) {
        return false;
    }
    if (at < text.len && text.data[at] == '.') {
        uint64_t start = ++at;
        if (text.len - start > MONEY_DIGITS || !read_digits(text, &at, &part)) {
            return false;
        }
        for (uint64_t digits = at - start; digits < MONEY_DIGITS; digits++) {
            part *= 10;
        }
    }
    return at == text.len && !__builtin_add_overflow(whole, part, ret_number);
}

viv_status
vh_options_number(uint32_t type, const char *name, struct viv_str text, int64_t *ret_number, struct viv_error *err)
{
    const char *allowed = "an integer";
    bool good = false;
    if (type == VIV_OPTION_BOOL) {
        allowed = "true, false";
        good = vh_str_is(text, "true") || vh_str_is(text, "false");
        *ret_number = good ? vh_str_is(text, "true") : *ret_number;
    } else if (type == VIV_OPTION_MONEY) {
        allowed = "money like \"0.05\", with at most six decimals";
        good = read_money(text, ret_number);
    } else if (type == VIV_OPTION_DURATION) {
        allowed = "a number with ns, us, ms, s, m, h or d, like \"60s\"";
        good = read_units(text, durations, ret_number);
    } else if (type == VIV_OPTION_BYTES) {
        allowed = "a number with B, KiB, MiB, GiB or nothing";
        good = read_units(text, sizes, ret_number);
    } else if (type == VIV_OPTION_INTEGER) {
        good = read_units(text, plain, ret_number);
    }
    return good ? VIV_OK
                : vh_error_set(err, VIV_E_INVALID, "options", "option '%s' is '%.*s', allowed: %s", name,
                               VH_STR_ARGS(text), allowed);
}

/* A bound in the unit it is written in. */
static const char *
show_number(uint32_t type, int64_t number, char *buffer, size_t size)
{
    const struct unit *units = type == VIV_OPTION_DURATION ? durations : type == VIV_OPTION_BYTES ? sizes : plain;
    if (type == VIV_OPTION_MONEY) {
        snprintf(buffer, size, "%lld.%06lld", (long long)(number / 1000000), (long long)(number % 1000000));
        return buffer;
    }
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name; unit++) {
        best = number != 0 && number % unit->factor == 0 ? unit : best;
    }
    snprintf(buffer, size, "%lld%s", (long long)(number / best->factor), best->name);
    return buffer;
}

static viv_status
take_number(const struct vh_manifest_option *option, const json_t *value, struct vh_options_value *ret_value,
            struct viv_error *err)
{
    char shown[64], found[40], low[40], high[40];
    int64_t number = 0;
    bool money_as_real = option->type == VIV_OPTION_MONEY && json_is_real(value);
    if (json_is_array(value) || json_is_object(value) || json_is_null(value) || money_as_real ||
        (option->type == VIV_OPTION_BOOL) != json_is_boolean(value)) {
        return vh_error_set(err, VIV_E_INVALID, "options", "option '%s' is '%s', allowed: %s", option->name,
                            vh_document_show(value, shown, sizeof shown),
                            money_as_real                     ? "money as text, like \"0.05\", so that it stays exact"
                            : option->type == VIV_OPTION_BOOL ? "true, false"
                                                              : "one number");
    }
    viv_status status = vh_options_number(option->type, option->name,
                                          vh_str(vh_document_show(value, shown, sizeof shown)), &number, err);
    if (status) {
        return status;
    }
    if (number < option->min || number > option->max) {
        return vh_error_set(err, VIV_E_INVALID, "options", "option '%s' is %s, allowed %s to %s", option->name,
                            show_number(option->type, number, found, sizeof found),
                            show_number(option->type, option->min, low, sizeof low),
                            show_number(option->type, option->max, high, sizeof high));
    }
    ret_value->number = number;
    return VIV_OK;
}

static viv_status
take_text(struct vh_arena *arena, const struct vh_manifest_option *option, const json_t *value,
          struct vh_options_value *ret_value, struct viv_error *err)
{
    char shown[64];
    if (option->type == VIV_OPTION_TEXT && !json_is_string(value)) {
        return vh_error_set(err, VIV_E_INVALID, "options", "option '%s' is '%s', allowed: text", option->name,
                            vh_document_show(value, shown, sizeof shown));
    }
    struct viv_str text = option->type == VIV_OPTION_JSON ? vh_document_print(arena, value)
                                                          : vh_str(vh_arena_text(arena, json_string_value(value)));
    if (!text.data) {
        return vh_error_set(err, VIV_E_MEMORY, "options", "no memory for option '%s'", option->name);
    }
    if ((int64_t)text.len < option->min || (int64_t)text.len > option->max) {
        return vh_error_set(err, VIV_E_INVALID, "options", "option '%s' has %llu bytes, allowed %lld to %lld",
                            option->name, (unsigned long long)text.len, (long long)option->min,
                            (long long)option->max);
    }
    ret_value->text = text;
    return VIV_OK;
}

static viv_status
read_settings(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
              json_t **ret_settings, struct viv_error *err)
{
    const char *names[VIV_OPTIONS_MAX + 1] = { NULL };
    for (uint32_t i = 0; i < manifest->option_count; i++) {
        names[i] = manifest->options[i].name;
    }
    viv_status status = vh_document_read(arena, settings_json, SETTINGS_MAX, "the settings", ret_settings, err);
    if (status == VIV_OK && !json_is_object(*ret_settings)) {
        status = vh_error_set(err, VIV_E_INVALID, "options", "the settings of '%s' must be an object", manifest->id);
    }
    if (status == VIV_OK && manifest->option_count == 0 && json_object_size(*ret_settings) > 0) {
        status = vh_error_set(err, VIV_E_INVALID, "options", "'%s' has no options, found %zu settings", manifest->id,
                              json_object_size(*ret_settings));
    }
    return status ? status : vh_document_keys(*ret_settings, names, manifest->id, err);
}

viv_status
vh_options_resolve(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
                   const struct vh_options_value **ret_values, struct viv_error *err)
{
    json_t *settings = NULL;
    struct vh_options_value *values = vh_arena_array(arena, manifest->option_count, sizeof *values);
    if (!values) {
        return vh_error_set(err, VIV_E_MEMORY, "options", "no memory for the options of '%s'", manifest->id);
    }
    viv_status status = settings_json.len == 0 ? VIV_OK : read_settings(arena, manifest, settings_json, &settings, err);
    for (uint32_t i = 0; status == VIV_OK && i < manifest->option_count; i++) {
        const struct vh_manifest_option *option = &manifest->options[i];
        const json_t *value = json_object_get(settings, option->name);
        values[i] = (struct vh_options_value){ option->number, option->text };
        if (value && (option->type == VIV_OPTION_TEXT || option->type == VIV_OPTION_JSON)) {
            status = take_text(arena, option, value, &values[i], err);
        } else if (value) {
            status = take_number(option, value, &values[i], err);
        }
    }
    if (status == VIV_OK) {
        *ret_values = values;
    }
    return status;
}

viv_status
vh_options_fill(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
                void **ret_config, struct viv_error *err)
{
    const struct vh_options_value *values = NULL;
    viv_status status = vh_options_resolve(arena, manifest, settings_json, &values, err);
    if (status) {
        return status;
    }
    unsigned char *config = vh_arena_alloc(arena, manifest->config_bytes);
    if (!config) {
        return vh_error_set(err, VIV_E_MEMORY, "options", "no memory for the options of '%s'", manifest->id);
    }
    for (uint32_t i = 0; i < manifest->option_count; i++) {
        const struct vh_manifest_option *option = &manifest->options[i];
        unsigned char *to = config + option->offset;
        if (option->type == VIV_OPTION_BOOL) {
            uint32_t flag = values[i].number != 0;
            memcpy(to, &flag, sizeof flag);
        } else if (option->type == VIV_OPTION_TEXT || option->type == VIV_OPTION_JSON) {
            memcpy(to, &values[i].text, sizeof values[i].text);
        } else {
            memcpy(to, &values[i].number, sizeof values[i].number);
        }
    }
    *ret_config = config;
    return VIV_OK;
}
