/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a server or a crash makes the host wait for ever, read without end, pay twice, or lose its way out.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/seam.h"

#define MS INT64_C(1000000)
#define THREADS 64
#define FAKE "viv_egress_fake"

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
    assert_int_equal(world_child(FAKE), 0); /* nothing is left */
    return 0;
}

static const char *
at(const char *path)
{
    return world_url(&server, "127.0.0.1", path);
}

static void
must(const struct want *want, viv_status status, uint32_t sent, const char *text)
{
    world_ask(egress, &server, want, &got);
    if (got.status != status || got.sent != sent || !strstr(got.err.text, text)) {
        fail_msg("%s: %d, sent %u, '%s'; wanted %d, %u, '%s'", want->url, got.status, got.sent, got.err.text, status,
                 sent, text);
    }
}

static void
times_are_bounded(void **state)
{
    (void)state;
    must(&(struct want){ .url = at("/slow"), .first_byte_ns = 80 * MS }, VIV_E_TIMEOUT, 1,
         "'127.0.0.1': no answer came within 80 ms");
    must(&(struct want){ .url = at("/stall"), .first_byte_ns = 30000 * MS, .idle_ns = 80 * MS }, VIV_E_TIMEOUT, 1,
         "nothing more came within 80 ms");
    assert_int_equal(got.len, 5);
    must(&(struct want){ .url = at("/stall"), .deadline_ns = 80 * MS }, VIV_E_TIMEOUT, 1, "no end came");
    must(
        &(struct want){ .url = "http://stuck.test/", .allow = "[\"http://stuck.test:80\"]", .first_byte_ns = 80 * MS },
        VIV_E_TIMEOUT, 0, "'stuck.test': no connection within 80 ms");
    must(&(struct want){ .url = at("/ok"), .deadline_ns = -1 }, VIV_E_TIMEOUT, 0, "the deadline passed before");
    must(&(struct want){ .url = at("/ok"), .idle_ns = -1 }, VIV_E_INVALID, 0, "a time of the request is negative");
}

static void
broken_answers_are_told(void **state)
{
    (void)state;
    must(&(struct want){ .url = at("/cut") }, VIV_E_IO, 1, "was cut short");
    must(&(struct want){ .url = at("/nothing") }, VIV_E_IO, 1, "was cut short");
    must(&(struct want){ .url = at("/garbage") }, VIV_E_IO, 1, "was cut short");
    must(&(struct want){ .url = at("/endless"), .most = 100000 }, VIV_E_LIMIT, 1,
         "the answer is longer than 100000 bytes");
    assert_true(got.len <= 100000);
    must(&(struct want){ .url = at("/big/100001"), .most = 100000 }, VIV_E_LIMIT, 1, "longer than 100000 bytes");
    must(&(struct want){ .url = at("/big/100000"), .most = 100000 }, VIV_OK, 1, "");
    must(&(struct want){ .url = at("/heads") }, VIV_E_LIMIT, 1,
         "the head of the answer is over 40960 bytes or 128 lines");
}

static void
nobody_there_is_not_sent(void **state)
{
    (void)state;
    char url[64], allow[64];
    uint16_t port = 0;
    int fd = world_listen("127.0.0.1", &port);
    close(fd);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)port);
    snprintf(allow, sizeof allow, "[\"127.0.0.1:%u\"]", (unsigned)port);
    must(&(struct want){ .url = url, .allow = allow }, VIV_E_UNAVAILABLE, 0, "no connection to '127.0.0.1:");
}

static void
a_wish_to_stop_is_followed(void **state)
{
    (void)state;
    atomic_uint cancel = 1;
    must(&(struct want){ .url = at("/slow"), .cancel = &cancel }, VIV_E_CANCELLED, 0, "it was cancelled");
    atomic_store(&cancel, 0);
    got.cancel_at_body = &cancel;
    must(&(struct want){ .url = at("/stall"), .cancel = &cancel }, VIV_E_CANCELLED, 1, "it was cancelled");
    got.cancel_at_body = NULL;
    must(&(struct want){ .url = at("/ok") }, VIV_OK, 1, "");
}

/* ---- death ---- */

static void *
kill_when_asked(void *data)
{
    (void)data;
    server_await(&server, 1);
    pid_t child = world_child(FAKE);
    if (child <= 1 || kill(child, SIGKILL)) {
        abort();
    }
    return NULL;
}

/* Killed in the middle of an exchange: that one fails, and it is known that the request went; the next one works, and
 * has its key. */
static void
it_is_started_again(void **state)
{
    (void)state;
    struct viv_error err = VIV_ERROR_INIT;
    char place[64];
    pthread_t thread;
    snprintf(place, sizeof place, "127.0.0.1:%u", (unsigned)server.port);
    assert_int_equal(vh_egress_secret(egress, VH_STR("key"), VH_STR("canary-0123456789"), vh_str(place), &err),
                     VIV_OK);
    assert_int_equal(world_child(FAKE), 0); /* not before the first use */
    assert_int_equal(pthread_create(&thread, NULL, kill_when_asked, NULL), 0);
    must(&(struct want){ .url = at("/slow") }, VIV_E_UNAVAILABLE, 1,
         "ended before it answered; the next use starts it");
    pthread_join(thread, NULL);
    const struct want want = {
        .url = at("/echo"),
        .header_count = 1,
        .headers = { { .name = VH_STR("X-Api-Key"), .value = VH_STR("key"), .flags = VIV_HTTP_SECRET } }
    };
    must(&want, VIV_OK, 1, "");
    assert_non_null(strstr(server.last, "\r\nX-Api-Key: canary-0123456789\r\n"));
    for (int i = 0; i < 3; i++) { /* between two exchanges */
        assert_int_equal(kill(world_child(FAKE), SIGKILL), 0);
        while (world_child(FAKE)) {
            continue;
        }
        must(&want, VIV_OK, 1, "");
    }
}

