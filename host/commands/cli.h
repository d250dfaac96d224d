/* SPDX-License-Identifier: Apache-2.0 */
/* What every subcommand shares: words of the command line, asking the host, saying things. One file per idea of
 * subcommands (cmd_*.c), one table of all of them (cli_table.c) from which help, completion and the man page's test are
 * made. Exit codes: 0 done; 1 the work failed or was refused; 2 wrong usage; 3 a person must decide; 4 no home or not
 * trusted; 5 store or system error; 130 interrupted. What `--json` prints: docs/contract/cli.md. */
#ifndef VH_CLI_H
#define VH_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "app.h"

enum vh_exit {
    VH_EXIT_OK = 0,
    VH_EXIT_FAILED = 1,
    VH_EXIT_USAGE = 2,
    VH_EXIT_ASK = 3,
    VH_EXIT_HOME = 4,
    VH_EXIT_SYSTEM = 5,
    VH_EXIT_INTERRUPTED = 130,
};

struct vh_cli {
    struct vh_app app;
    struct vh_arena *arena;
    int argc; /* words after the subcommand and its verb */
    char **argv;
    bool json;
    bool color;    /* standard output is a terminal and NO_COLOR is not set */
    bool progress; /* standard error is a terminal that may be written over */
    const char *project; /* -C FOLDER, or "." */
    const char *fail_step; /* --fail-step, for tests */
    const struct vh_cli_command *command;
    const struct vh_cli_verb *verb; /* NULL: the command has none */
    struct vh_service *service;     /* of 'work'; NULL: no manager waits for its words */
    bool stopped;                   /* a signal asked for this end, and it was reached in order: no interruption */
};

struct vh_cli_option {
    const char *name;  /* "--name" */
    const char *value; /* NULL: a flag */
    const char *text;
};

/* Second word of a command: "list" in "queue list". */
struct vh_cli_verb {
    const char *name;
    const char *words; /* what follows it, for people */
    const char *text;
    int (*run)(struct vh_cli *cli);
};

struct vh_cli_command {
    const char *name;
    const char *summary;
    const char *usage;                   /* after the name; NULL when it has verbs */
    const char *examples;                /* one a line */
    const struct vh_cli_option *options; /* ends in a NULL name; NULL: none */
    const struct vh_cli_verb *verbs;     /* ends in a NULL name; NULL: none */
    int (*run)(struct vh_cli *cli);      /* NULL when it has verbs */
};

extern const struct vh_cli_command vh_cli_commands[];
extern const size_t vh_cli_command_count;
extern const struct vh_cli_option vh_cli_everywhere[]; /* options of every command */

int vh_cli_main(int argc, char **argv);

/* ---- words: cli_words.c ---- */
/* Take "--name VALUE" or "--name=VALUE" out of the words; NULL when it is not there. Repeated calls give the next. */
const char *vh_cli_option(struct vh_cli *cli, const char *name);
bool vh_cli_flag(struct vh_cli *cli, const char *name);
/* A whole number within bounds; complains and is false otherwise. */
bool vh_cli_number(struct vh_cli *cli, const char *name, int64_t fallback, int64_t min, int64_t max,
                   int64_t *ret_number);
/* Words left over that start with "-" are unknown options: says so, with the nearest known one. True when fine. */
bool vh_cli_no_more_options(struct vh_cli *cli, int words_min, int words_max);
/* Take the verb, or complain with the nearest one. */
bool vh_cli_take_verb(struct vh_cli *cli);
/* Words are UTF-8; complains otherwise. */
bool vh_cli_words_ok(const struct vh_cli *cli);
const struct vh_cli_command *vh_cli_find(const char *name);
int vh_cli_unknown_command(const struct vh_cli *cli, const char *word);

/* ---- the host: cli_host.c ---- */

/* Open the home as host or client; says what is wrong and gives the exit code in `ret_exit`. */
bool vh_cli_open(struct vh_cli *cli, enum vh_app_need need, int workers, int *ret_exit);
void vh_cli_close(struct vh_cli *cli);
/* A request; says what is wrong. NULL on failure, with the exit code. */
struct vh_json *vh_cli_ask(struct vh_cli *cli, struct vh_json *request, int *ret_exit);
struct vh_json *vh_cli_request(struct vh_cli *cli, const char *op);
/* One whole request of a query: open, ask, print when --json. NULL on failure. The home is still open. */
struct vh_json *vh_cli_query(struct vh_cli *cli, struct vh_json *request, int *ret_exit);

/* ---- saying: cli_say.c ---- */

/* Say an error: "vivhost: text", or as JSON; gives the exit code. */
int vh_cli_fail(const struct vh_cli *cli, viv_status status, const struct viv_error *err);
int vh_cli_usage(const struct vh_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* To standard error, not with --json. */
void vh_cli_note(const struct vh_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Written over itself, on a terminal only; NULL wipes it. */
void vh_cli_progress(struct vh_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print a value as canonical JSON and a newline. */
void vh_cli_print_json(struct vh_cli *cli, const struct vh_json *value);
/* A text of others as one line of at most `max` bytes that no terminal obeys. */
const char *vh_cli_line(struct vh_cli *cli, struct viv_str text, size_t max);
/* The same, but its lines stay lines: those after the first begin with `indent` blanks, so that none passes for one of
 * ours. Empty lines at the end are left out. */
const char *vh_cli_lines(struct vh_cli *cli, struct viv_str text, size_t max, int indent);
/* Micro-units as "0.001234". */
const char *vh_cli_money(struct vh_cli *cli, int64_t micro);
/* UTC microseconds as "2026-01-02 03:04:05". */
const char *vh_cli_time(struct vh_cli *cli, int64_t us);
/* Nobody reads standard output any more. */
bool vh_cli_output_gone(void);
int vh_cli_help(FILE *out);
int vh_cli_help_of(const struct vh_cli_command *command);

/* How often SIGINT came, 1 also for SIGTERM and SIGHUP. */
extern atomic_uint vh_cli_stop;
extern atomic_uint vh_cli_patience; /* how many the command looks at; one more ends the program at once */
/* What else they mean: SIGTERM counts as SIGINT does; SIGHUP sets vh_cli_reload, no end. */
enum { VH_CLI_TERM_COUNTS = 1, VH_CLI_HANGUP_RELOADS = 2 };
extern atomic_uint vh_cli_manners, vh_cli_reload;

/* ---- commands ---- */
int vh_cli_init(struct vh_cli *cli);
int vh_cli_trust(struct vh_cli *cli);
int vh_cli_run(struct vh_cli *cli);
int vh_cli_submit(struct vh_cli *cli);
int vh_cli_work(struct vh_cli *cli);
int vh_cli_workers(struct vh_cli *cli);
int vh_cli_inbox(struct vh_cli *cli);
int vh_cli_rollback(struct vh_cli *cli);
int vh_cli_backup(struct vh_cli *cli);
int vh_cli_restore(struct vh_cli *cli);
int vh_cli_replay(struct vh_cli *cli);
int vh_cli_gc(struct vh_cli *cli);
int vh_cli_route(struct vh_cli *cli);
int vh_cli_schema(struct vh_cli *cli);
int vh_cli_completion(struct vh_cli *cli);
int vh_cli_doctor(struct vh_cli *cli);
extern const struct vh_cli_verb vh_cli_queue_verbs[], vh_cli_task_verbs[], vh_cli_plugin_verbs[], vh_cli_skill_verbs[],
    vh_cli_log_verbs[], vh_cli_policy_verbs[], vh_cli_budget_verbs[],
    vh_cli_model_verbs[];

#endif
