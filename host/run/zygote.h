/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the zygote: the small program from which all runners are forked. Starting and restarting is
 * for the one spawner thread that never ends (a parent-death signal follows the thread); everything else is for
 * any thread. When the zygote dies its runners die with it. Read next: runner.h. */
#ifndef VH_ZYGOTE_H
#define VH_ZYGOTE_H

#include "base/arena.h"
#include "base/seam.h"
#include <viv/status.h>

struct vh_zygote;

/* What a fork needs; descriptors stay the caller's. */
struct vh_zygote_fork {
    int channel_fd; /* the runner's end */
    int area_fd;
    int plugin_fd;
    int root_fd;        /* or -1 */
    uint64_t start_len; /* of the encoded start document in the area */
};

/* [spawner] Start `program` (path of viv-zygote). VIV_E_UNAVAILABLE when it cannot start or does not answer. */
viv_status vh_zygote_start(const struct vh_seam *seam, struct vh_arena *arena, const char *program,
                           struct vh_zygote **ret_zygote, struct viv_error *err);
/* [spawner] The same in two steps, for who has other things to do until it answers: what is spawned is to be ended,
 * greeted or not. */
viv_status vh_zygote_spawn(const struct vh_seam *seam, struct vh_arena *arena, const char *program,
                           struct vh_zygote **ret_zygote, struct viv_error *err);
viv_status vh_zygote_greet(struct vh_zygote *zygote, struct viv_error *err);
/* [spawner] End what is left of the old one and start again. Runners of the old one are dead. */
viv_status vh_zygote_restart(struct vh_zygote *zygote, struct viv_error *err);
/* [spawner] End it and wait for it. NULL is accepted. */
void vh_zygote_end(struct vh_zygote *zygote);

/* [any] Whether the zygote answered last time; false means: ask the spawner for a restart. */
int vh_zygote_alive(struct vh_zygote *zygote);
pid_t vh_zygote_pid(struct vh_zygote *zygote);

/* [any] Fork one runner. The pidfd is the caller's to close. */
viv_status vh_zygote_fork(struct vh_zygote *zygote, const struct vh_zygote_fork *fork, pid_t *ret_pid, int *ret_pidfd,
                          struct viv_error *err);
/* [any] Take the wait status of a runner that has ended (its pidfd is readable) and forget it. VIV_E_BUSY when it
 * has not ended; VIV_E_UNAVAILABLE when the zygote is gone. */
viv_status vh_zygote_collect(struct vh_zygote *zygote, pid_t pid, int *ret_status, struct viv_error *err);

const struct vh_seam *vh_zygote_seam(const struct vh_zygote *zygote);

#endif
