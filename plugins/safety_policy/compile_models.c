/* SPDX-License-Identifier: Apache-2.0 */
/* Models, and which of them tasks may be sent to. Readers of the JSON need no default: what nobody
 * wrote is filled in here, but never a price. Read next: compile_secrets.c, judge_models.c. */
#include "compile.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "rules.h"

#define TOKENS_MAX INT64_C(10000000)
#define TIERS_MAX 8
#define ALLOW_MAX 32

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

static const struct yaml_value *
member(const struct yaml_value *map, const char *key)
{
    for (const struct yaml_value *one = map ? map->child : NULL; one; one = one->next) {
        if (rules_is(one->key, key)) {
            return one;
        }
    }
    return NULL;
}

/* ---- one model ---- */

/* A word of printable characters. */
static json_t *
read_word(struct compile *compile, const struct yaml_value *value, uint64_t max,
          const char *allowed)
{
    struct viv_str text = value->text;
    int good = value->kind == YAML_TEXT && text.len > 0 && text.len <= max;
    for (uint64_t i = 0; good && i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        good = c > ' ' && c != 0x7f;
    }
    return good ? compile_text(compile, value) : compile_wrong(compile, value, allowed);
}

static json_t *
read_plugin(struct compile *compile, const struct yaml_value *value)
{
    return read_word(compile, value, VIV_ID_MAX, "a plugin's id, like viv.model_openai");
}

static json_t *
read_model_name(struct compile *compile, const struct yaml_value *value)
{
    return read_word(compile, value, 256,
                     "1 to 256 bytes without blanks, the provider's name of it");
}

static json_t *
read_name(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || !compile_is_name(value->text)) {
        return compile_wrong(compile, value, "1 to 64 of a-z, 0-9, '_' and '-'");
    }
    return compile_text(compile, value);
}

/* Looked up when all is read; until then it may be a key that was pasted here. */
static json_t *
read_secret_name(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || !compile_is_name(value->text)) {
        return compile_fault(
            compile, value,
            "'secret' of a model is no name of 'secrets' (it is not shown), allowed: "
            "1 to 64 of a-z, 0-9, '_' and '-'");
    }
    return compile_text(compile, value);
}

static json_t *
read_tokens(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 1, TOKENS_MAX);
}

static json_t *
read_concurrent(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 1, 64);
}

static json_t *
read_requests(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 1, 1000000);
}

static json_t *
read_rate(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 1, 1000000000);
}

/* An integer where nobody wrote one. */
static void
fill(struct compile *compile, json_t *object, const char *name, int64_t integer)
{
    if (!json_object_get(object, name)) {
        viv_tree_set(object, name, json_integer(integer), &compile->failed);
    }
}

static json_t *
read_price(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"input", "input_micro", compile_money, 0, 1},
        {"output", "output_micro", compile_money, 0, 1},
        {"cached", "cached_micro", compile_money, 0, 0},
        {"cache_write", "cache_write_micro", compile_money, 0, 0},
    };
    json_t *price = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a price");
    if (price) {
        int64_t input = viv_tree_integer(price, "input_micro", 0);
        fill(compile, price, "cached_micro", input);
        fill(compile, price, "cache_write_micro", input);
    }
    return price;
}

static json_t *
read_model(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"plugin", "plugin", read_plugin, 0, 1},
        {"base_url", "base_url", compile_url, 0, 1},
        {"model", "model", read_model_name, 0, 0},
        {"secret", "secret", read_secret_name, 0, 0},
        {"tier", "tier", read_name, 0, 0},
        {"context", "context", read_tokens, 0, 1},
        {"output", "output", read_tokens, 0, 1},
        {"price", "price", read_price, 0, 1},
        {"concurrent", "concurrent", read_concurrent, 0, 0},
        {"requests", "requests", read_requests, 0, 0},
        {"tokens", "tokens", read_rate, 0, 0},
        {"time", "time_ns", compile_duration, 0, 0},
    };
    json_t *model = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a model");
    if (!model) {
        return NULL;
    }
    int64_t context = viv_tree_integer(model, "context", 0);
    int64_t output = viv_tree_integer(model, "output", 0);
    if (output > context) {
        json_decref(model);
        return compile_fault(compile, value,
                             "'output' of model '%.*s' is %lld, allowed: at most its "
                             "'context', %lld",
                             shown(value->key), value->key.data, (long long)output,
                             (long long)context);
    }
    if (!json_object_get(model, "model")) {
        viv_tree_set(model, "model", viv_tree_str(value->key), &compile->failed);
    }
    fill(compile, model, "concurrent", 4);
    fill(compile, model, "time_ns", INT64_C(600000000000));
    return model;
}

