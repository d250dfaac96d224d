/* SPDX-License-Identifier: Apache-2.0 */
/* viv-egress from the inside: one thread that waits in poll for all of its descriptors (loop.c), exchanges of the host
 * (request.c, exchange.c) by libcurl (net.c), doors of tasks (door.c, connection.c). Who is ready marks what ended as
 * dead; dead things go between two waits. Read first: wire.h. */
#ifndef EGRESS_EGRESS_H
#define EGRESS_EGRESS_H

#include <poll.h>

#include "resolve.h"
#include "wire.h"

/* ---- loop.c ---- */

typedef void (*loop_ready)(void *data, short events);

struct loop {
    struct pollfd *polled;
    struct loop_watcher *watcher;
    size_t count, size;
    int64_t until_ns; /* the earliest time somebody waits for; 0: nobody */
};

int64_t loop_now(void);
/* Before each wait: who wants what. Without events it is not looked at. */
void loop_watch(struct loop *loop, int fd, short events, loop_ready ready, void *data);
void loop_until(struct loop *loop, int64_t until_ns);
/* One wait, and all that are ready are called; then nobody watches any more. -1: it cannot be waited. */
int loop_wait(struct loop *loop);
void loop_end(struct loop *loop);

/* ---- channel.c ---- */

struct channel_request {
    struct ew_request head;
    struct viv_str name, value, place;
    int fds[EW_FDS_MAX];
    size_t fd_count;
    char texts[EW_TEXTS_MAX];
};

/* 1: taken; 0: nothing there; -1: the host is gone, or what came is no request. */
int channel_take(int channel, struct channel_request *ret_request);
/* 1: sent; 0: it would have to wait; -1: nobody takes it. */
int channel_send(int answer, enum ew_kind kind, struct viv_str bytes);
/* The whole of a file in memory, at most `max`. */
viv_status channel_file(struct vh_arena *arena, int fd, size_t max, struct viv_str *ret_bytes, struct viv_error *err);
/* EW_END; `counts` may be NULL. As channel_send. */
int channel_end(int answer, viv_status status, const char *text, struct vh_arena *arena, struct vh_json *counts);

/* ---- serve.c ---- */

struct egress_config {
    int channel;
    const char *ca_file; /* or NULL */
    const struct resolve_calls *calls;
};

struct secret {
    char *name;
    char *value;
    struct place place;
};

struct egress {
    struct egress_config config;
    struct loop loop;
    struct resolver *resolver;
    struct net *net;
    struct secret secrets[EW_SECRETS_MAX];
    size_t secret_count;
    struct exchange *exchanges;
    size_t exchange_count;
    struct door *doors;
    size_t door_count;
    size_t connection_count; /* of all doors */
};

/* Until the host is gone; the exit code. */
int egress_serve(const struct egress_config *config);
const struct secret *egress_secret(const struct egress *egress, struct viv_str name);

/* ---- net.c: libcurl's sockets and times in our loop ---- */

struct net *net_create(void (*done)(void *data, int code));
void net_destroy(struct net *net);
/* The CURLM; an easy handle's CURLOPT_PRIVATE is the `data` of `done`. */
void *net_multi(struct net *net);
void net_watch(struct net *net, struct loop *loop);
/* Times that came, and who is done. */
void net_work(struct net *net);

/* ---- exchange.c ---- */

/* Takes the three descriptors, whatever comes of it. */
void exchange_begin(struct egress *egress, const int fds[EW_FDS_MAX]);
void exchange_done(void *data, int code);
void exchange_watch(struct egress *egress);
/* Times that came; what is dead goes. */
void exchange_sweep(struct egress *egress, bool all);

/* ---- door.c ---- */

void door_begin(struct egress *egress, const int fds[EW_FDS_MAX]);
void door_watch(struct egress *egress);
void door_sweep(struct egress *egress, bool all);

/* ---- confine.c: no files to write, no programs, no core. NULL, or what failed ---- */

const char *confine(const char *ca_file);

#endif
