/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a plugin that crashes, lies or is late decides something: the fail values of the blueprint are not
 * what happens. Each asked answer fails in each way; the table says where the task must end, whether an attempt or a
 * recovery is used, and whether the hold is still there. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"
#include <viv/limits.h>

#define POLICY \
    "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"c\"]}"

static const struct fail {
    enum vh_phase at;
    const char *class;
    enum vh_state state;
    enum vh_phase phase;
    int attempt;
    int recoveries;
    const char *awaiting; /* or the start of the failure, when the state is failed */
} fails[] = {
    /* decompose: the task stays atomic */
    { VH_PHASE_INTAKE, "plugin", VH_STATE_RUNNING, VH_PHASE_PLAN, 1, 0, "" },
    { VH_PHASE_PLAN, "plugin", VH_STATE_RUNNING, VH_PHASE_SAFETY, 1, 0, "" },
    /* safety: deny */
    { VH_PHASE_SAFETY, "plugin", VH_STATE_FAILED, VH_PHASE_IDLE, 1, 0, "safety: it broke" },
    { VH_PHASE_SAFETY, "conflict", VH_STATE_FAILED, VH_PHASE_IDLE, 1, 0, "safety: it broke" },
    /* economy: no hold, the task does not run; a price that cannot be had settles all */
    { VH_PHASE_BUDGET, "plugin", VH_STATE_FAILED, VH_PHASE_IDLE, 1, 0, "budget: no hold could be made, it broke" },
    { VH_PHASE_SETTLE, "plugin", VH_STATE_READY, VH_PHASE_IDLE, 1, 0, "" },
    { VH_PHASE_SETTLE, "infrastructure", VH_STATE_READY, VH_PHASE_IDLE, 1, 0, "" },
    { VH_PHASE_ROUTE, "plugin", VH_STATE_FAILED, VH_PHASE_SETTLE, 1, 0, "nothing can do this task" },
    { VH_PHASE_BASE, "plugin", VH_STATE_FAILED, VH_PHASE_SETTLE, 1, 0, "it broke" },
    { VH_PHASE_BASE, "conflict", VH_STATE_AWAITING, VH_PHASE_SETTLE, 1, 0, "conflict" },
    /* executor: error, the attempt is used */
    { VH_PHASE_EXECUTE, "plugin", VH_STATE_PENDING, VH_PHASE_SETTLE, 2, 0, "" },
    { VH_PHASE_FREEZE, "plugin", VH_STATE_PENDING, VH_PHASE_SETTLE, 2, 0, "" },
    /* gate: inconclusive, a person decides, no attempt is used */
    { VH_PHASE_GATE_QA, "plugin", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "gate-inconclusive" },
    { VH_PHASE_GATE_INTEGRATION, "plugin", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "gate-inconclusive" },
    { VH_PHASE_GATE_E2E, "conflict", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "gate-inconclusive" },
    { VH_PHASE_INTEGRATE, "conflict", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "conflict" },
    { VH_PHASE_INTEGRATE, "plugin", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "conflict" },
    /* critic: abstain, a person decides */
    { VH_PHASE_REVIEW, "plugin", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "critic-abstained" },
    { VH_PHASE_PUBLISH, "moved", VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE, 1, 0, "" },
    { VH_PHASE_PUBLISH, "conflict", VH_STATE_AWAITING, VH_PHASE_IDLE, 1, 0, "conflict" },
    { VH_PHASE_ROLLBACK, "conflict", VH_STATE_READY, VH_PHASE_IDLE, 1, 0, "" },
    /* infrastructure: tried again later, no attempt is used; what was frozen waits where it is */
    { VH_PHASE_INTAKE, "infrastructure", VH_STATE_PENDING, VH_PHASE_IDLE, 1, 1, "" },
    { VH_PHASE_PLAN, "infrastructure", VH_STATE_PENDING, VH_PHASE_IDLE, 1, 1, "" },
    { VH_PHASE_SAFETY, "infrastructure", VH_STATE_PENDING, VH_PHASE_IDLE, 1, 1, "" },
    { VH_PHASE_BUDGET, "infrastructure", VH_STATE_PENDING, VH_PHASE_IDLE, 1, 1, "" },
    { VH_PHASE_ROUTE, "infrastructure", VH_STATE_PENDING, VH_PHASE_SETTLE, 1, 1, "" },
    { VH_PHASE_BASE, "infrastructure", VH_STATE_PENDING, VH_PHASE_SETTLE, 1, 1, "" },
    { VH_PHASE_EXECUTE, "infrastructure", VH_STATE_PENDING, VH_PHASE_SETTLE, 1, 1, "" },
    { VH_PHASE_FREEZE, "infrastructure", VH_STATE_PENDING, VH_PHASE_SETTLE, 1, 1, "" },
    { VH_PHASE_GATE_QA, "infrastructure", VH_STATE_NEEDS_QA, VH_PHASE_GATE_QA, 1, 1, "" },
    { VH_PHASE_INTEGRATE, "infrastructure", VH_STATE_INTEGRATION, VH_PHASE_INTEGRATE, 1, 1, "" },
    { VH_PHASE_GATE_INTEGRATION, "infrastructure", VH_STATE_INTEGRATION, VH_PHASE_GATE_INTEGRATION, 1, 1, "" },
    { VH_PHASE_GATE_E2E, "infrastructure", VH_STATE_E2E, VH_PHASE_GATE_E2E, 1, 1, "" },
    { VH_PHASE_REVIEW, "infrastructure", VH_STATE_E2E, VH_PHASE_REVIEW, 1, 1, "" },
    { VH_PHASE_PUBLISH, "infrastructure", VH_STATE_E2E, VH_PHASE_PUBLISH, 1, 1, "" },
};

