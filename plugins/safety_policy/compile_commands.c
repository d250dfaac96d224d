/* SPDX-License-Identifier: Apache-2.0 */
/* Command rules. Examples are tried on the very code that judges later; one that fails refuses the
 * whole file. */
#include <jansson.h>
#include <string.h>
#include <tree.h>

#include "compile.h"
#include "rules.h"
#include "shell.h"

#define RULES_MAX 256
#define EXAMPLES_MAX 32

static json_t *
read_id(struct compile *compile, const struct yaml_value *value)
{
    int good = value->kind == YAML_TEXT && value->text.len > 0 && value->text.len <= 64;
    for (uint64_t i = 0; good && i < value->text.len; i++) {
        char c = value->text.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               (i > 0 && (c == '-' || c == '_' || c == '.'));
    }
    if (!good) {
        return compile_fault(
            compile, value,
            "rule id '%.*s' is not allowed: 1 to 64 lower-case letters, digits, -, _ and dots",
            (int)(value->text.len < 64 ? value->text.len : 64),
            value->text.data ? value->text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_verdict(struct compile *compile, const struct yaml_value *value)
{
    json_t *verdict = compile_choice(compile, value, "deny ask allow");
    if (verdict && strcmp(json_string_value(verdict), "allow") == 0 &&
        !compile_may_grant(compile, value, "verdict: allow")) {
        json_decref(verdict);
        return NULL;
    }
    return verdict;
}

static json_t *
read_examples_list(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, compile_text, EXAMPLES_MAX);
}

static json_t *
read_examples(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"match", "match", read_examples_list, 0, 0},
        {"no_match", "no_match", read_examples_list, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "examples");
}

/* 1 match, 0 none; any program of the text counts. */
static int
example_matches(struct compile *compile, const struct yaml_value *value, const struct rule *rule,
                const char *text)
{
    struct shell *shell = NULL;
    if (shell_read(compile->call, (struct viv_str){text, strlen(text)}, &shell) != VIV_OK) {
        compile->failed = 1;
        return 0;
    }
    if (shell->unread || shell->count == 0) {
        (void)compile_fault(compile, value, "example '%.100s' is not a command of plain words",
                            text);
        return 0;
    }
    for (uint32_t i = 0; i < shell->count; i++) {
        if (shell->stages[i].argv.count > 0 &&
            rules_match(compile->call, rule, &shell->stages[i].argv)) {
            return 1;
        }
    }
    return 0;
}

static void
try_examples(struct compile *compile, const struct yaml_value *value, const struct rule *rule)
{
    const json_t *examples = json_object_get(rule->json, "examples");
    for (int wanted = 0; wanted < 2; wanted++) {
        const json_t *list = json_object_get(examples, wanted ? "match" : "no_match");
        for (size_t i = 0;
             i < json_array_size(list) && compile->status == VIV_OK && !compile->failed; i++) {
            const char *text = json_string_value(json_array_get(list, i));
            if (example_matches(compile, value, rule, text) != wanted && !compile->failed) {
                (void)compile_fault(compile, value, "rule '%s' %s its example '%.100s'",
                                    json_string_value(json_object_get(rule->json, "id")),
                                    wanted ? "does not match" : "matches", text);
            }
        }
    }
}

static void
check_rule(struct compile *compile, const struct yaml_value *value, const json_t *json)
{
    struct rule rule;
    char problem[160] = "";
    const char *id = json_string_value(json_object_get(json, "id"));
    if (!json_object_get(json, "match") == !json_object_get(json, "pattern")) {
        (void)compile_fault(compile, value, "rule '%s' must have one of 'match' and 'pattern'", id);
        return;
    }
    if (!json_object_get(json, "reason") &&
        strcmp(json_string_value(json_object_get(json, "verdict")), "allow") != 0) {
        (void)compile_fault(compile, value, "rule '%s' says no reason, and a refusal needs one",
                            id);
        return;
    }
    if (rules_make(json, &rule, problem, sizeof problem) != VIV_OK) {
        (void)compile_fault(compile, value, "pattern of rule '%s': %s", id, problem);
        return;
    }
    try_examples(compile, value, &rule);
    rules_drop(&rule);
}

static json_t *
read_rule(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"id", "id", read_id, 0, 1},
        {"match", "match", compile_words, 0, 0},
        {"pattern", "pattern", compile_text, 0, 0},
        {"verdict", "verdict", read_verdict, 0, 1},
        {"reason", "reason", compile_text, 0, 0},
        {"examples", "examples", read_examples, 0, 0},
    };
    json_t *rule = compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a command rule");
    if (rule && !compile->failed) {
        check_rule(compile, value, rule);
    }
    if (rule && compile->status != VIV_OK) {
        json_decref(rule);
        return NULL;
    }
    return rule;
}

struct json_t *
compile_commands(struct compile *compile, const struct yaml_value *value)
{
    json_t *rules = compile_list(compile, value, read_rule, RULES_MAX);
    const struct yaml_value *place = value->child;
    for (size_t i = 0; rules && !compile->failed && i < json_array_size(rules);
         i++, place = place->next) {
        const char *id = json_string_value(json_object_get(json_array_get(rules, i), "id"));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(id, json_string_value(json_object_get(json_array_get(rules, j), "id"))) ==
                0) {
                (void)compile_fault(compile, place, "rule id '%s' stands here a second time", id);
                json_decref(rules);
                return NULL;
            }
        }
    }
    return rules;
}
