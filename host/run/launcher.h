/* SPDX-License-Identifier: Apache-2.0 */
/* The host's handle on `viv-launcher`, the program that starts every other process: keepers (see
 * sandbox.h) and host helpers such as git. One per host. Requests come from any thread and are
 * serialised inside.
 *
 * Start and restart happen on one thread that never ends before the host does: the launcher asks
 * the kernel to be killed when the *thread* that started it ends. When the launcher dies, every
 * keeper, task and helper dies with it. */
#ifndef VH_LAUNCHER_H
#define VH_LAUNCHER_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/seam.h"
#include <viv/status.h>

struct vh_launcher;

/* Tests name a set-up step that is to fail; everything that would need the step is then refused.
 * NULL in service. */
struct vh_launcher_options {
    const char *fail_step;
};

/* Makes the handle only; starts nothing. `path` of the program is copied. NULL when memory is out.
 * The handle goes with the arena (which then ends the launcher). */
struct vh_launcher *vh_launcher_create(struct vh_arena *arena, const struct vh_seam *seam,
                                       const char *path, const struct vh_launcher_options *options);

/* Start it, or start it again after it died; nothing happens when it runs. [spawner thread]
 * VIV_E_UNAVAILABLE: the program is not there or does not answer. */
viv_status vh_launcher_start(struct vh_launcher *launcher, struct viv_error *err);

/* Becomes readable when the running launcher dies, for the spawner's poll; -1 when none runs.
 * Belongs to the handle and is closed by the next start. [spawner thread] */
int vh_launcher_death_fd(struct vh_launcher *launcher);

/* Process id of the running launcher, 0 when none runs. [any] */
pid_t vh_launcher_pid(struct vh_launcher *launcher);

/* End it, wait until it is gone, and with it everything it started: that follows at once, but only
 * vh_sandbox_close() waits for what was in a keeper. Comes with the arena's end too. [spawner] */
void vh_launcher_stop(struct vh_launcher *launcher);

#endif
