/* SPDX-License-Identifier: Apache-2.0 */
/* What is lost, and what people say. */
#include "model_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* ---- what is lost ---- */

bool
model_can_crash(const struct model *m, int worker)
{
    return m->worker[worker].task && model_may(m, MODEL_CRASH);
}

void
model_crash(struct model *m, int worker)
{
    m->trouble--;
    model_trace("worker %d is gone", worker);
    m->worker[worker] = (struct model_worker){ 0 };
    for (int i = 0; i < model_config.tasks; i++) {
        m->fate[i].holder = m->fate[i].holder == worker + 1 ? 0 : m->fate[i].holder;
    }
    model_settle(m);
}

bool
model_can_expire(const struct model *m, int task)
{
    const struct vh_task *row = task < model_config.tasks ? model_task(m, task) : NULL;
    return row && row->leased && (!m->fate[task].holder || model_may(m, MODEL_EXPIRE));
}

void
model_expire(struct model *m, int task)
{
    char json[64];
    m->trouble -= m->fate[task].holder != 0;
    snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)model_task(m, task)->lease);
    model_give(m, "lease.expired", model_ids[task], json, NULL);
    m->fate[task].holder = 0;
    model_settle(m);
}

bool
model_can_restart(const struct model *m)
{
    return model_may(m, MODEL_RESTART);
}

void
model_restart(struct model *m, bool zombies)
{
    char json[64];
    m->trouble--;
    m->epoch++;
    snprintf(json, sizeof json, "{\"epoch\":%d,\"pid\":1}", m->epoch);
    model_give(m, "host.started", "", json, NULL);
    for (int i = 0; i < model_config.tasks; i++) {
        m->fate[i].holder = 0;
    }
    for (int w = 0; w < MODEL_WORKERS && !zombies; w++) {
        m->worker[w] = (struct model_worker){ 0 };
    }
    model_settle(m);
}

/* ---- people ---- */

bool
model_can_say(const struct model *m, int word, int task)
{
    const struct vh_task *row = task < model_config.tasks ? model_task(m, task) : NULL;
    if (!row) {
        return false;
    }
    bool question = row->state == VH_STATE_AWAITING && !row->leased && row->phase != VH_PHASE_SETTLE;
    bool unclear = vh_str_is(row->awaiting, "unclear");
    switch ((enum model_word)word) {
    case MODEL_CANCELS:
        return !vh_task_ended(row) && model_may(m, MODEL_CANCEL);
    case MODEL_APPROVES:
        return question && !unclear;
    case MODEL_REFUSES:
        return question && model_may(m, MODEL_REFUSE);
    case MODEL_APPROVES_STALE:
        return question && model_may(m, MODEL_STALE);
    case MODEL_ANSWERS:
        return question && unclear;
    case MODEL_RETRIES:
        return (row->state == VH_STATE_FAILED || row->state == VH_STATE_CANCELLED) && model_may(m, MODEL_RETRY);
    case MODEL_ROLLS_BACK:
        return row->state == VH_STATE_READY && row->phase == VH_PHASE_IDLE && model_may(m, MODEL_ROLLBACK);
    }
    return false;
}

/* A gate that was inconclusive and that a person lets pass has passed the tree the person was shown. */
static void
pass_by_person(struct model *m, int task, const struct vh_task *row)
{
    static const struct {
        const char *name;
        int at;
    } gates[] = { { "q", 0 }, { "i", 1 }, { "e", 2 }, { "f", 3 } };
    char tree[96];
    snprintf(tree, sizeof tree, "%.*s", VH_STR_ARGS(row->awaiting_digest));
    int first = row->resume_state == VH_STATE_NEEDS_QA ? 0 : row->resume_state == VH_STATE_INTEGRATION ? 1 : 2;
    m->fate[task].passed[gates[first + (int)row->gate_index].at] = view_text(tree);
}

void
model_say(struct model *m, int word, int task)
{
    static const char *const kinds[] = { "cancel.requested", "approval.given",  "approval.refused", "approval.given",
                                         "answer.given",     "retry.requested", "rollback.requested" };
    const struct vh_task *row = model_task(m, task);
    char json[160];
    m->trouble -= word != MODEL_APPROVES && word != MODEL_ANSWERS;
    snprintf(json, sizeof json, "{\"digest\":\"%.*s\",\"answers\":{}}", VH_STR_ARGS(row->awaiting_digest));
    bool gate = word == MODEL_APPROVES && vh_str_is(row->awaiting, "gate-inconclusive");
    bool announced = row->resume_phase == VH_PHASE_PUBLISH && !vh_str_is(row->awaiting, "critic-abstained");
    m->fate[task].unsure = m->fate[task].unsure || (row->state == VH_STATE_AWAITING && announced);
    if (word == MODEL_APPROVES_STALE) {
        if (view_step(m->view, kinds[word], model_ids[task], "{\"digest\":\"of another time\"}")->status == VIV_OK) {
            model_break(m, "a yes to another question is taken");
        }
        return;
    }
    viv_status status = VIV_OK;
    /* A person may be told to wait or to do something else first. */
    bool taken = model_give(m, kinds[word], model_ids[task], json, word == MODEL_APPROVES ? NULL : &status);
    if (taken && gate) {
        pass_by_person(m, task, row);
    }
    model_settle(m);
}
