/* SPDX-License-Identifier: Apache-2.0 */
/* A task's life without a store: commands given to the pure step over the state in arrays, each in a savepoint, every
 * event encoded, decoded and encoded again on the way. What a refused command left behind is undone and compared. After
 * every event the invariants hold. */
#ifndef SUPPORT_LIFE_H
#define SUPPORT_LIFE_H

#include "core/ask.h"
#include "core/memory.h"
#include "core/step.h"
#include "invariants.h"

struct life {
    struct vh_arena *arena; /* all of it */
    struct vh_memory *memory;
    struct vh_state_ops state;
    int64_t seq; /* of the last event */
    int64_t time_us;
    struct viv_error err;   /* of the last refusal; empty after an accepted command */
    char kinds[4096];       /* kinds of the last accepted command's events, each followed by a blank */
    struct invariants *invariants; /* looked at after every event; NULL: the test plants rows of its own */
    void (*broken)(void *data, const char *text); /* one is broken; NULL: the test fails with the text */
    /* every line so far goes here, when set; the data are both functions' */
    void (*line)(void *data, struct viv_str line);
    void *line_data;
};

/* With epoch 1 started. */
void life_begin(struct life *life);
void life_end(struct life *life);

/* Step one command. On a refusal the state is as before, else the test fails. */
viv_status life_step(struct life *life, const struct vh_command *command);
/* The same with data written by hand. */
viv_status life_say(struct life *life, const char *kind, const char *task, const char *json);
/* Must be accepted. */
void life_must(struct life *life, const char *kind, const char *task, const char *json);
/* The row, in the life's arena; fails the test when there is none. */
struct vh_task life_task(struct life *life, const char *id);
/* Limit, settled and reserved of an account; all 0 when it is unknown. */
struct vh_scope life_scope(struct life *life, const char *name);
/* What is wanted of a task now. */
struct vh_ask life_ask(struct life *life, const char *id);

/* The good answer to an ask: kind of the command and its data. */
void life_good_answer(const struct vh_ask *ask, const char **ret_kind, char *ret_json, size_t size);
/* Submit `id` when it is new. Claim it and answer well until `phase` is wanted. */
void life_walk(struct life *life, const char *id, enum vh_phase phase);
/* Answer `phase` with a failure of that class. */
void life_fail(struct life *life, const char *id, const char *class);

/* Canonical dump of the state, in the life's arena. */
struct viv_str life_dump(struct life *life);

#endif
