/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a key shows in a message, a model costs nothing for want of a price, a stranger's
 * file says where work is sent, or a task reaches a model that policy does not give it. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/safety.h>

#include "judge.h"
#include "test_bench.h"

#define MODEL                                                                                      \
    "plugin: p.q, base_url: 'https://h.example', context: 100, output: 50, price: {input: 1, "     \
    "output: 2}"
#define ELSEWHERE                                                                                  \
    "plugin: p.q, base_url: 'https://h.example:8443/v1', context: 100, output: 50, "               \
    "price: {input: 1, output: 2}"
#define SMALL "version: 1\nmodels:\n  small: {" MODEL "}\n"

static void
accept(const char *text, uint32_t scope, const char *wanted)
{
    static char json[65536];
    struct viv_error err = VIV_ERROR_INIT;
    if (bench_compile(text, scope, 0, json, sizeof json, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(json, wanted);
}

static void
refuse(const char *text, uint32_t scope, uint32_t trusted, const char *wanted)
{
    static char json[65536];
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = bench_compile(text, scope, trusted, json, sizeof json, &err);
    if (status != VIV_E_INVALID || !strstr(err.text, wanted)) {
        fail_msg("'%s' gave %d '%s', expected '%s'", text, status, err.text, wanted);
    }
    assert_null(strstr(err.text, "KEY"));
    assert_string_equal(json, "");
}

static void
what_nobody_wrote_is_filled_in(void **state)
{
    (void)state;
    accept(SMALL, VIV_POLICY_USER,
           "{\"models\":{\"small\":{\"base_url\":\"https://"
           "h.example\",\"concurrent\":4,\"context\":100,"
           "\"model\":\"small\",\"output\":50,\"plugin\":\"p.q\",\"price\":{\"cache_write_micro\":"
           "1000000,"
           "\"cached_micro\":1000000,\"input_micro\":1000000,\"output_micro\":2000000},\"tier\":"
           "\"fast\","
           "\"time_ns\":600000000000}},\"routing\":{\"allow\":[\"small\"],\"complex_above\":8,"
           "\"default\":"
           "\"fast\",\"low_budget_micro\":50000,\"tiers\":[\"fast\",\"strong\"]},\"scope\":"
           "\"user\",\"trusted\":1,"
           "\"version\":1}");
    accept("version: 1\nbreaker: {}\n", VIV_POLICY_USER,
           "{\"breaker\":{\"cost_micro\":100000000,\"failures\":5,\"window_ns\":300000000000},"
           "\"scope\":\"user\","
           "\"trusted\":1,\"version\":1}");
}

static void
what_is_written_is_kept(void **state)
{
    (void)state;
    accept(
        "version: 1\nsecrets: {a-1: {file: /home/me/key}, b: {variable: OPENAI_API_KEY}}\n"
        "models:\n"
        "  x_1: {plugin: viv.model_openai, base_url: 'http://127.0.0.1:8080/v1', model: "
        "vendor/name-1.5, "
        "secret: a-1,\n"
        "    tier: big, context: 10000000, output: 10000000, price: {input: 0.05, output: 0, "
        "cached: 0.01,\n"
        "    cache_write: 0.000001}, concurrent: 64, requests: 30, tokens: 6000, time: 90s}\n"
        "  y: {" MODEL "}\n"
        "routing: {tiers: [tiny, big], default: big, low_budget: 1, complex_above: 0, allow: [y]}\n"
        "limits: {model: 5.00, day: 2, month: 20, holds: borrow}\n"
        "breaker: {cost: 0, failures: 1, window: 1s}\n"
        "paths: {private: [\"secrets/**\"]}\n",
        VIV_POLICY_USER,
        "{\"breaker\":{\"cost_micro\":0,\"failures\":1,\"window_ns\":1000000000},"
        "\"limits\":{\"day_micro\":2000000,\"holds\":\"borrow\",\"model_micro\":5000000,\"month_"
        "micro\":20000000},"
        "\"models\":{\"x_1\":{\"base_url\":\"http://127.0.0.1:8080/"
        "v1\",\"concurrent\":64,\"context\":10000000,"
        "\"model\":\"vendor/"
        "name-1.5\",\"output\":10000000,\"plugin\":\"viv.model_openai\",\"price\":{"
        "\"cache_write_micro\":1,\"cached_micro\":10000,\"input_micro\":50000,\"output_micro\":0},"
        "\"requests\":30,\"secret\":\"a-1\",\"tier\":\"big\",\"time_ns\":90000000000,\"tokens\":"
        "6000},"
        "\"y\":{\"base_url\":\"https://"
        "h.example\",\"concurrent\":4,\"context\":100,\"model\":\"y\",\"output\":50,"
        "\"plugin\":\"p.q\",\"price\":{\"cache_write_micro\":1000000,\"cached_micro\":1000000,"
        "\"input_micro\":1000000,\"output_micro\":2000000},\"tier\":\"big\",\"time_ns\":"
        "600000000000}},"
        "\"paths\":{\"private\":[\"secrets/**\"]},"
        "\"routing\":{\"allow\":[\"y\"],\"complex_above\":0,\"default\":\"big\",\"low_budget_"
        "micro\":1000000,"
        "\"tiers\":[\"tiny\",\"big\"]},\"scope\":\"user\","
        "\"secrets\":{\"a-1\":{\"file\":\"/home/me/key\"},\"b\":{\"variable\":\"OPENAI_API_KEY\"}},"
        "\"trusted\":1,\"version\":1}");
}

static const char *const urls[][2] = {
    {"ftp://h.example", "does not begin with https:// or http://"},
    {"https://me:KEY@h.example",
     "'base_url' has user info ('@'); keys stand in 'secrets', allowed: https://HOST"},
    {"https://h.example/v1?key=KEY", "has a query ('?')"},
    {"https://h.example/v1#KEY", "has a fragment ('#')"},
    {"https://h.example/a b", "has a character that stands in no URL"},
    {"https://h.example:x/v1", "has a host that has a port that is none"},
    {"https://h.example:99999", "has a port that is none"},
    {"https:///v1", "'base_url' has a host that is empty"},
    {"https://H.example", "has a character that host names have not"},
    {"https://[::1", "has no ']'"},
    {"https://localhost:1/v1", "name the address, like 127.0.0.1"},
    {"http://h.example/v1",
     "'base_url' goes without TLS to a host that is no loopback address, allowed: https://HOST"},
    {"http://127.example/v1", "goes without TLS"},
    {"http://10.0.0.1:80", "goes without TLS"},
    {"http://[::2]:80", "hides an IPv4 address"},
    {"http://[2001:db8::1]:80", "goes without TLS"},
};

static void
a_place_is_named_in_one_way(void **state)
{
    (void)state;
    static const char *const good[] = {"https://h.example",      "https://h.example:8443/a/b/",
                                       "https://10.0.0.1",       "http://127.0.0.1",
                                       "http://127.9.9.9:80/v1", "http://[::1]:1/v1",
                                       "http://[::1]",           "https://[2001:db8::1]/v1"};
    char text[1024];
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        (void)snprintf(text, sizeof text,
                       "version: 1\nmodels:\n  a:\n    plugin: p.q\n    base_url: "
                       "'%s'\n",
                       urls[i][0]);
        refuse(text, VIV_POLICY_USER, 0, urls[i][1]);
        refuse(text, VIV_POLICY_USER, 0, "vivarium.yaml line 5: 'base_url'");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        static char json[4096];
        struct viv_error err = VIV_ERROR_INIT;
        (void)snprintf(text, sizeof text,
                       "version: 1\nmodels: {a: {plugin: p.q, base_url: '%s', context: 2, "
                       "output: 1, price: {input: 1, output: 1}}}",
                       good[i]);
        if (bench_compile(text, VIV_POLICY_USER, 0, json, sizeof json, &err) != VIV_OK ||
            !strstr(json, good[i])) {
            fail_msg("%s: %s", good[i], err.text);
        }
    }
    char far[4096] = "version: 1\nmodels: {a: {base_url: 'https://h.example/";
    memset(far + strlen(far), 'a', 2048);
    strcat(far, "'}}");
    refuse(far, VIV_POLICY_USER, 0, "is longer than 2048 bytes");
}

#define PAIR "models: {a: {" MODEL "}, b: {" MODEL "}}\n"

/* No message repeats what may be a key: each of these has "KEY" where one may have been pasted. */
static const char *const refusals[][2] = {
    {"secrets: KEY", "line 2: 'secrets' is no mapping, allowed: a mapping of at most 32 names"},
    {"secrets: {a: KEY}",
     "line 2: secret 'a' is no mapping (it is not shown), allowed: exactly one of {file: /PATH}"},
    {"secrets: {a: [KEY]}", "secret 'a' is no mapping"},
    {"secrets: {a: {}}",
     "secret 'a' says no source, allowed: exactly one of {file: /PATH} and {variable: NAME}"},
    {"secrets: {a: {file: /KEY, variable: B}}",
     "secret 'a' says more than one source, allowed: exactly one of"},
    {"secrets:\n  a: {value: KEY}",
     "line 3: secret 'a' has a key that is not known (it is not shown), allowed: file, variable"},
    {"secrets: {a: {KEY: x}}", "secret 'a' has a key that is not known"},
    {"secrets: {a: {file: KEY}}", "'file' of secret 'a' is no absolute path of a file (it is not "
                                  "shown), allowed: a path that begins with '/'"},
    {"secrets: {a: {file: ./KEY}}", "no absolute path"},
    {"secrets: {a: {file: /KEY/}}", "no absolute path"},
    {"secrets: {a: {file: \"/KEY\\n\"}}", "no absolute path"},
    {"secrets: {a: {file: [/KEY]}}", "no absolute path"},
    {"secrets: {a: {variable: sk-KEY}}", "'variable' of secret 'a' is no name of an environment "
                                         "variable (it is not shown), allowed: 1 to 128 of A-Z, "
                                         "0-9 and '_'"},
    {"secrets: {a: {variable: gsk_KEY}}", "no name of an environment variable"},
    {"secrets: {a: {variable: 1KEY}}", "no name of an environment variable"},
    {"secrets: {A: {file: /k}}",
     "name 'A' in 'secrets' is not allowed, allowed: 1 to 64 of a-z, 0-9, '_' and '-'"},
    {"models: [a]", "'models' is no mapping, allowed: a mapping of at most 32 names"},
    {"models: {a.b: {" MODEL "}}",
     "name 'a.b' in 'models' is not allowed, allowed: 1 to 64 of a-z"},
    {"models: {'': {" MODEL "}}", "name '' in 'models' is not allowed"},
    {"models:\n  a: {" MODEL "}\n  a: {" MODEL "}",
     "line 4: key 'a' stands here a second time, the first is in line 3"},
    {"models: {a: {}}", "key 'plugin' is missing in a model"},
    {"models: {a: {plugin: p.q, base_url: 'https://h.example', context: 9, output: 1}}",
     "line 2: key 'price' is missing in a model"},
    {"models: {a: {price: {input: 1}}}", "key 'output' is missing in a price"},
    {"models: {a: {price: {output: 1}}}", "key 'input' is missing in a price"},
    {"models: {a: {price: {input: -1, output: 1}}}",
     "'input' is '-1', allowed: money from 0 to 1000000"},
    {"models: {a: {price: {input: 1, output: 1, image: 1}}}",
     "key 'image' is not known in a price, allowed: input, output, cached, cache_write"},
    {"models: {a: {api_key: KEY}}",
     "key 'api_key' is not known in a model, allowed: plugin, base_url, model, secret"},
    {"models: {a: {plugin: a b}}", "'plugin' is 'a b', allowed: a plugin's id"},
    {"models: {a: {model: a b}}", "'model' is 'a b', allowed: 1 to 256 bytes without blanks"},
    {"models: {a: {context: 0}}", "'context' is '0', allowed: 1 to 10000000"},
    {"models: {a: {output: 10000001}}", "'output' is '10000001', allowed: 1 to 10000000"},
    {"models: {a: {concurrent: 65}}", "'concurrent' is '65', allowed: 1 to 64"},
    {"models: {a: {requests: 0}}", "'requests' is '0', allowed: 1 to 1000000"},
    {"models: {a: {tokens: 1000000001}}", "'tokens' is '1000000001', allowed: 1 to 1000000000"},
    {"models: {a: {time: 5}}", "'time' is '5', allowed: 1ms to 30d"},
    {"models: {a: {"
     "plugin: p.q, base_url: 'https://h.example', context: 100, output: 101, price: {input: 1, "
     "output: 2}}}",
     "line 2: 'output' of model 'a' is 101, allowed: at most its 'context', 100"},
    {"models: {a: {" MODEL ", tier: huge}}",
     "line 2: 'tier' of model 'a' is 'huge', allowed by routing.tiers: fast, strong"},
    {"models: {a: {" MODEL ", tier: A}}", "'tier' is 'A', allowed: 1 to 64 of a-z"},
    {"models: {a: {" MODEL ", secret: sk-key}}",
     "'secret' of model 'a' (it is not shown) is not in 'secrets', allowed: none"},
    {"secrets: {x: {file: /a}, y: {file: /b}}\nmodels: {a: {" MODEL ", secret: z}}",
     "line 3: 'secret' of model 'a' (it is not shown) is not in 'secrets', allowed: x, y"},
    {"secrets: {x: {file: /a}}\nmodels:\n  a: {" MODEL ", secret: x}\n  b: {" ELSEWHERE ", secret: x}",
     "line 5: 'secret' of model 'b' goes to 'https://h.example:8443', and by model 'a' to "
     "'https://h.example', allowed: one place for each of 'secrets'; give the key a second name there"},
    {"models: {a: {secret: sk_KEY}}",
     "'secret' of a model is no name of 'secrets' (it is not shown)"},
    {PAIR "routing: {allow: [a, c]}",
     "line 3: 'c' of routing.allow is not in 'models', allowed: a, b"},
    {PAIR "routing: {allow: [a, a]}", "line 3: 'a' stands a second time in 'allow', allowed: once"},
    {"routing: {allow: [a]}", "'a' of routing.allow is not in 'models', allowed: none"},
    {"routing: {tiers: []}", "'tiers' is an empty list, allowed: 1 to 8 words"},
    {"routing: {tiers: [a, b, c, d, e, f, g, h, i]}",
     "'tiers' is too long, allowed: a list of at most 8"},
    {"routing: {tiers: [a, b, a]}", "'a' stands a second time in 'tiers'"},
    {"routing: {default: strongest}",
     "line 2: 'default' of routing is 'strongest', allowed by routing.tiers: fast, strong"},
    {"routing: {low_budget: x}", "'low_budget' is 'x', allowed: money"},
    {"routing: {complex_above: -1}", "'complex_above' is '-1', allowed: 0 to 1000000000"},
    {"routing: {deny: [a]}", "key 'deny' is not known in routing, allowed: tiers, default, "
                             "low_budget, complex_above, allow"},
    {"breaker: {failures: 0}", "'failures' is '0', allowed: 1 to 1000"},
    {"breaker: {cost: 1000001}", "'cost' is '1000001', allowed: money from 0 to 1000000"},
    {"breaker: {window: 5}", "'window' is '5', allowed: 1ms to 30d"},
    {"limits: {day: x}", "'day' is 'x', allowed: money"},
    {"limits: {month: x}", "'month' is 'x', allowed: money"},
    {"limits: {model: x}", "'model' is 'x', allowed: money"},
    {"limits: {holds: loose}", "'holds' is 'loose', allowed: strict expected borrow"},
    {"paths: {private: [/etc]}", "is '/etc', allowed: a pattern inside the project"},
};

static void
every_refusal_says_what_is_allowed_and_no_key(void **state)
{
    (void)state;
    char text[1024];
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        (void)snprintf(text, sizeof text, "version: 1\n%s\n", refusals[i][0]);
        refuse(text, VIV_POLICY_USER, 0, refusals[i][1]);
    }
}

