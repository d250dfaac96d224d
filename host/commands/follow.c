/* SPDX-License-Identifier: Apache-2.0 */
/* Following one task. The words for its events: follow_words.c. */
#include "follow.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "run/socket.h"

/* What the work said, in full, and how it ended in one line. */
static void
print_result(struct vh_cli *cli, const struct vh_json *task)
{
    struct viv_str output = vh_json_str(vh_json_get(task, "result"), "output");
    struct viv_str state = vh_json_str(task, "state");
    struct viv_str published = vh_json_str(task, "published");
    struct viv_str id = vh_json_str(task, "id");
    if (output.len && !vh_str_is(state, "failed")) {
        printf("%.*s%s", VH_STR_ARGS(output), output.data[output.len - 1] == '\n' ? "" : "\n");
        fflush(stdout);
    }
    bool ready = vh_str_is(state, "ready");
    vh_cli_note(cli, "%.*s %.*s, cost %s%s%.*s", VH_STR_ARGS(id), VH_STR_ARGS(state),
                vh_cli_money(cli, vh_json_int(task, "cost_micro", 0)), ready && published.len >= 12 ? ", commit " : "",
                ready && published.len >= 12 ? 12 : 0, published.len >= 12 ? published.data : "");
    if (vh_str_is(state, "awaiting_approval")) {
        bool unclear = vh_str_is(vh_json_str(task, "awaiting"), "unclear");
        vh_cli_note(cli, "  vivhost task show %.*s", VH_STR_ARGS(id));
        if (unclear) {
            vh_cli_note(cli, "  vivhost task answer %.*s \"...\"", VH_STR_ARGS(id));
        } else {
            vh_cli_note(cli, "  vivhost task approve %.*s, or reject", VH_STR_ARGS(id));
        }
    }
}

static int
code_of(const struct vh_json *task, bool cancelled)
{
    enum vh_state state = vh_task_state_of(vh_json_str(task, "state"));
    if (cancelled && state == VH_STATE_CANCELLED) {
        return VH_EXIT_INTERRUPTED;
    }
    return state == VH_STATE_READY || state == VH_STATE_ROLLED_BACK || state == VH_STATE_EXPANDED ? VH_EXIT_OK
           : state == VH_STATE_AWAITING ? VH_EXIT_ASK
                                        : VH_EXIT_FAILED;
}

/* Ended, or waiting for a person, and no worker has it any more. */
static bool
at_rest(const struct vh_json *task)
{
    struct vh_task row = { .state = vh_task_state_of(vh_json_str(task, "state")) };
    bool still = vh_task_ended(&row) || row.state == VH_STATE_AWAITING || row.state == VH_STATE_EXPANDED;
    return still && !vh_json_int(task, "leased", 0) && vh_json_str(task, "phase").len == 0;
}

static struct vh_json *
ask_task(struct vh_cli *cli, struct viv_str task, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_str(cli->arena, request, "task", task);
    return vh_cli_ask(cli, request, ret_exit);
}

static int64_t
print_events(struct vh_cli *cli, const struct vh_json *response, int64_t after)
{
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        const struct vh_json *event = vh_json_get(e, "event");
        const char *words = cli->json ? NULL : vh_follow_words(cli, event);
        if (cli->json) {
            vh_cli_print_json(cli, event);
        } else if (words) {
            fprintf(stderr, "  %s\n", words);
        }
        after = vh_json_int(event, "seq", after);
    }
    fflush(stdout);
    return after;
}

/* Ask for a stop once; the task is then followed to its end. */
static void
cancel_once(struct vh_cli *cli, struct viv_str task, bool *cancelled)
{
    int ignored = 0;
    if (!atomic_load(&vh_cli_stop) || *cancelled) {
        return;
    }
    *cancelled = true;
    vh_cli_note(cli, "cancelling %.*s; Ctrl-C again leaves at once", VH_STR_ARGS(task));
    struct vh_json *request = vh_cli_request(cli, "cancel");
    vh_json_set_str(cli->arena, request, "note", VH_STR("interrupted"));
    vh_json_set_str(cli->arena, request, "task", task);
    (void)vh_cli_ask(cli, request, &ignored); /* it has said why when it failed */
}

/* One round in an arena of its own: what is new, and whether that was the end. */
static bool
follow_once(struct vh_cli *cli, struct viv_str task, int64_t *after, bool cancelled, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "events");
    vh_json_set_str(cli->arena, request, "task", task);
    vh_json_set_int(cli->arena, request, "after", *after);
    struct vh_json *state = ask_task(cli, task, ret_exit);
    const struct vh_json *row = vh_json_get(state, "task");
    bool rest = row && at_rest(row);
    vh_json_set_int(cli->arena, request, "wait", !rest);
    struct vh_json *response = state ? vh_cli_ask(cli, request, ret_exit) : NULL;
    if (!response) {
        return true;
    }
    int64_t last = print_events(cli, response, *after);
    rest = rest && last == *after; /* what came with the last look is shown before the end */
    *after = last;
    *ret_exit = code_of(row, cancelled);
    if (rest && !cli->json) {
        print_result(cli, row);
    }
    return rest || vh_cli_output_gone();
}

int
vh_follow_task(struct vh_cli *cli, struct viv_str task, int64_t after, bool cancels)
{
    int code = VH_EXIT_SYSTEM;
    bool cancelled = false, done = false;
    struct vh_arena *kept = cli->arena;
    while (!done) {
        cli->arena = vh_arena_create(NULL, 0);
        if (!cli->arena) {
            cli->arena = kept;
            return VH_EXIT_SYSTEM;
        }
        if (cancels) {
            cancel_once(cli, task, &cancelled);
        }
        done = follow_once(cli, task, &after, cancelled, &code);
        if (!done && !cancels && atomic_load(&vh_cli_stop)) {
            code = VH_EXIT_INTERRUPTED;
            done = true;
        }
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
    }
    return code;
}
