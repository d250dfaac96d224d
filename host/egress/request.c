/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/str.h"

#define URL_MAX 8192
#define HEADER_MAX (8u << 10) /* one header, secret included */

static bool
is_printable(struct viv_str text, char from)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if (text.data[i] < from || text.data[i] > 0x7e) { /* plain char: bytes from 0x80 are below or above */
            return false;
        }
    }
    return true;
}

/* May the place be reached, and in this way? */
static viv_status
check_rules(const struct request *request, struct viv_error *err)
{
    char place[PLACE_TEXT_MAX], allowed[200];
    place_text(&request->place, place);
    rules_text(&request->rules, allowed, sizeof allowed);
    const struct rule *rule = rules_find(&request->rules, &request->place);
    if (!rule) {
        return vh_error_set(err, VIV_E_DENIED, "egress", "'%s' is not among the hosts that may be reached: %s", place,
                            allowed);
    }
    bool loopback = request->place.literal && address_loopback(&request->place.address);
    if (!request->tls && !rule->plain && !loopback) {
        return vh_error_set(err, VIV_E_DENIED, "egress",
                            "'%s' is asked for without TLS; write https://, or list it as "
                            "'http://%s'",
                            place, place);
    }
    return VIV_OK;
}

static viv_status
read_url(struct vh_arena *arena, struct viv_str url, struct request *request, struct viv_error *err)
{
    request->tls = vh_str_starts(url, "https://");
    if (!request->tls && !vh_str_starts(url, "http://")) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "the URL begins with neither https:// nor http://");
    }
    if (url.len > URL_MAX || !is_printable(url, 0x21) || memchr(url.data, '#', (size_t)url.len)) {
        return vh_error_set(err, VIV_E_INVALID, "egress",
                            "the URL has %llu bytes or odd ones; allowed are %d of "
                            "printable ASCII without blanks and '#', others encoded by '%%'",
                            (unsigned long long)url.len, URL_MAX);
    }
    uint64_t from = request->tls ? 8 : 7, end = from;
    while (end < url.len && url.data[end] != '/' && url.data[end] != '?') {
        end++;
    }
    viv_status status =
        place_read((struct viv_str){ url.data + from, end - from }, request->tls ? 443 : 80, &request->place, err);
    if (status) {
        return status;
    }
    char place[PLACE_TEXT_MAX];
    struct viv_str target = { url.data + end, url.len - end };
    place_text(&request->place, place);
    request->origin = vh_arena_format(arena, "%s%s/", request->tls ? "https://" : "http://", place);
    request->target =
        vh_arena_format(arena, "%s%.*s", target.len && target.data[0] == '/' ? "" : "/", VH_STR_ARGS(target));
    return request->origin && request->target ? VIV_OK
                                              : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a request");
}

/* Those that say where a message ends or goes are libcurl's. */
static bool
is_ours(struct viv_str name)
{
    static const char *const ours[] = { "host", "content-length", "transfer-encoding", "connection", "expect",
                                        "te",   "trailer",        "upgrade",           "keep-alive" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (name.len == strlen(ours[i]) && strncasecmp(name.data, ours[i], (size_t)name.len) == 0) {
            return true;
        }
    }
    return name.len > 6 && strncasecmp(name.data, "proxy-", 6) == 0;
}

static bool
is_name(struct viv_str name)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (uint64_t i = 0; i < name.len; i++) {
        if (!name.data[i] || !strchr(token, name.data[i])) {
            return false;
        }
    }
    return name.len > 0 && name.len <= 256;
}

/* The value of a secret, for its own place only. */
static viv_status
use_secret(const struct egress *egress, const struct request *request, struct viv_str name, struct viv_str *ret_value,
           struct viv_error *err)
{
    const struct secret *secret = egress_secret(egress, name);
    if (!secret || !secret->value) {
        return vh_error_set(err, VIV_E_DENIED, "egress",
                            "no secret is called '%.*s'; the policy's 'secrets' names them",
                            (int)(name.len < 64 ? name.len : 64), name.data);
    }
    if (!place_equal(&secret->place, &request->place)) {
        char bound[PLACE_TEXT_MAX], asked[PLACE_TEXT_MAX];
        place_text(&secret->place, bound);
        place_text(&request->place, asked);
        return vh_error_set(err, VIV_E_DENIED, "egress", "secret '%s' is for '%.140s' alone, not for '%.140s'",
                            secret->name, bound, asked);
    }
    *ret_value = vh_str(secret->value);
    return VIV_OK;
}

