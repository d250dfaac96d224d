/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that writes. Everything else sends commands and gets answers. It takes what is waiting (bounded), runs
 * each command through the pure step in a savepoint, commits once with full sync, then answers. Commands that stay
 * inside a workspace are answered as soon as they are logged in the open transaction: a crash discards them together
 * with the workspace they speak of. What leaves the machine's memory - submissions, people's words, publications - is
 * answered after the sync. A failed sync is fatal: no retry, no further answers but VIV_E_STORE. A command that would
 * break an invariant of the core is answered VIV_E_INTERNAL and not recorded; what was decided before it is committed,
 * and nothing after it is admitted.
 *
 * It alone reads the clock for decisions. Recorded time never goes back; a wall clock that does is noted once. */
#ifndef VH_SEQUENCER_H
#define VH_SEQUENCER_H

#include "core/ask.h"
#include "core/step.h"
#include "keep/store.h"

struct vh_sequencer;

struct vh_answer {
    int64_t seq;          /* of the input event */
    struct viv_str task;  /* in the caller's arena */
    const char *kind;     /* of the input event, which tells started from refused from asked; a literal */
    bool repeated;        /* the key was known: this is the first answer again */
    bool synced;          /* on disk; otherwise logged in the open transaction */
    struct vh_ask ask;    /* what the core wants next of that task, when asked for and the task is held */
};

struct vh_sequencer_options {
    int64_t flush_us;  /* longest time a logged answer stays unsynced; 0: 1 s */
    int64_t pid;       /* of the host, for its own events */
    int64_t uid;
};

/* Takes over `store`, records `host.started` with the next epoch, starts the thread. */
viv_status vh_sequencer_start(const struct vh_seam *seam, struct vh_store *store, struct vh_arena *arena,
                              const struct vh_sequencer_options *options, struct vh_sequencer **ret_sequencer,
                              struct viv_error *err);
/* Everything waiting is answered, `host.stopped` recorded, the thread ended. The store stays open. Later calls get
 * VIV_E_CANCELLED as long as the arena lives. */
viv_status vh_sequencer_stop(struct vh_sequencer *sequencer, struct viv_error *err);

/* Send a command and wait for its answer. [any] thread. `command` and its data are borrowed until the call returns;
 * its data tree is not changed. `want_ask` asks for the next ask of the command's task. */
viv_status vh_sequencer_call(struct vh_sequencer *sequencer, const struct vh_command *command, bool want_ask,
                             struct vh_arena *arena, struct vh_answer *ret_answer, struct viv_error *err);
/* The ask of a task, read in the sequencer's own transaction. */
viv_status vh_sequencer_ask(struct vh_sequencer *sequencer, struct viv_str task, struct vh_arena *arena,
                            struct vh_ask *ret_ask, struct viv_error *err);
/* Run `read` with the store on the sequencer's thread: it sees what is logged but not yet committed. Short reads only,
 * since nothing is decided meanwhile. */
typedef viv_status (*vh_sequencer_reader)(void *data, struct vh_store *store, struct viv_error *err);
viv_status vh_sequencer_read(struct vh_sequencer *sequencer, vh_sequencer_reader read, void *data,
                             struct viv_error *err);
/* Everything logged is on disk when this returns. */
viv_status vh_sequencer_flush(struct vh_sequencer *sequencer, struct viv_error *err);

int64_t vh_sequencer_epoch(const struct vh_sequencer *sequencer);
/* Last committed event; rises by commits only. */
int64_t vh_sequencer_committed(struct vh_sequencer *sequencer);
/* Number of commands that changed something; wait until it differs from `seen` or until the deadline (monotonic). */
int64_t vh_sequencer_wait(struct vh_sequencer *sequencer, int64_t seen, int64_t deadline_ns);
/* The same, but for workers: returns a number that changes only when there may be a task to take. A worker without one
 * that looked after every change of the others would cost the sequencer more than their work. */
int64_t vh_sequencer_wait_task(struct vh_sequencer *sequencer, int64_t seen, int64_t deadline_ns);
/* Wake all waiters, for stopping. */
void vh_sequencer_wake(struct vh_sequencer *sequencer);
/* The error that ended the store, when it is dead. */
bool vh_sequencer_dead(struct vh_sequencer *sequencer, struct viv_error *ret_error);

#endif
