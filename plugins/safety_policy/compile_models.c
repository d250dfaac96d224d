/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of models: `secrets`, `models`, `routing` and `breaker`. All but `routing.allow` belongs into the
 * user's own file: where keys lie and who is paid is never a project's to say. The compiled form leaves nothing to be
 * guessed by its readers; a price that is not said is a fault, never 0. */
#include "compile.h"

#include <host.h>
#include <jansson.h>
#include <string.h>
#include <tree.h>

#include "policy.h"

#define NAMES_MAX 32
#define TIERS_MAX 8
#define NAME_MAX_BYTES 64
#define TOKENS_MAX 10000000

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

static int
is_name(struct viv_str text)
{
    int good = text.len > 0 && text.len <= NAME_MAX_BYTES;
    for (uint64_t i = 0; good && i < text.len; i++) {
        char c = text.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i > 0 && (c == '-' || c == '_' || c == '.'));
    }
    return good;
}

static json_t *
read_name(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || !is_name(value->text)) {
        return compile_fault(compile, value, "'%.*s' is no name, allowed: 1 to 64 of a-z, 0-9, '.', '-', '_'",
                             value->kind == YAML_TEXT ? shown(value->text) : 0, value->text.data ? value->text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_names(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, read_name, NAMES_MAX);
}

/* Only the user's own file; trust does not change that. */
static int
is_own(struct compile *compile, const struct yaml_value *value, const char *what)
{
    if (!compile->project) {
        return 1;
    }
    (void)compile_fault(compile, value, "'%s' is not a project's to say, trusted or not; it belongs into your own policy",
                        what);
    return 0;
}

/* A mapping of names, each read by `read`. */
static json_t *
read_named(struct compile *compile, const struct yaml_value *value, compile_read read, const char *what)
{
    if (value->kind != YAML_MAP || value->count > NAMES_MAX) {
        return compile_fault(compile, value, "'%s' is %s, allowed: a mapping of at most %d names", what,
                             value->kind == YAML_MAP ? "too long" : "no mapping", NAMES_MAX);
    }
    json_t *all = json_object();
    for (const struct yaml_value *one = value->child; one && compile->status == VIV_OK; one = one->next) {
        if (!is_name(one->key)) {
            (void)compile_fault(compile, one, "'%.*s' is no name in '%s', allowed: 1 to 64 of a-z, 0-9, '.', '-', '_'",
                                shown(one->key), one->key.data, what);
            break;
        }
        json_t *read_one = read(compile, one);
        if (compile->status == VIV_OK) {
            viv_tree_set(all, one->key.data, read_one, &compile->failed);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(all);
        return NULL;
    }
    return all;
}

/* ---- secrets ---- */

static json_t *
read_file(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || value->text.len == 0 || value->text.data[0] != '/') {
        return compile_fault(compile, value, "'file' of a secret is '%.*s', allowed: an absolute path",
                             value->kind == YAML_TEXT ? shown(value->text) : 0, value->text.data ? value->text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_variable(struct compile *compile, const struct yaml_value *value)
{
    struct viv_str text = value->text;
    int good = value->kind == YAML_TEXT && text.len > 0 && text.len < 128;
    for (uint64_t i = 0; good && i < text.len; i++) {
        char c = text.data[i];
        good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
    }
    if (!good) {
        return compile_fault(compile, value, "'variable' of a secret is '%.*s', allowed: the name of an environment "
                             "variable", value->kind == YAML_TEXT ? shown(text) : 0, text.data ? text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_secret(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"file", "file", read_file, 0, 0},
        {"variable", "variable", read_variable, 0, 0},
    };
    json_t *secret = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a secret");
    if (secret && json_object_size(secret) != 1) {
        (void)compile_fault(compile, value, "secret '%.*s' comes from %s, allowed: a file or a variable",
                            shown(value->key), value->key.data,
                            json_object_size(secret) ? "a file and a variable" : "nowhere");
        json_decref(secret);
        return NULL;
    }
    return secret;
}

struct json_t *
compile_secrets(struct compile *compile, const struct yaml_value *value)
{
    return is_own(compile, value, "secrets") ? read_named(compile, value, read_secret, "secrets") : NULL;
}

/* ---- models ---- */

static json_t *
read_count(struct compile *compile, const struct yaml_value *value, int64_t most)
{
    int64_t count = 0;
    int good = value->kind == YAML_TEXT && value->text.len > 0 && value->text.len <= 10;
    for (uint64_t i = 0; good && i < value->text.len; i++) {
        char c = value->text.data[i];
        good = c >= '0' && c <= '9';
        count = count * 10 + (c - '0');
    }
    if (!good || count < 1 || count > most) {
        return compile_fault(compile, value, "'%.*s' is '%.*s', allowed: 1 to %lld", shown(value->key),
                             value->key.data ? value->key.data : "", value->kind == YAML_TEXT ? shown(value->text) : 0,
                             value->text.data ? value->text.data : "", (long long)most);
    }
    return json_integer(count);
}

static json_t *
read_tokens(struct compile *compile, const struct yaml_value *value)
{
    return read_count(compile, value, TOKENS_MAX);
}

static json_t *
read_concurrent(struct compile *compile, const struct yaml_value *value)
{
    return read_count(compile, value, 64);
}

static json_t *
read_requests(struct compile *compile, const struct yaml_value *value)
{
    return read_count(compile, value, 1000000);
}

static json_t *
read_rate(struct compile *compile, const struct yaml_value *value)
{
    return read_count(compile, value, 1000000000);
}

/* https anywhere, http to this machine alone: keys travel in it. */
static json_t *
read_base_url(struct compile *compile, const struct yaml_value *value)
{
    static const char *const local[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};
    struct viv_str text = value->text;
    int good = value->kind == YAML_TEXT && text.len > 8 && text.len <= 2048 && memcmp(text.data, "https://", 8) == 0 &&
               text.data[8] != '/';
    for (size_t i = 0; value->kind == YAML_TEXT && !good && i < sizeof local / sizeof *local; i++) {
        size_t len = strlen(local[i]);
        good = text.len >= len && memcmp(text.data, local[i], len) == 0 &&
               (text.len == len || text.data[len] == ':' || text.data[len] == '/');
    }
    for (uint64_t i = 0; good && i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        good = c > ' ' && c < 0x7f && !strchr("?#@\\\"<>", c);
    }
    if (!good) {
        return compile_fault(compile, value, "'base_url' is '%.*s', allowed: https://HOST[:PORT][/PATH], or http:// to "
                             "127.0.0.1, [::1] or localhost", value->kind == YAML_TEXT ? shown(text) : 0,
                             text.data ? text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_plugin(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || value->text.len == 0 || value->text.len > VIV_ID_MAX) {
        return compile_fault(compile, value, "'plugin' of a model is no plugin's id, allowed: one like viv.model_openai");
    }
    return compile_text(compile, value);
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
    json_t *price = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a price for a million tokens");
    static const char *const as_input[] = {"cached_micro", "cache_write_micro"};
    for (size_t i = 0; price && i < sizeof as_input / sizeof *as_input; i++) {
        if (!json_object_get(price, as_input[i])) {
            viv_tree_set(price, as_input[i], json_incref(json_object_get(price, "input_micro")), &compile->failed);
        }
    }
    return price;
}

static void
set_default(struct compile *compile, json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
    } else {
        viv_tree_set(object, key, value, &compile->failed);
    }
}

static json_t *
read_model(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"plugin", "plugin", read_plugin, 0, 1},      {"base_url", "base_url", read_base_url, 0, 1},
        {"model", "model", compile_text, 0, 0},       {"secret", "secret", read_name, 0, 0},
        {"tier", "tier", read_name, 0, 1},            {"context", "context", read_tokens, 0, 1},
        {"output", "output", read_tokens, 0, 1},      {"price", "price", read_price, 0, 1},
        {"concurrent", "concurrent", read_concurrent, 0, 0}, {"requests", "requests", read_requests, 0, 0},
        {"tokens", "tokens", read_rate, 0, 0},        {"time", "time_ns", compile_duration, 0, 0},
    };
    json_t *model = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a model");
    if (!model) {
        return NULL;
    }
    if (json_integer_value(json_object_get(model, "output")) > json_integer_value(json_object_get(model, "context"))) {
        (void)compile_fault(compile, value, "'output' of model '%.*s' is more than its 'context', allowed: at most that",
                            shown(value->key), value->key.data);
        json_decref(model);
        return NULL;
    }
    set_default(compile, model, "model", viv_tree_str(value->key));
    set_default(compile, model, "concurrent", json_integer(4));
    set_default(compile, model, "time_ns", json_integer(INT64_C(600000000000)));
    return model;
}

struct json_t *
compile_models(struct compile *compile, const struct yaml_value *value)
{
    return is_own(compile, value, "models") ? read_named(compile, value, read_model, "models") : NULL;
}

/* ---- routing and breaker ---- */

static json_t *
read_tiers(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind == YAML_LIST && value->count == 0) {
        return compile_fault(compile, value, "'tiers' is an empty list, allowed: 1 to %d names, the weakest first",
                             TIERS_MAX);
    }
    return compile_list(compile, value, read_name, TIERS_MAX);
}

static json_t *
read_complexity(struct compile *compile, const struct yaml_value *value)
{
    return read_count(compile, value, 1000000);
}

struct json_t *
compile_routing(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key own[] = {
        {"tiers", "tiers", read_tiers, 0, 0},
        {"default", "default", read_name, 0, 0},
        {"low_budget", "low_budget_micro", compile_money, 0, 0},
        {"complex_above", "complex_above", read_complexity, 0, 0},
        {"allow", "allow", read_names, 0, 0},
    };
    static const struct compile_key projects[] = {{"allow", "allow", read_names, 0, 0}};
    return compile->project ? compile_map(compile, value, projects, 1, "a project's routing")
                            : compile_map(compile, value, own, sizeof own / sizeof *own, "routing");
}

struct json_t *
compile_breaker(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"cost", "cost_micro", compile_money, 0, 0},
        {"failures", "failures", read_concurrent, 0, 0},
        {"window", "window_ns", compile_duration, 0, 0},
    };
    return is_own(compile, value, "breaker") ? compile_map(compile, value, keys, sizeof keys / sizeof *keys, "breaker")
                                             : NULL;
}

/* ---- the parts together ---- */

static int
has_text(const json_t *list, const char *text)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (strcmp(json_string_value(one), text) == 0) {
            return 1;
        }
    }
    return 0;
}

