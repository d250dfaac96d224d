/* SPDX-License-Identifier: Apache-2.0 */
#include "effect_inside.h"

#include "keep/blob.h"
#include "run/base_bring.h"
#include "run/guard.h"
#include "run/scope.h"
#include <viv_interfaces.h>

#define REASON_MAX 300

/* A skill may only ask for the kinds its manifest lists. */
static viv_status
check_grant(const struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_manifest *manifest = effect->origin->manifest;
    if (manifest && !vh_manifest_grants_effect(manifest, effect->request->kind)) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "effect '%s' is not among the grants of '%s'; add it to its "
                            "manifest's effects", effect->kind, manifest->id);
    }
    return VIV_OK;
}

/* What the work writes is its result, and that keeps to the task's scope. A gate's writing is thrown away. */
static viv_status
check_scope(const struct vh_effect *effect, struct viv_error *err)
{
    struct viv_str scope = effect->work->ask.task.scope;
    uint32_t kind = effect->request->kind;
    bool changes = kind == VIV_EFFECT_WRITE || kind == VIV_EFFECT_MOVE || kind == VIV_EFFECT_DELETE;
    if (!changes || !vh_str_is(effect->work->stage, "execute")) {
        return VIV_OK;
    }
    bool from = vh_scope_holds(scope, vh_str(effect->path));
    if (from && (kind != VIV_EFFECT_MOVE || vh_scope_holds(scope, vh_str(effect->target)))) {
        return VIV_OK;
    }
    return vh_error_set(err, VIV_E_DENIED, "effect",
                        "%s of '%.100s': it lies outside the task's scope '%.*s', allowed: paths in it", effect->kind,
                        from ? effect->target : effect->path, VH_STR_ARGS(scope));
}

viv_verdict
vh_effect_judge(struct vh_work *work, struct viv_str effect_json, struct vh_json **ret_reasons)
{
    struct viv_safety_judge_effect_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .policy_json = work->policy->layers,
        .capability_json = work->ask.task.capability,
        .effect_json = effect_json,
    };
    struct viv_safety_judge_effect_answer answer = { 0 };
    struct vh_guard_call call = { .plugin = work->run->plugins.safety,
                                  .interface = VIV_INDEX_SAFETY,
                                  .method = VIV_METHOD_SAFETY_JUDGE_EFFECT,
                                  .request = &request };
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_guard_call(work, &call, &answer, &err);
    if (status) {
        struct vh_json *reason = vh_json_object(work->arena);
        vh_json_set_text(work->arena, reason, "id", "safety-failed");
        vh_json_set_str(work->arena, reason, "reason", vh_run_clean(work->arena, vh_str(err.text), REASON_MAX));
        vh_json_set_int(work->arena, reason, "verdict", VIV_VERDICT_DENY);
        *ret_reasons = vh_json_array(work->arena);
        vh_json_push(*ret_reasons, reason);
        return VIV_VERDICT_DENY;
    }
    *ret_reasons = vh_run_tree(work, answer.reasons_json, "[]");
    return answer.verdict;
}

/* The first reason as strict as the verdict: "rule-id: reason; cure". */
static struct viv_str
reason_of(struct vh_work *work, viv_verdict verdict, const struct vh_json *reasons)
{
    for (const struct vh_json *r = reasons && reasons->type == VH_JSON_ARRAY ? reasons->child : NULL; r; r = r->next) {
        if (vh_json_int(r, "verdict", VIV_VERDICT_DENY) > (int64_t)verdict) {
            continue;
        }
        struct viv_str cure = vh_json_str(r, "cure");
        char *text = vh_arena_format(work->arena, "%.*s: %.*s%s%.*s", VH_STR_ARGS(vh_json_str(r, "id")),
                                     VH_STR_ARGS(vh_json_str(r, "reason")), cure.len ? "; " : "", VH_STR_ARGS(cure));
        return text ? vh_run_clean(work->arena, vh_str(text), REASON_MAX) : VH_STR("");
    }
    return VH_STR("");
}

