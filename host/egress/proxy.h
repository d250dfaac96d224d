/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a task sends to its door, and what a server answers to it: HTTP/1.1 heads and how a body is framed.
 * Strict: what two readers could read in two ways is refused. Pure; tests/fuzz/target_proxy.c gives it any bytes. */
#ifndef EGRESS_PROXY_H
#define EGRESS_PROXY_H

#include "rules.h"

#define PROXY_HEAD_MAX (16u << 10)   /* of a request */
#define PROXY_ANSWER_MAX (64u << 10) /* head of an answer */
#define PROXY_HEADERS_MAX 100

/* How a request's body is framed, and where in it we are. */
struct body {
    bool chunked;
    uint8_t state;
    uint8_t digits;
    uint64_t left;
};

struct proxy_request {
    bool tunnel; /* CONNECT */
    struct place place;
    struct body body;
    struct viv_str head; /* to send on instead of what came; empty for a tunnel */
};

/* Length of the head that `bytes` begin with; 0: it is not whole yet; -1: it never will be (a line that does not end
 * in CR LF, a NUL). */
int64_t proxy_whole(struct viv_str bytes);

/* Read a whole head. VIV_E_INVALID says what is wrong with it and what a door takes; `ret_request` lives in `arena`.
 */
viv_status proxy_read(struct vh_arena *arena, struct viv_str head, struct proxy_request *ret_request,
                      struct viv_error *err);

/* The head of an answer as it is handed on: without what concerns one connection, and closing. `ret_last` is false for
 * an interim answer (1xx), after which another one comes. */
viv_status proxy_answer(struct vh_arena *arena, struct viv_str head, struct viv_str *ret_head, bool *ret_last,
                        struct viv_error *err);

/* How many of the bytes belong to the body; -1: it is framed in a way that is not taken. */
int64_t body_take(struct body *body, struct viv_str bytes);
bool body_ended(const struct body *body);

/* sni.c: whether a TLS client that begins so means `host`. 1: yes, or it is no TLS, or it names nobody; 0: more bytes
 * are needed; -1: no, with another name, "" when the record is none, in `ret_name`. */
int sni_check(struct viv_str bytes, const char *host, char ret_name[HOST_MAX + 1]);

#endif
