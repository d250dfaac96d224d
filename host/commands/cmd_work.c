/* SPDX-License-Identifier: Apache-2.0 */
/* work, workers: getting queued tasks done, and who does them. */
#include "cmd_work.h"

#include <stdio.h>

#include <fcntl.h>
#include <string.h>
#include <viv/options.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd_switch.h"
#include "load/options.h"
#include "run/policy.h"
#include "run/socket.h"
#include "run/workers.h"
#include "service.h"

#define WORKERS_DEFAULT 2
#define GRACE_DEFAULT "60s" /* vivhost@.service gives the whole stop 90 s */
#define GRACE_MAX_NS (INT64_C(86400) * 1000000000)
#define LOOK_MS 200
#define SAY_AFTER 10 /* looks, before it is said what is waited for */

/* Workers of the host, this process or another, and how many of them hold a task. */
static bool
count_workers(struct vh_cli *cli, uint32_t *ret_workers, uint32_t *ret_busy)
{
    struct vh_json *response = NULL;
    *ret_workers = *ret_busy = 0;
    if (vh_app_ask(&cli->app, vh_cli_request(cli, "workers"), cli->arena, &response, NULL)) {
        return false;
    }
    const struct vh_json *list = vh_json_get(response, "workers");
    for (const struct vh_json *w = list ? list->child : NULL; w; w = w->next) {
        *ret_workers += 1;
        *ret_busy += vh_json_str(w, "task").len > 0;
    }
    return true;
}

bool
vh_work_open(struct vh_cli *cli, int workers, int *ret_exit)
{
    struct viv_error ignored = VIV_ERROR_INIT;
    for (int looks = 0;; looks++) {
        uint32_t there = 0, busy = 0;
        if (!vh_cli_open(cli, VH_APP_WORK, workers, ret_exit)) {
            return false;
        }
        /* A service is the host: it waits even for one that works. */
        if (!cli->app.client || (!cli->service && count_workers(cli, &there, &busy) && there > 0)) {
            vh_cli_progress(cli, NULL);
            return true;
        }
        if (looks == SAY_AFTER) {
            vh_cli_progress(cli, "another vivhost has the home and ends soon; waiting for it");
        }
        (void)vh_app_close(&cli->app, &ignored); /* only lets go of a connection */
        vh_service_waits(cli->service);
        if (atomic_load(&vh_cli_stop)) {
            vh_cli_progress(cli, NULL);
            *ret_exit = VH_EXIT_INTERRUPTED;
            return false;
        }
        vh_socket_pause(LOOK_MS / 4);
    }
}

/* Nothing is left that a worker could take, and none holds anything. */
static bool
drained(struct vh_cli *cli, int *ret_exit)
{
    uint32_t workers = 0, busy = 0;
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "status"), ret_exit);
    int64_t open = vh_json_int(response, "open", 1);
    if (!response) {
        return true; /* said, and the exit code is set */
    }
    vh_cli_progress(cli, "%lld task%s left", (long long)open, open == 1 ? "" : "s");
    if (open && !vh_str_is(vh_json_str(vh_json_get(response, "switch"), "state"), "run") &&
        vh_json_get(response, "switch")) {
        return count_workers(cli, &workers, &busy) && busy == 0 && vh_cli_held(cli, ret_exit);
    }
    return open == 0 && count_workers(cli, &workers, &busy) && busy == 0;
}

/* True when there is nothing more to wait for. */
static bool
look(struct vh_cli *cli, bool drain, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *kept = cli->arena;
    if (!cli->app.client && vh_sequencer_dead(cli->app.run.sequencer, &err)) {
        *ret_exit = vh_cli_fail(cli, VIV_E_STORE, &err);
        return true;
    }
    struct vh_arena *own = vh_arena_create(NULL, 0);
    if (!own) { /* not to be taken for the end of the work */
        vh_error_set(&err, VIV_E_MEMORY, "work", "no memory to look how far the work is");
        *ret_exit = vh_cli_fail(cli, VIV_E_MEMORY, &err);
        return true;
    }
    cli->arena = own;
    uint32_t workers = 0, busy = 0;
    bool done = drain && drained(cli, ret_exit);
    if (!done && cli->app.client && !count_workers(cli, &workers, &busy)) {
        vh_cli_progress(cli, NULL);
        vh_cli_note(cli, "the vivhost that worked has ended");
        done = true;
    }
    vh_arena_destroy(own);
    cli->arena = kept;
    return done;
}

/* ---- told to stop ---- */

struct ended {
    struct vh_json *finished; /* ids of tasks that need no worker any more */
    struct vh_json *given_back;
    bool cut; /* by a second word, not by the time that was given */
};

/* States in which a task waits for a worker. */
static bool
waits_for_worker(struct viv_str state)
{
    static const char *const states[] = { "pending", "running", "needs_qa", "integration", "e2e" };
    bool waits = false;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        waits = waits || vh_str_is(state, states[i]);
    }
    return waits;
}

