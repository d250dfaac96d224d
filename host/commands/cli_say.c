/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the command line says in one voice: errors, help, numbers, times, progress. */
#include "cli.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

#define TEXT_MAX 1024

static int
exit_of(viv_status status)
{
    switch (status) {
    case VIV_E_NOT_FOUND:
    case VIV_E_INVALID:
    case VIV_E_EXISTS:
    case VIV_E_STATE:
    case VIV_E_CONFLICT:
    case VIV_E_LIMIT:
    case VIV_E_UNSUPPORTED:
    case VIV_E_DENIED:
    case VIV_E_VERSION:
    case VIV_E_PLUGIN:
    case VIV_E_TIMEOUT:
    case VIV_E_CANCELLED:
        return VH_EXIT_FAILED;
    case VIV_E_ASK:
        return VH_EXIT_ASK;
    default:
        return VH_EXIT_SYSTEM;
    }
}

int
vh_cli_fail(const struct vh_cli *cli, viv_status status, const struct viv_error *err)
{
    const char *text = err && err->text[0] ? err->text : vh_status_text(status);
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "error", text);
        vh_json_set_text(cli->arena, value, "name", vh_status_name(status));
        vh_json_set_int(cli->arena, value, "status", status);
        struct viv_str line = vh_json_print(cli->arena, value);
        printf("%.*s\n", VH_STR_ARGS(line));
    } else {
        fflush(stdout); /* what was said before stands before */
        fprintf(stderr, "vivhost: %s\n", text);
    }
    return exit_of(status);
}

static void
say_usage(const struct vh_cli *cli)
{
    const struct vh_cli_command *command = cli->command;
    if (command->usage) {
        fprintf(stderr, "usage: vivhost %s %s\n", command->name, command->usage);
        return;
    }
    for (const struct vh_cli_verb *v = command->verbs; v && v->name; v++) {
        if (!cli->verb || cli->verb == v) {
            fprintf(stderr, "usage: vivhost %s %s %s\n", command->name, v->name, v->words);
        }
    }
}

int
vh_cli_usage(const struct vh_cli *cli, const char *format, ...)
{
    struct viv_error err = VIV_ERROR_INIT;
    va_list list;
    va_start(list, format);
    vsnprintf(err.text, sizeof err.text, format, list);
    va_end(list);
    vh_str_clean(err.text);
    (void)vh_cli_fail(cli, VIV_E_INVALID, &err);
    if (!cli->json) {
        say_usage(cli);
    }
    return VH_EXIT_USAGE;
}

void
vh_cli_note(const struct vh_cli *cli, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    vh_str_clean(text);
    if (!cli->json) {
        fflush(stdout);
        fprintf(stderr, "%s\n", text);
    }
}

void
vh_cli_progress(struct vh_cli *cli, const char *format, ...)
{
    char text[128] = "";
    if (!cli->progress) {
        return;
    }
    if (format) {
        va_list list;
        va_start(list, format);
        vsnprintf(text, sizeof text, format, list);
        va_end(list);
        vh_str_clean(text);
    }
    fprintf(stderr, "\r%-70s%s", text, format ? "" : "\r");
    fflush(stderr);
}

void
vh_cli_print_json(struct vh_cli *cli, const struct vh_json *value)
{
    struct viv_str line = vh_json_print(cli->arena, value);
    printf("%.*s\n", VH_STR_ARGS(line));
}

const char *
vh_cli_line(struct vh_cli *cli, struct viv_str text, size_t max)
{
    bool cut = text.len > max;
    size_t len = cut ? max - 3 : (size_t)text.len;
    while (cut && len && ((unsigned char)text.data[len] & 0xc0) == 0x80) {
        len--; /* never inside a character */
    }
    char *line = vh_arena_format(cli->arena, "%.*s%s", (int)len, text.len ? text.data : "", cut ? "..." : "");
    if (!line) {
        return "?";
    }
    vh_str_clean(line);
    return line;
}

