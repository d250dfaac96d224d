/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two workers hold one task, a repeated command happens twice, a host cannot be stopped while it is
 * busy, or somebody is told 'done' by a store that has failed. Meant to be run under the thread sanitizer, too. */
#include "../../support/cm.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../../support/cut_vfs.h"
#include "../../support/home.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/reader.h"
#include "keep/sequencer_inside.h"
#include "keep/store_inside.h"

#define THREADS 8
#define ROUNDS 25
#define SUBMIT "{\"goal\":\"g\",\"attempts_max\":1}"

struct sender {
    pthread_t thread;
    struct home *home;
    int number;
    int64_t first; /* answers that were not repeats */
    int64_t repeats;
    char claimed[ROUNDS][32];
    int claims;
    char problem[512];
    viv_status last;
    int64_t answered;
};

static void
start_all(struct sender *senders, struct home *home, void *(*work)(void *data))
{
    for (int i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){ .home = home, .number = i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, work, &senders[i]), 0);
    }
}

static void
join_all(struct sender *senders)
{
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        assert_string_equal(senders[i].problem, "");
    }
}

/* All threads say the same things under the same keys, and claim whatever there is. */
static void *
say_and_claim(void *data)
{
    struct sender *s = data;
    for (int i = 0; i < ROUNDS; i++) {
        char task[32], key[32];
        struct vh_answer answer = { 0 };
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        snprintf(task, sizeof task, "t%d", i);
        snprintf(key, sizeof key, "k%d", i);
        const struct home_words words = { "task.submitted", task, key, SUBMIT };
        if (home_say_in(s->home, arena, &words, &answer, &err)) {
            snprintf(s->problem, sizeof s->problem, "%s", err.text);
        }
        s->first += !answer.repeated;
        s->repeats += answer.repeated;
        answer = (struct vh_answer){ 0 };
        const struct home_words claim = { "task.claimed", "", "", "{\"worker\":\"w\"}" };
        viv_status status = home_say_in(s->home, arena, &claim, &answer, &err);
        if (status == VIV_OK) {
            snprintf(s->claimed[s->claims++], 32, "%.*s", VH_STR_ARGS(answer.task));
        } else if (status != VIV_E_NOT_FOUND) {
            snprintf(s->problem, sizeof s->problem, "%s", err.text);
        }
        vh_arena_destroy(arena);
    }
    return NULL;
}

static void
one_holder_and_one_first_answer(void **state)
{
    (void)state;
    struct home home;
    struct sender senders[THREADS];
    home_new(&home);
    start_all(senders, &home, say_and_claim);
    join_all(senders);
    int64_t first = 0, repeats = 0, claims = 0;
    for (int i = 0; i < THREADS; i++) {
        first += senders[i].first;
        repeats += senders[i].repeats;
        claims += senders[i].claims;
        for (int c = 0; c < senders[i].claims; c++) {
            for (int o = 0; o < THREADS; o++) {
                for (int d = 0; d < senders[o].claims; d++) {
                    assert_true((o == i && d == c) || strcmp(senders[o].claimed[d], senders[i].claimed[c]) != 0);
                }
            }
        }
    }
    assert_int_equal(first, ROUNDS);
    assert_int_equal(repeats, (THREADS - 1) * ROUNDS);
    assert_int_equal(claims, ROUNDS);
    home_end(&home);
}

/* Until it is told that the host stops. */
static void *
say_for_ever(void *data)
{
    struct sender *s = data;
    for (int i = 0; s->last == VIV_OK; i++) {
        char task[32];
        struct vh_answer answer = { 0 };
        struct viv_error err = VIV_ERROR_INIT;
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        snprintf(task, sizeof task, "t%d-%d", s->number, i);
        const struct home_words words = { "task.submitted", task, "", SUBMIT };
        s->last = home_say_in(s->home, arena, &words, &answer, &err);
        s->answered += s->last == VIV_OK;
        if (s->last && s->last != VIV_E_CANCELLED) {
            snprintf(s->problem, sizeof s->problem, "%s", err.text);
        }
        vh_arena_destroy(arena);
    }
    return NULL;
}

static bool
count_task(void *data, const struct vh_task *task)
{
    (void)task;
    ++*(int64_t *)data;
    return true;
}

