/* SPDX-License-Identifier: Apache-2.0 */
/* A skill at work: always in a runner, with its grants and no more. */
#ifndef VH_SKILL_H
#define VH_SKILL_H

#include "run/run.h"

/* The execution of a task whose route is a skill. A failure of the skill's own is a miss. */
viv_status vh_skill_execute(struct vh_work *work, struct viv_error *err);

/* One run of a skill on a folder, outside any task: read-only, no effects but the folder grant. */
struct vh_skill_call {
    struct viv_str skill;
    struct viv_str input_json;
    int root_fd; /* folder granted read-only, or -1 */
    int64_t now_us;
    int64_t limit_ns;
    viv_status (*service)(void *data, const struct viv_effect_request *request,
                          struct viv_effect_outcome *ret_outcome, struct vh_arena *arena, struct viv_error *err);
    void *service_data;
    const struct viv_task *task;
    const atomic_uint *cancel; /* not 0: stop; or NULL */
    uint32_t depth;
    const char *digest_hex; /* exactly this version; NULL: the highest */
};

struct vh_skill_result {
    struct viv_str output_json;
    struct viv_str text;
    const char *id;
    const char *version;
    int64_t own_ns;
    bool plugin_fault; /* the failure is the skill's own */
};

viv_status vh_skill_run(struct vh_run *run, struct vh_arena *arena, const struct vh_skill_call *call,
                        struct vh_skill_result *ret_result, struct viv_error *err);

#endif
