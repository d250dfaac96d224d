/* SPDX-License-Identifier: Apache-2.0 */
/* log and replay: the record and whether it holds. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/verify.h"

static int64_t
print_page(struct vh_cli *cli, const struct vh_json *response, int64_t after)
{
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        const struct vh_json *event = vh_json_get(e, "event");
        if (cli->json) {
            vh_cli_print_json(cli, e);
        } else {
            const char *words = vh_cli_event_words(cli, event);
            struct viv_str kind = vh_json_str(event, "kind");
            printf("%6lld  %s  %-12.*s %-20.*s %s\n", (long long)vh_json_int(event, "seq", 0),
                   vh_cli_time(cli, vh_json_int(event, "time_us", 0)), VH_STR_ARGS(vh_json_str(event, "task")),
                   VH_STR_ARGS(kind), words ? words : "");
        }
        after = vh_json_int(event, "seq", after);
    }
    fflush(stdout);
    return after;
}

static int
show(struct vh_cli *cli, const char *task, int64_t after, bool follow)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_arena *kept = cli->arena;
    for (bool more = true; more && !atomic_load(&vh_cli_stop);) {
        cli->arena = vh_arena_create(NULL, 0);
        struct vh_json *request = cli->arena ? vh_cli_request(cli, "events") : NULL;
        vh_json_set_int(cli->arena, request, "after", after);
        vh_json_set_int(cli->arena, request, "wait", follow);
        if (task) {
            vh_json_set_text(cli->arena, request, "task", task);
        }
        struct vh_json *response = request ? vh_cli_ask(cli, request, &code) : NULL;
        int64_t last = response ? print_page(cli, response, after) : after;
        more = response && (follow || last > after);
        code = response ? VH_EXIT_OK : code;
        after = last;
        vh_arena_destroy(cli->arena);
    }
    cli->arena = kept;
    vh_cli_close(cli);
    return code;
}

static int
verify(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "verify"), &code);
    int64_t bad = vh_json_int(response, "bad", 0);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response && bad) {
        printf("event %lld is bad: %.*s\n", (long long)bad, VH_STR_ARGS(vh_json_str(response, "problem")));
    } else if (response) {
        printf("%lld events, chain unbroken, head %.*s\n", (long long)vh_json_int(response, "events", 0),
               VH_STR_ARGS(vh_json_str(response, "head")));
    }
    vh_cli_close(cli);
    return !response ? code : bad ? VH_EXIT_FAILED : VH_EXIT_OK;
}


static int
rebuild(struct vh_cli *cli, bool check)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_rebuild_result result;
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status == VIV_OK) {
        status = vh_app_rebuild(&cli->app, !check, &result, &err);
    }
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "events", result.events);
        vh_json_set_int(cli->arena, value, "same", result.same);
        vh_cli_print_json(cli, value);
    } else if (result.same) {
        printf("%lld events folded, the same dump\n", (long long)result.events);
    } else {
        printf("%lld events folded, the dump differs\n  found   %s\n  rebuilt %s\n", (long long)result.events,
               result.found, result.rebuilt);
    }
    return result.same ? VH_EXIT_OK : VH_EXIT_FAILED;
}

int
vh_cli_log(struct vh_cli *cli)
{
    const char *task = vh_cli_option(cli, "--task");
    const char *after = vh_cli_option(cli, "--after");
    bool check = vh_cli_flag(cli, "--check");
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    int64_t from = after ? strtoll(after, NULL, 10) : 0;
    if (strcmp(cli->argv[0], "show") == 0) {
        return show(cli, task, from, false);
    }
    if (strcmp(cli->argv[0], "follow") == 0) {
        return show(cli, task, from, true);
    }
    if (strcmp(cli->argv[0], "verify") == 0) {
        return verify(cli);
    }
    if (strcmp(cli->argv[0], "rebuild") == 0) {
        return rebuild(cli, check);
    }
    return vh_cli_usage(cli, "there is no 'log %s'", cli->argv[0]);
}
