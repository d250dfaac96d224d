/* SPDX-License-Identifier: Apache-2.0 */
#include "egress_inside.h"

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "run/sandbox_inside.h"

#define MILLISECONDS_MAX INT64_C(1000000000) /* eleven days: what waits longer waits for its deadline */
#define ANSWER_DEFAULT (64u << 20)

/* One exchange on the way. */
struct taking {
    struct vh_egress *egress;
    struct vh_arena *arena;
    const struct vh_egress_bounds *bounds;
    const struct viv_http_request *request;
    const struct viv_http_sink *sink;
    struct vh_egress_frame *frame;
    int answer;
};

static viv_status
check(const struct viv_http_request *request, const struct viv_http_sink *sink, struct viv_error *err)
{
    if (request->size < sizeof *request || request->rev < 1 || sink->size < sizeof *sink || sink->rev < 1 ||
        (request->header_count && request->header_stride < sizeof(struct viv_http_header))) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "the request or its sink is smaller than revision 1");
    }
    if (request->first_byte_ns < 0 || request->idle_ns < 0) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "a time of the request is negative");
    }
    if (request->header_count > EW_HEADERS_MAX || request->body.len > EW_BODY_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "egress",
                            "the request has %u headers and a body of %llu bytes, allowed "
                            "%d and %u",
                            request->header_count, (unsigned long long)request->body.len, EW_HEADERS_MAX, EW_BODY_MAX);
    }
    if (request->body.len && !vh_str_is(request->method, "POST")) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "only POST has a body");
    }
    return VIV_OK;
}

static int64_t
milliseconds(int64_t ns)
{
    int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms < MILLISECONDS_MAX ? ms : MILLISECONDS_MAX;
}

static struct vh_json *
headers_json(struct vh_arena *arena, const struct viv_http_request *request)
{
    struct vh_json *list = vh_json_array(arena);
    for (uint32_t i = 0; i < request->header_count; i++) {
        const struct viv_http_header *header =
            (const struct viv_http_header *)(const void *)((const char *)request->headers +
                                                           (size_t)i * request->header_stride);
        struct vh_json *one = vh_json_object(arena);
        vh_json_set_str(arena, one, "name", header->name);
        vh_json_set_str(arena, one, "prefix", header->prefix);
        vh_json_set_int(arena, one, "secret", (header->flags & VIV_HTTP_SECRET) != 0);
        vh_json_set_str(arena, one, "value", header->value);
        vh_json_push(list, one);
    }
    return list;
}

static viv_status
write_request(struct taking *taking, int64_t left_ns, struct viv_str *ret_text, struct viv_error *err)
{
    const struct viv_http_request *request = taking->request;
    struct vh_arena *arena = taking->arena;
    struct vh_json *root = vh_json_object(arena), *allow = NULL;
    uint64_t most = request->answer_bytes_max ? request->answer_bytes_max : ANSWER_DEFAULT;
    viv_status status = vh_json_import(arena, taking->bounds->allow_json, &allow, err);
    if (status) {
        return vh_error_extend(err, status, "the list of hosts");
    }
    vh_json_set(root, "allow", allow);
    vh_json_set_int(arena, root, "answer_max", (int64_t)(most < EW_ANSWER_MAX ? most : EW_ANSWER_MAX));
    vh_json_set_int(arena, root, "first_byte_ms", milliseconds(request->first_byte_ns));
    vh_json_set(root, "headers", headers_json(arena, request));
    vh_json_set_int(arena, root, "idle_ms", milliseconds(request->idle_ns));
    vh_json_set_str(arena, root, "method", request->method);
    vh_json_set_int(arena, root, "total_ms", milliseconds(left_ns));
    vh_json_set_str(arena, root, "url", request->url);
    *ret_text = vh_json_print(arena, root);
    if (ret_text->len > EW_REQUEST_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "egress", "the request without its body has %llu bytes, allowed %u",
                            (unsigned long long)ret_text->len, EW_REQUEST_MAX);
    }
    if (ret_text->len == 0 && !root->failed && !vh_json_canonical(root)) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "a text of the request is not UTF-8");
    }
    return ret_text->len ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a request");
}

/* A receiver ended it: its word, if it is one. */
static viv_status
ended_by_sink(viv_status status, struct viv_error *err)
{
    status = status < 0 && status >= VIV_STATUS_LAST ? status : VIV_E_PLUGIN;
    return vh_error_set(err, status, "egress", "who reads the answer ended it");
}

