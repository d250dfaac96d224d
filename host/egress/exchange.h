/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange of the host: exchange.c begins and ends it, transfer.c is its part of libcurl.
 *
 *   begin -> look up the name -> choose addresses -> dial one after the other -> SENT -> HEAD -> PIECE* -> END
 *
 * Each connection is new and speaks HTTP/1.1, so libcurl has no reason to send a request twice; of several addresses
 * the next is dialled only if the one before gave no connection. `status` is what came of it; once `over`, the end is
 * told as soon as the host takes it. */
#ifndef EGRESS_EXCHANGE_H
#define EGRESS_EXCHANGE_H

#include <curl/curl.h>

#include "request.h"

struct exchange {
    struct exchange *next;
    struct egress *egress;
    struct vh_arena *arena;
    int answer;
    struct request request;
    struct viv_str body;
    struct lookup *lookup;
    struct address addresses[ADDRESSES_MAX];
    size_t count, at;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char fault[CURL_ERROR_SIZE];
    int64_t total_until_ns, until_ns; /* until_ns: for the first byte, then between two */
    struct vh_buf head; /* lines of the head of the answer */
    size_t lines;
    uint64_t answered;
    viv_status status; /* set by callbacks when they end the transfer */
    struct viv_error err;
    bool sent, answering, head_sent, paused, over, dead;
};

/* What came of it; `status` with the error in `err`. */
void exchange_finish(struct exchange *exchange, viv_status status);

/* Begin the transfer to addresses[at]. */
void transfer_dial(struct exchange *exchange);
/* Hand the head of the answer on, once. As channel_send. */
int transfer_head(struct exchange *exchange);
/* There was a byte of the answer: from now on the time between two counts. */
void transfer_progress(struct exchange *exchange);

#endif
