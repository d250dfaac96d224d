/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, an acknowledged step can be lost or answered twice, or a task's life does not run by the table. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sqlite3.h>

#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"
#include "keep/reader.h"
#include "keep/sequencer.h"
#include "../../support/home.h"

static struct vh_answer
must(struct home *home, const char *kind, const char *json)
{
    return home_must(home, kind, strcmp(kind, "policy.loaded") ? "t1" : "", json);
}

#define SUBMIT "{\"goal\":\"count\",\"attempts_max\":2,\"command\":{\"stages\":[]}}"

static void
a_task_gets_ready(void **state)
{
    (void)state;
    struct home home;
    home_new(&home);
    must(&home, "policy.loaded", "{\"gates\":{\"needs_qa\":[\"viv.g\"],\"e2e\":[\"viv.g\"]},\"critics\":[\"viv.c\"]}");
    struct vh_answer a = must(&home, "task.submitted", SUBMIT);
    assert_true(a.synced);
    a = must(&home, "task.claimed", "{\"worker\":\"w1\"}");
    assert_int_equal(a.ask.what, VH_PHASE_INTAKE);
    a = must(&home, "intent.captured", "{\"lease\":1,\"intent\":{\"goal\":\"count\"}}");
    assert_int_equal(a.ask.what, VH_PHASE_PLAN);
    assert_false(a.synced);
    must(&home, "plan.answered", "{\"lease\":1}");
    must(&home, "safety.report", "{\"lease\":1,\"verdict\":2,\"capability\":{\"write\":[\"\"]}}");
    must(&home, "budget.estimated",
         "{\"lease\":1,\"worst_case_micro\":500,\"scopes\":[{\"scope\":\"home\",\"limit_micro\":1000}]}");
    must(&home, "route.chosen", "{\"lease\":1,\"route\":\"executor\"}");
    a = must(&home, "base.captured", "{\"lease\":1,\"tree\":\"T0\",\"commit\":\"C0\",\"base\":{}}");
    assert_int_equal(a.ask.what, VH_PHASE_EXECUTE);
    a = must(&home, "effect.started", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"verdict\":2,\"digest\":\"d\"}");
    assert_string_equal(a.kind, "effect.started");
    must(&home, "effect.finished", "{\"lease\":1,\"ordinal\":0,\"effect\":\"exec\",\"digest\":\"d\",\"exit_code\":0}");
    must(&home, "execute.finished", "{\"lease\":1,\"done\":1,\"result\":{\"summary\":\"42\"}}");
    a = must(&home, "change.frozen", "{\"lease\":1,\"verdict\":2,\"tree\":\"T1\",\"commit\":\"C1\",\"change\":\"x\"}");
    assert_int_equal(a.ask.what, VH_PHASE_GATE_QA);
    assert_true(vh_str_is(a.ask.gate, "viv.g"));
    a = must(&home, "gate.answered",
             "{\"lease\":1,\"gate\":\"viv.g\",\"stage\":\"needs_qa\",\"outcome\":\"passed\",\"tree\":\"T1\"}");
    assert_int_equal(a.ask.what, VH_PHASE_INTEGRATE);
    a = must(&home, "integration.made", "{\"lease\":1,\"tree\":\"T2\",\"commit\":\"C2\",\"line_tip\":\"C0\"}");
    assert_int_equal(a.ask.what, VH_PHASE_GATE_E2E);
    a = must(&home, "gate.answered",
             "{\"lease\":1,\"gate\":\"viv.g\",\"stage\":\"e2e\",\"outcome\":\"not_configured\",\"tree\":\"T2\"}");
    assert_int_equal(a.ask.what, VH_PHASE_REVIEW);
    a = must(&home, "review.made", "{\"lease\":1,\"score_permille\":900}");
    assert_int_equal(a.ask.what, VH_PHASE_PUBLISH);
    must(&home, "effect.started",
         "{\"lease\":1,\"ordinal\":1,\"effect\":\"publish\",\"verdict\":2,\"digest\":\"p\",\"outside\":1}");
    a = must(&home, "publish.finished", "{\"lease\":1,\"published\":\"C2\"}");
    assert_int_equal(a.ask.what, VH_PHASE_SETTLE);
    a = must(&home, "settle.priced",
             "{\"lease\":1,\"cost_micro\":20,\"entries\":[{\"account\":\"home\",\"micro\":20,\"reason\":\"work\"}]}");
    assert_int_equal(a.ask.what, VH_PHASE_IDLE);
    assert_int_equal(a.ask.task.state, VH_STATE_READY);
    assert_int_equal(a.ask.task.cost_micro, 20);
    assert_int_equal(a.ask.task.held_micro, 0);
    assert_true(vh_store_commits(home.store) <= 6);
    int64_t seq = 0;
    assert_int_equal(vh_sequencer_flush(home.sequencer, NULL), VIV_OK);
    struct vh_store *reader = NULL;
    assert_int_equal(vh_store_open_read(home.arena, home.path, &reader, NULL), VIV_OK);
    char log[128];
    snprintf(log, sizeof log, "%s/log.jsonl", home.folder);
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_export_update(vh_seam_real(), reader, AT_FDCWD, log, &seq, &err), VIV_OK);
    assert_int_equal(seq, vh_store_seq(home.store));
    assert_int_equal(truncate(log, 2000), 0);
    assert_int_equal(vh_export_update(vh_seam_real(), reader, AT_FDCWD, log, &seq, &err), VIV_OK);
    assert_int_equal(seq, vh_store_seq(home.store));
    vh_store_close(reader);
    home_end(&home);
}

