/* SPDX-License-Identifier: Apache-2.0 */
/* Events in words, and following a task to its end. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define WORDS(...) vh_arena_format(cli->arena, __VA_ARGS__)

static struct viv_str
data_str(const struct vh_json *event, const char *key)
{
    return vh_json_str(vh_json_get(event, "data"), key);
}

static int64_t
data_int(const struct vh_json *event, const char *key)
{
    return vh_json_int(vh_json_get(event, "data"), key, 0);
}

static struct viv_str
failure_of(const struct vh_json *event)
{
    return vh_json_str(vh_json_get(vh_json_get(event, "data"), "failure"), "text");
}

/* What an effect is about: its program, or its path. */
static const char *
effect_words(struct vh_cli *cli, const struct vh_json *event)
{
    const struct vh_json *what = vh_json_get(vh_json_get(event, "data"), "what");
    const struct vh_json *spec = vh_json_get(what, "spec");
    const struct vh_json *stages = vh_json_get(spec, "stages");
    const struct vh_json *argv = stages && stages->child ? vh_json_get(stages->child, "argv") : NULL;
    if (!argv) {
        return vh_arena_text_of(cli->arena, vh_json_str(what, "path"));
    }
    struct vh_buf buf;
    vh_buf_init(&buf, cli->arena, 120);
    for (const struct vh_json *word = argv->child; word && !buf.failed; word = word->next) {
        if (word != argv->child) {
            vh_buf_char(&buf, ' ');
        }
        vh_buf_str(&buf, word->text);
    }
    return buf.len ? buf.data : "";
}

static const char *
words_of_task(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    struct viv_str reason = data_str(event, "reason");
    if (vh_str_is(kind, "task.rejected")) {
        return WORDS("rejected; the reasons go to the next attempt");
    }
    if (vh_str_is(kind, "task.asked")) {
        return WORDS("a person must decide: %.*s (%.*s)", VH_STR_ARGS(data_str(event, "text")),
                     VH_STR_ARGS(data_str(event, "why")));
    }
    if (vh_str_is(kind, "task.delayed")) {
        return WORDS("tried again later: %.*s", VH_STR_ARGS(reason));
    }
    if (vh_str_is(kind, "task.submitted") || vh_str_is(kind, "task.claimed")) {
        return WORDS("%s%.*s", vh_str_is(kind, "task.claimed") ? "taken by " : "queued",
                     VH_STR_ARGS(data_str(event, "worker")));
    }
    return WORDS("is %.*s%s%.*s", (int)kind.len - 5, kind.data + 5, reason.len ? ": " : "", VH_STR_ARGS(reason));
}

static const char *
words_of_decision(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    static const char *const verdicts[] = { "deny", "ask", "allow" };
    int64_t verdict = data_int(event, "verdict");
    if (vh_str_is(kind, "intent.captured")) {
        return WORDS("intent captured, confidence %lld of 1000", (long long)data_int(event, "confidence_permille"));
    }
    if (vh_str_is(kind, "safety.report")) {
        const struct vh_json *checks = vh_json_get(vh_json_get(vh_json_get(event, "data"), "report"), "checks");
        return WORDS("safety report: %s, %u checks", verdicts[verdict >= 0 && verdict <= 2 ? verdict : 0],
                     checks ? checks->count : 0);
    }
    if (vh_str_is(kind, "route.chosen")) {
        struct viv_str route = data_str(event, "route");
        const char *at = route.len ? memchr(route.data, '@', (size_t)route.len) : NULL;
        return WORDS("route: %.*s", at ? (int)(at - route.data) : (int)route.len, route.len ? route.data : "none");
    }
    if (vh_str_is(kind, "change.frozen")) {
        return WORDS("result frozen: %lld paths changed, tree %.12s", (long long)data_int(event, "paths_all"),
                     data_str(event, "tree").len >= 12 ? data_str(event, "tree").data : "(none)      ");
    }
    if (vh_str_is(kind, "gate.answered")) {
        return WORDS("gate %.*s in %.*s: %.*s%.*s", VH_STR_ARGS(data_str(event, "gate")),
                     VH_STR_ARGS(data_str(event, "stage")), VH_STR_ARGS(data_str(event, "outcome")),
                     VH_STR_ARGS(failure_of(event)));
    }
    if (vh_str_is(kind, "review.made")) {
        return WORDS("critic: %lld of 1000", (long long)data_int(event, "score_permille"));
    }
    if (vh_str_is(kind, "publish.finished")) {
        struct viv_str commit = data_str(event, "published");
        return commit.len ? WORDS("published as %.12s", commit.data)
                          : WORDS("%s%.*s", failure_of(event).len ? "not published: " : "nothing to publish",
                                  VH_STR_ARGS(failure_of(event)));
    }
    return NULL;
}

