/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of docs/durability.md over a log, after every event: a witness that keeps its own
 * account of each task from the events alone, and the fold's rows beside it, which must tell the
 * same. It shares nothing with the handlers of the core nor with core/invariant.c. Who feeds it:
 * life.c with every command of a test on the pure step, home.c with the whole log of a home at its
 * end.
 *
 * A message begins with the invariant's name: "I5: event 12 'task.ready' of task 't': ...". */
#ifndef SUPPORT_INVARIANTS_H
#define SUPPORT_INVARIANTS_H

#include "core/memory.h"
#include "keep/store.h"

struct invariants;

/* Ends with the arena. */
struct invariants *invariants_create(struct vh_arena *arena);

/* The next event, with its hash or NULL when there is no chain. "" or what is broken; nothing is
 * looked at after that. An event is folded after the witness has judged it. */
const char *invariants_line(struct invariants *all, struct viv_str line,
                            const struct vh_hash *hash);
/* No event is under way: the tasks that the last command was about have a next actor (I12). Called
 * by the next input event, and after the last. */
const char *invariants_rest(struct invariants *all);
/* The same for every task there is. */
const char *invariants_rest_all(struct invariants *all);

/* I10: each effect that was announced has a row of its own. */
const char *invariants_effects(struct invariants *all);

/* What was folded. */
const struct vh_memory *invariants_memory(const struct invariants *all);
int64_t invariants_in_state(const struct invariants *all, enum vh_state state);

/* I1: an answer that was given is in the log: that event, of that kind, about that task, under that
 * key if it had one. */
struct invariants_answer {
    int64_t seq;
    const char *kind;
    struct viv_str task;
};
const char *invariants_answered(struct invariants *all, struct vh_store *store,
                                const struct invariants_answer *answer);
/* I16: the store's rows are those that were folded here; but for the keys, which the core
 * does not know. */
const char *invariants_rows(struct invariants *all, struct vh_store *store);
/* I13: the exported file is a beginning of the log. */
const char *invariants_export(struct invariants *all, struct vh_store *store, struct viv_str file);
/* I15: each key stands in the table once, and leads to the event that has it. */
const char *invariants_keys(struct invariants *all, struct vh_store *store);

#endif
