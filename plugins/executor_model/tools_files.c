/* SPDX-License-Identifier: Apache-2.0 */
/* Tools that read and change files. Bytes that are no UTF-8 are shown as U+FFFD, and kept as they are by a replacement
 * elsewhere in the file. */
#include "tools_inside.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#include "answer.h"
#include "executor_model_manifest.h"

static struct viv_effect_request
request_of(uint32_t kind, struct viv_str path)
{
    return (struct viv_effect_request){ .size = (uint32_t)sizeof(struct viv_effect_request),
                                        .rev = 1,
                                        .kind = kind,
                                        .path = path };
}

/* ---- read_file ---- */

struct part {
    struct viv_str text;
    int64_t first;
    int64_t last;  /* line of its end */
    int64_t total; /* lines of the file */
    uint32_t cut;  /* in the middle of a line */
};

/* Just behind the next line end. */
static const char *
next_line(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? stop + 1 : end;
}

/* Lines from `first`, as many as are wanted and fit into `max` bytes; when the first does not fit, its begin. */
static struct part
part_of(struct viv_str file, int64_t first, int64_t lines, uint64_t max)
{
    struct part part = { .first = first };
    const char *end = file.len ? file.data + file.len : NULL;
    const char *next = NULL;
    uint32_t full = 0;
    for (const char *at = file.len ? file.data : NULL; at != end; at = next) {
        next = next_line(at, end);
        part.total++;
        if (part.total < first || full)
            continue;
        uint64_t line = (uint64_t)(next - at);
        full = part.total - first >= lines || line > max - part.text.len;
        part.cut = full && part.total == first; /* at least one line is wanted */
        if (!full || part.cut) {
            part.text = (struct viv_str){ part.text.len ? part.text.data : at, part.text.len + (full ? max : line) };
            part.last = part.total;
        }
    }
    return part;
}

static json_t *
shown(const struct part *part, uint32_t more)
{
    json_t *text = viv_tree_str(part->text);
    uint32_t whole = part->first == 1 && part->last == part->total && !part->cut && !more;
    if (whole || !text)
        return text;
    json_t *noted = json_sprintf("%s\n[lines %lld to %lld of %s%lld%s]", json_string_value(text),
                                 (long long)part->first, (long long)part->last, more ? "more than " : "",
                                 (long long)part->total, part->cut ? ", the last one cut" : "");
    json_decref(text);
    return noted;
}

viv_status
tool_read_file(struct tool *tool)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_READ, (struct viv_str){ NULL, 0 });
    struct viv_effect_outcome outcome;
    int64_t first, lines;
    viv_status status;
    if (!tool_text(tool, "path", 1, &request.path) || !tool_number(tool, "from_line", 1, &first) ||
        !tool_number(tool, "lines", INT64_MAX, &lines))
        return VIV_OK;
    if (!tool_effect(tool, &request, &outcome, &status))
        return status;
    struct part part = part_of(outcome.output, first, lines, (uint64_t)tool->config->read_bytes);
    if (first > 1 && first > part.total)
        return tool_fails(tool, "the file has %lld lines, asked was from line %lld", (long long)part.total,
                          (long long)first);
    return tool_says(tool, shown(&part, outcome.flags & VIV_EFFECT_OUTPUT_CUT));
}

/* ---- write_file, replace_in_file ---- */

static viv_status
write_bytes(struct tool *tool, struct viv_str path, struct viv_str bytes)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_WRITE, path);
    struct viv_effect_outcome outcome;
    viv_status status;
    request.bytes = bytes;
    if (!tool_effect(tool, &request, &outcome, &status))
        return status;
    return tool_says(tool, viv_tree_format("written: %llu bytes", (unsigned long long)bytes.len));
}

viv_status
tool_write_file(struct tool *tool)
{
    struct viv_str path, text;
    if (!tool_text(tool, "path", 1, &path) || !tool_text(tool, "text", 0, &text))
        return VIV_OK;
    return write_bytes(tool, path, text);
}

