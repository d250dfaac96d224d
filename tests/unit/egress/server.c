/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    struct server *server;
    int fd;
    SSL *tls;
};

static bool
put(struct peer *peer, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t sent = peer->tls ? SSL_write(peer->tls, bytes + at, (int)(len - at))
                                 : send(peer->fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += (size_t)sent;
    }
    return true;
}

static bool
say(struct peer *peer, const char *text)
{
    return put(peer, text, strlen(text));
}

static ssize_t
take(struct peer *peer, char *bytes, size_t size)
{
    return peer->tls ? SSL_read(peer->tls, bytes, (int)size) : recv(peer->fd, bytes, size, 0);
}

/* Until the other side is gone. */
static void
wait_for_end(struct peer *peer)
{
    char byte[256];
    while (take(peer, byte, sizeof byte) > 0) {
        continue;
    }
}

static size_t
read_request(struct peer *peer, char *text, size_t size)
{
    size_t at = 0, want = 0;
    while (at + 1 < size && (!want || at < want)) {
        ssize_t got = take(peer, text + at, size - at - 1);
        if (got <= 0) {
            return 0;
        }
        at += (size_t)got;
        text[at] = '\0';
        const char *end = memmem(text, at, "\r\n\r\n", 4), *length = strcasestr(text, "\r\nContent-Length:");
        if (end) {
            want = (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
            bool chunked = strcasestr(text, "\r\nTransfer-Encoding: chunked") && !strstr(end, "0\r\n\r\n");
            want = chunked ? size : want;
        }
    }
    return at;
}

static void
answer_bytes(struct peer *peer, size_t len)
{
    static const char zeros[16384];
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    bool good = say(peer, head);
    for (size_t at = 0; at < len && good; at += sizeof zeros) {
        good = put(peer, zeros, len - at < sizeof zeros ? len - at : sizeof zeros);
    }
}

static void
answer_text(struct peer *peer, const char *text, size_t len)
{
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Kind: test\r\n\r\n", len);
    (void)(say(peer, head) && put(peer, text, len)); /* a client may have gone */
}

static void
endless(struct peer *peer)
{
    char line[4096];
    memset(line, 'x', sizeof line);
    bool good = say(peer, "HTTP/1.1 200 OK\r\n\r\n");
    while (good) {
        good = put(peer, line, sizeof line);
    }
}

static void
heads(struct peer *peer)
{
    bool good = say(peer, "HTTP/1.1 200 OK\r\n");
    while (good) {
        good = say(peer, "X-More: 0123456789012345678901234567890123456789\r\n");
    }
}

static void
answer(struct peer *peer, const char *text, size_t len)
{
    static const struct {
        const char *path, *says;
        bool waits;
    } plain[] = {
        { "/redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/ok\r\nContent-Length: 0\r\n\r\n", false },
        { "/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", false },
        { "/slow", "", true },
        { "/stall", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin", true },
        { "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin", false },
        { "/garbage", "this is no answer\r\n\r\n", false },
        { "/nothing", "", false },
        { "/interim",
          "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
          "Keep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok",
          false },
        { "/early", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true },
    };
    const char *path = strchr(text, ' ') ? strchr(text, ' ') + 1 : "";
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strncmp(path, plain[i].path, strlen(plain[i].path)) == 0) {
            (void)say(peer, plain[i].says); /* a client may have gone */
            if (plain[i].waits) {
                wait_for_end(peer);
            }
            return;
        }
    }
    if (strncmp(path, "/big/", 5) == 0) {
        answer_bytes(peer, strtoul(path + 5, NULL, 10));
    } else if (strncmp(path, "/endless", 8) == 0) {
        endless(peer);
    } else if (strncmp(path, "/heads", 6) == 0) {
        heads(peer);
    } else if (strncmp(path, "/echo", 5) == 0) {
        answer_text(peer, text, len);
    } else {
        answer_text(peer, "hello", 5);
    }
}

static void *
serve_one(void *data)
{
    struct peer *peer = data;
    struct server *server = peer->server;
    char *text = malloc(sizeof server->last);
    pthread_mutex_lock(&server->lock); /* it may have been made after this server began */
    peer->tls = server->tls ? SSL_new(server->tls) : NULL;
    pthread_mutex_unlock(&server->lock);
    bool good = !peer->tls || (SSL_set_fd(peer->tls, peer->fd) && SSL_accept(peer->tls) == 1);
    size_t len = good ? read_request(peer, text, sizeof server->last) : 0;
    if (len) {
        pthread_mutex_lock(&server->lock);
        memcpy(server->last, text, len + 1);
        pthread_mutex_unlock(&server->lock);
        atomic_fetch_add(&server->requests, 1);
        answer(peer, text, len);
    }
    if (peer->tls) {
        SSL_shutdown(peer->tls);
        SSL_free(peer->tls);
    }
    shutdown(peer->fd, SHUT_RDWR); /* closed when the server stops: then it is ours alone */
    free(text);
    free(peer);
    return NULL;
}

static void *
serve(void *data)
{
    struct server *server = data;
    for (int fd = accept(server->listener, NULL, NULL); fd >= 0; fd = accept(server->listener, NULL, NULL)) {
        struct peer *peer = malloc(sizeof *peer);
        int at = atomic_load(&server->connections);
        if (!peer || at == WORLD_CONNECTIONS_MAX) {
            abort();
        }
        *peer = (struct peer){ server, fd, NULL };
        server->fds[at] = fd;
        atomic_fetch_add(&server->connections, 1); /* before it can be answered */
        if (pthread_create(&server->threads[at], NULL, serve_one, peer)) {
            abort();
        }
    }
    return NULL;
}

void
server_start(struct server *server, const char *address)
{
    memset(server, 0, sizeof *server);
    (void)signal(SIGPIPE, SIG_IGN); /* a client that has gone is no end of the test */
    server->listener = world_listen(address, &server->port);
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void
server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < atomic_load(&server->connections); i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
    close(server->listener);
    pthread_mutex_destroy(&server->lock);
    SSL_CTX_free(server->tls);
}

void
server_await(struct server *server, int requests)
{
    while (atomic_load(&server->requests) < requests) {
        (void)poll(NULL, 0, 1); /* the test's own time is bounded */
    }
}

void
server_tls(struct server *server, const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    X509V3_CTX context;
    assert_true(key && cert && tls);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1,
                               0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1,DNS:good.test");
    assert_non_null(names);
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_true(SSL_CTX_use_certificate(tls, cert) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    pthread_mutex_lock(&server->lock);
    server->tls = tls;
    pthread_mutex_unlock(&server->lock);
}
