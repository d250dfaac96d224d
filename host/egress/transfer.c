/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange by libcurl. It is told the address to connect to and asks nobody for one; that it opens a socket for
 * that address alone, and is connected to it, is looked at again. */
#include "exchange.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/str.h"

#define CONNECT_MS 10000L
#define HEAD_BYTES_MAX (40u << 10)
#define HEAD_LINES_MAX 128

/* From a callback: libcurl ends the transfer, and `done` finds this. */
static void
fail(struct exchange *exchange, viv_status status, const char *text)
{
    exchange->status = vh_error_set(&exchange->err, status, "egress", "%s", text);
}

/* ---- to the host ---- */

static struct vh_json *
head_json(struct exchange *exchange, long status)
{
    struct vh_json *head = vh_json_object(exchange->arena), *list = vh_json_array(exchange->arena);
    struct viv_str rest = vh_buf_view(&exchange->head);
    while (rest.len) {
        const char *end = memchr(rest.data, '\n', (size_t)rest.len);
        uint64_t len = end ? (uint64_t)(end - rest.data) : rest.len;
        char *line = vh_arena_text_of(exchange->arena, (struct viv_str){ rest.data, len });
        char *colon = line ? strchr(line, ':') : NULL;
        if (colon) {
            *colon++ = '\0';
            vh_str_clean(line);
            vh_str_clean(colon);
            struct vh_json *one = vh_json_object(exchange->arena);
            vh_json_set_text(exchange->arena, one, "name", line);
            vh_json_set_text(exchange->arena, one, "value", colon + strspn(colon, " "));
            vh_json_push(list, one);
        }
        len += end != NULL;
        rest = (struct viv_str){ rest.data + len, rest.len - len };
    }
    vh_json_set(head, "headers", list);
    vh_json_set_int(exchange->arena, head, "status", status);
    return head;
}

/* As channel_send. */
int
transfer_head(struct exchange *exchange)
{
    long status = 0;
    if (exchange->head_sent) {
        return 1;
    }
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    struct viv_str text = vh_json_print(exchange->arena, head_json(exchange, status));
    int sent = text.len && text.len <= EW_PIECE_MAX ? channel_send(exchange->answer, EW_HEAD, text) : -1;
    exchange->head_sent = sent == 1;
    return sent;
}

/* ---- libcurl's questions ---- */

