/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: (state, command, recorded time) -> events, or a refusal. No I/O, no clock, no randomness; memory from
 * the arena given. Every event is folded into the state as it is made, so a handler sees what it has done; a refusal
 * leaves changes behind in the state, and the caller rolls its savepoint back.
 *
 * A command is refused by status and text; nothing of it is kept, but for a client's command with a key, whose refusal
 * is an event of its own (vh_step_refuse), so that the same key gets the same answer. */
#ifndef VH_STEP_H
#define VH_STEP_H

#include "core/event.h"
#include "core/state.h"

struct vh_command {
    struct viv_str kind; /* the kind of its input event; some commands choose among several, see vh_step */
    struct viv_str task; /* empty for commands about no task; for a claim the core fills it in */
    struct viv_str key;  /* idempotency key, or empty */
    struct vh_actor actor;
    struct vh_json *data; /* object; for a worker's command it carries "lease" */
    bool lazy; /* the sender waits for the sync of a later command of its own, not for this one's */
};

struct vh_decision {
    struct vh_event *events;
    size_t count;
    struct viv_str task; /* the task it was about */
};

#define VH_STEP_LEASE_US INT64_C(30000000) /* a holder that is silent for this long is gone */
#define VH_STEP_EVENTS_MAX 2048 /* a plan of 256 children with edges, or the followers that one command frees */

/* Where in the log a decision goes. */
struct vh_step_place {
    int64_t time_us; /* recorded time of the command */
    int64_t seq;     /* number of the first event */
    int64_t batch;
};

/* On VIV_OK `ret_decision` holds at least the input event; after a refusal, what had been decided before it. */
viv_status vh_step(const struct vh_state_ops *state, struct vh_arena *arena, const struct vh_command *command,
                   const struct vh_step_place *place, struct vh_decision *ret_decision, struct viv_error *err);

/* The command an input event came from. */
void vh_step_command_of(const struct vh_event *event, struct vh_command *ret_command);

/* A command that records a refusal under the same key. */
void vh_step_refuse(struct vh_arena *arena, const struct vh_command *refused, viv_status status, const char *text,
                    struct vh_command *ret_command);

/* Whether the command must be on disk before it is answered. */
bool vh_step_sync(const struct vh_command *command);

#endif
