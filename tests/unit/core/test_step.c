/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the core takes a word it must not take: an answer nobody asked for, a report of a task that has ended,
 * an approval of nothing. Every kind of command in every (state, phase) a task can be in: accepted where the table
 * below has the place's letter, refused by name everywhere else, and then nothing has changed. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

#define POLICY \
    "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"c\"]}"

/* ---- places ---- */

static void
nowhere(struct life *life)
{
    (void)life;
}

static void
blocked(struct life *life)
{
    life_must(life, "task.submitted", "other", "{\"goal\":\"g\",\"attempts_max\":3}");
    life_must(life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3,\"depends\":[\"other\"]}");
}

static void
pending(struct life *life)
{
    life_must(life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":3}");
}

#define AT(name, phase)                                                                            \
    static void name(struct life *life)                                                            \
    {                                                                                              \
        life_walk(life, "t", VH_PHASE_##phase);                                                    \
    }

AT(intake, INTAKE)
AT(plan, PLAN)
AT(safety, SAFETY)
AT(budget, BUDGET)
AT(route, ROUTE)
AT(base, BASE)
AT(execute, EXECUTE)
AT(freeze, FREEZE)
AT(gate_qa, GATE_QA)
AT(integrate, INTEGRATE)
AT(gate_integration, GATE_INTEGRATION)
AT(gate_e2e, GATE_E2E)
AT(review, REVIEW)
AT(publish, PUBLISH)
AT(ready_settle, SETTLE)
AT(ready, IDLE)

static void
rejected_settle(struct life *life)
{
    execute(life);
    life_fail(life, "t", "plugin");
}

static void
cancelled_settle(struct life *life)
{
    execute(life);
    life_must(life, "cancel.requested", "t", "{}");
}

static void
awaiting_settle(struct life *life)
{
    execute(life);
    life_must(life, "effect.started", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":1,"
                                           "\"digest\":\"d\"}");
}

static void
rollback(struct life *life)
{
    ready(life);
    life_must(life, "rollback.requested", "t", "{}");
    life_must(life, "task.claimed", "t", "{\"worker\":\"w\"}");
}

static void
failed(struct life *life)
{
    safety(life);
    life_fail(life, "t", "plugin");
}

static void
cancelled(struct life *life)
{
    pending(life);
    life_must(life, "cancel.requested", "t", "{}");
}

static void
unclear(struct life *life)
{
    intake(life);
    life_must(life, "intent.captured", "t", "{\"lease\":1,\"intent\":{},\"unclear\":1,\"digest\":\"d\"}");
}

static void
inconclusive(struct life *life)
{
    gate_qa(life);
    life_fail(life, "t", "plugin");
}

static void
expanded(struct life *life)
{
    plan(life);
    life_must(life, "plan.answered", "t", "{\"lease\":1,\"steps\":[{\"id\":\"a\",\"goal\":\"g\"}]}");
}

static void
rolled_back(struct life *life)
{
    rollback(life);
    life_must(life, "rollback.finished", "t", "{\"lease\":2,\"commit\":\"C3\"}");
}

static void
gate_unheld(struct life *life)
{
    gate_qa(life);
    life_must(life, "lease.expired", "t", "{\"lease\":1}");
}

static void
settle_unheld(struct life *life)
{
    cancelled_settle(life);
    life_must(life, "lease.expired", "t", "{\"lease\":1}");
}

static void
awaiting_unheld(struct life *life)
{
    awaiting_settle(life);
    life_must(life, "lease.expired", "t", "{\"lease\":1}");
}

static const struct place {
    char letter;
    enum vh_state state;
    enum vh_phase phase;
    void (*go)(struct life *life);
} places[] = {
    { 'a', VH_STATE_NONE, VH_PHASE_IDLE, nowhere },
    { 'b', VH_STATE_BLOCKED, VH_PHASE_IDLE, blocked },
    { 'c', VH_STATE_PENDING, VH_PHASE_IDLE, pending },
    { 'd', VH_STATE_RUNNING, VH_PHASE_INTAKE, intake },
    { 'e', VH_STATE_RUNNING, VH_PHASE_PLAN, plan },
    { 'f', VH_STATE_RUNNING, VH_PHASE_SAFETY, safety },
    { 'g', VH_STATE_RUNNING, VH_PHASE_BUDGET, budget },
    { 'h', VH_STATE_RUNNING, VH_PHASE_ROUTE, route },
    { 'i', VH_STATE_RUNNING, VH_PHASE_BASE, base },
    { 'j', VH_STATE_RUNNING, VH_PHASE_EXECUTE, execute },
    { 'k', VH_STATE_RUNNING, VH_PHASE_FREEZE, freeze },
    { 'l', VH_STATE_NEEDS_QA, VH_PHASE_GATE_QA, gate_qa },
    { 'm', VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE, integrate },
    { 'n', VH_STATE_INTEGRATION, VH_PHASE_GATE_INTEGRATION, gate_integration },
    { 'o', VH_STATE_E2E, VH_PHASE_GATE_E2E, gate_e2e },
    { 'p', VH_STATE_E2E, VH_PHASE_REVIEW, review },
    { 'q', VH_STATE_E2E, VH_PHASE_PUBLISH, publish },
    { 'r', VH_STATE_READY, VH_PHASE_SETTLE, ready_settle },
    { 't', VH_STATE_CANCELLED, VH_PHASE_SETTLE, cancelled_settle },
    { 'u', VH_STATE_PENDING, VH_PHASE_SETTLE, rejected_settle },
    { 'v', VH_STATE_AWAITING, VH_PHASE_SETTLE, awaiting_settle },
    { 'w', VH_STATE_READY, VH_PHASE_IDLE, ready },
    { 'x', VH_STATE_READY, VH_PHASE_ROLLBACK, rollback },
    { 'y', VH_STATE_FAILED, VH_PHASE_IDLE, failed },
    { 'z', VH_STATE_CANCELLED, VH_PHASE_IDLE, cancelled },
    { 'A', VH_STATE_AWAITING, VH_PHASE_IDLE, unclear },
    { 'B', VH_STATE_AWAITING, VH_PHASE_IDLE, inconclusive },
    { 'C', VH_STATE_EXPANDED, VH_PHASE_IDLE, expanded },
    { 'D', VH_STATE_ROLLED_BACK, VH_PHASE_IDLE, rolled_back },
    { 'E', VH_STATE_NEEDS_QA, VH_PHASE_GATE_QA, gate_unheld },
    { 'F', VH_STATE_CANCELLED, VH_PHASE_SETTLE, settle_unheld },
    { 'G', VH_STATE_AWAITING, VH_PHASE_SETTLE, awaiting_unheld },
};

/* Kind of command and the letters of the places that take it. */
static const struct row {
    const char *kind;
    const char *taken;
} rows[] = {
    { "task.submitted", "a" },
    { "task.claimed", "cEFG" },
    { "lease.expired", "defghijklmnopqrtuvx" },
    { "intent.captured", "d" },
    { "plan.answered", "e" },
    { "safety.report", "f" },
    { "budget.estimated", "g" },
    { "route.chosen", "h" },
    { "base.captured", "i" },
    { "effect.started", "defghijklmnopqx" },
    { "effect.refused", "defghijklmnopqx" },
    { "effect.asked", "defghijklmnopqx" },
    { "effect.finished", "" }, /* none was started; see effects_have_one_life */
    { "execute.finished", "j" },
    { "change.frozen", "k" },
    { "gate.answered", "lno" },
    { "integration.made", "m" },
    { "review.made", "p" },
    { "publish.finished", "q" },
    { "settle.priced", "rtuv" },
    { "followers.counted", "" }, /* it has none; see test_followers.c */
    { "rollback.finished", "x" },
    { "cancel.requested", "bcdefghijklmnopquvABCEG" },
    { "retry.requested", "yz" },
    { "approval.given", "B" },
    { "approval.refused", "AB" },
    { "answer.given", "A" },
    { "rollback.requested", "w" },
};

/* Words that every kind understands, with what is true of the task now. */
static void
words(struct life *life, const char *kind, char *json, size_t size)
{
    struct vh_task task = { 0 };
    struct vh_ask ask = { 0 };
    if (life->state.get_task(life->state.data, life->arena, VH_STR("t"), &task, NULL) == VIV_OK) {
        ask = life_ask(life, "t");
    }
    if (strcmp(kind, "task.submitted") == 0) {
        snprintf(json, size, "{\"goal\":\"g\",\"attempts_max\":3}");
        return;
    }
    struct viv_str digest = task.awaiting_digest;
    snprintf(json, size,
             "{\"lease\":%lld,\"worker\":\"w\",\"ordinal\":%lld,\"verdict\":2,\"digest\":\"%.*s\",\"gate\":\"%.*s\","
             "\"tree\":\"%.*s\",\"outcome\":\"passed\",\"intent\":{},\"worst_case_micro\":100,\"done\":1,"
             "\"scopes\":[{\"scope\":\"home\",\"limit_micro\":1000}],\"route\":\"executor\",\"score_permille\":900,"
             "\"cost_micro\":1,\"effect\":\"exec\"}",
             (long long)task.lease, (long long)task.effects, VH_STR_ARGS(digest), VH_STR_ARGS(ask.gate),
             VH_STR_ARGS(ask.tree.len ? ask.tree : VH_STR("T1")));
}

static void
begin_at(struct life *life, const struct place *place)
{
    life_begin(life);
    life_must(life, "policy.loaded", "", POLICY);
    place->go(life);
    if (place->state != VH_STATE_NONE) {
        struct vh_task task = life_task(life, "t");
        if (task.state != (int64_t)place->state || task.phase != (int64_t)place->phase) {
            fail_msg("place %c is %s/%s", place->letter, vh_task_state_name(task.state),
                     vh_task_phase_name(task.phase));
        }
    }
}

static void
every_kind_everywhere(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            struct life life;
            char json[1024];
            begin_at(&life, &places[p]);
            words(&life, rows[r].kind, json, sizeof json);
            struct viv_str before = life_dump(&life);
            bool wanted = strchr(rows[r].taken, places[p].letter) != NULL;
            viv_status status = life_say(&life, rows[r].kind, "t", json);
            if ((status == VIV_OK) != wanted) {
                fail_msg("%s at %c (%s/%s) is %s: %s", rows[r].kind, places[p].letter,
                         vh_task_state_name(places[p].state), vh_task_phase_name(places[p].phase),
                         wanted ? "refused" : "taken", life.err.text);
            }
            assert_int_equal(vh_str_equal(before, life_dump(&life)), status != VIV_OK);
            if (status && places[p].letter != 'a') {
                assert_non_null(strstr(life.err.text, "'t'"));
            }
            life_end(&life);
        }
    }
}

