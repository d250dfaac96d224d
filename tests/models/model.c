/* SPDX-License-Identifier: Apache-2.0 */
/* How it begins, what workers claim and answer. Every step of the model is one command, or one thing that happens
 * outside of the host. Read next: model_effect.c, model_people.c. */
#include "model_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Recorded times: the core only compares them, in a claim. All that waits has waited long enough when it is claimed. */
#define NOW_US INT64_C(1700000000000000)
#define LATER_US (NOW_US + INT64_C(1000000000000))

struct model_config model_config;
const char *model_ids[MODEL_TASKS_MAX];

bool
model_may(const struct model *m, int kind)
{
    return m->trouble > 0 && (model_config.kinds & kind) != 0;
}

bool
model_give(struct model *m, const char *kind, const char *task, const char *json, viv_status *ret_status)
{
    int before = m->view;
    const struct view_result *result = view_step(before, kind, task, json);
    viv_status status = result->status;
    bool expected = status == VIV_E_STATE || status == VIV_E_FENCED || status == VIV_E_BUSY;
    model_trace("%s %s %s -> %s", kind, task, json, status ? view_text_of(result->text) : "taken");
    if (status == VIV_OK) {
        m->view = result->view;
        model_check_step(m, kind, task, before, result);
    } else if (!ret_status || !expected) {
        model_break(m, "%s of %s is refused: %s", kind, task, view_text_of(result->text));
    }
    if (ret_status) {
        *ret_status = status;
    }
    return status == VIV_OK;
}

/* What a worker is told after each answer, and asks for when one was refused. */
static void
look(struct model *m, int worker)
{
    struct model_worker *w = &m->worker[worker];
    int task = w->task - 1;
    struct vh_ask ask = view_ask(m->view, model_ids[task]);
    if (ask.task.lease != w->lease || !ask.task.leased || ask.what == VH_PHASE_IDLE) {
        *w = (struct model_worker){ 0 };
        return;
    }
    char text[128];
    *w = (struct model_worker){ .task = w->task,
                                .phase = (uint8_t)ask.what,
                                .gate = ask.gate.len ? ask.gate.data[0] : 0,
                                .lease = w->lease,
                                .ordinal = (uint16_t)ask.task.effects };
    snprintf(text, sizeof text, "%.*s", VH_STR_ARGS(ask.tree));
    w->tree = view_text(text);
    snprintf(text, sizeof text, "%.*s", VH_STR_ARGS(ask.what == VH_PHASE_ROLLBACK ? ask.task.published
                                                                                 : ask.task.merged_commit));
    w->merged = view_text(text);
    snprintf(text, sizeof text, "%.*s", VH_STR_ARGS(ask.task.line_tip));
    w->tip = view_text(text);
}

/* Whoever was released by the core has nothing left to say. */
static void
update_holders(struct model *m)
{
    for (int i = 0; i < model_config.tasks; i++) {
        const struct vh_task *row = model_task(m, i);
        if (!row || !row->leased) {
            m->fate[i].holder = 0;
        }
    }
}

void
model_settle(struct model *m)
{
    update_holders(m);
    if (!m->broken) {
        model_check_state(m);
    }
}

bool
model_speak(struct model *m, int worker, const char *kind, const char *json)
{
    struct model_worker *w = &m->worker[worker];
    int task = w->task - 1;
    bool holds = m->fate[task].holder == worker + 1;
    viv_status status = VIV_OK;
    struct model_worker was = *w;
    bool taken = model_give(m, kind, model_ids[task], json, &status);
    if (taken && !holds) {
        model_break(m, "%s of %s is taken under lease %d, which is over", kind, model_ids[task], w->lease);
    }
    look(m, worker);
    if (!taken && memcmp(&was, w, sizeof was) == 0) {
        *w = (struct model_worker){ 0 }; /* of another epoch: it would say the same again */
    }
    return taken;
}

