/* SPDX-License-Identifier: Apache-2.0 */
/* A scratch project and the real vivhost in it, as benchmarks need them: programs run as children, a host with workers
 * that is asked over its socket, and exact counts of what a task cost. Everything here stops the benchmark when it
 * fails: a figure of something that did not work is none. */
#ifndef BENCH_LIVE_H
#define BENCH_LIVE_H

#include "../support/project.h"

#include "run/socket.h"

struct live {
    struct project project;
    char vivhost[512];
    char trace[600]; /* strace's file, when there is one */
    int log;         /* what children say; shown when they fail */
    pid_t pid;       /* of the child: vivhost, or strace over it */
    int home;
    struct vh_client *client;
    struct vh_arena *arena; /* of the present request */
};

/* A repository made by `script`, with a home in it; HOME is the scratch folder's. */
void live_make(struct live *live, const char *script);
void live_remove(struct live *live);

/* Run a program in the project to its end; its exit code. */
int live_run(struct live *live, const char *const *argv);
/* The same, which must end with 0. */
bool live_good(struct live *live, const char *const *argv);

/* Start `vivhost work`, under strace when `traced`; returns when it answers. */
void live_start(struct live *live, int workers, bool traced);
/* Ask it to end and wait until it is gone. */
void live_stop(struct live *live);

/* One request; the response, valid until the next. A refusal stops the benchmark. */
const struct vh_json *live_ask(struct live *live, struct vh_json *request);
struct vh_json *live_request(struct live *live, const char *op);

/* Submit `command` (an argv), wait until the task is settled; it must be ready. Its id is in `ret_task`. */
void live_task(struct live *live, const char *const *argv, char ret_task[64]);

/* Resident memory of the host, its launcher and its zygote. */
int64_t live_resident_kib(struct live *live);

/* Events and bytes of the log, of one task ("" for all) after event `after`. */
struct live_log {
    int64_t events;
    int64_t bytes;
    int64_t last;
};
struct live_log live_log(struct live *live, const char *task, int64_t after);

/* System calls in the trace so far. */
struct live_calls {
    int64_t database_syncs; /* fdatasync: SQLite's */
    int64_t other_syncs;    /* fsync, syncfs */
    int64_t programs;       /* execve that worked */
    int64_t gits;
};
struct live_calls live_calls(struct live *live);

#endif
