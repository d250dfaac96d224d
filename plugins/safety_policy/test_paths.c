/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a path could leave the workspace, or a file that runs by itself could be planted
 * unseen. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"
#include "fake_host.h"
#include "glob.h"
#include "judge.h"

static void
patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        uint32_t match;
    } rows[] = {
        {"**", "a/b", 1},
        {"*", "a/b", 1},
        {"a", "a", 1},
        {"a", "b/a/c", 1},
        {"a", "ab", 0},
        {"a/b", "a/b", 1},
        {"a/b", "a/b/c", 1},
        {"a/b", "x/a/b", 0},
        {"a/b", "a/bc", 0},
        {"a/*", "a/b/c", 1},
        {"a/*", "a", 0},
        {"a/*/c", "a/b/c", 1},
        {"a/*/c", "a/b/b/c", 0},
        {"a/**/c", "a/c", 1},
        {"a/**/c", "a/x/y/c", 1},
        {"a/**/c", "a/xc", 0},
        {"*.c", "x/y.c", 1},
        {"*.c", "x/y.cc", 0},
        {"src/*.c", "src/a/b.c", 0},
        {"src/**.c", "src/a/b.c", 1},
        {"?", "ab", 0},
        {"?b", "ab", 1},
        {"a/?", "a//", 0},
        {"build/", "build/x", 1},
        {"./a/b", "a/b", 1},
        {"**/x", "x", 1},
        {"**/x", "a/b/x", 1},
        {"docs/**", "docs/a", 1},
        {"docs/**", "docs", 0},
        {"a*b*c", "aXbYc", 1},
        {"a*b*c", "aXbY", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (glob_match(fake_str(rows[i].pattern), fake_str(rows[i].path)) != rows[i].match) {
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].path);
        }
    }
    assert_int_equal(glob_is_valid(fake_str("")), 0);
    assert_int_equal(glob_is_valid(fake_str("/a")), 0);
    assert_int_equal(glob_is_valid(fake_str("a/../b")), 0);
    char stars[GLOB_MAX + 2];
    memset(stars, '*', sizeof stars);
    assert_int_equal(glob_is_valid((struct viv_str){stars, GLOB_MAX + 1}), 0);
    char hostile[GLOB_MAX];
    char path[VIV_PATH_MAX];
    memset(path, 'a', sizeof path);
    for (size_t i = 0; i < sizeof hostile; i++) {
        hostile[i] = "*a**/?"[i % 6];
    }
    (void)glob_match((struct viv_str){hostile, sizeof hostile},
                     (struct viv_str){path, sizeof path});
    for (size_t i = 0; i + 2 < sizeof hostile; i += 3) {
        memcpy(hostile + i, "**/", 3);
    }
    (void)glob_match((struct viv_str){hostile, sizeof hostile},
                     (struct viv_str){path, sizeof path});
}

static void
what_is_no_path(void **state)
{
    (void)state;
    static const char *const bad[] = {"/",      "/etc/passwd",   "..", "../a", "a/..",
                                      "a/../b", "a/b/../../../c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(paths_fault(fake_str(bad[i])));
    }
    static const char *const good[] = {"",    "a",       "a/b",  "..a", "a..",
                                       "...", "a/.../b", ".git", "a\nb"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(paths_fault(fake_str(good[i])));
    }
    assert_non_null(paths_fault((struct viv_str){"a\0b", 3}));
    char *longest = malloc(VIV_PATH_MAX + 1);
    assert_non_null(longest);
    memset(longest, 'a', VIV_PATH_MAX + 1);
    assert_null(paths_fault((struct viv_str){longest, VIV_PATH_MAX}));
    assert_string_equal(paths_fault((struct viv_str){longest, VIV_PATH_MAX + 1}),
                        "is longer than 4095 bytes");
    free(longest);
}

static const char *
first_rule(const char *path, enum paths_access access, uint32_t gates)
{
    struct paths_rule rules[8];
    return paths_rules(fake_str(path), access, gates, rules, 8) > 0 ? rules[0].id : "";
}

