/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a failed command could count as done, or an outage could use up an attempt. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/executor.h>

#include "command.h"
#include "executor_command_manifest.h"
#include "fake_host.h"

struct fixture {
    struct fake_host host;
    struct fake_call call;
    const struct viv_executor *table;
    const struct viv_plugin *plugin;
    void *self;
    struct viv_executor_execute_answer answer;
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
run(struct fixture *fix, const char *command)
{
    struct viv_executor_execute_request request = {.size = (uint32_t)sizeof request, .rev = 1};
    request.command_json = fake_str(command);
    fix->answer =
        (struct viv_executor_execute_answer){.size = (uint32_t)sizeof fix->answer, .rev = 1};
    fix->err = (struct viv_error)VIV_ERROR_INIT;
    return fix->table->execute(fix->self, &fix->call.call, &request, &fix->answer, &fix->err);
}

static void
statuses_of_the_door_are_passed_on(void **state)
{
    (void)state;
    static const viv_status statuses[] = {VIV_E_DENIED,  VIV_E_ASK,        VIV_E_LIMIT,
                                          VIV_E_TIMEOUT, VIV_E_BUSY,       VIV_E_CANCELLED,
                                          VIV_E_IO,      VIV_E_UNAVAILABLE};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct fixture fix;
        begin(&fix);
        fake_host_effect(&fix.host,
                         (struct fake_effect){.status = statuses[i], .text = "the door's words"});
        assert_int_equal(run(&fix, "{\"stages\":[{\"argv\":[\"true\"]}]}"), statuses[i]);
        assert_string_equal(fix.err.text, "the door's words");
        assert_null(fix.answer.result_json.data);
        end(&fix);
    }
}

static void
every_bad_ending_is_not_done(void **state)
{
    (void)state;
    static const struct {
        int32_t exit_code;
        uint32_t flags;
        const char *summary;
    } endings[] = {
        {1, 0, "\"summary\":\"true failed with exit code 1\""},
        {128, 0, "\"summary\":\"true failed with exit code 128\""},
        {137, 0, "\"summary\":\"true was ended by signal 9\""},
        {-1, 0, "\"summary\":\"true could not be started\""},
        {0, VIV_EFFECT_TIMED_OUT, "\"summary\":\"true ran out of time\""},
    };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct fixture fix;
        begin(&fix);
        fake_host_effect(&fix.host, (struct fake_effect){.exit_code = endings[i].exit_code,
                                                         .flags = endings[i].flags});
        assert_int_equal(run(&fix, "{\"stages\":[{\"argv\":[\"true\"]}]}"), VIV_OK);
        assert_int_equal(fix.answer.done, 0);
        if (!strstr(fix.answer.result_json.data, endings[i].summary)) {
            fail_msg("%s", fix.answer.result_json.data);
        }
        end(&fix);
    }
}

static void
a_cancelled_call_starts_nothing(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    fix.call.cancel_at = 2;
    fake_host_effect(&fix.host, (struct fake_effect){.exit_code = 0});
    assert_int_equal(run(&fix, "{\"pipelines\":[{\"stages\":[{\"argv\":[\"a\"]}]},{\"stages\":[{"
                               "\"argv\":[\"b\"]}]}]}"),
                     VIV_E_CANCELLED);
    assert_int_equal(fix.host.requested, 1);
    end(&fix);
}

static void
hostile_commands_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        viv_status status;
        const char *text;
    } bad[] = {
        {"{", VIV_E_INVALID, "command_json is not JSON"},
        {"[]", VIV_E_INVALID, "command_json is not an object"},
        {"{}", VIV_E_UNAVAILABLE, "no command came with this task"},
        {"{\"pipelines\":[]}", VIV_E_UNAVAILABLE, "no command came with this task"},
        {"{\"stages\":7}", VIV_E_INVALID, "a pipeline has 0 stages, allowed 1 to 64"},
        {"{\"pipelines\":{}}", VIV_E_INVALID, "the command has 0 pipelines, allowed 1 to 64"},
        {"{\"stages\":[{}]}", VIV_E_INVALID, "stage 1 has 0 words in 'argv', allowed 1 to 4096"},
        {"{\"stages\":[{\"argv\":[1]}]}", VIV_E_INVALID, "word 1 of stage 1 is no text"},
        {"{\"stages\":[{\"argv\":[\"a\"]}],\"pipelines\":[]}", VIV_E_INVALID,
         "both 'stages' and 'pipelines'"},
        {"{\"stages\":[],\"stages\":[]}", VIV_E_INVALID, "duplicate object key"},
        {"{\"stages\":[{\"argv\":[\"a\\u0000b\"]}]}", VIV_E_INVALID, "command_json is not JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture fix;
        begin(&fix);
        assert_int_equal(run(&fix, bad[i].json), bad[i].status);
        if (!strstr(fix.err.text, bad[i].text)) {
            fail_msg("'%s' does not hold '%s'", fix.err.text, bad[i].text);
        }
        assert_int_equal(fix.host.requested, 0);
        end(&fix);
    }
}

