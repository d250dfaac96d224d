/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a door and a server behind it read one request in two ways, and the second of them is nobody's. */
#include "world.h"

#include <stdio.h>

#include "egress/proxy.h"

static struct vh_arena *arena;

#define GET "GET http://a.test/x HTTP/1.1\r\n"
#define HOST "Host: a.test\r\n"

static const struct {
    const char *head;
    const char *says; /* what goes on, or why not */
    bool good;
} request_cases[] = {
    { GET HOST "\r\n", "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", true },
    { "GET http://A.test.:80 HTTP/1.1\r\nHost: a.TEST\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", true },
    { "GET http://a.test:81?q HTTP/1.1\r\nHost: a.test:81\r\n\r\n",
      "GET /?q HTTP/1.1\r\nHost: a.test:81\r\nConnection: close\r\n\r\n", true },
    { "GET http://[::1]/ HTTP/1.1\r\nHost: [::1]\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n", true },
    { "OPTIONS http://a.test/ HTTP/1.0\r\nA:  b \t\r\n\r\n",
      "OPTIONS / HTTP/1.0\r\nHost: a.test\r\nA: b\r\nConnection: close\r\n\r\n", true },
    { GET HOST "Connection: close, X-A\r\nX-A: 1\r\nX-B: 2\r\nTE: trailers\r\nUpgrade: x\r\nKeep-Alive: 5\r\n\r\n",
      "GET /x HTTP/1.1\r\nHost: a.test\r\nX-B: 2\r\nConnection: close\r\n\r\n", true },
    { "CONNECT a.test:443 HTTP/1.1\r\n\r\n", "", true },
    { "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 0\r\n\r\n", "", true },
    { "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", "", true },
    { "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "says 'a.test:80', the target 'a.test:443'", false },
    { "CONNECT a.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n", "the Host header says 'b.test:443'", false },
    { "CONNECT a.test HTTP/1.1\r\n\r\n", "has no port", false },
    { "CONNECT http://a.test:443/ HTTP/1.1\r\n\r\n", "", false },
    { "CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "CONNECT has no body", false },
    { "CONNECT u@a.test:443 HTTP/1.1\r\n\r\n", "is no host name", false },
    { GET "\r\n", "there is no Host header", false },
    { GET HOST HOST "\r\n", "there are several Host headers", false },
    { GET "Host: b.test\r\n\r\n", "the Host header says 'b.test:80', the target 'a.test:80'", false },
    { GET "Host: a.test, b.test\r\n\r\n", "the Host header: 'a.test,?b.test' is no host name", false },
    { GET "Host: a.test:81\r\n\r\n", "the Host header says 'a.test:81'", false },
    { GET "Host:\r\n\r\n", "the Host header", false },
    { GET HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "the body's length is given twice", false },
    { GET HOST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n", "given twice", false },
    { GET HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "given twice", false },
    { GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "given twice", false },
    { GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "only 'chunked' is taken", false },
    { GET HOST "Transfer-Encoding: identity\r\n\r\n", "only 'chunked' is taken", false },
    { GET HOST "Transfer-Encoding: \r\n\r\n", "only 'chunked' is taken", false },
    { "GET http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "only 'chunked' is taken", false },
    { GET HOST "Content-Length: +1\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length: 0x1\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length: 1, 1\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length: -1\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length:\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length: 1234567890123456\r\n\r\n", "Content-Length is no number", false },
    { GET HOST "Content-Length : 1\r\n\r\n", "no blank before the ':'", false },
    { GET HOST "Transfer-Encoding\t: chunked\r\n\r\n", "no blank before the ':'", false },
    { GET HOST " folded: 1\r\n\r\n", "goes on in a second line", false },
    { GET HOST "A: b\r\n\tc\r\n\r\n", "goes on in a second line", false },
    { GET HOST "A: b\rc: d\r\n\r\n", "no control characters", false },
    { GET HOST "A\r\n\r\n", "a header is none", false },
    { GET HOST ": b\r\n\r\n", "a header is none", false },
    { GET HOST "A\303\244: b\r\n\r\n", "a header is none", false },
    { GET HOST "Connection: content-length\r\nContent-Length: 1\r\n\r\n", "Connection names Host or", false },
    { GET HOST "Connection: Host\r\n\r\n", "Connection names Host or", false },
    { GET HOST "Connection: x, transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n", "Connection names", false },
    { "GET /x HTTP/1.1\r\n" HOST "\r\n", "neither host:port after CONNECT nor http://host/path", false },
    { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "neither host:port", false },
    { "GET https://a.test/ HTTP/1.1\r\n" HOST "\r\n", "ask by CONNECT", false },
    { "GET ftp://a.test/ HTTP/1.1\r\n" HOST "\r\n", "neither host:port", false },
    { "GET http://a.test/#x HTTP/1.1\r\n" HOST "\r\n", "holds a '#'", false },
    { "GET http://u:p@a.test/ HTTP/1.1\r\n" HOST "\r\n", "has no port", false },
    { "GET http:///x HTTP/1.1\r\n" HOST "\r\n", "a name has 1 to 253 bytes", false },
    { "GET http://a.test\\@b.test/ HTTP/1.1\r\n" HOST "\r\n", "is no host name", false },
    { "GET  http://a.test/ HTTP/1.1\r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/ x HTTP/1.1\r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/ HTTP/1.1 \r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/ HTTP/2.0\r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/ http/1.1\r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/\r\n\r\n", "the first line is not", false },
    { "\r\nGET http://a.test/ HTTP/1.1\r\n" HOST "\r\n", "a header is none", false },
    { "G\tT http://a.test/ HTTP/1.1\r\n" HOST "\r\n", "the first line is not", false },
    { "GET http://a.test/\tx HTTP/1.1\r\n" HOST "\r\n", "the target is not ASCII", false },
    { "GET http://a.test/\303\244 HTTP/1.1\r\n" HOST "\r\n", "the target is not ASCII", false },
};

static void
requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof request_cases / sizeof *request_cases; i++) {
        struct proxy_request request = { .tunnel = false };
        struct viv_error err = VIV_ERROR_INIT;
        struct viv_str head = vh_str(request_cases[i].head);
        /* A head that begins with an empty line is whole at once, and is none. */
        int64_t whole = proxy_whole(head);
        assert_true(whole > 0);
        bool good = proxy_read(arena, (struct viv_str){ head.data, (uint64_t)whole }, &request, &err) == VIV_OK;
        if (good != request_cases[i].good ||
            (good ? !vh_str_is(request.head, request_cases[i].says) : !strstr(err.text, request_cases[i].says))) {
            fail_msg("%s: '%s' '%.*s'", request_cases[i].head, err.text, VH_STR_ARGS(request.head));
        }
    }
}

static void
ends_of_heads(void **state)
{
    (void)state;
    assert_int_equal(proxy_whole(VH_STR("")), 0);
    assert_int_equal(proxy_whole(VH_STR("a\r\nb")), 0);
    assert_int_equal(proxy_whole(VH_STR("a\r\n\r")), 0);
    assert_int_equal(proxy_whole(VH_STR("a\r\n\r\nrest")), 5);
    assert_int_equal(proxy_whole(VH_STR("a\n\n")), -1);
    assert_int_equal(proxy_whole(VH_STR("\n")), -1);
    assert_int_equal(proxy_whole(VH_STR("a\0b\r\n\r\n")), -1);
    assert_int_equal(proxy_whole(VH_STR("a\r\n\n")), -1);
}

/* Give `text` in pieces of `size`; what belonged to the body, or -1. */
static int64_t
feed(struct body *body, const char *text, size_t size)
{
    int64_t all = 0;
    for (size_t at = 0, len = strlen(text); at < len; at += size) {
        size_t one = len - at < size ? len - at : size;
        int64_t taken = body_take(body, (struct viv_str){ text + at, one });
        if (taken < 0) {
            return -1;
        }
        all += taken;
    }
    return all;
}

static void
bodies(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t taken;
        bool ended;
    } cases[] = {
        { "0\r\n\r\n", 5, true },
        { "0\r\n\r\nGET /", 5, true },
        { "4\r\nbody\r\n0\r\n\r\nrest", 14, true },
        { "0000a\r\n0123456789\r\n00\r\n\r\n", 25, true },
        { "A\r\n0123456789\r\n", 15, false },
        { "4\r\nbo", 5, false },
        { "4;a=b\r\nbody\r\n0\r\n\r\n", -1, false },
        { "4 \r\nbody\r\n", -1, false },
        { " 4\r\nbody\r\n", -1, false },
        { "4\nbody\r\n", -1, false },
        { "4\r\nbody0\r\n\r\n", -1, false },
        { "4\r\nbody\n", -1, false },
        { "0x4\r\nbody\r\n", -1, false },
        { "\r\n", -1, false },
        { "-1\r\n", -1, false },
        { "0\r\nX: trailer\r\n\r\n", -1, false },
        { "fffffffffffff\r\n", -1, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t size = 1; size < 30; size++) {
            struct body body = { .chunked = true };
            int64_t taken = feed(&body, cases[i].text, size);
            if (taken != cases[i].taken || (taken >= 0 && body_ended(&body) != cases[i].ended)) {
                fail_msg("%s by %zu: %d", cases[i].text, size, (int)taken);
            }
        }
    }
    struct body plain = { .left = 4 };
    assert_int_equal(feed(&plain, "bodyrest", 3), 4);
    assert_true(body_ended(&plain));
    struct body none = { .left = 0 };
    assert_true(body_ended(&none));
    assert_int_equal(feed(&none, "rest", 4), 0);
}

static void
answers(void **state)
{
    (void)state;
    struct viv_str head;
    struct viv_error err = VIV_ERROR_INIT;
    bool last = false;
    assert_int_equal(
        proxy_answer(arena, VH_STR("HTTP/1.1 200 OK\r\nConnection: X\r\nX: 1\r\nA: b\r\n\r\n"), &head, &last, &err),
        VIV_OK);
    assert_true(last && vh_str_is(head, "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n"));
    assert_int_equal(proxy_answer(arena, VH_STR("HTTP/1.1 100 Continue\r\n\r\n"), &head, &last, &err), VIV_OK);
    assert_true(!last && vh_str_is(head, "HTTP/1.1 100 Continue\r\n\r\n"));
    static const char *const bad[] = { "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/2 200\r\n\r\n", "200 OK\r\n\r\n",
                                       "HTTP/1.1 600 X\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(proxy_answer(arena, vh_str(bad[i]), &head, &last, &err), VIV_E_INVALID);
    }
}

static void
what_is_no_hello(void **state)
{
    (void)state;
    char name[HOST_MAX + 1];
    char big[13000];
    assert_int_equal(sni_check(VH_STR(""), "a", name), 0);
    assert_int_equal(sni_check(VH_STR("SSH-2.0"), "a", name), 1);
    assert_int_equal(sni_check(VH_STR("\x16"), "a", name), 0);
    assert_int_equal(sni_check(VH_STR("\x16\x03\x01\x00\x05"), "a", name), 0);
    assert_int_equal(sni_check(VH_STR("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), "a", name), -1); /* a ServerHello */
    assert_int_equal(sni_check(VH_STR("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), "a", name), -1);
    assert_int_equal(sni_check(VH_STR("\x16\x02\x01\x00\x05"), "a", name), -1);
    memset(big, 0, sizeof big);
    memcpy(big, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9); /* a hello of 16 KiB is not waited for */
    assert_int_equal(sni_check((struct viv_str){ big, sizeof big }, "a", name), -1);
    assert_string_equal(name, "");
}

/* One list of names is taken; a second one is not, whichever name it holds. */
static void
names_come_once(void **state)
{
    (void)state;
    static const char head[] = "\x01\x00\x00\x34\x03\x03", rest[] = "\x00\x00\x02\x13\x01\x01\x00";
    static const char good[] = "\x00\x00\x00\x06\x00\x04\x00\x00\x01g",
                      evil[] = "\x00\x00\x00\x06\x00\x04\x00\x00\x01w";
    char hello[5 + 6 + 32 + 7 + 2 + 20] = { 0 }, name[HOST_MAX + 1];
    for (size_t lists = 1; lists <= 2; lists++) {
        size_t size = lists * 10, len = 6 + 32 + 7 + 2 + size;
        memcpy(hello, "\x16\x03\x01\x00", 4);
        hello[4] = (char)len;
        memcpy(hello + 5, head, 6);
        hello[8] = (char)(len - 4);
        memcpy(hello + 5 + 38, rest, 7);
        hello[5 + 46] = (char)size;
        memcpy(hello + 5 + 47, good, 10);
        memcpy(hello + 5 + 57, evil, 10);
        struct viv_str text = { hello, 5 + len };
        assert_int_equal(sni_check(text, "g", name), lists == 1 ? 1 : -1);
        assert_string_equal(name, "g");
        memcpy(hello + 5 + 57, good, 10);
        assert_int_equal(sni_check(text, "g", name), lists == 1 ? 1 : -1);
        assert_int_equal(sni_check(text, "w", name), -1);
    }
}

static int
set_up(void **state)
{
    (void)state;
    arena = vh_arena_create(NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_arena_destroy(arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests), cmocka_unit_test(ends_of_heads),    cmocka_unit_test(bodies),
        cmocka_unit_test(answers),  cmocka_unit_test(what_is_no_hello),
        cmocka_unit_test(names_come_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
