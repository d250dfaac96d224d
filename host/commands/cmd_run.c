/* SPDX-License-Identifier: Apache-2.0 */
/* run, submit: putting work in. */
#include "cmd_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cli_scope.h"
#include "cmd_import.h"
#include "cmd_switch.h"
#include "cmd_work.h"
#include "follow.h"
#include "run/network.h"
#include "run/workers.h"

#define WORKERS_DEFAULT 2

static int
dash_of(const struct vh_cli *cli)
{
    int dash = 0;
    while (dash < cli->argc && strcmp(cli->argv[dash], "--") != 0) {
        dash++;
    }
    return dash;
}

struct vh_json *
vh_cli_command_words(struct vh_cli *cli)
{
    int dash = dash_of(cli);
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

/* Spelled as it is compared with paths; whether there is such a folder the host says. */
static bool
add_scope(struct vh_cli *cli, struct vh_json *task, const char *said)
{
    struct viv_str scope;
    if (!said) {
        return true;
    }
    bool good = vh_cli_scope(cli, said, &scope);
    if (good) {
        vh_json_set_str(cli->arena, task, "scope", scope);
    }
    return good;
}

/* Each as it is compared with what policies allow; whether they do says the safety report. */
static bool
add_hosts(struct vh_cli *cli, struct vh_json *task)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *hosts = NULL;
    bool none = false;
    for (const char *host; (host = vh_cli_option(cli, "--net")) != NULL;) {
        hosts = hosts ? hosts : vh_json_array(cli->arena);
        if (strcmp(host, "none") == 0) {
            none = true;
        } else if (vh_network_host(vh_str(host), &err)) {
            (void)vh_cli_usage(cli, "option '--net': %s", err.text);
            return false;
        } else {
            vh_json_push(hosts, vh_json_string(cli->arena, vh_str(host)));
        }
    }
    if (none && hosts && hosts->count) {
        (void)vh_cli_usage(cli, "option '--net' is 'none' and a host as well, allowed: one of them");
        return false;
    }
    if (hosts) {
        struct vh_json *spec = vh_json_object(cli->arena);
        vh_json_set(spec, "hosts", hosts);
        vh_json_set(task, "spec", spec);
    }
    return true;
}

/* The only word names a file: it is meant as a queue, not as the words of a goal. */
static bool
is_queue_file(struct vh_cli *cli)
{
    struct stat stat;
    const char *word = cli->argc == 1 ? cli->argv[0] : "";
    size_t len = strlen(word);
    return len > 5 && strcmp(word + len - 5, ".json") == 0 &&
           cli->app.seam->stat(cli->app.seam->data, AT_FDCWD, word, &stat, 0) == 0 && S_ISREG(stat.st_mode);
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
    const char *scope = vh_cli_option(cli, "--scope");
    if (id && !*id) {
        (void)vh_cli_usage(cli, "option '--id' is empty, allowed: 1 to %d " VH_STR_ID_WORDS, VIV_ID_MAX);
        return NULL;
    }
    if (!vh_cli_number(cli, "--attempts", 0, 1, 3, &attempts) || !add_input(cli, task, input) ||
        !add_scope(cli, task, scope) || !add_hosts(cli, task)) {
        return NULL;
    }
    for (const char *after; (after = vh_cli_option(cli, "--after")) != NULL;) {
        vh_json_push(depends, vh_json_string(cli->arena, vh_str(after)));
    }
    if (is_queue_file(cli)) {
        (void)vh_cli_usage(cli,
                           "'%.200s' is a file and no goal; its tasks are queued by 'vivhost submit --queue %.200s'",
                           cli->argv[0], cli->argv[0]);
        return NULL;
    }
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return NULL;
    }
    struct vh_json *command = vh_cli_command_words(cli);
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
    if (!vh_cli_number(cli, "--workers", WORKERS_DEFAULT, 1, VH_WORKERS_MAX, &workers)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *task = task_of(cli);
    if (!task) {
        return VH_EXIT_USAGE;
    }
    if (!vh_work_open(cli, (int)workers, &code)) {
        return code;
    }
    struct vh_json *response = vh_cli_held(cli, &code) ? NULL : submit(cli, task, key, &code);
    if (response) {
        code = vh_follow_task(cli, vh_json_str(response, "task"), 0, true);
    }
    vh_cli_close(cli);
    return code;
}

int
vh_cli_submit(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    const char *key = vh_cli_option(cli, "--key");
    const char *queue = vh_cli_option(cli, "--queue");
    bool check = vh_cli_flag(cli, "--check");
    if (queue) {
        return vh_cli_no_more_options(cli, 0, 0) ? vh_import_queue(cli, queue, check) : VH_EXIT_USAGE;
    }
    if (check && !is_queue_file(cli)) {
        return vh_cli_usage(cli, "option '--check' looks at a queue file; name it: --queue FILE --check");
    }
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
        printf("%.*s queued%s; 'vivhost work --drain' does it\n", VH_STR_ARGS(vh_json_str(response, "task")),
               vh_json_int(response, "repeated", 0) ? " before, under the same key" : "");
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}
