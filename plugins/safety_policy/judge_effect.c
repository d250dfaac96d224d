/* SPDX-License-Identifier: Apache-2.0 */
/* An effect is allowed when nothing denies and nothing asks. A kind that is not known, a document
 * that cannot be read and a capability set without a write list are denied. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "exec.h"
#include "glob.h"
#include "judge.h"
#include "judge_models.h"

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define RULES_MAX 8
#define PATHS_MAX 100000

static int
shown(struct viv_str text)
{
    return (int)(text.len < 200 ? text.len : 200);
}

static int
is_in(const json_t *list, struct viv_str path)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct viv_str glob = {json_string_value(item), json_string_length(item)};
        if (glob.data && glob_is_valid(glob) && glob_match(glob, path)) {
            return 1;
        }
    }
    return 0;
}

static void
judge_scope(const struct exec_judge *judge, struct viv_str path, enum paths_access access)
{
    const char *member = access == PATHS_WRITE ? "write" : "read";
    const json_t *list = json_object_get(judge->capability, member);
    if (!judge->capability)
        return;
    if (access == PATHS_WRITE && is_in(json_object_get(judge->capability, "avoid"), path)) {
        report_add(judge->report, "path.intent", DENY, "submit a request that does not rule it out",
                   "'%.*s' is ruled out by the request itself", shown(path), path.data);
    }
    if (!json_is_array(list)) {
        report_add(judge->report, "capability.missing", DENY, "",
                   "the capability set has no list '%s'", member);
    } else if (path.len > 0 && !is_in(list, path)) {
        report_add(judge->report, "path.outside-capability", ASK, "vivhost task approve TASK",
                   "'%.*s' is outside of what this task may %s", shown(path), path.data, member);
    }
}

static void
judge_built_in(const struct exec_judge *judge, struct viv_str path, enum paths_access access)
{
    struct paths_rule rules[RULES_MAX];
    uint32_t count = paths_rules(path, access, judge->policy->with_gates, rules, RULES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        char cure[300];
        if (rules[i].by_policy && policy_names_path(judge->policy, path, access))
            continue;
        if (rules[i].by_policy) {
            (void)snprintf(cure, sizeof cure, "paths: {%s: {allow: [\"**\", \"%.*s\"]}}",
                           access == PATHS_WRITE ? "write" : "read", shown(path), path.data);
        } else {
            (void)snprintf(cure, sizeof cure, "%s",
                           rules[i].verdict == ASK ? "vivhost task approve TASK"
                                                   : "no rule allows it");
        }
        report_add(judge->report, rules[i].id, rules[i].verdict, cure, "'%.*s' %s", shown(path),
                   path.data, rules[i].reason);
    }
    if (access == PATHS_WRITE && policy_gate_runs(judge->policy, path)) {
        report_add(judge->report, "critical.gate", ASK, "vivhost task approve TASK",
                   "'%.*s' is named by a gate that checks this work", shown(path), path.data);
    }
}

void
exec_judge_path(struct exec_judge *judge, struct viv_str path, enum paths_access access)
{
    static const char *const devices[] = {"/dev/null",  "/dev/stdout", "/dev/stderr",
                                          "/dev/stdin", "/dev/zero",   "/dev/urandom"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (path.len == strlen(devices[i]) && memcmp(path.data, devices[i], (size_t)path.len) == 0)
            return;
    }
    const char *fault = paths_fault(path);
    if (fault) {
        report_add(judge->report, "path.outside", judge->guess ? ASK : DENY,
                   "use a path of the workspace", "'%.*s' %s", shown(path), path.data, fault);
        return;
    }
    struct viv_str normal = paths_normal(judge->call, path);
    if (!normal.data) {
        judge->memory = 1;
        return;
    }
    judge_built_in(judge, normal, access);
    policy_judge_path(judge->policy, normal, access, judge->report);
    judge_scope(judge, normal, access);
}

/* `path`, or `spec.paths` in bulk, texts or {"path"} objects. */
static void
judge_paths(struct exec_judge *judge, const json_t *effect, enum paths_access access,
            int root_allowed)
{
    struct viv_str path = viv_tree_text(effect, "path");
    const json_t *list = json_object_get(json_object_get(effect, "spec"), "paths");
    size_t count = json_array_size(list);
    if (path.len > 0 || (count == 0 && root_allowed)) {
        exec_judge_path(judge, path, access);
    } else if (count == 0 || count > PATHS_MAX) {
        report_add(judge->report, "effect.malformed", DENY, "",
                   "the effect names %zu paths, allowed 1 to %d", count, PATHS_MAX);
    }
    for (size_t i = 0; i < count && count <= PATHS_MAX; i++) {
        const json_t *item = json_array_get(list, i);
        struct viv_str text = json_is_object(item) ? viv_tree_text(item, "path")
                                                   : (struct viv_str){json_string_value(item),
                                                                      json_string_length(item)};
        if (text.len == 0) {
            report_add(judge->report, "effect.malformed", DENY, "", "path %zu is not a text",
                       i + 1);
            continue;
        }
        exec_judge_path(judge, text, access);
    }
}

