/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a policy file could mean more than it shows, or a stranger's file could grant
 * something. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/safety.h>

#include "compile.h"
#include "fake_host.h"

static viv_status
compile_bytes_of(struct viv_str text, uint32_t scope, uint32_t trusted, char *json, size_t size,
                 struct viv_error *err)
{
    struct fake_host host;
    struct fake_call call;
    struct viv_str answer = {NULL, 0};
    fake_host_init(&host);
    fake_call_init(&call, &host);
    viv_status status =
        compile_policy(&call.call, text, "vivarium.yaml", scope, trusted, &answer, err);
    assert_true(status == VIV_OK || answer.data == NULL);
    (void)snprintf(json, size, "%.*s", (int)answer.len, answer.data ? answer.data : "");
    fake_call_finish(&call);
    return status;
}

static void
accept(const char *text, uint32_t scope, uint32_t trusted, const char *wanted)
{
    static char json[65536];
    struct viv_error err = VIV_ERROR_INIT;
    if (compile_bytes_of(fake_str(text), scope, trusted, json, sizeof json, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(json, wanted);
}

static void
refuse(const char *text, uint32_t scope, uint32_t trusted, const char *wanted)
{
    static char json[65536];
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = compile_bytes_of(fake_str(text), scope, trusted, json, sizeof json, &err);
    if (status == VIV_OK || !strstr(err.text, wanted)) {
        fail_msg("'%s' gave %d '%s', expected '%s'", text, status, err.text, wanted);
    }
}

static void
a_policy_becomes_canonical_json(void **state)
{
    (void)state;
    accept("version: 1", VIV_POLICY_USER, 0, "{\"scope\":\"user\",\"trusted\":1,\"version\":1}");
    accept("", VIV_POLICY_USER, 0, "{\"scope\":\"user\",\"trusted\":1,\"version\":1}");
    accept("# nothing\n", VIV_POLICY_PROJECT, 0,
           "{\"scope\":\"project\",\"trusted\":0,\"version\":1}");
    accept("version: 1\nuncommitted: leave", VIV_POLICY_PROJECT, 0,
           "{\"scope\":\"project\",\"trusted\":0,\"uncommitted\":0,\"version\":1}");
    accept("version: 1", VIV_POLICY_PROJECT, 0,
           "{\"scope\":\"project\",\"trusted\":0,\"version\":1}");
    accept("version: 1", VIV_POLICY_PROJECT, 1,
           "{\"scope\":\"project\",\"trusted\":1,\"version\":1}");
    accept("# note\nversion: 1\nlimits: {task: 0.5, home: 20, time: 10m, output: 64KiB, disk: 20GiB}\n"
           "paths: {read: {deny: [\"*.key\"]}, write: {allow: [src, docs/**]}}\n"
           "commands:\n- id: no-x\n  match: [x, y]\n  verdict: ask\n  reason: is x\n  examples: "
           "{match: [x y z], no_match: [x z]}\n"
           "env: {allow: [CC, LANG]}\n"
           "gates: {needs_qa: [{run: [make, check]}], e2e: [{run: make e2e, timeout: 1h}]}\n"
           "prepare: {run: npm ci, inputs: [package-lock.json], hosts: [\"registry.example.org:443\"]}\n"
           "bring: [node_modules/]\nbranch: stay\ncritic: {threshold_permille: 700}\napprovals: "
           "{results: auto}\n"
           "experimental: allow\nplugins: {viv.gate_command: {version: 0.1.0, options: {time: 60s, "
           "lines: 5}}}\n",
           VIV_POLICY_USER, 0,
           "{\"approvals\":{\"results\":\"auto\"},\"branch\":\"stay\",\"bring\":[\"node_modules/"
           "\"],\"commands\":[{\"examples\":{"
           "\"match\":[\"x y z\"],\"no_match\":[\"x "
           "z\"]},\"id\":\"no-x\",\"match\":[\"x\",\"y\"],\"reason\":\"is x\",\"verdict\":"
           "\"ask\"}],\"critic\":{\"threshold_permille\":700},\"env\":{\"allow\":[\"CC\",\"LANG\"]}"
           ",\"experimental\":\"allow\","
           "\"gates\":{\"e2e\":[{\"run\":[\"sh\",\"-c\",\"make "
           "e2e\"],\"timeout_ns\":3600000000000}],\"needs_qa\":[{\"run\":[\"make\","
           "\"check\"]}]},\"limits\":{\"disk_bytes\":21474836480,\"home_micro\":20000000,\"output_bytes\":65536,\"task_"
           "micro\":500000,\"time_ns\":600000000000},"
           "\"paths\":{\"read\":{\"deny\":[\"*.key\"]},\"write\":{\"allow\":[\"src\",\"docs/"
           "**\"]}},\"plugins\":{\"viv.gate_command\":{"
           "\"options\":{\"lines\":\"5\",\"time\":\"60s\"},\"version\":\"0.1.0\"}},\"prepare\":{"
           "\"hosts\":[\"registry.example.org:443\"],"
           "\"inputs\":[\"package-lock.json\"],\"run\":[\"sh\",\"-c\",\"npm "
           "ci\"]},\"scope\":\"user\",\"trusted\":1,\"version\":1}");
}

static void
a_stranger_may_only_narrow(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
    } grants[] = {
        {"version: 1\nenv: {allow: [CC]}", "'env' grants"},
        {"version: 1\nplugins: {}", "'plugins' grants"},
        {"version: 1\nexperimental: allow", "'experimental: allow' grants"},
        {"version: 1\napprovals: {results: auto}", "'approvals' grants"},
        {"version: 1\ncommands: [{id: a, match: [a], verdict: allow}]", "'verdict: allow' grants"},
    };
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
        static char json[4096];
        refuse(grants[i].text, VIV_POLICY_PROJECT, 0, grants[i].key);
        refuse(grants[i].text, VIV_POLICY_PROJECT, 0, "run 'vivhost trust'");
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(compile_bytes_of(fake_str(grants[i].text), VIV_POLICY_PROJECT, 0, json,
                                          sizeof json, &err),
                         VIV_E_DENIED);
        assert_int_equal(compile_bytes_of(fake_str(grants[i].text), VIV_POLICY_PROJECT, 1, json,
                                          sizeof json, &err),
                         VIV_OK);
        assert_int_equal(
            compile_bytes_of(fake_str(grants[i].text), VIV_POLICY_USER, 0, json, sizeof json, &err),
            VIV_OK);
    }
    accept("version: 1\ngates: {e2e: [{run: [x]}]}\nprepare: {run: x}\nbring: [y]\nbranch: "
           "follow\nexperimental: refuse\n"
           "approvals: {results: ask}\ncommands: [{id: a, match: [a], verdict: deny, reason: r}]",
           VIV_POLICY_PROJECT, 0,
           "{\"approvals\":{\"results\":\"ask\"},\"branch\":\"follow\",\"bring\":[\"y\"],"
           "\"commands\":[{\"id\":\"a\",\"match\":[\"a\"],"
           "\"reason\":\"r\",\"verdict\":\"deny\"}],\"experimental\":\"refuse\",\"gates\":{\"e2e\":"
           "[{\"run\":[\"x\"]}]},\"prepare\":{"
           "\"run\":[\"sh\",\"-c\",\"x\"]},\"scope\":\"project\",\"trusted\":0,\"version\":1}");
}

