/* SPDX-License-Identifier: Apache-2.0 */
#include "tools.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#define LINES_MAX 100000
#define SEARCH_LINES "200"

struct doing {
    struct tools *tools;
    const json_t *input;
    json_t *text; /* for the model */
    uint32_t error;
    uint32_t reserved;
    struct viv_error *err;
};

typedef viv_status (*tool_fn)(struct doing *doing);

static int
shown(struct viv_str text)
{
    return (int)(text.len < 200 ? text.len : 200);
}

/* ---- what is told ---- */

static void
tell(struct doing *doing, uint32_t error, json_t *text)
{
    json_decref(doing->text);
    doing->text = text;
    doing->error = error;
}

static viv_status
wrong(struct doing *doing, const char *what)
{
    tell(doing, 1, json_string(what));
    return VIV_OK;
}

/* The first bytes, and how many more there are; bytes that are no text become marks. */
static json_t *
excerpt(struct viv_str bytes, uint64_t max)
{
    uint64_t len = bytes.len < max ? bytes.len : max;
    while (len > 0 && len < bytes.len && ((unsigned char)bytes.data[len] & 0xc0) == 0x80) {
        len--; /* not in the middle of a character */
    }
    json_t *text = viv_tree_str((struct viv_str){bytes.data, len});
    if (!text || len == bytes.len) {
        return text;
    }
    json_t *whole = viv_tree_format("%s\n(%llu bytes more)", json_string_value(text),
                                    (unsigned long long)(bytes.len - len));
    json_decref(text);
    return whole;
}

/* ---- effects ---- */

/* VIV_OK with `doing->error`: the door or the machine said no to this one, and the model may try something else. */
static viv_status
perform(struct doing *doing, const struct viv_effect_request *request, struct viv_effect_outcome *outcome)
{
    struct tools *tools = doing->tools;
    struct viv_error said = VIV_ERROR_INIT;
    *outcome = (struct viv_effect_outcome){.size = (uint32_t)sizeof *outcome, .rev = 1};
    viv_status status = tools->effects->perform(tools->effects, tools->call, request, outcome, &said);
    said.text[sizeof said.text - 1] = '\0';
    switch (status) {
    case VIV_OK:
        return VIV_OK;
    case VIV_E_DENIED:
        tools->denied++;
        (void)snprintf(tools->rule, sizeof tools->rule, "%.290s", said.text);
        break;
    case VIV_E_NOT_FOUND:
    case VIV_E_INVALID:
    case VIV_E_EXISTS:
    case VIV_E_LIMIT:
    case VIV_E_UNSUPPORTED:
    case VIV_E_CONFLICT:
        break;
    default: /* a person, an end, or a machine that cannot: not the model's to work around */
        return viv_tree_fail(doing->err, status, "model", "%s", said.text);
    }
    tell(doing, 1, viv_tree_str((struct viv_str){said.text, strlen(said.text)}));
    return VIV_OK;
}

static struct viv_effect_request
request_of(uint32_t kind, struct viv_str path)
{
    return (struct viv_effect_request){
        .size = (uint32_t)sizeof(struct viv_effect_request), .rev = 1, .kind = kind, .path = path};
}

static viv_status
read_bytes(struct doing *doing, struct viv_str path, struct viv_str *ret_bytes)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_READ, path);
    struct viv_effect_outcome outcome;
    viv_status status = perform(doing, &request, &outcome);
    *ret_bytes = outcome.output;
    return status;
}

static viv_status
write_bytes(struct doing *doing, struct viv_str path, struct viv_str bytes)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_WRITE, path);
    struct viv_effect_outcome outcome;
    request.bytes = bytes;
    viv_status status = perform(doing, &request, &outcome);
    if (status == VIV_OK && !doing->error) {
        tell(doing, 0, viv_tree_format("%llu bytes written", (unsigned long long)bytes.len));
    }
    return status;
}

/* ---- tools ---- */

