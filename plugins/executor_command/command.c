/* SPDX-License-Identifier: Apache-2.0 */
/* The door checks an exec document again; what is refused here is refused with a better sentence.
 */
#include "command.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

static viv_status
no_command(struct viv_error *err)
{
    return viv_tree_fail(err, VIV_E_UNAVAILABLE, "command",
                         "no command came with this task; show how with '-- COMMAND', install a "
                         "skill that can do it, "
                         "or configure a model");
}

static viv_status
check_stage(const json_t *stage, size_t number, struct viv_error *err)
{
    const json_t *argv = json_object_get(stage, "argv");
    size_t count = json_array_size(argv);
    if (count == 0 || count > VIV_ARGV_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "command",
                             "stage %zu has %zu words in 'argv', allowed 1 to %d", number + 1,
                             count, VIV_ARGV_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(argv, i);
        if (!json_is_string(word) || (i == 0 && json_string_length(word) == 0)) {
            return viv_tree_fail(err, VIV_E_INVALID, "command",
                                 "word %zu of stage %zu is %s, allowed: a text, and for the "
                                 "program not an empty one",
                                 i + 1, number + 1, json_is_string(word) ? "empty" : "no text");
        }
    }
    return VIV_OK;
}

static viv_status
check_pipeline(const json_t *pipeline, struct viv_error *err)
{
    const json_t *stages = json_object_get(pipeline, "stages");
    size_t count = json_array_size(stages);
    if (count == 0 || count > VIV_STAGES_MAX) {
        return viv_tree_fail(err, VIV_E_INVALID, "command",
                             "a pipeline has %zu stages, allowed 1 to %d", count, VIV_STAGES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        viv_status status = check_stage(json_array_get(stages, i), i, err);
        if (status != VIV_OK) {
            return status;
        }
    }
    return VIV_OK;
}

/* A lone pipeline becomes a list of one. */
static viv_status
list_of(json_t *document, json_t **ret_list, struct viv_error *err)
{
    json_t *many = json_object_get(document, "pipelines");
    json_t *stages = json_object_get(document, "stages");
    if (many && stages) {
        return viv_tree_fail(err, VIV_E_INVALID, "command",
                             "the command has both 'stages' and 'pipelines', "
                             "allowed: one");
    }
    if (json_array_size(many) == 0 && json_array_size(stages) == 0 &&
        (!many || json_is_array(many)) && (!stages || json_is_array(stages))) {
        return no_command(err);
    }
    *ret_list = many ? json_incref(many) : json_array();
    if (!many && json_array_append(*ret_list, document) != 0) {
        json_decref(*ret_list);
        return viv_tree_fail(err, VIV_E_MEMORY, "command", "the command does not fit into memory");
    }
    return VIV_OK;
}

viv_status
command_read(struct viv_str command_json, struct json_t **ret_pipelines, struct viv_error *err)
{
    json_t *document = NULL;
    json_t *list = NULL;
    if (command_json.len == 0) {
        return no_command(err);
    }
    viv_status status = viv_tree_read(command_json, "command_json", &document, err);
    if (status == VIV_OK && !json_is_object(document)) {
        status = viv_tree_fail(err, VIV_E_INVALID, "command", "command_json is not an object");
    }
    status = status ? status : list_of(document, &list, err);
    json_decref(document);
    if (status != VIV_OK) {
        return status;
    }
    size_t count = json_array_size(list);
    if (count == 0 || count > COMMAND_PIPELINES_MAX) {
        status = viv_tree_fail(err, VIV_E_INVALID, "command",
                               "the command has %zu pipelines, allowed 1 to %d", count,
                               COMMAND_PIPELINES_MAX);
    }
    for (size_t i = 0; status == VIV_OK && i < count; i++) {
        status = check_pipeline(json_array_get(list, i), err);
    }
    if (status != VIV_OK) {
        json_decref(list);
        return status;
    }
    *ret_pipelines = list;
    return VIV_OK;
}

void
command_summary(const struct json_t *pipeline, const struct viv_effect_outcome *outcome,
                char *buffer, uint64_t size)
{
    char words[256];
    const json_t *stages = json_object_get(pipeline, "stages");
    size_t count = json_array_size(stages);
    viv_tree_words(json_object_get(json_array_get(stages, 0), "argv"), words, sizeof words);
    char more[48] = "";
    if (count > 1) {
        (void)snprintf(more, sizeof more, " (and %zu more stages)", count - 1);
    }
    if (outcome->flags & VIV_EFFECT_TIMED_OUT) {
        (void)snprintf(buffer, size, "%s%s ran out of time", words, more);
    } else if (outcome->exit_code == 0) {
        (void)snprintf(buffer, size, "%s%s ended well", words, more);
    } else if (outcome->exit_code < 0) {
        (void)snprintf(buffer, size, "%s%s could not be started", words, more);
    } else if (outcome->exit_code > 128) {
        (void)snprintf(buffer, size, "%s%s was ended by signal %d", words, more,
                       outcome->exit_code - 128);
    } else {
        (void)snprintf(buffer, size, "%s%s failed with exit code %d", words, more,
                       outcome->exit_code);
    }
}

/* Characters may be cut in two at the seam; viv_tree_str() makes those U+FFFD. */
struct json_t *
command_excerpt(struct viv_str text, uint64_t max)
{
    if (text.len <= max) {
        return viv_tree_str(text);
    }
    uint64_t half = max / 2;
    json_t *head = viv_tree_str((struct viv_str){text.data, half});
    json_t *tail = viv_tree_str((struct viv_str){text.data + text.len - half, half});
    json_t *whole =
        head && tail
            ? json_sprintf("%s\n[%llu bytes left out]\n%s", json_string_value(head),
                           (unsigned long long)(text.len - 2 * half), json_string_value(tail))
            : NULL;
    json_decref(head);
    json_decref(tail);
    return whole;
}
