/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, restarting and asking the launcher. Roles of threads are in launcher.h; what it does
 * with a request is in launcher/launcher.c. */
#include "launcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox_inside.h"

static void
end_with_arena(void *data)
{
    vh_launcher_stop(data);
}

struct vh_launcher *
vh_launcher_create(struct vh_arena *arena, const struct vh_seam *seam, const char *path,
                   const struct vh_launcher_options *options)
{
    struct vh_launcher *launcher = vh_arena_alloc(arena, sizeof *launcher);
    if (!launcher) {
        return NULL;
    }
    launcher->seam = seam;
    launcher->path = vh_arena_text(arena, path);
    launcher->channel = -1;
    launcher->death = -1;
    if (options && options->fail_step) {
        launcher->fail_step = vh_arena_format(arena, "--fail-step=%s", options->fail_step);
        if (!launcher->fail_step) {
            return NULL;
        }
    }
    if (!launcher->path || pthread_mutex_init(&launcher->lock, NULL) ||
        vh_arena_on_end(arena, end_with_arena, launcher)) {
        return NULL;
    }
    return launcher;
}

static bool
is_dead(const struct vh_launcher *launcher)
{
    struct pollfd polled = {.fd = launcher->death, .events = POLLIN};
    return launcher->channel < 0 || poll(&polled, 1, 0) != 0;
}

/* Under the lock. Killing makes closing certain; keepers hang on its life, not on our manners. */
static void
end_launcher(struct vh_launcher *launcher)
{
    const struct vh_seam *seam = launcher->seam;
    if (launcher->pid > 0) {
        int status;
        (void)seam->kill(seam->data, launcher->pid,
                         SIGKILL); /* not reaped, so the number is still its own */
        while (seam->wait(seam->data, launcher->pid, &status, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    vh_sandbox_close_fds(seam, (int[]){launcher->channel, launcher->death}, 2);
    launcher->channel = launcher->death = -1;
    launcher->pid = 0;
}

static viv_status
say_hello(struct vh_launcher *launcher, struct viv_error *err)
{
    struct vw_reply reply;
    if (vh_sandbox_send(launcher->channel, VW_HELLO, NULL, NULL, 0)) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "launcher", "cannot greet '%s'",
                              launcher->path);
    }
    const int ends[2] = {launcher->channel, launcher->death};
    return vh_sandbox_receive(launcher->seam, ends, &reply, sizeof reply, NULL, err);
}

static viv_status
start_locked(struct vh_launcher *launcher, struct viv_error *err)
{
    const struct vh_seam *seam = launcher->seam;
    char parent[32];
    int ends[2];
    union {
        const char *from;
        char *to;
    } words[3] = {{.from = launcher->path}, {.from = parent}, {.from = launcher->fail_step}};
    char *const argv[] = {words[0].to, words[1].to, words[2].to, NULL};
    snprintf(parent, sizeof parent, "--parent=%d", (int)getpid());
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "launcher", "no socket for '%s'",
                              launcher->path);
    }
    int code = seam->spawn(seam->data, launcher->path, argv, &ends[1], 1, &launcher->pid);
    int error = errno;
    seam->close(seam->data, ends[1]);
    launcher->channel = ends[0];
    if (code) {
        launcher->pid = 0;
        end_launcher(launcher);
        errno = error;
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "launcher", "cannot start '%s'",
                              launcher->path);
    }
    launcher->death = (int)syscall(SYS_pidfd_open, launcher->pid, 0);
    viv_status status = launcher->death < 0 ? vh_error_errno(err, VIV_E_UNAVAILABLE, "launcher",
                                                             "cannot watch '%s'", launcher->path)
                                            : say_hello(launcher, err);
    if (status) {
        end_launcher(launcher);
        return vh_error_extend(err, VIV_E_UNAVAILABLE, "launcher '%s' does not start",
                               launcher->path);
    }
    return VIV_OK;
}

viv_status
vh_launcher_start(struct vh_launcher *launcher, struct viv_error *err)
{
    viv_status status = VIV_OK;
    pthread_mutex_lock(&launcher->lock);
    if (is_dead(launcher)) {
        end_launcher(launcher);
        status = start_locked(launcher, err);
    }
    pthread_mutex_unlock(&launcher->lock);
    return status;
}

int
vh_launcher_death_fd(struct vh_launcher *launcher)
{
    pthread_mutex_lock(&launcher->lock);
    int fd = launcher->death;
    pthread_mutex_unlock(&launcher->lock);
    return fd;
}

pid_t
vh_launcher_pid(struct vh_launcher *launcher)
{
    pthread_mutex_lock(&launcher->lock);
    pid_t pid = is_dead(launcher) ? 0 : launcher->pid;
    pthread_mutex_unlock(&launcher->lock);
    return pid;
}

void
vh_launcher_stop(struct vh_launcher *launcher)
{
    pthread_mutex_lock(&launcher->lock);
    end_launcher(launcher);
    pthread_mutex_unlock(&launcher->lock);
}

viv_status
vh_launcher_ask(struct vh_launcher *launcher, enum vw_kind kind, const struct vh_buf *body,
                const struct vh_sandbox_fds *fds, struct vh_sandbox_fds *ret_fds,
                struct viv_error *err)
{
    struct vw_reply reply;
    viv_status status = VIV_OK;
    pthread_mutex_lock(&launcher->lock);
    if (launcher->channel < 0) {
        status = vh_error_set(err, VIV_E_UNAVAILABLE, "launcher", "the launcher is not running");
    } else if (vh_sandbox_send(launcher->channel, kind, body, fds ? fds->fd : NULL,
                               fds ? fds->count : 0)) {
        status =
            errno == ENOMEM || errno == EMSGSIZE
                ? vh_error_errno(err, VIV_E_LIMIT, "launcher", "the request is too large")
                : vh_error_errno(err, VIV_E_UNAVAILABLE, "launcher", "it does not take requests");
    } else {
        const int ends[2] = {launcher->channel, launcher->death};
        status = vh_sandbox_receive(launcher->seam, ends, &reply, sizeof reply, ret_fds, err);
        if (status == VIV_OK && reply.error) {
            status = vh_sandbox_refused(&reply, "", err);
        }
    }
    pthread_mutex_unlock(&launcher->lock);
    return status;
}
