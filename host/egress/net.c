/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl says which sockets it waits for and until when; we wait for it. */
#include "egress.h"

#include <curl/curl.h>
#include <stdlib.h>

struct net_socket {
    struct net *net;
    struct net_socket *next;
    curl_socket_t fd; /* -1: libcurl forgot it */
    int what;
};

struct net {
    CURLM *multi;
    struct net_socket *sockets;
    int64_t until_ns; /* 0: none */
    void (*done)(void *data, int code);
};

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct net *net = data;
    struct net_socket *socket = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            socket->fd = -1; /* freed between two waits: it may be among those that are ready now */
        }
        return 0;
    }
    if (!socket) {
        socket = calloc(1, sizeof *socket);
        if (!socket || curl_multi_assign(net->multi, fd, socket) != CURLM_OK) {
            free(socket);
            return -1;
        }
        socket->net = net;
        socket->fd = fd;
        socket->next = net->sockets;
        net->sockets = socket;
    }
    socket->what = what;
    return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *data)
{
    struct net *net = data;
    (void)multi;
    net->until_ns = timeout_ms < 0 ? 0 : loop_now() + (int64_t)timeout_ms * 1000000;
    return 0;
}

static void
on_ready(void *data, short events)
{
    struct net_socket *socket = data;
    int mask = (events & POLLIN ? CURL_CSELECT_IN : 0) | (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_IN | CURL_CSELECT_ERR : 0);
    int running;
    if (socket->fd >= 0) {
        (void)curl_multi_socket_action(socket->net->multi, socket->fd, mask, &running); /* faults come as 'done' */
    }
}

struct net *
net_create(void (*done)(void *data, int code))
{
    struct net *net = calloc(1, sizeof *net);
    if (!net) {
        return NULL;
    }
    net->done = done;
    net->multi = curl_multi_init();
    if (!net->multi || curl_multi_setopt(net->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
        curl_multi_setopt(net->multi, CURLMOPT_SOCKETDATA, net) ||
        curl_multi_setopt(net->multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
        curl_multi_setopt(net->multi, CURLMOPT_TIMERDATA, net) ||
        curl_multi_setopt(net->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING)) {
        net_destroy(net);
        return NULL;
    }
    return net;
}

static void
sweep(struct net *net, bool all)
{
    for (struct net_socket **at = &net->sockets; *at;) {
        struct net_socket *socket = *at;
        if (all || socket->fd < 0) {
            *at = socket->next;
            free(socket);
        } else {
            at = &socket->next;
        }
    }
}

void
net_destroy(struct net *net)
{
    if (net->multi) {
        curl_multi_cleanup(net->multi);
    }
    sweep(net, true);
    free(net);
}

void *
net_multi(struct net *net)
{
    return net->multi;
}

void
net_watch(struct net *net, struct loop *loop)
{
    sweep(net, false);
    for (struct net_socket *socket = net->sockets; socket; socket = socket->next) {
        short events =
            (short)((socket->what & CURL_POLL_IN ? POLLIN : 0) | (socket->what & CURL_POLL_OUT ? POLLOUT : 0));
        loop_watch(loop, socket->fd, events, on_ready, socket);
    }
    loop_until(loop, net->until_ns);
}

void
net_work(struct net *net)
{
    int running, left;
    if (net->until_ns && net->until_ns <= loop_now()) {
        net->until_ns = 0;
        (void)curl_multi_socket_action(net->multi, CURL_SOCKET_TIMEOUT, 0, &running); /* faults come as 'done' */
    }
    for (CURLMsg *message = curl_multi_info_read(net->multi, &left); message;
         message = curl_multi_info_read(net->multi, &left)) {
        void *data = NULL;
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&data);
            net->done(data, (int)code);
        }
    }
}
