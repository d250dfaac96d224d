/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a skill or a gate could take the host down with it, leave a process behind, or have its nonsense
 * believed. Every deed and every lie of tests/fault/tier1, in each function of a plugin, is contained, blamed by
 * name, and followed by a call that works. */
#include "../../support/tier1.h"

#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- deeds ---- */

struct deed {
    const char *word;
    enum vh_runner_failure failure;
    const char *says;
};

static const struct deed deeds[] = {
    {"crash", VH_RUNNER_CRASHED, "crashed in %s: signal 11"},
    {"abort", VH_RUNNER_CRASHED, "crashed in %s: signal 6"},
    {"overflow", VH_RUNNER_CRASHED, "crashed in %s: signal 11"},
    {"hang", VH_RUNNER_HUNG, "hung in %s: "},
    {"exit", VH_RUNNER_EXITED, "called exit in %s: exit code 7"},
    {"_exit", VH_RUNNER_EXITED, "called exit in %s: exit code 0"},
    {"fork", VH_RUNNER_CRASHED, "crashed in %s: signal 31, a system call its sandbox forbids"},
    {"thread", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"open", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"socket", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"exec", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"mprotect", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"mmap-exec", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"kill", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"ptrace", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"alarm", VH_RUNNER_CRASHED, "crashed in %s: signal 31"},
    {"close", VH_RUNNER_LIED, "answered nonsense in %s: it closed its channel"},
};
#define DEED_COUNT (sizeof deeds / sizeof *deeds)

static void
says(const char *text, const char *format, const char *place)
{
    char wanted[256] = "plugin 'tests.tier1_bad' 1.2.3 ";
    const char *at = strstr(format, "%s");
    snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%.*s%s%s", (int)(at - format), format, place,
             at + 2);
    tier1_sanitized(wanted);
    if (!strstr(text, wanted)) {
        fail_msg("'%s' does not hold '%s'", text, wanted);
    }
}

static void
deeds_in_run_and_check(void **state)
{
    struct tier1 *tier1 = *state;
    for (size_t i = 0; i < DEED_COUNT; i++) {
        for (int gate = 0; gate < 2; gate++) {
            struct tier1_plan plan;
            tier1_plan(tier1, "tier1_bad", &plan);
            struct vh_runner *runner = tier1_start(tier1, &plan);
            struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = vh_str(deeds[i].word)};
            struct tier1_answer answer;
            struct vh_runner_call call = gate ? tier1_gate(tier1, deeds[i].word) : tier1_skill(tier1, &value, 1);
            assert_int_not_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
            says(answer.err.text, deeds[i].says, gate ? "viv.gate/1 check" : "viv.skill/1 run");
            assert_int_equal(answer.result.failure, deeds[i].failure);
            assert_false(vh_runner_alive(runner));
            assert_int_equal(vh_runner_call(runner, &call, &answer.skill, &answer.result, tier1->arena, NULL),
                             VIV_E_UNAVAILABLE);
            assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
        }
    }
    tier1_works(tier1);
    assert_int_equal(tier1_children(tier1), 0);
}

static void
deeds_in_create_and_destroy(void **state)
{
    struct tier1 *tier1 = *state;
    for (size_t i = 0; i < DEED_COUNT; i++) {
        struct tier1_plan plan;
        tier1_plan(tier1, "tier1_bad", &plan);
        struct viv_value option = {.name = VH_STR("create"), .type = VIV_VALUE_TEXT, .text = vh_str(deeds[i].word)};
        plan.plan.options = &option;
        plan.plan.option_count = 1;
        plan.plan.start_ns = TIER1_DEADLINE_NS;
        struct vh_runner *runner = NULL;
        enum vh_runner_failure failure = VH_RUNNER_FINE;
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_not_equal(vh_runner_start(tier1->zygote, tier1->arena, &plan.plan, &runner, &failure, &err),
                             VIV_OK);
        says(err.text, deeds[i].says, "create");
        assert_int_equal(failure, deeds[i].failure);

        option.name = VH_STR("destroy");
        plan.plan.start_ns = 0;
        runner = tier1_start(tier1, &plan);
        assert_int_not_equal(vh_runner_end(runner, &err), VIV_OK);
        says(err.text, deeds[i].says, "destroy");
    }
    tier1_works(tier1);
    assert_int_equal(tier1_children(tier1), 0);
}