static void
begin(struct life *life)
{
    life_begin(life);
    life_must(life, "policy.loaded", "", POLICY);
}

static void
walk_to(struct life *life, enum vh_phase phase)
{
    if (phase != VH_PHASE_ROLLBACK) {
        life_walk(life, "t", phase);
        return;
    }
    life_walk(life, "t", VH_PHASE_IDLE);
    life_must(life, "rollback.requested", "t", "{}");
    life_walk(life, "t", VH_PHASE_ROLLBACK);
}

static void
failures_end_where_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
        const struct fail *f = &fails[i];
        struct life life;
        begin(&life);
        walk_to(&life, f->at);
        life_fail(&life, "t", f->class);
        struct vh_task task = life_task(&life, "t");
        if (task.state != (int64_t)f->state || task.phase != (int64_t)f->phase || task.attempt != f->attempt ||
            task.recoveries != f->recoveries) {
            fail_msg("%s at %s: %s/%s, attempt %d, recoveries %d", f->class, vh_task_phase_name(f->at),
                     vh_task_state_name(task.state), vh_task_phase_name(task.phase), (int)task.attempt,
                     (int)task.recoveries);
        }
        struct viv_str said = task.state == VH_STATE_FAILED ? task.failure : task.awaiting;
        assert_true(vh_str_is(said, f->awaiting));
        if (f->phase == VH_PHASE_SETTLE) {
            assert_int_equal(task.held_micro, 100);
        }
        if (f->recoveries) {
            assert_true(task.retry_at_us >= life.time_us + 1000000 && task.retry_at_us <= life.time_us + 1500000);
            if (f->phase != VH_PHASE_SETTLE) {
                assert_int_equal(life_say(&life, "task.claimed", "t", "{}"), VIV_E_BUSY);
            }
        }
        if (f->at == VH_PHASE_SETTLE) {
            assert_int_equal(task.cost_micro, 100);
            assert_int_equal(life_scope(&life, "home").settled_micro, 100);
            assert_int_equal(life_scope(&life, "home").reserved_micro, 0);
        }
        life_end(&life);
    }
}

/* Whatever wants an answer has a row above for a broken plugin and one for broken infrastructure, but for publication,
 * which no plugin does, rollback, which a person asks for again, and followers, which only the core knows. */
static void
no_phase_is_forgotten(void **state)
{
    (void)state;
    for (int phase = VH_PHASE_IDLE + 1; phase < VH_PHASE_COUNT; phase++) {
        bool plugin = phase == VH_PHASE_PUBLISH || phase == VH_PHASE_ROLLBACK || phase == VH_PHASE_GATE_E2E ||
                      phase == VH_PHASE_FOLLOW;
        bool infrastructure = phase == VH_PHASE_ROLLBACK || phase == VH_PHASE_FOLLOW;
        for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
            bool here = fails[i].at == (enum vh_phase)phase;
            plugin = plugin || (here && strcmp(fails[i].class, "plugin") == 0);
            infrastructure = infrastructure || (here && strcmp(fails[i].class, "infrastructure") == 0);
        }
        assert_true(plugin && infrastructure);
    }
}

