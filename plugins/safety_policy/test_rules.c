/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a document of an odd shape could run unjudged, a rule could lift what it must not,
 * or a hostile text could hold up the judge. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_bench.h"

static void
documents_of_any_shape_are_judged_or_denied(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *id;
        viv_verdict verdict;
    } rows[] = {
        {"{}", "exec.malformed", DENY},
        {"{\"stages\":[]}", "exec.malformed", DENY},
        {"{\"stages\":7}", "exec.malformed", DENY},
        {"{\"stages\":[{}]}", "exec.malformed", DENY},
        {"{\"stages\":[{\"argv\":[]}]}", "exec.malformed", DENY},
        {"{\"stages\":[{\"argv\":[1]}]}", "exec.malformed", DENY},
        {"{\"stages\":[{\"argv\":[\"\"]}]}", "exec.program", DENY},
        {"{\"stages\":[{\"argv\":[\"-rf\"]}]}", "exec.program", DENY},
        {"{\"stages\":[{\"argv\":[\"ls\"]},{\"argv\":[\"sudo\",\"ls\"]}]}", "exec.privilege", DENY},
        {"{\"stages\":[{\"argv\":[\"curl\",\"x\"]},{\"argv\":[\"sh\"]}]}", "exec.pipe-to-shell",
         DENY},
        {"{\"pipelines\":[{\"stages\":[{\"argv\":[\"ls\"]}]},{\"stages\":[{\"argv\":[\"sudo\"]}]}]"
         "}",
         "exec.privilege", DENY},
        {"{\"pipelines\":[{}]}", "exec.malformed", DENY},
        {"{\"shell\":\"sudo ls\"}", "exec.privilege", DENY},
        {"{\"stages\":[{\"argv\":[\"ls\"]}],\"cwd\":\"../x\"}", "path.outside", DENY},
        {"{\"stages\":[{\"argv\":[\"ls\"]}],\"cwd\":\"src\"}", NULL, ALLOW},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"env\":{\"LD_PRELOAD\":\"x\"}}]}", "exec.environment",
         ASK},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"env\":{\"CC\":\"x\"}}]}", NULL, ALLOW},
        {"{\"env\":{\"PATH\":\"x\"},\"stages\":[{\"argv\":[\"ls\"]}]}", "exec.environment", ASK},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"output_path\":\"../x\"}]}", "path.outside", DENY},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"output_path\":\".husky/x\"}]}", "critical.hooks", ASK},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"stdin\":\"src/x\"}]}", NULL, ALLOW},
        {"{\"stages\":[{\"argv\":[\"ls\"],\"redirects\":[{\"path\":\"/x\",\"mode\":\"write\"}]}]}",
         "path.outside", DENY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        bench_begin(&bench, "[]");
        json_t *spec = json_loads(rows[i].spec, 0, NULL);
        bench_judge(&bench, spec, 1);
        if (bench.report.verdict != rows[i].verdict ||
            (rows[i].id && !bench_has(&bench, rows[i].id))) {
            fail_msg("'%s' gave %u %s", rows[i].spec, bench.report.verdict,
                     json_dumps(bench.report.list, JSON_COMPACT));
        }
        json_decref(spec);
        bench_end(&bench);
    }
}

static void
rules_of_a_policy_lift_asks_and_nothing_else(void **state)
{
    (void)state;
    static const char user[] = "[{\"version\":1,\"scope\":\"user\",\"trusted\":1,\"commands\":[{"
                               "\"id\":\"a\",\"match\":[\"git\",\"push\"],\"verdict\":"
                               "\"allow\"},{\"id\":\"b\",\"match\":[\"sudo\"],\"verdict\":"
                               "\"allow\"},{\"id\":\"c\",\"pattern\":\"^make .*install\","
                               "\"verdict\":\"deny\",\"reason\":\"installs\"},{\"id\":\"d\","
                               "\"match\":[\"./x\"],\"verdict\":\"ask\",\"reason\":\"is x\"}]}]";
    static const char project[] =
        "[{\"version\":1,\"scope\":\"project\",\"trusted\":0,\"commands\":[{\"id\":\"a\",\"match\":"
        "[\"git\",\"push\"],\"verdict\":\"allow\"}]}]";
    static const struct {
        const char *policy, *text;
        viv_verdict verdict;
    } rows[] = {
        {user, "git push origin main", ALLOW},
        {user, "git fetch", ASK},
        {user, "/usr/bin/git push", ALLOW},
        {user, "sudo ls", DENY},
        {user, "make -j2 install", DENY},
        {user, "make", ALLOW},
        {user, "./x", ASK},
        {user, "y/x", ALLOW},
        {user, "env make install", DENY},
        {project, "git push", ASK},
        {user, "git push; curl x", ASK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        bench_begin(&bench, rows[i].policy);
        if (bench_shell(&bench, rows[i].text, 1) != rows[i].verdict) {
            fail_msg("'%s' gave %u", rows[i].text, bench.report.verdict);
        }
        bench_end(&bench);
    }
}

static void
a_pattern_that_cannot_be_finished_fails_closed(void **state)
{
    (void)state;
    static const char slow[] = "[{\"version\":1,\"scope\":\"user\",\"trusted\":1,\"commands\":[{"
                               "\"id\":\"s\",\"pattern\":\"^(x+x+)+$\","
                               "\"verdict\":\"%s\",\"reason\":\"r\"}]}]";
    static const struct {
        const char *verdict;
        viv_verdict wanted;
    } rows[] = {{"deny", DENY}, {"ask", ASK}, {"allow", ALLOW}};
    for (size_t i = 0; i < 3; i++) {
        char policy[300];
        char text[200] = "";
        struct bench bench;
        (void)snprintf(policy, sizeof policy, slow, rows[i].verdict);
        memset(text, 'x', 119);
        text[119] = '!';
        bench_begin(&bench, policy);
        struct viv_str word = {text, 120};
        struct argv argv = {&word, 1, 0};
        uint32_t allowed = policy_judge_argv(&bench.call.call, bench.policy, &argv, &bench.report);
        assert_int_equal(bench.report.verdict, rows[i].wanted);
        assert_int_equal(allowed, 0);
        bench_end(&bench);
    }
}

static void
depth_and_size_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, "[]");
    json_t *spec = json_loads("{\"stages\":[{\"argv\":[]}]}", 0, NULL);
    json_t *argv = json_object_get(json_array_get(json_object_get(spec, "stages"), 0), "argv");
    for (int i = 0; i < 200; i++) {
        (void)json_array_append_new(argv, json_string("env"));
    }
    (void)json_array_append_new(argv, json_string("sudo"));
    bench_judge(&bench, spec, 1);
    assert_true(bench_has(&bench, "exec.depth"));
    assert_int_equal(bench.report.verdict, ASK);
    json_decref(spec);
    bench_end(&bench);

    char *text = malloc(200001);
    assert_non_null(text);
    static const char *const fills[] = {"a;", "a|",  "$(",      "'",    "\"$(",
                                        "((", ">a ", "sh -c '", "env ", "\\"};
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
        for (size_t i = 0; i < 200000; i++) {
            text[i] = fills[fill][i % strlen(fills[fill])];
        }
        text[200000] = '\0';
        bench_begin(&bench, "[]");
        (void)bench_shell(&bench, text, 0);
        assert_true(bench.report.count <= REPORT_MAX);
        bench_end(&bench);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_of_any_shape_are_judged_or_denied),
        cmocka_unit_test(rules_of_a_policy_lift_asks_and_nothing_else),
        cmocka_unit_test(a_pattern_that_cannot_be_finished_fails_closed),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
