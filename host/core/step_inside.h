/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the step: what step.c and step_*.c share. Nobody else includes it. */
#ifndef VH_STEP_INSIDE_H
#define VH_STEP_INSIDE_H

#include "base/error.h"
#include "base/str.h"
#include "core/fold.h"
#include "core/invariant.h"
#include "core/moves.h"
#include "core/step.h"
#include <viv/limits.h>

struct vh_stepping {
    const struct vh_state_ops *state;
    struct vh_arena *arena;
    const struct vh_command *command;
    int64_t time_us;
    int64_t seq; /* of the next event */
    int64_t batch;
    int64_t input_seq;
    struct vh_decision *decision;
    struct viv_error *err;
    struct vh_task task; /* the command's task, read again after every event about it */
    viv_status broken;   /* something on the way could not be read or kept; the whole step then fails with it */
};

typedef viv_status (*vh_step_fn)(struct vh_stepping *step);

/* Record one event and fold it. `data` may be NULL after a failed allocation: the step then fails. */
viv_status vh_step_emit(struct vh_stepping *step, const char *kind, struct viv_str task, struct vh_json *data);
/* The input event: the command's own kind and data. */
viv_status vh_step_input(struct vh_stepping *step);
viv_status vh_step_input_as(struct vh_stepping *step, const char *kind, struct vh_json *data);

