/* SPDX-License-Identifier: Apache-2.0 */
/* Every check runs and is reported, also after one that denies; a check without a finding is
 * reported as allowed. The capability set is what the request needs within what the policy gives;
 * core sees to it that it only shrinks. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "exec.h"
#include "glob.h"
#include "judge.h"
#include "judge_models.h"
#include "judge_network.h"
#include "judge_two.h"
#include "signals.h"

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define ALLOW VIV_VERDICT_ALLOW

struct checker {
    struct viv_call *call;
    const struct policy *policy;
    const json_t *task;
    const json_t *intent;
    struct report *report;
    struct network network;
    json_t *models;
    int64_t limit_micro;
    int64_t money_micro;
    int64_t time_ns;
    uint32_t signals; /* found in the task's texts */
    uint32_t has_command;
    uint32_t memory;
    uint32_t reserved;
};

static int
shown(struct viv_str text)
{
    return (int)(text.len < 120 ? text.len : 120);
}

static int
has_id(const struct report *report, const char *id)
{
    for (size_t i = 0; i < json_array_size(report->list); i++) {
        const char *old = json_string_value(json_object_get(json_array_get(report->list, i), "id"));
        if (old && strcmp(old, id) == 0) {
            return 1;
        }
    }
    return 0;
}

static void
open_check(struct checker *checker)
{
    checker->report->section = ALLOW;
}

/* What was looked at must be visible: a check always has an entry of its own. */
static void
close_check(struct checker *checker, const char *id, const char *fine)
{
    viv_verdict verdict = checker->report->section;
    if (!has_id(checker->report, id)) {
        report_add(checker->report, id, verdict, "", "%s",
                   verdict == ALLOW ? fine : "see the entries before this one");
    }
}

static void
check_text(struct checker *checker)
{
    open_check(checker);
    struct viv_str goal = viv_tree_text(checker->task, "goal");
    struct viv_str prompt = viv_tree_text(checker->task, "prompt");
    if (goal.len == 0 && prompt.len == 0) {
        report_add(checker->report, "task.text", DENY, "say what is to be done",
                   "the task has no goal");
    }
    if (goal.len > VIV_GOAL_MAX) {
        report_add(
            checker->report, "task.text", DENY, "say it shorter, or put the long text into a file",
            "the goal has %llu bytes, allowed %d", (unsigned long long)goal.len, VIV_GOAL_MAX);
    }
    for (uint64_t i = 0; i < goal.len; i++) {
        unsigned char c = (unsigned char)goal.data[i];
        if (c == 0x1b || (c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
            report_add(checker->report, "task.text", ASK, "take control characters out of the goal",
                       "the goal holds the control character 0x%02x", c);
            break;
        }
    }
    close_check(checker, "task.text", "the goal is text within its bounds");
}

/* Goal, prompt, and all texts of the intent: whatever is shown to a model or a person is looked at.
 */
static void
search_text(struct checker *checker, const char *where, struct viv_str text)
{
    struct signal_hit hits[SIGNALS_MAX];
    uint32_t count = 0;
    if (signals_find(checker->call, text, hits, &count) != VIV_OK) {
        checker->memory = 1;
    }
    checker->signals += count;
    for (uint32_t i = 0; i < count; i++) {
        /* What the policy lets it reach is no surprise; the proxy lets it reach nothing else. */
        uint32_t given = strcmp(hits[i].reason, SIGNALS_TALKS) == 0 &&
                         json_array_size(checker->network.hosts) > 0;
        report_add(checker->report, signals_id(hits[i].family), given ? ALLOW : ASK,
                   given ? "" : "vivhost task approve TASK", "the %s %s: '%s'%s", where,
                   hits[i].reason, hits[i].phrase, given ? "; it has hosts by policy" : "");
    }
}

static void
check_content(struct checker *checker)
{
    static const char *const texts[] = {"goal", "prompt", "feedback"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        search_text(checker, texts[i], viv_tree_text(checker->task, texts[i]));
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)checker->intent, name, value)
    {
        search_text(checker, "intent",
                    (struct viv_str){json_string_value(value), json_string_length(value)});
        for (size_t i = 0; i < json_array_size(value) && i < 64; i++) {
            const json_t *item = json_array_get(value, i);
            search_text(checker, "intent",
                        (struct viv_str){json_string_value(item), json_string_length(item)});
        }
    }
    for (int family = 0; family < SIGNAL_FAMILIES; family++) {
        const char *id = signals_id((enum signal_family)family);
        if (!has_id(checker->report, id)) {
            report_add(checker->report, id, ALLOW, "", "nothing found");
        }
    }
}