static viv_status
take_head(const struct taking *taking, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(taking->arena, 0);
    struct vh_json *root = NULL;
    viv_status status = arena ? vh_json_read(arena, taking->frame->bytes, &root, err)
                              : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for an answer");
    const struct vh_json *list = vh_json_get(root, "headers"), *one = list ? list->child : NULL;
    size_t count = list ? list->count : 0;
    struct viv_http_header *headers = status ? NULL : vh_arena_array(arena, count, sizeof *headers);
    if (status == VIV_OK && !headers) {
        status = vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for an answer");
    }
    for (size_t i = 0; status == VIV_OK && i < count; i++, one = one->next) {
        headers[i] = (struct viv_http_header){ .name = vh_json_str(one, "name"), .value = vh_json_str(one, "value") };
    }
    if (status == VIV_OK) {
        const struct viv_http_sink *sink = taking->sink;
        status = sink->head(sink->data, (uint32_t)vh_json_int(root, "status", 0), headers, (uint32_t)count);
        status = status ? ended_by_sink(status, err) : VIV_OK;
    }
    vh_arena_destroy(arena);
    return status;
}

/* Frame after frame to the end. */
static viv_status
take_all(const struct taking *taking, uint32_t *ret_sent, struct viv_error *err)
{
    const struct viv_http_sink *sink = taking->sink;
    for (;;) {
        viv_status status = vh_egress_take(taking->egress, taking->answer, taking->bounds->deadline_ns,
                                           taking->bounds->cancel, taking->frame, err);
        if (status) {
            return status;
        }
        uint32_t kind = taking->frame->head.kind;
        if (kind == EW_SENT) {
            *ret_sent = 1;
        } else if (kind == EW_HEAD) {
            status = take_head(taking, err);
        } else if (kind == EW_PIECE) {
            status = sink->body(sink->data, taking->frame->bytes);
            status = status ? ended_by_sink(status, err) : VIV_OK;
        } else {
            return vh_egress_end(taking->arena, taking->frame, NULL, err);
        }
        if (status) {
            return status;
        }
    }
}

/* Whether the process ended before it did anything with the request: it is asked for once more, of a new one. */
static bool
is_lost(const struct taking *taking, viv_status status, uint32_t sent)
{
    return status == VIV_E_UNAVAILABLE && taking->frame->head.kind == 0 && !sent;
}

static viv_status
exchange(struct taking *taking, uint32_t *ret_sent, struct viv_error *err)
{
    const struct vh_seam *seam = taking->egress->seam;
    int64_t left_ns = taking->bounds->deadline_ns - seam->monotonic_ns(seam->data);
    struct viv_str text;
    taking->frame = vh_arena_alloc(taking->arena, sizeof *taking->frame);
    if (!taking->frame) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for an exchange");
    }
    if (left_ns <= 0) {
        return vh_error_set(err, VIV_E_TIMEOUT, "egress", "the deadline passed before the request was sent");
    }
    viv_status status = write_request(taking, left_ns, &text, err);
    if (status) {
        return status;
    }
    int body = vh_sandbox_memory_file(taking->request->body);
    if (body < 0) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "no memory for the request's body");
    }
    for (int tries = 0; tries < 2 && (tries == 0 || is_lost(taking, status, *ret_sent)); tries++) {
        taking->frame->head.kind = EW_EXCHANGE; /* not yet answered */
        status = vh_egress_ask(taking->egress, EW_EXCHANGE, text, body, &taking->answer, err);
        if (status == VIV_OK) {
            status = take_all(taking, ret_sent, err);
            seam->close(seam->data, taking->answer); /* which ends what has not ended */
        }
    }
    seam->close(seam->data, body);
    return status;
}

viv_status
vh_egress_exchange(struct vh_egress *egress, const struct vh_egress_bounds *bounds,
                   const struct viv_http_request *request, const struct viv_http_sink *sink, uint32_t *ret_sent,
                   struct viv_error *err)
{
    *ret_sent = 0;
    viv_status status = check(request, sink, err);
    if (status) {
        return status;
    }
    struct taking taking = { .egress = egress,
                             .arena = vh_arena_create(NULL, 0),
                             .bounds = bounds,
                             .request = request,
                             .sink = sink,
                             .answer = -1 };
    status = exchange(&taking, ret_sent, err);
    vh_arena_destroy(taking.arena);
    return status;
}

viv_status
vh_egress_lend(void *data, struct viv_call *call, const struct viv_http_request *request,
               const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err)
{
    const struct vh_egress_lent *lent = data;
    const struct vh_egress_bounds bounds = { lent->allow_json, call->deadline_ns, lent->cancel };
    return vh_egress_exchange(lent->egress, &bounds, request, sink, ret_sent, err);
}
