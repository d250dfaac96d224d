/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

#define HEAD_NS (10 * SECOND_NS)
#define DIAL_NS (10 * SECOND_NS) /* one address */
#define UP_MAX (2 * PROXY_HEAD_MAX)
#define DOWN_MAX (PROXY_ANSWER_MAX + (4u << 10))
#define MEMORY_MAX (512u << 10)

static void
close_server(struct connection *connection)
{
    if (connection->server >= 0) {
        close(connection->server);
    }
    connection->server = -1;
}

/* ---- refusing ---- */

/* Count it, tell it by an answer, and read what else comes for a moment: an end with unread bytes would take the
 * answer away. `cure` may be "". */
void
connection_refuse(struct connection *connection, const char *code, const char *why, const char *cure)
{
    const struct door *door = connection->door;
    char body[2048], allowed[600];
    struct flow *down = &connection->down;
    rules_text(&door->rules, allowed, sizeof allowed);
    door_refused(connection->door, connection->asked, why);
    int len = snprintf(body, sizeof body, "vivarium: %s%s%s\nasked: %s\nallowed for '%s': %s\n", why,
                       cure[0] ? "\ncure: " : "", cure,
                       connection->asked[0] ? connection->asked : "(nothing readable)", door->name, allowed);
    close_server(connection);
    down->len = (size_t)snprintf(down->data, down->max,
                                 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
                                 "Connection: close\r\n\r\n%s",
                                 code, len, body);
    down->pass = down->len;
    down->ended = true;
    connection->state = REPLY;
    connection->until_ns = loop_now() + REPLY_NS;
}

/* In the middle of a transfer nothing can be told any more. */
void
connection_cut(struct connection *connection, const char *why)
{
    door_refused(connection->door, connection->asked, why);
    connection->dead = true;
}

bool
connection_spent(struct connection *connection)
{
    char why[96];
    if (door_left(connection->door)) {
        return false;
    }
    snprintf(why, sizeof why, "the door's bound of %llu bytes is used up",
             (unsigned long long)connection->door->bytes_max);
    if (connection->state == RELAY) {
        connection_cut(connection, why);
    } else {
        connection_refuse(connection, "403 Forbidden", why, "raise the bytes a task may send and fetch in the policy");
    }
    return true;
}

/* ---- dialling ---- */

