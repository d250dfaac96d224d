/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a request is served by a skill that does something else than was asked. */
#include "../../support/cm.h"

#include <string.h>
#include <time.h>

#include "kit_fake.h"
#include "template.h"

static struct viv_template tmpl;
static struct viv_template_request request;
static struct viv_template_reading readings[8];
static struct kit_fake fake;

static struct viv_kit_memory
memory(void)
{
    return viv_kit_memory_of(kit_fake_call(&fake, false));
}

static void
compile(const char *text)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (viv_template_compile(viv_kit_str(text), &tmpl, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
}

static uint32_t
match(const char *text)
{
    viv_template_request(viv_kit_str(text), &request);
    return viv_template_match(&tmpl, &request, readings, 8);
}

static void
takes(const char *text, const char *slot, const char *raw)
{
    if (match(text) != 1) {
        fail_msg("'%s' has %u readings", text, match(text));
    }
    for (uint32_t i = 0; i < tmpl.part_count; i++) {
        const struct viv_template_part *part = &tmpl.parts[i];
        if (part->type != VIV_TEMPLATE_LITERAL && viv_kit_is(part->text, slot)) {
            if (!viv_kit_is(readings[0].raw[part->slot], raw)) {
                fail_msg("'%s': slot '%s' took '%.*s'", text, slot, (int)readings[0].raw[part->slot].len,
                         readings[0].raw[part->slot].data);
            }
            return;
        }
    }
    fail_msg("no slot '%s'", slot);
}

static void
refuses(const char *text)
{
    if (match(text) != 0) {
        fail_msg("'%s' was taken", text);
    }
}

static void
words_stand_in_order_and_nothing_between(void **state)
{
    (void)state;
    compile("count the lines of {lang:word} under {root:path}");
    takes("count the lines of C++ under host", "lang", "C++");
    takes("  COUNT\tthe Lines,  of c under\n\nsrc/a_b-c.d ", "root", "src/a_b-c.d");
    takes("count the lines of C under host.", "root", "host");
    takes("count the lines of C under host?!", "root", "host");
    takes("count the lines of C under .", "root", ".");
    takes("count the lines of C under 'my code'", "root", "'my code'");
    takes("count the lines of C under \"it's here\".", "root", "\"it's here\"");
    static const char *const others[] = {
        "",
        "count",
        "count the lines of C under",
        "count the lines of C under host now",
        "please count the lines of C under host",
        "count the lines of C not under host",
        "do not count the lines of C under host",
        "count lines of C under host",
        "count the the lines of C under host",
        "the count lines of C under host",
        "count the line of C under host",
        "count the lines of not under host",
        "count the lines of any under host",
        "count the lines of C under it",
        "count the lines of C under ..",
        "count the lines of C under a/../b",
        "count the lines of C under /etc",
        "count the lines of C under a/..",
        "count the lines of C under host, src",
        "count the lines of C under host,",
        "count the lines of C under -rf",
        "count the lines of C under ~",
        "count the lines of C under $HOME",
        "count the lines of C under `id`x",
        "count the lines of C under a;b",
        "count the lines of C under *",
        "count the lines of \"C\" under host",
        "count the lines of C under 'a' 'b'",
        "\"count\" the lines of C under host",
        "count the lines of C under ''",
        "count the lines of C under don't",
        "count the lines of C/D under host",
        "count the lines of C under \xff",
        "count the lines of C under never",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        refuses(others[i]);
    }
}

static void
slots_check_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *good;
        const char *bad;
    } rows[] = {
        { "word", "C|C++|objective-c|a.b|_x|7zip|\xc3\xa9t\xc3\xa9",
          "+x|a/b|a*|'a'|a.|first|cannot|don't|(x)|\xff" },
        { "identifier", "main|viv_status|std::vector|a.b.c|p->x", "a-b|1a|a::|::a|a..b|a b|not|any|\xc3\xa9|'a'" },
        { "path", "a|a/b/|./a|.|.a|'a b'|include|\"a'b\"",
          "|/a|..|../a|a/..|-a|~a|a*b|a,b|'|'-a'|'../a'|the|without" },
        { "file", "a.c|d/Makefile|'a b'", "d/|.|./|d/.|.." },
        { "glob", "*.c|[a-z]?.txt|Makefile|'two words *'|!x", "d/*.c|..|.|$x|only|-x" },
        { "number", "0|42|-7|999999999999999", "1.5|1,000|+1|0x10|9999999999999999|ten|'1'|1k|-" },
        { "size", "10MB|10 MB|1K|4 kib|0 bytes|1tb", "10|MB|10 days|-1K|1.5G|9007199254740992|10 'MB'" },
        { "duration", "3 days|90min|1h|5m|2 Weeks|10ms", "3|days|3 months|5M|1 year|-1s|3 d ays" },
        { "date", "2024-02-29|1999-12-31",
          "2023-02-29|2024-13-01|2024-1-1|24-01-01|2024/01/01|2024-00-10|1900-02-29" },
        { "quoted", "'a'|\"\"|`a b, c.`|'don't'", "a|'a|a'" },
        { "text", "a b c|'not this' too|a, b", "a and b|not this|the last one|a then b|a but b" },
        { "choice(a|bee|x)", "a|A|Bee", "b|c|ab|'a'|a bee" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        char template[300]; /* borrowed by the compiled one */
        snprintf(template, sizeof template, "take {s:%s} now", rows[i].type);
        compile(template);
        for (int bad = 0; bad < 2; bad++) {
            const char *at = bad ? rows[i].bad : rows[i].good;
            for (size_t len = strcspn(at, "|"); *at; at += len + (at[len] == '|'), len = strcspn(at, "|")) {
                snprintf(text, sizeof text, "take %.*s now", (int)len, at);
                if (bad && match(text) != 0) {
                    fail_msg("%s took '%s'", rows[i].type, text);
                }
                if (!bad && match(text) != 1) {
                    fail_msg("%s refused '%s'", rows[i].type, text);
                }
            }
        }
    }
}

