/* SPDX-License-Identifier: Apache-2.0 */
/* A home for a test: a folder of its own, the store, the sequencer. However a test on a home ends, it ends through
 * home_stop or home_end, and those end in home_check: log verified, projections rebuilt and compared, the invariants of
 * docs/durability.md after every event, every decision replayed. What home_say was answered is in the log then. Faults
 * fail the test by cmocka's assertions. */
#ifndef SUPPORT_HOME_H
#define SUPPORT_HOME_H

#include <pthread.h>

#include "invariants.h"
#include "keep/sequencer.h"
#include <viv/limits.h>

#define HOME_ANSWERS 256 /* the first ones are looked at in the end */

struct home {
    struct vh_arena *arena; /* from home_open to home_stop */
    struct vh_store *store;
    struct vh_sequencer *sequencer;
    char folder[64];
    char path[96];
    pthread_mutex_t lock; /* of what follows */
    struct home_answer {
        int64_t seq;
        const char *kind;
        char task[VIV_ID_MAX + 1];
    } answers[HOME_ANSWERS];
    size_t answered;
};

/* A new folder below TMPDIR or /tmp, opened. */
void home_new(struct home *home);
/* Open again what home_stop has closed; starts the next epoch. */
void home_open(struct home *home);
/* Stop the sequencer, check, close the store. The folder stays. */
void home_stop(struct home *home);
/* home_stop, and the folder goes. */
void home_end(struct home *home);

/* The check of a log alone, on the writing connection of a store without a running sequencer. */
void home_check(struct vh_store *store);

/* Send `kind` with `json` as its data and wait for the answer; `task` and `key` may be "". For the [any] thread: texts
 * and answer live in `arena`. */
struct home_words {
    const char *kind;
    const char *task;
    const char *key;
    const char *json;
};
viv_status home_say_in(struct home *home, struct vh_arena *arena, const struct home_words *words,
                       struct vh_answer *ret_answer, struct viv_error *err);
/* The same in the home's arena, for the thread that owns the home. */
viv_status home_say(struct home *home, const char *kind, const char *task, const char *key, const char *json,
                    struct vh_answer *ret_answer, struct viv_error *err);
/* As home_say without a key; anything but VIV_OK fails the test with the error's text. */
struct vh_answer home_must(struct home *home, const char *kind, const char *task, const char *json);

/* Take task `task` with a fresh claim up to the answer of `phase` (that answer not given), every gate bound passing.
 * Returns the lease. */
int64_t home_walk(struct home *home, const char *task, enum vh_phase phase);

/* A policy with gates, and a new task `id` from its submission to `ready`, or up to the first failure. `ret_synced` is
 * the number of the last event whose answer said that it is on disk. */
viv_status home_live(struct home *home, const char *id, int64_t *ret_synced, struct viv_error *err);

/* As a process that is started again, whatever the end of the old one says. Not checked: home_stop and home_end do. */
void home_again(struct home *home);

#endif
