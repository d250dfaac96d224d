/* SPDX-License-Identifier: Apache-2.0 */
/* What every handler of the pipeline needs: the parts of the host (struct vh_run, one per host, made by app.c) and the
 * work of one worker on one task (struct vh_work). Read next: pipeline.h, then the ask_*.c in the order of a task's
 * life. */
#ifndef VH_RUN_H
#define VH_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "keep/sequencer.h"
#include "load/registry.h"
#include "run/base.h"
#include "run/layer.h"
#include "run/plugins.h"
#include "run/pool.h"
#include "run/sandbox.h"
#include "run/tree_users.h"

/* A policy; replaced as a whole, never changed. A claim keeps the one it began with. */
struct vh_run_policy {
    struct viv_str json;   /* merged, canonical: what the host and the economy read */
    struct viv_str layers; /* [user, project] as compiled: what the safety plugin judges by */
    struct viv_str digest; /* hex, of `json` */
    const struct vh_json *root;
    bool project_trusted;
    struct vh_arena *arena; /* all of it */
    uint32_t users;         /* claims that began with it, and one while it is in force; under the source's lock */
};

struct vh_run {
    const struct vh_seam *seam;
    atomic_uint held, halted; /* people hold all work; and what runs ends: switch.h */
    struct vh_sequencer *sequencer;
    struct vh_arena *arena; /* the host's */
    int home;               /* descriptor of the home */
    const char *home_path, *project; /* and the folder that holds the home */
    const struct vh_json *places; /* where it was before, first to last; or NULL */
    struct vh_launcher *launcher;
    struct vh_zygote *zygote;
    struct vh_egress *egress; /* the way to the network; started by its first use */
    struct vh_model_source *models; /* see model_call.h */
    struct vh_pool *pool;
    struct vh_registry *registry;
    struct vh_plugin_rules rules;
    struct vh_git git;
    struct vh_git_tools tools;
    struct vh_sandbox_profile profile; /* what this machine gives; every workspace must reach it */
    const char *profile_text, *fail_step; /* the second for tests: the set-up step that is told to fail */
    struct vh_run_plugins plugins;
    struct vh_run_policy *policy; /* in force; under the source's lock, see policy.h */
    struct vh_policy_source *policy_source;
    struct viv_str actor_name; /* of the person who runs the host */
    int64_t uid, pid;
    pthread_mutex_t *line_lock; /* one task at a time from integration to publication; see pipeline.c */
    struct vh_router *router;
    struct vh_skill_files *skill_files;
    pthread_mutex_t *registry_lock, *collect_lock; /* reads or changes the registry; collects contents or trees */
    struct vh_tree_users *trees; /* who works on which entries of the cache of trees */
};

/* A workspace that is opened when the first effect of a call wants it: most gates find nothing to do. */
struct vh_waiting_workspace {
    const struct vh_git_id *tree; /* NULL: none waits */
    bool failed;                  /* it, or the runner, could not be had: nobody's plugin is to blame */
};

/* One claim of one task. Everything lives in `arena`, which ends with it. */
struct vh_work {
    struct vh_run *run;
    struct vh_arena *arena;
    struct viv_str worker;
    struct vh_ask ask; /* the present one, with the task's row */
    int64_t lease, ordinal; /* ordinal: of the next effect */
    const atomic_uint *cancel;
    const struct vh_run_policy *policy;
    struct vh_target target;
    bool target_open, base_known;
    struct vh_tree_user trees;
    const char *pin_line, *pin_branch; /* of the base: where the task began is where its result goes */
    struct vh_base base;
    struct vh_workspace *workspace; /* of the present phase, or NULL */
    struct vh_waiting_workspace waiting;
    struct viv_str stage;           /* name of the gate stage, or "execute" */
    struct vh_arena *passing;       /* memory of the effect that passed last, with the row in `ask`; or NULL */
    int64_t started_ns, effects; /* for the price: when the claim began, and effects that ran */
    int64_t network_bytes; /* what commands in the workspace have received and sent */
    bool began;      /* the task's work was done or begun, in this claim or one before: it has a price */
    bool asked, lacked; /* an effect ended the run with a question; the last plugin called met a lack of memory */
    char rejected[VIV_ID_MAX + 1]; /* the model whose work was rejected last; once looked for */
    bool rejected_known;
    bool at_line; /* holds the line's lock */
    bool shown;   /* the safety report asked, and a person has approved the task with its command */
};

/* Send an answer about the work's task; its data get the lease. On VIV_OK `work->ask` is what the core wants next. */
viv_status vh_run_answer(struct vh_work *work, const char *kind, struct vh_json *data, struct vh_answer *ret_answer,
                         struct viv_error *err);

/* The row in `ask` stays readable until the claim ends, whatever effects come: for who hands out texts of it. */
void vh_run_keep(struct vh_work *work);

/* "by" of an answer: whose it is, with version and digest. NULL: nobody was there to ask. */
void vh_run_by(struct vh_work *work, struct vh_json *data, const struct vh_plugin *plugin);

/* "failure" of an answer: class is "infrastructure", "plugin", "conflict", ...; text for people. */
void vh_run_failure(struct vh_work *work, struct vh_json *data, const char *class, const char *text);
/* Infrastructure or plugin, by the status of what failed. */
const char *vh_run_class(viv_status status);
/* The worker was told to stop: whatever a plugin made of that, the task is not to blame. */
bool vh_run_cancelled(const struct vh_work *work);

/* Member of the policy by path "a.b"; NULL when it is not there. */
const struct vh_json *vh_run_setting(const struct vh_run_policy *policy, const char *path);

/* JSON text of a plugin as a canonical tree; an empty or unusable text gives `fallback` ("[]" or "{}"). */
struct vh_json *vh_run_tree(struct vh_work *work, struct viv_str text, const char *fallback);
/* Text for an event or a person: UTF-8, control characters but newline and tab replaced, cut at `max` bytes. */
struct viv_str vh_run_clean(struct vh_arena *arena, struct viv_str text, size_t max);

/* A path in a folder where the project was before means the same path in the project as it lies now. */
const char *vh_run_place(const struct vh_run *run, struct vh_arena *arena, struct viv_str path);

/* The task's target, opened once; and its base as recorded, read back into work->base. */
viv_status vh_run_target(struct vh_work *work, struct viv_error *err);
viv_status vh_run_base(struct vh_work *work, struct viv_error *err);

/* The recorded time of the claim in UTC seconds; and a text as an object's name. */
int64_t vh_run_time_s(const struct vh_work *work);
struct vh_git_id vh_run_id(struct viv_str text);
/* "TASK/ATTEMPT/KIND/ORDINAL" of an effect of the host's own. */
const char *vh_run_effect_id(struct vh_work *work, const char *kind);

#endif
