/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a request that a provider refuses or charges more for than was held leaves the machine, or one that
 * is right does not. With an argument it prints bounds instead: test_bound.py compares them with what Unicode says.
 */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"
#include "request.h"

#define HEAD "\"base_url\":\"https://a.example/v1\",\"model\":\"m\",\"max_tokens\":7"
#define USER(content) "{\"role\":\"user\",\"content\":[" content "]}"
#define ASSISTANT(content) "{\"role\":\"assistant\",\"content\":[" content "]}"
#define TEXT "{\"type\":\"text\",\"text\":\"a\"}"
#define CALL(id) "{\"type\":\"tool_call\",\"id\":\"" id "\",\"name\":\"f\",\"input_json\":\"{}\"}"
#define RESULT(id) "{\"type\":\"tool_result\",\"id\":\"" id "\",\"text\":\"\"}"
#define MESSAGES(list) "{" HEAD ",\"messages\":[" list "]}"
#define GOOD "\"messages\":[" USER(TEXT) "]"
#define BASE(url) "{\"base_url\":\"" url "\",\"model\":\"m\",\"max_tokens\":7," GOOD "}"
#define WITH(members) "{" HEAD "," GOOD "," members "}"

static void
what_is_right_is_taken(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{" HEAD "," GOOD "}",
        MESSAGES(USER(TEXT) "," ASSISTANT(TEXT) "," USER(TEXT)),
        MESSAGES(USER(TEXT) "," ASSISTANT(TEXT "," CALL("x") "," CALL("y")) "," USER(
            RESULT("y") "," RESULT("x") "," TEXT)),
        MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(RESULT("x"))),
        MESSAGES(USER("{\"type\":\"text\",\"text\":\" \"}," TEXT)),
        WITH("\"stream\":1,\"cache\":1,\"secret\":\"k\",\"system\":\"\",\"stop\":[\"END\"],\"tools\":[]"),
        WITH("\"tools\":[{\"name\":\"f\",\"schema_json\":\"{\\\"type\\\":\\\"object\\\",\\\"additionalProperties\\\":"
             "false,\\\"x\\\":null}\"}]"),
        BASE("http://127.0.0.1:8399"),
        BASE("https://h/v1//"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct wire_request request;
        struct viv_error err = VIV_ERROR_INIT;
        if (wire_request_read(fake_str(good[i]), &request, &err) != VIV_OK) {
            fail_msg("%s: %s", good[i], err.text);
        }
        assert_int_equal(request.max_tokens, 7);
        assert_int_not_equal(request.base_url.data[request.base_url.len - 1], '/');
        assert_true(wire_request_bound(&request) > 1000);
        wire_request_close(&request);
    }
}

struct refusal {
    const char *request;
    const char *text;
};