/* The intent record. The answer's kind tells what the core decided. */
static viv_status
record_intent(struct vh_effect *effect, viv_verdict verdict, struct vh_json *json, struct vh_json *reasons,
              const char **ret_kind, struct viv_error *err)
{
    struct vh_work *work = effect->work;
    struct vh_json *data = vh_json_object(work->arena);
    effect->ordinal = work->ordinal;
    vh_json_set_str(work->arena, data, "by", effect->origin->plugin);
    vh_json_set_text(work->arena, data, "digest", effect->digest);
    vh_json_set_text(work->arena, data, "effect", effect->kind);
    vh_json_set_int(work->arena, data, "ordinal", work->ordinal);
    vh_json_set_str(work->arena, data, "reason", reason_of(work, verdict, reasons));
    vh_json_set(data, "reasons", reasons);
    vh_json_set_str(work->arena, data, "stage", work->stage);
    vh_json_set_int(work->arena, data, "verdict", verdict);
    vh_json_set(data, "what", json);
    if (effect->hold) {
        vh_json_set(data, "hold", vh_json_clone(work->arena, effect->hold));
    }
    struct vh_answer answer;
    viv_status status = vh_run_answer(work, "effect.started", data, &answer, err);
    if (status == VIV_OK) {
        *ret_kind = answer.kind;
    }
    return status;
}

/* Of an effect that worked. */
static void
add_output(const struct vh_effect *effect, struct vh_json *data)
{
    struct vh_arena *arena = effect->work->arena;
    const struct viv_effect_outcome *outcome = effect->outcome;
    vh_json_set_int(arena, data, "exit_code", outcome->exit_code);
    vh_json_set_int(arena, data, "output_bytes", (int64_t)outcome->output.len);
    vh_json_set_str(arena, data, "output_digest", outcome->output_digest);
    if (effect->kept[0]) {
        vh_json_set_text(arena, data, "output_kept", effect->kept);
    }
    if (effect->request->kind == VIV_EFFECT_EXEC) {
        vh_json_set_str(arena, data, "errors", vh_run_clean(arena, outcome->errors, VH_OUTPUT_IN_EVENT_MAX));
        vh_json_set_str(arena, data, "output", vh_run_clean(arena, outcome->output, VH_OUTPUT_IN_EVENT_MAX));
    }
}

viv_status
vh_effect_end(struct vh_effect *effect, viv_status status, const struct viv_error *fault, struct viv_error *err)
{
    struct vh_work *work = effect->work;
    const struct viv_effect_outcome *outcome = effect->outcome;
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_text(work->arena, data, "digest", effect->digest);
    vh_json_set_int(work->arena, data, "duration_us", outcome->duration_ns / 1000);
    vh_json_set_text(work->arena, data, "effect", effect->kind);
    if (effect->network) {
        vh_json_set(data, "network", effect->network);
    }
    vh_json_set_int(work->arena, data, "ordinal", effect->ordinal);
    vh_json_set_int(work->arena, data, "status", status);
    if (status) {
        vh_json_set_str(work->arena, data, "text", vh_run_clean(work->arena, vh_str(fault->text), REASON_MAX));
    } else {
        add_output(effect, data);
    }
    for (const struct vh_json *m = effect->answer ? effect->answer->child : NULL; m; m = m->next) {
        char *key = vh_arena_text_of(work->arena, m->key);
        vh_json_set(data, key ? key : "", vh_json_clone(work->arena, m));
        data->failed = data->failed || !key;
    }
    return vh_run_answer(work, "effect.finished", data, NULL, err);
}

/* Outputs of commands that do not fit into the event are kept whole in the content store, before the event. */
static viv_status
keep_output(struct vh_effect *effect, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    struct viv_str output = effect->outcome->output;
    if (effect->request->kind != VIV_EFFECT_EXEC || output.len <= VH_OUTPUT_IN_EVENT_MAX) {
        return VIV_OK;
    }
    viv_status status = vh_blob_put(effect->work->run->seam, effect->work->run->home, output, hex, err);
    if (status == VIV_OK && (effect->outcome->flags & VIV_EFFECT_OUTPUT_CUT)) {
        memcpy(effect->kept, hex, sizeof hex);
    }
    return status;
}

