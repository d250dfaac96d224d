/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the home that tools/gen/golden records: tasks of every fate, so that every kind of event a
 * small home can have is in its log. Two makings are the same byte for byte: the clock is its own,
 * and a batch ends where a command asks for it. Not a test: the record is what
 * tests/golden/test_golden.c looks at.
 *
 * usage: golden_home FILE, which does not exist */
#include "../support/cm.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "../support/home.h"
#include "../support/life.h"
#include "base/str.h"
#include <viv/limits.h>

#define SUBMIT "{\"goal\":\"make %s\",\"attempts_max\":2,\"target\":\"/srv/project\"}"
#define STEP_US 250000

static struct golden {
    struct home home;
    struct vh_seam seam;
    atomic_llong wall_us;
} golden = {.wall_us = INT64_C(1790000000000000)};

static const char *made; /* the file */

static int64_t
clock_wall(void *data)
{
    (void)data;
    return atomic_load(&golden.wall_us);
}

static void
begin(void)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = {
        .pid = 100, .uid = 1000, .flush_us = INT64_C(3600000000)};
    golden.home.arena = vh_arena_create(NULL, 0);
    assert_int_equal(vh_store_open(golden.home.arena, made, NULL, &golden.home.store, &err),
                     VIV_OK);
    assert_int_equal(vh_sequencer_start(&golden.seam, golden.home.store, golden.home.arena,
                                        &options, &golden.home.sequencer, &err),
                     VIV_OK);
}

