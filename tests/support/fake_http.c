/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"

#define HEADERS_MAX 16

static char *
copy(struct viv_str text)
{
    char *made = calloc(1, (size_t)text.len + 1);
    if (made && text.len) {
        memcpy(made, text.data, (size_t)text.len);
    }
    return made;
}

/* Headers as lines; a secret is named in brackets. */
static char *
lines_of(const struct viv_http_request *request)
{
    char lines[4096];
    size_t len = 0;
    for (uint32_t i = 0; i < request->header_count; i++) {
        const struct viv_http_header *h = (const void *)((const char *)request->headers + i * request->header_stride);
        int secret = (h->flags & VIV_HTTP_SECRET) != 0;
        len += (size_t)snprintf(lines + len, sizeof lines - len, "%.*s: %.*s%s%.*s%s\n", (int)h->name.len,
                                h->name.data, (int)h->prefix.len, h->prefix.data, secret ? "<" : "",
                                (int)h->value.len, h->value.data, secret ? ">" : "");
    }
    lines[len] = '\0';
    return strdup(lines);
}

static void
forget(struct fake_http *http)
{
    free(http->url);
    free(http->headers);
    free(http->body);
    http->url = http->headers = http->body = NULL;
}

static viv_status
give_head(const struct fake_answer *answer, const struct viv_http_sink *sink)
{
    struct viv_http_header headers[HEADERS_MAX];
    uint32_t count = 0;
    const char *at = answer->headers ? answer->headers : "";
    memset(headers, 0, sizeof headers);
    while (*at && count < HEADERS_MAX) {
        const char *colon = strchr(at, ':');
        const char *end = strchr(at, '\n');
        if (!colon || !end || colon > end)
            break;
        headers[count].name = (struct viv_str){ at, (uint64_t)(colon - at) };
        headers[count++].value = (struct viv_str){ colon + 2, (uint64_t)(end - colon - 2) };
        at = end + 1;
    }
    return sink->head(sink->data, answer->status, headers, count);
}

static uint64_t
size_of_piece(const struct fake_answer *answer, uint64_t at, uint64_t *state)
{
    if (answer->split && at == 0)
        return answer->split;
    if (answer->seed) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return 1 + (*state >> 33) % 97;
    }
    return answer->piece && !answer->split ? answer->piece : answer->body.len;
}

static viv_status
give_body(const struct fake_answer *answer, const struct viv_http_sink *sink)
{
    uint64_t state = answer->seed;
    viv_status status = VIV_OK;
    for (uint64_t at = 0; at < answer->body.len && status == VIV_OK;) {
        uint64_t len = size_of_piece(answer, at, &state);
        len = len < answer->body.len - at ? len : answer->body.len - at;
        char *piece = malloc((size_t)len); /* its own, so that a sanitizer sees a byte too many */
        memcpy(piece, answer->body.data + at, (size_t)len);
        status = sink->body(sink->data, (struct viv_str){ piece, len });
        free(piece);
        at += len;
    }
    return status;
}

static viv_status
exchange(const struct viv_http *http, struct viv_call *call, const struct viv_http_request *request,
         const struct viv_http_sink *sink, uint32_t *ret_sent, struct viv_error *err)
{
    struct fake_http *fake = http->host_data;
    uint32_t number = fake->requested++;
    const struct fake_answer none = { .end = VIV_E_UNSUPPORTED, .unsent = 1 };
    const struct fake_answer *answer = number < fake->scripted ? &fake->answers[number] : &none;
    forget(fake);
    fake->url = copy(request->url);
    fake->body = copy(request->body);
    fake->headers = lines_of(request);
    fake->first_byte_ns = request->first_byte_ns;
    fake->idle_ns = request->idle_ns;
    fake->answer_bytes_max = request->answer_bytes_max;
    *ret_sent = !answer->unsent;
    if (answer->cancels) {
        ((struct fake_call *)call->host_data)->cancel_at = 1;
    }
    viv_status status = answer->status ? give_head(answer, sink) : VIV_OK;
    status = status ? status : give_body(answer, sink);
    fake->stopped += status != VIV_OK;
    status = status ? status : answer->end;
    if (status != VIV_OK && err) {
        err->status = status;
        (void)snprintf(err->where, sizeof err->where, "fake");
        (void)snprintf(err->text, sizeof err->text, "the network ended with %d", status);
    }
    return status;
}

void
fake_http_init(struct fake_http *http)
{
    memset(http, 0, sizeof *http);
    http->http = (struct viv_http){ (uint32_t)sizeof http->http, 1, http, exchange };
}

void
fake_http_finish(struct fake_http *http)
{
    forget(http);
}
