/* SPDX-License-Identifier: Apache-2.0 */
/* A viv.http/1 over plain sockets to 127.0.0.1, and the scripted endpoint started and ended. For tests alone: no TLS,
 * no names, one connection for each exchange. A secret called NAME is sent as key-of-NAME. */
#ifndef MOCK_MODEL_LOOPBACK_H
#define MOCK_MODEL_LOOPBACK_H

#include <sys/types.h>
#include <viv/draft/http.h>

struct loopback {
    struct viv_http http;
    uint64_t most;   /* bytes read at a time; 0: as many as there are */
    int idle_ms_max; /* 0: as the request says */
};

void loopback_init(struct loopback *loopback);

struct endpoint {
    pid_t pid;
    int port;
};

/* Starts `python mock --port 0` on a script; waits until it says that it listens. Ends it with endpoint_stop(). */
void endpoint_start(struct endpoint *endpoint, const char *python, const char *mock, const char *script_path);
void endpoint_stop(struct endpoint *endpoint);

#endif