/* Every input kind of the table of kinds is in the table above, or is about no task. */
static void
no_kind_is_forgotten(void **state)
{
    (void)state;
    static const char *const no_task[] = { "home.created",  "host.started", "host.stopped",    "policy.loaded",
                                           "trust.changed", "calls.made",   "command.refused", "clock.stepped",
                                           "plugin.blamed", "plugin.installed", "plugin.removed",
                                           "queue.imported", "content.pruned", "home.moved", "home.restored",
                                           "backup.made", "log.archived", "switch.set", "budget.capped",
                                           "model.learned" };
    for (size_t i = 0; i < vh_event_kinds_count; i++) {
        size_t found = 0;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            found += strcmp(rows[r].kind, vh_event_kinds[i].name) == 0;
        }
        for (size_t n = 0; n < sizeof no_task / sizeof *no_task; n++) {
            found += strcmp(no_task[n], vh_event_kinds[i].name) == 0;
        }
        assert_int_equal(found, vh_event_kinds[i].input);
    }
}

static void
derived_events_are_no_commands(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    pending(&life);
    for (size_t i = 0; i < vh_event_kinds_count; i++) {
        if (!vh_event_kinds[i].input) {
            assert_int_equal(life_say(&life, vh_event_kinds[i].name, "t", "{}"), VIV_E_INVALID);
            assert_non_null(strstr(life.err.text, "there is no command"));
        }
    }
    assert_int_equal(life_say(&life, "nonsense", "t", "{}"), VIV_E_INVALID);
    assert_string_equal(life.err.text, "there is no command 'nonsense'");
    life_end(&life);
}

