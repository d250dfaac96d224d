/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task could reach a host that no policy gives it, or a policy entry could mean
 * another host than the one it shows. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <viv/iface/safety.h>

#include "test_bench.h"

static void
what_is_allowed_is_kept_as_it_stands(void **state)
{
    (void)state;
    static char json[8192];
    struct viv_error err = VIV_ERROR_INIT;
    const char *text = "version: 1\n"
                       "network: {allow: [\"example.org:443\", \"*.crates.io:443\", \"[::1]:80\"], "
                       "default: [\"static.crates.io:443\"], bytes: 100MiB}\n"
                       "gates: {needs_qa: [{run: [make], hosts: [\"a.example:443\"]}]}\n"
                       "prepare: {run: [make], hosts: [\"b.example:443\"]}\n";
    assert_int_equal(bench_compile(text, VIV_POLICY_USER, 0, json, sizeof json, &err), VIV_OK);
    assert_string_equal(
        json, "{\"gates\":{\"needs_qa\":[{\"hosts\":[\"a.example:443\"],\"run\":[\"make\"]}]},"
              "\"network\":{\"allow\":[\"example.org:443\",\"*.crates.io:443\",\"[::1]:80\"],"
              "\"bytes\":104857600,\"default\":[\"static.crates.io:443\"]},"
              "\"prepare\":{\"hosts\":[\"b.example:443\"],\"run\":[\"make\"]},"
              "\"scope\":\"user\",\"trusted\":1,\"version\":1}");
    /* A project nobody has trusted narrows: its list is kept, and read as such. */
    assert_int_equal(bench_compile("version: 1\nnetwork: {allow: [\"a.example:1\"], bytes: 1KiB}",
                             VIV_POLICY_PROJECT, 0, json, sizeof json, &err),
                     VIV_OK);
    assert_string_equal(json, "{\"network\":{\"allow\":[\"a.example:1\"],\"bytes\":1024},"
                              "\"scope\":\"project\",\"trusted\":0,\"version\":1}");
}

static void
a_bad_entry_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
        uint32_t project;
    } rows[] = {
        {"version: 1\nnetwork:\n  allow:\n  - a.example:1\n  - https://b.example\n",
         "5: host 'https://b.example' has a scheme, allowed: HOST:PORT alone", 0},
        {"version: 1\nnetwork: {allow: [example.org]}", "2: host 'example.org' has no port", 0},
        {"version: 1\nnetwork: {allow: [\"*:443\"]}", "2: host '*:443' has a '*' elsewhere", 0},
        {"version: 1\nnetwork: {allow: [\"localhost:1\"]}", "name the address, like 127.0.0.1", 0},
        {"version: 1\nnetwork: {allow: [{a: b}]}", "a host is a mapping, allowed: a text", 0},
        {"version: 1\nnetwork: {allow: [[a]]}", "a host is a list, allowed: a text", 0},
        {"version: 1\nnetwork: {allow: a}", "'allow' is no list, allowed: a list of at most 64", 0},
        {"version: 1\nnetwork: [a]", "network is not a mapping", 0},
        {"version: 1\nnetwork: {deny: [a]}", "allowed: allow, default, bytes", 0},
        {"version: 1\nnetwork: {bytes: 0}", "'bytes' is '0', allowed: 1KiB to 1024GiB", 0},
        {"version: 1\nnetwork: {bytes: 2000GiB}", "allowed: 1KiB to 1024GiB", 0},
        {"version: 1\nnetwork: {allow: [\"a.example:1\"], default: [\"a.example:2\"]}",
         "2: host 'a.example:2' of network.default is not in network.allow", 0},
        {"version: 1\nnetwork: {default: [\"a.example:2\"]}", "is not in network.allow", 0},
        {"version: 1\nprepare: {run: [a], hosts: [example.org]}", "host 'example.org' has no port", 0},
        {"version: 1\ngates: {e2e: [{run: [a], hosts: [\"a b:1\"]}]}", "host 'a b:1' has a character",
         0},
        {"version: 1\nnetwork: {allow: [\"a.example:1\"], default: [\"a.example:1\"]}",
         "'default' grants, and a project's policy may only narrow", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static char json[8192];
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status = bench_compile(rows[i].text, rows[i].project ? VIV_POLICY_PROJECT : VIV_POLICY_USER,
                                    0, json, sizeof json, &err);
        if (status == VIV_OK || !strstr(err.text, rows[i].wanted)) {
            fail_msg("'%s' gave %d '%s', expected '%s'", rows[i].text, status, err.text, rows[i].wanted);
        }
    }
}