void
model_begin(struct model *m, int tasks, int shape, int trouble, int kinds, int limit)
{
    static const char *const alone[] = { "a", "b", "c" };
    static const char *const planned[] = { "a", "a.b", "a.c" };
    model_config = (struct model_config){ tasks, (enum model_shape)shape, trouble, kinds, 3, limit };
    for (int i = 0; i < tasks; i++) {
        model_ids[i] = shape == MODEL_PLANNED ? planned[i] : alone[i];
    }
    view_times(NOW_US, LATER_US);
    *m = (struct model){ .trouble = (uint8_t)trouble, .epoch = 1, .line = view_text("o") };
    model_give(m, "host.started", "", "{\"epoch\":1,\"pid\":1}", NULL);
    model_give(m, "policy.loaded", "",
               "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\",\"f\"]},\"critics\":[\"k\"]}",
               NULL);
    for (int i = 0; i < tasks && (shape != MODEL_PLANNED || i == 0); i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"goal\":\"g\",\"attempts_max\":%d,\"depends\":[%s%s%s]}", model_config.attempts,
                 shape == MODEL_CHAIN && i ? "\"" : "", shape == MODEL_CHAIN && i ? model_ids[i - 1] : "",
                 shape == MODEL_CHAIN && i ? "\"" : "");
        model_give(m, "task.submitted", model_ids[i], json, NULL);
    }
    model_settle(m);
}

/* ---- claims ---- */

/* Whether it would be told to wait for the money of others. */
static bool
would_wait(const struct model *m, const struct vh_task *row)
{
    struct vh_scope scope = view_scope(m->view, "home");
    bool wants = row->state == VH_STATE_PENDING && row->phase != VH_PHASE_SETTLE && scope.limit_micro;
    int64_t ever = scope.limit_micro - scope.settled_micro;
    return wants && ever >= MODEL_COST && ever - scope.reserved_micro < MODEL_COST;
}

bool
model_can_claim(const struct model *m, int worker, int task)
{
    const struct vh_task *row = task < model_config.tasks ? model_task(m, task) : NULL;
    if (!row || m->worker[worker].task || !vh_state_claimable(row)) {
        return false;
    }
    for (int w = 0; w < worker; w++) {
        if (!m->worker[w].task) {
            return false; /* workers are alike: the first that is free takes it */
        }
    }
    return !would_wait(m, row) || model_may(m, MODEL_WAIT);
}

void
model_claim(struct model *m, int worker, int task)
{
    m->trouble -= would_wait(m, model_task(m, task));
    if (model_give(m, "task.claimed", model_ids[task], "{\"worker\":\"w\"}", NULL)) {
        m->fate[task].holder = (uint8_t)(worker + 1);
        m->worker[worker] = (struct model_worker){ .task = (uint8_t)(task + 1),
                                                   .lease = (uint16_t)model_task(m, task)->lease };
        look(m, worker);
    }
    model_settle(m);
}

/* ---- answers ---- */

static const struct answer {
    const char *kind;
    const char *good;
    const char *no;
    const char *ask;
} answers[VH_PHASE_COUNT] = {
    [VH_PHASE_INTAKE] = { "intent.captured", "", ",\"unclear\":1,\"digest\":\"u\"", NULL },
    [VH_PHASE_PLAN] = { "plan.answered", "", NULL, NULL },
    [VH_PHASE_SAFETY] = { "safety.report", ",\"verdict\":2", ",\"verdict\":0", ",\"verdict\":1,\"digest\":\"s\"" },
    [VH_PHASE_BUDGET] = { "budget.estimated", "", ",\"worst_case_micro\":1000", NULL },
    [VH_PHASE_ROUTE] = { "route.chosen", ",\"route\":\"executor\"", "", NULL },
    [VH_PHASE_BASE] = { "base.captured", ",\"tree\":\"B\",\"commit\":\"C\"",
                        ",\"failure\":{\"class\":\"conflict\",\"text\":\"x\"},\"digest\":\"d\"", NULL },
    [VH_PHASE_EXECUTE] = { "execute.finished", ",\"done\":1", "", NULL },
    [VH_PHASE_FREEZE] = { "change.frozen", ",\"verdict\":2", ",\"verdict\":0", ",\"verdict\":1" },
    [VH_PHASE_GATE_QA] = { "gate.answered", ",\"outcome\":\"passed\"", ",\"outcome\":\"failed\"",
                           ",\"outcome\":\"inconclusive\"" },
    [VH_PHASE_INTEGRATE] = { "integration.made", "",
                             ",\"failure\":{\"class\":\"conflict\",\"text\":\"x\"},\"digest\":\"d\"", NULL },
    [VH_PHASE_GATE_INTEGRATION] = { "gate.answered", ",\"outcome\":\"passed\"", ",\"outcome\":\"failed\"",
                                    ",\"outcome\":\"inconclusive\"" },
    [VH_PHASE_GATE_E2E] = { "gate.answered", ",\"outcome\":\"passed\"", ",\"outcome\":\"failed\"",
                            ",\"outcome\":\"inconclusive\"" },
    [VH_PHASE_REVIEW] = { "review.made", ",\"score_permille\":900", ",\"score_permille\":100",
                          ",\"score_permille\":2000" },
    [VH_PHASE_PUBLISH] = { "publish.finished", "", NULL, NULL },
    [VH_PHASE_SETTLE] = { "settle.priced", ",\"cost_micro\":4", ",\"cost_micro\":4000", NULL },
    [VH_PHASE_ROLLBACK] = { "rollback.finished", "", NULL, NULL },
    [VH_PHASE_FOLLOW] = { "followers.counted", "", NULL, NULL },
};