struct json_t *
compile_models(struct compile *compile, const struct yaml_value *value)
{
    return compile_named(compile, value, read_model, "models");
}

/* ---- routing and breaker ---- */

/* A list of names, each of them once. */
static json_t *
read_names(struct compile *compile, const struct yaml_value *value, size_t max)
{
    json_t *names = compile_list(compile, value, read_name, max);
    for (const struct yaml_value *one = value->child; names && one; one = one->next) {
        for (const struct yaml_value *old = value->child; old != one; old = old->next) {
            if (old->text.len == one->text.len &&
                memcmp(old->text.data, one->text.data, (size_t)one->text.len) == 0) {
                json_decref(names);
                return compile_fault(
                    compile, one, "'%.*s' stands a second time in '%.*s', allowed: once",
                    shown(one->text), one->text.data, shown(value->key), value->key.data);
            }
        }
    }
    return names;
}

static json_t *
read_tiers(struct compile *compile, const struct yaml_value *value)
{
    json_t *tiers = read_names(compile, value, TIERS_MAX);
    if (tiers && value->count == 0) {
        json_decref(tiers);
        return compile_fault(compile, value,
                             "'tiers' is an empty list, allowed: 1 to %d words, weak to "
                             "strong",
                             TIERS_MAX);
    }
    return tiers;
}

static json_t *
read_allow(struct compile *compile, const struct yaml_value *value)
{
    return read_names(compile, value, ALLOW_MAX);
}

static json_t *
read_complex(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 0, 1000000000);
}

struct json_t *
compile_routing(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"tiers", "tiers", read_tiers, COMPILE_OWN, 0},
        {"default", "default", read_name, COMPILE_OWN, 0},
        {"low_budget", "low_budget_micro", compile_money, COMPILE_OWN, 0},
        {"complex_above", "complex_above", read_complex, COMPILE_OWN, 0},
        {"allow", "allow", read_allow, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "routing");
}

static json_t *
read_failures(struct compile *compile, const struct yaml_value *value)
{
    return compile_count(compile, value, 1, 1000);
}

struct json_t *
compile_breaker(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"cost", "cost_micro", compile_money, 0, 0},
        {"failures", "failures", read_failures, 0, 0},
        {"window", "window_ns", compile_duration, 0, 0},
    };
    json_t *breaker = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "breaker");
    if (breaker) {
        fill(compile, breaker, "cost_micro", INT64_C(100000000));
        fill(compile, breaker, "failures", 5);
        fill(compile, breaker, "window_ns", INT64_C(300000000000));
    }
    return breaker;
}

/* ---- when all is read ---- */

static int
is_in(const json_t *list, const char *text)
{
    for (size_t i = 0; text && i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && strcmp(item, text) == 0) {
            return 1;
        }
    }
    return 0;
}

/* "a, b" of a list, or of an object's names; "none". */
static void
say_names(const json_t *names, char *buffer, size_t size)
{
    const char *name = NULL;
    json_t *value = NULL;
    buffer[0] = '\0';
    for (size_t i = 0; i < json_array_size(names); i++) {
        size_t at = strlen(buffer);
        (void)snprintf(buffer + at, size - at, "%s%s", at ? ", " : "",
                       json_string_value(json_array_get(names, i)));
    }
    json_object_foreach((json_t *)(uintptr_t)names, name, value)
    {
        size_t at = strlen(buffer);
        (void)snprintf(buffer + at, size - at, "%s%s", at ? ", " : "", name);
    }
    if (buffer[0] == '\0') {
        (void)snprintf(buffer, size, "none");
    }
}

/* Up to the path. */
static size_t
place_len(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : strlen(url);
}

/* A key is given out for one place: with two, which of them has it would be a matter of time. */
static int
check_place(struct compile *compile, const struct yaml_value *value, const json_t *models,
            const json_t *model)
{
    const char *secret = json_string_value(json_object_get(model, "secret"));
    const char *url = json_string_value(json_object_get(model, "base_url"));
    const char *name = NULL;
    json_t *other = NULL;
    json_object_foreach((json_t *)(uintptr_t)models, name, other)
    {
        const char *to = json_string_value(json_object_get(other, "base_url"));
        const char *by = json_string_value(json_object_get(other, "secret"));
        if (other == model) {
            break; /* the later one is told */
        }
        if (!secret || !by || !url || !to || strcmp(secret, by) != 0) {
            continue;
        }
        size_t len = place_len(url);
        if (len != place_len(to) || strncmp(url, to, len) != 0) {
            (void)compile_fault(
                compile, member(value, "secret"),
                "'secret' of model '%.*s' goes to '%.*s', and by model '%.64s' to '%.*s', allowed: one "
                "place for each of 'secrets'; give the key a second name there",
                shown(value->key), value->key.data, (int)(len < 100 ? len : 100), url, name,
                (int)(place_len(to) < 100 ? place_len(to) : 100), to);
            return 0;
        }
    }
    return 1;
}

