/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, work that was not done could be published, or good work be sent back without a
 * reason. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/critic.h>

#include "critic_rubric_manifest.h"
#include "fake_host.h"
#include "leftovers.h"
#include "rubric.h"

struct fixture {
    struct fake_host host;
    struct fake_call call;
    const struct viv_critic *table;
    const struct viv_plugin *plugin;
    void *self;
    struct viv_critic_review_answer answer;
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
}

static viv_status
review(struct fixture *fix, const char *intent, const char *change, const char *result,
       const char *trace)
{
    struct viv_critic_review_request request = {.size = (uint32_t)sizeof request,
                                                .rev = 1,
                                                .intent_json = fake_str(intent),
                                                .change_json = fake_str(change),
                                                .gates_json = fake_str("[]"),
                                                .result_json = fake_str(result),
                                                .trace_json = fake_str(trace)};
    fix->answer = (struct viv_critic_review_answer){.size = (uint32_t)sizeof fix->answer, .rev = 1};
    fix->err = (struct viv_error)VIV_ERROR_INIT;
    return fix->table->review(fix->self, &fix->call.call, &request, &fix->answer, &fix->err);
}

static void
leftovers_are_whole_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *word;
        int64_t line;
    } rows[] = {
        {"/* TO"
         "DO: x */",
         "TO"
         "DO",
         1},
        {"a\nb\n#FIX"
         "ME",
         "FIX"
         "ME",
         3},
        {"to"
         "dos TO"
         "DOS myTO"
         "DO TO"
         "DO_LIST",
         NULL, 0},
        {"to"
         "do list",
         NULL, 0},
        {"Lorem Ipsum dolor", "Lorem Ipsum", 1},
        {"place"
         "holders",
         NULL, 0},
        {"a PLACE"
         "HOLDER.",
         "PLACE"
         "HOLDER",
         1},
        {"raise NotImplementedError", "raise NotImplementedError", 1},
        {"", NULL, 0},
        {"// ... rest of the code ...", "rest of the code", 1},
        {"mastodon XXXL", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct leftover leftover = {{NULL, 0}, 0};
        uint64_t at = 0;
        int64_t line = 1;
        uint32_t found = leftovers_next(fake_str(rows[i].text), &at, &line, &leftover);
        if (found != (rows[i].word != NULL)) {
            fail_msg("'%s' found %u", rows[i].text, found);
        }
        if (found) {
            assert_int_equal(leftover.word.len, strlen(rows[i].word));
            assert_memory_equal(leftover.word.data, rows[i].word, leftover.word.len);
            assert_int_equal(leftover.line, rows[i].line);
        }
    }
}

static void
scores_stay_in_range(void **state)
{
    (void)state;
    struct findings findings = {.errors = 1, .warnings = 2};
    assert_int_equal(rubric_score(&findings, 500, 100), 300);
    findings.errors = UINT32_MAX;
    findings.warnings = UINT32_MAX;
    assert_int_equal(rubric_score(&findings, 1000, 1000), 0);
    findings.errors = findings.warnings = 0;
    assert_int_equal(rubric_score(&findings, 1000, 1000), 1000);
}

