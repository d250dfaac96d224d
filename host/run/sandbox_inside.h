/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sandbox client share; nobody else includes it. The protocol is in
 * launcher/wire.h. */
#ifndef VH_SANDBOX_INSIDE_H
#define VH_SANDBOX_INSIDE_H

#include <pthread.h>
#include "base/buf.h"
#include "launcher/wire.h"
#include "sandbox.h"

#define VH_SANDBOX_ANSWER_NS                                                                       \
    INT64_C(20000000000) /* for what should take milliseconds: then it is taken for dead */
#define VH_SANDBOX_GRACE_NS                                                                        \
    INT64_C(5000000000) /* after a time limit, before the keeper itself is killed */

_Static_assert(VH_SANDBOX_DOOR_PORT == VW_DOOR_PORT, "one port for both sides");

struct vh_launcher {
    const struct vh_seam *seam;
    const char *path;
    const char *fail_step;
    pthread_mutex_t lock; /* one request and its answer at a time; guards what follows */
    int channel;          /* -1: not running */
    int death;            /* pidfd */
    pid_t pid;
};

struct vh_keeper {
    struct vh_launcher *launcher;
    const struct vh_seam *seam;
    pthread_mutex_t exec_lock; /* one exec at a time */
    int control;
    int pidfd;
    int root;
    int door;
    const char *path;
    struct vh_sandbox_profile profile;
    atomic_bool closed;
    atomic_llong frozen_since_ns; /* 0: not frozen */
    atomic_llong frozen_total_ns;
};

/* ---- sandbox_wire.c ---- */

/* A body under construction; errors stick in the buffer. */
void vh_sandbox_put_number(struct vh_buf *body, uint64_t number);
void vh_sandbox_put_text(struct vh_buf *body, const char *text); /* NULL is "" */
void vh_sandbox_put_list(struct vh_buf *body, const char *const *texts, size_t count);
/* Whether nothing of it is missing: VIV_E_LIMIT when it would not fit, VIV_E_MEMORY. */
viv_status vh_sandbox_whole(const struct vh_buf *body, const char *source, struct viv_error *err);

/* A sealed memory file with these bytes, read from its start; -1 with errno. */
int vh_sandbox_memory_file(struct viv_str bytes);

/* Send one message; `body` may be NULL. 0, or -1 with errno. `fds` come after the body. */
int vh_sandbox_send(int socket, enum vw_kind kind, const struct vh_buf *body, const int *fds,
                    size_t fd_count);

/* Descriptors with a message. Receiving fills `fd` up to the `count` that is wanted, -1 for one
 * that did not come; others are closed. NULL wants none. */
struct vh_sandbox_fds {
    size_t count;
    int fd[VW_FDS_MAX];
};

/* Wait for one answer of exactly `len` bytes. `ends` are the socket and a pidfd or -1.
 * VIV_E_TIMEOUT; VIV_E_UNAVAILABLE when the other side is gone. */
viv_status vh_sandbox_receive(const struct vh_seam *seam, const int ends[2], void *ret_bytes,
                              size_t len, struct vh_sandbox_fds *ret_fds, struct viv_error *err);

/* One receive without waiting: 1, 0 when the other side is gone, -1 for nothing yet. */
int vh_sandbox_take(int socket, void *ret_bytes, size_t len, struct vh_sandbox_fds *ret_fds);

/* Milliseconds for poll until `until_ns`; 0 when past, -1 for `until_ns` 0. */
int vh_sandbox_wait_ms(const struct vh_seam *seam, int64_t until_ns);

/* "full: step 'netns' failed: Operation not permitted (detail)", VIV_E_UNSUPPORTED; `what` may be
 * "" */
viv_status vh_sandbox_refused(const struct vw_reply *reply, const char *what,
                              struct viv_error *err);

void vh_sandbox_close_fds(const struct vh_seam *seam, int *fds, size_t count);

/* ---- launcher.c ---- */

/* Send a request and wait for its answer, under the lock; body and descriptors may be NULL. */
viv_status vh_launcher_ask(struct vh_launcher *launcher, enum vw_kind kind,
                           const struct vh_buf *body, const struct vh_sandbox_fds *fds,
                           struct vh_sandbox_fds *ret_fds, struct viv_error *err);

/* ---- sandbox_feed.c: feeding and draining pipes ---- */

struct vh_feed_stream {
    int fd; /* reading end, not blocking; -1: at its end */
    struct vh_buf kept;
    uint64_t total_bytes;
    struct vh_hasher hasher;
    struct vh_hasher *also; /* a second one, of the caller's, over several streams; may be NULL */
};

/* Two pipes for a child's output; `ret_child` gets the writing ends. */
viv_status vh_feed_open(const struct vh_seam *seam, struct vh_arena *arena, const size_t max[2],
                        struct vh_feed_stream ret_streams[2], int ret_child[2],
                        struct viv_error *err);
/* Read what is there, up to `most` bytes; closes at the end. */
void vh_feed_drain(const struct vh_seam *seam, struct vh_feed_stream *stream, uint64_t most);
/* Close and take the result. VIV_E_MEMORY. */
viv_status vh_feed_finish(const struct vh_seam *seam, struct vh_feed_stream *stream,
                          struct vh_exec_output *ret_output, struct viv_error *err);
/* Whether the caller wants to stop. */
bool vh_feed_cancelled(const struct vh_exec_watch *watch);

#endif
