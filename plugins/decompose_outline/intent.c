/* SPDX-License-Identifier: Apache-2.0 */
#include "intent.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

static const char *const list_names[OUTLINE_LISTS] = {"constraints", "anti_goals", "preferences",
                                                      "acceptance",  "only",       "avoid"};

uint32_t
intent_has_command(const struct json_t *hints)
{
    const json_t *command = json_object_get(hints, "command");
    return json_object_size(command) > 0 || json_array_size(command) > 0 ||
           json_string_length(command) > 0;
}

viv_status
intent_hints(const struct json_t *hints, struct outline *outline, struct viv_error *err)
{
    const json_t *scope = json_object_get(hints, "scope");
    const json_t *budget = json_object_get(hints, "budget_micro");
    if (!json_is_object(hints) || (scope && !json_is_array(scope))) {
        return viv_tree_fail(err, VIV_E_INVALID, "hints",
                             "hints_json is not an object with a list 'scope'");
    }
    for (size_t i = 0; i < json_array_size(scope); i++) {
        const json_t *path = json_array_get(scope, i);
        struct viv_str text = {json_string_value(path), json_string_length(path)};
        if (!outline_add_path(outline, OUTLINE_ONLY, text)) {
            return viv_tree_fail(
                err, VIV_E_INVALID, "hints",
                "scope '%.*s' is not a path inside the project, allowed: relative, without '..'",
                (int)(text.len < 200 ? text.len : 200), text.data ? text.data : "");
        }
    }
    if (budget && (!json_is_integer(budget) || json_integer_value(budget) < 0)) {
        return viv_tree_fail(err, VIV_E_INVALID, "hints",
                             "budget_micro is not an integer of 0 or more");
    }
    int64_t micro = budget ? (int64_t)json_integer_value(budget) : 0;
    if (micro > 0 && (outline->budget_micro == 0 || micro < outline->budget_micro)) {
        outline->budget_micro = micro;
    }
    return VIV_OK;
}

/* Line breaks and runs of blanks inside a phrase are layout. */
static json_t *
phrase(struct viv_str text)
{
    char *line = malloc((size_t)text.len + 1);
    uint64_t len = 0;
    if (!line) {
        return NULL;
    }
    for (uint64_t i = 0; i < text.len; i++) {
        char c = (unsigned char)text.data[i] <= ' ' ? ' ' : text.data[i];
        if (c != ' ' || (len > 0 && line[len - 1] != ' ')) {
            line[len++] = c;
        }
    }
    json_t *value = viv_tree_str((struct viv_str){line, len});
    free(line);
    return value;
}

static json_t *
list_of(const struct outline *outline, enum outline_list list, uint32_t *failed)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < outline->counts[list]; i++) {
        viv_tree_push(array, phrase(outline->lists[list][i]), failed);
    }
    return array;
}

struct json_t *
intent_document(const struct outline *outline, struct viv_str original, uint32_t *failed)
{
    json_t *document = json_object();
    json_t *scope = json_object();
    viv_tree_set(document, "version", json_integer(1), failed);
    viv_tree_set(document, "original", viv_tree_str(original), failed);
    viv_tree_set(document, "goal", phrase(outline->goal), failed);
    for (int list = OUTLINE_CONSTRAINTS; list < OUTLINE_LISTS; list++) {
        viv_tree_set(list < OUTLINE_ONLY ? document : scope, list_names[list],
                     list_of(outline, (enum outline_list)list, failed), failed);
    }
    viv_tree_set(document, "scope", scope, failed);
    viv_tree_set(document, "confidence_permille", json_integer(outline->confidence_permille),
                 failed);
    if (outline->no_network) {
        viv_tree_set(document, "network", json_integer(0), failed);
    }
    if (outline->budget_micro > 0) {
        viv_tree_set(document, "budget_micro", json_integer(outline->budget_micro), failed);
    }
    return document;
}

static void
ask(json_t *questions, json_t *text, const char *otherwise, uint32_t *failed)
{
    json_t *question = json_object();
    viv_tree_set(question, "text", text, failed);
    viv_tree_set(question, "default", viv_tree_literal(otherwise), failed);
    viv_tree_push(questions, question, failed);
}

/* As much of a text as a question cites. */
static int
shown(struct viv_str text)
{
    return (int)(text.len < 200 ? text.len : 200);
}

struct json_t *
intent_questions(const struct outline *outline, uint32_t *failed)
{
    json_t *questions = json_array();
    if (outline->asks & OUTLINE_ASK_GOAL) {
        ask(questions, viv_tree_literal("What should be done? The request names nothing to do."),
            "nothing is done", failed);
    }
    if (outline->asks & OUTLINE_ASK_VAGUE) {
        ask(questions,
            viv_tree_format("What exactly is meant by '%.*s': which files, and how would you see "
                            "that it is done?",
                            shown(outline->goal), outline->goal.data),
            "nothing is done", failed);
    }
    if (outline->asks & OUTLINE_ASK_PATH) {
        ask(questions,
            viv_tree_format("Which folder of the project is meant by '%.*s'? It lies outside.",
                            shown(outline->outside_path), outline->outside_path.data),
            "it is left out", failed);
    }
    if (outline->asks & OUTLINE_ASK_CONFLICT) {
        ask(questions,
            viv_tree_format("May '%.*s' be changed? It is both asked for and ruled out.",
                            shown(outline->torn_path), outline->torn_path.data),
            "it is not changed", failed);
    }
    if (outline->asks & OUTLINE_ASK_SIZE) {
        ask(questions,
            viv_tree_format("Which %d conditions matter most? More are not kept.",
                            OUTLINE_LIST_MAX),
            "the first ones count", failed);
    }
    while (json_array_size(questions) > OUTLINE_QUESTIONS_MAX) {
        (void)json_array_remove(questions, json_array_size(questions) - 1);
    }
    return questions;
}
