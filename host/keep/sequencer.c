/* SPDX-License-Identifier: Apache-2.0 */
/* states of the thread:  waiting -> taking -> running each -> committing -> answering -> waiting
 *                                                         \-> dead (a commit failed): answers VIV_E_STORE for ever
 * An invariant that a command would break (core/invariant.h) ends in dead, too, but by way of committing: the command
 * is undone, what was decided before it is good and is kept. */
#include "sequencer_inside.h"

#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#define BATCH_MAX 128
#define FLUSH_US INT64_C(1000000)
#define CHECKPOINT_PAGES 4096 /* 8 MiB */

static int64_t
now_ns(const struct vh_sequencer *s)
{
    return s->seam->monotonic_ns(s->seam->data);
}

/* The request is its sender's again and may be gone at once. */
static void
answer(struct vh_request *request)
{
    (void)sem_post(&request->answered); /* fails for a count that nobody reaches */
}

/* Of a worker without a task no command of the others is to take a moment: it waits for `opened`. */
static void
wake_all(struct vh_sequencer *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_cond_broadcast(&s->opened);
}

static void
die(struct vh_sequencer *s, const struct viv_error *err)
{
    pthread_mutex_lock(&s->mutex);
    if (!s->dead) {
        s->dead = true;
        s->death = *err;
        vh_log(VH_LOG_ERROR, "store", "%s; no further work is admitted", err->text);
    }
    wake_all(s);
    pthread_mutex_unlock(&s->mutex);
}

static viv_status
ensure_open(struct vh_sequencer *s, int64_t epoch, struct viv_error *err)
{
    if (vh_store_open_batch(s->store)) {
        return VIV_OK;
    }
    s->open_since_ns = now_ns(s);
    return vh_store_begin(s->store, epoch, err);
}

static void
run_one(struct vh_sequencer *s, struct vh_request *request)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool flush = request->kind == FLUSH;
    bool writes = request->kind == COMMAND;
    request->status = arena ? !writes ? VIV_OK : ensure_open(s, s->epoch, &request->err)
                            : vh_error_set(&request->err, VIV_E_MEMORY, "command", "no memory for a command");
    if (request->status == VIV_OK && request->kind == COMMAND) {
        vh_sequencer_tick(s);
    }
    if (request->status == VIV_OK && request->kind == COMMAND) {
        request->status = vh_sequencer_run_command(s, request, arena);
        if (request->status && vh_store_release(s->store, &request->err)) {
            request->status = VIV_E_STORE;
        }
        bool kept = request->status == VIV_OK || request->command->key.len;
        request->sync = kept && vh_step_sync(request->command);
        if (request->status == VIV_E_INTERNAL) {
            s->broken = request->sync = true; /* told when what was good is on disk */
            s->death = request->err;
        }
    } else if (request->status == VIV_OK && request->kind == ASK) {
        request->status = vh_sequencer_next_ask(s, request->task, request->arena, &request->answer.ask, &request->err);
    }
    if (request->status == VIV_OK && request->kind == READ) {
        request->status = request->read(request->read_data, s->store, &request->err);
    }
    request->sync = request->sync || flush;
    vh_arena_destroy(arena);
    if (vh_store_dead(s->store)) {
        die(s, &request->err);
    }
}