static void
more_than_there_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *key, *item, *wanted;
    } rows[] = {
        {"secrets: {", "n%d: {file: /a}, ",
         "'secrets' is too long, allowed: a mapping of at most 32 names"},
        {"models: {", "n%d: {" MODEL "}, ",
         "'models' is too long, allowed: a mapping of at most 32 names"},
        {"routing: {allow: [", "n%d, ", "'allow' is too long, allowed: a list of at most 32"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static char text[8192];
        (void)snprintf(text, sizeof text, "version: 1\n%s", rows[i].key);
        for (int n = 0; n < 33; n++) {
            /* The row's own format, a literal of this table. */
            char item[256];
            const char *at = strstr(rows[i].item, "%d");
            (void)snprintf(item, sizeof item, "%.*s%d%s", (int)(at - rows[i].item), rows[i].item, n,
                           at + 2);
            strcat(text, item);
        }
        strcat(text, i == 2 ? "]}\n" : "}\n");
        refuse(text, VIV_POLICY_USER, 0, rows[i].wanted);
    }
}

/* Each is as long as it may be, and refused with one byte more. */
static void
longer_than_it_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after, *wanted;
        size_t max;
        char fill;
    } rows[] = {
        {"secrets: {", ": {file: /a}}", "in 'secrets' is not allowed, allowed: 1 to 64", 64, 'a'},
        {"models: {", ": {" MODEL "}}", "in 'models' is not allowed, allowed: 1 to 64", 64, 'a'},
        {"secrets: {a: {file: /", "}}", "is no absolute path of a file", VIV_PATH_MAX - 1, 'a'},
        {"secrets: {a: {variable: ", "}}", "allowed: 1 to 128 of A-Z", 128, 'A'},
        {"models: {a: {" MODEL ", model: ", "}}", "allowed: 1 to 256 bytes", 256, 'a'},
        {"models: {a: {base_url: 'https://h.example', context: 2, output: 1, price: {input: 1, output: "
         "1}, plugin: ", "}}", "a plugin's id", VIV_ID_MAX, 'a'},
        {"routing: {default: a, tiers: [a, ", "]}", "allowed: 1 to 64 of a-z", 64, 'b'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static char text[8192], json[16384];
        struct viv_error err = VIV_ERROR_INIT;
        for (size_t len = rows[i].max; len <= rows[i].max + 1; len++) {
            int at = snprintf(text, sizeof text, "version: 1\n%s", rows[i].before);
            memset(text + at, rows[i].fill, len);
            (void)snprintf(text + at + len, sizeof text - (size_t)at - len, "%s\n", rows[i].after);
            if (len > rows[i].max) {
                refuse(text, VIV_POLICY_USER, 0, rows[i].wanted);
            } else if (bench_compile(text, VIV_POLICY_USER, 0, json, sizeof json, &err) != VIV_OK) {
                fail_msg("%zu bytes after '%s': %s", len, rows[i].before, err.text);
            }
        }
    }
}