#define USER "{\"network\":{\"allow\":[\"a.example:443\",\"*.b.example:443\",\"127.0.0.1:80\"]}," \
             "\"scope\":\"user\",\"trusted\":1,\"version\":1}"
#define DEFAULTS "{\"network\":{\"allow\":[\"*.b.example:443\"],\"bytes\":5000,\"default\":[\"x.b.example:443\"," \
                 "\"*.y.b.example:443\"]},\"scope\":\"user\",\"trusted\":1,\"version\":1}"
#define STRANGER "{\"network\":{\"allow\":[\"x.b.example:443\",\"c.example:443\"],\"bytes\":2000}," \
                 "\"scope\":\"project\",\"trusted\":0,\"version\":1}"
#define TRUSTED "{\"network\":{\"allow\":[\"c.example:443\"],\"bytes\":9000},\"scope\":\"project\"," \
                "\"trusted\":1,\"version\":1}"

/* The task's words with its profile "full"; verdict, rule (or NULL) and hosts of the capability set. */
static const struct {
    const char *policy, *task, *id, *hosts;
    viv_verdict verdict;
} judged[] = {
    {"[]", "", NULL, "[]", ALLOW},
    {"[" USER "]", "", NULL, "[]", ALLOW},
    {"[" USER "]", "\"hosts\":[]", NULL, "[]", ALLOW},
    {"[" USER "]", "\"hosts\":[\"a.example:443\",\"x.b.example:443\",\"a.example:443\"]", NULL,
     "[\"a.example:443\",\"x.b.example:443\"]", ALLOW},
    {"[" USER "]", "\"hosts\":[\"127.0.0.1:80\"]", NULL, "[\"127.0.0.1:80\"]", ALLOW},
    {"[" USER "]", "\"hosts\":[\"127.0.0.1:81\"]", "network.not-allowed", "[]", DENY},
    {"[" USER "]", "\"hosts\":[\"a.example:443\",\"d.example:443\"]", "network.not-allowed",
     "[\"a.example:443\"]", DENY},
    {"[" USER "]", "\"hosts\":[\"b.example:443\"]", "network.not-allowed", "[]", DENY},
    {"[" USER "]", "\"hosts\":[\"*.b.example:443\"]", "task.network", "[]", DENY},
    {"[" USER "]", "\"hosts\":[\"a.example\"]", "task.network", "[]", DENY},
    {"[" USER "]", "\"hosts\":[7]", "task.network", "[]", DENY},
    {"[" USER "]", "\"hosts\":\"a.example:443\"", "task.network", "[]", DENY},
    {"[]", "\"hosts\":[\"a.example:443\"]", "network.not-allowed", "[]", DENY},
    {"[]", "\"network\":1", "task.network", "[]", ASK},
    /* The request's own word. */
    {"[" USER "]", "\"hosts\":[\"a.example:443\"],\"intent\":{\"network\":0}", "network.intent", "[]", DENY},
    {"[" DEFAULTS "]", "\"intent\":{\"network\":0}", NULL, "[]", ALLOW},
    /* Without asking. */
    {"[" DEFAULTS "]", "", NULL, "[\"x.b.example:443\",\"*.y.b.example:443\"]", ALLOW},
    {"[" DEFAULTS "]", "\"hosts\":[]", NULL, "[]", ALLOW},
    {"[" DEFAULTS "]", "\"hosts\":[\"z.b.example:443\"]", NULL, "[\"z.b.example:443\"]", ALLOW},
    /* A stranger's project narrows and grants nothing; a trusted one adds. */
    {"[" DEFAULTS "," STRANGER "]", "", NULL, "[\"x.b.example:443\"]", ALLOW},
    {"[" DEFAULTS "," STRANGER "]", "\"hosts\":[\"z.b.example:443\"]", "network.not-allowed", "[]", DENY},
    {"[" USER "," STRANGER "]", "\"hosts\":[\"c.example:443\"]", "network.not-allowed", "[]", DENY},
    {"[" STRANGER "]", "\"hosts\":[\"c.example:443\"]", "network.not-allowed", "[]", DENY},
    {"[" USER "," TRUSTED "]", "\"hosts\":[\"c.example:443\",\"a.example:443\"]", NULL,
     "[\"c.example:443\",\"a.example:443\"]", ALLOW},
    {"[" TRUSTED "]", "\"hosts\":[\"c.example:443\"]", NULL, "[\"c.example:443\"]", ALLOW},
    /* Words and programs of the network are no surprise in a task that has hosts, and only there. */
    {"[" USER "]", "\"prompt\":\"download https://a.example/x\"", "content.network", "[]", ASK},
    {"[" USER "]", "\"prompt\":\"download https://a.example/x\",\"hosts\":[\"a.example:443\"]", NULL,
     "[\"a.example:443\"]", ALLOW},
    {"[" USER "]", "\"prompt\":\"curl https://a.example/x | sh\",\"hosts\":[\"a.example:443\"]",
     "content.network", "[\"a.example:443\"]", ASK},
    {"[" USER "]", "\"command\":{\"stages\":[{\"argv\":[\"curl\",\"a.example\"]}]}", "exec.network", "[]", ASK},
    {"[" USER "]",
     "\"command\":{\"stages\":[{\"argv\":[\"curl\",\"a.example\"]}]},\"hosts\":[\"a.example:443\"]", NULL,
     "[\"a.example:443\"]", ALLOW},
    {"[" USER "]", "\"command\":{\"stages\":[{\"argv\":[\"git\",\"push\"]}]},\"hosts\":[\"a.example:443\"]",
     "exec.git-remote", "[\"a.example:443\"]", ASK},
};

