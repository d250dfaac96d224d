/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by runner.c (start, end), runner_call.c (one call), runner_check.c (what an answer may hold) and
 * runner_blame.c (how it died, in words). Not for others. */
#ifndef VH_RUNNER_INSIDE_H
#define VH_RUNNER_INSIDE_H

#include "runner.h"
#include "runner/marshal.h"

#define VH_RUNNER_PACKET_MAX (sizeof(struct vh_message) + VH_LOG_TEXT_MAX)

struct vh_runner {
    struct vh_zygote *zygote;
    const struct vh_seam *seam;
    char *id;
    char *version;
    int channel;
    int pidfd;
    int area_fd;
    pid_t pid;
    pid_t zygote_pid; /* of the zygote it came from */
    uint32_t seq;
    bool alive;
    bool folder;
    struct vh_area *area;
    uint64_t interfaces;
    int64_t used_ns;
    int64_t patience_ms; /* the channel's time limit for receiving, 0: not set yet */
    void (*log)(void *data, uint32_t level, struct viv_str text);
    void *log_data;
    uint32_t log_lines; /* of this call */
};

enum vh_runner_event {
    VH_RUNNER_EVENT_MESSAGE,
    VH_RUNNER_EVENT_GONE,     /* the channel is closed */
    VH_RUNNER_EVENT_LATE,     /* the deadline passed */
    VH_RUNNER_EVENT_CANCEL,   /* the cancel descriptor is readable */
    VH_RUNNER_EVENT_NONSENSE, /* a packet of the wrong size, or a flood of log lines */
};

/* One message to the runner: 0, or -1 when it is gone. One packet from it, as recv answers; `wait`:
 * within the channel's time limit. */
int vh_runner_send(const struct vh_runner *runner, const struct vh_message *message);
ssize_t vh_runner_packet(const struct vh_runner *runner, void *bytes, size_t size, bool wait);

/* Wait for the next message; log lines are taken on the way. `cancel_fd` may be -1. */
enum vh_runner_event vh_runner_wait(struct vh_runner *runner, int64_t deadline_ns, int cancel_fd,
                                    struct vh_message *ret_message);

/* A copy of bytes a message points to, in `arena`; NULL with `err` when they are not in the area or memory is out. */
void *vh_runner_copy(const struct vh_runner *runner, const struct vh_message *message, struct vh_arena *arena,
                     struct viv_error *err);

/* Copy the error the runner left, safe to print, with a text in any case. */
void vh_runner_said(const struct vh_runner *runner, viv_status status, struct viv_error *ret_error);

/* Numbers within their bounds, texts UTF-8, reserved members zero. VIV_E_PLUGIN names field, value and bounds. */
viv_status vh_runner_check(const struct viv_method *method, const void *answer, struct viv_error *err);

/* What was under way: "viv.skill/1 run", or a word for the stage when `method` is NULL. */
struct vh_runner_place {
    const struct viv_interface *interface;
    const struct viv_method *method;
};

/* Kill, collect and say who and why. `failure` is what is known: LIED, HUNG, CANCELLED, or CRASHED when the channel
 * closed and its death must be looked at. `detail` may be NULL. Returns the status of the failed call. */
viv_status vh_runner_blame(struct vh_runner *runner, const struct vh_runner_place *place,
                           enum vh_runner_failure failure, const char *detail, enum vh_runner_failure *ret_failure,
                           struct viv_error *err);

/* Wait until the process has ended, at most `wait_ms`; 1 when it has. */
int vh_runner_ended(const struct vh_runner *runner, int wait_ms);

#endif
