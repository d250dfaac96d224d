/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

struct viv_str
flow_held(const struct flow *flow)
{
    return (struct viv_str){ flow->data, flow->len };
}

void
flow_drop(struct flow *flow, size_t len)
{
    memmove(flow->data, flow->data + len, flow->len - len);
    flow->len -= len;
    flow->pass -= len < flow->pass ? len : flow->pass;
}

ssize_t
flow_fill(struct flow *flow, int fd, size_t most)
{
    size_t room = flow->max - flow->len;
    ssize_t got = recv(fd, flow->data + flow->len, room < most ? room : most, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return -1;
    }
    flow->ended = got <= 0;
    flow->len += got > 0 ? (size_t)got : 0;
    return got > 0 ? got : 0;
}

/* Write what may pass; false: nobody takes it any more. */
static bool
flow_empty(struct flow *flow, int fd, size_t most, size_t *ret_put)
{
    ssize_t put = send(fd, flow->data, flow->pass < most ? flow->pass : most, MSG_DONTWAIT | MSG_NOSIGNAL);
    *ret_put = put > 0 ? (size_t)put : 0;
    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        return false;
    }
    flow_drop(flow, *ret_put);
    return true;
}

static void
tell_end(struct flow *flow, int fd)
{
    if (flow->ended && flow->len == 0 && !flow->shut && fd >= 0) {
        (void)shutdown(fd, SHUT_WR); /* gone already, if not */
        flow->shut = true;
    }
}

/* Of a request's body what belongs to it. What comes after it is another request and is not read. */
static bool
look_at_body(struct connection *connection, size_t fresh)
{
    struct flow *up = &connection->up;
    struct body *frame = &connection->request.body;
    int64_t body = body_take(frame, (struct viv_str){ up->data + up->pass, fresh });
    if (body < 0 || (up->ended && !body_ended(frame))) {
        connection_cut(connection,
                       body < 0 ? "the body is framed in a way that is not taken" : "the body was cut short");
        return false;
    }
    up->len = up->pass += (size_t)body;
    up->ended = up->ended || body_ended(frame);
    return true;
}

/* Look at the `fresh` bytes of a client; false: the connection has ended. */
static bool
look_up(struct connection *connection, size_t fresh)
{
    struct flow *up = &connection->up;
    if (!connection->request.tunnel) {
        return look_at_body(connection, fresh);
    }
    if (!connection->known && up->len) {
        char name[HOST_MAX + 1], why[EW_WHY_MAX];
        int seen = sni_check(flow_held(up), connection->request.place.host, name);
        if (seen < 0 || (seen == 0 && (up->ended || up->len == up->max))) {
            snprintf(why, sizeof why, name[0] ? "in the tunnel TLS asks for '%.60s'" : "what begins as TLS is none%s",
                     name);
            connection_cut(connection, why);
            return false;
        }
        connection->known = seen > 0;
    }
    up->pass = connection->known ? up->len : 0;
    return true;
}

/* A head grows a little when it is put anew, so until then not all of the room is used. */
size_t
relay_room(const struct connection *connection)
{
    const struct flow *down = &connection->down;
    size_t most = connection->request.tunnel || connection->answered ? down->max : PROXY_ANSWER_MAX;
    return down->len < most ? most - down->len : 0;
}

/* One head of an answer, put anew. 1: done; 0: it is not whole; -1: it is none. */
static int
put_answer_head(struct connection *connection, struct viv_error *err)
{
    struct flow *down = &connection->down;
    struct viv_str rest = { down->data + down->pass, down->len - down->pass }, head;
    int64_t whole = proxy_whole(rest);
    if (whole == 0 && rest.len < PROXY_ANSWER_MAX && !down->ended) {
        return 0;
    }
    size_t len = whole > 0 ? (size_t)whole : 0;
    if (!len ||
        proxy_answer(connection->arena, (struct viv_str){ rest.data, len }, &head, &connection->answered, err) ||
        head.len + down->len - len > down->max) {
        return -1;
    }
    char *at = down->data + down->pass;
    memmove(at + head.len, at + len, rest.len - len);
    memcpy(at, head.data, (size_t)head.len);
    down->len = down->len - len + (size_t)head.len;
    down->pass += (size_t)head.len;
    return 1;
}

