/* SPDX-License-Identifier: Apache-2.0 */
/* A runner: one plugin, one channel. begin.c confines, maps and creates; serve.c answers calls; lend.c holds the
 * services the plugin may acquire and the memory it is lent. All of them share one `struct vh_serve`, since a runner
 * is one process with one thread. */
#ifndef VH_RUNNER_SERVE_H
#define VH_RUNNER_SERVE_H

#include <sys/types.h>

#include "marshal.h"
#include "protocol.h"

#define VH_SERVE_INTERFACES_MAX 32

struct vh_serve {
    struct vh_area *area;
    char *bytes;            /* the area, as bytes */
    uint64_t scratch;       /* offset behind the request of the call under way */
    struct vh_message call; /* the call under way; seq 0: none */
    uint32_t log_lines;     /* of this call */
    struct vh_start start;
    struct viv_value items[VH_MARSHAL_VALUES_MAX];
    struct viv_plugin plugin;
    const void *tables[VH_SERVE_INTERFACES_MAX]; /* completed, by index into viv_interfaces */
    uint64_t offered;
    void *self;
    char *arena; /* memory of the call under way, zeroed between calls */
    uint64_t arena_used;
    struct viv_call lent;
};

extern struct vh_serve vh_serve;

/* In a fresh child of the zygote `parent`; never returns. `fds`: channel, area, plugin, and the folder when there is
 * one; `start_len` is the length of the encoded vh_start in the area. */
void vh_serve_run(pid_t parent, const int *fds, int fd_count, uint64_t start_len) __attribute__((noreturn));

/* One message out or in; what fails there ends the process, since without the host there is nothing left to do. */
void vh_serve_send(const struct vh_message *message);
void vh_serve_receive(struct vh_message *ret_message);
/* Put the error where the host finds it. */
void vh_serve_error(viv_status status, const struct viv_error *err);
void vh_serve_stage(enum vh_stage stage);

/* begin.c: from a mapped area to a created plugin. */
viv_status vh_begin(uint64_t start_len, struct viv_error *err);

/* lend.c */
extern const struct viv_host vh_lend_host;
int vh_lend_prepare(void);          /* reserve the call memory; -1 with errno */
void *vh_lend_alloc(uint64_t size); /* zeroed, or NULL at the bound */
void vh_lend_reset(void);           /* after a call */
uint32_t vh_lend_cancelled(void);

#endif
