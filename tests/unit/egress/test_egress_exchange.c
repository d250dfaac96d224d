/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an exchange of the host brings something else than the server said, goes where it may not, or carries
 * a key to a stranger. */
#include "world.h"

#include <stdio.h>

static struct server server;
static struct vh_egress *egress;
static struct got got;

static int
set_up(void **state)
{
    (void)state;
    server_start(&server, "127.0.0.1");
    egress = world_egress(NULL);
    got.cancel_at_body = NULL;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_egress_destroy(egress);
    server_stop(&server);
    return 0;
}

static void
ask(const char *host, const char *path)
{
    world_ask(egress, &server, &(struct want){ .url = world_url(&server, host, path) }, &got);
    if (got.status) {
        fail_msg("%s%s: %s", host, path, got.err.text);
    }
}

static void
an_answer_comes_whole(void **state)
{
    (void)state;
    ask("127.0.0.1", "/ok");
    assert_int_equal(got.http, 200);
    assert_int_equal(got.sent, 1);
    assert_int_equal(got.len, 5);
    assert_memory_equal(got.body, "hello", 5);
    assert_non_null(strstr(got.headers, "X-Kind: test\n"));
    ask("127.0.0.1", "/chunks");
    assert_memory_equal(got.body, "onetwo", 6);
    ask("127.0.0.1", "/interim");
    assert_int_equal(got.http, 200);
    assert_null(strstr(got.headers, "X-Early"));
    ask("127.0.0.1", "/big/5000000");
    assert_int_equal(got.len, 5000000);
    assert_true(got.pieces > 1);
    assert_int_equal(atomic_load(&server.connections), 4); /* one each: nothing is sent twice */
}

