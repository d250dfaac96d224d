/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange:
 *
 *   request read -> body written -> exchange(): head() once, body() for each piece -> conclude()
 *
 * A stream's pieces go through the reader of events to the dialect; a whole answer and an error's body are gathered.
 * What the exchange's end means depends on how far the answer had come: conclude() is the one place that decides. */
#include "wire.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#include "failure.h"
#include "json.h"
#include "sse.h"

#define BODY_MAX (32u << 20)    /* of a request on the wire */
#define STREAM_MAX (256u << 20) /* of a stream with all its framing */
#define WHOLE_MAX (8u << 20)    /* of an answer that is none */
#define ERROR_MAX (64u << 10)   /* of an error's body; more of it is not read */

struct exchange {
    const struct wire_plugin *plugin;
    struct viv_call *call;
    struct wire_request request;
    struct wire_answer answer;
    struct wire_sse sse;
    struct wire_wait wait;
    struct viv_kit_buf gathered;
    struct viv_http_header headers[WIRE_HEADERS_MAX];
    struct viv_http_request http;
    uint32_t http_status; /* 0: no head came */
    uint32_t streamed;
};

static uint32_t
is_good(const struct exchange *x)
{
    return x->http_status >= 200 && x->http_status < 300;
}

static uint32_t
begins(struct viv_str text, const char *with)
{
    uint64_t len = strlen(with);
    return text.len >= len && viv_kit_is_folded((struct viv_str){ text.data, len }, with);
}

/* Some servers stream though nobody asked, or do not though somebody did: what comes decides. */
static viv_status
take_head(void *data, uint32_t http_status, const struct viv_http_header *headers, uint32_t header_count)
{
    struct exchange *x = data;
    x->http_status = http_status;
    x->streamed = x->request.stream;
    for (uint32_t i = 0; i < header_count; i++) {
        struct viv_str value = headers[i].value;
        wire_wait_header(&x->wait, headers[i].name, value);
        if (viv_kit_is_folded(headers[i].name, "content-type")) {
            x->streamed = begins(value, "text/event-stream") || (x->streamed && !begins(value, "application/json"));
        } else if (is_good(x) && viv_kit_is_folded(headers[i].name, "content-encoding") &&
                   !viv_kit_is_folded(value, "identity")) {
            wire_answer_break(&x->answer, "the answer is packed as '%.*s', which was not asked for",
                              (int)(value.len < 40 ? value.len : 40), value.data);
        }
    }
    viv_kit_buf_init(&x->gathered, viv_kit_memory_of(x->call), is_good(x) ? WHOLE_MAX : ERROR_MAX);
    return VIV_OK;
}

static viv_status
take_event(void *owner, struct viv_str name, struct viv_str data)
{
    struct exchange *x = owner;
    if (!x->answer.ended) {
        x->plugin->dialect->event(&x->answer, name, data);
    }
    return x->answer.broken || x->answer.failed ? VIV_E_INVALID : VIV_OK;
}

static viv_status
gather(struct exchange *x, struct viv_str piece)
{
    if (is_good(x)) {
        x->answer.begun |= piece.len > 0;
        viv_kit_buf_str(&x->gathered, piece);
        return x->gathered.failed ? VIV_E_LIMIT : VIV_OK;
    }
    uint64_t room = ERROR_MAX - x->gathered.len;
    viv_kit_buf_add(&x->gathered, piece.data, piece.len < room ? piece.len : room);
    return piece.len < room ? VIV_OK : VIV_E_LIMIT;
}

static viv_status
take_body(void *data, struct viv_str piece)
{
    struct exchange *x = data;
    if (x->call->cancelled(x->call))
        return VIV_E_CANCELLED;
    if (x->answer.broken)
        return VIV_E_INVALID;
    if (!is_good(x) || !x->streamed)
        return gather(x, piece);
    viv_status status = wire_sse_feed(&x->sse, piece);
    if (x->sse.over) {
        wire_answer_break(&x->answer, "one event of the answer has over %u bytes", WIRE_LINE_MAX);
        return VIV_E_LIMIT;
    }
    return status;
}

