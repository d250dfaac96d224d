/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a whole trivial task through the real vivhost beside plain fork+exec of the same command. Over the socket of
 * a running host, and by `vivhost run` alone; calls of a skill both ways; a host at rest; and, exactly, what one task
 * costs in commits, events and bytes of the log, and (where strace is) in syncs and programs started. Durable figures
 * read as "plus commits x raw sync": the raw sync of the same run stands beside them.
 *
 *   tools/bench task [--json] [--rounds N] [--files N]      N tasks of each kind (40); files of the project (200) */
#include "../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "bench.h"
#include "live.h"

#define TRACED 10 /* tasks of each kind under strace */
#define REST_MS 2000 /* a host that did nothing for a second gives memory back */

static const char *const nothing[] = { "true", NULL };
static const char *const edit[] = { "sh", "-c", "echo x >> one.txt", NULL };

static struct live live;
static char last_task[64];

static bool
plain_nothing(void *data)
{
    (void)data;
    return live_run(&live, nothing) == 0;
}

static bool
plain_edit(void *data)
{
    static const char *const aside[] = { "sh", "-c", "echo x >> ../aside", NULL };
    (void)data;
    return live_run(&live, aside) == 0;
}

static bool
raw_sync(void *data)
{
    const int *fd = data;
    return pwrite(*fd, "x", 1, 0) == 1 && fdatasync(*fd) == 0;
}

static bool
version(void *data)
{
    const char *const argv[] = { live.vivhost, "--version", NULL };
    (void)data;
    return live_good(&live, argv);
}

static bool
alone_nothing(void *data)
{
    const char *const argv[] = { live.vivhost, "run", "nothing", "--", "true", NULL };
    (void)data;
    return live_good(&live, argv);
}

static bool
alone_edit(void *data)
{
    const char *const argv[] = { live.vivhost, "run", "edit", "--", "sh", "-c", edit[2], NULL };
    (void)data;
    return live_good(&live, argv);
}

static bool
command_call(void *data)
{
    const char *const argv[] = { live.vivhost, "skill", "call", "viv.count_lines", NULL };
    (void)data;
    return live_good(&live, argv);
}

static bool
socket_nothing(void *data)
{
    (void)data;
    live_task(&live, nothing, last_task);
    return true;
}

static bool
socket_edit(void *data)
{
    (void)data;
    live_task(&live, edit, last_task);
    return true;
}

static bool
socket_call(void *data)
{
    (void)data;
    struct vh_json *request = live_request(&live, "call");
    vh_json_set_text(live.arena, request, "skill", "viv.count_lines");
    vh_json_set(request, "input", vh_json_object(live.arena));
    return vh_json_str(live_ask(&live, request), "text").len > 0;
}

static bool
socket_status(void *data)
{
    (void)data;
    return vh_json_int(live_ask(&live, live_request(&live, "status")), "pid", 0) > 0;
}

static bool
start_and_stop(void *data)
{
    int64_t *start_ns = data;
    int64_t from = bench_now_ns();
    live_start(&live, 2, false);
    *start_ns = bench_now_ns() - from;
    live_stop(&live);
    return true;
}

static int64_t
commits(void)
{
    return vh_json_int(live_ask(&live, live_request(&live, "status")), "commits", 0);
}

/* What the log says one kind of task costs. */
static void
log_costs(struct bench *bench, const char *what, bool (*once)(void *data), int64_t tasks)
{
    char text[96];
    struct live_log from = live_log(&live, "", 0);
    int64_t commits_from = commits();
    for (int64_t i = 0; i < tasks; i++) {
        once(NULL);
    }
    double all = (double)(commits() - commits_from);
    struct live_log end = live_log(&live, "", from.last);
    snprintf(text, sizeof text, "%s: commits", what);
    bench_value(bench, text, all / (double)tasks, "");
    snprintf(text, sizeof text, "%s: events", what);
    bench_value(bench, text, (double)end.events / (double)tasks, "");
    snprintf(text, sizeof text, "%s: bytes of log", what);
    bench_value(bench, text, (double)end.bytes / (double)tasks, "B");
}

