/* SPDX-License-Identifier: Apache-2.0 */
#include "egress.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static void
take_descriptors(struct msghdr *header, struct channel_request *request)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && request->fd_count < EW_FDS_MAX; i++) {
            memcpy(&request->fds[request->fd_count++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
        }
    }
}

int
channel_take(int channel, struct channel_request *ret_request)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * EW_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec parts[2] = { { &ret_request->head, sizeof ret_request->head },
                              { ret_request->texts, sizeof ret_request->texts } };
    struct msghdr header = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control
    };
    ret_request->fd_count = 0;
    ssize_t got = recvmsg(channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    take_descriptors(&header, ret_request);
    const struct ew_request *head = &ret_request->head;
    uint64_t texts = (uint64_t)head->name_len + head->value_len + head->place_len;
    if ((size_t)got < sizeof *head || head->magic != EW_MAGIC || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
        texts != (size_t)got - sizeof *head) {
        return -1;
    }
    const char *at = ret_request->texts;
    ret_request->name = (struct viv_str){ at, head->name_len };
    ret_request->value = (struct viv_str){ at + head->name_len, head->value_len };
    ret_request->place = (struct viv_str){ at + head->name_len + head->value_len, head->place_len };
    return 1;
}

int
channel_send(int answer, enum ew_kind kind, struct viv_str bytes)
{
    struct ew_frame frame = { (uint32_t)kind, (uint32_t)bytes.len };
    union {
        const char *from;
        void *to;
    } data = { .from = bytes.data };
    struct iovec parts[2] = { { &frame, sizeof frame }, { data.to, (size_t)bytes.len } };
    struct msghdr header = { .msg_iov = parts, .msg_iovlen = bytes.len ? 2 : 1 };
    if (bytes.len > EW_PIECE_MAX) {
        return -1;
    }
    ssize_t put;
    do {
        put = sendmsg(answer, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (put < 0 && errno == EINTR);
    return put >= 0 ? 1 : errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

viv_status
channel_file(struct vh_arena *arena, int fd, size_t max, struct viv_str *ret_bytes, struct viv_error *err)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || stat.st_size < 0) {
        return vh_error_errno(err, VIV_E_IO, "egress", "cannot read what the host sent");
    }
    if ((uint64_t)stat.st_size > max) {
        return vh_error_set(err, VIV_E_LIMIT, "egress", "the request has %lld bytes, allowed %zu",
                            (long long)stat.st_size, max);
    }
    char *bytes = vh_arena_alloc(arena, (size_t)stat.st_size + 1);
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a request of %lld bytes",
                            (long long)stat.st_size);
    }
    for (off_t at = 0; at < stat.st_size;) {
        ssize_t got = pread(fd, bytes + at, (size_t)(stat.st_size - at), at);
        if (got <= 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "egress", "cannot read what the host sent");
        }
        at += got > 0 ? got : 0;
    }
    *ret_bytes = (struct viv_str){ bytes, (uint64_t)stat.st_size };
    return VIV_OK;
}

int
channel_end(int answer, viv_status status, const char *text, struct vh_arena *arena, struct vh_json *counts)
{
    struct vh_json *end = vh_json_object(arena);
    if (counts) {
        vh_json_set(end, "counts", counts);
    }
    vh_json_set_int(arena, end, "status", status);
    vh_json_set_text(arena, end, "text", text);
    struct viv_str bytes = vh_json_print(arena, end);
    return bytes.len ? channel_send(answer, EW_END, bytes) : -1; /* no memory: the host sees the end alone */
}
