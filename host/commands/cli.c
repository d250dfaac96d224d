/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to a command of the table, and from its answer to an exit code. */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

atomic_uint vh_cli_stop;

<<<<<<< HEAD
const struct vh_cli_command vh_cli_commands[] = {
    { "run", "do one task now and wait for its end", "\"GOAL\" [options] [-- COMMAND ...]",
      "vivhost run \"build the manual\" -- make manual\n"
      "vivhost run \"format the sources\" -- make format\n"
      "vivhost run \"...a request that a skill understands...\"",
      "  --skill ID        let this skill do it\n"
      "  --input JSON      its input\n"
      "  --attempts N      tries before it fails (1 to 3)\n"
      "  --after TASK      wait for another task first (may be repeated)\n"
      "  --workers N       workers while this command is the host (default 2)\n"
      "  --key KEY         the same key submits only once\n", vh_cli_run },
    { "init", "make a home for this project", "[FOLDER]", "vivhost init", NULL, vh_cli_init },
    { "trust", "pin the project's policy, or take over its home", "[--show | --home | --withdraw]",
      "vivhost trust --show\nvivhost trust", "  --show       what it would grant, without trusting it\n"
      "  --home       take over a home that came with the folder\n"
      "  --withdraw   trust it no more\n", vh_cli_trust },
    { "submit", "queue a task, or a whole queue.json", "\"GOAL\" [options] [-- COMMAND ...] | --queue FILE",
      "vivhost submit \"run the checks\" -- make check\nvivhost submit --queue queue.json",
      "  --id ID           the task's id\n  --skill ID        let this skill do it\n  --input JSON      its input\n"
      "  --attempts N      tries before it fails (1 to 3)\n  --after TASK      wait for another task first\n"
      "  --key KEY         the same key submits only once\n  --queue FILE      contract 1.1\n", vh_cli_submit },
    { "work", "work on queued tasks", "[--workers N] [--drain]", "vivhost work --workers 4\nvivhost work --drain",
      "  --workers N  how many at a time (default 2)\n  --drain      end when nothing is left to do\n", vh_cli_work },
    { "workers", "show live workers", "", "vivhost workers", NULL, vh_cli_workers },
    { "queue", "list, show or export tasks", "list [--state STATE] | show TASK | export [FILE]",
      "vivhost queue list\nvivhost queue list --state failed", "  --state STATE  only these\n", vh_cli_queue },
    { "task", "show, follow, cancel, retry, approve, reject or answer a task",
      "show|follow|cancel|retry|approve|reject|answer TASK",
      "vivhost task show TASK\nvivhost task approve TASK\nvivhost task reject TASK --note \"not like this\"",
      "  --note TEXT    why\n  --digest HEX   the question you saw (default: the present one)\n", vh_cli_task },
    { "inbox", "what waits for a person", "", "vivhost inbox", NULL, vh_cli_inbox },
    { "rollback", "undo exactly what a task changed", "TASK", "vivhost rollback TASK", NULL, vh_cli_rollback },
    { "route", "which skill would answer a request, and why", "\"REQUEST\"",
      "vivhost route \"...a request...\"", NULL, vh_cli_route },
    { "plugin", "list, show, install or remove plugins", "list | info ID | install FILE | remove ID",
      "vivhost plugin list", NULL, vh_cli_plugin },
    { "skill", "list, show or call skills", "list | info ID | call ID [--input JSON]",
      "vivhost skill list\nvivhost skill call ID --input '{\"name\":\"value\"}'", "  --input JSON  its input\n",
      vh_cli_skill },
    { "log", "show, follow, verify, rebuild or export the event log",
      "show [--task TASK] [--after N] | follow | verify | rebuild [--check] | export [FILE]",
      "vivhost log show\nvivhost log verify\nvivhost log rebuild --check",
      "  --task TASK  only its events\n  --after N    events after this number\n"
      "  --check      compare only, keep what is there\n", vh_cli_log },
    { "doctor", "what this machine gives and what is missing", "", "vivhost doctor", NULL, vh_cli_doctor },
};

const size_t vh_cli_command_count = sizeof vh_cli_commands / sizeof *vh_cli_commands;

/* ---- words ---- */

static void
remove_words(struct vh_cli *cli, int at, int count)
{
    for (int i = at; i + count <= cli->argc; i++) {
        cli->argv[i] = cli->argv[i + count];
    }
    cli->argc -= count;
}

