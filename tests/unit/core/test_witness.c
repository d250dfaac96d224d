/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the checker that every other test leans on has gone blind. Each invariant of
 * docs/durability.md is broken here in a log that is otherwise sound, and found by its name, at the
 * event that breaks it. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"

#define EVENTS_MAX 256

/* A sound log, as events that a case may alter. */
struct log {
    struct life life;
    struct vh_event event[EVENTS_MAX];
    size_t count;
};

static void
keep(void *data, struct viv_str line)
{
    struct log *log = data;
    assert_true(log->count < EVENTS_MAX);
    struct viv_str copy = {vh_arena_text_of(log->life.arena, line), line.len};
    assert_int_equal(vh_event_decode(log->life.arena, copy, &log->event[log->count++], NULL),
                     VIV_OK);
}

/* Two tasks, the second behind the first: gates, an effect, a rejection, a question, a publication,
 * money. */
static int
begin(void **state)
{
    static struct log log;
    struct life *life = &log.life;
    log.count = 0;
    life_begin(life);
    keep(&log, VH_STR("{\"actor\":{\"name\":\"tester\",\"pid\":1,\"role\":\"person\",\"uid\":1},"
                      "\"batch\":1,\"cause\":1,"
                      "\"data\":{\"epoch\":1,\"pid\":1},\"kind\":\"host.started\",\"seq\":1,"
                      "\"time_us\":1700000000000000,\"v\":1}"));
    life->line = keep;
    life->line_data = &log;
    life_must(life, "policy.loaded", "",
              "{\"gates\":{\"needs_qa\":[\"a\",\"b\"],\"e2e\":[\"c\"]}}");
    life_must(life, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":2}");
    life_must(life, "task.submitted", "u",
              "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[\"t\"]}");
    life_walk(life, "t", VH_PHASE_EXECUTE);
    life_must(life, "effect.started", "t",
              "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":2,\"digest\":\"d\"}");
    life_must(life, "effect.finished", "t",
              "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"digest\":\"d\"}");
    life_walk(life, "t", VH_PHASE_GATE_QA);
    life_must(life, "gate.answered", "t",
              "{\"lease\":1,\"gate\":\"a\",\"tree\":\"T1\",\"outcome\":\"failed\"}");
    life_walk(life, "t", VH_PHASE_IDLE);
    life_walk(life, "t", VH_PHASE_SAFETY);
    life_must(life, "safety.report", "t",
              "{\"lease\":2,\"verdict\":1,\"digest\":\"d\",\"reason\":\"risky\"}");
    life_must(life, "approval.given", "t", "{\"digest\":\"d\"}");
    life_walk(life, "t", VH_PHASE_IDLE);
    life_walk(life, "u", VH_PHASE_IDLE);
    *state = &log;
    return 0;
}

static int
end(void **state)
{
    life_end(&((struct log *)*state)->life);
    return 0;
}

/* The place of the n-th event of a kind about a task. */
static size_t
find(const struct log *log, const char *task, const char *kind, int which)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct vh_event *event = &log->event[i];
        if (vh_str_is(event->kind, kind) && vh_str_is(event->task, task) && which-- == 0) {
            return i;
        }
    }
    fail_msg("no '%s' of '%s'", kind, task);
    return 0;
}

static struct vh_json *
json(struct log *log, const char *text)
{
    struct vh_json *value = NULL;
    assert_int_equal(vh_json_import(log->life.arena, vh_str(text), &value, NULL), VIV_OK);
    return value;
}

/* Put an event before place `at`, with time, batch and actor as there. */
static void
insert(struct log *log, size_t at, const char *task, const char *kind, const char *data)
{
    struct vh_event event = log->event[at - 1];
    memmove(&log->event[at + 1], &log->event[at], (log->count - at) * sizeof *log->event);
    event.kind = vh_str(kind);
    event.task = vh_str(task);
    event.attempt = 0;
    event.data = json(log, data);
    log->event[at] = event;
    log->count++;
}

static void
drop(struct log *log, size_t at)
{
    memmove(&log->event[at], &log->event[at + 1], (log->count - at - 1) * sizeof *log->event);
    log->count--;
}

static void
number(struct log *log)
{
    int64_t input = 0;
    for (size_t i = 0; i < log->count; i++) {
        struct vh_event *event = &log->event[i];
        event->seq = (int64_t)i + 1;
        input = vh_event_kind_of(event->kind)->input ? event->seq : input;
        event->cause = input;
    }
}

