/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "base/error.h"
#include "base/str.h"

const char *
vh_run_class(viv_status status)
{
    switch (status) {
    case VIV_E_UNAVAILABLE:
    case VIV_E_BUSY:
    case VIV_E_TIMEOUT:
    case VIV_E_IO:
    case VIV_E_MEMORY:
    case VIV_E_CANCELLED:
        return "infrastructure";
    case VIV_E_CONFLICT:
        return "conflict";
    default:
        return "plugin";
    }
}

void
vh_run_keep(struct vh_work *work)
{
    work->passing = NULL; /* its parent's end is its end */
}

bool
vh_run_cancelled(const struct vh_work *work)
{
    return work->cancel && atomic_load(work->cancel);
}

void
vh_run_by(struct vh_work *work, struct vh_json *data, const struct vh_plugin *plugin)
{
    struct vh_json *by = vh_json_object(work->arena);
    if (plugin) {
        vh_json_set_text(work->arena, by, "digest", plugin->digest_hex);
        vh_json_set_text(work->arena, by, "id", plugin->id);
        vh_json_set_text(work->arena, by, "version", plugin->version);
    }
    vh_json_set(data, "by", by);
}

void
vh_run_failure(struct vh_work *work, struct vh_json *data, const char *class, const char *text)
{
    struct vh_json *failure = vh_json_object(work->arena);
    vh_json_set_text(work->arena, failure, "class", class);
    char *copy = vh_arena_text(work->arena, text);
    vh_json_set_str(work->arena, failure, "text", copy ? vh_run_clean(work->arena, vh_str(copy), 400) : vh_str(""));
    vh_json_set(data, "failure", failure);
}

viv_status
vh_run_answer(struct vh_work *work, const char *kind, struct vh_json *data, struct vh_answer *ret_answer,
              struct viv_error *err)
{
    vh_json_set_int(work->arena, data, "lease", work->lease);
    if (!data || data->failed) {
        return vh_error_set(err, VIV_E_MEMORY, "run", "no memory for the answer '%s'", kind);
    }
    struct vh_command command = {
        .kind = vh_str(kind),
        .task = work->ask.task.id,
        .actor = { VH_STR("worker"), work->worker, work->run->uid, work->run->pid },
        .data = data,
    };
    struct vh_answer answer = { 0 };
    viv_status status = vh_sequencer_call(work->run->sequencer, &command, true, work->arena, &answer, err);
    if (status) {
        return status;
    }
    work->ask = answer.ask;
    work->ordinal = answer.ask.task.effects;
    if (ret_answer) {
        *ret_answer = answer;
    }
    return VIV_OK;
}

const struct vh_json *
vh_run_setting(const struct vh_run_policy *policy, const char *path)
{
    const struct vh_json *place = policy->root;
    while (place && *path) {
        const char *dot = strchr(path, '.');
        size_t len = dot ? (size_t)(dot - path) : strlen(path);
        const struct vh_json *member = place->type == VH_JSON_OBJECT ? place->child : NULL;
        while (member && !vh_str_equal(member->key, (struct viv_str){ path, len })) {
            member = member->next;
        }
        place = member;
        path += len + (dot ? 1 : 0);
    }
    return place;
}

struct vh_json *
vh_run_tree(struct vh_work *work, struct viv_str text, const char *fallback)
{
    struct vh_json *tree = NULL;
    viv_status status = text.len ? vh_json_import(work->arena, text, &tree, NULL) : VIV_E_NOT_FOUND;
    if (status) {
        tree = fallback[0] == '[' ? vh_json_array(work->arena) : vh_json_object(work->arena);
    }
    if (tree && status == VIV_E_MEMORY) {
        tree->failed = true; /* what it says is not known: nothing may be made of it */
    }
    return tree;
}