/* Lines `from` to `from + lines - 1`, counted from 1. */
static struct viv_str
lines_of(struct viv_str text, int64_t from, int64_t lines)
{
    const char *at = text.data, *end = text.data + text.len;
    for (int64_t line = 1; line < from && at < end; line++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    const char *stop = at;
    for (int64_t line = 0; line < lines && stop < end; line++) {
        const char *next = memchr(stop, '\n', (size_t)(end - stop));
        stop = next ? next + 1 : end;
    }
    return (struct viv_str){at, (uint64_t)(stop - at)};
}

static viv_status
read_file(struct doing *doing)
{
    struct viv_str bytes = {"", 0};
    int64_t from = viv_tree_integer(doing->input, "from_line", 1);
    int64_t lines = viv_tree_integer(doing->input, "lines", LINES_MAX);
    if (from < 1 || lines < 1) {
        return wrong(doing, "from_line and lines are 1 and more");
    }
    viv_status status = read_bytes(doing, viv_tree_text(doing->input, "path"), &bytes);
    if (status == VIV_OK && !doing->error) {
        tell(doing, 0, excerpt(bytes.data ? lines_of(bytes, from, lines) : bytes, doing->tools->shown_max));
    }
    return status;
}

static viv_status
write_file(struct doing *doing)
{
    return write_bytes(doing, viv_tree_text(doing->input, "path"), viv_tree_text(doing->input, "text"));
}

static const char *
find(struct viv_str text, struct viv_str part)
{
    for (uint64_t at = 0; part.len > 0 && at + part.len <= text.len; at++) {
        if (memcmp(text.data + at, part.data, (size_t)part.len) == 0) {
            return text.data + at;
        }
    }
    return NULL;
}

/* Exactly one place, or the model has not looked well enough. */
static viv_status
replace_in_file(struct doing *doing)
{
    struct viv_str path = viv_tree_text(doing->input, "path"), old = viv_tree_text(doing->input, "old");
    struct viv_str new = viv_tree_text(doing->input, "new"), bytes = {"", 0};
    if (old.len == 0) {
        return wrong(doing, "'old' is empty: say the text that is to be replaced");
    }
    viv_status status = read_bytes(doing, path, &bytes);
    if (status != VIV_OK || doing->error) {
        return status;
    }
    const char *place = bytes.data ? find(bytes, old) : NULL;
    uint64_t after = place ? (uint64_t)(place - bytes.data) + 1 : 0;
    if (!place || find((struct viv_str){bytes.data + after, bytes.len - after}, old)) {
        return wrong(doing, place ? "'old' stands there more than once: say more of the text around it"
                                  : "'old' does not stand in the file: read it first");
    }
    uint64_t head = (uint64_t)(place - bytes.data), tail = bytes.len - head - old.len;
    uint64_t len = head + new.len + tail;
    char *joined = malloc((size_t)len + 1);
    if (!joined) {
        return viv_tree_fail(doing->err, VIV_E_MEMORY, "model", "no memory for a file's text");
    }
    memcpy(joined, bytes.data, (size_t)head);
    memcpy(joined + head, new.len ? new.data : "", (size_t)new.len);
    memcpy(joined + head + new.len, place + old.len, (size_t)tail);
    status = write_bytes(doing, path, (struct viv_str){joined, len});
    free(joined);
    return status;
}

static viv_status
list_files(struct doing *doing)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_LIST, viv_tree_text(doing->input, "path"));
    struct viv_effect_outcome outcome;
    static const char recursive[] = "{\"recursive\":1}";
    json_t *entries = NULL;
    if (json_is_true(json_object_get(doing->input, "recursive")) || viv_tree_integer(doing->input, "recursive", 0)) {
        request.spec_json = (struct viv_str){recursive, sizeof recursive - 1};
    }
    viv_status status = perform(doing, &request, &outcome);
    if (status != VIV_OK || doing->error) {
        return status;
    }
    status = viv_tree_read(outcome.detail_json, "the list of a folder", &entries, doing->err);
    json_t *text = json_string("");
    json_t *list = json_object_get(entries, "entries");
    for (size_t i = 0; status == VIV_OK && text && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const char *path = json_string_value(json_object_get(entry, "path"));
        const char *kind = json_string_value(json_object_get(entry, "kind"));
        if (json_string_length(text) >= doing->tools->shown_max) {
            json_t *cut = viv_tree_format("%s(%zu more)\n", json_string_value(text), json_array_size(list) - i);
            json_decref(text);
            text = cut;
            break;
        }
        json_t *more = viv_tree_format("%s%s%s\n", json_string_value(text), path ? path : "?",
                                       kind && strcmp(kind, "folder") == 0 ? "/" : "");
        json_decref(text);
        text = more;
    }
    json_decref(entries);
    tell(doing, 0, text);
    return status;
}