static void
a_busy_host_stops_and_keeps_its_word(void **state)
{
    (void)state;
    struct home home;
    struct sender senders[THREADS];
    home_new(&home);
    start_all(senders, &home, say_for_ever);
    int64_t seen = 0;
    struct vh_seam seam = *vh_seam_real();
    while (vh_sequencer_committed(home.sequencer) < 100) {
        seen = vh_sequencer_wait(home.sequencer, seen, seam.monotonic_ns(seam.data) + INT64_C(10000000000));
    }
    assert_int_equal(vh_sequencer_stop(home.sequencer, NULL), VIV_OK);
    join_all(senders);
    int64_t answered = 0, there = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(senders[i].last, VIV_E_CANCELLED);
        answered += senders[i].answered;
    }
    struct viv_str all = { NULL, 0 };
    assert_int_equal(vh_reader_tasks(home.store, home.arena, all, 0, count_task, &there, NULL), VIV_OK);
    assert_int_equal(there, answered);
    home_check(home.store);
    vh_store_close(home.store);
    vh_arena_destroy(home.arena);
    home_open(&home);
    home_end(&home);
}

/* ---- a store that fails ---- */

static int
set_up(void **state)
{
    (void)state;
    cut_vfs_register();
    return 0;
}

/* A home on the disk that can be told to fail; its folder is nowhere. */
static void
open_failing(struct home *home, bool again)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = { .pid = 1 };
    if (!again) {
        cut_vfs_reset();
    }
    *home = (struct home){ .arena = vh_arena_create(NULL, 0) };
    assert_int_equal(vh_store_open(home->arena, "failing.db", CUT_VFS_NAME, &home->store, &err), VIV_OK);
    assert_int_equal(vh_sequencer_start(vh_seam_real(), home->store, home->arena, &options, &home->sequencer, &err),
                     VIV_OK);
}

static void
close_failing(struct home *home, viv_status wanted)
{
    assert_int_equal(vh_sequencer_stop(home->sequencer, NULL), wanted);
    vh_store_close(home->store);
    vh_arena_destroy(home->arena);
}

static viv_status
submit(struct home *home, const char *task, struct viv_error *err)
{
    struct vh_answer answer = { 0 };
    *err = (struct viv_error)VIV_ERROR_INIT;
    return home_say(home, "task.submitted", task, "", SUBMIT, &answer, err);
}

/* One failed sync, one full disk: nobody is told 'done' then or later, though the disk would work again. */
static void
a_failed_store_never_says_done(void **state)
{
    (void)state;
    static const struct {
        const char *kinds;
        int code;
        const char *says;
    } faults[] = { { "s", SQLITE_IOERR_FSYNC, "the event log failed: disk I/O error" },
                   { "w", SQLITE_FULL, "the event log failed: database or disk is full" },
                   { "w", SQLITE_IOERR_WRITE, "the event log failed: disk I/O error" } };
    vh_log_level(VH_LOG_ERROR + 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct home home;
        struct viv_error err;
        struct sender senders[THREADS];
        open_failing(&home, false);
        assert_int_equal(submit(&home, "before", &err), VIV_OK);
        cut_vfs_fault(1, faults[i].code, false, faults[i].kinds);
        assert_int_equal(submit(&home, "during", &err), VIV_E_STORE);
        assert_non_null(strstr(err.text, faults[i].says));
        assert_int_equal(submit(&home, "after", &err), VIV_E_STORE);
        start_all(senders, &home, say_for_ever);
        for (int t = 0; t < THREADS; t++) {
            assert_int_equal(pthread_join(senders[t].thread, NULL), 0);
            assert_int_equal(senders[t].last, VIV_E_STORE);
            assert_int_equal(senders[t].answered, 0);
        }
        assert_true(vh_sequencer_dead(home.sequencer, &err));
        assert_int_equal(vh_sequencer_flush(home.sequencer, &err), VIV_E_STORE);
        close_failing(&home, VIV_E_STORE);
        cut_vfs_plan(1);
        cut_vfs_resolve(2); /* whatever the disk kept: */
        open_failing(&home, true);
        struct vh_task task;
        struct vh_state_ops ops = vh_store_state(home.store);
        assert_int_equal(vh_sequencer_flush(home.sequencer, &err), VIV_OK);
        assert_int_equal(submit(&home, "before", &err), VIV_E_EXISTS);
        assert_int_equal(vh_sequencer_stop(home.sequencer, NULL), VIV_OK);
        assert_int_equal(ops.get_task(ops.data, home.arena, VH_STR("after"), &task, NULL), VIV_E_NOT_FOUND);
        home_check(home.store);
        vh_store_close(home.store);
        vh_arena_destroy(home.arena);
    }
    vh_log_level(VH_LOG_WARNING);
}

