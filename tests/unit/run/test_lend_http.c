/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin reaches the network without the grant, or in a call that is none to a model. */
#include "world.h"

#include <stdio.h>

#include "lend/lend.h"

#include "base/seam.h"

static struct server server;
static struct vh_arena *arena;

static int
set_up(void **state)
{
    (void)state;
    server_start(&server, "127.0.0.1");
    arena = vh_arena_create(NULL, 0);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    vh_arena_destroy(arena);
    server_stop(&server);
    return 0;
}

static viv_status
take_head(void *data, uint32_t status, const struct viv_http_header *headers, uint32_t count)
{
    (void)headers;
    (void)count;
    *(uint32_t *)data = status;
    return VIV_OK;
}

static viv_status
take_body(void *data, struct viv_str piece)
{
    (void)data;
    return vh_str_is(piece, "hello") ? VIV_OK : VIV_E_CORRUPT;
}

static void
only_who_may(void **state)
{
    (void)state;
    static const char *const services[] = { VIV_SERVICE_LOG, VIV_SERVICE_HTTP };
    struct viv_error err = VIV_ERROR_INIT;
    const struct viv_http *http = NULL;
    uint32_t sent = 7, http_status = 0;
    char allow[64];
    const struct viv_host *poor = vh_lend_host(arena, "poor", services, 1);
    assert_int_equal(poor->acquire(poor, VIV_SERVICE_HTTP, (const void **)&http, &err), VIV_E_DENIED);
    assert_non_null(
        strstr(err.text, "service 'viv.http/1' is not among the grants of 'poor'; add it to its manifest"));
    const struct viv_host *host = vh_lend_host(arena, "model", services, 2);
    assert_int_equal(host->acquire(host, VIV_SERVICE_HTTP, (const void **)&http, &err), VIV_OK);

    const struct vh_seam *seam = vh_seam_real();
    struct vh_lend_call call = { .arena = arena, .seam = seam };
    vh_lend_call_init(&call, seam->monotonic_ns(seam->data) + INT64_C(60000000000), VH_STR("t"), NULL);
    const struct viv_http_request request = { .size = sizeof request,
                                              .rev = 1,
                                              .method = VH_STR("GET"),
                                              .url = vh_str(world_url(&server, "127.0.0.1", "/ok")) };
    const struct viv_http_sink sink = { sizeof sink, 1, &http_status, take_head, take_body };
    assert_int_equal(http->exchange(http, &call.call, &request, &sink, &sent, &err), VIV_E_DENIED);
    assert_non_null(strstr(err.text, "web requests are offered to plugins of viv.model/1 alone"));
    assert_int_equal(sent, 0);

    snprintf(allow, sizeof allow, "[\"127.0.0.1:%u\"]", (unsigned)server.port);
    struct vh_egress_lent lent = { .egress = world_egress(NULL), .allow_json = vh_str(allow) };
    call.exchange = vh_egress_lend;
    call.exchange_data = &lent;
    if (http->exchange(http, &call.call, &request, &sink, &sent, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(sent, 1);
    assert_int_equal(http_status, 200);
    vh_lend_call_init(&call, 1, VH_STR("t"), NULL); /* its deadline is the call's */
    assert_int_equal(http->exchange(http, &call.call, &request, &sink, &sent, &err), VIV_E_TIMEOUT);
    vh_egress_destroy(lent.egress);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(only_who_may, set_up, tear_down) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