static viv_status
perform(struct vh_effect *effect, struct viv_error *err)
{
    if (!vh_workspace_keeper(effect->work)) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "effect", "there is no workspace in this call");
    }
    switch (effect->request->kind) {
    case VIV_EFFECT_EXEC:
        return vh_effect_exec(effect, err);
    case VIV_EFFECT_READ:
        return vh_effect_read(effect, err);
    case VIV_EFFECT_WRITE:
        return vh_effect_write(effect, err);
    case VIV_EFFECT_LIST:
        return vh_effect_list(effect, err);
    case VIV_EFFECT_MOVE:
        return vh_effect_move(effect, err);
    case VIV_EFFECT_DELETE:
        return vh_effect_delete(effect, err);
    default:
        return vh_error_set(err, VIV_E_UNSUPPORTED, "effect", "effect '%s' is not offered here", effect->kind);
    }
}

static bool
same_stages(struct vh_work *work, const struct vh_json *a, const struct vh_json *b)
{
    const struct vh_json *x = vh_json_get(a, "stages"), *y = vh_json_get(b, "stages");
    struct viv_str one = x && y ? vh_json_print(work->arena, x) : (struct viv_str){ NULL, 0 };
    return one.data && vh_str_equal(one, vh_json_print(work->arena, y));
}

/* A person has answered already: the trusted policy names this command; or it is the task's own, word for word as it
 * was shown with the safety report's question and approved. */
static bool
answered(const struct vh_effect *effect)
{
    struct vh_work *work = effect->work;
    const struct vh_plugin *executor = work->run->plugins.executor;
    if (effect->origin->by_policy) {
        return true;
    }
    if (!work->shown || !executor || effect->origin->manifest || effect->request->kind != VIV_EFFECT_EXEC ||
        !vh_str_is(effect->origin->plugin, executor->id)) {
        return false;
    }
    const struct vh_json *command = vh_run_tree(work, work->ask.task.command, "{}");
    const struct vh_json *pipelines = vh_json_get(command, "pipelines");
    bool same = same_stages(work, command, effect->spec);
    for (const struct vh_json *p = pipelines ? pipelines->child : NULL; p && !same; p = p->next) {
        same = same_stages(work, p, effect->spec);
    }
    return same;
}

viv_status
vh_effect_show(struct vh_work *work, struct viv_str command, struct vh_json **ret_effect, struct viv_error *err)
{
    struct viv_effect_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_EXEC, .spec_json = command };
    struct vh_effect_origin origin = { .work = work, .plugin = VH_STR("person") };
    struct vh_effect effect = { .origin = &origin, .work = work, .arena = work->arena, .request = &request };
    viv_status status = vh_effect_read_request(&effect, err);
    *ret_effect = status ? NULL : vh_effect_json(&effect, work->arena);
    return status;
}

/* A question ends the run: no worker waits for a person. */
viv_status
vh_effect_begin(struct vh_effect *effect, struct viv_error *err)
{
    struct vh_work *work = effect->work;
    struct vh_json *json = effect->shown ? vh_json_clone(work->arena, effect->shown)
                                         : vh_effect_json(effect, work->arena);
    struct viv_str text = vh_json_print(work->arena, json);
    if (!text.data) {
        return vh_error_set(err, VIV_E_INVALID, "effect", "the request is not UTF-8 or memory is out");
    }
    vh_hash_text(text, effect->digest);
    struct vh_json *reasons = NULL;
    const char *kind = NULL;
    viv_verdict verdict = vh_effect_judge(work, text, &reasons);
    struct viv_str reason = reason_of(work, verdict, reasons);
    if (verdict == VIV_VERDICT_ASK && answered(effect)) {
        verdict = VIV_VERDICT_ALLOW;
    }
    viv_status status = record_intent(effect, verdict, json, reasons, &kind, err);
    if (status) {
        return status;
    }
    if (strcmp(kind, "effect.asked") == 0) {
        work->asked = true;
        return vh_error_set(err, VIV_E_ASK, "effect", "a person must allow this first: %.*s", VH_STR_ARGS(reason));
    }
    if (strcmp(kind, "effect.started") != 0) {
        return vh_error_set(err, VIV_E_DENIED, "effect", "%s denied by %.*s", effect->kind,
                            VH_STR_ARGS(reason.len ? reason : VH_STR("policy")));
    }
    return VIV_OK;
}