static viv_status
read_header(struct vh_arena *arena, const struct vh_json *header, const struct egress *egress, struct request *request,
            struct viv_error *err)
{
    struct viv_str name = vh_json_str(header, "name"), value = vh_json_str(header, "value");
    struct viv_str prefix = vh_json_str(header, "prefix");
    viv_status status = VIV_OK;
    if (!is_name(name) || is_ours(name)) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "header '%.*s' %s", (int)(name.len < 64 ? name.len : 64),
                            name.len ? name.data : "",
                            is_name(name) ? "is written by the host" : "has no name that is one");
    }
    if (vh_json_int(header, "secret", 0)) {
        status = use_secret(egress, request, value, &value, err);
    }
    if (status == VIV_OK && (!is_printable(value, 0x20) || !is_printable(prefix, 0x20) ||
                             name.len + prefix.len + value.len > HEADER_MAX)) {
        status = vh_error_set(err, VIV_E_INVALID, "egress", "header '%.*s' is over %u bytes or not printable ASCII",
                              VH_STR_ARGS(name), HEADER_MAX);
    }
    if (status) {
        return status;
    }
    bool empty = prefix.len + value.len == 0;
    char *text = vh_arena_format(arena, "%.*s%s%.*s%.*s", VH_STR_ARGS(name), empty ? ";" : ": ", VH_STR_ARGS(prefix),
                                 VH_STR_ARGS(value));
    request->headers[request->header_count++] = text;
    return text ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a header");
}

static viv_status
read_headers(struct vh_arena *arena, const struct vh_json *headers, const struct egress *egress,
             struct request *request, struct viv_error *err)
{
    size_t count = headers ? headers->count : 0;
    if (count > EW_HEADERS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "egress", "the request has %zu headers, allowed %d", count,
                            EW_HEADERS_MAX);
    }
    request->headers = vh_arena_array(arena, EW_HEADERS_MAX, sizeof *request->headers);
    viv_status status = request->headers ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for headers");
    for (const struct vh_json *one = headers ? headers->child : NULL; one && status == VIV_OK; one = one->next) {
        status = read_header(arena, one, egress, request, err);
    }
    return status;
}

viv_status
request_read(struct vh_arena *arena, struct viv_str text, const struct egress *egress, struct request *ret_request,
             struct viv_error *err)
{
    struct vh_json *root = NULL;
    struct request request = { 0 };
    viv_status status = vh_json_read(arena, text, &root, err);
    if (status) {
        return status;
    }
    struct viv_str method = vh_json_str(root, "method");
    request.post = vh_str_is(method, "POST");
    if (!request.post && !vh_str_is(method, "GET")) {
        return vh_error_set(err, VIV_E_INVALID, "egress", "the method is '%.*s', allowed: GET, POST",
                            (int)(method.len < 32 ? method.len : 32), method.len ? method.data : "");
    }
    request.first_byte_ns = vh_json_int(root, "first_byte_ms", 0) * 1000000;
    request.idle_ns = vh_json_int(root, "idle_ms", 0) * 1000000;
    request.total_ns = vh_json_int(root, "total_ms", 0) * 1000000;
    request.answer_max = (uint64_t)vh_json_int(root, "answer_max", 0);
    request.answer_max = request.answer_max < EW_ANSWER_MAX ? request.answer_max : EW_ANSWER_MAX;
    status = rules_read(arena, vh_json_get(root, "allow"), &request.rules, err);
    status = status ? status : read_url(arena, vh_json_str(root, "url"), &request, err);
    status = status ? status : check_rules(&request, err);
    status = status ? status : read_headers(arena, vh_json_get(root, "headers"), egress, &request, err);
    *ret_request = request;
    return status;
}

void
request_wipe(struct request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        union {
            const char *from;
            char *to;
        } text = { .from = request->headers[i] };
        if (text.to) {
            explicit_bzero(text.to, strlen(text.to));
        }
    }
    request->header_count = 0;
}