static void
a_program_that_is_not_there(void **state)
{
    (void)state;
    struct vh_egress *none = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_egress_config config = { .seam = vh_seam_real(), .program = "/nowhere/viv-egress" };
    assert_int_equal(vh_egress_create(&config, &none, &err), VIV_OK);
    for (int i = 0; i < 2; i++) {
        world_refused(none, &server, &(struct want){ .url = at("/ok") }, VIV_E_UNAVAILABLE,
                      "cannot start '/nowhere/viv-egress': No such file or directory");
    }
    vh_egress_destroy(none);
    const struct vh_egress_config exits = { .seam = vh_seam_real(), .program = "/bin/true" };
    assert_int_equal(vh_egress_create(&exits, &none, &err), VIV_OK);
    world_refused(none, &server, &(struct want){ .url = at("/ok") }, VIV_E_UNAVAILABLE, "/bin/true");
    vh_egress_destroy(none);
    vh_egress_destroy(NULL);
    char path[4100];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const struct vh_egress_config long_one = { .seam = vh_seam_real(), .program = "x", .ca_file = path };
    assert_int_equal(vh_egress_create(&long_one, &none, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "has 4099 bytes, allowed 4000"));
}

/* ---- many ---- */

static atomic_int wrong;

static void *
ask_often(void *data)
{
    static const char *const paths[] = { "/ok", "/big/300000", "/chunks", "/cut" };
    struct got *mine = malloc(sizeof *mine);
    char url[128];
    size_t which = *(const size_t *)data;
    for (size_t i = 0; mine && i < 4; i++) {
        const char *path = paths[(which + i) % 4];
        mine->cancel_at_body = NULL;
        snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)server.port, path);
        world_ask(egress, &server, &(struct want){ .url = url }, mine);
        bool good = strcmp(path, "/cut") == 0 ? mine->status == VIV_E_IO
                                              : mine->status == VIV_OK && mine->len == (path[1] == 'b'   ? 300000u
                                                                                        : path[1] == 'o' ? 5u
                                                                                                         : 6u);
        if (!good) {
            atomic_fetch_add(&wrong, 1);
        }
    }
    free(mine);
    return NULL;
}

static void
many_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t numbers[THREADS];
    atomic_store(&wrong, 0);
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&server.requests), THREADS * 4);
}

/* ---- a reader that takes its time ---- */

struct slow {
    pthread_mutex_t lock;
    size_t len;
    bool held;
};

static viv_status
slow_head(void *data, uint32_t status, const struct viv_http_header *headers, uint32_t count)
{
    (void)data;
    (void)headers;
    (void)count;
    return status == 200 ? VIV_OK : VIV_E_IO;
}

/* At the first piece, do another exchange: this one's buffers fill, and nobody else waits for it. */
static viv_status
slow_body(void *data, struct viv_str piece)
{
    struct slow *slow = data;
    if (!slow->held) {
        slow->held = true;
        must(&(struct want){ .url = at("/big/3000000") }, VIV_OK, 1, "");
        assert_int_equal(got.len, 3000000);
    }
    slow->len += piece.len;
    return VIV_OK;
}

static void
a_slow_reader_stops_its_own_answer_only(void **state)
{
    (void)state;
    struct slow slow = { .len = 0 };
    struct viv_error err = VIV_ERROR_INIT;
    char allow[64];
    uint32_t sent = 0;
    snprintf(allow, sizeof allow, "[\"127.0.0.1:%u\"]", (unsigned)server.port);
    const struct vh_seam *seam = vh_seam_real();
    const struct vh_egress_bounds bounds = { .allow_json = vh_str(allow),
                                             .deadline_ns = seam->monotonic_ns(seam->data) + 60000 * MS };
    const struct viv_http_request request = { .size = sizeof request,
                                              .rev = 1,
                                              .method = VH_STR("GET"),
                                              .url = vh_str(at("/big/8000000")),
                                              .idle_ns = 30000 * MS };
    const struct viv_http_sink sink = { sizeof sink, 1, &slow, slow_head, slow_body };
    assert_int_equal(vh_egress_exchange(egress, &bounds, &request, &sink, &sent, &err), VIV_OK);
    assert_int_equal(slow.len, 8000000);
    struct viv_http_request small = request;
    small.size = 8;
    assert_int_equal(vh_egress_exchange(egress, &bounds, &small, &sink, &sent, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "smaller than revision 1"));
    struct viv_http_request much = request;
    much.method = VH_STR("POST");
    much.body = (struct viv_str){ "x", (64u << 20) + 1 };
    assert_int_equal(vh_egress_exchange(egress, &bounds, &much, &sink, &sent, &err), VIV_E_LIMIT);
    assert_non_null(strstr(err.text, "a body of 67108865 bytes, allowed 64 and 67108864"));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(times_are_bounded),
        CASE(broken_answers_are_told),
        CASE(nobody_there_is_not_sent),
        CASE(a_wish_to_stop_is_followed),
        CASE(it_is_started_again),
        CASE(a_program_that_is_not_there),
        CASE(many_at_once),
        CASE(a_slow_reader_stops_its_own_answer_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