static const struct {
    const char *text, *wanted;
} refusals[] = {
    {"{}", "key 'version' is missing in a policy"},
    {"version: 1\nuncommitted: 1", "'uncommitted' is '1', allowed: take leave"},
    {"version: 2", "vivarium.yaml line 1: 'version' is '2', allowed: 1"},
    {"[]", "a policy is not a mapping of keys"},
    {"version: 1\nlimit: {}",
     "line 2: key 'limit' is not known in a policy, allowed: version, limits, paths"},
    {"version: 1\nversion: 1",
     "line 2: key 'version' stands here a second time, the first is in line 1"},
    {"version: 1\nlimits: {task: 0.1, task: 9}", "key 'task' stands here a second time"},
    {"version: 1\nlimits: {task: -1}", "'task' is '-1', allowed: money"},
    {"version: 1\nlimits: {task: 0.1234567}", "'task' is '0.1234567', allowed: money"},
    {"version: 1\nlimits: {task: 1e3}", "allowed: money"},
    {"version: 1\nlimits: {task: 5.}", "allowed: money"},
    {"version: 1\nlimits: {task: 99999999999999999999}", "allowed: money"},
    {"version: 1\nlimits: {task: [1]}", "'task' is 'a list', allowed: money"},
    {"version: 1\nlimits: {time: 60}",
     "'time' is '60', allowed: 1ms to 30d, with a unit: ms, s, m, h, d"},
    {"version: 1\nlimits: {time: 31d}", "'time' is '31d', allowed: 1ms to 30d"},
    {"version: 1\nlimits: {time: 0s}", "'time' is '0s', allowed"},
    {"version: 1\nlimits: {disk: 1023KiB}",
     "'disk' is '1023KiB', allowed: 1MiB to 1048576GiB, with a unit: KiB, MiB, GiB"},
    {"version: 1\nlimits: {disk: 1048577GiB}", "'disk' is '1048577GiB', allowed: 1MiB to 1048576GiB"},
    {"version: 1\nlimits: {output: 1TiB}", "'output' is '1TiB', allowed: 1 to 64MiB"},
    {"version: 1\npaths: {read: {deny: [../x]}}",
     "is '../x', allowed: a pattern inside the project"},
    {"version: 1\npaths: {write: {allow: [/x]}}", "is '/x', allowed: a pattern inside the project"},
    {"version: 1\npaths: {write: {allow: x}}", "'allow' is no list"},
    {"version: 1\nbring: [a/../../b]", "allowed: a path inside the project"},
    {"version: 1\nbranch: move", "'branch' is 'move', allowed: follow stay"},
    {"version: 1\ncritic: {threshold_permille: 1001}",
     "'threshold_permille' is '1001', allowed: 0 to 1000"},
    {"version: 1\ngates: {review: []}",
     "key 'review' is not known in gates, allowed: needs_qa, integration, e2e"},
    {"version: 1\ngates: {e2e: [{timeout: 1s}]}", "key 'run' is missing in a check of gates"},
    {"version: 1\ngates: {e2e: [{run: []}]}", "'run' is an empty list"},
    {"version: 1\nprepare: {run: x, hosts: ['http://x']}", "host 'http://x' has a scheme"},
    {"version: 1\nenv: {allow: [LD_PRELOAD]}",
     "environment variable 'LD_PRELOAD' cannot be passed on"},
    {"version: 1\nenv: {allow: [PATH]}", "environment variable 'PATH' cannot be passed on"},
    {"version: 1\nenv: {allow: ['A B']}", "environment variable 'A B' cannot be passed on"},
    {"version: 1\nplugins: {x: {version: 1}}", "'version' is '1', allowed: three numbers"},
    {"version: 1\nplugins: {x: {options: {a: [1]}}}", "'a' is 'a list', allowed: a text"},
    {"version: 1\ncommands: [{id: A, match: [a], verdict: deny, reason: r}]",
     "rule id 'A' is not allowed"},
    {"version: 1\ncommands: [{id: a, verdict: deny, reason: r}]",
     "rule 'a' must have one of 'match' and 'pattern'"},
    {"version: 1\ncommands: [{id: a, match: [a], pattern: a, verdict: deny, reason: r}]",
     "must have one of"},
    {"version: 1\ncommands: [{id: a, match: [a], verdict: deny}]", "rule 'a' says no reason"},
    {"version: 1\ncommands: [{id: a, match: [a], verdict: maybe, reason: r}]",
     "'verdict' is 'maybe', allowed: deny ask allow"},
    {"version: 1\ncommands: [{id: a, pattern: '(', verdict: deny, reason: r}]",
     "pattern of rule 'a': missing closing parenthesis"},
    {"version: 1\ncommands:\n- {id: a, match: [a], verdict: ask, reason: r}\n- {id: a, match: "
     "[b], verdict: ask, reason: r}",
     "line 4: rule id 'a' stands here a second time"},
    {"version: 1\ncommands: [{id: a, match: [a, b], verdict: deny, reason: r, examples: "
     "{match: [a c]}}]",
     "rule 'a' does not match its example 'a c'"},
    {"version: 1\ncommands: [{id: a, match: [a], verdict: deny, reason: r, examples: "
     "{no_match: [/bin/a x]}}]",
     "rule 'a' matches its example '/bin/a x'"},
    {"version: 1\ncommands: [{id: a, match: [a], verdict: deny, reason: r, examples: {match: "
     "['$(a)']}}]",
     "example '$(a)' is not a command of plain words"},
    {"version: &x 1", "anchors ('&') are not allowed"},
    {"version: 1\nbring: &a [x]", "line 2: anchors ('&') are not allowed"},
    {"version: *x", "aliases ('*')"},
    {"version: !!int 1", "tags ('!') are not allowed"},
    {"version: ! 1", "tags ('!') are not allowed"},
    {"!x {version: 1}", "tags ('!') are not allowed"},
    {"%YAML 1.1\n---\nversion: 1", "directives ('%') are not allowed"},
    {"version: 1\n---\nversion: 1", "a second document begins"},
    {"version: 1\n<<: {a: b}", "key '<<' is not known"},
    {"? [a]\n: b", "a key is not plain text"},
    {"version: 1\nlimits: {", "not YAML"},
    {"version: 1\n\tx: 1", "line 2: not YAML"},
    {"version: 1\nbring: [[[[[[[[[[[[[x]]]]]]]]]]]]]", "nested more than 12 deep"},
};

