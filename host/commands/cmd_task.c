/* SPDX-License-Identifier: Apache-2.0 */
/* task show, follow, cancel, retry, approve, reject, answer; rollback: one task and what people decide about it. */
#include "cmd_task.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cmd_switch.h"
#include "follow.h"

#define LINE_BYTES 400
#define REASON_BYTES 2000
#define INDENT 14 /* of a text's further lines: deeper than the next text of a list */

/* ---- show ---- */

static void
say(struct vh_cli *cli, const char *name, struct viv_str text)
{
    if (text.len) {
        printf("%-11s %s\n", name, vh_cli_lines(cli, text, LINE_BYTES, INDENT));
    }
}

/* Why attempts were rejected: a list of reasons for each. */
static void
say_reasons(struct vh_cli *cli, const struct vh_json *attempts)
{
    const char *name = "rejected";
    for (const struct vh_json *a = attempts ? attempts->child : NULL; a; a = a->next) {
        for (const struct vh_json *r = a->type == VH_JSON_ARRAY ? a->child : NULL; r; r = r->next, name = "") {
            struct viv_str command = vh_json_str(r, "command");
            struct viv_str text = r->type == VH_JSON_STRING ? r->text : vh_json_str(r, "text");
            text = text.len ? text : vh_json_print(cli->arena, r);
            printf("%-11s %s%s%s\n", name, vh_cli_line(cli, command, LINE_BYTES), command.len ? ": " : "",
                   vh_cli_lines(cli, text, REASON_BYTES, INDENT));
        }
    }
}

static void
say_list(struct vh_cli *cli, const char *name, const struct vh_json *list)
{
    for (const struct vh_json *item = list ? list->child : NULL; item; item = item->next) {
        struct viv_str text = item->type == VH_JSON_STRING ? item->text : vh_json_print(cli->arena, item);
        say(cli, item == list->child ? name : "", text);
    }
}

static void
say_gates(const struct vh_json *gates)
{
    for (const struct vh_json *g = gates ? gates->child : NULL; g; g = g->next) {
        printf("%-11s %.*s: %.*s\n", g == gates->child ? "gates" : "", VH_STR_ARGS(vh_json_str(g, "stage")),
               VH_STR_ARGS(vh_json_str(g, "outcome")));
    }
}

static struct viv_str
as_text(struct vh_cli *cli, const struct vh_json *value)
{
    return value ? vh_json_print(cli->arena, value) : (struct viv_str){ NULL, 0 };
}

static void
say_command(struct vh_cli *cli, const struct vh_json *command)
{
    const struct vh_json *stages = vh_json_get(command, "stages");
    struct vh_buf buf;
    vh_buf_init(&buf, cli->arena, 1u << 20);
    for (const struct vh_json *s = stages ? stages->child : NULL; s; s = s->next) {
        const struct vh_json *argv = vh_json_get(s, "argv");
        vh_buf_text(&buf, s == stages->child ? "" : " | ");
        for (const struct vh_json *word = argv ? argv->child : NULL; word; word = word->next) {
            vh_buf_text(&buf, word == argv->child ? "" : " ");
            vh_buf_str(&buf, word->text);
        }
    }
    say(cli, "command", vh_buf_view(&buf));
}

/* Names of what it may reach. */
static void
say_names(struct vh_cli *cli, const char *what, const struct vh_json *names)
{
    struct vh_buf buf;
    vh_buf_init(&buf, cli->arena, 1u << 16);
    for (const struct vh_json *n = names ? names->child : NULL; n; n = n->next) {
        vh_buf_text(&buf, n == names->child ? "" : " ");
        vh_buf_str(&buf, n->text);
    }
    say(cli, what, vh_buf_view(&buf));
}

static void
print_task(struct vh_cli *cli, const struct vh_json *task, const struct vh_json *traffic)
{
    struct viv_str worker = vh_json_str(task, "worker");
    say(cli, "task", vh_json_str(task, "id"));
    say(cli, "goal", vh_json_str(task, "goal"));
    say(cli, "state", vh_json_str(task, "state"));
    say(cli, "why", vh_json_str(task, "failure"));
    say(cli, "question", vh_json_str(task, "awaiting"));
    say(cli, "digest", vh_json_str(task, "awaiting_digest"));
    if (vh_json_int(task, "leased", 0)) {
        say(cli, "worker", worker);
    }
    printf("%-11s %lld of %lld\n", "attempt", (long long)vh_json_int(task, "attempt", 0),
           (long long)vh_json_int(task, "attempts_max", 0));
    printf("%-11s %s\n", "cost", vh_cli_money(cli, vh_json_int(task, "cost_micro", 0)));
    say_command(cli, vh_json_get(task, "command"));
    say(cli, "skill", vh_json_str(task, "skill"));
    say(cli, "input", as_text(cli, vh_json_get(task, "input")));
    say(cli, "route", vh_json_str(task, "route"));
    say(cli, "parent", vh_json_str(task, "parent"));
    say_list(cli, "waits for", vh_json_get(task, "depends"));
    say_gates(vh_json_get(task, "gates"));
    say_reasons(cli, vh_json_get(task, "feedback"));
    say(cli, "summary", vh_json_str(vh_json_get(task, "result"), "summary"));
    say(cli, "tree", vh_json_str(task, "tree"));
    say(cli, "commit", vh_json_str(task, "published"));
    say(cli, "rolled back", vh_json_str(task, "rollback_commit"));
    say(cli, "target", vh_json_str(task, "target"));
    say(cli, "scope", vh_json_str(task, "scope"));
    say_names(cli, "hosts", vh_json_get(vh_json_get(task, "capability"), "hosts"));
    say_names(cli, "models", vh_json_get(vh_json_get(task, "capability"), "models"));
    vh_cli_say_traffic(cli, traffic);
    printf("%-11s vivhost log show --task %.*s\n", "events", VH_STR_ARGS(vh_json_str(task, "id")));
}