/* What the witness says to the events as they are. */
static const char *
judge(struct log *log)
{
    struct invariants *all = invariants_create(log->life.arena);
    const char *text = "";
    for (size_t i = 0; i < log->count && !*text; i++) {
        text = invariants_line(all, vh_event_encode(log->life.arena, &log->event[i]), NULL);
    }
    return *text ? text : invariants_rest_all(all);
}

static void
says(const char *text, const char *name, size_t place, const char *what)
{
    char event[32];
    snprintf(event, sizeof event, "%s: event %zu ", name, place + 1);
    if (strncmp(text, event, strlen(event)) != 0 || !strstr(text, what)) {
        fail_msg("'%s' does not begin with '%s' or does not say '%s'", text, event, what);
    }
}

/* Numbers and causes put right, it is found at `place`. */
static void
found(struct log *log, const char *name, size_t place, const char *what)
{
    number(log);
    says(judge(log), name, place, what);
}

static void
a_sound_log_is_sound(void **state)
{
    struct log *log = *state;
    assert_string_equal(judge(log), "");
    number(log);
    assert_string_equal(judge(log), "");
}

static void
i2_order_and_chain(void **state)
{
    struct log *log = *state;
    struct vh_hash wrong = {{7}};
    struct invariants *all = invariants_create(log->life.arena);
    says(invariants_line(all, vh_event_encode(log->life.arena, &log->event[0]), &wrong), "I2", 0,
         "its hash does not follow from its bytes and the hash before");
    log->event[3].time_us--;
    says(judge(log), "I2", 3, "time 1699999999999999");
    log->event[3].time_us++;
    size_t at = find(log, "t", "task.pending", 0);
    log->event[at].cause--;
    says(judge(log), "I2", at, "it does not follow from the input event");
    log->event[at].cause++;
    log->event[at].seq++;
    says(judge(log), "I2", at + 1, "number 5");
}

static void
i3_rows_tell_what_the_events_told(void **state)
{
    struct log *log = *state;
    struct invariants *all = invariants_create(log->life.arena);
    size_t at = find(log, "t", "intent.captured", 0);
    for (size_t i = 0; i < at; i++) {
        assert_string_equal(
            invariants_line(all, vh_event_encode(log->life.arena, &log->event[i]), NULL), "");
    }
    struct vh_memory *memory = (struct vh_memory *)(uintptr_t)invariants_memory(all);
    struct vh_state_ops ops = vh_memory_state(memory);
    struct vh_task row;
    assert_int_equal(ops.get_task(ops.data, log->life.arena, VH_STR("t"), &row, NULL), VIV_OK);
    row.held_micro = 5;
    assert_int_equal(ops.put_task(ops.data, &row, NULL), VIV_OK);
    says(invariants_line(all, vh_event_encode(log->life.arena, &log->event[at]), NULL), "I3", at,
         "the row has held_micro 5, the events say 0");
}

static void
i4_one_valid_lease(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "plan.answered", 0);
    log->event[at].data = json(log, "{\"lease\":2}");
    found(log, "I4", at, "under lease 2, the last is 1 and valid");
    log->event[at].data = json(log, "{\"lease\":1}");
    insert(log, at, "t", "lease.expired", "{\"lease\":1}");
    found(log, "I4", at + 1, "under lease 1, the last is 1 and over");
    log->event[at].kind = VH_STR("task.claimed");
    log->event[at].data = json(log, "{\"lease\":2,\"epoch\":1,\"worker\":\"w\"}");
    found(log, "I4", at, "lease 2 of epoch 1, after lease 1, which is valid, in epoch 1");
}

static void
i4_an_epoch_ends_leases(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "plan.answered", 0);
    insert(log, at, "", "host.started", "{\"epoch\":2,\"pid\":1}");
    found(log, "I4", at + 1, "the last is 1 and over");
    log->event[at].data = json(log, "{\"epoch\":3,\"pid\":1}");
    found(log, "I4", at, "epoch 3 after 1");
}

static void
i5_moves_are_in_the_table(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.needs_qa", 0);
    log->event[at].data = json(log, "{\"from\":\"pending\",\"gates\":[\"a\",\"b\"]}");
    found(log, "I5", at, "from 'pending', it is running, to needs_qa is no move of the table");
}

