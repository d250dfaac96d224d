/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a lack of memory decides something: a gate is skipped because the policy did not fit, a dependent is
 * forgotten, a row is half written. Every command of a task's life, with every allocation of it failing in turn: the
 * answer is 'no memory', the state is as before, and the same command then works as if nothing had been. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "../../support/life.h"
#include "base/str.h"
#include "core/fold.h"

#define POLICY \
    "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"c\"]}"

struct run {
    struct life life;
    int64_t failures; /* forced so far */
    int64_t commands;
};

/* The whole command: step, and its events as text, in the savepoint. */
static viv_status
try_once(struct life *life, struct vh_arena *arena, const struct vh_command *command, struct viv_str *ret_lines)
{
    struct vh_decision decision;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_step_place place = { life->time_us, life->seq + 1, 1 };
    viv_status status = vh_memory_mark(life->memory, &err);
    if (status) {
        return status;
    }
    status = vh_step(&life->state, arena, command, &place, &decision, &err);
    struct vh_buf lines;
    vh_buf_init(&lines, arena, 1u << 24);
    for (size_t i = 0; status == VIV_OK && i < decision.count; i++) {
        struct viv_str line = vh_event_encode(arena, &decision.events[i]);
        vh_buf_str(&lines, line);
        status = line.data && !lines.failed ? VIV_OK : VIV_E_MEMORY;
    }
    *ret_lines = vh_buf_view(&lines);
    return status;
}

static void
every_allocation_fails_once(struct run *run, const char *kind, const char *task, const char *json)
{
    struct life *life = &run->life;
    struct vh_json *data = NULL;
    struct vh_arena *words = vh_arena_create(NULL, 0);
    assert_int_equal(vh_json_import(words, vh_str(json), &data, NULL), VIV_OK);
    struct vh_command command = { .kind = vh_str(kind),
                                  .task = vh_str(task),
                                  .actor = { VH_STR("person"), VH_STR("tester"), 1, 1 },
                                  .data = data };
    struct viv_str lines, again;
    struct vh_arena *good = vh_arena_create(NULL, 0);
    viv_status first = try_once(life, good, &command, &lines);
    vh_memory_undo(life->memory);
    if (first) {
        fail_msg("%s of '%s' with %s is refused: %d", kind, task, json, (int)first);
    }
    struct viv_str before = life_dump(life);
    for (int64_t n = 1;; n++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        vh_arena_fail_at(n);
        viv_status status = try_once(life, arena, &command, &again);
        uint64_t asked = vh_arena_fail_at(0);
        if (life->memory) {
            vh_memory_undo(life->memory);
        }
        bool untouched = asked < (uint64_t)n;
        if (status == VIV_OK && !vh_str_equal(lines, again)) {
            fail_msg("%s %s: allocation %lld failed and something else was decided", kind, json, (long long)n);
        }
        if (status != VIV_OK && status != VIV_E_MEMORY) {
            fail_msg("%s %s: allocation %lld failed and the status is %d", kind, json, (long long)n, (int)status);
        }
        vh_arena_destroy(arena);
        if (untouched) {
            break;
        }
        run->failures++;
    }
    assert_true(vh_str_equal(before, life_dump(life)));
    vh_arena_destroy(good);
    vh_arena_destroy(words);
    life_must(life, kind, task, json);
    run->commands++;
}

static void
walk(struct run *run, const char *id, enum vh_phase phase)
{
    if (!life_task(&run->life, id).leased) {
        every_allocation_fails_once(run, "task.claimed", "", "{\"worker\":\"w\"}");
    }
    struct vh_ask ask = life_ask(&run->life, id);
    while (ask.what != phase && ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        life_good_answer(&ask, &kind, json, sizeof json);
        every_allocation_fails_once(run, kind, id, json);
        ask = life_ask(&run->life, id);
    }
}

#define SUBMIT "{\"goal\":\"g\",\"attempts_max\":2,\"spec\":{\"note\":\"kept\"},\"command\":{\"stages\":[]}}"