/* Answers out of range count as failures of their interface. */
static void
answers_out_of_range(void **state)
{
    (void)state;
    static const struct {
        enum vh_phase at;
        const char *kind;
        const char *json;
        enum vh_state state;
        enum vh_phase phase;
    } odd[] = {
        { VH_PHASE_SAFETY, "safety.report", "{\"lease\":1,\"verdict\":3}", VH_STATE_FAILED, VH_PHASE_IDLE },
        { VH_PHASE_SAFETY, "safety.report", "{\"lease\":1,\"verdict\":\"2\"}", VH_STATE_FAILED, VH_PHASE_IDLE },
        { VH_PHASE_SAFETY, "safety.report", "{\"lease\":1}", VH_STATE_FAILED, VH_PHASE_IDLE },
        { VH_PHASE_BUDGET, "budget.estimated", "{\"lease\":1,\"worst_case_micro\":-1,\"scopes\":[{\"scope\":\"a\"}]}",
          VH_STATE_FAILED, VH_PHASE_IDLE },
        { VH_PHASE_BUDGET, "budget.estimated", "{\"lease\":1,\"worst_case_micro\":1,\"scopes\":[]}", VH_STATE_FAILED,
          VH_PHASE_IDLE },
        { VH_PHASE_BUDGET, "budget.estimated", "{\"lease\":1,\"worst_case_micro\":1,\"scopes\":{}}", VH_STATE_FAILED,
          VH_PHASE_IDLE },
        { VH_PHASE_BUDGET, "budget.estimated",
          "{\"lease\":1,\"worst_case_micro\":1,\"scopes\":[{\"limit_micro\":5}]}", VH_STATE_FAILED, VH_PHASE_IDLE },
        { VH_PHASE_FREEZE, "change.frozen", "{\"lease\":1,\"verdict\":2}", VH_STATE_PENDING, VH_PHASE_SETTLE },
        { VH_PHASE_FREEZE, "change.frozen", "{\"lease\":1,\"tree\":\"T1\"}", VH_STATE_PENDING, VH_PHASE_SETTLE },
        { VH_PHASE_GATE_QA, "gate.answered", "{\"lease\":1,\"gate\":\"q\",\"tree\":\"T1\",\"outcome\":\"splendid\"}",
          VH_STATE_AWAITING, VH_PHASE_IDLE },
        { VH_PHASE_INTEGRATE, "integration.made", "{\"lease\":1}", VH_STATE_AWAITING, VH_PHASE_IDLE },
        { VH_PHASE_REVIEW, "review.made", "{\"lease\":1,\"score_permille\":1001}", VH_STATE_AWAITING, VH_PHASE_IDLE },
        { VH_PHASE_REVIEW, "review.made", "{\"lease\":1,\"score_permille\":-1}", VH_STATE_AWAITING, VH_PHASE_IDLE },
        { VH_PHASE_REVIEW, "review.made", "{\"lease\":1}", VH_STATE_AWAITING, VH_PHASE_IDLE },
        { VH_PHASE_REVIEW, "review.made", "{\"lease\":1,\"score_permille\":499}", VH_STATE_PENDING, VH_PHASE_SETTLE },
        { VH_PHASE_REVIEW, "review.made", "{\"lease\":1,\"score_permille\":500}", VH_STATE_E2E, VH_PHASE_PUBLISH },
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct life life;
        begin(&life);
        life_walk(&life, "t", odd[i].at);
        life_must(&life, odd[i].kind, "t", odd[i].json);
        struct vh_task task = life_task(&life, "t");
        if (task.state != (int64_t)odd[i].state || task.phase != (int64_t)odd[i].phase) {
            fail_msg("%s %s: %s/%s", odd[i].kind, odd[i].json, vh_task_state_name(task.state),
                     vh_task_phase_name(task.phase));
        }
        life_end(&life);
    }
}

