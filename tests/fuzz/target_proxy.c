/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task's bytes bring viv-egress down, or a request goes on that a server reads otherwise than the
 * door did. The first byte chooses: 'q' a request with its body, 'a' an answer, 't' what begins a tunnel, 'p' a place.
 * What a door hands on must read the same again, at the same place, with nothing left over. */
#include "fuzz.h"

#include <string.h>

#include "base/str.h"
#include "egress/proxy.h"

static bool
count(viv_status status, const struct viv_error *err)
{
    return fuzz_ended(status, err);
}

/* In pieces of any size a body ends at the same byte. */
static void
same_in_pieces(const struct body *frame, struct viv_str rest)
{
    struct body whole = *frame, pieces = *frame;
    int64_t at_once = body_take(&whole, rest), sum = 0;
    for (uint64_t at = 0, step = 1; at < rest.len && sum >= 0; at += step, step = step % 5 + 1) {
        uint64_t left = rest.len - at;
        int64_t taken = body_take(&pieces, (struct viv_str){ rest.data + at, left < step ? left : step });
        sum = taken < 0 ? -1 : sum + taken;
    }
    FUZZ_MUST(sum == at_once, "%lld in pieces, %lld at once", (long long)sum, (long long)at_once);
    FUZZ_MUST(at_once < 0 || body_ended(&whole) == body_ended(&pieces), "the ends differ");
    FUZZ_MUST(at_once <= (int64_t)rest.len, "more than there is");
}

/* As a server behind the door reads it: its target is a path, so the place is put before it again. */
static void
reads_the_same(struct vh_arena *arena, const struct proxy_request *request)
{
    struct proxy_request again;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str head = request->head;
    FUZZ_MUST(proxy_whole(head) == (int64_t)head.len, "what goes on is not one head");
    const char *space = memchr(head.data, ' ', (size_t)head.len);
    char place[PLACE_TEXT_MAX];
    place_text(&request->place, place);
    const char *absolute = vh_arena_format(arena, "%.*s http://%s%.*s", (int)(space - head.data), head.data, place,
                                           (int)(head.len - (uint64_t)(space - head.data) - 1), space + 1);
    FUZZ_MUST(proxy_read(arena, vh_str(absolute), &again, &err) == VIV_OK, "%s", err.text);
    FUZZ_MUST(place_equal(&request->place, &again.place), "another place");
    FUZZ_MUST(memcmp(&request->body, &again.body, sizeof again.body) == 0, "another body");
    FUZZ_MUST(vh_str_equal(head, again.head), "'%.*s' became '%.*s'", VH_STR_ARGS(head), VH_STR_ARGS(again.head));
}

static void
request(struct vh_arena *arena, struct viv_str text)
{
    struct proxy_request read;
    struct viv_error err = VIV_ERROR_INIT;
    int64_t whole = proxy_whole(text);
    if (whole <= 0) {
        fuzz_count.refused++;
        return;
    }
    struct viv_str head = { text.data, (uint64_t)whole };
    if (!count(proxy_read(arena, head, &read, &err), &err)) {
        return;
    }
    FUZZ_MUST(read.place.port && read.place.host[0], "no place");
    FUZZ_MUST(read.tunnel == (read.head.len == 0), "a tunnel has no head");
    if (!read.tunnel) {
        reads_the_same(arena, &read);
        same_in_pieces(&read.body, (struct viv_str){ text.data + whole, text.len - (uint64_t)whole });
    }
}

static void
answer(struct vh_arena *arena, struct viv_str text)
{
    struct viv_str head, again;
    struct viv_error err = VIV_ERROR_INIT;
    bool last = false, last_again = false;
    int64_t whole = proxy_whole(text);
    if (whole <= 0 ||
        !count(proxy_answer(arena, (struct viv_str){ text.data, (uint64_t)whole }, &head, &last, &err), &err)) {
        fuzz_count.refused += whole <= 0;
        return;
    }
    FUZZ_MUST(proxy_whole(head) == (int64_t)head.len, "what goes on is not one head");
    FUZZ_MUST(proxy_answer(arena, head, &again, &last_again, &err) == VIV_OK, "%s", err.text);
    FUZZ_MUST(vh_str_equal(head, again) && last == last_again, "it became another one");
}

