/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

#define MEMORY_MAX (EW_BODY_MAX + (8u << 20))

void
exchange_finish(struct exchange *exchange, viv_status status)
{
    exchange->status = status;
    exchange->over = true;
    exchange->paused = false;
    exchange->until_ns = exchange->total_until_ns = 0;
    if (exchange->lookup) {
        resolver_forget(exchange->egress->resolver, exchange->lookup);
        exchange->lookup = NULL;
    }
}

static void
send_end(struct exchange *exchange)
{
    if (exchange->status == VIV_OK) {
        int sent = transfer_head(exchange); /* an answer without a body */
        if (sent <= 0) {
            exchange->dead = sent < 0;
            return;
        }
    }
    const char *text = exchange->status ? exchange->err.text : "";
    exchange->dead = channel_end(exchange->answer, exchange->status, text, exchange->arena, NULL) != 0;
}

static void
choose(struct exchange *exchange, size_t count)
{
    const struct request *request = &exchange->request;
    exchange->count = rules_choose(&request->rules, &request->place, exchange->addresses, count,
                                   exchange->egress->config.calls->own, &exchange->err);
    if (exchange->count == 0) {
        exchange_finish(exchange, VIV_E_DENIED);
    } else {
        transfer_dial(exchange);
    }
}

static void
on_addresses(void *data, struct address *addresses, size_t count, const char *why)
{
    struct exchange *exchange = data;
    exchange->lookup = NULL;
    memcpy(exchange->addresses, addresses, count * sizeof *addresses);
    if (count == 0) {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_UNAVAILABLE, "egress", "'%s' cannot be found: %s",
                                               exchange->request.place.host, why));
    } else {
        choose(exchange, count);
    }
}

/* ---- life ---- */

static viv_status
read_request(struct exchange *exchange, const int fds[EW_FDS_MAX])
{
    struct viv_str text;
    struct viv_error *err = &exchange->err;
    viv_status status = channel_file(exchange->arena, fds[1], EW_REQUEST_MAX, &text, err);
    status = status ? status : channel_file(exchange->arena, fds[2], EW_BODY_MAX, &exchange->body, err);
    status = status ? status : request_read(exchange->arena, text, exchange->egress, &exchange->request, err);
    if (status == VIV_OK && exchange->egress->exchange_count > EW_EXCHANGES_MAX) {
        status = vh_error_set(err, VIV_E_BUSY, "egress", "%d exchanges are open already", EW_EXCHANGES_MAX);
    }
    return status;
}

static void
start(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    int64_t now = loop_now();
    exchange->total_until_ns = request->total_ns ? now + request->total_ns : 0;
    exchange->until_ns = request->first_byte_ns ? now + request->first_byte_ns : 0;
    if (request->place.literal) {
        exchange->addresses[0] = request->place.address;
        choose(exchange, 1);
        return;
    }
    exchange->lookup = resolver_ask(exchange->egress->resolver, request->place.host, on_addresses, exchange);
    if (!exchange->lookup) {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_BUSY, "egress",
                                               "%d names are being looked up already", RESOLVE_WAITING_MAX));
    }
}

void
exchange_begin(struct egress *egress, const int fds[EW_FDS_MAX])
{
    struct vh_arena *arena = vh_arena_create(NULL, MEMORY_MAX);
    struct exchange *exchange = vh_arena_alloc(arena, sizeof *exchange);
    if (exchange) {
        *exchange = (struct exchange){
            .egress = egress, .arena = arena, .answer = fds[0], .next = egress->exchanges, .err = VIV_ERROR_INIT
        };
        egress->exchanges = exchange;
        egress->exchange_count++;
        viv_status status = read_request(exchange, fds);
        if (status) {
            exchange_finish(exchange, status);
        } else {
            start(exchange);
        }
    } else {
        vh_arena_destroy(arena);
        close(fds[0]); /* the host sees the end */
    }
    close(fds[1]);
    close(fds[2]);
}

static void
on_answer(void *data, short events)
{
    struct exchange *exchange = data;
    if (events & ~POLLOUT) {
        exchange->dead = true; /* the host closed it */
    } else if (exchange->over) {
        send_end(exchange);
    } else if (exchange->paused) {
        exchange->paused = false;
        transfer_progress(exchange);
        (void)curl_easy_pause(exchange->easy, CURLPAUSE_CONT); /* a fault comes as 'done' */
    }
}

void
exchange_watch(struct egress *egress)
{
    for (struct exchange *exchange = egress->exchanges; exchange; exchange = exchange->next) {
        short events = (short)(POLLIN | (exchange->over || exchange->paused ? POLLOUT : 0));
        loop_watch(&egress->loop, exchange->answer, events, on_answer, exchange);
        loop_until(&egress->loop, exchange->total_until_ns);
        loop_until(&egress->loop, exchange->until_ns);
    }
}

static void
look_at_times(struct exchange *exchange, int64_t now)
{
    bool total = exchange->total_until_ns && exchange->total_until_ns <= now;
    if (exchange->over || (!total && (!exchange->until_ns || exchange->until_ns > now))) {
        return;
    }
    const char *what = exchange->answering ? "nothing more came" : exchange->sent ? "no answer came" : "no connection";
    int64_t allowed_ns = total                 ? exchange->request.total_ns
                         : exchange->answering ? exchange->request.idle_ns
                                               : exchange->request.first_byte_ns;
    if (exchange->easy) {
        (void)curl_multi_remove_handle(net_multi(exchange->egress->net), exchange->easy); /* it may not be there yet */
    }
    exchange_finish(exchange,
                    vh_error_set(&exchange->err, VIV_E_TIMEOUT, "egress", "'%s': %s within %lld ms",
                                 exchange->request.place.host, total && exchange->answering ? "no end came" : what,
                                 (long long)(allowed_ns / 1000000)));
}

static void
end(struct exchange *exchange)
{
    if (exchange->lookup) {
        resolver_forget(exchange->egress->resolver, exchange->lookup);
    }
    if (exchange->easy) {
        (void)curl_multi_remove_handle(net_multi(exchange->egress->net), exchange->easy); /* it may be out already */
        curl_easy_cleanup(exchange->easy);
    }
    for (struct curl_slist *one = exchange->headers; one; one = one->next) {
        explicit_bzero(one->data, strlen(one->data));
    }
    curl_slist_free_all(exchange->headers);
    curl_slist_free_all(exchange->connect_to);
    request_wipe(&exchange->request);
    close(exchange->answer);
    vh_arena_destroy(exchange->arena);
}

void
exchange_sweep(struct egress *egress, bool all)
{
    int64_t now = loop_now();
    for (struct exchange **at = &egress->exchanges; *at;) {
        struct exchange *exchange = *at;
        look_at_times(exchange, now);
        if (all || exchange->dead) {
            *at = exchange->next;
            egress->exchange_count--;
            end(exchange);
        } else {
            at = &exchange->next;
        }
    }
}
