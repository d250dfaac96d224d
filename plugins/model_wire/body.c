/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include <string.h>
#include <text.h>
#include <write.h>

/* One text by the kit's writer, which knows the escapes, into our bytes. */
static void
quoted(struct viv_kit_buf *buf, struct viv_str text)
{
    struct viv_kit_json one;
    memset(&one, 0, sizeof one);
    one.buf = *buf;
    viv_kit_json_text(&one, NULL, text);
    *buf = one.buf;
}

static void
before(struct wire_body *body, const char *key)
{
    if (body->begun) {
        viv_kit_buf_add(&body->buf, ",", 1);
    }
    if (key) {
        quoted(&body->buf, viv_kit_str(key));
        viv_kit_buf_add(&body->buf, ":", 1);
    }
    body->begun = 1;
}

void
wire_body_open(struct wire_body *body, const char *key, char bracket)
{
    before(body, key);
    viv_kit_buf_add(&body->buf, &bracket, 1);
    body->begun = 0;
}

void
wire_body_close(struct wire_body *body, char bracket)
{
    viv_kit_buf_add(&body->buf, &bracket, 1);
    body->begun = 1;
}

void
wire_body_text(struct wire_body *body, const char *key, struct viv_str text)
{
    before(body, key);
    quoted(&body->buf, text);
}

void
wire_body_integer(struct wire_body *body, const char *key, int64_t integer)
{
    before(body, key);
    viv_kit_buf_integer(&body->buf, integer);
}

void
wire_body_raw(struct wire_body *body, const char *key, struct viv_str json)
{
    before(body, key);
    viv_kit_buf_str(&body->buf, json);
}

void
wire_body_word(struct wire_body *body, const char *key, const char *word)
{
    wire_body_raw(body, key, viv_kit_str(word));
}
