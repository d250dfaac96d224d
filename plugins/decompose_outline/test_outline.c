/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a condition a person wrote could be lost, or read into words that do not say it.
 */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv/iface/decompose.h>

#include "decompose_outline_manifest.h"
#include "fake_host.h"
#include "markers.h"
#include "outline.h"

struct reading {
    struct fake_host host;
    struct fake_call call;
    struct words words;
    struct outline outline;
};

static struct reading *
read_goal(const char *goal, uint32_t with_command)
{
    struct reading *reading = calloc(1, sizeof *reading);
    assert_non_null(reading);
    fake_host_init(&reading->host);
    fake_call_init(&reading->call, &reading->host);
    assert_int_equal(words_split(&reading->call.call, fake_str(goal), &reading->words, NULL),
                     VIV_OK);
    outline_read(&reading->words, with_command, &reading->outline);
    outline_finish(&reading->words, with_command, &reading->outline);
    return reading;
}

static void
drop(struct reading *reading)
{
    fake_call_finish(&reading->call);
    free(reading);
}

/* The items of a list joined by '|'. */
static const char *
joined(const struct outline *outline, enum outline_list list)
{
    static char text[4096];
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < outline->counts[list]; i++) {
        struct viv_str item = outline->lists[list][i];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i > 0 ? "|" : "",
                               (int)item.len, item.data);
    }
    return text;
}

static void
words_and_sentences(void **state)
{
    (void)state;
    struct reading *reading =
        read_goal("Fix a.c, e.g. the \"odd one.\" Then stop!\n\n- one; 2) x\n- `b.c`.", 0);
    static const struct {
        const char *text;
        uint32_t flags;
    } words[] = {
        {"Fix", 0},
        {"a.c", WORD_COMMA},
        {"e.g", 0},
        {"the", 0},
        {"odd one.", WORD_QUOTED},
        {"Then", 0},
        {"stop", WORD_LAST},
        {"one", WORD_LAST},
        {"2", 0},
        {"x", WORD_LAST},
        {"b.c", WORD_QUOTED | WORD_LAST},
    };
    assert_int_equal(reading->words.count, sizeof words / sizeof *words);
    for (uint32_t i = 0; i < reading->words.count; i++) {
        const struct word *word = &reading->words.list[i];
        assert_int_equal(word->text.len, strlen(words[i].text));
        assert_memory_equal(word->text.data, words[i].text, word->text.len);
        assert_int_equal(word->flags, words[i].flags);
    }
    drop(reading);
}

struct row {
    const char *goal;
    enum outline_list list;
    const char *items;
};

static void
conditions_are_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Sort imports only under src", OUTLINE_ONLY, "src"},
        {"Sort imports, only in the src folder", OUTLINE_ONLY, "src"},
        {"Sort imports only in src/a.py, b/c.py and `d`", OUTLINE_ONLY, "src/a.py|b/c.py|d"},
        {"Sort imports. Only touch ./src//x/.", OUTLINE_ONLY, "src//x"},
        {"Write it only in english", OUTLINE_ONLY, ""},
        {"Sort imports. Stay inside lib/", OUTLINE_ONLY, "lib"},
        {"Sort imports. Do not touch the vendor directory", OUTLINE_AVOID, "vendor"},
        {"Sort imports. DON'T CHANGE vendor/ or a.c", OUTLINE_AVOID, "vendor|a.c"},
        {"Sort imports. Don\xe2\x80\x99t change a.c", OUTLINE_AVOID, "a.c"},
        {"Sort imports and never delete old/a.txt, old/b.txt, then stop", OUTLINE_AVOID,
         "old/a.txt|old/b.txt"},
        {"Sort imports without touching tests/", OUTLINE_AVOID, "tests"},
        {"Sort all imports except vendor/", OUTLINE_AVOID, "vendor"},
        {"Sort all imports except for vendor/x.c", OUTLINE_AVOID, "vendor/x.c"},
        {"Do not touch the generated files, sort imports", OUTLINE_ANTI_GOALS,
         "the generated files"},
        {"Sort imports without new dependencies", OUTLINE_ANTI_GOALS, "new dependencies"},
        {"Sort imports, but do not add comments", OUTLINE_ANTI_GOALS, "add comments"},
        {"Sort imports. No need to run tests", OUTLINE_ANTI_GOALS, "run tests"},
        {"Find files that do not end in a newline", OUTLINE_ANTI_GOALS, ""},
        {"Make the parser ignore blanks", OUTLINE_ANTI_GOALS, ""},
        {"Add notes on the knot and the cannot", OUTLINE_ANTI_GOALS, ""},
        {"Print the text 'do not touch a.c'", OUTLINE_AVOID, ""},
        {"Rename it. The ABI must stay", OUTLINE_CONSTRAINTS, "The ABI must stay"},
        {"Rename it, ideally in one commit", OUTLINE_PREFERENCES, "ideally in one commit"},
        {"Rename it until all tests pass", OUTLINE_ACCEPTANCE, "until all tests pass"},
        {"Rename it. Make sure the tests pass, then stop", OUTLINE_ACCEPTANCE,
         "Make sure the tests pass, then stop"},
        {"Return at most 5 items", OUTLINE_CONSTRAINTS, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reading *reading = read_goal(rows[i].goal, 0);
        const char *found = joined(&reading->outline, rows[i].list);
        if (strcmp(found, rows[i].items) != 0) {
            fail_msg("'%s' gave '%s', expected '%s'", rows[i].goal, found, rows[i].items);
        }
        drop(reading);
    }
}

