/* SPDX-License-Identifier: Apache-2.0 */
#include "egress.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

struct server {
    struct egress egress;
    struct channel_request request;
    bool over;
};

const struct secret *
egress_secret(const struct egress *egress, struct viv_str name)
{
    for (size_t i = 0; i < egress->secret_count; i++) {
        if (vh_str_is(name, egress->secrets[i].name)) {
            return &egress->secrets[i];
        }
    }
    return NULL;
}

static char *
copy_text(struct viv_str text)
{
    char *copy = malloc((size_t)text.len + 1);
    if (copy) {
        memcpy(copy, text.data, (size_t)text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static void
wipe(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

/* The host has checked it. What cannot be kept is not known, and who names it is refused. */
static void
keep_secret(struct egress *egress, const struct channel_request *request)
{
    struct secret secret = { .name = copy_text(request->name), .value = copy_text(request->value) };
    struct secret *place = NULL;
    for (size_t i = 0; i < egress->secret_count; i++) {
        place = vh_str_is(request->name, egress->secrets[i].name) ? &egress->secrets[i] : place;
    }
    bool good = secret.name && secret.value && place_read(request->place, 0, &secret.place, NULL) == VIV_OK;
    if (good && !place && egress->secret_count < EW_SECRETS_MAX) {
        place = &egress->secrets[egress->secret_count++];
        *place = (struct secret){ 0 };
    }
    if (place) { /* an old value is not what was meant any more */
        free(place->name);
        wipe(place->value);
        *place = good ? secret : (struct secret){ .name = copy_text(VH_STR("")) };
    }
    if (!good || !place) {
        free(secret.name);
        wipe(secret.value);
    }
}

static void
close_descriptors(const struct channel_request *request)
{
    for (size_t i = 0; i < request->fd_count; i++) {
        close(request->fds[i]);
    }
}

static void
on_channel(void *data, short events)
{
    struct server *server = data;
    struct channel_request *request = &server->request;
    (void)events;
    int taken = channel_take(server->egress.config.channel, request);
    if (taken == 0) {
        return;
    }
    bool three = request->fd_count == EW_FDS_MAX;
    if (taken > 0 && request->head.kind == EW_SECRET && request->fd_count == 0) {
        keep_secret(&server->egress, request);
        explicit_bzero(request->texts, sizeof request->texts);
    } else if (taken > 0 && request->head.kind == EW_EXCHANGE && three) {
        exchange_begin(&server->egress, request->fds);
    } else if (taken > 0 && request->head.kind == EW_DOOR && three) {
        door_begin(&server->egress, request->fds);
    } else {
        close_descriptors(request);
        server->over = true;
    }
}

static void
on_answers(void *data, short events)
{
    (void)events;
    resolver_ready(data);
}

static void
end(struct server *server)
{
    struct egress *egress = &server->egress;
    exchange_sweep(egress, true);
    door_sweep(egress, true);
    if (egress->net) {
        net_destroy(egress->net);
    }
    if (egress->resolver) {
        resolver_destroy(egress->resolver);
    }
    for (size_t i = 0; i < egress->secret_count; i++) {
        free(egress->secrets[i].name);
        wipe(egress->secrets[i].value);
    }
    loop_end(&egress->loop);
    free(server);
}

int
egress_serve(const struct egress_config *config)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        return 1;
    }
    struct egress *egress = &server->egress;
    (void)signal(SIGPIPE, SIG_IGN); /* libcurl's TLS writes to servers that have gone */
    egress->config = *config;
    egress->resolver = resolver_create(config->calls);
    egress->net = net_create(exchange_done);
    int code = egress->resolver && egress->net ? 0 : 1;
    while (code == 0 && !server->over) {
        loop_watch(&egress->loop, config->channel, POLLIN, on_channel, server);
        loop_watch(&egress->loop, resolver_fd(egress->resolver), POLLIN, on_answers, egress->resolver);
        net_watch(egress->net, &egress->loop);
        exchange_watch(egress);
        door_watch(egress);
        code = loop_wait(&egress->loop) ? 1 : 0;
        net_work(egress->net);
        exchange_sweep(egress, false);
        door_sweep(egress, false);
    }
    end(server);
    return code;
}
