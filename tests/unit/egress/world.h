/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of viv-egress: a server on loopback that behaves as its path says, and exchanges through a handle. */
#ifndef EGRESS_WORLD_H
#define EGRESS_WORLD_H

#include "cm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "run/egress.h"

#define WORLD_CONNECTIONS_MAX 512

/* Paths: /ok "hello"; /echo the request; /redirect; /big/N N bytes; /endless; /chunks; /slow no answer; /stall an
 * answer that stops; /cut one that ends early; /garbage; /nothing; /heads a head without end; /interim 103 before 200.
 * What waits does so until its client is gone. */
struct server {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_t threads[WORLD_CONNECTIONS_MAX];
    int fds[WORLD_CONNECTIONS_MAX];
    atomic_int connections, requests;
    pthread_mutex_t lock;
    char last[65536]; /* the last request as it came */
    void *tls;        /* an SSL_CTX, or NULL */
};

void server_start(struct server *server, const char *address);
void server_stop(struct server *server);
/* Wait until so many requests came whole. */
void server_await(struct server *server, int requests);
/* A key and a certificate for 127.0.0.1 and "good.test"; the certificate is written to `path`. */
void server_tls(struct server *server, const char *path);

/* The folder of this test program. */
const char *world_folder(void);
/* A handle on the program with the names of fake.c; on the one that ships. `ca` may be NULL. */
struct vh_egress *world_egress(const char *ca);
struct vh_egress *world_shipped(const char *ca);

/* What to ask for; NULL and 0 take what is in brackets. */
struct want {
    const char *url;
    const char *allow;  /* [127.0.0.1 and good.test and all below it, at the server's port] */
    const char *method; /* GET */
    const char *body;
    struct viv_http_header headers[4];
    uint32_t header_count;
    int64_t first_byte_ns, idle_ns, deadline_ns; /* deadline from now: 60 s */
    uint64_t most;
    const atomic_uint *cancel;
    viv_status head_says, body_says;
};

struct got {
    viv_status status;
    uint32_t sent, http;
    struct viv_error err;
    char headers[8192];
    char body[65536]; /* its beginning */
    size_t len, pieces;
    viv_status head_says, body_says;
    atomic_uint *cancel_at_body; /* set when a piece comes */
};

/* "http://host:PORT/path" in memory that goes with the test. */
const char *world_url(const struct server *server, const char *host, const char *path);
void world_ask(struct vh_egress *egress, struct server *server, const struct want *want, struct got *ret_got);
/* The same, and it must end so; `text` stands in the message. */
void world_refused(struct vh_egress *egress, struct server *server, const struct want *want, viv_status status,
                   const char *text);

/* Loopback sockets. */
int world_listen(const char *address, uint16_t *ret_port);
int world_connect(uint16_t port);
/* Send all, then read to the end; a NUL follows. */
size_t world_talk(int fd, const char *text, char *ret_answer, size_t size);
pid_t world_child(const char *name); /* of this process, by the program's name; 0: none */

#endif
