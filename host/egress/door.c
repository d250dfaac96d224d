/* SPDX-License-Identifier: Apache-2.0 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

#define MEMORY_MAX (1u << 20)
#define ACCEPT_AT_ONCE 16
#define ALL_CONNECTIONS_MAX 1024
#define TOLD_MAX 16                 /* connections over the door's bound that are told so at the same time */
#define PAUSE_NS INT64_C(100000000) /* when no descriptor is left */

struct door_host *
door_host(struct door *door, const struct place *place)
{
    char text[PLACE_TEXT_MAX];
    place_text(place, text);
    for (size_t i = 0; i < door->host_count; i++) {
        if (strcmp(door->hosts[i].host, text) == 0) {
            return &door->hosts[i];
        }
    }
    if (door->host_count == EW_HOSTS_MAX) {
        return &door->hosts[EW_HOSTS_MAX - 1];
    }
    struct door_host *host = &door->hosts[door->host_count++];
    snprintf(host->host, sizeof host->host, "%s", door->host_count == EW_HOSTS_MAX ? "others" : text);
    return host;
}

void
door_refused(struct door *door, const char *host, const char *why)
{
    struct door_refusal *refusal = NULL;
    for (size_t i = 0; i < door->refusal_count && !refusal; i++) {
        bool same = strcmp(door->refusals[i].host, host) == 0 && strncmp(door->refusals[i].why, why, EW_WHY_MAX) == 0;
        refusal = same ? &door->refusals[i] : NULL;
    }
    if (!refusal && door->refusal_count == EW_HOSTS_MAX) {
        refusal = &door->refusals[EW_HOSTS_MAX - 1];
    } else if (!refusal) {
        bool last = ++door->refusal_count == EW_HOSTS_MAX;
        refusal = &door->refusals[door->refusal_count - 1];
        snprintf(refusal->host, sizeof refusal->host, "%s", last ? "others" : host);
        snprintf(refusal->why, sizeof refusal->why, "%s", last ? "various" : why);
        vh_str_clean(refusal->why); /* it may have been cut inside a character */
    }
    refusal->times++;
}

uint64_t
door_left(const struct door *door)
{
    uint64_t used = door->in + door->out;
    return !door->bytes_max ? UINT64_MAX : used < door->bytes_max ? door->bytes_max - used : 0;
}

/* ---- counts ---- */

static void
set_count(struct vh_arena *arena, struct vh_json *object, const char *key, uint64_t count)
{
    vh_json_set_int(arena, object, key, count < VH_JSON_INTEGER_MAX ? (int64_t)count : VH_JSON_INTEGER_MAX);
}

static struct vh_json *
counts_json(struct door *door)
{
    struct vh_arena *arena = door->arena;
    struct vh_json *counts = vh_json_object(arena), *hosts = vh_json_array(arena), *refused = vh_json_array(arena);
    for (size_t i = 0; i < door->host_count; i++) {
        const struct door_host *host = &door->hosts[i];
        struct vh_json *one = vh_json_object(arena);
        set_count(arena, one, "bytes_in", host->in);
        set_count(arena, one, "bytes_out", host->out);
        set_count(arena, one, "connections", host->connections);
        vh_json_set_text(arena, one, "host", host->host);
        vh_json_push(hosts, one);
    }
    for (size_t i = 0; i < door->refusal_count; i++) {
        struct vh_json *one = vh_json_object(arena);
        vh_json_set_text(arena, one, "host", door->refusals[i].host);
        set_count(arena, one, "times", door->refusals[i].times);
        vh_json_set_text(arena, one, "why", door->refusals[i].why);
        vh_json_push(refused, one);
    }
    set_count(arena, counts, "bytes_in", door->in);
    set_count(arena, counts, "bytes_out", door->out);
    set_count(arena, counts, "connections", door->accepted);
    vh_json_set(counts, "hosts", hosts);
    vh_json_set(counts, "refused", refused);
    return counts;
}

/* The host says EW_CLOSE and gets the counts, or closes and gets nothing. Either way the door is shut;
 * its connections go with it before the next wait. */
