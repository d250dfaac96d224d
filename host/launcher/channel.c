/* SPDX-License-Identifier: Apache-2.0 */
/* SEQPACKET messages with SCM_RIGHTS, and bounded reading of bodies. The protocol is in wire.h. */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int) * VW_FDS_MAX)];
    struct cmsghdr align;
};

static void
take_descriptors(struct msghdr *header, struct message *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && message->fd_count < VW_FDS_MAX; i++) {
            memcpy(&message->fds[message->fd_count++], CMSG_DATA(part) + i * sizeof(int),
                   sizeof(int));
        }
    }
}

int
channel_receive(int socket, struct message *ret_message)
{
    union control control;
    memset(ret_message, 0, sizeof *ret_message);
    struct iovec piece = {&ret_message->head, sizeof ret_message->head};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    ssize_t got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0) {
        return errno == ECONNRESET ? 0 : -1;
    }
    take_descriptors(&header, ret_message);
    if (got == 0 && ret_message->fd_count == 0) {
        return 0;
    }
    if (got != sizeof ret_message->head || ret_message->head.magic != VW_MAGIC ||
        (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        channel_drop(ret_message);
        return -1;
    }
    return 1;
}

void
channel_drop(struct message *message)
{
    for (size_t i = 0; i < message->fd_count; i++) {
        if (message->fds[i] >= 0) {
            close(message->fds[i]);
        }
    }
    message->fd_count = 0;
}

int
channel_send(int socket, const void *bytes, size_t len, const int *fds, size_t fd_count)
{
    union control control;
    memset(&control, 0, sizeof control);
    union {
        const void *from;
        void *to;
    } text = {.from = bytes};
    struct iovec piece = {text.to, len};
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
    return put == (ssize_t)len ? 0 : -1;
}

int
body_map(const struct message *message, struct body *ret_body)
{
    struct stat stat;
    memset(ret_body, 0, sizeof *ret_body);
    size_t len = (size_t)message->head.body_len;
    if (message->fd_count < 1 || len == 0 || len > VW_BODY_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (fstat(message->fds[0], &stat) || (uint64_t)stat.st_size < len) {
        errno = EINVAL;
        return -1;
    }
    /* The host wrote it and seals it before sending; nobody else has it. */
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, message->fds[0], 0);
    if (bytes == MAP_FAILED) {
        return -1;
    }
    ret_body->bytes = bytes;
    ret_body->len = len;
    return 0;
}

void
body_unmap(struct body *body)
{
    union {
        const void *from;
        void *to;
    } bytes = {.from = body->bytes};
    if (bytes.to) {
        (void)munmap(bytes.to, body->len); /* cannot fail on what mmap gave */
    }
    memset(body, 0, sizeof *body);
}

uint64_t
body_number(struct body *body)
{
    uint64_t number = 0;
    if (body->failed || body->len - body->at < sizeof number) {
        body->failed = true;
        return 0;
    }
    memcpy(&number, body->bytes + body->at, sizeof number);
    body->at += sizeof number;
    return number;
}

const char *
body_text(struct body *body)
{
    uint64_t len = body_number(body);
    if (body->failed || len >= body->len - body->at) {
        body->failed = true;
        return "";
    }
    const char *text = body->bytes + body->at;
    if (text[len] != '\0' || memchr(text, '\0', (size_t)len)) {
        body->failed = true;
        return "";
    }
    body->at += (size_t)len + 1;
    return text;
}

size_t
body_count(struct body *body, size_t max)
{
    uint64_t count = body_number(body);
    if (count > max) {
        body->failed = true;
        return 0;
    }
    return (size_t)count;
}
