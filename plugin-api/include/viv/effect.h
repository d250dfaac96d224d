/* SPDX-License-Identifier: Apache-2.0 */
/* The request and the outcome of one effect: the only way a plugin touches the world for a task.
 *
 * The host judges, holds, records, performs, records and settles, in that order. Paths are relative to the
 * workspace root; an absolute path or one that leaves the root is denied. */
#ifndef VIV_EFFECT_H
#define VIV_EFFECT_H

#include <viv/status.h>

VIV_BEGIN

#define VIV_EFFECT_EXEC UINT32_C(1)   /* run programs: `spec_json` is an exec document */
#define VIV_EFFECT_READ UINT32_C(2)   /* read files: `path`, or `spec_json` {"paths":[...]} in bulk */
#define VIV_EFFECT_WRITE UINT32_C(3)  /* replace or create a file with `bytes` */
#define VIV_EFFECT_LIST UINT32_C(4)   /* list a folder; `spec_json` {"recursive":1} for the whole tree */
#define VIV_EFFECT_MOVE UINT32_C(5)   /* `path` to `target` */
#define VIV_EFFECT_DELETE UINT32_C(6) /* a file, or an empty folder; {"recursive":1} for a tree */
#define VIV_EFFECT_SKILL UINT32_C(7)  /* `path` names the skill, `spec_json` its input */
#define VIV_EFFECT_ASK UINT32_C(8)    /* ask a person: `bytes` is the question */
#define VIV_EFFECT_MODEL UINT32_C(9)  /* ask a model: `spec_json` is the request, `path` names model or tier */

/* exec document: {"stages":[{"argv":["sh","-c","..."],"env":{...}}],"timeout_ns":N,"cwd":"sub/folder"}.
 * Stages are one pipeline; docs/contract/exec.schema.json. */
struct viv_effect_request {
    uint32_t size;
    uint32_t rev;
    uint32_t kind;
    uint32_t flags; /* zero */
    struct viv_str path;
    struct viv_str target;
    struct viv_str bytes;
    struct viv_str spec_json;
};

/* `exit_code` of an exec is the last failing stage's code, 128 + signal for a death by signal, -1 when it
 * never started. A failed command is a *worked* call: the status is VIV_OK and `exit_code` is not zero. */
struct viv_effect_outcome {
    uint32_t size;
    uint32_t rev;
    int32_t exit_code;
    uint32_t flags;
    int64_t duration_ns;
    struct viv_str output;        /* bytes read, standard output, or the person's answer; bounded */
    struct viv_str errors;        /* standard error of an exec; bounded */
    struct viv_str output_digest; /* SHA-256 in hex of the whole output, kept or not */
    struct viv_str detail_json;   /* by kind: entries of a list, sizes, what was cut */
};

#define VIV_EFFECT_OUTPUT_CUT UINT32_C(1) /* more was written than `output` holds */
#define VIV_EFFECT_TIMED_OUT UINT32_C(2)  /* ended by its own time limit */

VIV_STATIC_ASSERT(sizeof(struct viv_effect_request) == 80, "layout of viv_effect_request, revision 1");
VIV_STATIC_ASSERT(sizeof(struct viv_effect_outcome) == 88, "layout of viv_effect_outcome, revision 1");

VIV_END

#endif
