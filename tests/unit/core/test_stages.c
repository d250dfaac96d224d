/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a result gets ready that some gate has not seen: another tree, a gate that was skipped, a question a
 * person answered for something else. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

static void
answer_gate(struct life *life, const char *gate, const char *tree, const char *outcome)
{
    char json[256];
    snprintf(json, sizeof json, "{\"lease\":%lld,\"gate\":\"%s\",\"tree\":\"%s\",\"outcome\":\"%s\"}",
             (long long)life_task(life, "t").lease, gate, tree, outcome);
    life_must(life, "gate.answered", "t", json);
}

static void
check(struct life *life, enum vh_state state, enum vh_phase phase)
{
    struct vh_task task = life_task(life, "t");
    if (task.state != (int64_t)state || task.phase != (int64_t)phase) {
        fail_msg("%s/%s", vh_task_state_name(task.state), vh_task_phase_name(task.phase));
    }
}

static void
every_bound_gate_must_answer_in_order(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_must(&life, "policy.loaded", "", "{\"gates\":{\"needs_qa\":[\"a\",\"b\"],\"e2e\":[\"c\"]},"
                                          "\"critics\":[\"k\"]}");
    life_walk(&life, "t", VH_PHASE_GATE_QA);
    assert_int_equal(life_say(&life, "gate.answered", "t", "{\"lease\":1,\"gate\":\"b\",\"tree\":\"T1\","
                                                           "\"outcome\":\"passed\"}"), VIV_E_STATE);
    assert_string_equal(life.err.text, "task 't' does not wait for gate 'b'");
    answer_gate(&life, "a", "T1", "passed");
    check(&life, VH_STATE_NEEDS_QA, VH_PHASE_GATE_QA);
    assert_int_equal(life_say(&life, "gate.answered", "t", "{\"lease\":1,\"gate\":\"a\",\"tree\":\"T1\","
                                                           "\"outcome\":\"passed\"}"), VIV_E_STATE);
    answer_gate(&life, "b", "T1", "not_configured");
    check(&life, VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE);
    assert_non_null(strstr(life.kinds, "gate.passed task.integration "));
    life_walk(&life, "t", VH_PHASE_GATE_E2E);
    answer_gate(&life, "c", "T2", "passed");
    check(&life, VH_STATE_E2E, VH_PHASE_REVIEW);
    assert_string_equal(life.kinds, "gate.answered gate.passed task.phase ");
    life_end(&life);
}

/* A yes to "the gate could not tell about this tree" is none to "this tree changes what gates run". */
static void
a_yes_counts_for_its_own_question(void **state)
{
    (void)state;
    struct life life;
    char json[160];
    life_begin(&life);
    life_must(&life, "policy.loaded", "", "{\"gates\":{\"needs_qa\":[\"a\"]},\"critics\":[\"k\"]}");
    life_walk(&life, "t", VH_PHASE_GATE_QA);
    answer_gate(&life, "a", "T1", "inconclusive");
    life_must(&life, "approval.given", "t", "{\"digest\":\"T1\"}");
    life_walk(&life, "t", VH_PHASE_REVIEW);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"score_permille\":1}", (long long)life_task(&life, "t").lease);
    life_must(&life, "review.made", "t", json); /* rejected: a second attempt, with the same result */
    life_walk(&life, "t", VH_PHASE_IDLE);
    life_walk(&life, "t", VH_PHASE_FREEZE);
    snprintf(json, sizeof json, "{\"lease\":%lld,\"verdict\":1,\"tree\":\"T1\",\"commit\":\"C1\",\"change\":\"x\"}",
             (long long)life_task(&life, "t").lease);
    life_must(&life, "change.frozen", "t", json);
    check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
    life_must(&life, "approval.given", "t", "{\"digest\":\"T1\"}");
    check(&life, VH_STATE_NEEDS_QA, VH_PHASE_GATE_QA);
    life_end(&life);
}

/* A stage without gates says so, and is never recorded as passed. */
static void
nothing_bound_is_said(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_FREEZE);
    life_must(&life, "change.frozen", "t", "{\"lease\":1,\"verdict\":2,\"tree\":\"T1\"}");
    assert_string_equal(life.kinds, "change.frozen task.needs_qa task.integration ");
    life_must(&life, "integration.made", "t", "{\"lease\":1,\"tree\":\"T2\"}");
    assert_string_equal(life.kinds, "integration.made task.e2e ");
    check(&life, VH_STATE_E2E, VH_PHASE_PUBLISH);
    life_end(&life);
}