static viv_status
run_words(struct doing *doing, const char *const *words, size_t count)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_EXEC, (struct viv_str){NULL, 0});
    struct viv_effect_outcome outcome;
    uint32_t failed = 0;
    json_t *argv = json_array();
    for (size_t i = 0; i < count; i++) {
        viv_tree_push(argv, json_string(words[i]), &failed);
    }
    json_t *spec = json_pack("{s:[{s:o}]}", "stages", "argv", argv);
    char *text = spec && !failed ? json_dumps(spec, JSON_COMPACT) : NULL;
    if (!spec) {
        json_decref(argv);
    }
    json_decref(spec);
    if (!text) {
        return viv_tree_fail(doing->err, VIV_E_MEMORY, "model", "no memory for a command");
    }
    request.spec_json = (struct viv_str){text, strlen(text)};
    viv_status status = perform(doing, &request, &outcome);
    free(text);
    if (status != VIV_OK || doing->error) {
        return status;
    }
    json_t *out = excerpt(outcome.output, doing->tools->shown_max);
    json_t *errors = excerpt(outcome.errors, doing->tools->shown_max / 4);
    const char *late = outcome.flags & VIV_EFFECT_TIMED_OUT ? ", ended by its time limit" : "";
    tell(doing, outcome.exit_code != 0,
         viv_tree_format("exit code %d%s\n%s%s%s", (int)outcome.exit_code, late, out ? json_string_value(out) : "",
                         outcome.errors.len ? "\nstandard error:\n" : "", errors ? json_string_value(errors) : ""));
    json_decref(out);
    json_decref(errors);
    return VIV_OK;
}

static viv_status
run(struct doing *doing)
{
    const char *text = json_string_value(json_object_get(doing->input, "command"));
    const char *const words[] = {"sh", "-c", text};
    return run_words(doing, words, 3);
}

static viv_status
search(struct doing *doing)
{
    const char *text = json_string_value(json_object_get(doing->input, "text"));
    struct viv_str path = viv_tree_text(doing->input, "path");
    const char *const words[] = {"grep", "-rnIF", "-m", SEARCH_LINES, "--", text, path.len ? path.data : "."};
    viv_status status = run_words(doing, words, sizeof words / sizeof *words);
    const char *said = doing->text ? json_string_value(doing->text) : NULL;
    if (status == VIV_OK && said && strcmp(said, "exit code 1\n") == 0) {
        tell(doing, 0, json_string("it stands nowhere"));
    }
    return status;
}

static viv_status
move_file(struct doing *doing)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_MOVE, viv_tree_text(doing->input, "path"));
    struct viv_effect_outcome outcome;
    request.target = viv_tree_text(doing->input, "target");
    viv_status status = perform(doing, &request, &outcome);
    if (status == VIV_OK && !doing->error) {
        tell(doing, 0, json_string("moved"));
    }
    return status;
}

static viv_status
delete_file(struct doing *doing)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_DELETE, viv_tree_text(doing->input, "path"));
    struct viv_effect_outcome outcome;
    viv_status status = perform(doing, &request, &outcome);
    if (status == VIV_OK && !doing->error) {
        tell(doing, 0, json_string("deleted"));
    }
    return status;
}

static viv_status
call_skill(struct doing *doing)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_SKILL, viv_tree_text(doing->input, "name"));
    struct viv_effect_outcome outcome;
    request.spec_json = viv_tree_text(doing->input, "input_json");
    viv_status status = perform(doing, &request, &outcome);
    if (status == VIV_OK && !doing->error) {
        tell(doing, 0, excerpt(outcome.output, doing->tools->shown_max));
    }
    return status;
}

static viv_status
done(struct doing *doing)
{
    const char *summary = json_string_value(json_object_get(doing->input, "summary"));
    const json_t *claimed = json_object_get(doing->input, "claimed");
    (void)snprintf(doing->tools->summary, sizeof doing->tools->summary, "%.*s", 390, summary ? summary : "");
    doing->tools->ended = 1;
    json_decref(doing->tools->claimed);
    doing->tools->claimed = json_array();
    for (size_t i = 0; i < json_array_size(claimed) && i < 1000; i++) {
        json_t *path = json_array_get(claimed, i);
        if (json_is_string(path)) {
            (void)json_array_append(doing->tools->claimed, path); /* one claim fewer is no harm */
        }
    }
    tell(doing, 0, json_string("the work is handed over"));
    return VIV_OK;
}

/* ---- the table ---- */

#define TEXT "{\"type\":\"string\"}"
#define COUNT "{\"type\":\"integer\",\"minimum\":1}"