static void
search_words(struct checker *checker, const json_t *pipeline)
{
    const json_t *stages = json_object_get(pipeline, "stages");
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *argv = json_object_get(json_array_get(stages, i), "argv");
        for (size_t j = 0; j < json_array_size(argv); j++) {
            const json_t *word = json_array_get(argv, j);
            search_text(checker, "command",
                        (struct viv_str){json_string_value(word), json_string_length(word)});
        }
    }
}

static void
check_command(struct checker *checker)
{
    open_check(checker);
    const json_t *command = json_object_get(checker->task, "command");
    struct exec_judge judge = {
        .call = checker->call, .policy = checker->policy, .report = checker->report};
    judge.full_profile = rules_is(viv_tree_text(checker->task, "profile"), "full");
    judge.has_hosts = json_array_size(checker->network.hosts) > 0;
    checker->has_command = json_is_object(command) && json_object_size(command) > 0;
    if (checker->has_command) {
        exec_judge_spec(&judge, command);
        search_words(checker, command);
        for (size_t i = 0; i < json_array_size(json_object_get(command, "pipelines")); i++) {
            search_words(checker, json_array_get(json_object_get(command, "pipelines"), i));
        }
        search_text(checker, "command", viv_tree_text(command, "shell"));
    } else if (command && !json_is_object(command) &&
               !(json_is_string(command) && json_string_length(command) == 0)) {
        report_add(checker->report, "task.command", DENY, "",
                   "the task's command is not an exec document");
    }
    checker->memory |= judge.memory;
    close_check(checker, "task.command",
                command ? "no rule speaks against the command" : "no command came with the task");
}

static void
check_path_list(struct checker *checker, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct viv_str path = {json_string_value(item), json_string_length(item)};
        const char *fault = path.data ? paths_fault(path) : "is not a text";
        if (fault) {
            report_add(checker->report, "task.paths", DENY, "name a path of the workspace",
                       "scope '%.*s' %s", shown(path), path.data ? path.data : "", fault);
        }
    }
}

static void
check_paths(struct checker *checker)
{
    open_check(checker);
    const json_t *scope = json_object_get(checker->intent, "scope");
    check_path_list(checker, json_object_get(scope, "only"));
    check_path_list(checker, json_object_get(scope, "avoid"));
    close_check(checker, "task.paths", "scope lies inside the workspace");
}

static void
check_network(struct checker *checker)
{
    char fine[96] = "the network is off";
    size_t count = json_array_size(checker->network.hosts);
    open_check(checker);
    network_report(&checker->network, checker->report);
    if (count > 0) {
        (void)snprintf(fine, sizeof fine, "%zu of the policy's hosts, at most %lld bytes", count,
                       (long long)policy_traffic(checker->policy));
    }
    close_check(checker, "task.network", fine);
}

static void
check_budget(struct checker *checker)
{
    open_check(checker);
    int64_t asked = viv_tree_integer(checker->task, "budget_micro", -1);
    int64_t meant = viv_tree_integer(checker->intent, "budget_micro", -1);
    const json_t *budget = json_object_get(checker->task, "budget_micro");
    if (budget && (!json_is_integer(budget) || asked < 0)) {
        report_add(checker->report, "task.budget", DENY, "give a budget of 0 and more",
                   "the task's budget is not an integer of 0 and more");
    }
    if (asked > checker->limit_micro) {
        report_add(checker->report, "task.budget", ASK, "limits: {task: AMOUNT}",
                   "the task asks for %lld micro-units, its limit is %lld", (long long)asked,
                   (long long)checker->limit_micro);
    }
    checker->money_micro = checker->limit_micro;
    if (asked >= 0 && asked < checker->money_micro) {
        checker->money_micro = asked;
    }
    if (meant >= 0 && meant < checker->money_micro) {
        checker->money_micro = meant;
    }
    char fine[96];
    (void)snprintf(fine, sizeof fine, "at most %lld micro-units", (long long)checker->money_micro);
    close_check(checker, "task.budget", fine);
}

