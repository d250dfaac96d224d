/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "run/pipeline.h"

#define LOOK_AGAIN_NS INT64_C(500000000) /* a retry time or a changed policy comes without a command */

struct worker {
    struct vh_workers *all;
    pthread_t thread;
    char name[16];
    char task[VIV_ID_MAX + 1]; /* guarded by the lock; "" is idle */
    char last[VIV_ID_MAX + 1]; /* guarded by the lock; in hand when it was time to stop */
    int64_t since_us;
    int64_t heartbeat_us;
    atomic_uint cancel;
    bool started;
    bool ended; /* guarded by the lock */
};

struct vh_workers {
    struct vh_run *run;
    pthread_mutex_t lock;
    atomic_uint stop;
    atomic_uint now; /* what runs stops too */
    int count;
    struct worker worker[VH_WORKERS_MAX];
};

static void
note(struct worker *worker, const char *task)
{
    const struct vh_seam *seam = worker->all->run->seam;
    pthread_mutex_lock(&worker->all->lock);
    if (atomic_load(&worker->all->stop)) {
        memcpy(worker->last, worker->task, sizeof worker->last); /* nothing is claimed after this one */
    }
    snprintf(worker->task, sizeof worker->task, "%s", task);
    worker->since_us = worker->heartbeat_us = seam->wall_us(seam->data);
    pthread_mutex_unlock(&worker->all->lock);
}

static viv_status
one_task(struct worker *worker, struct viv_error *err)
{
    struct vh_pipeline_watch watch = { &worker->cancel, worker->task, sizeof worker->task, &worker->all->lock,
                                       &worker->since_us };
    atomic_store(&worker->cancel, 0);
    if (atomic_load(&worker->all->now)) {
        atomic_store(&worker->cancel, 1); /* the word to stop may have come before the flag was cleared */
    }
    return vh_pipeline_claim(worker->all->run, vh_str(worker->name), (struct viv_str){ NULL, 0 }, &watch, err);
}

/* Half a second without a claim, unless it is time to stop. */
static void
pause_worker(struct worker *worker)
{
    struct vh_run *run = worker->all->run;
    int64_t until = run->seam->monotonic_ns(run->seam->data) + LOOK_AGAIN_NS;
    while (!atomic_load(&worker->all->stop) && run->seam->monotonic_ns(run->seam->data) < until) {
        int64_t seen = vh_sequencer_wait(run->sequencer, -1, 0);
        (void)vh_sequencer_wait(run->sequencer, seen, until);
    }
}

static void
take_tasks(struct worker *worker)
{
    struct vh_run *run = worker->all->run;
    while (!atomic_load(&worker->all->stop)) {
        struct viv_error err = VIV_ERROR_INIT;
        int64_t before = vh_sequencer_wait_task(run->sequencer, -1, 0);
        viv_status status = one_task(worker, &err);
        note(worker, "");
        if (status == VIV_E_FENCED || vh_sequencer_dead(run->sequencer, NULL)) {
            vh_log(VH_LOG_ERROR, "worker", "%s stops: %s", worker->name, err.text);
            return;
        }
        if (status == VIV_E_NOT_FOUND) {
            (void)vh_sequencer_wait_task(run->sequencer, before,
                                         run->seam->monotonic_ns(run->seam->data) + LOOK_AGAIN_NS);
        } else if (status) {
            /* Whatever others do meanwhile: what failed is not tried again at once. */
            vh_log(VH_LOG_WARNING, "worker", "%s", err.text);
            pause_worker(worker);
        }
    }
}

static void *
work(void *data)
{
    struct worker *worker = data;
    take_tasks(worker);
    pthread_mutex_lock(&worker->all->lock);
    worker->ended = true;
    pthread_mutex_unlock(&worker->all->lock);
    return NULL;
}