/* On the sequencer's thread, after something was logged or committed. */
static void
changed(struct vh_sequencer *s, int64_t committed)
{
    int64_t openings = vh_store_openings(s->store);
    pthread_mutex_lock(&s->mutex);
    s->changes++;
    if (openings != s->openings_seen) {
        s->openings++;
        pthread_cond_broadcast(&s->opened);
    }
    if (committed) {
        s->committed = committed;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    s->openings_seen = openings;
}

static viv_status
commit(struct vh_sequencer *s, struct viv_error *err)
{
    if (!vh_store_open_batch(s->store)) {
        return VIV_OK;
    }
    VH_PLACE(s->seam, "sequencer.before-commit");
    viv_status status = vh_store_commit(s->store, s->epoch, s->time_us, err);
    if (status) {
        die(s, err);
        return status;
    }
    VH_PLACE(s->seam, "sequencer.after-commit");
    changed(s, vh_store_seq(s->store));
    int pages = vh_store_wal_pages(s->store);
    s->pages_moved = pages < s->pages_moved ? 0 : s->pages_moved; /* fewer than before: it has begun anew */
    if (pages - s->pages_moved >= CHECKPOINT_PAGES) {
        struct viv_error ignored = VIV_ERROR_INIT;
        s->pages_moved = pages;
        (void)vh_store_checkpoint(s->store, &ignored); /* tried again later; a real fault shows at the next commit */
    }
    return VIV_OK;
}

/* Run what was taken; logged answers go out at once, the others after the commit. */
static void
run_batch(struct vh_sequencer *s, struct vh_request **batch, size_t count)
{
    struct viv_error err = VIV_ERROR_INIT;
    bool sync = false;
    for (size_t i = 0; i < count; i++) {
        struct vh_request *request = batch[i];
        if (s->dead || s->broken) {
            request->status = vh_error_set(&request->err, VIV_E_STORE, "store", "%s", s->death.text);
        } else {
            run_one(s, request);
        }
        sync = sync || request->sync;
        if (!request->sync) {
            batch[i] = NULL;
            if (request->kind == COMMAND && request->status == VIV_OK) {
                changed(s, 0);
            }
            answer(request);
        }
    }
    viv_status status = (sync || s->broken) && !s->dead ? commit(s, &err) : VIV_OK;
    if (s->broken && status == VIV_OK && !s->dead) {
        struct viv_error death = s->death;
        die(s, &death);
    } else if (s->dead) {
        status = VIV_E_STORE; /* also for those that ran before the store died: nothing of this batch is on disk */
        err = s->death;
    }
    for (size_t i = 0; i < count; i++) {
        if (batch[i]) {
            if (status) {
                batch[i]->status = vh_error_set(&batch[i]->err, VIV_E_STORE, "store", "%s", err.text);
            }
            batch[i]->answer.synced = status == VIV_OK;
            answer(batch[i]);
        }
    }
}

/* Wait for requests, for the end, or for the time to sync what is only logged. Called with the mutex held. */
static bool
wait_for_work(struct vh_sequencer *s)
{
    while (!s->first && !s->stop) {
        bool open = vh_store_open_batch(s->store) && !s->dead;
        int64_t left_ns = open ? s->open_since_ns + s->options.flush_us * 1000 - now_ns(s) : 0;
        if (open && left_ns <= 0) {
            return true;
        }
        if (!open) {
            pthread_cond_wait(&s->arrived, &s->mutex);
            continue;
        }
        int64_t until_ns = now_ns(s) + left_ns;
        struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                                  .tv_nsec = (long)(until_ns % 1000000000) };
        pthread_cond_timedwait(&s->arrived, &s->mutex, &until);
    }
    return s->first || !s->stop;
}

static void *
run(void *data)
{
    struct vh_sequencer *s = data;
    struct vh_request *batch[BATCH_MAX];
    for (;;) {
        size_t count = 0;
        pthread_mutex_lock(&s->mutex);
        bool more = wait_for_work(s);
        while (s->first && count < BATCH_MAX) {
            batch[count++] = s->first;
            s->first = s->first->next;
        }
        if (!s->first) {
            s->last = &s->first;
        }
        pthread_mutex_unlock(&s->mutex);
        run_batch(s, batch, count);
        bool due = vh_store_open_batch(s->store) &&
                   now_ns(s) - s->open_since_ns >= s->options.flush_us * 1000;
        struct viv_error err = VIV_ERROR_INIT;
        if ((due || !more) && !s->dead) {
            (void)commit(s, &err); /* die() has recorded a failure */
        }
        if (!more) {
            return NULL;
        }
    }
}