static void
no_memory_changes_nothing(void **state)
{
    (void)state;
    struct run run = { 0 };
    life_begin(&run.life);
    every_allocation_fails_once(&run, "home.created", "", "{\"home\":\"h\",\"seed\":\"s\"}");
    every_allocation_fails_once(&run, "policy.loaded", "", POLICY);
    every_allocation_fails_once(&run, "trust.changed", "", "{\"policy\":\"x\"}");
    every_allocation_fails_once(&run, "task.submitted", "a", SUBMIT);
    every_allocation_fails_once(&run, "task.submitted", "b", "{\"goal\":\"g\",\"attempts_max\":2,\"depends\":[\"a\"]}");
    walk(&run, "a", VH_PHASE_EXECUTE);
    every_allocation_fails_once(&run, "effect.started", "a",
                                "{\"lease\":1,\"ordinal\":0,\"effect\":\"e\",\"verdict\":2,\"digest\":\"d\"}");
    every_allocation_fails_once(&run, "effect.finished", "a",
                                "{\"lease\":1,\"ordinal\":0,\"effect\":\"e\",\"digest\":\"d\"}");
    every_allocation_fails_once(&run, "effect.started", "a", /* asks */
                                "{\"lease\":1,\"ordinal\":1,\"effect\":\"e\",\"verdict\":1,\"digest\":\"d2\"}");
    walk(&run, "a", VH_PHASE_IDLE);
    every_allocation_fails_once(&run, "approval.given", "a", "{\"digest\":\"d2\"}");
    walk(&run, "a", VH_PHASE_EXECUTE);
    every_allocation_fails_once(&run, "execute.finished", "a", "{\"lease\":2,\"reason\":\"no\"}"); /* rejected */
    walk(&run, "a", VH_PHASE_IDLE);
    walk(&run, "a", VH_PHASE_GATE_QA);
    every_allocation_fails_once(&run, "gate.answered", "a",
                                "{\"lease\":3,\"gate\":\"q\",\"tree\":\"T1\",\"outcome\":\"unsure\"}");
    every_allocation_fails_once(&run, "approval.given", "a", "{\"digest\":\"T1\"}");
    walk(&run, "a", VH_PHASE_IDLE); /* ready: frees b */
    assert_int_equal(life_task(&run.life, "b").state, VH_STATE_PENDING);
    every_allocation_fails_once(&run, "rollback.requested", "a", "{}");
    walk(&run, "a", VH_PHASE_IDLE);
    life_must(&run.life, "cancel.requested", "b", "{}");
    every_allocation_fails_once(&run, "task.submitted", "p", SUBMIT);
    every_allocation_fails_once(&run, "task.submitted", "c", "{\"goal\":\"g\",\"attempts_max\":2,\"depends\":[\"p\"]}");
    walk(&run, "p", VH_PHASE_PLAN);
    every_allocation_fails_once(&run, "plan.answered", "p",
                                "{\"lease\":1,\"steps\":[{\"id\":\"x\",\"goal\":\"g\"},"
                                "{\"id\":\"y\",\"goal\":\"g\",\"depends\":[\"x\"]}]}");
    every_allocation_fails_once(&run, "cancel.requested", "p.x", "{}"); /* p, p.y and c go with it */
    assert_int_equal(life_task(&run.life, "c").state, VH_STATE_FAILED);
    every_allocation_fails_once(&run, "retry.requested", "p", "{}");
    every_allocation_fails_once(&run, "retry.requested", "c", "{}");
    walk(&run, "p", VH_PHASE_PLAN);
    every_allocation_fails_once(&run, "plan.answered", "p",
                                "{\"lease\":2,\"failure\":{\"class\":\"infrastructure\",\"text\":\"down\"}}");
    every_allocation_fails_once(&run, "task.submitted", "d", SUBMIT);
    walk(&run, "d", VH_PHASE_SAFETY);
    every_allocation_fails_once(&run, "safety.report", "d", "{\"lease\":1,\"verdict\":0,\"reason\":\"no\"}");
    every_allocation_fails_once(&run, "task.submitted", "e", SUBMIT);
    walk(&run, "e", VH_PHASE_EXECUTE);
    every_allocation_fails_once(&run, "lease.expired", "e", "{\"lease\":1}");
    walk(&run, "e", VH_PHASE_REVIEW);
    every_allocation_fails_once(&run, "review.made", "e", "{\"lease\":2,\"score_permille\":9,\"findings\":[\"f\"]}");
    printf("%lld allocations failed in %lld commands\n", (long long)run.failures, (long long)run.commands);
    life_end(&run.life);
}

/* A row that is read back from text cannot come out changed when memory is short. */
static void
decoding_is_whole_or_nothing(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    life_walk(&life, "t", VH_PHASE_PUBLISH);
    struct vh_task task = life_task(&life, "t");
    struct viv_str text = vh_task_encode(life.arena, &task);
    for (int64_t n = 1;; n++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_task back;
        vh_arena_fail_at(n);
        viv_status status = vh_task_decode(arena, text, &back, NULL);
        vh_arena_fail_at(0);
        if (status == VIV_OK) {
            assert_true(vh_str_equal(text, vh_task_encode(arena, &back)));
        } else {
            assert_int_equal(status, VIV_E_MEMORY);
        }
        vh_arena_destroy(arena);
        if (status == VIV_OK) {
            break;
        }
    }
    struct vh_task odd;
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_task_decode(life.arena, VH_STR("{\"id\":\"t\",\"state\":\"splendid\"}"), &odd, &err),
                     VIV_E_CORRUPT);
    assert_string_equal(err.text, "task row has 'splendid' as its state, which is none of ours");
    assert_int_equal(vh_task_decode(life.arena, VH_STR("{\"id\":5}"), &odd, &err), VIV_E_CORRUPT);
    assert_int_equal(vh_task_decode(life.arena, VH_STR("{\"hue\":\"red\"}"), &odd, &err), VIV_E_CORRUPT);
    assert_string_equal(err.text, "task row has an unknown or mistyped member 'hue'");
    assert_int_equal(vh_task_decode(life.arena, VH_STR("[]"), &odd, &err), VIV_E_CORRUPT);
    life_end(&life);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(decoding_is_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
