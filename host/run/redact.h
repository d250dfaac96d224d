/* SPDX-License-Identifier: Apache-2.0 */
/* Taking secrets out of texts before somebody sees or keeps them: known values as they are, in base64 (wherever they
 * begin in it), percent-encoded and JSON-escaped, also when a text comes in pieces; headers by their name; and what
 * looks like a key. */
#ifndef VH_REDACT_H
#define VH_REDACT_H

#include <stdbool.h>

#include "base/buf.h"
#include "run/secrets.h"

#define VH_REDACT_HOLD (3 * VH_SECRET_BYTES_MAX) /* the longest form of a value */

struct vh_redact {
    struct vh_secrets *secrets; /* NULL: only what looks like a key */
    size_t len;
    char last;     /* the byte before what is held */
    uint8_t shape; /* in the middle of what looks like a key; from 1 */
    char held[2 * VH_REDACT_HOLD];
};

/* A text in pieces: begin, put each, end. What may belong to a value that goes on is held back until then. */
void vh_redact_begin(struct vh_redact *redact, struct vh_secrets *secrets);
void vh_redact_put(struct vh_redact *redact, struct viv_str piece, struct vh_buf *out);
void vh_redact_end(struct vh_redact *redact, struct vh_buf *out);

/* A whole text: "[secret NAME]" in the place of each value, "[secret]" in that of what looks like one. */
struct viv_str vh_redact_text(struct vh_secrets *secrets, struct vh_arena *arena, struct viv_str text);

/* Whether the value of such a header is nobody's business: Authorization, X-Api-Key, Cookie, ... */
bool vh_redact_header(struct viv_str name);

/* For secrets.c: the forms of a value in guarded memory. NULL: no memory. */
char *vh_redact_forms(struct viv_str value);

#endif