static void
a_project_says_only_which_models(void **state)
{
    (void)state;
    static const char *const own[][2] = {
        {"secrets: {a: {file: /KEY}}", "'secrets' belongs into your own policy; a project's file "
                                       "may not have it, trusted or not"},
        {"secrets: KEY", "'secrets' belongs"},
        {PAIR, "'models' belongs"},
        {"breaker: {}", "'breaker' belongs"},
        {"routing: {tiers: [a]}", "'tiers' belongs"},
        {"routing: {default: fast}", "'default' belongs"},
        {"routing: {low_budget: 1}", "'low_budget' belongs"},
        {"routing: {complex_above: 1}", "'complex_above' belongs"},
        {"limits: {holds: borrow}", "'holds' belongs"},
    };
    char text[1024];
    for (uint32_t trusted = 0; trusted < 2; trusted++) {
        for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
            (void)snprintf(text, sizeof text, "version: 1\n%s\n", own[i][0]);
            refuse(text, VIV_POLICY_PROJECT, trusted, own[i][1]);
            refuse(text, VIV_POLICY_PROJECT, trusted, "vivarium.yaml line 2: ");
        }
    }
    accept("version: 1\nrouting: {allow: [small, nobody-knows]}\nlimits: {model: 1, day: 1, month: "
           "1}\n"
           "paths: {private: [x]}\n",
           VIV_POLICY_PROJECT,
           "{\"limits\":{\"day_micro\":1000000,\"model_micro\":1000000,\"month_micro\":1000000},"
           "\"paths\":{\"private\":[\"x\"]},\"routing\":{\"allow\":[\"small\",\"nobody-knows\"]},"
           "\"scope\":\"project\",\"trusted\":0,\"version\":1}");
}

