/* SPDX-License-Identifier: Apache-2.0 */
/* What vivhost and viv-egress say to each other; all of it. Both come from one build, so there is no version.
 *
 * THE CHANNEL is the descriptor EW_CHANNEL that viv-egress inherits, a SOCK_SEQPACKET pair. Only the host sends; its
 * end is the end of viv-egress, and the other way round. One message is a struct ew_request, its texts one after the
 * other, and descriptors by SCM_RIGHTS:
 *
 *   EW_SECRET    name, value, place ("host:port")                no descriptors; replaces a secret of the same name
 *   EW_EXCHANGE  no texts                                        answer, request, body
 *   EW_DOOR      no texts                                        answer, rules, listener
 *
 * `request`, `body` and `rules` are files in memory that are read once. `answer` is one end of a SOCK_SEQPACKET pair
 * made for this exchange or door; whoever closes his end has ended it. So there is nothing to match, no lock, no
 * queue: the pair's buffer is the flow control, and what is not read stops the transfer.
 *
 * ANSWERS are frames, one a message: a struct ew_frame and its bytes, at most EW_PIECE_MAX.
 *
 *   exchange    EW_SENT?  EW_HEAD?  EW_PIECE*  EW_END            EW_SENT comes before the first byte of the request
 * goes door        EW_OPENED | EW_END, then from the host EW_CLOSE, then EW_END with the counts
 *
 * TEXTS are canonical JSON (base/json.h); times are milliseconds from now, 0 is no bound of its own.
 *
 *   request  {"allow":["host:port"],"answer_max":N,"first_byte_ms":N,"headers":[{"name":T,"prefix":T,"secret":0|1,
 *             "value":T}],"idle_ms":N,"method":"GET"|"POST","total_ms":N,"url":T}
 *   EW_HEAD  {"headers":[{"name":T,"value":T}],"status":N}
 *   EW_END   {"counts":{...},"status":N,"text":T}                status is a viv_status; counts of a door that was
 * closed rules    {"allow":["host:port"],"bytes_max":N,"connections_max":N,"name":T}
 *
 * Where "host:port" stands it may be "*.host:port" for all names below host, "[v6]:port", and "http://host:port" where
 * an exchange may go without TLS. */
#ifndef EGRESS_WIRE_H
#define EGRESS_WIRE_H

#include <stdint.h>

#define EW_CHANNEL 3
#define EW_MAGIC UINT32_C(0x73677265) /* "ergs" */
#define EW_FDS_MAX 3

#define EW_TEXTS_MAX (16u << 10)   /* texts of one message on the channel */
#define EW_REQUEST_MAX (1u << 20)  /* the request without its body; rules */
#define EW_BODY_MAX (64u << 20)    /* the body of a request */
#define EW_ANSWER_MAX (256u << 20) /* of an answer, whatever was asked for; it goes on in pieces, never whole */
#define EW_PIECE_MAX (60u << 10)
#define EW_HEADERS_MAX 64 /* of a request */
#define EW_ALLOW_MAX 256  /* entries of one allow list */
#define EW_HOSTS_MAX 64   /* hosts, and refusals, that a door counts by name */
#define EW_WHY_MAX 120    /* bytes of a reason in the counts */
#define EW_SECRETS_MAX 32
#define EW_EXCHANGES_MAX 256 /* at the same time */
#define EW_DOORS_MAX 256
#define EW_CONNECTIONS_MAX 64 /* of one door at the same time, unless its rules say less */

enum ew_kind {
    EW_SECRET = 1,
    EW_EXCHANGE,
    EW_DOOR,
    EW_SENT,
    EW_HEAD,
    EW_PIECE,
    EW_END,
    EW_OPENED,
    EW_CLOSE,
};

struct ew_request {
    uint32_t magic;
    uint32_t kind;
    uint32_t name_len;
    uint32_t value_len;
    uint32_t place_len;
    uint32_t reserved; /* zero */
};

struct ew_frame {
    uint32_t kind;
    uint32_t len;
};

#endif