static const struct tool {
    const char *name;
    const char *description;
    const char *properties;
    const char *required[3];
    tool_fn run;
} tools_table[] = {
    {"read_file", "Read a file of the workspace, or some of its lines.",
     "\"path\":" TEXT ",\"from_line\":" COUNT ",\"lines\":" COUNT, {"path"}, read_file},
    {"write_file", "Create a file or replace all of it.", "\"path\":" TEXT ",\"text\":" TEXT, {"path", "text"}, write_file},
    {"replace_in_file", "Replace one place of a file; 'old' must stand there exactly once.",
     "\"path\":" TEXT ",\"old\":" TEXT ",\"new\":" TEXT, {"path", "old", "new"}, replace_in_file},
    {"list_files", "List a folder; folders end in '/'.", "\"path\":" TEXT ",\"recursive\":{\"type\":\"boolean\"}", {NULL},
     list_files},
    {"search", "Find the lines that hold a text, in all files below a path.", "\"text\":" TEXT ",\"path\":" TEXT, {"text"},
     search},
    {"run", "Run a shell command in the workspace.", "\"command\":" TEXT, {"command"}, run},
    {"move_file", "Move or rename a file.", "\"path\":" TEXT ",\"target\":" TEXT, {"path", "target"}, move_file},
    {"delete_file", "Delete a file.", "\"path\":" TEXT, {"path"}, delete_file},
    {"call_skill", "Call a skill by its id; its input is the text of a JSON object.",
     "\"name\":" TEXT ",\"input_json\":" TEXT, {"name", "input_json"}, call_skill},
    {"done", "Hand the work over: what was done, and which files it is in.",
     "\"summary\":" TEXT ",\"claimed\":{\"type\":\"array\",\"items\":" TEXT "}", {"summary"}, done},
};

#define TOOLS_COUNT (sizeof tools_table / sizeof *tools_table)

struct json_t *
tools_list(uint32_t *failed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TOOLS_COUNT; i++) {
        const struct tool *tool = &tools_table[i];
        char required[120] = "";
        for (size_t r = 0; r < 3 && tool->required[r]; r++) {
            size_t len = strlen(required);
            (void)snprintf(required + len, sizeof required - len, "%s\"%s\"", r ? "," : "", tool->required[r]);
        }
        json_t *one = json_object();
        viv_tree_set(one, "name", viv_tree_literal(tool->name), failed);
        viv_tree_set(one, "description", viv_tree_literal(tool->description), failed);
        viv_tree_set(one, "schema_json",
                     viv_tree_format("{\"additionalProperties\":false,\"properties\":{%s},\"required\":[%s],\"type\":\"object\"}",
                                     tool->properties, required),
                     failed);
        viv_tree_push(list, one, failed);
    }
    return list;
}

static const struct tool *
tool_of(struct viv_str name)
{
    for (size_t i = 0; i < TOOLS_COUNT; i++) {
        if (strlen(tools_table[i].name) == name.len && memcmp(tools_table[i].name, name.data, (size_t)name.len) == 0) {
            return &tools_table[i];
        }
    }
    return NULL;
}

/* Required members are there and are texts; the tools look at the others. */
static const char *
missing(const struct tool *tool, const json_t *input)
{
    for (size_t i = 0; i < 3 && tool->required[i]; i++) {
        if (!json_is_string(json_object_get(input, tool->required[i]))) {
            return tool->required[i];
        }
    }
    return NULL;
}

viv_status
tools_do(struct tools *tools, struct viv_str name, struct viv_str input_json, struct json_t **ret_text,
         uint32_t *ret_error, struct viv_error *err)
{
    const struct tool *tool = tool_of(name);
    struct viv_error said = VIV_ERROR_INIT;
    json_t *input = NULL;
    struct doing doing = {.tools = tools, .err = err};
    viv_status status = VIV_OK;
    if (!tool) {
        tell(&doing, 1, viv_tree_format("there is no tool '%.*s'", shown(name), name.data ? name.data : ""));
    } else if (viv_tree_read(input_json, "the arguments", &input, &said) != VIV_OK || !json_is_object(input)) {
        tell(&doing, 1, viv_tree_format("the arguments of '%s' are no JSON object", tool->name));
    } else if (missing(tool, input)) {
        tell(&doing, 1, viv_tree_format("'%s' lacks the text '%s'", tool->name, missing(tool, input)));
    } else {
        doing.input = input;
        status = tool->run(&doing);
    }
    json_decref(input);
    if (status == VIV_OK && !doing.text) {
        status = viv_tree_fail(err, VIV_E_MEMORY, "model", "no memory for what a tool gave");
    }
    if (status != VIV_OK) {
        json_decref(doing.text);
        return status;
    }
    *ret_text = doing.text;
    *ret_error = doing.error;
    return VIV_OK;
}
