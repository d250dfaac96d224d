/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked for, made plain: paths without "." and "..". Commands: effect_command.c. */
#include "effect_inside.h"

#include "run/tree.h"

static viv_status
denied_path(struct viv_str path, const char *why, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_DENIED, "effect",
            "path '%.*s' %s; paths are relative to the workspace and stay in it",
                        (int)(path.len > 80 ? 80 : path.len), path.len ? path.data : "", why);
}

viv_status
vh_effect_normalise(struct vh_arena *arena, struct viv_str path, const char **ret_path, struct viv_error *err)
{
    if (path.len > VIV_PATH_MAX || (path.len && memchr(path.data, '\0', (size_t)path.len))) {
        return denied_path(path, "is too long or holds a NUL", err);
    }
    if (path.len && path.data[0] == '/') {
        return denied_path(path, "is absolute", err);
    }
    char *out = vh_arena_alloc(arena, (size_t)path.len + 2);
    if (!out) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a path");
    }
    size_t len = 0;
    for (size_t at = 0; at < path.len;) {
        size_t end = at;
        while (end < path.len && path.data[end] != '/') {
            end++;
        }
        struct viv_str part = { path.data + at, end - at };
        if (vh_str_is(part, "..")) {
            return denied_path(path, "holds '..'", err);
        }
        if (part.len && !vh_str_is(part, ".")) {
            if (len) {
                out[len++] = '/';
            }
            memcpy(out + len, part.data, (size_t)part.len);
            len += (size_t)part.len;
        }
        at = end + 1;
    }
    if (len == 0) {
        out[len++] = '.';
    }
    out[len] = '\0';
    *ret_path = out;
    return VIV_OK;
}

static const char *
kind_name(uint32_t kind)
{
    static const char *const names[] = { NULL, "exec", "read", "write", "list", "move", "delete", "skill", "ask",
                                         "model" };
    return kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

viv_status
vh_effect_read_request(struct vh_effect *effect, struct viv_error *err)
{
    const struct viv_effect_request *request = effect->request;
    effect->kind = kind_name(request->kind);
    if (!effect->kind || request->flags) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "effect", "there is no effect of kind %u with flags %u",
                            request->kind, request->flags);
    }
    viv_status status = VIV_OK;
    bool named = request->kind == VIV_EFFECT_SKILL || request->kind == VIV_EFFECT_ASK ||
                 request->kind == VIV_EFFECT_MODEL;
    effect->path = named ? vh_arena_text_of(effect->arena, request->path) : NULL;
    if (!named) {
        status = vh_effect_normalise(effect->arena, request->path, &effect->path, err);
    }
    if (status == VIV_OK && request->kind == VIV_EFFECT_MOVE) {
        status = vh_effect_normalise(effect->arena, request->target, &effect->target, err);
    }
    if (status == VIV_OK && request->kind == VIV_EFFECT_EXEC) {
        return vh_effect_command(effect, err);
    }
    if (status == VIV_OK && request->spec_json.len) {
        /* A conversation is long and comes again with each call: it goes with the effect, not the caller's call. */
        struct vh_arena *arena = request->kind == VIV_EFFECT_MODEL ? effect->work->arena : effect->arena;
        status = vh_json_import(arena, request->spec_json, &effect->spec, err);
    }
    return status;
}

struct vh_json *
vh_effect_json(const struct vh_effect *effect, struct vh_arena *arena)
{
    struct vh_json *json = vh_json_object(arena);
    char hex[VH_HASH_HEX];
    vh_json_set_text(arena, json, "kind", effect->kind);
    if (effect->path) {
        vh_json_set_str(arena, json, "path", vh_tree_escape(arena, vh_str(effect->path)));
    }
    if (effect->target) {
        vh_json_set_str(arena, json, "target", vh_tree_escape(arena, vh_str(effect->target)));
    }
    if (effect->spec) {
        struct vh_json *spec = vh_json_clone(arena, effect->spec);
        vh_json_set(json, "spec", spec);
    }
    if (effect->request->kind == VIV_EFFECT_WRITE || effect->request->kind == VIV_EFFECT_ASK) {
        vh_hash_text(effect->request->bytes, hex);
        vh_json_set_int(arena, json, "bytes", (int64_t)effect->request->bytes.len);
        vh_json_set(json, "content", vh_json_string(arena, vh_str(vh_arena_text(arena, hex))));
    }
    return json;
}