static void
money_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *goal;
        int64_t micro;
    } rows[] = {
        {"Sort it for at most 5 dollars", 5000000},
        {"Sort it, at most $0.50.", 500000},
        {"Sort it, up to 30 cents", 300000},
        {"Sort it, no more than 0.000001 USD", 1},
        {"Sort it, at most 0.0000001 usd", 0},
        {"Sort it, at most -5 dollars", 0},
        {"Sort it, at most 99999999999 dollars", 0},
        {"Sort it, at most 5 euros", 0},
        {"Sort it, at most 5 dollars. At most $2", 2000000},
        {"Sort it, at most 1.2.3 dollars", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reading *reading = read_goal(rows[i].goal, 0);
        if (reading->outline.budget_micro != rows[i].micro) {
            fail_msg("'%s' gave %lld", rows[i].goal, (long long)reading->outline.budget_micro);
        }
        drop(reading);
    }
}

static void
network_is_ruled_out_by_words(void **state)
{
    (void)state;
    static const char *const off[] = {
        "Sort it, no network", "Sort it offline", "Sort it without internet access",
        "Sort it. Do not use the network.", "Sort it. Never use the internet"};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        struct reading *reading = read_goal(off[i], 0);
        assert_int_equal(reading->outline.no_network, 1);
        drop(reading);
    }
    struct reading *reading = read_goal("Fix the network module", 0);
    assert_int_equal(reading->outline.no_network, 0);
    drop(reading);
}

static void
what_is_unclear_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *goal;
        uint32_t command;
        uint32_t asks;
    } rows[] = {
        {"", 0, OUTLINE_ASK_GOAL},
        {"", 1, OUTLINE_ASK_GOAL},
        {"fix", 0, OUTLINE_ASK_VAGUE},
        {"Please fix it", 0, OUTLINE_ASK_VAGUE},
        {"fix", 1, 0},
        {"fix src/a.c", 0, 0},
        {"Only under src", 0, OUTLINE_ASK_GOAL},
        {"Sort it only under /etc/x", 0, OUTLINE_ASK_PATH},
        {"Sort it only under a/../../b", 0, OUTLINE_ASK_PATH},
        {"Sort it only under src/a, do not touch src/", 0, OUTLINE_ASK_CONFLICT},
        {"Sort it only under src, do not touch src/a", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reading *reading = read_goal(rows[i].goal, rows[i].command);
        if (reading->outline.asks != rows[i].asks) {
            fail_msg("'%s' asks %u", rows[i].goal, reading->outline.asks);
        }
        assert_true(rows[i].asks == 0 || reading->outline.confidence_permille == 200);
        drop(reading);
    }
}

static void
too_many_conditions_are_never_dropped_in_silence(void **state)
{
    (void)state;
    char *goal = calloc(1, 8192);
    assert_non_null(goal);
    strcpy(goal, "Sort it.");
    for (int i = 0; i <= OUTLINE_LIST_MAX; i++) {
        (void)snprintf(goal + strlen(goal), 64, " Do not touch d%d/x.", i);
    }
    struct reading *reading = read_goal(goal, 0);
    assert_int_equal(reading->outline.counts[OUTLINE_AVOID], OUTLINE_LIST_MAX);
    assert_true(reading->outline.asks & OUTLINE_ASK_SIZE);
    drop(reading);
    free(goal);
}

struct fixture {
    struct fake_host host;
    struct fake_call call;
    const struct viv_decompose *table;
    const struct viv_plugin *plugin;
    void *self;
    struct viv_decompose_capture_answer answer;
    struct viv_error err;
};

static void
begin(struct fixture *fix)
{
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR};
    fake_host_init(&fix->host);
    fake_call_init(&fix->call, &fix->host);
    fix->plugin = viv_plugin_entry(&offer, NULL);
    assert_non_null(fix->plugin);
    fix->table = fix->plugin->offers[0].table;
    assert_int_equal(fix->plugin->create(&fix->host.host, fix->plugin->defaults, &fix->self, NULL),
                     VIV_OK);
}

static void
end(struct fixture *fix)
{
    fix->plugin->destroy(fix->self);
    fake_call_finish(&fix->call);
}

