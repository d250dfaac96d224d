/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper: the process that holds one confined world. Its parts share this state; there is one per
 * process. */
#ifndef VL_KEEPER_H
#define VL_KEEPER_H

#include <sys/types.h>
#include "plan.h"
#include "step.h"

#define KEEPER_ENV_BASE 6
#define KEEPER_PATH_MAX 4096

struct keeper {
    struct plan plan;
    enum vw_variant variant;
    bool spare;  /* made before it was asked for: a failure is then nobody's answer */
    int hand;    /* from the launcher: the plan and the control socket */
    int control; /* the host's end asks, this end answers */
    int life;    /* hangs up when the launcher is gone */
    int root;    /* the workspace */
    int door;    /* on its way to the host, or -1 */
    int ruleset; /* Landlock rules for the children, -1: the kernel has none */
    int scope;   /* a second ruleset that bounds signals (reduced-copy), or -1 */
    int null;
    int proc;  /* reduced-copy: the host's /proc, to find what belongs to us */
    uid_t uid; /* of the launcher, outside */
    gid_t gid;
    struct vw_reply ready;
    char path[KEEPER_PATH_MAX]; /* where the task finds the workspace */
    char home[KEEPER_PATH_MAX + 8];
    char tmp[KEEPER_PATH_MAX + 8];
};

/* Set up, say READY or refuse, serve, end. Never returns. All up to `life` but plan and control,
 * and the ids, are set. */
_Noreturn void keeper_run(struct keeper *keeper);

/* ns.c. Fork with the namespaces that can only be entered by a new process; as fork(), with a pidfd
 * in the parent. */
pid_t ns_clone(enum vw_variant variant, int *ret_pidfd, struct vw_reply *reply);
/* The rest of them, from inside. 0 or -1 with a refusal in `ready`, as all set-up functions. */
int ns_enter(struct keeper *keeper);
/* The way out, when the plan wants one: a socket with a port inside, which the host lets listen
 * while somebody serves it. */
int ns_door(struct keeper *keeper);

/* root.c: a root of its own, as far as it can be made without a plan; then the rest, with the
 * workspace mount, or, in reduced-copy, private folders. The second sets root, path, home, tmp. */
int root_prepare(struct keeper *keeper);
int root_make(struct keeper *keeper);

/* confine.c: what the keeper gives up for itself and all its children. */
int confine_keeper(struct keeper *keeper);
/* The rest, in a child between fork and exec. 0, or -1 with the step's name. */
int confine_child(const struct keeper *keeper, enum step *ret_step);
/* Last of all: until its program runs, the child holds more descriptors than that may be allowed.
 */
int confine_limits(const struct plan *plan);

/* landlock.c: the rules for children. */
int landlock_make(struct keeper *keeper);
int landlock_enter(const struct keeper *keeper);

/* tree.c: signal everything inside but the keeper. Stops first when killing, so that nothing slips
 * away by forking. */
void tree_signal(const struct keeper *keeper, int signal);
/* The same below `root`, leaving out the `known` children of it and what is below them. How many
 * were found. */
size_t tree_signal_below(int proc, pid_t root, const pid_t *known, size_t known_count, int signal);

/* spawn.c. In a fresh child: default signals, none blocked. */
void spawn_calm(void);

#endif
