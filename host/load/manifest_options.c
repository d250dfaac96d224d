/* SPDX-License-Identifier: Apache-2.0 */
/* Option rows of a manifest, and where the generated config struct has each: tools/gen/manifest.py lays it out the
 * same way, 8-byte members first, then booleans, then padding to 8. */
#include "manifest_parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <viv/options.h>

#include "base/error.h"
#include "base/str.h"
#include "document.h"
#include "options.h"

#define HELP_MAX 1024
#define TEXT_OPTION_MAX 65536

static const char *const type_names[] = {
    [VIV_OPTION_BOOL] = "bool",   [VIV_OPTION_INTEGER] = "integer", [VIV_OPTION_DURATION] = "duration",
    [VIV_OPTION_MONEY] = "money", [VIV_OPTION_BYTES] = "bytes",     [VIV_OPTION_TEXT] = "text",
    [VIV_OPTION_JSON] = "json",
};

static uint32_t
type_of(const char *name)
{
    for (uint32_t type = VIV_OPTION_BOOL; type <= VIV_OPTION_JSON; type++) {
        if (strcmp(name, type_names[type]) == 0) {
            return type;
        }
    }
    return 0;
}

static bool
is_option_name(const char *name)
{
    return name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static bool
is_text(uint32_t type)
{
    return type == VIV_OPTION_TEXT || type == VIV_OPTION_JSON;
}

/* A bound or the default of a number, as text so that one reader serves manifest and policy. */
static viv_status
read_number(struct vh_manifest_reader *r, json_t *row, const struct vh_manifest_option *option, const char *key,
            int64_t *number)
{
    json_t *value = json_object_get(row, key);
    if (!value) {
        return strcmp(key, "min") == 0
                   ? VIV_OK
                   : vh_error_set(r->err, VIV_E_INVALID, "manifest", "'%s' of option '%s' is missing", key,
                                  option->name);
    }
    char shown[64];
    viv_status status = vh_options_number(option->type, option->name,
                                          vh_str(vh_document_show(value, shown, sizeof shown)), number, r->err);
    return status ? vh_error_extend(r->err, status, "'%s'", key) : VIV_OK;
}

static viv_status
read_numbers(struct vh_manifest_reader *r, json_t *row, struct vh_manifest_option *option)
{
    if (option->type == VIV_OPTION_BOOL) {
        option->max = 1;
        return read_number(r, row, option, "default", &option->number);
    }
    viv_status status = read_number(r, row, option, "min", &option->min);
    status = status ? status : read_number(r, row, option, "max", &option->max);
    status = status ? status : read_number(r, row, option, "default", &option->number);
    if (status == VIV_OK && (option->number < option->min || option->number > option->max)) {
        status = vh_error_set(r->err, VIV_E_INVALID, "manifest", "default of option '%s' is %lld, allowed %lld to %lld",
                              option->name, (long long)option->number, (long long)option->min,
                              (long long)option->max);
    }
    return status;
}

static viv_status
read_text(struct vh_manifest_reader *r, json_t *row, struct vh_manifest_option *option)
{
    json_t *value = json_object_get(row, "default");
    json_t *min = json_object_get(row, "min"), *max = json_object_get(row, "max");
    option->min = json_integer_value(min);
    option->max = max ? json_integer_value(max) : TEXT_OPTION_MAX;
    if (!value || (option->type == VIV_OPTION_TEXT && !json_is_string(value)) || (min && !json_is_integer(min)) ||
        (max && !json_is_integer(max)) || option->min < 0 || option->max > TEXT_OPTION_MAX) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "option '%s' needs a default of its type, and min and max as lengths from 0 to %d",
                            option->name, TEXT_OPTION_MAX);
    }
    option->text = option->type == VIV_OPTION_JSON ? vh_document_print(r->arena, value)
                                                   : vh_str(vh_arena_text(r->arena, json_string_value(value)));
    return option->text.data ? VIV_OK : vh_manifest_no_memory(r);
}

static viv_status
read_option(struct vh_manifest_reader *r, json_t *row, struct vh_manifest_option *option)
{
    static const char *const keys[] = { "name", "type", "default", "min", "max", "help", NULL };
    if (!json_is_object(row)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "an option must be an object");
    }
    option->name = vh_manifest_text(r, row, "an option", "name", 64);
    const char *type = option->name ? vh_manifest_text(r, row, "an option", "type", 16) : NULL;
    option->help = type ? vh_manifest_text(r, row, "an option", "help", HELP_MAX) : NULL;
    if (!option->help) {
        return r->err->status;
    }
    option->type = type_of(type);
    if (!is_option_name(option->name) || option->type == 0) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest",
                            "option '%s' has type '%s', allowed: lower-case names joined by _; bool, integer, "
                            "duration, money, bytes, text, json",
                            option->name, type);
    }
    viv_status status = vh_document_keys(row, keys, option->name, r->err);
    if (status) {
        return status;
    }
    return is_text(option->type) ? read_text(r, row, option) : read_numbers(r, row, option);
}

static uint32_t
size_of(uint32_t type)
{
    return type == VIV_OPTION_BOOL ? 4u : is_text(type) ? 16u : 8u;
}

static void
lay_out(struct vh_manifest *manifest, struct vh_manifest_option *options, uint32_t count)
{
    uint32_t at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            if ((options[i].type == VIV_OPTION_BOOL) == (pass == 1)) {
                options[i].offset = at;
                at += size_of(options[i].type);
            }
        }
    }
    at = (at + 7u) & ~7u;
    manifest->config_bytes = at ? at : 8u;
}

viv_status
vh_manifest_options(struct vh_manifest_reader *r)
{
    json_t *list = json_object_get(r->root, "options");
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > VIV_OPTIONS_MAX)) {
        return vh_error_set(r->err, VIV_E_INVALID, "manifest", "'options' must be a list of at most %d",
                            VIV_OPTIONS_MAX);
    }
    struct vh_manifest_option *options = vh_arena_array(r->arena, count, sizeof *options);
    if (!options) {
        return vh_manifest_no_memory(r);
    }
    for (size_t i = 0; i < count; i++) {
        viv_status status = read_option(r, json_array_get(list, i), &options[i]);
        if (status) {
            return status;
        }
        for (size_t before = 0; before < i; before++) {
            if (strcmp(options[before].name, options[i].name) == 0) {
                return vh_error_set(r->err, VIV_E_INVALID, "manifest", "option '%s' stands twice", options[i].name);
            }
        }
    }
    lay_out(r->manifest, options, (uint32_t)count);
    r->manifest->options = options;
    r->manifest->option_count = (uint32_t)count;
    return VIV_OK;
}