static void
surfaces_are_protected_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *path, *read, *write;
    } rows[] = {
        {".git/config", "", "path.git-internals"},
        {".git", "", "path.git-internals"},
        {"sub/.git/hooks/pre-commit", "", "path.git-internals"},
        {".GIT/config", "", "path.git-internals"},
        {".git./config", "", "path.git-internals"},
        {".git /config", "", "path.git-internals"},
        {"git~1/config", "", "path.git-internals"},
        {".git::$INDEX_ALLOCATION/config", "", "path.git-internals"},
        {"a/.Git . :x/y", "", "path.git-internals"},
        {".git\\config", "", "path.git-internals"},
        {"GIT~1:x", "", "path.git-internals"},
        {".g\xe2\x80\x8cit/config", "", "path.git-internals"},
        {"\xe2\x80\xae.git/hooks/x", "", "path.git-internals"},
        {"\xef\xbb\xbf.GiT/x", "", "path.git-internals"},
        {".v\xe2\x80\x8divarium/x", "path.home", "path.home"},
        {"a.git:x", "", ""},
        {".gitx:y", "", ""},
        {"caf\xc3\xa9/\xe2\x82\xac", "", ""},
        {".gitignore", "", ""},
        {".gitattributes", "", "critical.hooks"},
        {".vivarium/store/x", "path.home", "path.home"},
        {".local/share/vivarium/plugins/x/y.so", "path.user", "path.user"},
        {"me/.config/vivarium/policy.yaml", "path.user", "path.user"},
        {".local/share/vivarium-notes", "", ""},
        {"vivarium.yaml", "", "critical.policy"},
        {".github/workflows/a.yml", "", "critical.ci"},
        {".gitlab-ci.yml", "", "critical.ci"},
        {".ci/run", "", "critical.ci"},
        {"Jenkinsfile", "", "critical.ci"},
        {".husky/pre-commit", "", "critical.hooks"},
        {".claude/settings.json", "", "critical.settings"},
        {".CODEX/x", "", "critical.settings"},
        {".gemini/x", "", "critical.settings"},
        {".cursor/rules", "", "critical.settings"},
        {".vscode/tasks.json", "", "critical.settings"},
        {".idea/x", "", "critical.settings"},
        {".envrc", "", "critical.settings"},
        {".env", "path.secret", "path.secret"},
        {"a/.env.local", "path.secret", "path.secret"},
        {".env.example", "", ""},
        {".ssh/id_rsa", "path.secret", "path.secret"},
        {"deploy/server.pem", "path.secret", "path.secret"},
        {"src/environment.c", "", ""},
        {"Makefile", "", ""},
        {"src/main.c", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(first_rule(rows[i].path, PATHS_READ, 0), rows[i].read) != 0 ||
            strcmp(first_rule(rows[i].path, PATHS_WRITE, 0), rows[i].write) != 0) {
            fail_msg("'%s' is %s and %s", rows[i].path, first_rule(rows[i].path, PATHS_READ, 0),
                     first_rule(rows[i].path, PATHS_WRITE, 0));
        }
    }
    assert_string_equal(first_rule("Makefile", PATHS_WRITE, 1), "critical.build");
    assert_string_equal(first_rule("sub/CMakeLists.txt", PATHS_WRITE, 1), "critical.build");
    assert_string_equal(first_rule("cmake/x.cmake", PATHS_WRITE, 1), "critical.build");
    assert_string_equal(first_rule("Makefile", PATHS_READ, 1), "");
}

struct row {
    const char *policy, *capability, *effect, *id;
    viv_verdict verdict;
};

#define ANY                                                                                        \
    "{\"read\":[\"**\"],\"write\":[\"**\"],\"exec\":\"any\",\"avoid\":[],\"profile\":\"full\"}"
#define SRC "{\"read\":[\"**\"],\"write\":[\"src\"],\"exec\":\"any\",\"avoid\":[\"src/gen\"]}"
#define USER "[{\"version\":1,\"scope\":\"user\",\"trusted\":1,"
#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define ALLOW VIV_VERDICT_ALLOW

