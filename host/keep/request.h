/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of what a command says, without who says it: the same key with other words is a conflict. */
#ifndef VH_REQUEST_H
#define VH_REQUEST_H

#include "base/hash.h"
#include "core/event.h"

/* VIV_E_INVALID when the command is not canonical. */
viv_status vh_request_digest(struct vh_arena *arena, struct viv_str kind, struct viv_str task,
                             const struct vh_json *data, struct vh_hash *ret_hash, struct viv_error *err);

/* Whether an input event carries the digest as "request", because it says other things than its command did. */
bool vh_request_carried(struct viv_str kind);

/* The same, read from the input event the command led to. */
viv_status vh_request_of_event(struct vh_arena *arena, const struct vh_event *event, struct vh_hash *ret_hash,
                               struct viv_error *err);

#endif
