/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "git_runner.h"
#include "run/branch.h"
#include "scratch.h"

void
project_make(struct project *project, bool repository)
{
    *project = (struct project){.err = VIV_ERROR_INIT};
    const char *tmp = getenv("TMPDIR");
    snprintf(project->scratch, sizeof project->scratch, "%s/viv-test-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(project->scratch));
    snprintf(project->root, sizeof project->root, "%s/project", project->scratch);
    snprintf(project->home, sizeof project->home, "%s/home", project->scratch);
    snprintf(project->user, sizeof project->user, "%s/user", project->scratch);
    assert_int_equal(mkdir(project->root, 0755) | mkdir(project->home, 0700) | mkdir(project->user, 0700), 0);
    project->home_fd = open(project->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(project->home_fd >= 0);
    project->arena = vh_arena_create(NULL, 0);
    project->tools = (struct vh_git_tools){.seam = vh_seam_real(),
                                           .git = &support_git,
                                           .home = project->home_fd,
                                           .home_path = project->home,
                                           .user_home = project->user};
    if (repository) {
        project_sh(project, "git init -q -b main .");
    }
}

void
project_remove(struct project *project)
{
    scratch_clear(project->scratch);
    close(project->home_fd);
    vh_arena_destroy(project->arena);
}

static const char *
shell(struct project *project, const char *command)
{
    char *text = vh_arena_alloc(project->arena, 65536);
    char *line = vh_arena_format(project->arena,
                                 "cd '%s' && export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 "
                                 "GIT_AUTHOR_NAME=P GIT_AUTHOR_EMAIL=p@x GIT_COMMITTER_NAME=P "
                                 "GIT_COMMITTER_EMAIL=p@x SCRATCH='%s' HOME='%s' && { %s\n}",
                                 project->root, project->scratch, project->scratch, command);
    assert_non_null(line);
    FILE *pipe = popen(line, "re");
    assert_non_null(pipe);
    size_t len = fread(text, 1, 65535, pipe);
    int code = pclose(pipe);
    if (code) {
        fail_msg("'%s' ended with %d", command, code);
    }
    while (len && text[len - 1] == '\n') {
        len--;
    }
    text[len] = '\0';
    return text;
}

#define FORMATTED(project, format, ret_text)                                                                       \
    char ret_text[4096];                                                                                           \
    va_list list;                                                                                                  \
    va_start(list, format);                                                                                        \
    assert_true(vsnprintf(ret_text, sizeof ret_text, format, list) < (int)sizeof ret_text);                        \
    va_end(list)

void
project_sh(struct project *project, const char *format, ...)
{
    FORMATTED(project, format, text);
    (void)shell(project, text);
}

const char *
project_out(struct project *project, const char *format, ...)
{
    FORMATTED(project, format, text);
    return shell(project, text);
}

void
project_open(struct project *project)
{
    project_ok(project,
               vh_target_open(&project->tools, project->arena, project->root, &project->target, &project->err));
}

void
project_capture(struct project *project, bool uncommitted, struct vh_base *ret_base)
{
    struct vh_conflicts conflicts;
    struct vh_base_options options = {.uncommitted = uncommitted, .time_s = 2000000000};
    project_ok(project,
               vh_base_capture(&project->target, project->arena, &options, ret_base, &conflicts, &project->err));
}

int
project_upper(struct project *project, const char *script)
{
    char path[200];
    snprintf(path, sizeof path, "%s/upper%u", project->scratch, project->uppers++);
    assert_int_equal(mkdir(path, 0755), 0);
    project_sh(project, "cd '%s' && %s", path, script);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    return dir;
}

void
project_work(struct project *project, const char *task, const struct vh_base *base, const char *script,
             struct project_task *ret_task)
{
    struct project_task work = {.base = *base};
    work.dir = project_upper(project, script);
    project_ok(project, vh_change_read(&project->target, project->arena, base, work.dir, VH_CHANGE_UPPER,
                                       &work.change, &project->err));
    struct vh_change_freeze freeze = {
        .base = &work.base,
        .change = &work.change,
        .dir = work.dir,
        .goal = {"do the work", 11},
        .task = task,
        .attempt = 1,
        .effect = vh_arena_format(project->arena, "%s/1/publish/0", task),
        .log_head = "abc",
        .time_s = 2000000100,
    };
    project_ok(project, vh_change_commit(&project->target, project->arena, &freeze, &work.commit, &work.tree,
                                         &project->err));
    *ret_task = work;
}

const char *
project_print(struct project *project, const char *folder)
{
    return project_out(
        project,
        "cd '%s' && find . \\( -name .git -o -name .vivarium \\) -prune -o -print0 | sort -z | "
        "xargs -0 sh -c 'for f; do stat -c \"%%F %%a %%N\" \"$f\"; [ -L \"$f\" ] || [ -d \"$f\" ] || "
        "sha256sum < \"$f\"; done' x | sha256sum",
        folder);
}

/* The seam reads VIV_CRASH_AT once in a process, and this one has passed places already: the child brings its own.
 */
static struct {
    char name[96];
    long left;
} crash;

static void
crash_place(void *data, const char *name)
{
    (void)data;
    if (strcmp(name, crash.name) == 0 && --crash.left == 0) {
        kill(getpid(), SIGKILL);
    }
}

bool
project_crash(struct project *project, const char *place, void (*step)(struct project *project, void *data),
              void *data)
{
    int state = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2);
        static struct vh_seam seam;
        const char *colon = strchr(place, ':');
        snprintf(crash.name, sizeof crash.name, "%.*s", (int)strcspn(place, ":"), place);
        crash.left = colon ? strtol(colon + 1, NULL, 10) : 1;
        seam = *project->tools.seam;
        seam.place = crash_place;
        project->tools.seam = &seam;
        step(project, data);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &state, 0), pid);
    if (WIFSIGNALED(state) && WTERMSIG(state) == SIGKILL) {
        return true;
    }
    assert_true(WIFEXITED(state));
    return false;
}

void
project_seed(struct project *p)
{
    project_make(p, false);
    project_sh(p, "mkdir -p d/s; echo a > a; echo b > b; chmod +x b; echo c > c; echo x > d/s/x; ln -s /etc l");
    project_open(p);
}

viv_status
project_move(struct project *p, const char *task, const struct vh_git_id *commit, struct vh_conflicts *ret_conflicts)
{
    enum vh_branch_outcome outcome = 0;
    struct vh_branch_request request = {.task = task, .commit = *commit};
    return vh_branch_move(&p->target, p->arena, &request, &outcome, ret_conflicts, &p->err);
}
