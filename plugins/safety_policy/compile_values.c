/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars of a policy: written for people ("10m", "0.50", "1MiB"), kept as integers with their unit
 * in the name. */
#include "compile.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "glob.h"
#include "paths.h"

#define TEXT_MAX 4096
#define LIST_MAX 256
#define DISK_MAX (INT64_C(1) << 50)
#define TRAFFIC_MAX (INT64_C(1) << 40)

struct unit {
    const char *name;
    int64_t size;
};

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

struct json_t *
compile_wrong(struct compile *compile, const struct yaml_value *value, const char *allowed)
{
    static const struct viv_str list = {"a list", 6};
    static const struct viv_str map = {"a mapping", 9};
    struct viv_str found = value->kind == YAML_TEXT   ? value->text
                           : value->kind == YAML_LIST ? list
                                                      : map;
    return compile_fault(compile, value, "'%.*s' is '%.*s', allowed: %s", shown(value->key),
                         value->key.data ? value->key.data : "", shown(found), found.data, allowed);
}

struct json_t *
compile_text(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || value->text.len == 0 || value->text.len > TEXT_MAX) {
        return compile_wrong(compile, value, "a text of 1 to 4096 bytes");
    }
    json_t *text = viv_tree_str(value->text);
    compile->failed |= text == NULL;
    return text;
}

/* Digits and then one of the units; -1 for anything else. */
static int64_t
number(struct viv_str text, const struct unit *units, size_t count)
{
    int64_t sum = 0;
    uint64_t at = 0;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, text.data[at] - '0', &sum)) {
            return -1;
        }
    }
    for (size_t i = 0; at > 0 && i < count; i++) {
        size_t len = strlen(units[i].name);
        if (text.len - at == len && memcmp(text.data + at, units[i].name, len) == 0) {
            return __builtin_mul_overflow(sum, units[i].size, &sum) ? -1 : sum;
        }
    }
    return -1;
}

static json_t *
integer_of(struct compile *compile, const struct yaml_value *value, int64_t found, int64_t low,
           int64_t high, const char *allowed)
{
    if (value->kind != YAML_TEXT || found < low || found > high) {
        return compile_wrong(compile, value, allowed);
    }
    json_t *integer = json_integer(found);
    compile->failed |= integer == NULL;
    return integer;
}

struct json_t *
compile_money(struct compile *compile, const struct yaml_value *value)
{
    static const struct unit units[] = {{"", 1000000}};
    struct viv_str text = value->text;
    const char *dot = text.len > 0 ? memchr(text.data, '.', (size_t)text.len) : NULL;
    uint64_t whole = dot ? (uint64_t)(dot - text.data) : text.len;
    int64_t micro = number((struct viv_str){text.data, whole}, units, 1);
    int64_t place = 100000;
    for (uint64_t i = whole + 1; micro >= 0 && i < text.len; i++, place /= 10) {
        char c = text.data[i];
        micro = c < '0' || c > '9' || place == 0 ? -1 : micro + (c - '0') * place;
    }
    if (dot && whole + 1 == text.len) {
        micro = -1;
    }
    return integer_of(compile, value, micro, 0, INT64_C(1000000000000),
                      "money from 0 to 1000000 with at most six decimals, like 0.50");
}

struct json_t *
compile_duration(struct compile *compile, const struct yaml_value *value)
{
    static const struct unit units[] = {
        {"ms", INT64_C(1000000)},      {"s", INT64_C(1000000000)},     {"m", INT64_C(60000000000)},
        {"h", INT64_C(3600000000000)}, {"d", INT64_C(86400000000000)},
    };
    int64_t ns = number(value->text, units, sizeof units / sizeof *units);
    return integer_of(compile, value, ns, 1, 30 * INT64_C(86400000000000),
                      "1ms to 30d, with a unit: ms, s, m, h, d");
}

static const struct unit byte_units[] = {
    {"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};

struct json_t *
compile_bytes(struct compile *compile, const struct yaml_value *value)
{
    int64_t bytes = number(value->text, byte_units, sizeof byte_units / sizeof *byte_units);
    return integer_of(compile, value, bytes, 1, VIV_OUTPUT_STORED_MAX,
                      "1 to 64MiB, with a unit: B, KiB, MiB");
}

struct json_t *
compile_disk(struct compile *compile, const struct yaml_value *value)
{
    int64_t bytes = number(value->text, byte_units, sizeof byte_units / sizeof *byte_units);
    return integer_of(compile, value, bytes, 1048576, DISK_MAX,
                      "1MiB to 1048576GiB, with a unit: KiB, MiB, GiB");
}

struct json_t *
compile_traffic(struct compile *compile, const struct yaml_value *value)
{
    int64_t bytes = number(value->text, byte_units, sizeof byte_units / sizeof *byte_units);
    return integer_of(compile, value, bytes, 1024, TRAFFIC_MAX,
                      "1KiB to 1024GiB, with a unit: KiB, MiB, GiB");
}

struct json_t *
compile_permille(struct compile *compile, const struct yaml_value *value)
{
    static const struct unit units[] = {{"", 1}};
    return integer_of(compile, value, number(value->text, units, 1), 0, 1000, "0 to 1000");
}

struct json_t *
compile_count(struct compile *compile, const struct yaml_value *value, int64_t low, int64_t high)
{
    static const struct unit units[] = {{"", 1}};
    char allowed[64];
    (void)snprintf(allowed, sizeof allowed, "%lld to %lld", (long long)low, (long long)high);
    return integer_of(compile, value, number(value->text, units, 1), low, high, allowed);
}

struct json_t *
compile_glob(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || !glob_is_valid(value->text)) {
        return compile_wrong(compile, value,
                             "a pattern inside the project: relative, no '..', at most 512 bytes");
    }
    return compile_text(compile, value);
}

struct json_t *
compile_globs(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, compile_glob, LIST_MAX);
}

struct json_t *
compile_path(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || value->text.len == 0 || paths_fault(value->text)) {
        return compile_wrong(compile, value, "a path inside the project: relative, no '..'");
    }
    return compile_text(compile, value);
}

struct json_t *
compile_paths(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, compile_path, LIST_MAX);
}

struct json_t *
compile_words(struct compile *compile, const struct yaml_value *value)
{
    json_t *words = compile_list(compile, value, compile_text, LIST_MAX);
    if (words && value->count == 0) {
        json_decref(words);
        return compile_fault(compile, value, "'%.*s' is an empty list, allowed: one word and more",
                             shown(value->key), value->key.data ? value->key.data : "");
    }
    return words;
}

struct json_t *
compile_choice(struct compile *compile, const struct yaml_value *value, const char *choices)
{
    for (const char *choice = choices; value->kind == YAML_TEXT && *choice;) {
        size_t len = strcspn(choice, " ");
        if (value->text.len == len && memcmp(value->text.data, choice, len) == 0) {
            return compile_text(compile, value);
        }
        choice += len + (choice[len] == ' ');
    }
    return compile_wrong(compile, value, choices);
}

struct json_t *
compile_run(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT) {
        return compile_words(compile, value);
    }
    json_t *text = compile_text(compile, value);
    if (!text) {
        return NULL;
    }
    json_t *words = json_array();
    viv_tree_push(words, viv_tree_literal("sh"), &compile->failed);
    viv_tree_push(words, viv_tree_literal("-c"), &compile->failed);
    viv_tree_push(words, text, &compile->failed);
    return words;
}
