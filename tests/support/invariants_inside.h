/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the witness: invariants.c (order, rows, the end) and invariants_task.c (what one event
 * may do to one task) share it. Nobody else includes it. */
#ifndef SUPPORT_INVARIANTS_INSIDE_H
#define SUPPORT_INVARIANTS_INSIDE_H

#include "core/event.h"
#include "core/state.h"
#include "invariants.h"

#define WITNESS_BUCKETS 1024

/* An effect that was announced and has no outcome yet. */
struct witness_effect {
    struct witness_effect *next;
    int64_t ordinal;
    struct viv_str effect;
    struct viv_str digest;
};

/* A task as its events tell it. */
struct witness {
    struct witness *next;  /* in its bucket */
    struct witness *newer; /* in order of submission */
    struct viv_str id;
    const struct vh_json *depends;
    int64_t state;
    int64_t attempt;
    int64_t most; /* attempts */
    bool spent;   /* the last one was rejected */
    int64_t lease;
    int64_t epoch;
    int64_t held;
    int64_t effect_held; /* for its last effect */
    bool leased;
    /* of the attempt */
    int64_t effects;
    struct witness_effect *open;
    struct viv_str tree;
    struct viv_str merged_tree;
    struct viv_str merged_commit;
    const struct vh_json *gates; /* bound in this stage */
    int64_t passed;
    /* for ever */
    bool was_published;
    struct viv_str published;
    bool touched;         /* by the command that is under way */
    struct witness *also; /* touched */
};

struct witness_key {
    struct witness_key *next;
    struct viv_str key;
    int64_t seq;
};

struct witness_scope {
    struct witness_scope *next;
    struct viv_str name;
    int64_t limit;
    int64_t settled;
    int64_t reserved;
};

struct invariants {
    struct vh_arena *arena;
    struct vh_memory *memory;
    struct vh_state_ops state;
    struct witness *buckets[WITNESS_BUCKETS];
    struct witness *first;
    struct witness **last;
    struct witness *touched;
    struct witness_key *keys[WITNESS_BUCKETS];
    struct witness_scope *scopes;
    struct vh_event input; /* that the events now follow from */
    const struct vh_json *policy;
    struct vh_hash head;
    int64_t seq;
    int64_t time_us;
    int64_t batch;
    int64_t epoch;
    int64_t announced;            /* effects */
    const struct vh_event *event; /* that is looked at */
    char text[1024];              /* what is broken */
};

/* Say what is broken, in the first words' name; false. */
bool invariants_broken(struct invariants *all, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* NULL when nothing is known of it. */
struct witness *invariants_find(const struct invariants *all, struct viv_str id);
struct witness *invariants_add(struct invariants *all, struct viv_str id);
struct viv_str invariants_keep(struct invariants *all, struct viv_str text);

/* Judge the event, then note what it did. False: broken. */
bool invariants_task(struct invariants *all, struct witness *task);

#endif