static void
a_request_goes_as_it_was_given(void **state)
{
    (void)state;
    struct want want = { .url = world_url(&server, "127.0.0.1", "/echo/a/../b?q=%20"),
                         .method = "POST",
                         .body = "{\"a\":1}",
                         .headers = { { .name = VH_STR("Content-Type"), .value = VH_STR("application/json") },
                                      { .name = VH_STR("X-Empty") } },
                         .header_count = 2 };
    world_ask(egress, &server, &want, &got);
    assert_int_equal(got.status, VIV_OK);
    got.body[got.len] = '\0';
    assert_ptr_equal(strstr(got.body, "POST /echo/a/../b?q=%20 HTTP/1.1\r\n"), got.body);
    assert_non_null(strstr(got.body, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(got.body, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(got.body, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(got.body, "Expect"));
    world_ask(egress, &server, &(struct want){ .url = want.url, .method = "POST" }, &got);
    got.body[got.len] = '\0';
    assert_null(strstr(got.body, "Content-Type")); /* none is made up */
    assert_non_null(strstr(got.body, "Content-Length: 0\r\n"));
}

static void
no_redirect_is_followed(void **state)
{
    (void)state;
    ask("127.0.0.1", "/redirect");
    assert_int_equal(got.http, 302);
    assert_non_null(strstr(got.headers, "Location: http://127.0.0.1:1/ok"));
    assert_int_equal(atomic_load(&server.connections), 1);
}

static void
only_what_is_listed_is_reached(void **state)
{
    (void)state;
    char text[128];
    const struct {
        const char *url;
        viv_status status;
        const char *text;
    } cases[] = {
        { "http://evil.test:80/", VIV_E_DENIED,
          "'evil.test:80' is not among the hosts that may be reached: 127.0.0.1:" },
        { "http://127.0.0.1:1/", VIV_E_DENIED, "is not among" },
        { "http://good.test.evil.test/", VIV_E_DENIED, "is not among" },
        { "http://good.test@evil.test/", VIV_E_INVALID, "is no host name" },
        { "http://0x7f.1/", VIV_E_INVALID, "is no address: write it as four decimal numbers" },
        { "http://2130706433/", VIV_E_INVALID, "is no address" },
        { "http://good.test:80#x/", VIV_E_INVALID, "without blanks and '#'" },
        { "http://good.test/a b", VIV_E_INVALID, "without blanks" },
        { "http://g\303\266od.test/", VIV_E_INVALID, "the URL has" },
        { "ftp://good.test/", VIV_E_INVALID, "neither https:// nor http://" },
        { "file:///etc/passwd", VIV_E_INVALID, "neither https:// nor http://" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world_refused(egress, &server, &(struct want){ .url = cases[i].url }, cases[i].status, cases[i].text);
    }
    world_refused(egress, &server, &(struct want){ .url = "http://good.test/", .allow = "[]" }, VIV_E_DENIED,
                  ": nothing");
    world_refused(egress, &server, &(struct want){ .url = "http://good.test/", .allow = "[\"*:443\"]" }, VIV_E_INVALID,
                  "the allow list's entry '*:443'");
    snprintf(text, sizeof text, "[\"good.test:%u\",\"127.0.0.1:%u\"]", (unsigned)server.port, (unsigned)server.port);
    world_refused(egress, &server, &(struct want){ .url = world_url(&server, "good.test", "/ok"), .allow = text },
                  VIV_E_DENIED, "is asked for without TLS; write https://, or list it as 'http://good.test:");
    assert_int_equal(atomic_load(&server.connections), 0);
}

static void
names_lead_only_to_allowed_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *host, *text;
    } cases[] = {
        { "private.test",
          "'private.test' is at 10.1.2.3, a private address (10.0.0.0/8); it may be dialled only if the "
          "allow list names '10.1.2.3:" },
        { "mapped.test", "is at ::ffff:127.0.0.1, a v4-mapped address" },
        { "own.test", "is at 93.184.216.35, an address of this machine" },
    };
    char allow[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(allow, sizeof allow, "[\"http://%s:%u\"]", cases[i].host, (unsigned)server.port);
        world_refused(egress, &server, &(struct want){ .url = world_url(&server, cases[i].host, "/"), .allow = allow },
                      VIV_E_DENIED, cases[i].text);
    }
    snprintf(allow, sizeof allow, "[\"http://good.test:%u\"]", (unsigned)server.port);
    world_refused(egress, &server, &(struct want){ .url = world_url(&server, "good.test", "/ok"), .allow = allow },
                  VIV_E_DENIED, "is at 127.0.0.1, a loopback address");
    world_refused(egress, &server, &(struct want){ .url = "http://none.test/", .allow = "[\"http://none.test:80\"]" },
                  VIV_E_UNAVAILABLE, "'none.test' cannot be found: no such name in the test");
    ask("good.test", "/ok"); /* the list names the address too */
    ask("SUB.good.test.", "/ok");
    assert_int_equal(atomic_load(&server.connections), 2);
    assert_non_null(strstr(server.last, "\r\nHost: sub.good.test:"));
}

/* Of mixed answers what may not be dialled is left out; of several the next one is taken. */
static void
addresses_are_taken_in_order(void **state)
{
    (void)state;
    static const char *const hosts[] = { "mixed.test", "next.test" };
    char allow[256];
    for (size_t i = 0; i < 2; i++) {
        snprintf(allow, sizeof allow, "[\"http://%s:%u\",\"127.0.0.1:%u\",\"127.0.0.9:%u\"]", hosts[i],
                 (unsigned)server.port, (unsigned)server.port, (unsigned)server.port);
        world_ask(egress, &server, &(struct want){ .url = world_url(&server, hosts[i], "/ok"), .allow = allow }, &got);
        if (got.status) {
            fail_msg("%s: %s", hosts[i], got.err.text);
        }
    }
}

/* The name is looked up once and that answer is dialled; the next exchange looks again and is judged again. */
static void
a_name_that_changes_its_mind(void **state)
{
    (void)state;
    char allow[256];
    snprintf(allow, sizeof allow, "[\"http://rebind.test:%u\",\"127.0.0.1:%u\"]", (unsigned)server.port,
             (unsigned)server.port);
    const struct want want = { .url = world_url(&server, "rebind.test", "/ok"), .allow = allow };
    world_ask(egress, &server, &want, &got);
    assert_int_equal(got.status, VIV_OK);
    world_refused(egress, &server, &want, VIV_E_DENIED, "is at 127.0.0.2, a loopback address");
    assert_int_equal(atomic_load(&server.connections), 1);
}

static void
a_key_goes_to_its_own_place_alone(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    char place[64];
    struct want want = { .url = world_url(&server, "127.0.0.1", "/echo"),
                         .headers = { { .name = VH_STR("Authorization"),
                                        .value = VH_STR("key"),
                                        .prefix = VH_STR("Bearer "),
                                        .flags = VIV_HTTP_SECRET } },
                         .header_count = 1 };
    world_refused(egress, &server, &want, VIV_E_DENIED,
                  "no secret is called 'key'; the policy's 'secrets' names them");
    snprintf(place, sizeof place, "127.0.0.1:%u", (unsigned)server.port);
    assert_int_equal(vh_egress_secret(egress, VH_STR("key"), VH_STR("canary-0123456789"), vh_str(place), &err),
                     VIV_OK);
    world_ask(egress, &server, &want, &got);
    assert_int_equal(got.status, VIV_OK);
    assert_non_null(strstr(server.last, "\r\nAuthorization: Bearer canary-0123456789\r\n"));
    want.url = world_url(&server, "good.test", "/echo"); /* the same server by another name is another place */
    world_refused(egress, &server, &want, VIV_E_DENIED, "secret 'key' is for '127.0.0.1:");
    assert_int_equal(vh_egress_secret(egress, VH_STR("key"), VH_STR("canary-abcdefghij"), vh_str(place), &err),
                     VIV_OK);
    want.url = world_url(&server, "127.0.0.1", "/echo");
    world_ask(egress, &server, &want, &got);
    assert_non_null(strstr(server.last, "Bearer canary-abcdefghij\r\n"));
    assert_int_equal(vh_egress_secret(egress, VH_STR("key"), VH_STR("short"), vh_str(place), &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "8 to 2048 bytes"));
    assert_null(strstr(err.text, "short"));
}

static void
headers_that_are_none(void **state)
{
    (void)state;
    static const struct {
        struct viv_http_header header;
        const char *text;
    } cases[] = {
        { { .name = { "Host", 4 }, .value = { "evil", 4 } }, "header 'Host' is written by the host" },
        { { .name = { "content-length", 14 }, .value = { "0", 1 } }, "is written by the host" },
        { { .name = { "Proxy-Authorization", 19 }, .value = { "x", 1 } }, "is written by the host" },
        { { .name = { "A B", 3 }, .value = { "x", 1 } }, "has no name that is one" },
        { { .name = { "A", 1 }, .value = { "x\r\nB: y", 7 } }, "not printable ASCII" },
        { { .name = { "A", 1 }, .value = { "x", 1 }, .prefix = { "\n", 1 } }, "not printable ASCII" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct want want = { .url = world_url(&server, "127.0.0.1", "/ok"), .header_count = 1 };
        want.headers[0] = cases[i].header;
        world_refused(egress, &server, &want, VIV_E_INVALID, cases[i].text);
    }
    world_refused(egress, &server, &(struct want){ .url = world_url(&server, "127.0.0.1", "/"), .method = "PUT" },
                  VIV_E_INVALID, "the method is 'PUT', allowed: GET, POST");
    world_refused(egress, &server, &(struct want){ .url = world_url(&server, "127.0.0.1", "/"), .body = "x" },
                  VIV_E_INVALID, "only POST has a body");
    world_refused(egress, &server, &(struct want){ .url = world_url(&server, "127.0.0.1", "/"), .allow = "[" },
                  VIV_E_INVALID, "the list of hosts");
    assert_int_equal(atomic_load(&server.connections), 0);
}

static void
who_reads_may_end_it(void **state)
{
    (void)state;
    const char *url = world_url(&server, "127.0.0.1", "/endless");
    world_refused(egress, &server, &(struct want){ .url = url, .head_says = VIV_E_BUSY }, VIV_E_BUSY,
                  "who reads the answer ended it");
    world_refused(egress, &server, &(struct want){ .url = url, .body_says = 17 }, VIV_E_PLUGIN, "ended it");
    ask("127.0.0.1", "/ok");
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_comes_whole),
        CASE(a_request_goes_as_it_was_given),
        CASE(no_redirect_is_followed),
        CASE(only_what_is_listed_is_reached),
        CASE(names_lead_only_to_allowed_addresses),
        CASE(addresses_are_taken_in_order),
        CASE(a_name_that_changes_its_mind),
        CASE(a_key_goes_to_its_own_place_alone),
        CASE(headers_that_are_none),
        CASE(who_reads_may_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
