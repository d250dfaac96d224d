/* SPDX-License-Identifier: Apache-2.0 */
/* As strict about framing as a client must be: an answer that is shorter than it says is VIV_E_IO. */
#include "loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <viv/call.h>

#define HEAD_MAX 16384
#define HEADERS_MAX 32

struct connection {
    const struct loopback *loopback;
    struct viv_call *call;
    const struct viv_http_sink *sink;
    int fd;
    int wait_ms; /* for the next bytes */
    char *left;  /* read and not yet used */
    size_t left_len;
    char buffer[65536];
};

static viv_status
fail(struct viv_error *err, viv_status status, const char *text)
{
    if (err && status != VIV_OK) {
        err->status = status;
        (void)snprintf(err->text, sizeof err->text, "%s", text);
    }
    return status;
}

/* More bytes into `left`, which is used up. */
static viv_status
fill(struct connection *c)
{
    size_t most = c->loopback->most ? c->loopback->most : sizeof c->buffer;
    struct pollfd ready = { c->fd, POLLIN, 0 };
    if (c->call->cancelled(c->call))
        return VIV_E_CANCELLED;
    int got = poll(&ready, 1, c->wait_ms);
    if (got == 0)
        return VIV_E_TIMEOUT;
    ssize_t len = got < 0 ? -1 : recv(c->fd, c->buffer, most, 0);
    if (len < 0)
        return VIV_E_IO;
    c->left = c->buffer;
    c->left_len = (size_t)len;
    return VIV_OK;
}

/* One byte; VIV_E_IO at the end. */
static viv_status
byte(struct connection *c, char *ret_byte)
{
    viv_status status = c->left_len ? VIV_OK : fill(c);
    if (status != VIV_OK || c->left_len == 0)
        return status ? status : VIV_E_IO;
    *ret_byte = *c->left++;
    c->left_len--;
    return VIV_OK;
}

static viv_status
line(struct connection *c, char *text, size_t size)
{
    size_t len = 0;
    char one = 0;
    viv_status status = VIV_OK;
    while (status == VIV_OK && one != '\n') {
        status = len + 1 < size ? byte(c, &one) : VIV_E_IO;
        if (status == VIV_OK && one != '\r' && one != '\n') {
            text[len++] = one;
        }
    }
    text[len] = '\0';
    return status;
}

/* `count` bytes of the body to the sink, or all there are for -1. */
static viv_status
body(struct connection *c, long long count)
{
    viv_status status = VIV_OK;
    while (status == VIV_OK && count != 0) {
        status = c->left_len ? VIV_OK : fill(c);
        if (status == VIV_OK && c->left_len == 0)
            return count < 0 ? VIV_OK : VIV_E_IO;
        size_t len = count >= 0 && (size_t)count < c->left_len ? (size_t)count : c->left_len;
        if (status == VIV_OK) {
            status = c->sink->body(c->sink->data, (struct viv_str){ c->left, len });
            c->left += len;
            c->left_len -= len;
            count -= count >= 0 ? (long long)len : 0;
        }
    }
    return status;
}

static viv_status
chunks(struct connection *c)
{
    char text[64];
    for (;;) {
        viv_status status = line(c, text, sizeof text);
        char *end = NULL;
        long long size = strtoll(text, &end, 16);
        if (status != VIV_OK || end == text || *end || size < 0)
            return status ? status : VIV_E_IO;
        status = body(c, size);
        status = status ? status : line(c, text, sizeof text);
        if (status != VIV_OK || text[0] || size == 0)
            return status ? status : text[0] ? VIV_E_IO : VIV_OK;
    }
}

static viv_status
answer(struct connection *c, int idle_ms)
{
    static char lines[HEADERS_MAX][1024];
    struct viv_http_header headers[HEADERS_MAX];
    uint32_t count = 0;
    char first[256];
    long long length = -1;
    int chunked = 0;
    memset(headers, 0, sizeof headers);
    viv_status status = line(c, first, sizeof first);
    int code = status == VIV_OK && strlen(first) > 12 ? atoi(first + 9) : 0;
    while (status == VIV_OK && count < HEADERS_MAX) {
        status = line(c, lines[count], sizeof lines[count]);
        char *colon = strchr(lines[count], ':');
        if (status != VIV_OK || !colon)
            break;
        *colon = '\0';
        headers[count].name = (struct viv_str){ lines[count], strlen(lines[count]) };
        headers[count].value = (struct viv_str){ colon + 2, strlen(colon + 2) };
        length = strcasecmp(lines[count], "content-length") == 0 ? atoll(colon + 2) : length;
        chunked |= strcasecmp(lines[count], "transfer-encoding") == 0;
        count++;
    }
    if (status != VIV_OK || code == 0)
        return status ? status : VIV_E_IO;
    status = c->sink->head(c->sink->data, (uint32_t)code, headers, count);
    c->wait_ms = idle_ms;
    return status ? status : chunked ? chunks(c) : body(c, length);
}

