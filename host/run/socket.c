/* SPDX-License-Identifier: Apache-2.0 */
/* The one file of the host that makes, binds and connects sockets. Read socket.h first. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#define STALL_S 30   /* a client may think as long as it likes, but not in the middle of a frame */
#define GREET_NS INT64_C(10000000000) /* for the first answer of a connection */
#define PATIENCE_NS INT64_C(6000000000) /* of one that was told to stop: no query waits longer than five seconds */
#define LOOK_MS 100
#define FULL_MS 100  /* without descriptors for a client: look again */
#define DRAIN_LOOK_NS INT64_C(200000000)

struct connection {
    struct vh_socket *socket;
    int fd;
    pthread_t thread;
    bool used;
    atomic_bool done;
};

struct vh_socket {
    struct vh_control *control;
    int home;
    int fd;
    int wake[2];
    pthread_t thread;
    atomic_uint stop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int clients;
    struct connection connection[VH_SOCKET_CLIENTS_MAX];
};

struct vh_client {
    int fd;
    const atomic_uint *stop;
    const struct vh_seam *seam;
};

/* ---- frames ---- */

/* `idle`: before the first byte any time may pass. */
static viv_status
move_bytes(int fd, char *bytes, size_t len, bool out, bool idle, struct viv_error *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t moved = out ? send(fd, bytes + at, len - at, MSG_NOSIGNAL) : recv(fd, bytes + at, len - at, 0);
        if (moved < 0 && (errno == EINTR || (errno == EAGAIN && idle && at == 0))) {
            continue;
        }
        if (moved < 0 && errno == EAGAIN) {
            return vh_error_set(err, VIV_E_TIMEOUT, "socket", "the other side stopped in the middle of a frame, at "
                                "byte %zu of %zu, allowed: %d s", at, len, STALL_S);
        }
        if (moved <= 0) {
            return moved == 0 ? vh_error_set(err, VIV_E_UNAVAILABLE, "socket", "the other side is gone")
                              : vh_error_errno(err, VIV_E_UNAVAILABLE, "socket", "the connection broke");
        }
        at += (size_t)moved;
    }
    return VIV_OK;
}

static viv_status
send_frame(int fd, struct vh_arena *arena, const struct vh_json *value, struct viv_error *err)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VH_SOCKET_FRAME_MAX + 4);
    vh_buf_add(&buf, "\0\0\0", 4);
    vh_json_write(value, &buf);
    if (buf.no_memory || value->failed) {
        return vh_error_set(err, VIV_E_MEMORY, "socket", "no memory for a request or an answer");
    }
    if (buf.failed) {
        return vh_error_set(err, VIV_E_LIMIT, "socket",
                "an answer is larger than %u bytes or not canonical; ask for less",
                            VH_SOCKET_FRAME_MAX);
    }
    uint32_t len = (uint32_t)(buf.len - 4);
    for (int i = 0; i < 4; i++) {
        buf.data[i] = (char)(len >> (8 * i));
    }
    return move_bytes(fd, buf.data, buf.len, true, false, err);
}

static viv_status
receive_frame(int fd, struct vh_arena *arena, struct vh_json **ret_value, struct viv_error *err)
{
    unsigned char head[4];
    viv_status status = move_bytes(fd, (char *)head, sizeof head, false, true, err);
    if (status) {
        return status;
    }
    uint32_t len = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    if (len > VH_SOCKET_FRAME_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "socket", "a frame announces %u bytes, allowed %u", len,
                            VH_SOCKET_FRAME_MAX);
    }
    char *bytes = vh_arena_alloc(arena, (size_t)len + 1);
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "socket", "no memory for a frame of %u bytes", len);
    }
    status = move_bytes(fd, bytes, len, false, false, err);
    return status ? status : vh_json_read(arena, (struct viv_str){ bytes, len }, ret_value, err);
}

/* ---- server ---- */

static bool
peer_of(struct connection *connection, struct vh_arena *arena, struct vh_control_peer *ret_peer)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size)) {
        return false;
    }
    char *name = vh_arena_format(arena, "uid-%u", (unsigned)credentials.uid);
    *ret_peer = (struct vh_control_peer){ vh_str(name ? name : "?"), credentials.uid, credentials.pid };
    return (int64_t)credentials.uid == connection->socket->control->run->uid || credentials.uid == 0;
}

static viv_status
serve_one(struct connection *connection, const struct vh_control_peer *peer)
{
    struct vh_arena *arena = vh_arena_create(NULL, 4 * (size_t)VH_SOCKET_FRAME_MAX + (64u << 20));
    struct vh_json *request = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = arena ? receive_frame(connection->fd, arena, &request, &err) : VIV_E_MEMORY;
    struct vh_json *response = NULL;
    if (status == VIV_OK) {
        response = vh_control_handle(connection->socket->control, arena, request, peer, &connection->socket->stop);
    } else if (status != VIV_E_UNAVAILABLE && status != VIV_E_TIMEOUT && arena) {
        response = vh_control_error(arena, status, err.text); /* said once, then the connection ends */
    }
    viv_status sent = response ? send_frame(connection->fd, arena, response, &err) : VIV_OK;
    if (sent == VIV_E_LIMIT || sent == VIV_E_MEMORY) { /* nothing of it went out */
        response = vh_control_error(arena, sent, err.text);
        status = response ? send_frame(connection->fd, arena, response, &err) : sent;
    }
    vh_arena_destroy(arena);
    return status;
}