#define USER(allow)                                                                                \
    "{\"models\":{\"b\":{},\"a\":{},\"c\":{}},\"routing\":{\"allow\":" allow                       \
    "},\"scope\":\"user\","                                                                        \
    "\"trusted\":1,\"version\":1}"
#define ALL USER("[\"c\",\"b\",\"a\"]")
#define SILENT "{\"scope\":\"project\",\"trusted\":0,\"version\":1}"
#define PROJECT(allow, trusted)                                                                    \
    "{\"routing\":{\"allow\":" allow "},\"scope\":\"project\",\"trusted\":" trusted                \
    ",\"version\":1}"

static void
a_task_is_given_what_every_layer_leaves(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[]", "[]"},
        {"[" SILENT "]", "[]"},
        {"[" ALL "]", "[\"a\",\"b\",\"c\"]"},
        {ALL, "[\"a\",\"b\",\"c\"]"},
        {"[" USER("[\"c\"]") "]", "[\"c\"]"},
        {"[" USER("[]") "]", "[]"},
        {"[" ALL "," SILENT "]", "[\"a\",\"b\",\"c\"]"},
        {"[" ALL "," PROJECT("[\"b\",\"x\"]", "0") "]", "[\"b\"]"},
        {"[" ALL "," PROJECT("[\"b\",\"x\"]", "1") "]", "[\"b\"]"},
        {"[" USER("[\"a\"]") "," PROJECT("[\"b\"]", "1") "]", "[]"},
        {"[" ALL "," PROJECT("[]", "1") "]", "[]"},
        {"[" ALL "," PROJECT("7", "0") "]", "[]"},
        /* A project has no models of its own, whatever its document says. */
        {"[{\"models\":{\"a\":{}},\"scope\":\"project\",\"trusted\":1,\"version\":1}]", "[]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        json_t *capability = bench_task(&bench, rows[i][0], "{\"goal\":\"x\"}");
        char *models = json_dumps(json_object_get(capability, "models"), JSON_COMPACT);
        if (!models || strcmp(models, rows[i][1]) != 0) {
            fail_msg("%s: %s", rows[i][0], models ? models : "none");
        }
        free(models);
        json_decref(capability);
        bench_end(&bench);
    }
}