static viv_status
submit(struct vh_sequencer *s, struct vh_request *request, struct viv_error *err)
{
    (void)sem_init(&request->answered, 0, 0); /* cannot fail within one process */
    pthread_mutex_lock(&s->mutex);
    bool taken = !s->stop;
    if (taken) {
        *s->last = request;
        s->last = &request->next;
    }
    pthread_mutex_unlock(&s->mutex);
    if (taken) {
        pthread_cond_signal(&s->arrived); /* without the lock: whom it wakes wants that */
        while (sem_wait(&request->answered)) { /* a signal came */
        }
    } else {
        request->status = vh_error_set(&request->err, VIV_E_CANCELLED, "host", "the host is stopping");
    }
    (void)sem_destroy(&request->answered); /* cannot fail: nobody waits */
    if (request->status && err) {
        *err = request->err;
    }
    return request->status;
}

viv_status
vh_sequencer_call(struct vh_sequencer *sequencer, const struct vh_command *command, bool want_ask,
                  struct vh_arena *arena, struct vh_answer *ret_answer, struct viv_error *err)
{
    struct vh_request request = { .kind = COMMAND, .command = command, .want_ask = want_ask, .arena = arena };
    viv_status status = submit(sequencer, &request, err);
    if (status == VIV_OK || request.answer.repeated) {
        *ret_answer = request.answer;
    }
    return status;
}

viv_status
vh_sequencer_ask(struct vh_sequencer *sequencer, struct viv_str task, struct vh_arena *arena, struct vh_ask *ret_ask,
                 struct viv_error *err)
{
    struct vh_request request = { .kind = ASK, .task = task, .arena = arena };
    viv_status status = submit(sequencer, &request, err);
    if (status == VIV_OK) {
        *ret_ask = request.answer.ask;
    }
    return status;
}

viv_status
vh_sequencer_read(struct vh_sequencer *sequencer, vh_sequencer_reader read, void *data, struct viv_error *err)
{
    struct vh_request request = { .kind = READ, .read = read, .read_data = data };
    return submit(sequencer, &request, err);
}

viv_status
vh_sequencer_flush(struct vh_sequencer *sequencer, struct viv_error *err)
{
    struct vh_request request = { .kind = FLUSH };
    return submit(sequencer, &request, err);
}

int64_t
vh_sequencer_epoch(const struct vh_sequencer *sequencer)
{
    return sequencer->epoch;
}

int64_t
vh_sequencer_committed(struct vh_sequencer *sequencer)
{
    pthread_mutex_lock(&sequencer->mutex);
    int64_t committed = sequencer->committed;
    pthread_mutex_unlock(&sequencer->mutex);
    return committed;
}

/* `number` is guarded by the mutex; whoever raises it signals `raised`. */
static int64_t
wait_for(struct vh_sequencer *s, const int64_t *number, pthread_cond_t *raised, int64_t seen, int64_t deadline_ns)
{
    struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000),
                              .tv_nsec = (long)(deadline_ns % 1000000000) };
    pthread_mutex_lock(&s->mutex);
    int waited = 0;
    while (*number == seen && !s->dead && !s->stop && waited == 0) {
        waited = pthread_cond_timedwait(raised, &s->mutex, &until);
    }
    int64_t now = *number;
    pthread_mutex_unlock(&s->mutex);
    return now;
}

int64_t
vh_sequencer_wait(struct vh_sequencer *sequencer, int64_t seen, int64_t deadline_ns)
{
    return wait_for(sequencer, &sequencer->changes, &sequencer->changed, seen, deadline_ns);
}

int64_t
vh_sequencer_wait_task(struct vh_sequencer *sequencer, int64_t seen, int64_t deadline_ns)
{
    return wait_for(sequencer, &sequencer->openings, &sequencer->opened, seen, deadline_ns);
}

