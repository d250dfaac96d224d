/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/seam.h"

const char *
world_folder(void)
{
    static char folder[512];
    ssize_t len = readlink("/proc/self/exe", folder, sizeof folder - 1);
    assert_true(len > 0);
    folder[len] = '\0';
    *strrchr(folder, '/') = '\0';
    return folder;
}

static struct vh_egress *
handle(const char *program, const char *ca)
{
    char path[600];
    struct vh_egress *egress = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    snprintf(path, sizeof path, "%s/%s", world_folder(), program);
    const struct vh_egress_config config = { .seam = vh_seam_real(), .program = path, .ca_file = ca };
    if (vh_egress_create(&config, &egress, &err)) {
        fail_msg("%s", err.text);
    }
    return egress;
}

struct vh_egress *
world_egress(const char *ca)
{
    return handle("viv_egress_fake", ca);
}

struct vh_egress *
world_shipped(const char *ca)
{
    return handle("../../libexec/viv-egress", ca);
}

const char *
world_url(const struct server *server, const char *host, const char *path)
{
    static char urls[8][512];
    static atomic_uint next;
    char *url = urls[atomic_fetch_add(&next, 1) % 8];
    snprintf(url, sizeof urls[0], "%s%s:%u%s", strstr(host, "://") ? "" : "http://", host, (unsigned)server->port,
             path);
    return url;
}

static viv_status
take_head(void *data, uint32_t status, const struct viv_http_header *headers, uint32_t count)
{
    struct got *got = data;
    size_t at = 0;
    got->http = status;
    for (uint32_t i = 0; i < count && at < sizeof got->headers; i++) {
        at += (size_t)snprintf(got->headers + at, sizeof got->headers - at, "%.*s: %.*s\n",
                               VH_STR_ARGS(headers[i].name), VH_STR_ARGS(headers[i].value));
    }
    return got->head_says;
}

static viv_status
take_body(void *data, struct viv_str piece)
{
    struct got *got = data;
    size_t room = got->len < sizeof got->body ? sizeof got->body - got->len : 0;
    memcpy(got->body + (room ? got->len : 0), piece.data, piece.len < room ? piece.len : room);
    got->len += piece.len;
    got->pieces++;
    if (got->cancel_at_body) {
        atomic_store(got->cancel_at_body, 1);
    }
    return got->body_says;
}

/* The server's threads and the test know nothing of each other but by sockets: they take turns at its `last`. */
static void
world_meet(struct server *server)
{
    if (server) {
        pthread_mutex_lock(&server->lock);
        pthread_mutex_unlock(&server->lock);
    }
}

void
world_ask(struct vh_egress *egress, struct server *server, const struct want *want, struct got *ret_got)
{
    char allow[256];
    atomic_uint *cancel_at_body = ret_got->cancel_at_body;
    memset(ret_got, 0, sizeof *ret_got);
    ret_got->cancel_at_body = cancel_at_body;
    ret_got->err = (struct viv_error)VIV_ERROR_INIT;
    ret_got->head_says = want->head_says;
    ret_got->body_says = want->body_says;
    unsigned port = server ? server->port : 1;
    snprintf(allow, sizeof allow, "[\"127.0.0.1:%u\",\"http://good.test:%u\",\"http://*.good.test:%u\"]", port, port,
             port);
    const struct vh_seam *seam = vh_seam_real();
    int64_t left_ns = want->deadline_ns ? want->deadline_ns : INT64_C(60000000000);
    const struct vh_egress_bounds bounds = { .allow_json = vh_str(want->allow ? want->allow : allow),
                                             .deadline_ns = seam->monotonic_ns(seam->data) + left_ns,
                                             .cancel = want->cancel };
    const struct viv_http_request request = { .size = sizeof request,
                                              .rev = 1,
                                              .method = vh_str(want->method ? want->method : "GET"),
                                              .url = vh_str(want->url),
                                              .body = vh_str(want->body),
                                              .headers = want->headers,
                                              .header_count = want->header_count,
                                              .header_stride = sizeof want->headers[0],
                                              .first_byte_ns = want->first_byte_ns,
                                              .idle_ns = want->idle_ns,
                                              .answer_bytes_max = want->most };
    const struct viv_http_sink sink = { sizeof sink, 1, ret_got, take_head, take_body };
    world_meet(server); /* what was looked at before, and what is written now */
    ret_got->status = vh_egress_exchange(egress, &bounds, &request, &sink, &ret_got->sent, &ret_got->err);
    world_meet(server);
}

void
world_refused(struct vh_egress *egress, struct server *server, const struct want *want, viv_status status,
              const char *text)
{
    static struct got got;
    got.cancel_at_body = NULL;
    world_ask(egress, server, want, &got);
    if (got.status != status || !strstr(got.err.text, text)) {
        fail_msg("%s: %d '%s', wanted %d '%s'", want->url, got.status, got.err.text, status, text);
    }
}

/* ---- sockets ---- */

int
world_listen(const char *address, uint16_t *ret_port)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    socklen_t len = sizeof to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && inet_pton(AF_INET, address, &to.sin_addr) == 1);
    to.sin_port = htons(*ret_port);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
    *ret_port = ntohs(to.sin_port);
    return fd;
}

int
world_connect(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

size_t
world_talk(int fd, const char *text, char *ret_answer, size_t size)
{
    size_t len = strlen(text), at = 0;
    ssize_t put = len ? send(fd, text, len, MSG_NOSIGNAL) : 0;
    (void)put; /* a proxy may end the connection while it is told */
    for (ssize_t got = 1; got > 0 && at + 1 < size; at += got > 0 ? (size_t)got : 0) {
        got = recv(fd, ret_answer + at, size - at - 1, 0);
    }
    ret_answer[at] = '\0';
    return at;
}

pid_t
world_child(const char *name)
{
    DIR *folder = opendir("/proc");
    pid_t found = 0;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[300], text[512], want[64];
        snprintf(path, sizeof path, "/proc/%.200s/stat", entry->d_name);
        int fd = atoi(entry->d_name) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        if (fd >= 0) {
            close(fd);
        }
        text[len > 0 ? len : 0] = '\0';
        const char *end = strrchr(text, ')');
        snprintf(want, sizeof want, "(%.15s)", name);
        if (end && strstr(text, want) && end[2] != 'Z' && atoi(end + 4) == getpid()) {
            found = atoi(entry->d_name);
        }
    }
    closedir(folder);
    return found;
}