static void
settle_if_held(struct life *life)
{
    if (life_task(life, "t").phase == VH_PHASE_SETTLE) {
        life_walk(life, "t", VH_PHASE_IDLE);
    }
}

/* Infrastructure fails for ever: bounded, each wait longer than the one before, no attempt used. */
static void
recoveries_are_bounded(void **state)
{
    (void)state;
    struct life life;
    begin(&life);
    int64_t last_wait = 0;
    for (int i = 1; i <= VIV_RECOVERIES_MAX; i++) {
        life_walk(&life, "t", VH_PHASE_EXECUTE);
        life_fail(&life, "t", "infrastructure");
        struct vh_task task = life_task(&life, "t");
        assert_int_equal(task.recoveries, i);
        int64_t wait = task.retry_at_us - life.time_us;
        assert_true(wait > last_wait && wait < 60000000);
        last_wait = wait;
        life.time_us = task.retry_at_us;
        settle_if_held(&life);
    }
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_fail(&life, "t", "infrastructure");
    struct vh_task task = life_task(&life, "t");
    assert_int_equal(task.state, VH_STATE_FAILED);
    assert_int_equal(task.attempt, 1);
    assert_true(vh_str_is(task.failure, "infrastructure: it broke"));
    life_end(&life);
}

/* Or a task whose publication was announced could end as failed with its result out. */
static void
an_announced_publication_ends_at_a_person(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    char json[160];
    struct vh_task task = life_task(&life, "t");
    snprintf(json, sizeof json,
             "{\"lease\":%lld,\"ordinal\":%lld,\"effect\":\"publish\",\"verdict\":2,\"digest\":\"p\",\"outside\":1}",
             (long long)task.lease, (long long)task.effects);
    life_must(&life, "effect.started", "t", json);
    for (int i = 0; life_task(&life, "t").state == VH_STATE_E2E; i++) {
        assert_true(i <= VIV_RECOVERIES_MAX);
        life_fail(&life, "t", "infrastructure");
        life.time_us += INT64_C(3600000000);
        if (life_task(&life, "t").state == VH_STATE_E2E) {
            life_must(&life, "task.claimed", "t", "{\"worker\":\"w\"}");
        }
    }
    task = life_task(&life, "t");
    assert_int_equal(task.state, VH_STATE_AWAITING);
    assert_true(vh_str_is(task.awaiting, "publication-unknown"));
    assert_int_equal(task.resume_phase, VH_PHASE_PUBLISH);
    /* Nor could it be cancelled, which promises that nothing is out. */
    assert_int_equal(life_say(&life, "cancel.requested", "t", "{}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 't' is perhaps published and cannot be cancelled now; approve it to have "
                                       "that looked at, and roll it back when it is ready");
    snprintf(json, sizeof json, "{\"digest\":\"%.*s\"}", VH_STR_ARGS(task.awaiting_digest));
    life_must(&life, "approval.given", "t", json);
    assert_int_equal(life_task(&life, "t").state, VH_STATE_E2E);
    assert_int_equal(life_say(&life, "cancel.requested", "t", "{}"), VIV_E_BUSY);
    life_end(&life);
}

/* A stage further, what failed before is behind the task. */
static void
recoveries_begin_anew_with_a_stage(void **state)
{
    (void)state;
    struct life life;
    begin(&life);
    life_walk(&life, "t", VH_PHASE_EXECUTE);
    life_fail(&life, "t", "infrastructure");
    assert_int_equal(life_task(&life, "t").recoveries, 1);
    life.time_us += INT64_C(3600000000);
    settle_if_held(&life);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    assert_int_equal(life_task(&life, "t").recoveries, 0);
    life_end(&life);
}

/* A task that kills its host does not do so for ever, in whatever phase. */
static void
lost_leases_are_bounded(void **state)
{
    (void)state;
    static const enum vh_phase phases[] = { VH_PHASE_EXECUTE, VH_PHASE_GATE_QA, VH_PHASE_PUBLISH, VH_PHASE_SETTLE,
                                            VH_PHASE_ROLLBACK };
    for (size_t p = 0; p < sizeof phases / sizeof *phases; p++) {
        struct life life;
        begin(&life);
        for (int i = 0; i <= VIV_RECOVERIES_MAX; i++) {
            if (p == 4 && i == 0) {
                walk_to(&life, VH_PHASE_ROLLBACK);
            } else {
                life_walk(&life, "t", phases[p]);
            }
            char json[64];
            snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)life_task(&life, "t").lease);
            life_must(&life, "lease.expired", "t", json);
        }
        struct vh_task task = life_task(&life, "t");
        assert_int_equal(task.leased, 0);
        assert_int_equal(task.held_micro, 0);
        assert_int_equal(task.phase, VH_PHASE_IDLE);
        assert_int_equal(task.state, p < 3 ? VH_STATE_FAILED : VH_STATE_READY);
        assert_int_equal(life_scope(&life, "home").reserved_micro, 0);
        assert_false(vh_state_claimable(&task));
        life_end(&life);
    }
}

