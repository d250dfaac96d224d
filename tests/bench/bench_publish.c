/* SPDX-License-Identifier: Apache-2.0 */
/* Measures bases, freezing and publishing on a repository of 5,000 files, 20 changed by each task. Beside each durable
 * figure stands the raw sync of the same run, and beside the first base a checkout by git itself. Goals (settled.md
 * c2): freeze 20 ms, moving a reference 10 ms, each plus its syncs; refreshing a checkout apart. */
#include "../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/git_runner.h"
#include "../support/project.h"
#include "bench.h"
#include "run/branch.h"
#include "run/layer.h"
#include "run/line.h"

#define TASKS_MAX 200

enum { CAPTURE, READ, COMMIT, LAYER, LINE, CHECKOUT, KINDS };
static const char *const names[KINDS] = { "capture, clean",        "freeze: read 20 files", "freeze: commit 20 files",
                                          "layer for the gates",   "move the line",         "refresh a checkout" };
static int64_t samples[KINDS][TASKS_MAX];
static unsigned runs[KINDS];

/* Run one call and keep its time. */
#define TAKE(p, kind, which, call)                                                                                     \
    do {                                                                                                               \
        unsigned runs_ = support_git_runs();                                                                           \
        int64_t from_ = bench_now_ns();                                                                                \
        viv_status taken_ = (call);                                                                                    \
        samples[kind][which] = bench_now_ns() - from_;                                                                 \
        runs[kind] = support_git_runs() - runs_;                                                                       \
        if (taken_) {                                                                                                  \
            fail_msg("%s: %s", names[kind], (p)->err.text);                                                            \
        }                                                                                                              \
    } while (0)

static void
one_task(struct project *p, size_t which, struct vh_git_id *near)
{
    struct vh_base base;
    struct vh_layers layers;
    struct vh_change change;
    struct vh_conflicts conflicts;
    struct vh_git_id commit;
    struct vh_git_id tree;
    enum vh_branch_outcome outcome = 0;
    char task[24];
    char script[128];
    struct vh_base_options options = { .time_s = 2000000000 };
    snprintf(task, sizeof task, "t%zu", which);
    snprintf(script, sizeof script, "for i in $(seq 20); do mkdir d$i; seq %zu %zu > d$i/f2; done", which, which + 600);
    TAKE(p, CAPTURE, which, vh_base_capture(&p->target, p->arena, &options, &base, &conflicts, &p->err));
    int dir = project_upper(p, script);
    TAKE(p, READ, which, vh_change_read(&p->target, p->arena, &base, dir, VH_CHANGE_UPPER, &change, &p->err));
    struct vh_change_freeze freeze = { .base = &base, .change = &change, .dir = dir, .goal = { "x", 1 }, .task = task,
                                       .effect = "e", .log_head = "h", .time_s = 2000000000 + (int64_t)which };
    TAKE(p, COMMIT, which, vh_change_commit(&p->target, p->arena, &freeze, &commit, &tree, &p->err));
    TAKE(p, LAYER, which, vh_layer_materialise(&p->target, p->arena, &tree, near, 1, &layers, &p->err));
    TAKE(p, LINE, which, vh_line_advance(&p->target, p->arena, task, &base.line, &commit, &p->err));
    struct vh_branch_request request = { .task = task, .commit = commit };
    TAKE(p, CHECKOUT, which, vh_branch_move(&p->target, p->arena, &request, &outcome, &conflicts, &p->err));
    *near = tree;
    close(dir);
}

struct raw {
    int fd;
};

static bool
raw_sync(void *data)
{
    struct raw *raw = data;
    return pwrite(raw->fd, "x", 1, 0) == 1 && fsync(raw->fd) == 0;
}

static double
milliseconds(int64_t from_ns)
{
    return (double)(bench_now_ns() - from_ns) / 1e6;
}

int
main(int argc, char **argv)
{
    struct bench bench;
    struct project p;
    struct vh_base base;
    struct vh_layers layers;
    bench_begin(&bench, "publish", "tasks", argc, argv);
    int64_t tasks = bench_option(&bench, "tasks", 30);
    tasks = tasks < 1 ? 1 : tasks > TASKS_MAX ? TASKS_MAX : tasks;
    project_make(&p, true);
    project_sh(&p, "for d in $(seq 50); do mkdir d$d; for f in $(seq 100); do head -c 15750 /dev/urandom | base64 > "
                   "d$d/f$f; done; done; git add -A; git commit -qm seed");
    project_open(&p);
    project_capture(&p, false, &base);
    int64_t from_ns = bench_now_ns();
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.tree, NULL, 1, &layers, &p.err));
    bench_value(&bench, "first base, 5,000 files, 105 MB", milliseconds(from_ns), "ms");
    from_ns = bench_now_ns();
    project_sh(&p, "git worktree add -q --detach \"$SCRATCH/peer\" && sync -f \"$SCRATCH/peer\"");
    bench_value(&bench, "git worktree add and sync, the same", milliseconds(from_ns), "ms");
    struct raw raw = { openat(p.home_fd, "raw", O_RDWR | O_CREAT | O_CLOEXEC, 0600) };
    bench_run(&bench, "raw sync", raw_sync, &raw);
    close(raw.fd);
    struct vh_git_id near = base.tree;
    for (int64_t i = 0; i < tasks; i++) {
        one_task(&p, (size_t)i, &near);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        char what[64];
        snprintf(what, sizeof what, "%s (git runs: %u)", names[kind], runs[kind]);
        bench_samples(&bench, what, samples[kind], (size_t)tasks);
    }
    project_remove(&p);
    return bench_end(&bench);
}
