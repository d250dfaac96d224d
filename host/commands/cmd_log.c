/* SPDX-License-Identifier: Apache-2.0 */
/* log: the record, whether it holds, and the same as a file. */
#include "cmd_checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "follow.h"
#include "keep/verify.h"

#define ARCHIVE_DAYS 365

/* ---- show, follow ---- */

static void
print_event(struct vh_cli *cli, const struct vh_json *event)
{
    const char *words = vh_follow_words(cli, event);
    printf("%6lld  %s  %-12.*s %-20.*s %.*s\n", (long long)vh_json_int(event, "seq", 0),
           vh_cli_time(cli, vh_json_int(event, "time_us", 0)), VH_STR_ARGS(vh_json_str(event, "task")),
           VH_STR_ARGS(vh_json_str(event, "kind")), words ? (int)strcspn(words, "\n") : 0, words ? words : "");
}

static int64_t
print_page(struct vh_cli *cli, const struct vh_json *response, int64_t after)
{
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        const struct vh_json *event = vh_json_get(e, "event");
        if (cli->json) {
            vh_cli_print_json(cli, e);
        } else {
            print_event(cli, event);
        }
        after = vh_json_int(event, "seq", after);
    }
    fflush(stdout);
    return after;
}

/* One page in an arena of its own. False when there is no more, or nobody reads. */
static bool
show_page(struct vh_cli *cli, const char *task, bool follow, int64_t *after, int *ret_exit)
{
    struct vh_json *response = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *request = vh_cli_request(cli, "events");
    vh_json_set_int(cli->arena, request, "after", *after);
    vh_json_set_int(cli->arena, request, "wait", follow);
    if (task) {
        vh_json_set_text(cli->arena, request, "task", task);
    }
    viv_status status = vh_app_ask(&cli->app, request, cli->arena, &response, &err);
    if (status == VIV_E_UNAVAILABLE && follow && cli->app.client) {
        (void)vh_app_close(&cli->app, NULL); /* the host has ended; its log has not */
        return vh_cli_open(cli, VH_APP_READ, 0, ret_exit);
    }
    if (status) {
        *ret_exit = vh_cli_fail(cli, status, &err);
        return false;
    }
    int64_t last = print_page(cli, response, *after);
    bool more = follow || last > *after;
    *after = last;
    *ret_exit = VH_EXIT_OK;
    return more && !vh_cli_output_gone();
}