static void
attempts_are_bounded(void **state)
{
    (void)state;
    struct life life;
    begin(&life);
    for (int attempt = 1; attempt <= 3; attempt++) {
        life_walk(&life, "t", VH_PHASE_GATE_QA);
        assert_int_equal(life_task(&life, "t").attempt, attempt);
        char json[128];
        snprintf(json, sizeof json,
                 "{\"lease\":%lld,\"gate\":\"q\",\"tree\":\"T1\",\"outcome\":\"failed\",\"findings\":[\"bad %d\"]}",
                 (long long)life_task(&life, "t").lease, attempt);
        life_must(&life, "gate.answered", "t", json);
        settle_if_held(&life);
    }
    struct vh_task task = life_task(&life, "t");
    assert_int_equal(task.state, VH_STATE_FAILED);
    assert_int_equal(task.attempt, 3);
    assert_true(vh_str_is(task.failure, "rejected, attempts are used up"));
    assert_true(vh_str_is(task.feedback, "[[\"bad 1\"],[\"bad 2\"],[\"bad 3\"]]"));
    life_must(&life, "retry.requested", "t", "{}");
    assert_int_equal(life_task(&life, "t").attempt, 4);
    assert_int_equal(life_task(&life, "t").attempts_max, 4);
    life_end(&life);
}

/* A rollback that the machine kept from ending is tried again by itself, a bounded number of times; then a person
 * asks. */
static void
a_rollback_is_tried_again(void **state)
{
    (void)state;
    struct life life;
    char json[128];
    int tries = 0;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_IDLE);
    life_must(&life, "rollback.requested", "t", "{}");
    assert_int_equal(life_say(&life, "rollback.requested", "t", "{}"), VIV_E_BUSY);
    assert_string_equal(life.err.text, "task 't' is being rolled back already");
    while (life_task(&life, "t").phase == VH_PHASE_ROLLBACK) {
        life.time_us += INT64_C(3600000000);
        life_must(&life, "task.claimed", "t", "{\"worker\":\"w\"}");
        assert_int_equal(life_ask(&life, "t").what, VH_PHASE_ROLLBACK);
        snprintf(json, sizeof json,
                 "{\"lease\":%lld,\"failure\":{\"class\":\"infrastructure\",\"text\":\"no disk\"}}",
                 (long long)life_task(&life, "t").lease);
        life_must(&life, "rollback.finished", "t", json);
        struct vh_task task = life_task(&life, "t");
        assert_int_equal(task.leased, 0);
        assert_int_equal(task.state, VH_STATE_READY);
        assert_true(task.phase == VH_PHASE_IDLE || task.retry_at_us > life.time_us);
        tries++;
    }
    assert_int_equal(tries, VIV_RECOVERIES_MAX + 1);
    life_must(&life, "rollback.requested", "t", "{}");
    assert_int_equal(life_task(&life, "t").recoveries, 0);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollback_is_tried_again),
        cmocka_unit_test(failures_end_where_the_table_says),
        cmocka_unit_test(no_phase_is_forgotten),
        cmocka_unit_test(answers_out_of_range),
        cmocka_unit_test(recoveries_are_bounded),
        cmocka_unit_test(an_announced_publication_ends_at_a_person),
        cmocka_unit_test(recoveries_begin_anew_with_a_stage),
        cmocka_unit_test(lost_leases_are_bounded),
        cmocka_unit_test(attempts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
