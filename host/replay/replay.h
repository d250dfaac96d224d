/* SPDX-License-Identifier: Apache-2.0 */
/* The recorded log against the core: every input event is given to the pure step again, over a state in arrays that
 * follows the log, and what the step decides is compared with what was recorded. Links core and base, nothing else: no
 * plugin, no database, no clock. Lines come from whoever has them: a reader of the database (`vivhost replay`) or the
 * exported log (replay/main.c, program `vivreplay`).
 *
 * Two things are looked for at each event: that its hash follows from its bytes and the hash before (ALTERED), and that
 * the core decides the same again (DIVERGES). Recorded refusals carry no words to run again and are only folded. */
#ifndef VH_REPLAY_H
#define VH_REPLAY_H

#include "base/hash.h"
#include "core/event.h"

struct vh_replay;

enum vh_replay_finding {
    VH_REPLAY_AGREES,
    VH_REPLAY_ALTERED,  /* the record is missing, unreadable, out of order, or its hash does not follow */
    VH_REPLAY_DIVERGES, /* the core decides otherwise: another event, one more, one less, or a refusal */
};

/* Texts live as long as the replay. */
struct vh_replay_result {
    enum vh_replay_finding finding; /* of the first event that differs */
    int64_t seq;                    /* its number; 0 when all agree */
    int64_t cause;                  /* the input event it follows from; its own number when it is one */
    const char *what;               /* the member that differs: "kind", "hash", ...; "" otherwise */
    struct viv_str recorded;        /* canonical line of the log; empty: the log has no such event */
    struct viv_str decided;         /* canonical line, or the refusal's text; empty: nothing was decided */
    int64_t events;                 /* read */
    int64_t commands;               /* stepped again */
    int64_t differences;            /* of the task asked for */
};

/* `task` empty for all; otherwise every event is still replayed, but only differences of that task are reported. Ends
 * with `arena`. */
viv_status vh_replay_begin(struct vh_arena *arena, struct viv_str task, struct vh_replay **ret_replay,
                           struct viv_error *err);

/* The next event in order: its canonical line, and its hash or NULL when the caller has checked the chain. A difference
 * is a result, not a failed call. After a line from which no state can follow the rest is taken and not looked at.
 * VIV_E_MEMORY. */
viv_status vh_replay_line(struct vh_replay *replay, struct viv_str line, const struct vh_hash *hash,
                          struct viv_error *err);
/* The same, from a line of execution_log.jsonl, without its newline. */
viv_status vh_replay_exported(struct vh_replay *replay, struct viv_str line, struct viv_error *err);

/* After the last line: the last command is compared too. */
viv_status vh_replay_finish(struct vh_replay *replay, struct vh_replay_result *ret_result, struct viv_error *err);

#endif