const char *
vh_cli_option(struct vh_cli *cli, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        char *word = cli->argv[i];
        if (strcmp(word, name) == 0 && i + 1 < cli->argc) {
            char *value = cli->argv[i + 1];
            remove_words(cli, i, 2);
            return value;
        }
        if (strncmp(word, name, len) == 0 && word[len] == '=') {
            remove_words(cli, i, 1);
            return word + len + 1;
        }
    }
    return NULL;
}

bool
vh_cli_flag(struct vh_cli *cli, const char *name)
{
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (strcmp(cli->argv[i], name) == 0) {
            remove_words(cli, i, 1);
            return true;
        }
    }
    return false;
}

/* Edit distance, for words short enough to be typed. */
static size_t
distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[64];
    if (la >= 64 || lb >= 63) {
        return 64;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[lb];
}

const char *
vh_cli_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* ---- saying ---- */

int
vh_cli_usage(const struct vh_cli *cli, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("vivhost: ", stderr);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\nusage: vivhost %s %s\n", cli->command->name, cli->command->usage);
    return VH_EXIT_USAGE;
}

bool
vh_cli_no_more_options(struct vh_cli *cli, int words_min, int words_max)
{
    int words = 0;
    for (; words < cli->argc && strcmp(cli->argv[words], "--") != 0; words++) {
        if (cli->argv[words][0] == '-' && cli->argv[words][1] != '\0') {
            vh_cli_usage(cli, "unknown option '%s'%s%s", cli->argv[words], cli->command->options ? "; known:\n" : "",
                         cli->command->options ? cli->command->options : "");
            return false;
        }
    }
    if (words < words_min || words > words_max) {
        vh_cli_usage(cli, words < words_min ? "something is missing" : "too many words: '%s'",
                     words > words_max ? cli->argv[words_max] : "");
        return false;
    }
    return true;
}

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
        fprintf(stderr, "vivhost: %s\n", text);
    }
    return exit_of(status);
}

void
vh_cli_print_json(struct vh_cli *cli, const struct vh_json *value)
{
    struct viv_str line = vh_json_print(cli->arena, value);
    printf("%.*s\n", VH_STR_ARGS(line));
}

const char *
vh_cli_money(struct vh_cli *cli, int64_t micro)
{
    const char *text = vh_arena_format(cli->arena, "%lld.%06lld", (long long)(micro / 1000000),
                                       (long long)(micro % 1000000));
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

/* ---- the host ---- */

bool
vh_cli_open(struct vh_cli *cli, enum vh_app_need need, int workers, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    cli->app.fail_step = cli->fail_step;
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status == VIV_OK) {
        status = vh_app_open(&cli->app, need, workers, &err);
    }
    if (status == VIV_OK) {
        return true;
    }
    vh_cli_fail(cli, status, &err);
    *ret_exit = status == VIV_E_NOT_FOUND || status == VIV_E_DENIED ? VH_EXIT_HOME : VH_EXIT_SYSTEM;
    return false;
}

void
vh_cli_close(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (cli->app.socket) {
        vh_socket_drain(cli->app.socket, &vh_cli_stop); /* a command line that became host stays for its clients */
    }
    if (vh_app_close(&cli->app, &err)) {
        fprintf(stderr, "vivhost: %s\n", err.text);
    }
}

struct vh_json *
vh_cli_request(struct vh_cli *cli, const char *op)
{
    struct vh_json *request = vh_json_object(cli->arena);
    vh_json_set_text(cli->arena, request, "op", op);
    return request;
}

struct vh_json *
vh_cli_ask(struct vh_cli *cli, struct vh_json *request, int *ret_exit)
{
    struct vh_json *response = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_app_ask(&cli->app, request, cli->arena, &response, &err);
    if (status) {
        *ret_exit = vh_cli_fail(cli, status, &err);
        return NULL;
    }
    return response;
}

/* ---- main ---- */

=======
/* The first asks for an end, the second for a quick one, the third is obeyed here: what is left behind is what a crash
 * leaves, and the next start cleans it up. */
>>>>>>> cli
static void
on_signal(int signal)
{
    (void)signal;
    if (atomic_fetch_add(&vh_cli_stop, 1) >= 2) {
        _exit(VH_EXIT_INTERRUPTED);
    }
}