static viv_status
send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return VIV_E_IO;
        data += sent;
        len -= (size_t)sent;
    }
    return VIV_OK;
}

static viv_status
ask(int fd, const struct viv_http_request *request, const char *path)
{
    char head[HEAD_MAX];
    int len = snprintf(head, sizeof head,
                       "%.*s %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %llu\r\nconnection: close\r\n",
                       (int)request->method.len, request->method.data, path, (unsigned long long)request->body.len);
    for (uint32_t i = 0; i < request->header_count; i++) {
        const struct viv_http_header *h = (const void *)((const char *)request->headers + i * request->header_stride);
        len += snprintf(head + len, sizeof head - (size_t)len, "%.*s: %.*s%s%.*s\r\n", (int)h->name.len, h->name.data,
                        (int)h->prefix.len, h->prefix.data, h->flags & VIV_HTTP_SECRET ? "key-of-" : "",
                        (int)h->value.len, h->value.data);
    }
    len += snprintf(head + len, sizeof head - (size_t)len, "\r\n");
    viv_status status = send_all(fd, head, (size_t)len);
    return status ? status : send_all(fd, request->body.data, (size_t)request->body.len);
}

static int
dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static viv_status
exchange(const struct viv_http *http, struct viv_call *call, const struct viv_http_request *request,
         const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err)
{
    char url[512];
    int port = 0;
    int at = 0;
    (void)snprintf(url, sizeof url, "%.*s", (int)request->url.len, request->url.data);
    if (sscanf(url, "http://127.0.0.1:%d%n", &port, &at) != 1)
        return fail(err, VIV_E_DENIED, "only 127.0.0.1 is allowed");
    struct connection *c = calloc(1, sizeof *c);
    *c = (struct connection){ .loopback = http->host_data, .call = call, .sink = sink, .fd = dial(port) };
    c->wait_ms = request->first_byte_ns ? (int)(request->first_byte_ns / 1000000) : -1;
    *ret_sent = c->fd >= 0;
    viv_status status = c->fd < 0 ? VIV_E_UNAVAILABLE : ask(c->fd, request, url + at);
    int idle_ms = request->idle_ns ? (int)(request->idle_ns / 1000000) : -1;
    idle_ms = c->loopback->idle_ms_max ? c->loopback->idle_ms_max : idle_ms;
    status = status ? status : answer(c, idle_ms);
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c);
    return fail(err, status,
                status == VIV_E_TIMEOUT       ? "nothing came in time"
                : status == VIV_E_UNAVAILABLE ? "nobody listens"
                                              : "the connection ended");
}

void
loopback_init(struct loopback *loopback)
{
    memset(loopback, 0, sizeof *loopback);
    loopback->http = (struct viv_http){ (uint32_t)sizeof loopback->http, 1, loopback, exchange };
}

void
endpoint_start(struct endpoint *endpoint, const char *python, const char *mock, const char *script_path)
{
    int out[2];
    char said[512] = "";
    size_t len = 0;
    if (pipe(out)) {
        abort();
    }
    endpoint->pid = fork();
    if (endpoint->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execlp(python, python, "-B", mock, "--port", "0", "--max-seconds", "120", script_path, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (len + 1 < sizeof said && !strchr(said, '\n')) {
        ssize_t got = read(out[0], said + len, sizeof said - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        said[len] = '\0';
    }
    close(out[0]);
    const char *place = strstr(said, "127.0.0.1:");
    endpoint->port = place ? atoi(place + strlen("127.0.0.1:")) : 0;
}

void
endpoint_stop(struct endpoint *endpoint)
{
    if (endpoint->pid > 0) {
        kill(endpoint->pid, SIGTERM);
        waitpid(endpoint->pid, NULL, 0);
    }
    endpoint->pid = 0;
}
