/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "test_bench.h"

void
bench_begin(struct bench *bench)
{
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR};
    fake_host_init(&bench->host);
    fake_call_init(&bench->call, &bench->host);
    bench->plugin = viv_plugin_entry(&offer, NULL);
    assert_non_null(bench->plugin);
    bench->table = bench->plugin->offers[0].table;
    assert_int_equal(
        bench->plugin->create(&bench->host.host, bench->plugin->defaults, &bench->self, NULL),
        VIV_OK);
}

void
bench_end(struct bench *bench)
{
    bench->plugin->destroy(bench->self);
    fake_call_finish(&bench->call);
    fake_host_finish(&bench->host);
}

void
bench_holds(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("'%s' does not hold '%s'", text, part);
    }
}

void
bench_equal(struct viv_str answer, const char *text)
{
    if (answer.len != strlen(text) || memcmp(answer.data ? answer.data : "", text, answer.len) != 0) {
        fail_msg("'%.*s' is not '%s'", (int)answer.len, answer.data ? answer.data : "", text);
    }
}