/* What the kernel says. */
static void
traced_costs(struct bench *bench, const char *what, bool (*once)(void *data))
{
    char text[96];
    once(NULL);
    struct live_calls from = live_calls(&live);
    for (int i = 0; i < TRACED; i++) {
        once(NULL);
    }
    struct live_calls end = live_calls(&live);
    const struct {
        const char *name;
        int64_t count;
    } rows[] = {
        { "syncs of the database", end.database_syncs - from.database_syncs },
        { "other syncs", end.other_syncs - from.other_syncs },
        { "programs started", end.programs - from.programs },
        { "of them git", end.gits - from.gits },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "%s: %s (traced)", what, rows[i].name);
        bench_value(bench, text, (double)rows[i].count / TRACED, "");
    }
}

static bool
can_trace(void)
{
    static const char *const argv[] = { "strace", "-f", "-qq", "-o", "/dev/null", "true", NULL };
    return live_run(&live, argv) == 0;
}

static void
at_rest(struct bench *bench, uint64_t rounds)
{
    int64_t samples[20];
    size_t count = rounds < 20 ? (size_t)rounds : 20;
    for (size_t i = 0; i < count; i++) {
        start_and_stop(&samples[i]);
    }
    bench_samples(bench, "start of a host with 2 workers", samples, count);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    char script[512];
    bench_begin(&bench, "task", "files", argc, argv);
    bench.rounds = (uint64_t)bench_option(&bench, "rounds", 40);
    snprintf(script, sizeof script,
             "echo one > one.txt; mkdir src; for i in $(seq %lld); do seq 50 > src/f$i.c; done; git add -A; "
             "git commit -qm first", (long long)bench_option(&bench, "files", 200));
    live_make(&live, script);
    int fd = openat(live.project.home_fd, "raw", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bench_run(&bench, "raw write and fdatasync", raw_sync, &fd);
    close(fd);
    bench_run(&bench, "plain fork+exec: true", plain_nothing, NULL);
    bench_run(&bench, "plain fork+exec: sh, one line added", plain_edit, NULL);
    bench_run(&bench, "vivhost --version", version, NULL);
    uint64_t rounds = bench.rounds;
    bench.rounds = rounds / 4 ? rounds / 4 : 1;
    bench_run(&bench, "vivhost run alone: true", alone_nothing, NULL);
    bench_run(&bench, "vivhost run alone: one line added", alone_edit, NULL);
    bench_run(&bench, "vivhost skill call alone", command_call, NULL);
    at_rest(&bench, bench.rounds);
    live_start(&live, 2, false);
    bench_value(&bench, "resident when it answers", (double)live_resident_kib(&live) / 1024, "MiB");
    vh_socket_pause(REST_MS);
    bench_value(&bench, "resident at rest: host, launcher, zygote", (double)live_resident_kib(&live) / 1024, "MiB");
    bench.rounds = rounds * 5;
    bench_run(&bench, "socket: status", socket_status, NULL);
    bench.rounds = rounds;
    bench_run(&bench, "socket: skill call", socket_call, NULL);
    bench_run(&bench, "socket: task true", socket_nothing, NULL);
    bench_run(&bench, "socket: task one line added", socket_edit, NULL);
    bench_value(&bench, "resident after them", (double)live_resident_kib(&live) / 1024, "MiB");
    log_costs(&bench, "task true", socket_nothing, 10);
    log_costs(&bench, "task one line added", socket_edit, 10);
    log_costs(&bench, "skill call", socket_call, 10);
    live_stop(&live);
    if (can_trace()) {
        live_start(&live, 1, true);
        traced_costs(&bench, "task true", socket_nothing);
        traced_costs(&bench, "task one line added", socket_edit);
        traced_costs(&bench, "skill call", socket_call);
        live_stop(&live);
    }
    live_remove(&live);
    return bench_end(&bench);
}
