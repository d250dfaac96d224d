/* SPDX-License-Identifier: Apache-2.0 */
<<<<<<< HEAD
/* queue, task, rollback: looking at tasks and deciding about them. What waits is in cmd_inbox.c. */
=======
/* queue list, show, export; inbox: looking at many tasks. */
>>>>>>> cli
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
<<<<<<< HEAD
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    if (strcmp(cli->argv[0], "list") == 0 && cli->argc == 1) {
        return list_tasks(cli, state);
    }
    if (strcmp(cli->argv[0], "show") == 0 && cli->argc == 2) {
        return show_task(cli, cli->argv[1]);
    }
    return vh_cli_usage(cli, "there is no 'queue %s'", cli->argv[0]);
}

/* The question a task waits with now. */
static struct viv_str
present_digest(struct vh_cli *cli, const char *id, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_text(cli->arena, request, "task", id);
    struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
    return vh_json_str(vh_json_get(response, "task"), "awaiting_digest");
}

static int
decide(struct vh_cli *cli, const char *op, const char *note, const char *digest)
{
    int code = VH_EXIT_SYSTEM;
    bool decides = strcmp(op, "approve") == 0 || strcmp(op, "reject") == 0;
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, op);
    vh_json_set_text(cli->arena, request, "task", cli->argv[1]);
    if (note) {
        vh_json_set_text(cli->arena, request, "note", note);
    }
    if (decides) {
        vh_json_set_str(cli->arena, request, "digest",
                        digest ? vh_str(digest) : present_digest(cli, cli->argv[1], &code));
    }
    if (strcmp(op, "answer") == 0) {
        struct vh_json *answers = vh_json_array(cli->arena);
        for (int i = 2; i < cli->argc; i++) {
            vh_json_push(answers, vh_json_string(cli->arena, vh_str(cli->argv[i])));
        }
        vh_json_set(request, "answers", answers);
    }
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("%s: %s\n", cli->argv[1], op);
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

static int
follow_task(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    code = vh_cli_follow(cli, vh_str(cli->argv[1]), 0);
    vh_cli_close(cli);
    return code;
}

int
vh_cli_task(struct vh_cli *cli)
{
    static const char *const verbs[] = { "cancel", "retry", "approve", "reject", "answer" };
    const char *note = vh_cli_option(cli, "--note");
    const char *digest = vh_cli_option(cli, "--digest");
    if (!vh_cli_no_more_options(cli, 2, 16)) {
        return VH_EXIT_USAGE;
    }
    if (strcmp(cli->argv[0], "show") == 0) {
        return show_task(cli, cli->argv[1]);
    }
    if (strcmp(cli->argv[0], "follow") == 0) {
        return follow_task(cli);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(cli->argv[0], verbs[i]) == 0) {
            return decide(cli, verbs[i], note, digest);
        }
    }
    return vh_cli_usage(cli, "there is no 'task %s'", cli->argv[0]);
}

int
vh_cli_rollback(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WORK, 1, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "rollback");
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response) {
        int64_t after = vh_json_int(response, "seq", 1) - 1;
        code = vh_cli_follow(cli, vh_str(cli->argv[0]), after);
        request = vh_cli_request(cli, "task");
        vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
        response = vh_cli_ask(cli, request, &code);
        bool undone = vh_str_is(vh_json_str(vh_json_get(response, "task"), "state"), "rolled_back");
        code = undone ? VH_EXIT_OK : VH_EXIT_FAILED;
=======
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    code = each_page(cli, state, print_row, &count);
    if (code == VH_EXIT_OK && count == 0 && !cli->json) {
        puts(state ? "no such tasks" : "no tasks; 'vivhost submit \"GOAL\"' queues one");
>>>>>>> cli
    }
    vh_cli_close(cli);
    return code;
}

static void
print_question(struct vh_cli *cli, const struct vh_json *task)
{
    struct viv_str id = vh_json_str(task, "id");
    bool unclear = vh_str_is(vh_json_str(task, "awaiting"), "unclear");
    printf("%.*s  %s  %s\n  vivhost task show %.*s\n", VH_STR_ARGS(id),
           vh_cli_line(cli, vh_json_str(task, "awaiting"), 60), vh_cli_line(cli, vh_json_str(task, "goal"), 60),
           VH_STR_ARGS(id));
    if (unclear) {
        printf("  vivhost task answer %.*s \"...\"\n", VH_STR_ARGS(id));
    } else {
        printf("  vivhost task approve %.*s\n", VH_STR_ARGS(id));
    }
    printf("  vivhost task reject %.*s\n", VH_STR_ARGS(id));
}

int
vh_cli_inbox(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    uint32_t count = 0;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    code = each_page(cli, "awaiting_approval", print_question, &count);
    if (code == VH_EXIT_OK && count == 0 && !cli->json) {
        puts("nothing waits for a person");
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
