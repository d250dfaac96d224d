/* SPDX-License-Identifier: Apache-2.0 */
/* The host's control socket in the home: a stream of frames, each a 32-bit little-endian length and that many bytes of
 * canonical JSON; one response per request, in order. Only the home's owner gets through (peer credentials). The path
 * is bound and reached through /proc/self/fd, since socket paths are short. docs/contract/socket.md. */
#ifndef VH_SOCKET_H
#define VH_SOCKET_H

#include "run/control.h"

#define VH_SOCKET_NAME "host.sock"
#define VH_SOCKET_CLIENTS_MAX 64
#define VH_SOCKET_FRAME_MAX (16u << 20)

struct vh_socket;
struct vh_client;

/* Listen in the folder `home`; serves until stopped, one thread a client. */
viv_status vh_socket_start(struct vh_control *control, struct vh_arena *arena, int home, struct vh_socket **ret_socket,
                           struct viv_error *err);
/* Clients that are connected now. */
int vh_socket_clients(struct vh_socket *socket);
/* Wait until no client is left, or `stop` is set by a signal. */
void vh_socket_drain(struct vh_socket *socket, const atomic_uint *stop);
void vh_socket_stop(struct vh_socket *socket);

/* Wait a little before asking again; for a host that is starting. */
void vh_socket_pause(int milliseconds);

/* Connect to the host that has the home, and hear that it answers. VIV_E_UNAVAILABLE when it does not listen (yet);
 * VIV_E_TIMEOUT when it listens and says nothing for ten seconds: it hangs, or was stopped. A client that waits for an
 * answer looks at `stop` (may be NULL): set for longer than a query may wait, it gives up with VIV_E_CANCELLED. */
viv_status vh_socket_connect(const struct vh_seam *seam, struct vh_arena *arena, int home, const atomic_uint *stop,
                             struct vh_client **ret_client, struct viv_error *err);
viv_status vh_socket_ask(struct vh_client *client, const struct vh_json *request, struct vh_arena *arena,
                         struct vh_json **ret_response, struct viv_error *err);
void vh_socket_close(struct vh_client *client);

#endif
