/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation as the next request has it, and how it is kept within its bound. Its memory is the parser's, not the
 * call's: a thousand requests would not fit there. No host, no I/O. Read next: tools.h. */
#ifndef EXECUTOR_MODEL_TALK_H
#define EXECUTOR_MODEL_TALK_H

#include <viv/viv.h>

struct json_t;
struct executor_model_config;

/* Bytes of reasons of earlier rejections that are shown; the newest stay. */
#define TALK_FEEDBACK_MAX (32u << 10)
/* A bound that is brought down by what the door says does not go below this. */
#define TALK_LEAST (16u << 10)

/* What the work is about. */
struct talk_task {
    const struct viv_task *task;
    struct viv_str command_json;
    struct viv_str feedback_json;
};

struct talk {
    struct json_t *root;     /* the request */
    struct json_t *messages; /* its messages, borrowed */
    char *text;              /* the request's text, of the last talk_request() */
    uint64_t len;            /* of that */
    uint64_t max;
};

/* With the task as the first message. VIV_E_INVALID: what came with the task is not in its form. */
viv_status talk_open(struct talk *talk, const struct executor_model_config *config, const struct talk_task *about,
                     struct viv_error *err);
void talk_close(struct talk *talk);

/* Takes over `content`; NULL is no memory. */
void talk_add(struct talk *talk, const char *role, struct json_t *content, uint32_t *failed);

/* The request's text, until the next of these calls. Above the bound the oldest results, then what the model said
 * before, are left out, and then whole turns. VIV_E_LIMIT: what cannot be left out is more than the bound. */
viv_status talk_request(struct talk *talk, struct viv_str *ret_text, struct viv_error *err);

/* The door found the last request too long: from now on the bound is half of it. 0: it is as small as it gets. */
uint32_t talk_shrink(struct talk *talk);

#endif
