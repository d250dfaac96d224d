/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a policy. What a project's untrusted file may not say is refused by the key's name;
 * gates, prepare, bring and `branch: follow` are kept with "trusted":0, so that the host can show
 * what trusting would switch on. */
#include "compile.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>
#include <viv/iface/safety.h>

struct json_t *
compile_fault(struct compile *compile, const struct yaml_value *value, const char *format, ...)
{
    char text[360];
    if (compile->status != VIV_OK) {
        return NULL;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    compile->status =
        yaml_tree_fail(compile->err, VIV_E_INVALID, compile->origin, value->line, "%s", text);
    return NULL;
}

uint32_t
compile_may_grant(struct compile *compile, const struct yaml_value *value, const char *what)
{
    if (!compile->project || compile->trusted) {
        return 1;
    }
    viv_status before = compile->status;
    (void)compile_fault(compile, value,
                        "'%s' grants, and a project's policy may only narrow; read it and run "
                        "'vivhost trust', or put "
                        "it into your own policy",
                        what);
    if (before == VIV_OK) { /* nothing is wrong with it: a person must trust it first */
        compile->status = compile->err->status = VIV_E_DENIED;
    }
    return 0;
}

uint32_t
compile_is_own(struct compile *compile, const struct yaml_value *value, const char *what)
{
    if (!compile->project) {
        return 1;
    }
    (void)compile_fault(compile, value,
                        "'%s' belongs into your own policy; a project's file may not have it, "
                        "trusted or not",
                        what);
    return 0;
}

/* Whether this file may have the key at all. */
static uint32_t
may_have(struct compile *compile, const struct yaml_value *value, const struct compile_key *key)
{
    return key->grants == COMPILE_OWN ? compile_is_own(compile, value, key->name)
                                      : !key->grants || compile_may_grant(compile, value, key->name);
}

static const struct compile_key *
find_key(const struct compile_key *keys, size_t count, struct viv_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(keys[i].name) == name.len &&
            memcmp(keys[i].name, name.data, (size_t)name.len) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static void
unknown_key(struct compile *compile, const struct yaml_value *value, const struct compile_key *keys,
            size_t count, const char *what)
{
    char allowed[240] = "";
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(allowed);
        (void)snprintf(allowed + at, sizeof allowed - at, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    (void)compile_fault(compile, value, "key '%.*s' is not known in %s, allowed: %s",
                        (int)(value->key.len < 64 ? value->key.len : 64), value->key.data, what,
                        allowed);
}

struct json_t *
compile_map(struct compile *compile, const struct yaml_value *value, const struct compile_key *keys,
            size_t count, const char *what)
{
    if (value->kind != YAML_MAP) {
        return compile_fault(compile, value, "%s is not a mapping of keys", what);
    }
    json_t *object = json_object();
    for (const struct yaml_value *member = value->child; member && compile->status == VIV_OK;
         member = member->next) {
        const struct compile_key *key = find_key(keys, count, member->key);
        if (!key) {
            unknown_key(compile, member, keys, count, what);
        } else if (may_have(compile, member, key)) {
            json_t *read = key->read(compile, member);
            if (compile->status == VIV_OK) {
                viv_tree_set(object, key->json_name, read, &compile->failed);
            }
        }
    }
    for (size_t i = 0; i < count && compile->status == VIV_OK; i++) {
        if (keys[i].required && !json_object_get(object, keys[i].json_name) && !compile->failed) {
            (void)compile_fault(compile, value, "key '%s' is missing in %s", keys[i].name, what);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(object);
        return NULL;
    }
    return object;
}

struct json_t *
compile_list(struct compile *compile, const struct yaml_value *value, compile_read read, size_t max)
{
    if (value->kind != YAML_LIST || value->count > max) {
        return compile_fault(compile, value, "'%.*s' is %s, allowed: a list of at most %zu",
                             (int)value->key.len, value->key.data ? value->key.data : "",
                             value->kind != YAML_LIST ? "no list" : "too long", max);
    }
    json_t *array = json_array();
    for (const struct yaml_value *item = value->child; item && compile->status == VIV_OK;
         item = item->next) {
        json_t *one = read(compile, item);
        if (compile->status == VIV_OK) {
            viv_tree_push(array, one, &compile->failed);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *
read_version(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || value->text.len != 1 || value->text.data[0] != '1') {
        return compile_fault(compile, value, "'version' is '%.*s', allowed: 1",
                             (int)(value->text.len < 32 ? value->text.len : 32),
                             value->text.data ? value->text.data : "");
    }
    return json_integer(1);
}

static json_t *
read_holds(struct compile *compile, const struct yaml_value *value)
{
    return compile_choice(compile, value, "strict expected borrow");
}

static json_t *
read_limits(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"task", "task_micro", compile_money, 0, 0},
        {"home", "home_micro", compile_money, 0, 0},
        {"time", "time_ns", compile_duration, 0, 0},
        {"output", "output_bytes", compile_bytes, 0, 0},
        {"disk", "disk_bytes", compile_disk, 0, 0},
        {"model", "model_micro", compile_money, 0, 0},
        {"day", "day_micro", compile_money, 0, 0},
        {"month", "month_micro", compile_money, 0, 0},
        {"holds", "holds", read_holds, COMPILE_OWN, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "limits");
}

static json_t *
read_access(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"allow", "allow", compile_globs, 0, 0},
        {"deny", "deny", compile_globs, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys,
                       "paths.read and paths.write");
}

static json_t *
read_paths(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"read", "read", read_access, 0, 0},
        {"write", "write", read_access, 0, 0},
        {"private", "private", compile_globs, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "paths");
}

static json_t *
read_branch(struct compile *compile, const struct yaml_value *value)
{
    return compile_choice(compile, value, "follow stay");
}

/* Whether a task sees work that is not committed yet; the host wants a number. */
static json_t *
read_uncommitted(struct compile *compile, const struct yaml_value *value)
{
    json_t *choice = compile_choice(compile, value, "take leave");
    json_t *number = choice ? json_integer(strcmp(json_string_value(choice), "take") == 0) : NULL;
    json_decref(choice);
    return number;
}

static json_t *
read_critic(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"threshold_permille", "threshold_permille", compile_permille, 0, 0}};
    return compile_map(compile, value, keys, 1, "critic");
}

/* "auto" leaves out a person, so it grants. */
static json_t *
read_approval(struct compile *compile, const struct yaml_value *value)
{
    json_t *choice = compile_choice(compile, value, "ask auto");
    if (choice && strcmp(json_string_value(choice), "auto") == 0 &&
        !compile_may_grant(compile, value, "approvals")) {
        json_decref(choice);
        return NULL;
    }
    return choice;
}

static json_t *
read_approvals(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"results", "results", read_approval, 0, 0},
        {"skills", "skills", read_approval, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "approvals");
}