/* Beyond this many places they are not counted: a text that overlaps itself everywhere is found everywhere. */
#define COUNT_MAX 100

/* Places where `old` begins; they may overlap. */
static uint64_t
count_of(struct viv_str file, struct viv_str old, const char **ret_first)
{
    uint64_t count = 0;
    const char *end = file.data + file.len;
    const char *at = file.len ? file.data : NULL;
    while (at && (at = memmem(at, (size_t)(end - at), old.data, (size_t)old.len)) != NULL) {
        *ret_first = count == 0 ? at : *ret_first;
        at = ++count < COUNT_MAX ? at + 1 : NULL;
    }
    return count;
}

static viv_status
write_replaced(struct tool *tool, struct viv_str path, struct viv_str file, const char *at)
{
    struct viv_str old = viv_tree_text(tool->input, "old");
    struct viv_str new = viv_tree_text(tool->input, "new");
    uint64_t before = (uint64_t)(at - file.data);
    uint64_t len = file.len - old.len + new.len;
    char *bytes = malloc((size_t)len + 1);
    if (!bytes)
        return viv_tree_fail(tool->err, VIV_E_MEMORY, "tools", "the changed file does not fit into memory");
    memcpy(bytes, file.data, (size_t)before);
    memcpy(bytes + before, new.data, (size_t)new.len);
    memcpy(bytes + before + new.len, at + old.len, (size_t)(file.len - before - old.len));
    viv_status status = write_bytes(tool, path, (struct viv_str){ bytes, len });
    free(bytes);
    return status;
}

viv_status
tool_replace_in_file(struct tool *tool)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_READ, (struct viv_str){ NULL, 0 });
    struct viv_effect_outcome outcome;
    struct viv_str old, new;
    const char *at = NULL;
    viv_status status;
    if (!tool_text(tool, "path", 1, &request.path) || !tool_text(tool, "old", 1, &old) ||
        !tool_text(tool, "new", 0, &new))
        return VIV_OK;
    if (!tool_effect(tool, &request, &outcome, &status))
        return status;
    if (outcome.flags & VIV_EFFECT_OUTPUT_CUT)
        return tool_fails(tool, "nothing was changed: the file has more than %u bytes, allowed for a replacement: %u",
                          VIV_OUTPUT_MAX, VIV_OUTPUT_MAX);
    uint64_t count = count_of(outcome.output, old, &at);
    if (count != 1)
        return tool_fails(tool, "nothing was changed: the old text is there %llu times%s, allowed: once%s",
                          (unsigned long long)count, count == COUNT_MAX ? " or more" : "",
                          count ? "; give more of the text around it" : "; read the file again");
    return write_replaced(tool, request.path, outcome.output, at);
}

/* ---- list_files ---- */

/* What is inside .git is of no use here and long. */
static uint32_t
is_inside_git(struct viv_str path)
{
    return (path.len > 5 && memcmp(path.data, ".git/", 5) == 0) || memmem(path.data, (size_t)path.len, "/.git/", 6);
}

static void *
heap(void *data, uint64_t size)
{
    void **kept = data;
    *kept = calloc(1, (size_t)size);
    return *kept;
}

/* The name itself where it is text of one line; else as the door escapes it. */
static json_t *
name_of(struct viv_str escaped)
{
    void *kept = NULL;
    uint32_t plain = 1;
    struct viv_str name = viv_kit_path_unescape((struct viv_kit_memory){ heap, &kept }, escaped);
    for (uint64_t i = 0; i < name.len; i++) {
        plain &= (unsigned char)name.data[i] >= 0x20 && name.data[i] != 0x7f;
    }
    json_t *text = viv_tree_str(name.data && plain && viv_tree_utf8(name) ? name : escaped);
    free(kept);
    return text;
}

