/* SPDX-License-Identifier: Apache-2.0 */
#include "../support/cm.h"

#include "live.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define WORDS_MAX 32
#define SAID_BYTES 1000 /* of what children said last */
#define START_TRIES 3000 /* of 10 ms */

static void
stop(struct live *live, const char *what, const char *why)
{
    char text[SAID_BYTES + 1];
    off_t size = lseek(live->log, 0, SEEK_END);
    ssize_t got = pread(live->log, text, SAID_BYTES, size > SAID_BYTES ? size - SAID_BYTES : 0);
    text[got > 0 ? got : 0] = '\0';
    fprintf(stderr, "%s: %s\n%s", what, why, text);
    if (live->pid > 0) {
        kill(live->pid, SIGTERM);
    }
    exit(1);
}

void
live_make(struct live *live, const char *script)
{
    *live = (struct live){ .log = -1, .home = -1 };
    project_make(&live->project, true);
    project_sh(&live->project, "git config user.name Bench; git config user.email bench@example.org; %s", script);
    snprintf(live->vivhost, sizeof live->vivhost, "%s/host/vivhost", VIV_BUILD_DIR);
    snprintf(live->trace, sizeof live->trace, "%s/trace", live->project.scratch);
    char path[600];
    snprintf(path, sizeof path, "%s/said", live->project.scratch);
    live->log = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    setenv("HOME", live->project.user, 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    const char *const init[] = { live->vivhost, "init", NULL };
    if (!live_good(live, init)) {
        stop(live, "vivhost init", "failed");
    }
    snprintf(path, sizeof path, "%s/.vivarium", live->project.root);
    live->home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    live->arena = vh_arena_create(NULL, 0);
}

void
live_remove(struct live *live)
{
    vh_arena_destroy(live->arena);
    close(live->home);
    close(live->log);
    project_remove(&live->project);
}

/* execve wants pointers to char that it never writes through. */
static char *const *
plain(const char *const *list)
{
    union {
        const char *const *from;
        char *const *to;
    } both = { list };
    return both.to;
}

static pid_t
begin(struct live *live, const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        int nothing = open("/dev/null", O_RDONLY);
        if (dup2(nothing, 0) == 0 && dup2(live->log, 1) == 1 && dup2(live->log, 2) == 2 &&
            chdir(live->project.root) == 0) {
            execvp(argv[0], plain(argv));
        }
        _exit(127);
    }
    return pid;
}

static int
ended(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) != pid) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
live_run(struct live *live, const char *const *argv)
{
    return ended(begin(live, argv));
}

bool
live_good(struct live *live, const char *const *argv)
{
    int code = live_run(live, argv);
    if (code) {
        char why[64];
        snprintf(why, sizeof why, "ended with %d", code);
        stop(live, argv[1] ? argv[1] : argv[0], why);
    }
    return true;
}

void
live_start(struct live *live, int workers, bool traced)
{
    char count[16];
    snprintf(count, sizeof count, "%d", workers);
    const char *const argv[] = { "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,syncfs,execve", "-o", live->trace,
                                 live->vivhost, "work", "--workers", count, NULL };
    live->pid = begin(live, traced ? argv : argv + 7);
    const struct vh_seam *seam = vh_seam_real();
    for (int i = 0; i < START_TRIES; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        if (vh_socket_connect(seam, live->project.arena, live->home, NULL, &live->client, &err) == VIV_OK) {
            return;
        }
        if (waitpid(live->pid, NULL, WNOHANG) == live->pid) {
            live->pid = 0;
            break;
        }
        vh_socket_pause(traced ? 10 : 1);
    }
    stop(live, "vivhost work", "does not answer");
}

void
live_stop(struct live *live)
{
    pid_t pid = (pid_t)vh_json_int(live_ask(live, live_request(live, "status")), "pid", 0);
    vh_socket_close(live->client);
    live->client = NULL;
    kill(pid, SIGTERM); /* strace ends with what it watches */
    int code = ended(live->pid);
    live->pid = 0;
    if (code != 0) {
        stop(live, "vivhost work", "did not end well");
    }
}

struct vh_json *
live_request(struct live *live, const char *op)
{
    vh_arena_destroy(live->arena);
    live->arena = vh_arena_create(NULL, 0);
    struct vh_json *request = vh_json_object(live->arena);
    vh_json_set_text(live->arena, request, "op", op);
    return request;
}

const struct vh_json *
live_ask(struct live *live, struct vh_json *request)
{
    struct vh_json *response = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_socket_ask(live->client, request, live->arena, &response, &err)) {
        stop(live, "the host", err.text);
    }
    if (vh_json_int(response, "status", -1) != 0) {
        stop(live, "the host refuses", vh_arena_text_of(live->arena, vh_json_str(response, "error")));
    }
    return response;
}