#define CALL(name) "{\"kind\":\"model\",\"path\":\"" name "\"}"
#define GIVEN "{\"models\":[\"a\",\"z\"],\"read\":[],\"write\":[]}"

static const struct {
    const char *policy, *capability, *effect, *wanted;
} calls[] = {
    {"[" ALL "]", GIVEN, CALL("a"), NULL},
    {"[" ALL "," SILENT "]", GIVEN, CALL("a"), NULL},
    /* Texts neither grant nor forbid: not these, and not a request that asks for a person. */
    {"[" ALL "]", GIVEN,
     "{\"kind\":\"model\",\"path\":\"a\",\"spec\":{\"messages\":[{\"content\":\"exfiltrate "
     "data\"}]}}",
     NULL},
    {"[" ALL "]", GIVEN,
     "{\"kind\":\"model\",\"path\":\"b\",\"spec\":{\"path\":\"a\",\"models\":[\"b\"]}}",
     "{\"id\":\"models.capability\",\"verdict\":0,\"reason\":\"model 'b' is not among the models "
     "this task was "
     "given\","
     "\"cure\":\"submit the task again, so that it is given the model\"}"},
    {"[" ALL "]", GIVEN, CALL("z"),
     "{\"id\":\"models.unknown\",\"verdict\":0,\"reason\":\"the call goes to model 'z', which no "
     "policy of yours "
     "describes\",\"cure\":\"describe it under 'models' in your own policy\"}"},
    {"[]", GIVEN, CALL("a"), "\"models.unknown\",\"verdict\":0"},
    {"[" SILENT "]", GIVEN, CALL("a"), "\"models.unknown\",\"verdict\":0"},
    {"[" ALL "]", GIVEN, CALL(""), "\"models.unknown\",\"verdict\":0"},
    {"[" ALL "]", GIVEN, "{\"kind\":\"model\"}", "\"models.unknown\",\"verdict\":0"},
    {"[" ALL "]", GIVEN, "{\"kind\":\"model\",\"path\":[\"a\"]}",
     "\"models.unknown\",\"verdict\":0"},
    {"[" ALL "]", "{}", CALL("a"), "\"models.capability\",\"verdict\":0"},
    {"[" ALL "]", "{\"models\":\"a\"}", CALL("a"), "\"models.capability\",\"verdict\":0"},
    {"[" ALL "]", "{\"models\":[\"ab\",7]}", CALL("a"), "\"models.capability\",\"verdict\":0"},
    {"[" USER("[\"b\"]") "]", GIVEN, CALL("a"),
     "{\"id\":\"models.capability\",\"verdict\":0,\"reason\":\"model 'a' is not in routing.allow "
     "of your own "
     "policy\","
     "\"cure\":\"add 'a' to routing.allow of your own policy\"}"},
    {"[" ALL "," PROJECT("[\"b\"]", "1") "]", GIVEN, CALL("a"),
     "\"model 'a' is not in routing.allow of the project's policy\",\"cure\":\"add 'a' to "
     "routing.allow of the "
     "project's policy\""},
};