static void
add_routing(struct compile *compile, json_t *policy, json_t *models)
{
    json_t *routing = json_object_get(policy, "routing");
    if (!routing) {
        viv_tree_set(policy, "routing", json_object(), &compile->failed);
        routing = json_object_get(policy, "routing");
    }
    json_t *tiers = json_array();
    viv_tree_push(tiers, viv_tree_literal("fast"), &compile->failed);
    viv_tree_push(tiers, viv_tree_literal("strong"), &compile->failed);
    set_default(compile, routing, "tiers", tiers);
    json_t *first = json_array_get(json_object_get(routing, "tiers"), 0);
    set_default(compile, routing, "default", json_incref(first));
    set_default(compile, routing, "low_budget_micro", json_integer(50000));
    set_default(compile, routing, "complex_above", json_integer(8));
    json_t *allow = json_array();
    const char *name = NULL;
    json_t *one = NULL;
    json_object_foreach(models, name, one)
    {
        viv_tree_push(allow, viv_tree_literal(name), &compile->failed);
    }
    set_default(compile, routing, "allow", allow);
}

/* `root` says which line a fault is told at; the key of the part is looked for in it. */
static const struct yaml_value *
part_of(const struct yaml_value *root, const char *key, const char *name)
{
    const struct yaml_value *part = root;
    for (const struct yaml_value *one = root->child; one; one = one->next) {
        part = rules_is(one->key, key) ? one : part;
    }
    for (const struct yaml_value *one = name ? part->child : NULL; one; one = one->next) {
        if (rules_is(one->key, name)) {
            return one;
        }
    }
    return part;
}

