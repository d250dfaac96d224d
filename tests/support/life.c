/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "life.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define DUMP_MAX ((size_t)1 << 30)

void
life_begin(struct life *life)
{
    *life = (struct life){ .arena = vh_arena_create(NULL, 0), .time_us = INT64_C(1700000000000000) };
    life->memory = vh_memory_create(life->arena);
    assert_non_null(life->memory);
    life->state = vh_memory_state(life->memory);
    life->invariants = invariants_create(life->arena);
    life_must(life, "host.started", "", "{\"epoch\":1,\"pid\":1}");
}

void
life_end(struct life *life)
{
    vh_arena_destroy(life->arena);
}

struct viv_str
life_dump(struct life *life)
{
    struct vh_buf buf;
    vh_buf_init(&buf, life->arena, DUMP_MAX);
    vh_memory_dump(life->memory, &buf);
    assert_false(buf.failed);
    return vh_buf_view(&buf);
}

static void
hold(struct life *life, const char *text)
{
    if (*text && life->broken) {
        life->broken(life->line_data, text);
    }
    assert_string_equal(text, "");
}

/* One event through its text and back; the text must be the same, and tell the same event. */
static void
round_trip(struct life *life, struct vh_arena *arena, const struct vh_event *event)
{
    struct vh_event back;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str line = vh_event_encode(arena, event);
    assert_non_null(line.data);
    if (vh_event_decode(arena, line, &back, &err)) {
        fail_msg("%s in %.*s", err.text, VH_STR_ARGS(line));
    }
    struct viv_str again = vh_event_encode(arena, &back);
    assert_true(vh_str_equal(line, again));
    assert_int_equal(back.seq, ++life->seq);
    if (life->line) {
        life->line(life->line_data, line);
    }
    if (life->invariants) {
        hold(life, invariants_line(life->invariants, line, NULL));
    }
    size_t used = strlen(life->kinds);
    snprintf(life->kinds + used, sizeof life->kinds - used, "%.*s ", VH_STR_ARGS(event->kind));
}

viv_status
life_step(struct life *life, const struct vh_command *command)
{
    struct vh_decision decision;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    life->err = (struct viv_error)VIV_ERROR_INIT;
    life->kinds[0] = '\0';
    assert_int_equal(vh_memory_mark(life->memory, NULL), VIV_OK);
    struct vh_step_place place = { life->time_us, life->seq + 1, 1 };
    viv_status status = vh_step(&life->state, arena, command, &place, &decision, &life->err);
    if (status == VIV_OK) {
        vh_memory_keep(life->memory);
        assert_true(decision.count > 0);
        for (size_t i = 0; i < decision.count; i++) {
            round_trip(life, arena, &decision.events[i]);
        }
        if (life->invariants) {
            hold(life, invariants_rest(life->invariants));
        }
    } else {
        vh_memory_undo(life->memory);
        assert_int_equal(life->err.status, status);
        assert_true(strlen(life->err.text) > 5);
    }
    vh_arena_destroy(arena);
    return status;
}

viv_status
life_say(struct life *life, const char *kind, const char *task, const char *json)
{
    struct vh_json *data = NULL;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_json_import(arena, vh_str(json), &data, &err)) {
        fail_msg("%s: %s", err.text, json);
    }
    struct vh_command command = { .kind = vh_str(kind),
                                  .task = vh_str(task),
                                  .actor = { VH_STR("person"), VH_STR("tester"), 1, 1 },
                                  .data = data };
    viv_status status = life_step(life, &command);
    vh_arena_destroy(arena);
    return status;
}

void
life_must(struct life *life, const char *kind, const char *task, const char *json)
{
    viv_status status = life_say(life, kind, task, json);
    if (status) {
        fail_msg("%s of '%s' with %s: %s", kind, task, json, life->err.text);
    }
}

struct vh_task
life_task(struct life *life, const char *id)
{
    struct vh_task task;
    struct viv_error err = VIV_ERROR_INIT;
    if (life->state.get_task(life->state.data, life->arena, vh_str(id), &task, &err)) {
        fail_msg("task '%s': %s", id, err.text);
    }
    struct viv_str text = vh_task_encode(life->arena, &task);
    struct vh_task back;
    assert_int_equal(vh_task_decode(life->arena, text, &back, NULL), VIV_OK);
    assert_true(vh_str_equal(text, vh_task_encode(life->arena, &back)));
    return task;
}

struct vh_scope
life_scope(struct life *life, const char *name)
{
    struct vh_scope scope = { 0 };
    (void)life->state.get_scope(life->state.data, life->arena, vh_str(name), &scope, NULL); /* unknown stays 0 */
    return scope;
}