static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* What could not be written is an error, but for a reader that has had enough. */
static int
finish_output(struct vh_cli *cli, int code)
{
<<<<<<< HEAD
    fputs("vivhost runs work under safety, budgets and quality gates, with an audit log that can be replayed.\n\n"
          "examples:\n  vivhost init\n  vivhost run \"build the manual\" -- make manual\n"
          "  vivhost queue list\n  vivhost log show\n\ncommands:\n", out);
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        fprintf(out, "  %-9s %s\n", vh_cli_commands[i].name, vh_cli_commands[i].summary);
=======
    struct viv_error err = VIV_ERROR_INIT;
    bool bad = fflush(stdout) != 0;
    if (!bad && !ferror(stdout)) {
        return code;
>>>>>>> cli
    }
    if (vh_cli_output_gone()) {
        return code;
    }
    (void)vh_error_errno(&err, VIV_E_IO, "output", "cannot write to standard output");
    cli->json = false; /* standard output takes nothing */
    (void)vh_cli_fail(cli, VIV_E_IO, &err);
    return code ? code : VH_EXIT_SYSTEM;
}

static int
run_command(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    cli->json = vh_cli_flag(cli, "--json");
    const char *folder = vh_cli_option(cli, "-C");
    cli->project = folder ? folder : ".";
    cli->fail_step = vh_cli_option(cli, "--fail-step");
    if (vh_cli_flag(cli, "--verbose")) {
        vh_log_level(VH_LOG_INFO);
    }
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool plain = (no_color && *no_color) || (terminal && strcmp(terminal, "dumb") == 0);
    cli->color = isatty(STDOUT_FILENO) && !plain;
    cli->progress = isatty(STDERR_FILENO) && !cli->json && !(terminal && strcmp(terminal, "dumb") == 0);
    if (!vh_cli_words_ok(cli) || (cli->command->verbs && !vh_cli_take_verb(cli))) {
        return finish_output(cli, VH_EXIT_USAGE);
    }
    viv_status status = vh_app_begin(&cli->app, vh_seam_real(), &err);
    int code = status      ? vh_cli_fail(cli, status, &err)
               : cli->verb ? cli->verb->run(cli)
                           : cli->command->run(cli);
    vh_app_end(&cli->app);
    code = finish_output(cli, code);
    return atomic_load(&vh_cli_stop) && code == VH_EXIT_OK ? VH_EXIT_INTERRUPTED : code;
}

static int
help_about(struct vh_cli *cli, const char *word)
{
    const struct vh_cli_command *about = vh_cli_find(word);
    return about ? vh_cli_help_of(about) : vh_cli_unknown_command(cli, word);
}

static bool
is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int
dispatch(struct vh_cli *cli, int argc, char **argv)
{
    if (argc < 2) {
        vh_cli_help(stderr);
        return VH_EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        return argc > 2 ? help_about(cli, argv[2]) : vh_cli_help(stdout);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("vivhost %d.%d.%d\n", VIV_VERSION_MAJOR, VIV_VERSION_MINOR, VIV_VERSION_PATCH);
        return VH_EXIT_OK;
    }
    /* What holds everywhere may stand before the command too. */
    int first = 1;
    while (first < argc && (strcmp(argv[first], "-C") == 0 || strcmp(argv[first], "--json") == 0)) {
        first += strcmp(argv[first], "-C") == 0 ? 2 : 1;
    }
    if (first >= argc) {
        fputs("vivhost: a command is missing; 'vivhost --help' lists all\n", stderr);
        return VH_EXIT_USAGE;
    }
    char *name = argv[first];
    for (int i = first; i > 1; i--) {
        argv[i] = argv[i - 1];
    }
    cli->argc = argc - 2;
    cli->argv = argv + 2;
    cli->command = vh_cli_find(name);
    if (!cli->command) {
        return vh_cli_unknown_command(cli, name);
    }
    if (vh_cli_flag(cli, "--help") || vh_cli_flag(cli, "-h")) {
        return vh_cli_help_of(cli->command);
    }
    catch_signals();
    return run_command(cli);
}

int
vh_cli_main(int argc, char **argv)
{
    struct vh_cli cli = { .arena = vh_arena_create(NULL, 0) };
    if (!cli.arena) {
        fputs("vivhost: no memory to start\n", stderr);
        return VH_EXIT_SYSTEM;
    }
    int code = dispatch(&cli, argc, argv);
    vh_arena_destroy(cli.arena);
    return code;
}
