/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the next message of a runner, with its log lines taken on the way. Bounded in time by the deadline, in
 * bytes by the packet, in lines by a flood limit. Read runner_inside.h first. */
#include "runner_inside.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/str.h"

#define PATIENCE_MS_MIN 16
#define PATIENCE_MS_MAX (1 << 20)

static void
take_log(struct vh_runner *runner, const struct vh_message *head, char *text)
{
    if (++runner->log_lines > VH_LOG_LINES_MAX) {
        return;
    }
    struct viv_str line = {text, head->len};
    for (uint64_t i = 0; i < line.len; i++) {
        text[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    }
    if (!vh_str_utf8(line)) {
        line = VH_STR("(a line that is not UTF-8)");
    }
    uint32_t level = (uint32_t)head->status <= VIV_LOG_ERROR ? (uint32_t)head->status : VIV_LOG_INFO;
    if (runner->log) {
        runner->log(runner->log_data, level, line);
    } else {
        vh_log((enum vh_log_level)level, runner->id, "%.*s", VH_STR_ARGS(line));
    }
}

static enum vh_runner_event
wait_ready(struct vh_runner *runner, int64_t deadline_ns, int cancel_fd)
{
    struct pollfd waits[2] = {{.fd = runner->channel, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    for (;;) {
        int64_t left_ns = deadline_ns - runner->seam->monotonic_ns(runner->seam->data);
        if (left_ns <= 0) {
            return VH_RUNNER_EVENT_LATE;
        }
        struct timespec left = {left_ns / 1000000000, left_ns % 1000000000};
        int ready = ppoll(waits, cancel_fd >= 0 ? 2 : 1, &left, NULL);
        if (ready > 0 && waits[0].revents) {
            return VH_RUNNER_EVENT_MESSAGE;
        }
        if (ready > 0) {
            return VH_RUNNER_EVENT_CANCEL;
        }
        if (ready < 0 && errno != EINTR) {
            return VH_RUNNER_EVENT_GONE;
        }
    }
}

/* Let the receiving call itself wait, which saves a system call when nobody can cancel. Its time limit is a power of
 * two below what is left, so that calls with like deadlines set it once; the last of the time is waited for in
 * wait_ready. */
static bool
be_patient(struct vh_runner *runner, int64_t deadline_ns)
{
    int64_t left_ms = (deadline_ns - runner->seam->monotonic_ns(runner->seam->data)) / 1000000;
    if (left_ms < PATIENCE_MS_MIN) {
        return false;
    }
    int64_t limit_ms = PATIENCE_MS_MIN;
    while (limit_ms <= left_ms / 2 && limit_ms < PATIENCE_MS_MAX) {
        limit_ms *= 2;
    }
    if (limit_ms != runner->patience_ms) {
        struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};
        if (setsockopt(runner->channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
            return false;
        }
        runner->patience_ms = limit_ms;
    }
    return true;
}

enum vh_runner_event
vh_runner_wait(struct vh_runner *runner, int64_t deadline_ns, int cancel_fd, struct vh_message *ret_message)
{
    char packet[VH_RUNNER_PACKET_MAX + 1];
    for (;;) {
        bool patient = cancel_fd < 0 && be_patient(runner, deadline_ns);
        enum vh_runner_event event = patient ? VH_RUNNER_EVENT_MESSAGE : wait_ready(runner, deadline_ns, cancel_fd);
        if (event != VH_RUNNER_EVENT_MESSAGE) {
            return event;
        }
        ssize_t got = vh_runner_packet(runner, packet, sizeof packet, patient);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (got <= 0) {
            return VH_RUNNER_EVENT_GONE;
        }
        if ((size_t)got < sizeof *ret_message) {
            return VH_RUNNER_EVENT_NONSENSE;
        }
        memcpy(ret_message, packet, sizeof *ret_message);
        if (ret_message->kind != VH_MESSAGE_LOG) {
            return (size_t)got == sizeof *ret_message ? VH_RUNNER_EVENT_MESSAGE : VH_RUNNER_EVENT_NONSENSE;
        }
        if (ret_message->len != (size_t)got - sizeof *ret_message || runner->log_lines > VH_LOG_FLOOD_MAX) {
            return VH_RUNNER_EVENT_NONSENSE;
        }
        take_log(runner, ret_message, packet + sizeof *ret_message);
    }
}

bool
vh_runner_quiet(const struct vh_runner *runner)
{
    struct pollfd wait = {.fd = runner->channel, .events = POLLIN};
    return runner->alive && poll(&wait, 1, 0) == 0;
}
