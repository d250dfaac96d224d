/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a model could work on without end, past a person's answer, or be done without having said so. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "test_bench.h"

static void
a_run_is_counted(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.config.model = fake_str("strong");
    bench_text(&bench, "thinking", "end");
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    assert_int_equal(bench.answer.done, 1);
    assert_string_equal(bench.answer.result_json.data,
                        "{\"claimed\":[\"a.c\"],\"exit_code\":0,\"models\":{\"small\":{\"calls\":2,\"cost_micro\":14,"
                        "\"input_tokens\":22,\"output_tokens\":10}},\"output\":\"thinking\",\"steps\":2,"
                        "\"summary\":\"all is well\"}");
    assert_string_equal(bench.host.requests[0].path, "strong");
    bench_told(&bench, 1, 0, "Nothing was done. Use tools to work; when the work is complete, call done.", -1);
    bench_close(&bench);
}

static void
what_the_door_says_of_a_model_ends_the_run(void **state)
{
    (void)state;
    static const viv_status statuses[] = { VIV_E_BUSY,    VIV_E_UNAVAILABLE, VIV_E_TIMEOUT, VIV_E_DENIED,
                                           VIV_E_INVALID, VIV_E_ASK,         VIV_E_STORE,   VIV_E_CANCELLED };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct bench bench;
        bench_open(&bench);
        bench_call(&bench, "delete_file", "{\"path\":\"a\"}");
        bench_effect(&bench, (struct fake_effect){ 0 });
        bench_effect(&bench, (struct fake_effect){ .status = statuses[i], .text = "the door's words" });
        assert_int_equal(bench_run(&bench), statuses[i]);
        assert_string_equal(bench.err.text, "the door's words");
        assert_null(bench.answer.result_json.data);
        assert_int_equal(bench.host.requested, 3);
        bench_close(&bench);
    }
}

static void
no_money_ends_the_work(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_call(&bench, "delete_file", "{\"path\":\"a\"}");
    bench_effect(&bench, (struct fake_effect){ 0 });
    bench_effect(&bench, (struct fake_effect){ .status = VIV_E_LIMIT, .text = "'day' is used up: 2.00 of 2.00" });
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "'day' is used up: 2.00 of 2.00");
    bench_has(bench.answer.result_json.data, "\"calls\":1,\"cost_micro\":7");
    bench_close(&bench);
}

static void
what_ends_a_tool_ends_the_run_or_is_told(void **state)
{
    (void)state;
    static const struct {
        viv_status status;
        uint32_t told;
    } cases[] = {
        { VIV_E_INVALID, 1 }, { VIV_E_UNSUPPORTED, 1 }, { VIV_E_DENIED, 1 },  { VIV_E_NOT_FOUND, 1 },
        { VIV_E_EXISTS, 1 },  { VIV_E_CONFLICT, 1 },    { VIV_E_LIMIT, 1 },   { VIV_E_IO, 1 },
        { VIV_E_BUSY, 1 },    { VIV_E_PLUGIN, 1 },      { VIV_E_UNAVAILABLE, 1 },
        { VIV_E_ASK, 0 },     { VIV_E_TIMEOUT, 0 },     { VIV_E_CANCELLED, 0 }, { VIV_E_MEMORY, 0 },
        { VIV_E_STORE, 0 },   { VIV_E_FENCED, 0 },      { VIV_E_STATE, 0 },   { VIV_E_INTERNAL, 0 },
        { VIV_E_CORRUPT, 0 }, { VIV_E_VERSION, 0 },     { -99, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench bench;
        bench_open(&bench);
        bench_call(&bench, "write_file", "{\"path\":\"a\",\"text\":\"\"}");
        bench_effect(&bench, (struct fake_effect){ .status = cases[i].status, .text = "rule 'x' says no" });
        bench_done(&bench);
        assert_int_equal(bench_run(&bench), cases[i].told ? VIV_OK : cases[i].status);
        assert_int_equal(bench.host.requested, cases[i].told ? 3 : 2);
        if (cases[i].told) {
            bench_told(&bench, 2, 0, "rule 'x' says no", 1);
        } else {
            assert_string_equal(bench.err.text, "rule 'x' says no");
            assert_null(bench.answer.result_json.data);
        }
        bench_close(&bench);
    }
}

static void
five_denials_end_the_work(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    for (int i = 0; i < LOOP_DENIED_MAX; i++) {
        bench_call(&bench, "run", "{\"argv\":[\"sudo\"]}");
        bench_effect(&bench, (struct fake_effect){ .status = VIV_E_DENIED,
                                                   .text = i == 4 ? "exec denied by exec.privilege: no" : "first" });
    }
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "5 effects were denied, allowed 4; the last: exec denied by exec.privilege: no");
    assert_int_equal(bench.host.requested, 10);
    bench_close(&bench);
}

