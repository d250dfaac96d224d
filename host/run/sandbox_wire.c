/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of launcher/wire.h: bodies in sealed memory files, messages with descriptors. */
#include "sandbox_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

union control {
    char bytes[CMSG_SPACE(sizeof(int) * VW_FDS_MAX)];
    struct cmsghdr align;
};

void
vh_sandbox_put_number(struct vh_buf *body, uint64_t number)
{
    vh_buf_add(body, &number, sizeof number);
}

void
vh_sandbox_put_text(struct vh_buf *body, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    vh_sandbox_put_number(body, len);
    vh_buf_add(body, text ? text : "", len);
    vh_buf_add(body, "", 1);
}

void
vh_sandbox_put_list(struct vh_buf *body, const char *const *texts, size_t count)
{
    vh_sandbox_put_number(body, count);
    for (size_t i = 0; i < count; i++) {
        vh_sandbox_put_text(body, texts[i]);
    }
}

viv_status
vh_sandbox_whole(const struct vh_buf *body, const char *source, struct viv_error *err)
{
    if (body->no_memory) {
        return vh_error_set(err, VIV_E_MEMORY, source, "no memory for words and environment");
    }
    return body->failed ? vh_error_set(err, VIV_E_LIMIT, source,
                                       "words and environment are over %zu bytes", body->max)
                        : VIV_OK;
}

static int
write_all(int fd, struct viv_str bytes)
{
    for (uint64_t at = 0; at < bytes.len;) {
        ssize_t put = pwrite(fd, bytes.data + at, (size_t)(bytes.len - at), (off_t)at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return -1;
        }
        at += (uint64_t)put;
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int
vh_sandbox_memory_file(struct viv_str bytes)
{
    int fd = memfd_create("request", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_all(fd, bytes)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int
send_message(int socket, const struct vw_request *request, const int *fds, size_t fd_count)
{
    struct vw_request copy = *request;
    union control control;
    memset(&control, 0, sizeof control);
    struct iovec piece = {&copy, sizeof copy};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd_count > 0) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(part), fds, sizeof(int) * fd_count);
    }
    ssize_t put;
    do {
        put = sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put == (ssize_t)sizeof copy ? 0 : -1;
}

int
vh_sandbox_send(int socket, enum vw_kind kind, const struct vh_buf *body, const int *fds,
                size_t fd_count)
{
    struct vw_request request = {
        .magic = VW_MAGIC, .kind = (uint32_t)kind, .body_len = body ? body->len : 0};
    int all[VW_FDS_MAX];
    size_t count = 0;
    if (fd_count + 1 > VW_FDS_MAX || (body && (body->failed || body->len > VW_BODY_MAX))) {
        errno = body && body->failed ? ENOMEM : EMSGSIZE;
        return -1;
    }
    int memory = body ? vh_sandbox_memory_file(vh_buf_view(body)) : -1;
    if (body && memory < 0) {
        return -1;
    }
    if (body) {
        all[count++] = memory;
    }
    for (size_t i = 0; i < fd_count; i++) {
        all[count++] = fds[i];
    }
    int code = send_message(socket, &request, all, count);
    int error = errno;
    if (memory >= 0) {
        close(memory);
    }
    errno = error;
    return code;
}

static void
take_descriptors(struct msghdr *header, struct vh_sandbox_fds *ret_fds)
{
    size_t taken = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (ret_fds && taken < ret_fds->count) {
                ret_fds->fd[taken++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

int
vh_sandbox_take(int socket, void *ret_bytes, size_t len, struct vh_sandbox_fds *ret_fds)
{
    union control control;
    struct iovec piece = {ret_bytes, len};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    for (size_t i = 0; ret_fds && i < ret_fds->count; i++) {
        ret_fds->fd[i] = -1;
    }
    ssize_t got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    }
    take_descriptors(&header, ret_fds);
    return got == (ssize_t)len && ((const struct vw_reply *)ret_bytes)->magic == VW_MAGIC ? 1 : 0;
}

int
vh_sandbox_wait_ms(const struct vh_seam *seam, int64_t until_ns)
{
    if (until_ns == 0) {
        return -1;
    }
    int64_t left = until_ns - seam->monotonic_ns(seam->data);
    if (left <= 0) {
        return 0;
    }
    return left > INT64_C(1000000000000) ? 1000000 : (int)(left / 1000000) + 1;
}

viv_status
vh_sandbox_receive(const struct vh_seam *seam, const int ends[2], void *ret_bytes, size_t len,
                   struct vh_sandbox_fds *ret_fds, struct viv_error *err)
{
    int64_t until_ns = seam->monotonic_ns(seam->data) + VH_SANDBOX_ANSWER_NS;
    for (;;) {
        struct pollfd polled[2] = {{.fd = ends[0], .events = POLLIN},
                                   {.fd = ends[1], .events = POLLIN}};
        int ready = poll(polled, 2, vh_sandbox_wait_ms(seam, until_ns));
        if (ready == 0) {
            return vh_error_set(err, VIV_E_TIMEOUT, "launcher", "no answer within %lld s",
                                (long long)(VH_SANDBOX_ANSWER_NS / 1000000000));
        }
        if (ready < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "launcher", "cannot wait for an answer");
        }
        if (ready > 0) {
            int got = vh_sandbox_take(ends[0], ret_bytes, len, ret_fds);
            if (got == 1) {
                return VIV_OK;
            }
            if (got == 0 || polled[1].revents) {
                return vh_error_set(err, VIV_E_UNAVAILABLE, "launcher",
                                    "it ended before it answered");
            }
        }
    }
}

viv_status
vh_sandbox_refused(const struct vw_reply *reply, const char *what, struct viv_error *err)
{
    char step[sizeof reply->step];
    char detail[sizeof reply->detail];
    snprintf(step, sizeof step, "%.*s", (int)sizeof reply->step - 1, reply->step);
    snprintf(detail, sizeof detail, "%.*s", (int)sizeof reply->detail - 1, reply->detail);
    errno = reply->error;
    return vh_error_set(err, VIV_E_UNSUPPORTED, "sandbox", "%s%sstep '%s' failed: %s%s%s%s", what,
                        *what ? ": " : "", step, strerror(reply->error), *detail ? " (" : "",
                        detail, *detail ? ")" : "");
}

void
vh_sandbox_close_fds(const struct vh_seam *seam, int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            seam->close(seam->data, fds[i]);
            fds[i] = -1;
        }
    }
}