int
vh_cmd_task_show(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    const struct vh_json *task = vh_json_get(response, "task");
    struct vh_json *traffic = task ? vh_cli_traffic(cli, &code) : NULL;
    if (task && !traffic) {
        response = NULL;
    } else if (task && cli->json) {
        vh_cli_print_json(cli, vh_cli_with_traffic(cli, task, traffic));
    } else if (task) {
        print_task(cli, task, traffic);
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

/* ---- follow ---- */

static int
follow(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    code = vh_follow_task(cli, vh_str(cli->argv[0]), 0, false);
    vh_cli_close(cli);
    return code;
}

/* ---- deciding ---- */

/* The question a task waits with now. */
static struct viv_str
present_digest(struct vh_cli *cli, const char *id, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_text(cli->arena, request, "task", id);
    struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
    return vh_json_str(vh_json_get(response, "task"), "awaiting_digest");
}

/* The request of a decision; NULL after a complaint. */
static struct vh_json *
decision(struct vh_cli *cli, const char *op, const char *note, const char *digest, int *ret_exit)
{
    bool bound = strcmp(op, "approve") == 0 || strcmp(op, "reject") == 0;
    struct vh_json *request = vh_cli_request(cli, op);
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    if (note) {
        vh_json_set_text(cli->arena, request, "note", note);
    }
    if (bound) {
        struct viv_str seen = digest ? vh_str(digest) : present_digest(cli, cli->argv[0], ret_exit);
        if (!digest && *ret_exit != VH_EXIT_OK) {
            return NULL;
        }
        vh_json_set_str(cli->arena, request, "digest", seen);
    }
    if (strcmp(op, "answer") == 0) {
        struct vh_json *answers = vh_json_array(cli->arena);
        for (int i = 1; i < cli->argc; i++) {
            vh_json_push(answers, vh_json_string(cli->arena, vh_str(cli->argv[i])));
        }
        vh_json_set(request, "answers", answers);
    }
    return request;
}

static int
decide(struct vh_cli *cli, const char *said, int words_min, int words_max)
{
    int code = VH_EXIT_OK;
    const char *note = vh_cli_option(cli, "--note");
    const char *digest = vh_cli_option(cli, "--digest");
    if (!vh_cli_no_more_options(cli, words_min, words_max)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = decision(cli, cli->verb->name, note, digest, &code);
    struct vh_json *response = request ? vh_cli_ask(cli, request, &code) : NULL;
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("%s %s\n", vh_cli_line(cli, vh_str(cli->argv[0]), VIV_ID_MAX), said);
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

static int
cancel(struct vh_cli *cli)
{
    return decide(cli, "is cancelled; 'vivhost task retry' would start it again", 1, 1);
}

static int
retry(struct vh_cli *cli)
{
    return decide(cli, "is queued again; 'vivhost work --drain' does it", 1, 1);
}

static int
approve(struct vh_cli *cli)
{
    return decide(cli, "is approved; 'vivhost work --drain' goes on with it", 1, 1);
}

static int
reject(struct vh_cli *cli)
{
    return decide(cli, "is rejected", 1, 1);
}

static int
answer(struct vh_cli *cli)
{
    return decide(cli, "has its answer; 'vivhost work --drain' goes on with it", 2, 16);
}

const struct vh_cli_verb vh_cli_task_verbs[] = {
    { "show", "TASK", "what it is and where it stands", vh_cmd_task_show },
    { "follow", "TASK", "its events until it ends", follow },
    { "output", "TASK", "what its commands wrote", vh_cmd_task_output },
    { "cancel", "TASK [--note TEXT]", "end it; nothing is published", cancel },
    { "retry", "TASK [--note TEXT]", "try a failed or cancelled task again", retry },
    { "approve", "TASK [--digest HEX] [--note TEXT]", "allow what it asks", approve },
    { "reject", "TASK [--digest HEX] [--note TEXT]", "refuse what it asks", reject },
    { "answer", "TASK TEXT ...", "answer its questions", answer },
    { NULL, NULL, NULL, NULL },
};

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
    struct vh_json *response = vh_cli_held(cli, &code) ? NULL : vh_cli_ask(cli, request, &code);
    if (response) {
        int64_t after = vh_json_int(response, "seq", 1) - 1;
        code = vh_follow_task(cli, vh_str(cli->argv[0]), after, false);
        request = vh_cli_request(cli, "task");
        vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
        response = vh_cli_ask(cli, request, &code);
        bool undone = vh_str_is(vh_json_str(vh_json_get(response, "task"), "state"), "rolled_back");
        code = code == VH_EXIT_INTERRUPTED || undone ? code : VH_EXIT_FAILED;
    }
    vh_cli_close(cli);
    return code;
}