/* A denial in the middle of a message leaves the rest of it undone. */
static void
what_follows_the_last_denial_is_not_done(void **state)
{
    (void)state;
#define DELETE                                                                                                         \
    "{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"delete_file\",\"input_json\":\"{\\\"path\\\":\\\"a\\\"}\"}"
    struct bench bench;
    bench_open(&bench);
    bench_message(&bench, "{\"content\":[" DELETE "," DELETE "," DELETE "," DELETE "," DELETE "," DELETE
                          "],\"stop\":\"tool\"}");
    for (int i = 0; i < LOOP_DENIED_MAX; i++) {
        bench_effect(&bench, (struct fake_effect){ .status = VIV_E_DENIED, .text = "no" });
    }
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "5 effects were denied");
    assert_int_equal(bench.host.requested, 6);
    bench_close(&bench);
}

static void
done_after_a_failure_in_one_message_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_message(&bench, "{\"content\":[{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"run\",\"input_json\":"
                          "\"{\\\"command\\\":\\\"make test\\\"}\"},{\"type\":\"tool_call\",\"id\":\"x\","
                          "\"name\":\"done\",\"input_json\":\"{\\\"summary\\\":\\\"s\\\"}\"}],\"stop\":\"tool\"}");
    bench_effect(&bench, (struct fake_effect){ .exit_code = 1 });
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_told(&bench, 2, 1,
               "not done: an earlier call of the same message failed; look at it, and call done alone when all is well",
               1);
    assert_int_equal(bench.answer.done, 1);
    bench_has(bench.answer.result_json.data, "\"summary\":\"all is well\"");
    bench_close(&bench);
}

static void
what_follows_done_is_not_done(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_message(&bench, "{\"content\":[{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"done\",\"input_json\":"
                          "\"{\\\"summary\\\":\\\"s\\\"}\"}," DELETE "],\"stop\":\"tool\"}");
    assert_int_equal(bench_run(&bench), VIV_OK);
    assert_int_equal(bench.answer.done, 1);
    assert_int_equal(bench.host.requested, 1);
    bench_has(bench.answer.result_json.data, "\"claimed\":[]");
    bench_close(&bench);
}

/* It is shown in lists and on terminals. */
static void
a_summary_is_one_line_and_bounded(void **state)
{
    (void)state;
    struct bench bench;
    char input[6000], wanted[4200];
    bench_open(&bench);
    (void)snprintf(input, sizeof input, "{\"summary\":\"one\\ntwo \\u001b[31m%05000d\"}", 0);
    (void)snprintf(wanted, sizeof wanted, "\"summary\":\"one two  [31m%04083d\"}", 0);
    bench_call(&bench, "done", input);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_has(bench.answer.result_json.data, wanted);
    bench_close(&bench);
}

/* What the door says of an answer is counted up to what a record can hold; what it cannot have said is a failure. */
static void
counts_are_the_doors(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_effect(&bench, (struct fake_effect){ .output = "{\"content\":[" DELETE "]}",
                                               .detail = "{\"cost_micro\":9007199254740991,\"model\":\"m\",\"usage\":"
                                                         "{\"input_tokens\":9223372036854775807,\"output_tokens\":"
                                                         "-5}}" });
    bench_effect(&bench, (struct fake_effect){ 0 });
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "the run used 9007199254740991 tokens, allowed 1000000");
    bench_has(bench.answer.result_json.data, "\"m\":{\"calls\":1,\"cost_micro\":9007199254740991,\"input_tokens\":"
                                             "9007199254740991,\"output_tokens\":8192}");
    bench_close(&bench);
    bench_open(&bench);
    bench_effect(&bench, (struct fake_effect){ .output = "{\"content\":[" DELETE "]}", .detail = "{" });
    assert_int_equal(bench_run(&bench), VIV_E_INVALID);
    bench_has(bench.err.text, "what the door says of the answer is not JSON");
    bench_close(&bench);
}

