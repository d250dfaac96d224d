/* SPDX-License-Identifier: Apache-2.0 */
/* viv.http/1, lent to `model` plugins only: one HTTP exchange through the host's egress process. DRAFT: may change
 * until it leaves draft/.
 *
 * The plugin never holds a key: a header marked VIV_HTTP_SECRET names one, and the host puts its value in on the far
 * side. The host resolves, checks and dials; it follows no redirect. Answers come in pieces, as they arrive. */
#ifndef VIV_DRAFT_HTTP_H
#define VIV_DRAFT_HTTP_H

#include <viv/call.h>
#include <viv/host.h>

VIV_BEGIN

#define VIV_SERVICE_HTTP "viv.http/1"

#define VIV_HTTP_SECRET UINT32_C(1) /* `value` names a secret of the policy; `prefix` goes before it, as "Bearer " */

/* Headless, and as long as this for ever: head() below hands out an array of them without a stride. */
struct viv_http_header {
    struct viv_str name;
    struct viv_str value;
    struct viv_str prefix;
    uint32_t flags;
    uint32_t reserved; /* zero */
};

struct viv_http_request {
    uint32_t size;
    uint32_t rev;
    struct viv_str method; /* GET or POST */
    struct viv_str url;    /* https, or http where the policy lists host and port */
    struct viv_str body;
    const struct viv_http_header *headers;
    uint32_t header_count;
    uint32_t header_stride;    /* sizeof(struct viv_http_header) */
    int64_t first_byte_ns;     /* time for the first byte of the answer; 0: the call's deadline alone */
    int64_t idle_ns;           /* time between two pieces; 0: the call's deadline alone */
    uint64_t answer_bytes_max; /* a longer answer ends the exchange with VIV_E_LIMIT */
};

/* Where the answer goes, on the calling thread. A status other than VIV_OK ends the exchange and is its status. */
struct viv_http_sink {
    uint32_t size;
    uint32_t rev;
    void *data;

    /* The status line and the headers, once, before any piece.
     *
     * thread:  [worker] the thread the call runs on
     * borrows: all, until it returns
     * gives:   VIV_OK to go on
     * fails:   any status ends the exchange
     * why:     limits and retry times come in headers
     * since:   1.0
     */
    viv_status(VIV_CALL *head)(void *data, uint32_t http_status, const struct viv_http_header *headers,
                               uint32_t header_count);

    /* One piece of the body, in order, cut anywhere.
     *
     * thread:  [worker] the thread the call runs on
     * borrows: `piece`, until it returns
     * gives:   VIV_OK to go on
     * fails:   any status ends the exchange
     * why:     streams are read as they come
     * since:   1.0
     */
    viv_status(VIV_CALL *body)(void *data, struct viv_str piece);
};

struct viv_http {
    uint32_t size;
    uint32_t rev;
    void *host_data;

    /* One exchange, to its end.
     *
     * thread:  [worker] the thread the call runs on
     * borrows: `request`, `sink`
     * gives:   the answer through `sink`; `ret_sent` is 1 once a byte of the request may have left the machine
     * fails:   VIV_E_DENIED, host, port, address or secret is not allowed; VIV_E_UNAVAILABLE, no connection or the
     *          egress process ended; VIV_E_TIMEOUT; VIV_E_CANCELLED; VIV_E_LIMIT; VIV_E_IO, the answer was cut short
     * why:     what was not sent may be sent again, what was sent may have been paid for
     * since:   1.0
     */
    viv_status(VIV_CALL *exchange)(const struct viv_http *http, struct viv_call *call,
                                   const struct viv_http_request *request, const struct viv_http_sink *sink,
                                   uint32_t *ret_sent, struct viv_error *err);
};

VIV_STATIC_ASSERT(sizeof(struct viv_http_header) == 56, "layout of viv_http_header, revision 1");
VIV_STATIC_ASSERT(sizeof(struct viv_http_request) == 96, "layout of viv_http_request, revision 1");

VIV_END

#endif