static void
i5_an_end_is_left_by_a_person(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.ready", 0) + 1;
    insert(log, at, "t", "task.rolled_back", "{\"from\":\"ready\"}");
    found(log, "I5", at, "it had ended as ready and becomes rolled_back by 'publish.finished'");
}

static void
i6_gates_pass_the_tree_that_gets_ready(void **state)
{
    struct log *log = *state;
    size_t passed = find(log, "t", "gate.passed", 0);
    struct vh_json *good = log->event[passed].data;
    log->event[passed].data =
        json(log, "{\"by\":\"gate\",\"gate\":\"a\",\"stage\":\"needs_qa\",\"tree\":\"T9\"}");
    found(log, "I6", passed, "gate 'a' passed on tree 'T9', wanted: 'a' on 'T1'");
    log->event[passed].data = good;
    struct vh_json *answer = log->event[passed - 1].data;
    log->event[passed - 1].data =
        json(log, "{\"lease\":3,\"gate\":\"a\",\"tree\":\"T9\",\"outcome\":\"passed\"}");
    found(log, "I6", passed, "passed by 'gate' after 'gate.answered' of tree 'T9'");
    log->event[passed - 1].data = answer;
    drop(log, passed);
    found(log, "I6", passed + 1, "gate 'b' passed on tree 'T1', wanted: 'a' on 'T1'");
}

static void
i6_all_gates_and_that_commit(void **state)
{
    struct log *log = *state;
    size_t last = find(log, "t", "gate.passed", 2); /* of e2e */
    drop(log, last);
    found(log, "I6", find(log, "t", "publish.finished", 0), "published after 0 of 1 gates in e2e");
}

static void
i6_what_was_judged_is_published(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "publish.finished", 0);
    log->event[at].data = json(log, "{\"lease\":3,\"published\":\"C9\"}");
    found(log, "I6", at, "'C9' is published, the gates passed 'C2'");
    at = find(log, "t", "task.e2e", 0);
    log->event[at].data =
        json(log, "{\"from\":\"integration\",\"gates\":[],\"phase\":\"publish\"}");
    found(log, "I6", at, "gates [] are bound, the policy in force has [\"c\"]");
}

static void
i7_what_is_published_stays_with_a_ready_task(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.ready", 0);
    log->event[at].kind = VH_STR("task.failed");
    found(log, "I7", at, "it is published as 'C2' and becomes failed");
}

static void
i8_nothing_starts_before_what_it_depends_on(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "plan.answered", 0) + 1;
    insert(log, at, "u", "task.pending", "{\"from\":\"blocked\"}");
    insert(log, at + 1, "u", "task.claimed", "{\"lease\":1,\"epoch\":1,\"worker\":\"w\"}");
    insert(log, at + 2, "u", "task.running", "{\"from\":\"pending\",\"phase\":\"intake\"}");
    found(log, "I8", at + 2, "it starts while 't' is running");
    at = find(log, "u", "task.submitted", 0);
    log->event[at].data = json(log, "{\"goal\":\"g\",\"attempts_max\":1,\"depends\":[\"v\"]}");
    found(log, "I8", at, "it depends on 'v', which is not there yet");
}

static void
i9_money_is_settled_once_within_its_limit(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "budget.settled", 0);
    struct vh_event again = log->event[at];
    insert(log, at + 1, "t", "budget.settled", "{}");
    log->event[at + 1].data = again.data;
    found(log, "I9", at + 1, "7 settled of a hold of 100, the open one is 0");
    at = find(log, "t", "budget.held", 0);
    log->event[at].data =
        json(log, "{\"micro\":100,\"scopes\":[{\"limit_micro\":99,\"scope\":\"home\"}]}");
    found(log, "I9", at, "account 'home' has 0 settled and 100 reserved of 99");
}

static void
i9_no_end_leaves_a_hold(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.ready", 0);
    log->event[at].data = json(log, "{\"from\":\"e2e\",\"release\":1}");
    found(log, "I9", at, "it ends as ready and holds 100 for ever");
}

static void
i10_each_effect_happens_once(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "effect.finished", 0);
    struct vh_event started = log->event[at - 1], finished = log->event[at];
    insert(log, at + 1, "t", "effect.finished", "{}");
    log->event[at + 1].data = finished.data;
    found(log, "I10", at + 1, "an outcome of effect 0, which was not announced or has one");
    log->event[at + 1] = started;
    found(log, "I10", at + 1, "effect 0 is announced, the next is 1");
}

