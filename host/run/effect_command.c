/* SPDX-License-Identifier: Apache-2.0 */
/* Exec documents as docs/contract/exec.schema.json has them: known members of the right type and nothing else, since
 * what stands in one was judged by what it says. `sh -c TEXT` becomes the pipelines it means, where it can. */
#include "effect_inside.h"

#include "run/shell.h"

struct member {
    const char *name;
    enum vh_json_type type;
};

static const struct member document_members[] = {
    { "stages", VH_JSON_ARRAY },
    { "env", VH_JSON_OBJECT },
    { "cwd", VH_JSON_STRING },
    { "timeout_ns", VH_JSON_INTEGER },
};

static const struct member stage_members[] = {
    { "argv", VH_JSON_ARRAY },          { "env", VH_JSON_OBJECT },           { "input_path", VH_JSON_STRING },
    { "output_path", VH_JSON_STRING },  { "error_path", VH_JSON_STRING },    { "output_append", VH_JSON_INTEGER },
    { "error_append", VH_JSON_INTEGER }, { "error_to_output", VH_JSON_INTEGER },
};

static viv_status
check_members(const struct vh_json *object, const struct member *members, size_t count, const char *what,
              struct viv_error *err)
{
    if (!object || object->type != VH_JSON_OBJECT) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "%s is not an object", what);
    }
    for (const struct vh_json *m = object->child; m; m = m->next) {
        size_t i = 0;
        while (i < count && !vh_str_is(m->key, members[i].name)) {
            i++;
        }
        if (i == count || m->type != members[i].type) {
            return vh_error_set(err, VIV_E_INVALID, "effect",
                                "member '%.*s' of %s is unknown or of the wrong type; see 'vivhost schema exec'",
                                (int)(m->key.len > 64 ? 64 : m->key.len), m->key.data, what);
        }
    }
    return VIV_OK;
}

static bool
is_text(const struct vh_json *value)
{
    struct viv_str text = value->text;
    return value->type == VH_JSON_STRING && !(text.len && memchr(text.data, '\0', (size_t)text.len));
}

static bool
is_env_name(struct viv_str name)
{
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (i && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name.len > 0;
}

static viv_status
check_env(const struct vh_json *env, struct viv_error *err)
{
    for (const struct vh_json *pair = env ? env->child : NULL; pair; pair = pair->next) {
        if (!is_env_name(pair->key) || !is_text(pair)) {
            return vh_error_set(err, VIV_E_INVALID, "effect", "variable '%.*s' of 'env' has no usable name or value",
                                (int)(pair->key.len > 64 ? 64 : pair->key.len), pair->key.data);
        }
    }
    return VIV_OK;
}

static viv_status
check_files(const struct vh_json *stage, struct viv_error *err)
{
    static const char *const names[] = { "input_path", "output_path", "error_path" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct vh_json *path = vh_json_get(stage, names[i]);
        if (path && (!is_text(path) || path->text.len == 0 || path->text.len > VIV_PATH_MAX)) {
            return vh_error_set(err, VIV_E_INVALID, "effect", "'%s' has %llu bytes or holds a NUL, allowed: 1 to %d "
                                "bytes", names[i], (unsigned long long)path->text.len, VIV_PATH_MAX);
        }
    }
    return VIV_OK;
}

static viv_status
check_stage(const struct vh_json *stage, struct viv_error *err)
{
    viv_status status =
        check_members(stage, stage_members, sizeof stage_members / sizeof *stage_members, "a stage", err);
    const struct vh_json *argv = status ? NULL : vh_json_get(stage, "argv");
    if (status == VIV_OK && (!argv || argv->count == 0 || argv->count > VIV_ARGV_MAX)) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "'argv' must be a list of 1 to %d words", VIV_ARGV_MAX);
    }
    for (const struct vh_json *word = argv ? argv->child : NULL; word; word = word->next) {
        if (!is_text(word)) {
            return vh_error_set(err, VIV_E_INVALID, "effect", "a word of 'argv' is not a text without NUL");
        }
    }
    status = status ? status : check_env(vh_json_get(stage, "env"), err);
    return status ? status : check_files(stage, err);
}

static viv_status
check_document(const struct vh_json *spec, struct viv_error *err)
{
    viv_status status = check_members(spec, document_members, sizeof document_members / sizeof *document_members,
                                      "an exec document", err);
    const struct vh_json *stages = status ? NULL : vh_json_get(spec, "stages");
    if (status == VIV_OK && (!stages || stages->count == 0 || stages->count > VIV_STAGES_MAX)) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "'stages' must be a list of 1 to %d programs",
                            VIV_STAGES_MAX);
    }
    for (const struct vh_json *stage = stages ? stages->child : NULL; stage && status == VIV_OK; stage = stage->next) {
        status = check_stage(stage, err);
    }
    if (status == VIV_OK && vh_json_int(spec, "timeout_ns", 1) < 1) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "'timeout_ns' is %lld, allowed: 1 and more",
                            (long long)vh_json_int(spec, "timeout_ns", 1));
    }
    return status ? status : check_env(vh_json_get(spec, "env"), err);
}

/* Whether a stage is `sh -c TEXT` and nothing more; gives the text. */
static bool
is_shell(const struct vh_json *stage, struct viv_str *ret_text)
{
    static const char *const shells[] = { "sh", "bash", "dash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/bin/dash",
                                          "/usr/bin/bash", "/usr/bin/dash" };
    const struct vh_json *argv = vh_json_get(stage, "argv");
    if (stage->count != 1 || argv->count != 3 || !vh_str_is(argv->child->next->text, "-c")) {
        return false;
    }
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (vh_str_is(argv->child->text, shells[i])) {
            *ret_text = argv->child->next->next->text;
            return true;
        }
    }
    return false;
}

/* One shell stage inside the grammar becomes what it says; outside of it the text stays, marked. */
static void
open_shell(struct vh_effect *effect, const struct vh_json *stages)
{
    struct viv_str text;
    const char *why = NULL;
    if (stages->count != 1 || !is_shell(stages->child, &text)) {
        return;
    }
    struct vh_json *parsed = vh_shell_parse(effect->arena, text, &why);
    if (parsed) {
        vh_json_set(effect->spec, "pipelines", vh_json_clone(effect->arena, vh_json_get(parsed, "pipelines")));
        return;
    }
    vh_json_set_str(effect->arena, effect->spec, "shell", text);
    vh_json_set_text(effect->arena, effect->spec, "shell_why", why);
}

viv_status
vh_effect_command(struct vh_effect *effect, struct viv_error *err)
{
    struct vh_json *spec = NULL;
    const char *cwd = NULL;
    viv_status status = vh_json_import(effect->arena, effect->request->spec_json, &spec, err);
    if (status) {
        return vh_error_extend(err, status, "exec document");
    }
    status = check_document(spec, err);
    if (status == VIV_OK) {
        status = vh_effect_normalise(effect->arena, vh_json_str(spec, "cwd"), &cwd, err);
    }
    if (status) {
        return status;
    }
    effect->spec = spec;
    vh_json_set_text(effect->arena, spec, "cwd", cwd);
    open_shell(effect, vh_json_get(spec, "stages"));
    return spec->failed ? vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for an exec document") : VIV_OK;
}