/* The next address; the last one's failure is told. */
static void
dial(struct connection *connection)
{
    struct sockaddr_storage to;
    int error = ETIMEDOUT;
    close_server(connection);
    for (; connection->at < connection->count; connection->at++) {
        const struct address *address = &connection->addresses[connection->at];
        socklen_t len = address_to(address, connection->request.place.port, &to);
        connection->server = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connection->server >= 0 &&
            (connect(connection->server, (const struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)) {
            connection->state = DIAL;
            connection->until_ns = loop_now() + DIAL_NS;
            return;
        }
        error = errno;
        close_server(connection);
    }
    char why[EW_WHY_MAX];
    snprintf(why, sizeof why, "no connection: %s", strerror(error));
    connection_refuse(connection, "502 Bad Gateway", why, "");
}

/* A connect has ended; is it one, and to the address that was checked? */
static void
dialled(struct connection *connection)
{
    struct sockaddr_storage peer;
    struct address address;
    int error = 0;
    socklen_t size = sizeof error, len = sizeof peer;
    (void)getsockopt(connection->server, SOL_SOCKET, SO_ERROR, &error, &size); /* a socket of ours */
    if (error || getpeername(connection->server, (struct sockaddr *)&peer, &len) != 0) {
        connection->at++;
        dial(connection);
    } else if (!address_from((const struct sockaddr *)&peer, &address) ||
               !address_equal(&address, &connection->addresses[connection->at])) {
        connection_refuse(connection, "502 Bad Gateway",
                          "the connection is to another address than the one that was checked", "");
    } else {
        relay_begin(connection);
    }
}

static void
choose(struct connection *connection, size_t count)
{
    struct viv_error err = VIV_ERROR_INIT;
    const struct door *door = connection->door;
    connection->count = rules_choose(&door->rules, &connection->request.place, connection->addresses, count,
                                     door->egress->config.calls->own, &err);
    connection->at = 0;
    if (connection->count) {
        dial(connection);
    } else {
        connection_refuse(connection, "403 Forbidden", err.text, "");
    }
}

static void
on_addresses(void *data, struct address *addresses, size_t count, const char *why)
{
    struct connection *connection = data;
    connection->lookup = NULL;
    if (count == 0) {
        char text[EW_WHY_MAX];
        snprintf(text, sizeof text, "the host cannot be found: %s", why);
        connection_refuse(connection, "502 Bad Gateway", text, "");
        return;
    }
    memcpy(connection->addresses, addresses, count * sizeof *addresses);
    choose(connection, count);
}

/* ---- the request ---- */

static void
find(struct connection *connection)
{
    struct door *door = connection->door;
    const struct place *place = &connection->request.place;
    if (!rules_find(&door->rules, place)) {
        connection_refuse(connection, "403 Forbidden", "this host and port are not among those the task may reach",
                          "add them to the hosts of the task, as 'host:port', if it is meant to");
    } else if (place->literal) {
        connection->addresses[0] = place->address;
        choose(connection, 1);
    } else {
        connection->state = LOOKUP;
        connection->until_ns = loop_now() + RESOLVE_NS;
        connection->lookup = resolver_ask(door->egress->resolver, place->host, on_addresses, connection);
        if (!connection->lookup) {
            connection_refuse(connection, "503 Service Unavailable", "too many names are being looked up",
                              "try again");
        }
    }
}

/* The head goes, what stands for it comes in its place; behind it the body begins, if there is one. */
static void
put_head(struct connection *connection, size_t head_len)
{
    struct flow *up = &connection->up;
    struct viv_str head = connection->request.head;
    flow_drop(up, head_len);
    if (head.len) {
        int64_t body = body_take(&connection->request.body, flow_held(up));
        if (body < 0) {
            connection_refuse(connection, "400 Bad Request", "the body is framed in a way that is not taken",
                              "send it with a "
                              "Content-Length, or in chunks without extensions and trailers");
            return;
        }
        up->len = (size_t)body; /* what comes after the body is another request; it is not read */
        if (head.len + up->len > up->max) {
            connection_refuse(connection, "431 Request Header Fields Too Large", "the head is too long", "");
            return;
        }
        memmove(up->data + head.len, up->data, up->len);
        memcpy(up->data, head.data, (size_t)head.len);
        up->len = up->pass = up->len + (size_t)head.len;
        up->ended = body_ended(&connection->request.body);
    }
}

static void
read_head(struct connection *connection)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct flow *up = &connection->up;
    int64_t whole = proxy_whole(flow_held(up));
    if (whole > PROXY_HEAD_MAX || (whole == 0 && up->len >= PROXY_HEAD_MAX)) {
        connection_refuse(connection, "431 Request Header Fields Too Large", "the head is over 16384 bytes", "");
    } else if (whole < 0) {
        connection_refuse(connection, "400 Bad Request", "a line does not end in CR LF, or holds a NUL", "");
    } else if (whole > 0) {
        viv_status status =
            proxy_read(connection->arena, (struct viv_str){ up->data, (uint64_t)whole }, &connection->request, &err);
        if (status) {
            connection_refuse(connection, "400 Bad Request", err.text, "");
            return;
        }
        place_text(&connection->request.place, connection->asked);
        put_head(connection, (size_t)whole);
        if (connection->state == HEAD && !connection_spent(connection)) {
            find(connection);
        }
    }
}

static void
on_server(void *data, short events)
{
    struct connection *connection = data;
    if (connection->dead || connection->server < 0) {
        return;
    }
    if (connection->state == DIAL) {
        dialled(connection);
    } else {
        relay_server(connection, events);
    }
}

