/* SPDX-License-Identifier: Apache-2.0 */
/* One stage between fork and exec, in this order: session and signals, folder, redirections,
 * descriptors 0 to 2 (the rest closes by itself at exec), Landlock, filters, the program is looked
 * up with the task's own rights, limits, gate, exec.
 *
 * A program is opened once and run by that descriptor. For a `#!` script it is the interpreter that
 * is run so; the script is named to it by the path it was found at, as the kernel does, because
 * scripts find their files by $0. The path is checked to be still the file that was looked at. */
#include "run.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAD_MAX 256 /* of a script: the kernel looks no further */

struct program {
    int fd;
    char path[KEEPER_PATH_MAX];
    char head[HEAD_MAX];
    const char *interpreter, *option; /* of a script, in `head` */
    struct stat stat;
};

static _Noreturn void
stop(int status, int32_t kind, const char *step)
{
    struct run_note note = {.kind = kind, .error = errno ? errno : EIO};
    snprintf(note.step, sizeof note.step, "%.15s", step);
    (void)!write(status, &note, sizeof note); /* the keeper sees the end of the pipe anyway */
    _exit(127);
}

/* Below the workspace, whatever links and dots there are. */
static int
open_beneath(int root, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static int
redirect(const struct keeper *keeper, const char *cwd, const char *path, uint64_t flags)
{
    char full[KEEPER_PATH_MAX];
    struct stat stat;
    if (strcmp(path, "/dev/null") == 0) {
        return dup(keeper->null);
    }
    if (path[0] == '/') {
        errno = EXDEV;
        return -1;
    }
    if (snprintf(full, sizeof full, "%s%s%s", cwd, *cwd ? "/" : "", path) >= (int)sizeof full) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd =
        open_beneath(keeper->root, full, flags | O_NONBLOCK | O_NOCTTY, flags & O_CREAT ? 0644 : 0);
    if (fd >= 0 &&
        (fstat(fd, &stat) || !S_ISREG(stat.st_mode))) { /* a pipe or device could hold us up */
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd < 0 || fcntl(fd, F_SETFL, flags & O_APPEND) ? -1 : fd;
}

static void
set_descriptors(const struct keeper *keeper, const struct run *run, const struct run_stage *stage,
                struct child_fds *fds)
{
    uint64_t out = O_WRONLY | O_CREAT;
    if (stage->flags & VW_STAGE_INPUT) {
        fds->input = redirect(keeper, run->cwd, stage->input, O_RDONLY);
    }
    if (fds->input < 0 || dup2(fds->input, 0) < 0) {
        stop(fds->status, NOTE_NOT_STARTED, "stdin");
    }
    if (stage->flags & VW_STAGE_OUTPUT) {
        fds->output = redirect(keeper, run->cwd, stage->output,
                               out | (stage->flags & VW_STAGE_OUTPUT_APPEND ? O_APPEND : O_TRUNC));
    }
    if (fds->output < 0 || dup2(fds->output, 1) < 0) {
        stop(fds->status, NOTE_NOT_STARTED, "stdout");
    }
    if (stage->flags & VW_STAGE_ERROR) {
        fds->error = redirect(keeper, run->cwd, stage->error,
                              out | (stage->flags & VW_STAGE_ERROR_APPEND ? O_APPEND : O_TRUNC));
    }
    if (fds->error < 0 || dup2(stage->flags & VW_STAGE_ERROR_TO_OUTPUT ? 1 : fds->error, 2) < 0) {
        stop(fds->status, NOTE_NOT_STARTED, "stderr");
    }
}

/* ---- the program ---- */

static int
open_program(const char *path, struct program *ret_program)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EACCES) {
        fd = open(path, O_PATH | O_CLOEXEC); /* may run but not read: no script, then */
    }
    if (fd < 0) {
        return -1;
    }
    ret_program->fd = fd;
    snprintf(ret_program->path, sizeof ret_program->path, "%s", path);
    if (fstat(fd, &ret_program->stat) || !S_ISREG(ret_program->stat.st_mode) ||
        faccessat(AT_FDCWD, path, X_OK, 0)) {
        close(fd);
        errno = EACCES;
        return -1;
    }
    return 0;
}

static const char *
path_of(const struct run_stage *stage)
{
    for (const char **env = stage->env; *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0) {
            return *env + 5;
        }
    }
    return "";
}

/* As execvp: the first in PATH that may run; what else went wrong is remembered but does not end
 * the search. */
