/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as it comes, in no provider's form: blocks of text and tool calls, why it ended, what it is said to have
 * cost, and what was wrong. A wire's reader fills it; wire_answer_give() says it in the interface's words.
 *
 *   nothing -> begun (content came) -> finished (the provider said why it ended)
 *   broken: not in the wire's form. failed: the provider reported an error instead of going on. */
#ifndef MODEL_WIRE_ANSWER_H
#define MODEL_WIRE_ANSWER_H

#include <buf.h>
#include <viv/draft/model.h>

#include "request.h"

struct json_t; /* jansson's value */

#define WIRE_CONTENT_MAX (8u << 20) /* of all texts and arguments together */
#define WIRE_PROBLEM_MAX 400

enum wire_kind { WIRE_TEXT = 1, WIRE_CALL, WIRE_OTHER };
enum wire_stop { WIRE_STOP_NONE, WIRE_STOP_END, WIRE_STOP_LENGTH, WIRE_STOP_REFUSED };

struct wire_block {
    enum wire_kind kind;
    uint32_t whole; /* a call whose last piece came */
    int64_t index;  /* as the wire counts; -1 when it does not */
    struct viv_str id;
    struct viv_str name;
    struct viv_kit_buf text; /* or arguments */
};

struct wire_answer {
    struct viv_call *call;
    struct wire_block *blocks; /* WIRE_BLOCKS_MAX, made with the first */
    uint32_t count;
    uint32_t begun;
    enum wire_stop stop;
    uint32_t finished;
    uint32_t ended; /* the stream's last word came: nothing behind it counts */
    uint32_t broken;
    uint32_t failed;
    uint32_t failed_class; /* VIV_MODEL_RATE_LIMITED and so on */
    uint64_t bytes;
    uint64_t bytes_max;
    int64_t input_tokens; /* counts are -1 when they were not given */
    int64_t cached_tokens;
    int64_t cache_write_tokens;
    int64_t output_tokens;
    char problem[WIRE_PROBLEM_MAX];
};

/* `max_tokens` is what was asked for: no token in use has over 256 bytes, so what is longer is an endless answer. */
void wire_answer_init(struct wire_answer *answer, struct viv_call *call, int64_t max_tokens);

/* A new block, or NULL: the answer is then broken. Texts are copied. */
struct wire_block *wire_answer_open(struct wire_answer *answer, enum wire_kind kind, int64_t index);
/* The newest block that the wire calls `index`, or NULL. */
struct wire_block *wire_answer_find(struct wire_answer *answer, int64_t index);
void wire_answer_add(struct wire_answer *answer, struct wire_block *block, struct viv_str text);
struct viv_str wire_answer_keep(struct wire_answer *answer, struct viv_str text);

/* One line, kept for the first of several. Bytes that are no text are replaced. */
void wire_answer_break(struct wire_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_answer_fail(struct wire_answer *answer, uint32_t class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void wire_answer_say(char *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Parses one piece of a wire; NULL when it is no object: the answer is then broken. */
struct json_t *wire_answer_parse(struct wire_answer *answer, struct viv_str text, const char *what);

/* Fills class, begun, texts. `class` is what else is known; an answer's own faults come first. */
viv_status wire_answer_give(struct wire_answer *answer, uint32_t class, struct viv_model_complete_answer *ret_answer);

#endif
