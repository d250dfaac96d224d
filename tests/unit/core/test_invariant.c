/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a mistake in the core is committed and told to people as the truth. Each of the
 * invariants that the core asserts in production is broken here on purpose, by rows and events as a
 * wrong handler would leave them. */
#include "../../support/cm.h"

#include <string.h>

#include "../../support/life.h"
#include "base/str.h"
#include "core/invariant.h"
#include <viv/limits.h>

/* A row that stands well: in e2e, every gate passed, held by lease 3 of epoch 1. */
static const struct vh_task good = {
    .id = {"t", 1},
    .number = 1,
    .attempt = 2,
    .attempts_max = 3,
    .state = VH_STATE_E2E,
    .phase = VH_PHASE_PUBLISH,
    .lease = 3,
    .leased = 1,
    .epoch = 1,
    .tree = {"T1", 2},
    .merged_tree = {"T2", 2},
    .merged_commit = {"C2", 2},
    .stage_gates = {"[\"a\",\"b\"]", 9},
    .gate_index = 2,
    .held_micro = 100,
};

static void
row(struct life *life, const struct vh_task *task)
{
    assert_int_equal(life->state.put_task(life->state.data, task, NULL), VIV_OK);
}

/* Look at one event between two rows; "" when it may be. */
static const char *
look(struct life *life, const struct vh_task *before, const struct vh_task *after, const char *kind,
     const char *json)
{
    static struct viv_error err;
    struct vh_json *data = NULL;
    assert_int_equal(vh_json_import(life->arena, vh_str(json), &data, NULL), VIV_OK);
    struct vh_event event = {
        .seq = 9, .cause = 9, .kind = vh_str(kind), .task = before->id, .data = data};
    struct vh_invariant now = {&life->state, life->arena, before, &event, after, &err};
    err = (struct viv_error)VIV_ERROR_INIT;
    viv_status status = vh_invariant_event(&now);
    assert_int_equal(status, *err.text ? VIV_E_INTERNAL : VIV_OK);
    return err.text;
}

static void
says(const char *text, const char *invariant, const char *what)
{
    if (!strstr(text, invariant) || !strstr(text, what)) {
        fail_msg("'%s' does not say '%s' and '%s'", text, invariant, what);
    }
}

static void
i4_one_valid_lease(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task idle = good, taken = good;
    idle.leased = 0;
    taken.lease = 4;
    assert_string_equal(look(&life, &idle, &taken, "task.claimed", "{}"), "");
    says(look(&life, &good, &taken, "task.claimed", "{}"), "invariant I4",
         "lease 4 after lease 3, which is valid");
    taken.lease = 5;
    says(look(&life, &idle, &taken, "task.claimed", "{}"), "invariant I4",
         "lease 5 after lease 3, which is over");
    taken.lease = 4;
    taken.epoch = 2;
    says(look(&life, &idle, &taken, "task.claimed", "{}"), "invariant I4",
         "lease 4 is of epoch 2, the host's is 1");
    assert_string_equal(look(&life, &good, &good, "review.made", "{\"lease\":3}"), "");
    says(look(&life, &good, &good, "review.made", "{\"lease\":2}"), "invariant I4",
         "said under lease 2, the last is 3 and valid");
    says(look(&life, &idle, &idle, "review.made", "{\"lease\":3}"), "invariant I4",
         "the last is 3 and over");
    idle = good;
    idle.epoch = 2;
    says(look(&life, &idle, &idle, "review.made", "{\"lease\":3}"), "invariant I4",
         "lease 3 is of epoch 2");
    assert_string_equal(look(&life, &idle, &idle, "lease.expired", "{\"lease\":3}"), "");
    taken.epoch = 1;
    says(look(&life, &good, &taken, "task.phase", "{}"), "invariant I4",
         "lease 3 becomes 4 without a claim");
    life_end(&life);
}

static void
i5_moves_are_in_the_table(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task after = good;
    after.state = VH_STATE_INTEGRATION;
    assert_string_equal(look(&life, &good, &after, "task.integration", "{\"from\":\"e2e\"}"), "");
    says(look(&life, &good, &after, "task.integration", "{\"from\":\"needs_qa\"}"), "invariant I5",
         "from 'needs_qa', it is e2e, to integration is no row of the table");
    after.state = VH_STATE_RUNNING;
    says(look(&life, &good, &after, "task.running", "{\"from\":\"e2e\"}"), "invariant I5",
         "to running is no row");
    says(look(&life, &good, &after, "task.phase", "{}"), "invariant I5",
         "e2e becomes running without a move");
    life_end(&life);
}