static int
show_events(struct vh_cli *cli, bool follow)
{
    int code = VH_EXIT_SYSTEM;
    int64_t after = 0;
    const char *task = vh_cli_option(cli, "--task");
    if (!vh_cli_number(cli, "--after", 0, 0, VH_JSON_INTEGER_MAX, &after) || !vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_arena *kept = cli->arena;
    for (bool more = true; more && !atomic_load(&vh_cli_stop);) {
        cli->arena = vh_arena_create(NULL, 0);
        more = cli->arena && show_page(cli, task, follow, &after, &code);
        vh_arena_destroy(cli->arena);
    }
    cli->arena = kept;
    vh_cli_close(cli);
    return code;
}

static int
show(struct vh_cli *cli)
{
    return show_events(cli, false);
}

static int
follow(struct vh_cli *cli)
{
    return show_events(cli, true);
}

/* ---- verify, rebuild ---- */

/* Announced, and what became of it is not in the log. */
static void
print_unmatched(const struct vh_json *response)
{
    const struct vh_json *list = vh_json_get(response, "unmatched_first");
    long long count = vh_json_int(response, "unmatched", 0);
    if (count) {
        printf("%lld effect%s announced and without an outcome, as a crash leaves them:\n", count,
               count == 1 ? "" : "s");
    }
    for (const struct vh_json *one = list ? list->child : NULL; one; one = one->next) {
        printf("  event %lld: '%.*s' of %.*s, effect %lld\n", (long long)vh_json_int(one, "seq", 0),
               VH_STR_ARGS(vh_json_str(one, "effect")), VH_STR_ARGS(vh_json_str(one, "task")),
               (long long)vh_json_int(one, "ordinal", 0));
    }
}

static int
verify(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_json *request = vh_cli_request(cli, "verify");
    bool recent = vh_cli_flag(cli, "--recent");
    struct vh_cli_check words = { vh_cli_option(cli, "--against"), vh_cli_option(cli, "--key"),
                                  vh_cli_option(cli, "--line") };
    if (words.against || words.key || words.line || (cli->argc && cli->argv[0][0] != '-')) {
        return recent ? vh_cli_usage(cli, "'--recent' is for this home's log, and by itself")
                      : vh_cli_log_check(cli, &words);
    }
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    vh_json_set_int(cli->arena, request, "recent", recent);
    struct vh_json *response = vh_cli_query(cli, request, &code);
    int64_t archived = vh_json_int(response, "archived", 0);
    int64_t bad = vh_json_int(response, "bad", 0);
    if (response && !cli->json && bad) {
        printf("event %lld is bad: %.*s\n", (long long)bad, VH_STR_ARGS(vh_json_str(response, "problem")));
    } else if (response && !cli->json) {
        printf("%lld events%s, chain unbroken%s, head %.*s\n", (long long)vh_json_int(response, "events", 0),
               !archived ? "" : recent ? ", the archived ones not looked at" : ", archived ones with them",
               recent && archived ? " from there on" : "", VH_STR_ARGS(vh_json_str(response, "head")));
        print_unmatched(response);
    }
    vh_cli_close(cli);
    return response && bad ? VH_EXIT_FAILED : code;
}

static int
rebuild(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_rebuild_result result;
    bool check = vh_cli_flag(cli, "--check");
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status) {
        (void)vh_cli_fail(cli, status, &err); /* what is wrong with a home has a code of its own */
        return VH_EXIT_HOME;
    }
    status = vh_app_rebuild(&cli->app, !check, &result, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "events", result.events);
        vh_json_set_text(cli->arena, value, "found", result.found);
        vh_json_set_text(cli->arena, value, "rebuilt", result.rebuilt);
        vh_json_set_int(cli->arena, value, "same", result.same);
        vh_cli_print_json(cli, value);
    } else if (result.same) {
        printf("%lld events folded, the same dump\n", (long long)result.events);
    } else {
        printf("%lld events folded, the dump differs%s\n  found   %s\n  rebuilt %s\n", (long long)result.events,
               check ? "; 'vivhost log rebuild' puts it right" : " and was put right", result.found, result.rebuilt);
    }
    return result.same || !check ? VH_EXIT_OK : VH_EXIT_FAILED;
}

/* ---- archive ---- */

static void
tell_archived(const struct vh_json *response, int64_t days)
{
    int64_t bytes = vh_json_int(response, "bytes", 0), files = vh_json_int(response, "segments", 0);
    if (files) {
        printf("%lld events archived in %lld file%s of log/archive, %lld KiB; events 1 to %lld are there now\n",
               (long long)vh_json_int(response, "events", 0), (long long)files, files == 1 ? "" : "s",
               (long long)(bytes + 1023) / 1024, (long long)vh_json_int(response, "archived", 0));
    } else {
        printf("nothing to archive: events leave by the 8192, when all of them are older than %lld days\n",
               (long long)days);
    }
}

static int
archive(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    int64_t days = 0;
    bool shrink = vh_cli_flag(cli, "--shrink");
    if (!vh_cli_number(cli, "--keep", ARCHIVE_DAYS, 0, 36500, &days) || !vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "archive");
    vh_json_set_int(cli->arena, request, "keep_days", days);
    vh_json_set_int(cli->arena, request, "shrink", shrink);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        tell_archived(response, days);
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

/* ---- export ---- */

/* The lines of one page, as the host's own exporter writes them. */
static void
add_lines(struct vh_buf *buf, const struct vh_json *response)
{
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        vh_json_write(e, buf);
        vh_buf_char(buf, '\n');
    }
}

static viv_status
write_log(struct vh_cli *cli, int fd, int64_t *ret_events, struct viv_error *err)
{
    viv_status status = VIV_OK;
    int64_t after = 0;
    for (bool more = true; more && status == VIV_OK;) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_json *response = NULL;
        struct vh_json *request = arena ? vh_json_object(arena) : NULL;
        struct vh_buf buf;
        vh_buf_init(&buf, arena, (size_t)1 << 30);
        vh_json_set_int(arena, request, "after", after);
        vh_json_set_text(arena, request, "op", "events");
        status = request ? vh_app_ask(&cli->app, request, arena, &response, err) : VIV_E_MEMORY;
        if (status == VIV_OK) {
            add_lines(&buf, response);
            status = buf.failed ? vh_error_set(err, VIV_E_MEMORY, "log", "no memory for a page of events")
                                : vh_fs_write_all(cli->app.seam, fd, vh_buf_view(&buf), err);
        }
        int64_t last = vh_json_int(response, "last", after);
        more = last > after;
        after = last;
        vh_cli_progress(cli, "%lld events", (long long)after);
        vh_arena_destroy(arena);
    }
    vh_cli_progress(cli, NULL);
    *ret_events = after;
    return status;
}

