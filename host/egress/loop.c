/* SPDX-License-Identifier: Apache-2.0 */
#include "egress.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct loop_watcher {
    loop_ready ready;
    void *data;
};

int64_t
loop_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool
grow(struct loop *loop)
{
    size_t size = loop->size ? loop->size * 2 : 64;
    struct pollfd *polled = realloc(loop->polled, size * sizeof *polled);
    loop->polled = polled ? polled : loop->polled;
    struct loop_watcher *watcher = polled ? realloc(loop->watcher, size * sizeof *watcher) : NULL;
    loop->watcher = watcher ? watcher : loop->watcher;
    loop->size = polled && watcher ? size : loop->size;
    return polled && watcher;
}

void
loop_watch(struct loop *loop, int fd, short events, loop_ready ready, void *data)
{
    if (fd < 0 || !events) {
        return;
    }
    if (loop->count == loop->size && !grow(loop)) {
        loop_until(loop, loop_now() + 10000000); /* who is not watched is asked for again soon */
        return;
    }
    loop->polled[loop->count] = (struct pollfd){ .fd = fd, .events = events };
    loop->watcher[loop->count++] = (struct loop_watcher){ ready, data };
}

void
loop_until(struct loop *loop, int64_t until_ns)
{
    if (until_ns && (!loop->until_ns || until_ns < loop->until_ns)) {
        loop->until_ns = until_ns;
    }
}

int
loop_wait(struct loop *loop)
{
    int64_t left = loop->until_ns ? loop->until_ns - loop_now() : 0;
    int timeout = !loop->until_ns               ? -1
                  : left <= 0                   ? 0
                  : left > INT64_C(60000000000) ? 60000
                                                : (int)(left / 1000000) + 1;
    int ready = poll(loop->polled, (nfds_t)loop->count, timeout);
    if (ready < 0 && errno != EINTR) {
        return -1;
    }
    for (size_t i = 0; ready > 0 && i < loop->count; i++) {
        if (loop->polled[i].revents) {
            loop->watcher[i].ready(loop->watcher[i].data, loop->polled[i].revents);
        }
    }
    loop->count = 0;
    loop->until_ns = 0;
    return 0;
}

void
loop_end(struct loop *loop)
{
    free(loop->polled);
    free(loop->watcher);
}