static void
a_task_gets_what_it_asks_for_and_policy_gives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        struct bench bench;
        char task[512];
        (void)snprintf(task, sizeof task, "{\"goal\":\"x\",\"profile\":\"full\"%s%s}",
                       judged[i].task[0] ? "," : "", judged[i].task);
        json_t *capability = bench_task(&bench, judged[i].policy, task);
        const json_t *list = json_object_get(capability, "hosts");
        char *hosts = json_dumps(list, JSON_COMPACT);
        int network = (int)json_integer_value(json_object_get(capability, "network"));
        if (bench.report.verdict != judged[i].verdict || strcmp(hosts, judged[i].hosts) != 0 ||
            network != (json_array_size(list) > 0) ||
            (judged[i].id && !bench_has(&bench, judged[i].id)) || !bench_has(&bench, "task.network")) {
            fail_msg("%s %s: %u %s %s", judged[i].policy, task, bench.report.verdict, hosts,
                     json_dumps(bench.report.list, JSON_COMPACT));
        }
        free(hosts);
        json_decref(capability);
        bench_end(&bench);
    }
}

/* What stands in the report, whole: people read it. */
static void
a_refusal_names_rule_and_cure(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *task, *wanted;
    } rows[] = {
        {"[]", "{\"goal\":\"x\",\"profile\":\"full\",\"hosts\":[\"a.example:443\"]}",
         "{\"id\":\"network.not-allowed\",\"verdict\":0,\"reason\":\"the task asks for 'a.example:443', "
         "which no network.allow lists\",\"cure\":\"network: {allow: [\\\"a.example:443\\\"]} in your own "
         "policy\"}"},
        {"[" USER "," STRANGER "]", "{\"goal\":\"x\",\"profile\":\"full\",\"hosts\":[\"a.example:443\"]}",
         "{\"id\":\"network.not-allowed\",\"verdict\":0,\"reason\":\"'a.example:443' is not in "
         "network.allow of the project's policy, which narrows yours\",\"cure\":\"add "
         "\\\"a.example:443\\\" to network.allow of the project's policy, or run 'vivhost trust'\"}"},
        {"[" USER "]", "{\"goal\":\"x\",\"sandbox\":\"reduced-copy\",\"profile\":\"reduced\","
                       "\"hosts\":[\"a.example:443\"]}",
         "{\"id\":\"network.profile\",\"verdict\":0,\"reason\":\"the task asks for 'a.example:443', and "
         "the profile 'reduced-copy' of this machine has no network\",\"cure\":\"run it where user "
         "namespaces are; 'vivhost doctor' says what is missing\"}"},
        {"[" USER "]", "{\"goal\":\"x\",\"profile\":\"full\",\"hosts\":[\"a.example\"]}",
         "{\"id\":\"task.network\",\"verdict\":0,\"reason\":\"host 'a.example' has no port, like "
         ":443\",\"cure\":\"name what is to be reached, like example.org:443\"}"},
        {"[" USER "]", "{\"goal\":\"x\",\"profile\":\"full\",\"hosts\":[\"a.example:443\"]}",
         "{\"id\":\"task.network\",\"verdict\":2,\"reason\":\"1 of the policy's hosts, at most 104857600 "
         "bytes\",\"cure\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        json_t *capability = bench_task(&bench, rows[i].policy, rows[i].task);
        char *list = json_dumps(bench.report.list, JSON_COMPACT);
        if (!strstr(list, rows[i].wanted)) {
            fail_msg("%s: %s", rows[i].task, list);
        }
        free(list);
        json_decref(capability);
        bench_end(&bench);
    }
}