static json_t *
read_experimental(struct compile *compile, const struct yaml_value *value)
{
    json_t *choice = compile_choice(compile, value, "allow refuse");
    if (choice && strcmp(json_string_value(choice), "allow") == 0 &&
        !compile_may_grant(compile, value, "experimental: allow")) {
        json_decref(choice);
        return NULL;
    }
    return choice;
}

static const struct compile_key top_keys[] = {
    {"version", "version", read_version, 0, 1},
    {"limits", "limits", read_limits, 0, 0},
    {"paths", "paths", read_paths, 0, 0},
    {"commands", "commands", compile_commands, 0, 0},
    {"env", "env", compile_env, COMPILE_GRANTS, 0},
    {"network", "network", compile_network, 0, 0},
    {"gates", "gates", compile_gates, 0, 0},
    {"prepare", "prepare", compile_prepare, 0, 0},
    {"bring", "bring", compile_paths, 0, 0},
    {"branch", "branch", read_branch, 0, 0},
    {"uncommitted", "uncommitted", read_uncommitted, 0, 0},
    {"critic", "critic", read_critic, 0, 0},
    {"approvals", "approvals", read_approvals, 0, 0},
    {"experimental", "experimental", read_experimental, 0, 0},
    {"plugins", "plugins", compile_plugins, COMPILE_GRANTS, 0},
    {"secrets", "secrets", compile_secrets, COMPILE_OWN, 0},
    {"models", "models", compile_models, COMPILE_OWN, 0},
    {"routing", "routing", compile_routing, 0, 0},
    {"breaker", "breaker", compile_breaker, COMPILE_OWN, 0},
};

viv_status
compile_policy(struct viv_call *call, struct viv_str text, const char *origin, uint32_t scope,
               uint32_t trusted, struct viv_str *ret_json, struct viv_error *err)
{
    struct compile compile = {.call = call, .origin = origin, .err = err};
    if ((scope != VIV_POLICY_USER && scope != VIV_POLICY_PROJECT) || trusted > 1) {
        return viv_tree_fail(
            err, VIV_E_INVALID, "policy",
            "scope is %u and trusted is %u, allowed: scope %u or %u, trusted 0 or 1", scope,
            trusted, VIV_POLICY_USER, VIV_POLICY_PROJECT);
    }
    compile.project = scope == VIV_POLICY_PROJECT;
    compile.trusted = !compile.project || trusted;
    size_t top_count = sizeof top_keys / sizeof *top_keys;
    struct yaml_value *root = NULL;
    viv_status status = yaml_tree_read(call, text, origin, &root, err);
    if (status != VIV_OK) {
        return status;
    }
    if (root->line == 0) {
        top_count = 0; /* an empty file says nothing, not even a version */
    }
    json_t *policy = compile_map(&compile, root, top_keys, top_count, "a policy");
    if (compile.status == VIV_OK && !compile.project) {
        compile_models_finish(&compile, root, policy);
    }
    if (compile.status == VIV_OK) {
        viv_tree_set(policy, "version", json_integer(1), &compile.failed);
        viv_tree_set(policy, "scope", viv_tree_literal(compile.project ? "project" : "user"),
                     &compile.failed);
        viv_tree_set(policy, "trusted", json_integer(compile.trusted), &compile.failed);
        compile.status = viv_tree_write(call, policy, compile.failed, ret_json, err);
    }
    json_decref(policy);
    return compile.status;
}
