/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

viv_status
vh_request_digest(struct vh_arena *arena, struct viv_str kind, struct viv_str task, const struct vh_json *data,
                  struct vh_hash *ret_hash, struct viv_error *err)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VIV_QUEUE_BYTES_MAX);
    vh_buf_str(&buf, kind);
    vh_buf_char(&buf, '\n');
    vh_buf_str(&buf, task);
    vh_buf_char(&buf, '\n');
    vh_json_write(data, &buf);
    if (buf.failed && vh_json_canonical(data)) {
        return vh_error_set(err, VIV_E_MEMORY, "command", "no memory for a command");
    }
    if (buf.failed) {
        return vh_error_set(err, VIV_E_INVALID, "command",
                            "the command is not canonical: texts must be UTF-8, numbers integers within 2^53-1");
    }
    return vh_hash_bytes(buf.data, buf.len, ret_hash) ? VIV_OK
                                                      : vh_error_set(err, VIV_E_INTERNAL, "command", "SHA-256 failed");
}

bool
vh_request_carried(struct viv_str kind)
{
    static const char *const kinds[] = { "command.refused", "task.claimed", "effect.started", "effect.refused",
                                         "effect.asked" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (vh_str_is(kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

viv_status
vh_request_of_event(struct vh_arena *arena, const struct vh_event *event, struct vh_hash *ret_hash,
                    struct viv_error *err)
{
    if (vh_request_carried(event->kind)) {
        return vh_hash_parse(vh_json_str(event->data, "request"), ret_hash)
                   ? VIV_OK
                   : vh_error_set(err, VIV_E_CORRUPT, "command", "event %lld does not name its request",
                                  (long long)event->seq);
    }
    return vh_request_digest(arena, event->kind, event->task, event->data, ret_hash, err);
}