struct vh_ask
life_ask(struct life *life, const char *id)
{
    struct vh_ask ask;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_ask_next(&life->state, life->arena, vh_str(id), &ask, &err)) {
        fail_msg("ask of '%s': %s", id, err.text);
    }
    return ask;
}

static const struct answer {
    const char *kind;
    const char *rest; /* NULL for what names what it was asked */
} answers[VH_PHASE_COUNT] = {
    [VH_PHASE_INTAKE] = { "intent.captured", ",\"intent\":{\"goal\":\"g\"}" },
    [VH_PHASE_PLAN] = { "plan.answered", "" },
    [VH_PHASE_SAFETY] = { "safety.report", ",\"verdict\":2,\"capability\":{\"write\":[\"\"]}" },
    [VH_PHASE_BUDGET] = { "budget.estimated",
                          ",\"worst_case_micro\":100,\"scopes\":[{\"scope\":\"home\",\"limit_micro\":1000000}]" },
    [VH_PHASE_ROUTE] = { "route.chosen", ",\"route\":\"executor\"" },
    [VH_PHASE_BASE] = { "base.captured", ",\"tree\":\"T0\",\"commit\":\"C0\",\"base\":{}" },
    [VH_PHASE_EXECUTE] = { "execute.finished", ",\"done\":1,\"result\":{\"summary\":\"done\"}" },
    [VH_PHASE_FREEZE] = { "change.frozen", ",\"verdict\":2,\"tree\":\"T1\",\"commit\":\"C1\",\"change\":\"x\"" },
    [VH_PHASE_GATE_QA] = { "gate.answered", NULL },
    [VH_PHASE_INTEGRATE] = { "integration.made", ",\"tree\":\"T2\",\"commit\":\"C2\",\"line_tip\":\"C0\"" },
    [VH_PHASE_GATE_INTEGRATION] = { "gate.answered", NULL },
    [VH_PHASE_GATE_E2E] = { "gate.answered", NULL },
    [VH_PHASE_REVIEW] = { "review.made", ",\"score_permille\":900" },
    [VH_PHASE_PUBLISH] = { "publish.finished", NULL },
    [VH_PHASE_SETTLE] = { "settle.priced", ",\"cost_micro\":7" },
    [VH_PHASE_ROLLBACK] = { "rollback.finished", ",\"commit\":\"C3\"" },
};

void
life_good_answer(const struct vh_ask *ask, const char **ret_kind, char *ret_json, size_t size)
{
    const struct answer *answer = &answers[ask->what];
    *ret_kind = answer->kind;
    assert_non_null(answer->kind);
    if (answer->rest) {
        snprintf(ret_json, size, "{\"lease\":%lld%s}", (long long)ask->task.lease, answer->rest);
        return;
    }
    if (ask->what == VH_PHASE_PUBLISH) {
        snprintf(ret_json, size, "{\"lease\":%lld,\"published\":\"%.*s\"}", (long long)ask->task.lease,
                 VH_STR_ARGS(ask->task.merged_commit));
        return;
    }
    snprintf(ret_json, size, "{\"lease\":%lld,\"gate\":\"%.*s\",\"stage\":\"%s\",\"outcome\":\"passed\","
                             "\"tree\":\"%.*s\"}",
             (long long)ask->task.lease, VH_STR_ARGS(ask->gate), vh_task_state_name(ask->task.state),
             VH_STR_ARGS(ask->tree));
}

void
life_walk(struct life *life, const char *id, enum vh_phase phase)
{
    struct vh_task there;
    if (life->state.get_task(life->state.data, life->arena, vh_str(id), &there, NULL)) {
        life_must(life, "task.submitted", id, "{\"goal\":\"g\",\"attempts_max\":3}");
    }
    if (!life_task(life, id).leased) {
        life_must(life, "task.claimed", id, "{\"worker\":\"w\"}");
    }
    struct vh_ask ask = life_ask(life, id);
    while (ask.what != phase && ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        life_good_answer(&ask, &kind, json, sizeof json);
        life_must(life, kind, id, json);
        ask = life_ask(life, id);
    }
    assert_int_equal(ask.what, phase);
}

void
life_fail(struct life *life, const char *id, const char *class)
{
    struct vh_ask ask = life_ask(life, id);
    char json[512];
    snprintf(json, sizeof json,
             "{\"lease\":%lld,\"gate\":\"%.*s\",\"tree\":\"%.*s\",\"digest\":\"d\",\"intent\":{\"goal\":\"g\"},"
             "\"failure\":{\"class\":\"%s\",\"text\":\"it broke\"}}",
             (long long)ask.task.lease, VH_STR_ARGS(ask.gate), VH_STR_ARGS(ask.tree), class);
    life_must(life, answers[ask.what].kind, id, json);
}
