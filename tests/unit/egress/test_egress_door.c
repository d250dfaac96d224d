/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task gets to a place it was not given, past its bounds, or is not told why it did not. */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"

static struct server server;
static struct vh_egress *egress;
static struct vh_arena *arena;
static uint64_t door;
static uint16_t door_port;
static char answer[300000];

static void
open_door(const char *bounds)
{
    char rules[512];
    struct viv_error err = VIV_ERROR_INIT;
    unsigned port = server.port;
    snprintf(
        rules, sizeof rules,
        "{\"allow\":[\"127.0.0.1:%u\",\"good.test:%u\",\"*.good.test:%u\",\"private.test:%u\"],\"name\":\"task-7\"%s}",
        port, port, port, port, bounds);
    door_port = 0;
    int listener = world_listen("127.0.0.1", &door_port);
    if (vh_egress_open(egress, listener, vh_str(rules), &door, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(fcntl(listener, F_GETFD), -1); /* taken over */
}

static int
set_up(void **state)
{
    (void)state;
    server_start(&server, "127.0.0.1");
    egress = world_egress(NULL);
    arena = vh_arena_create(NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_egress_destroy(egress);
    vh_arena_destroy(arena);
    server_stop(&server);
    return 0;
}

/* Send `text`, where every "PORT" is the server's; what came. */
static const char *
send_text(const char *text)
{
    char filled[65536];
    size_t at = 0;
    for (const char *from = text; *from; from++) {
        bool port = strncmp(from, "PORT", 4) == 0;
        at += (size_t)snprintf(filled + at, sizeof filled - at, port ? "%u" : "%c",
                               port ? server.port : (unsigned)*from);
        from += port ? 3 : 0;
    }
    int fd = world_connect(door_port);
    (void)world_talk(fd, filled, answer, sizeof answer);
    close(fd);
    return answer;
}

static void
must_hold(const char *text, const char *part)
{
    if (!strstr(send_text(text), part)) {
        fail_msg("to '%s' came '%s', wanted '%s'", text, answer, part);
    }
}

static const struct vh_json *
close_door(void)
{
    struct viv_str counts;
    struct vh_json *root = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_egress_close(egress, door, arena, &counts, &err) || vh_json_read(arena, counts, &root, &err)) {
        fail_msg("%s", err.text);
    }
    return root;
}

/* ---- what goes through ---- */

static void
a_request_goes_on(void **state)
{
    (void)state;
    open_door("");
    must_hold("GET http://good.test:PORT/ok HTTP/1.1\r\nHost: good.test:PORT\r\nConnection: keep-alive, X-Secret\r\n"
              "X-Secret: 1\r\nProxy-Authorization: Basic eA==\r\nAccept: */*\r\n\r\n",
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kind: test\r\nConnection: close\r\n\r\nhello");
    assert_ptr_equal(strstr(server.last, "GET /ok HTTP/1.1\r\nHost: good.test:"), server.last);
    assert_non_null(strstr(server.last, "Accept: */*\r\nConnection: close\r\n\r\n"));
    assert_null(strcasestr(server.last, "x-secret"));
    assert_null(strcasestr(server.last, "proxy-"));
    must_hold(
        "POST http://a.b.good.test:PORT/echo HTTP/1.1\r\nHost: a.b.good.test:PORT\r\nContent-Length: 4\r\n\r\nbody",
        "502 Bad Gateway"); /* allowed, but there is no such name */
    must_hold(
        "POST http://SUB.good.test.:PORT/echo HTTP/1.1\r\nHost: sub.GOOD.test:PORT\r\nContent-Length: 4\r\n\r\nbody"
        "GET http://evil.test/ HTTP/1.1\r\n\r\n",
        "\r\n\r\nbody");
    assert_null(strstr(answer, "evil")); /* what came behind was not sent on */
    must_hold("POST http://good.test:PORT/echo HTTP/1.1\r\nHost: good.test:PORT\r\nTransfer-Encoding: chunked\r\n\r\n"
              "4\r\nbody\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
              "4\r\nbody\r\n0\r\n\r\n");
    assert_null(strstr(answer, "GET /"));
    must_hold("GET http://127.0.0.1:PORT/interim HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
              "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: "
              "close\r\n\r\nok");
    must_hold("GET http://127.0.0.1:PORT/big/200000 HTTP/1.0\r\n\r\n", "200 OK");
    assert_true(strlen(server.last) && strstr(server.last, "GET /big/200000 HTTP/1.0\r\n") == server.last);
    must_hold("GET http://127.0.0.1:PORT/garbage HTTP/1.0\r\n\r\n", "502 Bad Gateway");
    must_hold("GET http://127.0.0.1:PORT/heads HTTP/1.0\r\n\r\n", "502 Bad Gateway");
    const struct vh_json *hosts = vh_json_get(close_door(), "hosts");
    assert_int_equal(hosts->count, 3);
}

static void
a_tunnel_goes_through(void **state)
{
    (void)state;
    open_door("");
    must_hold("CONNECT good.test:PORT HTTP/1.1\r\nHost: good.test:PORT\r\n\r\nGET /ok HTTP/1.1\r\n\r\n",
              "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n"); /* without waiting for the 200 */
    must_hold("CONNECT 127.0.0.1:PORT HTTP/1.0\r\n\r\nGET /big/200000 HTTP/1.1\r\n\r\n", "Content-Length: 200000");
    const struct vh_json *counts = close_door(), *hosts = vh_json_get(counts, "hosts");
    assert_int_equal(hosts->count, 2);
    assert_int_equal(vh_json_int(counts, "connections", 0), 2);
    assert_true(vh_json_int(counts, "bytes_in", 0) > 200000);
    assert_int_equal(vh_json_int(counts, "bytes_out", 0),
                     (int)strlen("GET /ok HTTP/1.1\r\n\r\nGET /big/200000 HTTP/1.1\r\n\r\n"));
    assert_int_equal(vh_json_int(hosts->child, "connections", 0), 1);
    assert_non_null(
        strstr(hosts->child->next ? vh_arena_text_of(arena, vh_json_str(hosts->child, "host")) : "", "good.test:"));
}

/* ---- what does not ---- */

static void
refusals_say_why(void **state)
{
    (void)state;
    open_door("");
    must_hold("CONNECT evil.test:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n");
    assert_non_null(strstr(answer, "this host and port are not among those the task may reach\n"
                                   "cure: add them to the hosts of the task, as 'host:port', if it is meant to\n"
                                   "asked: evil.test:443\nallowed for 'task-7': 127.0.0.1:"));
    must_hold("CONNECT good.test:PORT1 HTTP/1.1\r\n\r\n", "40");
    must_hold("CONNECT private.test:PORT HTTP/1.1\r\n\r\n", "'private.test' is at 10.1.2.3, a private address");
    must_hold("CONNECT evil.test:443 HTTP/1.1\r\n\r\n", "403 Forbidden");
    must_hold("CONNECT xgood.test:PORT HTTP/1.1\r\n\r\n", "403 Forbidden");
    must_hold("CONNECT 0x7f000001:PORT HTTP/1.1\r\n\r\n", "400 Bad Request");
    must_hold("CONNECT 127.1:PORT HTTP/1.1\r\n\r\n", "is no address: write it as four decimal numbers");
    must_hold("GET /origin HTTP/1.1\r\nHost: good.test\r\n\r\n", "400 Bad Request");
    must_hold("GET https://good.test:PORT/ HTTP/1.1\r\nHost: good.test:PORT\r\n\r\n", "ask by CONNECT");
    must_hold("GET http://good.test:PORT/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
              "the Host header says 'evil.test:80', the target");
    must_hold("GET http://good.test:PORT/ HTTP/1.1\r\nHost: good.test:PORT\r\nContent-Length: 1\r\nTransfer-Encoding: "
              "chunked"
              "\r\n\r\n0\r\n\r\n",
              "the body's length is given twice");
    must_hold("POST http://good.test:PORT/echo HTTP/1.1\r\nHost: good.test:PORT\r\nTransfer-Encoding: chunked\r\n\r\n"
              "5;x=1\r\n",
              "the body is framed in a way that is not taken");
    must_hold("GET http://good.test:PORT/ HTTP/1.1\nHost: good.test:PORT\n\n", "a line does not end in CR LF");
    assert_int_equal(atomic_load(&server.connections), 0);
    const struct vh_json *refused = vh_json_get(close_door(), "refused"), *one = refused->child;
    while (one && !vh_str_is(vh_json_str(one, "host"), "evil.test:443")) {
        one = one->next;
    }
    assert_non_null(one);
    assert_int_equal(vh_json_int(one, "times", 0), 2);
    assert_true(vh_str_starts(vh_json_str(one, "why"), "this host and port are not among"));
}

static void
a_head_is_bounded(void **state)
{
    (void)state;
    char text[20000];
    open_door("");
    size_t at = (size_t)snprintf(text, sizeof text, "CONNECT good.test:1 HTTP/1.1\r\nX: ");
    memset(text + at, 'x', 17000);
    text[at + 17000] = '\0';
    must_hold(text, "431 Request Header Fields Too Large");
    assert_non_null(strstr(answer, "the head is over 16384 bytes"));
    at = (size_t)snprintf(text, sizeof text, "CONNECT good.test:1 HTTP/1.1\r\n");
    for (int i = 0; i < 101; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "X: %d\r\n", i);
    }
    snprintf(text + at, sizeof text - at, "\r\n");
    must_hold(text, "there are more than 100 headers");
}

/* A ClientHello that asks for `name`, in one record or cut into two. */
static size_t
hello(unsigned char *bytes, const char *name, bool cut)
{
    size_t len = strlen(name), body = 2 + 32 + 1 + 2 + 2 + 1 + 1 + 2 + 4 + 2 + 3 + len, at = 0,
           first = cut ? 30 : body + 4;
    unsigned char plain[512];
    unsigned char *p = plain;
    *p++ = 1, *p++ = 0, *p++ = (unsigned char)(body >> 8), *p++ = (unsigned char)body;
    *p++ = 3, *p++ = 3;
    memset(p, 7, 32), p += 32;
    *p++ = 0;                                  /* session */
    *p++ = 0, *p++ = 2, *p++ = 0x13, *p++ = 1; /* ciphers */
    *p++ = 1, *p++ = 0;                        /* compression */
    *p++ = 0, *p++ = (unsigned char)(len + 9);
    *p++ = 0, *p++ = 0, *p++ = 0, *p++ = (unsigned char)(len + 5);
    *p++ = 0, *p++ = (unsigned char)(len + 3), *p++ = 0, *p++ = 0, *p++ = (unsigned char)len;
    memcpy(p, name, len);
    for (size_t from = 0, size = first; from < body + 4; from += size, size = body + 4 - from) {
        bytes[at++] = 22, bytes[at++] = 3, bytes[at++] = 1, bytes[at++] = (unsigned char)(size >> 8);
        bytes[at++] = (unsigned char)size;
        memcpy(bytes + at, plain + from, size);
        at += size;
    }
    return at;
}

/* What the server got through a tunnel; it ends when the client does. */
static int
through_tunnel(const unsigned char *bytes, size_t len)
{
    char text[128];
    int before = atomic_load(&server.requests), fd = world_connect(door_port);
    snprintf(text, sizeof text, "CONNECT good.test:%u HTTP/1.1\r\n\r\n", (unsigned)server.port);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    for (size_t at = 0; at < len; at++) {
        ssize_t put = send(fd, bytes + at, 1, MSG_NOSIGNAL); /* in the smallest pieces */
        (void)put;                                           /* it may be cut meanwhile */
    }
    static const char rest[] = "GET / HTTP/1.1\r\n\r\n"; /* the test's server reads to the end of a head */
    ssize_t put = send(fd, rest, sizeof rest - 1, MSG_NOSIGNAL);
    (void)put;
    shutdown(fd, SHUT_WR);
    (void)world_talk(fd, "", answer, sizeof answer);
    close(fd);
    return atomic_load(&server.requests) - before;
}

static void
another_name_in_a_tunnel(void **state)
{
    (void)state;
    unsigned char bytes[600];
    open_door("");
    assert_int_equal(through_tunnel(bytes, hello(bytes, "good.test", false)), 1);
    assert_int_equal(through_tunnel(bytes, hello(bytes, "GOOD.test", true)), 1);
    assert_int_equal(through_tunnel(bytes, hello(bytes, "evil.test", false)), 0);
    assert_int_equal(through_tunnel(bytes, hello(bytes, "evil.test", true)), 0);
    assert_int_equal(through_tunnel((const unsigned char *)"\x16\x03\x01\x00\x00", 5), 0);
    const struct vh_json *refused = vh_json_get(close_door(), "refused");
    assert_int_equal(refused->count, 2);
    assert_true(vh_str_is(vh_json_str(refused->child, "why"), "in the tunnel TLS asks for 'evil.test'"));
    assert_int_equal(vh_json_int(refused->child, "times", 0), 2);
    assert_true(vh_str_is(vh_json_str(refused->child->next, "why"), "what begins as TLS is none"));
}

/* ---- bounds ---- */

static void
bytes_are_bounded(void **state)
{
    (void)state;
    open_door(",\"bytes_max\":10000");
    must_hold("CONNECT good.test:PORT HTTP/1.1\r\n\r\nGET /big/200000 HTTP/1.1\r\n\r\n", "Content-Length: 200000");
    assert_true(strlen(answer) < 10000);
    must_hold("CONNECT good.test:PORT HTTP/1.1\r\n\r\n", "403 Forbidden");
    assert_non_null(strstr(answer, "the door's bound of 10000 bytes is used up\ncure: raise the bytes"));
    const struct vh_json *counts = close_door();
    assert_int_equal(vh_json_int(counts, "bytes_in", 0) + vh_json_int(counts, "bytes_out", 0), 10000);
}

static void
connections_are_bounded(void **state)
{
    (void)state;
    open_door(",\"connections_max\":2");
    char text[128];
    int held[2];
    snprintf(text, sizeof text, "CONNECT good.test:%u HTTP/1.1\r\n\r\n", (unsigned)server.port);
    for (int i = 0; i < 2; i++) {
        held[i] = world_connect(door_port);
        assert_int_equal(send(held[i], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
        assert_true(recv(held[i], answer, 39, MSG_WAITALL) == 39 && strncmp(answer, "HTTP/1.1 200", 12) == 0);
    }
    must_hold("CONNECT good.test:PORT HTTP/1.1\r\n\r\n", "503 Service Unavailable");
    assert_non_null(strstr(answer, "more than 2 connections at the same time\ncure: close some, or raise the bound"));
    close(held[0]);
    do { /* the place is free as soon as the end is seen */
        send_text("GET http://good.test:PORT/ok HTTP/1.1\r\nHost: good.test:PORT\r\n\r\n");
    } while (strstr(answer, "503 "));
    assert_non_null(strstr(answer, "hello"));
    close(held[1]);
}

static void
doors_end(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str counts;
    char text[128];
    open_door("");
    int held = world_connect(door_port);
    snprintf(text, sizeof text, "CONNECT good.test:%u HTTP/1.1\r\n\r\n", (unsigned)server.port);
    assert_int_equal(send(held, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    assert_true(recv(held, answer, 39, MSG_WAITALL) == 39);
    close_door();
    assert_int_equal(recv(held, answer, 1, 0), 0); /* its connections end with it */
    close(held);
    assert_int_equal(vh_egress_close(egress, door, arena, &counts, &err), VIV_E_NOT_FOUND);
    uint16_t port = 0;
    assert_int_equal(
        vh_egress_open(egress, world_listen("127.0.0.1", &port), VH_STR("{\"allow\":[\"*\"]}"), &door, &err),
        VIV_E_INVALID);
    assert_non_null(strstr(err.text, "a task's way to the network: the allow list's entry '*'"));
    port = 0;
    assert_int_equal(vh_egress_open(egress, world_listen("127.0.0.1", &port), VH_STR("nonsense"), &door, &err),
                     VIV_E_INVALID);
    open_door("");
    assert_int_equal(kill(world_child("viv_egress_fake"), SIGKILL), 0);
    assert_int_equal(vh_egress_close(egress, door, arena, &counts, &err), VIV_E_UNAVAILABLE);
    open_door(""); /* started again */
    must_hold("GET http://good.test:PORT/ok HTTP/1.1\r\nHost: good.test:PORT\r\n\r\n", "hello");
    close_door();
}

/* ---- inside a network namespace ---- */

static int
lo_up(void)
{
    struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
    int code = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return code;
}

/* A task: its own namespace, the door's socket is made in there and passed out; nothing else leads outside. */
static int
be_task(int channel, uint16_t server_port)
{
    char byte = 'x', text[256];
    uint16_t port = 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) || lo_up()) {
        return 77;
    }
    int listener = world_listen("127.0.0.1", &port);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec part = { &port, sizeof port };
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *right = CMSG_FIRSTHDR(&header);
    right->cmsg_level = SOL_SOCKET;
    right->cmsg_type = SCM_RIGHTS;
    right->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(right), &listener, sizeof listener);
    if (sendmsg(channel, &header, 0) < 0 || recv(channel, &byte, 1, 0) != 1) {
        return 1;
    }
    close(listener);
    struct sockaddr_in direct = { .sin_family = AF_INET,
                                  .sin_port = htons(server_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&direct, sizeof direct) == 0) {
        return 2; /* that would be the outside */
    }
    close(fd);
    fd = world_connect(port);
    snprintf(text, sizeof text, "GET http://good.test:%u/ok HTTP/1.1\r\nHost: good.test:%u\r\n\r\n",
             (unsigned)server_port, (unsigned)server_port);
    (void)world_talk(fd, text, answer, sizeof answer);
    close(fd);
    return strstr(answer, "hello") ? 0 : 3;
}

static void
a_task_in_its_namespace(void **state)
{
    (void)state;
    char rules[256];
    struct viv_error err = VIV_ERROR_INIT;
    int ends[2], listener = -1, status = 0;
    uint16_t port = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(be_task(ends[1], server.port));
    }
    close(ends[1]);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { &port, sizeof port };
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    bool came = recvmsg(ends[0], &header, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof port;
    if (came) {
        memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof listener);
        snprintf(rules, sizeof rules, "{\"allow\":[\"good.test:%u\",\"127.0.0.1:%u\"]}", (unsigned)server.port,
                 (unsigned)server.port);
        assert_int_equal(vh_egress_open(egress, listener, vh_str(rules), &door, &err), VIV_OK);
        assert_int_equal(send(ends[0], "x", 1, 0), 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    if (!came && WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* no namespaces for this user here; the other tests use plain loopback */
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(vh_json_int(close_door(), "connections", 0), 1);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_request_goes_on),        CASE(a_tunnel_goes_through),
        CASE(refusals_say_why),         CASE(a_head_is_bounded),
        CASE(another_name_in_a_tunnel), CASE(bytes_are_bounded),
        CASE(connections_are_bounded),  CASE(doors_end),
        CASE(a_task_in_its_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