/* ---- the store dies in the middle of a batch ---- */

struct gate {
    struct vh_seam seam;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool closed;  /* the sequencer waits before its next commit */
    bool waiting; /* it does */
    int64_t fatal_seq; /* the statement after this event is interrupted */
    bool fatal;
};

static void
place(void *data, const char *name)
{
    struct gate *gate = data;
    if (strcmp(name, "sequencer.before-commit") != 0) {
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    gate->waiting = gate->closed;
    pthread_cond_broadcast(&gate->moved);
    while (gate->closed) {
        pthread_cond_wait(&gate->moved, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

static int64_t
wall(void *data)
{
    (void)data;
    return vh_seam_real()->wall_us(vh_seam_real()->data);
}

static int64_t
monotonic(void *data)
{
    (void)data;
    return vh_seam_real()->monotonic_ns(vh_seam_real()->data);
}

static void
saw_row(void *data, int action, char const *database, char const *table, sqlite3_int64 row)
{
    struct gate *gate = data;
    (void)action;
    (void)database;
    if (strcmp(table, "events") == 0 && gate->fatal_seq && row == gate->fatal_seq) {
        gate->fatal = true;
    }
}

static int
stop_statement(void *data)
{
    return ((struct gate *)data)->fatal;
}

static void *
submit_one(void *data)
{
    struct sender *s = data;
    struct viv_error err;
    struct vh_answer answer = { 0 };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    char task[32];
    snprintf(task, sizeof task, "t%d", s->number);
    err = (struct viv_error)VIV_ERROR_INIT;
    const struct home_words words = { "task.submitted", task, "", SUBMIT };
    s->last = home_say_in(s->home, arena, &words, &answer, &err);
    s->answered = answer.synced;
    vh_arena_destroy(arena);
    return NULL;
}

/* Requests that wait, read under the lock. */
static int
queued(struct vh_sequencer *sequencer)
{
    int count = 0;
    pthread_mutex_lock(&sequencer->mutex);
    for (struct vh_request *r = sequencer->first; r; r = r->next) {
        count++;
    }
    pthread_mutex_unlock(&sequencer->mutex);
    return count;
}

static void
nobody_of_a_dying_batch_is_told_done(void **state)
{
    (void)state;
    struct home home = { .arena = vh_arena_create(NULL, 0) };
    struct gate gate = { .seam = *vh_seam_real(),
                         .mutex = PTHREAD_MUTEX_INITIALIZER,
                         .moved = PTHREAD_COND_INITIALIZER };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = { .pid = 1 };
    struct sender senders[4];
    vh_log_level(VH_LOG_ERROR + 1);
    gate.seam.data = &gate;
    gate.seam.place = place;
    gate.seam.wall_us = wall;
    gate.seam.monotonic_ns = monotonic;
    cut_vfs_reset();
    assert_int_equal(vh_store_open(home.arena, "dying.db", CUT_VFS_NAME, &home.store, &err), VIV_OK);
    sqlite3_update_hook(home.store->db, saw_row, &gate);
    sqlite3_progress_handler(home.store->db, 1, stop_statement, &gate);
    assert_int_equal(vh_sequencer_start(&gate.seam, home.store, home.arena, &options, &home.sequencer, &err),
                     VIV_OK);
    pthread_mutex_lock(&gate.mutex);
    gate.closed = true;
    pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < 4; i++) {
        senders[i] = (struct sender){ .home = &home, .number = i };
    }
    assert_int_equal(pthread_create(&senders[0].thread, NULL, submit_one, &senders[0]), 0);
    pthread_mutex_lock(&gate.mutex);
    while (!gate.waiting) {
        pthread_cond_wait(&gate.moved, &gate.mutex); /* the first batch is one command and about to be committed */
    }
    gate.fatal_seq = vh_store_seq(home.store) + 3; /* two events each: the second command of the next batch */
    pthread_mutex_unlock(&gate.mutex);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(pthread_create(&senders[i].thread, NULL, submit_one, &senders[i]), 0);
        while (queued(home.sequencer) < i) {
            sched_yield();
        }
    }
    pthread_mutex_lock(&gate.mutex);
    gate.closed = false;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        assert_int_equal(senders[i].last, i == 0 ? VIV_OK : VIV_E_STORE);
        assert_int_equal(senders[i].answered, i == 0);
    }
    assert_true(gate.fatal);
    close_failing(&home, VIV_E_STORE);
    vh_log_level(VH_LOG_WARNING);
    open_failing(&home, true);
    close_failing(&home, VIV_OK);
}

/* Idle workers that looked after every change would have the sequencer answer them instead of those who work. */
static void
only_a_task_to_take_wakes_a_worker(void **state)
{
    (void)state;
    struct home home;
    const char *goal = "{\"goal\":\"g\",\"attempts_max\":1}";
    home_new(&home);
    int64_t none = vh_sequencer_wait_task(home.sequencer, -1, 0);
    (void)home_must(&home, "task.submitted", "a", goal);
    int64_t one = vh_sequencer_wait_task(home.sequencer, none, INT64_MAX / 2);
    assert_int_not_equal(one, none);
    int64_t changes = vh_sequencer_wait(home.sequencer, -1, 0);
    (void)home_walk(&home, "a", VH_PHASE_PUBLISH);
    assert_int_not_equal(vh_sequencer_wait(home.sequencer, -1, 0), changes);
    assert_int_equal(vh_sequencer_wait_task(home.sequencer, one, 0), one);
    (void)home_must(&home, "task.submitted", "b", goal);
    int64_t two = vh_sequencer_wait_task(home.sequencer, one, INT64_MAX / 2);
    assert_int_not_equal(two, one);
    vh_sequencer_wake(home.sequencer);
    assert_int_not_equal(vh_sequencer_wait_task(home.sequencer, two, INT64_MAX / 2), two);
    home_end(&home);
}

struct idle {
    pthread_t thread;
    struct vh_sequencer *sequencer;
    atomic_bool waits;
    int64_t seen;
    long woken; /* how often its thread went to sleep again, and once for the first time */
};

static void *
wait_idle(void *data)
{
    struct idle *idle = data;
    struct rusage before, after;
    idle->seen = vh_sequencer_wait_task(idle->sequencer, -1, 0);
    (void)getrusage(RUSAGE_THREAD, &before);
    atomic_store(&idle->waits, true);
    (void)vh_sequencer_wait_task(idle->sequencer, idle->seen, INT64_MAX / 2);
    (void)getrusage(RUSAGE_THREAD, &after);
    idle->woken = after.ru_nvcsw - before.ru_nvcsw;
    return NULL;
}

/* Nor are they to be woken just to sleep again: with eight of them each command would cost eight times that. */
static void
an_idle_worker_sleeps_through_the_work_of_others(void **state)
{
    (void)state;
    struct home home;
    home_new(&home);
    struct idle idle = { .sequencer = home.sequencer };
    assert_int_equal(pthread_create(&idle.thread, NULL, wait_idle, &idle), 0);
    while (!atomic_load(&idle.waits)) {
        (void)sched_yield();
    }
    for (int i = 0; i < 300; i++) {
        (void)home_must(&home, "policy.loaded", "", "{}");
    }
    (void)home_must(&home, "task.submitted", "a", SUBMIT);
    pthread_join(idle.thread, NULL);
    assert_in_range(idle.woken, 1, 30); /* and for the lock, now and then */
    home_end(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holder_and_one_first_answer),
        cmocka_unit_test(a_busy_host_stops_and_keeps_its_word),
        cmocka_unit_test(only_a_task_to_take_wakes_a_worker),
        cmocka_unit_test(an_idle_worker_sleeps_through_the_work_of_others),
        cmocka_unit_test(a_failed_store_never_says_done),
        cmocka_unit_test(nobody_of_a_dying_batch_is_told_done),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
