/* SPDX-License-Identifier: Apache-2.0 */
/* A viv.http/1 for tests of model plugins: answers that were written beforehand, in pieces of any size, ending as a
 * network may end them; and what was asked, kept. Part of fake_host.h, which lends it.
 *
 *     host.http.answers[0] = (struct fake_answer){ .status = 200, .body = fake_str("..."), .piece = 1 };
 *     host.http.scripted = 1; */
#ifndef SUPPORT_FAKE_HTTP_H
#define SUPPORT_FAKE_HTTP_H

#include <viv/draft/http.h>

#define FAKE_ANSWERS_MAX 4

struct fake_answer {
    uint32_t status;       /* 0: no head comes */
    uint32_t unsent;       /* nothing left the machine */
    const char *headers;   /* "name: value\n" for each, or NULL */
    struct viv_str body;
    uint64_t piece;        /* bytes of a piece; 0: all at once */
    uint64_t seed;         /* pieces of random size instead */
    uint64_t split;        /* one piece of so many bytes, and the rest; 0: not so */
    viv_status end;        /* how the exchange ends once the body was given */
    uint32_t cancels;      /* the call is cancelled before the body */
};

struct fake_http {
    struct viv_http http;
    struct fake_answer answers[FAKE_ANSWERS_MAX];
    uint32_t scripted;
    uint32_t requested;
    uint32_t stopped; /* times a sink ended an exchange */
    char *url;        /* of the last request; copies that end in NUL */
    char *headers;    /* "name: prefix+value\n", and "name: prefix<value>\n" for a secret */
    char *body;
    int64_t first_byte_ns;
    int64_t idle_ns;
    uint64_t answer_bytes_max;
};

struct fake_call;

void fake_http_init(struct fake_http *http);
void fake_http_finish(struct fake_http *http);

#endif