static viv_status
capture(struct fixture *fix, struct viv_str goal, const char *hints)
{
    struct viv_decompose_capture_request request = {(uint32_t)sizeof request, 1, goal,
                                                    fake_str(hints)};
    fix->answer =
        (struct viv_decompose_capture_answer){.size = (uint32_t)sizeof fix->answer, .rev = 1};
    fix->err = (struct viv_error)VIV_ERROR_INIT;
    return fix->table->capture(fix->self, &fix->call.call, &request, &fix->answer, &fix->err);
}

static void
hostile_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct viv_str goal;
        const char *hints;
        viv_status status;
        const char *text;
    } bad[] = {
        {{"a\xff", 2}, "", VIV_E_INVALID, "the goal is not UTF-8 text, or holds a NUL"},
        {{"a\0b", 3}, "", VIV_E_INVALID, "the goal is not UTF-8 text, or holds a NUL"},
        {{"sort it", 7}, "{", VIV_E_INVALID, "hints_json is not JSON"},
        {{"sort it", 7}, "{\"scope\":7}", VIV_E_INVALID, "a list 'scope'"},
        {{"sort it", 7},
         "{\"scope\":[7]}",
         VIV_E_INVALID,
         "scope '' is not a path inside the project"},
        {{"sort it", 7},
         "{\"scope\":[\"/etc\"]}",
         VIV_E_INVALID,
         "scope '/etc' is not a path inside the project"},
        {{"sort it", 7},
         "{\"budget_micro\":-1}",
         VIV_E_INVALID,
         "budget_micro is not an integer of 0 or more"},
        {{"sort it", 7},
         "{\"budget_micro\":\"1\"}",
         VIV_E_INVALID,
         "budget_micro is not an integer of 0 or more"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture fix;
        begin(&fix);
        assert_int_equal(capture(&fix, bad[i].goal, bad[i].hints), bad[i].status);
        if (!strstr(fix.err.text, bad[i].text)) {
            fail_msg("'%s' does not hold '%s'", fix.err.text, bad[i].text);
        }
        assert_null(fix.answer.intent_json.data);
        end(&fix);
    }
}

static void
the_longest_request_is_read_and_a_longer_one_refused(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    char *goal = malloc(VIV_GOAL_MAX + 1);
    assert_non_null(goal);
    static const char *const fills[] = {"a ",     "' ",    ". ",       "do not touch x/y ",
                                        "\" \" ", "(((((", "at most $"};
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
        for (size_t i = 0; i <= VIV_GOAL_MAX; i++) {
            goal[i] = fills[fill][i % strlen(fills[fill])];
        }
        assert_int_equal(capture(&fix, (struct viv_str){goal, VIV_GOAL_MAX}, ""), VIV_OK);
        assert_int_equal(capture(&fix, (struct viv_str){goal, VIV_GOAL_MAX + 1}, ""), VIV_E_LIMIT);
        assert_string_equal(fix.err.text, "the goal has 16385 bytes, allowed 16384");
    }
    free(goal);
    end(&fix);
}

static void
the_same_request_gives_the_same_bytes(void **state)
{
    (void)state;
    struct fixture fix;
    begin(&fix);
    struct viv_str goal = fake_str(
        "Sort imports only under src, don't touch src/a.c, at most $1, so that make passes");
    assert_int_equal(capture(&fix, goal, "{}"), VIV_OK);
    struct viv_str first = fix.answer.intent_json;
    assert_int_equal(capture(&fix, goal, "{}"), VIV_OK);
    assert_int_equal(first.len, fix.answer.intent_json.len);
    assert_memory_equal(first.data, fix.answer.intent_json.data, first.len);
    end(&fix);
}

static void
memory_running_out_is_a_status(void **state)
{
    (void)state;
    uint64_t points = 0;
    viv_status status = VIV_E_MEMORY;
    for (uint64_t n = 1; status != VIV_OK; n++, points++) {
        assert_true(points < 10000); /* no memory ever again */
        struct fixture fix;
        begin(&fix);
        fix.call.fail_at = n;
        status = capture(&fix, fake_str("sort imports only under src"), "{}");
        assert_true(status == VIV_OK || status == VIV_E_MEMORY);
        assert_true(status == VIV_OK || fix.answer.intent_json.data == NULL);
        end(&fix);
    }
    assert_true(points >= 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_sentences),
        cmocka_unit_test(conditions_are_read),
        cmocka_unit_test(money_is_exact),
        cmocka_unit_test(network_is_ruled_out_by_words),
        cmocka_unit_test(what_is_unclear_is_asked),
        cmocka_unit_test(too_many_conditions_are_never_dropped_in_silence),
        cmocka_unit_test(hostile_requests_are_refused),
        cmocka_unit_test(the_longest_request_is_read_and_a_longer_one_refused),
        cmocka_unit_test(the_same_request_gives_the_same_bytes),
        cmocka_unit_test(memory_running_out_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
