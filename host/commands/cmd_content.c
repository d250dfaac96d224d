/* SPDX-License-Identifier: Apache-2.0 */
/* gc, task output: what lies in the content store. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cmd_task.h"
#include "keep/blob.h"
#include "run/effect.h"

#define KEEP_DAYS 30

static void
tell_collected(const struct vh_json *response, bool only_count)
{
    const char *verb = only_count ? "would be removed" : "removed";
    printf("%lld outputs %s, %lld strays, %lld bytes; %lld contents stay\n",
           (long long)vh_json_int(response, "pruned", 0), verb, (long long)vh_json_int(response, "strays", 0),
           (long long)vh_json_int(response, "bytes", 0), (long long)vh_json_int(response, "kept", 0));
    printf("%lld trees %s, %lld bytes\n", (long long)vh_json_int(response, "trees", 0), verb,
           (long long)vh_json_int(response, "tree_bytes", 0));
}

int
vh_cli_gc(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    int64_t days = KEEP_DAYS;
    bool only_count = vh_cli_flag(cli, "--dry-run");
    if (!vh_cli_number(cli, "--keep", KEEP_DAYS, 0, 36500, &days) || !vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "collect");
    vh_json_set_int(cli->arena, request, "keep_days", days);
    vh_json_set_int(cli->arena, request, "only_count", only_count);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        tell_collected(response, only_count);
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

/* ---- task output ---- */

struct output {
    const struct vh_json *data; /* of the event */
    int64_t bytes;
    struct viv_str text;
    struct viv_str digest; /* of what is stored; empty when all of it stands in the event */
    int64_t pruned_us;
    bool gone;
};

/* The event that says it was pruned; without one the content is damaged or lost. */
static viv_status
look_for_pruned(struct vh_cli *cli, struct output *output, struct viv_error *err)
{
    struct vh_json *response = NULL;
    struct vh_json *request = vh_cli_request(cli, "pruned");
    vh_json_set_str(cli->arena, request, "digest", output->digest);
    viv_status status = vh_app_ask(&cli->app, request, cli->arena, &response, err);
    output->gone = true;
    output->pruned_us = vh_json_int(response, "time_us", 0);
    return status;
}

static viv_status
read_output(struct vh_cli *cli, const struct vh_json *data, struct output *output, struct viv_error *err)
{
    struct viv_str kept = vh_json_str(data, "output_kept");
    struct viv_str text = vh_json_str(data, "output");
    *output = (struct output){ .data = data, .bytes = vh_json_int(data, "output_bytes", 0), .text = text };
    if (output->bytes <= VH_OUTPUT_IN_EVENT_MAX) {
        return VIV_OK;
    }
    output->digest = kept.len ? kept : vh_json_str(data, "output_digest");
    viv_status status = vh_blob_get(cli->app.seam, cli->arena, cli->app.home, output->digest, &output->text, err);
    return status == VIV_E_NOT_FOUND ? look_for_pruned(cli, output, err) : status;
}

static const char *
why_gone(struct vh_cli *cli, const struct output *output)
{
    const char *digest = vh_cli_line(cli, output->digest, VH_HASH_HEX);
    return output->pruned_us ? vh_arena_format(cli->arena, "pruned by 'vivhost gc' at %s",
                                               vh_cli_time(cli, output->pruned_us))
                             : vh_arena_format(cli->arena, "lost: content %s is missing and was never pruned", digest);
}

/* Texts as they are; what was only an excerpt says so. */
static void
print_output(struct vh_cli *cli, const struct output *output, int64_t ordinal)
{
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_int(cli->arena, value, "bytes", output->bytes);
        vh_json_set_int(cli->arena, value, "exit_code", vh_json_int(output->data, "exit_code", 0));
        vh_json_set_int(cli->arena, value, "ordinal", ordinal);
        if (output->gone) {
            vh_json_set_text(cli->arena, value, "gone", why_gone(cli, output));
        }
        vh_json_set_str(cli->arena, value, "text", vh_run_clean(cli->arena, output->text, VIV_OUTPUT_STORED_MAX));
        vh_cli_print_json(cli, value);
        return;
    }
    if (output->gone) {
        vh_cli_note(cli, "effect %lld: %lld bytes of output, %s; its beginning:", (long long)ordinal,
                    (long long)output->bytes, why_gone(cli, output));
    }
    fwrite(output->text.data, 1, (size_t)output->text.len, stdout);
    if (output->text.len && output->text.data[output->text.len - 1] != '\n') {
        putchar('\n');
    }
}

/* One page of the task's events; false at the end or after a complaint. */
static bool
print_page(struct vh_cli *cli, int64_t *after, int64_t *ret_count, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_json *request = vh_cli_request(cli, "events");
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    vh_json_set_int(cli->arena, request, "after", *after);
    struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
    const struct vh_json *events = vh_json_get(response, "events");
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        struct output output;
        const struct vh_json *event = vh_json_get(e, "event");
        const struct vh_json *data = vh_json_get(event, "data");
        if (!vh_str_is(vh_json_str(event, "kind"), "effect.finished") || !vh_json_get(data, "output_bytes") ||
            !vh_str_is(vh_json_str(data, "effect"), "exec")) {
            continue;
        }
        viv_status status = read_output(cli, data, &output, &err);
        if (status) {
            *ret_exit = vh_cli_fail(cli, status, &err);
            return false;
        }
        print_output(cli, &output, vh_json_int(data, "ordinal", 0));
        ++*ret_count;
    }
    int64_t last = vh_json_int(response, "last", *after);
    bool more = events && events->count > 0 && last > *after;
    *after = last;
    return more;
}

int
vh_cmd_task_output(struct vh_cli *cli)
{
    int code = VH_EXIT_OK;
    int64_t after = 0, count = 0;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "task");
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    struct vh_arena *kept = cli->arena;
    bool more = vh_cli_ask(cli, request, &code) != NULL; /* says when there is no such task */
    while (more) {
        cli->arena = vh_arena_create(NULL, 0);
        more = cli->arena && print_page(cli, &after, &count, &code);
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
    }
    if (code == VH_EXIT_OK && count == 0) {
        vh_cli_note(cli, "no command of this task has ended");
    }
    vh_cli_close(cli);
    return code;
}
