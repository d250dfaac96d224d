/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/support/cm.h"

#include "test_bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tree.h>

const struct viv_plugin *viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal);

void
bench_open(struct bench *bench, const void *config)
{
    struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    struct viv_refusal refusal = { .size = (uint32_t)sizeof refusal, .rev = 1 };
    memset(bench, 0, sizeof *bench);
    fake_host_init(&bench->host);
    fake_call_init(&bench->call, &bench->host);
    bench->plugin = viv_plugin_entry(&offer, &refusal);
    assert_non_null(bench->plugin);
    assert_string_equal(bench->plugin->offers[0].interface_id, VIV_IFACE_MODEL);
    bench->model = bench->plugin->offers[0].table;
    assert_int_equal(bench->plugin->create(&bench->host.host, config ? config : bench->plugin->defaults, &bench->self,
                                           &bench->err),
                     VIV_OK);
}

void
bench_close(struct bench *bench)
{
    bench->plugin->destroy(bench->self);
    fake_call_finish(&bench->call);
    fake_host_finish(&bench->host);
}

static int
is_line(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return 0;
    }
    return text.len > 0 && text.len < 420 && viv_tree_utf8(text);
}

/* Whatever came: in range, canonical, and with a word why when it is no answer. */
static void
hold(struct bench *bench)
{
    const struct viv_model_complete_answer *answer = &bench->answer;
    struct viv_str canonical = { NULL, 0 };
    json_t *message = NULL;
    assert_true(answer->outcome <= VIV_MODEL_BROKEN && answer->sent <= 1 && answer->begun <= 1);
    assert_true(answer->reserved == 0 && answer->retry_after_ns >= 0 &&
                answer->retry_after_ns <= 86400 * INT64_C(1000000000));
    assert_int_equal(viv_tree_read(answer->message_json, "message", &message, &bench->err), VIV_OK);
    assert_int_equal(viv_tree_write(&bench->call.call, message, 0, &canonical, NULL), VIV_OK);
    assert_int_equal(canonical.len, answer->message_json.len);
    assert_memory_equal(canonical.data, answer->message_json.data, (size_t)canonical.len);
    const char *stop = json_string_value(json_object_get(message, "stop"));
    assert_int_equal(answer->outcome == VIV_MODEL_OK, strcmp(stop, "cut") != 0);
    json_decref(message);
    if (answer->outcome == VIV_MODEL_OK) {
        assert_int_equal(answer->problem.len, 0);
    } else {
        assert_true(is_line(answer->problem));
    }
}

viv_status
bench_ask(struct bench *bench, const char *request, struct fake_answer answer)
{
    struct viv_model_complete_request ask = { (uint32_t)sizeof ask, 1, fake_str(request) };
    fake_call_finish(&bench->call);
    fake_call_init(&bench->call, &bench->host);
    bench->host.http.answers[0] = answer;
    bench->host.http.scripted = 1;
    bench->host.http.requested = 0;
    bench->answer = (struct viv_model_complete_answer){ .size = (uint32_t)sizeof bench->answer, .rev = 1 };
    bench->err = (struct viv_error)VIV_ERROR_INIT;
    bench->status = bench->model->complete(bench->self, &bench->call.call, &ask, &bench->answer, &bench->err);
    if (bench->status == VIV_OK) {
        hold(bench);
    }
    return bench->status;
}

/* Three texts at a time. */
static const char *
ended(struct viv_str text, uint32_t which)
{
    static char kept[3][1 << 16];
    assert_true(text.len < sizeof kept[which]);
    if (text.len) {
        memcpy(kept[which], text.data, (size_t)text.len);
    }
    kept[which][text.len] = '\0';
    return kept[which];
}

const char *
bench_message(struct bench *bench)
{
    return ended(bench->answer.message_json, 0);
}

const char *
bench_usage(struct bench *bench)
{
    return ended(bench->answer.usage_json, 1);
}

const char *
bench_problem(struct bench *bench)
{
    return ended(bench->answer.problem, 2);
}

void
bench_expect(struct bench *bench, uint32_t outcome, const char *message, const char *usage)
{
    assert_int_equal(bench->status, VIV_OK);
    if (bench->answer.outcome != outcome) {
        print_error("outcome %u: %s\n", bench->answer.outcome, bench_problem(bench));
    }
    assert_int_equal(bench->answer.outcome, outcome);
    if (message) {
        assert_string_equal(bench_message(bench), message);
    }
    if (usage) {
        assert_string_equal(bench_usage(bench), usage);
    }
}