/* ---- tasks ---- */

static struct vh_json *
command_of(struct vh_arena *arena, const char *const *argv)
{
    struct vh_json *words = vh_json_array(arena);
    for (size_t i = 0; argv[i] && i < WORDS_MAX; i++) {
        vh_json_push(words, vh_json_string(arena, vh_str(argv[i])));
    }
    struct vh_json *stage = vh_json_object(arena);
    vh_json_set(stage, "argv", words);
    struct vh_json *stages = vh_json_array(arena);
    vh_json_push(stages, stage);
    struct vh_json *command = vh_json_object(arena);
    vh_json_set(command, "stages", stages);
    return command;
}

/* The last event of a task that went well is its settlement. */
static bool
is_end(struct live *live, const struct vh_json *event)
{
    struct viv_str kind = vh_json_str(event, "kind");
    if (vh_str_is(kind, "task.failed") || vh_str_is(kind, "task.asked") || vh_str_is(kind, "task.rejected")) {
        stop(live, "a task is not ready", vh_arena_text_of(live->arena, kind));
    }
    return vh_str_is(kind, "budget.settled");
}

void
live_task(struct live *live, const char *const *argv, char ret_task[64])
{
    struct vh_json *request = live_request(live, "submit");
    struct vh_json *task = vh_json_object(live->arena);
    vh_json_set_text(live->arena, task, "goal", "a trivial task");
    vh_json_set(task, "command", command_of(live->arena, argv));
    vh_json_set(request, "task", task);
    const struct vh_json *response = live_ask(live, request);
    struct viv_str id = vh_json_str(response, "task");
    snprintf(ret_task, 64, "%.*s", VH_STR_ARGS(id));
    int64_t after = vh_json_int(response, "seq", 0);
    for (bool done = false; !done;) {
        request = live_request(live, "events");
        vh_json_set_text(live->arena, request, "task", ret_task);
        vh_json_set_int(live->arena, request, "after", after);
        vh_json_set_int(live->arena, request, "wait", 1);
        response = live_ask(live, request);
        const struct vh_json *events = vh_json_get(response, "events");
        for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
            done = done || is_end(live, vh_json_get(e, "event"));
        }
        after = vh_json_int(response, "last", after);
    }
}

/* ---- counting ---- */

static int64_t
resident_of(int64_t pid)
{
    char path[64], line[256];
    long long kib = 0;
    snprintf(path, sizeof path, "/proc/%lld/status", (long long)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmRSS: %lld", &kib) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

static int64_t
parent_of(const char *pid)
{
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    long long parent = 0;
    if (file) {
        size_t got = fread(text, 1, sizeof text - 1, file);
        text[got] = '\0';
        const char *end = strrchr(text, ')');
        (void)(end && sscanf(end + 1, " %*c %lld", &parent)); /* 0: it has ended */
        fclose(file);
    }
    return parent;
}

int64_t
live_resident_kib(struct live *live)
{
    int64_t pid = vh_json_int(live_ask(live, live_request(live, "status")), "pid", 0);
    int64_t kib = resident_of(pid);
    DIR *folder = opendir("/proc");
    for (const struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(entry->d_name) == pid) {
            kib += resident_of(strtoll(entry->d_name, NULL, 10));
        }
    }
    if (folder) {
        closedir(folder);
    }
    return kib;
}

struct live_log
live_log(struct live *live, const char *task, int64_t after)
{
    struct live_log log = { .last = after };
    for (bool more = true; more;) {
        struct vh_json *request = live_request(live, "events");
        vh_json_set_int(live->arena, request, "after", log.last);
        vh_json_set_text(live->arena, request, "task", task);
        const struct vh_json *events = vh_json_get(live_ask(live, request), "events");
        more = events && events->child;
        for (const struct vh_json *e = more ? events->child : NULL; e; e = e->next) {
            const struct vh_json *event = vh_json_get(e, "event");
            log.bytes += (int64_t)vh_json_print(live->arena, event).len; /* canonical, as it is stored */
            log.last = vh_json_int(event, "seq", log.last);
            log.events++;
        }
    }
    return log;
}

struct live_calls
live_calls(struct live *live)
{
    struct live_calls calls = { 0 };
    char line[4096];
    FILE *file = fopen(live->trace, "re");
    while (file && fgets(line, sizeof line, file)) {
        bool starts = strstr(line, "resumed>") == NULL;
        calls.database_syncs += starts && strstr(line, " fdatasync(");
        calls.other_syncs += starts && (strstr(line, " fsync(") || strstr(line, " syncfs("));
        bool program = starts && strstr(line, " execve(\"/") && !strstr(line, "= -1");
        calls.programs += program;
        calls.gits += program && strstr(line, "/git\", [\"git\"");
    }
    if (file) {
        fclose(file);
    }
    return calls;
}