static json_t *
line_of(const json_t *entry)
{
    struct viv_str kind = viv_tree_text(entry, "kind");
    json_t *name = name_of(viv_tree_text(entry, "path"));
    json_t *line = !name ? NULL
                   : viv_kit_is(kind, "file")
                       ? json_sprintf("%s (%lld bytes)\n", json_string_value(name),
                                      (long long)viv_tree_integer(entry, "size", 0))
                   : viv_kit_is(kind, "folder") ? json_sprintf("%s/\n", json_string_value(name))
                                                : json_sprintf("%s (%s)\n", json_string_value(name),
                                                               viv_kit_is(kind, "link") ? "link" : "other");
    json_decref(name);
    return line;
}

/* As many lines as fit into the bound, then how many did not. */
static json_t *
lines_of(const json_t *entries, uint64_t max, uint32_t more)
{
    char *text = malloc((size_t)max + 1);
    uint64_t len = 0, left = 0, lines = 0;
    uint32_t failed = !text;
    for (size_t i = 0; !failed && i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        if (is_inside_git(viv_tree_text(entry, "path")))
            continue;
        json_t *line = left ? NULL : line_of(entry);
        uint64_t size = json_string_length(line);
        failed = !line && !left;
        if (left || size > max - len) {
            left++;
        } else if (line) {
            memcpy(text + len, json_string_value(line), (size_t)size);
            len += size;
            lines++;
        }
        json_decref(line);
    }
    json_t *shown_lines = failed ? NULL : viv_tree_str((struct viv_str){ text, len });
    json_t *whole = NULL;
    if (shown_lines) {
        whole = left || more ? json_sprintf("%s[%llu of %s%llu entries; list a smaller folder]",
                                            json_string_value(shown_lines), (unsigned long long)lines,
                                            more ? "more than " : "", (unsigned long long)(lines + left))
                : lines ? json_incref(shown_lines)
                        : viv_tree_literal("(empty)");
    }
    json_decref(shown_lines);
    free(text);
    return whole;
}

viv_status
tool_list_files(struct tool *tool)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_LIST, viv_kit_str("."));
    struct viv_effect_outcome outcome;
    uint32_t recursive;
    viv_status status;
    json_t *detail = NULL;
    if ((json_object_get(tool->input, "path") && !tool_text(tool, "path", 0, &request.path)) ||
        !tool_truth(tool, "recursive", &recursive))
        return VIV_OK;
    request.path = request.path.len ? request.path : viv_kit_str(".");
    request.spec_json = viv_kit_str(recursive ? "{\"recursive\":1}" : "{}");
    if (!tool_effect(tool, &request, &outcome, &status))
        return status;
    status = viv_tree_read(outcome.detail_json, "the list", &detail, tool->err);
    if (status == VIV_OK) {
        status = tool_says(tool, lines_of(json_object_get(detail, "entries"), (uint64_t)tool->config->output_bytes,
                                          outcome.flags & VIV_EFFECT_OUTPUT_CUT));
    }
    json_decref(detail);
    return status;
}

/* ---- move_file, delete_file ---- */

viv_status
tool_move_file(struct tool *tool)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_MOVE, (struct viv_str){ NULL, 0 });
    struct viv_effect_outcome outcome;
    viv_status status;
    if (!tool_text(tool, "path", 1, &request.path) || !tool_text(tool, "target", 1, &request.target))
        return VIV_OK;
    return tool_effect(tool, &request, &outcome, &status) ? tool_says(tool, viv_tree_literal("moved")) : status;
}

viv_status
tool_delete_file(struct tool *tool)
{
    struct viv_effect_request request = request_of(VIV_EFFECT_DELETE, (struct viv_str){ NULL, 0 });
    struct viv_effect_outcome outcome;
    viv_status status;
    if (!tool_text(tool, "path", 1, &request.path))
        return VIV_OK;
    return tool_effect(tool, &request, &outcome, &status) ? tool_says(tool, viv_tree_literal("deleted")) : status;
}
