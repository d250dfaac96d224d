/* SPDX-License-Identifier: Apache-2.0 */
/* Words to the service manager: one datagram each to the socket it named, as sd_notify(3) writes them, without its
 * library. Only the channel: what is said and when is in commands/service.c. */
#ifndef VH_NOTIFY_H
#define VH_NOTIFY_H

#include <viv/status.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/seam.h"

struct vh_notify;

/* `place` is an absolute path or '@' and the name of an abstract socket. A path too long for a socket's address is
 * reached through its folder. VIV_E_INVALID: neither, or a name that no address holds; VIV_E_IO. */
viv_status vh_notify_open(const struct vh_seam *seam, struct vh_arena *arena, const char *place,
                          struct vh_notify **ret_notify, struct viv_error *err);

/* Lines "NAME=value". From any thread; NULL: nobody listens. A manager that does not take it is told of once: work
 * goes on without one. */
void vh_notify_send(struct vh_notify *notify, const char *lines);

void vh_notify_close(struct vh_notify *notify);

#endif
