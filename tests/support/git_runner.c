/* SPDX-License-Identifier: Apache-2.0 */
#include "git_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"

static _Atomic unsigned runs;

unsigned
support_git_runs(void)
{
    return runs;
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

static void
become_git(const struct vh_git_call *call, int out, int errors)
{
    int input = call->input_fd >= 0 ? call->input_fd : open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (lseek(input, 0, SEEK_SET) < 0 && errno != ESPIPE) {
        _exit(126);
    }
    if (dup2(input, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0 || chdir("/")) {
        _exit(126);
    }
    close_range(3, ~0u, 0);
    execvpe("git", plain(call->argv), plain(call->env));
    _exit(127);
}

/* Read both pipes until both end. False when `output` grew over its bound. */
static bool
collect(int out, int errors, struct vh_buf *output, struct vh_buf *error)
{
    struct pollfd fds[2] = { { .fd = out, .events = POLLIN }, { .fd = errors, .events = POLLIN } };
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            static _Thread_local char bytes[65536];
            if (fds[i].fd < 0 || !fds[i].revents) {
                continue;
            }
            ssize_t got = read(fds[i].fd, bytes, sizeof bytes);
            if (got <= 0) {
                fds[i].fd = -1;
            } else if (i == 0) {
                vh_buf_add(output, bytes, (size_t)got);
            } else if (error->len + (size_t)got <= error->max) {
                vh_buf_add(error, bytes, (size_t)got);
            }
        }
    }
    return !output->failed;
}

static viv_status
run(void *data, struct vh_arena *arena, const struct vh_git_call *call, struct vh_git_result *ret_result,
    struct viv_error *err)
{
    (void)data;
    int out[2];
    int errors[2];
    runs++;
    if (pipe2(out, O_CLOEXEC) || pipe2(errors, O_CLOEXEC)) {
        return vh_error_errno(err, VIV_E_IO, "git", "no pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_git(call, call->output_fd >= 0 ? call->output_fd : out[1], errors[1]);
    }
    close(out[1]);
    close(errors[1]);
    struct vh_buf output;
    struct vh_buf error;
    vh_buf_init(&output, arena, call->output_max);
    vh_buf_init(&error, arena, 4096);
    bool fits = collect(out[0], errors[0], &output, &error);
    close(out[0]);
    close(errors[0]);
    int state = 0;
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR) {
        continue;
    }
    if (!fits) {
        return vh_error_set(err, VIV_E_LIMIT, "git", "git wrote more than %zu bytes", call->output_max);
    }
    ret_result->exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    ret_result->output = vh_buf_view(&output);
    ret_result->errors = vh_buf_view(&error);
    return ret_result->exit_code == 127 ? vh_error_set(err, VIV_E_UNAVAILABLE, "git", "git is not installed")
                                        : VIV_OK;
}

const struct vh_git support_git = { NULL, run };
