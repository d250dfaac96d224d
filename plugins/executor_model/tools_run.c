/* SPDX-License-Identifier: Apache-2.0 */
/* Tools that run programs and skills. The door judges the words; none of them is looked at here. */
#include "tools_inside.h"

#include <jansson.h>
#include <kit.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#include "answer.h"
#include "executor_model_manifest.h"

/* By memory of our own, freed when the effect has passed: the call's memory is for outcomes. */
static char *
text_of(const json_t *value, uint32_t failed, struct viv_str *ret_text)
{
    const size_t form = JSON_COMPACT | JSON_SORT_KEYS;
    size_t size = failed ? 0 : json_dumpb(value, NULL, 0, form);
    char *text = size ? malloc(size) : NULL;
    if (text && json_dumpb(value, text, size, form) != size) {
        free(text);
        return NULL;
    }
    *ret_text = (struct viv_str){ text, size };
    return text;
}

/* One program; takes over `argv`. 0 as tool_effect() has it. */
static uint32_t
exec(struct tool *tool, json_t *argv, struct viv_effect_outcome *ret_outcome, viv_status *ret_status)
{
    struct viv_effect_request request = { .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_EXEC };
    uint32_t failed = 0, worked = 0;
    json_t *document = json_object();
    json_t *stages = json_array();
    json_t *stage = json_object();
    viv_tree_set(stage, "argv", argv, &failed);
    viv_tree_push(stages, stage, &failed);
    viv_tree_set(document, "stages", stages, &failed);
    char *text = text_of(document, failed, &request.spec_json);
    json_decref(document);
    if (text) {
        worked = tool_effect(tool, &request, ret_outcome, ret_status);
    } else {
        *ret_status = viv_tree_fail(tool->err, VIV_E_MEMORY, "tools", "the command does not fit into memory");
    }
    free(text);
    return worked;
}

/* ---- search ---- */

/* 1 is grep's word for nothing found. */
static viv_status
tell_found(struct tool *tool, const struct viv_effect_outcome *outcome)
{
    uint64_t max = (uint64_t)tool->config->output_bytes;
    if (outcome->exit_code == 1 && outcome->output.len == 0)
        return tool_says(tool, viv_tree_literal("no line has it"));
    if (outcome->output.len > 0)
        return tool_says(tool, answer_excerpt(outcome->output, max));
    tool->answer->error = 1;
    return tool_says(tool, outcome->errors.len ? answer_excerpt(outcome->errors, max)
                                               : viv_tree_format("grep ended with exit code %d", outcome->exit_code));
}

viv_status
tool_search(struct tool *tool)
{
    static const char *const words[] = { "grep", "-rnIF", "--exclude-dir=.git", "-e" };
    struct viv_str pattern, path = viv_kit_str(".");
    struct viv_effect_outcome outcome;
    uint32_t failed = 0;
    viv_status status;
    if (!tool_text(tool, "pattern", 1, &pattern) ||
        (json_object_get(tool->input, "path") && !tool_text(tool, "path", 1, &path)))
        return VIV_OK;
    if (memchr(pattern.data, '\n', (size_t)pattern.len))
        return tool_fails(tool, "nothing was done: the pattern has more than one line, allowed: text within one line");
    json_t *argv = json_array();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        viv_tree_push(argv, viv_tree_literal(words[i]), &failed);
    }
    viv_tree_push(argv, viv_tree_str(pattern), &failed);
    viv_tree_push(argv, viv_tree_literal("--"), &failed);
    viv_tree_push(argv, viv_tree_str(path), &failed);
    if (failed) {
        json_decref(argv);
        return viv_tree_fail(tool->err, VIV_E_MEMORY, "tools", "the command does not fit into memory");
    }
    return exec(tool, argv, &outcome, &status) ? tell_found(tool, &outcome) : status;
}

/* ---- run ---- */

static uint32_t
is_argv(const json_t *argv)
{
    size_t count = json_array_size(argv);
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(argv, i);
        if (!json_is_string(word) || (i == 0 && json_string_length(word) == 0))
            return 0;
    }
    return count > 0 && count <= VIV_ARGV_MAX;
}