static void
add_header(struct exchange *x, const char *name, struct viv_str value, const char *prefix, uint32_t flags)
{
    struct viv_http_header *header = &x->headers[x->http.header_count++];
    *header = (struct viv_http_header){ viv_kit_str(name), value, viv_kit_str(prefix), flags, 0 };
}

static void
add_headers(struct exchange *x)
{
    const struct wire_dialect *dialect = x->plugin->dialect;
    add_header(x, "content-type", viv_kit_str("application/json"), "", 0);
    add_header(x, "accept", viv_kit_str(x->request.stream ? "text/event-stream" : "application/json"), "", 0);
    if (dialect->version_header) {
        add_header(x, dialect->version_header, viv_kit_str(dialect->version), "", 0);
    }
    if (x->request.secret.len > 0) {
        add_header(x, dialect->secret_header, x->request.secret, dialect->secret_prefix, VIV_HTTP_SECRET);
    }
}

static viv_status
prepare(struct exchange *x, struct viv_error *err)
{
    struct wire_body body = { .begun = 0 };
    struct viv_kit_buf url;
    viv_kit_buf_init(&body.buf, viv_kit_memory_of(x->call), BODY_MAX);
    viv_kit_buf_init(&url, viv_kit_memory_of(x->call), WIRE_URL_MAX + 64);
    viv_kit_buf_str(&url, x->request.base_url);
    viv_kit_buf_text(&url, x->plugin->dialect->path);
    wire_body_open(&body, NULL, '{');
    x->plugin->dialect->write(&x->request, x->plugin->config, &body);
    wire_body_close(&body, '}');
    x->http = (struct viv_http_request){
        .size = (uint32_t)sizeof x->http,
        .rev = 1,
        .method = viv_kit_str("POST"),
        .headers = x->headers,
        .header_stride = (uint32_t)sizeof x->headers[0],
        .first_byte_ns = x->request.stream ? x->plugin->first_byte_ns : 0,
        .idle_ns = x->plugin->idle_ns,
        .answer_bytes_max = x->request.stream ? STREAM_MAX : WHOLE_MAX,
    };
    add_headers(x);
    wire_answer_init(&x->answer, x->call, x->request.max_tokens);
    wire_wait_init(&x->wait);
    wire_sse_init(&x->sse, viv_kit_memory_of(x->call));
    x->sse.event = take_event;
    x->sse.owner = x;
    viv_status status = viv_kit_buf_finish(&body.buf, &x->http.body, err);
    return status ? status : viv_kit_buf_finish(&url, &x->http.url, err);
}

/* Not 2xx: the provider refuses, whatever became of the rest of its words. */
static uint32_t
refused(struct exchange *x)
{
    char why[160];
    struct wire_failure failure = { .http_status = x->http_status };
    struct viv_str body = { x->gathered.data, x->gathered.len };
    json_t *root = wire_json_parse(body, why, sizeof why);
    (void)wire_failure_read(root, &failure); /* a page of some machine between has none of its words */
    uint32_t class = wire_failure_class(&failure);
    wire_failure_say(&failure, class, x->answer.problem);
    json_decref(root);
    return class;
}

/* The exchange ended before the answer did, or it is not known to have begun. */
static uint32_t
cut(struct exchange *x, viv_status status, const struct viv_error *fault)
{
    uint32_t far = x->http_status != 0;
    wire_answer_say(x->answer.problem, "%s%s%s",
                    x->answer.begun ? "the answer ended in its middle"
                    : far           ? "the answer ended before its content"
                                    : "there was no answer",
                    status != VIV_OK && fault->text[0] ? ": " : "", status != VIV_OK ? fault->text : "");
    if (status == VIV_E_CANCELLED || x->answer.begun)
        return VIV_MODEL_CUT;
    uint32_t reach = status == VIV_E_UNAVAILABLE || status == VIV_E_TIMEOUT || status == VIV_E_IO;
    return reach || (far && status == VIV_OK) ? VIV_MODEL_UNREACHABLE : VIV_MODEL_BROKEN;
}

