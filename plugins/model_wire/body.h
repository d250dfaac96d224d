/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a request's body: JSON in the order it is said, with true, false and ready-made JSON, which the canonical
 * writer of the kit does not know. Errors stick in `buf.failed`. `key` is NULL in a list and at the top. */
#ifndef MODEL_WIRE_BODY_H
#define MODEL_WIRE_BODY_H

#include <buf.h>

struct wire_body {
    struct viv_kit_buf buf;
    uint32_t begun; /* a comma is due */
    uint32_t reserved;
};

void wire_body_open(struct wire_body *body, const char *key, char bracket);
void wire_body_close(struct wire_body *body, char bracket);
void wire_body_text(struct wire_body *body, const char *key, struct viv_str text);
void wire_body_integer(struct wire_body *body, const char *key, int64_t integer);
/* JSON that was checked before, or a word like true. */
void wire_body_raw(struct wire_body *body, const char *key, struct viv_str json);
void wire_body_word(struct wire_body *body, const char *key, const char *word);

#endif