static void
tunnel(struct viv_str text)
{
    char name[HOST_MAX + 1], other[HOST_MAX + 1];
    int seen = sni_check(text, "good.test", name);
    fuzz_count.accepted += seen > 0;
    fuzz_count.refused += seen < 0;
    FUZZ_MUST(strlen(name) <= HOST_MAX, "a long name");
    if (seen < 0 && name[0]) { /* whoever is named there may be asked for there */
        FUZZ_MUST(sni_check(text, "none.test", other) < 0 && strcmp(name, other) == 0, "'%s', then '%s'", name, other);
    }
    for (uint64_t len = 1; seen > 0 && len < text.len && len < 64; len++) { /* no beginning of it is another name */
        FUZZ_MUST(sni_check((struct viv_str){ text.data, len }, "good.test", name) >= 0, "%d bytes of it", (int)len);
    }
}

static void
a_place(struct viv_str text)
{
    struct place place, again;
    struct viv_error err = VIV_ERROR_INIT;
    if (count(place_read(text, 0, &place, &err), &err)) {
        char spelled[PLACE_TEXT_MAX];
        place_text(&place, spelled);
        fuzz_line(spelled, "a place");
        FUZZ_MUST(place_read(vh_str(spelled), 0, &again, &err) == VIV_OK, "%s", err.text);
        FUZZ_MUST(place_equal(&place, &again) && place.literal == again.literal, "'%s'", spelled);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct viv_str text = fuzz_text(data, size);
    if (size < 2 || size > PROXY_HEAD_MAX) {
        return 0;
    }
    struct vh_arena *arena = fuzz_arena();
    struct viv_str rest = { text.data + 1, text.len - 1 };
    if (text.data[0] == 'q') {
        request(arena, rest);
    } else if (text.data[0] == 'a') {
        answer(arena, rest);
    } else if (text.data[0] == 't') {
        tunnel(rest);
    } else {
        a_place(rest);
    }
    vh_arena_destroy(arena);
    return 0;
}

size_t
fuzz_seed(size_t which, uint8_t *bytes, size_t room)
{
    static const char *const texts[] = {
        "qGET http://good.test/x?y HTTP/1.1\r\nHost: good.test\r\nAccept: */*\r\n\r\n",
        "qPOST http://good.test:81/ HTTP/1.1\r\nHost: good.test:81\r\nContent-Length: 4\r\n\r\nbodyrest",
        "qPUT http://[::1]:81/ HTTP/1.1\r\nHost: [::1]:81\r\nTransfer-Encoding: "
        "chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\nx",
        "qGET http://1.2.3.4/ HTTP/1.0\r\nConnection: a, b\r\nA: 1\r\nB: 2\r\nTE: x\r\n\r\n",
        "qCONNECT good.test:443 HTTP/1.1\r\nHost: good.test:443\r\nProxy-Authorization: Basic eA==\r\n\r\n",
        "qGET http://good.test/ HTTP/1.1\r\nHost: good.test\r\nContent-Length: 1\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "aHTTP/1.1 200 OK\r\nConnection: keep-alive, X\r\nX: 1\r\nContent-Length: 2\r\n\r\nok",
        "aHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "pgood.test:443",
        "p[2001:db8::1]:80",
        "pXN--BCHER-KVA.test.:1",
        "p0x7f.1:80",
    };
    static const unsigned char hello[] = "t\x16\x03\x01\x00\x43\x01\x00\x00\x3f\x03\x03"
                                         "01234567890123456789012345678901\x00\x00\x02\x13\x01\x01\x00\x00\x14"
                                         "\x00\x00\x00\x10\x00\x0e\x00\x00\x09good.test\x00\x00";
    if (which < sizeof texts / sizeof *texts) {
        size_t len = strlen(texts[which]);
        FUZZ_MUST(len < room, "a seed does not fit");
        memcpy(bytes, texts[which], len);
        return len;
    }
    if (which == sizeof texts / sizeof *texts) {
        memcpy(bytes, hello, sizeof hello - 1);
        return sizeof hello - 1;
    }
    return 0;
}