static void
check_model(struct compile *compile, const struct yaml_value *root, const json_t *policy, const char *name,
            const json_t *model)
{
    const struct yaml_value *at = part_of(root, "models", name);
    const char *tier = json_string_value(json_object_get(model, "tier"));
    const char *secret = json_string_value(json_object_get(model, "secret"));
    if (!has_text(json_object_get(json_object_get(policy, "routing"), "tiers"), tier)) {
        (void)compile_fault(compile, at, "tier '%s' of model '%s' is not among routing.tiers", tier, name);
    } else if (secret && !json_object_get(json_object_get(policy, "secrets"), secret)) {
        (void)compile_fault(compile, at, "secret '%s' of model '%s' is not among 'secrets'", secret, name);
    }
}

void
compile_model_parts(struct compile *compile, const struct yaml_value *root, struct json_t *policy)
{
    json_t *models = json_object_get(policy, "models");
    json_t *routing = json_object_get(policy, "routing");
    if (compile->project || (!models && !routing)) {
        return;
    }
    if (!models) {
        (void)compile_fault(compile, part_of(root, "routing", NULL), "'routing' is of no use without 'models'");
        return;
    }
    add_routing(compile, policy, models);
    routing = json_object_get(policy, "routing");
    const char *name = NULL;
    json_t *model = NULL;
    json_object_foreach(models, name, model)
    {
        check_model(compile, root, policy, name, model);
    }
    const char *tier = json_string_value(json_object_get(routing, "default"));
    if (compile->failed || compile->status != VIV_OK) {
        return;
    }
    if (!has_text(json_object_get(routing, "tiers"), tier)) {
        (void)compile_fault(compile, part_of(root, "routing", "default"), "routing.default is '%s', allowed: one of "
                            "routing.tiers", tier);
    }
    size_t i = 0;
    json_t *allowed = NULL;
    json_array_foreach(json_object_get(routing, "allow"), i, allowed)
    {
        if (!json_object_get(models, json_string_value(allowed))) {
            (void)compile_fault(compile, part_of(root, "routing", "allow"), "routing.allow has '%s', which is not among "
                                "'models'", json_string_value(allowed));
        }
    }
}