static void
another_tree_is_inconclusive(void **state)
{
    (void)state;
    static const struct {
        enum vh_phase at;
        const char *gate;
        const char *wrong;
        enum vh_state stage;
    } cases[] = { { VH_PHASE_GATE_QA, "a", "T2", VH_STATE_NEEDS_QA },
                  { VH_PHASE_GATE_INTEGRATION, "b", "T1", VH_STATE_INTEGRATION },
                  { VH_PHASE_GATE_E2E, "c", "T1", VH_STATE_E2E },
                  { VH_PHASE_GATE_E2E, "c", "", VH_STATE_E2E } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct life life;
        life_begin(&life);
        life_must(&life, "policy.loaded", "",
                  "{\"gates\":{\"needs_qa\":[\"a\"],\"integration\":[\"b\"],\"e2e\":[\"c\"]}}");
        life_walk(&life, "t", cases[i].at);
        answer_gate(&life, cases[i].gate, cases[i].wrong, "passed");
        check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
        struct vh_task task = life_task(&life, "t");
        assert_true(vh_str_is(task.awaiting, "gate-inconclusive"));
        assert_true(vh_str_is(task.awaiting_digest, cases[i].stage == VH_STATE_NEEDS_QA ? "T1" : "T2"));
        assert_int_equal(task.resume_state, cases[i].stage);
        assert_int_equal(task.attempt, 1);
        life_end(&life);
    }
}

static void
an_approval_is_bound_to_what_was_seen(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_must(&life, "policy.loaded", "", "{\"gates\":{\"needs_qa\":[\"a\",\"b\"]}}");
    life_walk(&life, "t", VH_PHASE_GATE_QA);
    answer_gate(&life, "a", "T1", "passed");
    answer_gate(&life, "b", "T1", "unsure");
    assert_int_equal(life_say(&life, "approval.given", "t", "{\"digest\":\"T0\"}"), VIV_E_CONFLICT);
    assert_string_equal(life.err.text, "the question of task 't' has changed to 'T1'; look again with 'vivhost inbox'");
    assert_int_equal(life_say(&life, "approval.given", "t", "{}"), VIV_E_CONFLICT);
    assert_int_equal(life_say(&life, "approval.refused", "t", "{\"digest\":\"T0\"}"), VIV_E_CONFLICT);
    life_must(&life, "approval.given", "t", "{\"digest\":\"T1\"}");
    /* the gate that asked counts as passed by the person, the one before stays passed */
    check(&life, VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE);
    assert_int_equal(life_task(&life, "t").leased, 0);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    life_end(&life);
}

/* What was approved is that digest and nothing else; approving nothing in particular approves nothing. */
static void
an_ask_is_granted_by_digest(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_SAFETY);
    life_must(&life, "safety.report", "t", "{\"lease\":1,\"verdict\":1,\"digest\":\"d1\",\"reason\":\"r\"}");
    check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
    life_must(&life, "approval.given", "t", "{\"digest\":\"d1\"}");
    life_walk(&life, "t", VH_PHASE_SAFETY);
    life_must(&life, "safety.report", "t", "{\"lease\":2,\"verdict\":1,\"digest\":\"d1\"}");
    check(&life, VH_STATE_RUNNING, VH_PHASE_BUDGET);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_must(&life, "effect.started", "t",
              "{\"lease\":2,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":1,\"digest\":\"d2\"}");
    assert_true(strncmp(life.kinds, "effect.asked task.asked task.awaiting_approval ", 45) == 0);
    life_walk(&life, "t", VH_PHASE_IDLE);
    life_must(&life, "approval.given", "t", "{\"digest\":\"d2\"}");
    life_walk(&life, "t", VH_PHASE_SAFETY);
    life_must(&life, "safety.report", "t", "{\"lease\":3,\"verdict\":1,\"digest\":\"d1\"}");
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_must(&life, "effect.started", "t",
              "{\"lease\":3,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":1,\"digest\":\"d2\"}");
    assert_string_equal(life.kinds, "effect.started ");
    life_must(&life, "effect.started", "t", "{\"lease\":3,\"ordinal\":1,\"effect\":\"exec\",\"verdict\":1}");
    life_walk(&life, "t", VH_PHASE_IDLE);
    life_must(&life, "approval.given", "t", "{\"digest\":\"\"}");
    life_walk(&life, "t", VH_PHASE_SAFETY);
    life_must(&life, "safety.report", "t", "{\"lease\":4,\"verdict\":1}");
    check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
    life_end(&life);
}

static void
a_critical_surface_waits_where_it_is(void **state)
{
    (void)state;
    for (int gates = 0; gates < 2; gates++) {
        struct life life;
        life_begin(&life);
        life_must(&life, "policy.loaded", "", gates ? "{\"gates\":{\"needs_qa\":[\"a\"],\"integration\":[\"b\"]}}"
                                                    : "{\"gates\":{\"integration\":[\"b\"]}}");
        life_walk(&life, "t", VH_PHASE_FREEZE);
        life_must(&life, "change.frozen", "t", "{\"lease\":1,\"verdict\":1,\"tree\":\"T1\",\"reason\":\"touches "
                                               "the policy\"}");
        check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
        life_must(&life, "approval.given", "t", "{\"digest\":\"T1\"}");
        check(&life, gates ? VH_STATE_NEEDS_QA : VH_STATE_INTEGRATION, gates ? VH_PHASE_GATE_QA : VH_PHASE_INTEGRATE);
        life_walk(&life, "t", VH_PHASE_GATE_INTEGRATION);
        answer_gate(&life, "b", "T2", "passed");
        check(&life, VH_STATE_E2E, VH_PHASE_PUBLISH);
        life_end(&life);
    }
}