static void
a_call_goes_where_both_allow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct bench bench;
        struct viv_error err = VIV_ERROR_INIT;
        json_t *capability = json_loads(calls[i].capability, 0, NULL);
        json_t *effect = json_loads(calls[i].effect, 0, NULL);
        bench_begin(&bench, calls[i].policy);
        assert_int_equal(
            judge_effect(&bench.call.call, bench.policy, capability, effect, &bench.report, &err),
            VIV_OK);
        char *list = json_dumps(bench.report.list, JSON_COMPACT);
        if (bench.report.verdict != (calls[i].wanted ? DENY : ALLOW) ||
            (calls[i].wanted ? !strstr(list, calls[i].wanted) : strcmp(list, "[]") != 0)) {
            fail_msg("%s %s: %u %s", calls[i].capability, calls[i].effect, bench.report.verdict,
                     list);
        }
        free(list);
        json_decref(effect);
        json_decref(capability);
        bench_end(&bench);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_wrote_is_filled_in),
        cmocka_unit_test(what_is_written_is_kept),
        cmocka_unit_test(a_place_is_named_in_one_way),
        cmocka_unit_test(every_refusal_says_what_is_allowed_and_no_key),
        cmocka_unit_test(more_than_there_may_be),
        cmocka_unit_test(longer_than_it_may_be),
        cmocka_unit_test(a_project_says_only_which_models),
        cmocka_unit_test(a_task_is_given_what_every_layer_leaves),
        cmocka_unit_test(a_call_goes_where_both_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