static int
find_program(const struct run_stage *stage, struct program *ret_program)
{
    const char *name = stage->argv[0];
    int error = ENOENT;
    if (strchr(name, '/')) {
        return open_program(name, ret_program);
    }
    for (const char *at = path_of(stage); *name && *at;) {
        char path[KEEPER_PATH_MAX];
        size_t len = strcspn(at, ":");
        if (len > 0 &&
            snprintf(path, sizeof path, "%.*s/%s", (int)len, at, name) < (int)sizeof path) {
            if (open_program(path, ret_program) == 0) {
                return 0;
            }
            error = errno == ENOENT || errno == ENOTDIR ? error : errno;
        }
        at += len + (at[len] == ':');
    }
    errno = error;
    return -1;
}

/* "#! /bin/interpreter one option" */
static int
read_head(struct program *program)
{
    ssize_t len = pread(program->fd, program->head, sizeof program->head - 1, 0);
    if (len < 2 || program->head[0] != '#' || program->head[1] != '!') {
        return 0;
    }
    program->head[len] = '\0';
    char *end = strchr(program->head, '\n');
    if (!end) {
        errno = ENOEXEC;
        return -1;
    }
    while (end > program->head + 2 && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) {
        end--;
    }
    *end = '\0';
    char *at = program->head + 2 + strspn(program->head + 2, " \t");
    program->interpreter = at;
    at += strcspn(at, " \t");
    if (*at) {
        *at++ = '\0';
        at += strspn(at, " \t");
        program->option = *at ? at : NULL;
    }
    if (program->interpreter[0] != '/') {
        errno = ENOEXEC;
        return -1;
    }
    return 0;
}

/* The words for the interpreter; there is room for two more because the pool is larger than what a
 * request may use. */
static const char **
script_words(const struct program *script, const struct run_stage *stage)
{
    static const char *words[RUN_WORDS_MAX + 4];
    size_t count = 0;
    words[count++] = script->interpreter;
    if (script->option) {
        words[count++] = script->option;
    }
    words[count++] = script->path;
    memcpy(&words[count], &stage->argv[1], stage->argc * sizeof *words); /* with the NULL */
    return words;
}

static _Noreturn void
run_program(const struct run_stage *stage, const struct program *program,
            const struct program *script, int status)
{
    const char **words = stage->argv;
    struct stat now;
    if (script) {
        words = script_words(script, stage);
        if (stat(script->path, &now) || now.st_ino != script->stat.st_ino ||
            now.st_dev != script->stat.st_dev) {
            errno = ESTALE;
            stop(status, NOTE_NOT_STARTED, "program");
        }
    }
    syscall(SYS_execveat, program->fd, "", words, stage->env, AT_EMPTY_PATH);
    stop(status, NOTE_NOT_STARTED, "exec");
}

void
child_run(const struct keeper *keeper, const struct run *run, const struct run_stage *stage,
          struct child_fds fds)
{
    static struct program found;
    static struct program interpreter;
    enum step step = STEP_COUNT;
    char byte;
    spawn_calm();
    umask(022);
    if (step_fails(STEP_SESSION) || prctl(PR_SET_PDEATHSIG, SIGKILL) || setsid() < 0) {
        stop(fds.status, NOTE_UNCONFINED, step_name(STEP_SESSION));
    }
    int cwd = open_beneath(keeper->root, *run->cwd ? run->cwd : ".", O_PATH | O_DIRECTORY, 0);
    if (cwd < 0 || fchdir(cwd)) {
        stop(fds.status, NOTE_NOT_STARTED, "cwd");
    }
    set_descriptors(keeper, run, stage, &fds);
    if (step_fails(STEP_DESCRIPTORS) || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC)) {
        stop(fds.status, NOTE_UNCONFINED, step_name(STEP_DESCRIPTORS));
    }
    if (confine_child(keeper, &step)) {
        stop(fds.status, NOTE_UNCONFINED, step_name(step));
    }
    if (find_program(stage, &found) || read_head(&found)) {
        stop(fds.status, NOTE_NOT_STARTED, "program");
    }
    if (found.interpreter && open_program(found.interpreter, &interpreter)) {
        stop(fds.status, NOTE_NOT_STARTED, "program");
    }
    if (confine_limits(&keeper->plan)) {
        stop(fds.status, NOTE_UNCONFINED, step_name(STEP_RLIMITS));
    }
    struct run_note ready = {.kind = NOTE_READY};
    if (write(fds.status, &ready, sizeof ready) != sizeof ready || read(fds.gate, &byte, 1) != 1) {
        _exit(127);
    }
    run_program(stage, found.interpreter ? &interpreter : &found, found.interpreter ? &found : NULL,
                fds.status);
}
