/* SPDX-License-Identifier: Apache-2.0 */
/* viv-zygote: forks the runners of tier 1. Started by the host with a SEQPACKET socket on descriptor 3, holds nothing
 * else, never maps a plugin itself, and ends when the host does; its runners end with it. Single-threaded, libc
 * only. The host asks, this answers: FORK -> FORKED with a pidfd, COLLECT -> COLLECTED. A forked child becomes a
 * runner in serve.c and never returns here. Read protocol.h first. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "confine.h"
#include "filter.h"
#include "serve.h"

#ifdef VH_SANITIZED
/* A death by signal is to be seen as one; leaks of what is killed are none. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:detect_leaks=0:"
           "allocator_may_return_null=1:detect_stack_use_after_return=0";
}
#endif

#define FDS_MAX 4
#define HEAP_BYTES 65536

static struct {
    pid_t child[VH_RUNNERS_MAX];
} zygote;

struct request {
    struct vh_message message;
    int fds[FDS_MAX];
    int fd_count;
};

static void
take_fds(struct msghdr *head, struct request *request)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part; part = CMSG_NXTHDR(head, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
            request->fd_count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(request->fds, CMSG_DATA(part), (size_t)request->fd_count * sizeof(int));
        }
    }
}

/* 0 when the host is gone. */
static int
receive(struct request *request)
{
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(request, 0, sizeof *request);
    struct iovec part = {&request->message, sizeof request->message};
    struct msghdr head = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do {
        got = recvmsg(VH_FD_CHANNEL, &head, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return 0;
    }
    take_fds(&head, request);
    if (got != (ssize_t)sizeof request->message) {
        request->message.kind = 0;
    }
    return 1;
}

static void
answer(const struct vh_message *message, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    memset(&control, 0, sizeof control);
    struct vh_message copy = *message;
    struct iovec part = {&copy, sizeof copy};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        head.msg_control = control.bytes;
        head.msg_controllen = sizeof control.bytes;
        struct cmsghdr *right = CMSG_FIRSTHDR(&head);
        right->cmsg_level = SOL_SOCKET;
        right->cmsg_type = SCM_RIGHTS;
        right->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(right), &fd, sizeof fd);
    }
    if (sendmsg(VH_FD_CHANNEL, &head, MSG_NOSIGNAL) < 0) {
        _exit(0); /* the host is gone */
    }
}

static pid_t *
find(pid_t pid)
{
    for (size_t i = 0; i < VH_RUNNERS_MAX; i++) {
        if (zygote.child[i] == pid) {
            return &zygote.child[i];
        }
    }
    return NULL;
}

/* errno of what went wrong, or 0 with the child's descriptor. */
static int
fork_runner(const struct request *request, pid_t *ret_pid, int *ret_pidfd)
{
    pid_t *slot = find(0);
    if (!slot) {
        return EAGAIN;
    }
    if (request->fd_count < 3) {
        return EBADF;
    }
    pid_t own = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return errno;
    }
    if (pid == 0) {
        vh_serve_run(own, request->fds, request->fd_count, request->message.len);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int code = errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return code;
    }
    *slot = pid;
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

static void
on_fork(const struct request *request)
{
    pid_t pid = 0;
    int pidfd = -1;
    struct vh_message reply = {.kind = VH_MESSAGE_FORKED, .seq = request->message.seq};
    reply.status = fork_runner(request, &pid, &pidfd);
    reply.pid = (uint32_t)pid;
    answer(&reply, pidfd);
    if (pidfd >= 0) {
        close(pidfd);
    }
}

static void
on_collect(const struct request *request)
{
    struct vh_message reply = {.kind = VH_MESSAGE_COLLECTED, .seq = request->message.seq};
    pid_t *slot = request->message.pid ? find((pid_t)request->message.pid) : NULL;
    int status = 0;
    if (slot && waitpid(*slot, &status, WNOHANG) == *slot) {
        *slot = 0;
        reply.extra = 1;
        reply.status = status;
    }
    answer(&reply, -1);
}

static viv_status
check_channel(struct viv_error *err)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(VH_FD_CHANNEL, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
        return vh_error_set(err, VIV_E_INVALID, "zygote",
                            "descriptor 3 is no SEQPACKET socket; this program is started by vivhost, not by hand");
    }
    return VIV_OK;
}

/* Nothing of the host stays: no descriptor, no output, no privilege. */
static viv_status
settle(struct viv_error *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return vh_error_errno(err, VIV_E_IO, "zygote", "'/dev/null' cannot be opened");
    }
    (void)setsid(); /* Ctrl-C is for the host, which ends its runners in order; it fails for a leader, which is well */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return vh_error_errno(err, VIV_E_IO, "zygote", "the parent-death signal was refused");
    }
    void *volatile heap = malloc(HEAP_BYTES); /* every runner finds its heap ready */
    free(heap);
    viv_status status = vh_confine_measure(err);
    if (status == VIV_OK) {
        status = vh_confine_privileges(err);
    }
    if (status != VIV_OK) {
        return status;
    }
    if (vh_filter_enter(VH_FILTER_BASE) != 0) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "zygote", "the kernel refused the system-call filter");
    }
    for (int fd = 0; fd < VH_FD_CHANNEL; fd++) {
        dup2(null, fd);
    }
    if (close_range(VH_FD_CHANNEL + 1, ~0u, 0) != 0) {
        return vh_error_errno(err, VIV_E_IO, "zygote", "descriptors could not be closed");
    }
    return VIV_OK;
}

/* The host is told which step it was: it waits for the answer to its first question. */
static void
refuse(const struct viv_error *err)
{
    struct request request;
    if (!receive(&request)) {
        return;
    }
    struct vh_message reply = {.kind = VH_MESSAGE_REFUSED, .seq = request.message.seq, .status = err->status};
    union {
        const char *from;
        char *to;
    } text = {.from = err->text};
    struct iovec parts[] = {{&reply, sizeof reply}, {text.to, strlen(err->text)}};
    struct msghdr head = {.msg_iov = parts, .msg_iovlen = 2};
    (void)sendmsg(VH_FD_CHANNEL, &head, MSG_NOSIGNAL); /* a host that is gone need not know */
}

int
main(void)
{
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = check_channel(&err);
    if (status == VIV_OK && (status = settle(&err)) != VIV_OK) {
        refuse(&err);
    }
    if (status != VIV_OK) {
        fprintf(stderr, "viv-zygote: %s\n", err.text);
        return 2;
    }
    struct request request;
    while (receive(&request)) {
        if (request.message.kind == VH_MESSAGE_FORK) {
            on_fork(&request);
        } else if (request.message.kind == VH_MESSAGE_COLLECT) {
            on_collect(&request);
        }
        for (int i = 0; i < request.fd_count; i++) {
            close(request.fds[i]);
        }
    }
    return 0;
}
