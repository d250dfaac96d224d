/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct header {
    struct viv_str name;
    struct viv_str value;
};

struct head {
    struct viv_str line;
    struct header header[PROXY_HEADERS_MAX];
    size_t count;
};

static viv_status
refuse(struct viv_error *err, const char *why)
{
    return vh_error_set(err, VIV_E_INVALID, "proxy", "%s", why);
}

int64_t
proxy_whole(struct viv_str bytes)
{
    for (uint64_t i = 0; i < bytes.len; i++) {
        char c = bytes.data[i];
        if (c == '\0' || (c == '\n' && (i == 0 || bytes.data[i - 1] != '\r'))) {
            return -1;
        }
        if (c == '\n' && i >= 3 && memcmp(bytes.data + i - 3, "\r\n\r\n", 4) == 0) {
            return (int64_t)i + 1;
        }
    }
    return 0;
}

static bool
is_token(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || !strchr(TOKEN, text.data[i])) {
            return false;
        }
    }
    return text.len > 0;
}

static bool
same(struct viv_str a, const char *lower)
{
    size_t len = strlen(lower);
    if (a.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = a.data[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c) != lower[i]) {
            return false;
        }
    }
    return true;
}

static struct viv_str
trim(struct viv_str text)
{
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (struct viv_str){ text.data + 1, text.len - 1 };
    }
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Up to CR LF, which is skipped. */
static struct viv_str
take_line(struct viv_str *rest)
{
    const char *end = rest->len ? memchr(rest->data, '\n', (size_t)rest->len) : NULL;
    uint64_t len = end ? (uint64_t)(end - rest->data) : rest->len;
    struct viv_str line = { rest->data, end && len ? len - 1 : len };
    len += end != NULL;
    *rest = (struct viv_str){ rest->data + len, rest->len - len };
    return line;
}

