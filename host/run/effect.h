/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the world. In this order: normalise, grant, safety verdict, record the intent (the core decides and
 * holds), perform inside the sandbox, record the outcome. Nothing else in the host touches the world on a task's
 * behalf. effect_exec.c and effect_file.c perform by kind; effect_spec.c reads what is asked for. */
#ifndef VH_EFFECT_H
#define VH_EFFECT_H

#include "run/run.h"

#define VH_OUTPUT_IN_EVENT_MAX 1024 /* bytes of an output that stand in the event; more is whole in the content store */

/* Who asks. */
struct vh_effect_origin {
    struct vh_work *work;
    struct viv_str plugin;
    const struct vh_manifest *manifest; /* of who runs outside: its effects list binds; NULL in the host's process */
    uint32_t depth;                     /* of skills calling skills */
    bool by_policy; /* the trusted policy itself names this command: a person has answered the question already */
};

/* Ask for one effect; the form that lend and runners call. `data` is a struct vh_effect_origin. */
viv_status vh_effect_perform(void *data, struct vh_arena *arena, const struct viv_effect_request *request,
                             struct viv_effect_outcome *ret_outcome, struct viv_error *err);

/* An effect of the host's own that leaves the workspace (publish, roll back): records the intent, on disk before
 * anything happens. */
viv_status vh_effect_announce(struct vh_work *work, const char *kind, struct viv_str what, struct viv_error *err);
viv_status vh_effect_announced(struct vh_work *work, const char *kind, struct viv_str what, struct viv_error *err);

/* The safety plugin's word about an effect as JSON; a failure of any kind is a deny. */
viv_verdict vh_effect_judge(struct vh_work *work, struct viv_str effect_json, struct vh_json **ret_reasons);
/* A command as the safety plugin would be shown it, read and normalised; nothing happens. */
viv_status vh_effect_show(struct vh_work *work, struct viv_str command, struct vh_json **ret_effect,
                          struct viv_error *err);
/* Judge a list of changed paths as writes: strictest verdict and the first reason of that strength. */
viv_status vh_effect_judge_paths(struct vh_work *work, const struct vh_json *change, viv_verdict *ret_verdict,
                                 struct viv_str *ret_reason, struct viv_error *err);

#endif