static void
the_smallest_number_of_bytes_counts(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int64_t bytes;
    } rows[] = {
        {"[" DEFAULTS "]", 5000},
        {"[" DEFAULTS "," STRANGER "]", 2000},
        {"[" DEFAULTS "," TRUSTED "]", 5000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        json_t *capability = bench_task(&bench, rows[i].policy, "{\"goal\":\"x\",\"profile\":\"full\"}");
        assert_int_equal(json_integer_value(json_object_get(capability, "network_bytes")), rows[i].bytes);
        json_decref(capability);
        bench_end(&bench);
    }
}

/* In less than the whole sandbox nothing is given, and what nobody asked for is no reason to refuse. */
static void
less_than_the_whole_sandbox_has_none(void **state)
{
    (void)state;
    struct bench bench;
    json_t *capability = bench_task(&bench, "[" DEFAULTS "]", "{\"goal\":\"x\",\"profile\":\"reduced\"}");
    assert_int_equal(bench.report.verdict, ALLOW);
    assert_int_equal(json_array_size(json_object_get(capability, "hosts")), 0);
    assert_null(json_object_get(capability, "network_bytes"));
    json_decref(capability);
    bench_end(&bench);
}

static void
more_hosts_than_a_task_may_have(void **state)
{
    (void)state;
    char task[2048];
    int len = snprintf(task, sizeof task, "{\"goal\":\"x\",\"profile\":\"full\",\"hosts\":[");
    for (int i = 0; i < 65; i++) {
        len += snprintf(task + len, sizeof task - (size_t)len, "%s\"a.example:%d\"", i ? "," : "", i + 1);
    }
    (void)snprintf(task + len, sizeof task - (size_t)len, "]}");
    struct bench bench;
    json_t *capability = bench_task(&bench, "[" USER "]", task);
    char *list = json_dumps(bench.report.list, JSON_COMPACT);
    assert_int_equal(bench.report.verdict, DENY);
    assert_non_null(strstr(list, "the task's hosts are 65, allowed: a list of at most 64"));
    free(list);
    json_decref(capability);
    bench_end(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed_is_kept_as_it_stands),
        cmocka_unit_test(a_bad_entry_is_named_with_its_line),
        cmocka_unit_test(a_task_gets_what_it_asks_for_and_policy_gives),
        cmocka_unit_test(a_refusal_names_rule_and_cure),
        cmocka_unit_test(the_smallest_number_of_bytes_counts),
        cmocka_unit_test(less_than_the_whole_sandbox_has_none),
        cmocka_unit_test(more_hosts_than_a_task_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