static void
too_many_stages_are_refused(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    char *text = calloc(1, 8192);
    assert_non_null(text);
    strcpy(text, "{\"stages\":[");
    for (int i = 0; i <= VIV_STAGES_MAX; i++) {
        strcat(text, i > 0 ? ",{\"argv\":[\"a\"]}" : "{\"argv\":[\"a\"]}");
    }
    strcat(text, "]}");
    assert_int_equal(run(&fix, text), VIV_E_INVALID);
    assert_string_equal(fix.err.text, "a pipeline has 65 stages, allowed 1 to 64");
    free(text);
    end(&fix);
}

static void
huge_and_foreign_output_is_bounded_and_repaired(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    uint64_t size = 1u << 20;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 0xff, size);
    bytes[0] = '\0';
    bytes[1] = '\x1b';
    fake_host_effect(&fix.host, (struct fake_effect){.output_bytes = {bytes, size},
                                                     .flags = VIV_EFFECT_OUTPUT_CUT});
    assert_int_equal(run(&fix, "{\"stages\":[{\"argv\":[\"cat\"]}]}"), VIV_OK);
    assert_true(fix.answer.result_json.len < 3 * 16384 + 1024);
    assert_non_null(strstr(fix.answer.result_json.data, "[1032192 bytes left out]"));
    assert_non_null(
        strstr(fix.answer.result_json.data, "\"output\":\"\xef\xbf\xbd\\u001b\xef\xbf\xbd"));
    assert_non_null(strstr(fix.answer.result_json.data, "\"output_cut\":1"));
    free(bytes);
    end(&fix);
}

static void
memory_running_out_is_a_status(void **state)
{
    (void)state;
    uint64_t points = 0;
    viv_status status = VIV_E_MEMORY;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        assert_true(points < 10000); /* no memory ever again */
        struct fixture fix;
        begin(&fix);
        fix.call.fail_at = n;
        fake_host_effect(&fix.host, (struct fake_effect){.output = "x"});
        status = run(&fix, "{\"stages\":[{\"argv\":[\"cat\"]}]}");
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
        assert_true(status == VIV_OK || fix.answer.result_json.data == NULL);
        end(&fix);
    }
    assert_true(points >= 3);
}

static void
without_the_door_there_is_no_executor(void **state)
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
    assert_string_equal(err.text, "the manifest's grants do not name this service");
    assert_null(self);
}

static void
excerpts_name_what_is_missing(void **state)
{
    (void)state;
    json_t *text = command_excerpt(fake_str("0123456789"), 10);
    assert_string_equal(json_string_value(text), "0123456789");
    json_decref(text);
    text = command_excerpt(fake_str("0123456789"), 4);
    assert_string_equal(json_string_value(text), "01\n[6 bytes left out]\n89");
    json_decref(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_of_the_door_are_passed_on),
        cmocka_unit_test(every_bad_ending_is_not_done),
        cmocka_unit_test(a_cancelled_call_starts_nothing),
        cmocka_unit_test(hostile_commands_are_refused),
        cmocka_unit_test(too_many_stages_are_refused),
        cmocka_unit_test(huge_and_foreign_output_is_bounded_and_repaired),
        cmocka_unit_test(memory_running_out_is_a_status),
        cmocka_unit_test(without_the_door_there_is_no_executor),
        cmocka_unit_test(excerpts_name_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
