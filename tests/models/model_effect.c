/* SPDX-License-Identifier: Apache-2.0 */
/* Publication and rollback in their parts, as run/ask_result.c has them: announce, look at the line, move it by
 * compare-and-set, answer. A commit's name is the history of the line up to it, so that it contains another exactly
 * when it begins with its name.
 *
 *   stage 0 --announced--> 1 --line moved, or had been--> 2 --answer: done
 *                          1 --line stands elsewhere----> 3 --answer: moved */
#include "model_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LINE_MAX 40

static void
announce(struct model *m, int worker, const char *effect)
{
    struct model_worker *w = &m->worker[worker];
    char json[200];
    snprintf(json, sizeof json, "{\"lease\":%d,\"effect\":\"%s\",\"ordinal\":%d,\"verdict\":2,\"digest\":\"%s\","
                                "\"outside\":1}",
             w->lease, effect, w->ordinal, view_text_of(w->merged));
    if (model_speak(m, worker, "effect.started", json)) {
        w->stage = 1;
    }
}

static void
publish(struct model *m, int worker)
{
    struct model_worker *w = &m->worker[worker];
    const char *line = view_text_of(m->line);
    const char *merged = view_text_of(w->merged);
    if (strncmp(line, merged, strlen(merged)) == 0) {
        w->stage = 2; /* an earlier run got through */
    } else if (m->line == w->tip) {
        m->line = w->merged;
        w->stage = 2;
        model_check_publication(m, w->task - 1);
    } else {
        w->stage = 3;
    }
    model_trace("worker %d: the line is %s", worker, view_text_of(m->line));
}

/* A rollback that is made already does not fail here: README.md, "What is left out". */
bool
model_effect_may_fail(const struct model *m, int worker, bool infrastructure)
{
    const struct model_worker *w = &m->worker[worker];
    if (w->phase == VH_PHASE_ROLLBACK) {
        return w->stage == 1 && !strchr(view_text_of(m->line), 'A' + w->task - 1);
    }
    return w->stage == 1 || (w->stage == 2 && infrastructure);
}

/* A commit that takes back, unless there is one of this task already. */
static void
roll_back(struct model *m, int worker)
{
    struct model_worker *w = &m->worker[worker];
    char line[LINE_MAX];
    const char *now = view_text_of(m->line);
    char mark = (char)('A' + w->task - 1);
    if (!strchr(now, mark)) {
        snprintf(line, sizeof line, "%s%c1", now, mark);
        m->line = view_text(line);
    }
    w->stage = 2;
    model_trace("worker %d: the line is %s", worker, view_text_of(m->line));
}

static void
answer(struct model *m, int worker, int choice, bool rollback)
{
    struct model_worker *w = &m->worker[worker];
    char json[200];
    const char *failure = w->stage == 3                  ? "moved"
                          : choice == MODEL_SAYS_NO    ? "conflict"
                          : choice == MODEL_SAYS_INFRA ? "infrastructure"
                                                       : NULL;
    if (failure) {
        snprintf(json, sizeof json, "{\"lease\":%d,\"digest\":\"d\",\"failure\":{\"class\":\"%s\",\"text\":\"x\"}}",
                 w->lease, failure);
    } else {
        snprintf(json, sizeof json, "{\"lease\":%d,\"%s\":\"%s\"}", w->lease, rollback ? "commit" : "published",
                 rollback ? "R" : view_text_of(w->merged));
    }
    (void)model_speak(m, worker, rollback ? "rollback.finished" : "publish.finished", json);
}

bool
model_effect(struct model *m, int worker, int choice)
{
    struct model_worker *w = &m->worker[worker];
    bool rollback = w->phase == VH_PHASE_ROLLBACK;
    bool holds = m->fate[w->task - 1].holder == worker + 1;
    if (!rollback && w->phase != VH_PHASE_PUBLISH) {
        return false;
    }
    if (w->stage == 0) {
        announce(m, worker, rollback ? "rollback" : "publish");
    } else if (w->stage == 1 && choice == MODEL_GOOD && !holds) {
        *w = (struct model_worker){ 0 }; /* ended with its host, whose lock covers what it does to a target */
    } else if (w->stage == 1 && choice == MODEL_GOOD) {
        rollback ? roll_back(m, worker) : publish(m, worker);
    } else {
        answer(m, worker, choice, rollback);
    }
    return true;
}

bool
model_can_move_line(const struct model *m)
{
    return model_may(m, MODEL_MOVE) && strlen(view_text_of(m->line)) < LINE_MAX - 4;
}

void
model_move_line(struct model *m)
{
    char line[LINE_MAX];
    snprintf(line, sizeof line, "%sx0", view_text_of(m->line));
    m->trouble--;
    m->line = view_text(line);
    model_trace("somebody moved the line to %s", line);
}