static void
on_client(void *data, short events)
{
    struct connection *connection = data;
    if (connection->dead) {
        return;
    }
    switch (connection->state) {
    case HEAD:
        if (flow_fill(&connection->up, connection->client, PROXY_HEAD_MAX - connection->up.len) == 0) {
            connection->dead = true;
        } else {
            read_head(connection);
        }
        break;
    case RELAY:
        relay_client(connection, events);
        break;
    case REPLY:
        relay_reply(connection);
        break;
    case LOOKUP:
    case DIAL:
        break;
    }
}

/* ---- life ---- */

void
connection_begin(struct door *door, int client)
{
    struct vh_arena *arena = vh_arena_create(NULL, MEMORY_MAX);
    struct connection *connection = vh_arena_alloc(arena, sizeof *connection);
    char *data = connection ? vh_arena_alloc(arena, UP_MAX + DOWN_MAX) : NULL;
    if (!data) {
        close(client);
        vh_arena_destroy(arena);
        return;
    }
    *connection = (struct connection){ .next = door->connections,
                                       .door = door,
                                       .arena = arena,
                                       .client = client,
                                       .server = -1,
                                       .until_ns = loop_now() + HEAD_NS,
                                       .up = { .data = data, .max = UP_MAX },
                                       .down = { .data = data + UP_MAX, .max = DOWN_MAX } };
    door->connections = connection;
    door->egress->connection_count++;
    if (++door->open > door->connections_max) {
        char why[96];
        snprintf(why, sizeof why, "more than %llu connections at the same time",
                 (unsigned long long)door->connections_max);
        connection_refuse(connection, "503 Service Unavailable", why, "close some, or raise the bound in the policy");
    }
}

void
connection_watch(struct door *door)
{
    struct loop *loop = &door->egress->loop;
    for (struct connection *connection = door->connections; connection; connection = connection->next) {
        const struct flow *up = &connection->up, *down = &connection->down;
        bool relay = connection->state == RELAY, reply = connection->state == REPLY;
        bool client_in =
            connection->state == HEAD || (reply && down->shut) || (relay && !up->ended && up->len < up->max);
        bool server_in = relay && !down->ended && relay_room(connection);
        bool client_out = (relay || reply) && (down->pass || (reply && !down->shut));
        bool server_out = connection->state == DIAL || (relay && up->pass);
        loop_watch(loop, connection->client, (short)((client_in ? POLLIN : 0) | (client_out ? POLLOUT : 0)), on_client,
                   connection);
        loop_watch(loop, connection->server, (short)((server_in ? POLLIN : 0) | (server_out ? POLLOUT : 0)), on_server,
                   connection);
        loop_until(loop, connection->until_ns);
    }
}

static void
look_at_time(struct connection *connection)
{
    switch (connection->state) {
    case HEAD:
        connection_refuse(connection, "408 Request Timeout", "no request came within 10 s", "");
        break;
    case LOOKUP:
        resolver_forget(connection->door->egress->resolver, connection->lookup);
        connection->lookup = NULL;
        connection_refuse(connection, "504 Gateway Timeout", "the host was not found within 15 s", "");
        break;
    case DIAL:
        connection->at++;
        dial(connection);
        break;
    case RELAY:
        connection_cut(connection, "nothing went through for 300 s");
        break;
    case REPLY:
        connection->dead = true;
        break;
    }
}

static void
end(struct connection *connection)
{
    struct door *door = connection->door;
    if (connection->lookup) {
        resolver_forget(door->egress->resolver, connection->lookup);
    }
    close(connection->client);
    close_server(connection);
    door->open--;
    door->egress->connection_count--;
    vh_arena_destroy(connection->arena);
}

void
connection_sweep(struct door *door, bool all)
{
    int64_t now = loop_now();
    for (struct connection **at = &door->connections; *at;) {
        struct connection *connection = *at;
        if (!connection->dead && connection->until_ns <= now) {
            look_at_time(connection);
        }
        if (all || connection->dead) {
            *at = connection->next;
            end(connection);
        } else {
            at = &connection->next;
        }
    }
}
