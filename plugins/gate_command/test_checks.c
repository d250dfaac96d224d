/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a gate could let work through that its checks did not pass. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/gate.h>

#include "checks.h"
#include "fake_host.h"
#include "gate_command_manifest.h"

static void
tails_are_bounded_by_lines_and_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t lines;
        int64_t bytes;
        const char *tail;
    } rows[] = {
        {"", 5, 100, ""},
        {"\n\n", 5, 100, ""},
        {"one", 5, 100, "one"},
        {"a\nb\nc\n", 2, 100, "b\nc"},
        {"a\nb\nc", 1, 100, "c"},
        {"abcdef", 5, 3, "def"},
        {"a\nb\nc\n\n\n", 9, 100, "a\nb\nc"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_str tail = checks_tail(fake_str(rows[i].text), rows[i].lines, rows[i].bytes);
        assert_int_equal(tail.len, strlen(rows[i].tail));
        assert_memory_equal(tail.data ? tail.data : "", rows[i].tail, tail.len);
    }
    assert_int_equal(checks_tail((struct viv_str){NULL, 0}, 3, 3).len, 0);
}

static void
only_zero_passes(void **state)
{
    (void)state;
    for (int32_t code = -2; code < 300; code++) {
        struct viv_effect_outcome outcome = {.exit_code = code};
        assert_int_equal(checks_outcome(&outcome), code == 0  ? VIV_GATE_PASSED
                                                   : code < 0 || code == 126 || code == 127 ? VIV_GATE_INCONCLUSIVE
                                                              : VIV_GATE_FAILED);
        outcome.flags = VIV_EFFECT_TIMED_OUT;
        assert_int_equal(checks_outcome(&outcome), VIV_GATE_FAILED);
    }
}

static void
nothing_bound_is_no_check(void **state)
{
    (void)state;
    static const char *const none[] = {"", "[]", "{}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        json_t *checks = (json_t *)1;
        assert_int_equal(checks_read(fake_str(none[i]), &checks, NULL), VIV_OK);
        assert_null(checks);
    }
}

static void
hostile_bindings_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *text;
    } bad[] = {
        {"[", "config_json is not JSON"},
        {"7", "config_json is not a list of at most 64 checks"},
        {"null", "config_json is not a list of at most 64 checks"},
        {"{\"run\":[\"true\"]}", "config_json is not a list of at most 64 checks"},
        {"[7]", "'run' of check 1 is not a list of 1 to 4096 words with a program first"},
        {"[{\"run\":\"true\"}]", "'run' of check 1 is not a list"},
        {"[{\"run\":[\"true\"]},{\"run\":[]}]", "'run' of check 2 is not a list"},
        {"[{\"run\":[\"\"]}]", "'run' of check 1 is not a list"},
        {"[{\"run\":[\"true\",0]}]", "'run' of check 1 is not a list"},
        {"[{\"run\":[\"true\"],\"timeout_ns\":0}]",
         "'timeout_ns' of check 1 is 0, allowed 1 to 86400000000000"},
        {"[{\"run\":[\"true\"],\"timeout_ns\":\"9\"}]", "'timeout_ns' of check 1 is 0, allowed 1"},
        {"[{\"run\":[\"true\"],\"timeout_ns\":86400000000001}]",
         "'timeout_ns' of check 1 is 86400000000001"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        json_t *checks = NULL;
        assert_int_equal(checks_read(fake_str(bad[i].json), &checks, &err), VIV_E_INVALID);
        assert_null(checks);
        if (!strstr(err.text, bad[i].text)) {
            fail_msg("'%s' does not hold '%s'", err.text, bad[i].text);
        }
    }
    char many[2048] = "[";
    for (int i = 0; i <= CHECKS_MAX; i++) {
        strcat(many, i > 0 ? ",{\"run\":[\"a\"]}" : "{\"run\":[\"a\"]}");
    }
    strcat(many, "]");
    json_t *checks = NULL;
    assert_int_equal(checks_read(fake_str(many), &checks, NULL), VIV_E_INVALID);
}

struct fixture {
    struct fake_host host;
    struct fake_call call;
    const struct viv_gate *table;
    const struct viv_plugin *plugin;
    void *self;
    struct viv_gate_check_answer answer;
    struct viv_error err;
};

static void
begin(struct fixture *fix)
{
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR};
    fake_host_init(&fix->host);
    fake_call_init(&fix->call, &fix->host);
    fix->plugin = viv_plugin_entry(&offer, NULL);
    assert_non_null(fix->plugin);
    fix->table = fix->plugin->offers[0].table;
    assert_int_equal(fix->plugin->create(&fix->host.host, fix->plugin->defaults, &fix->self, NULL),
                     VIV_OK);
}

