/* SPDX-License-Identifier: Apache-2.0 */
/* One entry: its id, what it asks for, what it may cost. Fields nobody here knows are left alone;
 * they stay in the file's bytes. */
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "core/scope.h"
#include "queue_entry.h"
#include "run/network.h"
#include <viv/limits.h>

#define MAX_MICRO_DEFAULT 100000 /* contract 1.1: max_budget 0.10 */
#define MIN_MICRO_DEFAULT 50000  /* min_budget 0.05 */

const char *
vh_queue_type(const json_t *value)
{
    if (!value) {
        return "missing";
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}

/* Fields with a meaning here, and what they hold; null counts as left out. */
enum field_type { TEXT, NUMBER, FLAG, LIST, HOSTS };
static const struct field {
    const char *name;
    enum field_type type;
} fields[] = {
    {"id", TEXT},
    {"prompt", TEXT},
    {"instruction", TEXT},
    {"description", TEXT},
    {"atomic_instruction", TEXT},
    {"task", TEXT},
    {"command", TEXT},
    {"shell", TEXT},
    {"mode", TEXT},
    {"model", TEXT},
    {"min_budget", NUMBER},
    {"max_budget", NUMBER},
    {"intensity", TEXT},
    {"depends_on", LIST},
    {"parallel_safe", FLAG},
    {"status", TEXT},
    {"scope", TEXT},
    {"hosts", HOSTS},
};

static const char *const type_names[] = {"a text", "a number", "true or false", "a list of ids",
                                        "a list of texts like example.org:443"};

static bool
fits(const json_t *value, enum field_type type)
{
    return json_is_null(value) || (type == TEXT && json_is_string(value)) ||
           (type == NUMBER && json_is_number(value)) || (type == FLAG && json_is_boolean(value)) ||
           ((type == LIST || type == HOSTS) && json_is_array(value));
}

static viv_status
check_fields(const json_t *tree, const struct vh_queue_entry *entry, struct viv_error *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct viv_str raw;
        const json_t *value = json_object_get(tree, fields[i].name);
        if (!value) {
            continue;
        }
        if (!fits(value, fields[i].type)) {
            return vh_error_set(err, VIV_E_INVALID, "queue", "'%s' is %s, allowed: %s",
                                fields[i].name, vh_queue_type(value), type_names[fields[i].type]);
        }
        if (!vh_scan_find(entry->bytes, fields[i].name, &raw)) {
            return vh_error_set(err, VIV_E_INVALID, "queue",
                                "the key '%s' is spelled with escapes, allowed: as it is",
                                fields[i].name);
        }
    }
    return VIV_OK;
}

static viv_status
copy_text(struct vh_arena *arena, const char *text, struct viv_str *ret_text, struct viv_error *err)
{
    char *copy = vh_arena_text(arena, text);
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
    }
    *ret_text = vh_str(copy);
    return VIV_OK;
}

static viv_status
read_id(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
        struct viv_error *err)
{
    const json_t *value = json_object_get(tree, "id");
    const char *text = json_string_value(value);
    if (!text) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "'id' is %s, allowed: a text",
                            vh_queue_type(value));
    }
    if (!vh_str_id(vh_str(text))) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "id '%.96s' is not usable, allowed: 1 to %d " VH_STR_ID_WORDS,
                            text, VIV_ID_MAX);
    }
    return copy_text(arena, text, &entry->id, err);
}

/* The first of the names that holds a text. */
static const char *
first_text(const json_t *tree, const char *const *names)
{
    for (; *names; names++) {
        const char *text = json_string_value(json_object_get(tree, *names));
        if (text && *text) {
            return text;
        }
    }
    return NULL;
}

static viv_status
read_request(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
             struct viv_error *err)
{
    static const char *const prompts[] = {
        "prompt", "instruction", "description", "atomic_instruction", "task", NULL};
    static const char *const command_names[] = {"command", "shell", NULL};
    static const char *const shell_names[] = {"shell", NULL};
    const char *prompt = first_text(tree, prompts);
    const char *command = first_text(tree, command_names);
    const char *shell = first_text(tree, shell_names);
    const char *mode = json_string_value(json_object_get(tree, "mode"));
    if (command && shell && strcmp(command, shell) != 0) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'command' and 'shell' differ, allowed: one of them");
    }
    if (mode && strcmp(mode, "llm") != 0 && strcmp(mode, "local") != 0) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "'mode' is '%.32s', allowed: llm, local",
                            mode);
    }
    if (mode && strcmp(mode, "local") == 0 && !command) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'mode' is 'local' and there is no command; add 'command', or "
                            "leave 'mode' out");
    }
    if (mode && strcmp(mode, "llm") == 0 && command) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'mode' is 'llm' and there is a command, allowed: one of them");
    }
    if (!prompt && !command) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "there is nothing to do, allowed: a text in prompt, "
                            "instruction, description, atomic_instruction or task, or a command");
    }
    size_t len = strlen(prompt ? prompt : command);
    if (len > VIV_GOAL_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "the request has %zu bytes, allowed 1 to %d",
                            len, VIV_GOAL_MAX);
    }
    viv_status status = copy_text(arena, prompt ? prompt : command, &entry->prompt, err);
    return status || !command ? status : copy_text(arena, command, &entry->command, err);
}