static void
same(struct bench *bench, const char *request, struct fake_answer answer, const char *message, const char *usage)
{
    assert_int_equal(bench_ask(bench, request, answer), VIV_OK);
    bench_expect(bench, VIV_MODEL_OK, message, usage);
}

void
bench_in_pieces(struct bench *bench, const char *request, struct fake_answer answer)
{
    same(bench, request, answer, NULL, NULL);
    char *message = strdup(bench_message(bench));
    char *usage = strdup(bench_usage(bench));
    for (answer.split = 1; answer.split < answer.body.len; answer.split++) {
        same(bench, request, answer, message, usage);
    }
    answer.split = 0;
    answer.piece = 1;
    same(bench, request, answer, message, usage);
    const char *given = getenv("VIV_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("pieces from seed %llu (VIV_TEST_SEED)\n", (unsigned long long)seed);
    for (answer.seed = seed; answer.seed < seed + 100; answer.seed++) {
        same(bench, request, answer, message, usage);
    }
    free(message);
    free(usage);
}

/* Texts of a message, one after another, and its calls. */
static char *
text_of(const json_t *message, json_t *calls)
{
    char *text = calloc(1, 1 << 16);
    const json_t *content = json_object_get(message, "content");
    for (size_t i = 0; i < json_array_size(content); i++) {
        json_t *block = json_array_get(content, i);
        const char *one = json_string_value(json_object_get(block, "text"));
        if (one) {
            strcat(text, one);
        } else {
            json_array_append(calls, block);
        }
    }
    return text;
}

/* Less than `whole`, and nothing else: a text that starts the whole one, calls that are among its calls. */
static void
is_part(struct bench *bench, const char *whole_message)
{
    json_t *part = json_loads(bench_message(bench), 0, NULL);
    json_t *whole = json_loads(whole_message, 0, NULL);
    json_t *part_calls = json_array(), *whole_calls = json_array();
    char *part_text = text_of(part, part_calls);
    char *whole_text = text_of(whole, whole_calls);
    assert_true(strncmp(part_text, whole_text, strlen(part_text)) == 0);
    assert_true(json_array_size(part_calls) <= json_array_size(whole_calls));
    for (size_t i = 0; i < json_array_size(part_calls); i++) {
        assert_true(json_equal(json_array_get(part_calls, i), json_array_get(whole_calls, i)));
    }
    free(part_text);
    free(whole_text);
    json_decref(part_calls);
    json_decref(whole_calls);
    json_decref(part);
    json_decref(whole);
}

void
bench_cut(struct bench *bench, const char *request, struct fake_answer answer)
{
    static const viv_status ends[] = { VIV_E_IO, VIV_E_TIMEOUT, VIV_OK, VIV_E_CANCELLED };
    same(bench, request, answer, NULL, NULL);
    char *message = strdup(bench_message(bench));
    char *usage = strdup(bench_usage(bench));
    uint64_t len = answer.body.len;
    uint32_t seen[VIV_MODEL_BROKEN + 1] = { 0 };
    for (uint64_t at = 0; at < len; at++) {
        answer.body.len = at;
        answer.end = ends[at % 4];
        assert_int_equal(bench_ask(bench, request, answer), VIV_OK);
        uint32_t outcome = bench->answer.outcome;
        seen[outcome]++;
        assert_true(outcome == VIV_MODEL_OK || outcome == VIV_MODEL_CUT || outcome == VIV_MODEL_UNREACHABLE);
        assert_true(outcome != VIV_MODEL_UNREACHABLE || !bench->answer.begun);
        assert_true(outcome != VIV_MODEL_CUT || bench->answer.begun || answer.end == VIV_E_CANCELLED);
        is_part(bench, message);
        if (outcome == VIV_MODEL_OK) {
            assert_string_equal(bench_message(bench), message);
            assert_true(strstr(usage, "output") || !strstr(bench_usage(bench), "output"));
        } else {
            assert_null(strstr(bench_usage(bench), "output"));
        }
    }
    assert_true(seen[VIV_MODEL_CUT] > 0 && seen[VIV_MODEL_UNREACHABLE] > 0);
    free(message);
    free(usage);
}
