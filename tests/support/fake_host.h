/* SPDX-License-Identifier: Apache-2.0 */
/* A host for tests of plugins and skills: acquire() with a list of grants, a viv.effect/1 whose
 * outcomes are written beforehand and whose requests are kept, and a call whose memory can be told
 * to fail. Knows nothing of the real host.
 *
 *     struct fake_host host;
 *     struct fake_call call;
 *     fake_host_init(&host);
 *     fake_call_init(&call, &host);
 *     fake_host_effect(&host, (struct fake_effect){ .exit_code = 2, .errors = "no such target" });
 *     status = table->check(self, &call.call, &request, &answer, &err);
 *     assert_int_equal(host.requested, 1);
 *     fake_call_finish(&call);               frees what the call gave
 *     fake_host_finish(&host);               frees the kept requests */
#ifndef SUPPORT_FAKE_HOST_H
#define SUPPORT_FAKE_HOST_H

#include <viv/viv.h>

#include "fake_http.h"

#define FAKE_EFFECTS_MAX 64

/* One outcome. A status other than VIV_OK fails the effect with `text`. Texts are borrowed. */
struct fake_effect {
    viv_status status;
    int32_t exit_code;
    uint32_t flags;
    const char *output;
    const char *errors;
    const char *text;
    struct viv_str output_bytes; /* instead of `output`, when it holds NUL or is long */
    const char *detail;          /* detail_json; "{}" when NULL */
};

/* One request as the plugin made it; copies, NUL-terminated. */
struct fake_request {
    uint32_t kind;
    uint32_t flags;
    char *path;
    char *target;
    char *bytes;
    char *spec_json;
};

struct fake_block;
struct fake_host;

/* Stands in for the script where a test asks for more than it holds: the outcome of one request. */
typedef struct fake_effect (*fake_answer_fn)(struct fake_host *host, const struct viv_effect_request *request);

struct fake_host {
    struct viv_host host; /* pass `&host.host` to create() */
    struct viv_effects effects;
    struct viv_log log;
    struct viv_clock clock;
    struct fake_http http;
    const char *denied; /* service id that acquire() refuses, or NULL */
    int64_t now_us;
    struct fake_effect script[FAKE_EFFECTS_MAX];
    struct fake_request requests[FAKE_EFFECTS_MAX];
    uint32_t scripted;
    uint32_t requested; /* all of them are counted, the first FAKE_EFFECTS_MAX kept; more only with `answer` */
    uint32_t logged;
    fake_answer_fn answer; /* NULL: the script */
    void *answer_data;     /* the test's own */
};

struct fake_call {
    struct viv_call call; /* pass `&call.call` to methods */
    struct viv_task task;
    struct fake_block *blocks;
    uint64_t used_bytes;
    uint64_t bound_bytes; /* alloc answers NULL beyond it; VIV_CALL_ARENA_MAX at first */
    uint64_t allocations;
    uint64_t fail_at;   /* number of the allocation that fails, and every one after it; 0: none */
    uint64_t cancel_at; /* number of the question cancelled() that is answered with 1; 0: none */
    uint64_t asked;
};

void fake_host_init(struct fake_host *host);
void fake_host_effect(struct fake_host *host, struct fake_effect effect);
void fake_host_finish(struct fake_host *host);

void fake_call_init(struct fake_call *call, struct fake_host *host);
void fake_call_finish(struct fake_call *call);

/* Text of a literal. */
struct viv_str fake_str(const char *text);

#endif
