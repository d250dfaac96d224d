/* SPDX-License-Identifier: Apache-2.0 */
/* 'work' under a service manager: what is said to it and when, and the watchdog. The environment names the socket
 * (NOTIFY_SOCKET) and the watchdog (WATCHDOG_USEC, WATCHDOG_PID); without one everything here does nothing, and so it
 * does with NULL. docs/decisions/0017-service.md has the reasons, run/notify.h the channel. */
#ifndef VH_SERVICE_H
#define VH_SERVICE_H

#include "cli.h"

/* Before the first thread: takes the variables out of the environment, for whatever is started later. What stands in
 * them and cannot be right is refused. `*ret_service` is NULL when no manager waits. */
viv_status vh_service_begin(struct vh_cli *cli, struct vh_service **ret_service, struct viv_error *err);

/* Not ready yet, because of another host: it says so and asks for more time, now and then. */
void vh_service_waits(struct vh_service *service);
/* The socket is bound and recovery is done. From now on the watchdog is fed, as long as the sequencer answers. */
void vh_service_ready(struct vh_service *service, struct vh_sequencer *sequencer, const char *status);
void vh_service_reloading(struct vh_service *service);
void vh_service_reloaded(struct vh_service *service, const char *status);
/* Said once; the watchdog is still fed. */
void vh_service_stopping(struct vh_service *service, const char *status);
/* Before the sequencer ends. */
void vh_service_end(struct vh_service *service);

#endif