const char *
vh_cli_lines(struct vh_cli *cli, struct viv_str text, size_t max, int indent)
{
    struct vh_buf buf;
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) {
        text.len--;
    }
    vh_buf_init(&buf, cli->arena, 1u << 16);
    uint64_t at = 0;
    while (at < text.len && max > 3) {
        const char *end = memchr(text.data + at, '\n', (size_t)(text.len - at));
        uint64_t stop = end ? (uint64_t)(end - text.data) : text.len;
        bool ends_in_two = stop > at && end && text.data[stop - 1] == '\r';
        struct viv_str line = { text.data + at, stop - at - ends_in_two };
        if (at) {
            vh_buf_format(&buf, "\n%*s", line.len ? indent : 0, "");
        }
        vh_buf_text(&buf, vh_cli_line(cli, line, max));
        max -= line.len + 1 < max ? (size_t)line.len + 1 : max; /* a line break counts: so lines are bounded, too */
        at = stop + 1;
    }
    if (at < text.len && !(buf.len > 3 && strcmp(buf.data + buf.len - 3, "...") == 0)) {
        vh_buf_text(&buf, "...");
    }
    return buf.failed ? "?" : buf.len ? buf.data : "";
}

const char *
vh_cli_money(struct vh_cli *cli, int64_t micro)
{
    const char *text = vh_arena_format(cli->arena, "%s%lld.%06lld", micro < 0 ? "-" : "",
                                       (long long)(micro < 0 ? -(micro / 1000000) : micro / 1000000),
                                       (long long)(micro < 0 ? -(micro % 1000000) : micro % 1000000));
    return text ? text : "?";
}

const char *
vh_cli_time(struct vh_cli *cli, int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm parts;
    char *text = vh_arena_alloc(cli->arena, 32);
    if (!text || !gmtime_r(&seconds, &parts) || strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        return "?";
    }
    return text;
}

bool
vh_cli_output_gone(void)
{
    struct pollfd out = { STDOUT_FILENO, POLLOUT, 0 };
    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

/* ---- help ---- */

int
vh_cli_help(FILE *out)
{
    fputs("vivhost runs work under safety, budgets and quality gates, with an audit log that can be replayed.\n\n"
          "examples:\n  vivhost init\n  vivhost run \"build the manual\" -- make manual\n"
          "  vivhost queue list\n  vivhost log show\n\ncommands:\n", out);
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        fprintf(out, "  %-11s %s\n", vh_cli_commands[i].name, vh_cli_commands[i].summary);
    }
    fputs("\n'vivhost COMMAND --help' says more; 'man vivhost' says all. Everywhere: -C FOLDER, --json.\n"
          "NO_COLOR is respected. Exit codes: 0 done, 1 failed or refused, 2 usage, 3 a person must decide,\n"
          "4 no home or not trusted, 5 store or system error, 130 interrupted.\n", out);
    return VH_EXIT_OK;
}

static void
print_options(const char *title, const struct vh_cli_option *options)
{
    if (!options) {
        return;
    }
    printf("\n%s:\n", title);
    for (const struct vh_cli_option *o = options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-18s  %s\n", left, o->text);
    }
}

int
vh_cli_help_of(const struct vh_cli_command *command)
{
    printf("vivhost %s: %s\n\nexamples:\n", command->name, command->summary);
    for (const char *line = command->examples; *line;) {
        const char *end = strchr(line, '\n');
        int len = end ? (int)(end - line) : (int)strlen(line);
        printf("  %.*s\n", len, line);
        line += len + (end ? 1 : 0);
    }
    if (command->usage) {
        printf("\nusage: vivhost %s%s%s\n", command->name, *command->usage ? " " : "", command->usage);
    } else {
        puts("\nusage:");
    }
    for (const struct vh_cli_verb *v = command->verbs; v && v->name; v++) {
        char left[96];
        snprintf(left, sizeof left, "vivhost %s %s %s", command->name, v->name, v->words);
        printf("  %-44s  %s\n", left, v->text);
    }
    print_options("options", command->options);
    print_options("everywhere", vh_cli_everywhere);
    return VH_EXIT_OK;
}