struct viv_str
vh_run_clean(struct vh_arena *arena, struct viv_str text, size_t max)
{
    size_t len = text.len > max ? max : (size_t)text.len;
    char *copy = vh_arena_text_of(arena, (struct viv_str){ text.data, len });
    if (!copy) {
        return VH_STR("");
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)copy[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            copy[i] = '?';
        }
    }
    struct viv_str whole = { copy, len };
    if (vh_str_utf8(whole)) {
        return whole;
    }
    for (size_t i = 0; i < len; i++) { /* cut inside a character, or other bytes altogether */
        if ((unsigned char)copy[i] >= 0x80) {
            size_t n = 2;
            while (n <= 4 && i + n <= len && !vh_str_utf8((struct viv_str){ copy + i, n })) {
                n++;
            }
            if (n > 4 || i + n > len) {
                copy[i] = '?';
            } else {
                i += n - 1;
            }
        }
    }
    return whole;
}

/* A pin counts from the moment that both the target and the base are known. */
static viv_status
pin(struct vh_work *work, struct viv_error *err)
{
    if (!work->target_open || !work->pin_line || work->target.pin_line) {
        return VIV_OK;
    }
    work->target.pin_line = work->pin_line;
    work->target.pin_branch = work->pin_branch;
    return vh_target_refresh(&work->target, work->arena, err);
}

const char *
vh_run_place(const struct vh_run *run, struct vh_arena *arena, struct viv_str path)
{
    for (const struct vh_json *place = run->places ? run->places->child : NULL; place; place = place->next) {
        const char *before = vh_arena_text_of(arena, place->text);
        if (!before) {
            return NULL;
        }
        if (vh_target_below(path, before) && !vh_target_below(path, run->project)) {
            return vh_arena_format(arena, "%s%.*s", run->project, (int)(path.len - place->text.len),
                                   path.data + place->text.len);
        }
    }
    return vh_arena_text_of(arena, path);
}

viv_status
vh_run_target(struct vh_work *work, struct viv_error *err)
{
    if (work->target_open) {
        return VIV_OK;
    }
    const char *path = vh_run_place(work->run, work->arena, work->ask.task.target);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "run", "no memory for the target's path");
    }
    viv_status status = vh_target_open(&work->run->tools, work->arena, path, &work->target, err);
    work->target_open = status == VIV_OK;
    work->target.user = work->trees.users ? &work->trees : NULL;
    return status ? status : pin(work, err);
}

struct vh_git_id
vh_run_id(struct viv_str text)
{
    struct vh_git_id id = { "" };
    if (text.len && text.len < sizeof id.hex) {
        memcpy(id.hex, text.data, (size_t)text.len);
    }
    return id;
}

int64_t
vh_run_time_s(const struct vh_work *work)
{
    return (work->ask.task.expires_us - VH_STEP_LEASE_US) / 1000000;
}

viv_status
vh_run_base(struct vh_work *work, struct viv_error *err)
{
    struct vh_json *doc = NULL;
    if (work->base_known) {
        return VIV_OK;
    }
    viv_status status = vh_json_read(work->arena, work->ask.task.base, &doc, err);
    if (status) {
        return vh_error_extend(err, status, "base of task '%.*s'", VH_STR_ARGS(work->ask.task.id));
    }
    struct vh_base *base = &work->base;
    base->commit = vh_run_id(vh_json_str(doc, "commit"));
    base->tree = vh_run_id(vh_json_str(doc, "tree"));
    base->seen = vh_run_id(vh_json_str(doc, "seen"));
    base->brought = vh_run_id(vh_json_str(doc, "brought"));
    base->line = vh_run_id(vh_json_str(doc, "line"));
    base->tip = vh_run_id(vh_json_str(doc, "tip"));
    base->time_s = vh_json_int(doc, "time_s", 0);
    base->seen_time_s = vh_json_int(doc, "seen_time_s", 0);
    struct viv_str line = vh_json_str(doc, "line_ref"), branch = vh_json_str(doc, "branch");
    work->pin_line = line.len ? vh_arena_text_of(work->arena, line) : NULL;
    work->pin_branch = branch.len ? vh_arena_text_of(work->arena, branch) : NULL;
    if ((line.len && !work->pin_line) || (branch.len && !work->pin_branch)) {
        return vh_error_set(err, VIV_E_MEMORY, "run", "no memory for the base");
    }
    work->base_known = true;
    return pin(work, err);
}

const char *
vh_run_effect_id(struct vh_work *work, const char *kind)
{
    return vh_arena_format(work->arena, "%.*s/%lld/%s/0", VH_STR_ARGS(work->ask.task.id),
                           (long long)work->ask.task.attempt, kind);
}