static void
deeds_before_create(void **state)
{
    struct tier1 *tier1 = *state;
    static const struct {
        const char *plugin;
        enum vh_runner_failure failure;
        const char *says;
    } early[] = {
        {"tier1_bad_entry_crash", VH_RUNNER_CRASHED, "crashed in viv_plugin_entry: signal 11"},
        {"tier1_bad_entry_hang", VH_RUNNER_HUNG, "hung in viv_plugin_entry: "},
        {"tier1_bad_entry_fork", VH_RUNNER_CRASHED,
         "crashed in viv_plugin_entry: signal 31, a system call its sandbox forbids"},
        {"tier1_bad_entry_exit", VH_RUNNER_EXITED, "called exit in viv_plugin_entry: exit code 7"},
        {"tier1_bad_constructor_hang", VH_RUNNER_HUNG,
         "hung in mapping (a constructor or a library's): not ready in time, killed"},
        {"tier1_bad_constructor_exit", VH_RUNNER_EXITED,
         "called exit in mapping (a constructor or a library's): exit code 7"},
#ifndef VH_SANITIZED /* its report is an exit */
        {"tier1_bad_constructor_crash", VH_RUNNER_CRASHED,
         "crashed in mapping (a constructor or a library's): signal 11"},
#endif
        {"tier1_bad_constructor_fork", VH_RUNNER_CRASHED,
         "crashed in mapping (a constructor or a library's): signal 31"},
    };
    for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
        struct tier1_plan plan;
        tier1_plan(tier1, early[i].plugin, &plan);
        plan.plan.start_ns = TIER1_DEADLINE_NS;
        tier1_refused(tier1, &plan, early[i].failure, early[i].says);
    }
    tier1_works(tier1);
    assert_int_equal(tier1_children(tier1), 0);
}

static void
what_disagrees_does_not_start(void **state)
{
    struct tier1 *tier1 = *state;
    struct tier1_plan plan;
    tier1_plan(tier1, "tier1_bad", &plan);
    plan.plan.version = "1.2.4";
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "descriptor's version is '1.2.3', the manifest says '1.2.4'");
    plan.plan.id = "tests.other";
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED,
                  "descriptor's id is 'tests.tier1_bad', the manifest says 'tests.other'");
    tier1_plan(tier1, "tier1_bad", &plan);
    plan.plan.interfaces = UINT64_C(1) << VIV_INDEX_SKILL;
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "its manifest names 0x");
    tier1_plan(tier1, "tier1_bad", &plan);
    struct viv_value option = {.name = VH_STR("create"), .type = VIV_VALUE_TEXT, .text = VH_STR("refuse")};
    plan.plan.options = &option;
    plan.plan.option_count = 1;
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "does not start: the moon?is? wrong");
    const char *library = "libnone.so.1";
    tier1_plan(tier1, "tier1_bad", &plan);
    plan.plan.libraries = &library;
    plan.plan.library_count = 1;
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "library 'libnone.so.1' is not installed");
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC);
    tier1_plan(tier1, "tier1_bad", &plan);
    plan.plan.plugin_fd = unsealed;
    tier1_refused(tier1, &plan, VH_RUNNER_REFUSED, "not sealed");
    close(unsealed);
    assert_int_equal(tier1_children(tier1), 0);
}

/* ---- lies ---- */

static viv_status
never_served(void *data, const struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
             struct vh_arena *arena, struct viv_error *err)
{
    (void)data;
    (void)request;
    (void)ret_outcome;
    (void)arena;
    (void)err;
    fail_msg("a request that does not hold together reached the door");
    return VIV_E_INTERNAL;
}

static void
lies_are_not_believed(void **state)
{
    struct tier1 *tier1 = *state;
    static const struct deed lies[] = {
        {"latin1", VH_RUNNER_LIED, "answered nonsense in %s: 'text' of 4 bytes is not UTF-8"},
        {"status", VH_RUNNER_LIED, "answered nonsense in %s: its status is 7, allowed -21 to 0"},
        {"status-low", VH_RUNNER_LIED, "answered nonsense in %s: its status is -1000"},
        {"wild", VH_RUNNER_CRASHED, "crashed in %s: signal 11"},
        {"lie-offset", VH_RUNNER_LIED, "answered nonsense in %s: bytes 18446744073709551608 and 64 more are not"},
        {"lie-length", VH_RUNNER_LIED, "answered nonsense in %s: bytes 4096 and 18446744073709547519 more"},
        {"lie-head", VH_RUNNER_LIED, "answered nonsense in %s: bytes 0 and 64 more"},
        {"lie-odd", VH_RUNNER_LIED, "answered nonsense in %s: bytes 4100 and 64 more"},
        {"lie-short", VH_RUNNER_LIED, "answered nonsense in %s: 'length' points outside the 8 bytes"},
        {"lie-cell", VH_RUNNER_LIED, "answered nonsense in %s: 'output_json' points outside"},
        {"lie-cell-offset", VH_RUNNER_LIED, "answered nonsense in %s: 'output_json' points outside"},
        {"lie-effect", VH_RUNNER_LIED, "answered nonsense in %s: its effect request has kind 99"},
        {"lie-effect-wide", VH_RUNNER_LIED, "answered nonsense in %s: 'kind' of its effect request points outside"},
        {"lie-packet", VH_RUNNER_LIED, "answered nonsense in %s: a packet of the wrong size"},
        {"lie-flood", VH_RUNNER_LIED, "answered nonsense in %s: a packet of the wrong size, or too many log lines"},
        {"lie-turn", VH_RUNNER_LIED, "answered nonsense in %s: a message out of turn"},
        {"lie-seq", VH_RUNNER_LIED, "answered nonsense in %s: a message out of turn"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct tier1_plan plan;
        tier1_plan(tier1, "tier1_bad", &plan);
        struct vh_runner *runner = tier1_start(tier1, &plan);
        struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = vh_str(lies[i].word)};
        struct tier1_answer answer;
        struct vh_runner_call call = tier1_skill(tier1, &value, 1);
        call.service = never_served;
        assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
        says(answer.err.text, lies[i].says, "viv.skill/1 run");
        assert_int_equal(answer.result.failure, lies[i].failure);
        assert_int_equal(answer.skill.text.len, 0);
        assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    }
    assert_int_equal(tier1_children(tier1), 0);
}