static void
i6_ready_stands_behind_every_gate(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task before = good, after = good;
    before.published = after.published = VH_STR("C2");
    after.state = VH_STATE_READY;
    assert_string_equal(look(&life, &before, &after, "task.ready", "{\"from\":\"e2e\"}"), "");
    before.gate_index = 1;
    says(look(&life, &before, &after, "task.ready", "{\"from\":\"e2e\"}"), "invariant I6",
         "e2e is left after 1 of 2 gates");
    before.gate_index = 2;
    before.published = VH_STR("C9");
    says(look(&life, &before, &after, "task.ready", "{\"from\":\"e2e\"}"), "invariant I6",
         "'C9' is published, 'C2' was judged");
    before = good;
    before.phase = VH_PHASE_GATE_E2E;
    before.gate_index = 1;
    after = before;
    after.phase = VH_PHASE_PUBLISH;
    says(look(&life, &before, &after, "task.phase", "{}"), "invariant I6",
         "e2e is left after 1 of 2 gates");
    life_end(&life);
}

static void
i6_a_gate_passes_the_tree_it_saw(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task task = good;
    static const char passed[] =
        "{\"by\":\"gate\",\"gate\":\"a\",\"stage\":\"e2e\",\"tree\":\"T2\"}";
    task.gates =
        VH_STR("[{\"gate\":\"a\",\"outcome\":\"passed\",\"stage\":\"e2e\",\"tree\":\"T2\"}]");
    assert_string_equal(look(&life, &task, &task, "gate.passed", passed), "");
    says(look(&life, &task, &task, "gate.passed",
              "{\"gate\":\"a\",\"stage\":\"e2e\",\"tree\":\"T1\"}"),
         "invariant I6", "passed on tree 'T1', the tree of e2e is 'T2'");
    says(look(&life, &task, &task, "gate.passed",
              "{\"gate\":\"a\",\"stage\":\"needs_qa\",\"tree\":\"T2\"}"),
         "invariant I6", "the tree of e2e");
    task.gates =
        VH_STR("[{\"gate\":\"a\",\"outcome\":\"passed\",\"stage\":\"e2e\",\"tree\":\"T1\"}]");
    says(look(&life, &task, &task, "gate.passed", passed), "invariant I6",
         "the gate said 'passed' of tree 'T1', to be judged was 'T2'");
    task.gates =
        VH_STR("[{\"gate\":\"a\",\"outcome\":\"failed\",\"stage\":\"e2e\",\"tree\":\"T2\"}]");
    says(look(&life, &task, &task, "gate.passed", passed), "invariant I6",
         "the gate said 'failed'");
    life_end(&life);
}

static void
i7_what_is_published_belongs_to_a_ready_task(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task before = good, after = good;
    after.state = VH_STATE_FAILED;
    assert_string_equal(look(&life, &before, &after, "task.failed", "{\"from\":\"e2e\"}"), "");
    before.published = VH_STR("C2");
    says(look(&life, &before, &after, "task.failed", "{\"from\":\"e2e\"}"), "invariant I7",
         "'C2' is published already and would belong to a task that is failed");
    struct vh_effect_row effect = {.task = good.id,
                                   .kind = VH_STR("publish"),
                                   .digest = VH_STR("C2"),
                                   .state = VH_STR("started")};
    before = good;
    before.effects = 1;
    after.state = VH_STATE_CANCELLED;
    assert_string_equal(look(&life, &before, &after, "task.cancelled", "{\"from\":\"e2e\"}"), "");
    assert_int_equal(life.state.put_effect(life.state.data, &effect, NULL), VIV_OK);
    says(look(&life, &before, &after, "task.cancelled", "{\"from\":\"e2e\"}"), "invariant I7",
         "its publication of 'C2' is under way");
    life_end(&life);
}

static void
i8_nothing_starts_before_what_it_depends_on(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task before = good, after = good,
                   other = {.id = VH_STR("other"), .state = VH_STATE_READY};
    before.state = VH_STATE_PENDING;
    after.state = VH_STATE_RUNNING;
    before.number = after.number = 2;
    other.number = 1;
    row(&life, &other);
    assert_int_equal(life.state.put_edge(life.state.data, good.id, other.id, NULL), VIV_OK);
    assert_string_equal(look(&life, &before, &after, "task.running", "{\"from\":\"pending\"}"), "");
    other.state = VH_STATE_RUNNING;
    row(&life, &other);
    says(look(&life, &before, &after, "task.running", "{\"from\":\"pending\"}"), "invariant I8",
         "it depends on 'other', which is running");
    life_end(&life);
}

static void
i9_money_stays_within_its_limit(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task none = good;
    struct vh_scope scope = {VH_STR("home"), 1000, 800, 200};
    static const char json[] =
        "{\"micro\":100,\"scopes\":[{\"limit_micro\":1000,\"scope\":\"home\"}]}";
    none.held_micro = 0;
    assert_int_equal(life.state.put_scope(life.state.data, &scope, NULL), VIV_OK);
    assert_string_equal(look(&life, &none, &good, "budget.held", json), "");
    says(look(&life, &good, &good, "budget.held", json), "invariant I9",
         "100 beside a hold of 100");
    says(look(&life, &good, &none, "budget.settled", "{\"micro\":101,\"scopes\":[]}"),
         "invariant I9", "101 beside a hold of 100");
    says(look(&life, &none, &none, "budget.settled", "{\"micro\":0,\"scopes\":[]}"), "invariant I9",
         "0 beside a hold of 0");
    says(look(&life, &good, &none, "budget.settled", "{\"micro\":-1,\"scopes\":[]}"),
         "invariant I9", "-1 beside");
    says(look(&life, &good, &none, "task.phase", "{}"), "invariant I9", "a hold of 100 becomes 0");
    scope.reserved_micro = 201;
    assert_int_equal(life.state.put_scope(life.state.data, &scope, NULL), VIV_OK);
    says(look(&life, &none, &good, "budget.held", json), "invariant I9",
         "account 'home' would have 800 settled and 201 reserved of 1000");
    says(look(&life, &good, &none, "budget.settled", "{\"micro\":1,\"scopes\":[\"home\"]}"),
         "invariant I9", "201 reserved");
    life_end(&life);
}

