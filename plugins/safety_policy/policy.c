/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <host.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#include "glob.h"

static viv_status
open_rules(struct policy_layer *layer, struct viv_error *err)
{
    const json_t *commands = json_object_get(layer->json, "commands");
    size_t count = json_array_size(commands);
    if (count > POLICY_RULES_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "policy",
                             "a policy has %zu command rules, allowed %d", count, POLICY_RULES_MAX);
    }
    layer->rules = calloc(count + 1, sizeof *layer->rules);
    if (!layer->rules) {
        return viv_tree_fail(err, VIV_E_MEMORY, "policy", "no memory for the command rules");
    }
    for (size_t i = 0; i < count; i++) {
        char problem[200] = "";
        const json_t *json = json_array_get(commands, i);
        if (rules_make(json, &layer->rules[i], problem, sizeof problem) != VIV_OK) {
            return viv_tree_fail(err, VIV_E_INVALID, "policy", "pattern of command rule %zu: %s",
                                 i + 1, problem);
        }
        layer->rule_count++;
    }
    return VIV_OK;
}

static viv_status
open_layer(struct policy *policy, const json_t *json, struct viv_error *err)
{
    struct policy_layer *layer = &policy->layers[policy->layer_count];
    if (!json_is_object(json) || viv_tree_integer(json, "version", 0) != 1) {
        return viv_tree_fail(err, VIV_E_INVALID, "policy",
                             "layer %u of the policy is not a compiled policy of version 1",
                             policy->layer_count + 1);
    }
    layer->json = json;
    layer->may_grant = viv_tree_integer(json, "trusted", 0) == 1;
    layer->may_allow = layer->may_grant || rules_is(viv_tree_text(json, "scope"), "user");
    policy->layer_count++;
    policy->with_gates |= layer->may_grant && json_object_size(json_object_get(json, "gates")) > 0;
    return open_rules(layer, err);
}

static viv_status
open_all(struct policy *policy, struct viv_str text, struct viv_error *err)
{
    viv_status status = viv_tree_read(text, "policy_json", &policy->root, err);
    if (status != VIV_OK) {
        return status;
    }
    size_t count = json_is_array(policy->root) ? json_array_size(policy->root) : 1;
    if (count > POLICY_LAYERS_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "policy", "the policy has %zu layers, allowed %d",
                             count, POLICY_LAYERS_MAX);
    }
    for (size_t i = 0; status == VIV_OK && i < count; i++) {
        status = open_layer(
            policy, json_is_array(policy->root) ? json_array_get(policy->root, i) : policy->root,
            err);
    }
    return status;
}

viv_status
policy_open(struct viv_str text, struct policy **ret_policy, struct viv_error *err)
{
    struct policy *policy = calloc(1, sizeof *policy);
    char *copy = malloc((size_t)text.len + 1);
    if (!policy || !copy) {
        free(policy);
        free(copy);
        return viv_tree_fail(err, VIV_E_MEMORY, "policy", "no memory for the policy");
    }
    if (text.len > 0) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    policy->text = copy;
    policy->len = text.len;
    viv_status status = open_all(policy, text, err);
    if (status != VIV_OK) {
        policy_close(policy);
        return status;
    }
    *ret_policy = policy;
    return VIV_OK;
}

void
policy_close(struct policy *policy)
{
    if (!policy)
        return;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        for (uint32_t j = 0; j < policy->layers[i].rule_count; j++) {
            rules_drop(&policy->layers[i].rules[j]);
        }
        free(policy->layers[i].rules);
    }
    json_decref(policy->root);
    free(policy->text);
    free(policy);
}

/* Layers that may grant set the limit, the strictest of them; one that may not only lowers what holds without it. */
static int64_t
smallest(const struct policy *policy, const char *section, const char *name, int64_t fallback)
{
    int64_t limit = -1;
    for (uint32_t pass = 1; pass <= 2; pass++) {
        for (uint32_t i = 0; i < policy->layer_count; i++) {
            const struct policy_layer *layer = &policy->layers[i];
            int64_t value = viv_tree_integer(json_object_get(layer->json, section), name, -1);
            if ((pass == 1) == (layer->may_grant != 0) && value >= 0 && (limit < 0 || value < limit)) {
                limit = value;
            }
        }
        limit = limit < 0 ? fallback : limit;
    }
    return limit;
}

int64_t
policy_limit(const struct policy *policy, const char *name, int64_t fallback)
{
    return smallest(policy, "limits", name, fallback);
}

int64_t
policy_traffic(const struct policy *policy)
{
    return smallest(policy, "network", "bytes", POLICY_TRAFFIC_BYTES);
}

static int
lists_host(const json_t *allow, struct viv_str host)
{
    for (size_t i = 0; i < json_array_size(allow); i++) {
        const json_t *item = json_array_get(allow, i);
        struct viv_str rule = {json_string_value(item), json_string_length(item)};
        if (rule.data && viv_kit_host_covers(rule, host)) {
            return 1;
        }
    }
    return 0;
}

const char *
policy_bars_host(const struct policy *policy, struct viv_str host)
{
    int granted = 0;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        const json_t *allow = json_object_get(json_object_get(layer->json, "network"), "allow");
        int listed = lists_host(allow, host);
        if (!layer->may_grant && allow && !listed) {
            return "project";
        }
        granted |= layer->may_grant && listed;
    }
    return granted ? NULL : "user";
}