/* No control byte but the tab: a lone CR would be the end of a line to some. */
static bool
is_clean(struct viv_str line)
{
    for (uint64_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static viv_status
read_headers(struct viv_str text, struct head *head, struct viv_error *err)
{
    head->count = 0;
    head->line = take_line(&text);
    if (!is_clean(head->line)) {
        return refuse(err, "the first line holds a control character");
    }
    for (struct viv_str line = take_line(&text); line.len; line = take_line(&text)) {
        const char *colon = memchr(line.data, ':', (size_t)line.len);
        if (line.data[0] == ' ' || line.data[0] == '\t') {
            return refuse(err, "a header goes on in a second line; write it in one");
        }
        struct viv_str name = { line.data, colon ? (uint64_t)(colon - line.data) : 0 };
        if (!is_token(name) || !is_clean(line)) {
            return refuse(err, "a header is none: 'Name: value', no blank before the ':', no control characters");
        }
        if (head->count == PROXY_HEADERS_MAX) {
            return vh_error_set(err, VIV_E_LIMIT, "proxy", "there are more than %d headers", PROXY_HEADERS_MAX);
        }
        struct viv_str value = { colon + 1, line.len - name.len - 1 };
        head->header[head->count++] = (struct header){ name, trim(value) };
    }
    return VIV_OK;
}

/* The one header of this name; NULL when there is none. `*ret_many`: there are several. */
static const struct header *
only(const struct head *head, const char *name, bool *ret_many)
{
    const struct header *found = NULL;
    for (size_t i = 0; i < head->count; i++) {
        if (same(head->header[i].name, name)) {
            *ret_many = found != NULL;
            found = &head->header[i];
            if (*ret_many) {
                return found;
            }
        }
    }
    return found;
}

/* Headers that concern one connection, and what `Connection` adds to them. */
static bool
is_hop(const struct head *head, struct viv_str name)
{
    static const char *const hops[] = {
        "connection", "proxy-connection", "keep-alive",          "te",
        "trailer",    "upgrade",          "proxy-authorization", "proxy-authenticate"
    };
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
        if (same(name, hops[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < head->count; i++) {
        struct viv_str list = same(head->header[i].name, "connection") ? head->header[i].value : VH_STR("");
        while (list.len) {
            const char *comma = memchr(list.data, ',', (size_t)list.len);
            uint64_t len = comma ? (uint64_t)(comma - list.data) : list.len;
            struct viv_str word = trim((struct viv_str){ list.data, len });
            if (word.len == name.len && word.len && strncasecmp(word.data, name.data, (size_t)word.len) == 0) {
                return true;
            }
            len += comma != NULL;
            list = (struct viv_str){ list.data + len, list.len - len };
        }
    }
    return false;
}

/* ---- requests ---- */

static viv_status
read_framing(const struct head *head, bool old, struct body *ret_body, struct viv_error *err)
{
    bool many = false;
    const struct header *length = only(head, "content-length", &many);
    const struct header *coding = many ? NULL : only(head, "transfer-encoding", &many);
    *ret_body = (struct body){ .chunked = coding != NULL };
    if (many || (length && coding)) {
        return refuse(err, "the body's length is given twice; send one Content-Length, or Transfer-Encoding: chunked");
    }
    if (coding && (old || !same(coding->value, "chunked"))) {
        return refuse(err, "of transfer codings only 'chunked' is taken, in HTTP/1.1");
    }
    for (uint64_t i = 0; length && i < length->value.len; i++) {
        char c = length->value.data[i];
        if (c < '0' || c > '9' || i >= 15) {
            return refuse(err, "Content-Length is no number");
        }
        ret_body->left = ret_body->left * 10 + (uint64_t)(c - '0');
    }
    if (length && length->value.len == 0) {
        return refuse(err, "Content-Length is no number");
    }
    if ((length && is_hop(head, VH_STR("content-length"))) || (coding && is_hop(head, VH_STR("transfer-encoding"))) ||
        is_hop(head, VH_STR("host"))) {
        return refuse(err, "Connection names Host or the length of the body, which belong to the request");
    }
    return VIV_OK;
}

/* Host says the same place as the target; a Host without a port means `port`, or any port for a tunnel. */
static viv_status
check_host(const struct head *head, const struct place *place, uint16_t port, bool needed, struct viv_error *err)
{
    bool many = false;
    struct place said;
    const struct header *host = only(head, "host", &many);
    if (many || (!host && needed)) {
        return refuse(err, many ? "there are several Host headers" : "there is no Host header");
    }
    if (!host) {
        return VIV_OK;
    }
    viv_status status = place_read(host->value, port ? port : place->port, &said, err);
    if (status) {
        return vh_error_extend(err, status, "the Host header");
    }
    if (!place_equal(&said, place)) {
        char a[PLACE_TEXT_MAX], b[PLACE_TEXT_MAX];
        place_text(&said, a);
        place_text(place, b);
        return vh_error_set(err, VIV_E_INVALID, "proxy", "the Host header says '%.120s', the target '%.120s'", a, b);
    }
    return VIV_OK;
}

static void
write_head(const struct head *head, struct viv_str method, struct viv_str path, bool old,
           struct proxy_request *request, struct vh_buf *buf)
{
    char place[PLACE_TEXT_MAX];
    place_text(&request->place, place);
    if (request->place.port == 80) {
        *strrchr(place, ':') = '\0';
    }
    vh_buf_str(buf, method);
    vh_buf_text(buf, " ");
    vh_buf_text(buf, path.len && path.data[0] == '/' ? "" : "/");
    vh_buf_str(buf, path);
    vh_buf_format(buf, " HTTP/1.%d\r\nHost: %s\r\n", old ? 0 : 1, place);
    for (size_t i = 0; i < head->count; i++) {
        struct viv_str name = head->header[i].name;
        if (!same(name, "host") && !is_hop(head, name)) {
            vh_buf_str(buf, name);
            vh_buf_text(buf, ": ");
            vh_buf_str(buf, head->header[i].value);
            vh_buf_text(buf, "\r\n");
        }
    }
    vh_buf_text(buf, "Connection: close\r\n\r\n");
}

static viv_status
read_absolute(struct vh_arena *arena, const struct head *head, struct viv_str method, struct viv_str target, bool old,
              struct proxy_request *request, struct viv_error *err)
{
    if (vh_str_starts(target, "https://")) {
        return refuse(err, "an https:// target goes through a tunnel: ask by CONNECT");
    }
    if (!vh_str_starts(target, "http://")) {
        return refuse(err, "the target is neither host:port after CONNECT nor http://host/path");
    }
    struct viv_str rest = { target.data + 7, target.len - 7 };
    uint64_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?' && rest.data[end] != '#') {
        end++;
    }
    struct viv_str path = { rest.data + end, rest.len - end };
    if (path.len && memchr(path.data, '#', (size_t)path.len)) {
        return refuse(err, "the target holds a '#', which is not sent");
    }
    viv_status status = place_read((struct viv_str){ rest.data, end }, 80, &request->place, err);
    if (status == VIV_OK) {
        status = check_host(head, &request->place, 80, !old, err);
    }
    if (status == VIV_OK) {
        struct vh_buf buf;
        vh_buf_init(&buf, arena, 2 * PROXY_HEAD_MAX);
        write_head(head, method, path, old, request, &buf);
        request->head = vh_buf_view(&buf);
        status = buf.failed ? vh_error_set(err, VIV_E_MEMORY, "proxy", "no memory for a request") : VIV_OK;
    }
    return status;
}

static viv_status
read_tunnel(const struct head *head, struct viv_str target, struct proxy_request *request, struct viv_error *err)
{
    if (request->body.chunked || request->body.left) {
        return refuse(err, "CONNECT has no body");
    }
    viv_status status = place_read(target, 0, &request->place, err);
    return status ? status : check_host(head, &request->place, 0, false, err);
}

viv_status
proxy_read(struct vh_arena *arena, struct viv_str text, struct proxy_request *ret_request, struct viv_error *err)
{
    struct head head;
    viv_status status = read_headers(text, &head, err);
    if (status) {
        return status;
    }
    const char *space = head.line.len ? memchr(head.line.data, ' ', (size_t)head.line.len) : NULL;
    struct viv_str method = { head.line.data, space ? (uint64_t)(space - head.line.data) : 0 };
    struct viv_str rest = { head.line.data + method.len + 1, space ? head.line.len - method.len - 1 : 0 };
    space = rest.len ? memchr(rest.data, ' ', (size_t)rest.len) : NULL;
    struct viv_str target = { rest.data, space ? (uint64_t)(space - rest.data) : 0 };
    struct viv_str version = { rest.data + target.len + 1, space ? rest.len - target.len - 1 : 0 };
    bool old = vh_str_is(version, "HTTP/1.0");
    if (!is_token(method) || method.len > 32 || target.len == 0 || (!old && !vh_str_is(version, "HTTP/1.1"))) {
        return refuse(err, "the first line is not 'METHOD target HTTP/1.1'");
    }
    for (uint64_t i = 0; i < target.len; i++) {
        if ((unsigned char)target.data[i] >= 0x80 || target.data[i] == '\t') {
            return refuse(err, "the target is not ASCII; encode it by '%'");
        }
    }
    struct proxy_request request = { .tunnel = vh_str_is(method, "CONNECT") };
    status = read_framing(&head, old, &request.body, err);
    if (status == VIV_OK) {
        status = request.tunnel ? read_tunnel(&head, target, &request, err)
                                : read_absolute(arena, &head, method, target, old, &request, err);
    }
    if (status == VIV_OK) {
        *ret_request = request;
    }
    return status;
}

/* ---- answers ---- */

viv_status
proxy_answer(struct vh_arena *arena, struct viv_str text, struct viv_str *ret_head, bool *ret_last,
             struct viv_error *err)
{
    struct head head;
    struct vh_buf buf;
    viv_status status = read_headers(text, &head, err);
    struct viv_str line = head.line;
    if (status) {
        return status;
    }
    bool known = vh_str_starts(line, "HTTP/1.") && line.len >= 12 && line.data[8] == ' ' && line.data[9] >= '1' &&
                 line.data[9] <= '5';
    if (!known || memcmp(line.data + 9, "101", 3) == 0) {
        return refuse(err, "the server's first line is no answer to such a request");
    }
    *ret_last = line.data[9] != '1';
    vh_buf_init(&buf, arena, 2 * PROXY_ANSWER_MAX);
    vh_buf_str(&buf, line);
    vh_buf_text(&buf, "\r\n");
    for (size_t i = 0; i < head.count; i++) {
        if (!is_hop(&head, head.header[i].name)) {
            vh_buf_str(&buf, head.header[i].name);
            vh_buf_text(&buf, ": ");
            vh_buf_str(&buf, head.header[i].value);
            vh_buf_text(&buf, "\r\n");
        }
    }
    vh_buf_text(&buf, *ret_last ? "Connection: close\r\n\r\n" : "\r\n");
    *ret_head = vh_buf_view(&buf);
    return buf.failed ? vh_error_set(err, VIV_E_MEMORY, "proxy", "no memory for an answer") : VIV_OK;
}
