/* SPDX-License-Identifier: Apache-2.0 */
/* Running programs: a list of pipelines, each in the keeper, with the meaning a shell gives && || and ;. */
#include "effect_inside.h"

#define WALL_NS INT64_C(600000000000) /* when neither the request nor the policy says otherwise */
#define FLOOD_BYTES (UINT64_C(4) << 30)
#define REASON_BYTES_MAX 512
#define REASONS_BYTES_MAX 16384

struct run {
    struct vh_effect *effect;
    struct vh_buf output;
    struct vh_buf errors;
    struct vh_hasher hasher;
    uint64_t total;
    int64_t until_ns;
    int32_t code;
    bool timed_out;
    bool flooded;
};

static const char *
text_of(struct vh_arena *arena, struct viv_str text)
{
    return text.len ? vh_arena_text_of(arena, text) : NULL;
}

static bool
fill_stage(struct vh_arena *arena, const struct vh_json *from, struct vh_exec_stage *to)
{
    const struct vh_json *argv = vh_json_get(from, "argv");
    const struct vh_json *env = vh_json_get(from, "env");
    const char **words = vh_arena_array(arena, argv->count + 1, sizeof *words);
    const char **pairs = vh_arena_array(arena, (env ? env->count : 0) + 1, sizeof *pairs);
    if (!words || !pairs) {
        return false;
    }
    size_t count = 0;
    for (const struct vh_json *word = argv->child; word; word = word->next) {
        words[count] = vh_arena_text_of(arena, word->text);
        if (!words[count++]) {
            return false;
        }
    }
    size_t pair_count = 0;
    for (const struct vh_json *pair = env ? env->child : NULL; pair; pair = pair->next) {
        pairs[pair_count] = vh_arena_format(arena, "%.*s=%.*s", VH_STR_ARGS(pair->key), VH_STR_ARGS(pair->text));
        if (!pairs[pair_count++]) {
            return false;
        }
    }
    *to = (struct vh_exec_stage){
        .argv = words,
        .argc = count,
        .env = pairs,
        .env_count = pair_count,
        .input_path = text_of(arena, vh_json_str(from, "stdin")),
        .output_path = text_of(arena, vh_json_str(from, "stdout")),
        .error_path = text_of(arena, vh_json_str(from, "stderr")),
        .output_append = vh_json_int(from, "append", 0) != 0,
        .error_append = vh_json_int(from, "error_append", 0) != 0,
        .error_to_output = vh_json_int(from, "error_to_output", 0) != 0,
    };
    return true;
}

/* What never started has -1; in a shell's text it has what a shell says. */
static int32_t
stage_code(const struct vh_exec_stage_result *stage, bool shell)
{
    return stage->start_errno ? (shell ? 127 : -1) : stage->signal ? 128 + stage->signal : stage->exit_code;
}

/* A parsed shell text has the shell's meaning: the last stage counts. A pipeline given as stages fails when any
 * does. */
static int32_t
pipeline_code(const struct vh_exec_result *result, bool last_counts)
{
    int32_t code = 0;
    for (size_t i = 0; i < result->stage_count; i++) {
        int32_t one = stage_code(&result->stages[i], last_counts);
        code = last_counts || one ? one : code;
    }
    return code;
}

static void
note_start_failures(struct run *run, const struct vh_exec_result *result, const struct vh_exec *exec)
{
    for (size_t i = 0; i < result->stage_count; i++) {
        const struct vh_exec_stage_result *stage = &result->stages[i];
        if (stage->start_errno) {
            char reason[128];
            vh_buf_format(&run->errors, "%s: could not be started (%s): %s\n", exec->stages[i].argv[0],
                          stage->start_step, strerror_r(stage->start_errno, reason, sizeof reason));
        }
    }
}

/* What rejected the earlier attempts, a line each, for a command that can do something about it. Cut at a bound: the
 * whole is in `task show`. */
static const char *
reasons_of(struct vh_effect *effect, struct viv_str feedback)
{
    struct vh_json *attempts = vh_run_tree(effect->work, feedback, "[]");
    struct vh_buf buf;
    vh_buf_init(&buf, effect->arena, REASONS_BYTES_MAX);
    vh_buf_text(&buf, "VIV_REASONS=");
    for (const struct vh_json *attempt = attempts ? attempts->child : NULL; attempt; attempt = attempt->next) {
        for (const struct vh_json *r = attempt->type == VH_JSON_ARRAY ? attempt->child : NULL; r; r = r->next) {
            struct viv_str command = vh_json_str(r, "command");
            struct viv_str text = r->type == VH_JSON_STRING ? r->text : vh_json_str(r, "text");
            text = vh_run_clean(effect->arena, text, REASON_BYTES_MAX);
            vh_buf_format(&buf, "%.*s%s%.*s\n", VH_STR_ARGS(vh_run_clean(effect->arena, command, REASON_BYTES_MAX)),
                          command.len ? ": " : "", VH_STR_ARGS(text));
        }
    }
    return buf.failed ? "VIV_REASONS=too many to list; see 'vivhost task show'" : buf.data;
}