void
vh_sequencer_wake(struct vh_sequencer *sequencer)
{
    pthread_mutex_lock(&sequencer->mutex);
    sequencer->changes++;
    sequencer->openings++;
    wake_all(sequencer);
    pthread_mutex_unlock(&sequencer->mutex);
}

bool
vh_sequencer_dead(struct vh_sequencer *sequencer, struct viv_error *ret_error)
{
    pthread_mutex_lock(&sequencer->mutex);
    bool dead = sequencer->dead;
    if (dead && ret_error) {
        *ret_error = sequencer->death;
    }
    pthread_mutex_unlock(&sequencer->mutex);
    return dead;
}

/* host.started or host.stopped, before the thread runs or after it ended. */
static viv_status
host_event(struct vh_sequencer *s, struct viv_str kind, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *data = arena ? vh_json_object(arena) : NULL;
    vh_json_set_int(arena, data, "epoch", s->epoch);
    vh_json_set_int(arena, data, "pid", s->options.pid);
    if (!data || data->failed) {
        vh_arena_destroy(arena);
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to note a host");
    }
    struct vh_command command = { .kind = kind, .actor = s->self, .data = data };
    struct vh_answer ignored = { 0 };
    struct vh_hash none = { { 0 } };
    bool starts = vh_str_is(kind, "host.started");
    viv_status status = ensure_open(s, starts ? 0 : s->epoch, err);
    if (status == VIV_OK) {
        vh_sequencer_tick(s);
        status = vh_sequencer_run_step(s, &command, arena, &none, NULL, &ignored, err);
    }
    vh_arena_destroy(arena);
    return status ? status : commit(s, err);
}

static viv_status
next_epoch(struct vh_sequencer *s, struct vh_arena *arena, struct viv_error *err)
{
    struct vh_state_ops state = vh_store_state(s->store);
    struct viv_str text;
    viv_status status = state.get_fact(state.data, arena, "epoch", &text, err);
    for (uint64_t i = 0; status == VIV_OK && i < text.len; i++) {
        s->epoch = s->epoch * 10 + (text.data[i] - '0');
    }
    s->epoch++;
    return status;
}

viv_status
vh_sequencer_start(const struct vh_seam *seam, struct vh_store *store, struct vh_arena *arena,
                   const struct vh_sequencer_options *options, struct vh_sequencer **ret_sequencer,
                   struct viv_error *err)
{
    struct vh_sequencer *s = vh_arena_alloc(arena, sizeof *s);
    if (!s) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    s->seam = seam;
    s->store = store;
    s->options = *options;
    s->options.flush_us = options->flush_us ? options->flush_us : FLUSH_US;
    s->self = (struct vh_actor){ VH_STR("host"), VH_STR("vivhost"), options->uid, options->pid };
    s->last = &s->first;
    s->time_us = vh_store_time_us(store);
    s->tick_ns = seam->monotonic_ns(seam->data);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->arrived, &monotonic);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_cond_init(&s->opened, &monotonic);
    pthread_condattr_destroy(&monotonic);
    viv_status status = next_epoch(s, arena, err);
    if (status == VIV_OK) {
        status = host_event(s, VH_STR("host.started"), err);
    }
    if (status == VIV_OK && pthread_create(&s->thread, NULL, run, s)) {
        status = vh_error_set(err, VIV_E_UNAVAILABLE, "host",
                              "cannot start the sequencer's thread: no thread or no memory is left");
    }
    if (status == VIV_OK) {
        *ret_sequencer = s;
    }
    return status;
}

viv_status
vh_sequencer_stop(struct vh_sequencer *sequencer, struct viv_error *err)
{
    struct vh_sequencer *s = sequencer;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->arrived);
    wake_all(s);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    struct viv_error own = VIV_ERROR_INIT;
    err = err ? err : &own;
    viv_status status = s->dead ? vh_error_set(err, VIV_E_STORE, "store", "%s", s->death.text)
                                : host_event(s, VH_STR("host.stopped"), err);
    return status; /* lock and conditions live on with the arena: whoever calls late is told that the host stops */
}
