/* SPDX-License-Identifier: Apache-2.0 */
/* The commands and queries of the host as JSON, the same for the command line of this process, for clients over the
 * socket and for surfaces: docs/contract/socket.md. A request is {"op":...}; a response is {"status":0,...} or
 * {"status":N,"error":"..."}. */
#ifndef VH_CONTROL_H
#define VH_CONTROL_H

#include "run/run.h"

struct vh_workers;

struct vh_control {
    struct vh_run *run;
    struct vh_workers *workers; /* NULL: this host has none */
    struct vh_store *store;     /* read on the sequencer's thread only */
};

/* Who asks: the person at this process or at the other end of the socket. */
struct vh_control_peer {
    struct viv_str name;
    int64_t uid;
    int64_t pid;
};

/* Never fails: errors are in the response. NULL only when memory is out. `stop` may be NULL; a waiting query looks at
 * it. */
struct vh_json *vh_control_handle(struct vh_control *control, struct vh_arena *arena, const struct vh_json *request,
                                  const struct vh_control_peer *peer, const atomic_uint *stop);

struct vh_json *vh_control_error(struct vh_arena *arena, viv_status status, const char *text);

#endif