/* As it was when an effect's row was known by its attempt, which may announce effect 0 again. */
static void
i10_each_effect_has_a_row_of_its_own(void **state)
{
    struct log *log = *state;
    struct vh_memory *memory =
        (struct vh_memory *)(uintptr_t)invariants_memory(log->life.invariants);
    struct vh_state_ops ops = vh_memory_state(memory);
    assert_string_equal(invariants_effects(log->life.invariants), "");
    struct vh_effect_row other = {.task = VH_STR("t"), .round = 9, .state = VH_STR("started")};
    assert_int_equal(ops.put_effect(ops.data, &other, NULL), VIV_OK);
    assert_string_equal(invariants_effects(log->life.invariants),
                        "I10: 1 effects were announced, 2 have a row");
}

static void
i10_nothing_is_published_twice(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "publish.finished", 0);
    insert(log, at + 1, "t", "publish.finished", "{\"lease\":3,\"published\":\"C2\"}");
    found(log, "I10", at + 1, "published a second time, as 'C2'");
}

static void
i11_attempts_are_bounded(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.claimed", 1);
    log->event[at].attempt = 3;
    found(log, "I11", at, "attempt 3, it is attempt 2 of 2");
}

static void
i11_the_last_attempt_is_the_last(void **state)
{
    struct log *log = *state;
    size_t at = find(log, "t", "task.submitted", 0);
    log->event[at].data = json(log, "{\"goal\":\"g\",\"attempts_max\":1}");
    at = find(log, "t", "task.pending", 1);
    log->event[at].attempt = 1;
    found(log, "I11", at, "attempt 1 of 1 was rejected and it becomes pending");
}

static void
i12_somebody_moves_every_task(void **state)
{
    struct log *log = *state;
    log->event[find(log, "t", "task.asked", 0)].data = json(log, "{\"digest\":\"d\",\"why\":\"\"}");
    number(log);
    assert_string_equal(
        judge(log),
        "I12: task 't' is awaiting_approval, wants 'idle' and nobody will ever touch it again");
}

static void
i14_no_workspace_goes_before_its_tree_is_kept(void **state)
{
    struct log *log = *state;
    log->event[find(log, "t", "change.frozen", 0)].data = json(log, "{\"lease\":1,\"verdict\":2}");
    found(log, "I14", find(log, "t", "task.needs_qa", 0),
          "the workspace goes and no tree of it is kept");
}

static void
i15_a_key_has_one_answer(void **state)
{
    struct log *log = *state;
    log->event[find(log, "t", "task.submitted", 0)].key = VH_STR("k");
    log->event[find(log, "u", "task.submitted", 0)].key = VH_STR("k");
    found(log, "I15", find(log, "u", "task.submitted", 0), "key 'k' had its answer in event 3");
}

#define OF_LOG(function) cmocka_unit_test_setup_teardown(function, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        OF_LOG(a_sound_log_is_sound),
        OF_LOG(i2_order_and_chain),
        OF_LOG(i3_rows_tell_what_the_events_told),
        OF_LOG(i4_one_valid_lease),
        OF_LOG(i4_an_epoch_ends_leases),
        OF_LOG(i5_moves_are_in_the_table),
        OF_LOG(i5_an_end_is_left_by_a_person),
        OF_LOG(i6_gates_pass_the_tree_that_gets_ready),
        OF_LOG(i6_all_gates_and_that_commit),
        OF_LOG(i6_what_was_judged_is_published),
        OF_LOG(i7_what_is_published_stays_with_a_ready_task),
        OF_LOG(i8_nothing_starts_before_what_it_depends_on),
        OF_LOG(i9_money_is_settled_once_within_its_limit),
        OF_LOG(i9_no_end_leaves_a_hold),
        OF_LOG(i10_each_effect_happens_once),
        OF_LOG(i10_each_effect_has_a_row_of_its_own),
        OF_LOG(i10_nothing_is_published_twice),
        OF_LOG(i11_attempts_are_bounded),
        OF_LOG(i11_the_last_attempt_is_the_last),
        OF_LOG(i12_somebody_moves_every_task),
        OF_LOG(i14_no_workspace_goes_before_its_tree_is_kept),
        OF_LOG(i15_a_key_has_one_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