static const struct refusal refusals[] = {
    { "", "it cannot be read: it ends too early" },
    { "[]", "the request is no object" },
    { "{\"a\":", "it cannot be read: it ends too early" },
    { "{\"model\":\"a\",\"model\":\"b\"}", "it cannot be read: a member is there twice" },
    { WITH("\"n\":5"), "the request has the member 'n', which is not known" },
    { "{\"model\":\"m\"," GOOD "}", "'base_url' is '', allowed: http:// or https://" },
    { BASE("ftp://h"), "'base_url' is 'ftp://h', allowed" },
    { BASE("https://"), "'base_url' is 'https://', allowed" },
    { BASE("https:///"), "'base_url' is 'https:/" },
    { BASE("https://u:p@h"), "allowed: http:// or https://, a host, and a path without ?, # and @" },
    { BASE("https://h/?a=b"), "a path without ?, # and @" },
    { BASE("https://h/ b"), "a path without ?, # and @" },
    { "{\"base_url\":\"https://h\",\"max_tokens\":1," GOOD "}",
      "'model' is missing or has blanks, allowed 1 to 256 bytes" },
    { "{\"base_url\":\"https://h\",\"model\":7,\"max_tokens\":1," GOOD "}", "'model' is no text" },
    { WITH("\"secret\":\"\""), "'secret' is empty or has blanks" },
    { WITH("\"secret\":\"a b\""), "'secret' is empty or has blanks" },
    { "{\"base_url\":\"https://h\",\"model\":\"m\"," GOOD "}",
      "'max_tokens' is missing or out of range, allowed 1 to 10000000" },
    { "{\"base_url\":\"https://h\",\"model\":\"m\",\"max_tokens\":0," GOOD "}",
      "'max_tokens' is missing or out of range" },
    { "{\"base_url\":\"https://h\",\"model\":\"m\",\"max_tokens\":10000001," GOOD "}",
      "'max_tokens' is missing or out of range" },
    { WITH("\"stream\":2"), "'stream' is neither 0 nor 1" },
    { WITH("\"stream\":true"), "'stream' is neither 0 nor 1" },
    { WITH("\"cache\":\"1\""), "'cache' is neither 0 nor 1" },
    { WITH("\"stop\":\"a\""), "'stop' is no list of at most 4 texts" },
    { WITH("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"), "'stop' is no list of at most 4 texts" },
    { WITH("\"stop\":[\"a\",\" \\n\"]"), "stop/1 is no text of 1 to 256 bytes that has more than blanks" },
    { WITH("\"tools\":{}"), "'tools' is no list of at most 128 tools" },
    { WITH("\"tools\":[7]"), "tools/0 is no object" },
    { WITH("\"tools\":[{\"name\":\"a b\",\"schema_json\":\"{}\"}]"),
      "tools/0: its name is missing or wrong, allowed 1 to 64" },
    { WITH("\"tools\":[{\"name\":\"a\"}]"), "tools/0: 'schema_json' is no JSON object in a text: it ends too early" },
    { WITH("\"tools\":[{\"name\":\"a\",\"schema_json\":\"[]\"}]"),
      "'schema_json' is no JSON object in a text: it is no object" },
    { WITH("\"tools\":[{\"name\":\"a\",\"schema_json\":{}}]"), "'schema_json' is no text" },
    { WITH("\"tools\":[{\"name\":\"a\",\"schema_json\":\"{}\",\"strict\":1}]"),
      "tools/0 has the member 'strict', which is not known" },
    { WITH("\"tools\":[{\"name\":\"a\",\"schema_json\":\"{}\"},{\"name\":\"a\",\"schema_json\":\"{}\"}]"),
      "tools/1: the name 'a' is there twice" },
    { "{" HEAD "}", "'messages' are 0, allowed an odd number from 1 to 10000" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(TEXT)), "'messages' are 2, allowed an odd number" },
    { MESSAGES("7"), "messages/0 is no object" },
    { MESSAGES(ASSISTANT(TEXT)), "messages/0: its role is not 'user'" },
    { MESSAGES(USER(TEXT) "," USER(TEXT) "," USER(TEXT)), "messages/1: its role is not 'assistant'" },
    { MESSAGES(USER("")), "messages/0: its content has nothing but blanks" },
    { MESSAGES(USER("{\"type\":\"text\",\"text\":\" \"}")), "messages/0: its content has nothing but blanks" },
    { MESSAGES(USER("{\"type\":\"text\",\"text\":\"\"}")), "messages/0/content/0: its text is empty" },
    { MESSAGES(USER("{\"type\":\"image\"}")),
      "messages/0/content/0: its type is not known, allowed of a user: text, tool_result" },
    { MESSAGES(USER(CALL("x"))), "allowed of a user: text, tool_result" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(RESULT("x")) "," USER(TEXT)),
      "messages/1/content/0: its type is not known, allowed of an assistant" },
    { MESSAGES(USER(RESULT("x"))), "messages/0/content/0: no tool_call of the message before has this id" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(TEXT)),
      "messages/2: the tool_call 'x' before it has no tool_result" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(TEXT "," RESULT("x"))),
      "messages/2/content/1: a tool_result stands behind a text" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(RESULT("x") "," RESULT("x"))),
      "messages/2/content/1: its id is there twice" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x") "," CALL("x")) "," USER(RESULT("x"))),
      "messages/1/content/1: its id is there twice" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("")) "," USER(RESULT(""))),
      "messages/1/content/0: its id is missing or has blanks" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(
          "{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"f\",\"input_json\":\"[]\"}") "," USER(RESULT("x"))),
      "messages/1/content/0: 'input_json' is no JSON object in a text" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(
          "{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"\",\"input_json\":\"{}\"}") "," USER(RESULT("x"))),
      "messages/1/content/0: its name is missing or wrong" },
    { MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(
          "{\"type\":\"tool_result\",\"id\":\"x\",\"text\":\"\",\"error\":2}")),
      "messages/2/content/0: 'error' is neither 0 nor 1" },
};

static void
what_is_wrong_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct wire_request request;
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(wire_request_read(fake_str(refusals[i].request), &request, &err), VIV_E_INVALID);
        if (!strstr(err.text, refusals[i].text)) {
            fail_msg("%s: '%s' does not say '%s'", refusals[i].request, err.text, refusals[i].text);
        }
    }
}