/* Heads of answers are read, interim ones too; then all goes on as it is. False: the connection has ended. */
static bool
look_down(struct connection *connection)
{
    struct viv_error err = VIV_ERROR_INIT;
    while (!connection->request.tunnel && !connection->answered) {
        int put = put_answer_head(connection, &err);
        if (put == 0) {
            return true;
        }
        if (put < 0) {
            const char *why = err.text[0] ? err.text : "the server's answer has no head that is one";
            if (connection->down.pass) {
                connection_cut(connection, why); /* an interim answer is on its way */
            } else {
                connection_refuse(connection, "502 Bad Gateway", why, "");
            }
            return false;
        }
    }
    connection->down.pass = connection->down.len;
    return true;
}

static void
after_relay(struct connection *connection)
{
    if (connection->request.tunnel) { /* a request stays open to the server until the answer is there */
        tell_end(&connection->up, connection->server);
    }
    tell_end(&connection->down, connection->client);
    connection->dead = connection->down.shut && connection->up.shut;
    if (connection->down.shut && !connection->request.tunnel) {
        connection->state = REPLY; /* the client may have sent more than was read */
        connection->until_ns = loop_now() + REPLY_NS;
    }
}

void
relay_begin(struct connection *connection)
{
    const struct proxy_request *request = &connection->request;
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    connection->state = RELAY;
    connection->until_ns = loop_now() + IDLE_NS;
    connection->host = door_host(connection->door, &request->place);
    connection->host->connections++;
    if (request->tunnel) {
        memcpy(connection->down.data, established, sizeof established - 1);
        connection->down.len = connection->down.pass = sizeof established - 1;
        (void)look_up(connection, connection->up.len); /* some do not wait for the answer */
    }
}

void
relay_server(struct connection *connection, short events)
{
    struct flow *up = &connection->up, *down = &connection->down;
    uint64_t left = door_left(connection->door);
    size_t most = left < SIZE_MAX ? (size_t)left : SIZE_MAX, put = 0;
    if ((up->pass || events & POLLIN) && connection_spent(connection)) {
        return;
    }
    connection->until_ns = loop_now() + IDLE_NS;
    if (up->pass && !flow_empty(up, connection->server, most, &put)) {
        up->len = up->pass = 0; /* the server takes no more; it may still answer */
        up->ended = true;
    }
    connection->door->out += put;
    connection->host->out += put;
    size_t room = relay_room(connection);
    room = room < most - put ? room : most - put;
    if (events & (POLLIN | POLLHUP | POLLERR) && !down->ended && room) {
        ssize_t got = flow_fill(down, connection->server, room);
        connection->door->in += got > 0 ? (uint64_t)got : 0;
        connection->host->in += got > 0 ? (uint64_t)got : 0;
        if (got >= 0 && !look_down(connection)) {
            return;
        }
    }
    after_relay(connection);
}

void
relay_client(struct connection *connection, short events)
{
    struct flow *up = &connection->up, *down = &connection->down;
    size_t put = 0;
    connection->until_ns = loop_now() + IDLE_NS;
    if (down->pass && !flow_empty(down, connection->client, SIZE_MAX, &put)) {
        connection->dead = true;
        return;
    }
    if (events & (POLLIN | POLLHUP | POLLERR) && !up->ended && up->len < up->max) {
        ssize_t got = flow_fill(up, connection->client, SIZE_MAX);
        if (got >= 0 && !look_up(connection, (size_t)got)) {
            return;
        }
    }
    after_relay(connection);
}

void
relay_reply(struct connection *connection)
{
    struct flow *up = &connection->up, *down = &connection->down;
    size_t put = 0;
    up->len = up->pass = 0;
    connection->dead = down->pass && !flow_empty(down, connection->client, SIZE_MAX, &put);
    tell_end(down, connection->client);
    if (!connection->dead && down->shut && flow_fill(up, connection->client, SIZE_MAX) == 0) {
        connection->dead = true;
    }
}