static void
every_refusal_names_line_value_and_cure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        refuse(refusals[i].text, VIV_POLICY_USER, 0, refusals[i].wanted);
    }
    refuse("version: 1", 3, 0, "scope is 3 and trusted is 0");
    refuse("version: 1", VIV_POLICY_USER, 2, "scope is 1 and trusted is 2");
}

static void
hostile_bytes_are_refused_in_bounds(void **state)
{
    (void)state;
    static char json[64];
    static const char *const fills[] = {"[", "{a: ",    "- ",      "a: b\n", "&a ",          "? ",
                                        "'", "\"\\x41", "x: |\n ", "\xff",   "\xef\xbb\xbf", "[{"};
    uint64_t size = YAML_BYTES_MAX;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
        for (uint64_t i = 0; i < size; i++) {
            text[i] = fills[fill][i % strlen(fills[fill])];
        }
        struct viv_error err = VIV_ERROR_INIT;
        assert_true(compile_bytes_of((struct viv_str){text, size}, VIV_POLICY_PROJECT, 0, json,
                                     sizeof json, &err) != VIV_OK);
        assert_true(err.text[0] != '\0');
    }
    memset(text, 'a', size + 1);
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(compile_bytes_of((struct viv_str){text, size + 1}, VIV_POLICY_USER, 0, json,
                                      sizeof json, &err),
                     VIV_E_LIMIT);
    assert_string_equal(err.text, "vivarium.yaml has 262145 bytes, allowed 262144");
    assert_true(compile_bytes_of((struct viv_str){"version: 1\0", 11}, VIV_POLICY_USER, 0, json,
                                 sizeof json, &err) != VIV_OK);
    free(text);
    char many[8192] = "version: 1\nplugins:\n";
    for (int i = 0; i <= YAML_KEYS_MAX; i++) {
        (void)snprintf(many + strlen(many), 32, "  p%d: {}\n", i);
    }
    refuse(many, VIV_POLICY_USER, 0, "more than 256 keys in one mapping");
}