const char *
vh_cli_event_words(struct vh_cli *cli, const struct vh_json *event)
{
    struct viv_str kind = vh_json_str(event, "kind");
    if (vh_str_starts(kind, "task.")) {
        return words_of_task(cli, event, kind);
    }
    if (vh_str_is(kind, "effect.started")) {
        return WORDS("%.*s: %s", VH_STR_ARGS(data_str(event, "effect")), effect_words(cli, event));
    }
    if (vh_str_is(kind, "effect.finished")) {
        struct viv_str text = data_str(event, "text");
        return data_int(event, "exit_code") || text.len
                   ? WORDS("%.*s ended with %lld %.*s", VH_STR_ARGS(data_str(event, "effect")),
                           (long long)data_int(event, "exit_code"), VH_STR_ARGS(text))
                   : NULL;
    }
    if (vh_str_is(kind, "effect.refused") || vh_str_is(kind, "effect.asked")) {
        return WORDS("%.*s %s: %s (%.*s)", VH_STR_ARGS(data_str(event, "effect")),
                     vh_str_is(kind, "effect.refused") ? "denied" : "needs a person", effect_words(cli, event),
                     VH_STR_ARGS(data_str(event, "reason")));
    }
    if (vh_str_is(kind, "budget.held") || vh_str_is(kind, "budget.settled")) {
        return WORDS("budget %s %s", vh_str_is(kind, "budget.held") ? "held" : "settled",
                     vh_cli_money(cli, data_int(event, "micro")));
    }
    if (vh_str_is(kind, "rollback.finished")) {
        return failure_of(event).len ? WORDS("not rolled back: %.*s", VH_STR_ARGS(failure_of(event)))
                                     : WORDS("rolled back");
    }
    if (vh_str_is(kind, "plugin.blamed")) {
        return WORDS("plugin at fault: %.*s", VH_STR_ARGS(data_str(event, "text")));
    }
    return words_of_decision(cli, event, kind);
}

/* What the work said, in full. */
static void
print_result(struct vh_cli *cli, const struct vh_json *task)
{
    const struct vh_json *result = vh_json_get(task, "result");
    struct viv_str output = vh_json_str(result, "output");
    if (output.len) {
        printf("%.*s%s", VH_STR_ARGS(output), output.data[output.len - 1] == '\n' ? "" : "\n");
    }
    struct viv_str published = vh_json_str(task, "published");
    fprintf(stderr, "%.*s %.*s, cost %s%s%.12s\n", VH_STR_ARGS(vh_json_str(task, "id")),
            VH_STR_ARGS(vh_json_str(task, "state")), vh_cli_money(cli, vh_json_int(task, "cost_micro", 0)),
            published.len >= 12 ? ", commit " : "", published.len >= 12 ? published.data : "");
}

static int
code_of(const struct vh_json *task)
{
    enum vh_state state = vh_task_state_of(vh_json_str(task, "state"));
    return state == VH_STATE_READY || state == VH_STATE_ROLLED_BACK || state == VH_STATE_EXPANDED ? VH_EXIT_OK
           : state == VH_STATE_AWAITING ? VH_EXIT_ASK
                                        : VH_EXIT_FAILED;
}

/* Ended, or waiting for a person, and no worker has it any more. */
static bool
at_rest(const struct vh_json *task)
{
    struct vh_task row = { .state = vh_task_state_of(vh_json_str(task, "state")) };
    bool still = vh_task_ended(&row) || row.state == VH_STATE_AWAITING;
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
        if (cli->json) {
            vh_cli_print_json(cli, event);
        } else {
            const char *words = vh_cli_event_words(cli, event);
            if (words) {
                fprintf(stderr, "  %s\n", words);
            }
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
    struct vh_json *request = vh_cli_request(cli, "cancel");
    vh_json_set_str(cli->arena, request, "task", task);
    (void)vh_cli_ask(cli, request, &ignored); /* it has said why when it failed */
}

int
vh_cli_follow(struct vh_cli *cli, struct viv_str task, int64_t after)
{
    int code = VH_EXIT_SYSTEM;
    bool cancelled = false;
    struct vh_arena *kept = cli->arena;
    for (;;) {
        cli->arena = vh_arena_create(NULL, 0);
        if (!cli->arena) {
            cli->arena = kept;
            return VH_EXIT_SYSTEM;
        }
        cancel_once(cli, task, &cancelled);
        struct vh_json *request = vh_cli_request(cli, "events");
        vh_json_set_str(cli->arena, request, "task", task);
        vh_json_set_int(cli->arena, request, "after", after);
        struct vh_json *state = ask_task(cli, task, &code);
        const struct vh_json *row = vh_json_get(state, "task");
        bool rest = row && at_rest(row);
        vh_json_set_int(cli->arena, request, "wait", !rest);
        struct vh_json *response = state ? vh_cli_ask(cli, request, &code) : NULL;
        if (response) {
            after = print_events(cli, response, after);
            bool interrupted = cancelled && vh_str_is(vh_json_str(row, "state"), "cancelled");
            code = interrupted ? VH_EXIT_INTERRUPTED : code_of(row);
        }
        if (rest && !cli->json && response) {
            print_result(cli, row);
        }
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
        if (!response || rest) {
            return code;
        }
    }
}
