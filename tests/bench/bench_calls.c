/* SPDX-License-Identifier: Apache-2.0 */
/* Measures calls of a plugin in a warm runner, and one run from fork to end, beside a raw echo over the same kind of
 * socket in the same run. "one core": caller and runner on one processor, as the host keeps them; "free": where the
 * scheduler puts them. Judge by the ratios: absolute figures of a shared machine move by an order of magnitude. */
#include "bench.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "load/map.h"
#include "run/runner.h"

#define BYTES_MAX 4096
#define DEADLINE_NS INT64_C(10000000000)

static struct {
    struct vh_arena *arena;
    struct vh_zygote *zygote;
    struct vh_runner *runner;
    int plugin_fd;
    int echo_fd;
    size_t bytes;
    char payload[BYTES_MAX];
} calls;

static void
stop(const char *what, const struct viv_error *err)
{
    fprintf(stderr, "bench_calls: %s: %s\n", what, err ? err->text : "failed");
    exit(1);
}

/* ---- the raw echo ---- */

static pid_t
start_echo(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        stop("socketpair", NULL);
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        char bytes[BYTES_MAX];
        ssize_t got;
        while ((got = recv(pair[1], bytes, sizeof bytes, 0)) > 0) {
            (void)send(pair[1], bytes, (size_t)got, MSG_NOSIGNAL);
        }
        _exit(0);
    }
    close(pair[1]);
    calls.echo_fd = pair[0];
    return pid;
}

static bool
echo_once(void *data)
{
    (void)data;
    char bytes[BYTES_MAX];
    return send(calls.echo_fd, calls.payload, calls.bytes, MSG_NOSIGNAL) == (ssize_t)calls.bytes &&
           recv(calls.echo_fd, bytes, sizeof bytes, 0) == (ssize_t)calls.bytes;
}

/* ---- the runner ---- */

static struct vh_runner *
start_runner(struct vh_arena *arena)
{
    static const char *const services[] = {VIV_SERVICE_LOG, VIV_SERVICE_CLOCK, VIV_SERVICE_EFFECT};
    struct vh_runner_plan plan = {
        .id = "tests.tier1_good",
        .version = "0.1.0",
        .plugin_fd = calls.plugin_fd,
        .root_fd = -1,
        .interfaces = UINT64_C(1) << VIV_INDEX_SKILL,
        .services = services,
        .service_count = 3,
        .no_constructors = 1,
    };
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_runner *runner = NULL;
    if (vh_runner_start(calls.zygote, arena, &plan, &runner, NULL, &err) != VIV_OK) {
        stop("start", &err);
    }
    return runner;
}

static bool
call_runner(struct vh_runner *runner)
{
    const struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = VH_STR("small")};
    struct viv_skill_run_request request = {
        .size = sizeof request,
        .rev = 1,
        .values = &value,
        .values_count = 1,
        .values_stride = sizeof value,
        .input_json = {calls.payload, calls.bytes},
    };
    struct vh_runner_call call = {
        .interface = VIV_INDEX_SKILL,
        .method = VIV_METHOD_SKILL_RUN,
        .request = &request,
        .cancel_fd = -1,
        .deadline_ns = bench_now_ns() + DEADLINE_NS,
    };
    struct viv_skill_run_answer answer;
    struct vh_runner_result result;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool good = vh_runner_call(runner, &call, &answer, &result, arena, NULL) == VIV_OK &&
                result.plugin_status == VIV_OK && answer.output_json.len == calls.bytes;
    vh_arena_destroy(arena);
    return good;
}

static bool
call_once(void *data)
{
    (void)data;
    return call_runner(calls.runner);
}

static bool
one_shot(void *data)
{
    (void)data;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_runner *runner = start_runner(arena);
    bool good = call_runner(runner) && vh_runner_end(runner, NULL) == VIV_OK;
    vh_arena_destroy(arena);
    return good;
}

static bool
fork_once(void *data)
{
    (void)data;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return waitpid(pid, NULL, 0) == pid;
}

/* ---- the table ---- */

static void
place(pid_t echo, int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (cpu < 0 || i == cpu) {
            CPU_SET((size_t)i, &set);
        }
    }
    sched_setaffinity(0, sizeof set, &set);
    sched_setaffinity(echo, sizeof set, &set);
    sched_setaffinity(vh_runner_pid(calls.runner), sizeof set, &set);
}

static void
measure(struct bench *bench, pid_t echo, int cpu, size_t bytes)
{
    char name[64];
    const char *where = cpu < 0 ? "free" : "one core";
    calls.bytes = bytes;
    place(echo, cpu);
    snprintf(name, sizeof name, "raw echo, %zu B, %s", bytes, where);
    bench_run(bench, name, echo_once, NULL);
    snprintf(name, sizeof name, "warm call, %zu B, %s", bytes, where);
    bench_run(bench, name, call_once, NULL);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str bytes;
    bench_begin(&bench, "calls", "", argc, argv);
    calls.arena = vh_arena_create(NULL, 0);
    memset(calls.payload, 'x', sizeof calls.payload);
    const char *plugin = VIV_BUILD_DIR "/plugins/tier1_good.so";
    if (vh_zygote_start(vh_seam_real(), calls.arena, VIV_BUILD_DIR "/libexec/viv-zygote", &calls.zygote, &err) ||
        vh_fs_read(vh_seam_real(), calls.arena, AT_FDCWD, plugin, VIV_PLUGIN_FILE_MAX, &bytes, &err) ||
        vh_map_seal(bytes.data, (size_t)bytes.len, "tier1_good", &calls.plugin_fd, &err)) {
        stop("set-up", &err);
    }
    calls.runner = start_runner(calls.arena);
    pid_t echo = start_echo();
    int cpu = sched_getcpu();
    measure(&bench, echo, cpu, 64);
    measure(&bench, echo, cpu, 4096);
    measure(&bench, echo, -1, 64);
    measure(&bench, echo, -1, 4096);
    calls.bytes = 64;
    bench_run(&bench, "fork, exit, wait, of this small program", fork_once, NULL);
    bench_run(&bench, "one run: fork, confine, map, call, end", one_shot, NULL);
    if (vh_runner_end(calls.runner, &err) != VIV_OK) {
        stop("end", &err);
    }
    close(calls.echo_fd);
    waitpid(echo, NULL, 0);
    vh_zygote_end(calls.zygote);
    vh_arena_destroy(calls.arena);
    return bench_end(&bench);
}