static void *
serve(void *data)
{
    struct connection *connection = data;
    struct vh_socket *socket = connection->socket;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_control_peer peer;
    if (arena && peer_of(connection, arena, &peer)) {
        while (!atomic_load(&socket->stop) && serve_one(connection, &peer) == VIV_OK) {
        }
    }
    vh_arena_destroy(arena);
    pthread_mutex_lock(&socket->lock);
    shutdown(connection->fd, SHUT_RDWR);
    socket->clients--;
    atomic_store(&connection->done, true);
    pthread_cond_broadcast(&socket->changed);
    pthread_mutex_unlock(&socket->lock);
    return NULL;
}

static void
collect(struct connection *connection)
{
    if (connection->used && atomic_load(&connection->done)) {
        pthread_join(connection->thread, NULL);
        close(connection->fd);
        connection->used = false;
    }
}

static void
take_client(struct vh_socket *socket, int fd)
{
    struct connection *free_one = NULL;
    pthread_mutex_lock(&socket->lock);
    for (int i = 0; i < VH_SOCKET_CLIENTS_MAX; i++) {
        collect(&socket->connection[i]);
        if (!socket->connection[i].used && !free_one) {
            free_one = &socket->connection[i];
        }
    }
    if (free_one) {
        struct timeval stall = { .tv_sec = STALL_S };
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall); /* without it a client may stall its */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall); /* own thread, no other one */
        free_one->socket = socket;
        free_one->fd = fd;
        atomic_store(&free_one->done, false);
        free_one->used = pthread_create(&free_one->thread, NULL, serve, free_one) == 0;
        socket->clients += free_one->used;
    }
    bool taken = free_one && free_one->used;
    pthread_mutex_unlock(&socket->lock);
    if (!taken) {
        vh_log(VH_LOG_WARNING, "socket", "a client was turned away, allowed at a time: %d", VH_SOCKET_CLIENTS_MAX);
        close(fd);
    }
}

static void *
listen_on(void *data)
{
    struct vh_socket *socket = data;
    while (!atomic_load(&socket->stop)) {
        struct pollfd fds[2] = { { socket->fd, POLLIN, 0 }, { socket->wake[0], POLLIN, 0 } };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[0].revents & POLLIN) {
            int fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                take_client(socket, fd);
            } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                (void)poll(&fds[1], 1, FULL_MS); /* the client stays in the queue, so that poll would not wait */
            }
        }
    }
    return NULL;
}

static struct sockaddr_un
address_of(int home)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" VH_SOCKET_NAME, home);
    return address;
}

static void
close_server(struct vh_socket *socket)
{
    const struct vh_seam *seam = socket->control->run->seam;
    const int fds[] = { socket->fd, socket->wake[0], socket->wake[1] };
    (void)seam->unlink(seam->data, socket->home, VH_SOCKET_NAME, 0); /* nobody shall knock in vain */
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

viv_status
vh_socket_start(struct vh_control *control, struct vh_arena *arena, int home, struct vh_socket **ret_socket,
                struct viv_error *err)
{
    struct vh_socket *s = vh_arena_alloc(arena, sizeof *s);
    struct sockaddr_un address = address_of(home);
    const struct vh_seam *seam = control->run->seam;
    if (!s) {
        return vh_error_set(err, VIV_E_MEMORY, "socket", "no memory for the control socket");
    }
    s->control = control;
    s->home = home;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->wake[0] = s->wake[1] = -1;
    (void)seam->unlink(seam->data, home, VH_SOCKET_NAME, 0); /* what a killed host left; the lock is ours */
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&address, sizeof address) ||
        seam->chmod(seam->data, home, VH_SOCKET_NAME, 0600) || listen(s->fd, 64) || pipe2(s->wake, O_CLOEXEC)) {
        viv_status status = vh_error_errno(err, VIV_E_IO, "socket", "cannot open the control socket");
        close_server(s);
        return status;
    }
    if (pthread_create(&s->thread, NULL, listen_on, s)) {
        close_server(s);
        return vh_error_set(err, VIV_E_UNAVAILABLE, "socket",
                            "cannot start the control socket's thread: no thread or no memory is left");
    }
    *ret_socket = s;
    return VIV_OK;
}

int
vh_socket_clients(struct vh_socket *socket)
{
    pthread_mutex_lock(&socket->lock);
    int clients = socket->clients;
    pthread_mutex_unlock(&socket->lock);
    return clients;
}

void
vh_socket_drain(struct vh_socket *socket, const atomic_uint *stop)
{
    pthread_mutex_lock(&socket->lock);
    while (socket->clients > 0 && !(stop && atomic_load(stop))) {
        const struct vh_seam *seam = socket->control->run->seam;
        int64_t at = seam->monotonic_ns(seam->data) + DRAIN_LOOK_NS;
        struct timespec until = { .tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000) };
        pthread_cond_timedwait(&socket->changed, &socket->lock, &until);
    }
    pthread_mutex_unlock(&socket->lock);
}