static void
the_home_is_about_no_task(void **state)
{
    (void)state;
    static const char *const kinds[] = { "home.created",  "host.started", "host.stopped",    "policy.loaded",
                                         "trust.changed", "calls.made",   "command.refused", "clock.stepped" };
    struct life life;
    life_begin(&life);
    pending(&life);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_int_equal(life_say(&life, kinds[i], "t", "{\"epoch\":2}"), VIV_E_INVALID);
        assert_non_null(strstr(life.err.text, "is about no task, 't' was named"));
    }
    life_must(&life, "home.created", "", "{\"home\":\"h1\",\"seed\":\"s\"}");
    assert_int_equal(life_say(&life, "home.created", "", "{\"home\":\"h2\",\"seed\":\"s\"}"), VIV_E_EXISTS);
    assert_string_equal(life.err.text, "the home exists already, it is 'h1'");
    assert_int_equal(life_say(&life, "host.started", "", "{\"epoch\":1}"), VIV_E_FENCED);
    assert_string_equal(life.err.text, "host epoch 1 does not follow 1");
    assert_int_equal(life_say(&life, "host.started", "", "{\"epoch\":3}"), VIV_E_FENCED);
    life_must(&life, "host.started", "", "{\"epoch\":2}");
    life_end(&life);
}

