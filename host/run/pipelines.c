/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

#define FLOOD_BYTES (UINT64_C(4) << 30)

struct run {
    const struct vh_seam *seam;
    struct vh_keeper *keeper;
    struct vh_arena *arena;
    const struct vh_pipelines *what;
    const char **env;
    size_t env_count;
    struct vh_buf output;
    struct vh_buf errors;
    struct vh_hasher hasher; /* of all output, whichever pipeline wrote it */
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

/* "NAME=value" of an object, after what is in `list` already. */
static bool
add_env(struct vh_arena *arena, const struct vh_json *env, const char **list, size_t *count)
{
    for (const struct vh_json *pair = env ? env->child : NULL; pair; pair = pair->next) {
        list[*count] = vh_arena_format(arena, "%.*s=%.*s", VH_STR_ARGS(pair->key), VH_STR_ARGS(pair->text));
        if (!list[(*count)++]) {
            return false;
        }
    }
    return true;
}

static bool
fill_stage(struct vh_arena *arena, const struct vh_json *from, struct vh_exec_stage *to)
{
    const struct vh_json *argv = vh_json_get(from, "argv");
    const struct vh_json *env = vh_json_get(from, "env");
    const char **words = vh_arena_array(arena, argv->count + 1, sizeof *words);
    const char **pairs = vh_arena_array(arena, (env ? env->count : 0) + 1, sizeof *pairs);
    size_t count = 0, pair_count = 0;
    if (!words || !pairs || !add_env(arena, env, pairs, &pair_count)) {
        return false;
    }
    for (const struct vh_json *word = argv->child; word; word = word->next) {
        words[count] = vh_arena_text_of(arena, word->text);
        if (!words[count++]) {
            return false;
        }
    }
    *to = (struct vh_exec_stage){
        .argv = words,
        .argc = count,
        .env = pairs,
        .env_count = pair_count,
        .input_path = text_of(arena, vh_json_str(from, "input_path")),
        .output_path = text_of(arena, vh_json_str(from, "output_path")),
        .error_path = text_of(arena, vh_json_str(from, "error_path")),
        .output_append = vh_json_int(from, "output_append", 0) != 0,
        .error_append = vh_json_int(from, "error_append", 0) != 0,
        .error_to_output = vh_json_int(from, "error_to_output", 0) != 0,
    };
    return true;
}

/* What a shell says of a command it could not start: 2 for a redirection, 126 for a file that may not run, else 127. */
static int32_t
shell_code(const struct vh_exec_stage_result *stage)
{
    bool program = strcmp(stage->start_step, "program") == 0 || strcmp(stage->start_step, "exec") == 0;
    if (!program) {
        return 2;
    }
    return stage->start_errno == ENOENT || stage->start_errno == ENOTDIR ? 127 : 126;
}

/* What never started has -1; in a shell's text it has what a shell says. */
static int32_t
stage_code(const struct vh_exec_stage_result *stage, bool shell)
{
    if (stage->start_errno) {
        return shell ? shell_code(stage) : -1;
    }
    return stage->signal ? 128 + stage->signal : stage->exit_code;
}

/* A parsed shell text has the shell's meaning: the last stage counts. A pipeline given as stages fails when any
 * does. */
static int32_t
pipeline_code(const struct vh_exec_result *result, bool shell)
{
    int32_t code = 0;
    for (size_t i = 0; i < result->stage_count; i++) {
        int32_t one = stage_code(&result->stages[i], shell);
        code = shell || one ? one : code;
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

static viv_status
take(struct run *run, const struct vh_exec *exec, const struct vh_exec_result *result, bool shell,
     struct viv_error *err)
{
    if (result->end == VH_EXEC_CANCELLED) {
        return vh_error_set(err, VIV_E_CANCELLED, "effect", "the command was cancelled");
    }
    run->timed_out = result->end == VH_EXEC_TIMED_OUT;
    run->flooded = result->end == VH_EXEC_FLOODED;
    run->code = pipeline_code(result, shell);
    if ((run->timed_out || run->flooded) && run->code == 0) {
        run->code = 128 + 9;
    }
    vh_buf_str(&run->output, result->output.kept);
    vh_buf_str(&run->errors, result->errors.kept);
    note_start_failures(run, result, exec);
    run->total += result->output.total_bytes;
    return VIV_OK;
}

static viv_status
run_pipeline(struct run *run, const struct vh_json *pipeline, bool shell, struct viv_error *err)
{
    const struct vh_json *stages = vh_json_get(pipeline, "stages");
    struct vh_exec_stage *list = vh_arena_array(run->arena, stages->count, sizeof *list);
    size_t count = 0;
    for (const struct vh_json *stage = stages->child; stage; stage = stage->next) {
        if (!list || !fill_stage(run->arena, stage, &list[count++])) {
            return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command");
        }
    }
    int64_t left = run->until_ns - run->seam->monotonic_ns(run->seam->data);
    struct viv_str cwd = vh_json_str(run->what->spec, "cwd");
    struct vh_exec exec = {
        .stages = list,
        .stage_count = count,
        .env = run->env,
        .env_count = run->env_count,
        .cwd = vh_str_is(cwd, ".") ? NULL : text_of(run->arena, cwd),
        .wall_ns = left > 0 ? left : 1,
        .output_max = VIV_OUTPUT_MAX - run->output.len,
        .error_max = VIV_OUTPUT_MAX > run->errors.len ? VIV_OUTPUT_MAX - run->errors.len : 0,
        .flood_bytes = FLOOD_BYTES,
        .output_hasher = &run->hasher,
    };
    struct vh_exec_watch watch = { .cancel = run->what->cancel };
    struct vh_exec_result result;
    viv_status status = vh_sandbox_exec(run->keeper, run->arena, &exec, &watch, &result, err);
    return status ? status : take(run, &exec, &result, shell, err);
}

static bool
wanted(const struct vh_json *pipeline, int32_t code)
{
    struct viv_str op = vh_json_str(pipeline, "op");
    return vh_str_is(op, "and") ? code == 0 : vh_str_is(op, "or") ? code != 0 : true;
}

static viv_status
run_all(struct run *run, struct viv_error *err)
{
    const struct vh_json *pipelines = vh_json_get(run->what->spec, "pipelines");
    viv_status status = VIV_OK;
    if (!pipelines) {
        return run_pipeline(run, run->what->spec, false, err);
    }
    for (const struct vh_json *p = pipelines->child; p && status == VIV_OK; p = p->next) {
        if (wanted(p, run->code)) {
            status = run_pipeline(run, p, true, err);
        }
        if (run->timed_out || run->flooded) {
            break;
        }
    }
    return status;
}

static viv_status
make_env(struct run *run, struct viv_error *err)
{
    const struct vh_json *own = vh_json_get(run->what->spec, "env");
    run->env = vh_arena_array(run->arena, run->what->env_count + (own ? own->count : 0) + 1, sizeof *run->env);
    if (run->env && run->what->env_count) {
        memcpy(run->env, run->what->env, run->what->env_count * sizeof *run->env);
    }
    run->env_count = run->what->env_count;
    return run->env && add_env(run->arena, own, run->env, &run->env_count)
               ? VIV_OK
               : vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command");
}

viv_status
vh_pipelines_run(const struct vh_seam *seam, struct vh_keeper *keeper, struct vh_arena *arena,
                 const struct vh_pipelines *what, struct vh_pipelines_result *ret_result, struct viv_error *err)
{
    struct run run = { .seam = seam, .keeper = keeper, .arena = arena, .what = what };
    struct vh_hash hash;
    run.until_ns = seam->monotonic_ns(seam->data) + what->wall_ns;
    vh_buf_init(&run.output, arena, VIV_OUTPUT_MAX);
    vh_buf_init(&run.errors, arena, 2 * VIV_OUTPUT_MAX);
    vh_hasher_init(&run.hasher);
    viv_status status = make_env(&run, err);
    if (status == VIV_OK) {
        status = run_all(&run, err);
    }
    bool hashed = vh_hasher_finish(&run.hasher, &hash); /* frees its context */
    if (status) {
        return status;
    }
    if (!hashed) {
        return vh_error_set(err, VIV_E_INTERNAL, "effect", "SHA-256 failed");
    }
    if (run.output.failed || run.errors.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "effect", "no memory for a command's output");
    }
    *ret_result = (struct vh_pipelines_result){
        .code = run.code,
        .output = vh_buf_view(&run.output),
        .errors = vh_buf_view(&run.errors),
        .output_bytes = run.total,
        .output_hash = hash,
        .timed_out = run.timed_out,
        .flooded = run.flooded,
    };
    return VIV_OK;
}
