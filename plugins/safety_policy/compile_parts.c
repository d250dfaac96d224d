/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a policy that switch something on: environment, gates, prepare, plugins. */
#include "compile.h"

#include <jansson.h>
#include <string.h>
#include <tree.h>

#define CHECKS_MAX 64

/* Names that would change what programs are, rather than what they know. */
static int
is_env_name(struct viv_str name)
{
    static const char *const never[] = {"LD_",  "DYLD_", "BASH_ENV", "GIT_", "VIV_",
                                        "PATH", "HOME",  "IFS",      "ENV"};
    int good = name.len > 0 && name.len <= 128;
    for (uint64_t i = 0; good && i < name.len; i++) {
        char c = name.data[i];
        good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
               (i > 0 && c >= '0' && c <= '9');
    }
    for (size_t i = 0; good && i < sizeof never / sizeof *never; i++) {
        size_t len = strlen(never[i]);
        int prefix = never[i][len - 1] == '_';
        good = !(name.len >= len && memcmp(name.data, never[i], len) == 0 &&
                 (prefix || name.len == len));
    }
    return good;
}

static json_t *
read_env_name(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_TEXT || !is_env_name(value->text)) {
        return compile_fault(compile, value,
                             "environment variable '%.*s' cannot be passed on, allowed: a name "
                             "other than PATH, HOME, "
                             "IFS, ENV, BASH_ENV and those of LD_, DYLD_, GIT_, VIV_",
                             (int)(value->text.len < 64 ? value->text.len : 64),
                             value->text.data ? value->text.data : "");
    }
    return compile_text(compile, value);
}

static json_t *
read_env_names(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, read_env_name, 64);
}

struct json_t *
compile_env(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {{"allow", "allow", read_env_names, 0, 1}};
    return compile_map(compile, value, keys, 1, "env");
}

static json_t *
read_check(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"run", "run", compile_run, 0, 1},
        {"timeout", "timeout_ns", compile_duration, 0, 0},
        {"hosts", "hosts", compile_hosts, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "a check of gates");
}

static json_t *
read_checks(struct compile *compile, const struct yaml_value *value)
{
    return compile_list(compile, value, read_check, CHECKS_MAX);
}

struct json_t *
compile_gates(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"needs_qa", "needs_qa", read_checks, 0, 0},
        {"integration", "integration", read_checks, 0, 0},
        {"e2e", "e2e", read_checks, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "gates");
}

struct json_t *
compile_prepare(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"run", "run", compile_run, 0, 1},
        {"inputs", "inputs", compile_globs, 0, 0},
        {"hosts", "hosts", compile_hosts, 0, 0},
    };
    return compile_map(compile, value, keys, sizeof keys / sizeof *keys, "prepare");
}

/* Values stay as written: the host knows each option's type and range. */
static json_t *
read_options(struct compile *compile, const struct yaml_value *value)
{
    if (value->kind != YAML_MAP) {
        return compile_fault(compile, value, "'options' is no mapping of option names to values");
    }
    json_t *options = json_object();
    for (const struct yaml_value *option = value->child; option && compile->status == VIV_OK;
         option = option->next) {
        json_t *text = compile_text(compile, option);
        if (text) {
            viv_tree_set(options, option->key.data, text, &compile->failed);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(options);
        return NULL;
    }
    return options;
}

static json_t *
read_version(struct compile *compile, const struct yaml_value *value)
{
    struct viv_str text = value->text;
    int dots = 0;
    int good = value->kind == YAML_TEXT && text.len > 0 && text.len <= 32;
    for (uint64_t i = 0; good && i < text.len; i++) {
        int dot = text.data[i] == '.';
        dots += dot;
        good = dot ? i > 0 && text.data[i - 1] != '.' && i + 1 < text.len
                   : text.data[i] >= '0' && text.data[i] <= '9';
    }
    if (!good || dots != 2) {
        return compile_fault(compile, value,
                             "'version' is '%.*s', allowed: three numbers, like 0.1.0",
                             (int)(text.len < 32 ? text.len : 32), text.data ? text.data : "");
    }
    return compile_text(compile, value);
}

struct json_t *
compile_plugins(struct compile *compile, const struct yaml_value *value)
{
    static const struct compile_key keys[] = {
        {"version", "version", read_version, 0, 0},
        {"options", "options", read_options, 0, 0},
    };
    if (value->kind != YAML_MAP) {
        return compile_fault(compile, value, "'plugins' is no mapping of plugin ids");
    }
    json_t *plugins = json_object();
    for (const struct yaml_value *plugin = value->child; plugin && compile->status == VIV_OK;
         plugin = plugin->next) {
        if (plugin->key.len == 0 || plugin->key.len > VIV_ID_MAX) {
            (void)compile_fault(compile, plugin, "a plugin id has %llu bytes, allowed 1 to %d",
                                (unsigned long long)plugin->key.len, VIV_ID_MAX);
            break;
        }
        json_t *one =
            compile_map(compile, plugin, keys, sizeof keys / sizeof *keys, "a plugin's entry");
        if (one) {
            viv_tree_set(plugins, plugin->key.data, one, &compile->failed);
        }
    }
    if (compile->status != VIV_OK) {
        json_decref(plugins);
        return NULL;
    }
    return plugins;
}