/* The line moved: merged again, and every gate of the merged tree is asked again about the new one. */
static void
a_moved_line_is_integrated_again(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_must(&life, "policy.loaded", "",
              "{\"gates\":{\"integration\":[\"b\"],\"e2e\":[\"c\"]},\"critics\":[\"k\"]}");
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    life_fail(&life, "t", "moved");
    check(&life, VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE);
    assert_int_equal(life_task(&life, "t").leased, 1);
    assert_int_equal(life_task(&life, "t").attempt, 1);
    life_must(&life, "integration.made", "t", "{\"lease\":1,\"tree\":\"T9\",\"commit\":\"C9\",\"line_tip\":\"L9\"}");
    check(&life, VH_STATE_INTEGRATION, VH_PHASE_GATE_INTEGRATION);
    answer_gate(&life, "b", "T9", "passed");
    check(&life, VH_STATE_E2E, VH_PHASE_GATE_E2E);
    answer_gate(&life, "c", "T2", "passed"); /* a verdict on the old merge */
    check(&life, VH_STATE_AWAITING, VH_PHASE_IDLE);
    life_end(&life);
}

/* A stage asks the gates that were bound when it was entered: no gate is skipped, none is waited for in vain. */
static void
a_new_policy_counts_from_the_next_stage(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_must(&life, "policy.loaded", "", "{\"gates\":{\"needs_qa\":[\"a\",\"b\"],\"e2e\":[\"x\"]}}");
    life_walk(&life, "t", VH_PHASE_GATE_QA);
    answer_gate(&life, "a", "T1", "passed");
    life_must(&life, "policy.loaded", "", "{\"gates\":{\"needs_qa\":[\"c\"],\"e2e\":[\"d\",\"e\"]},"
                                          "\"critics\":[\"k\"]}");
    assert_true(vh_str_is(life_ask(&life, "t").gate, "b"));
    answer_gate(&life, "b", "T1", "passed");
    life_walk(&life, "t", VH_PHASE_GATE_E2E);
    assert_true(vh_str_is(life_ask(&life, "t").gate, "d"));
    life_walk(&life, "t", VH_PHASE_REVIEW);
    life_end(&life);
}

static void
announce(struct life *life, const char *id)
{
    struct vh_task task = life_task(life, id);
    char json[160];
    snprintf(json, sizeof json, "{\"lease\":%lld,\"effect\":\"publish\",\"ordinal\":%lld,\"verdict\":2,"
                                "\"digest\":\"C2\",\"outside\":1}",
             (long long)task.lease, (long long)task.effects);
    life_must(life, "effect.started", id, json);
}

/* From the announcement on the line may move at any moment: a task that is then called cancelled could be on it. */
static void
what_is_being_published_is_not_cancelled(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    announce(&life, "t");
    assert_int_equal(life_say(&life, "cancel.requested", "t", "{}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 't' is being published and cannot be cancelled now; roll it back when "
                                       "it is ready");
    life_must(&life, "lease.expired", "t", "{\"lease\":1}"); /* nobody knows how far it went */
    assert_int_equal(life_say(&life, "cancel.requested", "t", "{}"), VIV_E_BUSY);
    life_must(&life, "task.claimed", "t", "{\"worker\":\"w\"}");
    announce(&life, "t");
    life_must(&life, "publish.finished", "t",
              "{\"lease\":2,\"failure\":{\"class\":\"moved\",\"text\":\"x\"}}");
    life_must(&life, "cancel.requested", "t", "{}"); /* known not to be out */
    life_walk(&life, "u", VH_PHASE_PUBLISH);
    life_must(&life, "cancel.requested", "u", "{}"); /* not announced yet */
    life_end(&life);
}

/* What gets visible is what the gates saw, whatever the worker says it has published. */
static void
another_commit_is_not_published(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    assert_int_equal(life_say(&life, "publish.finished", "t", "{\"lease\":1,\"published\":\"C9\"}"), VIV_E_CONFLICT);
    assert_string_equal(life.err.text, "task 't' is to publish 'C2', which its gates passed, not 'C9'");
    life_must(&life, "publish.finished", "t", "{\"lease\":1,\"published\":\"C2\"}");
    check(&life, VH_STATE_READY, VH_PHASE_SETTLE);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bound_gate_must_answer_in_order),
        cmocka_unit_test(a_yes_counts_for_its_own_question),
        cmocka_unit_test(nothing_bound_is_said),
        cmocka_unit_test(another_tree_is_inconclusive),
        cmocka_unit_test(an_approval_is_bound_to_what_was_seen),
        cmocka_unit_test(an_ask_is_granted_by_digest),
        cmocka_unit_test(a_critical_surface_waits_where_it_is),
        cmocka_unit_test(a_moved_line_is_integrated_again),
        cmocka_unit_test(a_new_policy_counts_from_the_next_stage),
        cmocka_unit_test(what_is_being_published_is_not_cancelled),
        cmocka_unit_test(another_commit_is_not_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
