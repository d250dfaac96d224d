/* SPDX-License-Identifier: Apache-2.0 */
/* A task as the core knows it: one row of the projection `tasks`. Plain data; every text lives in the arena the row
 * was read into. The row is stored as canonical JSON, so what replay, rebuild and the live host hold can be compared
 * byte for byte. Read next: moves.h (states), ask.h (phases). */
#ifndef VH_TASK_H
#define VH_TASK_H

#include "base/json.h"

/* States of the blueprint. Stored by name, never by number. */
#define VH_STATE_TABLE(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(BLOCKED, "blocked")                                                                          \
    X(PENDING, "pending")                                                                          \
    X(RUNNING, "running")                                                                          \
    X(NEEDS_QA, "needs_qa")                                                                        \
    X(INTEGRATION, "integration")                                                                  \
    X(E2E, "e2e")                                                                                  \
    X(READY, "ready")                                                                              \
    X(FAILED, "failed")                                                                            \
    X(AWAITING, "awaiting_approval")                                                               \
    X(EXPANDED, "expanded")                                                                        \
    X(CANCELLED, "cancelled")                                                                      \
    X(ROLLED_BACK, "rolled_back")

/* Where a task stands inside its state: which answer is wanted next. The order of a task's life is the order here.
 * FOLLOW is never stored: an ended task with dependents left asks for it. */
#define VH_PHASE_TABLE(X)                                                                          \
    X(IDLE, "idle")                                                                                \
    X(INTAKE, "intake")                                                                            \
    X(PLAN, "plan")                                                                                \
    X(SAFETY, "safety")                                                                            \
    X(BUDGET, "budget")                                                                            \
    X(ROUTE, "route")                                                                              \
    X(BASE, "base")                                                                                \
    X(EXECUTE, "execute")                                                                          \
    X(FREEZE, "freeze")                                                                            \
    X(GATE_QA, "gate_qa")                                                                          \
    X(INTEGRATE, "integrate")                                                                      \
    X(GATE_INTEGRATION, "gate_integration")                                                        \
    X(GATE_E2E, "gate_e2e")                                                                        \
    X(REVIEW, "review")                                                                            \
    X(PUBLISH, "publish")                                                                          \
    X(SETTLE, "settle")                                                                            \
    X(ROLLBACK, "rollback")                                                                        \
    X(FOLLOW, "follow")

#define VH_STATE_CONSTANT(name, text) VH_STATE_##name,
#define VH_PHASE_CONSTANT(name, text) VH_PHASE_##name,
enum vh_state { VH_STATE_TABLE(VH_STATE_CONSTANT) VH_STATE_COUNT };
enum vh_phase { VH_PHASE_TABLE(VH_PHASE_CONSTANT) VH_PHASE_COUNT };

struct vh_task {
    /* asked for; never changes */
    struct viv_str id;
    struct viv_str goal;
    struct viv_str command; /* exec document, or empty */
    struct viv_str skill;   /* asked for by name, or empty */
    struct viv_str input;   /* JSON input for that skill, or empty */
    struct viv_str target;  /* absolute path of the repository or folder */
    struct viv_str scope;   /* folder beneath the target that it is limited to, see scope.h; or empty */
    struct viv_str parent;  /* id of the plan it belongs to, or empty */
    struct viv_str spec;    /* JSON: limits and whatever the client added */
    int64_t number;         /* order of submission */
    int64_t attempts_max;

    /* where it stands */
    int64_t state;        /* enum vh_state */
    int64_t phase;        /* enum vh_phase */
    int64_t resume_state; /* where an approval returns to */
    int64_t resume_phase;
    int64_t attempt;    /* 1 at first; rises on rejection only */
    int64_t recoveries; /* infrastructure failures in a row; bounded on their own */
    int64_t retry_at_us;
    int64_t gate_index; /* how many gates of the stage have answered */
    struct viv_str stage_gates; /* JSON list: the gates bound when the stage was entered; a new policy counts later */
    int64_t effects;    /* effects announced since an attempt was last forgotten; the next ordinal */
    int64_t round;      /* how often what an attempt left behind was forgotten; rises only */
    int64_t outside;    /* an effect of this attempt left the workspace */
    int64_t children_left;
    int64_t following; /* when it has ended: 1 + the first dependent nobody has looked at; 0: all were */

    /* lease */
    int64_t lease; /* rises on every claim; the fence */
    int64_t leased;
    int64_t epoch; /* of the host that claimed */
    int64_t expires_us;
    struct viv_str worker;

    /* what was decided */
    struct viv_str intent;     /* JSON */
    struct viv_str capability; /* JSON; only shrinks */
    struct viv_str route;      /* skill id, or "executor" */
    struct viv_str route_input; /* JSON input the route bound */
    struct viv_str base_tree;
    struct viv_str base_commit;
    struct viv_str base; /* JSON of the base effect: layers, dirty tree, line tip */
    struct viv_str result; /* JSON of the executor or skill */
    struct viv_str tree;   /* frozen result */
    struct viv_str commit;
    struct viv_str change;        /* digest of the change manifest in the content store */
    struct viv_str merged_tree;   /* what integration and e2e judge and publish shows */
    struct viv_str merged_commit;
    struct viv_str line_tip;      /* the line's commit the merge was made on */
    struct viv_str published;     /* commit that became visible */
    struct viv_str gates;         /* JSON list of gate answers of this attempt */
    struct viv_str feedback;      /* JSON list of reasons of earlier rejections */
    struct viv_str awaiting;      /* why a person must decide, or empty */
    struct viv_str awaiting_digest;
    struct viv_str approved; /* JSON list of what a person granted: "question:digest" */
    struct viv_str answers;  /* what a person answered to open questions */
    struct viv_str missed;   /* JSON list of skills that failed on this task; routed past */
    struct viv_str failure;  /* one line, when failed */
    struct viv_str rollback_commit;
    int64_t score_permille;

    /* money */
    int64_t held_micro;
    int64_t used_micro; /* known to be used of it when a person was asked; 0: nobody said */
    int64_t cost_micro; /* settled over all attempts */
    struct viv_str holds; /* JSON list of scope names the hold was made in */
};

const char *vh_task_state_name(int64_t state);
const char *vh_task_phase_name(int64_t phase);
/* VH_STATE_NONE for an unknown name. */
enum vh_state vh_task_state_of(struct viv_str name);
enum vh_phase vh_task_phase_of(struct viv_str name);

/* Nothing follows by itself: ready, failed, cancelled, rolled_back. */
bool vh_task_ended(const struct vh_task *task);

/* Canonical JSON of the row, empty and zero members left out; { NULL, 0 } when memory is out. */
struct viv_str vh_task_encode(struct vh_arena *arena, const struct vh_task *task);
/* Whether a row can hold it: UTF-8 texts, numbers within VH_JSON_INTEGER_MAX. Looked at before a row is made of what a
 * log says; an encoding that then gives nothing lacks memory. Texts that are the row's of before are not looked at. */
bool vh_task_fits(const struct vh_task *task, const struct vh_task *had);
/* With its texts. */
viv_status vh_task_copy(struct vh_arena *arena, const struct vh_task *task, struct vh_task *ret_task,
                        struct viv_error *err);
viv_status vh_task_decode(struct vh_arena *arena, struct viv_str text, struct vh_task *ret_task, struct viv_error *err);

#endif