static void
two_readings_are_seen(void **state)
{
    (void)state;
    compile("replace {old:text} with {new:text} today");
    takes("replace a with b today", "old", "a");
    assert_int_equal(match("replace a with b with c today"), 2);
    assert_true(viv_kit_is(readings[0].raw[0], "a") && viv_kit_is(readings[0].raw[1], "b with c"));
    assert_true(viv_kit_is(readings[1].raw[0], "a with b") && viv_kit_is(readings[1].raw[1], "c"));
    viv_template_request(viv_kit_str("replace a with b with c today"), &request);
    assert_int_equal(viv_template_match(&tmpl, &request, readings, 1), 1);
    compile("wait {n:duration} {unit:word} now");
    assert_int_equal(match("wait 3 days now"), 0);
    assert_int_equal(match("wait 3h days now"), 1);
    assert_int_equal(match("wait 3 h days now"), 1);
}

static void
bad_templates_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {
        { "", "fewer than 2 words" },
        { "find {x:glob}", "fewer than 2 words" },
        { "a b {x}", "a slot is written {name:type}" },
        { "a b {x:word", "a slot is written {name:type}" },
        { "a b {x:regex}", "unknown slot type" },
        { "a b {X:word}", "a slot's name" },
        { "a b {x:word} {x:path}", "two slots have the name 'x'" },
        { "a b {x:text} {y:text}", "no word parts the text slot" },
        { "a b x{y:word}", "a word may not hold braces" },
        { "a b, c", "a word may not end in punctuation: 'b,'" },
        { "a 'b' c", "a word may not end in punctuation" },
        { "a b \xff", "a word may not hold braces, quotes or broken text" },
        { "a b {x:choice()}", "unknown slot type" },
        { "a b {x:choice(a||b)}", "unknown slot type" },
        { "a b {}", "braces" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(viv_template_compile(viv_kit_str(rows[i].text), &tmpl, &err), VIV_E_INVALID);
        if (!strstr(err.text, rows[i].problem)) {
            fail_msg("'%s' gave: %s", rows[i].text, err.text);
        }
    }
    char many[4096] = "a b";
    struct viv_error err = VIV_ERROR_INIT;
    for (int i = 0; i < 47; i++) {
        strcat(many, " w");
    }
    assert_int_equal(viv_template_compile(viv_kit_str(many), &tmpl, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "over 48 words and slots"));
    strcpy(many, "a b");
    for (int i = 0; i < 13; i++) {
        sprintf(many + strlen(many), " {s%c:word}", 'a' + i);
    }
    assert_int_equal(viv_template_compile(viv_kit_str(many), &tmpl, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "over 12 slots"));
    memset(many, 'x', sizeof many - 1);
    many[2000] = '\0';
    assert_int_equal(viv_template_compile(viv_kit_str(many), &tmpl, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "over 1024 bytes"));
}

static void
open_json(const char *json, viv_status wanted, const char *problem)
{
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = viv_template_open(viv_kit_str(json), memory(), &tmpl, &err);
    if (status != wanted || (problem && !strstr(err.text, problem))) {
        fail_msg("%s gave %d: %s", json, status, err.text);
    }
}