static uint32_t
read_answer(struct exchange *x, viv_status status, const struct viv_error *fault)
{
    struct wire_answer *answer = &x->answer;
    if (!x->streamed && status == VIV_OK && !answer->broken) {
        answer->begun = 0; /* an error may stand there as well */
        x->plugin->dialect->whole(answer, (struct viv_str){ x->gathered.data, x->gathered.len });
        answer->begun = !answer->failed;
    }
    if (answer->broken || answer->failed || answer->finished)
        return VIV_MODEL_OK; /* its own faults decide */
    return cut(x, status, fault);
}

static viv_status
conclude(struct exchange *x, viv_status status, uint32_t sent, const struct viv_error *fault,
         struct viv_model_complete_answer *ret_answer, struct viv_error *err)
{
    sent |= x->http_status != 0;
    if (!sent && status != VIV_E_UNAVAILABLE && status != VIV_E_TIMEOUT && status != VIV_E_IO) {
        return viv_tree_fail(err, status ? status : VIV_E_INTERNAL, "http", "%s",
                             status ? fault->text : "the exchange ended well and sent nothing");
    }
    uint32_t class = x->http_status == 0 ? cut(x, status, fault)
                     : is_good(x)        ? read_answer(x, status, fault)
                                         : refused(x);
    int64_t now_us = x->plugin->clock->now_us(x->plugin->clock, x->call);
    ret_answer->sent = sent;
    ret_answer->retry_after_ns = x->http_status && !is_good(x) ? wire_wait_ns(&x->wait, now_us) : 0;
    return wire_answer_give(&x->answer, class, ret_answer);
}

viv_status
wire_complete(void *self, struct viv_call *call, const struct viv_model_complete_request *request,
              struct viv_model_complete_answer *ret_answer, struct viv_error *err)
{
    const struct wire_plugin *plugin = self;
    struct exchange *x = call->alloc(call, sizeof *x);
    if (!x)
        return viv_tree_fail(err, VIV_E_MEMORY, "request", "no memory for an exchange");
    x->plugin = plugin;
    x->call = call;
    viv_status status = wire_request_read(request->request_json, &x->request, err);
    if (status != VIV_OK)
        return status;
    status = prepare(x, err);
    if (status == VIV_OK) {
        struct viv_http_sink sink = { (uint32_t)sizeof sink, 1, x, take_head, take_body };
        struct viv_error fault = VIV_ERROR_INIT;
        uint32_t sent = 0;
        status = plugin->http->exchange(plugin->http, call, &x->http, &sink, &sent, &fault);
        status = conclude(x, status, sent != 0, &fault, ret_answer, err);
    }
    wire_request_close(&x->request);
    return status;
}

viv_status
wire_bound(void *self, struct viv_call *call, const struct viv_model_bound_request *request,
           struct viv_model_bound_answer *ret_answer, struct viv_error *err)
{
    struct wire_request read;
    (void)self;
    (void)call;
    viv_status status = wire_request_read(request->request_json, &read, err);
    if (status != VIV_OK)
        return status;
    ret_answer->input_tokens_max = wire_request_bound(&read);
    ret_answer->output_tokens_max = read.max_tokens;
    wire_request_close(&read);
    return VIV_OK;
}

viv_status
wire_create(const struct viv_host *host, const struct wire_plugin *what, void **ret_self, struct viv_error *err)
{
    const void *http = NULL;
    const void *clock = NULL;
    viv_status status = host->acquire(host, VIV_SERVICE_HTTP, &http, err);
    status = status ? status : host->acquire(host, VIV_SERVICE_CLOCK, &clock, err);
    if (status != VIV_OK)
        return status;
    struct wire_plugin *plugin = malloc(sizeof *plugin);
    if (!plugin)
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    *plugin = *what;
    plugin->http = http;
    plugin->clock = clock;
    *ret_self = plugin;
    return VIV_OK;
}

void
wire_destroy(void *self)
{
    free(self);
}
