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

#define ECHO_NS INT64_C(1000000000)

atomic_uint vh_cli_stop;
atomic_uint vh_cli_patience = 1;
atomic_uint vh_cli_manners;
atomic_uint vh_cli_reload;

/* Programs that end whole groups, timeout(1) among them, send SIGTERM to a process and then to its group: what comes
 * within a second is the same word. */
static bool
is_echo(void)
{
    static _Atomic int64_t last_ns;
    int64_t now_ns = vh_seam_real()->monotonic_ns(NULL), last = atomic_load(&last_ns);
    /* Two threads may be here at once, each with one of the pair. */
    return (last && now_ns - last < ECHO_NS) || !atomic_compare_exchange_strong(&last_ns, &last, now_ns);
}

/* The first asks for an end. One more than the command has patience for is obeyed here: what is left behind is what a
 * crash leaves, and the next start cleans it up. SIGTERM and SIGHUP are counted for commands that say so; for all
 * others they only ever ask. */
static void
on_signal(int signal)
{
    unsigned manners = atomic_load(&vh_cli_manners), none = 0;
    bool counted_term = signal == SIGTERM && (manners & VH_CLI_TERM_COUNTS);
    if (signal == SIGHUP && (manners & VH_CLI_HANGUP_RELOADS)) {
        atomic_store(&vh_cli_reload, 1);
    } else if (signal == SIGINT || (counted_term && !is_echo())) {
        if (atomic_fetch_add(&vh_cli_stop, 1) >= atomic_load(&vh_cli_patience)) {
            _exit(VH_EXIT_INTERRUPTED);
        }
    } else if (!counted_term) {
        (void)atomic_compare_exchange_strong(&vh_cli_stop, &none, 1); /* asked for already: once is enough */
    }
}

static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal }, hang_up;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) { /* nohup means it */
        sigaction(SIGHUP, &action, NULL);
    }
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* What could not be written is an error, but for a reader that has had enough. */
static int
finish_output(struct vh_cli *cli, int code)
{
    struct viv_error err = VIV_ERROR_INIT;
    bool bad = fflush(stdout) != 0;
    if (!bad && !ferror(stdout)) {
        return code;
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
    cli->app.stop = &vh_cli_stop;
    int code = status      ? vh_cli_fail(cli, status, &err)
               : cli->verb ? cli->verb->run(cli)
                           : cli->command->run(cli);
    vh_app_end(&cli->app);
    code = finish_output(cli, code);
    return atomic_load(&vh_cli_stop) && code == VH_EXIT_OK && !cli->stopped ? VH_EXIT_INTERRUPTED : code;
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
