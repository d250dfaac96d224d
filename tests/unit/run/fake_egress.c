/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_egress.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"

struct door {
    pthread_t thread;
    int listener;
    int end[2]; /* written to when it is to end */
    char rules[4096];
    int64_t bytes_in, bytes_out, connections, refused;
    char refused_host[300];
};

static struct door *doors[16];
static int door_count;
static char last_rules[4096];
static viv_status fail_open, fail_close;

struct vh_egress {
    int nothing;
};

struct vh_egress *
fake_egress(void)
{
    static struct vh_egress egress;
    return &egress;
}

const char *
fake_egress_rules(void)
{
    return last_rules;
}

int
fake_egress_open_doors(void)
{
    return door_count;
}

void
fake_egress_fail(viv_status at_open, viv_status at_close)
{
    fail_open = at_open;
    fail_close = at_close;
}

/* "GET http://HOST:PORT/..." and an answer. */
static void
serve_one(struct door *door, int fd)
{
    char text[2048] = "", host[300] = "", quoted[310];
    ssize_t got = 0, more = 1;
    while (more > 0 && got < (ssize_t)sizeof text - 1 && !strstr(text, "\r\n\r\n")) {
        more = read(fd, text + got, sizeof text - 1 - (size_t)got);
        got += more > 0 ? more : 0;
    }
    const char *at = got > 0 ? strstr(text, "http://") : NULL;
    if (at) {
        snprintf(host, sizeof host, "%.*s", (int)strcspn(at + 7, "/ "), at + 7);
    }
    snprintf(quoted, sizeof quoted, "\"%s\"", host);
    bool allowed = host[0] && strstr(door->rules, quoted);
    const char *answer = allowed ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfake\n"
                                 : "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n";
    door->bytes_out += got > 0 ? got : 0;
    door->bytes_in += write(fd, answer, strlen(answer)) > 0 ? (int64_t)strlen(answer) : 0;
    door->connections++;
    if (!allowed) {
        door->refused++;
        snprintf(door->refused_host, sizeof door->refused_host, "%s", host);
    }
}

static void *
serve(void *data)
{
    struct door *door = data;
    for (;;) {
        struct pollfd polled[] = { { .fd = door->listener, .events = POLLIN },
                                   { .fd = door->end[0], .events = POLLIN } };
        if (poll(polled, 2, -1) < 0 || polled[1].revents) {
            return NULL;
        }
        int fd = accept(door->listener, NULL, NULL);
        if (fd >= 0) {
            serve_one(door, fd);
            close(fd);
        }
    }
}

viv_status
vh_egress_create(const struct vh_egress_config *config, struct vh_egress **ret_egress, struct viv_error *err)
{
    (void)config;
    (void)err;
    *ret_egress = fake_egress();
    return VIV_OK;
}

void
vh_egress_destroy(struct vh_egress *egress)
{
    (void)egress;
}

viv_status
vh_egress_open(struct vh_egress *egress, int listener, struct viv_str rules_json, uint64_t *ret_door,
               struct viv_error *err)
{
    (void)egress;
    int at = 0;
    while (at < 16 && doors[at]) {
        at++;
    }
    struct door *door = fail_open || at == 16 ? NULL : calloc(1, sizeof *door);
    if (!door || pipe2(door->end, O_CLOEXEC)) {
        free(door);
        close(listener);
        return vh_error_set(err, fail_open ? fail_open : VIV_E_LIMIT, "egress", "the fake proxy opens no door");
    }
    snprintf(door->rules, sizeof door->rules, "%.*s", VH_STR_ARGS(rules_json));
    snprintf(last_rules, sizeof last_rules, "%s", door->rules);
    door->listener = listener;
    doors[at] = door;
    door_count++;
    *ret_door = (uint64_t)at;
    return pthread_create(&door->thread, NULL, serve, door) ? VIV_E_MEMORY : VIV_OK;
}

viv_status
vh_egress_close(struct vh_egress *egress, uint64_t number, struct vh_arena *arena, struct viv_str *ret_counts_json,
                struct viv_error *err)
{
    (void)egress;
    struct door *door = doors[number];
    ssize_t put = write(door->end[1], "x", 1);
    (void)put; /* an empty pipe takes it */
    pthread_join(door->thread, NULL);
    close(door->listener);
    close(door->end[0]);
    close(door->end[1]);
    doors[number] = NULL;
    door_count--;
    char *text = vh_arena_format(
        arena, "{\"bytes_in\":%lld,\"bytes_out\":%lld,\"connections\":%lld,\"hosts\":[],\"refused\":[",
        (long long)door->bytes_in, (long long)door->bytes_out, (long long)door->connections);
    if (text && door->refused) {
        text = vh_arena_format(arena, "%s{\"host\":\"%s\",\"times\":%lld,\"why\":\"not allowed\"}", text,
                               door->refused_host, (long long)door->refused);
    }
    text = text ? vh_arena_format(arena, "%s]}", text) : NULL;
    free(door);
    if (fail_close || !text) {
        return vh_error_set(err, fail_close ? fail_close : VIV_E_MEMORY, "egress", "the fake proxy has ended");
    }
    *ret_counts_json = vh_str(text);
    return VIV_OK;
}