static void
input_is_filled(const char *json, const char *text, const char *input)
{
    open_json(json, VIV_OK, NULL);
    struct viv_str found;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(match(text), 1);
    if (viv_template_input(&tmpl, readings, memory(), &found, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    if (!viv_kit_is(found, input)) {
        fail_msg("'%s' gave %.*s", text, (int)found.len, found.data);
    }
}

static void
bindings_become_input(void **state)
{
    (void)state;
    input_is_filled(
        "{\"text\":\"count lines of {lang:word} under {root:path}\",\"bind\":{\"root\":\"/root\",\"lang\":"
        "{\"to\":\"/language\",\"as\":\"lower\"}},\"set\":{\"/limit\":0,\"/mode\":\"fast\",\"/all\":true}}",
        "Count lines of C under 'a \"b\"'.",
        "{\"all\":1,\"language\":\"c\",\"limit\":0,\"mode\":\"fast\",\"root\":\"a \\\"b\\\"\"}");
    input_is_filled(
        "{\"text\":\"list {e:word} files over {s:size} of {d:duration}\",\"bind\":{\"e\":{\"to\":\"/name\",\"as\":"
        "\"extension\"},\"s\":\"/bytes\",\"d\":{\"to\":\"/age_us\",\"as\":\"us\"}}}",
        "list py files over 10 MB of 2 weeks", "{\"age_us\":1209600000000,\"bytes\":10000000,\"name\":\"*.py\"}");
    input_is_filled(
        "{\"text\":\"put {q:quoted} to {n:number} by {c:choice(Up|Down)}\",\"bind\":{\"q\":{\"to\":\"/q\",\"as\":"
        "\"identity\"},\"n\":\"/n\",\"c\":\"/c\"}}",
        "put 'x y' to -12 by UP", "{\"c\":\"Up\",\"n\":-12,\"q\":\"'x y'\"}");
    input_is_filled("{\"text\":\"a b {t:text}\",\"bind\":{\"t\":\"/t\"}}", "a b \"one\" \"two\"",
                    "{\"t\":\"\\\"one\\\" \\\"two\\\"\"}");
    struct viv_str found;
    struct viv_error err = VIV_ERROR_INIT;
    open_json("{\"text\":\"a b {d:duration}\",\"bind\":{\"d\":\"/d\"}}", VIV_OK, NULL);
    assert_int_equal(match("a b 999999 weeks"), 1);
    assert_int_equal(viv_template_input(&tmpl, readings, memory(), &found, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "not a number in range"));
    open_json("{\"text\":\"a b {t:text}\",\"bind\":{\"t\":\"/t\"}}", VIV_OK, NULL);
    assert_int_equal(match("a b \xff"), 1);
    assert_int_equal(viv_template_input(&tmpl, readings, memory(), &found, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "not UTF-8"));
    open_json("{\"text\":\"a b {t:word}\",\"bind\":{\"t\":{\"to\":\"/t\",\"as\":\"extension\"}}}", VIV_OK, NULL);
    assert_int_equal(match("a b c.d"), 1);
    assert_int_equal(viv_template_input(&tmpl, readings, memory(), &found, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "is not a file type"));
}

static void
bad_documents_are_refused(void **state)
{
    (void)state;
    open_json("", VIV_E_INVALID, "not a JSON object");
    open_json("{\"text\":\"a b {x:word}\"}", VIV_E_INVALID, "what becomes of slot 'x'");
    open_json("{\"text\":\"a b\",\"bind\":{\"y\":\"/y\"}}", VIV_E_INVALID, "'bind' names a slot");
    open_json("{\"text\":\"a b {x:word}\",\"bind\":{\"x\":\"x\"}}", VIV_E_INVALID, "a target is written /name");
    open_json("{\"text\":\"a b {x:word}\",\"bind\":{\"x\":\"/a/b\"}}", VIV_E_INVALID, "a target is written /name");
    open_json("{\"text\":\"a b {x:word}\",\"bind\":{\"x\":\"/y\"},\"set\":{\"/y\":1}}", VIV_E_INVALID,
              "two rules fill");
    open_json("{\"text\":\"a b {x:word}\",\"bind\":{\"x\":{\"to\":\"/y\",\"as\":\"bytes\"}}}", VIV_E_INVALID,
              "no such transform");
    open_json("{\"text\":\"a b {x:size}\",\"bind\":{\"x\":{\"to\":\"/y\",\"as\":\"eval\"}}}", VIV_E_INVALID,
              "no such transform");
    open_json("{\"text\":\"a b {x:word}\",\"bind\":{\"x\":{\"to\":\"/y\",\"if\":\"z\"}}}", VIV_E_INVALID,
              "'to' and 'as'");
    open_json("{\"text\":\"a b\",\"run\":\"x\"}", VIV_E_INVALID, "found 'run'");
    open_json("{\"text\":\"a b\",\"text\":\"a c\"}", VIV_E_INVALID, "found twice");
    open_json("{\"bind\":{}}", VIV_E_INVALID, NULL);
    open_json("{\"text\":\"a b\",\"set\":{\"/x\":1.5}}", VIV_E_INVALID, "not an object of targets");
    open_json("{\"text\":\"a b\",\"set\":[]}", VIV_E_INVALID, "not an object of targets");
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[199] = '\0';
    open_json(deep, VIV_E_INVALID, "not a JSON object");
}

static void
sentences_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *problem;
    } rows[] = {
        { "{\"text\":\"a b\",\"accept\":[\"a b\"],\"refuse\":[\"a c\"]}", NULL },
        { "{\"text\":\"a b\",\"accept\":[\"a c\"],\"refuse\":[\"a d\"]}", "does not take 'a c'" },
        { "{\"text\":\"a b\",\"accept\":[\"a b\"],\"refuse\":[\"A B!\"]}", "takes what it must refuse: 'A B!'" },
        { "{\"text\":\"a b\",\"accept\":[\"a b\"]}", "at least one sentence is needed in the list 'refuse'" },
        { "{\"text\":\"a b\",\"refuse\":[\"a c\"]}", "at least one sentence is needed in the list 'accept'" },
        { "{\"text\":\"a {x:text} b {y:text}\",\"bind\":{\"x\":\"/x\",\"y\":\"/y\"},\"accept\":[\"a 1 b 2 b "
          "3\"],\"refuse\":[\"z\"]}",
          "more than one reading of" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        open_json(rows[i].json, VIV_OK, NULL);
        viv_status status = viv_template_check(viv_kit_str(rows[i].json), memory(), &tmpl, &request, &err);
        assert_int_equal(status, rows[i].problem ? VIV_E_INVALID : VIV_OK);
        if (rows[i].problem && !strstr(err.text, rows[i].problem)) {
            fail_msg("%s gave: %s", rows[i].json, err.text);
        }
    }
}

static void
filter_never_hides_a_match(void **state)
{
    (void)state;
    compile("search for {x:text} in {y:path}");
    viv_template_request(viv_kit_str("SEARCH for a b in c"), &request);
    assert_int_equal(viv_template_may_match(&tmpl, &request), 1);
    viv_template_request(viv_kit_str("find a b in c d"), &request);
    assert_int_equal(viv_template_may_match(&tmpl, &request), 0);
    viv_template_request(viv_kit_str("search for a in"), &request);
    assert_int_equal(viv_template_may_match(&tmpl, &request), 0);
    assert_int_equal(viv_template_hash(viv_kit_str("ABC")), viv_template_hash(viv_kit_str("abc")));
}

static int64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* If this fails, one request keeps the host's router busy for as long as its sender likes. */
static void
hostile_requests_are_cheap(void **state)
{
    (void)state;
    static char text[VIV_GOAL_MAX + 2];
    char many[512] = "a";
    for (int i = 0; i < 11; i++) {
        sprintf(many + strlen(many), " {s%c:text} a", 'a' + i);
    }
    int64_t start = now_ns();
    compile(many);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 255; i++) {
        memcpy(text + 2 * i, "a ", 2);
    }
    assert_int_equal(match(text), 8); /* more readings than anybody counts */
    memset(text, '\'', VIV_GOAL_MAX);
    (void)match(text);
    for (int i = 0; i + 3 <= VIV_GOAL_MAX; i += 3) {
        memcpy(text + i, " 'x", 3);
    }
    assert_int_equal(match(text), 0); /* too many tokens */
    memset(text, 'a', VIV_GOAL_MAX);
    memcpy(text + 100, " ", 1);
    (void)match(text);
    text[VIV_GOAL_MAX] = 'a';
    viv_template_request((struct viv_str){ text, VIV_GOAL_MAX + 1 }, &request);
    assert_int_equal(request.count, 0);
    viv_template_request((struct viv_str){ "a\0b", 3 }, &request);
    assert_int_equal(request.count, 0);
    assert_true(now_ns() - start < INT64_C(1000000000));
}

static int
set_up(void **state)
{
    (void)state;
    kit_fake_init(&fake);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    kit_fake_finish(&fake);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_stand_in_order_and_nothing_between),
        cmocka_unit_test(slots_check_their_type),
        cmocka_unit_test(two_readings_are_seen),
        cmocka_unit_test(bad_templates_are_refused),
        cmocka_unit_test(bindings_become_input),
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(sentences_are_checked),
        cmocka_unit_test(filter_never_hides_a_match),
        cmocka_unit_test(hostile_requests_are_cheap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