/* Where the machine could not do it, nothing was used. */
static bool
ran(viv_status status)
{
    return status != VIV_E_UNAVAILABLE && status != VIV_E_BUSY && status != VIV_E_IO && status != VIV_E_MEMORY;
}

static viv_status
pass(const struct vh_effect_origin *origin, struct vh_arena *arena, const struct viv_effect_request *request,
     struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    struct viv_effect_outcome outcome = { .size = (uint32_t)sizeof outcome, .rev = 1 };
    struct vh_effect effect = {
        .origin = origin,
        .work = origin->work,
        .arena = arena,
        .request = request,
        .outcome = &outcome,
    };
    if (origin->work->asked) {
        return vh_error_set(err, VIV_E_ASK, "effect", "the run waits for a person");
    }
    viv_status status = vh_effect_read_request(&effect, err);
    if (status == VIV_OK) {
        status = check_grant(&effect, err);
    }
    if (status == VIV_OK) {
        status = check_scope(&effect, err);
    }
    if (status == VIV_OK && request->kind == VIV_EFFECT_MODEL) {
        status = vh_effect_model(&effect, err);
        *ret_outcome = status ? *ret_outcome : outcome;
        return status;
    }
    if (status == VIV_OK) {
        status = vh_effect_begin(&effect, err);
    }
    if (status) {
        return status;
    }
    const struct vh_seam *seam = origin->work->run->seam;
    VH_PLACE(seam, "effect.before");
    int64_t before = seam->monotonic_ns(seam->data);
    struct viv_error fault = VIV_ERROR_INIT;
    status = perform(&effect, &fault);
    outcome.duration_ns = seam->monotonic_ns(seam->data) - before;
    origin->work->effects += ran(status);
    if (status == VIV_OK) {
        status = keep_output(&effect, &fault);
    }
    VH_PLACE(seam, "effect.before-outcome");
    viv_status recorded = vh_effect_end(&effect, status, &fault, err);
    if (recorded) {
        return recorded;
    }
    if (status) {
        *err = fault;
        return status;
    }
    *ret_outcome = outcome;
    return VIV_OK;
}

/* A gate sees the result with what was brought to the work, and of a scoped plain folder no more than the work did. */
static viv_status
gate_tree(struct vh_work *work, struct vh_git_id *ret_tree, struct viv_error *err)
{
    const struct vh_git_id *tree = work->waiting.tree;
    return work->target.kind == VH_TARGET_FOLDER
               ? vh_scope_narrow(&work->target, work->arena, tree, work->ask.task.scope, ret_tree, err)
               : vh_base_with_brought(&work->target, work->arena, &work->base, tree, ret_tree, err);
}

static viv_status
need_workspace(struct vh_work *work, struct viv_error *err)
{
    if (work->workspace || !work->waiting.tree) {
        return VIV_OK;
    }
    struct vh_git_id tree;
    bool as_seen = work->target.kind == VH_TARGET_FOLDER || work->base.brought.hex[0];
    const struct vh_git_id *near = as_seen ? &work->base.seen : &work->base.tree;
    viv_status status = gate_tree(work, &tree, err);
    if (status == VIV_OK) {
        status = vh_workspace_open(work, &tree, near, vh_run_time_s(work), err);
    }
    work->waiting.failed = status != VIV_OK;
    return status;
}

/* What judging and recording one effect takes goes when the next has passed, not when the task ends: a skill may ask
 * for thousands. It lives that long because the task's row came with the last answer; vh_run_keep() keeps it for
 * longer. */
viv_status
vh_effect_perform(void *data, struct vh_arena *arena, const struct viv_effect_request *request,
                  struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    const struct vh_effect_origin *origin = data;
    struct vh_work *work = origin->work;
    struct vh_arena *whole = work->arena;
    viv_status status = need_workspace(work, err);
    if (status) {
        return status;
    }
    struct vh_arena *own = vh_arena_create(whole, 0);
    if (!own) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for an effect");
    }
    const char *row = work->ask.task.id.data;
    work->arena = own;
    status = pass(origin, arena, request, ret_outcome, err);
    work->arena = whole;
    if (work->ask.task.id.data == row) { /* no answer came, so nothing points here */
        vh_arena_destroy(own);
        return status;
    }
    vh_arena_destroy(work->passing);
    work->passing = own;
    return status;
}