static void
documents_that_cannot_be_read_give_no_score(void **state)
{
    (void)state;
    static const struct {
        const char *intent, *change, *result, *trace, *text;
    } bad[] = {
        {"{", "{\"paths\":[]}", "{}", "[]", "intent_json is not JSON"},
        {"{}", "", "{}", "[]", "change_json has no list 'paths'"},
        {"{}", "{}", "{}", "[]", "change_json has no list 'paths'"},
        {"{}", "{\"paths\":{}}", "{}", "[]", "change_json has no list 'paths'"},
        {"{}", "[]", "{}", "[]", "change_json is not an object"},
        {"{}", "{\"paths\":[]}", "7", "[]", "result_json is not an object"},
        {"{}", "{\"paths\":[]}", "{}", "\"x\"", "trace_json is not an object"},
        {"{}", "{\"paths\":[],\"paths\":[]}", "{}", "[]", "duplicate"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture fix;
        begin(&fix);
        assert_int_equal(review(&fix, bad[i].intent, bad[i].change, bad[i].result, bad[i].trace),
                         VIV_E_INVALID);
        if (!strstr(fix.err.text, bad[i].text)) {
            fail_msg("'%s' does not hold '%s'", fix.err.text, bad[i].text);
        }
        assert_int_equal(fix.answer.score_permille, 0);
        assert_null(fix.answer.findings_json.data);
        end(&fix);
    }
}

static void
wrong_types_inside_are_findings_not_crashes(void **state)
{
    (void)state;
    static const struct {
        const char *change, *result, *trace, *rule;
    } odd[] = {
        {"{\"paths\":[7]}", "{\"output\":\"x\"}", "[]", "change.malformed"},
        {"{\"paths\":[{\"path\":[]}]}", "{\"output\":\"x\"}", "[]", "change.malformed"},
        {"{\"paths\":[]}", "{\"output\":\"x\",\"claimed\":[{}]}", "[]", "claim.malformed"},
        {"{\"paths\":[]}", "{\"output\":[],\"claimed\":7}", "[7]", "result.empty"},
        {"{\"paths\":[]}", "", "", "result.empty"},
        {"{\"paths\":[{\"path\":\"a\"}]}", "{\"error\":\"boom\"}", "{\"effects\":7}",
         "result.failed"},
        {"{\"paths\":[{\"path\":\"a\"}]}", "{}",
         "[{\"kind\":\"exec\",\"exit_code\":9,\"argv\":[7]}]", "trace.swallowed"},
        {"{\"paths\":[{\"path\":\"a\",\"size\":0}]}", "{}", "[]", "content.empty"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct fixture fix;
        begin(&fix);
        assert_int_equal(
            review(&fix, "{\"scope\":7,\"goal\":[]}", odd[i].change, odd[i].result, odd[i].trace),
            VIV_OK);
        assert_true(fix.answer.score_permille < 1000);
        if (!strstr(fix.answer.findings_json.data, odd[i].rule)) {
            fail_msg("'%s' has no %s", fix.answer.findings_json.data, odd[i].rule);
        }
        end(&fix);
    }
}

static void
many_findings_are_counted_and_bounded(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    char *result = calloc(1, 1u << 20);
    assert_non_null(result);
    strcpy(result, "{\"output\":\"x\",\"claimed\":[\"a\"");
    char *at = result + strlen(result);
    for (int i = 0; i < 20000; i++) {
        memcpy(at, ",\"missing\"", 10);
        at += 10;
    }
    strcpy(at, "]}");
    assert_int_equal(review(&fix, "{}", "{\"paths\":[]}", result, "[]"), VIV_OK);
    assert_int_equal(fix.answer.score_permille, 0);
    json_t *list = json_loads(fix.answer.findings_json.data, 0, NULL);
    assert_int_equal(json_array_size(list), FINDINGS_MAX);
    json_decref(list);
    free(result);
    end(&fix);
}

static void
memory_running_out_is_an_abstention(void **state)
{
    (void)state;
    uint64_t points = 0;
    viv_status status = VIV_E_MEMORY;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        assert_true(points < 10000); /* no memory ever again */
        struct fixture fix;
        begin(&fix);
        fix.call.fail_at = n;
        status = review(&fix, "{}", "{\"paths\":[]}", "{}", "[]");
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
        assert_true(status == VIV_OK ||
                    (fix.answer.score_permille == 0 && fix.answer.findings_json.data == NULL));
        end(&fix);
    }
    assert_true(points >= 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leftovers_are_whole_words),
        cmocka_unit_test(scores_stay_in_range),
        cmocka_unit_test(documents_that_cannot_be_read_give_no_score),
        cmocka_unit_test(wrong_types_inside_are_findings_not_crashes),
        cmocka_unit_test(many_findings_are_counted_and_bounded),
        cmocka_unit_test(memory_running_out_is_an_abstention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