static int
is_root(struct viv_str path)
{
    for (uint64_t i = 0; i < path.len; i++) {
        if (path.data[i] != '/' && path.data[i] != '.') {
            return 0;
        }
    }
    return 1;
}

static void
judge_kind(struct exec_judge *judge, struct viv_str kind, const json_t *effect)
{
    struct viv_str path = viv_tree_text(effect, "path");
    struct viv_str target = viv_tree_text(effect, "target");
    if (rules_is_one(kind, "exec shell")) {
        exec_judge_spec(judge, json_object_get(effect, "spec"));
    } else if (rules_is(kind, "read")) {
        judge_paths(judge, effect, PATHS_READ, 0);
    } else if (rules_is(kind, "list")) {
        judge_paths(judge, effect, PATHS_READ, 1);
    } else if (rules_is_one(kind, "write delete")) {
        judge_paths(judge, effect, PATHS_WRITE, 0);
        if (path.len > 0 && is_root(path)) {
            report_add(judge->report, "path.root", DENY, "name what is meant",
                       "'%.*s' is the whole workspace", shown(path), path.data);
        }
    } else if (rules_is(kind, "move")) {
        exec_judge_path(judge, path, PATHS_WRITE);
        exec_judge_path(judge, target, PATHS_WRITE);
        if (is_root(path) || is_root(target)) {
            report_add(judge->report, "path.root", DENY, "name what is meant",
                       "a move names the whole workspace");
        }
    } else if (rules_is(kind, "model")) {
        models_judge(judge->policy, judge->capability, path, judge->report);
    } else if (!rules_is_one(kind, "skill ask")) {
        report_add(judge->report, "effect.unknown", DENY, "", "effect kind '%.*s' is not known",
                   shown(kind), kind.data ? kind.data : "");
    }
}

viv_status
judge_effect(struct viv_call *call, const struct policy *policy, const struct json_t *capability,
             const struct json_t *effect, struct report *report, struct viv_error *err)
{
    struct viv_str profile = viv_tree_text(capability, "profile");
    struct exec_judge judge = {
        .call = call, .policy = policy, .capability = capability, .report = report};
    judge.full_profile = rules_is(profile, "full");
    judge.has_hosts = json_array_size(json_object_get(capability, "hosts")) > 0;
    if (!json_is_object(capability) || !json_is_object(effect)) {
        return viv_tree_fail(err, VIV_E_INVALID, "effect",
                             "capability_json or effect_json is not an object");
    }
    judge_kind(&judge, viv_tree_text(effect, "kind"), effect);
    if (judge.memory || report->failed) {
        return viv_tree_fail(err, VIV_E_MEMORY, "effect", "the judgement does not fit into memory");
    }
    return VIV_OK;
}
