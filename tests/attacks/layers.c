/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program behind single layers of the sandbox, made by the launcher's own files, for the
 * matrix of docs/threat-model.md:
 *
 *   viv_layers LAYERS FOLDER PROGRAM [WORDS]
 *
 * LAYERS is a list without blanks: `hygiene` (descriptors, environment, session, limits, no new
 * privileges), `root` (namespaces, a root of its own, no capabilities), `landlock`, `filter`, and
 * `copy` for the rules and filters of reduced-copy. FOLDER/project is the workspace; FOLDER/layers
 * has room for an overlay. */
#include "launcher/keeper.h"
#include "launcher/step.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct keeper keeper;

static _Noreturn void
stop(const char *what)
{
    fprintf(stderr, "viv_layers: %s: %s: step '%s' %s\n", what,
            strerror(keeper.ready.error ? keeper.ready.error : errno), keeper.ready.step,
            keeper.ready.detail);
    exit(125);
}

static const char *
below(const char *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        stop("memory");
    }
    return path;
}

static const char *
made(const char *folder, const char *name)
{
    const char *path = below(folder, name);
    if (mkdir(path, 0755) && errno != EEXIST) {
        stop(path);
    }
    return path;
}

static void
plan(const char *folder, int copy)
{
    const char *project = below(folder, "project");
    const char *room = made(folder, "layers");
    keeper.variant = copy ? VW_REDUCED_COPY : VW_FULL;
    keeper.uid = geteuid();
    keeper.gid = getegid();
    keeper.ruleset = keeper.scope = keeper.root = keeper.null = keeper.proc = -1;
    keeper.plan = (struct plan){.variant = keeper.variant,
                                .cpu_s = 60,
                                .memory_bytes = UINT64_C(16) << 30,
                                .processes = 4096,
                                .files_open = 1024,
                                .file_bytes = UINT64_C(4) << 30,
                                .tmp_bytes = 1 << 26,
                                .upper = made(room, "upper"),
                                .work = made(room, "work"),
                                .scratch = made(room, "scratch"),
                                .copy = project,
                                .lowers = {project},
                                .lower_count = 1};
    snprintf(keeper.path, sizeof keeper.path, "%s", project);
    snprintf(keeper.home, sizeof keeper.home, "%s/home", keeper.plan.scratch);
    snprintf(keeper.tmp, sizeof keeper.tmp, "%s/tmp", keeper.plan.scratch);
    (void)made(keeper.plan.scratch, "home");
    (void)made(keeper.plan.scratch, "tmp");
}

static void
run(const char *layers, char **argv)
{
    static char *environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", NULL};
    enum step step = STEP_COUNT;
    int clean = strstr(layers, "hygiene") != NULL;
    if (chdir(keeper.variant == VW_FULL && strstr(layers, "root") ? "/work" : keeper.plan.copy)) {
        stop("folder");
    }
    if (clean && (setsid() < 0 || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC))) {
        stop("hygiene");
    }
    if ((clean || strstr(layers, "landlock") || strstr(layers, "filter")) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        stop("no new privileges");
    }
    if (!strstr(layers, "filter") ? landlock_enter(&keeper) : confine_child(&keeper, &step)) {
        stop("confinement");
    }
    if (clean && confine_limits(&keeper.plan)) {
        stop("limits");
    }
    execvpe(argv[0], argv, clean ? environment : environ);
    stop(argv[0]);
}

/* The first process inside, as a keeper is; what it made goes with it. */
static int
watch(const char *layers, char **argv)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        run(layers, argv);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        stop("fork");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
in_own_root(const char *layers, char **argv)
{
    int pidfd = -1;
    int status = 0;
    pid_t pid = ns_clone(VW_FULL, &pidfd, &keeper.ready);
    if (pid == 0) {
        if (ns_enter(&keeper) || root_prepare(&keeper) || root_make(&keeper) ||
            (strstr(layers, "landlock") && landlock_make(&keeper)) || confine_keeper(&keeper)) {
            stop("root");
        }
        exit(watch(layers, argv));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        stop("namespaces");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: viv_layers LAYERS FOLDER PROGRAM [WORDS]\n");
        return 2;
    }
    plan(argv[2], strstr(argv[1], "copy") != NULL);
    if (strstr(argv[1], "root")) {
        return in_own_root(argv[1], argv + 3);
    }
    if (strstr(argv[1], "landlock") && landlock_make(&keeper)) {
        stop("Landlock");
    }
    if (strstr(argv[1], "copy") && strstr(argv[1], "hygiene") && confine_keeper(&keeper)) {
        stop("capabilities");
    }
    return watch(argv[1], argv + 3);
}
