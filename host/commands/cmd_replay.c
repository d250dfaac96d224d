/* SPDX-License-Identifier: Apache-2.0 */
/* replay: every recorded command given to the core again, what it decides compared with what was recorded. The log
 * comes from the home, or from an exported file. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "replay/replay.h"

#define FILE_MAX_BYTES ((size_t)4 << 30)
#define SHOWN_MAX 2000

static viv_status
feed_page(struct vh_cli *cli, struct vh_replay *replay, int64_t *after, bool *ret_more, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *response = NULL;
    struct vh_json *request = arena ? vh_json_object(arena) : NULL;
    vh_json_set_int(arena, request, "after", *after);
    vh_json_set_text(arena, request, "op", "events");
    viv_status status = request ? vh_app_ask(&cli->app, request, arena, &response, err) : VIV_E_MEMORY;
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e && status == VIV_OK; e = e->next) {
        struct vh_hash hash;
        struct viv_str line = vh_json_print(arena, vh_json_get(e, "event"));
        status = vh_hash_parse(vh_json_str(e, "hash"), &hash) && line.data
                     ? vh_replay_line(replay, line, &hash, err)
                     : vh_error_set(err, VIV_E_MEMORY, "replay", "no memory for an event");
    }
    int64_t last = vh_json_int(response, "last", *after);
    *ret_more = last > *after;
    *after = last;
    vh_arena_destroy(arena);
    return status;
}

static viv_status
feed_home(struct vh_cli *cli, struct vh_replay *replay, struct viv_error *err)
{
    int64_t after = 0;
    viv_status status = VIV_OK;
    for (bool more = true; more && status == VIV_OK;) {
        status = feed_page(cli, replay, &after, &more, err);
        vh_cli_progress(cli, "%lld events replayed", (long long)after);
    }
    vh_cli_progress(cli, NULL);
    return status;
}

static viv_status
feed_file(struct vh_cli *cli, struct vh_replay *replay, const char *path, struct viv_error *err)
{
    struct viv_str bytes;
    viv_status status = vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, FILE_MAX_BYTES, &bytes, err);
    uint64_t at = 0;
    while (status == VIV_OK && at < bytes.len) {
        const char *end = memchr(bytes.data + at, '\n', (size_t)(bytes.len - at));
        if (!end) {
            vh_cli_note(cli, "the last line of '%s' is not whole and was left out", path);
            break;
        }
        uint64_t len = (uint64_t)(end - bytes.data) - at;
        status = vh_replay_exported(replay, (struct viv_str){ bytes.data + at, len }, err);
        at += len + 1;
    }
    return status;
}

static const char *
side(struct vh_cli *cli, struct viv_str text)
{
    return text.len ? vh_cli_line(cli, text, SHOWN_MAX) : "(nothing)";
}

static int
tell(struct vh_cli *cli, const struct vh_replay_result *result)
{
    static const char *const findings[] = { "agrees", "altered", "diverges" };
    bool agrees = result->finding == VH_REPLAY_AGREES;
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "cause", result->cause);
        vh_json_set_int(cli->arena, value, "commands", result->commands);
        vh_json_set_str(cli->arena, value, "decided", result->decided);
        vh_json_set_int(cli->arena, value, "differences", result->differences);
        vh_json_set_int(cli->arena, value, "events", result->events);
        vh_json_set_text(cli->arena, value, "finding", findings[result->finding]);
        vh_json_set_str(cli->arena, value, "recorded", result->recorded);
        vh_json_set_int(cli->arena, value, "seq", result->seq);
        vh_json_set_text(cli->arena, value, "what", result->what ? result->what : "");
        vh_cli_print_json(cli, value);
    } else if (agrees) {
        printf("agrees: %lld events, %lld commands decided again\n", (long long)result->events,
               (long long)result->commands);
    } else {
        printf("event %lld %s%s%s%s, it follows from event %lld\n  recorded: %s\n  decided:  %s\n"
               "%lld differences in %lld events\n",
               (long long)result->seq,
               result->finding == VH_REPLAY_ALTERED ? "was altered" : "is decided otherwise",
               result->what && *result->what ? " in '" : "", result->what ? result->what : "",
               result->what && *result->what ? "'" : "", (long long)result->cause, side(cli, result->recorded),
               side(cli, result->decided), (long long)result->differences, (long long)result->events);
    }
    return agrees ? VH_EXIT_OK : VH_EXIT_FAILED;
}

/* A task nobody knows would agree with everything. */
static bool
task_exists(struct vh_cli *cli, const char *task, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_text(cli->arena, request, "task", task);
    return vh_cli_ask(cli, request, ret_exit) != NULL;
}

int
vh_cli_replay(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_replay *replay = NULL;
    struct vh_replay_result result;
    const char *file = vh_cli_option(cli, "--file");
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    const char *task = cli->argc ? cli->argv[0] : NULL;
    if (!file && !vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    if (!file && task && !task_exists(cli, task, &code)) {
        vh_cli_close(cli);
        return code;
    }
    viv_status status = vh_replay_begin(cli->arena, vh_str(task), &replay, &err);
    if (status == VIV_OK) {
        status = file ? feed_file(cli, replay, file, &err) : feed_home(cli, replay, &err);
    }
    status = status ? status : vh_replay_finish(replay, &result, &err);
    if (!file) {
        vh_cli_close(cli);
    }
    return status ? vh_cli_fail(cli, status, &err) : tell(cli, &result);
}
