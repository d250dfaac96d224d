/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with descriptors, and the bodies they carry. Shared by launcher and keeper; the host has
 * its own side in run/sandbox_wire.c. */
#ifndef VL_CHANNEL_H
#define VL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include "wire.h"

/* A received request. `fds` belong to the receiver; channel_drop() closes what is left (-1 is
 * skipped). */
struct message {
    struct vw_request head;
    int fds[VW_FDS_MAX];
    size_t fd_count;
};

/* 1: a message; 0: the other side is gone; -1: nothing usable came (it was dropped). */
int channel_receive(int socket, struct message *ret_message);
void channel_drop(struct message *message);

/* 0 or -1. Never raises SIGPIPE. */
int channel_send(int socket, const void *bytes, size_t len, const int *fds, size_t fd_count);

/* A body, mapped. Reading is sticky: after the first fault all numbers are 0 and all texts empty,
 * `failed` says so. */
struct body {
    const char *bytes;
    size_t len;
    size_t at;
    bool failed;
};

/* Maps the first descriptor of a message. 0 or -1 with errno. */
int body_map(const struct message *message, struct body *ret_body);
void body_unmap(struct body *body);
uint64_t body_number(struct body *body);
/* A text without NUL inside, ends in NUL, lives as long as the map. */
const char *body_text(struct body *body);
/* A number that may be at most `max`. */
size_t body_count(struct body *body, size_t max);

#endif
