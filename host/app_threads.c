/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter, which keeps the JSONL log up to date, and the spawner, the one thread that starts and restarts the
 * launcher and the zygote and never ends before the host: both ask the kernel to die with the thread that started
 * them. */
#include "app.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "app_checkpoint.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/export.h"
#include "run/branch.h"
#include "run/egress.h"
#include "run/git_tool.h"
#include "run/layer.h"
#include "run/policy.h"
#include "run/switch.h"
#include "run/workers.h"

#define EXPORT_EVERY_NS INT64_C(1000000000)
#define LOOK_MS 200 /* how soon a dead zygote or launcher is seen */

struct vh_app_threads {
    struct vh_app *app;
    struct vh_arena *arena; /* the spawner's: it works beside the thread that builds the host */
    pthread_t exporter;
    pthread_t spawner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool exporting;
    bool spawning;
    bool early;  /* launcher and zygote will be needed: they start while the rest of the host is built */
    bool wanted; /* they are needed now */
    bool ready;
    bool working; /* there are workers, whom files of the home may hold: switch.h */
    bool stop;
    int wake[2]; /* a byte in it ends the spawner's wait: nobody who stops a host waits for LOOK_MS */
    viv_status failed;
    struct viv_error fault;
    int64_t exported; /* events that were in the log before the exporter began */
    atomic_uint stop_export;
};

/* ---- exporter ---- */

static viv_status
export_once(struct vh_app *app, bool ends, int64_t *ret_seq, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_store *reader = NULL;
    char *path = arena ? vh_arena_format(arena, "%s/vivarium.db", app->home_path) : NULL;
    viv_status status = path ? vh_store_open_read(arena, path, &reader, err)
                             : vh_error_set(err, VIV_E_MEMORY, "export", "no memory");
    if (status == VIV_OK) {
        status = vh_export_update(app->seam, reader, app->home, "log/execution_log.jsonl", ret_seq, err);
        vh_app_checkpoint_due(app, reader, ends);
    }
    vh_store_close(reader);
    vh_arena_destroy(arena);
    return status;
}

static void *
export_log(void *data)
{
    struct vh_app_threads *t = data;
    struct vh_app *app = t->app;
    int64_t done = t->exported, now = 0;
    bool idle = false; /* nothing was committed for a while */
    /* With a dead store there is nothing to wait for any more, and no wait would last. */
    while (!atomic_load(&t->stop_export) && !vh_sequencer_dead(app->run.sequencer, NULL)) {
        int64_t seen = vh_sequencer_wait(app->run.sequencer, -1, 0);
        int64_t committed = vh_sequencer_committed(app->run.sequencer);
        struct viv_error err = VIV_ERROR_INIT;
        if (committed > done && export_once(app, false, &now, &err) == VIV_OK) {
            done = committed;
        } else if (committed > done) {
            vh_log(VH_LOG_ERROR, "export", "%s", err.text);
            done = committed; /* said once for each commit */
        }
        bool quiet = vh_sequencer_wait(app->run.sequencer, seen,
                                       app->seam->monotonic_ns(app->seam->data) + EXPORT_EVERY_NS) == seen;
        if (quiet && !idle) {
            vh_arena_trim(); /* what the start or the last tasks took */
        }
        idle = quiet;
    }
    return NULL;
}

/* ---- spawner ---- */

static const char *
program(struct vh_app_threads *t, const char *name)
{
    struct vh_app *app = t->app;
    static const char *const places[] = { "../libexec/vivarium", "../libexec", "launcher" }; /* the build's last */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = vh_arena_format(t->arena, "%s/%s/%s", app->program_folder, places[i], name);
        if (path && vh_fs_exists(app->seam, AT_FDCWD, path)) {
            return path;
        }
    }
    return NULL;
}

static viv_status
try_sandbox(struct vh_app_threads *t, struct viv_error *err)
{
    struct vh_run *run = &t->app->run;
    char *work = vh_arena_format(t->arena, "%s/work", t->app->home_path);
    run->pool = vh_pool_create(run->zygote, t->arena, &(struct vh_pool_limits){ 0 });
    vh_git_tool_init(&run->git, run->launcher);
    viv_status status = run->pool && work
                            ? vh_sandbox_probe(run->launcher, work, VH_SANDBOX_AUTO, &run->profile, err)
                            : vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    if (status == VIV_OK) {
        run->profile_text = vh_sandbox_profile_text(t->arena, &run->profile);
    }
    return status;
}

