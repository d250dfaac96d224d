/* SPDX-License-Identifier: Apache-2.0 */
/* inbox: what waits for a person, with what the decision is about: the question's text and, for a conflict, each path
 * with both versions as git knows them. Deciding is in cmd_task.c. */
#include "cli.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

/* The text of the latest question and the latest conflicts of one task, read from its events. */
struct question {
    struct viv_str text;
    const struct vh_json *conflicts;
    struct viv_str kept_in; /* git directory in the home that has the person's versions */
};

static bool
read_question(struct vh_cli *cli, struct viv_str task, struct question *ret_question, int *ret_exit)
{
    int64_t after = 0;
    *ret_question = (struct question){ 0 };
    for (bool more = true; more;) {
        struct vh_json *request = vh_cli_request(cli, "events");
        vh_json_set_int(cli->arena, request, "after", after);
        vh_json_set_str(cli->arena, request, "task", task);
        struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
        if (!response) {
            return false;
        }
        const struct vh_json *events = vh_json_get(response, "events");
        for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
            const struct vh_json *event = vh_json_get(e, "event");
            const struct vh_json *data = vh_json_get(event, "data");
            const struct vh_json *conflicts = vh_json_get(data, "conflicts");
            if (conflicts) {
                ret_question->conflicts = conflicts;
                ret_question->kept_in = vh_json_str(data, "kept_in");
            }
            if (vh_str_is(vh_json_str(event, "kind"), "task.asked")) {
                ret_question->text = vh_json_str(data, "text");
            }
        }
        int64_t last = vh_json_int(response, "last", after);
        more = last > after;
        after = last;
    }
    return true;
}

static const char *
version(struct vh_cli *cli, struct viv_str id)
{
    return id.len ? vh_arena_text_of(cli->arena, id) : "(no such file)";
}

static void
print_conflicts(struct vh_cli *cli, const struct vh_json *conflicts)
{
    for (const struct vh_json *c = conflicts ? conflicts->child : NULL; c; c = c->next) {
        struct viv_str reason = vh_json_str(c, "reason");
        printf("  %s: yours %s, the task's %s%s%s\n", vh_cli_line(cli, vh_json_str(c, "path"), 400),
               version(cli, vh_json_str(c, "ours")), version(cli, vh_json_str(c, "theirs")), reason.len ? "; " : "",
               vh_cli_line(cli, reason, 200));
    }
}

static void
print_waiting(struct vh_cli *cli, const struct vh_json *task, const struct question *question)
{
    struct viv_str id = vh_json_str(task, "id");
    bool unclear = vh_str_is(vh_json_str(task, "awaiting"), "unclear");
    printf("%.*s  %s  %s\n", VH_STR_ARGS(id), vh_cli_line(cli, vh_json_str(task, "awaiting"), 60),
           vh_cli_line(cli, vh_json_str(task, "goal"), 60));
    if (question->text.len) {
        printf("  %s\n", vh_cli_lines(cli, question->text, 400, 6));
    }
    print_conflicts(cli, question->conflicts);
    if (question->conflicts && question->kept_in.len) {
        printf("  git --git-dir=%s/%.*s cat-file -p YOURS\n", cli->app.home_path, VH_STR_ARGS(question->kept_in));
    }
    printf("  vivhost task show %.*s\n  vivhost task %s %.*s%s\n  vivhost task reject %.*s\n", VH_STR_ARGS(id),
           unclear ? "answer" : "approve", VH_STR_ARGS(id), unclear ? " \"...\"" : "", VH_STR_ARGS(id));
}

static bool
show_waiting(struct vh_cli *cli, struct vh_json *task, int *ret_exit)
{
    struct question question;
    if (!read_question(cli, vh_json_str(task, "id"), &question, ret_exit)) {
        return false;
    }
    if (!vh_str_is(vh_json_str(task, "awaiting"), "conflict")) {
        question.conflicts = NULL; /* of an earlier question */
    }
    if (!cli->json) {
        print_waiting(cli, task, &question);
        return true;
    }
    vh_json_set_str(cli->arena, task, "question", question.text);
    if (question.conflicts) {
        vh_json_set_str(cli->arena, task, "kept_in", question.kept_in);
        vh_json_set(task, "conflicts", vh_json_clone(cli->arena, question.conflicts));
    }
    return true;
}

int
vh_cli_inbox(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "tasks");
    vh_json_set_text(cli->arena, request, "state", "awaiting_approval");
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    const struct vh_json *tasks = vh_json_get(response, "tasks");
    bool good = response != NULL;
    for (struct vh_json *t = tasks ? tasks->child : NULL; t && good; t = t->next) {
        good = show_waiting(cli, t, &code);
    }
    if (good && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (good && tasks && tasks->count == 0) {
        puts("nothing waits for a person");
    }
    vh_cli_close(cli);
    return good ? VH_EXIT_OK : code;
}
