/* SPDX-License-Identifier: Apache-2.0 */
/* A read exec document run in a keeper: one pipeline, or a list of them with the meaning a shell gives && || and ;.
 * Knows nothing of tasks and verdicts; effect_exec.c is its caller. */
#ifndef VH_PIPELINES_H
#define VH_PIPELINES_H

#include "base/json.h"
#include "run/exec.h"
#include "run/sandbox.h"

struct vh_pipelines {
    const struct vh_json *spec; /* as effect_command.c leaves it: "stages", or "pipelines" of a shell's text */
    const char *const *env;     /* over the rebuilt environment, under the document's own */
    size_t env_count;
    int64_t wall_ns; /* for all of it */
    const atomic_uint *cancel;
};

struct vh_pipelines_result {
    int32_t code; /* -1: never started; 128 + signal */
    struct viv_str output;
    struct viv_str errors;
    uint64_t output_bytes; /* all, kept or not */
    struct vh_hash output_hash; /* of all */
    bool timed_out;
    bool flooded;
};

/* VIV_E_CANCELLED, VIV_E_UNAVAILABLE when the keeper ends, VIV_E_MEMORY. A program that fails is no error. */
viv_status vh_pipelines_run(const struct vh_seam *seam, struct vh_keeper *keeper, struct vh_arena *arena,
                            const struct vh_pipelines *what, struct vh_pipelines_result *ret_result,
                            struct viv_error *err);

#endif