/* A late report, a wrong number, an older host: the words of the refusal name the valid lease. */
static void
only_the_holder_reports(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    safety(&life);
    assert_int_equal(life_say(&life, "safety.report", "t", "{\"lease\":2,\"verdict\":2}"), VIV_E_FENCED);
    assert_string_equal(life.err.text, "lease 2 of task 't' is over, the valid lease is 1 of epoch 1");
    assert_int_equal(life_say(&life, "safety.report", "t", "{\"verdict\":2}"), VIV_E_FENCED);
    life_must(&life, "lease.expired", "t", "{\"lease\":1}");
    assert_int_equal(life_say(&life, "safety.report", "t", "{\"lease\":1,\"verdict\":2}"), VIV_E_FENCED);
    life_walk(&life, "t", VH_PHASE_SAFETY);
    assert_int_equal(life_task(&life, "t").lease, 2);
    assert_int_equal(life_task(&life, "t").attempt, 1);
    life_must(&life, "host.started", "", "{\"epoch\":2}");
    assert_int_equal(life_say(&life, "safety.report", "t", "{\"lease\":2,\"verdict\":2}"), VIV_E_FENCED);
    life_end(&life);
}

static void
effects_have_one_life(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    execute(&life);
    assert_int_equal(life_say(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":1,\"verdict\":2}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "effect 1 of task 't' is not the next, which is 0");
    life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":2,"
                                            "\"digest\":\"d\"}");
    assert_string_equal(life.kinds, "effect.started ");
    assert_int_equal(life_say(&life, "effect.finished", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\","
                                                             "\"digest\":\"other\"}"),
                     VIV_E_CONFLICT);
    assert_string_equal(life.err.text, "effect 0 of task 't' was started as 'exec' of 'd', the outcome is of another");
    life_must(&life, "effect.finished", "t", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"digest\":\"d\"}");
    assert_int_equal(life_say(&life, "effect.finished", "t", "{\"lease\":1,\"ordinal\":0}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "effect 0 of task 't' was not started");
    /* a client cannot name a start what was denied, nor what was not judged, nor what is no verdict of ours */
    life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":1,\"effect\":\"exec\",\"digest\":\"e\"}");
    assert_string_equal(life.kinds, "effect.refused ");
    life_must(&life, "effect.started", "t", "{\"lease\":1,\"ordinal\":2,\"effect\":\"exec\",\"verdict\":99}");
    assert_string_equal(life.kinds, "effect.refused ");
    assert_int_equal(life_say(&life, "effect.finished", "t", "{\"lease\":1,\"ordinal\":2}"), VIV_E_STATE);
    life_end(&life);
}

static void
words_must_be_canonical(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_json *data = vh_json_object(life.arena);
    vh_json_set_text(life.arena, data, "goal", "\xff\xfe");
    vh_json_set_int(life.arena, data, "attempts_max", 1);
    struct vh_command command = { .kind = VH_STR("task.submitted"), .task = VH_STR("t"), .data = data };
    assert_int_equal(life_step(&life, &command), VIV_E_INVALID);
    assert_string_equal(life.err.text, "command 'task.submitted' is not canonical: texts must be UTF-8, numbers "
                                       "integers within 2^53-1");
    vh_json_set_text(life.arena, data, "goal", "g");
    vh_json_set_int(life.arena, data, "attempts_max", INT64_MAX);
    assert_int_equal(life_step(&life, &command), VIV_E_INVALID);
    command.data = NULL;
    assert_int_equal(life_step(&life, &command), VIV_E_INVALID);
    command.data = vh_json_array(life.arena);
    assert_int_equal(life_step(&life, &command), VIV_E_INVALID);
    life_end(&life);
}

static void
submissions_are_checked(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        { "../x", "{\"goal\":\"g\",\"attempts_max\":1}", "task id '../x' is not usable" },
        { "", "{\"goal\":\"g\",\"attempts_max\":1}", "task id '' is not usable" },
        { "a\nb", "{\"goal\":\"g\",\"attempts_max\":1}", "is not usable" },
        { "n", "{\"goal\":\"\",\"attempts_max\":1}", "the request has 0 bytes, allowed 1 to 16384" },
        { "n", "{\"goal\":7,\"attempts_max\":1}", "the request has 0 bytes" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":0}", "attempts are 0, allowed 1 to 3" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":4}", "attempts are 4, allowed 1 to 3" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[\"n\"]}", "depends on 'n', which does not exist" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[5]}", "depends on '', which does not exist" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[\"f\"]}", "depends on 'f', which is cancelled" },
        { "n", "{\"goal\":\"g\",\"attempts_max\":1,\"parent\":\"f\"}", "'parent' comes from a plan" },
        { "f", "{\"goal\":\"g\",\"attempts_max\":1}", "task 'f' exists already; ids are never used twice" },
    };
    struct life life;
    life_begin(&life);
    life_must(&life, "task.submitted", "f", "{\"goal\":\"g\",\"attempts_max\":1}");
    life_must(&life, "cancel.requested", "f", "{}");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(life_say(&life, "task.submitted", bad[i][0], bad[i][1]), VIV_OK);
        if (!strstr(life.err.text, bad[i][2])) {
            fail_msg("'%s' does not say '%s'", life.err.text, bad[i][2]);
        }
    }
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_everywhere),
        cmocka_unit_test(no_kind_is_forgotten),
        cmocka_unit_test(derived_events_are_no_commands),
        cmocka_unit_test(the_home_is_about_no_task),
        cmocka_unit_test(only_the_holder_reports),
        cmocka_unit_test(effects_have_one_life),
        cmocka_unit_test(words_must_be_canonical),
        cmocka_unit_test(submissions_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