static void
finish_model(struct compile *compile, const struct yaml_value *value, const json_t *policy,
             json_t *model)
{
    const json_t *routing = json_object_get(policy, "routing");
    const json_t *secrets = json_object_get(policy, "secrets");
    const char *secret = json_string_value(json_object_get(model, "secret"));
    char names[160];
    if (secret && !json_object_get(secrets, secret)) {
        say_names(secrets, names, sizeof names);
        (void)compile_fault(
            compile, member(value, "secret"),
            "'secret' of model '%.*s' (it is not shown) is not in 'secrets', allowed: %s",
            shown(value->key), value->key.data, names);
        return;
    }
    if (!check_place(compile, value, json_object_get(policy, "models"), model)) {
        return;
    }
    if (!json_object_get(model, "tier")) {
        viv_tree_set(model, "tier", json_incref(json_object_get(routing, "default")),
                     &compile->failed);
        return;
    }
    const char *tier = json_string_value(json_object_get(model, "tier"));
    if (!is_in(json_object_get(routing, "tiers"), tier)) {
        say_names(json_object_get(routing, "tiers"), names, sizeof names);
        (void)compile_fault(compile, member(value, "tier"),
                            "'tier' of model '%.*s' is '%s', allowed by routing.tiers: %s",
                            shown(value->key), value->key.data, tier, names);
    }
}

static void
fill_allow(struct compile *compile, const struct yaml_value *models, json_t *routing)
{
    if (json_object_get(routing, "allow")) {
        return;
    }
    json_t *allow = json_array();
    for (const struct yaml_value *one = models ? models->child : NULL; one; one = one->next) {
        viv_tree_push(allow, viv_tree_str(one->key), &compile->failed);
    }
    viv_tree_set(routing, "allow", allow, &compile->failed);
}

static void
fill_routing(struct compile *compile, const struct yaml_value *models, json_t *routing)
{
    if (!json_object_get(routing, "tiers")) {
        json_t *tiers = json_array();
        viv_tree_push(tiers, viv_tree_literal("fast"), &compile->failed);
        viv_tree_push(tiers, viv_tree_literal("strong"), &compile->failed);
        viv_tree_set(routing, "tiers", tiers, &compile->failed);
    }
    if (!json_object_get(routing, "default")) {
        json_t *weakest = json_array_get(json_object_get(routing, "tiers"), 0);
        viv_tree_set(routing, "default", json_incref(weakest), &compile->failed);
    }
    fill(compile, routing, "low_budget_micro", 50000);
    fill(compile, routing, "complex_above", 8);
    fill_allow(compile, models, routing);
}

static void
check_routing(struct compile *compile, const struct yaml_value *value, const json_t *policy)
{
    const json_t *routing = json_object_get(policy, "routing");
    const json_t *models = json_object_get(policy, "models");
    const json_t *tiers = json_object_get(routing, "tiers");
    const char *tier = json_string_value(json_object_get(routing, "default"));
    const struct yaml_value *allow = member(value, "allow");
    char names[160];
    if (!is_in(tiers, tier)) {
        say_names(tiers, names, sizeof names);
        (void)compile_fault(compile, member(value, "default"),
                            "'default' of routing is '%s', allowed by routing.tiers: %s",
                            tier ? tier : "", names);
    }
    for (const struct yaml_value *one = allow ? allow->child : NULL; one; one = one->next) {
        if (!json_object_get(models, one->text.data)) {
            say_names(models, names, sizeof names);
            (void)compile_fault(compile, one,
                                "'%.*s' of routing.allow is not in 'models', allowed: %s",
                                shown(one->text), one->text.data, names);
        }
    }
}

void
compile_models_finish(struct compile *compile, const struct yaml_value *root, struct json_t *policy)
{
    const struct yaml_value *models = member(root, "models");
    const struct yaml_value *routing = member(root, "routing");
    if (!models && !routing) {
        return;
    }
    if (!json_object_get(policy, "routing")) {
        viv_tree_set(policy, "routing", json_object(), &compile->failed);
    }
    fill_routing(compile, models, json_object_get(policy, "routing"));
    if (!compile->failed) {
        check_routing(compile, routing, policy);
    }
    for (const struct yaml_value *one = models ? models->child : NULL;
         one && !compile->failed && compile->status == VIV_OK; one = one->next) {
        finish_model(compile, one, policy,
                     json_object_get(json_object_get(policy, "models"), one->key.data));
    }
}