static void
on_answer(void *data, short events)
{
    struct door *door = data;
    struct ew_frame frame = { 0, 0 };
    (void)events;
    ssize_t got = recv(door->answer, &frame, sizeof frame, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got == (ssize_t)sizeof frame && frame.kind == EW_CLOSE) {
        (void)channel_end(door->answer, VIV_OK, "", door->arena, counts_json(door)); /* the host sees an end as well */
    }
    door->dead = true;
}

static void
on_client(void *data, short events)
{
    struct door *door = data;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE && !door->dead; i++) {
        int client = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) {
            bool again = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
            door->listen_from_ns = again ? 0 : loop_now() + PAUSE_NS;
            return;
        }
        door->accepted++;
        if (door->open >= door->connections_max + TOLD_MAX || door->egress->connection_count >= ALL_CONNECTIONS_MAX) {
            door_refused(door, "", "too many connections at the same time");
            close(client);
        } else {
            connection_begin(door, client);
        }
    }
}

/* ---- life ---- */

static viv_status
read_rules(struct door *door, int fd, struct viv_error *err)
{
    struct viv_str text;
    struct vh_json *root = NULL;
    viv_status status = channel_file(door->arena, fd, EW_REQUEST_MAX / 4, &text, err);
    status = status ? status : vh_json_read(door->arena, text, &root, err);
    status = status ? status : rules_read(door->arena, vh_json_get(root, "allow"), &door->rules, err);
    if (status) {
        return status;
    }
    int64_t bytes = vh_json_int(root, "bytes_max", 0), connections = vh_json_int(root, "connections_max", 0);
    struct viv_str name = vh_json_str(root, "name");
    name.len = name.len < 96 ? name.len : 96;
    char *copy = vh_arena_text_of(door->arena, name);
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a door");
    }
    vh_str_clean(copy);
    door->name = copy;
    door->bytes_max = bytes > 0 ? (uint64_t)bytes : 0;
    door->connections_max =
        connections > 0 && connections < EW_CONNECTIONS_MAX ? (uint64_t)connections : EW_CONNECTIONS_MAX;
    if (fcntl(door->listener, F_SETFL, O_NONBLOCK) != 0) {
        return vh_error_errno(err, VIV_E_INVALID, "egress", "the door's socket cannot be used");
    }
    return VIV_OK;
}

void
door_begin(struct egress *egress, const int fds[EW_FDS_MAX])
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, MEMORY_MAX);
    struct door *door = vh_arena_alloc(arena, sizeof *door);
    viv_status status = VIV_E_MEMORY;
    if (door) {
        *door = (struct door){ .egress = egress, .arena = arena, .answer = fds[0], .listener = fds[2] };
        status = egress->door_count < EW_DOORS_MAX
                     ? read_rules(door, fds[1], &err)
                     : vh_error_set(&err, VIV_E_LIMIT, "egress", "%d doors are open already", EW_DOORS_MAX);
    }
    close(fds[1]);
    if (status == VIV_OK && channel_send(fds[0], EW_OPENED, VH_STR("")) == 1) {
        door->next = egress->doors;
        egress->doors = door;
        egress->door_count++;
        return;
    }
    if (door) {
        (void)channel_end(fds[0], status, err.text, arena, NULL); /* or the host sees an end */
    }
    close(fds[0]);
    close(fds[2]);
    vh_arena_destroy(arena);
}

void
door_watch(struct egress *egress)
{
    int64_t now = loop_now();
    for (struct door *door = egress->doors; door; door = door->next) {
        loop_watch(&egress->loop, door->answer, POLLIN, on_answer, door);
        if (door->listen_from_ns <= now) {
            loop_watch(&egress->loop, door->listener, POLLIN, on_client, door);
        } else {
            loop_until(&egress->loop, door->listen_from_ns);
        }
        connection_watch(door);
    }
}

void
door_sweep(struct egress *egress, bool all)
{
    for (struct door **at = &egress->doors; *at;) {
        struct door *door = *at;
        connection_sweep(door, all || door->dead);
        if (all || door->dead) {
            *at = door->next;
            egress->door_count--;
            close(door->answer);
            close(door->listener);
            vh_arena_destroy(door->arena);
        } else {
            at = &door->next;
        }
    }
}