static viv_status
run_pipeline(struct run *run, const struct vh_json *pipeline, struct viv_error *err)
{
    struct vh_effect *effect = run->effect;
    struct vh_work *work = effect->work;
    const struct vh_json *stages = vh_json_get(pipeline, "stages");
    struct vh_exec_stage *list = vh_arena_array(effect->arena, stages->count, sizeof *list);
    size_t count = 0;
    for (const struct vh_json *stage = stages->child; stage; stage = stage->next) {
        if (!list || !fill_stage(effect->arena, stage, &list[count++])) {
            return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command");
        }
    }
    const struct vh_seam *seam = work->run->seam;
    int64_t left = run->until_ns - seam->monotonic_ns(seam->data);
    struct viv_str cwd = vh_json_str(effect->spec, "cwd");
    const char *env[3] = {
        vh_arena_format(effect->arena, "VIV_TASK=%.*s", VH_STR_ARGS(work->ask.task.id)),
        vh_arena_format(effect->arena, "VIV_ATTEMPT=%lld", (long long)work->ask.task.attempt),
        vh_str_is(work->stage, "execute") ? reasons_of(effect, work->ask.task.feedback) : "VIV_REASONS=",
    };
    struct vh_exec exec = {
        .stages = list,
        .stage_count = count,
        .env = env,
        /* no memory for one: none of them */
        .env_count = env[0] && env[1] && env[2] ? 3 : 0,
        .cwd = vh_str_is(cwd, ".") ? NULL : text_of(effect->arena, cwd),
        .wall_ns = left > 0 ? left : 1,
        .output_max = VIV_OUTPUT_MAX - run->output.len,
        .error_max = VIV_OUTPUT_MAX - run->errors.len,
        .flood_bytes = FLOOD_BYTES,
    };
    struct vh_exec_watch watch = { .cancel = work->cancel };
    struct vh_exec_result result;
    viv_status status = vh_sandbox_exec(vh_workspace_keeper(work), effect->arena, &exec, &watch, &result, err);
    if (status) {
        return status;
    }
    if (result.end == VH_EXEC_CANCELLED) {
        return vh_error_set(err, VIV_E_CANCELLED, "effect", "the command was cancelled");
    }
    run->timed_out = result.end == VH_EXEC_TIMED_OUT;
    run->flooded = result.end == VH_EXEC_FLOODED;
    run->code = pipeline_code(&result, vh_json_int(effect->spec, "parsed", 0) != 0);
    if ((run->timed_out || run->flooded) && run->code == 0) {
        run->code = 128 + 9;
    }
    vh_buf_str(&run->output, result.output.kept);
    vh_buf_str(&run->errors, result.errors.kept);
    note_start_failures(run, &result, &exec);
    vh_hasher_add(&run->hasher, result.output.hash.bytes, VH_HASH_BYTES);
    run->total += result.output.total_bytes;
    return VIV_OK;
}

static bool
wanted(const struct vh_json *pipeline, int32_t code)
{
    struct viv_str op = vh_json_str(pipeline, "op");
    return vh_str_is(op, "and") ? code == 0 : vh_str_is(op, "or") ? code != 0 : true;
}

static viv_status
finish(struct run *run, struct viv_error *err)
{
    struct vh_effect *effect = run->effect;
    struct vh_hash hash;
    if (!vh_hash_bytes(run->output.len ? run->output.data : "", run->output.len, &hash)) {
        return vh_error_set(err, VIV_E_INTERNAL, "effect", "SHA-256 failed");
    }
    bool cut = run->total > run->output.len;
    if (cut && !vh_hasher_finish(&run->hasher, &hash)) {
        return vh_error_set(err, VIV_E_INTERNAL, "effect", "SHA-256 failed");
    }
    if (!cut) {
        struct vh_hash ignored;
        (void)vh_hasher_finish(&run->hasher, &ignored); /* frees its context */
    }
    if (run->output.failed || run->errors.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command's output");
    }
    effect->outcome->exit_code = run->code;
    effect->outcome->errors = vh_buf_view(&run->errors);
    effect->outcome->flags |= run->timed_out ? VIV_EFFECT_TIMED_OUT : 0;
    return vh_effect_output(effect, vh_buf_view(&run->output), &hash, cut, err);
}

viv_status
vh_effect_exec(struct vh_effect *effect, struct viv_error *err)
{
    const struct vh_seam *seam = effect->work->run->seam;
    const struct vh_json *pipelines = vh_json_get(effect->spec, "pipelines");
    int64_t limit = vh_json_int(effect->spec, "timeout_ns", 0);
    const struct vh_json *policy = vh_run_setting(effect->work->policy, "limits.time_ns");
    int64_t most = policy && policy->integer > 0 ? policy->integer : WALL_NS;
    struct run run = { .effect = effect };
    run.until_ns = seam->monotonic_ns(seam->data) + (limit > 0 && limit < most ? limit : most);
    vh_buf_init(&run.output, effect->arena, VIV_OUTPUT_MAX);
    vh_buf_init(&run.errors, effect->arena, VIV_OUTPUT_MAX + 4096);
    vh_hasher_init(&run.hasher);
    viv_status status = VIV_OK;
    if (!pipelines) {
        status = run_pipeline(&run, effect->spec, err);
    }
    for (const struct vh_json *p = pipelines ? pipelines->child : NULL; p && status == VIV_OK; p = p->next) {
        if (wanted(p, run.code)) {
            status = run_pipeline(&run, p, err);
        }
        if (run.timed_out || run.flooded) {
            break;
        }
    }
    if (status) {
        struct vh_hash ignored;
        (void)vh_hasher_finish(&run.hasher, &ignored); /* frees its context */
        return status;
    }
    return finish(&run, err);
}
