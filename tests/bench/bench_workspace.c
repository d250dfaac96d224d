/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a private workspace of a 5,000-file tree, and accepting and discarding 20 changed files in it. In each
 * variant of the sandbox that this machine can do: open over a warm base, run `true` in it, close; then freeze,
 * reference and refresh of the checkout, each apart. Beside it in the same run: bare fork+exec, a bare namespace with
 * an overlay mount, `cp -a`, `git worktree add`, a raw sync. Goals (settled.md c2): mount 1 ms on a warm base, first
 * base apart; freeze 20 ms; reference 10 ms, durable ones plus their syncs.
 *
 *   tools/bench workspace [--json] [--rounds N] [--copies N] [--tasks N]     below TMPDIR or /tmp */
#include "../support/cm.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/git_runner.h"
#include "../support/project.h"
#include "../support/sandbox_world.h"
#include "base/copy.h"
#include "bench.h"
#include "run/branch.h"
#include "run/layer.h"
#include "run/line.h"

#define TASKS_MAX 100
#define COPIES_MAX 20

static struct project p;
static struct vh_base base;
static struct vh_layers layers;
static struct vh_launcher *launcher;

/* ---- one workspace ---- */

enum { OPEN, EXEC, CLOSE, REMOVE, STEPS };
static const char *const steps[STEPS] = { "open", "run true", "close", "remove its folders" };

struct space {
    char folder[256];
    char upper[300], work[300], scratch[300], copy[300];
    struct vh_arena *arena;
    struct vh_keeper *keeper;
};

static void
stop(const char *what, const struct viv_error *err)
{
    fprintf(stderr, "workspace: %s: %s\n", what, err->text);
    exit(1);
}

