/* SPDX-License-Identifier: Apache-2.0 */
/* run, submit, work, workers: putting work in and getting it done. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "run/socket.h"
#include "run/workers.h"

#define WORKERS_DEFAULT 2

static bool
number_option(struct vh_cli *cli, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *ret_number)
{
    const char *text = vh_cli_option(cli, name);
    *ret_number = fallback;
    if (!text) {
        return true;
    }
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < min || value > max) {
        vh_cli_usage(cli, "option '%s' is '%s', allowed %lld to %lld", name, text, (long long)min, (long long)max);
        return false;
    }
    *ret_number = value;
    return true;
}

/* The words after "--" as an exec document; NULL when there are none. */
static struct vh_json *
command_json(struct vh_cli *cli, int dash)
{
    if (dash + 1 >= cli->argc) {
        return NULL;
    }
    struct vh_json *argv = vh_json_array(cli->arena);
    for (int i = dash + 1; i < cli->argc; i++) {
        vh_json_push(argv, vh_json_string(cli->arena, vh_str(cli->argv[i])));
    }
    struct vh_json *stage = vh_json_object(cli->arena);
    vh_json_set(stage, "argv", argv);
    struct vh_json *stages = vh_json_array(cli->arena);
    vh_json_push(stages, stage);
    struct vh_json *command = vh_json_object(cli->arena);
    vh_json_set(command, "stages", stages);
    return command;
}

static bool
add_input(struct vh_cli *cli, struct vh_json *task, const char *input)
{
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (!input) {
        return true;
    }
    if (vh_json_import(cli->arena, vh_str(input), &value, &err) || value->type != VH_JSON_OBJECT) {
        vh_cli_usage(cli, "option '--input' is no JSON object: %s", err.text);
        return false;
    }
    vh_json_set(task, "input", value);
    return true;
}

/* The task from the command line; NULL after a complaint. */
static struct vh_json *
task_of(struct vh_cli *cli)
{
    int64_t attempts = 0;
    struct vh_json *task = vh_json_object(cli->arena);
    struct vh_json *depends = vh_json_array(cli->arena);
    const char *id = vh_cli_option(cli, "--id");
    const char *skill = vh_cli_option(cli, "--skill");
    const char *input = vh_cli_option(cli, "--input");
    if (!number_option(cli, "--attempts", 0, 1, 3, &attempts) || !add_input(cli, task, input)) {
        return NULL;
    }
    for (const char *after; (after = vh_cli_option(cli, "--after")) != NULL;) {
        vh_json_push(depends, vh_json_string(cli->arena, vh_str(after)));
    }
    int dash = 0;
    while (dash < cli->argc && strcmp(cli->argv[dash], "--") != 0) {
        dash++;
    }
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return NULL;
    }
    struct vh_json *command = command_json(cli, dash);
    vh_json_set_text(cli->arena, task, "goal", cli->argv[0]);
    if (command) {
        vh_json_set(task, "command", command);
    }
    if (attempts) {
        vh_json_set_int(cli->arena, task, "attempts_max", attempts);
    }
    if (id) {
        vh_json_set_text(cli->arena, task, "id", id);
    }
    if (skill) {
        vh_json_set_text(cli->arena, task, "skill", skill);
    }
    if (depends && depends->count) {
        vh_json_set(task, "depends", depends);
    }
    return task;
}

static struct vh_json *
submit(struct vh_cli *cli, struct vh_json *task, const char *key, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "submit");
    vh_json_set(request, "task", task);
    if (key) {
        vh_json_set_text(cli->arena, request, "key", key);
    }
    return vh_cli_ask(cli, request, ret_exit);
}

int
vh_cli_run(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    int64_t workers = WORKERS_DEFAULT;
    const char *key = vh_cli_option(cli, "--key");
    if (!number_option(cli, "--workers", WORKERS_DEFAULT, 1, VH_WORKERS_MAX, &workers)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *task = task_of(cli);
    if (!task) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WORK, (int)workers, &code)) {
        return code;
    }
    struct vh_json *response = submit(cli, task, key, &code);
    if (response) {
        code = vh_cli_follow(cli, vh_json_str(response, "task"), 0);
    }
    vh_cli_close(cli);
    return code;
}

int
vh_cli_submit(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    const char *key = vh_cli_option(cli, "--key");
    struct vh_json *task = task_of(cli);
    if (!task) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *response = submit(cli, task, key, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("%.*s queued; 'vivhost work --drain' does it\n", VH_STR_ARGS(vh_json_str(response, "task")));
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

/* Nothing is left that a worker could take. */
static bool
drained(struct vh_cli *cli, int *ret_exit)
{
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "tasks"), ret_exit);
    const struct vh_json *tasks = vh_json_get(response, "tasks");
    for (const struct vh_json *t = tasks ? tasks->child : NULL; t; t = t->next) {
        enum vh_state state = vh_task_state_of(vh_json_str(t, "state"));
        bool waits = state == VH_STATE_AWAITING || state == VH_STATE_BLOCKED || state == VH_STATE_EXPANDED;
        struct vh_task task = { .state = state };
        if (!waits && (!vh_task_ended(&task) || vh_json_int(t, "leased", 0) || vh_json_str(t, "phase").len)) {
            return false;
        }
    }
    return response != NULL;
}

int
vh_cli_work(struct vh_cli *cli)
{
    int code = VH_EXIT_OK;
    int64_t workers = WORKERS_DEFAULT;
    bool drain = vh_cli_flag(cli, "--drain");
    if (!number_option(cli, "--workers", WORKERS_DEFAULT, 1, VH_WORKERS_MAX, &workers) ||
        !vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WORK, (int)workers, &code)) {
        return code;
    }
    if (!cli->app.control.workers && !cli->app.client) {
        vh_cli_close(cli);
        return VH_EXIT_SYSTEM;
    }
    if (!cli->json && !cli->app.client) {
        fprintf(stderr, "%lld workers on '%s', profile %s; stop with Ctrl-C\n", (long long)workers, cli->app.project,
                cli->app.run.profile_text);
    }
    while (!atomic_load(&vh_cli_stop)) {
        struct vh_arena *kept = cli->arena;
        cli->arena = vh_arena_create(NULL, 0);
        bool done = cli->arena && drain && drained(cli, &code);
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
        struct viv_error err = VIV_ERROR_INIT;
        if (!cli->app.client && vh_sequencer_dead(cli->app.run.sequencer, &err)) {
            code = vh_cli_fail(cli, VIV_E_STORE, &err);
            break;
        }
        if (done) {
            break;
        }
        vh_socket_pause(200);
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
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "workers"), &code);
    const struct vh_json *list = vh_json_get(response, "workers");
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (list && list->count == 0) {
        puts("no workers; 'vivhost work' starts some");
    }
    for (const struct vh_json *w = list && !cli->json ? list->child : NULL; w; w = w->next) {
        struct viv_str task = vh_json_str(w, "task");
        printf("%-6.*s pid %-8lld %-20s %.*s\n", VH_STR_ARGS(vh_json_str(w, "name")),
               (long long)vh_json_int(w, "pid", 0), vh_cli_time(cli, vh_json_int(w, "since_us", 0)),
               VH_STR_ARGS(task.len ? task : VH_STR("idle")));
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}