typedef viv_status (*log_writer)(struct vh_cli *cli, int fd, int64_t *ret_events, struct viv_error *err);

/* Into a new file that takes the place of the old one at the end. */
static viv_status
export_to(struct vh_cli *cli, const char *path, log_writer write_all, int64_t *ret_events, struct viv_error *err)
{
    const struct vh_seam *seam = cli->app.seam;
    char *draft = vh_arena_format(cli->arena, "%s.%lld.part", path, (long long)cli->app.user.pid);
    if (!draft) {
        return vh_error_set(err, VIV_E_MEMORY, "log", "no memory");
    }
    int fd = seam->open(seam->data, AT_FDCWD, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "log", "cannot write beside '%s'", path);
    }
    viv_status status = write_all(cli, fd, ret_events, err);
    if (status == VIV_OK && seam->sync(seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "log", "cannot sync '%s'", draft);
    }
    seam->close(seam->data, fd);
    if (status == VIV_OK && seam->rename(seam->data, AT_FDCWD, draft, AT_FDCWD, path, 0)) {
        status = vh_error_errno(err, VIV_E_IO, "log", "cannot rename '%s' to '%s'", draft, path);
    }
    if (status) {
        (void)seam->unlink(seam->data, AT_FDCWD, draft, 0); /* the error at hand matters more */
    }
    return status;
}

static int
export_log(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    int64_t events = 0;
    struct viv_error err = VIV_ERROR_INIT;
    bool redact = vh_cli_flag(cli, "--redact");
    const char *path = vh_cli_option(cli, "--out");
    if (!vh_cli_no_more_options(cli, 0, path ? 0 : 1)) {
        return VH_EXIT_USAGE;
    }
    if (!(redact ? vh_cli_view(cli, &code) : vh_cli_open(cli, VH_APP_READ, 0, &code))) {
        return code;
    }
    path = path ? path : cli->argc ? cli->argv[0] : "-";
    log_writer writer = redact ? vh_cli_write_redacted : write_log;
    bool to_stdout = strcmp(path, "-") == 0;
    viv_status status = to_stdout ? writer(cli, STDOUT_FILENO, &events, &err)
                                  : export_to(cli, path, writer, &events, &err);
    vh_cli_close(cli);
    if (status) {
        return to_stdout && vh_cli_output_gone() ? VH_EXIT_OK : vh_cli_fail(cli, status, &err);
    }
    if (!to_stdout && cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "events", events);
        vh_json_set_text(cli->arena, value, "file", path);
        vh_cli_print_json(cli, value);
    } else if (!to_stdout) {
        printf("%lld events written to %s%s\n", (long long)events, path, redact ? ", without their texts" : "");
    }
    return VH_EXIT_OK;
}

static int
log_key(struct vh_cli *cli)
{
    return vh_cli_key(cli, &vh_trust_log);
}

const struct vh_cli_verb vh_cli_log_verbs[] = {
    { "show", "[--task TASK] [--after N]", "events in words", show },
    { "follow", "[--task TASK] [--after N]", "the same, and what comes", follow },
    { "verify", "[--recent] | [FILE] [--against CHECKPOINT] [--key KEY] [--line LINE]",
      "whether chain, numbers and causes hold, here or in a file, and what a checkpoint saw", verify },
    { "checkpoint", "[--out FILE]", "sign what the log is now, in few words to be kept elsewhere",
      vh_cli_log_checkpoint },
    { "key", "list | rotate | retire KEY", "the keys that sign checkpoints: show, replace, end an old one", log_key },
    { "rebuild", "[--check]", "fold the log again and compare", rebuild },
    { "export", "[FILE] [--redact] [--out FILE]", "all events as lines of JSON with their hashes, or without texts",
      export_log },
    { "prove", "N", "one event with the hash before it: with a redacted log it proves itself", vh_cli_log_prove },
    { "archive", "[--keep DAYS] [--shrink]", "move old events from the database to log/archive", archive },
    { NULL, NULL, NULL, NULL },
};