static void
end(struct fixture *fix)
{
    fix->plugin->destroy(fix->self);
    fake_call_finish(&fix->call);
    fake_host_finish(&fix->host);
}

static viv_status
run(struct fixture *fix, const char *config)
{
    struct viv_gate_check_request request = {.size = (uint32_t)sizeof request,
                                             .rev = 1,
                                             .stage = fake_str("needs_qa"),
                                             .tree = fake_str("tree-1"),
                                             .config_json = fake_str(config)};
    fix->answer = (struct viv_gate_check_answer){.size = (uint32_t)sizeof fix->answer, .rev = 1};
    fix->err = (struct viv_error)VIV_ERROR_INIT;
    return fix->table->check(fix->self, &fix->call.call, &request, &fix->answer, &fix->err);
}

static void
no_answer_of_the_door_lets_work_through(void **state)
{
    (void)state;
    for (viv_status status = VIV_STATUS_LAST; status < VIV_OK; status++) {
        struct fixture fix;
        begin(&fix);
        fake_host_effect(&fix.host, (struct fake_effect){.status = status, .text = "why"});
        viv_status got = run(&fix, "[{\"run\":[\"true\"]}]");
        if (status == VIV_E_CANCELLED || status == VIV_E_MEMORY) {
            assert_int_equal(got, status);
        } else {
            assert_int_equal(got, VIV_OK);
            assert_non_null(strstr(fix.answer.findings_json.data, "): why"));
        }
        assert_int_equal(fix.answer.outcome, VIV_GATE_INCONCLUSIVE);
        end(&fix);
    }
}

static void
a_cancelled_check_gives_no_verdict(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    fix.call.cancel_at = 2;
    fake_host_effect(&fix.host, (struct fake_effect){.exit_code = 0});
    assert_int_equal(run(&fix, "[{\"run\":[\"a\"]},{\"run\":[\"b\"]}]"), VIV_E_CANCELLED);
    assert_int_equal(fix.answer.outcome, VIV_GATE_INCONCLUSIVE);
    assert_int_equal(fix.host.requested, 1);
    end(&fix);
}

static void
huge_output_is_cited_in_bounds(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    uint64_t size = 1u << 20;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 0xc3, size);
    fake_host_effect(&fix.host,
                     (struct fake_effect){.exit_code = 1, .output_bytes = {bytes, size}});
    assert_int_equal(run(&fix, "[{\"run\":[\"a\"]}]"), VIV_OK);
    assert_int_equal(fix.answer.outcome, VIV_GATE_FAILED);
    assert_true(fix.answer.findings_json.len < 3 * 4096 + 512);
    free(bytes);
    end(&fix);
}

static void
memory_running_out_never_passes(void **state)
{
    (void)state;
    uint64_t points = 0;
    viv_status status = VIV_E_MEMORY;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        assert_true(points < 10000); /* no memory ever again */
        struct fixture fix;
        begin(&fix);
        fix.call.fail_at = n;
        fake_host_effect(&fix.host, (struct fake_effect){.exit_code = 0});
        status = run(&fix, "[{\"run\":[\"cat\"]}]");
        assert_true(status == VIV_OK ||
                    (status == VIV_E_MEMORY && fix.answer.outcome == VIV_GATE_INCONCLUSIVE));
        assert_true(status == VIV_OK || strstr(fix.err.text, "memory"));
        end(&fix);
    }
    assert_true(points >= 4);
}

static void
without_the_door_there_is_no_gate(void **state)
{
    (void)state;
    struct fake_host host;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR};
    const struct viv_plugin *plugin = viv_plugin_entry(&offer, NULL);
    void *self = NULL;
    fake_host_init(&host);
    host.denied = VIV_SERVICE_EFFECT;
    assert_int_equal(plugin->create(&host.host, plugin->defaults, &self, &err), VIV_E_DENIED);
    assert_null(self);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_are_bounded_by_lines_and_bytes),
        cmocka_unit_test(only_zero_passes),
        cmocka_unit_test(nothing_bound_is_no_check),
        cmocka_unit_test(hostile_bindings_are_refused),
        cmocka_unit_test(no_answer_of_the_door_lets_work_through),
        cmocka_unit_test(a_cancelled_check_gives_no_verdict),
        cmocka_unit_test(huge_output_is_cited_in_bounds),
        cmocka_unit_test(memory_running_out_never_passes),
        cmocka_unit_test(without_the_door_there_is_no_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
