/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the sequencer: what sequencer.c (thread, answers) and sequencer_command.c (one command in its savepoint)
 * share. Nobody else includes it. */
#ifndef VH_SEQUENCER_INSIDE_H
#define VH_SEQUENCER_INSIDE_H

#include <pthread.h>
#include <semaphore.h>

#include "keep/sequencer.h"
#include <viv/limits.h>

enum vh_request_kind { COMMAND, ASK, READ, FLUSH };

struct vh_request {
    struct vh_request *next;
    enum vh_request_kind kind;
    const struct vh_command *command;
    struct viv_str task;
    bool want_ask;
    vh_sequencer_reader read;
    void *read_data;
    struct vh_arena *arena;
    struct vh_answer answer;
    viv_status status;
    struct viv_error err;
    bool sync;
    sem_t answered; /* no lock is wanted by who wakes up from it */
};

struct vh_sequencer {
    const struct vh_seam *seam;
    struct vh_store *store;
    struct vh_sequencer_options options;
    struct vh_actor self;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t arrived; /* requests, or stop */
    pthread_cond_t changed;
    pthread_cond_t opened; /* when `openings` grew */
    struct vh_request *first;
    struct vh_request **last;
    int64_t changes;
    int64_t openings; /* grew: there may be a task to take */
    int64_t committed;
    int64_t epoch;
    bool stop;
    bool dead;
    struct viv_error death; /* guarded by the mutex once it is dead */
    /* the thread's own */
    int64_t time_us;
    int64_t tick_ns; /* monotonic: when time_us was set */
    int64_t open_since_ns;
    int pages_moved; /* of the write-ahead log, at the last try */
    int64_t openings_seen; /* of the store */
    bool broken; /* the core made a mistake: `death` says which; dead as soon as what was good is committed */
    bool clock_noted;
};

/* Step, fold and append one command in a savepoint; nothing of it stays when it is refused. With `ask_arena` the next
 * ask of its task is part of the answer. */
viv_status vh_sequencer_run_step(struct vh_sequencer *s, const struct vh_command *command, struct vh_arena *arena,
                                 const struct vh_hash *digest, struct vh_arena *ask_arena,
                                 struct vh_answer *ret_answer, struct viv_error *err);
/* As above with idempotency key, recorded refusal and the next ask. */
viv_status vh_sequencer_run_command(struct vh_sequencer *s, struct vh_request *request, struct vh_arena *arena);
viv_status vh_sequencer_next_ask(struct vh_sequencer *s, struct viv_str task, struct vh_arena *arena,
                                 struct vh_ask *ret_ask, struct viv_error *err);
/* Recorded time moves on with the wall clock, never back. */
void vh_sequencer_tick(struct vh_sequencer *s);

#endif