/* The zygote gets ready while the launcher is asked what the machine can do; of two errors its own is told. */
static viv_status
start_programs(struct vh_app_threads *t, struct viv_error *err)
{
    struct vh_app *app = t->app;
    struct vh_run *run = &app->run;
    struct vh_launcher_options options = { .fail_step = app->fail_step };
    const char *launcher = program(t, "viv-launcher");
    const char *zygote = program(t, "viv-zygote");
    const char *egress = program(t, "viv-egress");
    if (!launcher || !zygote || !egress) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "host", "%s is not beside '%s'",
                            !launcher ? "viv-launcher" : !zygote ? "viv-zygote" : "viv-egress", app->program_folder);
    }
    run->launcher = vh_launcher_create(t->arena, app->seam, launcher, &options);
    if (!run->launcher) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    const struct vh_egress_config way_out = { .seam = app->seam, .program = egress };
    viv_status status = vh_egress_create(&way_out, &run->egress, err);
    if (status == VIV_OK) {
        status = vh_launcher_start(run->launcher, err);
    }
    if (status == VIV_OK) {
        status = vh_zygote_spawn(app->seam, t->arena, zygote, &run->zygote, err);
    }
    if (status) {
        return status;
    }
    struct viv_error lack = VIV_ERROR_INIT;
    viv_status tried = try_sandbox(t, &lack);
    status = vh_zygote_greet(run->zygote, err);
    if (status == VIV_OK && tried) {
        *err = lack;
    }
    return status ? status : tried;
}

/* What a crash left in the repository and the cache is finished or undone before any work. */
static viv_status
recover_targets(struct vh_app *app, struct viv_error *err)
{
    struct vh_branch_recovered recovered = { 0 };
    viv_status status = vh_branch_recover(&app->run.tools, app->arena, &recovered, err);
    if (status == VIV_OK) {
        status = vh_layer_clean(&app->run.tools, app->arena, err);
    }
    if (recovered.forward || recovered.back) {
        vh_log(VH_LOG_WARNING, "recover", "%zu moves of files were finished, %zu undone", recovered.forward,
               recovered.back);
    }
    return status;
}

static void
restart_dead(struct vh_app *app)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_launcher_pid(app->run.launcher) == 0 && vh_launcher_start(app->run.launcher, &err)) {
        vh_log(VH_LOG_ERROR, "host", "%s", err.text);
    }
    if (!vh_zygote_alive(app->run.zygote) && vh_zygote_restart(app->run.zygote, &err)) {
        vh_log(VH_LOG_ERROR, "host", "%s", err.text);
    }
}