struct vh_json *vh_step_object(struct vh_stepping *step);
viv_status vh_step_load(struct vh_stepping *step, struct viv_str id);
/* A text in the step's arena; without memory it is empty and the step fails in the end. */
struct viv_str vh_step_text(struct vh_stepping *step, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the command says. */
struct viv_str vh_step_str(const struct vh_stepping *step, const char *key);
int64_t vh_step_int(const struct vh_stepping *step, const char *key, int64_t fallback);
/* "infrastructure", "plugin" or empty: how the answer failed. */
struct viv_str vh_step_failure(const struct vh_stepping *step);
struct viv_str vh_step_failure_text(const struct vh_stepping *step);

/* Fence: the task is leased by the lease number in the command, by this host, and wants the answer of `phase`. */
viv_status vh_step_fence(struct vh_stepping *step, enum vh_phase phase);

/* Move step->task. `phase` is what is wanted next. Refuses a move that is not in the table. */
viv_status vh_step_move(struct vh_stepping *step, enum vh_state to, enum vh_phase phase, struct viv_str reason,
                        int64_t flags);
#define VH_MOVE_RELEASE 1 /* the lease ends here */
#define VH_MOVE_AGAIN 2   /* what the attempt left behind is forgotten */

/* Ends of an attempt; each settles what is held first or asks for it. */
viv_status vh_step_fail(struct vh_stepping *step, struct viv_str reason);
viv_status vh_step_reject(struct vh_stepping *step, const struct vh_json *reasons);
viv_status vh_step_delay(struct vh_stepping *step, struct viv_str reason);
/* Wait for others, which is nobody's failure and counts as no recovery. */
viv_status vh_step_wait(struct vh_stepping *step, struct viv_str reason);
/* The publication was announced and nobody has said how it went: what is on its way is not ended by a word. */
bool vh_step_publishing(struct vh_stepping *step);
/* A hold of the task waits to be settled by a worker: people must wait too. */
bool vh_step_settling(const struct vh_stepping *step);
viv_status vh_step_ask(struct vh_stepping *step, const char *why, struct viv_str digest, struct viv_str text,
                       enum vh_state resume_state, enum vh_phase resume_phase);
/* Whether a person said yes to this question about these bytes: a yes to another question about them is none. */
bool vh_step_approved(struct vh_stepping *step, const char *why, struct viv_str digest);

/* Move to `to`, which wants nothing more than its hold settled. */
viv_status vh_step_finish(struct vh_stepping *step, enum vh_state to, struct viv_str reason, int64_t flags);
/* The same without a look at those that follow. */
viv_status vh_step_end(struct vh_stepping *step, enum vh_state to, struct viv_str reason, int64_t flags);
/* Of the hold: what the worker says was used by now, with what was known at an earlier question. 0: nobody said. */
int64_t vh_step_used(struct vh_stepping *step);
/* Settle what is held without asking: of a task that waits for a person what was used, where that is known; else all of
 * it after an outside effect, nothing otherwise. */
viv_status vh_step_settle_lost(struct vh_stepping *step, const char *why);
/* Of an effect that is allowed: its start, and what is to be held for it, in every account or in none. VIV_E_BUSY,
 * others hold it; VIV_E_LIMIT, it will never fit. Nothing is recorded then. */
viv_status vh_step_effect_start(struct vh_stepping *step);
/* Its outcome is known: what it cost, else all that was held. */
viv_status vh_step_effect_settle(struct vh_stepping *step, const struct vh_effect_row *row);
/* Nobody will tell its outcome any more: all that is held for the effect, if anything is. Only the last one of a task
 * can be without an outcome: whatever ends a lease or starts the next effect asks. */
viv_status vh_step_effect_lost(struct vh_stepping *step, int64_t ordinal, const char *why);
#define VH_STEP_NOT_TOLD "its outcome was not told: all that was held"
/* Accounts for a hold, each named once. */
bool vh_step_usable_scopes(const struct vh_json *scopes);
/* How much of the limit is free now, and how much would be if every hold came back. */
viv_status vh_step_room_in(struct vh_stepping *step, const struct vh_json *want, int64_t *ret_now, int64_t *ret_ever);
/* Dependents and parent of a task that ended; what is too much for one command is left for later ones. */
viv_status vh_step_followers(struct vh_stepping *step);
viv_status vh_step_followers_counted(struct vh_stepping *step);

/* Gates. */
viv_status vh_step_enter_gates(struct vh_stepping *step, enum vh_state state);
/* Name of the gate bound to the present stage at `index`; empty when there is none. */
struct viv_str vh_step_gate_at(struct vh_stepping *step, int64_t index);
viv_status vh_step_gate_passed(struct vh_stepping *step, struct viv_str gate, const char *by);
/* Names of the gates bound to a stage, critics bound, thresholds: from the policy in force. NULL when there is none; a
 * policy that cannot be read fails the step, it never counts as none. */
const struct vh_json *vh_step_policy(struct vh_stepping *step);

viv_status vh_step_task_submitted(struct vh_stepping *step);
viv_status vh_step_task_claimed(struct vh_stepping *step);
viv_status vh_step_lease_expired(struct vh_stepping *step);
viv_status vh_step_intent_captured(struct vh_stepping *step);
viv_status vh_step_plan_answered(struct vh_stepping *step);
viv_status vh_step_safety_report(struct vh_stepping *step);
viv_status vh_step_budget_estimated(struct vh_stepping *step);
viv_status vh_step_route_chosen(struct vh_stepping *step);
viv_status vh_step_base_captured(struct vh_stepping *step);
viv_status vh_step_effect(struct vh_stepping *step);
viv_status vh_step_effect_finished(struct vh_stepping *step);
viv_status vh_step_execute_finished(struct vh_stepping *step);
viv_status vh_step_change_frozen(struct vh_stepping *step);
viv_status vh_step_gate_answered(struct vh_stepping *step);
viv_status vh_step_integration_made(struct vh_stepping *step);
viv_status vh_step_review_made(struct vh_stepping *step);
viv_status vh_step_publish_finished(struct vh_stepping *step);
viv_status vh_step_settle_priced(struct vh_stepping *step);
viv_status vh_step_rollback_finished(struct vh_stepping *step);
viv_status vh_step_cancel_requested(struct vh_stepping *step);
viv_status vh_step_retry_requested(struct vh_stepping *step);
viv_status vh_step_approval_given(struct vh_stepping *step);
viv_status vh_step_approval_refused(struct vh_stepping *step);
viv_status vh_step_answer_given(struct vh_stepping *step);
viv_status vh_step_rollback_requested(struct vh_stepping *step);
viv_status vh_step_record(struct vh_stepping *step);
viv_status vh_step_switch_set(struct vh_stepping *step);
viv_status vh_step_budget_capped(struct vh_stepping *step);
viv_status vh_step_model_learned(struct vh_stepping *step);
/* Lower `*limit` to what a person allows the account. */
viv_status vh_step_cap(struct vh_stepping *step, struct viv_str account, int64_t *limit);

/* `refusal` with a text while people hold all work; with `halt_only` a mere pause is no matter. */
viv_status vh_step_switched(struct vh_stepping *step, bool halt_only, viv_status refusal);

#endif