static void
add_rule(const struct policy_layer *layer, const struct rule *rule, const struct argv *argv,
         struct report *report)
{
    struct viv_str id = viv_tree_text(rule->json, "id");
    struct viv_str reason = viv_tree_text(rule->json, "reason");
    struct viv_str scope = viv_tree_text(layer->json, "scope");
    struct viv_str program = rules_program(argv);
    char name[VIV_ID_MAX + 16];
    char cure[VIV_ID_MAX + 80];
    (void)snprintf(name, sizeof name, "policy.%.*s", (int)id.len, id.data ? id.data : "");
    (void)snprintf(cure, sizeof cure, "take rule '%.*s' out of the %.*s's policy", (int)id.len,
                   id.data ? id.data : "", (int)scope.len, scope.data ? scope.data : "");
    report_add(report, name, rule->verdict, cure, "'%.*s' %.*s",
               (int)(program.len < 100 ? program.len : 100), program.data,
               (int)(reason.len < 300 ? reason.len : 300), reason.data ? reason.data : "");
}

uint32_t
policy_judge_argv(struct viv_call *call, const struct policy *policy, const struct argv *argv,
                  struct report *report)
{
    uint32_t allowed = 0;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        for (uint32_t j = 0; j < layer->rule_count; j++) {
            const struct rule *rule = &layer->rules[j];
            if (!rules_match(call, rule, argv))
                continue;
            if (rule->verdict == VIV_VERDICT_ALLOW) {
                allowed |= layer->may_allow;
            } else {
                add_rule(layer, rule, argv, report);
            }
        }
    }
    return allowed;
}

static const json_t *
globs_of(const struct policy_layer *layer, enum paths_access access, const char *list)
{
    const json_t *paths = json_object_get(layer->json, "paths");
    return json_object_get(json_object_get(paths, access == PATHS_WRITE ? "write" : "read"), list);
}

static const char *
first_match(const json_t *globs, struct viv_str path)
{
    for (size_t i = 0; i < json_array_size(globs); i++) {
        const json_t *glob = json_array_get(globs, i);
        struct viv_str text = {json_string_value(glob), json_string_length(glob)};
        if (text.data && glob_match(text, path)) {
            return text.data;
        }
    }
    return NULL;
}

void
policy_judge_path(const struct policy *policy, struct viv_str path, enum paths_access access,
                  struct report *report)
{
    const char *kind = access == PATHS_WRITE ? "write" : "read";
    int shown = (int)(path.len < 200 ? path.len : 200);
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        struct viv_str scope = viv_tree_text(layer->json, "scope");
        const json_t *allow = globs_of(layer, access, "allow");
        const char *denied = first_match(globs_of(layer, access, "deny"), path);
        char cure[160];
        if (denied) {
            (void)snprintf(cure, sizeof cure,
                           "take '%.60s' out of paths.%s.deny of the %.*s's policy", denied, kind,
                           (int)scope.len, scope.data ? scope.data : "");
            report_add(report, "path.denied", VIV_VERDICT_DENY, cure,
                       "'%.*s' is ruled out by '%s' of paths.%s.deny", shown, path.data, denied,
                       kind);
        }
        if (allow && path.len > 0 && !first_match(allow, path)) {
            (void)snprintf(cure, sizeof cure, "add '%.*s' to paths.%s.allow of the %.*s's policy",
                           shown < 60 ? shown : 60, path.data, kind, (int)scope.len,
                           scope.data ? scope.data : "");
            report_add(report, "path.not-allowed", VIV_VERDICT_DENY, cure,
                       "'%.*s' is not in paths.%s.allow", shown, path.data, kind);
        }
    }
}

uint32_t
policy_names_path(const struct policy *policy, struct viv_str path, enum paths_access access)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const json_t *allow = globs_of(&policy->layers[i], access, "allow");
        for (size_t j = 0; policy->layers[i].may_grant && j < json_array_size(allow); j++) {
            const json_t *glob = json_array_get(allow, j);
            if (json_string_length(glob) == path.len &&
                memcmp(json_string_value(glob), path.data, (size_t)path.len) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* "./tools/check" and "tools/check" are one file; inside `sh -c` text a blank or a quote ends the
 * name. */
static int
word_names(const char *word, struct viv_str path)
{
    for (const char *at = word; (at = strstr(at, path.data)) != NULL; at++) {
        int begins = at == word || strchr(" \t\n'\";&|/=(", at[-1]);
        int ends = at[path.len] == '\0' || strchr(" \t\n'\";&|)", at[path.len]);
        int below = at > word && at[-1] == '/' &&
                    !(at - word >= 2 && at[-2] == '.' &&
                      (at - word == 2 || strchr(" \t\n'\";&|=(", at[-3])));
        if (begins && ends && !below) {
            return 1;
        }
    }
    return 0;
}

static int
check_runs(const json_t *check, struct viv_str path)
{
    const json_t *run = json_object_get(check, "run");
    for (size_t i = 0; i < json_array_size(run); i++) {
        const char *word = json_string_value(json_array_get(run, i));
        if (word && word_names(word, path)) {
            return 1;
        }
    }
    return 0;
}

static int
layer_runs(const struct policy_layer *layer, struct viv_str path)
{
    static const char *const stages[] = {"needs_qa", "integration", "e2e"};
    const json_t *gates = json_object_get(layer->json, "gates");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        const json_t *checks = json_object_get(gates, stages[i]);
        for (size_t j = 0; j < json_array_size(checks); j++) {
            if (check_runs(json_array_get(checks, j), path)) {
                return 1;
            }
        }
    }
    return 0;
}

uint32_t
policy_gate_runs(const struct policy *policy, struct viv_str path)
{
    if (path.len == 0 || path.data[path.len] != '\0') {
        return 0;
    }
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        if (policy->layers[i].may_grant && layer_runs(&policy->layers[i], path)) {
            return 1;
        }
    }
    return 0;
}
