/* SPDX-License-Identifier: Apache-2.0 */
/* An event: something recorded. Its canonical text is what is hashed, stored and exported.
 *
 * A command is known by its *input event*: the first event it leads to, which carries everything the command said. The
 * events that follow from it (derived events) name it as their cause. So the log alone is enough to run every decision
 * again: read an input event, make the command, step, compare what comes out with what follows in the log. */
#ifndef VH_EVENT_H
#define VH_EVENT_H

#include "base/json.h"

/* Who acts. Never empty. */
struct vh_actor {
    struct viv_str role; /* "person", "worker", "host", "plugin" */
    struct viv_str name; /* user name, worker name, plugin id */
    int64_t uid;
    int64_t pid;
};

struct vh_event {
    int64_t seq;   /* 1 is the first; no gaps */
    int64_t batch; /* the transaction it was committed in */
    int64_t time_us; /* of the batch, UTC; never less than the event's before */
    int64_t cause; /* seq of its input event; its own seq when it is one */
    struct vh_actor actor;
    struct viv_str kind;
    struct viv_str task; /* empty when the event is about no task */
    int64_t attempt;
    struct viv_str key; /* idempotency key of the command, input events only */
    struct vh_json *data; /* object; never NULL */
};

/* One canonical line without newline; { NULL, 0 } when memory is out. */
struct viv_str vh_event_encode(struct vh_arena *arena, const struct vh_event *event);
viv_status vh_event_decode(struct vh_arena *arena, struct viv_str text, struct vh_event *ret_event,
                           struct viv_error *err);

/* The same for who reads very many events, one after another: what was read before is gone from the arena, and kinds
 * that were met (all empty at first) need not be looked up. Without `data` the verdict is the same and the data may be
 * left out. */
#define VH_EVENT_MET 64
struct vh_event_reader {
    struct vh_arena *arena;
    struct viv_str met[VH_EVENT_MET];
};
viv_status vh_event_read(struct vh_event_reader *reader, struct viv_str text, bool data, struct vh_event *ret_event,
                         struct viv_error *err);

/* Every kind there is: name, whether it is an input event, whether its command must be on disk before it is answered,
 * and one sentence for docs/reference/events.md. */
struct vh_event_kind {
    const char *name;
    bool input;
    bool sync;
    const char *text;
};

extern const struct vh_event_kind vh_event_kinds[];
extern const size_t vh_event_kinds_count;

/* NULL when there is no such kind. */
const struct vh_event_kind *vh_event_kind_of(struct viv_str name);

#endif