static void
sort_out(struct vh_cli *cli, struct ended *ended)
{
    struct vh_json *last = vh_workers_last(cli->app.control.workers, cli->arena);
    ended->finished = vh_json_array(cli->arena);
    ended->given_back = vh_json_array(cli->arena);
    for (const struct vh_json *id = last ? last->child : NULL; id; id = id->next) {
        struct vh_json *request = vh_cli_request(cli, "task"), *response = NULL;
        vh_json_set_str(cli->arena, request, "task", id->text);
        bool known = vh_app_ask(&cli->app, request, cli->arena, &response, NULL) == VIV_OK;
        bool back = !known || waits_for_worker(vh_json_str(vh_json_get(response, "task"), "state"));
        vh_json_push(back ? ended->given_back : ended->finished, vh_json_clone(cli->arena, id));
    }
}

/* "2 finished (a, b)" */
static const char *
count_of(struct vh_cli *cli, const struct vh_json *list, const char *what)
{
    const char *names = "";
    for (const struct vh_json *id = list->child; id && names; id = id->next) {
        names = vh_arena_format(cli->arena, "%s%s%.*s", names, *names ? ", " : "", VH_STR_ARGS(id->text));
    }
    const char *text = names && *names ? vh_arena_format(cli->arena, "%u %s (%s)", (unsigned)list->count, what, names)
                                       : vh_arena_format(cli->arena, "0 %s", what);
    return text ? text : what;
}

/* The first word: take nothing new, give what runs its time. The second, or the end of that time: it is given back. */
static void
stop_workers(struct vh_cli *cli, int64_t grace_ns, const char *grace, struct ended *ended)
{
    struct vh_workers *workers = cli->app.control.workers;
    const struct vh_seam *seam = cli->app.seam;
    int64_t until_ns = seam->monotonic_ns(seam->data) + grace_ns;
    vh_workers_pause(workers);
    int busy = vh_workers_busy(workers);
    if (busy) {
        vh_cli_note(cli, "finishing what runs, %s at most; Ctrl-C again gives it back at once", grace);
    }
    char text[160];
    snprintf(text, sizeof text, "stopping: %d task%s in hand, %.40s at most", busy, busy == 1 ? "" : "s", grace);
    vh_service_stopping(cli->service, text);
    while (!vh_workers_ended(workers) && atomic_load(&vh_cli_stop) < 2 && seam->monotonic_ns(seam->data) < until_ns) {
        vh_socket_pause(LOOK_MS / 4);
    }
    bool cut = atomic_load(&vh_cli_stop) >= 2;
    if (!vh_workers_ended(workers)) {
        vh_service_stopping(cli->service, "stopping: giving back what still runs");
        vh_workers_hurry(workers);
    }
    while (!vh_workers_ended(workers)) {
        vh_socket_pause(LOOK_MS / 4);
    }
    sort_out(cli, ended);
    ended->cut = cut && ended->given_back->count;
    const char *done = count_of(cli, ended->finished, "finished");
    const char *back = count_of(cli, ended->given_back, "given back");
    vh_cli_note(cli, "stopped: %s, %s", done, back);
    const char *both = vh_arena_format(cli->arena, "stopped: %s, %s", done, back);
    vh_service_stopping(cli->service, both ? both : "stopped");
}

/* ---- SIGHUP ---- */

static void
reload(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_policy_reloaded now;
    char text[sizeof err.text + 128];
    if (cli->app.client) {
        vh_cli_note(cli, "the policy is read by the vivhost that has the home; send it SIGHUP");
        return;
    }
    vh_service_reloading(cli->service);
    viv_status status = vh_policy_reload(&cli->app.run, &now, &err);
    if (status) {
        snprintf(text, sizeof text, "policy not taken, %s: %s",
                 now.digest[0] ? "the one before stays in force" : "everything is denied until it is mended", err.text);
        vh_log(VH_LOG_ERROR, "policy", "%s", text);
    } else {
        snprintf(text, sizeof text, "policy %.12s %s%s", now.digest, now.changed ? "in force" : "in force as before",
                 now.settings ? "; settings of plugins count from the next start" : "");
        vh_cli_note(cli, "%s", text);
    }
    vh_service_reloaded(cli->service, text);
}

/* ---- work ---- */

struct work_words {
    int64_t workers;
    bool drain;
    const char *grace;
    int64_t grace_ns;
};

