/* SPDX-License-Identifier: Apache-2.0 */
/* queue list, show, export: looking at many tasks. What waits for a person is in cmd_inbox.c. */
#include "cli.h"

#include <stdio.h>

#include "base/str.h"
#include "cmd_export.h"
#include "cmd_task.h"

/* Pages of tasks, each in an arena of its own. `each` is not called with --json, which prints the pages. */
static int
each_page(struct vh_cli *cli, const char *state, void (*each)(struct vh_cli *cli, const struct vh_json *task),
          uint32_t *ret_count)
{
    int code = VH_EXIT_OK;
    int64_t after = 0;
    struct vh_arena *kept = cli->arena;
    for (bool more = true; more;) {
        cli->arena = vh_arena_create(NULL, 0);
        struct vh_json *request = cli->arena ? vh_cli_request(cli, "tasks") : NULL;
        vh_json_set_int(cli->arena, request, "after", after);
        if (state) {
            vh_json_set_text(cli->arena, request, "state", state);
        }
        struct vh_json *response = request ? vh_cli_ask(cli, request, &code) : NULL;
        const struct vh_json *tasks = vh_json_get(response, "tasks");
        if (response && cli->json) {
            vh_cli_print_json(cli, response);
        }
        for (const struct vh_json *t = tasks && !cli->json ? tasks->child : NULL; t; t = t->next) {
            each(cli, t);
        }
        *ret_count += tasks ? tasks->count : 0;
        after = vh_json_int(response, "last", after);
        more = vh_json_int(response, "more", 0) && !vh_cli_output_gone() && !atomic_load(&vh_cli_stop);
        vh_arena_destroy(cli->arena);
    }
    cli->arena = kept;
    return code;
}

static void
print_row(struct vh_cli *cli, const struct vh_json *task)
{
    printf("%-12.*s %-18.*s attempt %lld  %s  %s\n", VH_STR_ARGS(vh_json_str(task, "id")),
           VH_STR_ARGS(vh_json_str(task, "state")), (long long)vh_json_int(task, "attempt", 0),
           vh_cli_money(cli, vh_json_int(task, "cost_micro", 0)), vh_cli_line(cli, vh_json_str(task, "goal"), 60));
}

static int
list_tasks(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    uint32_t count = 0;
    const char *state = vh_cli_option(cli, "--state");
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    code = each_page(cli, state, print_row, &count);
    if (code == VH_EXIT_OK && count == 0 && !cli->json) {
        puts(state ? "no such tasks" : "no tasks; 'vivhost submit \"GOAL\"' queues one");
    }
    vh_cli_close(cli);
    return code;
}

const struct vh_cli_verb vh_cli_queue_verbs[] = {
    { "list", "[--state STATE]", "all tasks, in order of submission", list_tasks },
    { "show", "TASK", "one task", vh_cmd_task_show },
    { "export", "[FILE]", "all tasks as a queue file of contract 1.1", vh_export_queue },
    { NULL, NULL, NULL, NULL },
};
