/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation with a model, as docs/contract/model.schema.json has it, kept within a bound of bytes. */
#ifndef EXECUTOR_MODEL_TALK_H
#define EXECUTOR_MODEL_TALK_H

#include <viv/viv.h>

struct json_t;

struct talk {
    struct json_t *request; /* without the messages */
    struct json_t *messages;
    uint64_t bytes_max;
    uint64_t left_out; /* results that were left out so far */
    uint32_t failed;   /* memory ran out */
    uint32_t reserved;
};

/* What the work is: goal, intent and the reasons of earlier rejections, marked as what they are. */
void talk_begin(struct talk *talk, const struct viv_task *task, struct viv_str feedback_json, int64_t max_tokens,
                uint64_t bytes_max);
void talk_end(struct talk *talk);

/* What the model said, as an answer's message_json has it; and the next thing it is told. */
void talk_add_answer(struct talk *talk, const struct json_t *content);
void talk_add_user(struct talk *talk, struct json_t *content);

struct json_t *talk_text(const char *text, uint32_t *failed);
struct json_t *talk_result(const char *id, struct json_t *text, uint32_t error, uint32_t *failed);

/* The request's text, from malloc; NULL: memory ran out. When it is longer than the bound the oldest results go. */
char *talk_write(struct talk *talk);

#endif
