/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's own: what it started, and the two things it can start. Read launcher.c first. */
#ifndef VL_LAUNCHER_H
#define VL_LAUNCHER_H

#include <sys/types.h>
#include "channel.h"

#define STARTED_MAX 1024

enum started_kind { STARTED_KEEPER, STARTED_TOOL };

struct started {
    pid_t pid;
    enum started_kind kind;
    int report; /* of a tool, else -1 */
};

/* A keeper made ready before it is asked for: network namespace and root take longer than the rest.
 */
struct spare {
    pid_t pid; /* 0: none */
    int pidfd;
    int hand;
};

struct launcher {
    pid_t self;
    uid_t uid;
    gid_t gid;
    int life[2]; /* keepers hold the reading end: it hangs up with us */
    int proc;    /* -1 where there is none */
    struct started started[STARTED_MAX];
    size_t count;
    struct spare spares[VW_REDUCED_COPY + 1]; /* by variant */
    bool wanted[VW_REDUCED_COPY + 1];         /* a spare, as soon as nothing else is to be done */
};

/* spawn.c. Each answers on the channel, refusals too. */
void spawn_keeper(struct launcher *launcher, struct message *message);
void spawn_spares(struct launcher *launcher);
/* A child that is gone may have been a spare. */
void spawn_forget(struct launcher *launcher, pid_t pid);
void spawn_tool(struct launcher *launcher, struct message *message);

#endif