static void
ranges_are_checked(void **state)
{
    struct tier1 *tier1 = *state;
    static const struct deed wrong[] = {
        {"outcome", VH_RUNNER_LIED, "answered nonsense in %s: 'outcome' is 99, allowed 0 to 3"},
        {"reserved", VH_RUNNER_LIED, "answered nonsense in %s: 'reserved' is 1, allowed 0 to 0"},
    };
    struct tier1_answer answer;
    struct tier1_plan plan;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tier1_plan(tier1, "tier1_bad", &plan);
        struct vh_runner *runner = tier1_start(tier1, &plan);
        struct vh_runner_call call = tier1_gate(tier1, wrong[i].word);
        assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
        says(answer.err.text, wrong[i].says, "viv.gate/1 check");
        assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
    }
    tier1_plan(tier1, "tier1_bad", &plan);
    struct vh_runner *runner = tier1_start(tier1, &plan);
    struct vh_runner_call call = tier1_gate(tier1, "needs_qa");
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
    assert_int_equal(answer.gate.outcome, VIV_GATE_PASSED);
    assert_true(vh_str_is(answer.gate.tree, "tree-1"));
    struct viv_critic_review_request review = {.size = sizeof review, .rev = 1};
    call.interface = VIV_INDEX_CRITIC;
    call.method = VIV_METHOD_CRITIC_REVIEW;
    call.request = &review;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_PLUGIN);
    says(answer.err.text, "answered nonsense in %s: 'score_permille' is 5000, allowed 0 to 1000",
         "viv.critic/1 review");
    call.interface = VIV_INDEX_SAFETY;
    call.method = 0;
    assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_E_UNSUPPORTED);
    assert_int_equal(vh_runner_end(runner, NULL), VIV_OK);
}

static void
drop_line(void *data, uint32_t level, struct viv_str text)
{
    (void)data;
    (void)level;
    (void)text;
}

static void
strange_but_harmless(void **state)
{
    struct tier1 *tier1 = *state;
    static const struct {
        const char *word;
        viv_status status;
        const char *says;
    } odd[] = {
#ifndef VH_SANITIZED /* there the address space has no bound */
        {"memory", VIV_OK, ""},
#endif
        {"flood", VIV_OK, ""},
        {"endless", VIV_E_LIMIT, "the answer of 'run' does not fit"},
        {"lie-scribble", VIV_E_INVALID, "????"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct tier1_plan plan;
        tier1_plan(tier1, "tier1_bad", &plan);
        plan.plan.log = drop_line;
        struct vh_runner *runner = tier1_start(tier1, &plan);
        struct viv_value value = {.name = VH_STR("do"), .type = VIV_VALUE_TEXT, .text = vh_str(odd[i].word)};
        struct tier1_answer answer;
        struct vh_runner_call call = tier1_skill(tier1, &value, 1);
        call.deadline_ns += INT64_C(10000000000);
        assert_int_equal(tier1_run(tier1, runner, &call, &answer), VIV_OK);
        assert_int_equal(answer.result.plugin_status, odd[i].status);
        assert_non_null(strstr(answer.result.plugin_error.text, odd[i].says));
        (void)vh_runner_end(runner, NULL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deeds_in_run_and_check, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(deeds_in_create_and_destroy, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(deeds_before_create, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(what_disagrees_does_not_start, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(lies_are_not_believed, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(ranges_are_checked, tier1_setup, tier1_teardown),
        cmocka_unit_test_setup_teardown(strange_but_harmless, tier1_setup, tier1_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
