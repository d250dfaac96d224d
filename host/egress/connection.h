/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a door: connection.c reads its request and dials, relay.c hands bytes on.
 *
 *   HEAD -> LOOKUP -> DIAL -> RELAY        and from each of them, when something is refused, REPLY
 *
 * One request a connection: a second one would have to be judged anew, so what comes after the first is not read, and
 * the answer says that it closes. In RELAY bytes go on only as far as they were looked at: `pass` of a flow. */
#ifndef EGRESS_CONNECTION_H
#define EGRESS_CONNECTION_H

#include "door.h"

#define SECOND_NS INT64_C(1000000000)
#define IDLE_NS (300 * SECOND_NS) /* not a byte in either direction */
#define REPLY_NS (2 * SECOND_NS)  /* for a client to take a refusal, or the last of an answer */

enum connection_state { HEAD, LOOKUP, DIAL, RELAY, REPLY };

struct flow {
    char *data;
    size_t max, len, pass;
    bool ended; /* its source gave all, or no more is wanted */
    bool shut;  /* and so its end was told that no more comes */
};

struct connection {
    struct connection *next;
    struct door *door;
    struct vh_arena *arena;
    enum connection_state state;
    int client, server;
    int64_t until_ns;
    struct flow up, down;
    struct proxy_request request;
    char asked[PLACE_TEXT_MAX];
    struct door_host *host;
    struct lookup *lookup;
    struct address addresses[ADDRESSES_MAX];
    size_t count, at;
    bool known;    /* of a tunnel: what its client says first was looked at */
    bool answered; /* of a request: the answer's head went through */
    bool dead;
};

/* Count it, tell it by an answer, and read what else comes for a moment: an end with unread bytes would take the
 * answer away. `cure` may be "". */
void connection_refuse(struct connection *connection, const char *code, const char *why, const char *cure);
/* In the middle of a transfer nothing can be told any more. */
void connection_cut(struct connection *connection, const char *why);
/* Whether the door's bytes are used up; then it was refused or cut. */
bool connection_spent(struct connection *connection);

struct viv_str flow_held(const struct flow *flow);
void flow_drop(struct flow *flow, size_t len);
/* Read once from `fd`; how much, or -1 when there is nothing yet. At the end, or after an error, the flow has ended.
 */
ssize_t flow_fill(struct flow *flow, int fd, size_t most);

/* How much more may be read from the server now. */
size_t relay_room(const struct connection *connection);
/* There is a connection to the server. */
void relay_begin(struct connection *connection);
void relay_server(struct connection *connection, short events);
void relay_client(struct connection *connection, short events);
void relay_reply(struct connection *connection);

#endif