/* The words to run, or NULL: the model was told, or memory is out. */
static json_t *
words_of(struct tool *tool, viv_status *ret_status)
{
    json_t *argv = json_object_get(tool->input, "argv");
    struct viv_str command = viv_tree_text(tool->input, "command");
    uint32_t failed = 0;
    argv = json_is_null(argv) ? NULL : argv;
    *ret_status = VIV_OK;
    if (!argv == !command.len) {
        (void)tool_fails(tool, "nothing was done: allowed is either 'command', a text, or 'argv', a list of texts");
        return NULL;
    }
    if (argv && !is_argv(argv)) {
        (void)tool_fails(tool, "nothing was done: 'argv' is no list of 1 to %d texts, the first not empty",
                         VIV_ARGV_MAX);
        return NULL;
    }
    if (argv)
        return json_incref(argv);
    json_t *words = json_array();
    viv_tree_push(words, viv_tree_literal("sh"), &failed);
    viv_tree_push(words, viv_tree_literal("-c"), &failed);
    viv_tree_push(words, viv_tree_str(command), &failed);
    if (failed) {
        json_decref(words);
        *ret_status = viv_tree_fail(tool->err, VIV_E_MEMORY, "tools", "the command does not fit into memory");
        return NULL;
    }
    return words;
}

static json_t *
ending_of(const struct viv_effect_outcome *outcome)
{
    if (outcome->flags & VIV_EFFECT_TIMED_OUT)
        return viv_tree_literal("it ran out of time");
    if (outcome->exit_code < 0)
        return viv_tree_literal("it could not be started");
    return viv_tree_format(outcome->exit_code > 128 ? "exit code %d, as of a signal" : "exit code %d",
                           outcome->exit_code);
}

static viv_status
tell_run(struct tool *tool, const struct viv_effect_outcome *outcome)
{
    uint64_t half = (uint64_t)tool->config->output_bytes / 2;
    json_t *ending = ending_of(outcome);
    json_t *output = answer_excerpt(outcome->output, half);
    json_t *errors = answer_excerpt(outcome->errors, half);
    json_t *text = ending && output && errors
                       ? json_sprintf("%s\nstandard output%s:\n%s\nstandard error:\n%s", json_string_value(ending),
                                      outcome->flags & VIV_EFFECT_OUTPUT_CUT ? " (more than was kept)" : "",
                                      json_string_value(output), json_string_value(errors))
                       : NULL;
    json_decref(ending);
    json_decref(output);
    json_decref(errors);
    tool->answer->error = outcome->exit_code != 0 || (outcome->flags & VIV_EFFECT_TIMED_OUT) != 0;
    return tool_says(tool, text);
}

viv_status
tool_run(struct tool *tool)
{
    struct viv_effect_outcome outcome;
    viv_status status;
    json_t *argv = words_of(tool, &status);
    if (!argv)
        return status;
    return exec(tool, argv, &outcome, &status) ? tell_run(tool, &outcome) : status;
}

/* ---- call_skill ---- */

static viv_status
tell_skill(struct tool *tool, const struct viv_effect_outcome *outcome)
{
    struct viv_str said = outcome->output.len ? outcome->output : outcome->detail_json;
    if (outcome->exit_code != 0)
        return tell_run(tool, outcome);
    return tool_says(tool, answer_excerpt(said, (uint64_t)tool->config->output_bytes));
}

viv_status
tool_call_skill(struct tool *tool)
{
    struct viv_effect_request request = { .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_SKILL };
    struct viv_effect_outcome outcome;
    viv_status status;
    const json_t *input = json_object_get(tool->input, "input");
    if (!tool_text(tool, "name", 1, &request.path))
        return VIV_OK;
    if (input && !json_is_object(input))
        return tool_fails(tool, "nothing was done: the argument 'input' is no object");
    request.spec_json = viv_kit_str("{}");
    char *text = input ? text_of(input, 0, &request.spec_json) : NULL;
    if (input && !text)
        return viv_tree_fail(tool->err, VIV_E_MEMORY, "tools", "the input of a skill does not fit into memory");
    uint32_t worked = tool_effect(tool, &request, &outcome, &status);
    free(text);
    return worked ? tell_skill(tool, &outcome) : status;
}