static void
text_alone_ends_the_run_the_second_time(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_text(&bench, "first", "end");
    bench_call(&bench, "fly", "{}"); /* a call, if a wrong one: counted anew */
    bench_text(&bench, "second", "end");
    bench_text(&bench, "it is done, trust me", "end");
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "the model stopped without saying that it is done");
    bench_has(bench.answer.result_json.data, "\"output\":\"it is done, trust me\"");
    assert_int_equal(bench.host.requested, 4);
    bench_close(&bench);
}

static void
a_refusal_ends_the_run(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_text(&bench, "I will not", "refused");
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "the model refused to go on");
    bench_close(&bench);
}

static void
cut_answers_go_on_twice(void **state)
{
    (void)state;
    static const char note[] = "Your answer was cut before its end, and a call that was not whole was not done. Go on, "
                               "in smaller parts.";
    struct bench bench;
    bench_open(&bench);
    bench_text(&bench, "a", "length");
    bench_message(&bench, "{\"content\":[" DELETE "],\"stop\":\"length\"}");
    bench_effect(&bench, (struct fake_effect){ 0 });
    bench_text(&bench, "b", "cut");
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_told(&bench, 1, 0, note, -1);
    bench_told(&bench, 3, 0, "deleted", 0);
    bench_told(&bench, 3, 1, note, -1);
    bench_ended(&bench, "3 answers in a row were cut at their end; raise option 'max_tokens' of viv.executor_model, "
                        "now 8192");
    bench_close(&bench);
}

static void
a_whole_answer_ends_the_row_of_cut_ones(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_text(&bench, "a", "length");
    bench_text(&bench, "a", "length");
    bench_call(&bench, "fly", "{}");
    bench_text(&bench, "a", "length");
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    assert_int_equal(bench.answer.done, 1);
    bench_close(&bench);
}

static void
steps_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.config.steps = 2;
    for (int i = 0; i < 3; i++) {
        bench_call(&bench, "fly", "{}");
    }
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "the model was not done after 2 answers, allowed 2; raise option 'steps'");
    assert_int_equal(bench.host.requested, 2);
    bench_close(&bench);
}

/* Usage that is not told is the most it can have been. */
static void
tokens_are_bounded(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct bench bench;
        bench_open(&bench);
        bench.config.tokens = known ? 32 : 8192;
        for (int i = 0; i < 3; i++) {
            bench_effect(&bench, (struct fake_effect){ .output = "{\"content\":[" DELETE "],\"stop\":\"tool\"}",
                                                       .detail = known ? BENCH_DETAIL : "{\"model\":\"m\"}" });
            bench_effect(&bench, (struct fake_effect){ 0 });
        }
        assert_int_equal(bench_run(&bench), VIV_OK);
        bench_ended(&bench, known ? "the run used 32 tokens, allowed 32; raise option 'tokens'" : "the run used 1");
        assert_int_equal(bench.host.requested, known ? 4 : 2);
        bench_close(&bench);
    }
}

static void
a_cancelled_run_stops_before_the_next_effect(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        struct bench bench;
        bench_open(&bench);
        bench.call.cancel_at = n; /* also how a deadline shows */
        for (int i = 0; i < 3; i++) {
            bench_call(&bench, "delete_file", "{\"path\":\"a\"}");
            bench_effect(&bench, (struct fake_effect){ 0 });
        }
        assert_int_equal(bench_run(&bench), VIV_E_CANCELLED);
        assert_string_equal(bench.err.text, "the work was cancelled");
        assert_int_equal(bench.host.requested, n - 1);
        bench_close(&bench);
    }
}