static void
keys_answer_once(void **state)
{
    (void)state;
    struct home home;
    struct vh_answer first = { 0 }, again = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    home_new(&home);
    assert_int_equal(home_say(&home, "task.submitted", "t1", "k1", SUBMIT, &first, &err), VIV_OK);
    assert_int_equal(home_say(&home, "task.submitted", "t1", "k1", SUBMIT, &again, &err), VIV_OK);
    assert_true(again.repeated);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(home_say(&home, "task.submitted", "t2", "k1", SUBMIT, &again, &err), VIV_E_CONFLICT);
    assert_string_equal(err.text, "key 'k1' was used for another request; keys are used once");
    assert_int_equal(home_say(&home, "task.submitted", "t1", "k2", SUBMIT, &first, &err), VIV_E_EXISTS);
    assert_int_equal(home_say(&home, "task.submitted", "t1", "k2", SUBMIT, &again, &err), VIV_E_EXISTS);
    assert_string_equal(err.text, "task 't1' exists already; ids are never used twice");
    assert_int_equal(home_say(&home, "task.submitted", "../x", "", SUBMIT, &again, &err), VIV_E_INVALID);
    home_end(&home);
}

static void
a_second_host_is_fenced(void **state)
{
    (void)state;
    struct home first, second;
    struct vh_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    home_new(&first);
    second = first;
    home_open(&second);
    assert_int_equal(home_say(&first, "task.submitted", "t1", "", SUBMIT, &answer, &err), VIV_E_FENCED);
    assert_string_equal(err.text, "the home belongs to host epoch 2 now, this host has 1");
    assert_int_equal(home_say(&second, "task.submitted", "t1", "", SUBMIT, &answer, &err), VIV_OK);
    assert_int_equal(vh_sequencer_stop(first.sequencer, &err), VIV_E_STORE);
    vh_store_close(first.store);
    vh_arena_destroy(first.arena);
    home_end(&second);
}

#define CLAIM "{\"worker\":\"w1\"}"

/* A worker that looks for work every half second would else keep everybody else out for good. */
static void
a_refused_command_holds_no_lock(void **state)
{
    (void)state;
    struct home home;
    struct vh_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    sqlite3 *other = NULL;
    home_new(&home);
    assert_int_equal(sqlite3_open_v2(home.path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    int64_t commits = vh_store_commits(home.store);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(home_say(&home, "task.claimed", "", "", CLAIM, &answer, &err), VIV_E_NOT_FOUND);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    }
    assert_int_equal(vh_store_commits(home.store), commits);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    /* What is logged and not yet on disk stays: the home's last check looks for it. */
    must(&home, "task.submitted", SUBMIT);
    must(&home, "task.claimed", CLAIM);
    must(&home, "intent.captured", "{\"lease\":1,\"intent\":{\"goal\":\"count\"}}");
    assert_int_equal(home_say(&home, "task.claimed", "", "", CLAIM, &answer, &err), VIV_E_NOT_FOUND);
    home_end(&home);
}

/* What a start after a crash reads again, and what lies on the disk beside the tables. */
static void
the_write_ahead_log_is_bounded(void **state)
{
    (void)state;
    enum { GOAL = 16000, TASKS = 1200, BOUND = 20 << 20 };
    struct home home;
    struct stat file;
    char path[128], id[16];
    char *json = calloc(1, GOAL + 64);
    assert_non_null(json);
    int len = snprintf(json, 64, "{\"attempts_max\":1,\"goal\":\"");
    memset(json + len, 'x', GOAL);
    memcpy(json + len + GOAL, "\"}", 3);
    home_new(&home);
    snprintf(path, sizeof path, "%s-wal", home.path);
    off_t largest = 0;
    for (int i = 0; i < TASKS; i++) {
        snprintf(id, sizeof id, "t%d", i);
        (void)home_must(&home, "task.submitted", id, json); /* twice: in the log and in the rows */
        assert_int_equal(stat(path, &file), 0);
        largest = file.st_size > largest ? file.st_size : largest;
    }
    assert_in_range(largest, 1 << 20, BOUND);
    assert_int_equal(stat(home.path, &file), 0);
    assert_true(file.st_size > BOUND); /* else nothing was to be bounded */
    free(json);
    home_end(&home);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_gets_ready),
        cmocka_unit_test(keys_answer_once),
        cmocka_unit_test(a_second_host_is_fenced),
        cmocka_unit_test(a_refused_command_holds_no_lock),
        cmocka_unit_test(the_write_ahead_log_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