static struct vh_ask say(const char *kind, const char *task, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static struct vh_ask
say(const char *kind, const char *task, const char *format, ...)
{
    char json[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(json, sizeof json, format, list);
    va_end(list);
    atomic_fetch_add(&golden.wall_us, STEP_US);
    return home_must(&golden.home, kind, task, json).ask;
}

static struct vh_ask
claim(const char *task)
{
    return say("task.claimed", task, "{\"worker\":\"worker-1\"}");
}

static struct vh_ask
announce(const struct vh_ask *ask, const char *effect, struct viv_str digest, int verdict)
{
    char task[VIV_ID_MAX + 1];
    snprintf(task, sizeof task, "%.*s", VH_STR_ARGS(ask->task.id));
    return say("effect.started", task,
               "{\"lease\":%lld,\"ordinal\":%lld,\"effect\":\"%s\",\"verdict\":%d,\"digest\":\"%.*"
               "s\",\"outside\":%d}",
               (long long)ask->task.lease, (long long)ask->task.effects, effect, verdict,
               VH_STR_ARGS(digest), strcmp(effect, "exec") != 0);
}

/* A program inside the workspace, from intent to outcome. */
static struct vh_ask
exec(const struct vh_ask *ask, const char *task)
{
    (void)announce(ask, "exec", VH_STR("d-exec"), VIV_VERDICT_ALLOW);
    return say("effect.finished", task,
               "{\"lease\":%lld,\"ordinal\":%lld,\"effect\":\"exec\",\"digest\":\"d-exec\",\"exit_"
               "code\":0}",
               (long long)ask->task.lease, (long long)ask->task.effects);
}

/* A claim when there is none, then good answers until `until` is wanted. */
static struct vh_ask
walk(const char *task, enum vh_phase until)
{
    struct vh_ask ask;
    assert_int_equal(
        vh_sequencer_ask(golden.home.sequencer, vh_str(task), golden.home.arena, &ask, NULL),
        VIV_OK);
    if (!ask.task.leased) {
        ask = claim(task);
    }
    while (ask.what != until && ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        if (ask.what == VH_PHASE_PUBLISH) {
            ask = announce(&ask, "publish", ask.task.merged_commit, VIV_VERDICT_ALLOW);
        } else if (ask.what == VH_PHASE_ROLLBACK) {
            ask = announce(&ask, "rollback", ask.task.published, VIV_VERDICT_ALLOW);
        }
        life_good_answer(&ask, &kind, json, sizeof json);
        ask = say(kind, task, "%s", json);
    }
    assert_int_equal(ask.what, until);
    return ask;
}

static struct vh_ask
fresh(const char *task, enum vh_phase until)
{
    (void)say("task.submitted", task, SUBMIT, task);
    return walk(task, until);
}

static struct vh_ask
fail_with(const char *kind, const struct vh_ask *ask, const char *task, const char *class)
{
    return say(
        kind, task,
        "{\"lease\":%lld,\"digest\":\"d-%s\",\"gate\":\"%.*s\",\"tree\":\"%.*s\",\"failure\":"
        "{\"class\":\"%s\",\"text\":\"it broke\"}}",
        (long long)ask->task.lease, class, VH_STR_ARGS(ask->gate), VH_STR_ARGS(ask->tree), class);
}

/* ---- the home ---- */

static void
about_the_home(void)
{
    (void)say("home.created", "",
              "{\"home\":\"0123456789abcdef0123456789abcdef\",\"project\":\"/srv/old\","
              "\"seed\":\"00112233445566778899aabbccddeeff\"}");
    (void)say("home.moved", "", "{\"from\":\"/srv/old\",\"to\":\"/srv/project\"}");
    (void)say(
        "policy.loaded", "",
        "{\"critics\":[\"critic\"],\"gates\":{\"e2e\":[\"whole\"],\"integration\":[\"merged\"],"
        "\"needs_qa\":[\"lines\",\"words\"]}}");
    (void)say("trust.changed", "", "{\"digest\":\"d-policy\",\"trusted\":1}");
    (void)say("plugin.installed", "",
              "{\"digest\":\"d-plugin\",\"id\":\"acme.gate\",\"trust\":\"signed\",\"version\":\"1."
              "0.0\"}");
    (void)say("plugin.blamed", "", "{\"id\":\"acme.gate\",\"reason\":\"it hung\"}");
    (void)say("plugin.removed", "",
              "{\"digest\":\"d-plugin\",\"id\":\"acme.gate\",\"version\":\"1.0.0\"}");
    (void)say("queue.imported", "", "{\"digest\":\"d-queue\",\"file\":\"queue.yaml\",\"tasks\":2}");
    (void)say("calls.made", "", "{\"calls\":3,\"own_ns\":12345,\"skill\":\"acme.count\"}");
    (void)say("backup.made", "",
              "{\"bytes\":4096,\"files\":3,\"folder\":\"/srv/backup\",\"last\":9}");
    (void)say("home.restored", "", "{\"folder\":\"/srv/backup\",\"last\":9}");
    (void)say("content.pruned", "", "{\"digests\":[\"d-old\"]}");
    (void)say("clock.stepped", "", "{\"back_us\":1500000}");
    (void)say("switch.set", "", "{\"note\":\"a look first\",\"state\":\"pause\"}");
    (void)say("switch.set", "", "{\"note\":\"\",\"state\":\"run\"}");
    (void)say("budget.capped", "", "{\"account\":\"home\",\"limit_micro\":5000000}");
    (void)say("model.learned", "", "{\"pattern\":\"refactor\",\"tier\":\"strong\"}");
}

/* A key is told its first answer again, a good one and a bad one. */
static void
keys(void)
{
    static const char good[] = "{\"goal\":\"once\",\"attempts_max\":1}";
    for (int i = 0; i < 2; i++) {
        struct vh_answer answer = {0};
        struct viv_error err = VIV_ERROR_INIT;
        assert_int_equal(
            home_say(&golden.home, "task.submitted", "keyed", "key-1", good, &answer, &err),
            VIV_OK);
        assert_int_equal(
            home_say(&golden.home, "retry.requested", "keyed", "key-2", "{}", &answer, &err),
            VIV_E_STATE);
    }
}

/* ---- fates ---- */

static void
published(void)
{
    struct vh_ask ask = fresh("published", VH_PHASE_EXECUTE);
    ask = exec(&ask, "published");
    (void)announce(&ask, "exec", VH_STR("d-bad"), VIV_VERDICT_DENY);
    (void)say("task.submitted", "after",
              "{\"goal\":\"after it\",\"attempts_max\":1,\"depends\":[\"published\"]}");
    (void)walk("published", VH_PHASE_IDLE);
    (void)walk("after", VH_PHASE_IDLE);
}

static void
rejected(void)
{
    struct vh_ask ask = fresh("rejected", VH_PHASE_EXECUTE);
    (void)exec(&ask, "rejected");
    ask = walk("rejected", VH_PHASE_GATE_QA);
    (void)say("gate.answered", "rejected",
              "{\"lease\":%lld,\"gate\":\"lines\",\"outcome\":\"failed\",\"tree\":\"%.*s\","
              "\"findings\":[\"too long\"]}",
              (long long)ask.task.lease, VH_STR_ARGS(ask.tree));
    (void)walk("rejected", VH_PHASE_IDLE);
    ask = walk("rejected", VH_PHASE_EXECUTE);
    (void)exec(&ask, "rejected");
    (void)walk("rejected", VH_PHASE_IDLE);
}

/* The same attempt announces effect 0 three times: under one lease, past a skill that failed, and
 * after a lost lease. */
static void
missed_and_lost(void)
{
    struct vh_ask ask = fresh("missed", VH_PHASE_EXECUTE);
    (void)exec(&ask, "missed");
    (void)say("execute.finished", "missed",
              "{\"lease\":%lld,\"missed\":\"acme.skill\",\"failure\":{\"class\":\"plugin\","
              "\"text\":\"it crashed\"}}",
              (long long)ask.task.lease);
    ask = walk("missed", VH_PHASE_EXECUTE);
    (void)exec(&ask, "missed");
    (void)say("lease.expired", "missed", "{\"lease\":%lld,\"reason\":\"silent\"}",
              (long long)ask.task.lease);
    ask = walk("missed", VH_PHASE_EXECUTE);
    (void)exec(&ask, "missed");
    ask = walk("missed", VH_PHASE_PUBLISH);
    ask = announce(&ask, "publish", ask.task.merged_commit, VIV_VERDICT_ALLOW);
    (void)say("lease.expired", "missed", "{\"lease\":%lld,\"reason\":\"silent\"}",
              (long long)ask.task.lease);
    (void)walk("missed", VH_PHASE_IDLE);
}

static void
given_up(void)
{
    struct vh_ask ask = fresh("given-up", VH_PHASE_EXECUTE);
    for (int attempt = 0; attempt < 2; attempt++) {
        (void)fail_with("execute.finished", &ask, "given-up", "plugin");
        (void)walk("given-up", VH_PHASE_IDLE);
        ask = attempt ? ask : walk("given-up", VH_PHASE_EXECUTE);
    }
    (void)say("retry.requested", "given-up", "{}");
    ask = walk("given-up", VH_PHASE_EXECUTE);
    (void)fail_with("execute.finished", &ask, "given-up", "infrastructure");
    atomic_fetch_add(&golden.wall_us, INT64_C(60000000));
    (void)walk("given-up", VH_PHASE_IDLE);
    (void)walk("given-up", VH_PHASE_IDLE);
}

static void
asked(void)
{
    struct vh_ask ask = fresh("asked", VH_PHASE_INTAKE);
    (void)say("intent.captured", "asked",
              "{\"lease\":%lld,\"digest\":\"d-open\",\"intent\":{\"goal\":\"g\"},\"questions\":"
              "[\"which\"],\"unclear\":1}",
              (long long)ask.task.lease);
    (void)say("answer.given", "asked", "{\"answers\":{\"which\":\"this\"}}");
    ask = walk("asked", VH_PHASE_SAFETY);
    (void)say("safety.report", "asked",
              "{\"lease\":%lld,\"digest\":\"d-risk\",\"reason\":\"risky\",\"verdict\":%d}",
              (long long)ask.task.lease, VIV_VERDICT_ASK);
    (void)say("approval.given", "asked", "{\"digest\":\"d-risk\"}");
    ask = walk("asked", VH_PHASE_EXECUTE);
    (void)announce(&ask, "web", VH_STR("d-web"), VIV_VERDICT_ASK);
    (void)walk("asked", VH_PHASE_IDLE);
    (void)say("approval.given", "asked", "{\"digest\":\"d-web\"}");
    ask = walk("asked", VH_PHASE_EXECUTE);
    (void)announce(&ask, "web", VH_STR("d-web"), VIV_VERDICT_ASK);
    ask = walk("asked", VH_PHASE_GATE_QA);
    (void)fail_with("gate.answered", &ask, "asked", "plugin");
    (void)say("approval.given", "asked", "{\"digest\":\"%.*s\"}", VH_STR_ARGS(ask.tree));
    (void)walk("asked", VH_PHASE_IDLE);
}

static void
refused(void)
{
    struct vh_ask ask = fresh("refused", VH_PHASE_INTEGRATE);
    (void)fail_with("integration.made", &ask, "refused", "conflict");
    (void)say("approval.refused", "refused",
              "{\"digest\":\"d-conflict\",\"note\":\"not like this\"}");
    (void)fresh("cancelled", VH_PHASE_FREEZE);
    (void)say("cancel.requested", "cancelled", "{}");
    (void)walk("cancelled", VH_PHASE_IDLE);
}

static void
poor(void)
{
    struct vh_ask ask = fresh("poor", VH_PHASE_BUDGET);
    (void)say("budget.estimated", "poor",
              "{\"lease\":%lld,\"worst_case_micro\":500,\"scopes\":[{\"scope\":\"small\","
              "\"limit_micro\":100}]}",
              (long long)ask.task.lease);
    (void)fresh("priced", VH_PHASE_SETTLE);
    (void)say("settle.priced", "priced",
              "{\"lease\":1,\"cost_micro\":30,\"entries\":[{\"micro\":10,\"reason\":\"work\"},"
              "{\"micro\":20,\"reason\":\"model\"}]}");
}

static void
planned(void)
{
    struct vh_ask ask = fresh("plan", VH_PHASE_PLAN);
    (void)say("plan.answered", "plan",
              "{\"lease\":%lld,\"steps\":[{\"goal\":\"first\",\"id\":\"a\"},{\"depends\":[\"a\"],"
              "\"goal\":\"second\",\"id\":\"b\"}]}",
              (long long)ask.task.lease);
    (void)walk("plan.a", VH_PHASE_IDLE);
    (void)walk("plan.b", VH_PHASE_IDLE);
    ask = fresh("half", VH_PHASE_PLAN);
    (void)say("plan.answered", "half",
              "{\"lease\":%lld,\"steps\":[{\"goal\":\"first\",\"id\":\"a\"},{\"goal\":\"second\","
              "\"id\":\"b\"}]}",
              (long long)ask.task.lease);
    (void)say("cancel.requested", "half.a", "{}");
}

static void
undone(void)
{
    (void)fresh("undone", VH_PHASE_IDLE);
    (void)say("rollback.requested", "undone", "{}");
    (void)walk("undone", VH_PHASE_IDLE);
}

/* What a home has in it when it is left alone: waiting, blocked, held, asked with money set aside.
 */
static void
left_open(void)
{
    (void)say("task.submitted", "waiting", SUBMIT, "waiting");
    (void)say("task.submitted", "blocked",
              "{\"goal\":\"after it\",\"attempts_max\":1,\"depends\":[\"waiting\"]}");
    struct vh_ask ask = fresh("question", VH_PHASE_PUBLISH);
    ask = announce(&ask, "publish", ask.task.merged_commit, VIV_VERDICT_ALLOW);
    (void)fail_with("publish.finished", &ask, "question", "conflict");
    ask = fresh("held", VH_PHASE_EXECUTE);
    (void)exec(&ask, "held");
}

static void
end(void)
{
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_sequencer_stop(golden.home.sequencer, &err), VIV_OK);
    home_check(golden.home.store);
    vh_store_close(golden.home.store);
    vh_arena_destroy(golden.home.arena);
}

static void
make(void **state)
{
    (void)state;
    golden.seam = *vh_seam_real();
    golden.seam.wall_us = clock_wall;
    begin();
    about_the_home();
    keys();
    published();
    rejected();
    missed_and_lost();
    given_up();
    asked();
    end();
    begin(); /* the next epoch */
    refused();
    poor();
    planned();
    undone();
    left_open();
    end();
}

int
main(int argc, char **argv)
{
    made = argc == 2 ? argv[1] : NULL;
    if (!made || access(made, F_OK) == 0) {
        fprintf(stderr, "usage: golden_home FILE, which does not exist\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(make)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
