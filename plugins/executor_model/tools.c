/* SPDX-License-Identifier: Apache-2.0 */
#include "tools_inside.h"

#include <jansson.h>
#include <kit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#define CLAIMED_MAX 1024
#define SUMMARY_MAX 4096

static viv_status tool_done(struct tool *tool);

#define PATH "\"path\":{\"type\":\"string\",\"description\":\"relative to the workspace\"}"
#define OBJECT(required, members)                                                                                    \
    "{\"type\":\"object\",\"required\":[" required "],\"properties\":{" members "}}"

static const struct {
    const char *name;
    viv_status (*act)(struct tool *tool);
    const char *description;
    const char *schema;
} tools[] = {
    { "read_file", tool_read_file, "Show a file, or a part of it by lines.",
      OBJECT("\"path\"", PATH ",\"from_line\":{\"type\":\"integer\",\"minimum\":1},"
                              "\"lines\":{\"type\":\"integer\",\"minimum\":1}") },
    { "write_file", tool_write_file, "Create a file, or replace all of it. Missing folders are made.",
      OBJECT("\"path\",\"text\"", PATH ",\"text\":{\"type\":\"string\",\"description\":\"all that the file holds\"}") },
    { "replace_in_file", tool_replace_in_file,
      "Replace a text of a file by another. The old text must be there exactly once, blanks and line ends included.",
      OBJECT("\"path\",\"old\",\"new\"", PATH ",\"old\":{\"type\":\"string\"},\"new\":{\"type\":\"string\"}") },
    { "list_files", tool_list_files, "List a folder, or the whole tree below it.",
      OBJECT("", PATH ",\"recursive\":{\"type\":\"boolean\"}") },
    { "search", tool_search, "Find the lines of files that hold a fixed text, as path:line:text.",
      OBJECT("\"pattern\"", PATH ",\"pattern\":{\"type\":\"string\",\"description\":\"fixed text within one line\"}") },
    { "move_file", tool_move_file, "Move or rename a file or a folder.",
      OBJECT("\"path\",\"target\"", PATH ",\"target\":{\"type\":\"string\"}") },
    { "delete_file", tool_delete_file, "Delete a file, or an empty folder.", OBJECT("\"path\"", PATH) },
    { "run", tool_run, "Run a program in the workspace: either `argv`, or `command` for a shell.",
      OBJECT("", "\"command\":{\"type\":\"string\"},\"argv\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}") },
    { "call_skill", tool_call_skill, "Call a skill of the host by its name.",
      OBJECT("\"name\"", "\"name\":{\"type\":\"string\"},\"input\":{\"type\":\"object\"}") },
    { "done", tool_done, "Say that the work is complete. Call it alone, after you have seen that all is well.",
      OBJECT("\"summary\"", "\"summary\":{\"type\":\"string\"},\"claimed\":{\"type\":\"array\",\"items\":"
                            "{\"type\":\"string\"},\"description\":\"paths you changed\"}") },
};

#define TOOLS (sizeof tools / sizeof *tools)

struct json_t *
tools_list(uint32_t *failed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TOOLS; i++) {
        json_t *tool = json_object();
        viv_tree_set(tool, "name", viv_tree_literal(tools[i].name), failed);
        viv_tree_set(tool, "description", viv_tree_literal(tools[i].description), failed);
        viv_tree_set(tool, "schema_json", viv_tree_literal(tools[i].schema), failed);
        viv_tree_push(list, tool, failed);
    }
    return list;
}

viv_status
tool_fails(struct tool *tool, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tool->answer->error = 1;
    return tool_says(tool, viv_tree_literal(text));
}

viv_status
tool_says(struct tool *tool, struct json_t *text)
{
    json_decref(tool->answer->text);
    tool->answer->text = text;
    return VIV_OK;
}

uint32_t
tool_text(struct tool *tool, const char *key, uint32_t least, struct viv_str *ret_text)
{
    const json_t *member = json_object_get(tool->input, key);
    if (!json_is_string(member) || json_string_length(member) < least) {
        (void)tool_fails(tool, "nothing was done: the argument '%s' is %s, allowed: a text%s", key,
                         !member                  ? "missing"
                         : json_is_string(member) ? "empty"
                                                  : "no text",
                         least ? " that is not empty" : "");
        return 0;
    }
    *ret_text = viv_tree_text(tool->input, key);
    return 1;
}