static const char *
look_before(struct life *life, const char *kind, const char *json)
{
    static struct viv_error err;
    struct vh_json *data = NULL;
    assert_int_equal(vh_json_import(life->arena, vh_str(json), &data, NULL), VIV_OK);
    struct vh_event event = {
        .seq = 9, .cause = 9, .kind = vh_str(kind), .task = good.id, .data = data};
    struct vh_invariant now = {&life->state, life->arena, &good, &event, NULL, &err};
    err = (struct viv_error)VIV_ERROR_INIT;
    viv_status status = vh_invariant_effect(&now);
    assert_int_equal(status, *err.text ? VIV_E_INTERNAL : VIV_OK);
    return err.text;
}

static void
i10_each_effect_happens_once(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_effect_row effect = {
        .task = good.id, .kind = VH_STR("exec"), .state = VH_STR("started")};
    assert_string_equal(look_before(&life, "effect.started", "{\"ordinal\":0}"), "");
    says(look_before(&life, "effect.finished", "{\"ordinal\":0}"), "invariant I10",
         "effect 0 of round 0 is unknown");
    assert_int_equal(life.state.put_effect(life.state.data, &effect, NULL), VIV_OK);
    assert_string_equal(look_before(&life, "effect.finished", "{\"ordinal\":0}"), "");
    says(look_before(&life, "effect.asked", "{\"ordinal\":0}"), "invariant I10",
         "effect 0 of round 0 is started");
    effect.state = VH_STR("finished");
    assert_int_equal(life.state.put_effect(life.state.data, &effect, NULL), VIV_OK);
    says(look_before(&life, "effect.finished", "{\"ordinal\":0}"), "invariant I10",
         "effect 0 of round 0 is finished");
    life_end(&life);
}

static void
i11_attempts_are_bounded(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    struct vh_task after = good;
    after.attempt = 3;
    assert_string_equal(look(&life, &good, &after, "task.rejected", "{}"), "");
    after.attempt = 4;
    says(look(&life, &good, &after, "task.rejected", "{}"), "invariant I11",
         "attempt 4 after 2, allowed 3");
    after.attempt = 1;
    says(look(&life, &good, &after, "task.rejected", "{}"), "invariant I11", "attempt 1 after 2");
    after.attempt = 2;
    after.recoveries = VIV_RECOVERIES_MAX + 2;
    says(look(&life, &good, &after, "lease.expired", "{\"lease\":3}"), "invariant I11",
         "recovery 7, allowed 6");
    after.recoveries = VIV_RECOVERIES_MAX + 1;
    assert_string_equal(look(&life, &good, &after, "lease.expired", "{\"lease\":3}"), "");
    says(look(&life, &good, &after, "task.delayed", "{}"), "invariant I11",
         "recovery 6, allowed 5");
    life_end(&life);
}

static void
rest_says(struct vh_task task, const char *what)
{
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_invariant_rest(&task, &err);
    assert_int_equal(status, *what ? VIV_E_INTERNAL : VIV_OK);
    says(err.text, *what ? "invariant I12" : "", what);
}

static void
i12_somebody_moves_every_task(void **state)
{
    (void)state;
    struct vh_task task = good;
    rest_says(task, "");
    task.leased = 0;
    rest_says(task, "");
    task.phase = VH_PHASE_IDLE;
    rest_says(task, "it is e2e, wants 'idle', holds 100 and nobody would move it");
    task.state = VH_STATE_AWAITING;
    rest_says(task, "it is awaiting_approval");
    task.awaiting = VH_STR("safety");
    rest_says(task, "");
    task.state = VH_STATE_READY;
    rest_says(task, "it is ready, wants 'idle', holds 100");
    task.held_micro = 0;
    rest_says(task, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i4_one_valid_lease),
        cmocka_unit_test(i5_moves_are_in_the_table),
        cmocka_unit_test(i6_ready_stands_behind_every_gate),
        cmocka_unit_test(i6_a_gate_passes_the_tree_it_saw),
        cmocka_unit_test(i7_what_is_published_belongs_to_a_ready_task),
        cmocka_unit_test(i8_nothing_starts_before_what_it_depends_on),
        cmocka_unit_test(i9_money_stays_within_its_limit),
        cmocka_unit_test(i10_each_effect_happens_once),
        cmocka_unit_test(i11_attempts_are_bounded),
        cmocka_unit_test(i12_somebody_moves_every_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