static bool
is_gate(int phase)
{
    return phase == VH_PHASE_GATE_QA || phase == VH_PHASE_GATE_INTEGRATION || phase == VH_PHASE_GATE_E2E;
}

static int
cost_of(int choice)
{
    static const int kinds[] = { [MODEL_GOOD] = 0,
                                 [MODEL_SAYS_INFRA] = MODEL_INFRA,
                                 [MODEL_SAYS_PLUGIN] = MODEL_PLUGIN,
                                 [MODEL_SAYS_NO] = MODEL_BAD,
                                 [MODEL_SAYS_ASK] = MODEL_ASK,
                                 [MODEL_SAYS_TREE] = MODEL_TREE,
                                 [MODEL_SAYS_OUTSIDE] = MODEL_OUTSIDE,
                                 [MODEL_SAYS_ASK_EFFECT] = MODEL_ASK,
                                 [MODEL_SAYS_MISSED] = MODEL_BAD,
                                 [MODEL_GIVES_BACK] = MODEL_INFRA };
    return kinds[choice];
}

bool
model_can_answer(const struct model *m, int worker, int choice)
{
    const struct model_worker *w = &m->worker[worker];
    int kind = cost_of(choice);
    bool effect = w->phase == VH_PHASE_PUBLISH || w->phase == VH_PHASE_ROLLBACK;
    if (!w->task || (kind && !model_may(m, kind))) {
        return false;
    }
    switch ((enum model_choice)choice) {
    case MODEL_GOOD:
    case MODEL_GIVES_BACK:
        return true;
    case MODEL_SAYS_INFRA:
        return w->phase != VH_PHASE_FOLLOW && (!effect || model_effect_may_fail(m, worker, true));
    case MODEL_SAYS_PLUGIN:
        return w->phase != VH_PHASE_FOLLOW && !effect;
    case MODEL_SAYS_NO:
        return effect ? model_effect_may_fail(m, worker, false) : answers[w->phase].no != NULL;
    case MODEL_SAYS_ASK:
        return answers[w->phase].ask != NULL;
    case MODEL_SAYS_TREE:
        return is_gate(w->phase);
    case MODEL_SAYS_OUTSIDE:
    case MODEL_SAYS_ASK_EFFECT:
    case MODEL_SAYS_MISSED:
        return w->phase == VH_PHASE_EXECUTE;
    }
    return false;
}

/* What the answer names besides what it says. */
static void
add_names(const struct model *m, const struct model_worker *w, int choice, char *json, size_t size)
{
    size_t len = strlen(json);
    const struct vh_task *row = model_task(m, w->task - 1);
    int attempt = (int)row->attempt;
    char own = (char)('a' + w->task - 1);
    const char *line = view_text_of(m->line);
    switch (w->phase) {
    case VH_PHASE_INTAKE:
        snprintf(json + len, size - len, ",\"intent\":{\"goal\":\"g\"}");
        break;
    case VH_PHASE_PLAN:
        if (model_config.shape == MODEL_PLANNED && w->task == 1 && choice == MODEL_GOOD) {
            snprintf(json + len, size - len, ",\"steps\":[{\"id\":\"b\",\"goal\":\"g\"},{\"id\":\"c\",\"goal\":\"g\","
                                             "\"depends\":[\"b\"]}]");
        }
        break;
    case VH_PHASE_BUDGET:
        if (choice != MODEL_SAYS_NO) {
            snprintf(json + len, size - len, ",\"worst_case_micro\":%d", MODEL_COST);
            len = strlen(json);
        }
        snprintf(json + len, size - len, ",\"scopes\":[{\"scope\":\"home\",\"limit_micro\":%d}]", model_config.limit);
        break;
    case VH_PHASE_EXECUTE:
        if (choice == MODEL_SAYS_MISSED) {
            snprintf(json + len, size - len, ",\"missed\":\"m\"");
        }
        break;
    case VH_PHASE_FREEZE:
        snprintf(json + len, size - len, ",\"tree\":\"T%c%d\",\"commit\":\"%c%d\",\"change\":\"x\"", own, attempt, own,
                 attempt);
        break;
    case VH_PHASE_INTEGRATE:
        snprintf(json + len, size - len, ",\"line_tip\":\"%s\"", line);
        if (choice == MODEL_GOOD) {
            len = strlen(json);
            snprintf(json + len, size - len, ",\"tree\":\"T%s%c%d\",\"commit\":\"%s%c%d\"", line, own, attempt, line,
                     own, attempt);
        }
        break;
    case VH_PHASE_GATE_QA:
    case VH_PHASE_GATE_INTEGRATION:
    case VH_PHASE_GATE_E2E:
        snprintf(json + len, size - len, ",\"gate\":\"%c\",\"tree\":\"%s\"", w->gate,
                 choice == MODEL_SAYS_TREE ? "T?" : view_text_of(w->tree));
        break;
    default:
        break;
    }
}

