/* SPDX-License-Identifier: Apache-2.0 */
/* One question and one answer at a time over the zygote's socket, under a lock: a fork takes a tenth of a
 * millisecond, so waiting threads wait briefly. A zygote that does not answer is killed, and everything says
 * VIV_E_UNAVAILABLE until the spawner has restarted it. Read zygote.h first. */
#include "zygote.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "runner/protocol.h"

#define ANSWER_MS 5000
#define FDS_MAX 4
#define TEXT_MAX 400 /* why a zygote refuses: what is left of an error's text beside the path */

struct vh_zygote {
    const struct vh_seam *seam;
    char *program;
    pthread_mutex_t lock;
    int fd;
    uint32_t seq;
    atomic_int pid; /* 0: none to wait for */
    atomic_int alive;
};

struct rights {
    int fds[FDS_MAX];
    int count;
};

static viv_status
gone(struct vh_zygote *zygote, const char *how, struct viv_error *err)
{
    atomic_store(&zygote->alive, 0);
    int pid = atomic_load(&zygote->pid);
    if (pid > 0) {
        zygote->seam->kill(zygote->seam->data, pid, SIGKILL);
    }
    return vh_error_set(err, VIV_E_UNAVAILABLE, "zygote", "the zygote '%s' %s; it is started again for the next call",
                        zygote->program, how);
}

static int
send_question(int fd, const struct vh_message *message, const struct rights *rights)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct vh_message copy = *message;
    struct iovec part = {&copy, sizeof copy};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (rights->count) {
        size_t bytes = (size_t)rights->count * sizeof(int);
        head.msg_control = control.bytes;
        head.msg_controllen = CMSG_SPACE(bytes);
        struct cmsghdr *right = CMSG_FIRSTHDR(&head);
        right->cmsg_level = SOL_SOCKET;
        right->cmsg_type = SCM_RIGHTS;
        right->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(right), rights->fds, bytes);
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &head, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof copy ? 0 : -1;
}

struct answer {
    struct vh_message message;
    char text[TEXT_MAX]; /* of REFUSED; the program is ours and holds no plugin */
};

static int
receive_answer(int fd, struct answer *ret_answer, int *ret_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, ANSWER_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return -1;
    }
    memset(ret_answer, 0, sizeof *ret_answer);
    struct iovec parts[] = {{&ret_answer->message, sizeof ret_answer->message},
                            {ret_answer->text, sizeof ret_answer->text - 1}};
    struct msghdr head = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(fd, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    *ret_fd = -1;
    struct cmsghdr *right = got > 0 ? CMSG_FIRSTHDR(&head) : NULL;
    if (right && right->cmsg_level == SOL_SOCKET && right->cmsg_type == SCM_RIGHTS &&
        right->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(ret_fd, CMSG_DATA(right), sizeof(int));
    }
    const ssize_t bare = (ssize_t)sizeof ret_answer->message;
    return got == bare || (got > bare && ret_answer->message.kind == VH_MESSAGE_REFUSED) ? 0 : -1;
}

static viv_status
ask_locked(struct vh_zygote *zygote, struct vh_message *message, const struct rights *rights,
           struct vh_message *ret_answer, int *ret_fd, struct viv_error *err)
{
    struct answer answer;
    *ret_fd = -1;
    if (!atomic_load(&zygote->alive)) {
        return gone(zygote, "has ended", err);
    }
    message->seq = ++zygote->seq;
    if (send_question(zygote->fd, message, rights) != 0) {
        return gone(zygote, "has ended", err);
    }
    if (receive_answer(zygote->fd, &answer, ret_fd) != 0 || answer.message.seq != message->seq) {
        if (*ret_fd >= 0) {
            close(*ret_fd);
        }
        return gone(zygote, "did not answer within 5 s or has ended", err);
    }
    if (answer.message.kind == VH_MESSAGE_REFUSED) {
        char how[TEXT_MAX + 32];
        snprintf(how, sizeof how, "is not confined: %s", answer.text);
        return gone(zygote, how, err);
    }
    *ret_answer = answer.message;
    return VIV_OK;
}

static viv_status
ask(struct vh_zygote *zygote, struct vh_message *message, const struct rights *rights, struct vh_message *ret_answer,
    int *ret_fd, struct viv_error *err)
{
    pthread_mutex_lock(&zygote->lock);
    viv_status status = ask_locked(zygote, message, rights, ret_answer, ret_fd, err);
    pthread_mutex_unlock(&zygote->lock);
    return status;
}

static viv_status
launch(struct vh_zygote *zygote, struct viv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return vh_error_errno(err, VIV_E_IO, "zygote", "no socket for the zygote");
    }
    char *argv[] = {zygote->program, NULL};
    pid_t pid = 0;
    int code = zygote->seam->spawn(zygote->seam->data, zygote->program, argv, &pair[1], 1, &pid);
    if (code != 0) {
        vh_error_errno(err, VIV_E_UNAVAILABLE, "zygote", "the zygote '%s' cannot be started", zygote->program);
    }
    close(pair[1]);
    if (code != 0) {
        close(pair[0]);
        return VIV_E_UNAVAILABLE;
    }
    zygote->fd = pair[0];
    atomic_store(&zygote->pid, pid);
    atomic_store(&zygote->alive, 1);
    return VIV_OK;
}

