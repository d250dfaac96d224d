/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "compile.h"
#include "judge.h"
#include "test_bench.h"

void
bench_begin(struct bench *bench, const char *policy)
{
    fake_host_init(&bench->host);
    fake_call_init(&bench->call, &bench->host);
    struct viv_error err = VIV_ERROR_INIT;
    if (policy_open(fake_str(policy), &bench->policy, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    report_begin(&bench->report);
}

void
bench_end(struct bench *bench)
{
    report_drop(&bench->report);
    policy_close(bench->policy);
    fake_call_finish(&bench->call);
}

void
bench_judge(struct bench *bench, const json_t *spec, uint32_t full)
{
    struct exec_judge judge = {
        .call = &bench->call.call, .policy = bench->policy, .report = &bench->report};
    judge.full_profile = full;
    exec_judge_spec(&judge, spec);
    assert_int_equal(judge.memory, 0);
    assert_int_equal(bench->report.failed, 0);
}

/* Judge `sh -c TEXT`. */
viv_verdict
bench_shell(struct bench *bench, const char *text, uint32_t full)
{
    json_t *spec = json_pack("{s:[{s:[s,s,s]}]}", "stages", "argv", "sh", "-c", text);
    assert_non_null(spec);
    bench_judge(bench, spec, full);
    json_decref(spec);
    return bench->report.verdict;
}

int
bench_has(const struct bench *bench, const char *id)
{
    for (size_t i = 0; i < json_array_size(bench->report.list); i++) {
        if (strcmp(json_string_value(json_object_get(json_array_get(bench->report.list, i), "id")),
                   id) == 0) {
            return 1;
        }
    }
    return 0;
}

void
bench_rows(const struct row *rows, size_t count, uint32_t full)
{
    for (size_t i = 0; i < count; i++) {
        struct bench bench;
        bench_begin(&bench, "[]");
        viv_verdict verdict = bench_shell(&bench, rows[i].text, full);
        if (verdict != rows[i].verdict || (rows[i].id && !bench_has(&bench, rows[i].id))) {
            char *list = json_dumps(bench.report.list, JSON_COMPACT);
            fail_msg("'%s' gave %u %s, expected %u %s", rows[i].text, verdict, list,
                     rows[i].verdict, rows[i].id);
        }
        bench_end(&bench);
    }
}

viv_status
bench_compile(const char *text, uint32_t scope, uint32_t trusted, char *json, size_t size,
              struct viv_error *err)
{
    struct fake_host host;
    struct fake_call call;
    struct viv_str answer = {NULL, 0};
    fake_host_init(&host);
    fake_call_init(&call, &host);
    viv_status status =
        compile_policy(&call.call, fake_str(text), "vivarium.yaml", scope, trusted, &answer, err);
    (void)snprintf(json, size, "%.*s", (int)answer.len, answer.data ? answer.data : "");
    fake_call_finish(&call);
    return status;
}

json_t *
bench_task(struct bench *bench, const char *policy, const char *task)
{
    struct judge_defaults defaults = {1000000, 600000000000};
    struct viv_error err = VIV_ERROR_INIT;
    json_t *capability = NULL, *document = json_loads(task, 0, NULL);
    assert_non_null(document);
    bench_begin(bench, policy);
    assert_int_equal(judge_task(&bench->call.call, bench->policy, &defaults, document, &bench->report,
                                &capability, &err),
                     VIV_OK);
    json_decref(document);
    return capability;
}