static curl_socket_t
on_open(void *data, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct exchange *exchange = data;
    struct address address;
    struct sockaddr_storage meant;
    socklen_t len = address_to(&exchange->addresses[exchange->at], exchange->request.place.port, &meant);
    bool same = purpose == CURLSOCKTYPE_IPCXN && to->socktype == SOCK_STREAM && to->addrlen == len &&
                address_from(&to->addr, &address) && address_equal(&address, &exchange->addresses[exchange->at]) &&
                memcmp((const char *)&to->addr + 2, (const char *)&meant + 2, 2) == 0; /* the port, in both families */
    if (!same) {
        fail(exchange, VIV_E_INTERNAL, "another address than the one that was checked would have been dialled");
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

/* There is a connection; the first byte of the request goes when this returns, and the host must know before. */
static int
on_connection(void *data, char *peer, char *local, int peer_port, int local_port)
{
    struct exchange *exchange = data;
    struct address address;
    (void)local;
    (void)local_port;
    if (peer_port != exchange->request.place.port || !address_read(vh_str(peer), &address) ||
        !address_equal(&address, &exchange->addresses[exchange->at])) {
        fail(exchange, VIV_E_INTERNAL, "the connection is to another address than the one that was checked");
        return CURL_PREREQFUNC_ABORT;
    }
    if (channel_send(exchange->answer, EW_SENT, VH_STR("")) != 1) {
        fail(exchange, VIV_E_CANCELLED, "the host ended the exchange");
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->sent = true;
    return CURL_PREREQFUNC_OK;
}

void
transfer_progress(struct exchange *exchange)
{
    exchange->answering = true;
    exchange->until_ns = exchange->request.idle_ns ? loop_now() + exchange->request.idle_ns : 0;
}

static size_t
on_header(char *bytes, size_t size, size_t count, void *data)
{
    struct exchange *exchange = data;
    size_t len = size * count, line = len;
    transfer_progress(exchange);
    if (exchange->head_sent) {
        return len; /* trailers */
    }
    while (line && (bytes[line - 1] == '\n' || bytes[line - 1] == '\r')) {
        line--;
    }
    if (line > 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* the first answer, or the one after an interim one */
        vh_buf_init(&exchange->head, exchange->arena, HEAD_BYTES_MAX);
        exchange->lines = 0;
        return len;
    }
    long status = 0;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    if (line == 0 && status >= 200) {
        (void)transfer_head(exchange); /* if it cannot go now it goes before the first piece */
    } else if (line) {
        vh_buf_add(&exchange->head, bytes, line);
        vh_buf_text(&exchange->head, "\n");
        if (exchange->head.failed || ++exchange->lines > HEAD_LINES_MAX) {
            char text[96];
            snprintf(text, sizeof text, "the head of the answer is over %u bytes or %d lines", HEAD_BYTES_MAX,
                     HEAD_LINES_MAX);
            fail(exchange, VIV_E_LIMIT, text);
            return 0;
        }
    }
    return len;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct exchange *exchange = data;
    size_t len = size * count;
    transfer_progress(exchange);
    if (len > exchange->request.answer_max - exchange->answered) {
        char text[96];
        snprintf(text, sizeof text, "the answer is longer than %llu bytes",
                 (unsigned long long)exchange->request.answer_max);
        fail(exchange, VIV_E_LIMIT, text);
        return 0;
    }
    int sent = transfer_head(exchange);
    sent = sent == 1 ? channel_send(exchange->answer, EW_PIECE, (struct viv_str){ bytes, len }) : sent;
    if (sent == 0) {
        exchange->paused = true;
        exchange->until_ns = 0; /* the host's time, not the server's */
        return CURL_WRITEFUNC_PAUSE;
    }
    if (sent < 0) {
        fail(exchange, VIV_E_CANCELLED, "the host ended the exchange");
        return 0;
    }
    exchange->answered += len;
    return len;
}

/* ---- dialling ---- */

static bool
add(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = text ? curl_slist_append(*list, text) : NULL;
    *list = more ? more : *list;
    return more != NULL;
}

static bool
make_lists(struct exchange *exchange)
{
    char address[ADDRESS_TEXT_MAX];
    const struct address *to = &exchange->addresses[exchange->at];
    bool good = true, typed = false;
    if (!exchange->headers) {
        for (size_t i = 0; i < exchange->request.header_count; i++) {
            good = add(&exchange->headers, exchange->request.headers[i]) && good;
            typed = typed || strncasecmp(exchange->request.headers[i], "content-type:", 13) == 0;
        }
        good = good && add(&exchange->headers, "Expect:") && (typed || add(&exchange->headers, "Content-Type:"));
    }
    curl_slist_free_all(exchange->connect_to);
    exchange->connect_to = NULL;
    address_text(to, address);
    return good && add(&exchange->connect_to, vh_arena_format(exchange->arena, to->v6 ? "::[%s]:%u" : "::%s:%u",
                                                              address, (unsigned)exchange->request.place.port));
}

static CURLcode
set_callbacks(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connection);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    return code ? code : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->fault);
}

static CURLcode
set_request(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    const struct request *request = &exchange->request;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->origin);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, request->target);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECT_TO, exchange->connect_to);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    if (request->post) {
        code = code ? code : curl_easy_setopt(easy, CURLOPT_POST, 1L);
        code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body.len ? exchange->body.data : "");
        code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->body.len);
    }
    return code;
}

static CURLcode
set_bounds(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    const char *ca = exchange->egress->config.ca_file;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, exchange->request.tls ? "https" : "http");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROXY, "");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    return code || !ca ? code : curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
}

void
transfer_dial(struct exchange *exchange)
{
    CURLM *multi = net_multi(exchange->egress->net);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (!exchange->easy) {
        exchange->easy = curl_easy_init();
    }
    if (exchange->easy && make_lists(exchange)) {
        code = set_callbacks(exchange);
        code = code ? code : set_bounds(exchange);
        code = code ? code : set_request(exchange);
    }
    if (code || curl_multi_add_handle(multi, exchange->easy) != CURLM_OK) {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_MEMORY, "egress", "libcurl takes no request: %s",
                                               curl_easy_strerror(code)));
    }
}

/* What a failed transfer means: before the request went it is no connection, after that an answer cut short. */
static void
fail_by_code(struct exchange *exchange, CURLcode code)
{
    char place[PLACE_TEXT_MAX];
    const char *text = exchange->fault[0] ? exchange->fault : curl_easy_strerror(code);
    place_text(&exchange->request.place, place);
    if (code == CURLE_OUT_OF_MEMORY) {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_MEMORY, "egress", "no memory for an exchange"));
    } else if (exchange->sent) {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_IO, "egress",
                                               "the answer of '%.140s' was cut short: %s", place, text));
    } else {
        exchange_finish(exchange, vh_error_set(&exchange->err, VIV_E_UNAVAILABLE, "egress",
                                               "no connection to '%.140s': %s", place, text));
    }
}

void
exchange_done(void *data, int code)
{
    struct exchange *exchange = data;
    (void)curl_multi_remove_handle(net_multi(exchange->egress->net), exchange->easy); /* it is there */
    bool unconnected = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT;
    if (exchange->status) {
        exchange_finish(exchange, exchange->status);
    } else if (code == CURLE_OK) {
        exchange_finish(exchange, VIV_OK);
    } else if (unconnected && !exchange->sent && exchange->at + 1 < exchange->count) {
        exchange->at++;
        transfer_dial(exchange);
    } else {
        fail_by_code(exchange, (CURLcode)code);
    }
}