/* jansson's memory as well: the n-th allocation of either kind fails. */
static uint64_t json_allocations;
static uint64_t json_fail_at;

static void *
failing_malloc(size_t size)
{
    json_allocations++;
    return json_fail_at != 0 && json_allocations >= json_fail_at ? NULL : malloc(size);
}

static void
memory_running_out_is_a_status(void **state)
{
    (void)state;
    static const char text[] =
        "version: 1\nlimits: {task: 1}\nbring: [x]\ncommands: [{id: a, match: [a], verdict: deny, "
        "reason: r, examples: {match: [a b]}}]\ngates: {e2e: [{run: x}]}\nplugins: {p: {options: "
        "{a: b}}}\nsecrets: {s: {file: /a}}\nmodels: {m: {plugin: p.q, base_url: 'https://h.example', "
        "secret: s, context: 2, output: 1, price: {input: 1, output: 1}}}\nrouting: {default: fast}\n"
        "breaker: {}\n";
    for (int kind = 0; kind < 2; kind++) {
        viv_status status = VIV_E_MEMORY;
        uint64_t points = 0;
        for (uint64_t n = 1; status != VIV_OK; n++, points++) {
            assert_true(points < 10000); /* no memory ever again */
            struct fake_host host;
            struct fake_call call;
            struct viv_str json = {NULL, 0};
            struct viv_error err = VIV_ERROR_INIT;
            fake_host_init(&host);
            fake_call_init(&call, &host);
            call.fail_at = kind == 0 ? n : 0;
            json_allocations = 0;
            json_fail_at = kind == 1 ? n : 0;
            json_set_alloc_funcs(failing_malloc, free);
            status =
                compile_policy(&call.call, fake_str(text), "p", VIV_POLICY_USER, 0, &json, &err);
            json_fail_at = 0;
            if (status != VIV_OK && status != VIV_E_MEMORY) {
                fail_msg("kind %d, point %lu: %d '%s'", kind, (unsigned long)n, status, err.text);
            }
            fake_call_finish(&call);
        }
        assert_true(points > 20);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_becomes_canonical_json),
        cmocka_unit_test(a_stranger_may_only_narrow),
        cmocka_unit_test(every_refusal_names_line_value_and_cure),
        cmocka_unit_test(hostile_bytes_are_refused_in_bounds),
        cmocka_unit_test(memory_running_out_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