void
vh_socket_stop(struct vh_socket *socket)
{
    if (!socket) {
        return;
    }
    const struct vh_seam *seam = socket->control->run->seam;
    (void)seam->unlink(seam->data, socket->home, VH_SOCKET_NAME, 0); /* first, so that nobody comes any more */
    atomic_store(&socket->stop, 1);
    ssize_t put = write(socket->wake[1], "x", 1);
    (void)put; /* a full pipe wakes as well */
    pthread_join(socket->thread, NULL);
    pthread_mutex_lock(&socket->lock);
    for (int i = 0; i < VH_SOCKET_CLIENTS_MAX; i++) {
        if (socket->connection[i].used && !atomic_load(&socket->connection[i].done)) {
            shutdown(socket->connection[i].fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&socket->lock);
    if (socket->control->run->sequencer) {
        vh_sequencer_wake(socket->control->run->sequencer); /* who follows looks at `stop` */
    }
    pthread_mutex_lock(&socket->lock);
    while (socket->clients > 0) {
        pthread_cond_wait(&socket->changed, &socket->lock);
    }
    for (int i = 0; i < VH_SOCKET_CLIENTS_MAX; i++) {
        collect(&socket->connection[i]);
    }
    pthread_mutex_unlock(&socket->lock);
    close_server(socket);
}

/* ---- client ---- */

void
vh_socket_pause(int milliseconds)
{
    (void)poll(NULL, 0, milliseconds); /* cut short by a signal it only asks sooner */
}

/* Until the first byte of the answer is there. `limit_ns` 0: as long as it takes. */
static viv_status
wait_for_answer(struct vh_client *client, int64_t limit_ns, struct viv_error *err)
{
    const struct vh_seam *seam = client->seam;
    struct pollfd ready = { .fd = client->fd, .events = POLLIN };
    int64_t from = seam->monotonic_ns(seam->data);
    while (poll(&ready, 1, LOOK_MS) <= 0) { /* a signal only makes it look at `stop` sooner */
        int64_t waited = seam->monotonic_ns(seam->data) - from;
        bool told = client->stop && atomic_load(client->stop);
        if (limit_ns && waited > limit_ns) {
            return vh_error_set(err, VIV_E_TIMEOUT, "socket", "the host has not answered for %d s",
                                (int)(limit_ns / 1000000000));
        }
        if (told && (limit_ns || waited > PATIENCE_NS)) {
            return vh_error_set(err, VIV_E_CANCELLED, "socket", "interrupted while the host had not answered");
        }
    }
    return VIV_OK;
}

/* Any answer will do: it shows that somebody listens who is not stopped. */
static viv_status
greet(struct vh_client *client, struct viv_error *err)
{
    struct vh_json *response = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *request = arena ? vh_json_object(arena) : NULL;
    vh_json_set_text(arena, request, "op", "workers");
    viv_status status = request ? send_frame(client->fd, arena, request, err)
                                : vh_error_set(err, VIV_E_MEMORY, "socket", "no memory for a connection");
    status = status ? status : wait_for_answer(client, GREET_NS, err);
    status = status ? status : receive_frame(client->fd, arena, &response, err);
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_socket_connect(const struct vh_seam *seam, struct vh_arena *arena, int home, const atomic_uint *stop,
                  struct vh_client **ret_client, struct viv_error *err)
{
    struct timeval stall = { .tv_sec = STALL_S };
    struct sockaddr_un address = address_of(home);
    struct vh_client *client = vh_arena_alloc(arena, sizeof *client);
    if (!client) {
        return vh_error_set(err, VIV_E_MEMORY, "socket", "no memory for a connection");
    }
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address)) {
        viv_status status = vh_error_errno(err, VIV_E_UNAVAILABLE, "socket",
                                           "another host has the home but does not answer yet");
        if (client->fd >= 0) {
            close(client->fd);
        }
        return status;
    }
    /* Without them a host that stops in the middle of a frame would hold the client for ever. */
    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
    client->stop = stop;
    client->seam = seam;
    viv_status status = greet(client, err);
    if (status) {
        close(client->fd);
        return status;
    }
    *ret_client = client;
    return VIV_OK;
}

viv_status
vh_socket_ask(struct vh_client *client, const struct vh_json *request, struct vh_arena *arena,
              struct vh_json **ret_response, struct viv_error *err)
{
    viv_status status = send_frame(client->fd, arena, request, err);
    if (status) {
        return status;
    }
    status = wait_for_answer(client, 0, err);
    status = status ? status : receive_frame(client->fd, arena, ret_response, err);
    if (status) {
        (void)shutdown(client->fd, SHUT_RDWR); /* what comes late would be taken for the answer to the next question */
    }
    return status;
}

void
vh_socket_close(struct vh_client *client)
{
    if (client) {
        close(client->fd);
    }
}