/* Outcomes stay in the call's memory: before it is used up the run ends by a sentence, not by a failure. */
static struct fake_effect
large_reads(struct fake_host *host, const struct viv_effect_request *request)
{
    const char *bytes = host->answer_data;
    if (request->kind == VIV_EFFECT_READ)
        return (struct fake_effect){ .output_bytes = { bytes, VIV_OUTPUT_MAX } };
    return (struct fake_effect){
        .output = "{\"content\":[{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"read_file\",\"input_json\":"
                  "\"{\\\"path\\\":\\\"a\\\"}\"}],\"stop\":\"tool\"}",
        .detail = BENCH_DETAIL };
}

static void
what_is_read_is_bounded(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.config.steps = 1000;
    bench.host.answer = large_reads;
    bench.host.answer_data = calloc(1, VIV_OUTPUT_MAX);
    assert_non_null(bench.host.answer_data);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "bytes, allowed 50331648; ask for less at a time");
    assert_true(bench.call.used_bytes < VIV_CALL_ARENA_MAX);
    free(bench.host.answer_data);
    bench_close(&bench);
}

/* A thousand steps take of the call's memory what their outcomes take, and of the request no more than its bound. */
static struct fake_effect
endless(struct fake_host *host, const struct viv_effect_request *request)
{
    uint64_t *largest = host->answer_data;
    if (request->kind != VIV_EFFECT_MODEL)
        return (struct fake_effect){ .exit_code = 1, .output = "twenty bytes of text", .errors = "and more" };
    *largest = request->spec_json.len > *largest ? request->spec_json.len : *largest;
    return (struct fake_effect){
        .output = "{\"content\":[{\"type\":\"text\",\"text\":\"once more\"},{\"type\":\"tool_call\",\"id\":\"x\","
                  "\"name\":\"run\",\"input_json\":\"{\\\"command\\\":\\\"make\\\"}\"}],\"stop\":\"tool\"}",
        .detail = BENCH_DETAIL };
}

static void
a_thousand_steps_stay_small(void **state)
{
    (void)state;
    struct bench bench;
    uint64_t largest = 0;
    bench_open(&bench);
    bench.config.steps = 1000;
    bench.config.context_bytes = 64 << 10;
    bench.host.answer = endless;
    bench.host.answer_data = &largest;
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_ended(&bench, "the model was not done after 1000 answers");
    assert_int_equal(bench.host.requested, 2000);
    assert_in_range(largest, 48 << 10, 64 << 10);
    assert_true(bench.call.used_bytes < 1 << 20);
    bench_close(&bench);
}

static void
without_door_or_task_there_is_no_work(void **state)
{
    (void)state;
    struct bench bench;
    void *self = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    bench_open(&bench);
    bench.call.call.task = NULL;
    assert_int_equal(bench_run(&bench), VIV_E_INVALID);
    assert_string_equal(bench.err.text, "there is no task to work on");
    bench.host.denied = VIV_SERVICE_EFFECT;
    assert_int_equal(bench.plugin->create(&bench.host.host, &bench.config, &self, &err), VIV_E_DENIED);
    assert_null(self);
    bench_close(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_counted),
        cmocka_unit_test(what_the_door_says_of_a_model_ends_the_run),
        cmocka_unit_test(no_money_ends_the_work),
        cmocka_unit_test(what_ends_a_tool_ends_the_run_or_is_told),
        cmocka_unit_test(five_denials_end_the_work),
        cmocka_unit_test(what_follows_the_last_denial_is_not_done),
        cmocka_unit_test(done_after_a_failure_in_one_message_is_refused),
        cmocka_unit_test(what_follows_done_is_not_done),
        cmocka_unit_test(a_summary_is_one_line_and_bounded),
        cmocka_unit_test(counts_are_the_doors),
        cmocka_unit_test(text_alone_ends_the_run_the_second_time),
        cmocka_unit_test(a_refusal_ends_the_run),
        cmocka_unit_test(cut_answers_go_on_twice),
        cmocka_unit_test(a_whole_answer_ends_the_row_of_cut_ones),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(tokens_are_bounded),
        cmocka_unit_test(a_cancelled_run_stops_before_the_next_effect),
        cmocka_unit_test(what_is_read_is_bounded),
        cmocka_unit_test(a_thousand_steps_stay_small),
        cmocka_unit_test(without_door_or_task_there_is_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
