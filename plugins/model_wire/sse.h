/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of an event stream: bytes in pieces cut anywhere, events out. Lines end by LF, CR or CRLF; comments and
 * fields that are not known are skipped; the lines of `data` are joined by LF. What stands behind the last blank line
 * is no event and is forgotten, as the format wants it: an event cut in its middle never comes out. */
#ifndef MODEL_WIRE_SSE_H
#define MODEL_WIRE_SSE_H

#include <buf.h>

/* A line, and all lines of one event. Providers send one token in a few hundred bytes; a whole tool call may be one.
 */
#define WIRE_LINE_MAX (2u << 20)

struct wire_sse {
    struct viv_kit_buf line;
    struct viv_kit_buf data;
    char name[64]; /* of the event; longer ones are none that we know */
    uint32_t has_data;
    uint32_t skip_lf; /* the last byte was CR */
    uint32_t begun;
    uint32_t over; /* a line or an event over WIRE_LINE_MAX, or no memory: nothing more comes out */
    /* An event; texts are borrowed until it returns. Another status than VIV_OK ends the feeding with it. */
    viv_status (*event)(void *owner, struct viv_str name, struct viv_str data);
    void *owner;
};

void wire_sse_init(struct wire_sse *sse, struct viv_kit_memory memory);
viv_status wire_sse_feed(struct wire_sse *sse, struct viv_str piece);

#endif