uint32_t
tool_number(struct tool *tool, const char *key, int64_t fallback, int64_t *ret_number)
{
    const json_t *member = json_object_get(tool->input, key);
    if (member && !json_is_null(member) && (!json_is_integer(member) || json_integer_value(member) < 1)) {
        (void)tool_fails(tool, "nothing was done: the argument '%s' is no whole number from 1 on", key);
        return 0;
    }
    *ret_number = viv_tree_integer(tool->input, key, fallback);
    return 1;
}

uint32_t
tool_truth(struct tool *tool, const char *key, uint32_t *ret_truth)
{
    const json_t *member = json_object_get(tool->input, key);
    if (member && !json_is_null(member) && !json_is_boolean(member)) {
        (void)tool_fails(tool, "nothing was done: the argument '%s' is neither true nor false", key);
        return 0;
    }
    *ret_truth = json_is_true(member);
    return 1;
}

uint32_t
tool_effect(struct tool *tool, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
            viv_status *ret_status)
{
    struct viv_error fault = VIV_ERROR_INIT;
    viv_status status = door_pass(tool->door, request, ret_outcome, &fault);
    *ret_status = VIV_OK;
    if (status == VIV_OK)
        return 1;
    *ret_status = door_tells(status) ? tool_fails(tool, "%s", fault.text)
                                     : viv_tree_fail(tool->err, status, fault.where, "%s", fault.text);
    return 0;
}

/* It is shown to people in a line: what is no text there becomes a blank. */
static json_t *
line_of(struct viv_str text)
{
    char line[SUMMARY_MAX];
    uint64_t len = text.len < sizeof line ? text.len : sizeof line;
    for (uint64_t i = 0; i < len; i++) {
        line[i] = (unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f ? ' ' : text.data[i];
    }
    return viv_tree_str((struct viv_str){ line, len });
}

/* A claim is compared with what changed; it grants nothing. */
static viv_status
tool_done(struct tool *tool)
{
    struct viv_str summary;
    json_t *claimed = json_object_get(tool->input, "claimed");
    if (!tool_text(tool, "summary", 1, &summary))
        return VIV_OK;
    if (claimed && !json_is_null(claimed) && (!json_is_array(claimed) || json_array_size(claimed) > CLAIMED_MAX))
        return tool_fails(tool, "not done: 'claimed' is no list of at most %d paths", CLAIMED_MAX);
    for (size_t i = 0; i < json_array_size(claimed); i++) {
        const json_t *path = json_array_get(claimed, i);
        if (!json_is_string(path) || json_string_length(path) == 0 ||
            !viv_kit_path_safe((struct viv_str){ json_string_value(path), json_string_length(path) })) {
            return tool_fails(tool, "not done: entry %zu of 'claimed' is no path that is relative to the workspace",
                              i + 1);
        }
    }
    tool->answer->done = 1;
    tool->answer->summary = line_of(summary);
    tool->answer->claimed = json_is_array(claimed) ? json_incref(claimed) : json_array();
    return tool_says(tool, viv_tree_literal("done"));
}

static viv_status
unknown(struct tool *tool, struct viv_str name)
{
    char names[256];
    size_t len = 0;
    for (size_t i = 0; i < TOOLS; i++) {
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", tools[i].name);
    }
    return tool_fails(tool, "nothing was done: there is no tool '%.*s', allowed: %s", (int)name.len, name.data, names);
}

viv_status
tools_call(struct door *door, const struct executor_model_config *config, const struct json_t *call,
           struct tool_answer *ret_answer, struct viv_error *err)
{
    *ret_answer = (struct tool_answer){ 0 };
    struct tool tool = { door, config, json_object_get(call, "input"), ret_answer, err };
    struct viv_str name = viv_tree_text(call, "name");
    viv_status (*act)(struct tool *) = NULL;
    for (size_t i = 0; i < TOOLS; i++) {
        act = viv_kit_is(name, tools[i].name) ? tools[i].act : act;
    }
    viv_status status = !act         ? unknown(&tool, name)
                        : tool.input ? act(&tool)
                                     : tool_fails(&tool, "%s", viv_tree_text(call, "problem").data);
    uint32_t whole = ret_answer->text && (!ret_answer->done || (ret_answer->summary && ret_answer->claimed));
    if (status == VIV_OK && !whole) {
        status = viv_tree_fail(err, VIV_E_MEMORY, "tools", "the result of a tool does not fit into memory");
    }
    if (status != VIV_OK) {
        tool_answer_close(ret_answer);
    }
    return status;
}

void
tool_answer_close(struct tool_answer *answer)
{
    json_decref(answer->text);
    json_decref(answer->summary);
    json_decref(answer->claimed);
    *answer = (struct tool_answer){ 0 };
}
