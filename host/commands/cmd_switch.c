/* SPDX-License-Identifier: Apache-2.0 */
/* stop, resume, status: all work at once. */
#include "cmd_switch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"

static const char *
word_of(const struct vh_json *set)
{
    struct viv_str state = vh_json_str(set, "state");
    return vh_str_is(state, "halt") ? "halted" : vh_str_is(state, "pause") ? "paused" : NULL;
}

static const char *
why(struct vh_cli *cli, const struct vh_json *set)
{
    struct viv_str note = vh_json_str(set, "note");
    const char *text = vh_arena_format(cli->arena, "by %s%s%s", vh_cli_line(cli, vh_json_str(set, "by"), 80),
                                       note.len ? ": " : "", note.len ? vh_cli_line(cli, note, 300) : "");
    return text ? text : "";
}

bool
vh_cli_held(struct vh_cli *cli, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "status"), ret_exit);
    const struct vh_json *set = vh_json_get(response, "switch");
    if (!response || !word_of(set)) {
        return !response;
    }
    (void)vh_error_set(&err, VIV_E_BUSY, "switch", "work is %s %s; nothing was begun; 'vivhost resume' goes on",
                       word_of(set), why(cli, set));
    (void)vh_cli_fail(cli, VIV_E_BUSY, &err);
    *ret_exit = VH_EXIT_ASK;
    return true;
}

/* The file that a host obeys even when it answers nobody. */
static int
leave_file(struct vh_cli *cli, bool pause, const char *note, int code)
{
    struct viv_error err = VIV_ERROR_INIT;
    const char *name = pause ? "PAUSE" : "HALT";
    if (code != VH_EXIT_SYSTEM || !cli->app.home_path) {
        return code; /* there is no home, or it is not trusted; that is said */
    }
    const char *path = vh_arena_format(cli->arena, "%s/%s", cli->app.home_path, name);
    viv_status status = path ? vh_fs_replace(cli->app.seam, AT_FDCWD, path, vh_str(note), 0600, &err)
                             : vh_error_set(&err, VIV_E_MEMORY, "switch", "no memory");
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    vh_cli_note(cli, "left the file '%s': the host obeys it as soon as it lives, and each later one until 'vivhost "
                "resume'", path);
    return code;
}

static int
tell(struct vh_cli *cli, struct vh_json *response, const char *words)
{
    if (cli->json) {
        vh_cli_print_json(cli, response);
    } else {
        puts(words);
    }
    return VH_EXIT_OK;
}

int
vh_cli_stop_all(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    bool pause = vh_cli_flag(cli, "--pause");
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    const char *note = cli->argc ? cli->argv[0] : "";
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return leave_file(cli, pause, note, code);
    }
    struct vh_json *request = vh_cli_request(cli, "stop");
    vh_json_set_text(cli->arena, request, "note", note);
    vh_json_set_text(cli->arena, request, "state", pause ? "pause" : "halt");
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    const char *words = pause ? "paused: nothing new begins, what runs goes on to its end; 'vivhost resume' goes on"
                              : "halted: nothing begins, and what ran was given back; 'vivhost resume' goes on";
    code = response ? tell(cli, response, words) : code;
    vh_cli_close(cli);
    return code;
}

int
vh_cli_resume(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "resume");
    vh_json_set_text(cli->arena, request, "note", cli->argc ? cli->argv[0] : "");
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    code = response ? tell(cli, response, "work goes on") : code;
    vh_cli_close(cli);
    return code;
}

static void
print_status(struct vh_cli *cli, const struct vh_json *response)
{
    const struct vh_json *set = vh_json_get(response, "switch");
    const char *word = word_of(set);
    int64_t pid = vh_json_int(response, "pid", 0), open = vh_json_int(response, "open", 0);
    bool client = cli->app.client != NULL;
    printf("work      %s%s%s%s\n", word ? word : "runs", word ? " " : "", word ? why(cli, set) : "", word ? "," : "");
    if (word) {
        printf("          since %s\n", vh_cli_time(cli, vh_json_int(set, "since_us", 0)));
    }
    if (client) {
        printf("host      pid %lld, epoch %lld\n", (long long)pid, (long long)vh_json_int(response, "epoch", 0));
    } else {
        puts("host      none runs; 'vivhost work' starts one");
    }
    printf("profile   %s\n", vh_cli_line(cli, vh_json_str(response, "profile"), 200));
    printf("tasks     %lld wait for a worker or are with one\n", (long long)open);
    printf("log       %lld events, head %.*s\n", (long long)vh_json_int(response, "seq", 0),
           VH_STR_ARGS(vh_json_str(response, "head")));
}

int
vh_cli_status(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *response = vh_cli_query(cli, vh_cli_request(cli, "status"), &code);
    if (response && !cli->json) {
        print_status(cli, response);
    }
    vh_cli_close(cli);
    return code;
}