static bool
read_words(struct vh_cli *cli, struct work_words *words)
{
    struct viv_error err = VIV_ERROR_INIT;
    const char *grace = vh_cli_option(cli, "--grace");
    *words = (struct work_words){ .drain = vh_cli_flag(cli, "--drain"), .grace = grace ? grace : GRACE_DEFAULT };
    if (!vh_cli_number(cli, "--workers", WORKERS_DEFAULT, 1, VH_WORKERS_MAX, &words->workers) ||
        !vh_cli_no_more_options(cli, 0, 0)) {
        return false;
    }
    if (vh_options_number(VIV_OPTION_DURATION, "--grace", vh_str(words->grace), &words->grace_ns, &err)) {
        vh_cli_usage(cli, "%s", err.text);
        return false;
    }
    if (words->grace_ns < 0 || words->grace_ns > GRACE_MAX_NS) {
        vh_cli_usage(cli, "option '--grace' is %s, allowed 0s to 1d", words->grace);
        return false;
    }
    return true;
}

/* Where a terminal can hang up, SIGHUP says that it did. */
static bool
has_terminal(struct vh_cli *cli)
{
    const struct vh_seam *seam = cli->app.seam;
    int fd = seam->open(seam->data, AT_FDCWD, "/dev/tty", O_RDONLY | O_NOCTTY, 0);
    if (fd >= 0) {
        seam->close(seam->data, fd);
    }
    return fd >= 0;
}

static bool
begin(struct vh_cli *cli, int workers, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_service_begin(cli, &cli->service, &err)) {
        (void)vh_cli_fail(cli, VIV_E_UNAVAILABLE, &err);
        *ret_exit = VH_EXIT_SYSTEM;
        return false;
    }
    atomic_store(&vh_cli_patience, 2); /* finish what runs, then give it back */
    bool reloads = cli->service || !has_terminal(cli);
    atomic_store(&vh_cli_manners, VH_CLI_TERM_COUNTS | (reloads ? VH_CLI_HANGUP_RELOADS : 0u));
    if (!vh_work_open(cli, workers, ret_exit)) {
        vh_service_end(cli->service);
        return false;
    }
    if (cli->app.client) {
        vh_cli_note(cli, "another vivhost works here already; this one only waits for it");
        return true;
    }
    vh_cli_note(cli, "%d workers on '%s', profile %s; stop with Ctrl-C", workers, cli->app.project,
                cli->app.run.profile_text);
    const char *status = vh_arena_format(cli->arena, "%d workers on '%s', profile %s", workers, cli->app.project,
                                         cli->app.run.profile_text);
    vh_service_ready(cli->service, cli->app.run.sequencer, status ? status : "working");
    return true;
}

static void
print_end(struct vh_cli *cli, const struct ended *ended)
{
    struct vh_json *value = vh_json_object(cli->arena);
    vh_json_set_int(cli->arena, value, "drained", !atomic_load(&vh_cli_stop));
    if (ended->finished) {
        vh_json_set(value, "finished", ended->finished);
        vh_json_set(value, "given_back", ended->given_back);
    }
    vh_cli_print_json(cli, value);
}

int
vh_cli_work(struct vh_cli *cli)
{
    int code = VH_EXIT_OK;
    struct work_words words;
    struct ended ended = { .finished = NULL };
    if (!read_words(cli, &words)) {
        return VH_EXIT_USAGE;
    }
    if (!begin(cli, (int)words.workers, &code)) {
        return code;
    }
    code = VH_EXIT_OK;
    while (!atomic_load(&vh_cli_stop) && !look(cli, words.drain, &code)) {
        if (atomic_exchange(&vh_cli_reload, 0)) {
            reload(cli);
        }
        vh_socket_pause(LOOK_MS);
    }
    vh_cli_progress(cli, NULL);
    if (atomic_load(&vh_cli_stop) && cli->app.control.workers) {
        stop_workers(cli, words.grace_ns, words.grace, &ended);
        cli->stopped = !words.drain && !ended.cut; /* --drain promised more */
    }
    if (!ended.finished) { /* otherwise the last word has been said */
        vh_service_stopping(cli->service, code == VH_EXIT_OK ? "ending" : "ending: the store has failed");
    }
    if (cli->json && code == VH_EXIT_OK) {
        print_end(cli, &ended);
    }
    vh_service_end(cli->service);
    vh_cli_close(cli);
    return code;
}

int
vh_cli_workers(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *response = vh_cli_query(cli, vh_cli_request(cli, "workers"), &code);
    const struct vh_json *list = vh_json_get(response, "workers");
    if (list && list->count == 0 && !cli->json) {
        puts("no workers; 'vivhost work' starts some");
    }
    for (const struct vh_json *w = list && !cli->json ? list->child : NULL; w; w = w->next) {
        struct viv_str task = vh_json_str(w, "task");
        printf("%-6.*s pid %-8lld %-20s %.*s\n", VH_STR_ARGS(vh_json_str(w, "name")),
               (long long)vh_json_int(w, "pid", 0), vh_cli_time(cli, vh_json_int(w, "since_us", 0)),
               VH_STR_ARGS(task.len ? task : VH_STR("idle")));
    }
    vh_cli_close(cli);
    return code;
}