viv_status
vh_effect_output(struct vh_effect *effect, struct viv_str bytes, const struct vh_hash *hash, bool cut,
                 struct viv_error *err)
{
    char *hex = vh_arena_alloc(effect->arena, VH_HASH_HEX);
    if (!hex) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for an outcome");
    }
    vh_hash_hex(hash, hex);
    effect->outcome->output = bytes;
    effect->outcome->output_digest = vh_str(hex);
    effect->outcome->flags |= cut ? VIV_EFFECT_OUTPUT_CUT : 0;
    return VIV_OK;
}

/* ---- effects of the host's own ---- */

viv_status
vh_effect_announce(struct vh_work *work, const char *kind, struct viv_str what, struct viv_error *err)
{
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_text(work->arena, data, "by", "host");
    vh_json_set_str(work->arena, data, "digest", what);
    vh_json_set_text(work->arena, data, "effect", kind);
    vh_json_set_int(work->arena, data, "ordinal", work->ordinal);
    vh_json_set_int(work->arena, data, "outside", 1);
    vh_json_set_int(work->arena, data, "verdict", VIV_VERDICT_ALLOW);
    return vh_run_answer(work, "effect.started", data, NULL, err);
}

viv_status
vh_effect_announced(struct vh_work *work, const char *kind, struct viv_str what, struct viv_error *err)
{
    struct vh_json *data = vh_json_object(work->arena);
    vh_json_set_str(work->arena, data, "digest", what);
    vh_json_set_text(work->arena, data, "effect", kind);
    vh_json_set_int(work->arena, data, "ordinal", work->ordinal - 1);
    vh_json_set_int(work->arena, data, "status", 0);
    return vh_run_answer(work, "effect.finished", data, NULL, err);
}

static viv_status
judge_path(struct vh_work *work, const struct vh_json *path, viv_verdict *ret_verdict, struct viv_str *ret_reason,
           struct viv_error *err)
{
    struct vh_json *json = vh_json_object(work->arena);
    bool deleted = vh_str_is(vh_json_str(path, "change"), "deleted");
    vh_json_set_text(work->arena, json, "kind", deleted ? "delete" : "write");
    vh_json_set_str(work->arena, json, "path", vh_json_str(path, "path"));
    vh_json_set_int(work->arena, json, "bytes", vh_json_int(path, "size", 0));
    struct viv_str text = vh_json_print(work->arena, json);
    if (!text.data) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory to judge a change");
    }
    struct vh_json *reasons = NULL;
    *ret_verdict = vh_effect_judge(work, text, &reasons);
    *ret_reason = reason_of(work, *ret_verdict, reasons);
    return VIV_OK;
}

/* Each path in memory of its own: a change may have tens of thousands. */
viv_status
vh_effect_judge_paths(struct vh_work *work, const struct vh_json *change, viv_verdict *ret_verdict,
                      struct viv_str *ret_reason, struct viv_error *err)
{
    struct vh_arena *whole = work->arena;
    viv_status status = VIV_OK;
    *ret_verdict = VIV_VERDICT_ALLOW;
    *ret_reason = VH_STR("");
    for (const struct vh_json *path = change ? change->child : NULL; path && status == VIV_OK; path = path->next) {
        viv_verdict verdict = VIV_VERDICT_DENY;
        struct viv_str reason = { NULL, 0 };
        work->arena = vh_arena_create(whole, 0);
        status = work->arena ? judge_path(work, path, &verdict, &reason, err)
                             : vh_error_set(err, VIV_E_MEMORY, "effect", "no memory to judge a change");
        if (status == VIV_OK && verdict < *ret_verdict) {
            char *copy = vh_arena_text_of(whole, reason);
            *ret_verdict = verdict;
            *ret_reason = vh_str(copy ? copy : "");
        }
        vh_arena_destroy(work->arena);
        work->arena = whole;
    }
    return status;
}