viv_status
vh_workers_start(struct vh_run *run, struct vh_arena *arena, int count, struct vh_workers **ret_workers,
                 struct viv_error *err)
{
    struct vh_workers *workers = vh_arena_alloc(arena, sizeof *workers);
    if (count < 1 || count > VH_WORKERS_MAX) {
        return vh_error_set(err, VIV_E_INVALID, "worker", "workers are %d, allowed 1 to %d", count, VH_WORKERS_MAX);
    }
    if (!workers) {
        return vh_error_set(err, VIV_E_MEMORY, "worker", "no memory for workers");
    }
    workers->run = run;
    workers->count = count;
    pthread_mutex_init(&workers->lock, NULL);
    for (int i = 0; i < count; i++) {
        struct worker *worker = &workers->worker[i];
        worker->all = workers;
        snprintf(worker->name, sizeof worker->name, "w%d", i + 1);
        worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
        if (!worker->started) {
            vh_workers_stop(workers, true);
            return vh_error_set(err, VIV_E_UNAVAILABLE, "worker",
                                "cannot start worker %d of %d: no thread or no memory is left", i + 1, count);
        }
    }
    *ret_workers = workers;
    return VIV_OK;
}

void
vh_workers_pause(struct vh_workers *workers)
{
    atomic_store(&workers->stop, 1);
    vh_sequencer_wake(workers->run->sequencer);
}

void
vh_workers_interrupt(struct vh_workers *workers)
{
    for (int i = 0; i < workers->count; i++) {
        atomic_store(&workers->worker[i].cancel, 1);
    }
}

void
vh_workers_hurry(struct vh_workers *workers)
{
    atomic_store(&workers->now, 1); /* first: who clears its flag for a new claim looks at this afterwards */
    vh_workers_interrupt(workers);
    vh_sequencer_wake(workers->run->sequencer);
}

void
vh_workers_stop(struct vh_workers *workers, bool now)
{
    if (!workers) {
        return;
    }
    vh_workers_pause(workers);
    if (now) {
        vh_workers_hurry(workers);
    }
    for (int i = 0; i < workers->count; i++) {
        if (workers->worker[i].started) {
            pthread_join(workers->worker[i].thread, NULL);
            workers->worker[i].started = false;
        }
    }
    pthread_mutex_destroy(&workers->lock);
}

void
vh_workers_cancel(struct vh_workers *workers, struct viv_str task)
{
    pthread_mutex_lock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        if (vh_str_is(task, workers->worker[i].task)) {
            atomic_store(&workers->worker[i].cancel, 1);
        }
    }
    pthread_mutex_unlock(&workers->lock);
}

int
vh_workers_busy(struct vh_workers *workers)
{
    int busy = 0;
    pthread_mutex_lock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        busy += workers->worker[i].task[0] != '\0';
    }
    pthread_mutex_unlock(&workers->lock);
    return busy;
}

bool
vh_workers_ended(struct vh_workers *workers)
{
    bool ended = true;
    pthread_mutex_lock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        ended = ended && workers->worker[i].ended;
    }
    pthread_mutex_unlock(&workers->lock);
    return ended;
}

struct vh_json *
vh_workers_last(struct vh_workers *workers, struct vh_arena *arena)
{
    struct vh_json *list = vh_json_array(arena);
    pthread_mutex_lock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        char *task = workers->worker[i].last[0] ? vh_arena_text(arena, workers->worker[i].last) : NULL;
        if (task) {
            vh_json_push(list, vh_json_string(arena, vh_str(task)));
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return list;
}

struct vh_json *
vh_workers_list(struct vh_workers *workers, struct vh_arena *arena)
{
    struct vh_json *list = vh_json_array(arena);
    pthread_mutex_lock(&workers->lock);
    for (int i = 0; i < workers->count; i++) {
        const struct worker *worker = &workers->worker[i];
        struct vh_json *item = vh_json_object(arena);
        vh_json_set_int(arena, item, "heartbeat_us", worker->heartbeat_us);
        vh_json_set_text(arena, item, "name", worker->name);
        vh_json_set_int(arena, item, "pid", workers->run->pid);
        vh_json_set_int(arena, item, "since_us", worker->since_us);
        vh_json_set_text(arena, item, "task", vh_arena_text(arena, worker->task));
        vh_json_push(list, item);
    }
    pthread_mutex_unlock(&workers->lock);
    return list;
}
