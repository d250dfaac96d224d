/* SPDX-License-Identifier: Apache-2.0 */
/* work, workers: getting queued tasks done, and who does them. */
#include "cmd_work.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "run/socket.h"
#include "run/workers.h"

#define WORKERS_DEFAULT 2
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
        if (!cli->app.client || (count_workers(cli, &there, &busy) && there > 0)) {
            vh_cli_progress(cli, NULL);
            return true;
        }
        if (looks == SAY_AFTER) {
            vh_cli_progress(cli, "another vivhost has the home and ends soon; waiting for it");
        }
        (void)vh_app_close(&cli->app, &ignored); /* only lets go of a connection */
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
    cli->arena = vh_arena_create(NULL, 0);
    uint32_t workers = 0, busy = 0;
    bool done = !cli->arena || (drain && drained(cli, ret_exit));
    if (!done && cli->app.client && !count_workers(cli, &workers, &busy)) {
        vh_cli_progress(cli, NULL);
        vh_cli_note(cli, "the vivhost that worked has ended");
        done = true;
    }
    vh_arena_destroy(cli->arena);
    cli->arena = kept;
    return done;
}

/* The first Ctrl-C: take nothing new, finish what runs. The second cancels what runs. */
static void
finish(struct vh_cli *cli)
{
    struct vh_workers *workers = cli->app.control.workers;
    if (!workers) {
        return;
    }
    vh_workers_pause(workers);
    if (!vh_workers_idle(workers)) {
        vh_cli_note(cli, "finishing what runs; Ctrl-C again cancels it");
    }
    while (!vh_workers_idle(workers) && atomic_load(&vh_cli_stop) < 2) {
        vh_socket_pause(LOOK_MS);
    }
}

int
vh_cli_work(struct vh_cli *cli)
{
    int code = VH_EXIT_OK;
    int64_t workers = WORKERS_DEFAULT;
    bool drain = vh_cli_flag(cli, "--drain");
    if (!vh_cli_number(cli, "--workers", WORKERS_DEFAULT, 1, VH_WORKERS_MAX, &workers) ||
        !vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    atomic_store(&vh_cli_patience, 2); /* finish what runs, then cancel it */
    if (!vh_work_open(cli, (int)workers, &code)) {
        return code;
    }
    if (cli->app.client) {
        vh_cli_note(cli, "another vivhost works here already; this one only waits for it");
    } else {
        vh_cli_note(cli, "%lld workers on '%s', profile %s; stop with Ctrl-C", (long long)workers, cli->app.project,
                    cli->app.run.profile_text);
    }
    code = VH_EXIT_OK;
    while (!atomic_load(&vh_cli_stop) && !look(cli, drain, &code)) {
        vh_socket_pause(LOOK_MS);
    }
    vh_cli_progress(cli, NULL);
    if (atomic_load(&vh_cli_stop)) {
        finish(cli);
    }
    if (cli->json && code == VH_EXIT_OK) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "drained", !atomic_load(&vh_cli_stop));
        vh_cli_print_json(cli, value);
    }
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
