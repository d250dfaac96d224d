/* SPDX-License-Identifier: Apache-2.0 */
/* A door: where one task gets out, what it may reach, and what went through. connection.c serves one of its clients.
 */
#ifndef EGRESS_DOOR_H
#define EGRESS_DOOR_H

#include "egress.h"
#include "proxy.h"

struct door_host {
    char host[PLACE_TEXT_MAX];
    uint64_t in, out; /* bytes from the network to the task, and back */
    uint64_t connections;
};

struct door_refusal {
    char host[PLACE_TEXT_MAX];
    char why[EW_WHY_MAX + 1];
    uint64_t times;
};

struct door {
    struct door *next;
    struct egress *egress;
    struct vh_arena *arena;
    int answer, listener;
    const char *name;
    struct rules rules;
    uint64_t bytes_max; /* 0: no bound */
    uint64_t connections_max;
    struct connection *connections;
    uint64_t open;          /* connections at this time */
    int64_t listen_from_ns; /* when no more could be taken in for a moment */
    uint64_t in, out, accepted;
    struct door_host hosts[EW_HOSTS_MAX];
    size_t host_count;
    struct door_refusal refusals[EW_HOSTS_MAX];
    size_t refusal_count;
    bool dead;
};

/* The counter of a host; beyond the table's end all share one, "others". */
struct door_host *door_host(struct door *door, const struct place *place);
void door_refused(struct door *door, const char *host, const char *why);
/* Bytes that may still go through. */
uint64_t door_left(const struct door *door);

/* Takes the client. Without memory it is closed. */
void connection_begin(struct door *door, int client);
void connection_watch(struct door *door);
void connection_sweep(struct door *door, bool all);

#endif