/* An answer to a harmless question tells that filter and socket are in place. */
static viv_status
greet_locked(struct vh_zygote *zygote, struct viv_error *err)
{
    struct vh_message question = {.kind = VH_MESSAGE_COLLECT}, answer;
    int fd;
    return ask_locked(zygote, &question, &(struct rights){.count = 0}, &answer, &fd, err);
}

static void
bury(struct vh_zygote *zygote)
{
    atomic_store(&zygote->alive, 0);
    int pid = atomic_exchange(&zygote->pid, 0);
    if (pid > 0) {
        zygote->seam->kill(zygote->seam->data, pid, SIGKILL);
        zygote->seam->wait(zygote->seam->data, pid, NULL, 0);
    }
    if (zygote->fd >= 0) {
        close(zygote->fd);
    }
    zygote->fd = -1;
}

viv_status
vh_zygote_spawn(const struct vh_seam *seam, struct vh_arena *arena, const char *program,
                struct vh_zygote **ret_zygote, struct viv_error *err)
{
    struct vh_zygote *zygote = vh_arena_alloc(arena, sizeof *zygote);
    char *copy = zygote ? vh_arena_text(arena, program) : NULL;
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "zygote", "no memory for the zygote");
    }
    zygote->seam = seam;
    zygote->program = copy;
    zygote->fd = -1;
    pthread_mutex_init(&zygote->lock, NULL);
    viv_status status = launch(zygote, err);
    if (status != VIV_OK) {
        vh_zygote_end(zygote);
        return status;
    }
    *ret_zygote = zygote;
    return VIV_OK;
}

viv_status
vh_zygote_greet(struct vh_zygote *zygote, struct viv_error *err)
{
    pthread_mutex_lock(&zygote->lock);
    viv_status status = greet_locked(zygote, err);
    pthread_mutex_unlock(&zygote->lock);
    return status;
}

viv_status
vh_zygote_start(const struct vh_seam *seam, struct vh_arena *arena, const char *program,
                struct vh_zygote **ret_zygote, struct viv_error *err)
{
    struct vh_zygote *zygote = NULL;
    viv_status status = vh_zygote_spawn(seam, arena, program, &zygote, err);
    if (status == VIV_OK) {
        status = vh_zygote_greet(zygote, err);
    }
    if (status != VIV_OK) {
        vh_zygote_end(zygote);
        return status;
    }
    *ret_zygote = zygote;
    return VIV_OK;
}

viv_status
vh_zygote_restart(struct vh_zygote *zygote, struct viv_error *err)
{
    pthread_mutex_lock(&zygote->lock);
    bury(zygote);
    viv_status status = launch(zygote, err);
    if (status == VIV_OK) {
        status = greet_locked(zygote, err);
    }
    if (status != VIV_OK) {
        bury(zygote);
    }
    pthread_mutex_unlock(&zygote->lock);
    return status;
}

void
vh_zygote_end(struct vh_zygote *zygote)
{
    if (zygote) {
        bury(zygote);
        pthread_mutex_destroy(&zygote->lock);
    }
}

int
vh_zygote_alive(struct vh_zygote *zygote)
{
    return atomic_load(&zygote->alive);
}

pid_t
vh_zygote_pid(struct vh_zygote *zygote)
{
    return atomic_load(&zygote->pid);
}

viv_status
vh_zygote_fork(struct vh_zygote *zygote, const struct vh_zygote_fork *fork, pid_t *ret_pid, int *ret_pidfd,
               struct viv_error *err)
{
    struct rights rights = {{fork->channel_fd, fork->area_fd, fork->plugin_fd, fork->root_fd},
                            fork->root_fd >= 0 ? 4 : 3};
    struct vh_message question = {.kind = VH_MESSAGE_FORK, .len = fork->start_len}, answer;
    int pidfd;
    viv_status status = ask(zygote, &question, &rights, &answer, &pidfd, err);
    if (status != VIV_OK) {
        return status;
    }
    if (answer.status != 0 || pidfd < 0) {
        errno = answer.status;
        return vh_error_errno(err, answer.status == EAGAIN ? VIV_E_BUSY : VIV_E_UNAVAILABLE, "zygote",
                              "no runner could be forked (at most %d at a time)", VH_RUNNERS_MAX);
    }
    *ret_pid = (pid_t)answer.pid;
    *ret_pidfd = pidfd;
    return VIV_OK;
}

viv_status
vh_zygote_collect(struct vh_zygote *zygote, pid_t pid, int *ret_status, struct viv_error *err)
{
    struct vh_message question = {.kind = VH_MESSAGE_COLLECT, .pid = (uint32_t)pid}, answer;
    int fd;
    viv_status status = ask(zygote, &question, &(struct rights){.count = 0}, &answer, &fd, err);
    if (status != VIV_OK) {
        return status;
    }
    if (!answer.extra) {
        return vh_error_set(err, VIV_E_BUSY, "zygote", "runner %d has not ended", (int)pid);
    }
    *ret_status = answer.status;
    return VIV_OK;
}

const struct vh_seam *
vh_zygote_seam(const struct vh_zygote *zygote)
{
    return zygote->seam;
}
