/* SPDX-License-Identifier: Apache-2.0 */
/* Output of children: read to its end, hashed whole, kept up to a bound. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox_inside.h"

#define CHUNK (64u << 10)

viv_status
vh_feed_open(const struct vh_seam *seam, struct vh_arena *arena, const size_t max[2],
             struct vh_feed_stream ret_streams[2], int ret_child[2], struct viv_error *err)
{
    int out[2];
    int error[2];
    if (pipe2(out, O_CLOEXEC)) {
        return vh_error_errno(err, VIV_E_IO, "sandbox", "no pipe for output");
    }
    if (pipe2(error, O_CLOEXEC)) {
        vh_sandbox_close_fds(seam, out, 2);
        return vh_error_errno(err, VIV_E_IO, "sandbox", "no pipe for output");
    }
    const int reading[2] = {out[0], error[0]};
    for (size_t i = 0; i < 2; i++) {
        (void)fcntl(reading[i], F_SETFL, O_NONBLOCK); /* cannot fail on a pipe of ours */
        ret_streams[i] = (struct vh_feed_stream){.fd = reading[i]};
        vh_buf_init(&ret_streams[i].kept, arena, max[i] + 1);
        vh_hasher_init(&ret_streams[i].hasher);
    }
    ret_child[0] = out[1];
    ret_child[1] = error[1];
    return VIV_OK;
}

static void
keep(struct vh_feed_stream *stream, const char *bytes, size_t len)
{
    size_t room = stream->kept.max - 1 - stream->kept.len; /* one is for the NUL */
    stream->total_bytes += len;
    vh_hasher_add(&stream->hasher, bytes, len);
    if (stream->also) {
        vh_hasher_add(stream->also, bytes, len);
    }
    vh_buf_add(&stream->kept, bytes, len < room ? len : room);
}

void
vh_feed_drain(const struct vh_seam *seam, struct vh_feed_stream *stream, uint64_t most)
{
    char bytes[CHUNK];
    uint64_t taken = 0;
    while (stream->fd >= 0 && taken < most) {
        ssize_t got = seam->read(seam->data, stream->fd, bytes, sizeof bytes);
        if (got > 0) {
            keep(stream, bytes, (size_t)got);
            taken += (uint64_t)got;
        } else if (got < 0 && errno == EAGAIN) {
            return;
        } else if (got == 0 || errno != EINTR) {
            vh_sandbox_close_fds(seam, &stream->fd, 1);
        }
    }
}

viv_status
vh_feed_finish(const struct vh_seam *seam, struct vh_feed_stream *stream,
               struct vh_exec_output *ret_output, struct viv_error *err)
{
    vh_sandbox_close_fds(seam, &stream->fd, 1);
    *ret_output = (struct vh_exec_output){.kept = vh_buf_view(&stream->kept),
                                          .total_bytes = stream->total_bytes};
    bool hashed = vh_hasher_finish(&stream->hasher, &ret_output->hash);
    if (stream->kept.failed || !hashed) {
        return vh_error_set(err, VIV_E_MEMORY, "sandbox", "no memory for %zu bytes of output",
                            stream->kept.len);
    }
    return VIV_OK;
}

bool
vh_feed_cancelled(const struct vh_exec_watch *watch)
{
    if (watch && watch->cancel && atomic_load(watch->cancel)) {
        return true;
    }
    if (watch && watch->cancel_fd > 0) {
        struct pollfd polled = {.fd = watch->cancel_fd, .events = POLLIN};
        return poll(&polled, 1, 0) > 0;
    }
    return false;
}