static void
copy_base(const struct space *space)
{
    const struct vh_seam *seam = vh_seam_real();
    struct viv_error err = VIV_ERROR_INIT;
    int from = open(layers.path[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = open(space->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (vh_copy_tree(seam, from, to, &err)) {
        stop("copy", &err);
    }
    close(from);
    close(to);
}

/* As run/workspace.c does it, without the private .git. */
static void
open_space(struct space *space, enum vh_sandbox_variant variant)
{
    char *const folders[] = { space->folder, space->upper, space->work, space->scratch, space->copy };
    static const char *const names[] = { "", "/upper", "/work", "/scratch", "/copy" };
    struct viv_error err = VIV_ERROR_INIT;
    for (size_t i = 0; i < 5; i++) {
        snprintf(folders[i], i ? 300 : 256, "%.200s/work/space%s", p.home, names[i]);
        (void)mkdir(folders[i], 0755); /* what is missing shows at the mount */
    }
    space->arena = vh_arena_create(NULL, 0);
    bool is_copy = variant == VH_SANDBOX_REDUCED_COPY;
    if (is_copy) {
        copy_base(space);
    }
    struct vh_sandbox_plan plan = { .variant = variant, .lowers = layers.path, .lower_count = layers.count,
                                    .upper = space->upper, .work = space->work, .scratch = space->scratch,
                                    .copy = is_copy ? space->copy : NULL };
    if (vh_sandbox_open(launcher, space->arena, &plan, &space->keeper, &err)) {
        stop("open", &err);
    }
}

static void
run_in(struct space *space, const char *script)
{
    const char *const words[] = { script ? "sh" : "true", "-c", script };
    struct vh_exec_stage stage = { .argv = words, .argc = script ? 3 : 1 };
    struct vh_exec exec = { .stages = &stage, .stage_count = 1, .wall_ns = 60 * SECOND_NS, .output_max = 4096,
                            .error_max = 4096 };
    struct vh_exec_result result;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_sandbox_exec(space->keeper, space->arena, &exec, NULL, &result, &err) || result.stages[0].exit_code) {
        stop(words[0], &err);
    }
}

static void
remove_space(struct space *space)
{
    struct viv_error err = VIV_ERROR_INIT;
    vh_arena_destroy(space->arena);
    if (vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, space->folder, &err)) {
        stop("remove", &err);
    }
}

static void
measure_variant(struct bench *bench, enum vh_sandbox_variant variant, uint64_t rounds)
{
    char what[96];
    int64_t *samples = calloc(STEPS * rounds, sizeof *samples);
    int64_t end = bench_now_ns() + BENCH_ROW_NS;
    uint64_t count = 0;
    /* The first warms up and is overwritten by the second. */
    for (uint64_t i = 0; samples && i < rounds + 1 && (i < 2 || bench_now_ns() < end); i++) {
        struct space space;
        int64_t *at = samples + (i ? i - 1 : 0);
        int64_t from[STEPS + 1];
        from[OPEN] = bench_now_ns();
        open_space(&space, variant);
        from[EXEC] = bench_now_ns();
        run_in(&space, NULL);
        from[CLOSE] = bench_now_ns();
        vh_sandbox_close(space.keeper);
        from[REMOVE] = bench_now_ns();
        remove_space(&space);
        from[STEPS] = bench_now_ns();
        for (size_t step = 0; step < STEPS; step++) {
            at[step * rounds] = from[step + 1] - from[step];
        }
        count = i ? i : 1;
    }
    for (size_t step = 0; step < STEPS; step++) {
        snprintf(what, sizeof what, "%s: %s", vh_sandbox_variant_name(variant), steps[step]);
        bench_samples(bench, what, samples ? samples + step * rounds : NULL, count);
    }
    free(samples);
}

/* ---- what it is compared with ---- */

static bool
fork_exec(void *data)
{
    (void)data;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* The least a private view can cost: a user and a mount namespace, one overlay, gone with its process. */
static bool
bare_mount(void *data)
{
    const struct space *space = data;
    char options[1024], users[64], groups[64];
    snprintf(options, sizeof options, "lowerdir=%.300s,upperdir=%s,workdir=%s,userxattr", layers.path[0], space->upper,
             space->work);
    snprintf(users, sizeof users, "0 %d 1\n", (int)getuid());
    snprintf(groups, sizeof groups, "0 %d 1\n", (int)getgid());
    pid_t pid = fork();
    if (pid == 0) {
        bool good = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/setgroups", "deny") &&
                    write_text("/proc/self/uid_map", users) && write_text("/proc/self/gid_map", groups) &&
                    mount("overlay", space->scratch, "overlay", 0, options) == 0;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static int64_t
shell_ns(const char *command)
{
    int64_t from = bench_now_ns();
    project_sh(&p, "%s", command);
    return bench_now_ns() - from;
}

/* Copies that others would make. What was copied is removed at the very end only: deleting and creating trees in turn
 * measures the allocator of the file system instead. */
static void
measure_copies(struct bench *bench, int64_t copies)
{
    int64_t trees[COPIES_MAX], plain[COPIES_MAX];
    char command[160];
    int64_t end = bench_now_ns() + BENCH_ROW_NS;
    size_t count = 0;
    for (int64_t i = 0; i < copies && (i == 0 || bench_now_ns() < end); i++, count++) {
        snprintf(command, sizeof command, "git worktree add -q --detach \"$SCRATCH/tree%lld\"", (long long)i);
        trees[i] = shell_ns(command);
        snprintf(command, sizeof command, "cp -a \"$SCRATCH/tree0\" \"$SCRATCH/copy%lld\"", (long long)i);
        plain[i] = shell_ns(command);
    }
    bench_samples(bench, "git worktree add", trees, count);
    bench_samples(bench, "cp -a", plain, count);
}

/* ---- accept and discard ---- */

enum { CHANGE, DISCARD, STOP, FREEZE, LINE, CHECKOUT, KINDS };
static const char *const kinds[KINDS] = { "change 20 files inside", "discard: close and remove", "accept: stop",
                                          "accept: freeze (read and commit)", "accept: move the reference",
                                          "accept: refresh the checkout" };
static int64_t taken[KINDS][TASKS_MAX];
static unsigned runs[KINDS];

#define TAKE(kind, which, call)                                                                                        \
    do {                                                                                                               \
        unsigned runs_ = support_git_runs();                                                                           \
        int64_t from_ = bench_now_ns();                                                                                \
        call;                                                                                                          \
        taken[kind][which] = bench_now_ns() - from_;                                                                   \
        runs[kind] = support_git_runs() - runs_;                                                                       \
    } while (0)

static void
freeze(const char *task, int dir, struct vh_base *now, struct vh_git_id *ret_commit, struct vh_git_id *ret_tree)
{
    struct vh_change change;
    project_ok(&p, vh_change_read(&p.target, p.arena, now, dir, VH_CHANGE_UPPER, &change, &p.err));
    struct vh_change_freeze freeze = { .base = now, .change = &change, .dir = dir, .goal = { "x", 1 }, .task = task,
                                       .effect = "e", .log_head = "h", .time_s = 2000000000 };
    assert_int_equal(change.count, 20);
    project_ok(&p, vh_change_commit(&p.target, p.arena, &freeze, ret_commit, ret_tree, &p.err));
}

static void
change_files(struct space *space, size_t which)
{
    char script[160];
    snprintf(script, sizeof script, "for i in $(seq 20); do echo %zu >> d$i/f2; done", which);
    run_in(space, script);
}

static void
one_task(enum vh_sandbox_variant variant, size_t which)
{
    struct space space;
    struct vh_conflicts conflicts;
    struct vh_git_id commit, tree;
    enum vh_branch_outcome outcome = 0;
    char task[24];
    snprintf(task, sizeof task, "t%zu", which);
    struct vh_base_options options = { .time_s = 2000000000 };
    project_ok(&p, vh_base_capture(&p.target, p.arena, &options, &base, &conflicts, &p.err));
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.seen, &base.tree, 2000000000, &layers, &p.err));
    open_space(&space, variant);
    change_files(&space, which);
    TAKE(DISCARD, which, { vh_sandbox_close(space.keeper); remove_space(&space); });
    open_space(&space, variant);
    TAKE(CHANGE, which, change_files(&space, which));
    TAKE(STOP, which, vh_sandbox_close(space.keeper));
    int dir = open(space.upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TAKE(FREEZE, which, freeze(task, dir, &base, &commit, &tree));
    close(dir);
    remove_space(&space);
    TAKE(LINE, which, project_ok(&p, vh_line_advance(&p.target, p.arena, task, &base.line, &commit, &p.err)));
    struct vh_branch_request request = { .task = task, .commit = commit };
    TAKE(CHECKOUT, which,
         project_ok(&p, vh_branch_move(&p.target, p.arena, &request, &outcome, &conflicts, &p.err)));
}

static void
measure_tasks(struct bench *bench, int64_t tasks)
{
    int64_t end = bench_now_ns() + 2 * BENCH_ROW_NS;
    size_t count = 0;
    while (count < (size_t)tasks && (count == 0 || bench_now_ns() < end)) {
        one_task(world_variants[0], count++);
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        char what[96];
        snprintf(what, sizeof what, "%s (git runs: %u)", kinds[kind], runs[kind]);
        bench_samples(bench, what, taken[kind], count);
    }
}

/* ---- all ---- */

static void
make_base(struct bench *bench)
{
    project_make(&p, true);
    (void)mkdirat(p.home_fd, "work", 0700); /* asserted by what uses it */
    project_sh(&p, "for d in $(seq 50); do mkdir d$d; for f in $(seq 100); do head -c 15750 /dev/urandom | base64 > "
                   "d$d/f$f; done; done; git add -A; git commit -qm seed");
    project_open(&p);
    project_capture(&p, false, &base);
    int64_t from = bench_now_ns();
    project_ok(&p, vh_layer_materialise(&p.target, p.arena, &base.tree, NULL, 1, &layers, &p.err));
    bench_value(bench, "first base, 5,000 files, 105 MB, synced", (double)(bench_now_ns() - from) / 1e6, "ms");
    char path[600];
    struct viv_error err = VIV_ERROR_INIT;
    world_launcher_path(path, sizeof path);
    launcher = vh_launcher_create(p.arena, vh_seam_real(), path, &(struct vh_launcher_options){ NULL });
    if (vh_launcher_start(launcher, &err)) {
        stop("launcher", &err);
    }
}

static bool
raw_sync(void *data)
{
    const int *fd = data;
    return pwrite(*fd, "x", 1, 0) == 1 && fdatasync(*fd) == 0;
}

/* Other sandboxes, where they are installed. */
static const struct peer {
    const char *what;
    const char *argv[10];
} peers[] = {
    { "bubblewrap, run true",
      { "bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--unshare-all", "--die-with-parent", "true" } },
    { "srt (@anthropic-ai/sandbox-runtime), run true", { "srt", "true" } },
};

static bool
run_peer(void *data)
{
    const struct peer *peer = data;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execvp(peer->argv[0], (char *const *)(uintptr_t)peer->argv);
        _exit(127);
    }
    int status = 0;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static void
measure_peers(struct bench *bench)
{
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        struct peer peer = peers[i];
        if (run_peer(&peer)) {
            bench_run(bench, peer.what, run_peer, &peer);
        }
    }
}

static void
measure_bare(struct bench *bench, enum vh_sandbox_variant first)
{
    struct space space;
    int fd = openat(p.home_fd, "raw", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bench_run(bench, "raw write and fdatasync", raw_sync, &fd);
    close(fd);
    bench_run(bench, "bare fork+exec of true", fork_exec, NULL);
    measure_peers(bench);
    if (first != VH_SANDBOX_FULL) {
        return;
    }
    open_space(&space, first); /* for its folders */
    vh_sandbox_close(space.keeper);
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, space.work, NULL); /* a work folder serves one mount */
    (void)mkdir(space.work, 0755);
    bench_run(bench, "bare namespace and overlay mount", bare_mount, &space);
    remove_space(&space);
}

int
main(int argc, char **argv)
{
    struct bench bench;
    bench_begin(&bench, "workspace", "copies tasks", argc, argv);
    bench.rounds = (uint64_t)bench_option(&bench, "rounds", 100);
    int64_t copies = bench_option(&bench, "copies", 2);
    int64_t tasks = bench_option(&bench, "tasks", 10);
    copies = copies < 1 ? 1 : copies > COPIES_MAX ? COPIES_MAX : copies;
    tasks = tasks < 1 ? 1 : tasks > TASKS_MAX ? TASKS_MAX : tasks;
    if (!world_probe()) {
        return 77;
    }
    make_base(&bench);
    measure_bare(&bench, world_variants[0]);
    for (size_t i = 0; i < world_variant_count; i++) {
        bool is_copy = world_variants[i] == VH_SANDBOX_REDUCED_COPY;
        measure_variant(&bench, world_variants[i], is_copy ? (uint64_t)copies : bench.rounds);
    }
    if (world_variants[0] != VH_SANDBOX_REDUCED_COPY) {
        measure_tasks(&bench, tasks);
    }
    measure_copies(&bench, copies);
    vh_launcher_stop(launcher);
    project_remove(&p);
    return bench_end(&bench);
}