static viv_status
read_choices(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
             struct viv_error *err)
{
    const char *model = json_string_value(json_object_get(tree, "model"));
    const char *intensity = json_string_value(json_object_get(tree, "intensity"));
    const char *scope = json_string_value(json_object_get(tree, "scope"));
    if (intensity && strcmp(intensity, "low") != 0 && strcmp(intensity, "medium") != 0 &&
        strcmp(intensity, "high") != 0) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'intensity' is '%.32s', allowed: low, medium, high", intensity);
    }
    if (model && strlen(model) > 256) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "'model' has %zu bytes, allowed 256",
                            strlen(model));
    }
    viv_status status = model ? copy_text(arena, model, &entry->model, err) : VIV_OK;
    if (status == VIV_OK && scope) {
        status = vh_scope_read(arena, vh_str(scope), &entry->scope, err);
    }
    return status || !intensity ? status : copy_text(arena, intensity, &entry->intensity, err);
}

/* From the decimal text: a double has no cents. */
static viv_status
read_money(const struct vh_queue_entry *entry, const char *name, int64_t fallback,
           int64_t *ret_micro, struct viv_error *err)
{
    struct viv_str raw;
    *ret_micro = fallback;
    if (!vh_scan_find(entry->bytes, name, &raw) || vh_str_is(raw, "null")) {
        return VIV_OK;
    }
    viv_status status = vh_scan_micro(raw, ret_micro);
    if (status) {
        return vh_error_set(err, status, "queue",
                            "'%s' is %.*s, allowed: a number up to 9007199254 in whole millionths",
                            name, raw.len > 32 ? 32 : (int)raw.len, raw.data);
    }
    *ret_micro = *ret_micro < 0 ? 0 : *ret_micro;
    return VIV_OK;
}

static viv_status
read_depends(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
             struct viv_error *err)
{
    const json_t *list = json_object_get(tree, "depends_on");
    size_t count = json_array_size(list);
    if (count > VIV_DEPENDS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue", "'depends_on' names %zu tasks, allowed %d",
                            count, VIV_DEPENDS_MAX);
    }
    entry->depends = vh_arena_array(arena, count + 1, sizeof *entry->depends);
    if (!entry->depends) {
        return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(item);
        if (!text) {
            return vh_error_set(err, VIV_E_INVALID, "queue", "'depends_on' holds %s, allowed: ids",
                                vh_queue_type(item));
        }
        if (!vh_str_id(vh_str(text))) {
            return vh_error_set(err, VIV_E_INVALID, "queue",
                                "'depends_on' names '%.96s', which can be no task's id", text);
        }
        viv_status status = copy_text(arena, text, &entry->depends[entry->depends_count], err);
        if (status) {
            return status;
        }
        entry->depends_count++;
    }
    return VIV_OK;
}

/* An empty list is a word of its own: nothing is to be reached, whatever the policy's default is. */
static viv_status
read_hosts(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry, struct viv_error *err)
{
    const json_t *list = json_object_get(tree, "hosts");
    viv_status status = VIV_OK;
    if (!json_is_array(list)) {
        return VIV_OK;
    }
    entry->hosts = vh_json_array(arena);
    for (size_t i = 0; i < json_array_size(list) && status == VIV_OK; i++) {
        struct viv_str host = {NULL, 0};
        const char *text = json_string_value(json_array_get(list, i));
        status = text ? copy_text(arena, text, &host, err) : VIV_OK;
        vh_json_push(entry->hosts, text ? vh_json_string(arena, host) : vh_json_integer(arena, 0));
    }
    if (status == VIV_OK && (!entry->hosts || entry->hosts->failed)) {
        return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
    }
    return status ? status : vh_network_hosts(entry->hosts, err);
}

viv_status
vh_queue_entry_read(struct vh_arena *arena, const json_t *tree, struct vh_queue_entry *entry,
                    struct viv_error *err)
{
    if (!json_is_object(tree)) {
        return vh_error_set(err, VIV_E_INVALID, "queue", "the entry is %s, allowed: an object",
                            vh_queue_type(tree));
    }
    viv_status status = read_id(arena, tree, entry, err);
    status = status ? status : check_fields(tree, entry, err);
    status = status ? status : read_request(arena, tree, entry, err);
    status = status ? status : read_choices(arena, tree, entry, err);
    status = status ? status : read_hosts(arena, tree, entry, err);
    status = status ? status
                    : read_money(entry, "max_budget", MAX_MICRO_DEFAULT, &entry->max_micro, err);
    status = status ? status
                    : read_money(entry, "min_budget", MIN_MICRO_DEFAULT, &entry->min_micro, err);
    entry->min_micro = entry->min_micro > entry->max_micro ? entry->max_micro : entry->min_micro;
    return status ? status : read_depends(arena, tree, entry, err);
}