static const struct row judgements[] = {
    {"[]", ANY, "{\"kind\":\"write\",\"path\":\"a/b\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"write\",\"path\":\"a//./b/\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"write\",\"path\":\"../b\"}", "path.outside", DENY},
    {"[]", ANY, "{\"kind\":\"write\",\"path\":\"/b\"}", "path.outside", DENY},
    {"[]", ANY, "{\"kind\":\"write\",\"path\":\".//.git/x\"}", "path.git-internals", DENY},
    {"[]", ANY, "{\"kind\":\"write\"}", "effect.malformed", DENY},
    {"[]", ANY, "{\"kind\":\"delete\",\"path\":\".\"}", "path.root", DENY},
    {"[]", ANY, "{\"kind\":\"delete\",\"path\":\".github\"}", "critical.ci", ASK},
    {"[]", ANY, "{\"kind\":\"move\",\"path\":\"a\",\"target\":\"b\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"move\",\"path\":\"a\",\"target\":\"vivarium.yaml\"}",
     "critical.policy", ASK},
    {"[]", ANY, "{\"kind\":\"move\",\"path\":\".husky/x\",\"target\":\"b\"}", "critical.hooks",
     ASK},
    {"[]", ANY, "{\"kind\":\"move\",\"path\":\"a\"}", "path.root", DENY},
    {"[]", ANY, "{\"kind\":\"read\",\"path\":\".env\"}", "path.secret", DENY},
    {"[]", ANY, "{\"kind\":\"read\",\"spec\":{\"paths\":[\"a\",\"../b\"]}}", "path.outside", DENY},
    {"[]", ANY, "{\"kind\":\"read\",\"spec\":{\"paths\":[\"a\",7]}}", "effect.malformed", DENY},
    {"[]", ANY,
     "{\"kind\":\"write\",\"spec\":{\"paths\":[{\"path\":\"a\"},{\"path\":\".ci/run\"}]}}",
     "critical.ci", ASK},
    {"[]", ANY, "{\"kind\":\"list\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"list\",\"path\":\".vivarium\"}", "path.home", DENY},
    {"[]", ANY, "{\"kind\":\"skill\",\"path\":\"x\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"ask\"}", NULL, ALLOW},
    {"[]", ANY, "{\"kind\":\"format\"}", "effect.unknown", DENY},
    {"[]", ANY, "{}", "effect.unknown", DENY},
    {"[]", ANY, "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"sudo\"]}]}}",
     "exec.privilege", DENY},
    {"[]", ANY, "{\"kind\":\"exec\"}", "exec.malformed", DENY},
    {"[]", ANY, "{\"kind\":\"shell\",\"spec\":{\"shell\":\"x=$(y)\"}}", NULL, ALLOW},
    {"[]", SRC, "{\"kind\":\"shell\",\"spec\":{\"shell\":\"x=$(y)\"}}", "exec.shell", ASK},
    {"[]", "{\"exec\":\"list\",\"commands\":[\"make\"]}",
     "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"make\"]}]}}", NULL, ALLOW},
    {"[]", "{\"exec\":\"list\",\"commands\":[\"make\"]}",
     "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"ls\"]}]}}", "exec.outside-capability",
     ASK},
    {"[]", "{}", "{\"kind\":\"exec\",\"spec\":{\"stages\":[{\"argv\":[\"ls\"]}]}}",
     "exec.outside-capability", DENY},
    {"[]", "{}", "{\"kind\":\"write\",\"path\":\"a\"}", "capability.missing", DENY},
    {"[]", SRC, "{\"kind\":\"write\",\"path\":\"src/a\"}", NULL, ALLOW},
    {"[]", SRC, "{\"kind\":\"write\",\"path\":\"srcs/a\"}", "path.outside-capability", ASK},
    {"[]", SRC, "{\"kind\":\"write\",\"path\":\"src/gen/a\"}", "path.intent", DENY},
    {"[]", SRC, "{\"kind\":\"read\",\"path\":\"src/gen/a\"}", NULL, ALLOW},
    {USER "\"paths\":{\"write\":{\"deny\":[\"docs/**\"]}}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"docs/a\"}", "path.denied", DENY},
    {USER "\"paths\":{\"write\":{\"allow\":[\"src\"]}}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"docs/a\"}", "path.not-allowed", DENY},
    {USER "\"paths\":{\"read\":{\"allow\":[\"**\",\".env\"]}}}]", ANY,
     "{\"kind\":\"read\",\"path\":\".env\"}", NULL, ALLOW},
    {USER "\"paths\":{\"read\":{\"allow\":[\"**\"]}}}]", ANY,
     "{\"kind\":\"read\",\"path\":\".env\"}", "path.secret", DENY},
    {"[{\"version\":1,\"scope\":\"project\",\"trusted\":0,\"paths\":{\"read\":{\"allow\":[\"**"
     "\",\".env\"]}}}]",
     ANY, "{\"kind\":\"read\",\"path\":\".env\"}", "path.secret", DENY},
    {USER "\"gates\":{\"e2e\":[{\"run\":[\"./tools/check\"]}]}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"tools/check\"}", "critical.gate", ASK},
    {USER "\"gates\":{\"e2e\":[{\"run\":[\"sh\",\"-c\",\"make && tools/check -x\"]}]}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"tools/check\"}", "critical.gate", ASK},
    {USER "\"gates\":{\"e2e\":[{\"run\":[\"./tools/check\"]}]}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"tools/checks\"}", NULL, ALLOW},
    {USER "\"gates\":{\"e2e\":[{\"run\":[\"true\"]}]}}]", ANY,
     "{\"kind\":\"write\",\"path\":\"Makefile\"}", "critical.build", ASK},
    {USER "\"paths\":{}},{\"version\":1,\"scope\":\"project\",\"trusted\":0,\"paths\":{"
          "\"write\":{\"deny\":[\"a\"]}}}]",
     ANY, "{\"kind\":\"write\",\"path\":\"a\"}", "path.denied", DENY},
};

static void
effects_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judgements / sizeof *judgements; i++) {
        struct fake_host host;
        struct fake_call call;
        struct policy *policy = NULL;
        struct report report;
        fake_host_init(&host);
        fake_call_init(&call, &host);
        report_begin(&report);
        assert_int_equal(policy_open(fake_str(judgements[i].policy), &policy, NULL), VIV_OK);
        json_t *capability = json_loads(judgements[i].capability, 0, NULL);
        json_t *effect = json_loads(judgements[i].effect, 0, NULL);
        assert_int_equal(judge_effect(&call.call, policy, capability, effect, &report, NULL),
                         VIV_OK);
        char *list = json_dumps(report.list, JSON_COMPACT);
        if (report.verdict != judgements[i].verdict ||
            (judgements[i].id && !strstr(list, judgements[i].id))) {
            fail_msg("%s gave %u %s", judgements[i].effect, report.verdict, list);
        }
        free(list);
        json_decref(capability);
        json_decref(effect);
        report_drop(&report);
        policy_close(policy);
        fake_call_finish(&call);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(what_is_no_path),
        cmocka_unit_test(surfaces_are_protected_by_name),
        cmocka_unit_test(effects_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