static void
answer(struct vh_app_threads *t, viv_status status, const struct viv_error *err)
{
    pthread_mutex_lock(&t->lock);
    t->failed = status;
    t->fault = *err;
    t->ready = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* Until `*flag` is set, or it is time to stop: then true. */
static bool
wait_for(struct vh_app_threads *t, const bool *flag)
{
    pthread_mutex_lock(&t->lock);
    while (!t->stop && !t->wanted && !*flag) {
        pthread_cond_wait(&t->changed, &t->lock);
    }
    bool stop = t->stop;
    pthread_mutex_unlock(&t->lock);
    return stop;
}

static void *
spawn(void *data)
{
    struct vh_app_threads *t = data;
    struct vh_app *app = t->app;
    if (wait_for(t, &t->early)) {
        return NULL;
    }
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = start_programs(t, &err);
    bool stop = wait_for(t, &t->wanted); /* a host that does not start leaves what a crash left as it is */
    if (status == VIV_OK && !stop) {
        status = recover_targets(app, &err);
    }
    answer(t, status, &err);
    while (!stop) {
        /* What is dead and cannot be started is looked at again after a while: its descriptor would not let us wait. */
        bool alive = status == VIV_OK && app->run.launcher && vh_launcher_pid(app->run.launcher) != 0;
        int fd = alive ? vh_launcher_death_fd(app->run.launcher) : -1;
        struct pollfd fds[2] = { { fd, POLLIN, 0 }, { t->wake[0], POLLIN, 0 } };
        (void)poll(fds, 2, LOOK_MS); /* an interrupted wait only looks sooner */
        pthread_mutex_lock(&t->lock);
        stop = t->stop;
        if (t->working) {
            vh_switch_look(&app->control);
        }
        pthread_mutex_unlock(&t->lock);
        if (!stop && status == VIV_OK) {
            restart_dead(app);
        }
    }
    if (app->run.pool) {
        vh_pool_end(app->run.pool);
    }
    vh_egress_destroy(app->run.egress);
    app->run.egress = NULL;
    vh_zygote_end(app->run.zygote);
    if (app->run.launcher) {
        vh_launcher_stop(app->run.launcher);
    }
    return NULL;
}

viv_status
vh_app_need_sandbox(struct vh_app *app, struct viv_error *err)
{
    struct vh_app_threads *t = app->threads;
    pthread_mutex_lock(&t->lock);
    t->wanted = true;
    pthread_cond_broadcast(&t->changed);
    while (!t->ready) {
        pthread_cond_wait(&t->changed, &t->lock);
    }
    viv_status status = t->failed;
    if (status && err) {
        *err = t->fault;
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

static void
set_working(struct vh_app_threads *t, bool working)
{
    pthread_mutex_lock(&t->lock);
    t->working = working;
    pthread_mutex_unlock(&t->lock);
}

static viv_status
no_thread(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_UNAVAILABLE, "host",
                        "cannot start the host's threads: no thread or no memory is left");
}

viv_status
vh_app_spawner_start(struct vh_app *app, bool early, struct viv_error *err)
{
    struct vh_app_threads *t = vh_arena_alloc(app->arena, sizeof *t);
    struct vh_arena *arena = vh_app_arena(app);
    if (!t || !arena) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    t->app = app;
    t->arena = arena;
    t->early = early;
    if (pipe2(t->wake, O_CLOEXEC)) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "host", "cannot make a pipe");
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    app->threads = t;
    t->spawning = pthread_create(&t->spawner, NULL, spawn, t) == 0;
    return t->spawning ? VIV_OK : no_thread(err);
}

viv_status
vh_app_threads_start(struct vh_app *app, enum vh_app_need need, int workers, struct viv_error *err)
{
    struct vh_app_threads *t = app->threads;
    /* A log that disagrees with the database stops the start. */
    viv_status status = export_once(app, false, &t->exported, err);
    if (status) {
        return status;
    }
    t->exporting = pthread_create(&t->exporter, NULL, export_log, t) == 0;
    if (!t->exporting) {
        return no_thread(err);
    }
    if (need == VH_APP_WORK && workers > 0) {
        status = vh_app_need_sandbox(app, err);
    }
    if (status == VIV_OK && need == VH_APP_WORK) {
        status = vh_policy_load(&app->run, err); /* recorded once, with the profile that was found */
    }
    if (status || need != VH_APP_WORK || workers == 0) {
        return status;
    }
    vh_switch_look(&app->control); /* before the first claim */
    status = vh_workers_start(&app->run, app->arena, workers, &app->control.workers, err);
    set_working(t, status == VIV_OK);
    return status;
}

void
vh_app_threads_stop(struct vh_app *app)
{
    struct vh_app_threads *t = app->threads;
    if (!t) {
        return;
    }
    set_working(t, false);
    vh_workers_stop(app->control.workers, true);
    app->control.workers = NULL;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    ssize_t put = app->seam->write(app->seam->data, t->wake[1], "x", 1);
    (void)put; /* an empty pipe takes it; otherwise the spawner looks by itself */
    if (t->spawning) {
        pthread_join(t->spawner, NULL);
    }
    struct viv_error err = VIV_ERROR_INIT;
    (void)vh_sequencer_flush(app->run.sequencer, &err); /* a dead store has said so */
    atomic_store(&t->stop_export, 1);
    vh_sequencer_wake(app->run.sequencer);
    if (t->exporting) {
        pthread_join(t->exporter, NULL);
    }
    app->seam->close(app->seam->data, t->wake[0]);
    app->seam->close(app->seam->data, t->wake[1]);
    app->threads = NULL;
}

void
vh_app_export(struct vh_app *app)
{
    int64_t seq = 0;
    struct viv_error err = VIV_ERROR_INIT;
    if (export_once(app, true, &seq, &err)) {
        vh_log(VH_LOG_ERROR, "export", "%s", err.text);
    }
}
