/* SPDX-License-Identifier: Apache-2.0 */
/* What a model answered, made fit to be sent back and to be acted on. It is hostile input: ids are ours, names and
 * arguments that are wrong are replaced and the model is told. No host, no I/O. Read next: talk.h. */
#ifndef EXECUTOR_MODEL_ANSWER_H
#define EXECUTOR_MODEL_ANSWER_H

#include <viv/viv.h>

struct json_t;

#define ANSWER_BYTES_MAX (4u << 20)  /* of one answer; a larger one is not read */
#define ANSWER_CALLS_MAX 64          /* tool calls of one answer that are done */
#define ANSWER_TEXTS_MAX 64          /* texts of one answer that are kept */
#define ANSWER_TEXT_MAX (64u << 10)  /* bytes of one text that are kept */

enum answer_stop { ANSWER_END, ANSWER_CUT, ANSWER_REFUSED };

struct answer {
    struct json_t *content; /* of the assistant's message, as the next request has it; never empty */
    struct json_t *calls;   /* [{"id","name","input":{...}} or {"id","name","problem"}] in their order */
    struct json_t *text;    /* its last text, or NULL */
    uint64_t dropped;       /* calls beyond the bound, not in `content` */
    enum answer_stop stop;
    char problem[300];      /* why it could not be read; then it has neither calls nor text */
};

/* `step` makes the ids of its calls. Fails with VIV_E_MEMORY only. Release with answer_close(). */
viv_status answer_read(struct viv_str message_json, uint32_t step, struct answer *ret_answer, struct viv_error *err);
void answer_close(struct answer *answer);

/* At most `max` bytes of `text`: all of it, or its first and last half with the number of bytes left out between. */
struct json_t *answer_excerpt(struct viv_str text, uint64_t max);

#endif