static void
refuse_long(const char *before, uint64_t count, const char *one, const char *after, const char *text)
{
    struct wire_request request;
    struct viv_error err = VIV_ERROR_INIT;
    char *document = malloc(strlen(before) + (size_t)count * strlen(one) + strlen(after) + 1);
    char *at = stpcpy(document, before);
    for (uint64_t i = 0; i < count; i++) {
        at = stpcpy(at, one);
    }
    (void)stpcpy(at, after);
    assert_int_equal(wire_request_read(fake_str(document), &request, &err), VIV_E_INVALID);
    if (!strstr(err.text, text)) {
        fail_msg("'%s' does not say '%s'", err.text, text);
    }
    free(document);
}

static void
every_bound_is_held(void **state)
{
    (void)state;
    refuse_long("", WIRE_REQUEST_MAX + 1, " ", "", "it has 8388609 bytes, allowed 8388608");
    refuse_long("", 65, "[", "", "it is nested 65 deep, allowed 64");
    refuse_long("{" HEAD "," GOOD ",\"secret\":\"", WIRE_TEXT_MAX + 1, "a", "\"}",
                "'secret' has 257 bytes, allowed 256");
    refuse_long("{" HEAD ",\"messages\":[{\"role\":\"user\",\"content\":[" TEXT, WIRE_BLOCKS_MAX, "," TEXT, "]}]}",
                "messages/0 has 257 blocks, allowed 256");
    refuse_long("{" HEAD ",\"messages\":[" USER(TEXT), WIRE_MESSAGES_MAX, "," USER(TEXT), "]}",
                "'messages' are 10001, allowed an odd number from 1 to 10000");
    refuse_long("{\"base_url\":\"https://", WIRE_URL_MAX, "a", "\"}", "'base_url' has 2056 bytes, allowed 2048");
}

static int64_t
bound_of(const char *document)
{
    struct wire_request request;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(wire_request_read(fake_str(document), &request, &err), VIV_OK);
    int64_t bound = wire_request_bound(&request);
    wire_request_close(&request);
    return bound;
}

/* Whatever is added to a request raises its bound by at least its bytes. */
static void
everything_that_is_sent_counts(void **state)
{
    (void)state;
    int64_t least = bound_of("{" HEAD "," GOOD "}");
    assert_true(bound_of(WITH("\"system\":\"0123456789\"")) >= least + 10);
    assert_true(
        bound_of(WITH(
            "\"tools\":[{\"name\":\"abc\",\"description\":\"0123456789\",\"schema_json\":\"{\\\"a\\\":1}\"}]")) >=
        least + 2048 + 3 + 10 + 7);
    assert_true(bound_of(MESSAGES(USER(TEXT) "," ASSISTANT(TEXT) "," USER(TEXT))) >= least + 2);
    int64_t calls = bound_of(MESSAGES(USER(TEXT) "," ASSISTANT(CALL("x")) "," USER(RESULT("x"))));
    assert_true(calls >= least + 4);
    int64_t longer = bound_of(
        MESSAGES(USER(TEXT) "," ASSISTANT("{\"type\":\"tool_call\",\"id\":\"x\",\"name\":\"f\","
                                          "\"input_json\":\"{\\\"k\\\":1234567890}\"}") "," USER(RESULT("x"))));
    assert_true(longer >= calls + 14);
    assert_int_equal(wire_bound_escaped(fake_str("abc")), 5);
    assert_int_equal(wire_bound_escaped(fake_str("\n\"\\<")), 2 + 3 + 2 + 2 + 7);
    assert_int_equal(wire_bound_escaped(fake_str("\xef\xb7\xba")), 2 + 33); /* one character that NFKC makes 18 of */
    assert_int_equal(wire_bound_json(fake_str("{\"a\":1}")), 7 + 2 + 1 + (2 + 16) + (2 + 12));
}

/* Reads texts, each of one line, and prints what they count. */
static int
print_bounds(void)
{
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin)) {
        struct viv_str text = { line, strcspn(line, "\n") };
        printf("%lld %lld\n", (long long)wire_bound_escaped(text), (long long)wire_bound_json(text));
    }
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_taken),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(every_bound_is_held),
        cmocka_unit_test(everything_that_is_sent_counts),
    };
    (void)argv;
    return argc > 1 ? print_bounds() : cmocka_run_group_tests(tests, NULL, NULL);
}
