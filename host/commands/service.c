/* SPDX-License-Identifier: Apache-2.0 */
/* States, as the manager sees them:  starting -> READY -> (RELOADING -> READY)* -> STOPPING.
 *
 * The watchdog has a thread of its own. Before each word it sends a request through the sequencer, which is answered
 * only after everything logged before it is on disk: a sequencer that hangs, or a disk that does, lets the watchdog
 * expire. A dead store answers, but with an error, and is not vouched for either. */
#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/notify.h"

#define LINES_MAX 1024
#define WAITS_EVERY_NS INT64_C(5000000000)
#define WAITS_US "60000000" /* more time, each time */

struct vh_service {
    const struct vh_seam *seam;
    struct vh_notify *notify;
    int64_t watchdog_ns; /* 0: none */
    int64_t waits_said_ns;
    bool stopping;
    struct vh_sequencer *sequencer;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop; /* guarded by the lock */
};

static int64_t
now_ns(const struct vh_service *service)
{
    return service->seam->monotonic_ns(service->seam->data);
}

/* The status stays one line, whatever it quotes. */
static void
say(struct vh_service *service, const char *state, const char *status)
{
    char clean[LINES_MAX / 2], text[LINES_MAX];
    snprintf(clean, sizeof clean, "%s", status);
    vh_str_clean(clean);
    snprintf(text, sizeof text, "%sSTATUS=%s", state, clean);
    vh_notify_send(service->notify, text);
}

/* ---- watchdog ---- */

static bool
stops(struct vh_service *service, int64_t at_ns)
{
    struct timespec until = { .tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000) };
    pthread_mutex_lock(&service->lock);
    int waited = 0;
    while (!service->stop && waited == 0) {
        waited = pthread_cond_timedwait(&service->changed, &service->lock, &until);
    }
    bool stop = service->stop;
    pthread_mutex_unlock(&service->lock);
    return stop;
}

static void *
watch(void *data)
{
    struct vh_service *service = data;
    int64_t next_ns;
    do {
        next_ns = now_ns(service) + service->watchdog_ns / 2;
        if (vh_sequencer_flush(service->sequencer, NULL) == VIV_OK) {
            vh_notify_send(service->notify, "WATCHDOG=1");
        }
    } while (!stops(service, next_ns));
    return NULL;
}

static void
start_watchdog(struct vh_service *service)
{
    if (!service->watchdog_ns || service->started) {
        return;
    }
    service->started = pthread_create(&service->thread, NULL, watch, service) == 0;
    if (!service->started) {
        vh_log(VH_LOG_ERROR, "service", "cannot start the watchdog's thread; the manager will end this host");
    }
}

/* ---- the environment ---- */

static viv_status
read_number(const char *name, const char *text, int64_t *ret_number, struct viv_error *err)
{
    char *end = NULL;
    long long number = text[0] >= '0' && text[0] <= '9' && strlen(text) <= 18 ? strtoll(text, &end, 10) : 0;
    if (number < 1 || *end != '\0' || number > INT64_MAX / 1000) {
        return vh_error_set(err, VIV_E_INVALID, "service", "%s is '%.40s', allowed: a whole number from 1", name, text);
    }
    *ret_number = number;
    return VIV_OK;
}

static viv_status
read_watchdog(struct vh_service *service, int64_t own_pid, struct viv_error *err)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t us = 0, whose = own_pid;
    viv_status status = usec ? read_number("WATCHDOG_USEC", usec, &us, err) : VIV_OK;
    if (status == VIV_OK && usec && pid) {
        status = read_number("WATCHDOG_PID", pid, &whose, err);
    }
    service->watchdog_ns = status == VIV_OK && whose == own_pid ? us * 1000 : 0;
    return status;
}

static struct vh_service *
make(struct vh_cli *cli)
{
    struct vh_service *service = vh_arena_alloc(cli->arena, sizeof *service);
    pthread_condattr_t monotonic;
    if (!service) {
        return NULL;
    }
    *service = (struct vh_service){ .seam = cli->app.seam };
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&service->lock, NULL);
    pthread_cond_init(&service->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return service;
}

viv_status
vh_service_begin(struct vh_cli *cli, struct vh_service **ret_service, struct viv_error *err)
{
    static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };
    const char *place = getenv(names[0]);
    struct vh_service *service = place && *place ? make(cli) : NULL;
    viv_status status = VIV_OK;
    if (place && *place && !service) {
        status = vh_error_set(err, VIV_E_MEMORY, "service", "no memory to start");
    } else if (service) {
        status = vh_notify_open(cli->app.seam, cli->arena, place, &service->notify, err);
    }
    if (status == VIV_OK && service) {
        status = read_watchdog(service, cli->app.user.pid, err);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsetenv(names[i]);
    }
    if (status == VIV_OK) {
        *ret_service = service;
    } else if (service) {
        vh_notify_close(service->notify);
    }
    return status;
}

/* ---- states ---- */

void
vh_service_waits(struct vh_service *service)
{
    if (!service || (service->waits_said_ns && now_ns(service) - service->waits_said_ns < WAITS_EVERY_NS)) {
        return;
    }
    service->waits_said_ns = now_ns(service);
    vh_notify_send(service->notify,
                   "STATUS=another vivhost has the home; waiting for it\nEXTEND_TIMEOUT_USEC=" WAITS_US);
}

void
vh_service_ready(struct vh_service *service, struct vh_sequencer *sequencer, const char *status)
{
    if (service) {
        service->sequencer = sequencer;
        say(service, "READY=1\n", status);
        start_watchdog(service);
    }
}

void
vh_service_reloading(struct vh_service *service)
{
    if (service) {
        char text[LINES_MAX];
        snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the policy again",
                 now_ns(service) / 1000);
        vh_notify_send(service->notify, text);
    }
}

void
vh_service_reloaded(struct vh_service *service, const char *status)
{
    if (service) {
        say(service, "READY=1\n", status);
    }
}

void
vh_service_stopping(struct vh_service *service, const char *status)
{
    if (service) {
        say(service, service->stopping ? "" : "STOPPING=1\n", status);
        service->stopping = true;
    }
}

void
vh_service_end(struct vh_service *service)
{
    if (!service) {
        return;
    }
    pthread_mutex_lock(&service->lock);
    service->stop = true;
    pthread_cond_signal(&service->changed);
    pthread_mutex_unlock(&service->lock);
    if (service->started) {
        pthread_join(service->thread, NULL);
        service->started = false;
    }
    vh_notify_close(service->notify);
    service->notify = NULL;
}