static void
check_time(struct checker *checker)
{
    open_check(checker);
    int64_t asked = viv_tree_integer(checker->task, "time_ns", checker->time_ns);
    if (asked <= 0) {
        report_add(checker->report, "task.time", DENY, "give a time limit",
                   "the task's time limit is %lld ns", (long long)asked);
    } else if (asked > checker->time_ns) {
        report_add(checker->report, "task.time", ASK, "limits: {time: DURATION}",
                   "the task asks for %lld s, its limit is %lld s", (long long)(asked / 1000000000),
                   (long long)(checker->time_ns / 1000000000));
    } else {
        checker->time_ns = asked;
    }
    char fine[96];
    (void)snprintf(fine, sizeof fine, "at most %lld ms", (long long)(checker->time_ns / 1000000));
    close_check(checker, "task.time", fine);
}

static void
check_two(struct checker *checker)
{
    struct two two = {.policy = checker->policy,
                      .has_hosts = json_array_size(checker->network.hosts) > 0,
                      .has_signals = checker->signals > 0,
                      .shows_models = json_array_size(checker->models) > 0 && !checker->has_command};
    two_report(&two, checker->report);
}

/* The request's own scope if it names one; else what the first layer with a list allows; else the
 * workspace. Every layer is asked again at each effect, so a list of one layer here never widens
 * another's. */
static json_t *
access_list(const struct checker *checker, enum paths_access access, uint32_t *failed)
{
    const json_t *only = json_object_get(json_object_get(checker->intent, "scope"), "only");
    if (access == PATHS_WRITE && json_array_size(only) > 0) {
        return json_deep_copy(only);
    }
    for (uint32_t i = 0; i < checker->policy->layer_count; i++) {
        const json_t *paths = json_object_get(checker->policy->layers[i].json, "paths");
        const json_t *allow = json_object_get(
            json_object_get(paths, access == PATHS_WRITE ? "write" : "read"), "allow");
        if (json_is_array(allow)) {
            return json_deep_copy(allow);
        }
    }
    json_t *list = json_array();
    viv_tree_push(list, viv_tree_literal("**"), failed);
    return list;
}

static json_t *
capability_of(const struct checker *checker, uint32_t *failed)
{
    json_t *capability = json_object();
    const json_t *avoid = json_object_get(json_object_get(checker->intent, "scope"), "avoid");
    struct viv_str profile = viv_tree_text(checker->task, "profile");
    viv_tree_set(capability, "read", access_list(checker, PATHS_READ, failed), failed);
    viv_tree_set(capability, "write", access_list(checker, PATHS_WRITE, failed), failed);
    viv_tree_set(capability, "avoid",
                 json_array_size(avoid) > 0 ? json_deep_copy(avoid) : json_array(), failed);
    viv_tree_set(capability, "exec", viv_tree_literal("any"), failed);
    network_put(&checker->network, capability, failed);
    viv_tree_set(capability, "models", json_incref(checker->models), failed);
    viv_tree_set(capability, "money_micro", json_integer(checker->money_micro), failed);
    viv_tree_set(capability, "time_ns", json_integer(checker->time_ns), failed);
    viv_tree_set(capability, "profile",
                 viv_tree_literal(rules_is(profile, "full") ? "full" : "reduced"), failed);
    return capability;
}

viv_status
judge_task(struct viv_call *call, const struct policy *policy,
           const struct judge_defaults *defaults, const struct json_t *task, struct report *report,
           struct json_t **ret_capability, struct viv_error *err)
{
    struct checker checker = {.call = call, .policy = policy, .task = task, .report = report};
    if (!json_is_object(task)) {
        return viv_tree_fail(err, VIV_E_INVALID, "task", "task_json is not an object");
    }
    checker.intent = json_object_get(task, "intent");
    checker.limit_micro = policy_limit(policy, "task_micro", defaults->task_micro);
    checker.time_ns = policy_limit(policy, "time_ns", defaults->time_ns);
    network_read(policy, task, &checker.network);
    uint32_t failed = 0;
    checker.models = models_of(policy, &failed);
    check_text(&checker);
    check_command(&checker);
    check_content(&checker);
    check_paths(&checker);
    check_network(&checker);
    check_budget(&checker);
    check_time(&checker);
    check_two(&checker);
    failed |= report->failed;
    json_t *capability = capability_of(&checker, &failed);
    network_drop(&checker.network);
    json_decref(checker.models);
    if (failed || checker.memory || !capability) {
        json_decref(capability);
        return viv_tree_fail(err, VIV_E_MEMORY, "task", "the report does not fit into memory");
    }
    *ret_capability = capability;
    return VIV_OK;
}
