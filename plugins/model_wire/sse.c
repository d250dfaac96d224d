/* SPDX-License-Identifier: Apache-2.0 */
/* Memory is kept from line to line, so a stream of any length takes no more than its longest line and event. */
#include "sse.h"

#include <string.h>
#include <text.h>

void
wire_sse_init(struct wire_sse *sse, struct viv_kit_memory memory)
{
    memset(sse, 0, sizeof *sse);
    viv_kit_buf_init(&sse->line, memory, WIRE_LINE_MAX);
    viv_kit_buf_init(&sse->data, memory, WIRE_LINE_MAX);
}

static viv_status
dispatch(struct wire_sse *sse)
{
    viv_status status = VIV_OK;
    if (sse->has_data) {
        status = sse->event(sse->owner, viv_kit_str(sse->name), (struct viv_str){ sse->data.data, sse->data.len });
    }
    sse->data.len = 0;
    sse->has_data = 0;
    sse->name[0] = '\0';
    return status;
}

static void
field(struct wire_sse *sse, struct viv_str name, struct viv_str value)
{
    if (viv_kit_is(name, "data")) {
        if (sse->has_data) {
            viv_kit_buf_add(&sse->data, "\n", 1);
        }
        viv_kit_buf_str(&sse->data, value);
        sse->has_data = 1;
    } else if (viv_kit_is(name, "event")) {
        uint64_t len = value.len < sizeof sse->name ? value.len : 0;
        if (len > 0) {
            memcpy(sse->name, value.data, (size_t)len);
        }
        sse->name[len] = '\0';
    }
}

static viv_status
end_line(struct wire_sse *sse)
{
    struct viv_str line = { sse->line.data, sse->line.len };
    if (!sse->begun && line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
        line = (struct viv_str){ line.data + 3, line.len - 3 };
    }
    sse->begun = 1;
    sse->line.len = 0;
    if (line.len == 0)
        return dispatch(sse);
    const char *colon = memchr(line.data, ':', (size_t)line.len);
    struct viv_str name = { line.data, colon ? (uint64_t)(colon - line.data) : line.len };
    struct viv_str value = { NULL, 0 };
    if (colon) {
        value = (struct viv_str){ colon + 1, line.len - name.len - 1 };
        if (value.len > 0 && value.data[0] == ' ') {
            value = (struct viv_str){ value.data + 1, value.len - 1 };
        }
    }
    field(sse, name, value); /* a comment has the empty name */
    return VIV_OK;
}

/* Bytes up to the next end of a line. */
static uint64_t
plain(struct viv_str piece)
{
    uint64_t len = 0;
    while (len < piece.len && piece.data[len] != '\n' && piece.data[len] != '\r') {
        len++;
    }
    return len;
}

viv_status
wire_sse_feed(struct wire_sse *sse, struct viv_str piece)
{
    viv_status status = VIV_OK;
    for (uint64_t i = 0; i < piece.len && status == VIV_OK && !sse->over;) {
        if (sse->skip_lf && piece.data[i] == '\n') {
            sse->skip_lf = 0;
            i++;
            continue;
        }
        sse->skip_lf = 0;
        uint64_t len = plain((struct viv_str){ piece.data + i, piece.len - i });
        viv_kit_buf_add(&sse->line, piece.data + i, len);
        i += len;
        if (i < piece.len) {
            sse->skip_lf = piece.data[i] == '\r';
            i++;
            status = end_line(sse);
        }
        sse->over = sse->line.failed || sse->data.failed;
    }
    return status;
}
