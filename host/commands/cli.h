/* SPDX-License-Identifier: Apache-2.0 */
/* What every subcommand shares: words of the command line, asking the host, saying things. One file per subcommand, one
 * table in cli.c. Exit codes: 0 done; 1 the work failed or was refused; 2 wrong usage; 3 a person must decide;
 * 4 no home or not trusted; 5 store or system error; 130 interrupted. */
#ifndef VH_CLI_H
#define VH_CLI_H

#include <stdbool.h>

#include "app.h"

enum vh_exit { VH_EXIT_OK = 0, VH_EXIT_FAILED = 1, VH_EXIT_USAGE = 2, VH_EXIT_ASK = 3, VH_EXIT_HOME = 4,
        VH_EXIT_SYSTEM = 5,
               VH_EXIT_INTERRUPTED = 130 };

struct vh_cli {
    struct vh_app app;
    struct vh_arena *arena;
    int argc; /* words after the subcommand */
    char **argv;
    bool json;
    bool color;
    const char *project; /* -C FOLDER, or "." */
    const char *fail_step; /* --fail-step, for tests */
    const struct vh_cli_command *command;
};

struct vh_cli_command {
    const char *name;
    const char *summary;
    const char *usage;    /* after the name */
    const char *examples; /* one a line */
    const char *options;  /* "  --name VALUE  what" lines, or NULL */
    int (*run)(struct vh_cli *cli);
};

extern const struct vh_cli_command vh_cli_commands[];
extern const size_t vh_cli_command_count;

int vh_cli_main(int argc, char **argv);

/* Take "--name VALUE" or "--name=VALUE" out of the words; NULL when it is not there. Repeated calls give the next. */
const char *vh_cli_option(struct vh_cli *cli, const char *name);
bool vh_cli_flag(struct vh_cli *cli, const char *name);
/* Words left over that start with "-" are unknown options: says so, with the nearest known one. True when fine. */
bool vh_cli_no_more_options(struct vh_cli *cli, int words_min, int words_max);

/* Open the home as host or client; says what is wrong and gives the exit code in `ret_exit`. */
bool vh_cli_open(struct vh_cli *cli, enum vh_app_need need, int workers, int *ret_exit);
void vh_cli_close(struct vh_cli *cli);
/* A request; says what is wrong. NULL on failure, with the exit code. */
struct vh_json *vh_cli_ask(struct vh_cli *cli, struct vh_json *request, int *ret_exit);
struct vh_json *vh_cli_request(struct vh_cli *cli, const char *op);

/* Say an error: "vivhost: text". */
int vh_cli_fail(const struct vh_cli *cli, viv_status status, const struct viv_error *err);
int vh_cli_usage(const struct vh_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print a value as canonical JSON and a newline. */
void vh_cli_print_json(struct vh_cli *cli, const struct vh_json *value);
/* Micro-units as "0.001234". */
const char *vh_cli_money(struct vh_cli *cli, int64_t micro);
/* UTC microseconds as "2026-01-02 03:04:05". */
const char *vh_cli_time(struct vh_cli *cli, int64_t us);
/* Set by SIGINT and SIGTERM. */
extern atomic_uint vh_cli_stop;

/* Nearest of `names` to `word`, or NULL when none is near. */
const char *vh_cli_nearest(const char *word, const char *const *names, size_t count);

int vh_cli_init(struct vh_cli *cli);
int vh_cli_trust(struct vh_cli *cli);
int vh_cli_run(struct vh_cli *cli);
int vh_cli_submit(struct vh_cli *cli);
int vh_cli_work(struct vh_cli *cli);
int vh_cli_workers(struct vh_cli *cli);
int vh_cli_queue(struct vh_cli *cli);
int vh_cli_task(struct vh_cli *cli);
int vh_cli_inbox(struct vh_cli *cli);
int vh_cli_rollback(struct vh_cli *cli);
int vh_cli_replay(struct vh_cli *cli);
int vh_cli_route(struct vh_cli *cli);
int vh_cli_plugin(struct vh_cli *cli);
int vh_cli_skill(struct vh_cli *cli);
int vh_cli_log(struct vh_cli *cli);
int vh_cli_doctor(struct vh_cli *cli);

/* Follow a task's events to its end and print them in words; gives the exit code. */
int vh_cli_follow(struct vh_cli *cli, struct viv_str task, int64_t after);
/* One event in one line of words; NULL for those that only matter to machines. */
const char *vh_cli_event_words(struct vh_cli *cli, const struct vh_json *event);

#endif
