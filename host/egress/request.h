/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks an exchange for, checked: place, rules, and the headers with secrets in them. */
#ifndef EGRESS_REQUEST_H
#define EGRESS_REQUEST_H

#include "egress.h"

struct request {
    struct rules rules;
    struct place place;
    bool tls;
    bool post;
    const char *origin;   /* "https://host:port/" */
    const char *target;   /* path and query as they go out */
    const char **headers; /* "Name: value", wiped by request_wipe; count follows */
    size_t header_count;
    int64_t first_byte_ns, idle_ns, total_ns; /* 0: no bound of its own */
    uint64_t answer_max;
};

/* VIV_E_INVALID, VIV_E_DENIED, VIV_E_LIMIT, VIV_E_MEMORY; the message holds no header's value. */
viv_status request_read(struct vh_arena *arena, struct viv_str text, const struct egress *egress,
                        struct request *ret_request, struct viv_error *err);
void request_wipe(struct request *request);

#endif