static void
say_effect(struct model *m, int worker, int verdict, bool outside)
{
    char json[160];
    snprintf(json, sizeof json, "{\"lease\":%d,\"effect\":\"http\",\"ordinal\":%d,\"verdict\":%d,\"digest\":\"h\","
                                "\"outside\":%d}",
             m->worker[worker].lease, m->worker[worker].ordinal, verdict, outside);
    (void)model_speak(m, worker, verdict == 1 ? "effect.asked" : "effect.started", json);
}

static void
give_back(struct model *m, int worker)
{
    struct model_worker *w = &m->worker[worker];
    char json[64];
    viv_status status = VIV_OK;
    snprintf(json, sizeof json, "{\"lease\":%d}", w->lease);
    (void)model_give(m, "lease.expired", model_ids[w->task - 1], json, &status); /* refused when it is over already */
    *w = (struct model_worker){ 0 };
}

static void
say(struct model *m, int worker, int choice)
{
    struct model_worker was = m->worker[worker];
    const struct answer *answer = &answers[was.phase];
    const char *what = choice == MODEL_SAYS_NO ? answer->no
                       : choice == MODEL_SAYS_ASK ? answer->ask
                       : choice == MODEL_SAYS_MISSED ? ""
                                                     : answer->good;
    char json[400];
    snprintf(json, sizeof json, "{\"lease\":%d%s", was.lease,
             choice == MODEL_SAYS_INFRA    ? ",\"failure\":{\"class\":\"infrastructure\",\"text\":\"x\"}"
             : choice == MODEL_SAYS_PLUGIN ? ",\"failure\":{\"class\":\"plugin\",\"text\":\"x\"}"
                                           : what);
    add_names(m, &was, choice, json, sizeof json - 1);
    strcat(json, "}");
    struct model_fate *fate = &m->fate[was.task - 1];
    bool holds = fate->holder == worker + 1;
    if (model_speak(m, worker, answer->kind, json) && holds && choice == MODEL_GOOD && is_gate(was.phase)) {
        fate->passed[was.gate == 'q' ? 0 : was.gate == 'i' ? 1 : was.gate == 'e' ? 2 : 3] = was.tree;
    }
}

void
model_answer(struct model *m, int worker, int choice)
{
    m->trouble -= cost_of(choice) != 0;
    if (choice == MODEL_GIVES_BACK) {
        give_back(m, worker);
    } else if (choice == MODEL_SAYS_OUTSIDE || choice == MODEL_SAYS_ASK_EFFECT) {
        say_effect(m, worker, choice == MODEL_SAYS_OUTSIDE ? 2 : 1, choice == MODEL_SAYS_OUTSIDE);
    } else if (!model_effect(m, worker, choice)) {
        say(m, worker, choice);
    }
    model_settle(m);
}

bool
model_rests(const struct model *m)
{
    bool rests = true;
    for (int i = 0; i < model_config.tasks; i++) {
        const struct vh_task *row = model_task(m, i);
        bool planned = model_config.shape == MODEL_PLANNED && i > 0 && !row;
        rests = rests && (planned || (row && vh_task_ended(row) && row->phase == VH_PHASE_IDLE && !row->leased));
    }
    return rests;
}
